//! Chunk streams (Adobe RTMP 1.0, §5.3): chunks in, messages out, and the other way round.
//!
//! Every number a chunk header declares is held against a limit before anything is reserved for it.

use bytes::{Buf, Bytes, BytesMut};

use super::limits;
use super::message::kind;

/// Chunk size until a Set Chunk Size message (§5.4.1).
const INITIAL_CHUNK_SIZE: usize = 128;

/// Value of a timestamp field that says that an extended timestamp follows (§5.3.1.3).
const EXTENDED: u32 = 0x00ff_ffff;

/// The longest header: basic header 3, message header 11, extended timestamp 4.
const LONGEST_HEADER: usize = 18;

/// The chunk stream of protocol control messages (§5.3.2), which some clients open with a header of type 1.
const CONTROL_CHUNK_STREAM: u32 = 2;

/// A message, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Message type id (§5.4, §7.1).
    pub(super) kind: u8,
    /// Milliseconds, wrapping.
    pub(super) timestamp: u32,
    /// Message stream id.
    pub(super) stream: u32,
    pub(super) payload: Bytes,
}

/// Why chunks cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A header refers to one that was never sent.
    #[error("chunk stream {0} begins without a full header")]
    NoPrecedingHeader(u32),
    /// A message begins before the one before it on its chunk stream is complete.
    #[error("a message on chunk stream {0} begins inside another one")]
    Interrupted(u32),
    /// One chunk stream too many.
    #[error("more chunk streams than the {} allowed", limits::CHUNK_STREAMS)]
    TooManyChunkStreams,
    /// A message declares more than is allowed now.
    #[error("a message of type {kind} declares {declared} bytes, {allowed} are allowed")]
    MessageTooLong {
        /// Message type id.
        kind: u8,
        /// Length in its header.
        declared: usize,
        /// Length allowed.
        allowed: usize,
    },
    /// The messages in progress declare more in all than is allowed now.
    #[error("messages in progress declare {declared} bytes in all, {allowed} are allowed")]
    TooMuchInProgress {
        /// Sum of their lengths.
        declared: usize,
        /// Sum allowed.
        allowed: usize,
    },
    /// A chunk size of 0.
    #[error("a chunk size of {0} is not between 1 and 2147483647")]
    ChunkSize(u32),
}

/// What is remembered of a chunk stream.
#[derive(Debug, Default)]
struct ChunkStream {
    id: u32,
    /// Of the latest message.
    timestamp: u32,
    /// Timestamp or delta of the latest header, the extended one where there was one.
    field: u32,
    extended: bool,
    length: usize,
    kind: u8,
    stream: u32,
    /// The message in progress.
    partial: Option<BytesMut>,
}

/// A chunk header, decoded.
#[derive(Debug)]
struct Header {
    format: u8,
    chunk_stream: u32,
    /// Timestamp or delta; none in a continuation.
    field: Option<u32>,
    extended: bool,
    length_and_kind: Option<(usize, u8)>,
    stream: Option<u32>,
}

/// The rest of the present chunk.
#[derive(Debug)]
struct Body {
    /// Index of the chunk stream.
    index: usize,
    remaining: usize,
}

/// Reads chunks of any number of interleaved chunk streams.
#[derive(Debug)]
pub(super) struct ChunkReader {
    chunk_size: usize,
    streams: Vec<ChunkStream>,
    /// Sum of the lengths of messages in progress: never above `allowed`.
    declared: usize,
    allowed: usize,
    /// A header's bytes while it is incomplete.
    stash: Vec<u8>,
    body: Option<Body>,
}

impl ChunkReader {
    /// A reader for an unauthenticated peer.
    pub(super) fn new() -> Self {
        Self {
            chunk_size: INITIAL_CHUNK_SIZE,
            streams: Vec::new(),
            declared: 0,
            allowed: limits::UNAUTHENTICATED_MESSAGES,
            stash: Vec::with_capacity(LONGEST_HEADER),
            body: None,
        }
    }

    /// Allows messages of audio and video.
    pub(super) fn authenticate(&mut self) {
        self.allowed = limits::MESSAGES;
    }

    /// Set Chunk Size (§5.4.1). A size above a message's length is fine: nothing is reserved for it.
    pub(super) fn set_chunk_size(&mut self, size: u32) -> Result<(), ChunkError> {
        if !(1..=0x7fff_ffff).contains(&size) {
            return Err(ChunkError::ChunkSize(size));
        }
        self.chunk_size = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(())
    }

