//! The store of content: blocks on disk, and in SQLite which of them are kept and why.
//!
//! Owns `router.sqlite3` and decides retention by its own reference counts. Blocks come in from the publisher (as
//! parts of files) and from `fetch` (block by block); they go out through the reader, and to peers through the
//! exchange, which reads the same blocks. Never keeps a row for a block that is not on disk: blocks are durable
//! before their rows are committed, and rows are gone before their blocks are removed. What a crash leaves
//! without a row is swept at the next start.

mod add;
mod audit;
mod blocks;
mod check;
mod database;
mod index;
mod ledger;
mod reader;
mod staging;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use metrics::{counter, gauge};
use stream_model::{BroadcastId, Claim, StorageReport, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::unixfs::Child;
use database::Database;
use ledger::Ledger;

pub(crate) use blocks::{BlockError, Blocks};
pub(crate) use check::Checker;
pub(crate) use index::{Origin, Record};
pub(crate) use staging::Loan;

/// How long blocks of a fetch that failed wait for the next try.
const PARTIAL_AGE: Duration = Duration::from_secs(600);
/// How often the age of unfinished fetches is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// Claims dropped at once when room is needed: some segments, so that the oldest of a broadcast go together.
const EVICT_CLAIMS: u32 = 8;
/// Rounds of eviction for one block before the fetch is refused instead.
const EVICT_ROUNDS: usize = 32;
/// The gateway keeps at most this part of the quota, and fetches while unfinished fetches hold no more than it: whoever
/// can ask a node over HTTP decides what that is.
const GATEWAY_PART: u64 = 10;

/// How much may be stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of blocks, over which nothing of others' is fetched.
    pub(crate) quota: u64,
    /// Bytes of free disk space, below which nothing is added at all.
    pub(crate) reserve: u64,
    /// A fetched broadcast that nothing was added to for this long may be evicted.
    pub(crate) silent: Duration,
}

/// Tells the free bytes of the disk that the blocks are on.
pub(crate) type FreeSpace = Box<dyn Fn() -> std::io::Result<u64> + Send + Sync>;

/// The store; a cheap handle.
#[derive(Clone)]
pub(crate) struct Storage {
    shared: Arc<Shared>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

struct Shared {
    blocks: Arc<dyn Blocks>,
    database: Database,
    ledger: Mutex<Ledger>,
    /// A removal ended: who wants to use that block may go on.
    removed: Notify,
    /// Blocks were doomed outside a release.
    doomed: Notify,
    limits: Limits,
    free_space: FreeSpace,
    started: Instant,
    /// When something of a broadcast was fetched last, in this run; old entries are dropped.
    heard: Mutex<HashMap<String, Instant>>,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gateway_bytes(&self) -> u64 {
        self.limits.quota / GATEWAY_PART
    }
}

fn block_failure(error: BlockError) -> StoreError {
    StoreError::Failed(error.0)
}

/// Blocks that somebody relies on: they are not removed from disk as long as this lives.
pub(crate) struct InUse {
    shared: Arc<Shared>,
    cids: Vec<Cid>,
}

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InUse").field("blocks", &self.cids.len()).finish_non_exhaustive()
    }
}

impl InUse {
    /// Relies on more blocks.
    pub(crate) async fn extend(&mut self, cids: &[Cid]) {
        loop {
            // Made before the look at the ledger, so that no removal's end is missed in between.
            let removed = self.shared.removed.notified();
            if self.shared.ledger().begin_use(cids) {
                break;
            }
            removed.await;
        }
        self.cids.extend_from_slice(cids);
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.shared.ledger().end_use(&self.cids, Instant::now());
        self.shared.doomed.notify_one();
    }
}

/// Room of the quota set aside until the block that it is for is counted.
struct Reservation {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.ledger().end_reserve(self.bytes);
    }
}

