//! Segments of one stream name into the store and the catalog; starts its broadcasts and decides when they end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stream_model::{
    AnnounceError, BroadcastId, BroadcastStart, Cid, Claim, DiscontinuitySequence, EndReason, MediaSegment,
    MediaSequence, StreamDetails, StreamName, Tracks,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::announcer::StepError;
use super::backoff::Backoff;
use super::clock::ProgramClock;
use super::cutter::Presence;
use super::lifecycle::{Demand, Lifecycle};
use super::stage::Staged;
use crate::alarm::sleep_until;
use crate::catalog::{BroadcastRecord, BroadcastStage, CatalogError};
use crate::segmenter::Segment;

/// The broadcast that goes on.
#[derive(Debug)]
struct Current {
    id: BroadcastId,
    next: MediaSequence,
    discontinuity_sequence: DiscontinuitySequence,
    /// A discontinuity lies before the next segment, whatever the segmenter says.
    interrupted: bool,
    /// The initialization section of the timeline.
    init: Option<(Bytes, Cid)>,
    clock: ProgramClock,
}

/// What a stored segment is, before it is committed.
struct Numbered {
    segment: MediaSegment,
    bytes: u64,
}

/// One stream name's broadcasts.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    name: StreamName,
    stage: mpsc::Receiver<Staged>,
    presence: watch::Receiver<Presence>,
    settled: watch::Sender<Option<u64>>,
    lifecycle: Lifecycle,
    current: Option<Current>,
    /// Of the presence that was attended to last.
    seen: u64,
}

impl Keeper {
    pub(super) fn new(
        shared: Arc<Shared>,
        name: StreamName,
        stage: mpsc::Receiver<Staged>,
        presence: watch::Receiver<Presence>,
        settled: watch::Sender<Option<u64>>,
        resumed: Option<BroadcastRecord>,
    ) -> Self {
        let grace = *shared.grace.borrow();
        let lifecycle = match &resumed {
            Some(record) => Lifecycle::resume(grace, record.tracks, Instant::now()),
            None => Lifecycle::new(grace),
        };
        let current = resumed.map(|record| Current {
            id: record.id,
            next: record.next_media_sequence,
            discontinuity_sequence: record.discontinuity_sequence,
            interrupted: true,
            init: None,
            clock: ProgramClock::default(),
        });
        shared.status.handle_broadcast(&name, current.as_ref().map(|current| current.id));
        Self { shared, name, stage, presence, settled, lifecycle, current, seen: 0 }
    }

    /// Until the cutter has left and all it staged is kept or lost.
    pub(super) async fn run(mut self) {
        let mut ends = self.shared.ends.subscribe();
        let mut grace = self.shared.grace.subscribe();
        // It may have changed since this was made.
        grace.mark_changed();
        loop {
            let grace_over = self.lifecycle.next_timeout();
            // Segments first: what was staged before the presence changed belongs to what was before.
            tokio::select! {
                biased;
                staged = self.stage.recv() => match staged {
                    Some(staged) => self.keep(staged).await,
                    None => break,
                },
                Ok(()) = self.presence.changed() => self.attend().await,
                () = sleep_until(grace_over) => self.end(EndReason::PublisherLeft).await,
                Ok(()) = ends.changed() => {}
                Ok(()) = grace.changed() => self.lifecycle.set_grace(*grace.borrow_and_update()),
            }
            let absent = self.presence.borrow().absent_since.is_some();
            if absent && self.stage.is_empty() && self.is_to_end() {
                self.end(EndReason::Owner).await;
            }
            if absent && self.current.is_none() && self.stage.is_empty() {
                self.settled.send_replace(Some(self.seen));
            }
        }
        if self.shared.stopping.is_cancelled() {
            self.end(EndReason::Shutdown).await;
        }
    }

    /// Whether the owner ends what goes on.
    fn is_to_end(&self) -> bool {
        self.current.as_ref().is_some_and(|current| self.shared.ends.is_asked(&current.id))
    }

    async fn attend(&mut self) {
        let presence = self.presence.borrow_and_update().clone();
        self.seen = presence.version;
        self.lifecycle.handle_presence(presence.absent_since);
        if let Some(tracks) = presence.tracks {
            self.prepare(tracks, presence.title).await;
        }
    }

    /// Makes sure that a broadcast with these tracks is going on. False where the node stops before.
    async fn prepare(&mut self, tracks: Tracks, title: Option<String>) -> bool {
        match self.lifecycle.demand(tracks) {
            Demand::Continue => return true,
            Demand::Start => {}
            Demand::Replace => self.end(EndReason::TracksChanged).await,
        }
        self.start(tracks, title).await
    }

