//! Reading: one block to a file node or a directory, with everything it declares checked.

use std::collections::HashSet;

use bytes::Bytes;
use cid::Cid;

use super::encode::is_file_name;
use super::protobuf::{Fields, Value, WireError};
use super::{DAG_PB, MAX_BLOCK, RAW, is_supported};

/// Most links of a node that is read. Kubo writes 174 a node, newer releases 1,024; directories here have 2,000.
const MAX_LINKS: usize = 2_048;

/// Why a block is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// A block over the size that Bitswap carries.
    #[error("a block of {0} bytes is over {MAX_BLOCK}")]
    TooLarge(usize),
    /// Not protobuf.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Not dag-pb, or not UnixFS.
    #[error("{0}")]
    Structure(&'static str),
    /// A hash function or codec that is not used here.
    #[error("{0} is neither dag-pb nor raw with sha2-256")]
    Unsupported(Cid),
    /// A kind of UnixFS node that is not read here.
    #[error("unixfs type {0} is not supported: only plain files and directories are")]
    Kind(u64),
    /// The declared sizes do not add up.
    #[error("the sizes that a file node declares do not agree")]
    Sizes,
}

/// A file: bytes in the block itself, then those of the children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileNode {
    /// What the block itself holds; all of the file where there are no children.
    pub(crate) inline: Bytes,
    /// Children in order, each with the bytes of the file below it, as declared by this node.
    pub(crate) children: Vec<(Cid, u64)>,
    /// Bytes of the file.
    pub(crate) size: u64,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A file, or an inner part or a leaf of one.
    File(FileNode),
    /// A directory: names with what they link to.
    Directory(Vec<(String, Cid)>),
}

/// Parses a block as its CID says. Does not verify the hash.
///
/// # Errors
/// [`Malformed`] for whatever is not a plain UnixFS file or directory.
pub(crate) fn parse(cid: &Cid, block: &Bytes) -> Result<Parsed, Malformed> {
    if block.len() > MAX_BLOCK {
        return Err(Malformed::TooLarge(block.len()));
    }
    if !is_supported(cid) {
        return Err(Malformed::Unsupported(*cid));
    }
    if cid.codec() == RAW {
        return Ok(Parsed::File(FileNode { inline: block.clone(), children: Vec::new(), size: block.len() as u64 }));
    }
    debug_assert_eq!(cid.codec(), DAG_PB);
    let (links, data) = pb_node(block)?;
    let data = unixfs_data(block, data.ok_or(Malformed::Structure("a dag-pb node without unixfs data"))?)?;
    match data.kind {
        Some(0 | 2) => file(links, data),
        Some(1) => directory(links),
        Some(other) => Err(Malformed::Kind(other)),
        None => Err(Malformed::Structure("unixfs data without a type")),
    }
}

struct PbLink<'a> {
    cid: Cid,
    name: &'a str,
}

/// `PBNode` (dag-pb specification, "Serial format"); fields that it does not name are refused, as the codec asks.
fn pb_node(block: &[u8]) -> Result<(Vec<PbLink<'_>>, Option<&[u8]>), Malformed> {
    let (mut links, mut data) = (Vec::new(), None);
    for field in Fields(block) {
        match field? {
            (1, Value::Bytes(_)) if data.is_some() => {
                return Err(Malformed::Structure("a dag-pb node with two data fields"));
            }
            (1, Value::Bytes(bytes)) => data = Some(bytes),
            (2, Value::Bytes(_)) if links.len() == MAX_LINKS => {
                return Err(Malformed::Structure("a dag-pb node with too many links"));
            }
            (2, Value::Bytes(bytes)) => links.push(pb_link(bytes)?),
            _ => return Err(Malformed::Structure("an unknown field in a dag-pb node")),
        }
    }
    Ok((links, data))
}

