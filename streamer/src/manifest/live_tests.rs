//! The live playlist over any order of events.

use std::collections::HashMap;
use std::time::Duration;

use cid::Cid;
use proptest::prelude::*;
use stream_model::{DiscontinuitySequence, MediaSegment, MediaSequence};

use super::*;

const TARGET: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(20);

fn config(window: usize) -> LivePlaylistConfig {
    LivePlaylistConfig { target_duration: TARGET, window, patience: PATIENCE }
}

fn segment(sequence: u64, discontinuity: u64) -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(sequence),
        discontinuity_sequence: DiscontinuitySequence(discontinuity),
        duration: Duration::from_secs(14),
        program_date_time: None,
        independent: true,
        segment: Cid::default(),
        init: Cid::default(),
    }
}

/// `5 6? 7` stands for 5, a gap for 6, and 7.
fn listed(playlist: &LivePlaylist) -> String {
    let playlist = playlist.playlist();
    let name = |entry: &PlaylistEntry| format!("{}{}", entry.media_sequence, if entry.gap { "?" } else { "" });
    let mut names: Vec<_> = playlist.entries.iter().map(name).collect();
    names.extend(playlist.ended.then(|| "end".to_owned()));
    names.join(" ")
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn segments_are_listed_in_order_however_they_arrive() {
    let mut playlist = LivePlaylist::new(config(6), MediaSequence(5));
    for sequence in 5..8 {
        assert!(!playlist.handle_announced(&segment(sequence, 0), false, at(0)));
    }
    assert!(!playlist.handle_arrived(MediaSequence(6), at(1)));
    assert_eq!(listed(&playlist), "");
    assert!(playlist.handle_arrived(MediaSequence(5), at(2)));
    assert_eq!(listed(&playlist), "5 6");
    assert!(!playlist.handle_arrived(MediaSequence(5), at(2)));
    assert!(playlist.handle_arrived(MediaSequence(7), at(3)));
    assert_eq!(listed(&playlist), "5 6 7");
    assert_eq!(playlist.next_timeout(), None);
}

#[test]
fn a_missing_segment_is_waited_for_and_then_a_gap_for_good() {
    let mut playlist = LivePlaylist::new(config(6), MediaSequence(5));
    playlist.handle_announced(&segment(5, 0), false, at(0));
    playlist.handle_announced(&segment(6, 0), true, at(10));
    assert_eq!(playlist.next_timeout(), Some(at(20)));
    assert!(!playlist.handle_timeout(at(19)));
    assert!(playlist.handle_timeout(at(20)));
    assert_eq!(listed(&playlist), "5? 6");
    assert!(!playlist.handle_arrived(MediaSequence(5), at(21)));
    assert_eq!(listed(&playlist), "5? 6");
}

#[test]
fn a_segment_that_was_never_announced_is_waited_for_from_the_next_announcement_on() {
    let mut playlist = LivePlaylist::new(config(6), MediaSequence(5));
    assert_eq!(playlist.next_timeout(), None);
    playlist.handle_announced(&segment(7, 2), true, at(3));
    assert_eq!(playlist.next_timeout(), Some(at(23)));
    playlist.handle_announced(&segment(6, 1), false, at(10));
    playlist.handle_timeout(at(23));
    assert_eq!(listed(&playlist), "5?");
    // 6 was announced at 10 s.
    assert_eq!(playlist.next_timeout(), Some(at(30)));
    playlist.handle_timeout(at(30));
    assert_eq!(listed(&playlist), "5? 6? 7");
    let sequences: Vec<_> = playlist.playlist().entries.iter().map(|entry| entry.discontinuity_sequence.0).collect();
    assert_eq!(sequences, [0, 1, 2]);
}

#[test]
fn the_window_rolls_and_the_head_outlives_a_restart() {
    let mut playlist = LivePlaylist::new(config(3), MediaSequence(0));
    for sequence in 0..5 {
        playlist.handle_announced(&segment(sequence, sequence / 3), true, at(sequence));
    }
    assert_eq!(listed(&playlist), "2 3 4");
    let text = serde_json::to_string(playlist.head()).unwrap();
    let mut restored = LivePlaylist::restore(config(3), serde_json::from_str(&text).unwrap());
    assert_eq!(restored.playlist(), playlist.playlist());
    assert!(!restored.handle_announced(&segment(4, 1), true, at(0)));
    assert!(restored.handle_announced(&segment(5, 1), true, at(0)));
    assert_eq!(listed(&restored), "3 4 5");
}

#[test]
fn far_behind_it_moves_on_without_waiting() {
    let mut playlist = LivePlaylist::new(config(3), MediaSequence(0));
    playlist.handle_announced(&segment(0, 0), true, at(0));
    playlist.handle_announced(&segment(1, 0), true, at(0));
    playlist.handle_announced(&segment(1000, 200), false, at(9));
    assert_eq!(listed(&playlist), "0 1");
    playlist.handle_arrived(MediaSequence(1000), at(10));
    assert_eq!(listed(&playlist), "0 1", "998 and 999 are waited for");
    playlist.handle_timeout(at(29));
    assert_eq!(listed(&playlist), "998? 999? 1000");
    assert_eq!(playlist.playlist().entries.last().unwrap().discontinuity_sequence.0, 200);
}

#[test]
fn the_end_is_written_once_all_is_listed_or_given_up() {
    let mut playlist = LivePlaylist::new(config(6), MediaSequence(0));
    playlist.handle_announced(&segment(0, 0), true, at(0));
    assert!(!playlist.handle_ended(MediaSequence(3), at(5)));
    playlist.handle_announced(&segment(1, 0), true, at(6));
    assert_eq!(listed(&playlist), "0 1");
    assert_eq!(playlist.next_timeout(), Some(at(25)));
    assert!(playlist.handle_timeout(at(25)));
    assert_eq!(listed(&playlist), "0 1 2? end");
    assert!(!playlist.handle_announced(&segment(2, 0), true, at(26)));
    assert!(!playlist.handle_announced(&segment(3, 0), true, at(26)));
    assert_eq!(playlist.next_timeout(), None);
}

#[test]
fn absurd_numbers_are_survived() {
    let mut playlist = LivePlaylist::new(config(6), MediaSequence(0));
    playlist.handle_announced(&segment(u64::MAX, u64::MAX), true, at(0));
    playlist.handle_announced(&segment((1 << 53) - 1, 7), true, at(0));
    playlist.handle_ended(MediaSequence(u64::MAX), at(0));
    playlist.handle_timeout(Duration::MAX);
    assert!(listed(&playlist).ends_with("? 9007199254740991 end"), "{}", listed(&playlist));
}

#[derive(Debug, Clone)]
enum Event {
    Announced { sequence: u64, discontinuity: u64, millis: u64, independent: bool, held: bool },
    Arrived(u64),
    Ended(u64),
    Wait(u64),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let announced = (
        0..40_u64,
        0..6_u64,
        prop::sample::select(vec![0_u64, 1, 14_000, 15_499, 15_500, u64::MAX]),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(sequence, skew, millis, independent, held)| Event::Announced {
            sequence,
            // Mostly as a publisher counts, sometimes nonsense.
            discontinuity: sequence / 4 + if skew == 0 { 3 } else { 0 },
            millis,
            independent,
            held,
        });
    prop_oneof![
        8 => announced,
        6 => (0..40_u64).prop_map(Event::Arrived),
        1 => (20..45_u64).prop_map(Event::Ended),
        4 => (0..15_u64).prop_map(Event::Wait),
        1 => Just(Event::Restart),
    ]
}

/// What a client may rely on from one reading to the next (RFC 8216 §6.2.1, §6.2.2).
fn assert_successor(before: &MediaPlaylist, after: &MediaPlaylist) -> Result<(), TestCaseError> {
    let (Some(old), Some(new)) = (before.entries.first(), after.entries.first()) else { return Ok(()) };
    prop_assert!(new.media_sequence >= old.media_sequence);
    prop_assert!(new.discontinuity_sequence >= old.discontinuity_sequence);
    prop_assert!(after.entries.last().unwrap().media_sequence >= before.entries.last().unwrap().media_sequence);
    let was: HashMap<_, _> = before.entries.iter().map(|entry| (entry.media_sequence, entry)).collect();
    for entry in &after.entries {
        match was.get(&entry.media_sequence) {
            Some(before) => prop_assert_eq!(*before, entry),
            None => prop_assert!(entry.media_sequence > before.entries.last().unwrap().media_sequence),
        }
    }
    prop_assert!(!before.ended || before == after);
    prop_assert!(!after.independent_segments || before.independent_segments);
    Ok(())
}

fn assert_valid(playlist: &MediaPlaylist, window: usize) -> Result<(), TestCaseError> {
    prop_assert!(playlist.entries.len() <= window);
    for pair in playlist.entries.windows(2) {
        prop_assert_eq!(pair[0].media_sequence.next(), pair[1].media_sequence);
        prop_assert!(pair[0].discontinuity_sequence <= pair[1].discontinuity_sequence);
    }
    prop_assert!(playlist.entries.iter().all(|entry| entry.fits(TARGET)));
    let text = playlist.render();
    let read = parse_media_playlist(&text);
    prop_assert!(read.is_ok(), "{:?}\n{}", read, text);
    let mut report = media_doctor::Report::new();
    media_doctor::check_hls_playlist(&text, &mut report);
    prop_assert!(report.is_empty(), "{:?}\n{}", report.findings(), text);
    Ok(())
}

proptest! {
    #[test]
    fn each_playlist_is_a_valid_successor_of_the_one_before(
        window in 1..8_usize,
        first in 0..10_u64,
        events in prop::collection::vec(event(), 0..80),
    ) {
        let mut playlist = LivePlaylist::new(config(window), MediaSequence(first));
        let mut now = Duration::ZERO;
        for event in events {
            let before = playlist.playlist();
            let changed = match event {
                Event::Announced { sequence, discontinuity, millis, independent, held } => {
                    let duration = Duration::from_millis(millis);
                    let segment = MediaSegment { independent, duration, ..segment(sequence, discontinuity) };
                    playlist.handle_announced(&segment, held, now)
                }
                Event::Arrived(sequence) => playlist.handle_arrived(MediaSequence(sequence), now),
                Event::Ended(end) => playlist.handle_ended(MediaSequence(end), now),
                Event::Wait(seconds) => {
                    now += Duration::from_secs(seconds);
                    playlist.handle_timeout(now)
                }
                Event::Restart => {
                    let head = playlist.head().clone();
                    now = Duration::ZERO;
                    playlist = LivePlaylist::restore(config(window), head);
                    false
                }
            };
            let after = playlist.playlist();
            prop_assert_eq!(changed, before != after);
            assert_successor(&before, &after)?;
            assert_valid(&after, window)?;
            prop_assert!(playlist.next_timeout().is_none_or(|timeout| timeout > now), "a timeout is never overdue");
        }
    }
}
