//! The store of feeds: SQLite on disk, the clocks and the wanted feeds in memory.
//!
//! Clocks and wanted feeds answer at once; what touches the disk runs on tokio's blocking threads. Dropping the
//! future of an append does not stop it: it happens whole or not at all.

mod appending;
mod checking;
mod dropping;
mod limits;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use metrics::counter;
use rusqlite::Connection;
use stream_model::{FeedId, FeedSequence};
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::asked::Asked;
use super::content_index::{self, ContentIndex};
use super::error::StoreError;
use super::integrity::{self, Standing};
use super::message::Message;
use super::own_gate::OwnGate;
use super::quota::Quotas;
use super::room::Disk;
use super::schema::{self, Head, Newest};
use super::wanted::WantedFeeds;

use self::appending::CONCURRENT_APPENDS;
pub use self::appending::{Appended, MAX_BATCH, MAX_BROADCAST_FEED_MESSAGES, MAX_NODE_FEED_MESSAGES, OwnAppend};

/// Messages read at once: at most 12 MB of text.
pub const MAX_READ: usize = 512;

/// Notices of appended messages that a subscriber may lag behind before it has to compare clocks.
const NOTICES: usize = 1_024;

/// Learns of each message once it is durable, in the order of the store. Called while the store's write lock is
/// held: it must return soon and not append.
pub trait FeedObserver: Send + Sync {
    /// These messages were appended in one transaction.
    fn appended(&self, messages: &[Message]);
}

/// Feeds on disk. Cloning gives another handle to the same store.
#[derive(Clone)]
pub struct FeedStore {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Mutex<Connection>,
    /// A connection of its own, so that reading does not wait for a sync; none for a store in memory.
    reader: Option<Mutex<Connection>>,
    /// The file, as long as all of it is still to be checked.
    unchecked: Mutex<Option<PathBuf>>,
    heads: RwLock<HashMap<FeedId, Head>>,
    wanted: watch::Sender<Arc<WantedFeeds>>,
    /// Feeds that have a tombstone.
    dropped: RwLock<HashSet<FeedId>>,
    asked: Mutex<Asked>,
    asked_changed: Notify,
    quotas: Mutex<Quotas>,
    disk: Disk,
    notices: broadcast::Sender<(FeedId, FeedSequence)>,
    indexes: Vec<Arc<dyn ContentIndex>>,
    observers: RwLock<Vec<Weak<dyn FeedObserver>>>,
    appends: Arc<Semaphore>,
    gate: Arc<OwnGate>,
}

impl FeedStore {
    /// Opens or creates `ssb.sqlite3` for the node whose own feed is `node`, with the indexes of its content. Blocks.
    /// Where the last run did not end in order, [`check_whole_file`](Self::check_whole_file) is due.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be opened, is damaged or is of a later version.
    pub fn open(path: &Path, node: FeedId, indexes: Vec<Arc<dyn ContentIndex>>) -> Result<Self, StoreError> {
        let writer = schema::open(path)?;
        let standing = integrity::begin(&writer, &node)?;
        let reader = schema::open(path)?;
        let store = Self::with_connections(writer, Some(reader), node, indexes)?;
        if standing == Standing::CutOff {
            *store.inner.unchecked() = Some(path.to_owned());
        }
        Ok(store)
    }

    /// A store that is gone with its last handle, for tests and fuzzing.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite fails.
    pub fn in_memory(node: FeedId, indexes: Vec<Arc<dyn ContentIndex>>) -> Result<Self, StoreError> {
        Self::with_connections(schema::open_in_memory()?, None, node, indexes)
    }

