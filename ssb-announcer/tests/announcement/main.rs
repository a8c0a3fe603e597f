//! Announcements from one node's feeds to another node's directory, and across restarts.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod programme;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use multihash_codetable::{Code, MultihashDigest as _};
use ssb_announcer::announcement::{Announcer, BroadcastDirectory, MESSAGES_PER_BROADCAST_FEED};
use ssb_announcer::feed::{FeedKind, FeedStore, Message, OwnAppend, Rejected};
use ssb_announcer::identity::{Identity, Machine};
use stream_model::{
    AnnounceError, AnnouncementLog as _, BroadcastEnd, BroadcastId, BroadcastStart, BroadcastState, Cid,
    Directory as _, DirectoryChange, DiscontinuitySequence, EndReason, FeedId, FeedSequence, Interest, MediaSegment,
    MediaSequence, MessageKey, Tracks, WallTime,
};
use tokio::time::Instant;

/// No test waits for anything but work on this machine.
const GUARD: Duration = Duration::from_secs(60);

struct Node {
    identity: Identity,
    store: FeedStore,
    directory: Arc<BroadcastDirectory>,
    announcer: Announcer,
}

impl Node {
    fn open(seed: u8, path: &Path) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::open(path, identity.id(), vec![]).unwrap();
        Self::with_store(identity, store)
    }

    fn in_memory(seed: u8) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::in_memory(identity.id(), vec![]).unwrap();
        Self::with_store(identity, store)
    }

    fn with_store(identity: Identity, store: FeedStore) -> Self {
        let directory = BroadcastDirectory::open(store.clone(), identity.id()).unwrap();
        let announcer = Announcer::new(identity.clone(), store.clone(), directory.clone());
        Self { identity, store, directory, announcer }
    }

    async fn feed(&self, feed: FeedId) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let next = FeedSequence(all.len() as u64 + 1);
            let more = self.store.get(feed, next, usize::MAX).await.unwrap();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    /// Takes from `other` what this node wants and lacks, until there is nothing more, as replication does.
    async fn replicate_from(&self, other: &Node) {
        loop {
            let mut got = 0;
            let wanted = self.store.wanted().borrow().feeds();
            for (feed, kind) in wanted {
                if kind == FeedKind::Own {
                    continue;
                }
                let from = self.store.clock(&feed).next();
                let messages = other.store.get(feed, from, usize::MAX).await.unwrap();
                let values = messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes()));
                let answers = self.store.append_remote(values.collect()).await.unwrap();
                assert!(answers.iter().all(Result::is_ok), "{answers:?}");
                got += answers.len();
            }
            if got == 0 {
                return;
            }
        }
    }

    async fn live(&self, broadcast: BroadcastId, sequences: std::ops::Range<u64>) {
        for sequence in sequences {
            self.announcer.live(broadcast, &segment(sequence), cid("manifest")).await.unwrap();
        }
    }

    fn sequences(&self, broadcast: &BroadcastId) -> Vec<u64> {
        let segments = self.directory.segments(broadcast, MediaSequence(0), usize::MAX);
        segments.iter().map(|segment| segment.media_sequence.0).collect()
    }

    fn state(&self, broadcast: &BroadcastId) -> BroadcastState {
        self.directory.listing(broadcast).unwrap().state
    }

    fn broadcast_feeds(&self) -> Vec<FeedId> {
        let wanted = self.store.wanted().borrow().feeds();
        wanted.into_keys().filter(|feed| *feed != self.identity.id()).collect()
    }
}

fn cid(text: &str) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(text.as_bytes()))
}

fn segment(sequence: u64) -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(sequence),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_millis(14_000),
        program_date_time: Some(WallTime(1_700_000_000_000)),
        independent: true,
        segment: cid(&sequence.to_string()),
        init: cid("init"),
    }
}

fn start() -> BroadcastStart {
    BroadcastStart {
        title: "Gemeinderat 🎥".into(),
        description: "öffentlich".into(),
        peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime(1_700_000_000_000),
        schedule: None,
        rendition: None,
    }
}

fn end(broadcast: BroadcastId, media_sequence: u64) -> BroadcastEnd {
    BroadcastEnd { broadcast, media_sequence: MediaSequence(media_sequence), reason: EndReason::PublisherLeft }
}

