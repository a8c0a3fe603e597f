//! The scheduler on a clock moved by hand, and over links that carry a part of a broadcast.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use stream_model::{Cid, DiscontinuitySequence};

use super::*;

const MEDIA: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(6);

fn segment(number: u64) -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(number),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: MEDIA,
        program_date_time: None,
        independent: true,
        segment: Cid::default(),
        init: Cid::default(),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wanted(numbers: impl IntoIterator<Item = u64>) -> Wants {
    let mut wants = Wants::default();
    for number in numbers {
        wants.insert(segment(number), PATIENCE);
    }
    wants
}

/// Wants over a link that was measured: so many seconds for each second of media.
fn paced(numbers: impl IntoIterator<Item = u64>, pace: f64) -> Wants {
    let mut wants = wanted(numbers);
    wants.pace.seconds = Some(pace);
    wants
}

fn fetched(wants: &mut Wants, now: Duration) -> Vec<u64> {
    let orders = std::iter::from_fn(|| wants.poll_order(now));
    orders
        .map(|order| match order {
            Order::Fetch(segment) => segment.media_sequence.0,
            Order::Abandon(sequence) => panic!("abandons {sequence}"),
        })
        .collect()
}

fn moves(wants: &mut Wants, number: u64, bytes: u64, now: Duration) {
    let progress = FetchProgress { bytes, total_bytes: 100, quiet_for: Duration::ZERO };
    wants.handle_progress(MediaSequence(number), progress, now);
}

#[test]
fn the_newest_is_fetched_first_and_alone_until_the_link_is_known_to_be_fast() {
    let mut wants = wanted([1, 3, 2, 0, 4]);
    assert_eq!(fetched(&mut wants, Duration::ZERO), [4]);
    wants.handle_held(MediaSequence(4), Duration::from_millis(300));
    assert_eq!(fetched(&mut wants, Duration::from_millis(300)), [3, 2, 1]);
    wants.handle_held(MediaSequence(2), Duration::from_millis(600));
    assert_eq!(fetched(&mut wants, Duration::from_millis(600)), [0]);
}

#[test]
fn on_a_slow_link_what_moves_is_finished_before_the_newest_is_begun() {
    let mut wants = paced([1], 1.3);
    assert_eq!(fetched(&mut wants, Duration::ZERO), [1]);
    moves(&mut wants, 1, 40, seconds(1));
    wants.insert(segment(2), seconds(2) + PATIENCE);
    wants.insert(segment(3), seconds(2) + PATIENCE);
    assert_eq!(fetched(&mut wants, seconds(2)), [] as [u64; 0]);
    wants.handle_held(MediaSequence(1), seconds(3));
    assert_eq!(fetched(&mut wants, seconds(3)), [3]);
}

#[test]
fn what_gets_no_bytes_is_in_nobodys_way() {
    let mut wants = paced([1], 1.3);
    assert_eq!(fetched(&mut wants, Duration::ZERO), [1]);
    wants.insert(segment(2), 2 * PATIENCE);
    assert_eq!(wants.next_timeout(Duration::ZERO), Some(FIRST_BYTES));
    assert_eq!(fetched(&mut wants, FIRST_BYTES), [2], "beside it");
    moves(&mut wants, 2, 40, FIRST_BYTES);
    wants.insert(segment(3), PATIENCE);
    let stalls = FIRST_BYTES + MEDIA.mul_f64(1.3);
    assert_eq!(wants.next_timeout(FIRST_BYTES), Some(stalls));
    assert_eq!(fetched(&mut wants, stalls), [3]);
    wants.insert(segment(4), 2 * PATIENCE);
    assert_eq!(wants.poll_order(stalls + FIRST_BYTES), Some(Order::Abandon(MediaSequence(1))), "no place is left");
    assert_eq!(fetched(&mut wants, stalls + FIRST_BYTES), [4]);
}

#[test]
fn what_is_too_late_for_the_playlist_waits_for_what_is_not_and_gives_way_to_it() {
    let mut wants = paced([1, 2], 1.3);
    wants.handle_listed(MediaSequence(3));
    assert_eq!(fetched(&mut wants, Duration::ZERO), [2]);
    moves(&mut wants, 2, 40, Duration::ZERO);
    wants.insert(segment(3), PATIENCE);
    assert_eq!(fetched(&mut wants, Duration::ZERO), [] as [u64; 0], "there is time for both");
    let hurries = PATIENCE - 2 * MEDIA.mul_f64(1.3);
    assert_eq!(wants.next_timeout(Duration::ZERO), Some(hurries));
    moves(&mut wants, 2, 40, seconds(2));
    assert_eq!(wants.poll_order(seconds(2)), Some(Order::Abandon(MediaSequence(2))));
    assert_eq!(fetched(&mut wants, seconds(2)), [3]);
    moves(&mut wants, 3, 1, seconds(2));
    assert_eq!(fetched(&mut wants, seconds(2)), [] as [u64; 0], "the others wait");
}

#[test]
fn what_is_nearly_done_is_finished_however_late_it_is() {
    let mut wants = paced([1], 1.3);
    fetched(&mut wants, Duration::ZERO);
    moves(&mut wants, 1, 75, PATIENCE);
    wants.insert(segment(2), 2 * PATIENCE);
    assert_eq!(fetched(&mut wants, PATIENCE), [] as [u64; 0]);
}

#[test]
fn the_deadline_of_what_runs_is_waited_for() {
    let mut wants = paced([1], 4.0);
    fetched(&mut wants, Duration::ZERO);
    wants.insert(segment(2), 3 * PATIENCE);
    moves(&mut wants, 1, 40, seconds(5));
    assert_eq!(wants.next_timeout(seconds(5)), Some(PATIENCE));
    assert_eq!(wants.poll_order(PATIENCE), Some(Order::Abandon(MediaSequence(1))));
}