    fn with_connections(
        mut writer: Connection,
        reader: Option<Connection>,
        node: FeedId,
        indexes: Vec<Arc<dyn ContentIndex>>,
    ) -> Result<Self, StoreError> {
        let transaction = writer.transaction()?;
        for index in &indexes {
            content_index::prepare(&transaction, index.as_ref())?;
        }
        content_index::forget_others(&transaction, &indexes)?;
        transaction.commit()?;
        let heads: HashMap<FeedId, Head> = schema::heads(&writer)?.into_iter().collect();
        let have = heads.get(&node).map_or(FeedSequence(0), |head| head.sequence);
        let mut wanted = WantedFeeds::new(node);
        for feed in schema::own_feeds(&writer)? {
            wanted.add_earlier_broadcast(feed);
        }
        let dropped = schema::tombstones(&writer)?.into_iter().collect();
        let inner = Inner {
            writer: Mutex::new(writer),
            reader: reader.map(Mutex::new),
            unchecked: Mutex::default(),
            heads: RwLock::new(heads),
            wanted: watch::Sender::new(Arc::new(wanted)),
            dropped: RwLock::new(dropped),
            asked: Mutex::default(),
            asked_changed: Notify::new(),
            quotas: Mutex::default(),
            disk: Disk::default(),
            notices: broadcast::Sender::new(NOTICES),
            indexes,
            observers: RwLock::default(),
            appends: Arc::new(Semaphore::new(CONCURRENT_APPENDS)),
            gate: Arc::new(OwnGate::new(node, have)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The number of the last message stored of a feed; 0 where there is none.
    pub fn clock(&self, feed: &FeedId) -> FeedSequence {
        self.inner.head(feed).map_or(FeedSequence(0), |head| head.sequence)
    }

    /// [`clock`](Self::clock) of several feeds, in their order.
    pub fn clocks(&self, feeds: &[FeedId]) -> Vec<FeedSequence> {
        let heads = self.inner.heads.read().unwrap_or_else(PoisonError::into_inner);
        feeds.iter().map(|feed| heads.get(feed).map_or(FeedSequence(0), |head| head.sequence)).collect()
    }

    /// Messages of a feed from number `from` on, in order, at most `limit` and [`MAX_READ`]. May be cancelled.
    ///
    /// # Errors
    /// [`StoreError`] where the disk fails.
    pub async fn get(&self, feed: FeedId, from: FeedSequence, limit: usize) -> Result<Vec<Message>, StoreError> {
        let inner = self.inner.clone();
        spawn_blocking(move || schema::range(&inner.reader(), &feed, from, limit.min(MAX_READ)))
            .await
            .map_err(|_| StoreError::Cancelled)?
    }

    /// Waits as the first append to the node's own feed does: until peers gave back what is missing of it, within a
    /// bound. May be cancelled.
    ///
    /// # Errors
    /// Where nothing is to be appended to it.
    pub(crate) async fn catch_up_own(&self) -> Result<(), StoreError> {
        Ok(self.inner.gate.pass().await?)
    }

    /// The gate before the node's own feed.
    pub fn own_gate(&self) -> Arc<OwnGate> {
        self.inner.gate.clone()
    }

    /// Notices of messages that were appended, own and others', from now on. Whoever lags behind gets
    /// [`broadcast::error::RecvError::Lagged`] and compares clocks.
    pub fn subscribe(&self) -> broadcast::Receiver<(FeedId, FeedSequence)> {
        self.inner.notices.subscribe()
    }

    /// The feeds to replicate, now and whenever that changes.
    pub fn wanted(&self) -> watch::Receiver<Arc<WantedFeeds>> {
        self.inner.wanted.subscribe()
    }

    /// Replicates the node feed of a peer that the owner named. Returns whether there is room.
    pub fn want_peer(&self, feed: FeedId) -> bool {
        self.inner.change_wanted(|wanted| wanted.add_configured(feed))
    }

    /// Replicates the node feed of a peer that was met, where it pushes out nobody. Returns whether there is room.
    pub fn want_met(&self, feed: FeedId) -> bool {
        self.inner.change_wanted(|wanted| wanted.add_met(feed))
    }

    /// Replicates the node feed of somebody known by hearsay. Returns whether there is room.
    pub fn want_other(&self, feed: FeedId) -> bool {
        self.inner.change_wanted(|wanted| wanted.add_other(feed, None))
    }

    /// [`want_other`](Self::want_other) on the word of a neighbour. Returns whether there is room, in its budget too.
    pub fn want_introduced(&self, neighbour: FeedId, feed: FeedId) -> bool {
        self.inner.change_wanted(|wanted| wanted.add_other(feed, Some(neighbour)))
    }

    /// Replaces the set of broadcast feeds to replicate: pairs of the feed and the node feed that names it. They are
    /// wanted while that node feed is, and until they are dropped.
    pub fn want_broadcasts(&self, mut feeds: BTreeSet<(FeedId, FeedId)>) {
        feeds.retain(|(feed, _)| !self.is_dropped(feed));
        self.inner.change_wanted(|wanted| wanted.set_broadcasts(feeds, BTreeSet::new()));
    }

    /// Names somebody who learns of all messages from now on. The store does not keep it alive.
    pub fn observe(&self, observer: Weak<dyn FeedObserver>) {
        self.inner.observers.write().unwrap_or_else(PoisonError::into_inner).push(observer);
    }

    /// Reads the tables of a [`ContentIndex`], on a blocking thread. May be cancelled.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite fails.
    pub async fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        spawn_blocking(move || store.query_blocking(read)).await.map_err(|_| StoreError::Cancelled)?
    }

    /// [`query`](Self::query) on the calling thread.
    ///
    /// # Errors
    /// As there.
    pub fn query_blocking<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        Ok(read(&self.inner.reader())?)
    }

    /// Hands over stored messages in the order of their arrival: of each kind the newest, as many as asked for.
    /// Blocks.
    ///
    /// # Errors
    /// [`StoreError`] where the disk fails.
    pub fn replay(&self, kinds: &[(&str, Newest)], visit: impl FnMut(Message)) -> Result<(), StoreError> {
        schema::replay(&self.inner.reader(), kinds, visit)
    }
}

impl Inner {
    fn writer(&self) -> MutexGuard<'_, Connection> {
        // A panic leaves no half transaction: it is rolled back when it is dropped.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.as_ref().unwrap_or(&self.writer).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head(&self, feed: &FeedId) -> Option<Head> {
        self.heads.read().unwrap_or_else(PoisonError::into_inner).get(feed).copied()
    }

    fn change_wanted<T>(&self, change: impl FnOnce(&mut WantedFeeds) -> T) -> T {
        let mut outcome = None;
        self.wanted.send_if_modified(|wanted| {
            let mut changed = WantedFeeds::clone(wanted);
            outcome = Some(change(&mut changed));
            let modified = changed != **wanted;
            if modified {
                *wanted = Arc::new(changed);
            }
            modified
        });
        outcome.expect("send_if_modified calls its closure once")
    }

    /// Makes durable messages known. The caller holds the write lock, so that all learn of them in the same order.
    fn publish(&self, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            let before = heads.get(&message.author).copied();
            heads.insert(message.author, Head::after(before, message));
        }
        drop(heads);
        for observer in self.observers.read().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
            observer.appended(messages);
        }
        for message in messages {
            // Without subscribers nobody needs the notice.
            let _receivers = self.notices.send((message.author, message.sequence));
        }
        counter!("meshstream_ssb_messages_appended_total").increment(messages.len() as u64);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.unchecked().is_some() {
            return;
        }
        if let Err(error) = integrity::end(&self.writer()) {
            warn!(%error, "cannot note that the feed database is closed: the next start checks all of it");
        }
    }
}

impl fmt::Debug for FeedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedStore").finish_non_exhaustive()
    }
}
