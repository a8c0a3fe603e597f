//! Counters and facts of media, as RFC 8216 names them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cid::Cid;
use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter! {
    /// Number of a media segment in its broadcast, from 0; never reused, never going back (RFC 8216 §3).
    MediaSequence
}
counter! {
    /// Number of discontinuities up to and including a segment (RFC 8216 §4.3.3.3).
    DiscontinuitySequence
}
counter! {
    /// Number of a message in its SSB feed, from 1 (SSB protocol guide, "Message format").
    FeedSequence
}

/// A point of wall-clock time: milliseconds since 1970-01-01T00:00:00Z. A label, never an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Now, by the system's clock, which on a Pi may be years off.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The point `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Which tracks a broadcast has. Fixed for its whole length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tracks {
    /// H.264 video.
    pub video: bool,
    /// AAC audio.
    pub audio: bool,
}

/// What is known of one media segment once it is stored (RFC 8216 §3): the unit that is announced, fetched and
/// listed in playlists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSegment {
    /// Its number in the broadcast.
    pub media_sequence: MediaSequence,
    /// Discontinuities up to and including this segment.
    pub discontinuity_sequence: DiscontinuitySequence,
    /// Length of its media.
    pub duration: Duration,
    /// Wall-clock time of its first sample, where the publisher's clock is trusted.
    pub program_date_time: Option<WallTime>,
    /// Whether it starts with a keyframe and so can be decoded alone.
    pub independent: bool,
    /// The UnixFS file of `moof`+`mdat` fragments.
    pub segment: Cid,
    /// The UnixFS file of its initialization section (`ftyp`+`moov`).
    pub init: Cid,
}

impl MediaSegment {
    /// The file name in manifests and URLs: `{mediaSequence}.m4s`.
    pub fn file_name(&self) -> String {
        format!("{}.m4s", self.media_sequence)
    }

    /// The initialization section's file name, `init-N.mp4`. An initialization section changes only at a
    /// discontinuity, so N is the discontinuity sequence: the same on each node, with nothing remembered.
    pub fn init_name(&self) -> String {
        format!("init-{}.mp4", self.discontinuity_sequence)
    }
}
