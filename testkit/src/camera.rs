//! `meshstream camera` as a process.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::node::Node;
use crate::process::{child_of, resident_bytes, signal};

/// A guard against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(120);

/// A camera that publishes to a node. Killed when dropped; its worker ends with it.
#[derive(Debug)]
pub struct Camera {
    child: Child,
    log: BufReader<ChildStderr>,
    said: String,
}

impl Camera {
    /// Starts one on the machine of a node, whose settings it has.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub fn start(node: &Node, arguments: &[&str]) -> Result<Self> {
        Self::start_in(node, arguments, [])
    }

    /// The same with variables in its environment.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub fn start_in(
        node: &Node,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<Self> {
        let mut command = node.command();
        command.arg("camera").args(arguments).envs(environment).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start a camera")?;
        let log = BufReader::new(child.stderr.take().context("no standard error")?);
        Ok(Self { child, log, said: String::new() })
    }

    /// Kills the process that encodes, as a plugin that crashes does.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn kill_worker(&self) -> Result<()> {
        signal("-KILL", &self.worker()?).await
    }

    /// Has the process that encodes stand still, as one that hangs in a driver does.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn stop_worker(&self) -> Result<()> {
        signal("-STOP", &self.worker()?).await
    }

    /// Gives the process that encodes a tenth of the time until the slowness is dropped, as a machine that is busy.
    ///
    /// # Errors
    /// Where there is none.
    pub fn slow_down(&self) -> Result<Slowness> {
        let worker = self.worker()?;
        let script = format!("while kill -STOP {worker}; do sleep .09; kill -CONT {worker}; sleep .01; done");
        let child = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        Ok(Slowness { child, worker })
    }

    /// Resident memory of the process that encodes, bytes.
    ///
    /// # Errors
    /// Where there is none.
    pub fn worker_resident_bytes(&self) -> Result<u64> {
        resident_bytes(self.worker()?.parse()?)
    }

    fn worker(&self) -> Result<String> {
        child_of(self.child.id().context("the camera has ended")?, "camera-worker")
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// Where it does not end.
    pub async fn terminate(self) -> Result<(ExitStatus, String)> {
        let id = self.child.id().context("the camera has ended")?.to_string();
        signal("-TERM", &id).await?;
        self.ended().await
    }

    /// Waits until it says something.
    ///
    /// # Errors
    /// Where it ends or goes on without.
    pub async fn says(&mut self, text: &str) -> Result<()> {
        let wait = async {
            while !self.said.contains(text) {
                ensure!(self.log.read_line(&mut self.said).await? > 0, "the camera ended and said only: {}", self.said);
            }
            Ok(())
        };
        tokio::time::timeout(GUARD, wait).await.with_context(|| format!("the camera did not say {text:?}"))?
    }

    /// Waits for its end: its status, and what it said.
    ///
    /// # Errors
    /// Where it does not end.
    pub async fn ended(mut self) -> Result<(ExitStatus, String)> {
        let end = async {
            self.log.read_to_string(&mut self.said).await?;
            self.child.wait().await
        };
        let status = tokio::time::timeout(GUARD, end).await.context("the camera did not end")??;
        Ok((status, self.said))
    }
}

/// Slows a worker down.
#[derive(Debug)]
pub struct Slowness {
    child: Child,
    worker: String,
}

impl Slowness {
    /// Gives it its time back.
    ///
    /// # Errors
    /// Where it has ended.
    pub async fn end(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

impl Drop for Slowness {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        // Nobody else would wake it.
        let _ = std::process::Command::new("kill").args(["-CONT", &self.worker]).stderr(Stdio::null()).status();
    }
}
