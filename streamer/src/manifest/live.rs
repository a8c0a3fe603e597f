//! The live playlist of one node: append-only, as RFC 8216 §6.2.1 asks.
//!
//! Announcements and arrivals of segments come in, in any order; entries are listed in order only. A segment that
//! does not arrive before its deadline is listed as `EXT-X-GAP` for good. Time is an argument: any monotonic
//! [`Duration`] since some fixed point.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stream_model::{MediaSegment, MediaSequence};

use super::playlist::{MediaPlaylist, PlaylistEntry};

/// How a live playlist behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePlaylistConfig {
    /// Whole seconds, from the announcement of the broadcast.
    pub target_duration: Duration,
    /// The most entries listed (`segment.live_window`), at least 1.
    pub window: usize,
    /// How long a segment is waited for once it, or a later one, was announced.
    pub patience: Duration,
}

/// What has to outlive a restart so that the playlist goes on where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// What is listed, oldest first; may be empty.
    pub entries: Vec<PlaylistEntry>,
    /// The number that is listed next.
    pub next: MediaSequence,
    /// Whether `EXT-X-INDEPENDENT-SEGMENTS` may still be written.
    pub independent_segments: bool,
    /// Whether `EXT-X-ENDLIST` was written.
    pub ended: bool,
}

/// The state machine. After each call, [`LivePlaylist::playlist`] and [`LivePlaylist::head`] are up to date; persist the
/// head before showing the playlist to anybody.
#[derive(Debug)]
pub struct LivePlaylist {
    config: LivePlaylistConfig,
    head: Head,
}

impl LivePlaylist {
    /// An empty playlist whose first entry will be `first`.
    pub fn new(config: LivePlaylistConfig, first: MediaSequence) -> Self {
        let head = Head { entries: Vec::new(), next: first, independent_segments: true, ended: false };
        Self::restore(config, head)
    }

    /// A playlist that goes on where an earlier one was.
    pub fn restore(config: LivePlaylistConfig, head: Head) -> Self {
        Self { config, head }
    }

    /// A segment was announced; it is waited for from now on. `held` tells whether it is here already. Announced
    /// again, the first announcement counts. Returns whether the playlist changed.
    pub fn handle_announced(&mut self, segment: &MediaSegment, held: bool, now: Duration) -> bool {
        let _ = (segment, held, now);
        false
    }

    /// A segment is here, whole. Unknown and already listed ones are ignored. Returns whether the playlist changed.
    pub fn handle_arrived(&mut self, sequence: MediaSequence, now: Duration) -> bool {
        let _ = (sequence, now);
        false
    }

    /// The broadcast has ended, and `end` is the number after its last segment. Returns whether the playlist changed.
    pub fn handle_ended(&mut self, end: MediaSequence, now: Duration) -> bool {
        let _ = (end, now);
        false
    }

    /// Time has passed: lists as gaps what is overdue. Returns whether the playlist changed.
    pub fn handle_timeout(&mut self, now: Duration) -> bool {
        let _ = now;
        false
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn next_timeout(&self) -> Option<Duration> {
        None
    }

    /// The playlist as it is now; without entries where nothing was listed yet.
    pub fn playlist(&self) -> MediaPlaylist {
        MediaPlaylist {
            kind: super::PlaylistKind::Live,
            target_duration: self.config.target_duration,
            independent_segments: self.head.independent_segments,
            ended: self.head.ended,
            entries: self.head.entries.clone(),
        }
    }

    /// What to persist.
    pub fn head(&self) -> &Head {
        &self.head
    }
}
