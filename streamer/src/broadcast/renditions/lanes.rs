//! How segments become those of renditions: their sound is taken out at once, their pictures are encoded together.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::publication::{Files, Publication, RenditionError};
use super::{Kept, Work};
use crate::broadcast::Shared;
use crate::camera::WorkerCommand;
use crate::renditions::{Change, Encoder, Overload};

/// An encoder that takes as many times as long as the media plays is ended.
const PATIENCE: u32 = 3;
/// And not before it had this long: it has to begin.
const LEAST_PATIENCE: Duration = Duration::from_secs(20);
/// What an encoder may exceed its rate by within a segment, in percent.
const PEAK_PERCENT: u64 = 120;

/// How long an encoder may take for a segment.
pub(super) fn patience(kept: &Kept) -> Duration {
    (kept.facts.duration * PATIENCE).max(LEAST_PATIENCE)
}

/// Tells once that something cannot be made, and once that it can again.
#[derive(Debug, Default)]
pub(super) struct Failures {
    told: bool,
}

impl Failures {
    pub(super) fn handle(&mut self, rendition: &str, made: Result<(), RenditionError>) {
        match made {
            Ok(()) if std::mem::take(&mut self.told) => tracing::info!(rendition, "renditions are made again"),
            Ok(()) => {}
            Err(error) => {
                metrics::counter!("meshstream_rendition_failures_total").increment(1);
                if std::mem::replace(&mut self.told, true) {
                    tracing::debug!(rendition, %error, "renditions still cannot be made");
                } else {
                    tracing::warn!(rendition, %error, "renditions cannot be made: what is published is not touched by it");
                }
            }
        }
    }
}

/// The rendition with sound alone.
#[derive(Debug)]
pub(super) struct SoundLane {
    pub(super) publication: Publication,
}

impl SoundLane {
    /// Until it is told the end, or nobody tells more.
    pub(super) async fn run(mut self, mut work: mpsc::Receiver<Work>) {
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
        let making = kept.making()?;
        // What has no picture is its own rendition with sound alone.
        let made = making.height().and_then(|_| making.sound_only()).transpose()?;
        match made {
            Some(made) => {
                self.publication.publish(kept, Files::from(&made), || made.variant(kept.facts.duration, None)).await
            }
            None => Ok(()),
        }
    }
}

/// The renditions with pictures, which are encoded together.
#[derive(Debug)]
pub(super) struct PictureLane {
    /// With the lines of their pictures, and kbit/s.
    rungs: Vec<(NonZeroU32, NonZeroU32, Publication)>,
    load: Overload,
    encoder: Encoder,
    skipped: Arc<AtomicU32>,
    failures: Failures,
}

impl PictureLane {
    /// Of all renditions with pictures, each with the lines of its pictures and kbit/s. `skipped` counts what found no room.
    pub(super) fn new(
        worker: WorkerCommand,
        rungs: Vec<(NonZeroU32, NonZeroU32, Publication)>,
        skipped: Arc<AtomicU32>,
    ) -> Self {
        Self {
            load: Overload::new(rungs.len()),
            encoder: Encoder::new(worker),
            rungs,
            skipped,
            failures: Failures::default(),
        }
    }

    /// Until it is told the end, or nobody tells more.
    pub(super) async fn run(mut self, shared: Arc<Shared>, mut work: mpsc::Receiver<Work>) {
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
        let encoded = self.encode(kept).await;
        self.failures.handle("pictures", encoded);
        let change = self.load.handle_encoded(media, began.elapsed());
        self.tell(change);
    }

    fn tell(&self, change: Option<Change>) {
        let name = |position: usize| self.rungs.get(position).map(|(_, _, publication)| publication.name.as_str());
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
        let making = kept.making()?;
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
        let encoded = self.encoder.encode(&request, patience(kept)).await?;
        for ((_, kbps, publication), encoded) in rungs.iter_mut().zip(encoded) {
            let made = making.with_pictures(&encoded.config, &encoded.pictures)?;
            let peak = u64::from(kbps.get()) * 1_000 * PEAK_PERCENT / 100;
            let variant = || made.variant(kept.facts.duration, Some(peak + made.sound_rate(kept.facts.duration)));
            if let Err(error) = publication.publish(kept, Files::from(&made), variant).await {
                publication.report(kept, &error);
            }
        }
        Ok(())
    }
}
