//! Decides what is mirrored and when each mirror is looked at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use stream_model::{
    BroadcastId, BroadcastState, Claim, DirectoryChange, KeeperError, Listing, MirrorNeed, MirrorProgress,
};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pass::{self, Outcome};
use super::{Inner, Mirror};
use crate::alarm::sleep_until;
use crate::catalog::{CatalogError, MirrorRecord, MirrorStage};

/// Broadcasts that are looked at at once: what is fetched for them shares its places.
const PASSES: usize = 2;
/// How often the directory is looked through at most: a flood of announcements costs no more than this.
const SURVEY: Duration = Duration::from_secs(1);
/// How often at least: what is said of broadcasts by others, and whom the node follows, changes without a word here.
const LOOK: Duration = Duration::from_secs(60);
/// How long a live broadcast is left alone after a pass.
const LIVE: Duration = Duration::from_secs(30);
/// When a mirror that lacks something is tried again; doubled with each failure in a row.
const RETRY: Duration = Duration::from_secs(10);
/// At most this long after the last try, or where there was no room.
const MOST_RETRY: Duration = Duration::from_secs(600);
/// How often a mirror that is whole is looked at: its content may have made room for other content.
const RECHECK: Duration = Duration::from_secs(900);

/// A pass that is to begin.
struct Next {
    listing: Listing,
    record: MirrorRecord,
    progress: watch::Sender<MirrorProgress>,
    turn: Arc<Mutex<()>>,
    stop: CancellationToken,
}

/// Why a mirror ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The owner of this node dropped the broadcast.
    Dropped,
    /// Its author withdrew it.
    TakenBack,
    /// Its author does not want it kept.
    NotToBeKept,
    /// Pictures to look through what the owner does not ask for any more.
    NothingToShow,
}

/// What became of a pass over a mirror.
struct Passed {
    record: MirrorRecord,
    /// None where what was held is not any more.
    outcome: Option<Outcome>,
    /// Of the mirror it was made for, which may be gone, and another in its place.
    turn: Arc<Mutex<()>>,
    /// Cancelled where the mirror was stopped meanwhile.
    stop: CancellationToken,
}

/// Keeps the mirrors up.
#[derive(Debug)]
pub(crate) struct Runner {
    inner: Arc<Inner>,
    passes: JoinSet<Passed>,
    survey_at: Instant,
}

