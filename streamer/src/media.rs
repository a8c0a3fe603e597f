//! What ingest hands to the segmenter: codec parameters and encoded samples, as the publisher sent them.

use bytes::Bytes;
use stream_model::StreamName;
use tokio::sync::mpsc;

/// A track of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// H.264.
    Video,
    /// AAC.
    Audio,
}

/// One encoded access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its track.
    pub track: TrackKind,
    /// Decode time: the RTMP timestamp in milliseconds, which wraps at 2³² and may jump.
    pub timestamp: u32,
    /// Presentation time less decode time, milliseconds; negative values occur. 0 for audio.
    pub composition_offset: i32,
    /// Whether decoding can start here. Always true for audio.
    pub keyframe: bool,
    /// H.264: NAL units behind lengths as the decoder configuration record says. AAC: one raw frame.
    pub data: Bytes,
}

/// One step of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// What the publisher's metadata promises, before any media; absent where it sends none.
    Expect {
        /// A video track will come.
        video: bool,
        /// An audio track will come.
        audio: bool,
    },
    /// AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1); may come again, changed.
    VideoConfig(Bytes),
    /// AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1); may come again, changed.
    AudioConfig(Bytes),
    /// A sample of a track whose configuration came before.
    Sample(Sample),
    /// Samples were dropped here because what lies behind was too slow: the media has a hole.
    Lost,
}

/// A publisher that was let in. Its end is the end of `events`.
#[derive(Debug)]
pub struct Publication {
    /// The stream name it publishes under. One publication a name at a time: a new one replaces the old.
    pub name: StreamName,
    /// The `title` of its metadata, where it sends one; untrusted, at most 200 characters.
    pub title: Option<String>,
    /// What it sends. Bounded; ingest drops and counts what does not fit, and never waits.
    pub events: mpsc::Receiver<MediaEvent>,
}
