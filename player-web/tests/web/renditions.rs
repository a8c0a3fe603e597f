use axum::http::StatusCode;
use serde_json::{Value, json};
use stream_model::{BroadcastState, Listing, MessageKey, Moderation as _, Rendition, Variant};

use crate::get;
use crate::support::{FakeNode, broadcast_id, listing};

/// Of broadcast 1, with sound alone.
fn sound(byte: u8) -> Listing {
    let variant = |bandwidth, codecs: &str, resolution| Variant { bandwidth, codecs: codecs.to_owned(), resolution };
    let rendition = Rendition {
        of: broadcast_id(1),
        name: "Sound".to_owned(),
        variant: variant(96_000, "mp4a.40.2", None),
        original: variant(3_000_000, "avc1.4d401f,mp4a.40.2", Some((1280, 720))),
        tiles: None,
    };
    Listing { rendition: Some(rendition), ..listing(byte, "Main hall (Sound)", BroadcastState::Live) }
}

#[tokio::test]
async fn renditions_are_in_the_multivariant_playlist_and_in_no_list_of_broadcasts() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().extend([listing(1, "Main hall", BroadcastState::Live), sound(9)]);
    let slug = broadcast_id(1).slug();
    let main = get(&node, &format!("/hls/{slug}/main.m3u8?player=mse")).await;
    assert_eq!((main.status, main.header("content-type")), (StatusCode::OK, "application/vnd.apple.mpegurl"));
    assert_eq!(main.text(), "#EXTM3U of Live for MediaSource\n");
    assert_eq!(get(&node, &format!("/hls/{slug}/main-whole.m3u8")).await.text(), "#EXTM3U of Whole for Native\n");

    assert_eq!(get(&node, "/api/v1/broadcasts").await.json().as_array().unwrap().len(), 1);
    assert!(!get(&node, "/").await.text().contains("(Sound)"));
    let details = get(&node, &format!("/api/v1/broadcasts/{slug}")).await.json();
    let expected =
        json!([{ "slug": broadcast_id(9).slug(), "name": "Sound", "bandwidth": 96_000, "codecs": "mp4a.40.2" }]);
    assert_eq!(details["renditions"], expected);
}

#[tokio::test]
async fn a_broadcast_without_renditions_leads_to_its_media_playlist() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(2, "Small hall", BroadcastState::Live));
    let main = get(&node, &format!("/hls/{}/main.m3u8?player=mse", broadcast_id(2).slug())).await;
    assert_eq!((main.status, main.header("location")), (StatusCode::TEMPORARY_REDIRECT, "index.m3u8?player=mse"));
    assert_eq!(main.header("access-control-allow-origin"), "*", "also for players on other pages");
    let unknown = get(&node, &format!("/hls/{}/main.m3u8", broadcast_id(3).slug())).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_plays_a_rendition_watches_the_original() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().extend([listing(1, "Main hall", BroadcastState::Live), sound(9)]);
    get(&node, &format!("/hls/{}/index.m3u8", broadcast_id(9).slug())).await;
    get(&node, &format!("/hls/{}/0.m4s", broadcast_id(9).slug())).await;
    let viewers = async |byte| -> Value {
        get(&node, &format!("/api/v1/broadcasts/{}", broadcast_id(byte).slug())).await.json()["viewers"].clone()
    };
    assert_eq!(viewers(1).await["here"], 1);
    assert_eq!(viewers(9).await["here"], 0);
}

#[tokio::test]
async fn a_rendition_is_hidden_with_its_original() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().extend([listing(1, "Rude", BroadcastState::Live), sound(9)]);
    node.owner.hide(MessageKey([1; 32])).await.unwrap();
    let details = get(&node, &format!("/api/v1/broadcasts/{}", broadcast_id(9).slug())).await;
    assert_eq!(details.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn players_hear_with_playlists_what_the_way_here_carries() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().extend([listing(1, "Main hall", BroadcastState::Live), sound(9)]);
    let main = format!("/hls/{}/main.m3u8", broadcast_id(1).slug());
    assert!(get(&node, &main).await.headers.get("cmsd-dynamic").is_none(), "nothing is known to be too much");
    node.suggested.lock().unwrap().insert(broadcast_id(1), 899_500);
    for file in ["main.m3u8", "main-whole.m3u8?player=mse", "index.m3u8"] {
        let answer = get(&node, &format!("/hls/{}/{file}", broadcast_id(1).slug())).await;
        assert_eq!(answer.header("cmsd-dynamic"), "\"meshstream\";mb=900", "{file} {}", answer.status);
        assert!(answer.header("access-control-expose-headers").contains("CMSD-Dynamic"), "{file}");
    }
    let segment = get(&node, &format!("/hls/{}/0.m4s", broadcast_id(1).slug())).await;
    assert!(segment.headers.get("cmsd-dynamic").is_none(), "segments may be kept for long");
}
