//! Writing: parts to leaves, leaves to a file node, files to a directory node.

use bytes::{Bytes, BytesMut};
use cid::Cid;

use super::protobuf::{put_bytes, put_varint};
use super::{DAG_PB, MAX_DIRECTORY_ENTRIES, MAX_FILE_LINKS, MAX_LEAF, MAX_NAME, MIN_LEAF, RAW, cid_of};

/// Why content cannot be written as one node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodeError {
    /// More leaves than one node links to.
    #[error("a file of {0} leaves is too large: at most {MAX_FILE_LINKS} fit")]
    TooManyLeaves(usize),
    /// More entries than one node links to.
    #[error("a directory of {0} entries is too large: at most {MAX_DIRECTORY_ENTRIES} fit")]
    TooManyEntries(usize),
    /// Empty, too long, with a slash or a zero byte, or `.` or `..`.
    #[error("{0:?} is not a file name")]
    Name(String),
    /// Two entries have the same name.
    #[error("two entries of the directory are named {0:?}")]
    Duplicate(String),
}

/// A block that a node links to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Child {
    /// Its CID.
    pub(crate) cid: Cid,
    /// Bytes of the file, or of the files of the directory, that it is the root of.
    pub(crate) content_bytes: u64,
    /// Bytes of all the blocks below and with it (`Tsize` of dag-pb).
    pub(crate) dag_bytes: u64,
}

/// Cuts parts into leaves. Leaves follow parts: one of [`MIN_LEAF`] bytes or more has leaves of its own (several of
/// about equal size when it is over [`MAX_LEAF`]), smaller neighbours share one. Where a leaf ends depends only on
/// what comes before it, so a part's CIDs do not change with what follows. There is always at least one leaf.
pub(crate) fn file_leaves(parts: &[Bytes]) -> Vec<Bytes> {
    let mut leaves = Vec::with_capacity(parts.len());
    let mut small = BytesMut::new();
    for part in parts {
        if part.len() < MIN_LEAF {
            small.extend_from_slice(part);
            if small.len() >= MIN_LEAF {
                leaves.push(small.split().freeze());
            }
            continue;
        }
        if !small.is_empty() {
            leaves.push(small.split().freeze());
        }
        let each = part.len().div_ceil(part.len().div_ceil(MAX_LEAF));
        leaves.extend((0..part.len()).step_by(each).map(|at| part.slice(at..part.len().min(at + each))));
    }
    if !small.is_empty() || leaves.is_empty() {
        leaves.push(small.freeze());
    }
    leaves
}

/// The link to a leaf.
pub(crate) fn raw_leaf(block: &[u8]) -> Child {
    let bytes = block.len() as u64;
    Child { cid: cid_of(RAW, block), content_bytes: bytes, dag_bytes: bytes }
}

/// A file over leaves: the node's block and the link to it. A file of a single leaf needs no node.
///
/// # Errors
/// [`EncodeError::TooManyLeaves`].
pub(crate) fn file_node(leaves: &[Child]) -> Result<(Child, Bytes), EncodeError> {
    /// UnixFS `DataType` of a file.
    const FILE: u64 = 2;
    if leaves.len() > MAX_FILE_LINKS {
        return Err(EncodeError::TooManyLeaves(leaves.len()));
    }
    let content_bytes = leaves.iter().map(|leaf| leaf.content_bytes).sum();
    let mut unixfs = Vec::new();
    put_varint(&mut unixfs, 1, FILE);
    put_varint(&mut unixfs, 3, content_bytes);
    for leaf in leaves {
        put_varint(&mut unixfs, 4, leaf.content_bytes);
    }
    Ok(node(leaves.iter().map(|leaf| ("", *leaf)), &unixfs, content_bytes))
}

/// A directory: the node's block and the link to it. The order of the entries does not matter.
///
/// # Errors
/// Too many entries, a bad name, or a name that is there twice.
pub(crate) fn directory_node(mut entries: Vec<(String, Child)>) -> Result<(Child, Bytes), EncodeError> {
    /// UnixFS `DataType` of a directory, as its whole `Data` message.
    const DIRECTORY: [u8; 2] = [0x08, 0x01];
    if entries.len() > MAX_DIRECTORY_ENTRIES {
        return Err(EncodeError::TooManyEntries(entries.len()));
    }
    if let Some((name, _)) = entries.iter().find(|(name, _)| !is_file_name(name)) {
        return Err(EncodeError::Name(name.clone()));
    }
    // dag-pb asks for links sorted by the bytes of their names, which is how `str` compares.
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(EncodeError::Duplicate(pair[0].0.clone()));
    }
    let content_bytes = entries.iter().map(|(_, child)| child.content_bytes).sum();
    Ok(node(entries.iter().map(|(name, child)| (name.as_str(), *child)), &DIRECTORY, content_bytes))
}

