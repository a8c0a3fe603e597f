//! UnixFS version 1 over dag-pb: blocks out of files and directories, and back.
//!
//! Pure: bytes in, blocks out, no store and no network. Written as Kubo writes them with `--cid-version=1
//! --raw-leaves`: CIDv1, SHA-256, raw leaves, dag-pb nodes in canonical form
//! (<https://ipld.io/specs/codecs/dag-pb/spec/>, <https://specs.ipfs.tech/unixfs/>). What is read may come from
//! anyone: every length, count and declared size is checked, and no input panics. Sharded (HAMT) directories,
//! symbolic links and metadata nodes are neither written nor read.

mod decode;
mod encode;
mod protobuf;

use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};

pub(crate) use decode::{Malformed, Parsed, parse};
pub(crate) use encode::{Child, EncodeError, directory_node, file_leaves, file_node, raw_leaf};

/// Multicodec of a raw block.
pub(crate) const RAW: u64 = 0x55;
/// Multicodec of a dag-pb block.
pub(crate) const DAG_PB: u64 = 0x70;
/// Multihash code of SHA2-256, the only hash that is written or accepted.
const SHA2_256: u64 = 0x12;

/// Largest block that is read: Bitswap carries no larger one.
pub(crate) const MAX_BLOCK: usize = 2 << 20;
/// Largest leaf that is written: CAR imports refuse blocks over 1 MiB.
pub(crate) const MAX_LEAF: usize = 1 << 20;
/// Parts below this share a leaf: each block costs a file, two fsyncs and a want.
pub(crate) const MIN_LEAF: usize = 64 << 10;
/// Most links of a file node. A segment of 15 s has at most about 60 leaves; a node of this many links is about 60 KB.
pub(crate) const MAX_FILE_LINKS: usize = 1_000;
/// Most entries of a directory. A live manifest has about ten; an hour has at most 4,000 segments, each perhaps with an
/// initialization section of its own. A node of this many links is about half a megabyte.
pub(crate) const MAX_DIRECTORY_ENTRIES: usize = 8_192;
/// Longest file name, as Linux file systems have it.
pub(crate) const MAX_NAME: usize = 255;

/// Whether blocks of this CID can be verified and understood here. CIDv0 is not: it would be a second name of a block
/// that has one, and counts and blocks on disk are kept by name.
pub(crate) fn is_supported(cid: &Cid) -> bool {
    cid.version() == cid::Version::V1
        && matches!(cid.codec(), RAW | DAG_PB)
        && cid.hash().code() == SHA2_256
        && cid.hash().size() == 32
}

/// Whether the bytes are the block that the CID names.
#[cfg(test)]
pub(crate) fn verify(cid: &Cid, block: &[u8]) -> bool {
    is_supported(cid) && Code::Sha2_256.digest(block) == *cid.hash()
}

fn cid_of(codec: u64, block: &[u8]) -> Cid {
    Cid::new_v1(codec, Code::Sha2_256.digest(block))
}

/// CIDs that Kubo 0.22 computed (`ipfs add`, with and without `--cid-version=1 --raw-leaves`).
#[cfg(test)]
mod vectors {
    use super::protobuf::{put_bytes, put_varint};
    use super::*;

    /// The file that was given to Kubo: byte `i` is `(31 i + 7 ⌊i / 256⌋) mod 251`.
    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|i| ((i * 31 + (i / 256) * 7) % 251) as u8).collect()
    }

    /// A leaf as Kubo writes it without raw leaves: a dag-pb node with all bytes in its UnixFS data.
    fn wrapped_leaf(bytes: &[u8]) -> Child {
        let (mut data, mut block) = (Vec::new(), Vec::new());
        put_varint(&mut data, 1, 2);
        put_bytes(&mut data, 2, bytes);
        put_varint(&mut data, 3, bytes.len() as u64);
        put_bytes(&mut block, 1, &data);
        let cid = cid_of(DAG_PB, &block);
        assert!(matches!(parse(&cid, &block.clone().into()), Ok(Parsed::File(file)) if file.inline == bytes));
        let cid = Cid::new_v0(*cid.hash()).unwrap();
        Child { cid, content_bytes: bytes.len() as u64, dag_bytes: block.len() as u64 }
    }

    fn check(size: usize, expected: &str) {
        let leaves: Vec<_> = content(size).chunks(262_144).map(wrapped_leaf).collect();
        let (root, _) = file_node(&leaves).unwrap();
        assert_eq!(Cid::new_v0(*root.cid.hash()).unwrap().to_string(), expected);
    }

    #[test]
    fn file_nodes_are_those_of_kubo() {
        check(262_144 * 2 + 1_000, "QmYrxp7vqf8rZCcmHXsZ68Kh5xwWnXBVyuL4FVg5PNxaT4");
        check(262_144 * 4, "QmQute9sGwYHsh1DKPwhfvVBSZwJQMXiLm8Q5DPTXcJNjZ");
    }

    #[test]
    fn a_file_of_one_leaf_is_that_of_kubo() {
        let wrapped = wrapped_leaf(b"hello world\n");
        assert_eq!(wrapped.cid.to_string(), "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o");
        let raw = raw_leaf(b"hello world\n");
        assert_eq!(raw.cid.to_string(), "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4");
    }

    #[test]
    fn an_empty_directory_is_that_of_kubo() {
        let (root, _) = directory_node(Vec::new()).unwrap();
        assert_eq!(root.cid.to_string(), "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    }
}