#[tokio::test]
async fn a_broadcast_is_seen_on_another_node_from_start_to_end() {
    let (publisher, viewer) = (Node::in_memory(1), Node::in_memory(2));
    viewer.store.want_peer(publisher.identity.id());
    let mut changes = viewer.directory.subscribe();

    let id = publisher.announcer.start(start()).await.unwrap();
    publisher.live(id, 0..3).await;
    viewer.replicate_from(&publisher).await;

    let listing = viewer.directory.listing(&id).unwrap();
    assert_eq!(listing.title, "Gemeinderat 🎥");
    assert_eq!((listing.own, listing.state), (false, BroadcastState::Live));
    assert_eq!(listing.author, publisher.identity.id());
    assert_eq!(listing.media_sequence, Some(MediaSequence(2)));
    assert_eq!(listing.manifest, Some(cid("manifest")));
    assert_eq!(viewer.directory.segments(&id, MediaSequence(1), 9), [segment(1), segment(2)]);
    assert_eq!(publisher.directory.segments(&id, MediaSequence(0), 1), [segment(0)]);
    assert!(publisher.directory.listing(&id).unwrap().own);

    publisher.announcer.end(end(id, 3)).await.unwrap();
    publisher.announcer.end(end(id, 3)).await.unwrap();
    viewer.replicate_from(&publisher).await;
    assert_eq!(viewer.state(&id), BroadcastState::Ended);
    assert_eq!(publisher.store.clock(&publisher.identity.id()), FeedSequence(2), "the end is announced once");

    let seen: Vec<_> = tokio::time::timeout(GUARD, changes.by_ref().take(5).collect()).await.unwrap();
    let segments = (0..3).map(|sequence| DirectoryChange::Segment(id, MediaSequence(sequence)));
    let expected: Vec<_> =
        [DirectoryChange::Broadcast(id)].into_iter().chain(segments).chain([DirectoryChange::Broadcast(id)]).collect();
    assert_eq!(seen, expected);
    viewer.directory.close();
    assert_eq!(tokio::time::timeout(GUARD, changes.next()).await.unwrap(), None);
}

#[tokio::test]
async fn every_message_of_a_node_is_valid_to_others_after_a_round_through_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let node = Node::open(1, &path);
    let id = node.announcer.start(start()).await.unwrap();
    node.live(id, 0..2).await;
    node.announcer.resume(id, MediaSequence(2)).await.unwrap();
    node.live(id, 2..3).await;
    node.announcer.end(end(id, 3)).await.unwrap();
    drop(node);

    let node = Node::open(1, &path);
    let viewer = Node::in_memory(2);
    viewer.store.want_peer(node.identity.id());
    viewer.directory.set_interest(Interest { followed: [id].into(), held: [].into() });
    viewer.replicate_from(&node).await;
    let kinds: Vec<_> = viewer.feed(node.identity.id()).await.iter().map(|message| message.kind.clone()).collect();
    let kinds: Vec<_> = kinds.iter().flatten().map(|kind| &**kind).collect();
    assert_eq!(kinds, ["meshstream-broadcast", "meshstream-continue", "meshstream-end"]);
    assert_eq!(viewer.sequences(&id), [0, 1, 2]);
}

#[tokio::test]
async fn a_long_broadcast_goes_on_in_fresh_feeds() {
    let (publisher, viewer) = (Node::in_memory(1), Node::in_memory(2));
    viewer.store.want_peer(publisher.identity.id());
    let id = publisher.announcer.start(start()).await.unwrap();
    let count = MESSAGES_PER_BROADCAST_FEED + 3;
    publisher.live(id, 0..count).await;
    assert_eq!(publisher.store.clock(&publisher.identity.id()), FeedSequence(2));

    viewer.directory.set_interest(Interest { followed: [id].into(), held: [].into() });
    viewer.replicate_from(&publisher).await;
    assert_eq!(viewer.sequences(&id), (0..count).collect::<Vec<_>>());
    let mut lengths: Vec<u64> = Vec::new();
    for feed in publisher.broadcast_feeds() {
        lengths.push(publisher.store.clock(&feed).0);
    }
    lengths.sort_unstable();
    assert_eq!(lengths, [3, MESSAGES_PER_BROADCAST_FEED]);
}

