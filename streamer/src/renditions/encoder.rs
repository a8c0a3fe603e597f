//! The node's end of the encoder's process: starts it, asks it, and ends it where it hangs or crashes.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::framing::{Encoded, Request, answer_body, decode_answer, head_length};
use crate::camera::{Trouble, WorkerCommand};

/// Why nothing was encoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    /// The process did not start, ended, or says what it should not.
    #[error("the encoder's process: {0}")]
    Process(#[from] io::Error),
    /// It did not answer in time, and was ended.
    #[error("the encoder took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It answers without what it was asked for.
    #[error("the encoder gave nothing")]
    Nothing,
    /// It says why.
    #[error(transparent)]
    Trouble(Trouble),
}

/// An encoder's process, started when it is asked the first time and after each failure.
#[derive(Debug)]
pub(crate) struct Encoder {
    command: WorkerCommand,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    /// Killed when dropped.
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Encoder {
    pub(crate) fn new(command: WorkerCommand) -> Self {
        Self { command, process: None }
    }

    /// Encodes the pictures of a request in all its outputs. May be cancelled, which ends the process.
    pub(crate) async fn encode(&mut self, request: &Request, within: Duration) -> Result<Vec<Encoded>, EncodeError> {
        // Left out while it works: what is dropped half way is of no more use.
        let mut process = match self.process.take() {
            Some(process) => process,
            None => Process::start(&self.command)?,
        };
        let answer = timeout(within, process.ask(request)).await.map_err(|_| EncodeError::TimedOut(within))??;
        self.process = Some(process);
        answer.map_err(EncodeError::Trouble)
    }
}

impl Process {
    fn start(command: &WorkerCommand) -> io::Result<Self> {
        let mut child = command.command().stdin(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no pipes"));
        };
        Ok(Self { _child: child, input, output: BufReader::new(output) })
    }

    async fn ask(&mut self, request: &Request) -> io::Result<super::framing::Answer> {
        for piece in request.encode()? {
            self.input.write_all(&piece).await?;
        }
        self.input.flush().await?;
        let mut length = [0; 4];
        self.output.read_exact(&mut length).await?;
        let head = self.read(head_length(length)? as u64).await?;
        let body = self.read(answer_body(&head)?).await?;
        decode_answer(&head, body)
    }

    async fn read(&mut self, bytes: u64) -> io::Result<Bytes> {
        let mut buffer = Vec::new();
        (&mut self.output).take(bytes).read_to_end(&mut buffer).await?;
        if (buffer.len() as u64) < bytes { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Bytes::from(buffer)) }
    }
}
