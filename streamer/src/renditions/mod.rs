//! A broadcast in other encodings, for links that the original is too much for: which there are to be, and how they are made.
//!
//! ```text
//! Segment ─► Samples ─┬─ pictures ─► Encoder ═ rendition-worker (GStreamer) ═► pictures ─┬─► Segment
//!  original           └─ sound, untouched ───────────────────────────────────────────────┘   rendition
//! ```
//!
//! One stored segment after the other is encoded, apart from the others: its first picture is a keyframe there as here, so that
//! the segments of all renditions have the same boundaries. Who publishes them is [`crate::broadcast`].

mod encoder;
mod framing;
mod ladder;
mod making;
mod overload;
#[cfg(feature = "gstreamer")]
mod pipeline;
#[cfg(feature = "gstreamer")]
mod sheet;
#[cfg(feature = "gstreamer")]
mod worker;

pub use self::ladder::{BadLadder, Ladder, Rung, RungKind};
#[cfg(feature = "gstreamer")]
pub use self::worker::work;

pub(crate) use self::encoder::{EncodeError, Encoder};
pub(crate) use self::framing::Sheet;
pub(crate) use self::making::{Made, Making, rate};
pub(crate) use self::overload::{Change, Overload};

/// How renditions are made.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Which there are to be; none makes none.
    pub ladder: Ladder,
    /// Whether there are to be those of broadcasts of whom this node follows, where they make none themselves.
    pub of_others: bool,
    /// Whether there are to be pictures to look through a broadcast with.
    pub thumbnails: bool,
    /// How an encoder's process is started; `None` where this program has none, which leaves sound alone.
    pub worker: Option<crate::camera::WorkerCommand>,
}
