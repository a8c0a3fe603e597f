//! Where parts and segments end.
//!
//! Takes the samples of one timeline in order. At a keyframe, the segment ends if the next group of pictures, were it
//! as long as the longest of late, would not fit any more. Where one turns out longer than that, the segment ends
//! at the last keyframe before it after all: parts begin at keyframes, so that whole parts move to the next segment.
//! Only a group of pictures that does not fit by itself is cut inside.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::Limits;
use super::cmaf;
use super::output::{Output, Part, Segment, Warning};
use super::timeline::Placed;
use crate::media::TrackKind;

/// A segment may have this much over its target: it still rounds down (RFC 8216 §4.3.3.1), with some room for the
/// rounding of durations to milliseconds.
const ROUNDING_MICROS: i64 = 490_000;
/// The next group of pictures is taken to be as long as the longest of this many.
const RECENT_GROUPS: usize = 4;
/// A part is written before it gets larger than this, so that memory is not copied around in large pieces.
const MAX_PART_BYTES: usize = 4 << 20;
/// And before it has more samples than this.
const MAX_PART_SAMPLES: usize = 1024;
/// What a sample costs beside its data; counted, so that empty samples are not free.
const SAMPLE_OVERHEAD: usize = 64;
/// A timeline shorter than this, between two jumps, is dropped: a publisher whose timestamps jump with each sample
/// must not flood the mesh with segments.
const MIN_TIMELINE_MICROS: i64 = 500_000;

/// What a cutter needs to know of its timeline.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) target_duration: Duration,
    pub(super) part_duration: Duration,
    pub(super) limits: Limits,
    /// Whether there is a video track.
    pub(super) video: bool,
    /// The initialization section.
    pub(super) init: super::InitSection,
    /// Whether a discontinuity comes before the first segment.
    pub(super) discontinuity: bool,
    /// Number of the next fragment; rises through all timelines.
    pub(super) fragment: u32,
}

#[derive(Debug)]
struct ClosedPart {
    part: Part,
    start: i64,
    bytes: usize,
    /// Starts with a keyframe, so that a segment may start here.
    keyframe: bool,
    /// Has pictures that need others before the part.
    dependent: bool,
}

#[derive(Debug, Default)]
struct OpenPart {
    start: i64,
    video: Vec<Placed>,
    audio: Vec<Placed>,
    bytes: usize,
}

impl OpenPart {
    fn len(&self) -> usize {
        self.video.len() + self.audio.len()
    }

    fn keyframe(&self) -> bool {
        self.video.first().is_some_and(|sample| sample.keyframe)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Cutter {
    setup: Setup,
    target: i64,
    part_target: i64,
    /// Start of the segment in progress.
    start: i64,
    /// Its parts, and those that will move to the next.
    closed: VecDeque<ClosedPart>,
    closed_bytes: usize,
    open: OpenPart,
    /// Time of the latest sample; samples that came too late to be put in order count as being here.
    latest: i64,
    /// Where the samples so far end.
    end: i64,
    last_keyframe: Option<i64>,
    groups: VecDeque<i64>,
    /// Whether a part or an initialization section is out already.
    announced: bool,
    written: u64,
    warnings: Vec<Warning>,
}

impl Cutter {
    pub(super) fn new(setup: Setup) -> Self {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4);
        let target = micros(setup.target_duration.max(Duration::from_secs(1)));
        let part_target = micros(setup.part_duration).clamp(100_000, target);
        Self {
            setup,
            target,
            part_target,
            start: 0,
            closed: VecDeque::new(),
            closed_bytes: 0,
            open: OpenPart::default(),
            latest: i64::MIN,
            end: 0,
            last_keyframe: None,
            groups: VecDeque::new(),
            announced: false,
            written: 0,
            warnings: Vec::new(),
        }
    }

    /// Samples that are in parts.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Number for the next fragment.
    pub(super) fn next_fragment(&self) -> u32 {
        self.setup.fragment
    }

    /// Whether the next timeline's first segment has a discontinuity before it: after segments, and where this
    /// timeline was dropped before it could show its own.
    pub(super) fn discontinuity_follows(&self) -> bool {
        self.announced || self.setup.discontinuity
    }

    /// Warnings since the last call; not yet sifted for repetitions.
    pub(super) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// Takes the next sample.
    pub(super) fn push(&mut self, sample: Placed, out: &mut VecDeque<Output>) {
        let at = sample.at.max(self.latest);
        let end = sample.end.max(at);
        let cost = sample.data.len() + SAMPLE_OVERHEAD;
        if self.is_empty() {
            self.begin(at);
        } else {
            if sample.track == TrackKind::Video && sample.keyframe {
                self.at_keyframe(at, out);
            }
            // Audio before a gap lasts until the audio after it. Where there are pictures, they say where to cut.
            let reaches = if self.setup.video && sample.track == TrackKind::Audio { at } else { end };
            while !self.is_empty() && at > self.start && reaches - self.start > self.limit() {
                self.cut_for_duration(at, out);
            }
            while !self.is_empty() && self.bytes() + cost > self.setup.limits.segment_bytes {
                self.cut_for_bytes(at, out);
            }
            if self.is_empty() {
                self.begin(at);
            } else if self.part_ends(&sample, at, cost) {
                self.close_part(at, out);
            }
        }
        if self.open.len() == 0 {
            self.open.start = at;
        }
        self.open.bytes += cost;
        self.latest = at;
        self.end = self.end.max(end);
        match sample.track {
            TrackKind::Video => self.open.video.push(sample),
            TrackKind::Audio => self.open.audio.push(sample),
        }
    }

    /// Closes the last segment; the timeline is over. `jumped` drops one that is too short to be worth its jump;
    /// the number of samples dropped is returned.
    pub(super) fn finish(&mut self, jumped: bool, out: &mut VecDeque<Output>) -> u64 {
        if jumped && !self.announced && self.end - self.start < MIN_TIMELINE_MICROS {
            let dropped = self.open.len() as u64;
            self.open = OpenPart::default();
            if dropped > 0 {
                self.warnings.push(Warning::UnstableTimestamps);
            }
            return dropped;
        }
        if !self.is_empty() {
            let end = self.end.min(self.start.saturating_add(self.limit()));
            self.close_part(end, out);
            self.emit_segment(self.closed.len(), end, out);
        }
        0
    }

    fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.len() == 0
    }

