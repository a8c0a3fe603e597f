//! The renditions of this node's broadcasts: each a broadcast of its own, made segment by segment of what the keepers have stored.
//!
//! What is waited for is bounded: a segment that finds no room is a gap in the renditions, never in the original.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use stream_model::{
    BroadcastId, BroadcastStart, Cid, Claim, DiscontinuitySequence, EndReason, MAX_TITLE_CHARS, MediaSegment,
    MediaSequence, Rendition, StreamName, Tracks, Variant,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::announcer::StepError;
use super::backoff::Backoff;
use crate::catalog::{BroadcastRecord, BroadcastStage, CatalogError};
use crate::renditions::{Change, Config, Encoder, Made, Making, NotOurs, Overload, Rung, RungKind};
use crate::segmenter::Segment;

/// What keepers have told and the task has not passed on: it does so at once.
const EVENTS: usize = 128;
/// Segments that wait for their sound to be taken out, which takes milliseconds.
const WAITING_SOUNDS: usize = 4;
/// Segments that wait for their pictures to be encoded, beside the one that is: more would only be later.
const WAITING_PICTURES: usize = 1;
/// An encoder that takes as many times as long as the media plays is ended.
const PATIENCE: u32 = 3;
/// And not before it had this long: it has to begin.
const LEAST_PATIENCE: Duration = Duration::from_secs(20);
/// What an encoder may exceed its rate by within a segment, in percent.
const PEAK_PERCENT: u64 = 120;

/// What becomes of an original.
#[derive(Debug)]
enum Original {
    Segment(BroadcastId, Arc<Kept>),
    Ended(BroadcastId, EndReason),
}

/// A segment of an original that is stored.
#[derive(Debug)]
struct Kept {
    facts: MediaSegment,
    media: Segment,
}

/// Where the keepers tell of originals. Never waits.
#[derive(Debug)]
pub(super) struct Originals {
    /// None where there are to be no renditions.
    events: Option<mpsc::Sender<Original>>,
}

/// Makes renditions of what it is told of.
#[derive(Debug)]
pub(super) struct Renditions {
    config: Config,
    part_duration: Duration,
    events: mpsc::Receiver<Original>,
}

impl Originals {
    /// The keepers' end, and the task's where there are to be renditions.
    pub(super) fn new(config: Config, part_duration: Duration) -> (Self, Option<Renditions>) {
        if config.ladder.rungs().is_empty() {
            return (Self { events: None }, None);
        }
        let (sender, events) = mpsc::channel(EVENTS);
        (Self { events: Some(sender) }, Some(Renditions { config, part_duration, events }))
    }

    pub(super) fn handle_segment(&self, original: BroadcastId, facts: MediaSegment, media: Segment) {
        self.tell(|| Original::Segment(original, Arc::new(Kept { facts, media })));
    }

    pub(super) fn handle_ended(&self, original: BroadcastId, reason: EndReason) {
        self.tell(|| Original::Ended(original, reason));
    }

    fn tell(&self, event: impl FnOnce() -> Original) {
        if let Some(events) = &self.events
            && events.try_send(event()).is_err()
        {
            // What takes from it waits for nothing. An end that is lost is made up for by the next start.
            metrics::counter!("meshstream_rendition_gaps_total").increment(1);
            tracing::warn!("a segment or an end of a broadcast is missed by its renditions");
        }
    }
}

/// The tasks of one original.
#[derive(Debug)]
struct Lanes {
    sound: Option<mpsc::Sender<Work>>,
    pictures: Option<mpsc::Sender<Work>>,
    /// Segments that found no room since the encoder took the last one.
    skipped: Arc<AtomicU32>,
}

#[derive(Debug)]
enum Work {
    Segment(Arc<Kept>),
    End(EndReason),
}

