//! How many renditions the processor bears: the last of the ladder are left out where encoding takes longer than the media plays,
//! and tried again later. Pure.

use std::time::Duration;

/// Encoding may take this part of what the media plays, in percent: the rest is for everything else.
const BUSY_PERCENT: u32 = 90;
/// One more is tried where it would then take at most this, by what the others take each.
const ROOM_PERCENT: u32 = 70;
/// Media until one more is tried again, the first time; doubled each time that it was too much.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);

/// See the module. Time is that of the media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overload {
    wanted: usize,
    borne: usize,
    /// Until one more may be tried.
    pause: Duration,
    next_pause: Duration,
}

/// What changes for the segments to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The last of those that were made is left out.
    Fewer,
    /// One more is made.
    More,
}

impl Overload {
    /// All of so many are made at first.
    pub(crate) fn new(wanted: usize) -> Self {
        Self { wanted, borne: wanted, pause: Duration::ZERO, next_pause: FIRST_PAUSE }
    }

    /// How many of them are made, from the beginning of the ladder.
    pub(crate) fn borne(&self) -> usize {
        self.borne
    }

    /// A segment of this length took so long to encode in all of them.
    pub(crate) fn handle_encoded(&mut self, media: Duration, took: Duration) -> Option<Change> {
        self.pause = self.pause.saturating_sub(media);
        let percent = |share: u32| media * share / 100;
        if took > percent(BUSY_PERCENT) {
            return self.fewer();
        }
        let made = u32::try_from(self.borne.max(1)).unwrap_or(u32::MAX);
        let with_one_more = took / made * made.saturating_add(1);
        let has_room = self.borne == 0 || with_one_more <= percent(ROOM_PERCENT);
        if self.borne < self.wanted && self.pause.is_zero() && has_room {
            self.borne += 1;
            return Some(Change::More);
        }
        None
    }

    /// A segment of this length was passed over: those before it were not done.
    pub(crate) fn handle_skipped(&mut self, media: Duration) -> Option<Change> {
        self.pause = self.pause.saturating_sub(media);
        self.fewer()
    }

    fn fewer(&mut self) -> Option<Change> {
        if self.borne == 0 {
            return None;
        }
        self.borne -= 1;
        self.pause = self.next_pause;
        self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
        Some(Change::Fewer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Duration = Duration::from_secs(15);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn what_is_too_much_is_left_out_from_the_end() {
        let mut load = Overload::new(2);
        assert_eq!(load.handle_encoded(SEGMENT, seconds(13.0)), None);
        assert_eq!(load.handle_encoded(SEGMENT, seconds(14.0)), Some(Change::Fewer));
        assert_eq!(load.handle_skipped(SEGMENT), Some(Change::Fewer));
        assert_eq!((load.borne(), load.handle_skipped(SEGMENT)), (0, None), "there is nothing left to leave out");
    }

    #[test]
    fn one_more_is_tried_where_there_is_room_and_later_each_time_that_it_was_too_much() {
        let mut load = Overload::new(2);
        let mut segments = 0;
        for longer in [4, 8, 16] {
            assert_eq!(load.handle_encoded(SEGMENT, seconds(20.0)), Some(Change::Fewer));
            segments = 0;
            while load.handle_encoded(SEGMENT, seconds(3.0)).is_none() {
                segments += 1;
                assert!(segments < 1_000);
            }
            assert_eq!(segments + 1, longer);
            assert_eq!(load.borne(), 2);
        }
        assert_eq!(segments, 15);
    }

    #[test]
    fn one_more_is_not_tried_where_those_that_are_made_leave_no_room() {
        let mut load = Overload::new(2);
        load.handle_skipped(SEGMENT);
        for _ in 0..100 {
            assert_eq!(load.handle_encoded(SEGMENT, seconds(6.0)), None, "two would take 12 s");
        }
        assert_eq!(load.handle_encoded(SEGMENT, seconds(5.0)), Some(Change::More));
    }

    #[test]
    fn where_nothing_is_made_one_is_tried_after_the_pause() {
        let mut load = Overload::new(1);
        load.handle_skipped(SEGMENT);
        let more = (0..5).map(|_| load.handle_encoded(SEGMENT, Duration::ZERO)).position(|change| change.is_some());
        assert_eq!(more, Some(3));
    }
}
