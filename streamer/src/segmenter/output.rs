//! What comes out of the segmenter.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use stream_model::Tracks;

use crate::media::TrackKind;

/// One step of output. They come in the order in which they are to be used: the tracks before the first
/// initialization section, it before its parts, parts before the segment that they make up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Which tracks the publication has: once, and again after each [`discontinuity`](super::Segmenter::discontinuity).
    TracksKnown(Tracks),
    /// The initialization section of all segments from here on, at the beginning of each timeline: before the first
    /// part, and after each discontinuity, even where its bytes stay the same.
    Init(InitSection),
    /// A fragment is complete. It belongs to the segment in progress or, where that turns out too long and is cut
    /// at an earlier keyframe, to the next one: [`Segment::parts`] says so.
    Part(Part),
    /// A segment is complete.
    Segment(Segment),
    /// Something that the publisher or the node's owner should know.
    Warning(Warning),
}

/// An initialization section (RFC 8216 §3.3): `ftyp` and `moov`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitSection {
    /// Its bytes.
    pub bytes: Bytes,
    /// Codec strings for `CODECS` attributes (RFC 6381), video first: `avc1.64001f`, `mp4a.40.2`.
    pub codecs: Vec<String>,
    /// Picture width and height in pixels, where there is video.
    pub resolution: Option<(u32, u32)>,
}

/// One CMAF fragment: `moof` and `mdat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its bytes.
    pub bytes: Bytes,
    /// Length of its media, from its first sample to the first of the next part.
    pub duration: Duration,
    /// Whether it starts with a keyframe (or carries audio alone).
    pub independent: bool,
}

/// One media segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its fragments: what [`Output::Part`] gave before, the bytes shared. Never empty.
    pub parts: Vec<Part>,
    /// Bytes of the initialization section that it needs: what the last [`Output::Init`] gave, shared.
    pub init: Bytes,
    /// Length of its media, whole milliseconds, above zero. Rounded to whole seconds it never exceeds the target duration.
    pub duration: Duration,
    /// Where it starts on its timeline. Each timeline starts within its first two seconds; between the segments of
    /// one timeline, the difference of starts is the duration.
    pub start: Duration,
    /// Whether it starts with a keyframe (or carries audio alone) and so can be decoded alone.
    pub independent: bool,
    /// Whether a discontinuity lies before it (RFC 8216 §4.3.2.3). False for the first segment of all, unless
    /// [`discontinuity`](super::Segmenter::discontinuity) was called before it.
    pub discontinuity: bool,
}

impl Segment {
    /// Bytes of all its parts.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// Whether it has no bytes, which does not happen.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// What the publisher should know, once for each kind and publication. [`fmt::Display`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Keyframes are further apart than the target duration: segments are cut anyway and cannot be decoded alone.
    KeyframesTooFarApart {
        /// The longest segment there may be.
        target_duration: Duration,
    },
    /// A segment was cut early because its bytes reached the limit.
    SegmentTooLarge {
        /// The limit.
        limit: usize,
    },
    /// A sample was dropped because it is over the limit.
    SampleTooLarge {
        /// Of this track.
        track: TrackKind,
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A track that was not there when the tracks were fixed; its samples are dropped.
    LateTrack(TrackKind),
    /// Codec parameters that are not understood; the samples that need them are dropped.
    BadConfig {
        /// Of this track.
        track: TrackKind,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// Timestamps jump so often that the media between the jumps is too short to be used.
    UnstableTimestamps,
    /// A video profile for more than 8 bits or 4:2:0. It is carried on.
    BeyondHighProfile,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyframesTooFarApart { target_duration } => write!(
                f,
                "keyframes are more than {} s apart: set a keyframe interval of 2 s \
                 (OBS: Output → Keyframe Interval; ffmpeg: -g with twice the frame rate)",
                target_duration.as_secs()
            ),
            Self::SegmentTooLarge { limit } => {
                write!(f, "a segment reached {} MiB and was cut early: set a lower bitrate", limit >> 20)
            }
            Self::SampleTooLarge { track, bytes, limit } => {
                write!(
                    f,
                    "dropped a {} sample of {bytes} bytes, over the limit of {limit}: set a lower bitrate",
                    name(*track)
                )
            }
            Self::LateTrack(track) => write!(
                f,
                "{} began after the tracks of the broadcast were fixed and is left out: publish again to include it",
                name(*track)
            ),
            Self::BadConfig { track, reason } => {
                write!(f, "cannot use the {} parameters: {reason}", name(*track))
            }
            Self::UnstableTimestamps => f.write_str(
                "timestamps keep jumping and media is lost: restart the encoder, and check its clock and filters",
            ),
            Self::BeyondHighProfile => f.write_str(
                "this H.264 profile is for 4:2:2, 4:4:4 or 10 bits, which phones and most browsers do not play: send 8 bits \
                 and 4:2:0 (OBS: Settings → Advanced → Color Format NV12; ffmpeg: -pix_fmt yuv420p; GStreamer: \
                 video/x-raw,format=I420 before the encoder)",
            ),
        }
    }
}

fn name(track: TrackKind) -> &'static str {
    match track {
        TrackKind::Video => "video",
        TrackKind::Audio => "audio",
    }
}

/// What became of the samples, over the whole life of a segmenter. `received` is the sum of the others once it was
/// [finished](super::Segmenter::finish).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Samples given to it.
    pub received: u64,
    /// Samples that are in parts.
    pub written: u64,
    /// Samples dropped because no keyframe came before them: at the beginning, and after a hole or a jump.
    pub dropped_before_keyframe: u64,
    /// Samples dropped because they were too large, or without (usable) codec parameters, or of a track that is not
    /// one of the publication's.
    pub dropped_unusable: u64,
    /// Samples dropped because of their timestamps: audio that overlaps earlier audio, strays of a timeline that has
    /// ended, media between two jumps that is too short.
    pub dropped_timestamps: u64,
}
