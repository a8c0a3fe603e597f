//! A long feed from a real JavaScript peer, to one, and between two nodes of ours, all by EBT.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::json;
use ssb_announcer::feed::FeedStore;
use ssb_announcer::identity::Identity;
use stream_model::PeerBook as _;
use tempfile::TempDir;

use crate::js_peer::JavaScriptPeer;
use crate::node::Node;
use crate::{per_second, row};

const BACKLOG: usize = 10_000;

/// A node with its store on disk, as in the program.
pub(crate) fn on_disk(seed: u8) -> (TempDir, Node) {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::from_seed(&[seed; 32]);
    let store = FeedStore::open(&directory.path().join("ssb.sqlite3"), identity.id(), vec![]).unwrap();
    (directory, Node::start_with(identity, store, SocketAddr::from((Ipv6Addr::LOCALHOST, 0))))
}

pub(crate) async fn run() {
    let ours = between_ours().await;
    let from = from_javascript().await;
    let to = to_javascript().await;
    let rate = |time: Duration| format!("{time:.2?}, {:.0}/s", per_second(BACKLOG, time));
    row(&format!("a backlog of {BACKLOG} messages between two nodes of ours"), &rate(ours));
    row("the same from npm ssb-db2", &rate(from));
    row("the same to npm ssb-db2", &rate(to));
}

async fn between_ours() -> Duration {
    let ((_author_files, author), (_reader_files, reader)) = (on_disk(1), on_disk(2));
    author.append(BACKLOG).await;
    let began = Instant::now();
    reader.dial(&author);
    reader.holds(author.id(), BACKLOG as u64).await;
    began.elapsed()
}

async fn from_javascript() -> Duration {
    let (_files, node) = on_disk(3);
    let mut js = JavaScriptPeer::start().await;
    js.ask("seed", json!({ "count": BACKLOG, "text": "Küche" })).await.unwrap();
    let began = Instant::now();
    node.gossip.offer(js.as_peer());
    node.holds(js.feed, BACKLOG as u64).await;
    began.elapsed()
}

async fn to_javascript() -> Duration {
    let (_files, node) = on_disk(4);
    let mut js = JavaScriptPeer::start().await;
    node.append(BACKLOG).await;
    js.follow(node.id()).await;
    let began = Instant::now();
    node.gossip.offer(js.as_peer());
    js.receives(node.id(), BACKLOG as u64).await;
    began.elapsed()
}
