//! `EXT-X-PROGRAM-DATE-TIME` on machines whose clock may be years off, or jump (a Raspberry Pi has no clock that runs
//! without power).
//!
//! A timeline of media is anchored to the wall clock once, at its discontinuity, and runs on by media time alone: a
//! clock that is set meanwhile moves nothing. A clock that cannot be right is not used at all. Pure.

use std::fmt;
use std::time::Duration;

use stream_model::WallTime;

/// 2026-11-01T00:00:00Z. This program did not exist before: a clock that says so is wrong.
pub const EARLIEST: WallTime = WallTime(1_793_491_200_000);

/// A clock may go back by this much, as NTP does when it corrects one; more is a clock that was set.
const SLACK: Duration = Duration::from_secs(1);

/// Where the wall-clock time comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now, as far as this machine knows.
    fn wall(&self) -> WallTime;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> WallTime {
        WallTime::now()
    }
}

/// Whether `now` can be right: not before the program was written, and not before a time that was seen already.
pub(super) fn is_trusted(now: WallTime, newest_seen: Option<WallTime>) -> bool {
    now >= EARLIEST && newest_seen.is_none_or(|newest| now.after(SLACK) >= newest)
}

/// Dates the segments of one broadcast.
#[derive(Debug, Default)]
pub(super) struct ProgramClock {
    /// Media time and wall time of one point of the current timeline, where the clock was trusted at its beginning.
    anchor: Option<(Duration, WallTime)>,
    anchored: bool,
}

impl ProgramClock {
    /// The wall time at which a segment's first sample was taken. `start` is its place on its timeline, `new_timeline`
    /// tells that a discontinuity lies before it, `complete_at` is the trusted wall time at which it was complete.
    pub(super) fn date(
        &mut self,
        start: Duration,
        duration: Duration,
        new_timeline: bool,
        complete_at: Option<WallTime>,
    ) -> Option<WallTime> {
        if new_timeline || !self.anchored {
            self.anchored = true;
            self.anchor = complete_at.map(|at| (start, before(at, duration)));
        }
        let (anchor_start, anchor_wall) = self.anchor?;
        Some(anchor_wall.after(start.checked_sub(anchor_start)?))
    }
}

fn before(time: WallTime, duration: Duration) -> WallTime {
    WallTime(time.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Duration = Duration::from_secs(14);
    const NOON: WallTime = WallTime(1_795_000_000_000);

    #[test]
    fn a_clock_from_before_the_program_is_not_trusted() {
        assert!(!is_trusted(WallTime(0), None));
        assert!(!is_trusted(WallTime(EARLIEST.0 - 1), None));
        assert!(is_trusted(EARLIEST, None));
    }

    #[test]
    fn a_clock_that_went_back_is_not_trusted() {
        assert!(!is_trusted(NOON, Some(NOON.after(SEGMENT))));
        assert!(is_trusted(NOON, Some(NOON)));
    }

    #[test]
    fn a_timeline_runs_on_by_media_time_whatever_the_clock_does() {
        let mut clock = ProgramClock::default();
        let first = clock.date(Duration::from_secs(1), SEGMENT, false, Some(NOON.after(SEGMENT)));
        assert_eq!(first, Some(NOON));
        for complete_at in [None, Some(WallTime(0)), Some(NOON.after(Duration::from_secs(86_400)))] {
            let second = clock.date(Duration::from_secs(15), SEGMENT, false, complete_at);
            assert_eq!(second, Some(NOON.after(SEGMENT)));
        }
    }

    #[test]
    fn a_discontinuity_anchors_again() {
        let mut clock = ProgramClock::default();
        assert_eq!(clock.date(Duration::ZERO, SEGMENT, false, None), None, "not trusted yet");
        assert_eq!(clock.date(SEGMENT, SEGMENT, false, Some(NOON)), None, "trusted, but within the timeline");
        let later = NOON.after(Duration::from_secs(60));
        assert_eq!(clock.date(Duration::ZERO, SEGMENT, true, Some(later.after(SEGMENT))), Some(later));
    }
}