    fn bytes(&self) -> usize {
        self.closed_bytes + self.open.bytes
    }

    /// The longest that a segment may be, in microseconds.
    fn limit(&self) -> i64 {
        self.target + if self.setup.video { ROUNDING_MICROS } else { 0 }
    }

    fn begin(&mut self, at: i64) {
        self.start = at;
        self.end = at;
        self.open.start = at;
    }

    fn at_keyframe(&mut self, at: i64, out: &mut VecDeque<Output>) {
        if let Some(last) = self.last_keyframe.replace(at) {
            self.groups.push_back(at - last);
            if self.groups.len() > RECENT_GROUPS {
                self.groups.pop_front();
            }
        }
        let predicted = self.groups.iter().copied().max().unwrap_or(0);
        if at > self.start && at - self.start + predicted > self.limit() {
            self.cut_here(at, out);
        } else if self.open.len() > 0 && at - self.open.start >= self.part_target / 2 {
            self.close_part(at, out);
        }
    }

    /// The segment in progress cannot take a sample at `at` any more.
    fn cut_for_duration(&mut self, at: i64, out: &mut VecDeque<Output>) {
        if !self.setup.video {
            return self.cut_here(at, out);
        }
        if self.cut_at_keyframe(0, out) {
            return;
        }
        let keyframe_overdue = self.last_keyframe.is_none_or(|keyframe| at - keyframe >= self.target);
        if keyframe_overdue && self.closed.iter().any(|part| part.dependent) {
            self.warnings.push(Warning::KeyframesTooFarApart { target_duration: self.setup.target_duration });
        }
        let boundaries =
            self.closed.iter().map(|part| part.start).chain((self.open.len() > 0).then_some(self.open.start));
        let fits = |start: &i64| (1..=self.limit()).contains(&(start - self.start));
        match boundaries.enumerate().filter(|(_, start)| fits(start)).last() {
            Some((index, boundary)) if at - self.start > self.target => {
                self.emit_segment(index, boundary, out);
            }
            _ => self.cut_here(at, out),
        }
    }

    /// The segment in progress cannot take more bytes.
    fn cut_for_bytes(&mut self, at: i64, out: &mut VecDeque<Output>) {
        self.warnings.push(Warning::SegmentTooLarge { limit: self.setup.limits.segment_bytes });
        if !self.cut_at_keyframe(self.setup.limits.segment_bytes / 2, out) {
            self.cut_here(at, out);
        }
    }