    async fn start(&mut self, tracks: Tracks, title: Option<String>) -> bool {
        let target_duration = self.shared.config.segmenter.target_duration;
        let started_at = self.shared.ports.clock.wall();
        let archive = match self.shared.ports.keys.archive(&self.name).await {
            Ok(chosen) => chosen.unwrap_or(self.shared.keeps()),
            Err(error) => {
                tracing::warn!(stream = %self.name, %error, "cannot read whether the key's broadcasts are kept");
                self.shared.keeps()
            }
        };
        let details = self.details().await;
        let schedule = details.schedule;
        let start = BroadcastStart {
            title: Some(details.title).filter(|set| !set.is_empty()).or(title).unwrap_or_else(|| self.name.to_string()),
            description: details.description,
            peer: self.shared.ports.peer.clone(),
            target_duration,
            tracks,
            archive,
            started_at,
            schedule,
            rendition: None,
        };
        let stop = self.shared.stop_storing.clone();
        let announced = self.persist("start a broadcast", &stop, || {
            let (shared, start) = (Arc::clone(&self.shared), start.clone());
            async move { Ok(shared.ports.announcements.start(start).await?) }
        });
        let Some(id) = announced.await else { return false };
        let record = BroadcastRecord {
            id,
            name: self.name.clone(),
            stage: BroadcastStage::Live,
            tracks,
            target_duration,
            archive,
            started_at,
            next_media_sequence: MediaSequence(0),
            discontinuity_sequence: DiscontinuitySequence(0),
        };
        let written = self.persist("write down a broadcast", &stop, || {
            let (shared, record) = (Arc::clone(&self.shared), record.clone());
            async move { Ok(shared.catalog.create_broadcast(record).await?) }
        });
        if written.await.is_none() {
            return false;
        }
        if let Some(schedule) = schedule
            && let Err(error) = self.shared.ports.keys.handle_begun(&self.name, schedule).await
        {
            // Named again it says nothing: it has begun.
            tracing::warn!(stream = %self.name, %error, "cannot note that what was planned has begun");
        }
        self.lifecycle.handle_started(tracks);
        self.current = Some(Current {
            id,
            next: MediaSequence(0),
            discontinuity_sequence: DiscontinuitySequence(0),
            interrupted: false,
            init: None,
            clock: ProgramClock::default(),
        });
        self.shared.status.handle_broadcast(&self.name, Some(id));
        metrics::counter!("meshstream_broadcasts_started_total").increment(1);
        tracing::info!(name: "broadcast.started", broadcast = %id, stream = %self.name, "broadcast.started");
        true
    }

