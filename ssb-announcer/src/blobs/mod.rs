//! Blobs: small files under their SHA-256, for pictures of people, broadcasts and posts.
//!
//! In: blobs of this node, wishes for those of others, notices of peers. Out: bytes, and what to tell and to ask peers.
//! [`ledger`] decides what is kept, [`wants`] what is looked for, [`budget`] how much of it for whom, [`exchange`] speaks
//! with one peer and [`giving`] gives to it; these five are pure.
//! [`shelf`] is the folder on disk. It never fetches what nobody wants: a peer that says it has blobs is not believed
//! before they are wanted, and then only what hashes to its name.
//!
//! Source: npm `ssb-blobs` 2.0.1; Scuttlebutt Protocol Guide, "Blobs".

pub mod budget;
pub mod exchange;
pub mod giving;
pub mod ledger;
pub mod shelf;
pub mod wants;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use metrics::{counter, gauge};
use stream_model::{BlobError, BlobId, BlobStore, FeedId};
use tokio::sync::broadcast;
use tokio::task::spawn_blocking;

use self::ledger::Owner;
use self::shelf::Shelf;
use self::wants::{FetchId, Joined, Wants};

/// The most bytes of a blob: a picture that fills a phone's screen. JavaScript takes 5 MiB; on a mesh link of some Mbit/s
/// that is half a minute in which no message goes through, and up to that much memory for each peer.
pub const MAX_BLOB: usize = 1024 * 1024;
/// Changes that a connection may lag behind before it looks at all wants again.
const CHANGES: usize = 256;

/// Where blobs are kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder; made where there is none.
    pub directory: PathBuf,
    /// Bytes kept of other people's blobs. Those used longest ago make room.
    pub quota: u64,
}

impl Config {
    /// Room for some thousand pictures.
    pub fn in_directory(directory: PathBuf) -> Self {
        Self { directory, quota: 256 * 1024 * 1024 }
    }
}

/// Something that connections have to tell their peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// A blob is looked for, by somebody so many hops away.
    Wanted(BlobId, u8),
    /// A blob came, of this size.
    Held(BlobId, u64),
    /// A peer did not bring a blob: another may.
    Missed,
}

/// All blobs of this node. Clones are handles to the same.
#[derive(Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

struct Inner {
    shelf: Shelf,
    wants: Mutex<Wants>,
    changes: broadcast::Sender<Change>,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").finish_non_exhaustive()
    }
}

