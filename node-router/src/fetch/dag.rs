//! The DAG as it becomes known: what each block is, and in the end the records of all, checked against each other.
//! Pure.

use std::collections::HashMap;

use bytes::Bytes;
use cid::Cid;

use crate::storage::Record;
use crate::unixfs::{self, Child, Malformed, Parsed};

/// Deepest DAG: directories of days, hours and broadcasts over a file of some levels.
pub(crate) const MAX_DEPTH: usize = 8;

/// Why blocks that are each fine do not make a file or a directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DagError {
    #[error("deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("{0} has not the size that its parent declares")]
    Size(Cid),
    #[error("{0} is a directory inside a file")]
    DirectoryInFile(Cid),
    #[error("sizes beyond 64 bits")]
    Overflow,
    #[error("{0} is missing")]
    Missing(Cid),
}

/// A block of the DAG.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    is_file: bool,
    /// Bytes of the file as the block declares them; of a directory that is held, of all its files.
    content_bytes: u64,
    block_bytes: u64,
    /// Children, of a file with the size declared for each.
    children: Vec<(Cid, Option<u64>)>,
    /// Where all below is held already: the bytes of those blocks and of this one.
    held: Option<u64>,
}

impl Seen {
    pub(crate) fn parse(cid: &Cid, block: &Bytes) -> Result<Self, Malformed> {
        let parsed = unixfs::parse(cid, block)?;
        let (is_file, content_bytes, children) = match parsed {
            Parsed::File(file) => {
                (true, file.size, file.children.into_iter().map(|(cid, size)| (cid, Some(size))).collect())
            }
            Parsed::Directory(entries) => (false, 0, entries.into_iter().map(|(_, cid)| (cid, None)).collect()),
        };
        Ok(Self { is_file, content_bytes, block_bytes: block.len() as u64, children, held: None })
    }

    pub(crate) fn held(child: Child, is_file: bool) -> Self {
        let Child { content_bytes, dag_bytes, .. } = child;
        Self { is_file, content_bytes, block_bytes: content_bytes, children: Vec::new(), held: Some(dag_bytes) }
    }

    pub(crate) fn is_file(&self) -> bool {
        self.is_file
    }

    /// Children that are to be looked at.
    pub(crate) fn missing(&self) -> impl Iterator<Item = Cid> {
        self.children.iter().map(|(cid, _)| *cid)
    }

    /// What counts towards the limit of a request: the block, or all that is held below it.
    pub(crate) fn own_bytes(&self) -> u64 {
        self.block_bytes
    }

    pub(crate) fn declared_bytes(&self) -> u64 {
        self.content_bytes
    }
}

/// All blocks seen so far.
#[derive(Debug, Default)]
pub(crate) struct Dag {
    seen: HashMap<Cid, Seen>,
}

impl Dag {
    pub(crate) fn insert(&mut self, cid: Cid, seen: Seen) {
        self.seen.insert(cid, seen);
    }

    /// The root, and the records of the blocks that were not held before, children first.
    pub(crate) fn into_records(self, root: Cid) -> Result<(Child, Vec<Record>), DagError> {
        let mut build = Build { dag: &self, done: HashMap::new(), records: Vec::new() };
        let root = build.node(root, 0)?;
        Ok((root, build.records))
    }
}

struct Build<'a> {
    dag: &'a Dag,
    /// Finished nodes, with the number of levels below each.
    done: HashMap<Cid, (Child, usize)>,
    records: Vec<Record>,
}

impl Build<'_> {
    /// Recursion is bounded by [`MAX_DEPTH`], and each block is finished once however many link to it.
    fn node(&mut self, cid: Cid, depth: usize) -> Result<Child, DagError> {
        if depth > MAX_DEPTH {
            return Err(DagError::TooDeep);
        }
        if let Some((child, height)) = self.done.get(&cid) {
            return if depth + height > MAX_DEPTH { Err(DagError::TooDeep) } else { Ok(*child) };
        }
        let seen = self.dag.seen.get(&cid).ok_or(DagError::Missing(cid))?;
        if let Some(dag_bytes) = seen.held {
            let child = Child { cid, content_bytes: seen.content_bytes, dag_bytes };
            self.done.insert(cid, (child, 0));
            return Ok(child);
        }
        let (mut below, mut dag_bytes, mut height) = (0_u64, seen.block_bytes, 0);
        for (child_cid, declared) in &seen.children {
            let child = self.node(*child_cid, depth + 1)?;
            if seen.is_file && self.dag.seen.get(child_cid).is_some_and(|child| !child.is_file) {
                return Err(DagError::DirectoryInFile(*child_cid));
            }
            if declared.is_some_and(|declared| declared != child.content_bytes) {
                return Err(DagError::Size(*child_cid));
            }
            below = below.checked_add(child.content_bytes).ok_or(DagError::Overflow)?;
            dag_bytes = dag_bytes.checked_add(child.dag_bytes).ok_or(DagError::Overflow)?;
            height = height.max(1 + self.done.get(child_cid).map_or(0, |(_, height)| *height));
        }
        // A file declares its size, inline bytes included; a directory's is that of its files.
        let content_bytes = if seen.is_file { seen.content_bytes } else { below };
        let child = Child { cid, content_bytes, dag_bytes };
        let children = seen.children.iter().map(|(cid, _)| *cid).collect();
        self.records.push(Record { node: child, size: seen.block_bytes, children });
        self.done.insert(cid, (child, height));
        Ok(child)
    }
}
