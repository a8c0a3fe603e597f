//! One outbound stream and the messages for it: opened when there is something to send, and again when it died.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{AsyncWriteExt, FutureExt};
use libp2p_swarm::Stream;
use tokio::time::{Sleep, sleep, timeout};

use crate::wire::Message;

/// A peer that takes nothing for this long is given up on this stream. Pings notice a dead link sooner.
const STALLED: Duration = Duration::from_secs(20);
/// The longest that one message may take: what it holds in memory is not held for ever by a peer that reads a byte now
/// and then. 1 MiB in that time is 70 kbit/s.
const LONGEST_WRITE: Duration = Duration::from_secs(120);
/// Bytes that are written at a time, each within [`STALLED`].
const PIECE: usize = 16 << 10;
/// Pause before the first try to open another stream; it doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Doublings of the pause: up to 6.4 s.
const MOST_DOUBLINGS: u32 = 7;

/// What a lane wants or has done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LaneEvent {
    /// A stream is to be opened for it.
    Open,
    /// A message is out.
    Sent,
    /// The stream died. The message on it and those waiting are dropped: the caller knows better what is to be repeated.
    Failed,
}

/// An outbound stream and its queue. The caller bounds the queue.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: State,
    queue: VecDeque<Message>,
    failures: u32,
}

#[derive(Default)]
enum State {
    #[default]
    Closed,
    Paused(Pin<Box<Sleep>>),
    Opening,
    Idle(Stream),
    Writing(BoxFuture<'static, io::Result<Stream>>),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::Paused(_) => "Paused",
            Self::Opening => "Opening",
            Self::Idle(_) => "Idle",
            Self::Writing(_) => "Writing",
        })
    }
}

impl Lane {
    /// Sends a message after those that wait. Nothing happens before the next [`poll`](Self::poll).
    pub(crate) fn push(&mut self, message: Message) {
        self.queue.push_back(message);
    }

    /// Messages that are not being written yet.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether it could write at once.
    pub(crate) fn is_free(&self) -> bool {
        self.queue.is_empty() && !matches!(self.state, State::Writing(_))
    }

    /// The stream that was asked for.
    pub(crate) fn opened(&mut self, stream: Stream) {
        self.state = State::Idle(stream);
    }

    /// The stream could not be opened; it is tried again after a pause.
    pub(crate) fn open_failed(&mut self) {
        self.pause();
    }

    fn pause(&mut self) {
        let pause = FIRST_PAUSE * (1 << self.failures.min(MOST_DOUBLINGS));
        self.failures += 1;
        self.state = State::Paused(Box::pin(sleep(pause)));
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<LaneEvent> {
        loop {
            match std::mem::take(&mut self.state) {
                State::Closed if self.queue.is_empty() => return Poll::Pending,
                State::Closed => {
                    self.state = State::Opening;
                    return Poll::Ready(LaneEvent::Open);
                }
                State::Opening => {
                    self.state = State::Opening;
                    return Poll::Pending;
                }
                State::Paused(mut pause) => {
                    if pause.poll_unpin(context).is_pending() {
                        self.state = State::Paused(pause);
                        return Poll::Pending;
                    }
                }
                State::Idle(stream) => match self.queue.pop_front() {
                    Some(message) => self.state = State::Writing(write(stream, message).boxed()),
                    None => {
                        self.state = State::Idle(stream);
                        return Poll::Pending;
                    }
                },
                State::Writing(mut writing) => match writing.poll_unpin(context) {
                    Poll::Pending => {
                        self.state = State::Writing(writing);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(stream)) => {
                        self.failures = 0;
                        self.state = State::Idle(stream);
                        return Poll::Ready(LaneEvent::Sent);
                    }
                    Poll::Ready(Err(error)) => {
                        tracing::debug!(%error, "outbound stream failed");
                        self.queue.clear();
                        self.pause();
                        return Poll::Ready(LaneEvent::Failed);
                    }
                },
            }
        }
    }
}

async fn write(mut stream: Stream, message: Message) -> io::Result<Stream> {
    let writing = async {
        for chunk in message.encode() {
            for piece in chunk.chunks(PIECE) {
                timeout(STALLED, stream.write_all(piece)).await??;
            }
        }
        timeout(STALLED, stream.flush()).await??;
        Ok::<_, io::Error>(())
    };
    timeout(LONGEST_WRITE, writing).await??;
    Ok(stream)
}
