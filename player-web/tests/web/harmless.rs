//! What every answer to the network has, whatever the path: headers that keep it harmless, and texts of others as text.

use axum::http::{Method, StatusCode};
use player_web::{Config, Embedding};
use stream_model::BroadcastState;

use crate::support::{FakeNode, broadcast_id, listing};
use crate::{Answer, ask, ask_app};

/// The routes as `app.rs` has them: a path of it that is not tried here fails.
const ROUTES: &str = include_str!("../../src/app.rs");

const HOSTILE: &str = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ x }}\u{202e}";

/// Paths for each pattern, with something in place of its parameters.
fn paths() -> Vec<String> {
    let slug = broadcast_id(7).slug();
    let patterns =
        ROUTES.split(".route(\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(pattern, _)| pattern);
    let mut paths: Vec<String> = patterns
        .map(|pattern| {
            let part = |part: &str| match part {
                "{broadcast}" | "{id}" => slug.clone(),
                "{file}" => "index.m3u8".to_owned(),
                part if part.starts_with('{') => "x".to_owned(),
                part => part.to_owned(),
            };
            pattern.split('/').map(part).collect::<Vec<_>>().join("/")
        })
        .collect();
    paths.extend(
        ["/portal", "/portal/continue", "/captive-portal/api", "/qr.svg", "/nope", "/%00", "/../x", "//x"]
            .map(str::to_owned),
    );
    assert!(paths.len() > 30, "{paths:?}");
    paths
}

fn check_harmless(answer: &Answer, path: &str) {
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
    assert!(!answer.header("cross-origin-resource-policy").is_empty(), "{path}");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    if answer.header("content-type").starts_with("text/html") {
        for part in
            ["script-src 'self';", "style-src 'self';", "base-uri 'none';", "form-action 'self';", "frame-ancestors "]
        {
            assert!(policy.contains(part), "{path}: {part} is not in {policy}");
        }
        assert!(answer.header("permissions-policy").contains("geolocation=()"), "{path}");
        check_text(answer.text(), path);
    }
}

/// No script, style or handler but our own files: the policy would refuse them, and texts of others could smuggle them in.
fn check_text(html: &str, path: &str) {
    assert!(!html.contains("<img src=x") && !html.contains("alert(1)<"), "{path}: {html}");
    for tag in html.split('<').filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag.to_ascii_lowercase()) {
        if tag.starts_with("script") {
            assert!(tag.contains("src=\"/"), "{path}: {tag}");
        }
        assert!(!tag.starts_with("style") && !tag.contains("javascript:"), "{path}: {tag}");
        // Values stand in quotes, and what others wrote has none left.
        let names: String = tag.split('"').step_by(2).collect();
        let handler = names.split_whitespace().skip(1).any(|name| name.starts_with("on") || name == "style=");
        assert!(!handler, "{path}: {tag}");
    }
}

#[tokio::test]
async fn every_answer_is_harmless_and_every_text_of_others_is_text() {
    let node = FakeNode::new();
    let mut hostile = listing(7, HOSTILE, BroadcastState::Live);
    hostile.description = HOSTILE.to_owned();
    node.listings.lock().unwrap().push(hostile);
    for path in paths() {
        for method in [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::DELETE] {
            let Ok(_) = path.parse::<axum::http::Uri>() else { continue };
            let answer = ask(&node, method.clone(), &path, &[]).await;
            check_harmless(&answer, &format!("{method} {path}"));
        }
    }
    let refused = ask(&node, Method::GET, "/", &[("host", "a b")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    check_harmless(&refused, "a bad host");
}

#[tokio::test]
async fn only_the_player_is_framed_and_only_by_whom_the_owner_lets() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, "x", BroadcastState::Live));
    let slug = broadcast_id(7).slug();
    let framers = async |embed: &Embedding, path: &str| {
        let config = Config { embed: embed.clone(), ..Config::default() };
        let answer = ask_app(player_web::app(node.ports(), &config), Method::GET, path, &[]).await;
        answer.header("content-security-policy").rsplit_once("frame-ancestors ").unwrap().1.to_owned()
    };
    let some = Embedding::Origins(vec!["http://club.mesh".to_owned()]);
    let embed = format!("/embed/{slug}");
    assert_eq!(framers(&Embedding::Anyone, &embed).await, "*");
    assert_eq!(framers(&Embedding::Nobody, &embed).await, "'self'");
    assert_eq!(framers(&some, &embed).await, "'self' http://club.mesh");
    for path in ["/", &format!("/watch/{slug}"), "/portal", "/nope"] {
        assert_eq!(framers(&Embedding::Anyone, path).await, "'none'", "{path}");
    }
}
