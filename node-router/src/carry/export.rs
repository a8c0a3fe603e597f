//! Writing a DAG as a CAR file: depth first, each block once, so that all nodes write the same file.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cid::Cid;
use futures::stream::{self, StreamExt as _};
use stream_model::{CarExport, CarVersion, StoreError};

use crate::storage::{Loan, Storage};
use crate::unixfs::{self, Parsed};
use node_router_car::{Index, V2_HEAD_BYTES, header, section_bytes, section_head, v2_head};

/// As much of a digest as tells blocks apart: half of it, for which two blocks would have to be searched for in vain, so
/// that what was written takes half the memory.
type Digest = [u8; 16];

/// What the blocks below a root make.
#[derive(Debug, Clone, Copy, Default)]
struct Measure {
    blocks: u64,
    section_bytes: u64,
}

pub(super) async fn export(storage: &Storage, root: Cid, version: CarVersion) -> Result<CarExport, StoreError> {
    if !storage.is_held(&root).await? {
        return Err(StoreError::NotFound(root));
    }
    let loan = storage.lend(root).await?;
    let measure = measure(storage, root).await?;
    let header = header(&[root]);
    let data_bytes = header.len() as u64 + measure.section_bytes;
    let indexed = version == CarVersion::V2 && measure.blocks <= Index::MAX_ENTRIES;
    let index_bytes = if indexed { Index::bytes_for(measure.blocks) } else { 0 };
    let mut ready = VecDeque::new();
    let mut total_bytes = data_bytes;
    if version == CarVersion::V2 {
        ready.push_back(v2_head(data_bytes, indexed).into());
        total_bytes += V2_HEAD_BYTES + index_bytes;
    }
    let offset = header.len() as u64;
    ready.push_back(header.into());
    let writer = Writer {
        storage: storage.clone(),
        _loan: loan,
        offset,
        data_bytes,
        pending: vec![root],
        written: HashSet::new(),
        index: indexed.then(Index::default),
        ready,
    };
    let bytes =
        stream::try_unfold(writer, |mut writer| async { Ok(writer.next().await?.map(|bytes| (bytes, writer))) });
    Ok(CarExport { total_bytes, bytes: bytes.boxed() })
}

async fn measure(storage: &Storage, root: Cid) -> Result<Measure, StoreError> {
    let measure = Arc::new(Mutex::new(Measure::default()));
    let sum = measure.clone();
    let add = move |cid, block| {
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.blocks += 1;
        sum.section_bytes += section_bytes(cid, block);
    };
    storage.measure(root, add).await?;
    let measure = *measure.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(measure)
}

struct Writer {
    storage: Storage,
    _loan: Loan,
    /// Bytes of data that were written.
    offset: u64,
    /// Bytes that there will be.
    data_bytes: u64,
    /// The next block is the last. At most one node's links for each level.
    pending: Vec<Cid>,
    written: HashSet<Digest>,
    index: Option<Index>,
    /// What comes next, before any other block.
    ready: VecDeque<Bytes>,
}

impl Writer {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Ok(Some(bytes));
            }
            let Some(cid) = self.pending.pop() else { return self.end() };
            if self.written.insert(digest(&cid)) {
                self.write(cid).await?;
            }
        }
    }

    async fn write(&mut self, cid: Cid) -> Result<(), StoreError> {
        let block = self.storage.present_block(&cid).await.map_err(damaged)?.ok_or(StoreError::NotFound(cid))?;
        if cid.codec() != unixfs::RAW {
            let parsed =
                unixfs::parse(&cid, &block).map_err(|error| StoreError::Failed(format!("block {cid}: {error}")))?;
            let children: Vec<_> = match parsed {
                Parsed::File(file) => file.children.into_iter().map(|(child, _)| child).collect(),
                Parsed::Directory(entries) => entries.into_iter().map(|(_, child)| child).collect(),
            };
            self.pending.extend(children.into_iter().rev().filter(|child| !self.written.contains(&digest(child))));
        }
        if let Some(index) = &mut self.index {
            index.push(&cid, self.offset);
        }
        let head = section_head(&cid, block.len());
        self.offset += (head.len() + block.len()) as u64;
        self.ready.extend([head.into(), block]);
        Ok(())
    }

    fn end(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.offset != self.data_bytes {
            return Err(StoreError::Failed("the index and the blocks disagree: run 'meshstream storage check'".into()));
        }
        Ok(self.index.take().map(|index| index.into_bytes().into()))
    }
}

fn digest(cid: &Cid) -> Digest {
    let mut digest = Digest::default();
    let bytes = cid.hash().digest();
    let length = digest.len().min(bytes.len());
    digest[..length].copy_from_slice(&bytes[..length]);
    digest
}

/// Says what to do about a block that cannot be read.
fn damaged(error: StoreError) -> StoreError {
    StoreError::Failed(format!("{error}: 'meshstream storage check --repair' looks for what peers still have of it"))
}
