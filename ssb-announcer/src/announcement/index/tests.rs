//! The rules of the directory, with friendly and hostile authors.

use multihash_codetable::{Code, MultihashDigest as _};
use proptest::prelude::*;
use stream_model::{ArchiveManifest, DiscontinuitySequence, MessageKey, Tracks, WallTime};

use super::*;

mod archives;
mod programme;
mod renditions;
mod standings;

const OWN: FeedId = FeedId([0; 32]);
const AUTHOR: FeedId = FeedId([1; 32]);
const STRANGER: FeedId = FeedId([2; 32]);
const FEED: FeedId = FeedId([11; 32]);
const SECOND_FEED: FeedId = FeedId([12; 32]);

fn cid(text: &str) -> Cid {
    Cid::new_v1(0x70, Code::Sha2_256.digest(text.as_bytes()))
}

fn segment(sequence: u64) -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(sequence),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_secs(14),
        program_date_time: None,
        independent: true,
        segment: cid(&sequence.to_string()),
        init: cid("init"),
    }
}

fn start(title: &str) -> BroadcastStart {
    BroadcastStart {
        title: title.into(),
        description: String::new(),
        peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime(0),
        schedule: None,
        rendition: None,
    }
}

/// An index under test, with a clock moved by hand.
struct Fixture {
    index: Index,
    now: Instant,
    messages: u64,
}

impl Fixture {
    fn new() -> Self {
        Self { index: Index::new(OWN), now: Instant::now(), messages: 0 }
    }

    fn say(&mut self, author: FeedId, announcement: &Announcement) -> Result<Vec<DirectoryChange>, Ignored> {
        self.messages += 1;
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.messages.to_be_bytes());
        let content: serde_json::Value = serde_json::from_str(&announcement.to_json().unwrap()).unwrap();
        let message = Message {
            key: MessageKey(key),
            author,
            sequence: FeedSequence(self.messages),
            kind: content["type"].as_str().map(Into::into),
            value_json: serde_json::json!({ "content": content }).to_string().into(),
        };
        self.index.handle(&message, self.now)
    }

    fn announce(&mut self, author: FeedId, feed: FeedId) -> BroadcastId {
        let start = start("test");
        let changes = self.say(author, &Announcement::Broadcast { start, feed }).unwrap();
        match changes.last() {
            Some(DirectoryChange::Broadcast(id)) => *id,
            other => panic!("{other:?}"),
        }
    }

    fn live(&mut self, broadcast: BroadcastId, feed: FeedId, sequence: u64) -> Result<Vec<DirectoryChange>, Ignored> {
        self.live_segment(broadcast, feed, segment(sequence))
    }

    fn live_segment(
        &mut self,
        broadcast: BroadcastId,
        feed: FeedId,
        segment: MediaSegment,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        let manifest = cid(&format!("manifest {}", segment.media_sequence));
        self.say(feed, &Announcement::Live { broadcast, manifest, segment })
    }

    fn go_on(
        &mut self,
        broadcast: BroadcastId,
        author: FeedId,
        feed: FeedId,
        from: u64,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        self.say(author, &Announcement::Continue { broadcast, feed, media_sequence: MediaSequence(from) })
    }

    fn end(&mut self, broadcast: BroadcastId, author: FeedId, at: u64) -> Result<Vec<DirectoryChange>, Ignored> {
        self.say(
            author,
            &Announcement::End { broadcast, media_sequence: MediaSequence(at), reason: "publisher left".into() },
        )
    }

    fn wanted(&self) -> BTreeSet<(FeedId, FeedId)> {
        self.index.wanted_feeds(self.now, &BTreeSet::new(), &BTreeSet::new())
    }

    fn sequences(&self, broadcast: &BroadcastId) -> Vec<u64> {
        let segments = self.index.segments(broadcast, MediaSequence(0), usize::MAX);
        segments.iter().map(|segment| segment.media_sequence.0).collect()
    }

    fn state(&self, broadcast: &BroadcastId) -> BroadcastState {
        self.index.listing(broadcast).unwrap().state
    }
}

