use axum::http::{Method, StatusCode};
use stream_model::{Audience, BroadcastId, BroadcastState};

use crate::support::{Entry, FakeNode, broadcast_id, listing};
use crate::{ask, get};

const SEGMENT: &[u8] = &[0x5a; 5000];

fn node() -> (std::sync::Arc<FakeNode>, BroadcastId, String, cid::Cid) {
    let node = FakeNode::new();
    let id = broadcast_id(7);
    node.listings.lock().unwrap().push(listing(7, "Main hall", BroadcastState::Live));
    node.live.lock().unwrap().insert(id, "#EXTM3U\n".to_owned());
    node.whole.lock().unwrap().insert(id, "#EXTM3U\n#EXT-X-ENDLIST\n".to_owned());
    let segment = node.add_file(SEGMENT);
    node.segments.lock().unwrap().insert((id, 4), segment);
    let init = node.add_file(&b"\0\0\0\x18ftypcmf2"[..]);
    node.inits.lock().unwrap().insert((id, 0), init);
    (node, id, format!("/hls/{}", id.slug()), segment)
}

#[tokio::test]
async fn a_live_playlist_is_not_cached_and_knows_who_asks() {
    let (node, _, base, _) = node();
    let answer = get(&node, &format!("{base}/index.m3u8")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.text(), "#EXTM3U\n");
    get(&node, &format!("{base}/index.m3u8?player=mse")).await;
    get(&node, &format!("{base}/index.m3u8?player=other&x=%ff")).await;
    assert_eq!(*node.asked.lock().unwrap(), [Audience::Native, Audience::MediaSource, Audience::Native]);
    assert!(get(&node, &format!("{base}/whole.m3u8")).await.text().ends_with("#EXT-X-ENDLIST\n"));
}

#[tokio::test]
async fn what_is_not_here_yet_is_503_with_whole_seconds_to_wait() {
    let (node, _, base, _) = node();
    node.live.lock().unwrap().clear();
    for (path, seconds) in [("index.m3u8", "3"), ("7777.m4s", "2"), ("init-7777.mp4", "2")] {
        let answer = get(&node, &format!("{base}/{path}")).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.header("retry-after"), seconds, "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert!(answer.header("access-control-expose-headers").contains("Retry-After"), "{path}");
    }
}

#[tokio::test]
async fn a_segment_is_immutable_and_tagged_with_its_cid() {
    let (node, id, base, cid) = node();
    let answer = get(&node, &format!("{base}/4.m4s")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "video/mp4");
    assert_eq!(answer.header("content-length"), "5000");
    assert_eq!(answer.header("etag"), format!("\"{cid}\""));
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert!(answer.header("cache-control").contains("immutable"));
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.body, SEGMENT);
    assert_eq!(get(&node, &format!("{base}/init-0.mp4")).await.header("content-type"), "video/mp4");
    // The message key names the broadcast as well as its slug does.
    let key = id.to_string().replace('%', "%25").replace('/', "%2F").replace('+', "%2B");
    assert_eq!(get(&node, &format!("/hls/{key}/4.m4s")).await.body, SEGMENT);
}

