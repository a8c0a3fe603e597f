//! In-memory stand-ins for the ports of `stream-model`, with faults that tests switch on and off.
//!
//! [`MemoryStore`] keeps content under real CIDs (raw leaves for files, a digest of the sorted links for directories;
//! not the UnixFS encoding). [`MemoryFetcher`] copies from other stores. [`MemoryFeeds`] is both ends of the
//! announcements: the log of one author and the directory that readers build from it.

mod feeds;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use cid::multihash::Multihash;
use futures::stream::{self, BoxStream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use stream_model::{
    BroadcastId, Claim, ContentFetcher, ContentLookup, ContentReader, ContentStore, DirectoryEntry, FetchError,
    FetchProgress, FetchRequest, Node, PeerId, Retention, StoreError, StoredContent,
};
use tokio::sync::watch;

pub use feeds::{Appended, MemoryFeeds};

/// Codec of raw leaves (multicodec table).
const RAW: u64 = 0x55;
/// Codec of UnixFS directories, which are dag-pb (multicodec table).
const DAG_PB: u64 = 0x70;
/// SHA2-256 (multicodec table).
const SHA2_256: u64 = 0x12;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The CID of bytes as one raw leaf.
pub fn cid_of(bytes: &[u8]) -> Cid {
    cid_with(RAW, bytes)
}

fn cid_with(codec: u64, bytes: &[u8]) -> Cid {
    let digest = Sha256::digest(bytes);
    let hash = Multihash::wrap(SHA2_256, &digest).expect("a SHA-256 digest fits a multihash");
    Cid::new_v1(codec, hash)
}

/// A libp2p identity made of one repeated byte.
pub fn peer_id(byte: u8) -> PeerId {
    let mut bytes = vec![0x12, 32];
    bytes.extend([byte; 32]);
    PeerId::from_multihash(bytes).expect("a SHA-256 multihash is a peer id")
}

/// What a store does with additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMood {
    /// Takes them.
    Willing,
    /// Refuses them as a full disk does.
    Full,
    /// Lets them wait until the mood changes.
    Stuck,
}

#[derive(Debug, Default)]
struct Contents {
    files: HashMap<Cid, Bytes>,
    directories: HashMap<Cid, Vec<DirectoryEntry>>,
    claims: HashMap<Claim, BTreeSet<Cid>>,
    retained: HashMap<BroadcastId, Retention>,
    overruled: HashMap<BroadcastId, Retention>,
}

impl Contents {
    /// Everything that some claim reaches.
    fn reached(&self) -> HashSet<Cid> {
        let mut reached: HashSet<Cid> = HashSet::new();
        let mut open: Vec<Cid> = self.claims.values().flatten().copied().collect();
        while let Some(cid) = open.pop() {
            if reached.insert(cid) {
                open.extend(self.directories.get(&cid).into_iter().flatten().map(|entry| entry.cid));
            }
        }
        reached
    }

    fn collect(&mut self) {
        let reached = self.reached();
        self.files.retain(|cid, _| reached.contains(cid));
        self.directories.retain(|cid, _| reached.contains(cid));
    }

    fn bytes_of(&self, cid: &Cid) -> Option<u64> {
        if let Some(file) = self.files.get(cid) {
            return Some(file.len() as u64);
        }
        let entries = self.directories.get(cid)?;
        Some(entries.iter().filter_map(|entry| self.bytes_of(&entry.cid)).sum())
    }
}

/// Content in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    contents: Arc<Mutex<Contents>>,
    mood: watch::Sender<StoreMood>,
    releases_held: watch::Sender<bool>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            contents: Arc::default(),
            mood: watch::Sender::new(StoreMood::Willing),
            releases_held: watch::Sender::new(false),
        }
    }
}

impl MemoryStore {
    /// Changes what happens to additions from now on, and to those that wait.
    pub fn set_mood(&self, mood: StoreMood) {
        self.mood.send_replace(mood);
    }

    /// Whether releases wait from now on, until this is called anew.
    pub fn hold_releases(&self, held: bool) {
        self.releases_held.send_replace(held);
    }

