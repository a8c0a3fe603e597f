//! Blocks on disk, in rust-ipfs's repo, with an index of them in memory.
//!
//! The repo syncs each block and keeps one lock while it does. So each operation runs in a task of its own, which always
//! makes progress and releases the lock, and what is held is answered from the index, without the lock. It syncs the
//! directory of a new block, but not the one above: that is done here.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use cid::{Cid, Version};
use node_router_exchange::{BlockSource, Exchange};
use rust_ipfs::Block;
use rust_ipfs::repo::{DefaultStorage, Repo};
use tokio::sync::Semaphore;

/// Where the repo keeps blocks: a directory for each two characters of the CID, `XX/CID.data` in it.
pub(crate) const DIRECTORY: &str = "blockstore";

/// Puts and removals under way; the repo does one at a time.
const MAX_WRITES: u32 = 64;

/// Why a block could not be stored, read or removed.
#[derive(Debug, thiserror::Error)]
#[error("ipfs repo: {0}")]
pub struct BlockError(String);

/// The repo's blocks.
#[derive(Debug)]
pub(crate) struct Blocks {
    repo: Repo<DefaultStorage>,
    held: Arc<RwLock<HashSet<Cid>>>,
    shards: Arc<Shards>,
    writes: Arc<Semaphore>,
}

impl Blocks {
    pub(crate) fn new(repo: Repo<DefaultStorage>, found: Found) -> Self {
        let held = Arc::new(RwLock::new(found.held.into_iter().collect()));
        Self { repo, held, shards: Arc::new(found.shards), writes: Arc::new(Semaphore::new(MAX_WRITES as usize)) }
    }

    pub(crate) async fn put(&self, cid: Cid, data: Bytes, exchange: &Exchange) -> Result<(), BlockError> {
        let key = canonical(&cid);
        if self.holds(&key) {
            return Ok(());
        }
        let (repo, held, exchange) = (self.repo.clone(), self.held.clone(), exchange.clone());
        let shards = self.shards.clone();
        self.write(async move {
            let made = tokio::task::spawn_blocking(move || shards.make(&key)).await;
            made.map_err(failed)?.map_err(failed)?;
            // `get` verifies whatever it reads.
            let block = Block::new_unchecked(key, data);
            repo.put_block(&block).broadcast_on_new_block(false).await.map_err(failed)?;
            held.write().unwrap_or_else(PoisonError::into_inner).insert(key);
            // Peers that ask by the CIDv0 of the block wait under that name.
            exchange.notify([key, cid]);
            Ok(())
        })
        .await
    }

    pub(crate) async fn read(&self, cid: &Cid) -> Result<Option<Bytes>, BlockError> {
        let key = canonical(cid);
        if !self.holds(&key) {
            return Ok(None);
        }
        let repo = self.repo.clone();
        let reading = tokio::spawn(async move { repo.get_block_now(key).await });
        let block = reading.await.map_err(|error| BlockError(error.to_string()))?.map_err(failed)?;
        Ok(block.map(|block| block.into_inner().1))
    }

    pub(crate) async fn remove(&self, cid: &Cid) -> Result<bool, BlockError> {
        let key = canonical(cid);
        let (repo, held) = (self.repo.clone(), self.held.clone());
        self.write(async move {
            if !held.write().unwrap_or_else(PoisonError::into_inner).remove(&key) {
                return Ok(false);
            }
            repo.remove_block(key, false).await.map_err(failed)?;
            Ok(true)
        })
        .await
    }

    pub(crate) fn holds(&self, cid: &Cid) -> bool {
        self.held.read().unwrap_or_else(PoisonError::into_inner).contains(&canonical(cid))
    }

    pub(crate) fn list(&self) -> Vec<Cid> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Waits until nothing is being written.
    pub(crate) async fn settle(&self) {
        // Never closed, so that this only waits.
        let _ = self.writes.acquire_many(MAX_WRITES).await;
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: impl Future<Output = Result<T, BlockError>> + Send + 'static,
    ) -> Result<T, BlockError> {
        let permit = self.writes.clone().acquire_owned().await.map_err(|error| BlockError(error.to_string()))?;
        let task = tokio::spawn(async move {
            let done = operation.await;
            drop(permit);
            done
        });
        task.await.map_err(|error| BlockError(error.to_string()))?
    }
}

#[async_trait]
impl BlockSource for Blocks {
    fn contains(&self, cid: &Cid) -> bool {
        self.holds(cid)
    }

    async fn get(&self, cid: &Cid) -> Option<Bytes> {
        self.read(cid).await.unwrap_or_else(|error| {
            metrics::counter!("meshstream_ipfs_reads_failed_total").increment(1);
            tracing::warn!(%cid, %error, "block cannot be read");
            None
        })
    }
}

fn failed(error: impl std::fmt::Display) -> BlockError {
    // With its causes: the system's words are what an operator needs.
    BlockError(format!("{error:#}"))
}

/// The repo files a block under its CIDv1, whichever version it was put under.
fn canonical(cid: &Cid) -> Cid {
    match cid.version() {
        Version::V1 => *cid,
        Version::V0 => Cid::new_v1(cid.codec(), *cid.hash()),
    }
}

/// What is on disk when the node starts.
#[derive(Debug)]
pub(crate) struct Found {
    held: Vec<Cid>,
    shards: Shards,
}

/// The directories that blocks are in.
#[derive(Debug)]
struct Shards {
    directory: PathBuf,
    made: Mutex<HashSet<String>>,
}

impl Shards {
    /// Makes the directory of a block, durably.
    fn make(&self, cid: &Cid) -> io::Result<()> {
        let name = cid.to_string();
        // The two characters before the last; a base32 CID has 59.
        let Some(shard) = name.len().checked_sub(3).and_then(|start| name.get(start..start + 2)) else {
            return Ok(());
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.contains(shard) {
            fs::create_dir_all(self.directory.join(shard))?;
            fs::File::open(&self.directory)?.sync_all()?;
            made.insert(shard.to_owned());
        }
        Ok(())
    }
}

/// Removes temporary files that a crash left, and lists the blocks.
pub(crate) fn scan(directory: PathBuf) -> io::Result<Found> {
    let mut held = Vec::new();
    for shard in fs::read_dir(&directory)? {
        let shard = shard?;
        if shard.file_type()?.is_dir() {
            scan_shard(&shard.path(), &mut held)?;
        }
    }
    // Those that are there already are synced again with their next block: the crash may have been between the two.
    Ok(Found { held, shards: Shards { directory, made: Mutex::default() } })
}

fn scan_shard(shard: &Path, held: &mut Vec<Cid>) -> io::Result<()> {
    for file in fs::read_dir(shard)? {
        let path = file?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("tmp") => {
                tracing::debug!(path = %path.display(), "removing what a crash left");
                fs::remove_file(&path)?;
            }
            Some("data") => held.extend(path.file_stem().and_then(|stem| Cid::try_from(stem.to_str()?).ok())),
            _ => {}
        }
    }
    Ok(())
}
