//! What the owner does with archives: mirrors, exports and imports, republications and withdrawals.
//!
//! A mirror is a row of the catalog and a [pass](pass) over the broadcast now and then, until nothing is missing. Who asks
//! for something goes through [`Keeping`]. Never makes up content: whatever is kept or told is vouched for by messages of the
//! broadcast's author.

mod export;
mod import;
mod pass;
mod republish;
mod runner;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _};
use stream_model::{
    ArchiveImported, ArchiveKeeper, BroadcastId, CarBytes, CarExport, CarProgress, CarVersion, ContentCarrier,
    ContentLookup, ContentReader, ContentStore, Directory, KeeperError, Listing, MessageCarrier, MirrorEntry,
    MirrorProgress, OwnCopy, PeerId, Republished, Retention, StandingLog, Standings,
};
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::broadcast::Rebroadcasts;
use crate::catalog::{Catalog, MirrorRecord, MirrorStage};
use crate::playback::{Playback, Reading};

pub(crate) use runner::Runner;

/// Broadcasts that are mirrored, whoever asked for it: a row each, and a look at each now and then.
const MOST_MIRRORS: usize = 4_096;

/// How archives are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Whether what its publisher withdrew is given up (`archive.honour_withdrawals`).
    pub honour_withdrawals: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { honour_withdrawals: true }
    }
}

/// What archives are kept with.
#[derive(Clone)]
pub struct Ports {
    /// Keeps content.
    pub store: Arc<dyn ContentStore>,
    /// The same, to be read.
    pub reader: Arc<dyn ContentReader>,
    /// Claims what is here, and fetches the rest.
    pub fetcher: Arc<dyn ContentLookup>,
    /// Content out of files and into them.
    pub carrier: Arc<dyn ContentCarrier>,
    /// Knows all broadcasts.
    pub directory: Arc<dyn Directory>,
    /// What is said of them.
    pub standings: Arc<dyn Standings>,
    /// Says so.
    pub standing_log: Arc<dyn StandingLog>,
    /// Signed messages out of files and into them.
    pub messages: Arc<dyn MessageCarrier>,
    /// This node's libp2p identity.
    pub peer: PeerId,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// A mirror as it runs.
#[derive(Debug)]
struct Mirror {
    record: MirrorRecord,
    progress: watch::Sender<MirrorProgress>,
    /// When to look at it again.
    due: Instant,
    running: bool,
    /// Passes in a row that did not bring all.
    failures: u32,
    /// Held by the pass that runs.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Ends it.
    stop: CancellationToken,
}

impl Mirror {
    fn new(record: MirrorRecord) -> Self {
        let announced = record.manifest.map(|manifest| manifest.to_string());
        let progress = MirrorProgress { announced, ..MirrorProgress::default() };
        Self {
            record,
            progress: watch::Sender::new(progress),
            due: Instant::now(),
            running: false,
            failures: 0,
            turn: Arc::default(),
            stop: CancellationToken::new(),
        }
    }
}

#[derive(Debug)]
struct Inner {
    /// Whether what its publisher withdrew is given up.
    honours_withdrawals: AtomicBool,
    ports: Ports,
    catalog: Catalog,
    playback: Playback,
    rebroadcasts: Rebroadcasts,
    mirrors: Mutex<BTreeMap<BroadcastId, Mirror>>,
    /// There is something to do for the runner.
    wake: Notify,
    /// One draft at a time: they share a claim.
    drafting: tokio::sync::Mutex<()>,
}

/// Does with archives what the owner asks. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Keeping {
    inner: Arc<Inner>,
}

impl Keeping {
    /// The handle, and the task that fetches: nothing is mirrored until it [runs](Runner::run).
    pub(crate) fn new(
        config: Config,
        ports: Ports,
        catalog: Catalog,
        playback: Playback,
        rebroadcasts: Rebroadcasts,
    ) -> (Self, Runner) {
        let inner = Arc::new(Inner {
            honours_withdrawals: AtomicBool::new(config.honour_withdrawals),
            ports,
            catalog,
            playback,
            rebroadcasts,
            mirrors: Mutex::default(),
            wake: Notify::new(),
            drafting: tokio::sync::Mutex::default(),
        });
        (Self { inner: Arc::clone(&inner) }, Runner::new(inner))
    }

    /// Whether what its publisher withdraws is given up from now on.
    pub(crate) fn honour_withdrawals(&self, honour: bool) {
        self.inner.honours_withdrawals.store(honour, Ordering::Relaxed);
        self.inner.wake.notify_one();
    }
}

