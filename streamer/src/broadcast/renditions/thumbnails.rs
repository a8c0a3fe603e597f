//! Pictures to look through a broadcast with: one JPEG a segment, of some of its keyframes side by side.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use stream_model::Variant;
use tokio::sync::mpsc;

use super::lanes::{Failures, patience};
use super::publication::{Files, Publication, RenditionError};
use super::{Kept, Work};
use crate::broadcast::Shared;
use crate::camera::WorkerCommand;
use crate::renditions::{EncodeError, Encoder, Sheet, rate};

/// What one of the pictures shows of the broadcast, at least.
const INTERVAL: Duration = Duration::from_secs(4);
/// The most pictures a segment.
const MOST_COLUMNS: u32 = 8;
/// Of one of them, in pixels: sharp where it is as wide as a thumb.
const SIZE: (u32, u32) = (256, 144);
const QUALITY: u32 = 55;
/// Of the picture that stands for a timeline.
const POSTER_SIZE: (u32, u32) = (512, 288);
const POSTER_QUALITY: u32 = 70;
/// Its bytes: peers fetch no larger initialization sections.
const MOST_POSTER: usize = 60 << 10;
/// What is announced as the most bits a second, in percent of what the first segment needs.
const PEAK_PERCENT: u64 = 200;

/// The rendition with pictures to look through a broadcast with.
#[derive(Debug)]
pub(super) struct ThumbnailLane {
    publication: Publication,
    encoder: Encoder,
    columns: NonZeroU32,
    failures: Failures,
}

/// How many pictures there are of segments that are about so long.
pub(super) fn columns(target_duration: Duration) -> NonZeroU32 {
    let wanted = target_duration.as_millis().div_ceil(INTERVAL.as_millis());
    NonZeroU32::new(u32::try_from(wanted).unwrap_or(MOST_COLUMNS).min(MOST_COLUMNS)).unwrap_or(NonZeroU32::MIN)
}

impl ThumbnailLane {
    /// With so many pictures a segment, side by side.
    pub(super) fn new(worker: WorkerCommand, publication: Publication, columns: NonZeroU32) -> Self {
        Self { publication, encoder: Encoder::new(worker), columns, failures: Failures::default() }
    }

    /// Until it is told the end, or nobody tells more.
    pub(super) async fn run(mut self, shared: Arc<Shared>, mut work: mpsc::Receiver<Work>) {
        while let Some(next) = work.recv().await {
            match next {
                Work::Segment(kept) => tokio::select! {
                    made = self.make(&kept) => self.failures.handle(&self.publication.name, made),
                    // The processor is for what has to be stored now.
                    () = shared.stopping.cancelled() => {}
                },
                Work::End(reason) => return self.publication.end(reason).await,
            }
        }
    }

    async fn make(&mut self, kept: &Kept) -> Result<(), RenditionError> {
        let making = kept.making()?;
        if making.height().is_none() {
            return Ok(());
        }
        let known = self.publication.init_of(kept.facts.discontinuity_sequence).cloned();
        let (width, height) = SIZE;
        let mut sheets = vec![Sheet { width, height, columns: self.columns, quality: QUALITY }];
        if known.is_none() {
            let (width, height) = POSTER_SIZE;
            sheets.push(Sheet { width, height, columns: NonZeroU32::MIN, quality: POSTER_QUALITY });
        }
        let request = making.jpegs(self.columns, &sheets).ok_or(RenditionError::NoKeyframe)?;
        let encoded = self.encoder.encode(&request, patience(kept)).await?;
        let mut jpegs = encoded.into_iter().filter_map(|sheet| sheet.pictures.into_iter().next()).map(|one| one.data);
        let sheet = jpegs.next().ok_or(EncodeError::Nothing)?;
        // One that is too large for peers is stood for by the first pictures.
        let poster = jpegs.next().filter(|poster| poster.len() <= MOST_POSTER);
        let init = known.or(poster).unwrap_or_else(|| sheet.clone());
        let bandwidth = (rate(sheet.len(), kept.facts.duration) * PEAK_PERCENT / 100).max(1);
        let variant = || Variant { bandwidth, codecs: "jpeg".to_owned(), resolution: Some(SIZE) };
        self.publication.publish(kept, Files { init, parts: vec![sheet], independent: true }, variant).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shows_some_seconds() {
        let columns = |seconds| columns(Duration::from_secs(seconds)).get();
        assert_eq!([1, 2, 4, 6, 15, 60].map(columns), [1, 1, 1, 2, 4, 8]);
    }
}
