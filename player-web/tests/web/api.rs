use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::json;
use stream_model::{
    ArchiveKind, ArchiveManifest, BroadcastState, DiscontinuitySequence, FeedId, KnownNode, LinkKind, MediaSegment,
    MediaSequence, NodeIdentity, ToldLink, WallTime,
};

use crate::support::{FakeNode, broadcast_id, listing, report};
use crate::{ask, get};

#[tokio::test]
async fn broadcasts_have_the_documented_names() {
    let node = FakeNode::new();
    let mut live = listing(7, "Main <hall>", BroadcastState::Live);
    live.manifest = Some(node.add_file(&b"m"[..]));
    let manifest = live.manifest.unwrap().to_string();
    node.listings.lock().unwrap().extend([listing(8, "Later, ended", BroadcastState::Ended), live]);
    node.segments.lock().unwrap().insert((broadcast_id(7), 0), node.add_file(&b"s"[..]));

    let all = get(&node, "/api/v1/broadcasts").await.json();
    let ids: Vec<_> = all.as_array().unwrap().iter().map(|one| one["slug"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, [broadcast_id(8).slug(), broadcast_id(7).slug()], "in the directory's order, newest first");
    let expected = json!({
        "id": broadcast_id(7).to_string(),
        "slug": broadcast_id(7).slug(),
        "title": "Main <hall>",
        "publisher": "@BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=.ed25519",
        "state": "live",
        "media_sequence": 3,
        "held_segments": 1,
        "manifest": manifest,
        "started_at": 1_795_269_780_000_u64,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(all[1][name], *value, "{name}");
    }
    assert_eq!(all[0]["state"], "ended");
    assert_eq!(all[0]["manifest"], json!(null));

    let key = broadcast_id(7).to_string().replace('%', "%25").replace('/', "%2F");
    for id in [broadcast_id(7).slug(), key] {
        let mut alone = get(&node, &format!("/api/v1/broadcasts/{id}")).await.json();
        for more in ["archives", "mirrors", "renditions", "republications"] {
            assert_eq!(alone.as_object_mut().unwrap().remove(more), Some(json!([])), "{more}");
        }
        assert_eq!(alone, all[1]);
    }
    let unknown = get(&node, &format!("/api/v1/broadcasts/{}", broadcast_id(9).slug())).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.json()["error"].is_string());
    assert_eq!(unknown.header("cache-control"), "no-store");
    let nowhere = get(&node, "/api/v1/nowhere").await;
    assert_eq!((nowhere.status, nowhere.json()["error"].is_string()), (StatusCode::NOT_FOUND, true));
    let nonsense = get(&node, "/api/v1/broadcasts/nonsense").await;
    assert_eq!((nonsense.status, nonsense.json()["error"].is_string()), (StatusCode::BAD_REQUEST, true));
}

#[tokio::test]
async fn what_was_withdrawn_is_told_by_the_api_and_on_no_list() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, "Main hall", BroadcastState::Ended));
    assert!(get(&node, "/").await.text().contains("Main hall"));
    let standing = stream_model::Standing { withdrawn: Some("by mistake".to_owned()), ..Default::default() };
    node.standings.lock().unwrap().insert(broadcast_id(7), standing);
    assert!(!get(&node, "/").await.text().contains("Main hall"));
    assert_eq!(get(&node, "/api/v1/broadcasts").await.json()[0]["withdrawn"], "by mistake");
    let page = get(&node, &format!("/watch/{}", broadcast_id(7).slug())).await;
    let text = page.text();
    assert!(text.contains("took this broadcast back") && text.contains("by mistake"), "{text}");
}

fn segment(node: &FakeNode, number: u64) -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(number),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_secs(14),
        program_date_time: Some(WallTime(1_795_269_780_000)),
        independent: true,
        segment: node.add_file(&b"media"[..]),
        init: node.add_file(&b"init"[..]),
    }
}

