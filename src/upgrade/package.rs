//! What dpkg says: of the installed package, and of a package file.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use release::{PACKAGE_NAME, Version};

/// What the control file of a package says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) architecture: String,
}

impl Fields {
    /// Reads them out of a package file.
    ///
    /// # Errors
    /// Where dpkg-deb is missing, or the file is no package.
    pub(crate) fn of(file: &Path) -> anyhow::Result<Self> {
        // An absolute path is never taken for an option.
        let path = std::path::absolute(file).with_context(|| format!("cannot find {}", file.display()))?;
        let mut ask = Command::new("dpkg-deb");
        ask.arg("--field")
            .arg(&path)
            .args(["Package", "Version", "Architecture"])
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        let answer = ask.output().context("cannot run dpkg-deb: packages are read on Debian and its derivatives")?;
        if !answer.status.success() {
            let why = String::from_utf8_lossy(&answer.stderr);
            bail!("{} is no Debian package: {}", file.display(), why.trim());
        }
        Self::parse(&String::from_utf8_lossy(&answer.stdout))
            .with_context(|| format!("the control file of {} is not understood", file.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.map(|value| value.trim().to_owned()).with_context(|| format!("it has no field {name}"))
        };
        Ok(Self { name: field("Package")?, version: field("Version")?.parse()?, architecture: field("Architecture")? })
    }
}

/// The version of the package that is installed on this machine, in whatever state; `None` where none is, or there is no dpkg.
pub(crate) fn installed() -> Option<Version> {
    let format = "--showformat=${db:Status-Status} ${Version}";
    let text = first_line(Command::new("dpkg-query").args(["--show", format, PACKAGE_NAME]))?;
    let (status, version) = text.split_once(' ')?;
    if matches!(status, "not-installed" | "config-files") { None } else { version.trim().parse().ok() }
}

/// What packages for this machine are called; `None` without dpkg.
pub(crate) fn architecture() -> Option<String> {
    first_line(Command::new("dpkg").arg("--print-architecture"))
}

fn first_line(command: &mut Command) -> Option<String> {
    let answer = command.env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(answer.stdout).ok().filter(|_| answer.status.success())?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_file_is_read() {
        let text = "Package: meshstream\nVersion: 0.2.0-1\nArchitecture: arm64\n";
        let fields = Fields::parse(text).unwrap();
        let expected = ("meshstream", "0.2.0-1", "arm64");
        assert_eq!((fields.name.as_str(), fields.version.as_str(), fields.architecture.as_str()), expected);
        for broken in
            ["", "Package: meshstream\n", &text.replace("0.2.0-1", "new"), &text.replace("Version", "Versions")]
        {
            assert!(Fields::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_is_no_package_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("--help");
        std::fs::write(&file, "no package").unwrap();
        let error = Fields::of(&file).unwrap_err().to_string();
        assert!(error.contains("no Debian package"), "{error}");
    }
}
