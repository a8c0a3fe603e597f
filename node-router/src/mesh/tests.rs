use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stream_model::{FeedId, IpfsInfo, NodeIdentity, NodeInfo, PeerBook, PeerId, PeerState, SsbInfo, SsbPeer, WebInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{MAX_MET, MeetingRoom, Mesh, Met, Own, Swarm, Table, meetings};

fn peer_id(byte: u8) -> PeerId {
    PeerId::from_multihash([vec![0x12, 32], vec![byte; 32]].concat()).unwrap()
}

fn info(byte: u8) -> NodeInfo {
    let node = |byte| NodeIdentity {
        name: format!("node {byte}"),
        feed: FeedId([byte; 32]),
        peer: peer_id(byte),
        version: String::new(),
    };
    NodeInfo {
        name: format!("node {byte}"),
        version: "1".into(),
        community: "open".into(),
        ssb: SsbInfo { feed: FeedId([byte; 32]), port: 8008 },
        ipfs: IpfsInfo { peer: peer_id(byte), port: 4001 },
        web: WebInfo { port: 8080 },
        nodes: vec![node(1), node(9)],
    }
}

/// A node's web server: answers each request with what `info` holds then.
async fn serve(info: Arc<Mutex<NodeInfo>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await;
            let body = serde_json::to_string(&*info.lock().unwrap()).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = socket.write_all((head + &body).as_bytes()).await;
        }
    });
    address
}

#[derive(Debug, PartialEq)]
enum Seen {
    Offered(SsbPeer),
    OfferedMet(SsbPeer),
    Introduced(FeedId, FeedId),
    Dialled(PeerId, Vec<SocketAddr>),
}

/// A swarm and a peer book that tell what they were asked for.
struct Recorder {
    seen: mpsc::Sender<Seen>,
    connected: Mutex<HashSet<PeerId>>,
}

#[async_trait]
impl Swarm for Recorder {
    async fn dial(&self, peer: &PeerId, addresses: &[SocketAddr]) -> Result<(), String> {
        self.connected.lock().unwrap().insert(peer.clone());
        self.seen.send(Seen::Dialled(peer.clone(), addresses.to_vec())).await.unwrap();
        Ok(())
    }

    fn connected(&self) -> HashMap<PeerId, Option<Duration>> {
        self.connected.lock().unwrap().iter().map(|peer| (peer.clone(), None)).collect()
    }
}

impl PeerBook for Recorder {
    fn offer(&self, peer: SsbPeer) {
        self.seen.try_send(Seen::Offered(peer)).unwrap();
    }

    fn offer_met(&self, peer: SsbPeer) {
        self.seen.try_send(Seen::OfferedMet(peer)).unwrap();
    }

    fn replicate(&self, feed: FeedId) {
        panic!("{feed} is wanted on nobody's word");
    }

    fn introduce(&self, neighbour: FeedId, feed: FeedId) {
        self.seen.try_send(Seen::Introduced(neighbour, feed)).unwrap();
    }
}

struct Fixture {
    recorder: Arc<Recorder>,
    seen: mpsc::Receiver<Seen>,
    table: Arc<Table>,
    meetings: MeetingRoom,
    cancel: CancellationToken,
}

impl Fixture {
    fn start(addresses: &[SocketAddr]) -> Self {
        let (sender, seen) = mpsc::channel(64);
        let recorder = Arc::new(Recorder { seen: sender, connected: Mutex::default() });
        let (table, cancel) = (Arc::<Table>::default(), CancellationToken::new());
        let own = Own { peer: peer_id(1), feed: FeedId([1; 32]), community: "open".into() };
        let addresses = addresses.iter().map(|address| address.to_string().parse().unwrap()).collect();
        let (meetings, met) = meetings();
        let mesh = Mesh::new(addresses, own, recorder.clone(), recorder.clone(), table.clone(), met);
        tokio::spawn(mesh.run(cancel.clone()));
        Self { recorder, seen, table, meetings, cancel }
    }