#[test]
fn a_broadcast_is_listed_from_its_announcement_to_its_end() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    let listing = it.index.listing(&id).unwrap();
    assert_eq!((listing.state, listing.media_sequence, listing.own), (BroadcastState::Live, None, false));

    assert_eq!(it.live(id, FEED, 0), Ok(vec![DirectoryChange::Segment(id, MediaSequence(0))]));
    assert_eq!(it.live(id, FEED, 1), Ok(vec![DirectoryChange::Segment(id, MediaSequence(1))]));
    let listing = it.index.listing(&id).unwrap();
    assert_eq!((listing.media_sequence, listing.manifest), (Some(MediaSequence(1)), Some(cid("manifest 1"))));

    assert_eq!(it.end(id, AUTHOR, 2), Ok(vec![DirectoryChange::Broadcast(id)]));
    assert_eq!(it.state(&id), BroadcastState::Ended);
    assert_eq!(it.end(id, AUTHOR, 2), Err(Ignored::Repeated));
}

#[test]
fn own_broadcasts_are_marked_and_the_newest_comes_first() {
    let mut it = Fixture::new();
    let first = it.announce(AUTHOR, FEED);
    let second = it.announce(OWN, SECOND_FEED);
    let listings = it.index.listings();
    assert_eq!(listings.iter().map(|listing| listing.id).collect::<Vec<_>>(), [second, first]);
    assert_eq!(listings.iter().map(|listing| listing.own).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn segments_from_a_feed_that_was_not_named_do_not_count() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    for feed in [STRANGER, AUTHOR, OWN] {
        assert_eq!(it.live(id, feed, 0), Err(Ignored::NotAllowed));
    }
    assert!(it.sequences(&id).is_empty());
}

#[test]
fn a_named_feed_cannot_speak_for_another_broadcast() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    let hostile = it.announce(STRANGER, SECOND_FEED);
    assert_eq!(it.live(id, SECOND_FEED, 0), Err(Ignored::NotAllowed));
    assert!(it.live(hostile, SECOND_FEED, 0).is_ok());
    assert!(it.sequences(&id).is_empty());
}

#[test]
fn naming_somebody_elses_feed_takes_nothing_from_it() {
    let mut it = Fixture::new();
    let hostile = it.announce(STRANGER, FEED);
    let id = it.announce(AUTHOR, FEED);
    assert!(it.live(id, FEED, 0).is_ok());
    assert_eq!(it.sequences(&id), [0]);
    assert!(it.sequences(&hostile).is_empty());
}

#[test]
fn a_stranger_neither_continues_nor_ends_a_broadcast() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    for who in [STRANGER, FEED, OWN] {
        assert_eq!(it.go_on(id, who, SECOND_FEED, 1), Err(Ignored::NotAllowed));
        assert_eq!(it.end(id, who, 0), Err(Ignored::NotAllowed));
    }
    assert_eq!(it.state(&id), BroadcastState::Live);
    assert_eq!(it.live(id, SECOND_FEED, 1), Err(Ignored::NotAllowed));
    assert!(it.live(id, FEED, 1).is_ok());
}

#[test]
fn each_feed_speaks_for_its_own_range() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    assert!(it.live(id, FEED, 0).is_ok());
    assert!(it.go_on(id, AUTHOR, SECOND_FEED, 10).is_ok());
    assert_eq!(it.live(id, SECOND_FEED, 9), Err(Ignored::NotAllowed));
    assert_eq!(it.live(id, FEED, 10), Err(Ignored::NotAllowed));
    assert!(it.live(id, SECOND_FEED, 10).is_ok());
    // What was on its way on the first feed still counts.
    assert!(it.live(id, FEED, 9).is_ok());
    assert_eq!(it.sequences(&id), [0, 9, 10]);
    assert_eq!(it.index.listing(&id).unwrap().media_sequence, Some(MediaSequence(10)));
}

#[test]
fn a_feed_range_never_goes_back() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    assert!(it.go_on(id, AUTHOR, SECOND_FEED, 10).is_ok());
    assert_eq!(it.go_on(id, AUTHOR, FeedId([13; 32]), 9), Err(Ignored::OutOfRange));
    assert_eq!(it.go_on(id, AUTHOR, FEED, 11), Err(Ignored::Repeated));
    assert!(it.go_on(id, AUTHOR, FeedId([13; 32]), 10).is_ok());
}

#[test]
fn the_first_announcement_of_a_number_wins() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    assert!(it.live(id, FEED, 3).is_ok());
    assert_eq!(it.live(id, FEED, 3), Err(Ignored::Repeated));
    let other = MediaSegment { segment: cid("other"), ..segment(3) };
    assert_eq!(it.live_segment(id, FEED, other), Err(Ignored::Conflicting));
    assert_eq!(it.index.segments(&id, MediaSequence(0), 9), [segment(3)]);
}

