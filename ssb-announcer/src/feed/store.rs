//! The store of feeds: SQLite on disk, the clocks and the wanted feeds in memory.
//!
//! Clocks and wanted feeds answer at once; what touches the disk runs on tokio's blocking threads. Dropping the
//! future of an append does not stop it: it happens whole or not at all.

mod checking;
mod dropping;
mod limits;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use bytes::Bytes;
use metrics::counter;
use rusqlite::{Connection, Transaction};
use stream_model::{FeedId, FeedSequence, MessageKey, WallTime};
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::asked::Asked;
use super::content_index::{self, ContentIndex};
use super::error::StoreError;
use super::integrity::{self, Standing};
use super::message::{self, Message};
use super::own_gate::OwnGate;
use super::quota::Quotas;
use super::schema::{self, Head};
use super::wanted::{FeedKind, WantedFeeds};
use super::{Rejected, remote};
use crate::identity::Identity;

/// Messages validated and committed in one transaction: large enough that a backlog is bound by validation and not
/// by syncing the disk, small enough that a hostile batch costs some 10 ms.
pub const MAX_BATCH: usize = 256;

/// Messages read at once: at most 12 MB of text.
pub const MAX_READ: usize = 512;

/// Messages kept of a node's feed: rare facts, so years of them; 64 MB.
pub const MAX_NODE_FEED_MESSAGES: u64 = 100_000;

/// Messages kept of a broadcast feed: our publishers replace theirs after 500.
pub const MAX_BROADCAST_FEED_MESSAGES: u64 = 2_000;

/// Notices of appended messages that a subscriber may lag behind before it has to compare clocks.
const NOTICES: usize = 1_024;

/// Blocking threads that validate and write at the same time: one validates while the other waits for the disk.
const CONCURRENT_APPENDS: usize = 2;

/// A message that came from a peer was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its feed.
    pub author: FeedId,
    /// Its number.
    pub sequence: FeedSequence,
}