fn pb_link(bytes: &[u8]) -> Result<PbLink<'_>, Malformed> {
    let (mut cid, mut name) = (None, "");
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(hash)) if cid.is_none() => {
                cid = Some(Cid::try_from(hash).map_err(|_| Malformed::Structure("a link that is not a cid"))?);
            }
            (2, Value::Bytes(text)) => {
                name = str::from_utf8(text).map_err(|_| Malformed::Structure("a link name that is not utf-8"))?;
            }
            // `Tsize` is a hint that nothing here relies on.
            (3, Value::Varint(_)) => {}
            _ => return Err(Malformed::Structure("an unknown field in a dag-pb link")),
        }
    }
    let cid = cid.ok_or(Malformed::Structure("a link without a cid"))?;
    if is_supported(&cid) { Ok(PbLink { cid, name }) } else { Err(Malformed::Unsupported(cid)) }
}

struct UnixfsData {
    kind: Option<u64>,
    inline: Bytes,
    filesize: Option<u64>,
    blocksizes: Vec<u64>,
}

/// UnixFS `Data`; later fields (mode, modification time) are passed over.
fn unixfs_data(block: &Bytes, bytes: &[u8]) -> Result<UnixfsData, Malformed> {
    let mut data = UnixfsData { kind: None, inline: Bytes::new(), filesize: None, blocksizes: Vec::new() };
    for field in Fields(bytes) {
        match field? {
            (1, Value::Varint(kind)) => data.kind = Some(kind),
            (2, Value::Bytes(inline)) => data.inline = block.slice_ref(inline),
            (3, Value::Varint(size)) => data.filesize = Some(size),
            (4, Value::Varint(_)) if data.blocksizes.len() == MAX_LINKS => return Err(Malformed::Sizes),
            (4, Value::Varint(size)) => data.blocksizes.push(size),
            (1..=4, _) => return Err(Malformed::Structure("a unixfs field of the wrong type")),
            _ => {}
        }
    }
    Ok(data)
}

fn file(links: Vec<PbLink<'_>>, data: UnixfsData) -> Result<Parsed, Malformed> {
    if links.len() != data.blocksizes.len() {
        return Err(Malformed::Sizes);
    }
    let inline = data.inline.len() as u64;
    let size = data.blocksizes.iter().try_fold(inline, |sum, size| sum.checked_add(*size)).ok_or(Malformed::Sizes)?;
    if data.filesize.is_some_and(|declared| declared != size) {
        return Err(Malformed::Sizes);
    }
    let children = links.iter().zip(data.blocksizes).map(|(link, size)| (link.cid, size)).collect();
    Ok(Parsed::File(FileNode { inline: data.inline, children, size }))
}

