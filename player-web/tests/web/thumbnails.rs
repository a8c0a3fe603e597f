use std::sync::Arc;

use axum::http::{Method, StatusCode};
use stream_model::{BroadcastState, MediaSequence, MessageKey, Moderation as _};

use crate::support::{FakeNode, broadcast_id, listing, pictures};
use crate::{ask, get};

/// As every JPEG begins.
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF";
const CUES: &str = "WEBVTT\n\n00:00.000 --> 00:03.000\n../SLUG/4.jpg#xywh=0,0,160,90\n";

/// Broadcast 1 with segment 4, and 9, pictures of it, with segment 4 and a poster.
fn node() -> Arc<FakeNode> {
    let node = FakeNode::new();
    let (hall, looks) = (listing(1, "Hall", BroadcastState::Live), pictures(9, 1, BroadcastState::Live));
    let (hall_id, looks_id) = (hall.id, looks.id);
    node.listings.lock().unwrap().extend([hall, looks]);
    let (segment, sprite, poster) = (node.add_file("media"), node.add_file(JPEG), node.add_file([JPEG, b"p"].concat()));
    node.segments.lock().unwrap().extend([((hall_id, 4), segment), ((looks_id, 4), sprite)]);
    node.inits.lock().unwrap().insert((looks_id, 0), poster);
    for id in [hall_id, looks_id] {
        node.live.lock().unwrap().insert(id, "#EXTM3U\n".to_owned());
        node.whole.lock().unwrap().insert(id, "#EXTM3U\n".to_owned());
    }
    node.cues.lock().unwrap().insert(hall_id, CUES.to_owned());
    node
}

fn path(byte: u8, file: &str) -> String {
    format!("/hls/{}/{file}", broadcast_id(byte).slug())
}

#[tokio::test]
async fn pictures_are_served_as_what_they_are() {
    let node = node();
    let cues = get(&node, &path(1, "thumbnails.vtt")).await;
    assert_eq!((cues.status, cues.text()), (StatusCode::OK, CUES));
    let sprite = get(&node, &path(9, "4.jpg")).await;
    assert_eq!((sprite.status, &*sprite.body), (StatusCode::OK, JPEG));
    let poster = get(&node, &path(1, "poster.jpg")).await;
    assert_eq!((poster.status, poster.body.len()), (StatusCode::OK, JPEG.len() + 1));
    for (answer, media_type, caching) in [
        (&cues, "text/vtt", "no-cache"),
        (&sprite, "image/jpeg", "public, max-age=31536000, immutable"),
        (&poster, "image/jpeg", "public, max-age=60"),
    ] {
        assert_eq!(answer.header("content-type"), media_type);
        assert_eq!(answer.header("cache-control"), caching, "{media_type}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{media_type}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{media_type}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin", "{media_type}");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    }
    let known = ask(&node, Method::GET, &path(1, "poster.jpg"), &[("if-none-match", poster.header("etag"))]).await;
    assert_eq!((known.status, known.header("cache-control")), (StatusCode::NOT_MODIFIED, "public, max-age=60"));
}

