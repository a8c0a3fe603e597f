//! Blocks on disk: a file each, in the layout of rust-ipfs's repo, whose lock covers them.
//!
//! A block is written under a name of its own and renamed, so that it is there whole or not at all. It is durable after
//! [`Blocks::sync`], which makes all that was written before it durable at once: a sync for each file and its directory
//! would be dozens for a segment. Nothing of what is held is kept in memory: whether a block is here, the file system tells.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cid::{Cid, Version};
use futures::stream::{self, BoxStream, StreamExt};
use node_router_exchange::{BlockSource, Exchange};
use rust_ipfs::Block;
use tokio::sync::Semaphore;

/// Where the repo keeps blocks: a directory for each two characters of the CID, `XX/CID.data` in it.
const DIRECTORY: &str = "blockstore";
/// Where blocks are written before they get their name; emptied at each start.
const INCOMING: &str = "incoming";

/// Operations under way, each on a thread that waits for the disk.
const MAX_OPERATIONS: u32 = 64;

/// Why a block could not be stored, read or removed.
#[derive(Debug, thiserror::Error)]
#[error("ipfs repo: {0}")]
pub struct BlockError(String);

/// The repo's blocks.
#[derive(Debug)]
pub(crate) struct Blocks {
    files: Arc<Files>,
    operations: Arc<Semaphore>,
}

impl Blocks {
    /// Opens the blocks of a repo, and removes what a crash left half written.
    pub(crate) fn open(repo: &Path) -> io::Result<Self> {
        let files = Arc::new(Files::open(repo)?);
        Ok(Self { files, operations: Arc::new(Semaphore::new(MAX_OPERATIONS as usize)) })
    }

    pub(crate) async fn put(&self, cid: Cid, data: Bytes, exchange: &Exchange) -> Result<(), BlockError> {
        let key = canonical(&cid);
        self.run(move |files| files.write(&key, &data)).await?;
        // Peers that ask by the CIDv0 of the block wait under that name.
        exchange.notify([key, cid]);
        Ok(())
    }

    pub(crate) async fn sync(&self) -> Result<(), BlockError> {
        self.run(Files::sync).await
    }

    pub(crate) async fn read(&self, cid: &Cid) -> Result<Option<Bytes>, BlockError> {
        let key = canonical(cid);
        let Some(data) = self.run(move |files| files.read(&key)).await? else { return Ok(None) };
        // Hashing takes milliseconds; the async threads have viewers to serve.
        let verified = tokio::task::spawn_blocking(move || Block::new(key, data)).await;
        Ok(Some(verified.map_err(failed)?.map_err(failed)?.into_inner().1))
    }

    pub(crate) async fn remove(&self, cid: &Cid) -> Result<bool, BlockError> {
        let key = canonical(cid);
        self.run(move |files| files.remove(&key)).await
    }

    pub(crate) fn holds(&self, cid: &Cid) -> bool {
        self.files.path(&canonical(cid)).exists()
    }

    /// All blocks, the files of one directory at a time.
    pub(crate) fn list(&self) -> BoxStream<'static, Result<Vec<Cid>, BlockError>> {
        let files = self.files.clone();
        let shards = stream::once(async move {
            let listed = tokio::task::spawn_blocking(move || files.shards()).await;
            listed.map_err(failed)?.map_err(failed)
        });
        let page = |shard: PathBuf| async move {
            let listed = tokio::task::spawn_blocking(move || list_shard(&shard)).await;
            listed.map_err(failed)?.map_err(failed)
        };
        let pages = move |shards: Result<Vec<PathBuf>, BlockError>| match shards {
            Ok(shards) => stream::iter(shards).then(page).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        };
        shards.flat_map(pages).boxed()
    }

    /// Waits until nothing is being written.
    pub(crate) async fn settle(&self) {
        // Never closed, so that this only waits.
        let _ = self.operations.acquire_many(MAX_OPERATIONS).await;
    }

    /// Ends even if the caller is cancelled.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Files) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BlockError> {
        let permit = self.operations.clone().acquire_owned().await.map_err(failed)?;
        let files = self.files.clone();
        let task = tokio::task::spawn_blocking(move || {
            let done = operation(&files);
            drop(permit);
            done
        });
        task.await.map_err(failed)?.map_err(failed)
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

/// A block is filed under its CIDv1, whichever version it was put under.
fn canonical(cid: &Cid) -> Cid {
    match cid.version() {
        Version::V1 => *cid,
        Version::V0 => Cid::new_v1(cid.codec(), *cid.hash()),
    }
}

/// The two directories. Every call blocks on the disk.
#[derive(Debug)]
struct Files {
    directory: PathBuf,
    incoming: PathBuf,
    /// Kept open from the start on, because the system tells of failed writes whoever had the file system open before.
    disk: fs::File,
    /// So that two writes of one block do not share a file.
    written: AtomicU64,
}

impl Files {
    fn open(repo: &Path) -> io::Result<Self> {
        let (directory, incoming) = (repo.join(DIRECTORY), repo.join(INCOMING));
        fs::create_dir_all(&directory)?;
        fs::create_dir_all(&incoming)?;
        for left in fs::read_dir(&incoming)? {
            fs::remove_file(left?.path())?;
        }
        let disk = fs::File::open(&directory)?;
        Ok(Self { directory, incoming, disk, written: AtomicU64::new(0) })
    }

    fn path(&self, cid: &Cid) -> PathBuf {
        let name = cid.to_string();
        // The two characters before the last; a base32 CID has 59, and each is ASCII.
        let shard = name.len().checked_sub(3).and_then(|start| name.get(start..start + 2)).unwrap_or("_");
        self.directory.join(shard).join(format!("{name}.data"))
    }

    /// Replaces what is there: of a block without a row nobody knows whether it is durable.
    fn write(&self, cid: &Cid, data: &[u8]) -> io::Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let (incoming, path) = (self.incoming.join(number.to_string()), self.path(cid));
        let written = fs::write(&incoming, data).and_then(|()| match fs::rename(&incoming, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::rename(&incoming, &path)
            }
            renamed => renamed,
        });
        if written.is_err() {
            // On a full disk each byte counts; what cannot be removed goes at the next start.
            let _ = fs::remove_file(&incoming);
        }
        written
    }

    #[cfg(target_os = "linux")]
    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.disk)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn sync(&self) -> io::Result<()> {
        rustix::fs::sync();
        self.disk.sync_all()
    }

    fn read(&self, cid: &Cid) -> io::Result<Option<Vec<u8>>> {
        found(fs::read(self.path(cid)))
    }

    fn remove(&self, cid: &Cid) -> io::Result<bool> {
        Ok(found(fs::remove_file(self.path(cid)))?.is_some())
    }

    fn shards(&self) -> io::Result<Vec<PathBuf>> {
        let mut shards = Vec::new();
        for shard in fs::read_dir(&self.directory)? {
            let shard = shard?;
            if shard.file_type()?.is_dir() {
                shards.push(shard.path());
            }
        }
        Ok(shards)
    }
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn list_shard(shard: &Path) -> io::Result<Vec<Cid>> {
    let mut held = Vec::new();
    for file in fs::read_dir(shard)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "data") {
            held.extend(path.file_stem().and_then(|stem| Cid::try_from(stem.to_str()?).ok()));
        }
    }
    Ok(held)
}