#[test]
fn segments_that_arrive_late_take_their_place() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    for sequence in [5, 2, 9, 3] {
        assert!(it.live(id, FEED, sequence).is_ok());
    }
    assert_eq!(it.sequences(&id), [2, 3, 5, 9]);
    let some: Vec<_> = it.index.segments(&id, MediaSequence(3), 2);
    assert_eq!(some.iter().map(|segment| segment.media_sequence.0).collect::<Vec<_>>(), [3, 5]);
    assert_eq!(it.index.listing(&id).unwrap().manifest, Some(cid("manifest 9")));
}

#[test]
fn after_its_end_a_broadcast_gets_only_what_was_missing() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    assert!(it.end(id, AUTHOR, 3).is_ok());
    assert!(it.live(id, FEED, 2).is_ok());
    assert_eq!(it.live(id, FEED, 3), Err(Ignored::OutOfRange));
    assert_eq!(it.go_on(id, AUTHOR, SECOND_FEED, 3), Err(Ignored::OutOfRange));
    assert_eq!(it.state(&id), BroadcastState::Ended);
}

#[test]
fn a_segment_of_twice_the_target_is_the_longest() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    let long = |seconds| MediaSegment { duration: Duration::from_secs(seconds), ..segment(seconds) };
    assert_eq!(it.live_segment(id, FEED, long(31)), Err(Ignored::OutOfRange));
    assert!(it.live_segment(id, FEED, long(30)).is_ok());
}

#[test]
fn what_is_said_of_unknown_broadcasts_changes_nothing() {
    let mut it = Fixture::new();
    let unknown = BroadcastId(MessageKey([9; 32]));
    assert_eq!(it.live(unknown, FEED, 0), Err(Ignored::UnknownBroadcast));
    assert_eq!(it.end(unknown, AUTHOR, 0), Err(Ignored::UnknownBroadcast));
    assert_eq!(it.go_on(unknown, AUTHOR, FEED, 0), Err(Ignored::UnknownBroadcast));
    assert!(it.index.listings().is_empty());
}

#[test]
fn a_silent_broadcast_counts_as_ended_until_it_is_heard_again() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    it.now += SILENCE - Duration::from_secs(1);
    assert_eq!(it.index.handle_time(it.now), []);
    assert_eq!(it.state(&id), BroadcastState::Live);
    it.now += Duration::from_secs(1);
    assert_eq!(it.index.handle_time(it.now), [DirectoryChange::Broadcast(id)]);
    assert_eq!(it.index.handle_time(it.now), []);
    assert_eq!(it.state(&id), BroadcastState::Ended);
    assert_eq!(it.index.is_ended_by_author(&id), Some(false));

    let back = it.live(id, FEED, 0);
    assert_eq!(back, Ok(vec![DirectoryChange::Broadcast(id), DirectoryChange::Segment(id, MediaSequence(0))]));
    assert_eq!(it.state(&id), BroadcastState::Live);
}

#[test]
fn repeating_oneself_is_no_sign_of_life() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    assert!(it.live(id, FEED, 0).is_ok());
    it.now += SILENCE;
    assert_eq!(it.live(id, FEED, 0), Err(Ignored::Repeated));
    it.index.handle_time(it.now);
    assert_eq!(it.state(&id), BroadcastState::Ended);
}

#[test]
fn feeds_of_a_broadcast_are_wanted_for_an_hour_after_its_end() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    assert!(it.go_on(id, AUTHOR, SECOND_FEED, 4).is_ok());
    let both = BTreeSet::from([(FEED, AUTHOR), (SECOND_FEED, AUTHOR)]);
    it.now += 2 * REPLICATED_AFTER_END;
    assert_eq!(it.wanted(), both, "silence alone does not end the wish to hear");
    assert!(it.end(id, AUTHOR, 5).is_ok());
    it.now += REPLICATED_AFTER_END - Duration::from_secs(1);
    assert_eq!(it.wanted(), both);
    it.now += Duration::from_secs(1);
    assert_eq!(it.wanted(), BTreeSet::new());
}

