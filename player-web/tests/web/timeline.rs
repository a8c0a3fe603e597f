//! The timeline over HTTP: everybody reads, only the owner writes.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use player_web::{AdminToken, Config, OwnerAccess};
use serde_json::{Value, json};
use stream_model::{BroadcastState, FeedId, MessageKey, Vote};

use crate::support::{FakeNode, UNWRITABLE, broadcast_id, listing, post};
use crate::{Answer, get, send};

const TOKEN: &str = "a-token-for-these-tests";

fn node() -> Arc<FakeNode> {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, "Main hall", BroadcastState::Live));
    let posts = [
        post(1, "first", None),
        post(2, "**second** <script>alert(1)</script>", None),
        post(3, "a comment", Some(MessageKey([7; 32]))),
        post(4, "another", Some(MessageKey([7; 32]))),
        post(5, "third", None),
    ];
    node.posts.lock().unwrap().extend(posts);
    node
}

fn config() -> Config {
    let token = AdminToken::new(TOKEN).unwrap();
    Config { access: OwnerAccess::new(Some(token), FeedId([1; 32])), ..Config::default() }
}

async fn write(node: &Arc<FakeNode>, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(player_web::app(node.ports(), &config()), request.body(body.into()).unwrap()).await
}

/// As the owner's programs do.
async fn as_owner(node: &Arc<FakeNode>, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    write(node, path, &headers, body.to_string()).await
}

fn texts(answer: &Value, field: &str) -> Vec<String> {
    answer[field].as_array().unwrap().iter().map(|post| post["text"].as_str().unwrap().to_owned()).collect()
}

fn in_path(text: impl ToString) -> String {
    text.to_string().replace('%', "%25").replace('/', "%2F").replace('+', "%2B")
}

#[tokio::test]
async fn the_timeline_is_paged_with_a_cursor() {
    let node = node();
    let first = get(&node, "/api/v1/timeline?limit=2").await;
    assert_eq!(first.header("cache-control"), "no-store");
    let first = first.json();
    assert_eq!(texts(&first, "posts"), ["third", "**second** <script>alert(1)</script>"]);
    let second = get(&node, &format!("/api/v1/timeline?limit=2&before={}", first["next"])).await.json();
    assert_eq!((texts(&second, "posts"), &second["next"]), (vec!["first".to_owned()], &Value::Null));
    for query in ["limit=0", "limit=101", "limit=x", "before=x", "limit=-1"] {
        let answer = get(&node, &format!("/api/v1/timeline?{query}")).await;
        assert_eq!((answer.status, answer.json()["error"].is_string()), (StatusCode::BAD_REQUEST, true), "{query}");
    }
}

#[tokio::test]
async fn a_post_has_the_documented_names_and_its_text_as_harmless_html() {
    let post = get(&node(), "/api/v1/timeline?limit=2").await.json()["posts"][1].clone();
    let expected = json!({
        "key": MessageKey([2; 32]), "cursor": 2,
        "author": { "feed": "@AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=.ed25519", "name": "Ann", "image": null, "own": false },
        "text": "**second** <script>alert(1)</script>",
        "html": "<p><strong>second</strong> &lt;script&gt;alert(1)&lt;/script&gt;</p>\n",
        "written_at": 1_795_269_780_000_u64, "root": null, "branches": [], "channel": null, "mentions": [], "broadcast": null,
        "replies": 0, "votes": 0,
    });
    assert_eq!(post, expected);
}

