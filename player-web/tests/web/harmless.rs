//! What every answer to the network has, whatever the path: headers that keep it harmless, and texts of others as text.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use player_web::{Config, Embedding};
use stream_model::BroadcastState;

use crate::admin::Browser;
use crate::support::{FakeNode, broadcast_id, listing, post};
use crate::{Answer, ask, ask_app};

/// The routes as `app.rs` has them: a path of it that is not tried here fails.
const ROUTES: &str = include_str!("../../src/app.rs");

const HOSTILE: &str = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ x }}\u{202e}";

/// The same of the owner's pages.
const OWNER_ROUTES: &str = include_str!("../../src/admin/mod.rs");

/// Paths for each pattern of some routes, with something in place of its parameters.
fn filled(routes: &str) -> Vec<String> {
    let slug = broadcast_id(7).slug();
    let patterns =
        routes.split(".route(\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(pattern, _)| pattern);
    let filled = patterns.map(|pattern| {
        let part = |part: &str| match part {
            "{broadcast}" | "{id}" | "{message}" | "{schedule}" => slug.clone(),
            "{file}" => "index.m3u8".to_owned(),
            "{name}" => "hall".to_owned(),
            part if part.starts_with('{') => "x".to_owned(),
            part => part.to_owned(),
        };
        pattern.split('/').map(part).collect::<Vec<_>>().join("/")
    });
    filled.collect()
}

fn paths() -> Vec<String> {
    let mut paths = filled(ROUTES);
    paths.extend(
        ["/portal", "/portal/continue", "/captive-portal/api", "/qr.svg", "/nope", "/%00", "/../x", "//x"]
            .map(str::to_owned),
    );
    assert!(paths.len() > 30, "{paths:?}");
    paths
}

fn check_harmless(answer: &Answer, path: &str) {
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
    check_but_for_referrers(answer, path);
}

fn check_but_for_referrers(answer: &Answer, path: &str) {
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
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
async fn the_owners_pages_are_as_harmless_to_the_owner_and_to_who_is_not_in() {
    let (entered, stranger) = (Browser::entered().await, Browser::new());
    let text = format!("{HOSTILE} hall");
    for browser in [&entered, &stranger] {
        let mut listings = browser.node.listings.lock().unwrap();
        // One that others publish, and one of this node.
        for (byte, own) in [(7, false), (8, true)] {
            let listing = listing(byte, &text, BroadcastState::Live);
            listings.push(stream_model::Listing { description: text.clone(), own, ..listing });
        }
        drop(listings);
        let mut comment = post(9, &text, Some(broadcast_id(7).0));
        comment.author.name = Some(text.clone());
        browser.node.posts.lock().unwrap().push(comment);
    }
    let mut paths = filled(OWNER_ROUTES);
    assert!(paths.len() > 25, "{paths:?}");
    paths.extend(paths.clone().iter().map(|path| path.replace(&broadcast_id(7).slug(), &broadcast_id(8).slug())));
    paths.extend([format!("/admin/hidden/{}", broadcast_id(9).slug()), "/admin/nope".to_owned()]);
    let mut pages = 0;
    for path in paths {
        for (browser, who) in [(&entered, "the owner"), (&stranger, "a stranger")] {
            for method in [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::DELETE] {
                let answer = browser.ask(method.clone(), &path, &[], Body::empty()).await;
                check_but_for_referrers(&answer, &format!("{method} {path} of {who}"));
                // Without it a browser would not say whose page a form is on; others are told nothing.
                assert!(["no-referrer", "same-origin"].contains(&answer.header("referrer-policy")), "{method} {path}");
                if answer.status == StatusCode::OK && path.starts_with("/admin") {
                    assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
                    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
                    pages += usize::from(answer.text().contains("alert(1)"));
                }
            }
        }
    }
    assert!(pages > 3, "texts of others are on some of them");
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
