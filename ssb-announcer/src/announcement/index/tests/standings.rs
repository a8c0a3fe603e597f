//! Who may say what of others' broadcasts, how much of it is remembered, and what it makes a node replicate.

use stream_model::{Mirroring, PeerId};

use super::archives::archive;
use super::*;
use crate::announcement::content::{Mirror, Republish};

fn peer() -> PeerId {
    "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap()
}

fn hour() -> Cid {
    cid("hour 0 to 9")
}

fn node(n: u16) -> FeedId {
    let mut bytes = [99; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    FeedId(bytes)
}

fn unknown(n: u64) -> BroadcastId {
    let mut bytes = [77; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    BroadcastId(MessageKey(bytes))
}

/// The broadcast that the fixture's message of this number announces.
fn id_of_message(number: u64) -> BroadcastId {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    BroadcastId(MessageKey(key))
}

impl Fixture {
    /// A broadcast of which an hour is archived.
    fn archived(&mut self) -> BroadcastId {
        let id = self.announce(AUTHOR, FEED);
        self.say(AUTHOR, &Announcement::Archive(archive(id, ArchiveKind::Hour, 0, 9))).unwrap();
        id
    }

    fn mirror(
        &mut self,
        node: FeedId,
        broadcast: BroadcastId,
        author: FeedId,
        manifest: Option<Cid>,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        self.say(node, &Announcement::Mirror(Mirror { broadcast, author, peer: peer(), manifest }))
    }

    fn republish(
        &mut self,
        node: FeedId,
        broadcast: BroadcastId,
        author: FeedId,
        feeds: &[FeedId],
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        let republish = Republish {
            broadcast,
            author,
            peer: peer(),
            manifest: cid("of what is held"),
            first_media_sequence: MediaSequence(0),
            last_media_sequence: MediaSequence(9),
            credit: "thanks".into(),
            announcements: vec![broadcast.0],
            feeds: feeds.to_vec(),
        };
        self.say(node, &Announcement::Republish(republish))
    }

    fn withdraw(&mut self, author: FeedId, broadcast: BroadcastId) -> Result<Vec<DirectoryChange>, Ignored> {
        self.say(author, &Announcement::Withdraw { broadcast, reason: "sorry".into() })
    }

    fn mirrors(&self, id: &BroadcastId) -> Vec<FeedId> {
        self.index.standing(id).mirrors.into_iter().map(|mirror| mirror.node).collect()
    }

    fn republishers(&self, id: &BroadcastId) -> Vec<FeedId> {
        self.index.standing(id).republications.into_iter().map(|republication| republication.node).collect()
    }

    /// Authors that are wanted, where the nodes in `known` are replicated for another reason.
    fn authors(&self, known: &[FeedId]) -> BTreeSet<(FeedId, FeedId)> {
        self.index.credited(&BTreeSet::new(), |node| known.contains(node)).authors
    }
}

#[test]
fn the_latest_word_of_a_node_counts_and_each_change_is_told() {
    let mut it = Fixture::new();
    let id = it.archived();
    let changed = vec![DirectoryChange::Broadcast(id)];
    assert_eq!(it.mirror(STRANGER, id, AUTHOR, None), Err(Ignored::Repeated), "it never held it");
    assert_eq!(it.mirror(STRANGER, id, AUTHOR, Some(hour())), Ok(changed.clone()));
    assert_eq!(it.index.standing(&id).mirrors, [Mirroring { node: STRANGER, peer: peer(), manifest: hour() }]);
    assert_eq!(it.mirror(STRANGER, id, AUTHOR, Some(hour())), Err(Ignored::Repeated));
    assert_eq!(it.mirror(STRANGER, id, AUTHOR, None), Ok(changed.clone()));
    assert_eq!(it.mirrors(&id), []);

    assert_eq!(it.republish(STRANGER, id, AUTHOR, &[FEED]), Ok(changed.clone()));
    assert_eq!(it.republish(STRANGER, id, AUTHOR, &[FEED]), Err(Ignored::Repeated));
    assert_eq!(it.republish(STRANGER, id, AUTHOR, &[]), Ok(changed.clone()));
    assert_eq!(it.republishers(&id), [STRANGER]);

    assert_eq!(it.withdraw(AUTHOR, id), Ok(changed));
    assert_eq!(it.withdraw(AUTHOR, id), Err(Ignored::Repeated));
    assert_eq!(it.index.standing(&id).withdrawn.as_deref(), Some("sorry"));
}

#[test]
fn only_others_mirror_and_republish_and_only_the_author_withdraws() {
    let mut it = Fixture::new();
    let id = it.archived();
    for (node, author) in [(AUTHOR, AUTHOR), (STRANGER, FeedId([3; 32])), (STRANGER, STRANGER)] {
        assert_eq!(it.mirror(node, id, author, Some(hour())), Err(Ignored::NotAllowed));
        assert_eq!(it.republish(node, id, author, &[]), Err(Ignored::NotAllowed));
    }
    assert_eq!(it.withdraw(STRANGER, id), Err(Ignored::NotAllowed));
    assert_eq!(it.withdraw(STRANGER, unknown(1)), Err(Ignored::UnknownBroadcast));
    assert_eq!(it.index.standing(&id), Default::default());
}

#[test]
fn a_mirror_is_shown_while_the_author_says_so_too() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    assert!(it.mirror(STRANGER, id, AUTHOR, Some(hour())).is_ok());
    assert_eq!(it.mirrors(&id), [], "nobody but the mirror knows this manifest");
    it.say(AUTHOR, &Announcement::Archive(archive(id, ArchiveKind::Hour, 0, 9))).unwrap();
    assert_eq!(it.mirrors(&id), [STRANGER]);
}

#[test]
fn what_is_said_before_the_broadcast_is_known_counts_once_it_is() {
    let mut it = Fixture::new();
    let id = id_of_message(200);
    assert_eq!(it.mirror(STRANGER, id, AUTHOR, Some(hour())), Ok(vec![]));
    assert_eq!(it.mirror(SECOND_FEED, id, STRANGER, Some(hour())), Ok(vec![]), "of another author");
    assert_eq!(it.republish(STRANGER, id, AUTHOR, &[FEED]), Ok(vec![]));
    assert_eq!(it.authors(&[STRANGER]), [(AUTHOR, STRANGER)].into());
    it.messages = 199;
    assert_eq!(it.archived(), id);
    assert_eq!((it.mirrors(&id), it.republishers(&id)), (vec![STRANGER], vec![STRANGER]));
}

#[test]
fn a_forgotten_node_takes_what_it_said_of_others_with_it() {
    let mut it = Fixture::new();
    let id = it.archived();
    it.mirror(STRANGER, id, AUTHOR, Some(hour())).unwrap();
    it.republish(STRANGER, id, AUTHOR, &[]).unwrap();
    it.mirror(STRANGER, unknown(1), AUTHOR, Some(hour())).unwrap();
    it.mirror(SECOND_FEED, id, AUTHOR, Some(hour())).unwrap();
    let (_, changes) = it.index.forget_authors(&[STRANGER].into());
    assert_eq!(changes, [DirectoryChange::Broadcast(id)]);
    assert_eq!((it.mirrors(&id), it.republishers(&id)), (vec![SECOND_FEED], vec![]));
    assert_eq!(it.authors(&[STRANGER]), BTreeSet::new());
}

#[test]
fn a_flood_of_one_node_pushes_out_only_its_own_words() {
    let mut it = Fixture::new();
    let id = it.archived();
    it.mirror(SECOND_FEED, id, AUTHOR, Some(hour())).unwrap();
    it.republish(SECOND_FEED, id, AUTHOR, &[]).unwrap();
    for n in 0..MAX_BROADCASTS as u64 + 10 {
        it.mirror(STRANGER, unknown(n), AUTHOR, Some(hour())).unwrap();
    }
    for n in 0..MAX_REPUBLICATIONS_OF_ONE as u64 + 10 {
        it.republish(STRANGER, unknown(n), AUTHOR, &[]).unwrap();
    }
    assert_eq!((it.mirrors(&id), it.republishers(&id)), (vec![SECOND_FEED], vec![SECOND_FEED]));
    let words = &it.index.words;
    assert_eq!(words.mirrors.of_node(STRANGER).count(), MAX_BROADCASTS);
    assert_eq!(words.republications.of_node(STRANGER).count(), MAX_REPUBLICATIONS_OF_ONE);
    // The oldest have gone.
    assert_eq!(it.mirror(STRANGER, unknown(10), AUTHOR, Some(hour())), Err(Ignored::Repeated));
    assert_eq!(it.mirror(STRANGER, unknown(9), AUTHOR, Some(hour())), Ok(vec![]));
}

#[test]
fn a_flood_of_many_nodes_pushes_out_neither_those_who_were_there_nor_this_node() {
    let mut it = Fixture::new();
    let id = it.archived();
    it.mirror(SECOND_FEED, id, AUTHOR, Some(hour())).unwrap();
    for n in 0..MAX_MIRRORS_PER_BROADCAST as u16 - 1 {
        assert!(it.mirror(node(n), id, AUTHOR, Some(hour())).is_ok());
    }
    assert_eq!(it.mirror(node(9_000), id, AUTHOR, Some(hour())), Err(Ignored::NoRoom));
    assert!(it.mirror(OWN, id, AUTHOR, Some(hour())).is_ok());
    let mirrors = it.mirrors(&id);
    assert_eq!(mirrors.len(), MAX_MIRRORS_PER_BROADCAST);
    assert!(mirrors.contains(&OWN) && mirrors.contains(&SECOND_FEED));

    for sayer in 0..25u16 {
        for n in 0..MAX_BROADCASTS as u64 {
            let broadcast = unknown(1_000 * u64::from(sayer) + n);
            it.mirror(node(1_000 + sayer), broadcast, AUTHOR, Some(hour())).unwrap();
        }
    }
    let words = &it.index.words.mirrors;
    assert_eq!(words.nodes().map(|node| words.of_node(node).count()).sum::<usize>(), MAX_MIRRORS);
    assert_eq!(it.mirrors(&id).len(), MAX_MIRRORS_PER_BROADCAST, "who says little loses nothing");
}

#[test]
fn authors_are_wanted_on_the_word_of_those_who_are_known_and_in_turns() {
    let mut it = Fixture::new();
    for n in 0..100 {
        it.mirror(STRANGER, unknown(n), node(n as u16), Some(hour())).unwrap();
    }
    assert_eq!(it.authors(&[]), BTreeSet::new());
    let wanted = it.authors(&[STRANGER]);
    assert_eq!(wanted.len(), MAX_CREDITED_BY_ONE);
    assert!(wanted.contains(&(node(99), STRANGER)) && !wanted.contains(&(node(0), STRANGER)), "the latest");

    // Whom they name has no say, and who is known anyway takes no room.
    it.mirror(node(99), unknown(500), node(500), Some(hour())).unwrap();
    it.mirror(SECOND_FEED, unknown(501), STRANGER, Some(hour())).unwrap();
    it.mirror(SECOND_FEED, unknown(502), node(502), Some(hour())).unwrap();
    let wanted = it.authors(&[STRANGER, SECOND_FEED]);
    assert_eq!(wanted.len(), MAX_CREDITED_BY_ONE + 1);
    assert!(wanted.contains(&(node(502), SECOND_FEED)));

    let greedy: Vec<FeedId> = (2_000..2_020).map(node).collect();
    for (one, sayer) in (0..).zip(&greedy) {
        for n in 0..40 {
            let nth = 3_000 + 100 * one + n;
            it.mirror(*sayer, unknown(u64::from(nth)), node(nth), Some(hour())).unwrap();
        }
    }
    let wanted = it.authors(&[greedy, vec![SECOND_FEED]].concat());
    assert_eq!(wanted.len(), MAX_CREDITED);
    assert!(wanted.contains(&(node(502), SECOND_FEED)), "a modest one finds room");
}

#[test]
fn of_a_republished_broadcast_the_feeds_that_its_author_named_are_wanted() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    it.go_on(id, AUTHOR, SECOND_FEED, 10).unwrap();
    it.republish(STRANGER, id, AUTHOR, &[FEED, OWN, node(1)]).unwrap();
    it.now += ASKED_AFTER_LAST_HEARD;
    assert_eq!(it.wanted(), BTreeSet::new());
    let nothing = BTreeSet::new();
    let feeds = |it: &Fixture, held: &BTreeSet<BroadcastId>, known: &[FeedId]| {
        it.index.credited(held, |node| known.contains(node)).feeds
    };
    assert_eq!(feeds(&it, &nothing, &[]), BTreeSet::new());
    assert_eq!(feeds(&it, &nothing, &[STRANGER]), [(FEED, AUTHOR)].into());
    assert_eq!(feeds(&it, &[id].into(), &[]), [(FEED, AUTHOR), (SECOND_FEED, AUTHOR)].into());
    it.mirror(OWN, id, AUTHOR, Some(hour())).unwrap();
    assert_eq!(feeds(&it, &nothing, &[]).len(), 2, "so are those of what this node mirrors");
    assert_eq!(it.authors(&[]), [(AUTHOR, OWN)].into());
}

