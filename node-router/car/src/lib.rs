//! CAR files: blocks in a row, with their CIDs and the roots of what they make.
//!
//! Pure: bytes in, verified blocks out, and back; no disk and no network. CARv1 and CARv2 are read and written
//! (<https://ipld.io/specs/transport/car/carv1/>, <https://ipld.io/specs/transport/car/carv2/>). A file may come from
//! anyone: every length is bounded before anything is kept of what it announces, and no input panics. The index of a CARv2
//! is never relied on: a file is read from its beginning to its end.

mod decode;
mod encode;
mod index;

use cid::{Cid, Version};

pub use decode::{Decoder, Item, Section};
pub use encode::{V2_HEAD_BYTES, header, section_bytes, section_head, v2_head};
pub use index::Index;

/// Largest block: Bitswap carries no larger one.
pub const MAX_BLOCK: usize = 2 << 20;
/// Multicodec of a raw block.
const RAW: u64 = 0x55;
/// Multicodec of a dag-pb block.
const DAG_PB: u64 = 0x70;
/// Multihash code of SHA2-256.
const SHA2_256: u64 = 0x12;

/// Longest header that is read: room for the most roots that are taken, several times over.
const MAX_HEADER: usize = 8 << 10;
/// Most roots. What nodes here write has one; other programs put several files into one CAR.
pub const MAX_ROOTS: usize = 64;
/// Longest CID: a hash of 64 bytes and what names it.
const MAX_CID: usize = 96;
/// Longest section: the largest block and its CID.
const MAX_SECTION: usize = MAX_BLOCK + MAX_CID;
/// Each block costs a file on disk, two syncs and a row in memory, so a file of many must have blocks of some size: the first
/// blocks may be of any.
const FREE_BLOCKS: u64 = 1 << 16;
/// The least average size of blocks once there are more. Leaves here have 64 KiB and more, their nodes about 1 KiB for 15.
const MIN_AVERAGE: u64 = 4 << 10;
/// Most bytes between the parts of a CARv2, which programs use to align blocks.
const MAX_PADDING: u64 = 1 << 20;
/// Most bytes of an index for each block that it lists: a hash of 64 bytes and an offset, and some more.
const MAX_INDEX_ENTRY: u64 = 128;

/// The first bytes of a CARv2: a CARv1 header that says version 2.
const PRAGMA: [u8; 11] = *b"\x0a\xa1\x67version\x02";
/// Bytes of the header that follows it.
const V2_HEADER_BYTES: usize = 40;
/// Multicodec of an index sorted by multihash.
const MULTIHASH_INDEX_SORTED: u64 = 0x0401;
/// In the first byte of the characteristics: the index lists all blocks.
const FULLY_INDEXED: u8 = 0x80;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {reason}")]
pub struct Refused {
    /// Byte of the file.
    pub at: u64,
    /// What is wrong there.
    pub(crate) reason: Reason,
}

impl Refused {
    /// What is wrong there, and what to do.
    pub fn reason(&self) -> String {
        self.reason.to_string()
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("no length of at most 9 bytes: the file is damaged, copy it again, or is no CAR file")]
    Varint,
    #[error("a header of {0} bytes, where at most {MAX_HEADER} are read: this is no CAR file")]
    HeaderSize(u64),
    #[error("the header is not understood ({0}): this is no CAR file, or it is damaged: copy it again")]
    Header(String),
    #[error("CAR version {0}, where 1 and 2 are read: write the file with another program or option")]
    Version(u64),
    #[error("a CARv2 around something that is no CARv1: the file is damaged, copy it again")]
    NotV1Inside,
    #[error("no roots: nothing says what the blocks are for; write the file with the root of what it carries")]
    NoRoots,
    #[error("{0} roots, where at most {MAX_ROOTS} are taken: carry them in several files, or below one directory")]
    TooManyRoots(usize),
    #[error("an empty section: the file is damaged or filled up with zeros, write it without padding")]
    EmptySection,
    #[error(
        "a section of {0} bytes, where blocks of at most {MAX_BLOCK} bytes are carried: the file is damaged, copy it again"
    )]
    SectionSize(u64),
    #[error("no CID at the start of a section: the file is damaged, copy it again")]
    Cid,
    #[error(
        "{0} is a CIDv0, and only CIDv1 is kept: add the content anew, with 'ipfs add --cid-version=1', and export that"
    )]
    CidV0(Cid),
    #[error("{0} carries its content in itself, and only blocks with sha2-256 are kept: add the content anew")]
    Identity(Cid),
    #[error("{0} is neither dag-pb nor raw with sha2-256, and only files and directories with these are kept")]
    Unsupported(Cid),
    #[error("the block is not the one that {0} names: the file is damaged, copy it again")]
    Hash(Cid),
    #[error("{blocks} blocks of {average} bytes on average, where {MIN_AVERAGE} are the least in a file of that many")]
    TinyBlocks { blocks: u64, average: u64 },
    #[error("the CARv2 was never finished: write it again")]
    Unfinished,
    #[error("the offsets in the CARv2 header make no sense: the file is damaged, copy it again")]
    Offsets,
    #[error("a section goes past the end of the data: the file is damaged, copy it again")]
    PastEnd,
    #[error("something follows the end of the file: it is damaged, copy it again")]
    Trailing,
}

/// Whether blocks of this CID are carried: files and directories, under the one name that a block has here. CIDv0 would be a
/// second.
pub fn is_carried(cid: &Cid) -> bool {
    cid.version() == Version::V1
        && matches!(cid.codec(), RAW | DAG_PB)
        && cid.hash().code() == SHA2_256
        && cid.hash().size() == 32
}

/// Why a block of this name cannot be kept here, if so.
fn unsupported(cid: &Cid) -> Option<Reason> {
    /// Multihash code of content that stands for itself.
    const IDENTITY: u64 = 0x00;
    match cid {
        cid if is_carried(cid) => None,
        cid if cid.version() == Version::V0 => Some(Reason::CidV0(*cid)),
        cid if cid.hash().code() == IDENTITY => Some(Reason::Identity(*cid)),
        cid => Some(Reason::Unsupported(*cid)),
    }
}

/// Reads bytes as a file, in pieces of the length that the first byte says, and checks each block, for fuzzing and for
/// replaying its corpus.
///
/// # Panics
/// Where reading panics or keeps more than it may: this is what fuzzing looks for.
pub fn exercise(input: &[u8]) {
    let Some((&unit, file)) = input.split_first() else { return };
    let step = (usize::from(unit) * 16).max(1);
    let mut decoder = Decoder::default();
    for piece in file.chunks(step) {
        decoder.feed(piece);
        loop {
            match decoder.next_item() {
                Ok(Some(Item::Roots(roots))) => assert!(!roots.is_empty() && roots.len() <= MAX_ROOTS),
                Ok(Some(Item::Block(section))) => {
                    assert!(section.block.len() <= MAX_BLOCK && is_carried(&section.cid));
                    if section.verify().is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(decoder.buffered() <= MAX_SECTION + step + 16, "no more is kept than one section");
    }
    let _ = decoder.finish();
}

#[cfg(test)]
mod tests;
