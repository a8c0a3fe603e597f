//! From RTMP timestamps to places on one timeline of a publication.
//!
//! Takes samples in the order they came. Unwraps their timestamps, notices jumps, waits for the first keyframe, snaps
//! audio to its sample grid, and gives each sample a decode time and a duration in its track's ticks: for that it
//! holds the last sample of each track until the next one comes.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::cmaf::VIDEO_TIMESCALE;
use super::output::Statistics;
use crate::media::{Sample, TrackKind};

/// Media may pause this long in all tracks, or as long as a segment may be where that is less: a longer step forward is
/// a jump.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// A track may begin this far behind the other; more is a jump.
const MAX_BEHIND_MS: i64 = 10_000;
/// A track's timestamps may go back this far, which encoders do by rounding; more is a jump.
const MAX_BACKWARD_MS: i64 = 500;
/// Audio this much before the first keyframe is kept; more would be heard with nothing to see, and the first segment
/// could not take a group of pictures as long as the target duration: it may exceed that by less than half a second.
const MAX_AUDIO_LEAD_MS: i64 = 400;
/// Audio frames kept while the first keyframe is awaited: the lead at 96 kHz.
const MAX_WAITING: usize = 64;
/// A track set with video starts without it once audio ran this long without a keyframe: a camera that failed.
const MAX_KEYFRAME_WAIT_MS: i64 = 10_000;
/// The first keyframe is placed here, so that audio before it, and pictures shown before it, have positive times.
const START_MS: i64 = 1000;
/// Beyond any reordering of pictures; protects the arithmetic.
const MAX_COMPOSITION_OFFSET_MS: i32 = 10_000;
/// Where the first keyframe has a negative offset, decode times are moved ahead so that offsets become positive:
/// FFmpeg's demuxer shifts the pictures of fragments with negative ones against the sound.
const NEGATIVE_OFFSET_LEAD_MS: i64 = 500;
/// Ticks of a millisecond.
const VIDEO_TICKS: i64 = VIDEO_TIMESCALE as i64 / 1000;
/// Audio timestamps are in milliseconds and jitter in addition: up to here the sample grid is believed.
const AUDIO_JITTER_MS: i64 = 20;
/// From here on audio is missing, or overlaps. Between the two, durations are stretched by `1 / AUDIO_SLEW`
/// until the grid meets the timestamps, so that a drifting clock never adds up.
const AUDIO_GAP_MS: i64 = 80;
const AUDIO_SLEW: i64 = 64;
/// Assumed for a lone video sample: 25 a second.
const LONE_VIDEO_DURATION: u32 = VIDEO_TIMESCALE / 25;
/// After a jump, this many samples of the other track may still be those of the timeline that has ended.
const MAX_STRAYS: u32 = 200;
/// And they lie this far behind its end at most.
const MAX_STRAY_MS: i32 = 2_000;

/// A sample in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) track: TrackKind,
    pub(crate) data: Bytes,
    pub(crate) keyframe: bool,
    /// Ticks of the track.
    pub(crate) decode_time: u64,
    pub(crate) duration: u32,
    pub(crate) composition_offset: i32,
    /// Its place among both tracks and its end, in microseconds: decode time, for video delayed to presentation.
    pub(crate) at: i64,
    pub(crate) end: i64,
}

impl Placed {
    /// A sample at a decode time with a duration and a composition offset, all in ticks; its place is the decode time, delayed by
    /// `delay` ticks.
    pub(crate) fn new(
        track: TrackKind,
        keyframe: bool,
        data: Bytes,
        (decode_time, duration, composition_offset): (u64, u32, i32),
        (timescale, delay): (u32, i64),
    ) -> Self {
        let micros =
            |ticks: i64| i64::try_from(i128::from(ticks) * 1_000_000 / i128::from(timescale)).unwrap_or(i64::MAX);
        let at = i64::try_from(decode_time).unwrap_or(i64::MAX).saturating_add(delay);
        Self {
            track,
            data,
            keyframe: keyframe || track == TrackKind::Audio,
            decode_time,
            duration,
            composition_offset,
            at: micros(at),
            end: micros(at.saturating_add(duration.into())),
        }
    }
}