    /// The claims on all content, in the order of their texts.
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims: Vec<Claim> = lock(&self.contents).claims.keys().copied().collect();
        claims.sort_by_key(Claim::to_string);
        claims
    }

    /// Keeps a root whatever claims on it go.
    pub(crate) fn lend(&self, root: Cid) {
        self.claim(Claim::Carried(root), root);
    }

    /// The roots that a claim keeps.
    pub fn claimed(&self, claim: &Claim) -> Vec<Cid> {
        lock(&self.contents).claims.get(claim).into_iter().flatten().copied().collect()
    }

    /// The bytes of a file.
    pub fn file(&self, cid: &Cid) -> Option<Bytes> {
        lock(&self.contents).files.get(cid).cloned()
    }

    /// The links of a directory.
    pub fn directory(&self, cid: &Cid) -> Option<Vec<DirectoryEntry>> {
        lock(&self.contents).directories.get(cid).cloned()
    }

    /// How readily a broadcast's content would make room; nothing ever does here.
    pub fn retention(&self, broadcast: &BroadcastId) -> Option<Retention> {
        let contents = lock(&self.contents);
        contents.overruled.get(broadcast).or_else(|| contents.retained.get(broadcast)).copied()
    }

    async fn admit(&self) -> Result<(), StoreError> {
        let mut mood = self.mood.subscribe();
        let settled = mood.wait_for(|mood| *mood != StoreMood::Stuck).await;
        match settled.map(|mood| *mood) {
            Ok(StoreMood::Full) => Err(StoreError::Full("this fake is full".to_owned())),
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Failed("the store is gone".to_owned())),
        }
    }

    fn claim(&self, claim: Claim, cid: Cid) {
        lock(&self.contents).claims.entry(claim).or_default().insert(cid);
    }
}

#[async_trait]
impl ContentStore for MemoryStore {
    async fn add_file(&self, parts: Vec<Bytes>, claim: Claim) -> Result<StoredContent, StoreError> {
        self.admit().await?;
        let bytes = Bytes::from(parts.concat());
        let stored = StoredContent { cid: cid_of(&bytes), bytes: bytes.len() as u64 };
        lock(&self.contents).files.insert(stored.cid, bytes);
        self.claim(claim, stored.cid);
        Ok(stored)
    }

    async fn add_directory(&self, mut entries: Vec<DirectoryEntry>, claim: Claim) -> Result<StoredContent, StoreError> {
        self.admit().await?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let text: String = entries.iter().map(|entry| format!("{} {}\n", entry.name, entry.cid)).collect();
        let cid = cid_with(DAG_PB, text.as_bytes());
        let mut contents = lock(&self.contents);
        for entry in &entries {
            if contents.bytes_of(&entry.cid).is_none() {
                return Err(StoreError::NotFound(entry.cid));
            }
        }
        contents.directories.insert(cid, entries);
        contents.claims.entry(claim).or_default().insert(cid);
        let bytes = contents.bytes_of(&cid).unwrap_or_default();
        Ok(StoredContent { cid, bytes })
    }

    async fn release(&self, claim: Claim) -> Result<(), StoreError> {
        // Never closed: the sender is in here.
        let _ = self.releases_held.subscribe().wait_for(|held| !held).await;
        let mut contents = lock(&self.contents);
        contents.claims.remove(&claim);
        contents.collect();
        Ok(())
    }

    async fn release_broadcast(&self, broadcast: BroadcastId) -> Result<(), StoreError> {
        let mut contents = lock(&self.contents);
        contents.claims.retain(|claim, _| claim.broadcast() != Some(broadcast));
        contents.collect();
        Ok(())
    }

    async fn retain(&self, broadcast: BroadcastId, retention: Retention) -> Result<(), StoreError> {
        lock(&self.contents).retained.insert(broadcast, retention);
        Ok(())
    }

    async fn overrule(&self, broadcast: BroadcastId, retention: Option<Retention>) -> Result<(), StoreError> {
        let mut contents = lock(&self.contents);
        match retention {
            Some(retention) => contents.overruled.insert(broadcast, retention),
            None => contents.overruled.remove(&broadcast),
        };
        Ok(())
    }

    async fn holds(&self, root: &Cid) -> bool {
        lock(&self.contents).bytes_of(root).is_some()
    }
}

#[async_trait]
impl ContentReader for MemoryStore {
    async fn stat(&self, cid: &Cid) -> Result<Node, StoreError> {
        let contents = lock(&self.contents);
        if let Some(file) = contents.files.get(cid) {
            return Ok(Node::File(file.len() as u64));
        }
        contents.directories.get(cid).cloned().map(Node::Directory).ok_or(StoreError::NotFound(*cid))
    }

    async fn read(
        &self,
        cid: &Cid,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let contents = lock(&self.contents);
        let file = contents.files.get(cid).ok_or(StoreError::NotFound(*cid))?;
        let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(file.len());
        let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
        Ok(stream::iter([Ok(file.slice(start..end))]).boxed())
    }
}