#[test]
fn a_feed_vouches_until_archives_cover_all_that_it_said() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    for sequence in 0..6 {
        it.live(id, FEED, sequence).unwrap();
    }
    it.go_on(id, AUTHOR, SECOND_FEED, 6).unwrap();
    it.live(id, SECOND_FEED, 6).unwrap();
    let vouching = |it: &Fixture| it.index.author_and_vouching(&id).unwrap().1;
    let keep = |it: &mut Fixture, first, last| {
        it.say(AUTHOR, &Announcement::Archive(archive(id, ArchiveKind::Hour, first, last))).unwrap();
    };
    keep(&mut it, 0, 2);
    assert_eq!(vouching(&it), [FEED, SECOND_FEED], "3 to 5 are not archived");
    keep(&mut it, 4, 6);
    assert_eq!(vouching(&it), [FEED, SECOND_FEED], "3 is missing, and the second feed goes on");
    keep(&mut it, 3, 3);
    assert_eq!(vouching(&it), [SECOND_FEED]);
    let first_six = it.index.vouching_for(&id, MediaSequence(0), MediaSequence(5));
    assert_eq!(first_six, []);
    assert_eq!(it.index.vouching_for(&id, MediaSequence(0), MediaSequence(6)), [SECOND_FEED]);
    assert!(it.end(id, AUTHOR, 7).is_ok());
    assert_eq!(vouching(&it), []);
    it.now += REPLICATED_AFTER_END;
    assert_eq!(it.index.expired_feeds(it.now, &[id].into(), |_| true), [FEED, SECOND_FEED].into());
}

