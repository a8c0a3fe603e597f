//! Blocks in memory that survive a "crash" of the storage above them, and fail when told to.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::stream::{self, BoxStream, StreamExt as _};

use super::{BlockError, Blocks};
use crate::unixfs;

/// Blocks in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryBlocks {
    blocks: Mutex<HashMap<Cid, Bytes>>,
    /// Writes that still succeed; after them each write fails, as if the process had died there.
    writes_left: Mutex<Option<usize>>,
    pub(crate) reads: AtomicUsize,
    pub(crate) puts: AtomicUsize,
    pub(crate) syncs: AtomicUsize,
}

impl MemoryBlocks {
    pub(crate) fn crash_after(&self, writes: Option<usize>) {
        *self.writes_left.lock().unwrap() = writes;
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.lock().unwrap().len()
    }

    pub(crate) fn damage(&self, cid: &Cid) {
        self.blocks.lock().unwrap().insert(*cid, Bytes::from_static(b"damaged"));
    }

    fn write(&self) -> Result<(), BlockError> {
        match &mut *self.writes_left.lock().unwrap() {
            Some(0) => Err(BlockError("crashed".into())),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Blocks for MemoryBlocks {
    async fn put(&self, blocks: Vec<(Cid, Bytes)>) -> Result<(), BlockError> {
        for (cid, block) in blocks {
            tokio::task::yield_now().await;
            self.write()?;
            self.puts.fetch_add(1, Ordering::Relaxed);
            self.blocks.lock().unwrap().insert(cid, block);
        }
        Ok(())
    }

    async fn sync(&self) -> Result<(), BlockError> {
        tokio::task::yield_now().await;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.write()
    }

    async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, BlockError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let block = self.blocks.lock().unwrap().get(cid).cloned();
        match block {
            Some(block) if !unixfs::verify(cid, &block) => Err(BlockError("the hash does not match".into())),
            block => Ok(block),
        }
    }

    async fn remove(&self, cid: &Cid) -> Result<(), BlockError> {
        tokio::task::yield_now().await;
        self.write()?;
        self.blocks.lock().unwrap().remove(cid);
        Ok(())
    }

    fn list(&self) -> BoxStream<'static, Result<Vec<Cid>, BlockError>> {
        let all = self.blocks.lock().unwrap().keys().copied().collect();
        stream::iter([Ok(all)]).boxed()
    }
}
