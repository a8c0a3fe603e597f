//! Nodes that find each other without being told of: by datagrams, and with JavaScript's ssb-lan.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ssb_announcer::discovery::{self, Config, Discovery};
use ssb_announcer::gossip::peers::ConnectionState;
use stream_model::{FeedId, Neighbours, SsbPeer};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UdpSocket;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::node::{Node, PATIENCE, network};

/// A node that looks for others.
struct Finder {
    node: Node,
    discovery: Discovery,
    cancel: CancellationToken,
}

impl Finder {
    fn start(seed: u8, listen: &str, config: Config) -> Self {
        let node = Node::start_at(seed, listen.parse().unwrap());
        let (discovery, listener) = discovery::bind(config, node.identity.clone(), network(), node.gossip.clone());
        let cancel = CancellationToken::new();
        tokio::spawn(listener.run(cancel.clone()));
        Self { node, discovery, cancel }
    }

    /// The address of its UDP socket for the sealed form.
    fn sealed(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.discovery.sealed_port().unwrap()).into()
    }

    fn plain(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.discovery.plain_port().unwrap()).into()
    }

    /// The same ports, for another node on this host.
    fn same_ports(&self, config: Config) -> Config {
        let (plain, sealed) = (self.discovery.plain_port(), self.discovery.sealed_port());
        Config { plain_port: plain.unwrap_or(0), sealed_port: sealed.unwrap(), ..config }
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Any free ports, on the interfaces named.
fn on(interfaces: &[&str]) -> Config {
    let interfaces = interfaces.iter().map(|&name| name.to_owned()).collect();
    Config { interfaces, plain: true, plain_port: 0, sealed_port: 0 }
}

/// No interface at all: neighbours are told directly.
fn silent() -> Config {
    on(&["none"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_is_told_directly_connects_and_replicates() {
    let told = Finder::start(71, "127.0.0.1:0", silent());
    let telling = Finder::start(72, "127.0.0.1:0", silent());
    telling.node.append(3).await;
    telling.discovery.announce_to(vec![told.sealed()]);
    told.node.connected(telling.node.id(), true).await;
    told.node.holds(telling.node.id(), 3).await;
    assert!(told.node.gossip.connections().iter().all(|connection| connection.heard));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_on_one_network_find_each_other_by_broadcast() {
    let a = Finder::start(73, "127.0.0.1:0", on(&["lo"]));
    let b = Finder::start(74, "127.0.0.1:0", a.same_ports(on(&["lo"])));
    a.node.append(1).await;
    b.node.append(2).await;
    a.node.holds(b.node.id(), 2).await;
    b.node.holds(a.node.id(), 1).await;
}

/// The loopback interface carries no multicast, so this needs another one.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_on_one_network_find_each_other_by_ipv6_multicast() {
    let Some((interface, own)) = multicast_interface().await else {
        skipped("no interface of this machine carries IPv6 multicast");
        return;
    };
    // Listening on the link-local address alone, they have nothing to say over IPv4.
    let listen = own.to_string();
    let a = Finder::start(75, &listen, on(&[&interface]));
    let b = Finder::start(76, &listen, a.same_ports(on(&[&interface])));
    a.node.append(1).await;
    b.node.append(2).await;
    a.node.holds(b.node.id(), 2).await;
    b.node.holds(a.node.id(), 1).await;
}

/// Says so past the test harness, which keeps the output of tests that pass.
fn skipped(why: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED: {why}").unwrap();
}

/// An interface with a link-local address on which a datagram to a group comes back.
async fn multicast_interface() -> Option<(String, SocketAddr)> {
    let group = "ff12::8008:6d74".parse().unwrap();
    for interface in if_addrs::get_if_addrs().unwrap() {
        let (std::net::IpAddr::V6(ip), Some(index)) = (interface.ip(), interface.index) else { continue };
        if !ip.is_unicast_link_local() || interface.is_p2p() {
            continue;
        }
        let socket = UdpSocket::bind("[::]:0").await.unwrap();
        let to = std::net::SocketAddrV6::new(group, socket.local_addr().unwrap().port(), 0, index);
        if socket.join_multicast_v6(&group, index).is_err() || socket.send_to(b"?", to).await.is_err() {
            continue;
        }
        let back = tokio::time::timeout(std::time::Duration::from_secs(2), socket.recv_from(&mut [0; 8])).await;
        if back.is_ok() {
            return Some((interface.name, std::net::SocketAddrV6::new(ip, 0, 0, index).into()));
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_made_up_peers_disturbs_nobody() {
    let node = Finder::start(77, "127.0.0.1:0", silent());
    let known = Node::start(78);
    node.node.gossip_offer(&known);
    node.node.connected(known.id(), true).await;
    let wanted = node.node.store.wanted().borrow().feeds().len();

    let flood = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let make_up = async |n: u32| {
        let mut key = [7; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        // Nobody listens there, and what stands for a peer is not of this community.
        let text = format!("net:127.0.0.1:1~shs:{}", STANDARD.encode(key));
        flood.send_to(text.as_bytes(), node.plain()).await.unwrap();
        flood.send_to(&[n.to_be_bytes().as_slice(), &[0; 200]].concat(), node.sealed()).await.unwrap();
    };
    for n in 0..2_000 {
        make_up(n).await;
    }
    // Each is forgotten again soon: it takes one that comes while we look.
    let made_up = async {
        let mut more = 2_000..;
        while node.node.gossip.connections().iter().all(|connection| !connection.heard) {
            make_up(more.next().unwrap()).await;
        }
    };
    tokio::time::timeout(PATIENCE, made_up).await.unwrap();

    let connections = node.node.gossip.connections();
    assert!(connections.len() <= 9, "{}", connections.len());
    assert_eq!(node.node.store.wanted().borrow().feeds().len(), wanted, "nobody is replicated unproven");
    let state = connections.iter().find(|connection| connection.feed == known.id()).map(|connection| connection.state);
    assert_eq!(state, Some(ConnectionState::Connected));
}

#[tokio::test(flavor = "multi_thread")]
async fn javascripts_ssb_lan_hears_us_and_is_heard() {
    let node = Finder::start(80, "127.0.0.1:0", on(&["lo"]));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/js");
    assert!(folder.join("node_modules/ssb-lan").exists(), "ssb-lan is not installed: run 'make test-deps'");
    let mut process = Command::new("node")
        .arg(folder.join("ssb-lan/peer.js"))
        .args([network().to_base64(), node.plain().port().to_string(), node.sealed().port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut expected = vec!["plain", "sealed", "connected"];
    let told = async {
        while !expected.is_empty() {
            let line = lines.next_line().await.unwrap().expect("the JavaScript peer ended");
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            if event["feed"] == node.node.id().to_string() {
                expected.retain(|what| event["event"] != *what);
            }
        }
    };
    let all = tokio::time::timeout(PATIENCE, told).await;
    assert!(all.is_ok(), "not told of: {expected:?}; {:?}", node.node.gossip.connections());
}

impl Node {
    fn gossip_offer(&self, other: &Node) {
        let peer = SsbPeer { feed: FeedId(other.id().0), addresses: vec![other.gossip.local_address()] };
        stream_model::PeerBook::offer(&self.gossip, peer);
    }
}
