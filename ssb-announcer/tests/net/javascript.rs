//! Our node with a real JavaScript peer (secret-stack, ssb-db2, ssb-ebt), each dialling the other.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use stream_model::{FeedId, PeerBook, SsbPeer};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::node::{Node, PATIENCE, network};

struct JavaScriptPeer {
    feed: FeedId,
    port: u16,
    requests: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Events that were read while waiting for others.
    seen: Vec<Value>,
    last_id: u64,
    _process: Child,
    _directory: tempfile::TempDir,
}

impl JavaScriptPeer {
    async fn start() -> Self {
        let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/js");
        assert!(folder.join("node_modules").exists(), "{} is not installed: run 'make test-deps'", folder.display());
        let directory = tempfile::tempdir().unwrap();
        let mut process = Command::new("node")
            .arg(folder.join("ssb-peer/peer.js"))
            .arg(directory.path())
            .arg(network().to_base64())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut peer = Self {
            feed: FeedId([0; 32]),
            port: 0,
            requests,
            lines,
            seen: Vec::new(),
            last_id: 0,
            _process: process,
            _directory: directory,
        };
        let ready = peer.event(|event| event["event"] == "ready").await;
        peer.feed = ready["feed"].as_str().unwrap().parse().unwrap();
        peer.port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
        peer
    }

    /// The first line, seen or to come, that fits.
    async fn event(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.seen.iter().position(&fits) {
            return self.seen.remove(at);
        }
        let found = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the JavaScript peer ended");
                // Libraries print warnings among the events.
                let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
                if fits(&event) {
                    return event;
                }
                self.seen.push(event);
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(event) => event,
            Err(_) => panic!("no such event among {:?}", self.seen),
        }
    }

    async fn ask(&mut self, what: &str, mut options: Value) -> Result<Value, String> {
        self.last_id += 1;
        let id = self.last_id;
        options["id"] = json!(id);
        options["do"] = json!(what);
        self.requests.write_all(format!("{options}\n").as_bytes()).await.unwrap();
        let answer = self.event(|event| event["id"] == id).await;
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap_or_default().to_owned()),
            None => Ok(answer["result"].clone()),
        }
    }

    async fn publish(&mut self, content: Value) -> u64 {
        let published = self.ask("publish", json!({ "content": content })).await.unwrap();
        published["sequence"].as_u64().unwrap()
    }

    async fn follow(&mut self, feed: FeedId) -> u64 {
        self.publish(json!({ "type": "contact", "contact": feed, "following": true })).await
    }

    async fn connect(&mut self, node: &Node) {
        let address = node.gossip.local_address();
        let key = node.id().to_string().replace(['@'], "").replace(".ed25519", "");
        let address = format!("net:{}:{}~shs:{key}", address.ip(), address.port());
        self.ask("connect", json!({ "address": address })).await.unwrap();
    }

    async fn receives(&mut self, feed: FeedId, sequence: u64) -> Value {
        self.event(|e| e["event"] == "message" && e["feed"] == json!(feed) && e["sequence"] == sequence).await
    }

    fn as_peer(&self) -> SsbPeer {
        let address = (std::net::Ipv6Addr::LOCALHOST, self.port);
        SsbPeer { feed: self.feed, addresses: vec![address.into()] }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_flow_both_ways_with_a_javascript_peer_that_we_dial() {
    let node = Node::start(11);
    node.append(20).await;
    let mut js = JavaScriptPeer::start().await;
    js.follow(node.id()).await;
    node.gossip.offer(js.as_peer());
    let message = js.receives(node.id(), 20).await;
    assert_eq!(message["content"]["text"], "Küche");
    node.holds(js.feed, 1).await;

    // Both are in step now; from here on messages have to travel as they are written.
    node.append(1).await;
    js.receives(node.id(), 21).await;
    let written = js.publish(json!({ "type": "post", "text": "Grüße 🎥" })).await;
    node.holds(js.feed, written).await;
    node.append(2).await;
    js.receives(node.id(), 23).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_flow_both_ways_with_a_javascript_peer_that_dials_us() {
    let node = Node::start(12);
    node.append(20).await;
    let mut js = JavaScriptPeer::start().await;
    js.follow(node.id()).await;
    node.gossip.replicate(js.feed);
    js.connect(&node).await;
    js.receives(node.id(), 20).await;
    node.holds(js.feed, 1).await;

    node.append(1).await;
    js.receives(node.id(), 21).await;
    let written = js.publish(json!({ "type": "post", "text": "hello" })).await;
    node.holds(js.feed, written).await;
}

/// The JavaScript peer remembers what we had and leaves such feeds out of its notes.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_reconnection_new_messages_still_flow_both_ways() {
    let node = Node::start(13);
    let address = node.gossip.local_address();
    node.append(3).await;
    let mut js = JavaScriptPeer::start().await;
    js.follow(node.id()).await;
    node.gossip.offer(js.as_peer());
    js.receives(node.id(), 3).await;
    node.holds(js.feed, 1).await;

    let (identity, store) = node.stop().await;
    js.event(|event| event["event"] == "disconnected").await;
    let node = Node::start_with(identity, store, address);
    node.gossip.offer(js.as_peer());
    node.connected(js.feed, true).await;

    let written = js.publish(json!({ "type": "post", "text": "after" })).await;
    node.holds(js.feed, written).await;
    node.append(1).await;
    js.receives(node.id(), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_followed_over_an_open_connection_begins_to_flow() {
    let node = Node::start(14);
    node.append(2).await;
    let mut js = JavaScriptPeer::start().await;
    js.connect(&node).await;
    node.connected(js.feed, true).await;
    js.ask("follow", json!({ "feed": node.id() })).await.unwrap();
    js.receives(node.id(), 2).await;
    node.append(1).await;
    js.receives(node.id(), 3).await;
}

/// Its plugins call blobs, pings and more on each connection.
#[tokio::test(flavor = "multi_thread")]
async fn replication_goes_on_beside_calls_that_are_answered_or_refused() {
    let node = Node::start(15);
    node.append(1).await;
    let mut js = JavaScriptPeer::start().await;
    js.connect(&node).await;
    let who = js.ask("call", json!({ "feed": node.id(), "name": "whoami" })).await.unwrap();
    assert_eq!(who["id"], json!(node.id()));
    js.ask("follow", json!({ "feed": node.id() })).await.unwrap();
    js.receives(node.id(), 1).await;
}