#[test]
fn failures_pause_and_then_give_up() {
    let mut wants = wanted([1]);
    let mut now = Duration::ZERO;
    for _ in 1..TRIES {
        assert_eq!(fetched(&mut wants, now), [1]);
        assert!(wants.handle_failed(MediaSequence(1), false, now));
        assert_eq!(fetched(&mut wants, now), [] as [u64; 0], "pauses");
        now = wants.next_timeout(now).unwrap();
    }
    assert_eq!(fetched(&mut wants, now), [1]);
    assert!(!wants.handle_failed(MediaSequence(1), false, now));
    assert!(wants.is_empty());
}

#[test]
fn a_hopeless_one_is_not_tried_again() {
    let mut wants = wanted([1]);
    fetched(&mut wants, Duration::ZERO);
    assert!(!wants.handle_failed(MediaSequence(1), true, Duration::ZERO));
}

#[test]
fn a_flood_of_announcements_is_bounded() {
    let wants = wanted(0..10_000);
    assert_eq!(wants.wants.len(), MOST);
    assert!(wants.wants.contains_key(&MediaSequence(9_999)), "the newest stay");
}

#[derive(Debug, Default)]
struct Fetch {
    blocks: f64,
    /// Whole blocks, and when the last was.
    arrived: Option<(u64, Duration)>,
}

/// What came of a broadcast of so many segments over a link.
#[derive(Debug, Default)]
struct Outcome {
    in_time: BTreeSet<u64>,
    /// Segments' worth of media that the link carried while there was something to fetch.
    carried: f64,
}

/// A broadcast over a link that carries `capacity` of its bitrate, shared by the fetches that run. A segment has `blocks`
/// blocks; those of `nowhere` never come.
fn broadcast(count: u64, capacity: f64, blocks: u64, nowhere: impl Fn(u64) -> bool) -> Outcome {
    const STEP: Duration = Duration::from_millis(50);
    let (mut wants, mut outcome, mut now) = (Wants::default(), Outcome::default(), Duration::ZERO);
    let mut fetches: BTreeMap<u64, Fetch> = BTreeMap::new();
    let mut partial: BTreeMap<u64, f64> = BTreeMap::new();
    let mut announced = 0;
    while now < MEDIA * count as u32 {
        if now >= MEDIA * announced {
            wants.insert(segment(announced.into()), now + PATIENCE);
            announced += 1;
        }
        // What is overdue is listed as a gap.
        let overdue = (now.saturating_sub(PATIENCE).as_millis() / MEDIA.as_millis()) as u64;
        wants.handle_listed(MediaSequence(overdue));
        for (number, fetch) in &fetches {
            if let Some((whole, at)) = fetch.arrived {
                let progress = FetchProgress { bytes: whole, total_bytes: blocks, quiet_for: now - at };
                wants.handle_progress(MediaSequence(*number), progress, now);
            }
        }
        while let Some(order) = wants.poll_order(now) {
            match order {
                Order::Fetch(segment) => {
                    let number = segment.media_sequence.0;
                    let blocks = partial.remove(&number).unwrap_or_default();
                    fetches.insert(number, Fetch { blocks, arrived: None });
                }
                Order::Abandon(MediaSequence(number)) => {
                    // The block that was on its way is lost.
                    partial.insert(number, fetches.remove(&number).unwrap().blocks.floor());
                }
            }
        }
        let moving = fetches.keys().filter(|number| !nowhere(**number)).count().max(1);
        let share = STEP.as_secs_f64() / MEDIA.as_secs_f64() * capacity / moving as f64;
        now += STEP;
        let mut done = Vec::new();
        for (number, fetch) in fetches.iter_mut().filter(|(number, _)| !nowhere(**number)) {
            outcome.carried += share;
            let before = fetch.blocks.floor();
            fetch.blocks += share * blocks as f64;
            // The root comes at once.
            if fetch.arrived.is_none() || fetch.blocks.floor() > before {
                fetch.arrived = Some((fetch.blocks as u64, now));
            }
            if fetch.blocks >= blocks as f64 {
                done.push(*number);
            }
        }
        for number in done {
            fetches.remove(&number);
            wants.handle_held(MediaSequence(number), now);
            if now < MEDIA * number as u32 + PATIENCE {
                outcome.in_time.insert(number);
            }
        }
    }
    outcome
}

proptest! {
    #[test]
    fn a_link_that_carries_a_part_of_the_bitrate_brings_that_part_of_the_segments_in_time(
        capacity in 0.45..3.0_f64, blocks in 2..20_u64,
    ) {
        let outcome = broadcast(60, capacity, blocks, |_| false);
        let in_time = outcome.in_time.len() as f64;
        // Where a segment takes nearly all the patience that there is, what begins late is in vain.
        let least = if capacity < 0.55 { 0.5 } else { 0.85 };
        // The first and the last are on their way when it begins and ends.
        prop_assert!(in_time >= capacity.min(1.0) * 60.0 * least - 3.0, "{in_time} of 60 in time");
        prop_assert!(outcome.carried * least <= in_time + 3.0, "{} for {in_time}", outcome.carried);
    }

    #[test]
    fn segments_that_never_come_cost_the_others_little(capacity in 0.7..5.0_f64, every in 3..8_u64) {
        let outcome = broadcast(60, capacity, 8, |number| number % every == 0);
        let there = (0..60).filter(|number| number % every != 0).count() as f64;
        let in_time = outcome.in_time.len() as f64;
        prop_assert!(in_time >= (capacity * 60.0).min(there) * 0.8 - 3.0, "{in_time} of {there} in time");
    }
}