#[test]
fn an_archive_far_ahead_covers_nothing_of_what_is_not_known_yet() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    it.go_on(id, AUTHOR, SECOND_FEED, 6).unwrap();
    it.say(AUTHOR, &Announcement::Archive(archive(id, ArchiveKind::Hour, 6, 9))).unwrap();
    assert_eq!(it.index.author_and_vouching(&id).unwrap().1, [FEED, SECOND_FEED]);
    it.say(AUTHOR, &Announcement::Archive(archive(id, ArchiveKind::Broadcast, 0, 9))).unwrap();
    assert_eq!(it.index.author_and_vouching(&id).unwrap().1, [SECOND_FEED]);
}

#[test]
fn what_a_known_node_republished_does_not_expire() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    it.go_on(id, AUTHOR, SECOND_FEED, 6).unwrap();
    it.republish(STRANGER, id, AUTHOR, &[FEED]).unwrap();
    assert!(it.end(id, AUTHOR, 9).is_ok());
    it.now += REPLICATED_AFTER_END;
    let nothing = BTreeSet::new();
    assert_eq!(it.index.expired_feeds(it.now, &nothing, |node| *node == STRANGER), [SECOND_FEED].into());
    assert_eq!(it.index.expired_feeds(it.now, &nothing, |_| false), [FEED, SECOND_FEED].into());
}