impl Renditions {
    /// Until the keepers are `over`, and what was begun is ended. `left` are renditions from before a start that go on.
    pub(super) async fn run(
        mut self,
        shared: Arc<Shared>,
        mut left: HashMap<(BroadcastId, String), BroadcastId>,
        over: CancellationToken,
    ) {
        let mut lanes: HashMap<BroadcastId, Lanes> = HashMap::new();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Original::Segment(original, kept)) => {
                        let lanes = lanes
                            .entry(original)
                            .or_insert_with(|| self.start(&shared, original, &mut left, &mut tasks));
                        lanes.offer(kept);
                    }
                    Some(Original::Ended(original, reason)) => {
                        let lanes = lanes
                            .remove(&original)
                            .unwrap_or_else(|| self.start(&shared, original, &mut left, &mut tasks));
                        tasks.spawn(lanes.end(reason));
                    }
                    None => break,
                },
                Some(ended) = tasks.join_next() => if let Err(error) = ended {
                    metrics::counter!("meshstream_stream_panics_total").increment(1);
                    tracing::error!(%error, "a task of a rendition failed");
                },
                () = over.cancelled() => break,
            }
        }
        // What the keepers said last is in the queue.
        while let Ok(event) = self.events.try_recv() {
            if let Original::Ended(original, reason) = event
                && let Some(lanes) = lanes.remove(&original)
            {
                tasks.spawn(lanes.end(reason));
            }
        }
        drop(lanes);
        while tasks.join_next().await.is_some() {}
    }

    fn start(
        &self,
        shared: &Arc<Shared>,
        original: BroadcastId,
        left: &mut HashMap<(BroadcastId, String), BroadcastId>,
        tasks: &mut JoinSet<()>,
    ) -> Lanes {
        let mut of = |rung: &Rung| Publication {
            shared: Arc::clone(shared),
            original,
            broadcast: left.remove(&(original, rung.name.clone())),
            init: None,
            rung: rung.clone(),
        };
        let rungs = self.config.ladder.rungs().iter();
        let mut sound = None;
        let mut pictures = Vec::new();
        for rung in rungs {
            match rung.kind {
                RungKind::SoundOnly => sound = Some(of(rung)),
                RungKind::Picture { height, kbps } => pictures.push((height, kbps, of(rung))),
            }
        }
        // Those that are not on the ladder any more.
        left.retain(|(of, _), broadcast| {
            if *of == original {
                tasks.spawn(end(Arc::clone(shared), *broadcast, EndReason::PublisherLeft));
            }
            *of != original
        });
        let part_duration = self.part_duration;
        let sound = sound.map(|publication| {
            let (sender, work) = mpsc::channel(WAITING_SOUNDS);
            tasks.spawn(SoundLane { publication, part_duration }.run(work));
            sender
        });
        let skipped = Arc::new(AtomicU32::new(0));
        let worker = self.config.worker.clone().filter(|_| !pictures.is_empty());
        let pictures = worker.map(|worker| {
            let (sender, work) = mpsc::channel(WAITING_PICTURES);
            let lane = PictureLane {
                load: Overload::new(pictures.len()),
                encoder: Encoder::new(worker),
                rungs: pictures,
                skipped: Arc::clone(&skipped),
                part_duration,
                failed: false,
            };
            tasks.spawn(lane.run(Arc::clone(shared), work));
            sender
        });
        Lanes { sound, pictures, skipped }
    }
}

impl Lanes {
    fn offer(&self, kept: Arc<Kept>) {
        let dropped = || metrics::counter!("meshstream_rendition_gaps_total").increment(1);
        if let Some(sound) = &self.sound
            && sound.try_send(Work::Segment(Arc::clone(&kept))).is_err()
        {
            dropped();
        }
        if let Some(pictures) = &self.pictures
            && pictures.try_send(Work::Segment(kept)).is_err()
        {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            dropped();
        }
    }

    async fn end(self, reason: EndReason) {
        for lane in [self.sound, self.pictures].into_iter().flatten() {
            // A lane that has ended has nothing left to end.
            let _ = lane.send(Work::End(reason)).await;
        }
    }
}

/// The rendition with sound alone.
#[derive(Debug)]
struct SoundLane {
    publication: Publication,
    part_duration: Duration,
}

impl SoundLane {
    async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        while let Some(next) = work.recv().await {
            match next {
                Work::Segment(kept) => {
                    if let Err(error) = self.make(&kept).await {
                        self.publication.report(&kept, &error);
                    }
                }
                Work::End(reason) => return self.publication.end(reason).await,
            }
        }
    }

    async fn make(&mut self, kept: &Kept) -> Result<(), RenditionError> {
        let making = Making::read(&kept.media, kept.facts.media_sequence, self.part_duration)?;
        // What has no picture is its own rendition with sound alone.
        let made = making.height().and_then(|_| making.sound_only()).transpose()?;
        match made {
            Some(made) => self.publication.publish(kept, &made, None, &making).await,
            None => Ok(()),
        }
    }
}

/// The renditions with pictures, which are encoded together.
#[derive(Debug)]
struct PictureLane {
    rungs: Vec<(NonZeroU32, NonZeroU32, Publication)>,
    load: Overload,
    encoder: Encoder,
    skipped: Arc<AtomicU32>,
    part_duration: Duration,
    /// It was said that encoding fails.
    failed: bool,
}

