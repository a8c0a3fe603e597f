//! A file on disk as UnixFS, without a store: which CID it has, and its blocks as a CAR file.

use std::io::{self, Read};

use bytes::Bytes;
use cid::Cid;
use futures::stream::{self, Stream};
use node_router_car::{header, section_head};

use crate::unixfs::{self, Child, EncodeError, MAX_LEAF};

/// What the leaves of a file are, of which one mebibyte each is read at a time. The same bytes have the same outline everywhere.
#[derive(Debug, Clone)]
pub struct FileOutline {
    leaves: Vec<Child>,
    root: Child,
    /// None where the only leaf is the root.
    node: Option<Bytes>,
}

impl FileOutline {
    /// Reads a file to its end. Blocks.
    ///
    /// # Errors
    /// Where it cannot be read, or has more than about a gigabyte.
    pub fn of(mut file: impl Read) -> io::Result<Self> {
        let mut leaves = Vec::new();
        loop {
            let block = next_leaf(&mut file)?;
            if block.is_empty() && !leaves.is_empty() {
                break;
            }
            leaves.push(unixfs::raw_leaf(&block));
            if leaves.len() > unixfs::MAX_FILE_LINKS {
                return Err(io::Error::other(EncodeError::TooManyLeaves(leaves.len()).to_string()));
            }
        }
        if let [root] = leaves[..] {
            return Ok(Self { leaves, root, node: None });
        }
        let (root, node) = unixfs::file_node(&leaves).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { leaves, root, node: Some(node) })
    }

    /// The root.
    pub fn cid(&self) -> Cid {
        self.root.cid
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.root.content_bytes
    }

    /// The pieces of a CAR file (version 1) of the same file, which is read once more. Each piece is read when it is asked for, and
    /// blocks then. Where the file is another one by now, whoever reads the CAR file finds out.
    pub fn car<R: Read + Send + 'static>(self, file: R) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let mut first = header(&[self.root.cid]);
        if let Some(node) = &self.node {
            first.extend_from_slice(&section_head(&self.root.cid, node.len()));
            first.extend_from_slice(node);
        }
        let leaves = stream::try_unfold((file, self.leaves.into_iter()), |(mut file, mut leaves)| async {
            let Some(leaf) = leaves.next() else { return Ok(None) };
            let block = next_leaf(&mut file)?;
            let piece = [section_head(&leaf.cid, block.len()), block].concat();
            Ok(Some((Bytes::from(piece), (file, leaves))))
        });
        futures::StreamExt::chain(stream::iter([Ok(first.into())]), leaves)
    }
}

fn next_leaf(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut block = Vec::new();
    file.take(MAX_LEAF as u64).read_to_end(&mut block)?;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use node_router_car::{Decoder, Item};

    use super::*;

    async fn check(size: usize) {
        let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let outline = FileOutline::of(content.as_slice()).unwrap();
        assert_eq!(outline.bytes(), size as u64);
        let cid = outline.cid();
        let car = outline.car(io::Cursor::new(content.clone())).try_collect::<Vec<_>>().await.unwrap().concat();
        let mut decoder = Decoder::default();
        decoder.feed(&car);
        let (mut bytes, mut blocks) = (Vec::new(), 0);
        while let Some(item) = decoder.next_item().unwrap() {
            match item {
                Item::Roots(roots) => assert_eq!(roots, [cid]),
                Item::Block(section) => {
                    section.verify().unwrap();
                    blocks += 1;
                    if section.cid.codec() == unixfs::RAW {
                        bytes.extend_from_slice(&section.block);
                    }
                }
            }
        }
        decoder.finish().unwrap();
        assert_eq!(bytes, content);
        assert_eq!(blocks, if size <= MAX_LEAF { 1 } else { size.div_ceil(MAX_LEAF) + 1 });
    }

    #[tokio::test]
    async fn a_file_is_the_same_by_its_outline_and_in_its_car_file() {
        for size in [0, 12, MAX_LEAF, MAX_LEAF + 1, 2 * MAX_LEAF, 3 * MAX_LEAF - 5] {
            check(size).await;
        }
    }
}