    /// Abort Message (§5.4.2): forgets the message in progress.
    pub(super) fn abort(&mut self, chunk_stream: u32) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == chunk_stream)
            && stream.partial.take().is_some()
        {
            self.declared -= stream.length;
        }
    }

    /// Bytes that messages in progress may take: reserved when they begin, so no more can be held.
    pub(super) fn buffered(&self) -> usize {
        self.declared + self.stash.len()
    }

    /// Takes bytes from the front of `input` until a message is complete; `None` once `input` is empty.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        loop {
            if self.body.is_none() && !self.read_header(input)? {
                return Ok(None);
            }
            let Some(body) = &mut self.body else { continue };
            let stream = &mut self.streams[body.index];
            let Some(partial) = &mut stream.partial else {
                self.body = None;
                continue;
            };
            if !self.stash.is_empty() {
                let taken = self.stash.len().min(body.remaining);
                partial.extend(self.stash.drain(..taken));
                body.remaining -= taken;
            }
            let taken = input.len().min(body.remaining);
            partial.extend_from_slice(&input[..taken]);
            input.advance(taken);
            body.remaining -= taken;
            if body.remaining > 0 {
                return Ok(None);
            }
            self.body = None;
            if partial.len() == stream.length {
                let payload = stream.partial.take().map(BytesMut::freeze).unwrap_or_default();
                self.declared -= stream.length;
                return Ok(Some(Message {
                    kind: stream.kind,
                    timestamp: stream.timestamp,
                    stream: stream.stream,
                    payload,
                }));
            }
        }
    }

    /// False where more bytes are needed; `input` is empty then.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, ChunkError> {
        let mut window = [0; LONGEST_HEADER];
        let stashed = self.stash.len();
        let fresh = input.len().min(LONGEST_HEADER - stashed);
        window[..stashed].copy_from_slice(&self.stash);
        window[stashed..stashed + fresh].copy_from_slice(&input[..fresh]);
        let Some((header, used)) = self.parse_header(&window[..stashed + fresh])? else {
            self.stash.extend_from_slice(&input[..fresh]);
            input.advance(fresh);
            return Ok(false);
        };
        // A header may turn out shorter than what was stashed: the rest is payload then.
        self.stash.drain(..used.min(stashed));
        input.advance(used.saturating_sub(stashed));
        self.begin_chunk(&header)?;
        Ok(true)
    }

    /// The header at the front of `bytes` and its length, or `None` where it is incomplete (§5.3.1).
    fn parse_header(&self, bytes: &[u8]) -> Result<Option<(Header, usize)>, ChunkError> {
        let mut rest = bytes;
        let Ok(first) = rest.try_get_u8() else { return Ok(None) };
        let format = first >> 6;
        // §5.3.1.1: ids from 64 take one or two bytes more, the latter in little-endian order.
        let id = match first & 0x3f {
            0 => rest.try_get_u8().map(|low| 64 + u32::from(low)),
            1 => rest.try_get_u16_le().map(|id| 64 + u32::from(id)),
            id => Ok(u32::from(id)),
        };
        let Ok(chunk_stream) = id else { return Ok(None) };
        let known = self.streams.iter().find(|stream| stream.id == chunk_stream);

        let needed = match format {
            0 => 11,
            1 => 7,
            2 => 3,
            _ => 0,
        };
        if rest.len() < needed {
            return Ok(None);
        }
        let mut header =
            Header { format, chunk_stream, field: None, extended: false, length_and_kind: None, stream: None };
        if format < 3 {
            let field = get_u24(&mut rest);
            header.field = Some(field);
            header.extended = field == EXTENDED;
        }
        if format < 2 {
            let length = get_u24(&mut rest);
            header.length_and_kind = Some((usize::try_from(length).unwrap_or(usize::MAX), rest.get_u8()));
        }
        if format == 0 {
            header.stream = Some(rest.get_u32_le());
        }
        if format == 3 {
            let stream = known.ok_or(ChunkError::NoPrecedingHeader(chunk_stream))?;
            header.extended = stream.extended;
            if stream.partial.is_some() {
                // §5.3.1.3 repeats the extended timestamp in each continuation; some encoders leave it out, some
                // write the absolute time where the message began with a delta. Where the bytes are neither, they
                // are payload.
                if stream.extended {
                    let candidates = [stream.field.to_be_bytes(), stream.timestamp.to_be_bytes()];
                    let present = rest.len().min(4);
                    if candidates.iter().any(|candidate| candidate[..present] == rest[..present]) {
                        if present < 4 {
                            return Ok(None);
                        }
                        rest.advance(4);
                    }
                }
                return Ok(Some((header, bytes.len() - rest.len())));
            }
            header.field = Some(stream.field);
        }
        if header.extended {
            let Ok(field) = rest.try_get_u32() else { return Ok(None) };
            header.field = Some(field);
        }
        Ok(Some((header, bytes.len() - rest.len())))
    }

    fn begin_chunk(&mut self, header: &Header) -> Result<(), ChunkError> {
        let id = header.chunk_stream;
        let index = match self.streams.iter().position(|stream| stream.id == id) {
            Some(index) => index,
            None if header.format > 1 || (header.format == 1 && id != CONTROL_CHUNK_STREAM) => {
                return Err(ChunkError::NoPrecedingHeader(id));
            }
            None if self.streams.len() == limits::CHUNK_STREAMS => return Err(ChunkError::TooManyChunkStreams),
            None => {
                self.streams.push(ChunkStream { id, ..ChunkStream::default() });
                self.streams.len() - 1
            }
        };
        let stream = &mut self.streams[index];
        if let Some(field) = header.field {
            if stream.partial.is_some() {
                return Err(ChunkError::Interrupted(id));
            }
            // §5.3.1.2.4: a header of type 3 that begins a message repeats the latest delta; after a header of type 0
            // that is its timestamp.
            stream.timestamp = if header.format == 0 { field } else { stream.timestamp.wrapping_add(field) };
            stream.field = field;
            stream.extended = header.extended;
            if let Some((length, kind)) = header.length_and_kind {
                stream.length = length;
                stream.kind = kind;
            }
            if let Some(message_stream) = header.stream {
                stream.stream = message_stream;
            }
            let allowed = match stream.kind {
                kind::AUDIO | kind::VIDEO => self.allowed,
                _ => limits::COMMAND_MESSAGE,
            };
            if stream.length > allowed {
                return Err(ChunkError::MessageTooLong { kind: stream.kind, declared: stream.length, allowed });
            }
            let declared = self.declared + stream.length;
            if declared > self.allowed {
                return Err(ChunkError::TooMuchInProgress { declared, allowed: self.allowed });
            }
            self.declared = declared;
            stream.partial = Some(BytesMut::with_capacity(stream.length));
        }
        let received = stream.partial.as_ref().map_or(0, BytesMut::len);
        self.body = Some(Body { index, remaining: self.chunk_size.min(stream.length - received) });
        Ok(())
    }
}