impl PictureLane {
    async fn run(mut self, shared: Arc<Shared>, mut work: mpsc::Receiver<Work>) {
        while let Some(next) = work.recv().await {
            match next {
                Work::Segment(kept) => tokio::select! {
                    () = self.make(&kept) => {}
                    // The processor is for what has to be stored now.
                    () = shared.stopping.cancelled() => {}
                },
                Work::End(reason) => {
                    for (_, _, publication) in &mut self.rungs {
                        publication.end(reason).await;
                    }
                    return;
                }
            }
        }
    }

    async fn make(&mut self, kept: &Kept) {
        let media = kept.facts.duration;
        for _ in 0..self.skipped.swap(0, Ordering::Relaxed) {
            let change = self.load.handle_skipped(media);
            self.tell(change);
        }
        let began = Instant::now();
        match self.encode(kept).await {
            Ok(()) if self.failed => {
                self.failed = false;
                tracing::info!("renditions are made again");
            }
            Ok(()) => {}
            Err(error) => {
                metrics::counter!("meshstream_rendition_failures_total").increment(1);
                if std::mem::replace(&mut self.failed, true) {
                    tracing::debug!(%error, "renditions still cannot be made");
                } else {
                    tracing::warn!(%error, "renditions cannot be made: what is published is not touched by it");
                }
            }
        }
        let change = self.load.handle_encoded(media, began.elapsed());
        self.tell(change);
    }

    fn tell(&self, change: Option<Change>) {
        let name = |position: usize| self.rungs.get(position).map(|(_, _, publication)| publication.rung.name.as_str());
        let borne = self.load.borne();
        match change {
            Some(Change::Fewer) => tracing::warn!(
                rendition = name(borne),
                "the processor does not keep up: the rendition is left out for a while; fewer or smaller ones need less"
            ),
            Some(Change::More) => {
                tracing::info!(rendition = borne.checked_sub(1).and_then(name), "the rendition is tried again");
            }
            None => {}
        }
    }

    async fn encode(&mut self, kept: &Kept) -> Result<(), RenditionError> {
        let making = Making::read(&kept.media, kept.facts.media_sequence, self.part_duration)?;
        let Some(height) = making.height() else { return Ok(()) };
        let borne = self.load.borne();
        // A larger picture than there is shows no more.
        let mut rungs: Vec<_> =
            self.rungs.iter_mut().take(borne).filter(|(wanted, ..)| wanted.get() < height).collect();
        if rungs.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> = rungs.iter().map(|(height, kbps, _)| (*height, *kbps)).collect();
        let request = making.request(&wanted).ok_or(RenditionError::NoKeyframe)?;
        let patience = (kept.facts.duration * PATIENCE).max(LEAST_PATIENCE);
        let encoded = self.encoder.encode(&request, patience).await?;
        for ((_, kbps, publication), encoded) in rungs.iter_mut().zip(encoded) {
            let made = making.with_pictures(&encoded.config, &encoded.pictures)?;
            let peak = u64::from(kbps.get()) * 1_000 * PEAK_PERCENT / 100;
            if let Err(error) = publication.publish(kept, &made, Some(peak), &making).await {
                publication.report(kept, &error);
            }
        }
        Ok(())
    }
}

/// Why a segment of an original has no counterpart.
#[derive(Debug, thiserror::Error)]
enum RenditionError {
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    #[error(transparent)]
    Encode(#[from] crate::renditions::EncodeError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("the segment does not begin with a keyframe: set a keyframe interval of 2 s at the encoder")]
    NoKeyframe,
    #[error("the encoder's parameters changed within a timeline")]
    ParametersChanged,
}

impl From<stream_model::StoreError> for RenditionError {
    fn from(error: stream_model::StoreError) -> Self {
        Self::Step(error.into())
    }
}

/// One rendition as a broadcast of this node.
#[derive(Debug)]
struct Publication {
    shared: Arc<Shared>,
    original: BroadcastId,
    rung: Rung,
    /// Once it is announced.
    broadcast: Option<BroadcastId>,
    /// The initialization section of the timeline.
    init: Option<(DiscontinuitySequence, Bytes, Cid)>,
}

impl Publication {
    /// Stores and commits the counterpart of a segment: under its number, with its times. `peak` is the bound that its encoder
    /// was given, bit/s.
    async fn publish(
        &mut self,
        kept: &Kept,
        made: &Made,
        peak: Option<u64>,
        of: &Making,
    ) -> Result<(), RenditionError> {
        let broadcast = match self.broadcast {
            Some(broadcast) => broadcast,
            None => {
                let duration = kept.facts.duration;
                let variant = made.variant(duration, peak.map(|peak| peak + made.sound_rate(duration)));
                self.begin(variant, of.original(duration)).await?
            }
        };
        let store = &self.shared.ports.store;
        let facts = &kept.facts;
        let init = match &self.init {
            Some((timeline, bytes, cid)) if *timeline == facts.discontinuity_sequence => {
                if *bytes != made.init.bytes {
                    return Err(RenditionError::ParametersChanged);
                }
                *cid
            }
            _ => {
                let claim = Claim::Init(broadcast, facts.media_sequence);
                store.add_file(vec![made.init.bytes.clone()], claim).await?.cid
            }
        };
        let parts = made.parts.iter().map(|part| part.bytes.clone()).collect();
        let stored = store.add_file(parts, Claim::Segment(broadcast, facts.media_sequence)).await?;
        let segment = MediaSegment {
            independent: made.parts.first().is_some_and(|part| part.independent),
            segment: stored.cid,
            init,
            ..facts.clone()
        };
        let wall = segment.program_date_time;
        match self.shared.catalog.commit_segment(broadcast, segment, stored.bytes, wall).await {
            Ok(()) => {}
            Err(error) => {
                if matches!(error, CatalogError::NotLive(_)) {
                    // The next segment begins another.
                    (self.broadcast, self.init) = (None, None);
                }
                return Err(StepError::from(error).into());
            }
        }
        self.init = Some((facts.discontinuity_sequence, made.init.bytes.clone(), init));
        metrics::counter!("meshstream_rendition_segments_total").increment(1);
        tracing::info!(
            name: "rendition.stored",
            broadcast = %broadcast,
            rendition = %self.rung.name,
            media_sequence = facts.media_sequence.0,
            bytes = stored.bytes,
            "rendition.stored"
        );
        self.shared.announce.notify_one();
        Ok(())
    }

