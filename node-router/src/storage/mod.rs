//! The store of content: blocks on disk, and in SQLite which of them are kept and why.
//!
//! Owns `router.sqlite3` and decides retention by its own reference counts. Blocks come in from the publisher (as
//! parts of files) and from `fetch` (block by block); they go out through the reader, and to peers through the
//! exchange, which reads the same blocks. Never keeps a row for a block that is not on disk: blocks are durable
//! before their rows are committed, and rows are gone before their blocks are removed. What a crash leaves
//! without a row is swept at the next start. Memory holds what is worked on, never what is held.

mod add;
mod audit;
mod blocks;
mod check;
mod database;
mod health;
mod hot;
mod index;
mod ledger;
mod reader;
mod readers;
mod removal;
mod retention;
mod room;
mod staging;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use metrics::gauge;
use stream_model::{Claim, StorageReport, StoreError, StoredBroadcast};
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio_util::sync::CancellationToken;

use crate::unixfs::Child;
use database::Database;
use health::Health;
use hot::HotBlocks;
use ledger::Ledger;
use readers::Readers;
use room::{Need, Reservation};

pub(crate) use blocks::{BlockError, Blocks};
pub(crate) use check::Checker;
pub(crate) use index::{Origin, Record};
pub(crate) use ledger::Totals;
pub(crate) use staging::Loan;

/// How long blocks of a fetch that failed wait for the next try.
const PARTIAL_AGE: Duration = Duration::from_secs(600);
/// How often the age of unfinished fetches is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// The gateway keeps at most this part of the quota, and fetches while unfinished fetches hold no more than it: whoever
/// can ask a node over HTTP decides what that is.
const GATEWAY_PART: u64 = 10;

/// How much may be stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Blocks and their bytes, beyond which nothing is added.
    pub(crate) quota: Totals,
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
        f.debug_struct("Storage").field("limits", &self.shared.limits()).finish_non_exhaustive()
    }
}

struct Shared {
    blocks: Arc<dyn Blocks>,
    database: Database,
    readers: Readers,
    hot: HotBlocks,
    ledger: Mutex<Ledger>,
    health: Mutex<Health>,
    /// One sync at a time: of several, only one would learn of a failure.
    syncing: AsyncMutex<()>,
    /// A removal ended: who wants to use that block may go on.
    removed: Notify,
    /// Blocks were doomed outside a release.
    doomed: Notify,
    /// The owner changed the limits.
    limited: Notify,
    limits: RwLock<Limits>,
    free_space: FreeSpace,
    started: Instant,
    /// When something of a broadcast was fetched last, in this run; old entries are dropped.
    heard: Mutex<HashMap<String, Instant>>,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As they are now: the owner may change them.
    fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn gateway_bytes(&self) -> u64 {
        self.limits().quota.bytes / GATEWAY_PART
    }

    /// To be called on the database's thread after each commit that adds or removes rows, so that the ledger changes in the
    /// order of the commits.
    fn changed(&self, connection: &rusqlite::Connection, removed: Vec<Cid>) -> Result<(), StoreError> {
        let totals = index::totals(connection);
        let mut ledger = self.ledger();
        ledger.settle();
        ledger.doom(removed);
        ledger.set_held(totals?);
        drop(ledger);
        self.doomed.notify_one();
        Ok(())
    }

    /// The same after a commit that is not durable: the blocks stay until one is.
    fn changed_lazily(&self, connection: &rusqlite::Connection, removed: Vec<Cid>) -> Result<(), StoreError> {
        let totals = index::totals(connection);
        let mut ledger = self.ledger();
        ledger.doom_later(removed);
        ledger.set_held(totals?);
        Ok(())
    }

    /// Makes durable what was put. Where it fails, what has no row yet is not relied on any more.
    async fn sync(&self) -> Result<(), StoreError> {
        let _alone = self.syncing.lock().await;
        self.blocks.sync().await.map_err(|error| {
            self.ledger().distrust_partials();
            block_failure(error)
        })
    }
}

fn block_failure(error: BlockError) -> StoreError {
    StoreError::Failed(error.0)
}

/// Blocks that somebody relies on: they are not removed from disk as long as this lives.
pub(crate) struct InUse {
    shared: Arc<Shared>,
    cids: Vec<Cid>,
    /// All of them got a row.
    recorded: bool,
}

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InUse").field("blocks", &self.cids.len()).finish_non_exhaustive()
    }
}

