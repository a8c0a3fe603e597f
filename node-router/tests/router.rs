//! Two real routers on loopback: what one stores the other fetches, serves on and keeps over a restart.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use node_router::{Config, MeshConfig, NodeRouter, OverlayConfig, StartError, UploadLimits};
use stream_model::{
    BroadcastId, Cid, Claim, DirectoryEntry, FeedId, FetchRequest, IpfsInfo, MediaSequence, MessageKey, Node, NodeInfo,
    PeerBook, PeerState, SsbInfo, SsbPeer, StorageReport, StoreError, WebInfo,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Guards against hanging; nothing is measured against it.
const GUARD: Duration = Duration::from_secs(120);

async fn router(data_dir: &Path) -> NodeRouter {
    let config = Config {
        data_dir: data_dir.to_owned(),
        ipfs_listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        ipfs_devices: Vec::new(),
        quota: 1 << 30,
        max_files: 1 << 20,
        reserve: 0,
        upload: UploadLimits::default(),
        swarm_key: None,
    };
    start(config).await
}

/// Starts a router, perhaps where one has just been shut down: the swarm's task lets go of the repo's lock a moment
/// after the shutdown, which only matters within one process.
async fn start(config: Config) -> NodeRouter {
    let started = async {
        loop {
            match NodeRouter::start(config.clone()).await {
                Err(StartError::Ipfs(node_router_ipfs::StartError::Repo { .. })) => tokio::task::yield_now().await,
                started => return started.unwrap(),
            }
        }
    };
    tokio::time::timeout(GUARD, started).await.expect("the repo stays locked")
}

/// Remembers who was offered.
#[derive(Default)]
struct Book(Mutex<Vec<SsbPeer>>);

impl PeerBook for Book {
    fn offer(&self, peer: SsbPeer) {
        self.0.lock().unwrap().push(peer);
    }

    fn replicate(&self, _feed: FeedId) {}
}

/// Serves `/nodeinfo.json` of a router whose SSB identity is `feed`, and returns the address.
async fn introduce(router: &NodeRouter, feed: u8) -> String {
    let info = NodeInfo {
        name: "a".into(),
        version: "test".into(),
        community: "open".into(),
        ssb: SsbInfo { feed: FeedId([feed; 32]), port: 8008 },
        ipfs: IpfsInfo { peer: router.peer().clone(), port: router.ipfs_port().unwrap() },
        web: WebInfo { port: 8080 },
        location: None,
        nodes: Vec::new(),
        links: Vec::new(),
        record: None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await;
            let body = serde_json::to_string(&info).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = socket.write_all((head + &body).as_bytes()).await;
        }
    });
    address
}

fn mesh(peer: &str, feed: u8) -> MeshConfig {
    MeshConfig {
        peers: vec![peer.parse().unwrap()],
        feed: FeedId([feed; 32]),
        community: "open".into(),
        overlays: OverlayConfig::default(),
        mdns: None,
    }
}