/// What a sample means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on as before.
    Continues,
    /// Its timestamp jumps: the timeline before it is over.
    Jumps,
}

/// Ticks a second of the audio track, and of one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct AudioClock {
    pub(super) rate: u32,
    pub(super) frame: u32,
}

#[derive(Debug)]
struct Held {
    sample: Sample,
    decode_time: i64,
    composition_offset: i32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Timeline {
    video: bool,
    audio: Option<AudioClock>,
    /// How long all tracks may pause.
    max_pause: Duration,
    /// The last timestamp of any track: as sent, and unwrapped.
    last: Option<(u32, i64)>,
    /// The latest of all tracks, and of each, unwrapped.
    newest: i64,
    last_of: [Option<i64>; 2],
    /// Where the timeline before this one ended in each track, as sent.
    ended_at: [Option<u32>; 2],
    strays: u32,
    /// Unwrapped timestamp of time zero, once the first keyframe (audio alone: sample) was seen.
    origin: Option<i64>,
    /// Whether a keyframe was seen.
    video_started: bool,
    first_audio: Option<i64>,
    /// Milliseconds that decode times are earlier than the publisher's.
    decode_lead: i64,
    /// Ticks from the first keyframe's decode time to its presentation. Video is put in order, and cut, that much
    /// after its decode times, so that audio is divided where the pictures are.
    presentation_delay: i64,
    waiting: VecDeque<(Sample, i64)>,
    held_video: Option<Held>,
    held_audio: Option<Held>,
    last_video_duration: u32,
}

fn index(track: TrackKind) -> usize {
    match track {
        TrackKind::Video => 0,
        TrackKind::Audio => 1,
    }
}

impl Timeline {
    /// A timeline with these tracks; `audio` is the clock of its audio track. A pause of all tracks that does not fit
    /// a segment is a jump.
    pub(super) fn new(video: bool, audio: Option<AudioClock>, target_duration: Duration) -> Self {
        Self {
            video,
            audio,
            max_pause: target_duration.min(MAX_PAUSE),
            last: None,
            newest: 0,
            last_of: [None; 2],
            ended_at: [None; 2],
            strays: 0,
            origin: None,
            video_started: false,
            first_audio: None,
            decode_lead: 0,
            presentation_delay: 0,
            waiting: VecDeque::new(),
            held_video: None,
            held_audio: None,
            last_video_duration: LONE_VIDEO_DURATION,
        }
    }

    /// A fresh timeline after a jump out of this one, with the same tracks. [`Self::flush`] this one first.
    pub(super) fn after_jump(&self) -> Self {
        let mut next = Self::new(self.video, self.audio, self.max_pause);
        if let Some((last_raw, last)) = self.last {
            // Timestamps before 2³¹ milliseconds of this timeline's own end: the difference fits.
            next.ended_at = self.last_of.map(|at| at.map(|at| last_raw.wrapping_add((at - last) as u32)));
        }
        next
    }

    /// Whether the sample continues this timeline. Changes nothing.
    pub(super) fn examine(&self, sample: &Sample) -> Step {
        let Some(last) = self.last else { return Step::Continues };
        let at = unwrapped(sample.timestamp, last);
        let back = match self.last_of[index(sample.track)] {
            Some(own) => own - at > MAX_BACKWARD_MS,
            None => self.newest - at > MAX_BEHIND_MS,
        };
        let forward =
            u64::try_from(at - self.newest).is_ok_and(|millis| Duration::from_millis(millis) > self.max_pause);
        if (back || forward) && !self.is_stray(sample, at) { Step::Jumps } else { Step::Continues }
    }