#[tokio::test]
async fn comments_threads_and_feeds_are_found_by_key_and_by_slug() {
    let node = node();
    let comments = get(&node, &format!("/api/v1/broadcasts/{}/comments", broadcast_id(7).slug())).await.json();
    assert_eq!(texts(&comments, "posts"), ["another", "a comment"]);
    assert_eq!(comments["posts"][0]["broadcast"], broadcast_id(7).slug());
    let by_key = get(&node, &format!("/api/v1/broadcasts/{}/comments", in_path(broadcast_id(7)))).await.json();
    assert_eq!(by_key, comments);

    let thread = get(&node, &format!("/api/v1/threads/{}", broadcast_id(7).slug())).await.json();
    assert_eq!((texts(&thread, "replies"), &thread["post"]), (texts(&comments, "posts"), &Value::Null));
    let alone = get(&node, &format!("/api/v1/threads/{}", in_path(MessageKey([1; 32])))).await.json();
    assert_eq!((alone["post"]["text"].as_str(), texts(&alone, "replies").len()), (Some("first"), 0));
    let unknown = get(&node, &format!("/api/v1/threads/{}", broadcast_id(99).slug())).await;
    assert_eq!((unknown.status, unknown.json()["error"].is_string()), (StatusCode::NOT_FOUND, true));
    assert_eq!(get(&node, "/api/v1/threads/x").await.status, StatusCode::BAD_REQUEST);

    let feed = get(&node, &format!("/api/v1/feeds/{}", in_path(stream_model::FeedId([2; 32])))).await.json();
    assert_eq!((feed["name"].as_str(), feed["description"].as_str()), (Some("Ann"), Some("Town hall")));
    let unknown = get(&node, &format!("/api/v1/feeds/{}", in_path(stream_model::FeedId([99; 32])))).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_owner_posts_comments_answers_and_votes() {
    let node = node();
    let posted = as_owner(&node, "/api/v1/posts", &json!({ "text": "hello *all*" })).await;
    assert_eq!(
        (posted.status, posted.json()["html"].as_str()),
        (StatusCode::CREATED, Some("<p>hello <em>all</em></p>\n"))
    );
    let comment = json!({ "text": "nice", "broadcast": broadcast_id(7).slug() });
    assert_eq!(as_owner(&node, "/api/v1/posts", &comment).await.json()["broadcast"], broadcast_id(7).slug());
    let answer = as_owner(&node, "/api/v1/posts", &json!({ "text": "yes", "root": MessageKey([1; 32]) })).await;
    assert_eq!(answer.json()["root"], json!(MessageKey([1; 32])));
    let long = as_owner(&node, "/api/v1/posts", &json!({ "text": "\u{1}".repeat(7_000) })).await;
    assert_eq!(long.status, StatusCode::CREATED, "a long text fits, however it is escaped");

    for (value, vote) in [(1, Vote::For), (0, Vote::Withdrawn)] {
        let request = json!({ "post": MessageKey([1; 32]), "value": value });
        assert_eq!(as_owner(&node, "/api/v1/votes", &request).await.status, StatusCode::NO_CONTENT);
        assert_eq!(node.votes.lock().unwrap().pop(), Some((MessageKey([1; 32]), vote)));
    }
}

#[tokio::test]
async fn who_is_not_the_owner_writes_nothing() {
    let node = node();
    let bearer = format!("Bearer {TOKEN}");
    let json_type = ("content-type", "application/json");
    let body = r#"{"text":"hello"}"#;
    let refused: [(&[(&str, &str)], StatusCode); 6] = [
        (&[json_type], StatusCode::UNAUTHORIZED),
        (&[json_type, ("authorization", "Bearer wrong")], StatusCode::UNAUTHORIZED),
        (&[json_type, ("cookie", TOKEN)], StatusCode::UNAUTHORIZED),
        (
            &[json_type, ("authorization", &bearer), ("host", "localhost"), ("origin", "http://evil")],
            StatusCode::FORBIDDEN,
        ),
        (&[("authorization", &bearer), ("content-type", "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (&[("authorization", &bearer)], StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ];
    for (headers, status) in refused {
        for path in ["/api/v1/posts", "/api/v1/votes"] {
            let answer = write(&node, path, headers, body).await;
            assert_eq!((answer.status, answer.json()["error"].is_string()), (status, true), "{headers:?}");
        }
    }
    let asks = write(&node, "/api/v1/posts", &[json_type], body).await;
    assert_eq!(asks.header("www-authenticate"), "Bearer");
    assert_eq!(node.posts.lock().unwrap().len(), 5);

    let request = Request::builder().method(Method::POST).uri("/api/v1/posts").header("authorization", &bearer);
    let without = player_web::app(node.ports(), &Config::default());
    let answer = send(without, request.header("content-type", "application/json").body(body.into()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "a node without a token takes none");
}

#[tokio::test]
async fn wrong_tokens_are_limited() {
    let node = node();
    let router = player_web::app(node.ports(), &config());
    let mut seen = Vec::new();
    for _ in 0..12 {
        let request =
            Request::builder().method(Method::POST).uri("/api/v1/votes").header("authorization", "Bearer wrong");
        seen.push(send(router.clone(), request.body(Body::empty()).unwrap()).await.status);
    }
    assert_eq!((seen[9], seen[11]), (StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS));
}

#[tokio::test]
async fn requests_that_make_no_sense_are_explained() {
    let node = node();
    let (root, broadcast) = (MessageKey([1; 32]), broadcast_id(7));
    for (path, body, status) in [
        ("/api/v1/posts", json!({}), StatusCode::BAD_REQUEST),
        ("/api/v1/posts", json!([]), StatusCode::BAD_REQUEST),
        ("/api/v1/posts", json!({ "text": "" }), StatusCode::BAD_REQUEST),
        ("/api/v1/posts", json!({ "text": "x", "rot": root }), StatusCode::BAD_REQUEST),
        ("/api/v1/posts", json!({ "text": "x", "root": "%x" }), StatusCode::BAD_REQUEST),
        ("/api/v1/posts", json!({ "text": "x", "root": root, "broadcast": broadcast }), StatusCode::BAD_REQUEST),
        ("/api/v1/posts", json!({ "text": "x", "root": MessageKey([99; 32]) }), StatusCode::NOT_FOUND),
        ("/api/v1/posts", json!({ "text": "x", "broadcast": broadcast_id(99) }), StatusCode::NOT_FOUND),
        ("/api/v1/posts", json!({ "text": "x".repeat(9_000) }), StatusCode::PAYLOAD_TOO_LARGE),
        ("/api/v1/posts", json!({ "text": "x".repeat(90_000) }), StatusCode::PAYLOAD_TOO_LARGE),
        ("/api/v1/posts", json!({ "text": UNWRITABLE }), StatusCode::CONFLICT),
        ("/api/v1/votes", json!({ "post": root, "value": 2 }), StatusCode::BAD_REQUEST),
        ("/api/v1/votes", json!({ "post": MessageKey([99; 32]), "value": 1 }), StatusCode::NOT_FOUND),
    ] {
        let answer = as_owner(&node, path, &body).await;
        let summary = body.to_string().chars().take(80).collect::<String>();
        assert_eq!((answer.status, answer.json()["error"].is_string()), (status, true), "{summary}");
    }
}

#[tokio::test]
async fn the_control_socket_needs_no_token() {
    let node = node();
    let request =
        Request::builder().method(Method::POST).uri("/api/v1/posts").header("content-type", "application/json");
    let request = request.body(r#"{"text":"from the command line"}"#.into()).unwrap();
    let answer = send(player_web::control_app(node.ports(), node.clone(), &Config::default()), request).await;
    assert_eq!((answer.status, answer.json()["text"].as_str()), (StatusCode::CREATED, Some("from the command line")));
}

#[tokio::test]
async fn what_is_wrong_with_the_store_is_not_told() {
    let node = node();
    *node.problem.lock().unwrap() = Some("disk secret".to_owned());
    let answer = get(&node, "/api/v1/timeline").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.text().contains("secret"));
}