#[derive(Debug, Default)]
struct Wire {
    /// Roots that nobody delivers, until they are taken out again.
    missing: HashSet<Cid>,
    requests: Vec<(Claim, Cid)>,
    running: usize,
    most_running: usize,
}

/// Fetches into one [`MemoryStore`] from another. Clones share the record of requests.
#[derive(Debug, Clone)]
pub struct MemoryFetcher {
    here: MemoryStore,
    there: MemoryStore,
    wire: Arc<Mutex<Wire>>,
    changed: watch::Sender<u64>,
}

impl MemoryFetcher {
    /// Everything that `there` holds can be fetched into `here`.
    pub fn new(here: MemoryStore, there: MemoryStore) -> Self {
        Self { here, there, wire: Arc::default(), changed: watch::Sender::new(0) }
    }

    /// From now on nobody delivers this root.
    pub fn lose(&self, root: Cid) {
        lock(&self.wire).missing.insert(root);
    }

    /// The root can be had again; requests that wait for it go on.
    pub fn find(&self, root: &Cid) {
        lock(&self.wire).missing.remove(root);
        self.changed.send_modify(|version| *version += 1);
    }

    /// What was asked for so far, in order.
    pub fn requests(&self) -> Vec<(Claim, Cid)> {
        lock(&self.wire).requests.clone()
    }

    /// The most requests that ran at once.
    pub fn most_at_once(&self) -> usize {
        lock(&self.wire).most_running
    }

    /// The requests that run now.
    pub fn running(&self) -> usize {
        lock(&self.wire).running
    }

    /// Tells those who wait that the other side may have more now.
    pub fn nudge(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn available(&self, root: &Cid) -> Option<u64> {
        if lock(&self.wire).missing.contains(root) {
            return None;
        }
        lock(&self.there.contents).bytes_of(root)
    }

    fn copy(&self, root: &Cid) {
        let mut open = vec![*root];
        while let Some(cid) = open.pop() {
            if let Some(file) = self.there.file(&cid) {
                lock(&self.here.contents).files.insert(cid, file);
            }
            if let Some(entries) = self.there.directory(&cid) {
                open.extend(entries.iter().map(|entry| entry.cid));
                lock(&self.here.contents).directories.insert(cid, entries);
            }
        }
    }
}

/// Counts a running request for as long as it lives, cancelled ones included.
struct Running<'a>(&'a Mutex<Wire>);

impl<'a> Running<'a> {
    fn begin(wire: &'a Mutex<Wire>, request: &FetchRequest) -> Self {
        let mut state = lock(wire);
        state.requests.push((request.claim, request.root));
        state.running += 1;
        state.most_running = state.most_running.max(state.running);
        Self(wire)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        lock(self.0).running -= 1;
    }
}

#[async_trait]
impl ContentFetcher for MemoryFetcher {
    async fn fetch(&self, request: FetchRequest) -> Result<StoredContent, FetchError> {
        let _running = Running::begin(&self.wire, &request);
        if !self.here.holds(&request.root).await {
            let mut changed = self.changed.subscribe();
            let arrived = tokio::time::timeout(request.timeout, async {
                loop {
                    changed.mark_unchanged();
                    if let Some(bytes) = self.available(&request.root) {
                        return bytes;
                    }
                    if changed.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            });
            let bytes = arrived.await.map_err(|_| FetchError::TimedOut(request.timeout))?;
            if bytes > request.max_bytes {
                return Err(FetchError::TooLarge(request.max_bytes));
            }
            self.here.admit().await?;
            self.copy(&request.root);
        }
        self.here.claim(request.claim, request.root);
        let bytes = lock(&self.here.contents).bytes_of(&request.root).unwrap_or_default();
        Ok(StoredContent { cid: request.root, bytes })
    }

    fn progress(&self, _: &Cid) -> Option<FetchProgress> {
        None
    }
}

#[async_trait]
impl ContentLookup for MemoryFetcher {
    async fn glance(&self, cid: &Cid) -> Result<Option<Node>, StoreError> {
        match self.here.stat(cid).await {
            Ok(node) => Ok(Some(node)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn look_up(&self, request: FetchRequest) -> Result<Node, FetchError> {
        if let Some(node) = self.glance(&request.root).await? {
            return Ok(node);
        }
        if self.available(&request.root).is_none() {
            return Err(FetchError::TimedOut(request.timeout));
        }
        Ok(self.there.stat(&request.root).await?)
    }
}
