//! Bytes that one announcement of a segment takes over a connection on which replication has begun, counted by a relay.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use multihash_codetable::{Code, MultihashDigest as _};
use ssb_announcer::identity::Machine;
use ssb_announcer::{Config, SsbAnnouncer, gossip};
use stream_model::{
    BroadcastId, BroadcastStart, Cid, DirectoryChange, DiscontinuitySequence, MediaSegment, MediaSequence, SsbPeer,
    Tracks, WallTime,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::row;

const ANNOUNCEMENTS: u64 = 100;
/// After this nothing of replication is on its way any more.
const QUIET: Duration = Duration::from_secs(1);

/// Bytes that went through.
#[derive(Default)]
struct Relay {
    to_publisher: AtomicU64,
    from_publisher: AtomicU64,
}

impl Relay {
    fn bytes(&self) -> (u64, u64) {
        (self.from_publisher.load(Ordering::SeqCst), self.to_publisher.load(Ordering::SeqCst))
    }

    /// Listens before a node.
    async fn before(target: SocketAddr) -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Arc::new(Self::default());
        let counts = relay.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = TcpStream::connect(target).await.unwrap().into_split();
                tokio::spawn(carry(near_read, far_write, counts.clone(), |relay| &relay.to_publisher));
                tokio::spawn(carry(far_read, near_write, counts.clone(), |relay| &relay.from_publisher));
            }
        });
        (relay, address)
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, relay: Arc<Relay>, count: fn(&Relay) -> &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        count(&relay).fetch_add(bytes as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}

async fn start(data_dir: &Path) -> SsbAnnouncer {
    let config = Config {
        secret: data_dir.join("identity/secret"),
        machine: Machine::this(),
        database: data_dir.join("ssb.sqlite3"),
        gossip: gossip::Config { listen: "[::1]:0".parse().unwrap(), ..gossip::Config::default() },
        name: String::new(),
        image: None,
        hops: 3,
        start_posts: None,
        discovery: None,
        keep_free: 0,
        peers: vec![],
    };
    SsbAnnouncer::start(config).await.unwrap()
}

fn cid(number: u64) -> Cid {
    Cid::new_v1(0x70, Code::Sha2_256.digest(&number.to_be_bytes()))
}

fn segment(number: u64) -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(number),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_millis(14_960),
        program_date_time: Some(WallTime(1_795_269_780_000 + 14_960 * number)),
        independent: true,
        segment: cid(2 * number),
        init: cid(u64::MAX),
    }
}

async fn start_broadcast(node: &SsbAnnouncer) -> BroadcastId {
    let start = BroadcastStart {
        title: "Open stage".to_owned(),
        description: String::new(),
        peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime(1_795_269_780_000),
        schedule: None,
        rendition: None,
    };
    node.announcement_log().start(start).await.unwrap()
}

pub(crate) async fn run() {
    let directory = tempfile::tempdir().unwrap();
    let publisher = start(&directory.path().join("publisher")).await;
    let viewer = start(&directory.path().join("viewer")).await;
    let (relay, address) = Relay::before(publisher.local_address()).await;
    let mut changes = viewer.directory().subscribe();
    viewer.peer_book().offer(SsbPeer { feed: publisher.id(), addresses: vec![address] });

    let broadcast = start_broadcast(&publisher).await;
    let mut announce = async |number| {
        publisher.announcement_log().live(broadcast, &segment(number), cid(2 * number + 1)).await.unwrap();
        while changes.next().await.unwrap() != DirectoryChange::Segment(broadcast, MediaSequence(number)) {}
    };
    announce(0).await;
    tokio::time::sleep(QUIET).await;
    let before = relay.bytes();
    for number in 1..=ANNOUNCEMENTS {
        announce(number).await;
    }
    tokio::time::sleep(QUIET).await;
    let after = relay.bytes();
    let (out, back) = (after.0 - before.0, after.1 - before.1);
    let message = message_bytes(&directory.path().join("publisher"));
    row("bytes of a segment's announcement: the message", &message.to_string());
    row(
        &format!("bytes on the wire for one, with muxrpc and box stream (mean of {ANNOUNCEMENTS})"),
        &format!("{:.1}", out as f64 / ANNOUNCEMENTS as f64),
    );
    row("bytes of notes and all else that came back for one", &format!("{:.1}", back as f64 / ANNOUNCEMENTS as f64));
    publisher.shutdown().await;
    viewer.shutdown().await;
}

/// The mean length of the announcements in a database.
fn message_bytes(data_dir: &Path) -> u64 {
    let connection = rusqlite::Connection::open(data_dir.join("ssb.sqlite3")).unwrap();
    let mean = "SELECT avg(length(CAST(value AS BLOB))) FROM messages WHERE kind = 'meshstream-live'";
    connection.query_row(mean, [], |row| row.get::<_, f64>(0)).unwrap().round() as u64
}
