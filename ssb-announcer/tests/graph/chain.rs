//! Nodes in a row, each connected to its neighbours only, over real sockets.

use futures::StreamExt as _;
use ssb_announcer::gossip::peers::ConnectionState;
use ssb_announcer::identity::Machine;
use ssb_announcer::{Config, SsbAnnouncer, gossip};
use stream_model::{
    BroadcastId, BroadcastState, Directory, DirectoryChange, FeedId, Interest, MediaSequence, Relation, SsbPeer,
};
use tempfile::TempDir;

use crate::announced::{GUARD, cid, end, segment, start};

struct Node {
    ssb: SsbAnnouncer,
    _data_dir: TempDir,
}

impl Node {
    async fn start() -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let config = Config {
            secret: data_dir.path().join("identity/secret"),
            machine: Machine::of(["here"]),
            database: data_dir.path().join("ssb.sqlite3"),
            gossip: gossip::Config { listen: "[::1]:0".parse().unwrap(), ..gossip::Config::default() },
            discovery: None,
            keep_free: 0,
            peers: vec![],
            hops: 3,
            name: "node".to_owned(),
            image: None,
            start_posts: None,
        };
        Self { ssb: SsbAnnouncer::start(config).await.unwrap(), _data_dir: data_dir }
    }

    fn id(&self) -> FeedId {
        self.ssb.id()
    }

    fn dial(&self, other: &Self) {
        self.ssb.peer_book().offer(SsbPeer { feed: other.id(), addresses: vec![other.ssb.local_address()] });
    }

    /// Learns from `neighbour` that there is `other`.
    fn hear_of(&self, other: &Self, neighbour: &Self) {
        self.ssb.peer_book().introduce(neighbour.id(), other.id());
    }

    fn watch(&self, broadcast: BroadcastId) {
        self.ssb.directory().set_interest(Interest { followed: [broadcast].into(), held: [].into() });
    }

    /// Announces segments of a broadcast.
    async fn live(&self, broadcast: BroadcastId, sequences: std::ops::Range<u64>) {
        for sequence in sequences {
            self.ssb.announcement_log().live(broadcast, &segment(sequence), cid("manifest")).await.unwrap();
        }
    }

    async fn until(&self, what: &str, mut reached: impl FnMut(&dyn Directory) -> bool) {
        let directory = self.ssb.directory();
        let mut changes = directory.subscribe();
        let wait = async {
            while !reached(directory.as_ref()) {
                changes.next().await.unwrap();
            }
        };
        if tokio::time::timeout(GUARD, wait).await.is_err() {
            panic!("not reached: {what}; {:?}; {:?}", directory.listings(), self.ssb.connections());
        }
    }

    async fn has(&self, broadcast: BroadcastId, sequences: std::ops::Range<u64>) {
        let wanted: Vec<u64> = sequences.collect();
        self.until(&format!("segments {wanted:?}"), |directory| {
            let segments = directory.segments(&broadcast, MediaSequence(0), usize::MAX);
            segments.iter().map(|segment| segment.media_sequence.0).eq(wanted.iter().copied())
        })
        .await;
    }

    /// The list of connections raises no event, so it is read again and again.
    async fn is_not_connected_to(&self, other: &Self) {
        let gone = async {
            let connected = || {
                let connections = self.ssb.connections();
                connections.iter().any(|one| one.feed == other.id() && one.state == ConnectionState::Connected)
            };
            while connected() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(GUARD, gone).await.unwrap();
    }
}

/// A publishes, B knows A, C knows B and has heard of A.
async fn chain() -> (Node, Node, Node) {
    let (a, b, c) = (Node::start().await, Node::start().await, Node::start().await);
    b.dial(&a);
    c.dial(&b);
    c.hear_of(&a, &b);
    (a, b, c)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_reaches_the_end_of_a_chain_in_whose_middle_nobody_watches() {
    let (a, b, c) = chain().await;
    let log = a.ssb.announcement_log();
    let id = log.start(start()).await.unwrap();
    c.until("the broadcast is listed", |directory| directory.listing(&id).is_some()).await;
    c.watch(id);
    a.live(id, 0..3).await;
    c.has(id, 0..3).await;
    log.end(end(id, 3)).await.unwrap();
    let ended = |directory: &dyn Directory| directory.listing(&id).unwrap().state == BroadcastState::Ended;
    c.until("the end", ended).await;
    for node in [&a, &b, &c] {
        node.ssb.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_late_gets_the_earlier_feeds_through_a_neighbour_who_does_not_watch() {
    let a = Node::start().await;
    let log = a.ssb.announcement_log();
    let id = log.start(start()).await.unwrap();
    a.live(id, 0..3).await;
    for resumed_at in [3, 5] {
        log.resume(id, MediaSequence(resumed_at)).await.unwrap();
        a.live(id, resumed_at..resumed_at + 2).await;
    }

    let (b, c) = (Node::start().await, Node::start().await);
    b.dial(&a);
    let newest = |directory: &dyn Directory| directory.segments(&id, MediaSequence(6), 1).len() == 1;
    b.until("the feed that speaks now", newest).await;
    c.watch(id);
    c.dial(&b);
    c.hear_of(&a, &b);
    c.has(id, 0..7).await;
    a.live(id, 7..8).await;
    c.has(id, 0..8).await;
    for node in [&a, &b, &c] {
        node.ssb.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_flows_through_a_node_that_blocks_until_it_blocks_no_more() {
    let (a, b, c) = chain().await;
    let log = a.ssb.announcement_log();
    let first = log.start(start()).await.unwrap();
    c.until("the first broadcast", |directory| directory.listing(&first).is_some()).await;

    b.ssb.follow_graph().relate(c.id(), Relation::Blocking).await.unwrap();
    b.is_not_connected_to(&c).await;
    let second = log.start(start()).await.unwrap();
    b.until("the second broadcast", |directory| directory.listing(&second).is_some()).await;
    assert_eq!(c.ssb.directory().listing(&second), None);
    let blocked = b.ssb.follow_graph().list().await.unwrap();
    let entry = blocked.iter().find(|entry| entry.feed == c.id()).unwrap();
    assert_eq!((entry.relation, entry.messages), (Relation::Blocking, 0));

    b.ssb.follow_graph().relate(c.id(), Relation::Neutral).await.unwrap();
    c.until("the second broadcast", |directory| directory.listing(&second).is_some()).await;
    for node in [&a, &b, &c] {
        node.ssb.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broadcasts_of_a_blocked_author_are_hidden_at_once() {
    let (a, b, c) = chain().await;
    let id = a.ssb.announcement_log().start(start()).await.unwrap();
    a.live(id, 0..2).await;
    b.has(id, 0..2).await;
    let mut changes = b.ssb.directory().subscribe();
    b.ssb.follow_graph().relate(a.id(), Relation::Blocking).await.unwrap();
    assert_eq!(b.ssb.directory().listings(), []);
    let told = async { while changes.next().await.unwrap() != DirectoryChange::Broadcast(id) {} };
    tokio::time::timeout(GUARD, told).await.unwrap();
    for node in [&a, &b, &c] {
        node.ssb.shutdown().await;
    }
}