#[tokio::test]
async fn after_a_restart_a_broadcast_goes_on_in_a_fresh_feed_and_nothing_forks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let viewer = Node::in_memory(2);

    let before = Node::open(1, &path);
    viewer.store.want_peer(before.identity.id());
    let id = before.announcer.start(start()).await.unwrap();
    before.live(id, 0..4).await;
    viewer.replicate_from(&before).await;
    let old_feeds = before.broadcast_feeds();
    drop(before);

    let after = Node::open(1, &path);
    assert_eq!(after.sequences(&id), [0, 1, 2, 3], "the directory is rebuilt");
    assert_eq!(
        after.directory.listing(&id),
        viewer.directory.listing(&id).map(|it| stream_model::Listing { own: true, ..it })
    );
    let refused = after.announcer.live(id, &segment(4), cid("manifest")).await;
    assert!(matches!(refused, Err(AnnounceError::UnknownBroadcast(_))), "not before a fresh feed is named");

    after.announcer.resume(id, MediaSequence(4)).await.unwrap();
    after.live(id, 4..6).await;
    for feed in old_feeds {
        assert_eq!(after.store.clock(&feed), FeedSequence(4), "the feed of the dead process is left alone");
    }
    viewer.replicate_from(&after).await;
    assert_eq!(viewer.sequences(&id), [0, 1, 2, 3, 4, 5]);
    after.announcer.end(end(id, 6)).await.unwrap();
    viewer.replicate_from(&after).await;
    assert_eq!(viewer.state(&id), BroadcastState::Ended);
}

#[tokio::test]
async fn a_broadcast_of_a_dead_process_can_be_ended_and_not_revived() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let id = Node::open(1, &path).announcer.start(start()).await.unwrap();

    let after = Node::open(1, &path);
    after.announcer.end(end(id, 0)).await.unwrap();
    assert!(matches!(
        after.announcer.resume(id, MediaSequence(0)).await,
        Err(AnnounceError::UnknownBroadcast(unknown)) if unknown == id
    ));
    let again = Node::open(1, &path);
    assert_eq!(again.state(&id), BroadcastState::Ended);
    again.announcer.end(end(id, 0)).await.unwrap();
    assert_eq!(again.store.clock(&again.identity.id()), FeedSequence(2));
}

#[tokio::test]
async fn numbers_that_are_taken_do_not_begin_a_feed() {
    let node = Node::in_memory(1);
    let id = node.announcer.start(start()).await.unwrap();
    node.live(id, 0..3).await;
    let superseded =
        |result: Result<(), AnnounceError>| matches!(result, Err(AnnounceError::Superseded(one)) if one == id);
    assert!(superseded(node.announcer.resume(id, MediaSequence(2)).await), "a segment has it");
    node.announcer.resume(id, MediaSequence(3)).await.unwrap();
    node.announcer.resume(id, MediaSequence(3)).await.unwrap();
    node.announcer.resume(id, MediaSequence(9)).await.unwrap();
    assert!(superseded(node.announcer.resume(id, MediaSequence(8)).await), "a later feed begins after it");
    assert_eq!(node.store.clock(&node.identity.id()), FeedSequence(4));
}

#[tokio::test]
async fn broadcasts_of_others_cannot_be_announced_for() {
    let (publisher, other) = (Node::in_memory(1), Node::in_memory(2));
    other.store.want_peer(publisher.identity.id());
    let theirs = publisher.announcer.start(start()).await.unwrap();
    other.replicate_from(&publisher).await;
    let unknown = BroadcastId(MessageKey([9; 32]));
    for id in [theirs, unknown] {
        let refused = |result: Result<(), AnnounceError>| matches!(result, Err(AnnounceError::UnknownBroadcast(_)));
        assert!(refused(other.announcer.live(id, &segment(0), cid("manifest")).await));
        assert!(refused(other.announcer.resume(id, MediaSequence(0)).await));
        assert!(refused(other.announcer.end(end(id, 0)).await));
    }
    assert_eq!(other.store.clock(&other.identity.id()), FeedSequence(0));
}

#[tokio::test]
async fn texts_that_do_not_fit_are_refused_and_append_nothing() {
    let node = Node::in_memory(1);
    let titled = |title: String, description: String| BroadcastStart { title, description, ..start() };
    for too_long in [
        titled("x".repeat(201), String::new()),
        titled(String::new(), "x".repeat(2_001)),
        // Within their bounds, but six characters each once escaped.
        titled("\u{1}".repeat(200), "\u{1}".repeat(2_000)),
    ] {
        assert!(matches!(node.announcer.start(too_long).await, Err(AnnounceError::TooLong(_))));
    }
    assert!(node.announcer.start(titled("🎥".repeat(200), "日".repeat(2_000))).await.is_ok());
    assert_eq!(node.store.clock(&node.identity.id()), FeedSequence(1));
}