/// Whether the name can be a file's in a directory.
pub(super) fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME && !name.contains(['/', '\0'])
}

/// Canonical dag-pb: links (field 2) before data (field 1); each link has hash, name and size, even an empty name.
fn node<'a>(links: impl Iterator<Item = (&'a str, Child)>, data: &[u8], content_bytes: u64) -> (Child, Bytes) {
    let (mut block, mut link, mut dag_bytes) = (Vec::new(), Vec::new(), 0);
    for (name, child) in links {
        link.clear();
        put_bytes(&mut link, 1, &child.cid.to_bytes());
        put_bytes(&mut link, 2, name.as_bytes());
        put_varint(&mut link, 3, child.dag_bytes);
        put_bytes(&mut block, 2, &link);
        dag_bytes += child.dag_bytes;
    }
    put_bytes(&mut block, 1, data);
    dag_bytes += block.len() as u64;
    (Child { cid: cid_of(DAG_PB, &block), content_bytes, dag_bytes }, block.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(size: usize, byte: u8) -> Bytes {
        vec![byte; size].into()
    }

    fn sizes(parts: &[usize]) -> Vec<usize> {
        let parts: Vec<_> = parts.iter().map(|size| part(*size, 1)).collect();
        file_leaves(&parts).iter().map(Bytes::len).collect()
    }

    #[test]
    fn leaves_follow_the_parts() {
        let large = MAX_LEAF + 1;
        assert_eq!(sizes(&[]), [0]);
        assert_eq!(sizes(&[700]), [700]);
        assert_eq!(sizes(&[300_000, 400_000]), [300_000, 400_000]);
        assert_eq!(sizes(&[MAX_LEAF]), [MAX_LEAF]);
        assert_eq!(sizes(&[large]), [large.div_ceil(2), large / 2]);
        assert_eq!(sizes(&[20_000; 5]), [80_000, 20_000]);
        assert_eq!(sizes(&[1_000, 100_000, 2_000]), [1_000, 100_000, 2_000]);
    }

    proptest! {
        #[test]
        fn leaves_are_bounded_and_hold_the_same_bytes(lengths in prop::collection::vec(0_usize..3_000_000, 0..6)) {
            let parts: Vec<_> = lengths.iter().enumerate().map(|(at, size)| part(*size, at as u8)).collect();
            let leaves = file_leaves(&parts);
            prop_assert!(leaves.iter().all(|leaf| leaf.len() <= MAX_LEAF));
            prop_assert_eq!(leaves.concat(), parts.concat());
        }

        #[test]
        fn leaves_of_what_is_there_stay_when_parts_follow(lengths in prop::collection::vec(1_usize..200_000, 1..20)) {
            let parts: Vec<_> = lengths.iter().map(|size| part(*size, 7)).collect();
            let all = file_leaves(&parts);
            let before = file_leaves(&parts[..parts.len() - 1]);
            // Only the last leaf, made of small parts, may still grow.
            prop_assert_eq!(&all[..before.len() - 1], &before[..before.len() - 1]);
        }
    }

    #[test]
    fn a_directory_does_not_depend_on_the_order_of_its_entries() {
        let [a, b] = [raw_leaf(b"a"), raw_leaf(b"b")];
        let one = directory_node(vec![("x".into(), a), ("index.m3u8".into(), b)]).unwrap();
        let two = directory_node(vec![("index.m3u8".into(), b), ("x".into(), a)]).unwrap();
        assert_eq!(one, two);
    }

    #[test]
    fn names_that_are_no_file_names_are_refused() {
        let child = raw_leaf(b"");
        for name in ["", ".", "..", "a/b", "a\0", &"n".repeat(256)] {
            let refused = directory_node(vec![(name.to_owned(), child)]);
            assert_eq!(refused.unwrap_err(), EncodeError::Name(name.to_owned()));
        }
        let twice = directory_node(vec![("a".into(), child), ("a".into(), child)]);
        assert_eq!(twice.unwrap_err(), EncodeError::Duplicate("a".into()));
    }

    #[test]
    fn too_many_links_are_refused() {
        let leaf = raw_leaf(b"");
        assert!(file_node(&vec![leaf; MAX_FILE_LINKS]).is_ok());
        assert!(matches!(file_node(&vec![leaf; MAX_FILE_LINKS + 1]), Err(EncodeError::TooManyLeaves(_))));
        let entries = (0..=MAX_DIRECTORY_ENTRIES).map(|n| (n.to_string(), leaf)).collect();
        assert!(matches!(directory_node(entries), Err(EncodeError::TooManyEntries(_))));
    }
}