    /// Ends the segment before its last part that starts with a keyframe, if it then has at least `min_bytes`.
    fn cut_at_keyframe(&mut self, min_bytes: usize, out: &mut VecDeque<Output>) -> bool {
        let starts = self.closed.iter().map(|part| (part.start, part.keyframe, part.bytes));
        let starts =
            starts.chain((self.open.len() > 0).then(|| (self.open.start, self.open.keyframe(), self.open.bytes)));
        let mut before = 0;
        let mut best = None;
        for (index, (start, keyframe, bytes)) in starts.enumerate() {
            if keyframe && index > 0 && (1..=self.limit()).contains(&(start - self.start)) && before >= min_bytes {
                best = Some((index, start));
            }
            before += bytes;
        }
        match best {
            Some((index, boundary)) => {
                self.emit_segment(index, boundary, out);
                true
            }
            None => false,
        }
    }

    /// Ends the segment with all that is there.
    fn cut_here(&mut self, at: i64, out: &mut VecDeque<Output>) {
        // Only media that lies out of order can make it longer than the limit.
        let end = at.min(self.start.saturating_add(self.limit()));
        self.close_part(end, out);
        self.emit_segment(self.closed.len(), end, out);
    }

    fn part_ends(&self, sample: &Placed, at: i64, cost: usize) -> bool {
        if self.open.len() == 0 {
            return false;
        }
        if self.open.bytes + cost > MAX_PART_BYTES || self.open.len() >= MAX_PART_SAMPLES {
            return true;
        }
        let elapsed = at - self.open.start;
        if elapsed < self.part_target {
            return false;
        }
        if !self.setup.video || elapsed >= self.part_target + self.part_target / 2 {
            return true;
        }
        // Better at a picture than at a sound, and better still at a keyframe that is about to come.
        let next_keyframe = self.last_keyframe.zip(self.groups.back()).map(|(last, group)| last + group);
        let keyframe_near = next_keyframe.is_some_and(|next| next > at && next - at <= self.part_target / 2);
        sample.track == TrackKind::Video && !keyframe_near
    }

    /// Writes the open part; the next one starts at `until`.
    fn close_part(&mut self, until: i64, out: &mut VecDeque<Output>) {
        if self.open.len() == 0 {
            return;
        }
        let open = std::mem::take(&mut self.open);
        let bytes = match cmaf::fragment(self.setup.fragment, &open.video, &open.audio) {
            Ok(bytes) => bytes,
            // Sizes are bounded far below what boxes can say, so this does not happen; an empty fragment would be
            // worse than a hole.
            Err(_) => Bytes::new(),
        };
        self.setup.fragment = self.setup.fragment.wrapping_add(1).max(1);
        self.written += open.len() as u64;
        if !self.announced {
            self.announced = true;
            out.push_back(Output::Init(self.setup.init.clone()));
        }
        let keyframe = open.keyframe();
        let dependent = !open.video.is_empty() && !keyframe;
        let duration = Duration::from_micros(u64::try_from(until - open.start).unwrap_or(0));
        let part = Part { bytes, duration, independent: !dependent };
        out.push_back(Output::Part(part.clone()));
        self.closed_bytes += open.bytes;
        self.closed.push_back(ClosedPart { part, start: open.start, bytes: open.bytes, keyframe, dependent });
    }

    /// Ends the segment in progress after its first `count` parts; the rest starts the next one, at `end`.
    fn emit_segment(&mut self, count: usize, end: i64, out: &mut VecDeque<Output>) {
        let parts: Vec<_> = self.closed.drain(..count).collect();
        self.closed_bytes -= parts.iter().map(|part| part.bytes).sum::<usize>();
        // Each boundary is rounded, not each duration, so that durations add up to what the media has.
        let millis = |micros: i64| (micros + 500).div_euclid(1000);
        let duration = u64::try_from(millis(end) - millis(self.start)).unwrap_or(0).max(1);
        let independent = parts.iter().find(|part| part.keyframe || part.dependent).is_none_or(|part| part.keyframe);
        let segment = Segment {
            duration: Duration::from_millis(duration),
            start: Duration::from_millis(u64::try_from(millis(self.start)).unwrap_or(0)),
            independent,
            discontinuity: std::mem::take(&mut self.setup.discontinuity),
            init: self.setup.init.bytes.clone(),
            parts: parts.into_iter().map(|part| part.part).collect(),
        };
        out.push_back(Output::Segment(segment));
        self.start = end;
    }
}