/// A message that this node is to sign and append.
#[derive(Debug)]
pub struct OwnAppend {
    /// Whose feed.
    pub identity: Identity,
    /// The content as JSON; an object whose `type` has 3 to 52 characters.
    pub content_json: String,
    /// A fresh feed of this node that the content names. It becomes known as own together with the message.
    pub names: Option<FeedId>,
}

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
        transaction.commit()?;
        let heads: HashMap<FeedId, Head> = schema::heads(&writer)?.into_iter().collect();
        let have = heads.get(&node).map_or(FeedSequence(0), |head| head.sequence);
        let mut wanted = WantedFeeds::new(node);
        for feed in schema::own_feeds(&writer)? {
            wanted.add_own_broadcast(feed);
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

    /// Validates message values as they came over the wire and stores those that continue a wanted feed. Gives one
    /// answer for each, in order; when it returns, what was appended is durable. Messages of one feed are to be in
    /// order; several feeds may mix.
    ///
    /// # Errors
    /// [`StoreError`] where the disk fails; of the batches of [`MAX_BATCH`] the earlier ones are stored.
    pub async fn append_remote(&self, values: Vec<Bytes>) -> Result<Vec<Result<Appended, Rejected>>, StoreError> {
        let permit = self.inner.appends.clone().acquire_owned().await.map_err(|_| StoreError::Cancelled)?;
        let store = self.clone();
        spawn_blocking(move || {
            let _permit = permit;
            store.append_remote_blocking(&values)
        })
        .await
        .map_err(|_| StoreError::Cancelled)?
    }

    /// [`append_remote`](Self::append_remote) on the calling thread.
    ///
    /// # Errors
    /// As there.
    pub fn append_remote_blocking(
        &self,
        values: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Result<Appended, Rejected>>, StoreError> {
        let mut answers = Vec::with_capacity(values.len());
        for batch in values.chunks(MAX_BATCH) {
            answers.extend(self.inner.append_remote(batch)?);
        }
        for rejected in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            counter!("meshstream_ssb_messages_rejected_total", "reason" => rejected.as_str()).increment(1);
            debug!(reason = %rejected, "message refused");
        }
        Ok(answers)
    }

    /// Signs and appends own messages in one transaction, and returns them in order once they are durable. The first
    /// append to the node's own feed waits, within a bound, until connected peers have said that they have no more of
    /// it ([`OwnGate`]).
    ///
    /// # Errors
    /// [`StoreError`] where the disk fails, a message would be too large, or nothing is to be appended to the node's own
    /// feed; then none is appended.
    pub async fn append_own(&self, appends: Vec<OwnAppend>) -> Result<Vec<Message>, StoreError> {
        if appends.iter().any(|append| append.identity.id() == self.inner.gate.node()) {
            self.inner.gate.pass().await?;
        }
        let inner = self.inner.clone();
        spawn_blocking(move || inner.append_own(&appends)).await.map_err(|_| StoreError::Cancelled)?
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

    /// Replicates the node feed of a peer. Returns whether there is room.
    pub fn want_peer(&self, feed: FeedId) -> bool {
        self.inner.change_wanted(|wanted| wanted.add_peer(feed))
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
    pub fn want_broadcasts(&self, feeds: BTreeSet<(FeedId, FeedId)>) {
        self.want_broadcasts_lending(feeds, BTreeSet::new());
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
    pub fn replay(&self, kinds: &[(&str, usize)], visit: impl FnMut(Message)) -> Result<(), StoreError> {
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

    fn append_remote(&self, batch: &[impl AsRef<[u8]>]) -> Result<Vec<Result<Appended, Rejected>>, StoreError> {
        let mut answers = self.admit(batch)?;
        verify_admitted(&mut answers);

        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let mut stored: Vec<Message> = Vec::new();
        let mut heads: HashMap<FeedId, Head> = HashMap::new();
        // What is wanted may have changed since the messages were admitted, and its feeds been dropped.
        let wanted = self.wanted.borrow().clone();
        let now = Instant::now().into_std();
        let mut index = 0;
        while index < answers.len() {
            let run = run_length(&answers[index..]);
            let Some(Ok(first)) = answers.get(index).filter(|_| run > 0) else {
                index += 1;
                continue;
            };
            let author = first.author;
            if let Some(rejected) = self.unwelcome(&wanted, author) {
                answers[index] = Err(rejected);
                index += 1;
                continue;
            }
            let head = heads.get(&author).copied().or_else(|| self.head(&author));
            if let Some(rejected) = out_of_order(&transaction, first, head)? {
                self.notice_own_fork(&rejected);
                answers[index] = Err(rejected);
                index += 1;
                continue;
            }
            let previous = self.last_message(&transaction, &stored, author, head)?;
            let afforded = self.afford(&wanted, author, answers[index..index + run].iter().flatten(), now);
            if afforded == 0 {
                answers[index] = Err(Rejected::OverQuota(author));
                index += 1;
                continue;
            }
            let messages: Vec<&Message> = answers[index..index + afforded].iter().flatten().collect();
            let (good, rejected) = remote::check_chain(&messages, previous.as_ref());
            for message in messages.into_iter().take(good) {
                self.insert(&transaction, message)?;
                heads.insert(author, Head { sequence: message.sequence, key: message.key });
                stored.push(message.clone());
            }
            index += good;
            if let Some(rejected) = rejected {
                self.notice_own_fork(&rejected);
                answers[index] = Err(rejected);
                index += 1;
            }
        }
        transaction.commit()?;
        let node = self.gate.node();
        if let Some(head) = heads.get(&node) {
            let count = stored.iter().filter(|message| message.author == node).count();
            self.gate.handle_taken(head.sequence, count as u64);
        }
        self.publish(&stored);
        drop(writer);
        Ok(answers
            .into_iter()
            .map(|answer| answer.map(|message| Appended { author: message.author, sequence: message.sequence }))
            .collect())
    }

    /// A message of the node's own feed whose signature holds, and which the feed does not lead to.
    fn notice_own_fork(&self, rejected: &Rejected) {
        match rejected {
            Rejected::Forked { author, sequence } if *author == self.gate.node() => self.gate.handle_fork(*sequence),
            _ => {}
        }
    }

    /// Stores a message and what the indexes conclude from it.
    fn insert(&self, transaction: &Transaction<'_>, message: &Message) -> Result<(), StoreError> {
        let arrival = schema::insert(transaction, message)?;
        let Some(kind) = message.kind.as_deref() else { return Ok(()) };
        for index in self.indexes.iter().filter(|index| index.kinds().contains(&kind)) {
            index.insert(transaction, arrival, message)?;
        }
        Ok(())
    }

    /// Reads messages and refuses what can be refused without cryptography.
    fn admit(&self, batch: &[impl AsRef<[u8]>]) -> Result<Vec<Result<Message, Rejected>>, StoreError> {
        let wanted = self.wanted.borrow().clone();
        let mut expected: HashMap<FeedId, FeedSequence> = HashMap::new();
        let mut answers = Vec::with_capacity(batch.len());
        for raw in batch {
            let answer = match remote::parse(raw.as_ref()) {
                Ok(message) => {
                    let author = message.author;
                    let next = expected
                        .entry(author)
                        .or_insert_with(|| self.head(&author).map_or(FeedSequence(1), |head| head.sequence.next()));
                    match self.refuse_early(&wanted, &message, *next)? {
                        Some(rejected) => Err(rejected),
                        None => {
                            *next = (*next).max(message.sequence.next());
                            Ok(message)
                        }
                    }
                }
                Err(rejected) => Err(rejected),
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    fn refuse_early(
        &self,
        wanted: &WantedFeeds,
        message: &Message,
        expected: FeedSequence,
    ) -> Result<Option<Rejected>, StoreError> {
        let (author, sequence) = (message.author, message.sequence);
        let kind = wanted.kind(&author);
        let most = match kind {
            _ if wanted.is_own(&author) && author != self.gate.node() && sequence >= expected => {
                return Ok(Some(Rejected::OwnFeedAhead { author, sequence }));
            }
            None => return Ok(self.unwelcome(wanted, author)),
            Some(FeedKind::Broadcast) => MAX_BROADCAST_FEED_MESSAGES,
            Some(FeedKind::Node) => MAX_NODE_FEED_MESSAGES,
            // Only this node's key signs more of it.
            Some(FeedKind::Own) => u64::MAX,
        };
        if sequence > expected {
            return Ok(Some(Rejected::Gap { author, sequence, expected }));
        }
        if sequence.0 > most {
            return Ok(Some(Rejected::FeedFull(author)));
        }
        if sequence < expected && stored_key(&self.reader(), message)? == Some(message.key) {
            return Ok(Some(Rejected::AlreadyStored { author, sequence }));
        }
        Ok(None)
    }

    /// Why nothing of a feed is taken.
    fn unwelcome(&self, wanted: &WantedFeeds, author: FeedId) -> Option<Rejected> {
        if wanted.kind(&author).is_some() {
            None
        } else if self.is_dropped(&author) {
            Some(Rejected::Dropped(author))
        } else {
            Some(Rejected::Unwanted(author))
        }
    }

    fn last_message(
        &self,
        connection: &Connection,
        stored: &[Message],
        author: FeedId,
        head: Option<Head>,
    ) -> Result<Option<Message>, StoreError> {
        let Some(head) = head else { return Ok(None) };
        if let Some(message) = stored.iter().rev().find(|message| message.author == author) {
            return Ok(Some(message.clone()));
        }
        Ok(schema::range(connection, &author, head.sequence, 1)?.pop())
    }

    fn append_own(&self, appends: &[OwnAppend]) -> Result<Vec<Message>, StoreError> {
        let mut writer = self.writer();
        let node = self.gate.node();
        if appends.iter().any(|append| append.identity.id() == node) {
            // What came from a peer since the gate was passed came under this lock.
            self.gate.check()?;
        }
        let transaction = writer.transaction()?;
        let mut heads: HashMap<FeedId, Head> = HashMap::new();
        let mut messages = Vec::with_capacity(appends.len());
        for append in appends {
            let author = append.identity.id();
            let head = heads.get(&author).copied().or_else(|| self.head(&author));
            let previous = head.map(|head| (head.key, head.sequence));
            let message = message::sign(&append.identity, previous, WallTime::now(), &append.content_json)?;
            self.insert(&transaction, &message)?;
            if let Some(feed) = append.names {
                schema::insert_own_feed(&transaction, &feed)?;
            }
            heads.insert(author, Head { sequence: message.sequence, key: message.key });
            messages.push(message);
        }
        transaction.commit()?;
        if let Some(head) = heads.get(&node) {
            self.gate.handle_appended(head.sequence);
        }
        self.change_wanted(|wanted| {
            for feed in appends.iter().filter_map(|append| append.names) {
                wanted.add_own_broadcast(feed);
            }
        });
        self.publish(&messages);
        Ok(messages)
    }

    /// Makes durable messages known. The caller holds the write lock, so that all learn of them in the same order.
    fn publish(&self, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            heads.insert(message.author, Head { sequence: message.sequence, key: message.key });
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

fn verify_admitted(answers: &mut [Result<Message, Rejected>]) {
    let messages: Vec<&Message> = answers.iter().flatten().collect();
    let mut verdicts = remote::verify_signatures(&messages).into_iter();
    for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
        if let Some(Err(rejected)) = verdicts.next() {
            *answer = Err(rejected);
        }
    }
}

/// How many messages at the beginning follow each other in one feed.
fn run_length(answers: &[Result<Message, Rejected>]) -> usize {
    let Some(Ok(first)) = answers.first() else { return 0 };
    let mut last = first;
    let mut length = 1;
    for answer in &answers[1..] {
        let Ok(message) = answer else { break };
        if message.author != last.author || message.sequence != last.sequence.next() {
            break;
        }
        last = message;
        length += 1;
    }
    length
}

/// Why a correctly signed message cannot follow the head by its number alone.
fn out_of_order(
    connection: &Connection,
    message: &Message,
    head: Option<Head>,
) -> Result<Option<Rejected>, StoreError> {
    let (author, sequence) = (message.author, message.sequence);
    let expected = head.map_or(FeedSequence(1), |head| head.sequence.next());
    Ok(if sequence > expected {
        Some(Rejected::Gap { author, sequence, expected })
    } else if sequence == expected {
        None
    } else if stored_key(connection, message)? == Some(message.key) {
        Some(Rejected::AlreadyStored { author, sequence })
    } else {
        Some(Rejected::Forked { author, sequence })
    })
}

fn stored_key(connection: &Connection, message: &Message) -> Result<Option<MessageKey>, StoreError> {
    let stored = schema::range(connection, &message.author, message.sequence, 1)?.pop();
    Ok(stored.filter(|stored| stored.sequence == message.sequence).map(|stored| stored.key))
}
