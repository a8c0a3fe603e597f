//! A media playlist (RFC 8216, and its successor draft-pantos-hls-rfc8216bis for `EXT-X-GAP`) as a value, and its
//! text. Names of segments and initialization sections follow from their sequence numbers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stream_model::{DiscontinuitySequence, MediaSegment, MediaSequence, WallTime};

/// What may still happen to a playlist (RFC 8216 §4.3.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaylistKind {
    /// Rolling: loses its beginning; no `EXT-X-PLAYLIST-TYPE`.
    Live,
    /// Only grows: `EVENT`.
    Event,
    /// Never changes again: `VOD`.
    Vod,
}

/// One media segment, or its absence, in a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaylistEntry {
    /// Number of the segment.
    pub media_sequence: MediaSequence,
    /// Discontinuities up to and including it.
    pub discontinuity_sequence: DiscontinuitySequence,
    /// Length of its media; written in whole milliseconds.
    pub duration: Duration,
    /// Wall-clock time of its first sample, where it is trusted.
    pub program_date_time: Option<WallTime>,
    /// Whether it can be decoded alone.
    pub independent: bool,
    /// It is not there and will not come: `EXT-X-GAP`.
    pub gap: bool,
}

impl From<&MediaSegment> for PlaylistEntry {
    fn from(segment: &MediaSegment) -> Self {
        Self {
            media_sequence: segment.media_sequence,
            discontinuity_sequence: segment.discontinuity_sequence,
            duration: segment.duration,
            program_date_time: segment.program_date_time,
            independent: segment.independent,
            gap: false,
        }
    }
}

/// A media playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// What may still happen to it.
    pub kind: PlaylistKind,
    /// Whole seconds that no segment exceeds once rounded.
    pub target_duration: Duration,
    /// Whether all segments can be decoded alone: `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent_segments: bool,
    /// Nothing will be added: `EXT-X-ENDLIST`.
    pub ended: bool,
    /// Its segments: media sequence numbers rise by one, discontinuity sequence numbers never fall.
    pub entries: Vec<PlaylistEntry>,
}

impl MediaPlaylist {
    /// The text (UTF-8, RFC 8216 §4.1).
    pub fn render(&self) -> String {
        String::new()
    }
}
