//! Samples in, CMAF parts and segments out. Pure: no clock, no I/O; media time is all the time it knows.
//!
//! ```text
//! MediaEvent ─► Timeline ─► Interleaver ─► Cutter ─► cmaf ─► Output
//!               unwraps,    both tracks    where to   moof,
//!               places      in one order   cut        mdat
//! ```
//!
//! A segment starts at a keyframe and never exceeds the target duration once rounded (RFC 8216 §4.3.3.1).

mod bits;
mod cmaf;
mod codec;
mod cutter;
mod interleave;
mod output;
mod reading;
mod sps;
mod timeline;
mod tracks;

use std::collections::VecDeque;
use std::mem::discriminant;
use std::time::Duration;

use bytes::Bytes;
pub(crate) use codec::{AudioParameters, VideoParameters};
pub use output::{InitSection, Output, Part, Segment, Statistics, Warning};
pub(crate) use reading::{CodecParameters, NotOurs, Samples, parts};
use stream_model::Tracks;
pub(crate) use timeline::Placed;

use self::cutter::{Cutter, Setup};
use self::interleave::Interleaver;
use self::timeline::{AudioClock, Step, Timeline};
use self::tracks::{Detection, Parameters, has};
use crate::media::{MediaEvent, Sample, TrackKind};

/// An AAC frame has at most 768 bytes a channel (ISO/IEC 14496-3 §4.5.1.1), and there are at most 48 channels.
const MAX_AUDIO_SAMPLE_BYTES: usize = 64 * 1024;

/// A publication that ends before its tracks are known, and is shorter than this, is dropped.
const MIN_PUBLICATION: Duration = Duration::from_millis(500);

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
        Self {
            target_duration: Duration::from_secs(15),
            part_duration: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }
}

/// Bounds against what a publisher may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A segment that reaches this many bytes is cut early, with a warning. Memory stays below twice this.
    pub segment_bytes: usize,
    /// A larger video sample is dropped, with a warning; audio samples have a smaller limit of their own.
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
    /// Until the tracks are known.
    detection: Detection,
    tracks: Option<Tracks>,
    video: Parameters<VideoParameters>,
    audio: Parameters<AudioParameters>,
    /// The timeline in progress.
    active: Option<Active>,
    /// For the next timeline.
    discontinuity: bool,
    fragment: u32,
    warned: Vec<Warning>,
    outputs: VecDeque<Output>,
    statistics: Statistics,
    /// Reused from sample to sample.
    placed: Vec<Placed>,
}

/// One timeline on its way: constant codec parameters, no jump.
#[derive(Debug)]
struct Active {
    timeline: Timeline,
    interleaver: Interleaver,
    cutter: Cutter,
}

/// Why a timeline ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Another follows.
    Cut,
    /// None follows.
    Last,
}

