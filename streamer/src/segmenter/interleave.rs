//! Both tracks in one order, by decode time: so that a segment has the audio of its pictures, however the publisher
//! interleaved them.

use std::collections::VecDeque;

use super::timeline::Placed;
use crate::media::TrackKind;

/// How long one track is waited for while the other goes on.
const MAX_WAIT_MICROS: i64 = 1_000_000;
/// The same for publishers with a high bitrate: 1 s at 64 Mbit/s.
const MAX_BYTES: usize = 8 << 20;
/// The same for tiny samples.
const MAX_SAMPLES: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Interleaver {
    both: bool,
    video: VecDeque<Placed>,
    audio: VecDeque<Placed>,
    bytes: usize,
}

impl Interleaver {
    /// For both tracks, or for one, which is then passed through.
    pub(super) fn new(both: bool) -> Self {
        Self { both, video: VecDeque::new(), audio: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, sample: Placed) {
        self.bytes += sample.data.len();
        match sample.track {
            TrackKind::Video => self.video.push_back(sample),
            TrackKind::Audio => self.audio.push_back(sample),
        }
    }

    /// The next sample, if no earlier one may come any more.
    pub(super) fn pop(&mut self) -> Option<Placed> {
        let ready = !self.both || (!self.video.is_empty() && !self.audio.is_empty()) || self.waited_long_enough();
        if ready { self.pop_any() } else { None }
    }

    /// The next sample of those that are here.
    pub(super) fn pop_any(&mut self) -> Option<Placed> {
        let audio_first = match (self.video.front(), self.audio.front()) {
            (Some(video), Some(audio)) => audio.at < video.at,
            (None, _) => true,
            (Some(_), None) => false,
        };
        let sample = if audio_first { self.audio.pop_front() } else { self.video.pop_front() }?;
        self.bytes -= sample.data.len();
        Some(sample)
    }

    fn waited_long_enough(&self) -> bool {
        let waits = |queue: &VecDeque<Placed>| match (queue.front(), queue.back()) {
            (Some(first), Some(last)) => last.end - first.at > MAX_WAIT_MICROS,
            _ => false,
        };
        self.bytes > MAX_BYTES
            || self.video.len() + self.audio.len() > MAX_SAMPLES
            || waits(&self.video)
            || waits(&self.audio)
    }
}