#[tokio::test]
async fn no_media_is_a_picture_and_no_picture_is_media() {
    let node = node();
    for missing in [
        path(1, "4.jpg"),
        path(2, "4.jpg"),
        path(9, "5.jpg"),
        path(9, "04.jpg"),
        path(9, "4.m4s"),
        path(9, "init-0.mp4"),
        path(9, "index.m3u8"),
        path(9, "whole.m3u8"),
        path(9, "main.m3u8"),
        path(9, "hour/4.m3u8"),
        path(9, "day/2026-11-21.m3u8"),
        path(9, "thumbnails.vtt"),
        path(9, "poster.jpg"),
        format!("/watch/{}", broadcast_id(9).slug()),
        format!("/embed/{}", broadcast_id(9).slug()),
    ] {
        assert_eq!(get(&node, &missing).await.status, StatusCode::NOT_FOUND, "{missing}");
    }
    let huge = node.add_file(vec![0xff; 2 << 20]);
    node.segments.lock().unwrap().insert((broadcast_id(9), 6), huge);
    assert_eq!(get(&node, &path(9, "6.jpg")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_here_yet_is_503_and_what_has_no_pictures_is_404() {
    let node = node();
    node.listings.lock().unwrap().push(listing(2, "Yard", BroadcastState::Live));
    for file in ["thumbnails.vtt", "poster.jpg"] {
        assert_eq!(get(&node, &path(2, file)).await.status, StatusCode::NOT_FOUND, "{file}");
        assert_eq!(get(&node, &path(3, file)).await.status, StatusCode::NOT_FOUND, "{file}");
    }
    node.cues.lock().unwrap().clear();
    for late in [path(1, "thumbnails.vtt"), path(9, "7777.jpg")] {
        let answer = get(&node, &late).await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"), "{late}");
        assert_eq!(answer.header("cache-control"), "no-store", "{late}");
    }
}

#[tokio::test]
async fn who_looks_at_pictures_does_not_watch() {
    let node = node();
    for file in [path(1, "thumbnails.vtt"), path(1, "poster.jpg"), path(9, "4.jpg"), path(9, "index.m3u8")] {
        get(&node, &file).await;
    }
    let details = async || get(&node, &format!("/api/v1/broadcasts/{}", broadcast_id(1).slug())).await.json();
    assert_eq!(details().await["viewers"]["here"], 0);
    get(&node, &path(1, "4.m4s")).await;
    assert_eq!(details().await["viewers"]["here"], 1);
}

#[tokio::test]
async fn pictures_of_what_is_hidden_are_not_shown() {
    let node = node();
    node.owner.hide(MessageKey([1; 32])).await.unwrap();
    for file in [path(1, "thumbnails.vtt"), path(1, "poster.jpg"), path(9, "4.jpg"), path(9, "4.m4s")] {
        assert_eq!(get(&node, &file).await.status, StatusCode::NOT_FOUND, "{file}");
    }
    assert_eq!(get(&node, &path(1, "4.m4s")).await.status, StatusCode::OK, "media stay as they are");
}

#[tokio::test]
async fn pictures_that_are_hidden_by_themselves_are_not_shown() {
    let node = node();
    node.owner.hide(MessageKey([9; 32])).await.unwrap();
    for file in [path(1, "thumbnails.vtt"), path(1, "poster.jpg"), path(9, "4.jpg")] {
        assert_eq!(get(&node, &file).await.status, StatusCode::NOT_FOUND, "{file}");
    }
    assert!(!get(&node, "/").await.text().contains("<img"));
}

#[tokio::test]
async fn the_api_says_where_pictures_are() {
    let node = node();
    node.listings.lock().unwrap().push(listing(2, "Yard", BroadcastState::Live));
    let all = get(&node, "/api/v1/broadcasts").await.json();
    let one = get(&node, &format!("/api/v1/broadcasts/{}", broadcast_id(1).slug())).await.json();
    for broadcast in [&all[0], &one] {
        assert_eq!(broadcast["thumbnails"], path(1, "thumbnails.vtt"));
        assert_eq!(broadcast["poster"], path(1, "poster.jpg"));
    }
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert!(all[1].get("thumbnails").is_none() && all[1].get("poster").is_none(), "{}", all[1]);
    assert_eq!(one["renditions"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn pages_show_the_newest_picture_of_what_is_live_and_else_the_poster() {
    let node = node();
    let mut over = listing(2, "Yard", BroadcastState::Ended);
    over.media_sequence = Some(MediaSequence(8));
    node.listings.lock().unwrap().extend([over, pictures(8, 2, BroadcastState::Ended)]);
    let shows = |html: &str, path: &str| html.contains(&format!("<img src=\"{path}\" alt=\"\" width="));
    let home = get(&node, "/").await;
    assert!(shows(home.text(), &path(9, "3.jpg")), "{}", home.text());
    assert!(shows(home.text(), &path(2, "poster.jpg")), "{}", home.text());
    for page in ["/archive/2026-11-21", "/search?q=yard"] {
        assert!(shows(get(&node, page).await.text(), &path(2, "poster.jpg")), "{page}");
    }
    let details = get(&node, &format!("/broadcast/{}", broadcast_id(1).slug())).await;
    assert!(shows(details.text(), &path(9, "3.jpg")), "{}", details.text());
    for page in ["watch", "embed"] {
        let page = get(&node, &format!("/{page}/{}", broadcast_id(1).slug())).await;
        assert!(page.text().contains(&format!("poster=\"{}\"", path(1, "poster.jpg"))), "{}", page.text());
        assert!(page.text().contains(" data-pictures "), "{}", page.text());
    }

    let mut listings = node.listings.lock().unwrap().clone();
    listings[1].media_sequence = None;
    *node.listings.lock().unwrap() = listings;
    assert!(shows(get(&node, "/").await.text(), &path(1, "poster.jpg")), "nothing of it is known yet but the poster");
}
