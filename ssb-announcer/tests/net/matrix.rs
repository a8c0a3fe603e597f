//! Our node with ssb-db2 in every combination: who dials, EBT or histories, IPv6 or IPv4. Each goes through the same life:
//! what was there before, live messages, a restart of our node from its disk, a kill of the other, a link that is cut
//! without a word while both write. And 10,000 messages of backlog, both ways at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::{Value, json};
use ssb_announcer::feed::FeedStore;
use ssb_announcer::identity::Identity;
use stream_model::{FeedSequence, PeerBook, SsbPeer};

use crate::js_peer::JavaScriptPeer;
use crate::node::Node;
use crate::proxy::Proxy;

const BACKLOG: usize = 10_000;

#[derive(Clone, Copy, PartialEq)]
enum Dialler {
    Node,
    JavaScript,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Ebt,
    Histories,
}

struct Pair {
    node: Node,
    js: JavaScriptPeer,
    dialler: Dialler,
    way: Way,
    options: Value,
    /// Between them, leading to the one that is dialled.
    link: Proxy,
    folder: tempfile::TempDir,
}

fn open(identity: &Identity, folder: &tempfile::TempDir) -> FeedStore {
    FeedStore::open(&folder.path().join("ssb.sqlite3"), identity.id(), vec![]).unwrap()
}

impl Pair {
    async fn start(seed: u8, dialler: Dialler, way: Way, host: IpAddr) -> Self {
        let options = json!({ "ebt": way == Way::Ebt, "host": host });
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::from_seed(&[seed; 32]);
        let store = open(&identity, &folder);
        let node = Node::start_with(identity, store, SocketAddr::from((host, 0)));
        let js = JavaScriptPeer::start_with(options.clone()).await;
        let dialled = match dialler {
            Dialler::Node => js.address(),
            Dialler::JavaScript => node.gossip.local_address(),
        };
        Self { node, js, dialler, way, options, link: Proxy::to(dialled).await, folder }
    }

    /// Connects, and has the JavaScript peer ask for our feed.
    async fn meet(&mut self) {
        let address = self.link.address;
        match self.dialler {
            Dialler::Node => self.node.gossip.offer(SsbPeer { feed: self.js.feed, addresses: vec![address] }),
            Dialler::JavaScript => {
                self.node.gossip.replicate(self.js.feed);
                self.js.connect_at(&self.node, address).await;
            }
        }
        self.greet().await;
    }

    async fn greet(&mut self) {
        let node = self.node.id();
        self.js.event(|event| event["event"] == "connected").await;
        match self.way {
            Way::Ebt => self.js.ask("follow", json!({ "feed": node })).await.unwrap(),
            Way::Histories => self.js.ask("history", json!({ "from": node, "feed": node })).await.unwrap(),
        };
    }

    async fn both_write(&mut self) -> (u64, u64) {
        self.node.append(1).await;
        let theirs = self.js.publish(json!({ "type": "post", "text": "Grüße 🎥" })).await;
        (self.node.store.clock(&self.node.id()).0, theirs)
    }

    async fn both_have(&mut self, (ours, theirs): (u64, u64)) {
        let (node, feed) = (self.node.id(), self.js.feed);
        tokio::join!(self.js.receives(node, ours), self.node.holds(feed, theirs));
    }

    /// What each side writes now reaches the other.
    async fn both_ways(&mut self) {
        let written = self.both_write().await;
        self.both_have(written).await;
    }

    async fn restart_node(mut self) -> Self {
        let address = self.node.gossip.local_address();
        let (identity, store) = self.node.stop().await;
        drop(store);
        self.js.event(|event| event["event"] == "disconnected").await;
        // While it is away, the JavaScript peer goes on writing, and messages of ours are there when it is back.
        self.js.publish(json!({ "type": "post", "text": "while you were away" })).await;
        let store = open(&identity, &self.folder);
        self.node = Node::start_with(identity, store, address);
        let written = self.both_write().await;
        self.meet().await;
        self.both_have(written).await;
        self
    }

    async fn restart_js(mut self) -> Self {
        self.js = self.js.restart(self.options.clone()).await;
        if self.dialler == Dialler::Node {
            self.link.lead_to(self.js.address());
        }
        let written = self.both_write().await;
        self.meet().await;
        self.both_have(written).await;
        self
    }

    /// Nobody says goodbye, and what is sent meanwhile is lost.
    async fn partition(&mut self) {
        self.link.cut();
        self.both_write().await;
        let written = self.both_write().await;
        self.link.mend();
        self.js.event(|event| event["event"] == "disconnected").await;
        if self.dialler == Dialler::JavaScript {
            self.js.connect_at(&self.node, self.link.address).await;
        }
        self.greet().await;
        self.both_have(written).await;
    }
}

async fn lives_through(seed: u8, dialler: Dialler, way: Way, host: IpAddr) {
    let mut pair = Pair::start(seed, dialler, way, host).await;
    pair.node.append(100).await;
    let written = pair.both_write().await;
    pair.meet().await;
    pair.both_have(written).await;
    pair.both_ways().await;
    pair = pair.restart_node().await;
    pair.both_ways().await;
    pair = pair.restart_js().await;
    pair.both_ways().await;
    pair.partition().await;
    pair.both_ways().await;
}

/// Over both families of addresses, beside each other: much of it is waiting.
async fn over_ipv6_and_ipv4(seeds: [u8; 2], dialler: Dialler, way: Way) {
    let ipv6 = lives_through(seeds[0], dialler, way, Ipv6Addr::LOCALHOST.into());
    let ipv4 = lives_through(seeds[1], dialler, way, Ipv4Addr::LOCALHOST.into());
    tokio::join!(ipv6, ipv4);
}

#[tokio::test(flavor = "multi_thread")]
async fn we_dial_with_ebt() {
    over_ipv6_and_ipv4([31, 32], Dialler::Node, Way::Ebt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_dial_with_histories() {
    over_ipv6_and_ipv4([33, 34], Dialler::Node, Way::Histories).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_are_dialled_with_ebt() {
    over_ipv6_and_ipv4([35, 36], Dialler::JavaScript, Way::Ebt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_are_dialled_with_histories() {
    over_ipv6_and_ipv4([37, 38], Dialler::JavaScript, Way::Histories).await;
}

/// The JavaScript peer's messages are as close as it writes them: ssb-db2 gives those of one millisecond in any order to
/// who asks for a history.
async fn backlog(seed: u8, dialler: Dialler, way: Way) {
    let mut pair = Pair::start(seed, dialler, way, Ipv6Addr::LOCALHOST.into()).await;
    pair.node.append(BACKLOG).await;
    pair.js.ask("seed", json!({ "count": BACKLOG, "text": "Küche" })).await.unwrap();
    pair.meet().await;
    pair.both_have((BACKLOG as u64, BACKLOG as u64)).await;
    assert_eq!(pair.node.store.clock(&pair.js.feed), FeedSequence(BACKLOG as u64));
    pair.both_ways().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_flow_both_ways_by_ebt() {
    backlog(39, Dialler::Node, Way::Ebt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_flow_both_ways_by_histories() {
    backlog(40, Dialler::JavaScript, Way::Histories).await;
}
