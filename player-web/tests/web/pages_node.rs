//! The page of the node.

use axum::http::{Method, StatusCode};
use stream_model::BroadcastState;

use crate::support::{FakeNode, listing};
use crate::{ask, get};

#[tokio::test]
async fn the_node_is_drawn_and_its_table_says_the_same() {
    let node = FakeNode::new();
    let page = get(&node, "/node").await;
    assert_eq!(page.status, StatusCode::OK);
    let html = page.text();
    assert!(html.contains("<svg class=\"graph\"") && html.contains("role=\"img\""));
    assert_eq!(html.matches("<bdi>[fc00::1]:8080</bdi>").count(), 1, "the neighbour is in the table");
    assert!(html.contains("class=\"link link-down\""), "and drawn, as one that is tried");
    assert!(html.contains("roof &#60;north&#62;") && !html.contains("<north>"));
    assert!(html.contains("width=\"30\""), "10 of 100 bytes are a tenth of the bar");
    assert!(!html.contains(" style="));
}

#[tokio::test]
async fn what_is_held_and_what_goes_next_are_on_the_page() {
    let node = FakeNode::new();
    let held = listing(3, "Held here", BroadcastState::Ended);
    let segment = node.add_file("segment");
    node.segments.lock().unwrap().insert((held.id, 0), segment);
    node.listings.lock().unwrap().extend([held, listing(4, "Only heard of", BroadcastState::Ended)]);
    let page = get(&node, "/node").await;
    assert!(page.text().contains("Held here</a>") && !page.text().contains("Only heard of"));
    assert!(page.text().contains("<bdi>Old</bdi>"), "it goes next");
}

#[tokio::test]
async fn who_cannot_publish_from_where_they_are_is_told_so() {
    let node = FakeNode::new();
    let page = async |host: &str| ask(&node, Method::GET, "/node", &[("host", host)]).await.text().to_owned();
    assert!(page("10.0.0.5:8080").await.contains("<code>rtmp://10.0.0.5/live</code>"));
    *node.rtmp.lock().unwrap() = vec!["127.0.0.1:1935".to_owned()];
    assert!(page("localhost:8080").await.contains("<code>rtmp://localhost/live</code>"), "on its own machine");
    for nowhere in [vec!["127.0.0.1:1935".to_owned()], Vec::new()] {
        *node.rtmp.lock().unwrap() = nowhere;
        let page = page("10.0.0.5:8080").await;
        assert!(page.contains("takes no streams from the network") && !page.contains("network:"), "{page}");
    }
}

#[tokio::test]
async fn links_to_hand_on_have_the_name_by_which_the_node_was_reached_or_none() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(3, "Shared", BroadcastState::Live));
    let path = format!("/watch/{}", stream_model::BroadcastId(stream_model::MessageKey([3; 32])).slug());
    let named = ask(&node, Method::GET, &path, &[("host", "thisnode.info:8080")]).await;
    assert!(named.text().contains(&format!("value=\"http://thisnode.info:8080{path}\"")));
    for odd in ["evil.example/x", "a b", "\"onload="] {
        let answer = ask(&node, Method::GET, &path, &[("host", odd)]).await;
        assert!(!answer.text().contains("id=\"share-link\""), "{odd}");
    }
}
