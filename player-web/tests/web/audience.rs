//! Who watches and who brings a broadcast, over HTTP.

use axum::http::StatusCode;
use serde_json::json;
use stream_model::{BroadcastState, FeedId, PeerId, Source};

use crate::get;
use crate::support::{FakeNode, broadcast_id, listing};

fn peer(byte: u8) -> PeerId {
    PeerId::from_multihash([vec![0x12, 32], vec![byte; 32]].concat()).unwrap()
}

#[tokio::test]
async fn who_brings_a_broadcast_is_told_with_its_part() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, "Main hall", BroadcastState::Live));
    let path = format!("/api/v1/broadcasts/{}/sources", broadcast_id(7).slug());
    assert_eq!(get(&node, &path).await.json(), json!({ "own": false, "window_s": 300, "sources": [] }));
    let publisher = Source {
        peer: peer(7),
        feed: Some(FeedId([7; 32])),
        name: "hall <1>".to_owned(),
        hops: Some(2),
        blocks: 3,
        bytes: 750,
    };
    let stranger = Source { peer: peer(9), feed: None, name: String::new(), hops: None, blocks: 1, bytes: 250 };
    node.sources.lock().unwrap().insert(broadcast_id(7), vec![publisher, stranger]);
    let told = get(&node, &path).await.json();
    let feed = FeedId([7; 32]).to_string();
    let first = json!({ "peer": peer(7).to_string(), "feed": feed, "name": "hall <1>", "hops": 2, "blocks": 3, "bytes": 750,
        "percent": 75, "publisher": true });
    let second = json!({ "peer": peer(9).to_string(), "feed": null, "name": "", "hops": null, "blocks": 1, "bytes": 250,
        "percent": 25, "publisher": false });
    assert_eq!(told["sources"], json!([first, second]));
    let unknown = get(&node, &format!("/api/v1/broadcasts/{}/sources", broadcast_id(9).slug())).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&node, "/api/v1/broadcasts/nonsense/sources").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_player_without_a_page_counts_by_what_it_asks_for_and_other_nodes_add_theirs() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, "Main hall", BroadcastState::Live));
    node.live.lock().unwrap().insert(broadcast_id(7), "#EXTM3U\n".to_owned());
    let slug = broadcast_id(7).slug();
    let viewers = async || {
        let alone = get(&node, &format!("/api/v1/broadcasts/{slug}")).await.json()["viewers"].clone();
        let listed = get(&node, "/api/v1/broadcasts").await.json()[0]["viewers"].clone();
        assert_eq!(alone, listed);
        alone
    };
    assert_eq!(viewers().await, json!({ "here": 0, "all": 0 }));
    get(&node, &format!("/hls/{slug}/index.m3u8")).await;
    get(&node, &format!("/hls/{slug}/7.m4s")).await;
    assert_eq!(viewers().await, json!({ "here": 1, "all": 1 }));
    node.elsewhere.lock().unwrap().insert(broadcast_id(7), 41);
    assert_eq!(viewers().await, json!({ "here": 1, "all": 42 }));
    get(&node, &format!("/hls/{}/index.m3u8", broadcast_id(9).slug())).await;
    assert_eq!(
        stream_model::LocalViewers::viewers(&node.viewers),
        [(broadcast_id(7), 1)],
        "what nobody knows is not counted"
    );
}