impl Runner {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, passes: JoinSet::new(), survey_at: Instant::now() }
    }

    /// Until `stop` is cancelled or the directory closes. May be cancelled.
    ///
    /// # Errors
    /// Where the catalog cannot be read at the start.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), CatalogError> {
        let mut changes = self.inner.ports.directory.subscribe();
        for record in self.inner.catalog.mirrors().await? {
            // The owner may have been quicker.
            self.inner.mirrors().entry(record.broadcast).or_insert_with(|| Mirror::new(record));
        }
        self.inner.tell_playback();
        self.release_drafts().await;
        loop {
            let due = self.next_due();
            tokio::select! {
                () = stop.cancelled() => break,
                change = changes.next() => match change {
                    Some(change) => self.handle_change(change),
                    None => break,
                },
                () = self.inner.wake.notified() => {}
                Some(passed) = self.passes.join_next() => match passed {
                    Ok(passed) => self.handle_passed(passed).await,
                    Err(error) => tracing::error!(%error, "a pass over a mirror failed"),
                },
                () = tokio::time::sleep_until(self.survey_at) => self.survey().await,
                () = sleep_until(due), if self.passes.len() < PASSES => {}
            }
            self.start_passes();
        }
        self.passes.shutdown().await;
        Ok(())
    }

    /// What a run left that ended while something was put together.
    async fn release_drafts(&self) {
        for broadcast in self.inner.playback.held_broadcasts() {
            if let Err(error) = self.inner.ports.store.release(Claim::Draft(broadcast)).await {
                tracing::warn!(%broadcast, %error, "cannot release what was put together before the restart");
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let mirrors = self.inner.mirrors();
        let idle = mirrors.values().filter(|mirror| !mirror.running && mirror.record.stage != MirrorStage::GivenUp);
        idle.map(|mirror| mirror.due).min()
    }

    fn handle_change(&mut self, change: DirectoryChange) {
        match change {
            DirectoryChange::Broadcast(broadcast) => {
                if let Some(mirror) = self.inner.mirrors().get_mut(&broadcast) {
                    mirror.due = mirror.due.min(Instant::now() + SURVEY);
                }
                self.survey_at = self.survey_at.min(Instant::now() + SURVEY);
            }
            // What is live is followed; it is looked at now and then. What is planned has no media.
            DirectoryChange::Segment(..) | DirectoryChange::Schedule(_) => {}
            DirectoryChange::Missed => self.survey_at = self.survey_at.min(Instant::now() + SURVEY),
        }
    }

    /// Takes up what the policy wants, and gives up what was taken back.
    async fn survey(&mut self) {
        self.survey_at = Instant::now() + LOOK;
        let inner = &self.inner;
        let records: Vec<MirrorRecord> = inner.mirrors().values().map(|mirror| mirror.record.clone()).collect();
        let dropped = inner.catalog.dropped_broadcasts().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tell which broadcasts were dropped: trying again");
            BTreeSet::new()
        });
        for record in records {
            let broadcast = record.broadcast;
            let Some(end) = self.end_of(&record, &dropped) else { continue };
            let Some((record, _halted)) = inner.halt(broadcast).await else { continue };
            if let Err(error) = self.end(record, end).await {
                tracing::warn!(%broadcast, %error, "cannot end a mirror: trying again");
            }
        }
        let mut wanted = inner.ports.directory.listings();
        wanted.retain(|listing| !listing.own && listing.archive && inner.playback.mirrors_by_policy(listing));
        let by_policy = wanted.into_iter().map(|listing| (listing.id, false));
        for (broadcast, asked) in by_policy.chain(self.images_of_asked()) {
            if inner.mirrors().contains_key(&broadcast) || inner.is_taken_back(&broadcast) {
                continue;
            }
            match inner.adopt(broadcast, asked).await {
                Ok(()) => {}
                Err(KeeperError::TooMany(_)) => break,
                Err(error) => tracing::warn!(%broadcast, %error, "cannot mirror: trying again"),
            }
        }
    }

    /// The pictures to look through what the owner asked for.
    fn images_of_asked(&self) -> Vec<(BroadcastId, bool)> {
        let mirrors = self.inner.mirrors();
        let asked = mirrors.values().map(|mirror| &mirror.record);
        let asked = asked.filter(|record| record.is_asked());
        asked.filter_map(|record| Some((self.inner.images_of(&record.broadcast)?, true))).collect()
    }

    /// Why a mirror is to end, where it is.
    fn end_of(&self, record: &MirrorRecord, dropped: &BTreeSet<BroadcastId>) -> Option<End> {
        if dropped.contains(&record.broadcast) && record.stage != MirrorStage::GivenUp {
            return Some(End::Dropped);
        }
        let listing = self.inner.ports.directory.listing(&record.broadcast)?;
        if self.inner.is_taken_back(&listing.id) {
            return Some(End::TakenBack);
        }
        if !listing.archive {
            return Some(End::NotToBeKept);
        }
        let shows = listing.rendition.as_ref().filter(|rendition| record.asked && rendition.is_of_images())?;
        let is_asked = self.inner.mirrors().get(&shows.of).is_some_and(|mirror| mirror.record.is_asked());
        (!is_asked).then_some(End::NothingToShow)
    }

    async fn end(&self, record: MirrorRecord, end: End) -> Result<(), KeeperError> {
        let broadcast = record.broadcast;
        match end {
            End::Dropped => {
                self.inner.abandon(record, Some(MirrorStage::GivenUp)).await?;
                tracing::info!(%broadcast, "not mirrored any more: its owner dropped it");
            }
            End::TakenBack => {
                self.inner.playback.give_up(broadcast).await.map_err(super::failed)?;
                self.inner.abandon(record, None).await?;
                tracing::info!(%broadcast, "released: its publisher withdrew it");
            }
            End::NotToBeKept | End::NothingToShow => self.inner.abandon(record, None).await?,
        }
        Ok(())
    }

    fn start_passes(&mut self) {
        while self.passes.len() < PASSES {
            let Some(Next { listing, mut record, progress, turn, stop }) = self.next_pass() else { return };
            let inner = Arc::clone(&self.inner);
            self.passes.spawn(async move {
                let held = turn.lock().await;
                let is_filled = record.stage == MirrorStage::Whole;
                let outcome = if is_filled && !record.asked && !pass::still_holds(&inner, record.manifest).await {
                    // It made room for something else, and would only take that room again.
                    record.stage = MirrorStage::GivenUp;
                    None
                } else {
                    let done = pass::run(&inner, &mut record, &listing, &progress, &stop).await;
                    Some(done.unwrap_or_else(|error| Outcome::Waiting(MirrorNeed::Node, error.to_string())))
                };
                drop(held);
                Passed { record, outcome, turn, stop }
            });
        }
    }

    /// The mirror to look at next: of those that are due what is live, then what began last.
    fn next_pass(&self) -> Option<Next> {
        let now = Instant::now();
        let mut mirrors = self.inner.mirrors();
        let due =
            |mirror: &&Mirror| !mirror.running && mirror.due <= now && mirror.record.stage != MirrorStage::GivenUp;
        let ids: Vec<BroadcastId> = mirrors.values().filter(due).map(|mirror| mirror.record.broadcast).collect();
        let mut listings = Vec::new();
        for id in ids {
            match self.inner.ports.directory.listing(&id) {
                Some(listing) => listings.push(listing),
                // Its announcement may come again.
                None => mirrors.get_mut(&id).into_iter().for_each(|mirror| mirror.due = now + MOST_RETRY),
            }
        }
        let next =
            listings.into_iter().max_by_key(|listing| (listing.state == BroadcastState::Live, listing.started_at))?;
        let mirror = mirrors.get_mut(&next.id)?;
        mirror.running = true;
        Some(Next {
            listing: next,
            record: mirror.record.clone(),
            progress: mirror.progress.clone(),
            turn: Arc::clone(&mirror.turn),
            stop: mirror.stop.clone(),
        })
    }

    async fn handle_passed(&self, Passed { record, outcome, turn, stop }: Passed) {
        let inner = &self.inner;
        let broadcast = record.broadcast;
        let known = {
            let mut mirrors = inner.mirrors();
            let mirror = mirrors.get_mut(&broadcast).filter(|mirror| Arc::ptr_eq(&mirror.turn, &turn));
            let Some(mirror) = mirror else { return };
            if stop.is_cancelled() {
                // Whoever stopped it wrote down what it is now.
                mirror.running = false;
                return;
            }
            mirror.record.clone()
        };
        let Some(outcome) = outcome else {
            tracing::info!(%broadcast, "not mirrored any more: it made room for other content");
            if let Err(error) = inner.abandon(record, Some(MirrorStage::GivenUp)).await {
                tracing::warn!(%broadcast, %error, "cannot end a mirror: trying again");
            }
            if let Some(mirror) = inner.mirrors().get_mut(&broadcast) {
                (mirror.running, mirror.due) = (false, Instant::now() + MOST_RETRY);
            }
            return;
        };
        // The owner may have asked for it meanwhile.
        let record = MirrorRecord { asked: known.asked, ..record.after(&outcome) };
        if record != known
            && let Err(error) = inner.catalog.save_mirror(record.clone()).await
        {
            tracing::warn!(%broadcast, %error, "cannot write down how far a mirror is");
        }
        if let Outcome::Full(why) | Outcome::Waiting(_, why) = &outcome {
            tracing::debug!(%broadcast, %why, "a mirror does not advance");
        }
        let mut mirrors = inner.mirrors();
        let Some(mirror) = mirrors.get_mut(&broadcast) else { return };
        mirror.running = false;
        mirror.record = record;
        let failed = matches!(outcome, Outcome::Waiting(..) | Outcome::Full(_));
        mirror.failures = if failed { mirror.failures.saturating_add(1) } else { 0 };
        let pause = match outcome {
            Outcome::Whole => RECHECK,
            Outcome::UpToDate => LIVE,
            Outcome::Waiting(..) => (RETRY * 2_u32.saturating_pow(mirror.failures.min(8) - 1)).min(MOST_RETRY),
            Outcome::Full(_) => MOST_RETRY,
        };
        mirror.due = Instant::now() + pause;
        mirror.progress.send_modify(|now| {
            now.whole = matches!(outcome, Outcome::Whole);
            (now.waits_for, now.waiting) = match outcome {
                Outcome::Whole | Outcome::UpToDate => (None, None),
                Outcome::Waiting(need, why) => (Some(need), Some(why)),
                Outcome::Full(why) => (Some(MirrorNeed::Room), Some(why)),
            };
        });
    }
}