#[test]
fn earlier_feeds_are_wanted_where_the_broadcast_is_followed_or_they_are_asked_for() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    let third = FeedId([13; 32]);
    assert!(it.live(id, FEED, 0).is_ok());
    assert!(it.go_on(id, AUTHOR, SECOND_FEED, 1).is_ok());
    assert_eq!(it.wanted().len(), 2, "its last words may be on their way until the second speaks");
    let moved_on = it.live(id, SECOND_FEED, 1).unwrap();
    assert_eq!(moved_on, [DirectoryChange::Broadcast(id), DirectoryChange::Segment(id, MediaSequence(1))]);
    assert_eq!(it.wanted(), [(SECOND_FEED, AUTHOR)].into());
    assert!(it.go_on(id, AUTHOR, third, 2).is_ok() && it.live(id, third, 2).is_ok());
    let wanted = |followed: &[BroadcastId], asked: &[FeedId]| {
        let (followed, asked) = (followed.iter().copied().collect(), asked.iter().copied().collect());
        let wanted = it.index.wanted_feeds(it.now, &followed, &asked);
        wanted.into_iter().map(|(feed, _)| feed).collect::<Vec<_>>()
    };
    assert_eq!(wanted(&[], &[]), [third]);
    assert_eq!(wanted(&[id], &[]), [FEED, SECOND_FEED, third]);
    assert_eq!(wanted(&[], &[FEED, STRANGER]), [FEED, third]);
}

#[test]
fn own_broadcasts_have_all_their_feeds_served() {
    let mut it = Fixture::new();
    let id = it.announce(OWN, FEED);
    assert!(it.go_on(id, OWN, SECOND_FEED, 1).is_ok() && it.live(id, SECOND_FEED, 1).is_ok());
    assert_eq!(it.wanted().len(), 2);
}

#[test]
fn feeds_expire_an_hour_after_the_end_unless_they_vouch_for_something() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    let running = it.announce(STRANGER, SECOND_FEED);
    assert!(it.go_on(id, AUTHOR, SECOND_FEED, 1).is_ok(), "which the other broadcast names too");
    let own = it.announce(OWN, FeedId([13; 32]));
    let nothing = BTreeSet::new();
    for (broadcast, author) in [(id, AUTHOR), (own, OWN)] {
        assert!(it.end(broadcast, author, 9).is_ok());
    }
    it.now += REPLICATED_AFTER_END - Duration::from_secs(1);
    assert_eq!(it.index.expired_feeds(it.now, &nothing, |_| false), BTreeSet::new());
    it.now += Duration::from_secs(1);
    assert_eq!(it.index.expired_feeds(it.now, &[id].into(), |_| false), BTreeSet::new());
    assert_eq!(it.index.expired_feeds(it.now, &nothing, |_| false), [FEED].into());
    assert!(it.end(running, STRANGER, 9).is_ok());
    it.now += REPLICATED_AFTER_END;
    assert_eq!(it.index.expired_feeds(it.now, &nothing, |_| false), [FEED, SECOND_FEED].into());
    assert_eq!(it.index.listings().len(), 3, "what they said stays known");
}

#[test]
fn a_broadcast_without_an_end_is_not_asked_for_for_ever() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    it.now += ASKED_AFTER_LAST_HEARD;
    assert_eq!((it.wanted(), it.index.expired_feeds(it.now, &BTreeSet::new(), |_| false)), Default::default());
    assert!(it.go_on(id, AUTHOR, SECOND_FEED, 1).is_ok());
    assert_eq!(it.wanted().len(), 2, "and again when it is heard again");
}

#[test]
fn a_forgotten_author_leaves_nothing_behind() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    assert!(it.live(id, FEED, 0).is_ok());
    let other = it.announce(STRANGER, SECOND_FEED);
    let (feeds, changes) = it.index.forget_authors(&[AUTHOR].into());
    assert_eq!((feeds, changes), ([FEED].into(), vec![DirectoryChange::Broadcast(id)]));
    assert_eq!(it.index.listings().iter().map(|listing| listing.id).collect::<Vec<_>>(), [other]);
    assert_eq!(it.index.segments, 0);
    assert_eq!(it.wanted(), [(SECOND_FEED, STRANGER)].into());
}

#[test]
fn many_authors_share_the_room_for_broadcast_feeds() {
    let mut it = Fixture::new();
    let feed = |kind: u8, n: u16| {
        let mut bytes = [kind; 32];
        bytes[1..3].copy_from_slice(&n.to_be_bytes());
        FeedId(bytes)
    };
    for author in 0..400 {
        it.announce(feed(50, author), feed(60, author));
    }
    for one in 0..600 {
        it.announce(AUTHOR, feed(70, one));
    }
    let wanted = it.wanted();
    assert_eq!(wanted.len(), 400 + MAX_WANTED_FEEDS_PER_NODE);
    assert!(wanted.len() <= MAX_WANTED_FEEDS);
}

