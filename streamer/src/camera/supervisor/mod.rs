//! Keeps a camera going: starts its worker, hears from it, ends it where it is stuck, and starts it again.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Child;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::command::WorkerCommand;
use super::job::Job;
use super::report::{Report, Trouble};

/// How long a worker may take until something is published: cameras of a network are slow to answer, some USB cameras
/// take seconds for their first picture.
const START: Duration = Duration::from_secs(20);

/// How long nothing may be published afterwards. A worker tells of its progress each second.
const STALL: Duration = Duration::from_secs(10);

/// How long a worker may take to end by itself: its last pictures are still on their way.
const GOODBYE: Duration = Duration::from_secs(4);

/// The wait before the first new start, and the longest one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Longest line of a worker: what is longer is none of ours.
const MAX_LINE: u64 = 16 * 1024;

/// What happens to a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Pictures are encoded with this element, or sound alone is.
    Started {
        /// The element.
        encoder: Option<String>,
    },
    /// Something was published.
    Progress {
        /// Pictures since the worker's start.
        pictures: u64,
        /// Pictures left out since the worker's start: the encoder had no time for them.
        dropped: u64,
        /// Bytes since the worker's start.
        bytes: u64,
    },
    /// It failed and is started again after a wait.
    Again {
        /// Why.
        trouble: Trouble,
        /// The wait.
        wait: Duration,
    },
}

/// Keeps a camera going.
#[derive(Debug)]
pub struct Supervisor {
    worker: WorkerCommand,
    job: Job,
    stall: Duration,
}

/// How a worker ended.
#[derive(Debug)]
enum End {
    /// It was asked to.
    Stopped,
    /// The source came to its end.
    Source,
    Trouble(Trouble),
}

impl Supervisor {
    /// Of a job, with workers that are started so.
    pub fn new(worker: WorkerCommand, job: Job) -> Self {
        Self { worker, job, stall: STALL }
    }

    /// Runs until it is stopped or the source comes to its end, and tells what happens.
    ///
    /// # Errors
    /// [`Trouble`] that lasts: starting again would not help.
    pub async fn run(self, stop: &CancellationToken, mut tell: impl FnMut(Event)) -> Result<(), Trouble> {
        let mut wait = FIRST_WAIT;
        loop {
            let mut published = false;
            let end = self.work(stop, |event| {
                published |= matches!(event, Event::Progress { .. });
                tell(event);
            });
            let trouble = match end.await {
                End::Stopped | End::Source => return Ok(()),
                End::Trouble(trouble) if trouble.lasts() => return Err(trouble),
                End::Trouble(trouble) => trouble,
            };
            if published {
                wait = FIRST_WAIT;
            }
            tell(Event::Again { trouble, wait });
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Ok(());
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn work(&self, stop: &CancellationToken, tell: impl FnMut(Event)) -> End {
        let mut child = match self.spawn().await {
            Ok(child) => child,
            Err(error) => return End::Trouble(Trouble::Job { reason: format!("cannot start an encoder: {error}") }),
        };
        let end = match child.stdout.take() {
            Some(output) => tokio::select! {
                end = self.hear(output, tell) => end,
                () = stop.cancelled() => Some(End::Stopped),
            },
            None => None,
        };
        // The end of its input tells a worker to end.
        drop(child.stdin.take());
        let status = match timeout(GOODBYE, child.wait()).await {
            Ok(status) => status.map_or_else(|error| error.to_string(), |status| status.to_string()),
            Err(_) => {
                // What hangs in a driver ends by nothing else.
                let _ = child.kill().await;
                "it had to be killed".to_owned()
            }
        };
        end.unwrap_or(End::Trouble(Trouble::Crashed { status }))
    }

    async fn spawn(&self) -> std::io::Result<Child> {
        let mut child = self.worker.command().stdin(Stdio::piped()).spawn()?;
        if let Some(input) = &mut child.stdin {
            let mut line = serde_json::to_vec(&self.job)?;
            line.push(b'\n');
            // A worker that has crashed already says why by its status.
            let _ = input.write_all(&line).await;
        }
        Ok(child)
    }

    /// Hears a worker to its end; `None` where it says nothing of that.
    async fn hear(&self, output: impl AsyncRead + Unpin, mut tell: impl FnMut(Event)) -> Option<End> {
        let mut output = BufReader::new(output);
        let mut patience = START;
        let mut deadline = Instant::now() + patience;
        loop {
            let mut line = String::new();
            let mut bounded = (&mut output).take(MAX_LINE);
            match timeout_at(deadline, bounded.read_line(&mut line)).await {
                Err(_) => return Some(End::Trouble(Trouble::Stalled { seconds: patience.as_secs() })),
                Ok(Err(_) | Ok(0)) => return None,
                Ok(Ok(_)) => {}
            }
            // Libraries of GStreamer's plugins may print what they like.
            match serde_json::from_str(&line) {
                Ok(Report::Started { encoder }) => tell(Event::Started { encoder }),
                Ok(Report::Progress { pictures, dropped, bytes }) => {
                    patience = self.stall;
                    deadline = Instant::now() + patience;
                    tell(Event::Progress { pictures, dropped, bytes });
                }
                Ok(Report::Trouble(trouble)) => return Some(End::Trouble(trouble)),
                Ok(Report::Ended) => return Some(End::Source),
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
