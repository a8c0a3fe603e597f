//! What the owner plans, names, ends, hides and sets, on the control socket; and what visitors see of it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use stream_model::*;

use crate::support::{FakeNode, FakeOwner, UNKNOWN, broadcast_id, listing, post};
use crate::{Answer, get, send};

async fn control(owner: &Arc<FakeOwner>, method: Method, path: &str, body: Value) -> Answer {
    let app = player_web::owner_control_app(&owner.ports(&FakeNode::new()));
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    send(app, Request::builder().method(method).uri(path).body(body).unwrap()).await
}

fn planned(byte: u8, title: &str) -> Scheduled {
    Scheduled {
        id: ScheduleId(MessageKey([byte; 32])),
        author: FeedId([byte; 32]),
        own: false,
        title: title.to_owned(),
        description: String::new(),
        starts_at: WallTime(1_795_269_780_000),
    }
}

#[tokio::test]
async fn broadcasts_are_planned_changed_and_called_off() {
    let owner = FakeOwner::new();
    let plan = json!({ "title": "Keynote", "description": "", "starts_at": 5 });
    let made = control(&owner, Method::POST, "/control/schedules", plan).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let path = format!("/control/schedules/{}", made.json()["slug"].as_str().unwrap());
    let changed = control(&owner, Method::PUT, &path, json!({ "title": "Closing", "starts_at": 6 })).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    assert_eq!(owner.scheduled.lock().unwrap()[0].1.title, "Closing");
    assert_eq!(control(&owner, Method::DELETE, &path, Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(control(&owner, Method::DELETE, &path, Value::Null).await.status, StatusCode::NOT_FOUND);
    let untitled = control(&owner, Method::POST, "/control/schedules", json!({ "title": " ", "starts_at": 6 })).await;
    assert_eq!(untitled.status, StatusCode::BAD_REQUEST);
    let nonsense = control(&owner, Method::POST, "/control/schedules", json!({ "title": "x" })).await;
    assert!(nonsense.json()["error"].as_str().unwrap().contains("starts_at"), "it says what is expected");
}

#[tokio::test]
async fn broadcasts_are_called_otherwise_and_ended() {
    let owner = FakeOwner::new();
    let details = json!({ "title": "Talk", "description": "d", "schedule": null });
    let path = "/control/streams/hall/details";
    assert_eq!(control(&owner, Method::PUT, path, details.clone()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(control(&owner, Method::GET, path, Value::Null).await.json(), details);
    let id = broadcast_id(7);
    let path = format!("/control/broadcasts/{}", id.slug());
    let called = json!({ "title": "Second half", "description": "" });
    assert_eq!(control(&owner, Method::PUT, &path, called.clone()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(*owner.updated.lock().unwrap(), [(id, "Second half".to_owned(), String::new())]);
    assert_eq!(control(&owner, Method::POST, &format!("{path}/end"), Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(*owner.ended.lock().unwrap(), [id]);
    let unknown = format!("/control/broadcasts/{}", UNKNOWN.slug());
    assert_eq!(control(&owner, Method::PUT, &unknown, called).await.status, StatusCode::NOT_FOUND);
    owner.refused.lock().unwrap().insert("hall".parse().unwrap());
    assert_eq!(control(&owner, Method::GET, "/control/streams/refused", Value::Null).await.json(), json!(["hall"]));
    control(&owner, Method::DELETE, "/control/streams/hall/refusal", Value::Null).await;
    assert_eq!(control(&owner, Method::GET, "/control/streams/refused", Value::Null).await.json(), json!([]));
}

#[tokio::test]
async fn settings_are_listed_set_and_unset_and_the_log_is_read() {
    let owner = FakeOwner::new();
    let path = "/control/settings/storage.quota";
    let set = control(&owner, Method::PUT, path, json!({ "value": "3GiB" })).await.json();
    assert_eq!((&set["next"], &set["source"]), (&json!("3GiB"), &json!("settings")));
    let wrong = control(&owner, Method::PUT, path, json!({ "value": "nonsense" })).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let unknown = control(&owner, Method::PUT, "/control/settings/web.listen", json!({ "value": "1" })).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(control(&owner, Method::DELETE, path, Value::Null).await.json()["source"], "default");
    let all = control(&owner, Method::GET, "/control/settings", Value::Null).await.json();
    assert_eq!((&all[0]["key"], &all[2]["form"]), (&json!("node.name"), &json!("choice")));
    let lines = control(&owner, Method::GET, "/control/logs?level=warn&limit=5", Value::Null).await.json();
    assert_eq!((lines.as_array().unwrap().len(), &lines[0]["level"]), (1, &json!("warn")));
    let nonsense = control(&owner, Method::GET, "/control/logs?level=loud", Value::Null).await;
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_planned_is_listed_but_for_what_is_hidden() {
    let node = FakeNode::new();
    node.upcoming.lock().unwrap().extend([planned(1, "Opening"), planned(2, "Closing")]);
    node.owner.hide(MessageKey([2; 32])).await.unwrap();
    let listed = get(&node, "/api/v1/upcoming").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let shown = &listed[0];
    assert_eq!((&shown["title"], &shown["starts_at"]), (&json!("Opening"), &json!(1_795_269_780_000_u64)));
    assert_eq!(shown["slug"], ScheduleId(MessageKey([1; 32])).slug());
}

#[tokio::test]
async fn what_is_hidden_is_not_shown_to_visitors_and_is_served_all_the_same() {
    let node = FakeNode::new();
    let (shown, hidden) = (listing(7, "Shown", BroadcastState::Live), listing(8, "Rude", BroadcastState::Live));
    node.live.lock().unwrap().insert(hidden.id, "#EXTM3U\n".to_owned());
    node.listings.lock().unwrap().extend([shown, hidden.clone()]);
    let root = broadcast_id(7).0;
    node.posts.lock().unwrap().extend([
        post(20, "kind", Some(root)),
        post(21, "rude", Some(root)),
        post(22, "rude", None),
    ]);
    let hide = format!("/control/hidden/{}", hidden.id.slug());
    assert_eq!(control(&node.owner, Method::PUT, &hide, Value::Null).await.status, StatusCode::NO_CONTENT);
    for byte in [21, 22] {
        node.owner.hide(MessageKey([byte; 32])).await.unwrap();
    }

    let titles = get(&node, "/api/v1/broadcasts").await.json();
    assert_eq!((titles.as_array().unwrap().len(), &titles[0]["title"]), (1, &json!("Shown")));
    assert!(!get(&node, "/").await.text().contains("Rude"));
    let slug = hidden.id.slug();
    for page in ["watch", "embed"] {
        let page = get(&node, &format!("/{page}/{slug}")).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(page.text().contains("does not show that broadcast here"), "{}", page.text());
    }
    assert_eq!(get(&node, &format!("/api/v1/broadcasts/{slug}")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(get(&node, &format!("/hls/{slug}/index.m3u8")).await.status, StatusCode::OK);
    let comments = get(&node, &format!("/api/v1/broadcasts/{}/comments", broadcast_id(7).slug())).await.json();
    assert_eq!(comments["posts"].as_array().unwrap().len(), 1);
    assert_eq!(get(&node, "/api/v1/timeline").await.json()["posts"], json!([]));

    let listed = control(&node.owner, Method::GET, "/control/hidden", Value::Null).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(control(&node.owner, Method::DELETE, &hide, Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(control(&node.owner, Method::DELETE, &hide, Value::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&node, &format!("/api/v1/broadcasts/{slug}")).await.status, StatusCode::OK);
}
