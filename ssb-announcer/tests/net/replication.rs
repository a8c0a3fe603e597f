//! Our nodes with each other.

use std::net::SocketAddr;

use stream_model::{PeerBook, SsbPeer};

use crate::node::Node;

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_and_then_each_message_reaches_the_node_that_dials() {
    let (a, b) = (Node::start(1), Node::start(2));
    a.append(300).await;
    b.dial(&a);
    b.holds(a.id(), 300).await;
    a.append(1).await;
    b.holds(a.id(), 301).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_reach_the_node_that_was_dialled() {
    let (a, b) = (Node::start(1), Node::start(2));
    a.append(3).await;
    b.gossip.replicate(a.id());
    a.dial(&b);
    b.holds(a.id(), 3).await;
    a.append(1).await;
    b.holds(a.id(), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_becomes_wanted_later_is_fetched_over_the_open_connection() {
    let (a, b, c) = (Node::start(1), Node::start(2), Node::start(3));
    a.append(5).await;
    b.dial(&a);
    b.holds(a.id(), 5).await;
    c.dial(&b);
    c.connected(b.id(), true).await;
    c.gossip.replicate(a.id());
    c.holds(a.id(), 5).await;
    a.append(1).await;
    c.holds(a.id(), 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_several_paths_each_message_is_stored_once_and_none_is_missing() {
    let nodes: Vec<Node> = (1..=4).map(Node::start).collect();
    for from in &nodes {
        for to in &nodes {
            if from.id() != to.id() {
                from.dial(to);
            }
        }
    }
    for _ in 0..10 {
        for node in &nodes {
            node.append(3).await;
        }
    }
    for node in &nodes {
        for other in &nodes {
            node.holds(other.id(), 30).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_dial_each_other_at_once_are_left_with_a_working_connection() {
    for round in 0..10 {
        let (a, b) = (Node::start(2 * round + 1), Node::start(2 * round + 2));
        a.dial(&b);
        b.dial(&a);
        a.append(1).await;
        b.append(1).await;
        a.holds(b.id(), 1).await;
        b.holds(a.id(), 1).await;
        a.connected(b.id(), true).await;
        b.connected(a.id(), true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_is_found_again_and_catches_up() {
    let (a, b) = (Node::start(1), Node::start(2));
    let address = a.gossip.local_address();
    a.append(2).await;
    b.dial(&a);
    b.holds(a.id(), 2).await;
    let (identity, store) = a.stop().await;
    let id = identity.id();
    b.connected(id, false).await;
    let a = Node::start_with(identity, store, address);
    a.append(2).await;
    b.holds(a.id(), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_on_all_addresses_takes_ipv4_too() {
    let a = Node::start_at(1, SocketAddr::from(([0u16; 8], 0)));
    let b = Node::start(2);
    a.append(1).await;
    let port = a.gossip.local_address().port();
    b.gossip.offer(SsbPeer { feed: a.id(), addresses: vec![SocketAddr::from(([127, 0, 0, 1], port))] });
    b.holds(a.id(), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_before_the_right_one_does_not_matter() {
    let (a, b) = (Node::start(1), Node::start(2));
    a.append(1).await;
    let nobody = tokio::net::TcpListener::bind("[::1]:0").await.unwrap().local_addr().unwrap();
    b.gossip.offer(SsbPeer { feed: a.id(), addresses: vec![nobody, a.gossip.local_address()] });
    b.holds(a.id(), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stops_with_a_goodbye_to_its_peers() {
    let (a, b) = (Node::start(1), Node::start(2));
    b.dial(&a);
    b.connected(a.id(), true).await;
    let (identity, _store) = a.stop().await;
    b.connected(identity.id(), false).await;
    let seen = b.gossip.connections().into_iter().find(|c| c.feed == identity.id()).unwrap();
    assert!(seen.last_error.is_none_or(|error| !error.contains("without a goodbye")));
}
