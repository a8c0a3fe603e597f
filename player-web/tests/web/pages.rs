use axum::http::{Method, StatusCode};
use stream_model::BroadcastState;

use crate::support::{FakeNode, broadcast_id, listing};
use crate::{Answer, ask, get};

const HOSTILE: &str = "<script>alert(1)</script>\"'&{{ x }}\u{202e}";

fn node() -> std::sync::Arc<FakeNode> {
    let node = FakeNode::new();
    let mut hostile = listing(7, HOSTILE, BroadcastState::Live);
    hostile.description = HOSTILE.to_owned();
    node.listings.lock().unwrap().extend([hostile, listing(8, " ", BroadcastState::Ended)]);
    node
}

#[track_caller]
fn check_headers(answer: &Answer, ancestors: &str) {
    let policy = answer.header("content-security-policy");
    assert!(policy.ends_with(&format!("frame-ancestors {ancestors}")), "{policy}");
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
}

/// No script or style but our own files: the policy would refuse them, and texts of others could smuggle them in.
#[track_caller]
fn check_escaped(answer: &Answer) {
    let html = answer.text();
    assert!(!html.contains("alert(1)<") && !html.contains("<script>"), "{html}");
    assert!(html.contains("&#60;script&#62;") || !html.contains("alert"), "{html}");
    for tag in html.split('<').filter(|tag| tag.starts_with("script")) {
        assert!(tag.starts_with("script src=\"/assets/"), "{tag}");
    }
    assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick="), "{html}");
}

#[tokio::test]
async fn the_home_page_lists_live_before_ended_without_any_script() {
    let node = node();
    let answer = get(&node, "/").await;
    assert_eq!(answer.status, StatusCode::OK);
    check_headers(&answer, "'none'");
    check_escaped(&answer);
    let html = answer.text();
    let live = html.find(&format!("/watch/{}", broadcast_id(7).slug())).unwrap();
    let ended = html.find(&format!("/watch/{}", broadcast_id(8).slug())).unwrap();
    assert!(live < ended);
    assert!(html.contains("Untitled broadcast"));
    assert!(html.contains("No other node in reach"));
    assert!(html.contains("roof &#60;north&#62;"));
    assert!(!html.contains("Nobody is live"));

    node.listings.lock().unwrap().clear();
    let empty = get(&node, "/").await;
    assert!(empty.text().contains("Nobody is live"));
}

#[tokio::test]
async fn a_broadcast_has_a_page_and_a_player_to_embed() {
    let node = node();
    let slug = broadcast_id(7).slug();
    let watch = get(&node, &format!("/watch/{slug}")).await;
    check_headers(&watch, "'none'");
    check_escaped(&watch);
    assert!(watch.text().contains(&format!("broadcast=\"{slug}\" data-state=\"live\"")));
    assert!(watch.text().contains("at least \u{2068}30\u{2069} s behind"));
    assert!(watch.text().contains(&format!("/hls/{slug}/index.m3u8")), "for players without scripts");

    let embed = get(&node, &format!("/embed/{slug}")).await;
    check_headers(&embed, "*");
    check_escaped(&embed);
    assert!(!embed.text().contains("All broadcasts"));
    let download = format!("href=\"/api/v1/broadcasts/{}/download.mp4\"", broadcast_id(7).slug());
    assert!(watch.text().contains(&download), "{}", watch.text());

    let ended = get(&node, &format!("/watch/{}", broadcast_id(8).slug())).await;
    assert!(ended.text().contains("data-state=\"ended\"") && ended.text().contains("whole.m3u8"));
}

#[tokio::test]
async fn what_is_not_known_gets_a_page_that_says_what_to_do() {
    let node = node();
    let unknown = broadcast_id(9).slug();
    for path in ["/watch/x", "/watch/%2e%2e", "/nope", "/assets", &format!("/watch/{unknown}"), "/hls", "/api"] {
        let answer = get(&node, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        check_headers(&answer, "'none'");
        assert!(answer.text().contains("all broadcasts"), "{path}");
    }
    let embed = get(&node, &format!("/embed/{unknown}")).await;
    assert_eq!(embed.status, StatusCode::NOT_FOUND);
    check_headers(&embed, "*");
}

#[tokio::test]
async fn the_files_that_pages_name_are_there_for_good_and_compressed_on_request() {
    let node = node();
    let html = get(&node, &format!("/watch/{}", broadcast_id(7).slug())).await.text().to_owned();
    let assets: Vec<_> = html.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(assets.len() >= 3, "{assets:?}");
    for path in assets {
        let plain = get(&node, path).await;
        assert_eq!(plain.status, StatusCode::OK);
        assert!(plain.header("cache-control").contains("immutable"));
        assert_eq!(plain.header("content-encoding"), "");
        assert_eq!(plain.header("vary"), "Accept-Encoding");
        let gzip = ask(&node, Method::GET, path, &[("accept-encoding", "gzip, br")]).await;
        assert_eq!(gzip.header("content-encoding"), "gzip");
        assert_eq!(gzip.body[..2], [0x1f, 0x8b]);
        assert_eq!(gzip.header("content-type"), plain.header("content-type"));
    }
    assert_eq!(get(&node, "/assets/watch.js").await.status, StatusCode::NOT_FOUND);
}
