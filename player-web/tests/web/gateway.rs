use axum::http::{Method, StatusCode};
use proptest::prelude::*;

use crate::support::{Entry, FakeNode};
use crate::{ask, get};

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

proptest! {
    #[test]
    fn no_path_is_an_error_of_ours(path in "[a-zA-Z0-9%./_-]{0,60}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let node = FakeNode::new();
        let status = runtime.block_on(get(&node, &format!("/ipfs/{path}"))).status;
        prop_assert!(status.is_client_error(), "{status}");
    }
}
