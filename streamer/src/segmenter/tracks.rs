//! Which tracks a publication has: what its metadata promises, or what is seen in its first seconds.

use std::collections::VecDeque;
use std::time::Duration;

use stream_model::Tracks;

use super::codec::{AudioParameters, VideoParameters};
use crate::media::{Sample, TrackKind};

/// Media time that a track is waited for where no metadata promised it.
const WAIT_MS: u32 = 2_000;
/// The same for a track that metadata promised.
const PROMISED_WAIT_MS: u32 = 5_000;
/// Samples kept meanwhile: 5 s at 25 Mbit/s.
const MAX_BYTES: usize = 16 << 20;
/// And this many of them: 5 s of the shortest AAC frames and of 240 pictures a second.
const MAX_SAMPLES: usize = 2_048;

/// What is known of one track.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Parameters<T> {
    /// None came yet.
    #[default]
    Missing,
    /// What came is not understood.
    Bad,
    /// Usable.
    Known(T),
    /// These were usable; what came after them is not understood.
    Stale(T),
}

impl<T> Parameters<T> {
    /// The last usable ones.
    pub(super) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(parameters) | Self::Stale(parameters) => Some(parameters),
            Self::Missing | Self::Bad => None,
        }
    }

    /// Whether samples that come now can be understood.
    pub(super) fn usable(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Parameters came that are not understood.
    pub(super) fn spoil(&mut self) {
        *self = match std::mem::replace(self, Self::Missing) {
            Self::Known(parameters) | Self::Stale(parameters) => Self::Stale(parameters),
            Self::Missing | Self::Bad => Self::Bad,
        };
    }
}

/// Collects what comes before the tracks are known.
#[derive(Debug, Default)]
pub(super) struct Detection {
    promised: Option<Tracks>,
    samples: VecDeque<Sample>,
    bytes: usize,
    span_ms: u32,
}

impl Detection {
    /// The metadata promises these tracks. A promise of nothing is none.
    pub(super) fn promise(&mut self, tracks: Tracks) {
        self.promised = (tracks.video || tracks.audio).then_some(tracks);
    }

    /// Keeps a sample until the tracks are known.
    pub(super) fn push(&mut self, sample: Sample) {
        let first = self.samples.front().map_or(sample.timestamp, |first| first.timestamp);
        let distance = sample.timestamp.wrapping_sub(first) as i32;
        self.span_ms = self.span_ms.max(distance.unsigned_abs());
        self.bytes += sample.data.len();
        self.samples.push_back(sample);
    }

    /// Whether it is clear, or has to be clear, which tracks there are.
    pub(super) fn decided(&self, video: &Parameters<VideoParameters>, audio: &Parameters<AudioParameters>) -> bool {
        if self.bytes >= MAX_BYTES || self.samples.len() >= MAX_SAMPLES {
            return true;
        }
        let wanted = self.promised.unwrap_or(Tracks { video: true, audio: true });
        let clear =
            (!wanted.video || *video != Parameters::Missing) && (!wanted.audio || *audio != Parameters::Missing);
        let any = video.known().is_some() || audio.known().is_some();
        let wait = if self.promised.is_some() { PROMISED_WAIT_MS } else { WAIT_MS };
        any && (clear || self.span_ms >= wait)
    }

    /// The media time that the samples kept span.
    pub(super) fn span(&self) -> Duration {
        Duration::from_millis(self.span_ms.into())
    }

    /// The samples kept, in order.
    pub(super) fn take_samples(&mut self) -> VecDeque<Sample> {
        self.bytes = 0;
        self.span_ms = 0;
        std::mem::take(&mut self.samples)
    }
}

/// A flag for each kind of track.
pub(super) fn has(tracks: Tracks, track: TrackKind) -> bool {
    match track {
        TrackKind::Video => tracks.video,
        TrackKind::Audio => tracks.audio,
    }
}