/// Writes messages as chunks, the first of each with a full header.
#[derive(Debug)]
pub(super) struct ChunkWriter {
    chunk_size: usize,
}

impl ChunkWriter {
    pub(super) fn new() -> Self {
        Self { chunk_size: INITIAL_CHUNK_SIZE }
    }

    /// The size of chunks from now on; the peer must have been told.
    pub(super) fn set_chunk_size(&mut self, size: u16) {
        self.chunk_size = usize::from(size.max(1));
    }

    /// Appends a message to `output`. Chunk stream ids are 2 to 63 here, and messages shorter than 16 MiB.
    pub(super) fn write(&self, output: &mut Vec<u8>, chunk_stream: u8, message: &Message) {
        output.push(chunk_stream);
        put_u24(output, message.timestamp.min(EXTENDED));
        put_u24(output, u32::try_from(message.payload.len()).unwrap_or(EXTENDED));
        output.push(message.kind);
        output.extend_from_slice(&message.stream.to_le_bytes());
        let mut pieces = message.payload.chunks(self.chunk_size);
        let extended = (message.timestamp >= EXTENDED).then(|| message.timestamp.to_be_bytes());
        output.extend(extended.iter().flatten());
        output.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            output.push(0xc0 | chunk_stream);
            output.extend(extended.iter().flatten());
            output.extend_from_slice(piece);
        }
    }
}

fn get_u24(bytes: &mut &[u8]) -> u32 {
    u32::from(bytes.get_u8()) << 16 | u32::from(bytes.get_u16())
}

fn put_u24(output: &mut Vec<u8>, value: u32) {
    output.extend_from_slice(&value.to_be_bytes()[1..]);
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
