//! The index of a CARv2, by which readers find blocks without reading the file through: `MultihashIndexSorted`
//! (<https://ipld.io/specs/transport/car/carv2/#format-0x0401-multihashindexsorted>).

use cid::Cid;

use crate::encode::varint;
use crate::{MULTIHASH_INDEX_SORTED, SHA2_256};

/// Bytes of a digest and an offset.
const ENTRY: usize = 40;
/// Bytes before the entries: codec; number of hash functions; the one's code; number of widths; the one; bytes of entries.
const HEAD: u64 = 2 + 4 + 8 + 4 + 4 + 8;

/// Digests with the offsets of their sections in the data.
#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<[u8; ENTRY]>,
}

impl Index {
    /// Most blocks that are indexed: the entries are kept in memory, 10 MiB for these. A CARv2 of more has no index.
    pub const MAX_ENTRIES: u64 = 1 << 18;

    /// Bytes of the index of this many blocks.
    pub fn bytes_for(blocks: u64) -> u64 {
        HEAD + blocks * ENTRY as u64
    }

    /// Lists a block whose hash is SHA2-256.
    pub fn push(&mut self, cid: &Cid, offset: u64) {
        let mut entry = [0; ENTRY];
        let (digest, place) = entry.split_at_mut(ENTRY - 8);
        digest.copy_from_slice(cid.hash().digest());
        place.copy_from_slice(&offset.to_le_bytes());
        self.entries.push(entry);
    }

    /// The index as it stands in the file.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.entries.sort_unstable();
        let mut bytes = varint(MULTIHASH_INDEX_SORTED);
        bytes.extend_from_slice(&1_u32.to_le_bytes());
        bytes.extend_from_slice(&SHA2_256.to_le_bytes());
        bytes.extend_from_slice(&1_u32.to_le_bytes());
        bytes.extend_from_slice(&(ENTRY as u32).to_le_bytes());
        bytes.extend_from_slice(&((self.entries.len() * ENTRY) as u64).to_le_bytes());
        bytes.extend(self.entries.iter().flatten());
        bytes
    }
}
