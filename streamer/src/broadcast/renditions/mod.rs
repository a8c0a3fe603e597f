//! What becomes of the segments of this node's broadcasts once the keepers have stored them. Their sound is measured; and there are
//! renditions: each a broadcast of its own, made segment by segment.
//!
//! What is waited for is bounded: a segment that finds no room is a gap in the renditions, never in the original.

mod lanes;
mod metering;
mod others;
mod publication;
mod thumbnails;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use stream_model::{BroadcastId, EndReason, MediaSegment, THUMBNAILS, Tiles};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::others::{Others, Ports as OthersPorts};

use self::lanes::{PictureLane, SoundLane};
use self::metering::MeterLane;
use self::publication::{Content, Publication};
use self::thumbnails::ThumbnailLane;
use super::Shared;
use super::derived::end;
use crate::renditions::{Config, Making, RungKind};
use crate::segmenter::NotOurs;

/// What keepers have told and the task has not passed on: it does so at once.
const EVENTS: usize = 128;
/// Segments that wait for their sound to be taken out or measured, which takes milliseconds.
const WAITING_SOUNDS: usize = 4;
/// Segments that wait for their pictures to be encoded, beside the one that is: more would only be later.
const WAITING_PICTURES: usize = 1;

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
    init: Bytes,
    parts: Vec<Bytes>,
    part_duration: Duration,
    /// Read once, by whichever rendition comes first.
    making: OnceLock<Result<Making, NotOurs>>,
}

impl Kept {
    /// What renditions are made of.
    fn making(&self) -> Result<&Making, NotOurs> {
        let read = || Making::read(&self.init, &self.parts, self.facts.media_sequence, self.part_duration);
        self.making.get_or_init(read).as_ref().map_err(|error| *error)
    }
}

/// Where it is told what becomes of originals. Never waits. Clones tell the same.
#[derive(Debug, Clone)]
pub(crate) struct Originals {
    events: mpsc::Sender<Original>,
    part_duration: Duration,
}

/// Makes renditions of what it is told of.
#[derive(Debug)]
pub(super) struct Renditions {
    config: Config,
    events: mpsc::Receiver<Original>,
}

impl Originals {
    /// The keepers' end, and the task's.
    pub(super) fn new(config: Config, part_duration: Duration) -> (Self, Renditions) {
        let (sender, events) = mpsc::channel(EVENTS);
        (Self { events: sender, part_duration }, Renditions { config, events })
    }

    pub(super) fn handle_segment(&self, original: BroadcastId, facts: MediaSegment, init: Bytes, parts: Vec<Bytes>) {
        let (part_duration, making) = (self.part_duration, OnceLock::new());
        self.tell(Original::Segment(original, Arc::new(Kept { facts, init, parts, part_duration, making })));
    }

    pub(super) fn handle_ended(&self, original: BroadcastId, reason: EndReason) {
        self.tell(Original::Ended(original, reason));
    }

    fn tell(&self, event: Original) {
        if self.events.try_send(event).is_err() {
            // What takes from it waits for nothing. An end that is lost is made up for by the next start.
            metrics::counter!("meshstream_rendition_gaps_total").increment(1);
            tracing::warn!("a segment or an end of a broadcast is missed by its renditions");
        }
    }
}

/// The tasks of one original.
#[derive(Debug)]
struct Lanes {
    pictures: Option<mpsc::Sender<Work>>,
    /// All but that of the pictures.
    rest: Vec<mpsc::Sender<Work>>,
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
        let mut of = |name: &str, content| {
            let broadcast = left.remove(&(original, name.to_owned()));
            Publication::new(Arc::clone(shared), original, name.to_owned(), content, broadcast)
        };
        let mut sound = None;
        let mut pictures = Vec::new();
        for rung in self.config.ladder.rungs() {
            match rung.kind {
                RungKind::SoundOnly => sound = Some(of(&rung.name, Content::Sound)),
                RungKind::Picture { height, kbps } => {
                    pictures.push((height, kbps, of(&rung.name, Content::Pictures)));
                }
            }
        }
        let own = shared.ports.directory.listing(&original).is_none_or(|listing| listing.own);
        let thumbnails = self.config.worker.clone().filter(|_| own && self.config.thumbnails).map(|worker| {
            let columns = thumbnails::columns(shared.config.segmenter.target_duration);
            let tiles = Tiles { columns: columns.get(), rows: 1 };
            ThumbnailLane::new(worker, of(THUMBNAILS, Content::Images(tiles)), columns)
        });
        // Those that are not on the ladder any more.
        left.retain(|(of, _), broadcast| {
            if *of == original {
                let (shared, broadcast) = (Arc::clone(shared), *broadcast);
                tasks.spawn(async move { end(&shared, broadcast, EndReason::PublisherLeft).await });
            }
            *of != original
        });
        let mut rest = Vec::new();
        // Of what others publish, their own nodes tell them.
        if own {
            let lane = MeterLane::new(Arc::clone(shared), original);
            rest.push(spawn(tasks, WAITING_SOUNDS, |work| lane.run(work)));
        }
        rest.extend(sound.map(|publication| spawn(tasks, WAITING_SOUNDS, |work| SoundLane { publication }.run(work))));
        rest.extend(thumbnails.map(|lane| spawn(tasks, WAITING_PICTURES, |work| lane.run(Arc::clone(shared), work))));
        let skipped = Arc::new(AtomicU32::new(0));
        let worker = self.config.worker.clone().filter(|_| !pictures.is_empty());
        let pictures = worker.map(|worker| {
            let lane = PictureLane::new(worker, pictures, Arc::clone(&skipped));
            spawn(tasks, WAITING_PICTURES, |work| lane.run(Arc::clone(shared), work))
        });
        Lanes { pictures, rest, skipped }
    }
}

/// Starts a lane with room for so many segments that wait.
fn spawn<F>(tasks: &mut JoinSet<()>, room: usize, run: impl FnOnce(mpsc::Receiver<Work>) -> F) -> mpsc::Sender<Work>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, work) = mpsc::channel(room);
    tasks.spawn(run(work));
    sender
}

impl Lanes {
    fn offer(&self, kept: Arc<Kept>) {
        let dropped = || metrics::counter!("meshstream_rendition_gaps_total").increment(1);
        for lane in &self.rest {
            if lane.try_send(Work::Segment(Arc::clone(&kept))).is_err() {
                dropped();
            }
        }
        if let Some(pictures) = &self.pictures
            && pictures.try_send(Work::Segment(kept)).is_err()
        {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            dropped();
        }
    }

    async fn end(self, reason: EndReason) {
        for lane in self.pictures.into_iter().chain(self.rest) {
            // A lane that has ended has nothing left to end.
            let _ = lane.send(Work::End(reason)).await;
        }
    }
}