    /// Takes a sample that [continues](Self::examine) the timeline; what became of earlier ones goes to `out`.
    pub(super) fn push(&mut self, sample: Sample, statistics: &mut Statistics, out: &mut Vec<Placed>) {
        let at = match self.last {
            Some(last) => unwrapped(sample.timestamp, last),
            None => i64::from(sample.timestamp as i32),
        };
        let own = index(sample.track);
        if self.last.is_some() && self.is_stray(&sample, at) {
            self.strays += 1;
            statistics.dropped_timestamps += 1;
            return;
        }
        self.ended_at[own] = None;
        self.newest = if self.last.is_none() { at } else { self.newest.max(at) };
        self.last = Some((sample.timestamp, at));
        self.last_of[own] = Some(self.last_of[own].map_or(at, |before| before.max(at)));
        match (sample.track, self.origin) {
            (TrackKind::Video, _) if !self.video_started && !sample.keyframe => statistics.dropped_before_keyframe += 1,
            (TrackKind::Video, _) if !self.video_started => self.start_video(sample, at, statistics, out),
            (TrackKind::Video, origin) => self.push_video(sample, at - origin.unwrap_or(at), out),
            (TrackKind::Audio, Some(origin)) => self.push_audio(sample, at - origin, statistics, out),
            (TrackKind::Audio, None) if self.video => self.wait_for_keyframe(sample, at, statistics, out),
            (TrackKind::Audio, None) => {
                self.origin = Some(at - START_MS);
                self.push_audio(sample, START_MS, statistics, out);
            }
        }
    }

    /// Releases what is held; the timeline is over.
    pub(super) fn flush(&mut self, statistics: &mut Statistics, out: &mut Vec<Placed>) {
        statistics.dropped_before_keyframe += self.waiting.len() as u64;
        self.waiting.clear();
        if let Some(held) = self.held_video.take() {
            out.push(placed(held, self.last_video_duration, VIDEO_TIMESCALE, self.presentation_delay));
        }
        if let (Some(held), Some(clock)) = (self.held_audio.take(), self.audio) {
            out.push(placed(held, clock.frame, clock.rate, 0));
        }
    }

    /// The first of its track here, close behind where that track ended on the timeline before, and far from here.
    fn is_stray(&self, sample: &Sample, at: i64) -> bool {
        let Some(ended_at) = self.ended_at[index(sample.track)] else { return false };
        let behind = sample.timestamp.wrapping_sub(ended_at) as i32;
        self.strays < MAX_STRAYS
            && (-(MAX_BACKWARD_MS as i32)..=MAX_STRAY_MS).contains(&behind)
            && (self.newest - at).abs() > MAX_BACKWARD_MS
    }

    fn wait_for_keyframe(&mut self, sample: Sample, at: i64, statistics: &mut Statistics, out: &mut Vec<Placed>) {
        let first = *self.first_audio.get_or_insert(at);
        self.waiting.push_back((sample, at));
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front();
            statistics.dropped_before_keyframe += 1;
        }
        if at - first > MAX_KEYFRAME_WAIT_MS {
            let earliest = self.waiting.iter().map(|(_, at)| *at).min().unwrap_or(at);
            self.release_waiting(earliest - START_MS, earliest, statistics, out);
        }
    }

    fn start_video(&mut self, keyframe: Sample, at: i64, statistics: &mut Statistics, out: &mut Vec<Placed>) {
        self.video_started = true;
        let delay = offset(&keyframe);
        if delay < 0 {
            self.decode_lead = NEGATIVE_OFFSET_LEAD_MS - delay;
        }
        self.presentation_delay = (delay + self.decode_lead) * VIDEO_TICKS;
        let shown = at + delay;
        let origin = self.origin.unwrap_or(shown - START_MS.max(delay + self.decode_lead));
        self.release_waiting(origin, shown - MAX_AUDIO_LEAD_MS, statistics, out);
        self.push_video(keyframe, at - origin, out);
    }