#[tokio::test]
async fn bad_content_in_a_valid_message_does_not_stop_the_feed() {
    let (publisher, viewer) = (Node::in_memory(1), Node::in_memory(2));
    viewer.store.want_peer(publisher.identity.id());
    let contents = [
        r#"{"type":"meshstream-broadcast"}"#,
        r#"{"type":"meshstream-live","broadcast":5}"#,
        r#"{"type":"meshstream-tomorrow","x":[]}"#,
        r#"{"type":"post","text":"hello"}"#,
        r#"{"type":"meshstream-end","broadcast":"%AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.sha256","mediaSequence":1}"#,
    ];
    for content in contents {
        let identity = publisher.identity.clone();
        let append = OwnAppend { identity, content_json: content.to_owned(), names: None };
        publisher.store.append_own(vec![append]).await.unwrap();
    }
    let id = publisher.announcer.start(start()).await.unwrap();
    viewer.replicate_from(&publisher).await;
    assert_eq!(viewer.directory.listings().iter().map(|listing| listing.id).collect::<Vec<_>>(), [id]);
    assert_eq!(viewer.store.clock(&publisher.identity.id()), FeedSequence(6));
}

#[tokio::test]
async fn broadcast_feeds_are_wanted_as_they_are_named() {
    let (publisher, viewer) = (Node::in_memory(1), Node::in_memory(2));
    let id = publisher.announcer.start(start()).await.unwrap();
    publisher.live(id, 0..1).await;
    let feed = publisher.broadcast_feeds()[0];
    let live = publisher.feed(feed).await.remove(0);
    let offer = || viewer.store.append_remote(vec![Bytes::copy_from_slice(live.value_json.as_bytes())]);

    assert_eq!(offer().await.unwrap(), [Err(Rejected::Unwanted(feed))], "nobody has named it yet");
    viewer.store.want_peer(publisher.identity.id());
    let mut wanted = viewer.store.wanted();
    let announcement = publisher.feed(publisher.identity.id()).await.remove(0);
    viewer.store.append_remote(vec![Bytes::copy_from_slice(announcement.value_json.as_bytes())]).await.unwrap();
    assert!(wanted.has_changed().unwrap());
    assert_eq!(wanted.borrow_and_update().kind(&feed), Some(FeedKind::Broadcast));
    assert!(offer().await.unwrap()[0].is_ok());
    assert_eq!(viewer.sequences(&id), [0]);
}

