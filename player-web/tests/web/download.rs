use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use stream_model::{BroadcastState, MissingMedia, Moment, Tracks, WallTime};
use tower::ServiceExt as _;

use crate::support::{FakeNode, broadcast_id, listing};
use crate::{ask, get};

fn node() -> Arc<FakeNode> {
    let node = FakeNode::new();
    let listings = (1..=6).map(|byte| listing(byte, "Höhe: \"1\"/2", BroadcastState::Ended));
    node.listings.lock().unwrap().extend(listings);
    node
}

fn path(byte: u8, query: &str) -> String {
    format!("/api/v1/broadcasts/{}/download.mp4{query}", broadcast_id(byte).slug())
}

#[tokio::test]
async fn a_file_says_what_it_is_called_how_long_it_is_and_where_the_rest_is() {
    let node = node();
    let answer = get(&node, &path(2, "?to=754.5")).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"mp4mp4"[..]));
    for (name, value) in [
        ("content-type", "video/mp4".to_owned()),
        ("content-length", "6".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("meshstream-from", "0.000".to_owned()),
        ("meshstream-to", "90.500".to_owned()),
        ("link", format!("<{}>; rel=\"next\"", path(2, "?from=90.500&to=754.500"))),
        (
            "content-disposition",
            "attachment; filename=\"H_he- -1--2 0.00.00-0.01.30.mp4\"; \
             filename*=UTF-8''H%C3%B6he-%20-1--2%200.00.00-0.01.30.mp4"
                .to_owned(),
        ),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let head = ask(&node, Method::HEAD, &path(2, ""), &[]).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (StatusCode::OK, "6", 0));

    node.listings.lock().unwrap()[1].tracks = Tracks { video: false, audio: true };
    let sound = get(&node, &path(2, "")).await;
    assert_eq!(sound.header("content-type"), "audio/mp4");
    assert!(sound.header("content-disposition").contains(".m4a"));
}

#[tokio::test]
async fn what_is_asked_for_reaches_the_broadcast_and_what_is_wrong_is_said() {
    let node = node();
    get(&node, &path(2, "?from=2026-11-21T14:00:00Z&to=90&missing=skip")).await;
    let asked = node.downloads.lock().unwrap()[0];
    assert_eq!(asked.from, Some(Moment::At(WallTime(1_795_269_600_000))));
    assert_eq!(asked.to, Some(Moment::Elapsed(Duration::from_secs(90))));
    assert_eq!((asked.broadcast, asked.missing), (broadcast_id(2), MissingMedia::Skip));

    let wrong = get(&node, &path(2, "?from=noon")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.json()["error"].as_str().unwrap().contains("expected seconds"), "{}", wrong.text());
    for (byte, status) in [
        (4, StatusCode::SERVICE_UNAVAILABLE),
        (5, StatusCode::BAD_GATEWAY),
        (6, StatusCode::NOT_FOUND),
        (9, StatusCode::NOT_FOUND),
    ] {
        let answer = get(&node, &path(byte, "")).await;
        assert_eq!(answer.status, status);
        assert!(answer.json()["error"].is_string());
        assert_eq!(answer.header("retry-after"), if byte == 4 { "2" } else { "" });
    }
    assert_eq!(get(&node, "/api/v1/broadcasts/nonsense/download.mp4").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_file_that_breaks_off_is_not_ended_as_if_it_were_whole() {
    let node = node();
    let app = player_web::app(node.ports(), &player_web::Config::default());
    let answer =
        app.oneshot(Request::get(path(3, "")).header("host", "localhost").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn an_address_gets_two_files_at_a_time_and_a_place_is_free_once_one_is_given_up() {
    let node = node();
    let app = player_web::app(node.ports(), &player_web::Config::default());
    let ask = || {
        let request = Request::get(path(1, "")).header("host", "localhost").body(Body::empty()).unwrap();
        app.clone().oneshot(request)
    };
    let mut first = ask().await.unwrap();
    let _second = ask().await.unwrap();
    assert!(first.body_mut().frame().await.unwrap().is_ok());
    let refused = ask().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    drop(first);
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
}