#[tokio::test]
async fn the_course_of_a_broadcast_has_the_documented_names() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(8, "Begins", BroadcastState::Live));
    let slug = broadcast_id(7).slug();
    let undated = MediaSegment { program_date_time: None, ..segment(&node, 4) };
    for segment in [segment(&node, 3), undated, segment(&node, 5)] {
        node.announced_segments.lock().unwrap().push((broadcast_id(7), segment));
    }
    let answer = get(&node, &format!("/api/v1/broadcasts/{slug}/timeline")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let timeline = answer.json();
    assert_eq!((&timeline["duration_ms"], &timeline["ended"]), (&json!(42_000), &json!(false)));
    let span = json!({
        "state": "elsewhere", "media_sequence": 4, "segments": 1, "from_ms": 14_000, "duration_ms": 14_000,
    });
    assert_eq!(timeline["spans"][1], span);
    let hour = |number: u64, from: u64, period: serde_json::Value, date: serde_json::Value| {
        json!({
            "media_sequence": number, "from_ms": from, "period": period, "program_date_time": date, "complete": false,
            "playlist": format!("/hls/{slug}/hour/{number}.m3u8"),
        })
    };
    let date = json!(1_795_269_780_000_u64);
    assert_eq!(timeline["hours"][0], hour(3, 0, json!("2026-11-21T14Z"), date));
    assert_eq!(timeline["hours"][1], hour(4, 14_000, json!(null), json!(null)));
    let day = json!({ "date": "2026-11-21", "from_ms": 0, "playlist": format!("/hls/{slug}/day/2026-11-21.m3u8") });
    assert_eq!(timeline["days"], json!([day]));

    for (id, status) in [
        (broadcast_id(8).slug(), StatusCode::SERVICE_UNAVAILABLE),
        (broadcast_id(9).slug(), StatusCode::NOT_FOUND),
        ("nonsense".to_owned(), StatusCode::BAD_REQUEST),
    ] {
        let answer = get(&node, &format!("/api/v1/broadcasts/{id}/timeline")).await;
        assert_eq!((answer.status, answer.json()["error"].is_string()), (status, true), "{id}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
}

#[tokio::test]
async fn a_segment_is_found_by_its_number_and_by_its_content() {
    let node = FakeNode::new();
    let segment = segment(&node, 7);
    let (cid, init) = (segment.segment, segment.init);
    node.announced_segments.lock().unwrap().push((broadcast_id(7), segment));
    let base = format!("/api/v1/broadcasts/{}/segments", broadcast_id(7).slug());
    for name in ["7".to_owned(), cid.to_string()] {
        assert_eq!(
            get(&node, &format!("{base}/{name}")).await.json(),
            json!({
                "media_sequence": 7,
                "segment": cid.to_string(),
                "from_ms": 98_000,
                "duration_ms": 14_000,
                "program_date_time": 1_795_269_780_000_u64,
                "held": false,
                "fetching": { "bytes": 5, "total_bytes": 10, "quiet_ms": 700 },
            })
        );
    }
    for (name, status) in [
        ("8".to_owned(), StatusCode::NOT_FOUND),
        (init.to_string(), StatusCode::NOT_FOUND),
        ("x".to_owned(), StatusCode::BAD_REQUEST),
    ] {
        let answer = get(&node, &format!("{base}/{name}")).await;
        assert_eq!((answer.status, answer.json()["error"].is_string()), (status, true), "{name}");
    }
}

#[tokio::test]
async fn the_node_tells_of_itself_under_the_documented_names() {
    let node = FakeNode::new();
    let report = get(&node, "/api/v1/node").await.json();
    assert_eq!(report["node"]["name"], "roof <north>");
    assert_eq!(report["listen"], json!({ "rtmp": ["[::]:1935"], "ssb": [], "ipfs": [], "web": [] }));
    let sound = json!({ "loudness_lufs": -22.6, "peaks_dbfs": [-9.0, -120.0], "silent_ms": 0, "state": "one-sided" });
    assert_eq!(report["publishing"], json!([{ "name": "hall", "broadcast": null, "kbps": 3000, "sound": sound }]));
    let storage = get(&node, "/api/v1/storage").await.json();
    for (name, value) in report["storage"].as_object().unwrap() {
        assert_eq!(&storage[name], value, "{name}");
    }
    assert_eq!(
        (&storage["used_bytes"], &storage["quota_bytes"], &storage["files"]),
        (&json!(10), &json!(100), &json!(1))
    );
    assert_eq!(storage["next"][0]["title"], "Old");
    assert_eq!(storage["next"][0]["retention"], "passing");
    let peers = get(&node, "/api/v1/peers").await.json();
    assert_eq!(peers[0]["state"], "connecting");
    for name in ["feed", "peer", "name", "addresses", "overlay", "state", "rtt_ms", "last_error"] {
        assert!(peers[0].get(name).is_some(), "{name}");
    }
    let info = get(&node, "/nodeinfo.json").await.json();
    assert_eq!(info["ssb"]["port"], 8008);
    assert_eq!(info["nodes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_neighbour_is_told_only_what_has_changed() {
    let node = FakeNode::new();
    let identity = |byte| NodeIdentity { feed: FeedId([byte; 32]), ..report().node };
    let known = |byte, age| KnownNode { identity: identity(byte), record: None, age_seconds: Some(age), hops: None };
    *node.nodes.lock().unwrap() = vec![known(9, 4), known(8, 70)];
    let first = get(&node, "/nodeinfo.json").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\"") && first.header("cache-control") == "no-cache", "{tag}");
    assert_eq!(first.json()["nodes"][0]["age_seconds"], 4);

    // Those whose word is youngest come first.
    *node.nodes.lock().unwrap() = vec![known(8, 2), known(9, 34)];
    let again = async |tag: &str| ask(&node, Method::GET, "/nodeinfo.json", &[("if-none-match", tag)]).await;
    let second = again(&tag).await;
    assert_eq!((second.status, second.text()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!((second.header("etag"), second.header("meshstream-node-ages")), (tag.as_str(), "2,34"));
    assert_eq!(again("\"other\", W/\"another\"").await.status, StatusCode::OK);

    node.nodes.lock().unwrap().pop();
    let changed = again(&tag).await;
    assert_eq!((changed.status, changed.json()["nodes"].as_array().unwrap().len()), (StatusCode::OK, 1));
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn what_is_measured_of_links_is_told_without_the_rest() {
    let node = FakeNode::new();
    let link = |rtt| ToldLink::new(FeedId([9; 32]), LinkKind::Lan, Some(rtt), Some(0));
    *node.links.lock().unwrap() = vec![link(12)];
    let first = get(&node, "/nodeinfo.json").await;
    assert_eq!(first.json()["links"][0]["rtt_ms"], 12);
    let tag = first.header("etag").to_owned();
    *node.links.lock().unwrap() = vec![link(90)];
    let again = ask(&node, Method::GET, "/nodeinfo.json", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.header("meshstream-link-measures")), (StatusCode::NOT_MODIFIED, "90/0"));
    node.links.lock().unwrap().clear();
    let changed = ask(&node, Method::GET, "/nodeinfo.json", &[("if-none-match", &tag)]).await;
    assert_eq!((changed.status, changed.json().get("links")), (StatusCode::OK, None));
}

#[tokio::test]
async fn who_draws_a_map_gets_what_a_node_says_of_itself_alone() {
    let node = FakeNode::new();
    let alone = get(&node, "/nodeinfo.json?nodes=none").await;
    assert_eq!(alone.json()["nodes"], json!([]));
    assert_ne!(alone.header("etag"), get(&node, "/nodeinfo.json").await.header("etag"));
    for path in ["/nodeinfo.json?nodes=all", "/nodeinfo.json?nodes=none&nodes=none", "/nodeinfo.json?%ff"] {
        assert_eq!(get(&node, path).await.json()["nodes"].as_array().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn health_and_metrics_are_for_who_watches() {
    let node = FakeNode::new();
    assert_eq!(get(&node, "/healthz").await.status, StatusCode::OK);
    *node.problem.lock().unwrap() = Some("the disk is full".to_owned());
    let ill = get(&node, "/healthz").await;
    assert_eq!((ill.status, ill.text()), (StatusCode::SERVICE_UNAVAILABLE, "the disk is full\n"));
    let metrics = get(&node, "/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(metrics.text().contains("meshstream_up 1"));
}

#[tokio::test]
async fn other_origins_may_read_media_only() {
    let node = FakeNode::new();
    for path in ["/", "/api/v1/node", "/api/v1/peers", "/api/v1/broadcasts", "/nodeinfo.json", "/metrics", "/ws"] {
        let answer = ask(&node, Method::GET, path, &[("origin", "http://evil.example"), ("host", "evil\"<x>")]).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn a_broadcast_lists_its_archives_with_the_addresses_of_their_playlists() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, "Main hall", BroadcastState::Ended));
    let manifest = node.add_directory(&[]);
    let archive = |kind, period: Option<&str>| ArchiveManifest {
        broadcast: broadcast_id(7),
        kind,
        period: period.map(|text| text.parse().unwrap()),
        first_media_sequence: MediaSequence(240),
        last_media_sequence: MediaSequence(479),
        manifest,
        duration: Duration::from_secs(3600),
        bytes: 1_234_567,
    };
    *node.archives.lock().unwrap() = vec![
        archive(ArchiveKind::Hour, Some("2026-11-21T14Z")),
        archive(ArchiveKind::Day, Some("2026-11-21")),
        archive(ArchiveKind::Broadcast, None),
    ];
    let so_far = ArchiveManifest {
        first_media_sequence: MediaSequence(480),
        last_media_sequence: MediaSequence(499),
        ..archive(ArchiveKind::Hour, Some("2026-11-21T15Z"))
    };
    *node.running_hour.lock().unwrap() = Some(so_far);
    let slug = broadcast_id(7).slug();
    let archives = get(&node, &format!("/api/v1/broadcasts/{slug}")).await.json()["archives"].take();
    assert_eq!(
        archives[0],
        json!({
            "kind": "hour",
            "period": "2026-11-21T14Z",
            "first_media_sequence": 240,
            "last_media_sequence": 479,
            "manifest": manifest.to_string(),
            "duration_ms": 3_600_000,
            "bytes": 1_234_567,
            "playlist": format!("/hls/{slug}/hour/240.m3u8"),
            "running": false,
        })
    );
    assert_eq!(archives[1]["playlist"], format!("/hls/{slug}/day/2026-11-21.m3u8"));
    assert_eq!(archives[2]["playlist"], format!("/hls/{slug}/whole.m3u8"));
    assert_eq!(archives[2]["period"], json!(null));
    assert_eq!((&archives[3]["running"], &archives[3]["last_media_sequence"]), (&json!(true), &json!(499)));
    assert_eq!(archives[3]["playlist"], format!("/hls/{slug}/hour/480.m3u8"));
}
