//! Our node with ssb-db2 in every combination: who dials, EBT or histories, IPv6 or IPv4, a restart of either side with a
//! partition between, and a backlog both ways.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::{Value, json};
use stream_model::PeerBook;

use crate::js_peer::JavaScriptPeer;
use crate::node::Node;

/// Messages that each side has before they meet. Enough for many batches in both directions; `cargo bench` has ten
/// thousand.
const BACKLOG: usize = 1_000;

#[derive(Clone, Copy, PartialEq)]
enum Dialler {
    Node,
    JavaScript,
}

struct Pair {
    node: Node,
    js: JavaScriptPeer,
    dialler: Dialler,
    options: Value,
}

impl Pair {
    async fn start(seed: u8, dialler: Dialler, ebt: bool, ipv6: bool) -> Self {
        let host = if ipv6 { Ipv6Addr::LOCALHOST.into() } else { std::net::IpAddr::from(Ipv4Addr::LOCALHOST) };
        let options = json!({ "ebt": ebt, "host": host });
        let node = Node::start_at(seed, SocketAddr::from((host, 0)));
        let js = JavaScriptPeer::start_with(options.clone()).await;
        Self { node, js, dialler, options }
    }

    fn ebt(&self) -> bool {
        self.options["ebt"] == true
    }

    /// Connects, and has the JavaScript peer ask for our feed.
    async fn meet(&mut self) {
        match self.dialler {
            Dialler::Node => self.node.gossip.offer(self.js.as_peer()),
            Dialler::JavaScript => {
                self.node.gossip.replicate(self.js.feed);
                self.js.connect(&self.node).await;
            }
        }
        self.js.event(|event| event["event"] == "connected").await;
        self.ask().await;
    }

    async fn ask(&mut self) {
        let node = self.node.id();
        if self.ebt() {
            self.js.ask("follow", json!({ "feed": node })).await.unwrap();
        } else {
            self.js.ask("history", json!({ "from": node, "feed": node })).await.unwrap();
        }
    }

    /// What each side writes now reaches the other.
    async fn both_ways(&mut self) {
        self.node.append(1).await;
        let ours = self.node.store.clock(&self.node.id()).0;
        self.js.receives(self.node.id(), ours).await;
        let theirs = self.js.publish(json!({ "type": "post", "text": "Grüße 🎥" })).await;
        self.node.holds(self.js.feed, theirs).await;
    }

    async fn restart_node(mut self) -> Self {
        let address = self.node.gossip.local_address();
        let (identity, store) = self.node.stop().await;
        self.js.event(|event| event["event"] == "disconnected").await;
        // While it is away, the JavaScript peer goes on writing, and messages of ours are there when it is back.
        self.js.publish(json!({ "type": "post", "text": "while you were away" })).await;
        self.node = Node::start_with(identity, store, address);
        self.node.append(1).await;
        self.meet().await;
        self
    }

    async fn restart_js(mut self) -> Self {
        self.js = self.js.restart(self.options.clone()).await;
        self.node.append(1).await;
        self.js.publish(json!({ "type": "post", "text": "back" })).await;
        self.meet().await;
        self
    }
}

/// Backlog, live, a restart of our node, a kill of the other, and live again.
async fn lives_through(seed: u8, dialler: Dialler, ebt: bool, ipv6: bool) {
    let mut pair = Pair::start(seed, dialler, ebt, ipv6).await;
    pair.node.append(100).await;
    pair.js.publish(json!({ "type": "post", "text": "first" })).await;
    pair.meet().await;
    pair.js.receives(pair.node.id(), 100).await;
    pair.node.holds(pair.js.feed, 1).await;
    pair.both_ways().await;
    pair = pair.restart_node().await;
    pair.both_ways().await;
    pair = pair.restart_js().await;
    pair.both_ways().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_dial_with_ebt_over_ipv6() {
    lives_through(31, Dialler::Node, true, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_dial_with_histories_over_ipv4() {
    lives_through(32, Dialler::Node, false, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_are_dialled_with_ebt_over_ipv4() {
    lives_through(33, Dialler::JavaScript, true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_are_dialled_with_histories_over_ipv6() {
    lives_through(34, Dialler::JavaScript, false, true).await;
}

async fn backlog(seed: u8, dialler: Dialler, ebt: bool) {
    let mut pair = Pair::start(seed, dialler, ebt, true).await;
    pair.node.append(BACKLOG).await;
    pair.js.ask("seed", json!({ "count": BACKLOG, "text": "Küche" })).await.unwrap();
    pair.meet().await;
    pair.js.receives(pair.node.id(), BACKLOG as u64).await;
    pair.node.holds(pair.js.feed, BACKLOG as u64).await;
    pair.both_ways().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_flows_both_ways_by_ebt() {
    backlog(35, Dialler::Node, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_flows_both_ways_by_histories() {
    backlog(36, Dialler::JavaScript, false).await;
}