#[test]
fn of_one_node_only_the_newest_feeds_are_wanted() {
    let mut it = Fixture::new();
    for n in 0..40 {
        it.announce(AUTHOR, FeedId([100 + n; 32]));
    }
    it.announce(STRANGER, FEED);
    let wanted = it.wanted();
    assert_eq!(wanted.len(), MAX_WANTED_FEEDS_PER_NODE + 1);
    assert!(wanted.contains(&(FEED, STRANGER)));
    assert!(wanted.contains(&(FeedId([139; 32]), AUTHOR)));
    assert!(!wanted.contains(&(FeedId([100; 32]), AUTHOR)));
}

#[test]
fn an_author_of_too_many_broadcasts_crowds_out_only_itself() {
    let mut it = Fixture::new();
    let mine = it.announce(OWN, FEED);
    let other = it.announce(AUTHOR, FEED);
    let first = it.announce(STRANGER, FEED);
    for _ in 0..MAX_BROADCASTS {
        it.announce(STRANGER, FEED);
    }
    assert_eq!(it.index.listings().len(), MAX_BROADCASTS);
    assert!(it.index.listing(&mine).is_some());
    assert!(it.index.listing(&other).is_some());
    assert_eq!(it.index.listing(&first), None);
}

#[test]
fn what_is_held_here_is_forgotten_last() {
    let mut it = Fixture::new();
    let mine = it.announce(OWN, FEED);
    let held = it.announce(STRANGER, FEED);
    let first = it.announce(STRANGER, FEED);
    it.index.set_held([held].into());
    for _ in 0..MAX_BROADCASTS {
        it.announce(STRANGER, FEED);
    }
    assert!(it.index.listing(&held).is_some());
    assert_eq!(it.index.listing(&first), None);

    it.index.set_held(it.index.listings().iter().map(|listing| listing.id).collect());
    it.announce(AUTHOR, FEED);
    assert_eq!(it.index.listings().len(), MAX_BROADCASTS, "the bound holds all the same");
    assert!(it.index.listing(&mine).is_some());
}

#[test]
fn memory_for_segments_is_bounded_for_one_broadcast_and_for_all() {
    let mut it = Fixture::new();
    let first = it.announce(AUTHOR, FEED);
    let most = u64::try_from(MAX_SEGMENTS_PER_BROADCAST).unwrap();
    for sequence in 0..=most {
        assert!(it.live(first, FEED, sequence).is_ok());
    }
    assert_eq!(it.sequences(&first).len(), MAX_SEGMENTS_PER_BROADCAST);
    assert_eq!(it.sequences(&first)[0], 1, "the oldest goes");

    let small = it.announce(STRANGER, FEED);
    assert!(it.live(small, FEED, 0).is_ok());
    it.index.segments = MAX_SEGMENTS;
    assert!(it.live(small, FEED, 1).is_ok());
    assert_eq!(it.index.segments, MAX_SEGMENTS);
    assert_eq!(it.sequences(&small), [0, 1], "the largest gives way");
    assert_eq!(it.sequences(&first)[0], 2);
}

#[test]
fn one_broadcast_names_a_bounded_number_of_feeds() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    for n in 0..300u64 {
        let mut feed = [200; 32];
        feed[..8].copy_from_slice(&n.to_be_bytes());
        assert!(it.go_on(id, AUTHOR, FeedId(feed), n).is_ok());
    }
    assert_eq!(it.index.broadcasts[&id].spans.len(), MAX_FEEDS_PER_BROADCAST);
}

proptest! {
    /// However live messages of both feeds arrive, the directory comes out the same.
    #[test]
    fn the_order_of_arrival_of_segments_does_not_matter(order in Just((0..20u64).collect::<Vec<_>>()).prop_shuffle()) {
        let mut it = Fixture::new();
        let id = it.announce(AUTHOR, FEED);
        it.go_on(id, AUTHOR, SECOND_FEED, 10).unwrap();
        for sequence in order {
            let feed = if sequence < 10 { FEED } else { SECOND_FEED };
            it.live(id, feed, sequence).unwrap();
        }
        prop_assert_eq!(it.sequences(&id), (0..20).collect::<Vec<_>>());
        prop_assert_eq!(it.index.listing(&id).unwrap().manifest, Some(cid("manifest 19")));
    }
}
