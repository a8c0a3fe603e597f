//! The DAG that a file brings, block by block in any order: which of it is complete, from the leaves up. Pure.
//!
//! Remembers only nodes that wait for blocks, and of complete nodes what kind they are; blocks that were recorded are
//! looked up by the caller. A file that is written depth first has few nodes that wait.

use std::collections::{HashMap, HashSet};

use cid::Cid;

use crate::fetch::dag::{Dag, DagError, MAX_DEPTH, Seen};
use crate::storage::Record;
use crate::unixfs::{Child, RAW};

/// Most links of nodes that wait at once: about 60 MB. Depth first, an archive has some thousands; breadth first, one of 30
/// hours with 15 blocks a segment has 110,000.
const MAX_WAITING: usize = 1 << 18;
/// Most nodes (not leaves) of a file: about 30 MB. An archive of 30 hours has 7,300.
const MAX_NODES: usize = 1 << 18;

/// Why a file's blocks make nothing that is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GraphError {
    #[error("not a file or directory that is kept here: {0}")]
    Dag(#[from] DagError),
    #[error("nodes with more than {MAX_WAITING} links wait for their blocks: write the file depth first")]
    TooManyWaiting,
    #[error("more than {MAX_NODES} files and directories: carry them in several files")]
    TooManyNodes,
}

/// A complete piece: a block with all that is below it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) child: Child,
    pub(super) is_file: bool,
    /// Levels below it, as far as this file brought them.
    pub(super) height: usize,
}

#[derive(Debug)]
struct Waiting {
    seen: Seen,
    found: HashMap<Cid, Piece>,
    missing: usize,
}

/// What is known of the file's DAG.
#[derive(Debug, Default)]
pub(super) struct Graph {
    waiting: HashMap<Cid, Waiting>,
    /// Which nodes wait for a block.
    parents: HashMap<Cid, Vec<Cid>>,
    links: usize,
    /// Kind and height of the complete nodes that are no leaves.
    nodes: HashMap<Cid, (bool, usize)>,
}

impl Graph {
    /// Whether the node came and waits for blocks.
    pub(super) fn is_waiting(&self, cid: &Cid) -> bool {
        self.waiting.contains_key(cid)
    }

    /// The blocks that are waited for.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Cid> {
        self.parents.keys().filter(|cid| !self.waiting.contains_key(cid))
    }

    /// Kind and height of a node that is complete, where this file brought it; leaves are files without anything below.
    pub(super) fn kind(&self, cid: &Cid) -> Option<(bool, usize)> {
        if cid.codec() == RAW { Some((true, 0)) } else { self.nodes.get(cid).copied() }
    }

    /// A block came, of whose children these are complete. Returns what is complete by it, children first.
    pub(super) fn add(
        &mut self,
        cid: Cid,
        seen: Seen,
        found: HashMap<Cid, Piece>,
    ) -> Result<Vec<(Piece, Record)>, GraphError> {
        let missing: HashSet<_> = seen.missing().filter(|child| !found.contains_key(child)).collect();
        let mut complete = Vec::new();
        if !missing.is_empty() {
            self.links += missing.len() + found.len();
            if self.links > MAX_WAITING {
                return Err(GraphError::TooManyWaiting);
            }
            for child in &missing {
                self.parents.entry(*child).or_default().push(cid);
            }
            self.waiting.insert(cid, Waiting { seen, found, missing: missing.len() });
            return Ok(complete);
        }
        let mut ready = vec![(cid, seen, found)];
        while let Some((cid, seen, found)) = ready.pop() {
            let (piece, record) = self.complete(cid, seen, &found)?;
            complete.push((piece, record));
            for parent in self.parents.remove(&cid).unwrap_or_default() {
                let Some(waiting) = self.waiting.get_mut(&parent) else { continue };
                waiting.found.insert(cid, piece);
                waiting.missing -= 1;
                if waiting.missing == 0
                    && let Some(Waiting { seen, found, .. }) = self.waiting.remove(&parent)
                {
                    self.links -= found.len();
                    ready.push((parent, seen, found));
                }
            }
        }
        Ok(complete)
    }

    fn complete(&mut self, cid: Cid, seen: Seen, found: &HashMap<Cid, Piece>) -> Result<(Piece, Record), GraphError> {
        let is_file = seen.is_file();
        let height = found.values().map(|piece| piece.height + 1).max().unwrap_or(0);
        if height > MAX_DEPTH {
            return Err(DagError::TooDeep.into());
        }
        let mut dag = Dag::default();
        dag.insert(cid, seen);
        for (child, piece) in found {
            dag.insert(*child, Seen::held(piece.child, piece.is_file));
        }
        let (child, mut records) = dag.into_records(cid)?;
        if cid.codec() != RAW {
            if self.nodes.len() >= MAX_NODES {
                return Err(GraphError::TooManyNodes);
            }
            self.nodes.insert(cid, (is_file, height));
        }
        let record = records.pop().ok_or(DagError::Missing(cid))?;
        Ok((Piece { child, is_file, height }, record))
    }
}
