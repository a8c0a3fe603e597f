//! Each generated file is read by the program whose it is before it goes in: what that refuses is a fault of ours, or a version
//! that is too old, and nothing is changed then.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::changes::Change;
use super::plan::Item;
use super::tree::State;

/// hostapd has no mode that only checks: it reads its settings, then looks for the device. One that cannot be, since a slash is
/// in it, ends that before any radio is touched.
const NO_DEVICE: &str = "no/device";

/// What it says of settings, and of nothing else.
const REFUSED_BY_HOSTAPD: [&str; 2] = ["errors found in configuration file", "Could not open configuration file"];

/// Longer than any of them takes; hostapd has been seen to stay where it should have ended.
const SECONDS: &str = "20";

/// A program that reads a file of its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checker {
    Hostapd,
    Dnsmasq,
    Nft,
    Radvd,
    /// systemd, for units.
    Systemd,
    Yggdrasil,
    Cjdroute,
}

/// Checks the files that are new, where their programs are on this machine. Returns a line for each that could not be.
///
/// # Errors
/// Where a program refuses its file; the error says what it said.
pub(crate) fn check(items: &[Item], changes: &[Change]) -> anyhow::Result<Vec<String>> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory to check files in")?;
    let mut unchecked = Vec::new();
    let mut units = Vec::new();
    for change in changes {
        let checker = items.iter().find(|item| item.path == change.path).and_then(|item| item.checker);
        let (Some(checker), State::File { bytes, .. }) = (checker, &change.to) else { continue };
        let name = change.path.file_name().unwrap_or_default();
        let copy = directory.path().join(name);
        fs::write(&copy, checker.to_read(bytes)).with_context(|| format!("cannot write {}", copy.display()))?;
        if checker == Checker::Systemd {
            units.push(copy);
            continue;
        }
        if let Verdict::Unknown(why) = checker.read(&[&copy], &change.path)? {
            unchecked.push(format!("not checked: {}: {why}", change.path.display()));
        }
    }
    // Together, since they name each other.
    if !units.is_empty() {
        let units: Vec<&Path> = units.iter().map(AsRef::as_ref).collect();
        if let Verdict::Unknown(why) = Checker::Systemd.read(&units, Path::new("the units of systemd"))? {
            unchecked.push(format!("not checked: the units of systemd: {why}"));
        }
    }
    Ok(unchecked)
}

enum Verdict {
    Good,
    Unknown(String),
}

impl Checker {
    fn program(self) -> &'static str {
        match self {
            Self::Hostapd => "hostapd",
            Self::Dnsmasq => "dnsmasq",
            Self::Nft => "nft",
            Self::Radvd => "radvd",
            Self::Systemd => "systemd-analyze",
            Self::Yggdrasil => "yggdrasil",
            Self::Cjdroute => "cjdroute",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Hostapd | Self::Cjdroute => &[],
            Self::Dnsmasq => &["--test", "-C"],
            Self::Nft => &["-c", "-f"],
            Self::Radvd => &["--logmethod", "stderr_clean", "--configtest", "-C"],
            Self::Systemd => &["verify", "--man=no", "--recursive-errors=no"],
            Self::Yggdrasil => &["-normaliseconf", "-useconffile"],
        }
    }

    /// The file as the program is to read it.
    fn to_read(self, bytes: &[u8]) -> Vec<u8> {
        if self != Self::Hostapd {
            return bytes.to_vec();
        }
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().map(|line| match line.strip_prefix("interface=") {
            Some(_) => format!("interface={NO_DEVICE}\n"),
            None => format!("{line}\n"),
        });
        lines.collect::<String>().into_bytes()
    }

    fn read(self, files: &[&Path], named: &Path) -> anyhow::Result<Verdict> {
        let program = self.program();
        if !is_here(program) {
            return Ok(Verdict::Unknown(format!("{program} is not installed here")));
        }
        let mut command = Command::new("timeout");
        command.arg(SECONDS).arg(program).args(self.arguments()).env("PATH", PATH).env("LC_ALL", "C");
        match self {
            // It reads its settings from standard input alone.
            Self::Cjdroute => {
                let file = files.first().context("a file to check")?;
                command.arg("--cleanconf").stdin(fs::File::open(file).context("cannot read the copy to check")?);
            }
            _ => {
                command.args(files);
            }
        }
        let output = command.output().with_context(|| format!("cannot run {program}"))?;
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        let good = match self {
            // It fails in any case, for want of the device.
            Self::Hostapd => !REFUSED_BY_HOSTAPD.iter().any(|words| said.contains(words)),
            _ => output.status.success(),
        };
        if good {
            return Ok(Verdict::Good);
        }
        if said.contains("Operation not permitted") {
            return Ok(Verdict::Unknown(format!("{program} has to be run as root")));
        }
        if self == Self::Systemd && said.contains("is not executable") {
            return Ok(Verdict::Unknown("programs that they start are not installed here".to_owned()));
        }
        bail!(
            "{program} refuses {}, and nothing was changed. It says:\n{}\nThis is a fault of Meshstream, or a version of \
             {program} that is too old: please report it",
            named.display(),
            said.trim_end()
        )
    }
}

/// Where Debian has the programs of the system, also for a person whose shell does not look there.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a program is installed on this machine.
pub(crate) fn is_here(program: &str) -> bool {
    PATH.split(':').any(|directory| Path::new(directory).join(program).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostapd_reads_all_but_the_device() {
        let read = Checker::Hostapd.to_read(b"# interface=x\ninterface=wlan0\nssid=interface=wlan0\n");
        assert_eq!(String::from_utf8(read).unwrap(), "# interface=x\ninterface=no/device\nssid=interface=wlan0\n");
        assert_eq!(Checker::Nft.to_read(b"interface=wlan0"), b"interface=wlan0");
    }
}