impl Inner {
    fn mirrors(&self) -> MutexGuard<'_, BTreeMap<BroadcastId, Mirror>> {
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listing(&self, broadcast: BroadcastId) -> Result<Listing, KeeperError> {
        self.ports.directory.listing(&broadcast).ok_or(KeeperError::Unknown(broadcast))
    }

    /// Somebody else's broadcast that may be kept.
    fn keepable(&self, broadcast: BroadcastId) -> Result<Listing, KeeperError> {
        let listing = self.listing(broadcast)?;
        if listing.own {
            return Err(KeeperError::Own(broadcast));
        }
        if !listing.archive {
            return Err(KeeperError::NotToBeKept(broadcast));
        }
        if self.is_taken_back(&broadcast) {
            return Err(KeeperError::Withdrawn(broadcast));
        }
        Ok(listing)
    }

    /// Whether its author withdrew it, and this node honours that.
    fn is_taken_back(&self, broadcast: &BroadcastId) -> bool {
        self.honours_withdrawals.load(Ordering::Relaxed) && self.ports.standings.standing(broadcast).withdrawn.is_some()
    }

    /// Mirrors a broadcast from now on. What the owner asks for is not dropped any more.
    async fn adopt(&self, broadcast: BroadcastId, asked: bool) -> Result<(), KeeperError> {
        if asked && self.catalog.forget_drop(broadcast).await.map_err(failed)? {
            self.ports.store.overrule(broadcast, None).await?;
        }
        let record = {
            let mirrors = self.mirrors();
            let known = mirrors.get(&broadcast).map(|mirror| mirror.record.clone());
            if known.is_none() && mirrors.len() >= MOST_MIRRORS {
                return Err(KeeperError::TooMany("too many broadcasts are mirrored: stop some, with --stop"));
            }
            let manifest = known.as_ref().and_then(|record| record.manifest);
            let asked = asked || known.is_some_and(|record| record.asked);
            MirrorRecord { broadcast, asked, stage: MirrorStage::Filling, manifest }
        };
        self.ports.store.retain(broadcast, Retention::Mirrored).await?;
        self.catalog.save_mirror(record.clone()).await.map_err(failed)?;
        {
            let mut mirrors = self.mirrors();
            let mirror = mirrors.entry(broadcast).or_insert_with(|| Mirror::new(record.clone()));
            mirror.record = record;
            mirror.due = Instant::now();
            mirror.failures = 0;
        }
        self.tell_playback();
        self.wake.notify_one();
        Ok(())
    }

    /// Ends the pass over a mirror that runs, and waits for its end. No other begins until what is returned is dropped.
    async fn halt(&self, broadcast: BroadcastId) -> Option<(MirrorRecord, OwnedMutexGuard<()>)> {
        let turn = {
            let mut mirrors = self.mirrors();
            let mirror = mirrors.get_mut(&broadcast)?;
            std::mem::take(&mut mirror.stop).cancel();
            Arc::clone(&mirror.turn)
        };
        let turn = turn.lock_owned().await;
        let record = self.mirrors().get(&broadcast)?.record.clone();
        Some((record, turn))
    }

    /// Says that nothing is held of a broadcast any more, where something was said to be, and mirrors it no more.
    async fn abandon(&self, record: MirrorRecord, stage: Option<MirrorStage>) -> Result<(), KeeperError> {
        let broadcast = record.broadcast;
        // The power may have failed between what was said and the note of it.
        let own = self.ports.standings.own_feed();
        let is_said = || self.ports.standings.standing(&broadcast).mirrors.iter().any(|mirror| mirror.node == own);
        if record.manifest.is_some() || is_said() {
            self.ports.standing_log.mirror(broadcast, self.ports.peer.clone(), None).await?;
        }
        self.ports.store.retain(broadcast, Retention::Passing).await?;
        match stage {
            Some(stage) => {
                let record = MirrorRecord { asked: false, stage, manifest: None, ..record };
                self.catalog.save_mirror(record.clone()).await.map_err(failed)?;
                if let Some(mirror) = self.mirrors().get_mut(&broadcast) {
                    mirror.record = record;
                }
            }
            None => {
                self.catalog.remove_mirror(broadcast).await.map_err(failed)?;
                self.mirrors().remove(&broadcast);
            }
        }
        self.tell_playback();
        Ok(())
    }

    /// Not mirrored any more, and not by the policy either.
    async fn stop(&self, broadcast: BroadcastId) -> Result<(), KeeperError> {
        let halted = self.halt(broadcast).await.filter(|(record, _)| record.stage != MirrorStage::GivenUp);
        let (record, _halted) = halted.ok_or(KeeperError::NotRunning(broadcast, "mirrored"))?;
        // What the policy would take up again is remembered as given up.
        let by_policy = self.listing(broadcast).is_ok_and(|listing| self.playback.mirrors_by_policy(&listing));
        self.abandon(record, by_policy.then_some(MirrorStage::GivenUp)).await
    }