    /// Sets the origin and places the audio that waited for it, from `earliest` on.
    fn release_waiting(&mut self, origin: i64, earliest: i64, statistics: &mut Statistics, out: &mut Vec<Placed>) {
        self.origin = Some(origin);
        for (sample, at) in std::mem::take(&mut self.waiting) {
            if at < earliest {
                statistics.dropped_before_keyframe += 1;
            } else {
                self.push_audio(sample, at - origin, statistics, out);
            }
        }
    }

    fn push_video(&mut self, sample: Sample, at: i64, out: &mut Vec<Placed>) {
        let presentation = (at + offset(&sample)) * VIDEO_TICKS;
        let mut decode_time = ((at - self.decode_lead) * VIDEO_TICKS).max(0);
        if let Some(held) = self.held_video.take() {
            // Two samples with one timestamp, or a little disorder: decode times must rise all the same.
            decode_time = decode_time.max(held.decode_time + 1);
            let duration = u32::try_from(decode_time - held.decode_time).unwrap_or(u32::MAX);
            self.last_video_duration = duration;
            out.push(placed(held, duration, VIDEO_TIMESCALE, self.presentation_delay));
        }
        let composition_offset = i32::try_from(presentation - decode_time).unwrap_or(0);
        self.held_video = Some(Held { sample, decode_time, composition_offset });
    }

    fn push_audio(&mut self, sample: Sample, at: i64, statistics: &mut Statistics, out: &mut Vec<Placed>) {
        let Some(AudioClock { rate, frame }) = self.audio else {
            statistics.dropped_unusable += 1;
            return;
        };
        let (rate_ticks, frame_ticks) = (i64::from(rate), i64::from(frame));
        let wanted = at.saturating_mul(rate_ticks) / 1000;
        let mut decode_time = wanted;
        if let Some(held) = &self.held_audio {
            let expected = held.decode_time + frame_ticks;
            let difference = wanted - expected;
            let gap = (rate_ticks * AUDIO_GAP_MS / 1000).max(frame_ticks);
            let jitter = rate_ticks * AUDIO_JITTER_MS / 1000;
            decode_time = match difference {
                _ if difference < -gap => {
                    statistics.dropped_timestamps += 1;
                    return;
                }
                _ if difference > gap => wanted,
                _ if difference > jitter => expected + frame_ticks / AUDIO_SLEW,
                _ if difference < -jitter => expected - frame_ticks / AUDIO_SLEW,
                _ => expected,
            };
        } else if wanted < 0 {
            statistics.dropped_timestamps += 1;
            return;
        }
        if let Some(held) = self.held_audio.take() {
            let duration = u32::try_from(decode_time - held.decode_time).unwrap_or(u32::MAX);
            out.push(placed(held, duration, rate, 0));
        }
        self.held_audio = Some(Held { sample, decode_time, composition_offset: 0 });
    }
}

/// A timestamp next to the last one, as sent and unwrapped. RTMP's wrap at 2³² ms (§5.3.1), those of FFmpeg's FLV muxer
/// at 2³¹: the smaller wrap serves both.
fn unwrapped(timestamp: u32, (last_raw, last): (u32, i64)) -> i64 {
    last + i64::from(((timestamp.wrapping_sub(last_raw) << 1) as i32) >> 1)
}

fn offset(sample: &Sample) -> i64 {
    sample.composition_offset.clamp(-MAX_COMPOSITION_OFFSET_MS, MAX_COMPOSITION_OFFSET_MS).into()
}

fn placed(held: Held, duration: u32, timescale: u32, delay: i64) -> Placed {
    let Held { sample, decode_time, composition_offset } = held;
    let times = (u64::try_from(decode_time).unwrap_or(0), duration, composition_offset);
    Placed::new(sample.track, sample.keyframe, sample.data, times, (timescale, delay))
}
