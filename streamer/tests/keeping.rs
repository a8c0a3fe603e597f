//! Mirrors, republications, what is carried by hand, and rebroadcasts: nodes with stores, feeds and files in memory, a catalog
//! on disk and tokio's paused clock.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use stream_model::{
    AnnouncementLog as _, ArchiveKeeper, ArchiveKind, ArchiveManifest, BroadcastEnd, BroadcastId, BroadcastStart,
    CarVersion, Cid, Claim, ContentStore as _, Directory as _, DiscontinuitySequence, EndReason, FeedId, KeepPolicy,
    KeeperError, MediaSegment, MediaSequence, OwnCopy, Rendition, Standings as _, THUMBNAILS, Tiles, Tracks, Variant,
    WallTime,
};
use streamer::broadcast::SystemClock;
use streamer::playback::Mirror;
use streamer::{Streamer, keeping};
use tempfile::TempDir;
use testkit::fakes::{MemoryFeeds, MemoryFetcher, MemoryStore, cid_of, peer_id};
use testkit::neighbourhood::{MemoryFollows, MemoryNeighbours};
use testkit::standing::{MemoryCarrier, MemoryStandings};
use tokio_util::sync::CancellationToken;

const TARGET: Duration = Duration::from_secs(15);
/// 2026-11-21T14:30:00Z.
const START: u64 = 1_795_271_400;
const GUARD: Duration = Duration::from_secs(3_600);
const AUTHOR: FeedId = FeedId([1; 32]);
const NODE: FeedId = FeedId([2; 32]);

/// A publisher and what it stored, in its node's memory.
struct Publisher {
    store: MemoryStore,
    feeds: MemoryFeeds,
}

/// A node that keeps what the publisher made.
struct Node {
    directory: TempDir,
    store: MemoryStore,
    fetcher: MemoryFetcher,
    feeds: MemoryFeeds,
    standings: MemoryStandings,
}

/// While it runs.
struct Running {
    streamer: Streamer,
    keeper: Arc<dyn ArchiveKeeper>,
    stop: CancellationToken,
}

impl Publisher {
    fn new() -> Self {
        Self { store: MemoryStore::default(), feeds: MemoryFeeds::new(AUTHOR) }
    }

    /// Announces a broadcast and so many segments of it one by one, which begin at half past an hour.
    async fn publish(&self, segments: u64, archive: bool) -> (BroadcastId, Vec<MediaSegment>) {
        self.publish_as(None, segments, archive).await
    }

    /// Likewise pictures to look through a broadcast with.
    async fn publish_images(&self, of: BroadcastId, segments: u64) -> (BroadcastId, Vec<MediaSegment>) {
        let variant = Variant { bandwidth: 20_000, codecs: "jpeg".to_owned(), resolution: Some((256, 144)) };
        let tiles = Some(Tiles { columns: 4, rows: 1 });
        let rendition =
            Rendition { of, name: THUMBNAILS.to_owned(), variant: variant.clone(), original: variant, tiles };
        self.publish_as(Some(rendition), segments, true).await
    }

    async fn publish_as(
        &self,
        rendition: Option<Rendition>,
        segments: u64,
        archive: bool,
    ) -> (BroadcastId, Vec<MediaSegment>) {
        let what = if rendition.is_some() { "images" } else { "segment" };
        let start = BroadcastStart {
            title: "town hall".to_owned(),
            description: String::new(),
            peer: peer_id(1),
            target_duration: TARGET,
            tracks: Tracks { video: true, audio: true },
            archive,
            started_at: WallTime(START * 1000),
            schedule: None,
            rendition,
        };
        let id = self.feeds.start(start).await.unwrap();
        let mut all = Vec::new();
        for number in 0..segments {
            let sequence = MediaSequence(number);
            let media = Bytes::from(format!("{what} {number}"));
            let media = self.store.add_file(vec![media], Claim::Segment(id, sequence)).await.unwrap();
            let init = self.store.add_file(vec![Bytes::from("init")], Claim::Init(id, sequence)).await.unwrap();
            let segment = MediaSegment {
                media_sequence: sequence,
                discontinuity_sequence: DiscontinuitySequence(0),
                duration: TARGET,
                program_date_time: Some(WallTime((START + 15 * number) * 1000)),
                independent: true,
                segment: media.cid,
                init: init.cid,
            };
            self.feeds.live(id, &segment, media.cid).await.unwrap();
            all.push(segment);
        }
        (id, all)
    }

