//! Pictures over HTTP: what is held, what messages name, and nothing else.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use player_web::Config;
use stream_model::{BlobId, BlobStore as _, MessageKey, Moderation as _};
use tower::ServiceExt as _;

use crate::support::{FakeNode, blob_id, post};
use crate::{Answer, ask, ask_app, get};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// The picture of somebody who wrote a post.
pub(crate) fn name_as_picture(node: &FakeNode, blob: BlobId) {
    let mut post = post(1, "hello", None);
    post.author.image = Some(blob);
    node.posts.lock().unwrap().push(post);
}

/// One that is held, and named.
async fn held(bytes: &'static [u8]) -> (Arc<FakeNode>, String) {
    let node = FakeNode::new();
    let id = node.add(Bytes::from_static(bytes)).await.unwrap();
    name_as_picture(&node, id);
    let path = format!("/blobs/{}", id.slug());
    (node, path)
}

#[tokio::test]
async fn a_picture_that_is_held_is_served_as_what_it_is_and_for_ever() {
    let (node, path) = held(PNG).await;
    let answer = get(&node, &path).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, PNG));
    let tag = format!("\"{}\"", blob_id(PNG).slug());
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", "16"),
        ("etag", &tag),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let again = ask(&node, Method::GET, &path, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let head = ask(&node, Method::HEAD, &path, &[]).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (StatusCode::OK, "16", 0));
    let by_id = blob_id(PNG).to_string().replace('/', "%2F").replace('+', "%2B");
    assert_eq!(get(&node, &format!("/blobs/{by_id}")).await.body, PNG);
    assert_eq!(node.blobs_asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_no_picture_is_refused_whatever_it_is_called() {
    for bytes in [
        &b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>"[..],
        b"<!doctype html><script>alert(1)</script>",
        b"\0\0\0\x18ftypmp42",
        b"",
    ] {
        let (node, path) = held(bytes).await;
        let answer = get(&node, &path).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(answer.header("content-type").starts_with("text/plain"));
        assert_eq!(answer.header("content-security-policy"), "sandbox; default-src 'none'");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_message_names_is_brought_by_peers_and_other_blobs_are_not_asked_for() {
    let node = FakeNode::new();
    let (face, photo) = (Bytes::from_static(PNG), Bytes::from_static(b"GIF89a.."));
    name_as_picture(&node, blob_id(&face));
    node.posts.lock().unwrap()[0].mentions.push(blob_id(&photo).to_string());
    for (bytes, media_type) in [(face, "image/png"), (photo, "image/gif")] {
        let id = blob_id(&bytes);
        node.blobs_at_peers.lock().unwrap().insert(id, bytes.clone());
        let answer = get(&node, &format!("/blobs/{}", id.slug())).await;
        assert_eq!((answer.status, answer.header("content-type"), &answer.body), (StatusCode::OK, media_type, &bytes));
    }
    assert_eq!(node.blobs_asked.lock().unwrap().len(), 2);
    let unnamed = get(&node, &format!("/blobs/{}", BlobId([9; 32]).slug())).await;
    assert_eq!(unnamed.status, StatusCode::NOT_FOUND);
    assert_eq!(node.blobs_asked.lock().unwrap().len(), 2, "nobody has this node look for anything");
}

#[tokio::test(start_paused = true)]
async fn what_only_hidden_posts_name_is_neither_served_nor_asked_for() {
    let node = FakeNode::new();
    let photo = node.add(Bytes::from_static(PNG)).await.unwrap();
    let elsewhere = BlobId([9; 32]);
    for number in [1, 2] {
        let mut post = post(number, "look", None);
        post.mentions = vec![photo.to_string(), elsewhere.to_string()];
        node.posts.lock().unwrap().push(post);
    }
    let keys: Vec<MessageKey> = node.posts.lock().unwrap().iter().map(|post| post.key).collect();
    let status = async |blob: &BlobId| get(&node, &format!("/blobs/{}", blob.slug())).await.status;
    node.owner.hide(keys[0]).await.unwrap();
    assert_eq!(status(&photo).await, StatusCode::OK, "another post shows it");
    node.owner.hide(keys[1]).await.unwrap();
    assert_eq!(status(&photo).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&elsewhere).await, StatusCode::NOT_FOUND);
    assert_eq!(node.blobs_asked.lock().unwrap().len(), 0, "peers are asked for what is shown");
    node.owner.unhide(keys[1]).await.unwrap();
    assert_eq!(status(&photo).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn what_no_peer_brings_is_not_found_and_may_be_tried_again() {
    let node = FakeNode::new();
    name_as_picture(&node, blob_id(PNG));
    let path = format!("/blobs/{}", blob_id(PNG).slug());
    let answer = get(&node, &path).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::NOT_FOUND, "no-store"));
    node.add(Bytes::from_static(PNG)).await.unwrap();
    assert_eq!(get(&node, &path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn ids_that_are_none_and_stores_that_fail_are_said_to_be() {
    let (node, path) = held(PNG).await;
    for other in ["x", "%26x.sha256", "..%2F..%2Fsecret", &"A".repeat(44)] {
        let answer = get(&node, &format!("/blobs/{other}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{other}");
    }
    *node.problem.lock().unwrap() = Some("disk secret".to_owned());
    let answer = get(&node, &path).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.text().contains("secret"), "{}", answer.text());
}

async fn begin(app: &Router, path: &str) -> axum::response::Response {
    app.clone().oneshot(Request::get(path).header("host", "localhost").body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn one_address_holds_few_pictures_in_memory_until_it_takes_them() {
    let (node, path) = held(PNG).await;
    let app = player_web::app(node.ports(), &Config::default());
    let mut open = Vec::new();
    let refused = loop {
        let response = begin(&app, &path).await;
        match response.status() {
            StatusCode::OK => open.push(response),
            status => break (status, response.headers().contains_key("retry-after")),
        }
        assert!(open.len() < 100, "there is a bound");
    };
    assert_eq!(refused, (StatusCode::SERVICE_UNAVAILABLE, true));
    open.pop();
    let answer: Answer = ask_app(app, Method::GET, &path, &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn few_browsers_of_one_address_wait_for_peers_at_a_time() {
    let node = FakeNode::new();
    name_as_picture(&node, blob_id(PNG));
    let path = format!("/blobs/{}", blob_id(PNG).slug());
    let app = player_web::app(node.ports(), &Config::default());
    let all = (0..50).map(|_| begin(&app, &path));
    let statuses: Vec<StatusCode> = futures::future::join_all(all).await.iter().map(|one| one.status()).collect();
    let count = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!(count(StatusCode::NOT_FOUND) + count(StatusCode::SERVICE_UNAVAILABLE), 50);
    assert_eq!(count(StatusCode::NOT_FOUND), node.blobs_asked.lock().unwrap().len());
    assert!((1..16).contains(&count(StatusCode::NOT_FOUND)), "{statuses:?}");
}

#[tokio::test]
async fn authors_have_their_picture_as_a_path_of_this_node() {
    let node = FakeNode::new();
    name_as_picture(&node, blob_id(PNG));
    let path = format!("/blobs/{}", blob_id(PNG).slug());
    let timeline = get(&node, "/api/v1/timeline").await.json();
    assert_eq!(timeline["posts"][0]["author"]["image"], path);
    let feed = timeline["posts"][0]["author"]["feed"].as_str().unwrap().replace('/', "%2F").replace('+', "%2B");
    assert_eq!(get(&node, &format!("/api/v1/feeds/{feed}")).await.json()["image"], path);
}
