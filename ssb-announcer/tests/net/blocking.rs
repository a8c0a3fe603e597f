//! A blocked feed on the wire: neither served, however it is asked for, nor fetched, whoever has it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;
use ssb_announcer::announcement::BroadcastDirectory;
use ssb_announcer::feed::FeedStore;
use ssb_announcer::gossip::peers::Connection;
use ssb_announcer::graph::{ContactIndex, Contacts};
use ssb_announcer::identity::Identity;
use stream_model::{FeedId, FeedSequence, FollowGraph as _, PeerBook as _, Relation, SsbPeer};

use crate::js_peer::JavaScriptPeer;
use crate::node::{Node, PATIENCE};

/// A node that follows and blocks.
fn node_with_contacts(seed: u8) -> (Node, Arc<Contacts>) {
    let me = Identity::from_seed(&[seed; 32]);
    let store = FeedStore::in_memory(me.id(), vec![Arc::new(ContactIndex)]).unwrap();
    let directory = BroadcastDirectory::open(store.clone(), me.id()).unwrap();
    let contacts = Contacts::open(me.clone(), store.clone(), directory, 3).unwrap();
    let node = Node::start_with(me, store, SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0)));
    (node, contacts)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_is_not_dialled() {
    let (node, contacts) = node_with_contacts(83);
    let peer = FeedId([84; 32]);
    let closed = std::net::TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap();
    node.gossip.offer(SsbPeer { feed: peer, addresses: vec![closed] });
    let failed_with = async |text: &str| {
        let says = |c: &Connection| c.feed == peer && c.last_error.as_ref().is_some_and(|error| error.contains(text));
        let told = async {
            while !node.gossip.connections().iter().any(says) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{:?}", node.gossip.connections()));
    };
    failed_with("cannot connect").await;
    contacts.relate(peer, Relation::Blocking).await.unwrap();
    failed_with("this node blocks it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_feed_is_neither_served_nor_fetched() {
    let (node, contacts) = node_with_contacts(81);
    let author = Node::start(82);
    author.append(3).await;
    node.dial(&author);
    node.holds(author.id(), 3).await;
    let mut js = JavaScriptPeer::start().await;
    js.connect(&node).await;
    assert_eq!(history_length(&mut js, &node, author.id()).await, 3);

    contacts.relate(author.id(), Relation::Blocking).await.unwrap();
    node.connected(author.id(), false).await;
    assert_eq!(history_length(&mut js, &node, author.id()).await, 0);
    // By EBT: what the node writes comes, what it has of the blocked one does not.
    for feed in [author.id(), node.id()] {
        js.ask("follow", json!({ "feed": feed })).await.unwrap();
    }
    js.receives(node.id(), 1).await;
    let clock = js.ask("clock", json!({})).await.unwrap();
    assert_eq!(clock.get(author.id().to_string()), None, "{clock}");

    // The other one has it from its author, and would give it to whoever asks.
    js.connect(&author).await;
    js.receives(author.id(), 3).await;
    author.append(1).await;
    js.receives(author.id(), 4).await;
    let last = js.publish(json!({ "type": "test" })).await;
    node.gossip.offer(js.as_peer());
    node.holds(js.feed, last).await;
    assert_eq!(node.store.clock(&author.id()), FeedSequence(0));

    contacts.relate(author.id(), Relation::Neutral).await.unwrap();
    node.holds(author.id(), 4).await;
}

async fn history_length(js: &mut JavaScriptPeer, node: &Node, feed: FeedId) -> usize {
    let options = json!({ "type": "source", "args": [{ "id": feed }] });
    let history = js.call(node, json!("createHistoryStream"), options).await.unwrap();
    history.as_array().map_or_else(|| panic!("not a list: {history}"), Vec::len)
}