fn directory(links: Vec<PbLink<'_>>) -> Result<Parsed, Malformed> {
    let mut names = HashSet::with_capacity(links.len());
    if !links.iter().all(|link| is_file_name(link.name) && names.insert(link.name)) {
        return Err(Malformed::Structure("a directory with a bad name or one that is there twice"));
    }
    Ok(Parsed::Directory(links.into_iter().map(|link| (link.name.to_owned(), link.cid)).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::protobuf::{put_bytes, put_varint};
    use super::super::{Child, cid_of, directory_node, file_node, raw_leaf, verify};
    use super::*;
    use proptest::prelude::*;

    fn dag_pb(block: Vec<u8>) -> Result<Parsed, Malformed> {
        parse(&cid_of(DAG_PB, &block), &block.into())
    }

    fn node(links: &[Cid], data: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        for cid in links {
            let mut link = Vec::new();
            put_bytes(&mut link, 1, &cid.to_bytes());
            put_bytes(&mut block, 2, &link);
        }
        put_bytes(&mut block, 1, data);
        block
    }

    fn file_data(size: u64, blocksizes: &[u64]) -> Vec<u8> {
        let mut data = Vec::new();
        put_varint(&mut data, 1, 2);
        put_varint(&mut data, 3, size);
        blocksizes.iter().for_each(|size| put_varint(&mut data, 4, *size));
        data
    }

    proptest! {
        #[test]
        fn a_file_node_reads_back(sizes in prop::collection::vec(0_u64..u64::MAX / 2_000, 2..50)) {
            let leaves: Vec<_> = sizes.iter().map(|size| {
                Child { cid: raw_leaf(&size.to_be_bytes()).cid, content_bytes: *size, dag_bytes: *size }
            }).collect();
            let (root, block) = file_node(&leaves).unwrap();
            prop_assert!(verify(&root.cid, &block));
            let children: Vec<_> = leaves.iter().map(|leaf| (leaf.cid, leaf.content_bytes)).collect();
            let size = sizes.iter().sum();
            prop_assert_eq!(root.content_bytes, size);
            let expected = Parsed::File(FileNode { inline: Bytes::new(), children, size });
            prop_assert_eq!(parse(&root.cid, &block), Ok(expected));
        }

        #[test]
        fn a_directory_reads_back_sorted(names in prop::collection::btree_set("[a-z0-9.]{3,20}", 0..30)) {
            let entries: Vec<_> = names.iter().rev().map(|name| (name.clone(), raw_leaf(name.as_bytes()))).collect();
            let (root, block) = directory_node(entries).unwrap();
            let expected = names.iter().map(|name| (name.clone(), raw_leaf(name.as_bytes()).cid)).collect();
            prop_assert_eq!(parse(&root.cid, &block), Ok(Parsed::Directory(expected)));
        }

        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            let _ = dag_pb(bytes);
        }

        #[test]
        fn no_mutation_panics(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let (_, block) = file_node(&[raw_leaf(b"one"), raw_leaf(b"two")]).unwrap();
            let mut block = block.to_vec();
            let position = at.index(block.len());
            block[position] = byte;
            block.truncate(cut.index(block.len() + 1));
            let _ = dag_pb(block);
        }
    }

    #[test]
    fn sizes_that_do_not_add_up_are_refused() {
        let leaf = raw_leaf(b"abc").cid;
        assert!(dag_pb(node(&[leaf], &file_data(3, &[3]))).is_ok());
        for data in [
            file_data(4, &[3]),
            file_data(3, &[]),
            file_data(6, &[3, 3]),
            file_data(u64::MAX - 1, &[u64::MAX, u64::MAX]),
        ] {
            assert_eq!(dag_pb(node(&[leaf], &data)), Err(Malformed::Sizes));
        }
        let overflow = node(&[leaf, leaf], &file_data(u64::MAX - 1, &[u64::MAX, u64::MAX]));
        assert_eq!(dag_pb(overflow), Err(Malformed::Sizes));
    }

    #[test]
    fn other_kinds_of_nodes_are_refused() {
        let mut shard = Vec::new();
        put_varint(&mut shard, 1, 5);
        assert_eq!(dag_pb(node(&[], &shard)), Err(Malformed::Kind(5)));
        assert!(matches!(dag_pb(Vec::new()), Err(Malformed::Structure(_))));
        assert!(matches!(dag_pb(node(&[], &[])), Err(Malformed::Structure(_))));
        let cbor = Cid::new_v1(0x71, *raw_leaf(b"").cid.hash());
        assert_eq!(parse(&cbor, &Bytes::new()), Err(Malformed::Unsupported(cbor)));
        assert_eq!(dag_pb(node(&[cbor], &file_data(0, &[0]))), Err(Malformed::Unsupported(cbor)));
    }

    #[test]
    fn hostile_directories_are_refused() {
        let twice = |names: &[&str]| {
            let mut block = Vec::new();
            for name in names {
                let mut link = Vec::new();
                put_bytes(&mut link, 1, &raw_leaf(b"").cid.to_bytes());
                put_bytes(&mut link, 2, name.as_bytes());
                put_bytes(&mut block, 2, &link);
            }
            put_bytes(&mut block, 1, &[0x08, 0x01]);
            dag_pb(block)
        };
        assert!(twice(&["a", "b"]).is_ok());
        for names in [["a", "a"], ["a", "../b"], ["a", ".."], ["a", ""]] {
            assert!(matches!(twice(&names), Err(Malformed::Structure(_))), "{names:?}");
        }
        let many: Vec<_> = (0..=MAX_LINKS).map(|n| n.to_string()).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(matches!(twice(&many), Err(Malformed::Structure(_))));
    }

    #[test]
    fn a_block_over_the_limit_is_refused() {
        let block = Bytes::from(vec![0; MAX_BLOCK + 1]);
        assert_eq!(parse(&cid_of(RAW, &block), &block), Err(Malformed::TooLarge(MAX_BLOCK + 1)));
    }
}
