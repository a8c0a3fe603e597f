//! Which announced segments of a broadcast are still to be fetched, and in which order: newest first. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use stream_model::{MediaSegment, MediaSequence};

/// Segments wanted at once of one broadcast. After an outage the oldest beyond it are left to the archive and to
/// viewers who ask for them.
const MOST: usize = 64;
/// Tries before a segment is left to viewers who ask for it.
const TRIES: u32 = 3;
/// Wait before a segment that did not come is tried again; it may have reached a nearer peer meanwhile.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Want {
    segment: MediaSegment,
    tries: u32,
    not_before: Duration,
    running: bool,
}

/// What a follower should do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Fetch this one.
    Fetch(Box<MediaSegment>),
    /// Stop fetching this one for now: a newer one needs its place.
    Abandon(MediaSequence),
}

/// The wanted segments of one broadcast. Time is a monotonic [`Duration`] since some fixed point.
#[derive(Debug, Default)]
pub(super) struct Wants {
    wants: BTreeMap<MediaSequence, Want>,
}

impl Wants {
    /// A segment was announced and is not here. Returns one that is given up to make room.
    pub(super) fn insert(&mut self, segment: MediaSegment) -> Option<MediaSequence> {
        let sequence = segment.media_sequence;
        let want = Want { segment, tries: 0, not_before: Duration::ZERO, running: false };
        self.wants.entry(sequence).or_insert(want);
        if self.wants.len() <= MOST {
            return None;
        }
        self.wants.pop_first().map(|(oldest, _)| oldest)
    }

    /// What to do with `slots` places for fetches.
    pub(super) fn poll_order(&mut self, slots: usize, now: Duration) -> Option<Order> {
        let running = self.wants.values().filter(|want| want.running).count();
        let newest = self.wants.values_mut().rev().find(|want| !want.running && want.not_before <= now)?;
        if running < slots {
            newest.running = true;
            return Some(Order::Fetch(Box::new(newest.segment.clone())));
        }
        let newest = newest.segment.media_sequence;
        let (oldest, want) = self.wants.iter_mut().find(|(_, want)| want.running)?;
        if *oldest > newest {
            return None;
        }
        want.running = false;
        Some(Order::Abandon(*oldest))
    }

    /// A fetch did not deliver; `hopeless` where another try would not either. False where it is given up.
    pub(super) fn handle_failed(&mut self, sequence: MediaSequence, hopeless: bool, now: Duration) -> bool {
        let Some(want) = self.wants.get_mut(&sequence) else { return false };
        want.running = false;
        want.tries += 1;
        want.not_before = now + PAUSE;
        let again = !hopeless && want.tries < TRIES;
        if !again {
            self.wants.remove(&sequence);
        }
        again
    }

    /// It is here.
    pub(super) fn handle_held(&mut self, sequence: MediaSequence) {
        self.wants.remove(&sequence);
    }

    /// When a pause ends, if that is what is waited for.
    pub(super) fn next_timeout(&self, now: Duration) -> Option<Duration> {
        self.wants.values().filter(|want| !want.running && want.not_before > now).map(|want| want.not_before).min()
    }

    /// Whether nothing is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use stream_model::{Cid, DiscontinuitySequence};

    use super::*;

    fn segment(number: u64) -> MediaSegment {
        MediaSegment {
            media_sequence: MediaSequence(number),
            discontinuity_sequence: DiscontinuitySequence(0),
            duration: Duration::from_secs(2),
            program_date_time: None,
            independent: true,
            segment: Cid::default(),
            init: Cid::default(),
        }
    }

    fn wanted(numbers: impl IntoIterator<Item = u64>) -> Wants {
        let mut wants = Wants::default();
        for number in numbers {
            wants.insert(segment(number));
        }
        wants
    }

    fn fetched(wants: &mut Wants, slots: usize, now: Duration) -> Vec<u64> {
        let orders = std::iter::from_fn(|| wants.poll_order(slots, now));
        orders
            .map(|order| match order {
                Order::Fetch(segment) => segment.media_sequence.0,
                Order::Abandon(sequence) => panic!("abandons {sequence}"),
            })
            .collect()
    }

    #[test]
    fn the_newest_is_fetched_first_within_the_slots() {
        let mut wants = wanted([1, 3, 2]);
        assert_eq!(fetched(&mut wants, 2, Duration::ZERO), [3, 2]);
        wants.handle_held(MediaSequence(3));
        assert_eq!(fetched(&mut wants, 2, Duration::ZERO), [1]);
    }

    #[test]
    fn a_newer_segment_takes_the_place_of_the_oldest() {
        let mut wants = wanted([1, 2]);
        fetched(&mut wants, 2, Duration::ZERO);
        wants.insert(segment(3));
        assert_eq!(wants.poll_order(2, Duration::ZERO), Some(Order::Abandon(MediaSequence(1))));
        assert_eq!(fetched(&mut wants, 2, Duration::ZERO), [3], "and the abandoned one waits for a free place");
    }

    #[test]
    fn failures_pause_and_then_give_up() {
        let mut wants = wanted([1]);
        let mut now = Duration::ZERO;
        for _ in 1..TRIES {
            assert_eq!(fetched(&mut wants, 1, now), [1]);
            assert!(wants.handle_failed(MediaSequence(1), false, now));
            assert_eq!(fetched(&mut wants, 1, now), [] as [u64; 0], "pauses");
            now = wants.next_timeout(now).unwrap();
        }
        assert_eq!(fetched(&mut wants, 1, now), [1]);
        assert!(!wants.handle_failed(MediaSequence(1), false, now));
        assert!(wants.is_empty());
    }

    #[test]
    fn a_hopeless_one_is_not_tried_again() {
        let mut wants = wanted([1]);
        fetched(&mut wants, 1, Duration::ZERO);
        assert!(!wants.handle_failed(MediaSequence(1), true, Duration::ZERO));
    }

    #[test]
    fn a_flood_of_announcements_is_bounded() {
        let wants = wanted(0..10_000);
        assert_eq!(wants.wants.len(), MOST);
        assert!(wants.wants.contains_key(&MediaSequence(9_999)), "the newest stay");
    }
}
