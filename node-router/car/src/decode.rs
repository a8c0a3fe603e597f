//! Reading: pieces of a file in, roots and blocks out.

use bytes::{Buf as _, Bytes, BytesMut};
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest as _};
use serde::Deserialize;
use unsigned_varint::decode::{self, Error as VarintError};

use crate::{
    FREE_BLOCKS, MAX_HEADER, MAX_INDEX_ENTRY, MAX_PADDING, MAX_ROOTS, MAX_SECTION, MIN_AVERAGE, PRAGMA, Reason,
    Refused, V2_HEADER_BYTES, unsupported,
};

/// What a file consists of, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The CIDs in the header; at least one.
    Roots(Vec<Cid>),
    /// A block, not verified yet.
    Block(Section),
}

/// A block as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What the file says that it is; of a kind that is kept here.
    pub cid: Cid,
    /// The bytes; at most [`crate::MAX_BLOCK`].
    pub block: Bytes,
    /// Byte of the file at which the section begins.
    pub at: u64,
}

impl Section {
    /// Whether the block is the one that its CID names. Takes milliseconds for a large one.
    ///
    /// # Errors
    /// [`Refused`] where it is not.
    pub fn verify(&self) -> Result<(), Refused> {
        if Code::Sha2_256.digest(&self.block) == *self.cid.hash() {
            return Ok(());
        }
        Err(Refused { at: self.at, reason: Reason::Hash(self.cid) })
    }
}

/// The header of a CARv1; a CARv2 begins with one that has no roots.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u64,
    roots: Option<Vec<Cid>>,
}

/// The data within a CARv2.
#[derive(Debug, Clone, Copy)]
struct Payload {
    end: u64,
    index: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before the first header.
    Start,
    /// Before the header of a CARv2.
    V2Header,
    /// Before the CARv1 in a CARv2.
    Padding { until: u64 },
    /// Before the header of that.
    Inside,
    /// Between sections.
    Sections,
    /// After the data of a CARv2, up to a byte that nothing may follow.
    After { limit: u64 },
}

/// Reads a file that comes in pieces. Keeps no more of it than one section and one piece.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// Byte of the file at which the buffer begins.
    at: u64,
    state: State,
    payload: Option<Payload>,
    blocks: u64,
    block_bytes: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), at: 0, state: State::Start, payload: None, blocks: 0, block_bytes: 0 }
    }
}