    async fn next(&mut self) -> Seen {
        let guard = Duration::from_secs(60);
        tokio::time::timeout(guard, self.seen.recv()).await.expect("nothing happened").unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[tokio::test]
async fn a_configured_peer_is_met_introduced_and_dialled() {
    let address = serve(Arc::new(Mutex::new(info(2)))).await;
    let mut fixture = Fixture::start(&[address]);
    let at = |port| SocketAddr::new(address.ip(), port);
    let offered = SsbPeer { feed: FeedId([2; 32]), addresses: vec![at(8008)] };
    assert_eq!(fixture.next().await, Seen::Offered(offered));
    // Our own feed, which it lists too, is not asked for.
    assert_eq!(fixture.next().await, Seen::Introduced(FeedId([2; 32]), FeedId([9; 32])));
    assert_eq!(fixture.next().await, Seen::Dialled(peer_id(2), vec![at(4001)]));
    assert_eq!(fixture.table.addresses(&peer_id(2)), [at(4001)]);
}

#[tokio::test]
async fn a_node_that_two_peers_know_is_introduced_by_both() {
    let mut addresses = Vec::new();
    for byte in [2, 3] {
        addresses.push(serve(Arc::new(Mutex::new(info(byte)))).await);
    }
    let mut fixture = Fixture::start(&addresses);
    let mut introducing = HashSet::new();
    while introducing.len() < 2 {
        if let Seen::Introduced(neighbour, feed) = fixture.next().await {
            assert_eq!(feed, FeedId([9; 32]));
            introducing.insert(neighbour);
        }
    }
    assert_eq!(introducing, [FeedId([2; 32]), FeedId([3; 32])].into());
}

#[tokio::test]
async fn a_peer_that_ssb_met_is_asked_for_the_rest_and_dialled() {
    let address = serve(Arc::new(Mutex::new(info(2)))).await;
    let mut fixture = Fixture::start(&[]);
    let met = Met { feed: FeedId([2; 32]), address: address.to_string().parse().unwrap() };
    fixture.meetings.0.send(met).await.unwrap();
    let at = |port| SocketAddr::new(address.ip(), port);
    let offered = SsbPeer { feed: FeedId([2; 32]), addresses: vec![at(8008)] };
    assert_eq!(fixture.next().await, Seen::OfferedMet(offered));
    while fixture.next().await != Seen::Dialled(peer_id(2), vec![at(4001)]) {}
    let report = loop {
        match fixture.table.reports().pop() {
            Some(report) if report.state == PeerState::Connected => break report,
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!((report.overlay.as_str(), report.feed), ("lan", Some(FeedId([2; 32]))));
}

#[test]
fn the_number_of_peers_met_is_bounded_and_each_is_looked_after_once() {
    let (recorder, table) = (Recorder { seen: mpsc::channel(1).0, connected: Mutex::default() }, Arc::default());
    let recorder = Arc::new(recorder);
    let own = Own { peer: peer_id(1), feed: FeedId([1; 32]), community: "open".into() };
    let mut mesh = Mesh::new(vec!["10.0.0.9".parse().unwrap()], own, recorder.clone(), recorder, table, meetings().1);
    for host in 0..=255 {
        for feed in [2, 3] {
            mesh.meet(Met { feed: FeedId([feed; 32]), address: format!("10.0.0.{host}").parse().unwrap() });
        }
    }
    assert_eq!(mesh.entries.len(), 1 + MAX_MET);
    let ips: HashSet<_> = mesh.entries.iter().map(|entry| entry.address.ip()).collect();
    assert_eq!(ips.len(), mesh.entries.len());
}

#[test]
fn a_peer_met_at_a_link_local_address_is_looked_after_at_another_one_too_and_shown_once() {
    let recorder = Arc::new(Recorder { seen: mpsc::channel(8).0, connected: Mutex::default() });
    let own = Own { peer: peer_id(1), feed: FeedId([1; 32]), community: "open".into() };
    let mut mesh = Mesh::new(Vec::new(), own, recorder.clone(), recorder, Arc::default(), meetings().1);
    let met = |address: &str| Met { feed: FeedId([2; 32]), address: address.parse().unwrap() };
    let answer = |mesh: &mut Mesh, entry: usize| {
        let now = std::time::Instant::now();
        mesh.entries[entry].peer.handle_answer(Ok((info(2), Duration::ZERO)), now, 0.5);
        mesh.entries[entry].found_at = Some("10.0.0.2:8080".parse().unwrap());
    };
    mesh.meet(met("[fe80::2%1]"));
    answer(&mut mesh, 0);
    assert_eq!(mesh.rows().len(), 1);
    assert!(mesh.entries[0].ipfs_addresses().is_empty());

    mesh.meet(met("10.0.0.2"));
    assert_eq!(mesh.entries.len(), 2);
    answer(&mut mesh, 1);
    assert_eq!(mesh.entries[1].ipfs_addresses(), ["10.0.0.2:4001".parse().unwrap()]);
    assert_eq!(mesh.rows().iter().map(|row| row.address.as_str()).collect::<Vec<_>>(), ["10.0.0.2"]);

    mesh.meet(met("[fe80::2%1]"));
    mesh.meet(met("10.0.0.3"));
    assert_eq!(mesh.entries.len(), 2);
}

#[tokio::test]
async fn a_dropped_peer_is_dialled_again() {
    let address = serve(Arc::new(Mutex::new(info(2)))).await;
    let mut fixture = Fixture::start(&[address]);
    while !matches!(fixture.next().await, Seen::Dialled(..)) {}
    while fixture.table.nodes().is_empty() {
        tokio::task::yield_now().await;
    }
    fixture.recorder.connected.lock().unwrap().clear();
    assert!(matches!(fixture.next().await, Seen::Dialled(..)));
}

#[tokio::test]
async fn peers_that_connected_to_us_are_listed_by_the_name_that_others_know() {
    let address = serve(Arc::new(Mutex::new(info(2)))).await;
    let mut fixture = Fixture::start(&[address]);
    while !matches!(fixture.next().await, Seen::Dialled(..)) {}
    fixture.recorder.connected.lock().unwrap().insert(peer_id(9));
    let reports = loop {
        let reports = fixture.table.reports();
        if reports.iter().any(|report| report.peer == Some(peer_id(9))) {
            break reports;
        }
        tokio::task::yield_now().await;
    };
    let of = |byte| reports.iter().find(|report| report.peer == Some(peer_id(byte))).unwrap();
    assert_eq!((of(2).overlay.as_str(), of(2).state), ("configured", PeerState::Connected));
    assert_eq!((of(9).overlay.as_str(), of(9).name.as_str()), ("inbound", "node 9"));
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_reported_with_the_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let fixture = Fixture::start(&[address]);
    let report = loop {
        match fixture.table.reports().pop() {
            Some(report) if report.last_error.is_some() => break report,
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!(report.state, PeerState::Unreachable);
    assert!(report.last_error.unwrap().contains("cannot reach it"));
}
