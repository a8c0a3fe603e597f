use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;
use stream_model::FeedId;

use crate::support::FakeNode;
use crate::{Answer, get, send};

async fn control(node: &Arc<FakeNode>, method: Method, path: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
    send(player_web::control_app(node.ports(), node.clone(), &player_web::Config::default()), request).await
}

#[tokio::test]
async fn keys_are_added_listed_and_revoked() {
    let node = FakeNode::new();
    let added = control(&node, Method::POST, "/control/keys", r#"{"name":"hall"}"#).await;
    assert_eq!(added.status, StatusCode::CREATED);
    assert_eq!(added.json(), json!({ "name": "hall", "key": "00112233445566778899aabbccddeeff" }));

    let again = control(&node, Method::POST, "/control/keys", r#"{"name":"hall"}"#).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.json()["error"].as_str().unwrap().contains("revoke"), "it says what to do");

    let listed = control(&node, Method::GET, "/control/keys", "").await;
    assert_eq!(listed.json(), json!([{ "name": "hall", "created_at": 5 }]));

    let revoked = control(&node, Method::DELETE, "/control/keys/hall", "").await;
    assert_eq!((revoked.status, revoked.body.len()), (StatusCode::NO_CONTENT, 0));
    control(&node, Method::POST, "/control/keys", r#"{"name":"room","archive":false}"#).await;
    let listed = control(&node, Method::GET, "/control/keys", "").await;
    assert_eq!(listed.json(), json!([{ "name": "room", "created_at": 5, "archive": false }]));
    let unknown = control(&node, Method::DELETE, "/control/keys/hall", "").await;
    assert_eq!((unknown.status, unknown.json()["error"].is_string()), (StatusCode::NOT_FOUND, true));
}

#[tokio::test]
async fn requests_that_make_no_sense_are_explained() {
    let node = FakeNode::new();
    for body in ["", "{}", "[]", r#"{"name":"a b"}"#, r#"{"name":"a","key":"mine"}"#, "\u{0}"] {
        let answer = control(&node, Method::POST, "/control/keys", body).await;
        assert_eq!((answer.status, answer.json()["error"].is_string()), (StatusCode::BAD_REQUEST, true), "{body}");
    }
    let long = format!(r#"{{"name":"{}"}}"#, "a".repeat(10_000));
    let answer = control(&node, Method::POST, "/control/keys", long).await;
    assert_eq!((answer.status, answer.json()["error"].is_string()), (StatusCode::PAYLOAD_TOO_LARGE, true));
    let answer = control(&node, Method::DELETE, "/control/keys/%2e%2e", "").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(node.keys.lock().unwrap().is_empty());
}

#[tokio::test]
async fn feeds_are_followed_blocked_and_listed() {
    let node = FakeNode::new();
    let feed = FeedId([9; 32]).to_string();
    let related = json!({ "feed": feed, "relation": "blocking" });
    let answer = control(&node, Method::POST, "/control/feeds", related.to_string()).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, related));
    let listed = control(&node, Method::GET, "/control/feeds", "").await;
    let entry = json!({ "feed": feed, "name": "Ada", "relation": "blocking", "hops": 1, "messages": 7 });
    assert_eq!(listed.json(), json!([entry]));

    let own = json!({ "feed": FeedId([1; 32]).to_string(), "relation": "following" }).to_string();
    let answer = control(&node, Method::POST, "/control/feeds", own).await;
    assert_eq!((answer.status, answer.json()["error"].is_string()), (StatusCode::CONFLICT, true));
    for body in ["", "{}", r#"{"feed":"@x","relation":"blocking"}"#] {
        let answer = control(&node, Method::POST, "/control/feeds", body).await;
        assert_eq!((answer.status, answer.json()["error"].is_string()), (StatusCode::BAD_REQUEST, true), "{body}");
    }
    assert_eq!(get(&node, "/control/feeds").await.status, StatusCode::NOT_FOUND, "not on the network");
}

#[tokio::test]
async fn the_socket_answers_what_the_network_does_and_the_network_has_no_keys() {
    let node = FakeNode::new();
    assert_eq!(control(&node, Method::GET, "/api/v1/node", "").await.status, StatusCode::OK);
    assert_eq!(get(&node, "/control/keys").await.status, StatusCode::NOT_FOUND);
}
