//! How segments become those of renditions: their sound is taken out at once, their pictures are encoded together.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::publication::{Publication, RenditionError};
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
            Some(made) => self.publication.publish(kept, &made, None).await,
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
    /// It was said that encoding fails.
    failed: bool,
}

impl PictureLane {
    /// Of all renditions with pictures, each with the lines of its pictures and kbit/s. `skipped` counts what found no room.
    pub(super) fn new(
        worker: WorkerCommand,
        rungs: Vec<(NonZeroU32, NonZeroU32, Publication)>,
        skipped: Arc<AtomicU32>,
    ) -> Self {
        Self { load: Overload::new(rungs.len()), encoder: Encoder::new(worker), rungs, skipped, failed: false }
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
        let patience = (kept.facts.duration * PATIENCE).max(LEAST_PATIENCE);
        let encoded = self.encoder.encode(&request, patience).await?;
        for ((_, kbps, publication), encoded) in rungs.iter_mut().zip(encoded) {
            let made = making.with_pictures(&encoded.config, &encoded.pictures)?;
            let peak = u64::from(kbps.get()) * 1_000 * PEAK_PERCENT / 100;
            if let Err(error) = publication.publish(kept, &made, Some(peak)).await {
                publication.report(kept, &error);
            }
        }
        Ok(())
    }
}
