//! Our node with a real JavaScript peer (secret-stack, ssb-db2, ssb-ebt), each dialling the other.

use serde_json::json;
use stream_model::PeerBook;

use crate::js_peer::JavaScriptPeer;
use crate::node::Node;

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
    let who = js.call(&node, json!("whoami"), json!({})).await.unwrap();
    assert_eq!(who["id"], json!(node.id()));
    js.ask("follow", json!({ "feed": node.id() })).await.unwrap();
    js.receives(node.id(), 1).await;
}