impl Blobs {
    /// Opens the folder, looks what is there, and removes what a crash left half written. Blocks.
    ///
    /// # Errors
    /// Where the folder cannot be made or read.
    pub fn open(config: Config) -> std::io::Result<Self> {
        let shelf = Shelf::open(&config.directory, config.quota)?;
        gauge!("meshstream_ssb_blob_bytes").set(shelf.bytes() as f64);
        let inner = Inner { shelf, wants: Mutex::default(), changes: broadcast::Sender::new(CHANGES) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The size of a blob that is held here.
    pub fn size(&self, id: &BlobId) -> Option<u64> {
        self.inner.shelf.size(id)
    }

    /// Whether a blob is held here because this node added it.
    pub fn is_own(&self, id: &BlobId) -> bool {
        self.inner.shelf.is_own(id)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// What is looked for now, with the hops.
    pub(crate) fn wanted(&self) -> Vec<(BlobId, u8)> {
        self.wants().wanted(now())
    }

    /// A piece of a blob, not verified: the one who reads it verifies the whole. Empty beyond the end.
    pub(crate) async fn read(&self, id: BlobId, range: Range<u64>) -> Result<Bytes, BlobError> {
        let inner = self.inner.clone();
        spawn_blocking(move || inner.shelf.read(&id, range)).await.map_err(|_| BlobError::NotFound(id))?
    }

    /// A peer looks for a blob, for somebody so many hops away: we look for it too, while few do. `false` where there is no
    /// room now.
    pub(crate) fn want_for_peer(&self, peer: FeedId, id: BlobId, hops: u8) -> bool {
        if self.size(&id).is_some() {
            return true;
        }
        let joined = self.wants().add_for_peer(peer, id, hops, now());
        if joined == Joined::New {
            self.tell(Change::Wanted(id, hops));
        }
        joined != Joined::NoRoom
    }

    /// Whether a connection is to fetch a blob now: it is wanted, and nobody else fetches it. Then
    /// [`end_fetch`](Self::end_fetch) is to follow.
    pub(crate) fn begin_fetch(&self, id: BlobId, fetch: FetchId) -> bool {
        self.size(&id).is_none() && self.wants().begin_fetch(id, fetch, now())
    }

    /// When a wish that found no room, or one of these blobs that waits for a budget, is worth another look, where nothing
    /// else changes.
    pub(crate) fn next_chance<'a>(&self, waits: bool, offered: impl Iterator<Item = &'a BlobId>) -> Option<Instant> {
        let (wants, now) = (self.wants(), now());
        let room = wants.next_room(now).filter(|_| waits);
        offered.filter_map(|id| wants.next_fetch(id, now)).chain(room).min()
    }

    /// A fetch came to nothing, after so many bytes.
    pub(crate) fn end_fetch(&self, id: BlobId, fetch: FetchId, bytes: usize) {
        let mut wants = self.wants();
        wants.handle_bytes(&id, fetch, bytes as u64, now());
        wants.end_fetch(id, fetch);
        drop(wants);
        self.tell(Change::Missed);
    }

    /// A peer brought a blob that was wanted. `false` where the bytes are not what their name says, or nobody wants them.
    pub(crate) async fn handle_fetched(&self, id: BlobId, fetch: FetchId, bytes: Bytes) -> Result<bool, BlobError> {
        let (size, now) = (bytes.len(), now());
        let wanted = {
            let mut wants = self.wants();
            wants.handle_bytes(&id, fetch, size as u64, now);
            wants.is_wanted(&id, now)
        };
        let kept = match wanted {
            true => self.put(bytes, Owner::Others, Some(id)).await,
            false => Ok(None),
        };
        if !matches!(kept, Ok(Some(_))) {
            self.end_fetch(id, fetch, size);
        }
        Ok(kept?.is_some())
    }

    async fn put(&self, bytes: Bytes, owner: Owner, expected: Option<BlobId>) -> Result<Option<BlobId>, BlobError> {
        if bytes.len() > MAX_BLOB {
            return Err(BlobError::TooLarge { bytes: bytes.len(), most: MAX_BLOB });
        }
        let (inner, size) = (self.inner.clone(), bytes.len() as u64);
        let kept = spawn_blocking(move || -> std::io::Result<_> {
            let id = shelf::hash(&bytes);
            if expected.is_some_and(|expected| expected != id) {
                return Ok(None);
            }
            let evicted = inner.shelf.put(id, &bytes, owner)?;
            counter!("meshstream_ssb_blobs_evicted_total").increment(evicted as u64);
            gauge!("meshstream_ssb_blob_bytes").set(inner.shelf.bytes() as f64);
            Ok(Some(id))
        });
        let kept = kept.await.map_err(|_| std::io::Error::other("the task was given up"))??;
        if let Some(id) = kept {
            self.wants().handle_held(&id);
            self.tell(Change::Held(id, size));
        }
        Ok(kept)
    }

    fn tell(&self, change: Change) {
        // Without connections nobody needs to know.
        let _receivers = self.inner.changes.send(change);
    }

    fn wants(&self) -> MutexGuard<'_, Wants> {
        // Its methods do not panic half way.
        self.inner.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By the clock that timers go by.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[async_trait]
impl BlobStore for Blobs {
    async fn add(&self, bytes: Bytes) -> Result<BlobId, BlobError> {
        let kept = self.put(bytes, Owner::Node, None).await?;
        Ok(kept.expect("without an expected name any bytes are kept"))
    }

    async fn get(&self, id: &BlobId) -> Result<Bytes, BlobError> {
        let (inner, id) = (self.inner.clone(), *id);
        spawn_blocking(move || inner.shelf.get(&id)).await.map_err(|_| BlobError::NotFound(id))?
    }

    fn want(&self, id: BlobId) {
        if self.size(&id).is_none() && self.wants().add(id, now()) {
            self.tell(Change::Wanted(id, wants::OURS));
        }
    }

    async fn fetch(&self, id: &BlobId, within: Duration) -> Result<Bytes, BlobError> {
        let mut changes = self.subscribe();
        self.want(*id);
        let held = async {
            while self.size(id).is_none() {
                let _lagging_is_fine = changes.recv().await;
            }
        };
        match tokio::time::timeout(within, held).await {
            Ok(()) => self.get(id).await,
            Err(_) => Err(BlobError::NotFound(*id)),
        }
    }
}