    async fn end(&self, id: BroadcastId, next: u64) {
        let end = BroadcastEnd { broadcast: id, media_sequence: MediaSequence(next), reason: EndReason::PublisherLeft };
        self.feeds.end(end).await.unwrap();
    }

    /// Makes and announces the archives, as the publisher's node does.
    async fn archive(&self, id: BroadcastId, segments: &[MediaSegment]) -> Vec<ArchiveManifest> {
        // A node that exports makes the same manifests; here they are taken from a node of the publisher.
        let node = Node::of(self, AUTHOR);
        let archives = node.made(id, segments).await;
        for archive in &archives {
            self.feeds.archive(archive.clone()).await.unwrap();
        }
        self.feeds.drop_segments(&id);
        archives
    }
}

impl Node {
    fn of(publisher: &Publisher, reader: FeedId) -> Self {
        let store = if reader == AUTHOR { publisher.store.clone() } else { MemoryStore::default() };
        let fetcher = MemoryFetcher::new(store.clone(), publisher.store.clone());
        let feeds = publisher.feeds.read_by(reader);
        let directory = tempfile::tempdir().unwrap();
        Self { directory, store, fetcher, feeds, standings: MemoryStandings::new(reader) }
    }

    fn start(&self, carried_from: &MemoryStore) -> Running {
        self.start_with(carried_from, Mirror::Watched)
    }

    fn start_with(&self, carried_from: &MemoryStore, mirror: Mirror) -> Running {
        let mut config = streamer::Config { mirror, ..streamer::Config::default() };
        config.ingest.listen = "127.0.0.1:0".parse().unwrap();
        config.keeping = keeping::Config { honour_withdrawals: true };
        let ports = streamer::Ports {
            store: Arc::new(self.store.clone()),
            reader: Arc::new(self.store.clone()),
            fetcher: Arc::new(self.fetcher.clone()),
            announcements: Arc::new(self.feeds.clone()),
            directory: Arc::new(self.feeds.clone()),
            neighbours: Arc::new(MemoryNeighbours::default()),
            follows: Arc::new(MemoryFollows::default()),
            standings: Arc::new(self.standings.clone()),
            standing_log: Arc::new(self.standings.clone()),
            messages: Arc::new(self.standings.clone()),
            programme_log: Arc::new(self.feeds.clone()),
            carrier: Arc::new(MemoryCarrier::new(self.store.clone(), carried_from.clone())),
            peer: peer_id(2),
            clock: Arc::new(SystemClock),
        };
        let stop = CancellationToken::new();
        let database = self.directory.path().join("streamer.sqlite3");
        let streamer = Streamer::start(config, &database, ports, stop.clone()).unwrap();
        Running { keeper: streamer.archive_keeper(), streamer, stop }
    }

    /// The archives of an hour and a day and of the whole, over these segments.
    async fn made(&self, id: BroadcastId, segments: &[MediaSegment]) -> Vec<ArchiveManifest> {
        use streamer::manifest::{INDEX, hour_manifest, nested_manifest};
        let store = async |manifest: streamer::manifest::Manifest, claim: Claim| {
            let index = self.store.add_file(vec![manifest.index.into()], claim).await.unwrap();
            let mut entries = manifest.entries;
            entries.push(stream_model::DirectoryEntry { name: INDEX.to_owned(), cid: index.cid });
            self.store.add_directory(entries, claim).await.unwrap().cid
        };
        let (first, last) = (segments[0].media_sequence, segments[segments.len() - 1].media_sequence);
        let hour = store(hour_manifest(TARGET, segments), Claim::Archive(ArchiveKind::Hour, id, first)).await;
        let folders = [(first, hour)];
        let whole = nested_manifest(TARGET, &folders, segments);
        let whole = store(whole, Claim::Archive(ArchiveKind::Broadcast, id, first)).await;
        [(ArchiveKind::Hour, hour), (ArchiveKind::Broadcast, whole)]
            .map(|(kind, manifest)| ArchiveManifest {
                broadcast: id,
                kind,
                period: None,
                first_media_sequence: first,
                last_media_sequence: last,
                manifest,
                duration: TARGET,
                bytes: 1,
            })
            .into()
    }

    fn mirrored(&self, id: BroadcastId) -> Option<Cid> {
        let mirrors = self.standings.standing(&id).mirrors;
        mirrors.into_iter().find(|mirror| mirror.node == NODE).map(|mirror| mirror.manifest)
    }
}