impl Segmenter {
    /// A segmenter that has seen nothing.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            detection: Detection::default(),
            tracks: None,
            video: Parameters::Missing,
            audio: Parameters::Missing,
            active: None,
            discontinuity: false,
            fragment: 1,
            warned: Vec::new(),
            outputs: VecDeque::new(),
            statistics: Statistics::default(),
            placed: Vec::new(),
        }
    }

    /// Takes the next event of the publication. Drain [`poll_output`](Self::poll_output) after it.
    pub fn handle(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Expect { video, audio } => self.detection.promise(Tracks { video, audio }),
            MediaEvent::VideoConfig(record) => self.handle_video_config(&record),
            MediaEvent::AudioConfig(record) => self.handle_audio_config(&record),
            MediaEvent::Sample(sample) => self.handle_sample(sample),
            MediaEvent::Lost => {
                self.statistics.dropped_before_keyframe += self.detection.take_samples().len() as u64;
                self.end_timeline(End::Cut);
            }
        }
        if self.tracks.is_none() && self.detection.decided(&self.video, &self.audio) {
            self.fix_tracks();
        }
    }

    /// The publisher has left, or left and come back: closes the segment in progress and forgets the tracks. What
    /// comes next is a fresh publication whose first segment has a discontinuity before it; its tracks are found
    /// out and reported again. Called on a new segmenter, it marks the very first segment (a broadcast that goes on
    /// after a restart of the node). Calling it twice is the same as once.
    pub fn discontinuity(&mut self) {
        self.end_publication(End::Cut);
        self.discontinuity = true;
    }

    /// Closes the segment in progress: nothing more will come.
    pub fn finish(&mut self) {
        self.end_publication(End::Last);
    }

    /// The next output, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What became of the samples so far.
    pub fn statistics(&self) -> Statistics {
        let written = self.active.as_ref().map_or(0, |active| active.cutter.written());
        Statistics { written: self.statistics.written + written, ..self.statistics }
    }

    fn handle_video_config(&mut self, record: &Bytes) {
        if !self.wants(TrackKind::Video) {
            return;
        }
        match VideoParameters::parse(record) {
            Ok(parameters) => {
                self.end_if_changed(self.video.known().is_some_and(|known| *known != parameters));
                if parameters.beyond_high_profile() {
                    self.warn(Warning::BeyondHighProfile);
                }
                self.video = Parameters::Known(parameters);
            }
            Err(reason) => {
                self.video.spoil();
                self.warn(Warning::BadConfig { track: TrackKind::Video, reason });
            }
        }
    }

    fn handle_audio_config(&mut self, record: &Bytes) {
        if !self.wants(TrackKind::Audio) {
            return;
        }
        match AudioParameters::parse(record) {
            Ok(parameters) => {
                self.end_if_changed(self.audio.known().is_some_and(|known| *known != parameters));
                self.audio = Parameters::Known(parameters);
            }
            Err(reason) => {
                self.audio.spoil();
                self.warn(Warning::BadConfig { track: TrackKind::Audio, reason });
            }
        }
    }

    /// Whether the track may be one of the publication's.
    fn wants(&mut self, track: TrackKind) -> bool {
        let wanted = self.tracks.is_none_or(|tracks| has(tracks, track));
        if !wanted {
            self.warn(Warning::LateTrack(track));
        }
        wanted
    }

    /// Parameters other than before begin here: what came so far needs the old ones.
    fn end_if_changed(&mut self, changed: bool) {
        if changed {
            self.fix_tracks();
            self.end_timeline(End::Cut);
        }
    }

    fn handle_sample(&mut self, sample: Sample) {
        self.statistics.received += 1;
        let (track, bytes) = (sample.track, sample.data.len());
        let (usable, limit) = match track {
            TrackKind::Video => (self.video.usable(), self.config.limits.sample_bytes),
            TrackKind::Audio => (self.audio.usable(), MAX_AUDIO_SAMPLE_BYTES),
        };
        if bytes > limit {
            self.warn(Warning::SampleTooLarge { track, bytes, limit });
        }
        if !usable || bytes == 0 || bytes > limit {
            self.statistics.dropped_unusable += 1;
        } else if self.tracks.is_none() {
            self.detection.push(sample);
        } else {
            self.segment(sample);
        }
    }

    /// Decides on the tracks, if that is still open, and segments what was kept until now.
    fn fix_tracks(&mut self) {
        let tracks = Tracks { video: self.video.known().is_some(), audio: self.audio.known().is_some() };
        if self.tracks.is_some() || !(tracks.video || tracks.audio) {
            return;
        }
        self.tracks = Some(tracks);
        self.outputs.push_back(Output::TracksKnown(tracks));
        for sample in self.detection.take_samples() {
            self.segment(sample);
        }
    }

    fn segment(&mut self, sample: Sample) {
        if !self.wants(sample.track) {
            self.statistics.dropped_unusable += 1;
            return;
        }
        let jumps = self.active.as_ref().filter(|active| active.timeline.examine(&sample) == Step::Jumps);
        if let Some(next) = jumps.map(|active| active.timeline.after_jump()) {
            self.end_timeline(End::Cut);
            self.start_timeline(next);
        } else if self.active.is_none() {
            let clock =
                self.audio.known().map(|audio| AudioClock { rate: audio.sample_rate, frame: audio.frame_length });
            let tracks = self.tracks.unwrap_or(Tracks { video: false, audio: false });
            self.start_timeline(Timeline::new(
                tracks.video,
                clock.filter(|_| tracks.audio),
                self.config.target_duration,
            ));
        }
        let Some(active) = &mut self.active else {
            self.statistics.dropped_unusable += 1;
            return;
        };
        active.timeline.push(sample, &mut self.statistics, &mut self.placed);
        for placed in self.placed.drain(..) {
            active.interleaver.push(placed);
        }
        while let Some(placed) = active.interleaver.pop() {
            active.cutter.push(placed, &mut self.outputs);
        }
        let warnings = active.cutter.take_warnings();
        self.warn_all(warnings);
    }

    fn start_timeline(&mut self, timeline: Timeline) {
        let tracks = self.tracks.unwrap_or(Tracks { video: false, audio: false });
        let video = self.video.known().filter(|_| tracks.video);
        let audio = self.audio.known().filter(|_| tracks.audio);
        let Ok(init) = cmaf::init_section(video, audio) else {
            let track = if video.is_some() { TrackKind::Video } else { TrackKind::Audio };
            return self.warn(Warning::BadConfig { track, reason: "they do not fit an initialization section" });
        };
        let setup = Setup {
            target_duration: self.config.target_duration,
            part_duration: self.config.part_duration,
            limits: self.config.limits,
            video: tracks.video,
            init,
            discontinuity: std::mem::take(&mut self.discontinuity),
            fragment: self.fragment,
        };
        let interleaver = Interleaver::new(tracks.video && tracks.audio);
        self.active = Some(Active { timeline, interleaver, cutter: Cutter::new(setup) });
    }

    fn end_timeline(&mut self, end: End) {
        let Some(mut active) = self.active.take() else { return };
        active.timeline.flush(&mut self.statistics, &mut self.placed);
        for placed in self.placed.drain(..) {
            active.interleaver.push(placed);
        }
        while let Some(placed) = active.interleaver.pop_any() {
            active.cutter.push(placed, &mut self.outputs);
        }
        self.statistics.dropped_timestamps += active.cutter.finish(end == End::Cut, &mut self.outputs);
        self.statistics.written += active.cutter.written();
        self.fragment = active.cutter.next_fragment();
        self.discontinuity = active.cutter.discontinuity_follows();
        let warnings = active.cutter.take_warnings();
        self.warn_all(warnings);
    }

    fn end_publication(&mut self, end: End) {
        // One that is refused while its tracks are found out has left a picture or a sound, and is no broadcast.
        if self.detection.span() >= MIN_PUBLICATION {
            self.fix_tracks();
        }
        self.end_timeline(end);
        self.statistics.dropped_unusable += self.detection.take_samples().len() as u64;
        self.detection = Detection::default();
        self.tracks = None;
        self.video = Parameters::Missing;
        self.audio = Parameters::Missing;
        self.warned.clear();
    }

    fn warn_all(&mut self, warnings: Vec<Warning>) {
        for warning in warnings {
            self.warn(warning);
        }
    }

    /// Passes a warning on, once for each kind.
    fn warn(&mut self, warning: Warning) {
        if !self.warned.iter().any(|known| discriminant(known) == discriminant(&warning)) {
            self.warned.push(warning.clone());
            self.outputs.push_back(Output::Warning(warning));
        }
    }
}
