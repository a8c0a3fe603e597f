//! The daemons' own tools: they make settings with new keys, and say how they read settings.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::Daemon;
use crate::setup::check::{PATH, is_here};

/// Far longer than either needs.
const SECONDS: &str = "20";

impl Daemon {
    fn program(self) -> &'static str {
        match self {
            Self::Yggdrasil => "yggdrasil",
            Self::Cjdns => "cjdroute",
        }
    }

    /// Whether it is installed on this machine.
    pub(crate) fn is_here(self) -> bool {
        is_here(self.program())
    }

    /// New settings, with keys of their own.
    ///
    /// # Errors
    /// Where the daemon is not installed or fails.
    pub(crate) fn generate(self) -> anyhow::Result<String> {
        let arguments = match self {
            Self::Yggdrasil => "-genconf",
            Self::Cjdns => "--genconf",
        };
        self.ask(&[arguments], "")
    }

    /// Settings as the daemon reads them.
    ///
    /// # Errors
    /// Where it refuses them.
    pub(crate) fn read(self, text: &str) -> anyhow::Result<Value> {
        let arguments: &[&str] = match self {
            Self::Yggdrasil => &["-useconf", "-normaliseconf", "-json"],
            Self::Cjdns => &["--cleanconf"],
        };
        let answer = self.ask(arguments, text)?;
        serde_json::from_str(&answer).with_context(|| format!("{} does not say JSON of its settings", self.name()))
    }

    fn ask(self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let program = self.program();
        let mut child = Command::new("timeout")
            .arg(SECONDS)
            .arg(program)
            .args(arguments)
            .env("PATH", PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {program}"))?;
        let mut stdin = child.stdin.take().context("the child's standard input is a pipe")?;
        // It answers once it has read everything; one that reads nothing has ended, and says why.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().with_context(|| format!("cannot run {program}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{program} does not take its settings: {}", said.lines().last().unwrap_or("it says nothing"));
        }
        String::from_utf8(output.stdout).with_context(|| format!("{program} does not answer in text"))
    }
}
