//! Samples in, CMAF parts and segments out. Pure: no clock, no I/O; media time is all the time it knows.
//!
//! ```text
//! MediaEvent ─► Timeline ─► Interleaver ─► Cutter ─► cmaf ─► Output
//!               unwraps,    both tracks    where to   moof,
//!               places      in one order   cut        mdat
//! ```
//!
//! A segment starts at a keyframe and never exceeds the target duration once rounded (RFC 8216 §4.3.3.1).

mod output;

use std::collections::VecDeque;
use std::time::Duration;

pub use output::{InitSection, Output, Part, Segment, Statistics, Warning};

use crate::media::MediaEvent;

/// How to cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// No segment is longer once rounded; whole seconds, at least 1.
    pub target_duration: Duration,
    /// About how long a part is.
    pub part_duration: Duration,
    /// Bounds against what a publisher may send.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self { target_duration: Duration::from_secs(15), part_duration: Duration::from_secs(1), limits: Limits::default() }
    }
}

/// Bounds against what a publisher may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A segment that reaches this many bytes is cut early, with a warning. Memory stays below twice this.
    pub segment_bytes: usize,
    /// A larger sample is dropped, with a warning.
    pub sample_bytes: usize,
}

impl Default for Limits {
    /// 64 MiB hold 16 s at 33 Mbit/s; 4 MiB hold the keyframes of 25 Mbit/s many times over.
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, sample_bytes: 4 << 20 }
    }
}

/// Cuts one publication, or several of one broadcast in a row, into segments.
#[derive(Debug)]
pub struct Segmenter {
    config: Config,
    outputs: VecDeque<Output>,
    statistics: Statistics,
}

impl Segmenter {
    /// A segmenter that has seen nothing.
    pub fn new(config: Config) -> Self {
        Self { config, outputs: VecDeque::new(), statistics: Statistics::default() }
    }

    /// Takes the next event of the publication. Drain [`poll_output`](Self::poll_output) after it.
    pub fn handle(&mut self, event: MediaEvent) {
        let _ = (&self.config, event);
    }

    /// The publisher has left, or left and come back: closes the segment in progress and forgets the tracks. What
    /// comes next is a fresh publication whose first segment has a discontinuity before it; its tracks are found
    /// out and reported again. Called on a new segmenter, it marks the very first segment (a broadcast that goes on
    /// after a restart of the node). Calling it twice is the same as once.
    pub fn discontinuity(&mut self) {}

    /// Closes the segment in progress: nothing more will come.
    pub fn finish(&mut self) {}

    /// The next output, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What became of the samples so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }
}
