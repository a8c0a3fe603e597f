//! The course of a broadcast from its beginning: what of it is here, and where its hours begin.

use std::time::Duration;

use crate::{MediaSequence, Period, WallTime};

/// What there is of a stretch of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpanState {
    /// It is here.
    Held,
    /// It, or a part of it, is to be fetched from other nodes when it is asked for.
    Elsewhere,
    /// Nothing says what belongs there.
    Gap,
}

impl SpanState {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Elsewhere => "elsewhere",
            Self::Gap => "gap",
        }
    }
}

/// Consecutive segments of which the same is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What there is of them.
    pub state: SpanState,
    /// The first.
    pub first: MediaSequence,
    /// How many.
    pub segments: u64,
    /// Where they begin.
    pub from: Duration,
    /// How long they are together.
    pub duration: Duration,
}

/// An hour of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourMark {
    /// Its first segment that is known, by which the playlist of the hour is asked for.
    pub first: MediaSequence,
    /// Where it begins.
    pub from: Duration,
    /// The hour by the publisher's clock, where that is trusted.
    pub period: Option<Period>,
    /// When its first segment began, likewise.
    pub program_date_time: Option<WallTime>,
    /// No segment will be added.
    pub complete: bool,
}

/// A broadcast on the time line of the playlist of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastTimeline {
    /// Its length; the live edge while it is live.
    pub duration: Duration,
    /// Nothing will be added.
    pub ended: bool,
    /// All of it without holes, in order. Their number is bounded: where it changes too often, spans tell of several segments.
    pub spans: Vec<Span>,
    /// Its hours in order.
    pub hours: Vec<HourMark>,
}