#[tokio::test]
async fn ranges_conditions_and_head_are_answered() {
    let (node, _, base, cid) = node();
    let path = format!("{base}/4.m4s");
    let tag = format!("\"{cid}\"");

    let part = ask(&node, Method::GET, &path, &[("range", "bytes=990-1009")]).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.header("content-range"), "bytes 990-1009/5000");
    assert_eq!((part.header("content-length"), part.body.len()), ("20", 20));
    assert_eq!(part.header("content-type"), "video/mp4");

    let suffix = ask(&node, Method::GET, &path, &[("range", "bytes=-7")]).await;
    assert_eq!(suffix.header("content-range"), "bytes 4993-4999/5000");
    assert_eq!(suffix.body.len(), 7);

    let beyond = ask(&node, Method::GET, &path, &[("range", "bytes=5000-")]).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header("content-range"), "bytes */5000");
    assert_eq!(beyond.header("cache-control"), "no-store", "an error is not kept for a year");

    let head = ask(&node, Method::HEAD, &path, &[]).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (StatusCode::OK, "5000", 0));

    for tags in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let known = ask(&node, Method::GET, &path, &[("if-none-match", &tags)]).await;
        assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0), "{tags}");
        assert_eq!(known.header("etag"), tag);
    }
    let other = ask(&node, Method::GET, &path, &[("if-none-match", "\"other\"")]).await;
    assert_eq!(other.status, StatusCode::OK);

    let same = ask(&node, Method::GET, &path, &[("range", "bytes=0-1"), ("if-range", &tag)]).await;
    assert_eq!(same.status, StatusCode::PARTIAL_CONTENT);
    let changed = ask(&node, Method::GET, &path, &[("range", "bytes=0-1"), ("if-range", "\"other\"")]).await;
    assert_eq!((changed.status, changed.body.len()), (StatusCode::OK, 5000));
}

#[tokio::test]
async fn a_page_of_another_origin_may_ask_for_ranges() {
    let (node, _, base, _) = node();
    let answer = ask(&node, Method::OPTIONS, &format!("{base}/4.m4s"), &[("origin", "http://other")]).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-allow-headers").contains("Range"));
}

#[tokio::test]
async fn hostile_paths_are_refused() {
    let (node, _, base, _) = node();
    let slug = broadcast_id(7).slug();
    for path in [
        format!("{base}/5.m4s"),
        format!("{base}/04.m4s"),
        format!("{base}/99999999999999999999999999.m4s"),
        format!("{base}/-1.m4s"),
        format!("{base}/index.m3u8%00"),
        format!("{base}/%2e%2e"),
        format!("{base}/..%2f..%2fetc%2fpasswd"),
        format!("{base}/init-1.m4s"),
        "/hls/x/index.m3u8".to_owned(),
        format!("/hls/{slug}x/4.m4s"),
        format!("/hls/{}/4.m4s", broadcast_id(8).slug()),
        format!("/hls/{}/index.m3u8", "A".repeat(5000)),
        format!("{base}/"),
        base.clone(),
    ] {
        assert_eq!(get(&node, &path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [format!("{base}/%ff.m4s"), "/hls/%c3%28/index.m3u8".to_owned()] {
        assert_eq!(get(&node, &path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let post = ask(&node, Method::POST, &format!("{base}/4.m4s"), &[]).await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn failures_of_this_node_are_not_told_to_strangers() {
    let (node, _, base, cid) = node();
    node.content.lock().unwrap().insert(cid, Entry::Broken);
    for path in ["4.m4s", "8888.m4s"] {
        let answer = get(&node, &format!("{base}/{path}")).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
    node.content.lock().unwrap().remove(&cid);
    assert_eq!(get(&node, &format!("{base}/4.m4s")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn hours_and_days_have_playlists_of_their_own() {
    let node = FakeNode::new();
    let id = broadcast_id(7);
    node.whole.lock().unwrap().insert(id, "#EXTM3U\n".to_owned());
    let base = format!("/hls/{}", id.slug());
    let hour = get(&node, &format!("{base}/hour/240.m3u8")).await;
    assert_eq!(hour.text(), "# hour from 240\n#EXTM3U\n");
    assert_eq!(hour.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(hour.header("access-control-allow-origin"), "*");
    assert_eq!(get(&node, &format!("{base}/day/2026-11-21.m3u8")).await.text(), "# 2026-11-21\n#EXTM3U\n");
    for nothing in
        ["hour/0240.m3u8", "hour/.m3u8", "hour/240", "day/2026-11-21T14Z.m3u8", "day/2026-02-30.m3u8", "day/x"]
    {
        assert_eq!(get(&node, &format!("{base}/{nothing}")).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
}
