use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use player_web::{Config, GatewayChoice, GatewayReach};
use proptest::prelude::*;
use stream_model::{BroadcastState, Cid, DiscontinuitySequence, MediaSegment, MediaSequence};

use crate::support::{Entry, FakeNode, listing};
use crate::{Answer, ask, ask_app, get};

const PLAYLIST: &[u8] = b"#EXTM3U\n#EXT-X-ENDLIST\n";

#[tokio::test]
async fn a_manifest_plays_from_the_gateway() {
    let node = FakeNode::new();
    let playlist = node.add_file(PLAYLIST);
    let segment = node.add_file(&[9; 3000][..]);
    let hour = node.add_directory(&[("index.m3u8", playlist), ("0.m4s", segment)]);
    let day = node.add_directory(&[("14", hour)]);

    let answer = get(&node, &format!("/ipfs/{day}/14/index.m3u8")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, PLAYLIST);
    assert_eq!(answer.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(answer.header("etag"), format!("\"{playlist}\""));
    assert!(answer.header("cache-control").contains("immutable"));
    assert_eq!(answer.header("access-control-allow-origin"), "*");

    let part = ask(&node, Method::GET, &format!("/ipfs/{hour}/0.m4s"), &[("range", "bytes=0-9")]).await;
    assert_eq!((part.status, part.body.len()), (StatusCode::PARTIAL_CONTENT, 10));
    assert_eq!(part.header("content-type"), "video/mp4");
    let head = ask(&node, Method::HEAD, &format!("/ipfs/{hour}/0.m4s"), &[]).await;
    assert_eq!((head.header("content-length"), head.body.len()), ("3000", 0));
}

#[tokio::test]
async fn every_answer_is_sandboxed() {
    let node = FakeNode::new();
    let playlist = node.add_file(PLAYLIST);
    let page = node.add_file(&b"<!doctype html><script>alert(1)</script>"[..]);
    for path in [format!("/ipfs/{playlist}"), format!("/ipfs/{page}"), "/ipfs/nonsense".to_owned()] {
        let answer = get(&node, &path).await;
        assert_eq!(answer.header("content-security-policy"), "sandbox; default-src 'none'", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!answer.header("content-type").contains("html"), "{path}");
    }
}

#[tokio::test]
async fn only_media_and_text_are_shown() {
    let node = FakeNode::new();
    let page = node.add_file(&b"<!doctype html><script>alert(1)</script>"[..]);
    let media = node.add_file(&b"\0\0\0\x18ftypcmf2\0\0\0\0"[..]);
    let directory = node.add_directory(&[
        ("index.html", page),
        ("x.svg", page),
        ("notes", page),
        ("x.txt", page),
        ("a.mp4", media),
    ]);
    for name in ["index.html", "x.svg", "notes"] {
        let answer = get(&node, &format!("/ipfs/{directory}/{name}")).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{name}");
        assert!(!answer.text().contains("script"), "{name}");
    }
    assert_eq!(get(&node, &format!("/ipfs/{page}")).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(get(&node, &format!("/ipfs/{media}")).await.header("content-type"), "video/mp4");
    let text = get(&node, &format!("/ipfs/{directory}/x.txt")).await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn what_no_manifest_reaches_is_not_here_and_directories_are_not_listed() {
    let node = FakeNode::new();
    let playlist = node.add_file(PLAYLIST);
    let directory = node.add_directory(&[("index.m3u8", playlist)]);
    let gone = node.add_file(&b"gone"[..]);
    node.content.lock().unwrap().remove(&gone);
    for path in [
        format!("/ipfs/{gone}"),
        format!("/ipfs/{directory}/nothing.m4s"),
        format!("/ipfs/{directory}/index.m3u8/deeper.m3u8"),
        format!("/ipfs/{directory}/%2e%2e/index.m3u8"),
        format!("/ipfs/{directory}{}", "/a".repeat(500)),
        "/ipfs/".to_owned(),
    ] {
        assert_eq!(get(&node, &path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [format!("/ipfs/{directory}"), format!("/ipfs/{directory}/")] {
        let answer = get(&node, &path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.text().contains("index.m3u8"), "it says what to ask for");
    }
    for path in ["/ipfs/x", "/ipfs/..%2f..", "/ipfs/%ff", &format!("/ipfs/b{}", "a".repeat(9000))] {
        assert_eq!(get(&node, path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn a_failing_store_is_not_explained_to_strangers() {
    let node = FakeNode::new();
    let file = node.add_file(PLAYLIST);
    node.content.lock().unwrap().insert(file, Entry::Broken);
    let answer = get(&node, &format!("/ipfs/{file}")).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.text().contains("secret"));
}

/// A node that knows of a manifest that its peers hold: its playlist, a segment, and something else.
fn announced() -> (Arc<FakeNode>, Cid, [Cid; 3]) {
    let node = FakeNode::new();
    let playlist = node.add_file(PLAYLIST);
    let segment = node.add_file(&[9; 3000][..]);
    let page = node.add_file(&b"<script>"[..]);
    let manifest = node.add_directory(&[("index.m3u8", playlist), ("0.m4s", segment), ("x.html", page)]);
    node.give_away(&[playlist, segment, page, manifest]);
    let mut entry = listing(7, "Main hall", BroadcastState::Live);
    entry.manifest = Some(manifest);
    node.listings.lock().unwrap().push(entry);
    (node, manifest, [playlist, segment, page])
}

fn take_fetched(node: &FakeNode) -> Vec<Cid> {
    std::mem::take(&mut *node.fetched.lock().unwrap())
}

async fn get_open(node: &Arc<FakeNode>, path: &str) -> Answer {
    let config = Config { gateway: GatewayReach::Open.into(), ..Config::default() };
    ask_app(player_web::app(node.ports(), &config), Method::GET, path, &[]).await
}

#[tokio::test]
async fn an_announced_manifest_that_is_not_held_is_fetched_as_far_as_the_path_needs() {
    let (node, manifest, [playlist, segment, page]) = announced();
    let answer = get(&node, &format!("/ipfs/{manifest}/index.m3u8")).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, PLAYLIST));
    assert_eq!(take_fetched(&node), [manifest, playlist, playlist], "looked up, then fetched in whole");

    let part = ask(&node, Method::GET, &format!("/ipfs/{manifest}/0.m4s"), &[("range", "bytes=0-9")]).await;
    assert_eq!((part.status, part.body.len()), (StatusCode::PARTIAL_CONTENT, 10));
    assert_eq!(take_fetched(&node), [manifest, segment, segment]);
    assert_eq!(get(&node, &format!("/ipfs/{playlist}")).await.status, StatusCode::OK, "it is held now");
    assert_eq!(take_fetched(&node), []);

    let refused = get(&node, &format!("/ipfs/{manifest}/x.html")).await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(node.fetched.lock().unwrap().iter().filter(|cid| **cid == page).count(), 1, "not fetched in whole");
}

#[tokio::test]
async fn a_manifest_that_was_known_stays_so_while_its_block_is_here() {
    let (node, manifest, _) = announced();
    assert_eq!(get(&node, &format!("/ipfs/{manifest}/index.m3u8")).await.status, StatusCode::OK);
    // The next segment was announced, with the next manifest.
    node.listings.lock().unwrap()[0].manifest = None;
    assert_eq!(get(&node, &format!("/ipfs/{manifest}/0.m4s")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_was_not_announced_is_fetched_by_an_open_gateway_only() {
    let (node, manifest, [_, segment, _]) = announced();
    node.listings.lock().unwrap().clear();
    for path in [format!("/ipfs/{manifest}/0.m4s"), format!("/ipfs/{segment}")] {
        let refused = get(&node, &path).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(take_fetched(&node), []);
    }
    let answer = get_open(&node, &format!("/ipfs/{manifest}/0.m4s")).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 3000));
    assert_eq!(get_open(&node, &format!("/ipfs/{manifest}/nothing.m4s")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get_open(&node, &format!("/ipfs/{manifest}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_owner_opens_and_closes_a_gateway_that_runs() {
    let (node, manifest, _) = announced();
    node.listings.lock().unwrap().clear();
    let choice = GatewayChoice::default();
    let app = player_web::app(node.ports(), &Config { gateway: choice.clone(), ..Config::default() });
    let path = format!("/ipfs/{manifest}/index.m3u8");
    let status = async || ask_app(app.clone(), Method::GET, &path, &[]).await.status;
    assert_eq!(status().await, StatusCode::NOT_FOUND);
    choice.choose(GatewayReach::Open);
    assert_eq!(status().await, StatusCode::OK);
}

#[tokio::test]
async fn an_announced_segment_is_served_by_its_own_cid_however_many_were_announced() {
    let node = FakeNode::new();
    let media = |last: u8| node.add_file([&b"\0\0\0\x18ftypcmf2"[..], &[last]].concat());
    let (segment, init, unknown) = (media(1), media(2), media(3));
    node.give_away(&[segment, init, unknown]);
    let entry = listing(7, "Main hall", BroadcastState::Ended);
    let announced = |number| MediaSegment {
        media_sequence: MediaSequence(number),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_secs(15),
        program_date_time: None,
        independent: true,
        segment: if number == 600 { segment } else { Cid::default() },
        init: if number == 600 { init } else { Cid::default() },
    };
    node.announced_segments.lock().unwrap().extend((0..700).map(|number| (entry.id, announced(number))));
    node.listings.lock().unwrap().push(entry);
    for cid in [segment, init] {
        assert_eq!(get(&node, &format!("/ipfs/{cid}")).await.status, StatusCode::OK);
    }
    assert_eq!(get(&node, &format!("/ipfs/{unknown}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn what_peers_do_not_deliver_is_given_up_and_fetches_of_one_client_are_bounded() {
    let (node, manifest, _) = announced();
    node.at_peers.lock().unwrap().clear();
    let app = player_web::app(node.ports(), &Config::default());
    let path = format!("/ipfs/{manifest}/index.m3u8");
    let waiting = futures::future::join_all((0..5).map(|_| ask_app(app.clone(), Method::GET, &path, &[])));
    let answers = waiting.await;
    for answer in &answers {
        assert!(!answer.header("retry-after").is_empty());
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [504, 504, 504, 504, 503]);
}

#[tokio::test]
async fn a_file_for_which_there_is_no_room_or_that_is_too_large_is_refused_without_details() {
    let (node, manifest, [playlist, segment, _]) = announced();
    node.at_peers.lock().unwrap().insert(playlist, Entry::Broken);
    let full = get(&node, &format!("/ipfs/{manifest}/index.m3u8")).await;
    assert_eq!((full.status, full.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "60"));
    assert!(!full.text().contains("secret"));
    node.at_peers.lock().unwrap().insert(segment, Entry::File(vec![0; (80 << 20) + 1].into()));
    assert_eq!(get(&node, &format!("/ipfs/{manifest}/0.m4s")).await.status, StatusCode::BAD_GATEWAY);
}

proptest! {
    #[test]
    fn no_path_is_an_error_of_ours(path in "[a-zA-Z0-9%./_-]{0,60}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let node = FakeNode::new();
        let status = runtime.block_on(get(&node, &format!("/ipfs/{path}"))).status;
        prop_assert!(status.is_client_error(), "{status}");
    }
}