    /// The pictures to look through a broadcast with, which go with it.
    fn images_of(&self, broadcast: &BroadcastId) -> Option<BroadcastId> {
        let images = self.ports.directory.thumbnails(broadcast)?;
        (!images.own && images.archive).then_some(images.id)
    }

    fn tell_playback(&self) {
        let mirrors = self.mirrors();
        let active = mirrors.values().filter(|mirror| mirror.record.stage != MirrorStage::GivenUp);
        self.playback.set_mirrored(active.map(|mirror| mirror.record.broadcast).collect());
    }
}

fn failed(error: impl fmt::Display) -> KeeperError {
    KeeperError::Failed(error.to_string())
}

#[async_trait]
impl ArchiveKeeper for Keeping {
    async fn mirror(&self, broadcast: BroadcastId) -> Result<(), KeeperError> {
        let listing = self.inner.keepable(broadcast)?;
        self.inner.adopt(broadcast, true).await?;
        self.inner.playback.follow_mirrored(&listing);
        Ok(())
    }

    async fn unmirror(&self, broadcast: BroadcastId) -> Result<(), KeeperError> {
        let inner = &self.inner;
        inner.stop(broadcast).await?;
        let Some(images) = inner.images_of(&broadcast) else { return Ok(()) };
        match inner.stop(images).await {
            Err(KeeperError::NotRunning(..)) => Ok(()),
            stopped => stopped,
        }
    }

    fn mirrors(&self) -> Vec<MirrorEntry> {
        let mirrors = self.inner.mirrors();
        let of_images = |broadcast: &BroadcastId| {
            self.inner.ports.directory.listing(broadcast).is_some_and(|listing| listing.is_of_images())
        };
        let active = mirrors.values().filter(|mirror| mirror.record.stage != MirrorStage::GivenUp);
        // They come and go with what they show.
        let active = active.filter(|mirror| !of_images(&mirror.record.broadcast));
        let entry = |mirror: &Mirror| MirrorEntry {
            broadcast: mirror.record.broadcast,
            asked: mirror.record.asked,
            progress: mirror.progress.borrow().clone(),
        };
        active.map(entry).collect()
    }

    fn mirror_progress(&self, broadcast: BroadcastId) -> BoxStream<'static, MirrorProgress> {
        let Some(progress) = self.inner.mirrors().get(&broadcast).map(|mirror| mirror.progress.subscribe()) else {
            return stream::empty().boxed();
        };
        let first = progress.borrow().clone();
        let later = stream::unfold(progress, |mut progress| async move {
            progress.changed().await.ok()?;
            let now = progress.borrow_and_update().clone();
            Some((now, progress))
        });
        stream::once(async move { first }).chain(later).boxed()
    }

    async fn export(&self, broadcast: BroadcastId, version: CarVersion) -> Result<CarExport, KeeperError> {
        export::export(&self.inner, broadcast, version).await
    }

    async fn import(
        &self,
        file: CarBytes<'_>,
        progress: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<ArchiveImported, KeeperError> {
        import::import(&self.inner, file, progress).await
    }

    async fn republish(&self, broadcast: BroadcastId, credit: String) -> Result<Republished, KeeperError> {
        republish::republish(&self.inner, broadcast, credit).await
    }

    async fn withdraw(&self, broadcast: BroadcastId, reason: String, copy: OwnCopy) -> Result<(), KeeperError> {
        republish::withdraw(&self.inner, broadcast, reason, copy).await
    }

    async fn rebroadcast(&self, broadcast: BroadcastId, title: Option<String>) -> Result<BroadcastId, KeeperError> {
        let listing = self.inner.listing(broadcast)?;
        if !listing.own && self.inner.is_taken_back(&broadcast) {
            return Err(KeeperError::Withdrawn(broadcast));
        }
        let segments = self.inner.playback.known(&listing, Reading::FromPeers).await.map_err(failed)?.segments;
        if segments.is_empty() {
            return Err(KeeperError::NothingHeld(broadcast));
        }
        let (playback, fetcher) = (self.inner.playback.clone(), Arc::clone(&self.inner.ports.fetcher));
        self.inner.rebroadcasts.start(listing, segments, title, playback, fetcher).await
    }

    async fn stop_rebroadcast(&self, broadcast: BroadcastId) -> Result<(), KeeperError> {
        self.inner.rebroadcasts.stop(broadcast)
    }
}
