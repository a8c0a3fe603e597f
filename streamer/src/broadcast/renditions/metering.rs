//! The sound of a broadcast, measured segment by segment.

use std::collections::BTreeSet;
use std::sync::Arc;

use stream_model::{BroadcastId, SoundLevel, SoundState};
use tokio::sync::mpsc;

use super::{Kept, Work};
use crate::broadcast::Shared;
use crate::loudness::{Meter, Unmeasured};

/// Tells the owner how the sound of a broadcast is.
pub(super) struct MeterLane {
    shared: Arc<Shared>,
    original: BroadcastId,
    meter: Meter,
    /// What the log has said is wrong. It says so again only of silence, after there was something to hear.
    told: BTreeSet<SoundState>,
    unmeasured: Option<Unmeasured>,
}

impl MeterLane {
    pub(super) fn new(shared: Arc<Shared>, original: BroadcastId) -> Self {
        Self { shared, original, meter: Meter::default(), told: BTreeSet::new(), unmeasured: None }
    }

    /// Until it is told the end, or nobody tells more.
    pub(super) async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        while let Some(Work::Segment(kept)) = work.recv().await {
            let mut meter = std::mem::take(&mut self.meter);
            let measuring = tokio::task::spawn_blocking(move || {
                let measured = measure(&mut meter, &kept);
                (meter, measured)
            });
            match measuring.await {
                Ok((meter, measured)) => {
                    self.meter = meter;
                    self.handle(measured);
                }
                Err(error) => {
                    metrics::counter!("meshstream_stream_panics_total").increment(1);
                    tracing::error!(%error, "measuring the sound failed");
                }
            }
        }
    }

    fn handle(&mut self, measured: Option<Result<SoundLevel, Unmeasured>>) {
        let broadcast = self.original;
        match measured {
            // It has none, or the segment is none of ours, which others say.
            None => {}
            Some(Ok(level)) => {
                self.tell(&level);
                self.shared.status.handle_sound(&broadcast, level);
            }
            Some(Err(error)) if self.unmeasured == Some(error) => {}
            Some(Err(error)) => {
                self.unmeasured = Some(error);
                tracing::warn!(%broadcast, %error, "the sound is not measured: nobody is warned when it is silent");
            }
        }
    }

    fn tell(&mut self, level: &SoundLevel) {
        let (broadcast, SoundLevel { loudness_lufs, silent_ms, state, .. }) = (self.original, level);
        tracing::debug!(
            name: "sound.measured", %broadcast, ?loudness_lufs, peaks_dbfs = ?level.peaks_dbfs, silent_ms, ?state, "sound.measured"
        );
        if *silent_ms == 0 && self.told.remove(&SoundState::Silent) {
            tracing::info!(name: "sound.back", %broadcast, "there is sound again");
        }
        let what = match state {
            SoundState::Good => return,
            SoundState::Silent => "silent",
            SoundState::OneSided => "on one of two channels alone",
            SoundState::Clipped => "too loud, and distorted",
            SoundState::Quiet => "hardly to be heard",
        };
        if self.told.insert(*state) {
            let advice = state.advice();
            tracing::warn!(name: "sound.wrong", %broadcast, ?loudness_lufs, silent_ms, "the sound is {what}: {advice}");
        }
    }
}

/// `None` where there is no sound to measure.
fn measure(meter: &mut Meter, kept: &Kept) -> Option<Result<SoundLevel, Unmeasured>> {
    let (parameters, frames) = kept.making().ok()?.sound()?;
    Some(meter.measure(parameters, frames, kept.facts.duration))
}
