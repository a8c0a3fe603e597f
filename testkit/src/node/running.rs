//! The processes of a node: signals to them, and what they use.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::Child;

use super::Node;
use crate::process::{self, CpuOf};

/// A guard against hanging, not a measure: a node ends in a fraction of this.
const STOP_GUARD: Duration = Duration::from_secs(30);

impl Node {
    /// `kill -9`.
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the node does not run")?;
        child.kill().await?;
        Ok(())
    }

    /// SIGSTOP: it stands still, its connections stay open.
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn pause(&self) -> Result<()> {
        self.signal("-STOP").await
    }

    /// SIGCONT, after [`Node::pause`].
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn resume(&self) -> Result<()> {
        self.signal("-CONT").await
    }

    async fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.child.as_ref().and_then(Child::id).context("the node does not run")?;
        process::signal(signal, &pid.to_string()).await
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("-TERM").await?;
        let mut child = self.child.take().context("the node does not run")?;
        match tokio::time::timeout(STOP_GUARD, child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("the node did not end after SIGTERM; its log ends with:\n{}", self.log_tail()),
        }
    }

    /// Resident memory of the process, bytes.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn resident_bytes(&self) -> Result<u64> {
        process::resident_bytes(self.child.as_ref().and_then(Child::id).context("the node does not run")?)
    }

    /// Kills a process that the node runs, named by a word of its command line, as a crash does.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn kill_child(&self, word: &str) -> Result<()> {
        process::signal("-KILL", &self.child(word)?).await
    }

    /// Stops a process that the node runs, likewise named, as one that hangs.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn pause_child(&self, word: &str) -> Result<()> {
        process::signal("-STOP", &self.child(word)?).await
    }

    /// CPU time that a process which the node runs has used, likewise named.
    ///
    /// # Errors
    /// Where there is none.
    pub fn child_cpu_time(&self, word: &str) -> Result<Duration> {
        process::cpu_time(&self.child(word)?, CpuOf::Process)
    }

    fn child(&self, word: &str) -> Result<String> {
        let pid = self.child.as_ref().and_then(Child::id).context("the node does not run")?;
        process::child_of(pid, word)
    }

    /// CPU time that the process has used, in user and kernel mode.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn cpu_time(&self) -> Result<Duration> {
        let pid = self.child.as_ref().and_then(Child::id).context("the node does not run")?;
        process::cpu_time(&pid.to_string(), CpuOf::Process)
    }
}
