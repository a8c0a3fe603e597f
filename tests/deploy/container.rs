//! A Debian in a folder: programs run in it, or it boots with a systemd of its own (systemd-nspawn(1)).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{built, output};

/// Against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(120);

/// How often it is looked whether something has come about that nothing tells.
const LOOK: Duration = Duration::from_millis(100);

/// A root file system of its own, which goes with the value.
#[derive(Debug)]
pub(crate) struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    /// A Debian 12 with nothing but what it needs to boot.
    pub(crate) fn bare() -> Result<Self> {
        Self::copy_of(&image("bare", |root| {
            output(
                Command::new("mmdebstrap")
                    .args(["--quiet", "--variant=minbase", "--include=systemd,systemd-sysv,dbus", "bookworm"])
                    .arg(root),
            )
            .map(drop)
        })?)
    }

    /// The same with what the package asks for and recommends, and not the package.
    pub(crate) fn prepared(package: &Path) -> Result<Self> {
        Self::copy_of(&image("prepared", |root| {
            let bare = Self::bare()?;
            bare.take(package, "/meshstream.deb")?;
            bare.apt("apt-get install --yes --quiet /meshstream.deb && apt-get purge --yes --quiet meshstream")?;
            output(Command::new("cp").arg("--archive").arg(bare.path()).arg(root)).map(drop)
        })?)
    }

    fn copy_of(image: &Path) -> Result<Self> {
        let folder = tempfile::tempdir_in(built("deploy"))?;
        output(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(image.join(".")).arg(folder.path()))?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path of it, as this machine has it.
    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Copies a file into it.
    pub(crate) fn take(&self, file: &Path, path: &str) -> Result<()> {
        std::fs::copy(file, self.join(path)).with_context(|| format!("cannot copy {}", file.display()))?;
        Ok(())
    }

    /// Runs what a shell is told, without booting, with this machine's network and newest lists of packages.
    pub(crate) fn apt(&self, script: &str) -> Result<String> {
        let script = format!("export DEBIAN_FRONTEND=noninteractive; apt-get update --quiet=2; {script}");
        output(self.nspawn().args(["--pipe", "sh", "-ec", &script]))
    }

    /// Runs what a shell is told, without booting.
    pub(crate) fn run(&self, script: &str) -> Result<String> {
        output(self.nspawn().args(["--pipe", "--private-network", "sh", "-ec", script]))
    }

    fn nspawn(&self) -> Command {
        let mut command = Command::new("systemd-nspawn");
        // No systemd of this machine is asked: there may be none.
        command.args(["--quiet", "--register=no", "--keep-unit", "--directory"]).arg(self.path());
        command
    }
}

/// A folder that is made once and kept.
fn image(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let path = built("deploy").join(name);
    if !path.exists() {
        std::fs::create_dir_all(built("deploy"))?;
        let unfinished = path.with_extension("unfinished");
        let _ = std::fs::remove_dir_all(&unfinished);
        make(&unfinished)?;
        std::fs::rename(&unfinished, &path)?;
    }
    Ok(path)
}

/// A Debian that has booted, with a network of its own. It is cut off from power when dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    nspawn: Child,
    systemd: u32,
}

impl Machine {
    /// Boots, and waits until systemd has started everything.
    pub(crate) fn boot(root: &Root) -> Result<Self> {
        let mut nspawn = root.nspawn();
        nspawn.args(["--boot", "--private-network", "--machine=meshstream-test", "--console=passive"]);
        let nspawn = nspawn.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut machine = Self { nspawn, systemd: 0 };
        machine.systemd = until("the container's systemd", || Ok(child_of(machine.nspawn.id())))?;
        until("the system bus", || Ok(machine.run("busctl --quiet list").ok()))?;
        machine.run("systemctl is-system-running --wait || true")?;
        Ok(machine)
    }

    /// Runs what a shell is told, as root in there.
    pub(crate) fn run(&self, script: &str) -> Result<String> {
        output(self.enter("--all").args(["sh", "-ec", script]))
    }

    /// A program of this machine on the network in there.
    pub(crate) fn on_its_network(&self, program: &str) -> Command {
        let mut command = self.enter("--net");
        command.arg(program);
        command
    }

    fn enter(&self, what: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.systemd.to_string(), what]);
        command
    }

    /// Waits until a command succeeds in there; returns what it prints.
    pub(crate) fn until(&self, what: &str, script: &str) -> Result<String> {
        until(what, || Ok(self.run(script).ok()))
    }

    /// Cuts it off from power.
    pub(crate) fn cut(mut self) -> Result<()> {
        self.kill()
    }

    fn kill(&mut self) -> Result<()> {
        // systemd takes everything in there along; nspawn then ends.
        let _ = Command::new("kill").args(["-KILL", &self.systemd.to_string()]).output();
        self.nspawn.wait()?;
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A program that runs beside a test.
#[derive(Debug)]
pub(crate) struct KilledOnDrop(pub(crate) Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for something that nothing tells.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_within(GUARD, what, look)
}

/// The same for what takes longer.
pub(crate) fn until_within<T>(guard: Duration, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > guard {
            bail!("{what} did not come about within {guard:?}");
        }
        thread::sleep(LOOK);
    }
}

fn child_of(process: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
