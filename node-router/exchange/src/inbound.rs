//! Reads messages from inbound streams, within bounds of memory and time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::AsyncReadExt;
use futures::io::BufReader;
use libp2p_swarm::Stream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::wire::{MAX_MESSAGE, MAX_PREFIX, Message, WireError, frame_length};

/// Bytes of messages being read on all connections. With [`CONNECTION_BUDGET`] it takes two dozen connections that send
/// slowly to use it up; they have [`LONGEST_READ`].
const TOTAL_BUDGET: usize = 96 << 20;
/// Bytes of messages being read on one connection: one of the largest.
const CONNECTION_BUDGET: usize = MAX_MESSAGE;
/// The longest that one message may take. 1 MiB in that time is 70 kbit/s.
const LONGEST_READ: Duration = Duration::from_secs(120);
/// A stream that delivers nothing for this long in the middle of a message is given up.
const STALLED: Duration = Duration::from_secs(20);
/// What is allocated for a message before its bytes are there.
const FIRST_BUFFER: usize = 64 << 10;
/// Bytes that count as progress with a block: what a link of 22 kbit/s brings before its peer counts as silent. What comes
/// in smaller messages does not count.
const PIECE: usize = 4 << 10;
/// Reads small messages at one go.
const READ_AHEAD: usize = 8 << 10;

/// Memory for messages that are being read, shared by the streams of all connections.
#[derive(Debug, Clone)]
pub(crate) struct TotalBudget(Arc<Semaphore>);

/// The same for the streams of one connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionBudget {
    total: Arc<Semaphore>,
    connection: Arc<Semaphore>,
}

impl Default for TotalBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TOTAL_BUDGET)))
    }
}

impl TotalBudget {
    pub(crate) fn for_connection(&self) -> ConnectionBudget {
        ConnectionBudget { total: self.0.clone(), connection: Arc::new(Semaphore::new(CONNECTION_BUDGET)) }
    }
}

/// Why a stream is given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("stream stalled within a message")]
    Stalled(#[from] tokio::time::error::Elapsed),
    #[error("budget is closed")]
    Budget(#[from] tokio::sync::AcquireError),
}

/// An inbound stream.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: BufReader<Stream>,
    budget: ConnectionBudget,
    /// Pieces of messages read on all streams of the connection.
    pieces: Arc<AtomicU64>,
}

impl Reader {
    pub(crate) fn new(stream: Stream, budget: ConnectionBudget, pieces: Arc<AtomicU64>) -> Self {
        Self { stream: BufReader::with_capacity(READ_AHEAD, stream), budget, pieces }
    }

    /// The next message; `None` at the end of the stream. A stream may be silent between messages for any time.
    pub(crate) async fn next(mut self) -> Result<Option<(Self, Message)>, ReadError> {
        let mut first = [0];
        if self.stream.read(&mut first).await? == 0 {
            return Ok(None);
        }
        let message = timeout(LONGEST_READ, self.message(first[0])).await??;
        Ok(Some((self, message)))
    }

    async fn message(&mut self, first: u8) -> Result<Message, ReadError> {
        let mut prefix = [first, 0, 0, 0];
        let mut length = frame_length(&prefix[..1])?;
        for at in 1..MAX_PREFIX {
            if length.is_none() {
                timeout(STALLED, self.stream.read_exact(&mut prefix[at..=at])).await??;
                length = frame_length(&prefix[..=at])?;
            }
        }
        let (length, _) = length.ok_or(WireError::TooLong)?;
        let permits = length as u32;
        let _connection = self.budget.connection.acquire_many(permits).await?;
        let _total = self.budget.total.acquire_many(permits).await?;
        let mut frame = Vec::new();
        while frame.len() < length {
            // Memory follows what was really sent, not what was declared.
            let start = frame.len();
            let end = (start + start.max(FIRST_BUFFER)).min(length);
            frame.reserve_exact(end - start);
            frame.resize(end, 0);
            for piece in frame[start..end].chunks_mut(PIECE) {
                timeout(STALLED, self.stream.read_exact(piece)).await??;
                if piece.len() == PIECE {
                    self.pieces.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(Message::decode(&frame.into())?)
    }
}