    /// What the owner has set for the name, with what is planned filled in.
    async fn details(&self) -> StreamDetails {
        let set = match self.shared.ports.keys.details(&self.name).await {
            Ok(set) => set.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(stream = %self.name, %error, "cannot read what the broadcast is to be called");
                StreamDetails::default()
            }
        };
        let upcoming = self.shared.ports.directory.upcoming();
        let planned = upcoming.into_iter().find(|planned| planned.own && Some(planned.id) == set.schedule);
        let or = |set: String, planned: Option<String>| Some(set).filter(|set| !set.is_empty()).or(planned);
        let (title, description) = planned.map(|planned| (planned.title, planned.description)).unzip();
        StreamDetails {
            title: or(set.title, title).unwrap_or_default(),
            description: or(set.description, description).unwrap_or_default(),
            schedule: set.schedule,
        }
    }

    async fn end(&mut self, reason: EndReason) {
        let Some(current) = self.current.take() else { return };
        let id = current.id;
        // Also where storing has taken too long: the end is still told.
        let stop = self.shared.stop_announcing.clone();
        let decided = self.persist("end a broadcast", &stop, || {
            let shared = Arc::clone(&self.shared);
            async move { Ok(shared.catalog.set_stage(id, BroadcastStage::Ending(reason)).await?) }
        });
        // Undecided, it is resumed after the next start and ends when nobody comes back.
        if decided.await.is_some() {
            tracing::info!(broadcast = %id, stream = %self.name, reason = reason.as_str(), "broadcast ends");
        }
        self.lifecycle.handle_ended();
        self.shared.status.handle_broadcast(&self.name, None);
        self.shared.ends.handle_ended(&id);
        self.shared.originals.handle_ended(id, reason);
        self.shared.announce.notify_one();
    }

    /// Stores and commits a segment, trying until it works, its publisher is away for good, or the node stops.
    /// Meanwhile the stage fills, and what does not fit is lost there.
    async fn keep(&mut self, staged: Staged) {
        let stop = self.shared.stop_storing.clone();
        let mut backoff = Backoff::default();
        loop {
            if !self.prepare(staged.tracks, staged.title.clone()).await {
                break;
            }
            let stored = tokio::select! {
                stored = self.store(&staged) => stored,
                () = stop.cancelled() => break,
            };
            match stored {
                Ok(numbered) => return self.handle_kept(numbered, staged.segment),
                Err(StepError::Catalog(CatalogError::NotLive(id))) => {
                    tracing::warn!(broadcast = %id, "the broadcast was ended behind us: starting another");
                    self.shared.ends.handle_ended(&id);
                    self.current = None;
                    self.lifecycle.handle_ended();
                }
                Err(error) => self.report(&error, "store a segment", &backoff),
            }
            // A full disk has room for the end of a broadcast, which waits behind the segments.
            if self.is_over() || !wait(backoff.next(), &stop).await {
                break;
            }
        }
        metrics::counter!("meshstream_segments_dropped_total").increment(1);
        tracing::warn!(stream = %self.name, "a segment could not be stored before its broadcast or the node ends: it is lost");
        if let Some(current) = &mut self.current {
            current.interrupted = true;
        }
    }

    /// Whether the publisher has been away for longer than the grace time.
    fn is_over(&self) -> bool {
        let absent_since = self.presence.borrow().absent_since;
        absent_since.is_some_and(|since| since.elapsed() >= *self.shared.grace.borrow())
    }

    /// Durable when it returns. Repeating it after a failure is harmless.
    async fn store(&mut self, staged: &Staged) -> Result<Numbered, StepError> {
        let store = &self.shared.ports.store;
        let Some(current) = &mut self.current else {
            return Err(AnnounceError::Storage("no broadcast goes on".to_owned()).into());
        };
        let segment = &staged.segment;
        let new_init = current.init.as_ref().is_none_or(|(bytes, _)| *bytes != segment.init);
        let first = current.next == MediaSequence(0);
        let new_timeline = segment.discontinuity || staged.after_loss || current.interrupted || new_init;
        let discontinuity_sequence = match (first, new_timeline) {
            (false, true) => current.discontinuity_sequence.next(),
            _ => current.discontinuity_sequence,
        };
        let init = match &current.init {
            Some((_, cid)) if !new_timeline => *cid,
            _ => store.add_file(vec![segment.init.clone()], Claim::Init(current.id, current.next)).await?.cid,
        };
        let parts = segment.parts.iter().map(|part| part.bytes.clone()).collect();
        let stored = store.add_file(parts, Claim::Segment(current.id, current.next)).await?;
        let complete_at = staged.complete_at;
        let program_date_time = current.clock.date(segment.start, segment.duration, new_timeline, complete_at);
        let facts = MediaSegment {
            media_sequence: current.next,
            discontinuity_sequence,
            duration: segment.duration,
            program_date_time,
            independent: segment.independent,
            segment: stored.cid,
            init,
        };
        self.shared.catalog.commit_segment(current.id, facts.clone(), stored.bytes, complete_at).await?;
        current.next = current.next.next();
        current.discontinuity_sequence = discontinuity_sequence;
        current.interrupted = false;
        current.init = Some((segment.init.clone(), init));
        Ok(Numbered { segment: facts, bytes: stored.bytes })
    }

    fn handle_kept(&self, Numbered { segment, bytes }: Numbered, media: Segment) {
        let Some(current) = &self.current else { return };
        metrics::counter!("meshstream_segments_stored_total").increment(1);
        metrics::counter!("meshstream_segment_bytes_stored_total").increment(bytes);
        tracing::info!(
            name: "segment.stored",
            broadcast = %current.id,
            media_sequence = segment.media_sequence.0,
            duration_ms = u64::try_from(segment.duration.as_millis()).unwrap_or(u64::MAX),
            bytes,
            "segment.stored"
        );
        self.shared.announce.notify_one();
        let parts = media.parts.into_iter().map(|part| part.bytes).collect();
        self.shared.originals.handle_segment(current.id, segment, media.init, parts);
    }

    /// Tries until it works; `None` where `stop` comes before.
    async fn persist<T, F, W>(&self, what: &'static str, stop: &CancellationToken, work: F) -> Option<T>
    where
        F: Fn() -> W,
        W: Future<Output = Result<T, StepError>>,
    {
        let mut backoff = Backoff::default();
        loop {
            let done = tokio::select! {
                done = work() => done,
                () = stop.cancelled() => return None,
            };
            match done {
                Ok(value) => return Some(value),
                Err(error) => self.report(&error, what, &backoff),
            }
            if !wait(backoff.next(), stop).await {
                return None;
            }
        }
    }

    fn report(&self, error: &StepError, what: &'static str, backoff: &Backoff) {
        metrics::counter!("meshstream_store_retries_total").increment(1);
        if backoff.is_fresh() {
            tracing::warn!(stream = %self.name, %error, "cannot {what}: trying again");
        } else {
            tracing::debug!(stream = %self.name, %error, "still cannot {what}");
        }
    }
}

/// False where `stop` comes meanwhile.
async fn wait(duration: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(duration) => true,
        () = stop.cancelled() => false,
    }
}