impl Running {
    async fn whole(&self, id: BroadcastId) {
        let mut progress = self.keeper.mirror_progress(id);
        let whole = async { while progress.next().await.is_some_and(|now| !now.whole) {} };
        tokio::time::timeout(GUARD, whole).await.expect("all of it comes");
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(GUARD, self.streamer.join()).await.expect("it ends").unwrap();
    }
}

/// Waits, by the paused clock, until something is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(GUARD, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(start_paused = true)]
async fn a_mirror_fetches_the_newest_first_claims_the_whole_and_says_so() {
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(30, true).await;
    publisher.end(id, 30).await;
    let archives = publisher.archive(id, &segments).await;
    let node = Node::of(&publisher, NODE);
    let running = node.start(&MemoryStore::default());
    running.keeper.mirror(id).await.unwrap();
    running.whole(id).await;

    let fetched = node.fetcher.requests().into_iter().filter_map(|(claim, _)| match claim {
        Claim::Segment(_, sequence) => Some(sequence.0),
        _ => None,
    });
    let fetched: Vec<u64> = fetched.collect();
    assert_eq!(fetched.len(), 30);
    assert!(fetched[0] >= 26 && fetched[29] <= 3, "newest first: {fetched:?}");
    assert!(node.fetcher.most_at_once() <= 4, "{} at once", node.fetcher.most_at_once());
    assert_eq!(node.mirrored(id), Some(archives[1].manifest));
    for archive in &archives {
        let claim = Claim::Archive(archive.kind, id, archive.first_media_sequence);
        assert_eq!(node.store.claimed(&claim), [archive.manifest]);
    }
    let entry = running.keeper.mirrors().pop().unwrap();
    assert!(entry.asked && entry.progress.whole && entry.progress.segments == 30, "{entry:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_mirror_goes_on_after_an_outage_and_after_a_restart() {
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(20, true).await;
    publisher.end(id, 20).await;
    publisher.archive(id, &segments).await;
    let node = Node::of(&publisher, NODE);
    let lost: Vec<Cid> = segments[..15].iter().map(|segment| segment.segment).collect();
    lost.iter().for_each(|root| node.fetcher.lose(*root));
    let running = node.start(&MemoryStore::default());
    running.keeper.mirror(id).await.unwrap();
    let mut progress = running.keeper.mirror_progress(id);
    let waiting = async { while progress.next().await.is_some_and(|now| now.waiting.is_none()) {} };
    tokio::time::timeout(GUARD, waiting).await.expect("it says why it waits");
    assert_eq!(node.mirrored(id), None, "nothing is said that is not true");
    running.stop().await;

    let running = node.start(&MemoryStore::default());
    lost.iter().for_each(|root| node.fetcher.find(root));
    until("the rest comes", async || node.mirrored(id).is_some()).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_withdrawn_or_is_not_to_be_kept_is_neither_mirrored_nor_republished() {
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(4, true).await;
    publisher.end(id, 4).await;
    publisher.archive(id, &segments).await;
    let (fleeting, _) = publisher.publish(4, false).await;
    let node = Node::of(&publisher, NODE);
    let running = node.start(&MemoryStore::default());
    let keeper = &running.keeper;
    assert!(matches!(keeper.mirror(fleeting).await, Err(KeeperError::NotToBeKept(_))));
    keeper.mirror(id).await.unwrap();
    running.whole(id).await;
    node.standings.change(id, |standing| standing.withdrawn = Some("by mistake".to_owned()));
    publisher.feeds.set_state(id, stream_model::BroadcastState::Ended);
    until("it is given up", async || node.mirrored(id).is_none() && !node.store.holds(&segments[0].segment).await)
        .await;
    assert!(keeper.mirrors().is_empty());
    assert!(matches!(keeper.mirror(id).await, Err(KeeperError::Withdrawn(_))));
    assert!(matches!(keeper.republish(id, String::new()).await, Err(KeeperError::Withdrawn(_))));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_mirror_by_policy_takes_archives_too_and_is_not_taken_up_again_once_stopped() {
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(4, true).await;
    publisher.end(id, 4).await;
    publisher.archive(id, &segments).await;
    let node = Node::of(&publisher, NODE);
    let running = node.start_with(&MemoryStore::default(), Mirror::All);
    until("it is mirrored", async || node.mirrored(id).is_some()).await;
    running.keeper.unmirror(id).await.unwrap();
    assert_eq!(node.mirrored(id), None);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(running.keeper.mirrors().is_empty(), "it is taken up again");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pictures_to_look_through_a_broadcast_with_are_mirrored_with_it_and_no_longer() {
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(4, true).await;
    let (images, of_images) = publisher.publish_images(id, 4).await;
    for (id, segments) in [(id, &segments), (images, &of_images)] {
        publisher.end(id, 4).await;
        publisher.archive(id, segments).await;
    }
    let node = Node::of(&publisher, NODE);
    let running = node.start_with(&MemoryStore::default(), Mirror::None);
    running.keeper.mirror(id).await.unwrap();
    running.whole(id).await;
    until("the pictures are mirrored", async || node.mirrored(images).is_some()).await;
    let told: Vec<_> = running.keeper.mirrors().into_iter().map(|mirror| mirror.broadcast).collect();
    assert_eq!(told, [id], "the owner asked for one broadcast");

    running.keeper.unmirror(id).await.unwrap();
    assert_eq!((node.mirrored(id), node.mirrored(images)), (None, None));

    running.keeper.mirror(id).await.unwrap();
    until("the pictures are mirrored again", async || node.mirrored(images).is_some()).await;
    node.standings.change(id, |standing| standing.withdrawn = Some("by mistake".to_owned()));
    until("they go with what was withdrawn", async || node.mirrored(images).is_none()).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_is_stopped_in_the_moment_it_is_announced_is_taken_back() {
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(4, true).await;
    publisher.end(id, 4).await;
    publisher.archive(id, &segments).await;
    let node = Node::of(&publisher, NODE);
    let running = node.start(&MemoryStore::default());
    running.keeper.mirror(id).await.unwrap();
    // Not by the clock: what is announced is seen before it is written down.
    let announced = async {
        while node.mirrored(id).is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(GUARD, announced).await.expect("it is announced");
    running.keeper.unmirror(id).await.unwrap();
    assert_eq!(node.mirrored(id), None, "others go on asking this node for it");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_its_owner_drops_is_mirrored_no_more_until_it_is_asked_for_again() {
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(4, true).await;
    publisher.end(id, 4).await;
    publisher.archive(id, &segments).await;
    let node = Node::of(&publisher, NODE);
    let running = node.start_with(&MemoryStore::default(), Mirror::All);
    running.keeper.mirror(id).await.unwrap();
    running.whole(id).await;
    running.streamer.keep_policies().set_policy(id, KeepPolicy::DropAfter(Duration::ZERO)).await.unwrap();
    until("others are told that it is not here any more", async || node.mirrored(id).is_none()).await;
    tokio::time::sleep(Duration::from_secs(3_000)).await;
    assert!(running.keeper.mirrors().is_empty(), "it is taken up again");
    assert!(node.store.claims().is_empty(), "{:?}", node.store.claims());

    running.keeper.mirror(id).await.unwrap();
    running.whole(id).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(node.mirrored(id).is_some() && running.keeper.mirrors().len() == 1, "dropped again");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_a_publisher_that_died_without_a_word_the_republisher_makes_the_archive_that_the_publisher_would_have_made()
{
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(8, true).await;
    publisher.feeds.set_state(id, stream_model::BroadcastState::Ended);
    let node = Node::of(&publisher, NODE);
    let running = node.start(&MemoryStore::default());
    assert!(matches!(running.keeper.republish(id, String::new()).await, Err(KeeperError::NothingHeld(_))));
    running.keeper.mirror(id).await.unwrap();
    running.whole(id).await;
    let republished = running.keeper.republish(id, "The town".to_owned()).await.unwrap();
    assert_eq!((republished.segments, republished.last_media_sequence), (8, MediaSequence(7)));
    let standing = node.standings.standing(&id);
    assert_eq!(standing.republications[0].credit, "The town");
    let manifest = standing.republications[0].manifest;
    let made = Node::of(&publisher, AUTHOR).made(id, &segments).await;
    assert_eq!(manifest, made[1].manifest, "another archive than the publisher's");
    assert!(node.store.holds(&manifest).await);
    assert!(!node.store.claims().iter().any(|claim| matches!(claim, Claim::Draft(_))), "a draft is left");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_carried_is_mirrored_where_the_publisher_vouches_for_it_and_refused_where_not() {
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(6, true).await;
    publisher.end(id, 6).await;
    let archives = publisher.archive(id, &segments).await;
    let one = Node::of(&publisher, NODE);
    one.standings.set_messages(id, vec!["{}".to_owned(); 3]);
    let running = one.start(&MemoryStore::default());
    running.keeper.mirror(id).await.unwrap();
    running.whole(id).await;
    let car = running.keeper.export(id, CarVersion::V1).await.unwrap();
    let file: Vec<Bytes> = car.bytes.try_collect().await.unwrap();
    running.stop().await;

    let nobody = Publisher { store: MemoryStore::default(), feeds: publisher.feeds.clone() };
    let other = Node::of(&nobody, NODE);
    let running = other.start(&one.store);
    let pieces = futures::stream::iter(file.clone()).map(Ok).boxed();
    let imported = running.keeper.import(pieces, &|_| ()).await.unwrap();
    assert_eq!((imported.broadcast, imported.segments, imported.messages.new), (id, 6, 1));
    running.whole(id).await;
    assert_eq!(other.mirrored(id), Some(archives[1].manifest));
    assert!(other.store.claims().iter().all(|claim| claim.broadcast() == Some(id)), "{:?}", other.store.claims());
    running.stop().await;

    // The same content under another publisher's broadcast, for which nobody vouches.
    let liar = Publisher { store: MemoryStore::default(), feeds: MemoryFeeds::new(AUTHOR) };
    let (same, _) = liar.publish(2, true).await;
    assert_eq!(same, id, "the same announcement, and other segments");
    liar.feeds.drop_segments(&id);
    let victim = Node::of(&Publisher { store: MemoryStore::default(), feeds: liar.feeds.clone() }, NODE);
    let running = victim.start(&one.store);
    let pieces = futures::stream::iter(file).map(Ok).boxed();
    let refused = running.keeper.import(pieces, &|_| ()).await;
    assert!(matches!(&refused, Err(KeeperError::Refused(why)) if why.contains("vouches")), "{refused:?}");
    assert_eq!(victim.store.claims(), [], "something of it was kept");
    let nonsense = futures::stream::iter([Ok(Bytes::from(cid_of(b"none").to_string()))]).boxed();
    assert!(running.keeper.import(nonsense, &|_| ()).await.is_err());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_archive_is_rebroadcast_at_its_pace_over_the_same_blocks_and_ends_by_itself() {
    let publisher = Publisher::new();
    let (id, segments) = publisher.publish(5, true).await;
    publisher.end(id, 5).await;
    publisher.archive(id, &segments).await;
    let mut node = Node::of(&publisher, NODE);
    // Its own announcements are beside those of the publisher.
    let own = MemoryFeeds::new(NODE);
    own.insert(node.feeds.listing(&id).unwrap());
    publisher.feeds.archives(&id).into_iter().for_each(|archive| own.insert_archive(archive));
    node.feeds = own;
    let running = node.start(&MemoryStore::default());
    let began = tokio::time::Instant::now();
    let new = running.keeper.rebroadcast(id, None).await.unwrap();
    assert_eq!(node.feeds.listing(&new).unwrap().title, "Rebroadcast: town hall");
    let mut changes = node.feeds.subscribe();
    let ended = async {
        while node.feeds.listing(&new).unwrap().state == stream_model::BroadcastState::Live {
            changes.next().await;
        }
    };
    tokio::time::timeout(GUARD, ended).await.expect("it ends");
    assert!(began.elapsed() >= 5 * TARGET, "it took {:?}", began.elapsed());
    let played: Vec<_> = node.feeds.announced().into_iter().map(|(_, segment, _)| segment).collect();
    let roots = |segments: &[MediaSegment]| segments.iter().map(|one| one.segment).collect::<Vec<_>>();
    assert_eq!(roots(&played), roots(&segments));
    assert!(played.iter().map(|segment| segment.media_sequence.0).eq(0..5));
    assert!(matches!(running.keeper.stop_rebroadcast(new).await, Err(KeeperError::NotRunning(..))));

    let again = running.keeper.rebroadcast(id, Some("Again".to_owned())).await.unwrap();
    running.keeper.stop_rebroadcast(id).await.unwrap();
    let ended = async {
        while node.feeds.listing(&again).unwrap().state == stream_model::BroadcastState::Live {
            changes.next().await;
        }
    };
    tokio::time::timeout(GUARD, ended).await.expect("it is stopped");
    assert!(matches!(running.keeper.withdraw(id, String::new(), OwnCopy::Keep).await, Err(KeeperError::NotOwn(_))));
    running.keeper.withdraw(new, "a test".to_owned(), OwnCopy::Remove).await.unwrap();
    assert_eq!(node.standings.standing(&new).withdrawn.as_deref(), Some("a test"));
    running.stop().await;
}
