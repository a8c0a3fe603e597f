//! Rebroadcasts: archives as new live broadcasts of this node, over the very blocks that are stored.
//!
//! Each is a task that commits one segment after the other under the new broadcast, when its media would have been there; the
//! announcer does the rest, as for every broadcast. A restart ends it as it ends a broadcast whose publisher does not return.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stream_model::{
    BroadcastId, BroadcastStart, Cid, Claim, ContentLookup, DiscontinuitySequence, EndReason, FetchError, FetchRequest,
    KeeperError, Listing, MAX_TITLE_CHARS, MediaSegment, MediaSequence, Retention, StoredContent, WallTime,
};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::backoff::Backoff;
use super::derived::{end, stream_name};
use crate::catalog::{BroadcastRecord, BroadcastStage, CatalogError};
use crate::playback::Playback;

/// Rebroadcasts at once: each is a stream that other nodes fetch from this one.
const MOST: usize = 4;
/// Claiming what is here takes a write to the disk.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(30);

/// The rebroadcasts of a node. Clones share them.
#[derive(Debug, Clone)]
pub struct Rebroadcasts {
    shared: Arc<Shared>,
    running: Arc<Mutex<HashMap<BroadcastId, Running>>>,
    /// Whether what a run before left is taken up: what begins earlier would count as left.
    ready: watch::Sender<bool>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Running {
    of: BroadcastId,
    stop: CancellationToken,
}

/// What a task works with.
struct Task {
    shared: Arc<Shared>,
    playback: Playback,
    fetcher: Arc<dyn ContentLookup>,
    of: Listing,
    id: BroadcastId,
    stop: CancellationToken,
}

impl Rebroadcasts {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, running: Arc::default(), ready: watch::Sender::new(false), tasks: TaskTracker::new() }
    }

    /// From here on broadcasts may begin.
    pub(super) fn handle_recovered(&self) {
        self.ready.send_replace(true);
    }

    fn running(&self) -> MutexGuard<'_, HashMap<BroadcastId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces a new broadcast and begins to play these segments of another as it. What of them is not here is fetched.
    pub(crate) async fn start(
        &self,
        of: Listing,
        segments: Vec<MediaSegment>,
        title: Option<String>,
        playback: Playback,
        fetcher: Arc<dyn ContentLookup>,
    ) -> Result<BroadcastId, KeeperError> {
        if self.running().len() >= MOST {
            return Err(KeeperError::TooMany("four rebroadcasts run here: stop one of them, with --stop"));
        }
        // Never closed: the sender is in here.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
        let title =
            title.unwrap_or_else(|| format!("Rebroadcast: {}", of.title).chars().take(MAX_TITLE_CHARS).collect());
        let shared = &self.shared;
        let (started_at, archive) = (shared.ports.clock.wall(), shared.keeps());
        let start = BroadcastStart {
            title,
            description: of.description.clone(),
            peer: shared.ports.peer.clone(),
            target_duration: of.target_duration,
            tracks: of.tracks,
            archive,
            started_at,
            schedule: None,
            rendition: None,
        };
        let id = shared.ports.announcements.start(start).await?;
        let record = BroadcastRecord {
            id,
            name: stream_name("rebroadcast", &id).map_err(|error| KeeperError::Failed(error.to_string()))?,
            stage: BroadcastStage::Live,
            tracks: of.tracks,
            target_duration: of.target_duration,
            archive,
            started_at,
            next_media_sequence: MediaSequence(0),
            discontinuity_sequence: DiscontinuitySequence(0),
        };
        // What is claimed of it was fetched once.
        shared.ports.store.retain(id, Retention::Kept).await?;
        shared.catalog.create_broadcast(record).await.map_err(|error| KeeperError::Failed(error.to_string()))?;
        let stop = shared.stopping.child_token();
        self.running().insert(id, Running { of: of.id, stop: stop.clone() });
        metrics::counter!("meshstream_broadcasts_started_total").increment(1);
        tracing::info!(name: "broadcast.started", broadcast = %id, of = %of.id, "broadcast.started");
        let task = Task { shared: Arc::clone(shared), playback, fetcher, of, id, stop };
        let running = Arc::clone(&self.running);
        self.tasks.spawn(async move {
            task.run(segments).await;
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
        Ok(id)
    }

    /// Ends one, named by itself. Whether it was one.
    pub(crate) fn end(&self, broadcast: &BroadcastId) -> bool {
        self.running().get(broadcast).map(|running| running.stop.cancel()).is_some()
    }

    /// Ends one, named by itself or by what it plays.
    pub(crate) fn stop(&self, broadcast: BroadcastId) -> Result<(), KeeperError> {
        let mut found = false;
        for (id, running) in self.running().iter() {
            if *id == broadcast || running.of == broadcast {
                running.stop.cancel();
                found = true;
            }
        }
        if found { Ok(()) } else { Err(KeeperError::NotRunning(broadcast, "being rebroadcast")) }
    }

    /// Until all have ended, once the node stops.
    pub(super) async fn join(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Task {
    async fn run(self, segments: Vec<MediaSegment>) {
        let mut timeline = Timeline::default();
        let began = Instant::now();
        // How long what was committed plays.
        let mut played = Duration::ZERO;
        for segment in segments {
            tokio::select! {
                () = self.stop.cancelled() => break,
                fetched = self.fetch(&segment) => if let Err(error) = fetched {
                    tracing::debug!(broadcast = %self.id, %error, "a segment is left out of a rebroadcast");
                    metrics::counter!("meshstream_rebroadcast_gaps_total").increment(1);
                    continue;
                },
            }
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep_until(began + played) => {}
            }
            let wall = self.shared.trusted(self.shared.ports.clock.wall());
            played += segment.duration;
            let next = timeline.next(segment, wall);
            if !self.commit(next).await {
                break;
            }
        }
        // The last segment plays to its end before the broadcast is over.
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep_until(began + played) => {}
        }
        let stops = self.shared.stopping.is_cancelled();
        let reason = if stops { EndReason::Shutdown } else { EndReason::PublisherLeft };
        end(&self.shared, self.id, reason).await;
    }

    async fn fetch(&self, segment: &MediaSegment) -> Result<(), FetchError> {
        if self.of.own { Ok(()) } else { self.playback.keep_segment(&self.of, segment).await }
    }

    async fn commit(&self, segment: MediaSegment) -> bool {
        let mut backoff = Backoff::default();
        loop {
            let tried = self.try_commit(&segment).await;
            let Err(error) = tried else { return true };
            if matches!(error, CommitError::Catalog(CatalogError::NotLive(_))) {
                return false;
            }
            tracing::warn!(broadcast = %self.id, %error, "cannot rebroadcast a segment: trying again");
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
    }

    async fn try_commit(&self, segment: &MediaSegment) -> Result<(), CommitError> {
        let sequence = segment.media_sequence;
        self.claim(segment.init, Claim::Init(self.id, sequence)).await?;
        let stored = self.claim(segment.segment, Claim::Segment(self.id, sequence)).await?;
        let wall = segment.program_date_time;
        self.shared.catalog.commit_segment(self.id, segment.clone(), stored.bytes, wall).await?;
        self.shared.announce.notify_one();
        Ok(())
    }

    /// Asks nobody: it is here.
    async fn claim(&self, root: Cid, claim: Claim) -> Result<StoredContent, FetchError> {
        let request = FetchRequest { root, claim, providers: Vec::new(), timeout: CLAIM_TIMEOUT, max_bytes: u64::MAX };
        self.fetcher.fetch(request).await
    }
}

/// Why a segment could not be committed. It is tried again.
#[derive(Debug, thiserror::Error)]
enum CommitError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// Numbers and dates of the new broadcast. Pure.
#[derive(Debug, Default)]
struct Timeline {
    next: u64,
    discontinuities: u64,
    /// Of the segment before: its number and timeline in what is played, its initialization section.
    before: Option<(MediaSequence, DiscontinuitySequence, Cid)>,
    /// When the timeline began by a trusted wall clock, and what has played of it.
    anchor: Option<WallTime>,
    since_anchor: Duration,
}

impl Timeline {
    /// The next segment as one of the new broadcast. `wall` is the time now, where it is trusted.
    fn next(&mut self, segment: MediaSegment, wall: Option<WallTime>) -> MediaSegment {
        let here = (segment.media_sequence, segment.discontinuity_sequence, segment.init);
        let follows = self.before.is_some_and(|(sequence, discontinuity, init)| {
            sequence.next() == here.0 && discontinuity == here.1 && init == here.2
        });
        if !follows {
            self.discontinuities += u64::from(self.before.is_some());
            (self.anchor, self.since_anchor) = (wall, Duration::ZERO);
        }
        self.before = Some(here);
        let since = u64::try_from(self.since_anchor.as_millis()).unwrap_or(u64::MAX);
        let next = MediaSegment {
            media_sequence: MediaSequence(self.next),
            discontinuity_sequence: DiscontinuitySequence(self.discontinuities),
            program_date_time: self.anchor.map(|anchor| WallTime(anchor.0.saturating_add(since))),
            ..segment
        };
        self.next += 1;
        self.since_anchor += next.duration;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(sequence: u64, discontinuity: u64) -> MediaSegment {
        let cid = testkit::fakes::cid_of(&discontinuity.to_be_bytes());
        MediaSegment {
            media_sequence: MediaSequence(sequence),
            discontinuity_sequence: DiscontinuitySequence(discontinuity),
            duration: Duration::from_secs(15),
            program_date_time: Some(WallTime(7)),
            independent: true,
            segment: cid,
            init: cid,
        }
    }

    #[test]
    fn numbers_begin_anew_and_gaps_are_discontinuities() {
        let mut timeline = Timeline::default();
        let played = [(4, 2), (5, 2), (7, 2), (8, 3), (9, 3)];
        let got: Vec<_> = played
            .into_iter()
            .map(|(sequence, discontinuity)| timeline.next(segment(sequence, discontinuity), None))
            .map(|segment| (segment.media_sequence.0, segment.discontinuity_sequence.0))
            .collect();
        assert_eq!(got, [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2)]);
    }

    #[test]
    fn dates_are_those_of_the_rebroadcast_and_fit_the_media_of_a_timeline() {
        let mut timeline = Timeline::default();
        let date = |segment: MediaSegment| segment.program_date_time.map(|time| time.0);
        assert_eq!(date(timeline.next(segment(0, 0), Some(WallTime(1_000_000)))), Some(1_000_000));
        assert_eq!(date(timeline.next(segment(1, 0), Some(WallTime(9_999_999)))), Some(1_015_000));
        assert_eq!(date(timeline.next(segment(2, 1), Some(WallTime(2_000_000)))), Some(2_000_000));
        assert_eq!(date(timeline.next(segment(3, 2), None)), None);
    }
}