impl Storage {
    /// Opens the index at `path` over blocks that are there already.
    ///
    /// # Errors
    /// The database cannot be opened, or is not one of this program.
    pub(crate) async fn open(
        path: &Path,
        blocks: Arc<dyn Blocks>,
        limits: Limits,
        free_space: FreeSpace,
    ) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let mut connection = Database::open(&path)
                .map_err(|error| StoreError::Failed(format!("cannot open {}: {error}", path.display())))?;
            index::prepare(&mut connection)?;
            staging::forget_loans(&mut connection)?;
            // A cache of what the gateway may serve, by a setting that may be another now. The sweep removes the blocks.
            let cached = index::empty_gateway(&mut connection)?;
            tracing::debug!(blocks = cached, "emptied the gateway's cache");
            let held = index::blocks(&connection)?;
            let database = Database::start(connection).map_err(|error| StoreError::Failed(error.to_string()))?;
            Ok::<_, StoreError>((database, held))
        });
        let (database, held) = opened.await.map_err(|error| StoreError::Failed(error.to_string()))??;
        let shared = Shared {
            blocks,
            database,
            ledger: Mutex::new(Ledger::new(held)),
            removed: Notify::new(),
            doomed: Notify::new(),
            limits,
            free_space,
            started: Instant::now(),
            heard: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sweeps what a crash left behind, then removes what releases and failed fetches leave, until cancelled.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "cannot look for blocks left behind by a crash");
        }
        let mut tick = tokio::time::interval(HOUSEKEEPING);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = tick.tick() => self.shared.ledger().expire_partials(Instant::now(), PARTIAL_AGE),
                () = self.shared.doomed.notified() => {}
            }
            self.remove_doomed().await;
            let (bytes, files) = self.shared.ledger().usage();
            gauge!("meshstream_store_bytes").set(bytes as f64);
            gauge!("meshstream_store_blocks").set(files as f64);
        }
    }

    /// Removes blocks on disk that have no row and that nobody is at work on. Blocks being added meanwhile are safe:
    /// they are in use from before they are put until they have their row.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let on_disk = self.shared.blocks.list().await.map_err(block_failure)?;
        let strays = on_disk.into_iter().filter(|cid| self.shared.ledger().doom_if_stray(*cid)).count();
        if strays > 0 {
            tracing::info!(blocks = strays, "removing blocks that a crash left behind");
        }
        self.remove_doomed().await;
        Ok(())
    }

    /// Removes doomed blocks from disk. In a task of its own, because a removal that began must end.
    pub(crate) async fn remove_doomed(&self) {
        let shared = self.shared.clone();
        let removal = tokio::spawn(async move {
            loop {
                let next = shared.ledger().begin_removal();
                let Some(cid) = next else { break };
                if let Err(error) = shared.blocks.remove(&cid).await {
                    tracing::warn!(%cid, %error, "cannot remove a block; the next start tries again");
                }
                shared.ledger().end_removal(&cid);
                shared.removed.notify_waiters();
                counter!("meshstream_store_blocks_removed_total").increment(1);
            }
        });
        if let Err(error) = removal.await {
            tracing::error!(%error, "removing blocks failed");
        }
    }

    /// Bytes and blocks stored.
    pub(crate) fn report(&self) -> StorageReport {
        let (used_bytes, files) = self.shared.ledger().usage();
        let free = (self.shared.free_space)();
        let disk_full = free.is_ok_and(|free| free <= self.shared.limits.reserve);
        StorageReport { used_bytes, quota_bytes: self.shared.limits.quota, files, disk_full }
    }

    /// The most bytes that the gateway keeps, and so the largest file that it fetches.
    pub(crate) fn gateway_bytes(&self) -> u64 {
        self.shared.gateway_bytes()
    }

    /// Whether the whole DAG below a root is held.
    pub(crate) fn is_held(&self, root: &Cid) -> bool {
        self.shared.ledger().is_held(root)
    }

    /// Relies on no blocks yet.
    pub(crate) fn rely(&self) -> InUse {
        InUse { shared: self.shared.clone(), cids: Vec::new() }
    }

    /// The stored content below a root.
    pub(crate) async fn child(&self, cid: Cid) -> Result<Option<Child>, StoreError> {
        self.shared.database.call(move |connection| index::child(connection, &cid)).await
    }

    /// A block that is on disk with a row or from an unfinished fetch.
    pub(crate) async fn present_block(&self, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
        if !self.shared.ledger().is_present(cid) {
            return Ok(None);
        }
        self.shared.blocks.get(cid).await.map_err(block_failure)
    }

    /// Stores a verified block of a fetch. A put that began ends, and is accounted for, even if the caller is
    /// cancelled.
    pub(crate) async fn put_fetched(&self, cid: Cid, block: Bytes, claim: &Claim) -> Result<(), StoreError> {
        let size = block.len() as u64;
        self.check_disk(size)?;
        let room = self.make_room(size, claim.broadcast()).await?;
        self.put_partial(cid, block, room).await
    }

    /// Stores a block that has no row yet, in the room that was set aside for it.
    async fn put_partial(&self, cid: Cid, block: Bytes, room: Reservation) -> Result<(), StoreError> {
        let size = block.len() as u64;
        let mut in_use = self.rely();
        in_use.extend(&[cid]).await;
        let put = tokio::spawn(async move {
            in_use.shared.blocks.put(vec![(cid, block)]).await.map_err(block_failure)?;
            in_use.shared.ledger().keep_partial(cid, size, Instant::now());
            drop(room);
            Ok(())
        });
        put.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }

    /// Gives durable blocks their rows and claims the root. `in_use` covers the blocks.
    pub(crate) async fn commit(
        &self,
        records: Vec<Record>,
        root: Cid,
        claim: Claim,
        origin: Origin,
        in_use: InUse,
    ) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        if let (Origin::Fetched, Some(broadcast)) = (origin, claim.broadcast()) {
            self.heard_of(broadcast);
        }
        // The ledger changes on the database's thread, so that it changes in the order of the commits; and the blocks
        // stay in use until then even if the caller is cancelled.
        let commit = move |connection: &mut rusqlite::Connection| {
            let committed = index::commit(connection, &records, &root, (&claim, origin), shared.gateway_bytes())?;
            let mut ledger = shared.ledger();
            ledger.hold(committed.added);
            ledger.drop_held(committed.removed);
            drop(ledger);
            // Wakes who removes blocks, too.
            drop(in_use);
            Ok(())
        };
        self.shared.database.call(commit).await
    }

    /// Refuses to use up the reserved disk space.
    fn check_disk(&self, bytes: u64) -> Result<(), StoreError> {
        /// For messages.
        const MIB: u64 = 1 << 20;
        let free = (self.shared.free_space)()
            .map_err(|error| StoreError::Failed(format!("cannot tell the free disk space: {error}")))?;
        let reserve = self.shared.limits.reserve;
        if free.saturating_sub(bytes) >= reserve {
            return Ok(());
        }
        counter!("meshstream_store_refused_total", "reason" => "disk").increment(1);
        Err(StoreError::Full(format!(
            "{} MiB of the disk are free and {} MiB are reserved: free some space or lower storage.reserve",
            free / MIB,
            reserve / MIB
        )))
    }

    /// Keeps fetched content within the quota, evicting what the gateway keeps, then other fetched broadcasts that have
    /// ended, the one that was added to longest ago first. For the gateway (no broadcast) only the former.
    async fn make_room(&self, bytes: u64, for_broadcast: Option<BroadcastId>) -> Result<Reservation, StoreError> {
        if for_broadcast.is_none() && self.shared.ledger().unfinished_bytes() + bytes > self.gateway_bytes() {
            counter!("meshstream_store_refused_total", "reason" => "gateway").increment(1);
            return Err(StoreError::Full("fetches that are not complete take up what the gateway may use".into()));
        }
        for _ in 0..EVICT_ROUNDS {
            if self.shared.ledger().reserve(bytes, self.shared.limits.quota) {
                return Ok(Reservation { shared: self.shared.clone(), bytes });
            }
            if !self.evict_some(for_broadcast).await? {
                break;
            }
        }
        counter!("meshstream_store_refused_total", "reason" => "quota").increment(1);
        Err(StoreError::Full(format!(
            "the quota of {} bytes is used up and nothing may be evicted: raise storage.quota",
            self.shared.limits.quota
        )))
    }

    async fn evict_some(&self, spared: Option<BroadcastId>) -> Result<bool, StoreError> {
        if self.evict_gateway().await? {
            return Ok(true);
        }
        let silent = self.shared.limits.silent;
        let Some(spared) = spared.filter(|_| self.shared.started.elapsed() >= silent) else { return Ok(false) };
        let spared = spared.slug();
        let active: Vec<String> = {
            let mut heard = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.retain(|_, at| at.elapsed() < silent);
            heard.keys().cloned().collect()
        };
        let shared = self.shared.clone();
        let evict = move |connection: &mut rusqlite::Connection| {
            let broadcasts = index::fetched_broadcasts(connection)?;
            let Some(oldest) = broadcasts.into_iter().find(|slug| *slug != spared && !active.contains(slug)) else {
                return Ok(None);
            };
            let evicted = index::evict(connection, &oldest, EVICT_CLAIMS)?;
            shared.ledger().drop_held(evicted.removed);
            Ok(Some(oldest))
        };
        let Some(broadcast) = self.shared.database.call(evict).await? else { return Ok(false) };
        tracing::info!(broadcast, "evicted segments of an ended broadcast to make room");
        counter!("meshstream_store_evictions_total").increment(1);
        self.remove_doomed().await;
        Ok(true)
    }

    async fn evict_gateway(&self) -> Result<bool, StoreError> {
        let shared = self.shared.clone();
        let evict = move |connection: &mut rusqlite::Connection| {
            let evicted = index::evict_gateway(connection, EVICT_CLAIMS)?;
            shared.ledger().drop_held(evicted.removed);
            Ok(evicted.claims > 0)
        };
        let evicted = self.shared.database.call(evict).await?;
        if evicted {
            counter!("meshstream_store_evictions_total").increment(1);
            self.remove_doomed().await;
        }
        Ok(evicted)
    }

    fn heard_of(&self, broadcast: BroadcastId) {
        let silent = self.shared.limits.silent;
        let mut heard = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|_, at| at.elapsed() < silent);
        heard.insert(broadcast.slug(), Instant::now());
    }
}