    async fn begin(&mut self, variant: Variant, of: Variant) -> Result<BroadcastId, RenditionError> {
        let shared = &self.shared;
        let original = shared
            .ports
            .directory
            .listing(&self.original)
            .ok_or_else(|| StepError::from(stream_model::AnnounceError::NotKnown(self.original)))?;
        let started_at = shared.ports.clock.wall();
        let picture = matches!(self.rung.kind, RungKind::Picture { .. });
        let tracks = Tracks { video: picture, audio: original.tracks.audio };
        let start = BroadcastStart {
            title: format!("{} ({})", original.title, self.rung.name).chars().take(MAX_TITLE_CHARS).collect(),
            description: String::new(),
            peer: shared.ports.peer.clone(),
            target_duration: original.target_duration,
            tracks,
            archive: original.archive,
            started_at,
            schedule: None,
            rendition: Some(Rendition { of: self.original, name: self.rung.name.clone(), variant, original: of }),
        };
        let id = shared.ports.announcements.start(start).await.map_err(StepError::from)?;
        let record = BroadcastRecord {
            id,
            name: stream_name(&id).map_err(StepError::from)?,
            stage: BroadcastStage::Live,
            tracks,
            target_duration: original.target_duration,
            archive: original.archive,
            started_at,
            next_media_sequence: MediaSequence(0),
            discontinuity_sequence: DiscontinuitySequence(0),
        };
        let name = self.rung.name.clone();
        shared.catalog.create_rendition(record, self.original, name).await.map_err(StepError::from)?;
        tracing::info!(
            name: "broadcast.started",
            broadcast = %id,
            of = %self.original,
            rendition = %self.rung.name,
            "broadcast.started"
        );
        self.broadcast = Some(id);
        Ok(id)
    }

    async fn end(&mut self, reason: EndReason) {
        if let Some(broadcast) = self.broadcast.take() {
            end(Arc::clone(&self.shared), broadcast, reason).await;
        }
    }

    fn report(&self, kept: &Kept, error: &RenditionError) {
        metrics::counter!("meshstream_rendition_gaps_total").increment(1);
        let media_sequence = kept.facts.media_sequence.0;
        tracing::warn!(rendition = %self.rung.name, media_sequence, %error, "a segment of a rendition is missing");
    }
}

/// Decides that a rendition ends; the announcer tells it.
async fn end(shared: Arc<Shared>, broadcast: BroadcastId, reason: EndReason) {
    let mut backoff = Backoff::default();
    while let Err(error) = shared.catalog.set_stage(broadcast, BroadcastStage::Ending(reason)).await {
        tracing::warn!(%broadcast, %error, "cannot end a rendition: trying again");
        tokio::select! {
            // The next start ends it.
            () = shared.stop_announcing.cancelled() => return,
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
    shared.announce.notify_one();
}

/// A stream name that no publisher uses: each is for one broadcast.
fn stream_name(id: &BroadcastId) -> Result<StreamName, CatalogError> {
    let slug: String = id.slug().chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    format!("rendition-{slug}").parse().map_err(|_| CatalogError::Damaged("a rendition has no stream name"))
}