async fn until_connected(router: &NodeRouter) {
    let connected = async {
        while !router.peers().iter().any(|peer| peer.state == PeerState::Connected) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(GUARD, connected).await.expect("the routers did not connect");
}

fn claim(sequence: u64) -> Claim {
    Claim::Segment(BroadcastId(MessageKey([1; 32])), MediaSequence(sequence))
}

fn request(router: &NodeRouter, root: Cid, sequence: u64) -> FetchRequest {
    FetchRequest {
        root,
        claim: claim(sequence),
        providers: vec![router.peer().clone()],
        timeout: GUARD,
        max_bytes: 64 << 20,
    }
}

/// About 5 MB in 15 parts, as a segment of 2.7 Mbit/s.
fn segment(seed: u8) -> Vec<Bytes> {
    (0..15_u8).map(|part| (0..340_000_u32).map(|at| (at as u8) ^ seed ^ part).collect::<Vec<_>>().into()).collect()
}

async fn read(router: &NodeRouter, cid: &Cid) -> Vec<u8> {
    let bytes: Vec<Bytes> = router.reader().read(cid, 0..u64::MAX).await.unwrap().try_collect().await.unwrap();
    bytes.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_stores_the_other_fetches_and_both_keep_over_a_restart() {
    let (home, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (router(home.path()).await, router(away.path()).await);
    let address = introduce(&a, 1).await;
    let book = Arc::new(Book::default());
    b.run_mesh(mesh(&address, 2), book.clone(), None).unwrap();

    let one = a.store().add_file(segment(1), claim(1)).await.unwrap();
    let entries = vec![DirectoryEntry { name: "1.m4s".into(), cid: one.cid }];
    let live = Claim::LiveManifest(BroadcastId(MessageKey([1; 32])), MediaSequence(1));
    let manifest = a.store().add_directory(entries, live).await.unwrap();

    until_connected(&b).await;
    let offered = book.0.lock().unwrap().clone();
    assert_eq!((offered.len(), offered[0].feed), (1, FeedId([1; 32])));
    let fetched = b.fetcher().fetch(request(&a, manifest.cid, 1)).await.unwrap();
    assert_eq!(fetched, manifest);
    assert_eq!(read(&b, &one.cid).await, segment(1).concat());

    // The publisher goes; the other has everything.
    a.shutdown().await;
    b.shutdown().await;
    let stored = |report: StorageReport| (report.used_bytes, report.files);
    let before = stored(b.storage_report());
    drop((a, b));
    let b = router(away.path()).await;
    assert_eq!(stored(b.storage_report()), before);
    assert_eq!(read(&b, &one.cid).await, segment(1).concat());
    assert!(matches!(b.reader().stat(&manifest.cid).await.unwrap(), Node::Directory(entries) if entries.len() == 1));
    b.store().release(claim(1)).await.unwrap();
    assert_eq!(b.storage_report().files, 0);
    assert!(matches!(b.reader().stat(&one.cid).await, Err(StoreError::NotFound(_))));
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_restarts_is_found_again_and_fetched_from() {
    let (home, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (router(home.path()).await, router(away.path()).await);
    let peer = a.peer().clone();
    let port = a.ipfs_port().unwrap();
    let address = introduce(&a, 1).await;
    b.run_mesh(mesh(&address, 2), Arc::new(Book::default()), None).unwrap();
    until_connected(&b).await;

    for round in 0..3 {
        a_round(&a, &b, round).await;
    }
    a.shutdown().await;
    drop(a);
    let config = Config {
        data_dir: home.path().to_owned(),
        ipfs_listen: vec![format!("/ip4/127.0.0.1/tcp/{port}")],
        ipfs_devices: Vec::new(),
        quota: 1 << 30,
        max_files: 1 << 20,
        reserve: 0,
        upload: UploadLimits::default(),
        swarm_key: None,
    };
    let a = start(config).await;
    assert_eq!(*a.peer(), peer);
    // Asked for while the connection is not there yet: the want waits for it.
    a_round(&a, &b, 3).await;
    a.shutdown().await;
    b.shutdown().await;
}

async fn a_round(a: &NodeRouter, b: &NodeRouter, round: u8) {
    let stored = a.store().add_file(segment(10 + round), claim(u64::from(round))).await.unwrap();
    let fetched = b.fetcher().fetch(request(a, stored.cid, u64::from(round))).await.unwrap();
    assert_eq!(fetched, stored);
    assert_eq!(read(b, &stored.cid).await, segment(10 + round).concat());
}

#[tokio::test]
async fn an_address_that_is_no_multiaddr_is_refused_with_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: folder.path().to_owned(),
        ipfs_listen: vec!["0.0.0.0:4001".into()],
        ipfs_devices: Vec::new(),
        quota: 0,
        max_files: 1 << 20,
        reserve: 0,
        upload: UploadLimits::default(),
        swarm_key: None,
    };
    let refused = NodeRouter::start(config).await;
    assert!(matches!(refused, Err(StartError::Listen(text)) if text == "0.0.0.0:4001"));
}