#[test]
fn the_feeds_that_vouch_are_bounded_for_an_author_and_in_all() {
    let mut it = Fixture::new();
    let mut held = BTreeSet::new();
    let mut next = 0;
    for author in 0..12 {
        for _ in 0..2 {
            let id = it.announce(node(author), node(10_000 + next));
            for sequence in 1..MAX_FEEDS_PER_BROADCAST as u64 {
                next += 1;
                it.go_on(id, node(author), node(10_000 + next), sequence).unwrap();
            }
            next += 1;
            held.insert(id);
        }
    }
    let feeds = it.index.credited(&held, |_| false).feeds;
    assert_eq!(feeds.len(), MAX_VOUCHING_FEEDS);
    for author in 0..12 {
        let of_author = feeds.iter().filter(|(_, named_by)| *named_by == node(author)).count();
        assert!(of_author <= MAX_VOUCHING_FEEDS_PER_NODE, "{of_author}");
    }
    assert_eq!(it.index.vouching_feeds(&held).len(), 24 * MAX_FEEDS_PER_BROADCAST, "none of them is dropped");
}

/// What nodes say, each a feed of its own.
#[derive(Debug, Clone, Copy)]
enum Feed {
    Author,
    Mirror(u8),
    Republisher(u8),
}

proptest! {
    #[test]
    fn the_order_in_which_feeds_arrive_does_not_matter(
        feeds in Just([Feed::Author, Feed::Mirror(1), Feed::Mirror(2), Feed::Republisher(1), Feed::Republisher(3)])
            .prop_map(Vec::from)
            .prop_shuffle(),
    ) {
        let mut it = Fixture::new();
        let id = id_of_message(1);
        for feed in feeds {
            match feed {
                Feed::Author => {
                    it.messages = 0;
                    prop_assert_eq!(it.archived(), id);
                }
                Feed::Mirror(n) => drop(it.mirror(FeedId([100 + n; 32]), id, AUTHOR, Some(hour())).unwrap()),
                Feed::Republisher(n) => drop(it.republish(FeedId([100 + n; 32]), id, AUTHOR, &[FEED]).unwrap()),
            }
        }
        prop_assert_eq!(it.mirrors(&id), [FeedId([101; 32]), FeedId([102; 32])]);
        prop_assert_eq!(it.republishers(&id), [FeedId([101; 32]), FeedId([103; 32])]);
    }
}