impl InUse {
    /// All of them have got a row: nothing of them is to be looked at when this ends.
    fn recorded(mut self) {
        self.recorded = true;
    }

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
        self.shared.ledger().end_use(&self.cids, self.recorded, Instant::now());
        self.shared.doomed.notify_one();
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
            let held = index::totals(&connection)?;
            let database = Database::start(connection).map_err(|error| StoreError::Failed(error.to_string()))?;
            Ok::<_, StoreError>((database, Readers::new(path), held))
        });
        let (database, readers, held) = opened.await.map_err(|error| StoreError::Failed(error.to_string()))??;
        let shared = Shared {
            blocks,
            database,
            readers,
            hot: HotBlocks::default(),
            ledger: Mutex::new(Ledger::new(held)),
            health: Mutex::default(),
            syncing: AsyncMutex::default(),
            removed: Notify::new(),
            doomed: Notify::new(),
            limited: Notify::new(),
            limits: RwLock::new(limits),
            free_space,
            started: Instant::now(),
            heard: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Removes what releases and failed fetches leave, and what a crash left behind, until cancelled.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let sweep = async {
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "cannot look for blocks left behind by a crash");
            }
        };
        tokio::join!(cancel.run_until_cancelled(sweep), self.keep_house(&cancel));
    }

    async fn keep_house(&self, cancel: &CancellationToken) {
        let mut tick = tokio::time::interval(HOUSEKEEPING);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.shared.limited.notified() => self.trim_or_warn().await,
                _ = tick.tick() => {
                    self.shared.ledger().expire_partials(Instant::now(), PARTIAL_AGE);
                    self.trim_or_warn().await;
                    if let Err(error) = self.settle().await {
                        tracing::warn!(%error, "cannot write down what was released");
                    }
                }
                () = self.shared.doomed.notified() => {}
            }
            self.remove_doomed().await;
            let Totals { bytes, blocks } = self.shared.ledger().usage();
            gauge!("meshstream_store_bytes").set(bytes as f64);
            gauge!("meshstream_store_blocks").set(blocks as f64);
        }
    }

    async fn trim_or_warn(&self) {
        if let Err(error) = self.trim().await {
            tracing::warn!(%error, "cannot evict what is beyond the quota");
        }
    }

    /// Goes by other limits from now on: what goes first of that which is beyond them goes at once, what may not go stays.
    pub(crate) fn limit(&self, change: impl FnOnce(&mut Limits)) {
        change(&mut self.shared.limits.write().unwrap_or_else(PoisonError::into_inner));
        // Whether there is room now, what comes next finds out.
        self.shared.health().found_room();
        self.shared.limited.notify_one();
    }

    /// Makes durable what was released without waiting for it, so that its blocks can go.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        if !self.shared.ledger().is_unsettled() {
            return Ok(());
        }
        let shared = self.shared.clone();
        let commit = move |connection: &mut rusqlite::Connection| {
            index::touch(connection)?;
            shared.changed(connection, Vec::new())
        };
        self.shared.database.call(commit).await?;
        self.remove_doomed().await;
        Ok(())
    }

    /// How much is stored and may be, and whether more is taken.
    pub(crate) fn report(&self) -> StorageReport {
        let Totals { bytes, blocks } = self.shared.ledger().usage();
        let limits = self.shared.limits();
        let free = self.free_bytes();
        let health = self.shared.health();
        StorageReport {
            used_bytes: bytes,
            quota_bytes: limits.quota.bytes,
            files: blocks,
            max_files: limits.quota.blocks,
            free_bytes: free.as_ref().copied().unwrap_or(0),
            reserve_bytes: limits.reserve,
            disk_full: free.is_ok_and(|free| free <= limits.reserve),
            full: health.full(),
            failing: health.failure().is_some(),
        }
    }

    /// The broadcasts that make room next, the first of them first, at most `limit`.
    pub(crate) async fn next_to_go(&self, limit: usize) -> Result<Vec<StoredBroadcast>, StoreError> {
        self.shared.readers.ask(move |connection| retention::next(connection, limit)).await
    }

    /// The most bytes that the gateway keeps, and so the largest file that it fetches.
    pub(crate) fn gateway_bytes(&self) -> u64 {
        self.shared.gateway_bytes()
    }

    /// Whether the whole DAG below a root is held.
    pub(crate) async fn is_held(&self, root: &Cid) -> Result<bool, StoreError> {
        let root = *root;
        self.shared.readers.ask(move |connection| index::is_held(connection, &root)).await
    }

    /// Whether the block is on disk, held or left by something unfinished.
    pub(crate) async fn is_present(&self, cid: &Cid) -> Result<bool, StoreError> {
        Ok(self.shared.ledger().is_partial(cid) || self.is_held(cid).await?)
    }

    /// Relies on no blocks yet.
    pub(crate) fn rely(&self) -> InUse {
        InUse { shared: self.shared.clone(), cids: Vec::new(), recorded: false }
    }

    /// The stored content below a root.
    pub(crate) async fn child(&self, cid: Cid) -> Result<Option<Child>, StoreError> {
        self.shared.readers.ask(move |connection| index::child(connection, &cid)).await
    }

    /// A block that is on disk with a row or from an unfinished fetch.
    pub(crate) async fn present_block(&self, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
        if !self.is_present(cid).await? {
            return Ok(None);
        }
        self.shared.blocks.get(cid).await.map_err(block_failure)
    }

    /// Stores a verified block of a fetch. A put that began ends, and is accounted for, even if the caller is
    /// cancelled.
    pub(crate) async fn put_fetched(&self, cid: Cid, block: Bytes, claim: &Claim) -> Result<(), StoreError> {
        let need = claim.broadcast().map_or(Need::Gateway, Need::Broadcast);
        let room = self.make_room(Totals { bytes: block.len() as u64, blocks: 1 }, need).await?;
        let mut in_use = self.rely();
        in_use.extend(&[cid]).await;
        self.put_partial(vec![(cid, block)], room, in_use).await.map(drop)
    }

    /// Stores blocks that have no row yet, in the room that was set aside for them. `in_use` covers them.
    async fn put_partial(
        &self,
        blocks: Vec<(Cid, Bytes)>,
        room: Reservation,
        in_use: InUse,
    ) -> Result<InUse, StoreError> {
        let shared = self.shared.clone();
        let put = tokio::spawn(async move {
            let sizes: Vec<_> = blocks.iter().map(|(cid, block)| (*cid, block.len() as u64)).collect();
            let put = shared.blocks.put(blocks).await.map_err(block_failure);
            shared.health().wrote(&put);
            put?;
            {
                let (mut ledger, now) = (shared.ledger(), Instant::now());
                sizes.iter().for_each(|(cid, size)| ledger.keep_partial(*cid, *size, now));
            }
            drop(room);
            // Another fetch may have recorded them meanwhile: then they are counted already. Who records them later
            // finds them in the ledger.
            let held = shared.held_among(sizes.iter().map(|(cid, _)| *cid).collect()).await?;
            shared.ledger().recorded(&held);
            Ok(in_use)
        });
        put.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }

    /// Makes blocks durable, gives them their rows and claims the root. `in_use` covers the blocks.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also where a block was lost meanwhile: it is to be put again.
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
            shared.heard_of(broadcast);
        }
        // A claim of a fetch on what is held becomes durable with the next commit: what a power cut takes of others' content
        // can be fetched again.
        let lazily = records.is_empty() && origin == Origin::Fetched;
        let lost = self.make_durable(&records).await?;
        // The blocks stay in use until it is committed even if the caller is cancelled.
        let commit = move |connection: &mut rusqlite::Connection| {
            let what = (records.as_slice(), &lost);
            let removed = index::commit(connection, what, &root, (&claim, origin), shared.gateway_bytes())?;
            shared.ledger().recorded(records.iter().map(|record| &record.node.cid));
            in_use.recorded();
            if lazily { shared.changed_lazily(connection, removed) } else { shared.changed(connection, removed) }
        };
        let committed = match lazily {
            true => self.shared.database.call_lazily(commit).await,
            false => self.shared.database.call(commit).await,
        };
        self.shared.health().wrote(&committed);
        committed
    }

    /// Returns those blocks that are not known to be on disk, unless they have rows.
    async fn make_durable(&self, records: &[Record]) -> Result<HashSet<Cid>, StoreError> {
        if records.is_empty() {
            return Ok(HashSet::new());
        }
        let synced = self.shared.sync().await;
        self.shared.health().wrote(&synced);
        synced?;
        let ledger = self.shared.ledger();
        Ok(records.iter().map(|record| record.node.cid).filter(|cid| !ledger.is_partial(cid)).collect())
    }
}
