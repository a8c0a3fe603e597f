use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stream_model::{
    FeedId, IpfsInfo, KnownNode, Neighbours, NodeIdentity, NodeInfo, PeerBook, PeerId, PeerState, SsbInfo, SsbPeer,
    WebInfo,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::devices::Change;
use crate::links::{self, Exchanged, Quality, Sockets};
use crate::overlay::{Overlay, Overlays, Sighting, View};

use super::nodeinfo::Answer;
use super::{Done, Entry, MeetingRoom, Mesh, Met, Others, Own, PeerAddress, Sources, Swarm, Table, meetings};

fn peer_id(byte: u8) -> PeerId {
    PeerId::from_multihash([vec![0x12, 32], vec![byte; 32]].concat()).unwrap()
}

fn info(byte: u8) -> NodeInfo {
    let node = |byte| {
        let (name, feed, peer) = (format!("node {byte}"), FeedId([byte; 32]), peer_id(byte));
        let identity = NodeIdentity { name, feed, peer, version: String::new() };
        KnownNode { identity, record: None, age_seconds: None, hops: None }
    };
    NodeInfo {
        name: format!("node {byte}"),
        version: "1".into(),
        community: "open".into(),
        ssb: SsbInfo { feed: FeedId([byte; 32]), port: 8008 },
        ipfs: IpfsInfo { peer: peer_id(byte), port: 4001 },
        web: WebInfo { port: 8080 },
        location: None,
        nodes: vec![node(1), node(9)],
        links: Vec::new(),
        record: None,
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
    Lost(FeedId, Option<IpAddr>),
    Disconnected(PeerId, Option<IpAddr>),
    CameUp,
    LinksChanged,
}

/// A swarm and a peer book that tell what they were asked for.
struct Recorder {
    seen: mpsc::Sender<Seen>,
    connected: Mutex<HashSet<PeerId>>,
    announced: Mutex<Vec<SocketAddr>>,
}

impl Neighbours for Recorder {
    fn announce_to(&self, neighbours: Vec<SocketAddr>) {
        *self.announced.lock().unwrap() = neighbours;
    }

    fn links_changed(&self) {
        self.seen.try_send(Seen::LinksChanged).unwrap();
    }
}

#[async_trait]
impl Swarm for Recorder {
    async fn dial(&self, peer: &PeerId, addresses: &[SocketAddr]) -> Result<(), String> {
        self.connected.lock().unwrap().insert(peer.clone());
        self.seen.send(Seen::Dialled(peer.clone(), addresses.to_vec())).await.unwrap();
        Ok(())
    }

    async fn disconnect(&self, peer: &PeerId, address: Option<IpAddr>) {
        self.connected.lock().unwrap().remove(peer);
        self.seen.send(Seen::Disconnected(peer.clone(), address)).await.unwrap();
    }

    fn exchanged(&self) -> HashMap<PeerId, Exchanged> {
        HashMap::new()
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

    fn lost(&self, feed: FeedId, address: Option<IpAddr>) {
        self.seen.try_send(Seen::Lost(feed, address)).unwrap();
    }

    fn link_came_up(&self) {
        self.seen.try_send(Seen::CameUp).unwrap();
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
    sightings: mpsc::Sender<Sighting>,
    devices: mpsc::Sender<Change>,
    cancel: CancellationToken,
}

fn others(recorder: &Arc<Recorder>, table: &Arc<Table>) -> Others {
    Others { swarm: recorder.clone(), book: recorder.clone(), neighbours: Some(recorder.clone()), table: table.clone() }
}

impl Fixture {
    fn start(addresses: &[SocketAddr]) -> Self {
        Self::start_with(addresses, Sockets::none())
    }

    fn start_with(addresses: &[SocketAddr], sockets: Sockets) -> Self {
        let (sender, seen) = mpsc::channel(64);
        let recorder = Arc::new(Recorder { seen: sender, connected: Mutex::default(), announced: Mutex::default() });
        let (table, cancel) = (Arc::<Table>::default(), CancellationToken::new());
        let own = Own { peer: peer_id(1), feed: FeedId([1; 32]), community: "open".into() };
        let addresses = addresses.iter().map(|address| address.to_string().parse().unwrap()).collect();
        let (meetings, met) = meetings();
        let others = others(&recorder, &table);
        let (sightings, seen_overlays) = mpsc::channel(1);
        let (devices, changes) = mpsc::channel(1);
        let (links, probes) = links::start(sockets);
        tokio::spawn(probes.run(cancel.clone()));
        let mesh = Mesh::new(
            addresses,
            own,
            others,
            Sources { met, overlays: Overlays::of(seen_overlays), links, devices: changes },
        );
        tokio::spawn(mesh.run(cancel.clone()));
        Self { recorder, seen, table, meetings, sightings, devices, cancel }
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

/// One that does not run.
fn mesh() -> Mesh {
    let seen = mpsc::channel(8).0;
    let recorder = Arc::new(Recorder { seen, connected: Mutex::default(), announced: Mutex::default() });
    let own = Own { peer: peer_id(1), feed: FeedId([1; 32]), community: "open".into() };
    let (links, _probes) = links::start(Sockets::none());
    let overlays = Overlays::of(mpsc::channel(1).1);
    let sources = Sources { met: meetings().1, overlays, links, devices: mpsc::channel(1).1 };
    Mesh::new(Vec::new(), own, others(&recorder, &Arc::default()), sources)
}

#[test]
fn neighbours_that_know_other_nodes_are_asked_ahead_of_time_a_few_at_once() {
    let (mut mesh, now) = (mesh(), std::time::Instant::now());
    let mut measured = HashMap::new();
    for byte in 2..10 {
        let address = SocketAddr::new([10, 0, 0, byte].into(), 8080);
        mesh.entries.meet(Met { feed: FeedId([byte; 32]), address: PeerAddress::at(address) }, now);
        let entry = mesh.entries.iter().count() as u64 - 1;
        let entry = mesh.entries.get_mut(entry).unwrap();
        entry.peer.handle_answer(Ok((info(byte), Duration::ZERO)), now, 0.5);
        entry.found_at = Some(address);
        // The first knows what is known here.
        let tag = Some(if byte == 2 { mesh.known.tag() } else { u64::from(byte) });
        let quality = Quality { rtt: Duration::ZERO, loss_percent: 0, heard: now, down: false, tag };
        measured.insert(SocketAddr::new(address.ip(), 4001), quality);
    }
    mesh.sources.links.measured.set(measured);
    mesh.look_for_news(now + Duration::from_secs(2));
    let read: Vec<_> =
        mesh.entries.iter().filter(|entry| entry.peer.is_reading_news()).filter_map(Entry::feed).collect();
    assert_eq!(read, [3, 4, 5, 6].map(|byte| FeedId([byte; 32])));
}

#[test]
fn a_node_that_says_the_same_as_before_is_known_as_before_but_for_the_ages_that_it_tells() {
    let mut mesh = mesh();
    let at: SocketAddr = "10.0.0.2:8080".parse().unwrap();
    mesh.entries.meet(Met { feed: FeedId([2; 32]), address: "10.0.0.2".parse().unwrap() }, std::time::Instant::now());
    let mut hear = |answer| {
        mesh.handle(Done::Asked(0, Ok(Box::new(answer))));
        let entry = mesh.entries.get_mut(0).unwrap();
        (entry.peer.info().cloned(), entry.before.is_some(), entry.peer.last_error().is_some())
    };
    assert_eq!(hear(Answer::as_before(None, at)), (None, false, true), "it has said nothing before");
    assert_eq!(hear(Answer::said(info(2), "\"a\"", at)), (Some(info(2)), true, false));
    let mut told = info(2);
    (told.nodes[0].age_seconds, told.nodes[1].age_seconds) = (Some(3), Some(50));
    assert_eq!(hear(Answer::as_before(Some("3,50"), at)), (Some(told.clone()), true, false));
    // Another node is there now: what it says is not believed, and the tag is still that of what is.
    assert_eq!(hear(Answer::said(info(3), "\"b\"", at)), (Some(told.clone()), true, true));
    assert_eq!(hear(Answer::as_before(Some("3,50"), at)), (Some(told), true, false));
}

#[test]
fn a_peer_met_at_a_link_local_address_is_looked_after_at_another_one_too_and_shown_once() {
    let mut mesh = mesh();
    let now = std::time::Instant::now();
    let met = |address: &str| Met { feed: FeedId([2; 32]), address: address.parse().unwrap() };
    let answer = |mesh: &mut Mesh, entry: u64| {
        let entry = mesh.entries.get_mut(entry).unwrap();
        entry.peer.handle_answer(Ok((info(2), Duration::ZERO)), now, 0.5);
        entry.found_at = Some("10.0.0.2:8080".parse().unwrap());
    };
    mesh.entries.meet(met("[fe80::2%1]"), now);
    answer(&mut mesh, 0);
    assert_eq!(mesh.rows().len(), 1);
    assert!(mesh.entries.get_mut(0).unwrap().ipfs_addresses().is_empty());

    mesh.entries.meet(met("10.0.0.2"), now);
    assert_eq!(mesh.entries.ids().len(), 2);
    answer(&mut mesh, 1);
    assert_eq!(mesh.entries.get_mut(1).unwrap().ipfs_addresses(), ["10.0.0.2:4001".parse().unwrap()]);
    assert_eq!(mesh.rows().iter().map(|row| row.address.as_str()).collect::<Vec<_>>(), ["10.0.0.2"]);

    mesh.entries.meet(met("[fe80::2%1]"), now);
    mesh.entries.meet(met("10.0.0.3"), now);
    assert_eq!(mesh.entries.ids().len(), 2);
}

#[tokio::test]
async fn a_stranger_that_an_overlay_lists_is_asked_and_never_shown_as_an_error() {
    let fixture = Fixture::start(&[]);
    // Nothing can be reached there: the address is of no interface.
    let view = View::of(Overlay::Cjdns, &["fc00::1".parse().unwrap()], &[]);
    let failures = || fixture.table.reports().len();
    fixture.sightings.send(Sighting { overlay: Overlay::Cjdns, view: Some(view) }).await.unwrap();
    let told = [SocketAddr::new("fc00::1".parse().unwrap(), 0)];
    while fixture.recorder.announced.lock().unwrap().as_slice() != told {
        tokio::task::yield_now().await;
    }
    assert_eq!(failures(), 0);
    let overlays = fixture.table.overlays();
    assert_eq!(
        overlays.iter().map(|known| (known.name.as_str(), known.neighbours)).collect::<Vec<_>>(),
        [("cjdns", 1)]
    );
    fixture.sightings.send(Sighting { overlay: Overlay::Cjdns, view: None }).await.unwrap();
    while !fixture.recorder.announced.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!((failures(), fixture.table.overlays()), (0, Vec::new()));
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

#[tokio::test]
async fn connections_over_a_dead_link_are_closed_and_made_anew() {
    // The node answers probes where it listens for IPFS.
    let (neighbour, probed) = Sockets::on_loopback();
    let mut node = info(2);
    node.ipfs.port = probed.port();
    let address = serve(Arc::new(Mutex::new(node))).await;
    let answering = CancellationToken::new();
    let (_kept, task) = links::start(neighbour);
    let task = tokio::spawn(task.run(answering.clone()));
    let mut fixture = Fixture::start_with(&[address], Sockets::on_loopback().0);
    let dialled = Seen::Dialled(peer_id(2), vec![probed]);
    while fixture.next().await != dialled {}
    let link = async |fixture: &Fixture| loop {
        match fixture.table.reports().pop() {
            Some(report) if report.link.loss_percent.is_some() => break report,
            _ => tokio::task::yield_now().await,
        }
    };
    let report = link(&fixture).await;
    assert_eq!((report.link.loss_percent, report.state), (Some(0), PeerState::Connected));
    answering.cancel();
    task.await.unwrap();
    assert_eq!(fixture.next().await, Seen::Lost(FeedId([2; 32]), None), "it answers nowhere else");
    while fixture.next().await != Seen::Disconnected(peer_id(2), None) {}
    while fixture.next().await != dialled {}
}

#[tokio::test]
async fn a_link_that_went_ends_connections_over_it_and_one_that_came_has_everybody_tried() {
    let (neighbour, probed) = Sockets::on_loopback();
    let mut node = info(2);
    node.ipfs.port = probed.port();
    let address = serve(Arc::new(Mutex::new(node))).await;
    let (_kept, task) = links::start(neighbour);
    tokio::spawn(task.run(CancellationToken::new()));
    let mut fixture = Fixture::start_with(&[address], Sockets::on_loopback().0);
    let dialled = Seen::Dialled(peer_id(2), vec![probed]);
    while fixture.next().await != dialled {}

    fixture.devices.send(Change::without("10.0.0.1".parse().unwrap(), 8)).await.unwrap();
    assert_eq!(fixture.next().await, Seen::LinksChanged, "it was on another one");
    fixture.devices.send(Change::without("127.0.0.1".parse().unwrap(), 8)).await.unwrap();
    assert_eq!(fixture.next().await, Seen::Lost(FeedId([2; 32]), None));
    while fixture.next().await != Seen::Disconnected(peer_id(2), None) {}
    fixture.devices.send(Change::of_more()).await.unwrap();
    while fixture.next().await != Seen::CameUp {}
    assert_eq!(fixture.next().await, Seen::LinksChanged);
}