#[tokio::test(start_paused = true)]
async fn neighbours_that_change_what_they_ask_for_are_heeded_once_a_second() {
    let (publisher, viewer) = (Node::in_memory(1), Node::in_memory(2));
    let id = publisher.announcer.start(start()).await.unwrap();
    for sequence in 0..3 {
        publisher.live(id, sequence..sequence + 1).await;
        publisher.announcer.resume(id, MediaSequence(sequence + 1)).await.unwrap();
    }
    viewer.store.want_peer(publisher.identity.id());
    viewer.replicate_from(&publisher).await;
    let by_itself = viewer.broadcast_feeds();
    let earlier: Vec<FeedId> = publisher.broadcast_feeds().into_iter().filter(|one| !by_itself.contains(one)).collect();
    let mut wanted = viewer.store.wanted();
    let asking = async {
        for (neighbour, feed) in (7..).zip(&earlier[..2]) {
            let asked_at = Instant::now();
            viewer.store.note_asked(FeedId([neighbour; 32]), [*feed].into());
            wanted.wait_for(|wanted| wanted.kind(feed).is_some()).await.unwrap();
            // Of the paused clock, which goes on only while everything waits.
            assert!(neighbour == 7 || asked_at.elapsed() >= Duration::from_secs(1));
        }
        viewer.directory.close();
    };
    tokio::join!(viewer.directory.run(), asking);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_falls_silent_is_reported() {
    let publisher = Node::in_memory(1);
    let id = publisher.announcer.start(start()).await.unwrap();
    let mut changes = publisher.directory.subscribe();
    let silent = async {
        assert_eq!(changes.next().await, Some(DirectoryChange::Broadcast(id)));
        publisher.directory.close();
    };
    tokio::join!(publisher.directory.run(), silent);
    assert_eq!(publisher.state(&id), BroadcastState::Ended);
}

#[tokio::test]
async fn a_slow_subscriber_is_told_that_it_missed_changes() {
    let publisher = Node::in_memory(1);
    let mut slow = publisher.directory.subscribe();
    let id = publisher.announcer.start(start()).await.unwrap();
    publisher.live(id, 0..1_100).await;
    assert_eq!(tokio::time::timeout(GUARD, slow.next()).await.unwrap(), Some(DirectoryChange::Missed));
}

mod assembled {
    use std::path::Path;

    use ssb_announcer::{Config, SsbAnnouncer, gossip};
    use stream_model::SsbPeer;

    use super::*;

    async fn start_node(data_dir: &Path) -> SsbAnnouncer {
        let config = Config {
            secret: data_dir.join("identity/secret"),
            database: data_dir.join("ssb.sqlite3"),
            gossip: gossip::Config { listen: "[::1]:0".parse().unwrap(), ..gossip::Config::default() },
            name: "Townhall".to_owned(),
            machine: Machine::of(["here"]),
            hops: 3,
            image: None,
            start_posts: None,
            discovery: None,
            keep_free: 0,
            peers: vec![],
        };
        SsbAnnouncer::start(config).await.unwrap()
    }

    async fn until(node: &SsbAnnouncer, mut reached: impl FnMut(&dyn stream_model::Directory) -> bool) {
        let directory = node.directory();
        let mut changes = directory.subscribe();
        let wait = async {
            while !reached(directory.as_ref()) {
                changes.next().await.unwrap();
            }
        };
        tokio::time::timeout(GUARD, wait).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_one_node_announces_another_lists_over_the_network_and_after_restarts() {
        let (publisher_dir, viewer_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let publisher = start_node(publisher_dir.path()).await;
        let viewer = start_node(viewer_dir.path()).await;
        let feed = publisher.id();
        viewer.peer_book().offer(SsbPeer { feed, addresses: vec![publisher.local_address()] });

        let log = publisher.announcement_log();
        let id = log.start(start()).await.unwrap();
        for sequence in 0..3 {
            log.live(id, &segment(sequence), cid("manifest")).await.unwrap();
        }
        until(&viewer, |directory| directory.segments(&id, MediaSequence(0), 9).len() == 3).await;
        assert_eq!(viewer.connections()[0].feed, feed);
        publisher.shutdown().await;
        publisher.stopped().await;
        drop(log);

        let publisher = start_node(publisher_dir.path()).await;
        assert_eq!(publisher.id(), feed);
        viewer.shutdown().await;
        let viewer = start_node(viewer_dir.path()).await;
        assert_eq!(viewer.directory().segments(&id, MediaSequence(0), 9).len(), 3);
        viewer.peer_book().offer(SsbPeer { feed, addresses: vec![publisher.local_address()] });

        let log = publisher.announcement_log();
        log.resume(id, MediaSequence(3)).await.unwrap();
        log.live(id, &segment(3), cid("manifest")).await.unwrap();
        log.end(end(id, 4)).await.unwrap();
        until(&viewer, |directory| {
            let ended = directory.listing(&id).unwrap().state == BroadcastState::Ended;
            ended && directory.segments(&id, MediaSequence(0), 9).len() == 4
        })
        .await;
        viewer.shutdown().await;
        publisher.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_end_announced_just_before_the_shutdown_reaches_connected_peers() {
        let (publisher_dir, viewer_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let publisher = start_node(publisher_dir.path()).await;
        let viewer = start_node(viewer_dir.path()).await;
        viewer.peer_book().offer(SsbPeer { feed: publisher.id(), addresses: vec![publisher.local_address()] });
        let id = publisher.announcement_log().start(start()).await.unwrap();
        until(&viewer, |directory| directory.listing(&id).is_some()).await;

        publisher.announcement_log().end(end(id, 0)).await.unwrap();
        publisher.shutdown().await;
        until(&viewer, |directory| directory.listing(&id).unwrap().state == BroadcastState::Ended).await;
        viewer.shutdown().await;
    }
}