impl Decoder {
    /// Takes the next piece of the file; to be followed by [`Self::next_item`] until there is none.
    pub fn feed(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Bytes that are waiting.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next item; `None` where more of the file is needed for it.
    ///
    /// # Errors
    /// [`Refused`]; there is no going on after it.
    pub fn next_item(&mut self) -> Result<Option<Item>, Refused> {
        loop {
            match self.state {
                State::Start | State::Inside => {
                    let at = self.at;
                    let Some((_, header)) = self.frame(MAX_HEADER, Reason::HeaderSize)? else { return Ok(None) };
                    if let Some(roots) = self.header(&header).map_err(|reason| Refused { at, reason })? {
                        return Ok(Some(Item::Roots(roots)));
                    }
                }
                State::V2Header => {
                    if self.buffer.len() < V2_HEADER_BYTES {
                        return Ok(None);
                    }
                    let at = self.at;
                    let header = self.take(V2_HEADER_BYTES);
                    self.v2_header(&header).map_err(|reason| Refused { at, reason })?;
                }
                State::Padding { until } => {
                    let skipped = self.buffer.len().min(usize::try_from(until - self.at).unwrap_or(usize::MAX));
                    self.take(skipped);
                    if self.at < until {
                        return Ok(None);
                    }
                    self.state = State::Inside;
                }
                State::Sections => {
                    if let Some(payload) = self.payload.filter(|payload| payload.end == self.at) {
                        // Nothing relies on the index, which is passed over without being kept.
                        let most = self.blocks.saturating_add(1).saturating_mul(MAX_INDEX_ENTRY);
                        self.state =
                            State::After { limit: payload.index.map_or(self.at, |at| at.saturating_add(most)) };
                        continue;
                    }
                    let Some((at, section)) = self.frame(MAX_SECTION, Reason::SectionSize)? else { return Ok(None) };
                    return self.section(at, section).map(|section| Some(Item::Block(section)));
                }
                State::After { limit } => {
                    self.take(self.buffer.len());
                    if self.at > limit {
                        return Err(Refused { at: limit, reason: Reason::Trailing });
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// To be asked at the end of the file, once [`Self::next_item`] has no more: whether it may end here. A CARv1 does not
    /// say how long it is, and ends after any block.
    ///
    /// # Errors
    /// The byte at which the file ends in the middle of something, as text.
    pub fn finish(&self) -> Result<(), String> {
        let end = self.at + self.buffer.len() as u64;
        let whole = match self.state {
            State::After { .. } => true,
            State::Sections => self.buffer.is_empty() && self.payload.is_none_or(|payload| payload.end == self.at),
            State::Start | State::V2Header | State::Padding { .. } | State::Inside => false,
        };
        if whole { Ok(()) } else { Err(format!("it ends at byte {end} in the middle of something")) }
    }

    fn take(&mut self, bytes: usize) -> Bytes {
        self.at += bytes as u64;
        self.buffer.split_to(bytes).freeze()
    }

    /// A length as varint, and what it announces; with the byte at which it begins.
    fn frame(&mut self, most: usize, too_long: fn(u64) -> Reason) -> Result<Option<(u64, Bytes)>, Refused> {
        let refused = |reason| Refused { at: self.at, reason };
        let (length, rest) = match decode::u64(&self.buffer) {
            Ok(decoded) => decoded,
            Err(VarintError::Insufficient) => return Ok(None),
            Err(_) => return Err(refused(Reason::Varint)),
        };
        let varint = self.buffer.len() - rest.len();
        let length = usize::try_from(length).ok().filter(|bytes| *bytes <= most).ok_or(refused(too_long(length)))?;
        let frame = varint + length;
        if self.payload.is_some_and(|payload| self.at + frame as u64 > payload.end) {
            return Err(refused(Reason::PastEnd));
        }
        if self.buffer.len() < frame {
            self.buffer.reserve(frame - self.buffer.len());
            return Ok(None);
        }
        let at = self.at;
        let mut frame = self.take(frame);
        frame.advance(varint);
        Ok(Some((at, frame)))
    }

    /// The roots; none where a CARv2 begins.
    fn header(&mut self, bytes: &[u8]) -> Result<Option<Vec<Cid>>, Reason> {
        let header: Header =
            serde_ipld_dagcbor::from_slice(bytes).map_err(|error| Reason::Header(shortened(&error.to_string())))?;
        match (header.version, self.state) {
            (1, _) => {}
            (_, State::Inside) => return Err(Reason::NotV1Inside),
            (2, _) if *bytes == PRAGMA[1..] => {
                self.state = State::V2Header;
                return Ok(None);
            }
            (other, _) => return Err(Reason::Version(other)),
        }
        let roots = header.roots.unwrap_or_default();
        if roots.is_empty() {
            return Err(Reason::NoRoots);
        }
        if roots.len() > MAX_ROOTS {
            return Err(Reason::TooManyRoots(roots.len()));
        }
        if let Some(reason) = roots.iter().find_map(unsupported) {
            return Err(reason);
        }
        self.state = State::Sections;
        Ok(Some(roots))
    }

    /// Characteristics (16 bytes), then data offset, data size and index offset, little endian.
    fn v2_header(&mut self, mut bytes: &[u8]) -> Result<(), Reason> {
        bytes.advance(16);
        let (start, size, index) = (bytes.get_u64_le(), bytes.get_u64_le(), bytes.get_u64_le());
        if size == 0 {
            return Err(Reason::Unfinished);
        }
        let end = start.checked_add(size).filter(|_| start >= self.at && start - self.at <= MAX_PADDING);
        let end = end.ok_or(Reason::Offsets)?;
        let index = (index != 0).then_some(index);
        if index.is_some_and(|index| index < end || index - end > MAX_PADDING) {
            return Err(Reason::Offsets);
        }
        self.payload = Some(Payload { end, index });
        self.state = State::Padding { until: start };
        Ok(())
    }

    fn section(&mut self, at: u64, mut block: Bytes) -> Result<Section, Refused> {
        let refused = |reason| Refused { at, reason };
        if block.is_empty() {
            return Err(refused(Reason::EmptySection));
        }
        let mut rest: &[u8] = &block;
        let cid = Cid::read_bytes(&mut rest).map_err(|_| refused(Reason::Cid))?;
        let name = block.len() - rest.len();
        block.advance(name);
        if let Some(reason) = unsupported(&cid) {
            return Err(refused(reason));
        }
        if block.len() > crate::MAX_BLOCK {
            return Err(refused(Reason::SectionSize(block.len() as u64)));
        }
        self.blocks += 1;
        self.block_bytes += block.len() as u64;
        let (blocks, average) = (self.blocks, self.block_bytes / self.blocks);
        if blocks > FREE_BLOCKS && average < MIN_AVERAGE {
            return Err(refused(Reason::TinyBlocks { blocks, average }));
        }
        Ok(Section { cid, block, at })
    }
}

/// Words of a library about bytes of a stranger, for one line.
fn shortened(text: &str) -> String {
    /// Enough for what the library says.
    const MOST: usize = 80;
    text.chars().filter(|char| !char.is_control()).take(MOST).collect()
}
