//! Reading what is held, from the first byte asked for. The block store verifies each block; those read lately are in memory.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::stream::{self, BoxStream, StreamExt};
use stream_model::{ContentReader, DirectoryEntry, Node, StoreError};

use super::{Storage, block_failure};
use crate::unixfs::{self, Parsed};

/// Deepest file that is read: ours have one level, Kubo's of 174 links a node reach a terabyte with four.
const MAX_DEPTH: usize = 6;

impl Storage {
    async fn held_node(&self, cid: &Cid) -> Result<Parsed, StoreError> {
        let block = match self.shared.hot.get(cid) {
            Some(block) => block,
            None => {
                let read = self.shared.blocks.get(cid).await.map_err(block_failure)?;
                let block = read.ok_or(StoreError::NotFound(*cid))?;
                self.shared.hot.insert(*cid, block.clone());
                block
            }
        };
        unixfs::parse(cid, &block).map_err(|error| StoreError::Failed(format!("block {cid}: {error}")))
    }
}

impl From<Parsed> for Node {
    fn from(parsed: Parsed) -> Self {
        match parsed {
            Parsed::File(file) => Self::File(file.size),
            Parsed::Directory(entries) => {
                Self::Directory(entries.into_iter().map(|(name, cid)| DirectoryEntry { name, cid }).collect())
            }
        }
    }
}

/// A part of a file that is still to be read.
struct Pending {
    cid: Cid,
    start: u64,
    size: u64,
    depth: usize,
}

struct Walk {
    storage: Storage,
    range: Range<u64>,
    /// The next part is the last. At most one node's links for each level.
    pending: Vec<Pending>,
}

impl Walk {
    /// The next bytes within the range. Parts before it are skipped without being read.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while let Some(Pending { cid, start, size, depth }) = self.pending.pop() {
            let damaged = |what: &str| StoreError::Failed(format!("block {cid} {what}"));
            let Parsed::File(file) = self.storage.held_node(&cid).await? else {
                return Err(damaged("is a directory inside a file"));
            };
            if file.size != size {
                return Err(damaged("has not the size that its parent declares"));
            }
            let mut at = start + file.inline.len() as u64;
            let mut children = Vec::with_capacity(file.children.len());
            for (child, size) in file.children {
                if overlap(&(at..at + size), &self.range).is_some() {
                    children.push(Pending { cid: child, start: at, size, depth: depth + 1 });
                }
                at += size;
            }
            if depth >= MAX_DEPTH && !children.is_empty() {
                return Err(damaged("is in a file nested too deep"));
            }
            self.pending.extend(children.into_iter().rev());
            let inline = start..start + file.inline.len() as u64;
            if let Some(part) = overlap(&inline, &self.range) {
                // Both are within the block, whose length is a `usize`.
                let part = (part.start - start) as usize..(part.end - start) as usize;
                return Ok(Some(file.inline.slice(part)));
            }
        }
        Ok(None)
    }
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> Option<Range<u64>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (both.start < both.end).then_some(both)
}

#[async_trait]
impl ContentReader for Storage {
    async fn stat(&self, cid: &Cid) -> Result<Node, StoreError> {
        if !self.is_held(cid).await? {
            return Err(StoreError::NotFound(*cid));
        }
        Ok(self.held_node(cid).await?.into())
    }

    async fn read(
        &self,
        cid: &Cid,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let size = match self.stat(cid).await? {
            Node::File(size) => size,
            Node::Directory(_) => return Err(StoreError::WrongKind(*cid, "file")),
        };
        let pending = vec![Pending { cid: *cid, start: 0, size, depth: 0 }];
        let walk = Walk { storage: self.clone(), range: range.start..range.end.min(size), pending };
        let bytes = stream::try_unfold(walk, |mut walk| async { Ok(walk.next().await?.map(|bytes| (bytes, walk))) });
        Ok(bytes.boxed())
    }
}
