//! How processes that encode are started.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

/// How a worker is started: a process that encodes, so that what crashes or hangs in there does so alone.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program; this one.
    pub program: PathBuf,
    /// What makes it a worker.
    pub arguments: Vec<OsString>,
}

impl WorkerCommand {
    /// This program, which a word makes a worker.
    ///
    /// # Errors
    /// Where the program does not find itself.
    pub fn this(word: &str) -> std::io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, arguments: vec![word.into()] })
    }

    /// The command: what it says is read, and it ends with who started it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdout(Stdio::piped()).kill_on_drop(true);
        command
    }
}
