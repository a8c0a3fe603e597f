//! What is planned, what is over, and the search.

use std::time::Duration;

use axum::http::StatusCode;
use stream_model::{
    ArchiveKind, ArchiveManifest, BroadcastState, DiscontinuitySequence, MediaSegment, MediaSequence, MessageKey,
    Mirroring, Period, ScheduleId, Scheduled, Standing, WallTime,
};

use crate::get;
use crate::support::{FakeNode, broadcast_id, listing, post};

/// 2026-11-21T14:03Z, when broadcasts of the fake node begin.
const BEGAN: u64 = 1_795_269_780_000;
const DAY: u64 = 86_400_000;

#[tokio::test]
async fn what_is_planned_is_announced_with_its_time_the_next_first() {
    let node = FakeNode::new();
    let plan = |byte: u8, title: &str, starts_at| Scheduled {
        id: ScheduleId(MessageKey([byte; 32])),
        author: listing(byte, "", BroadcastState::Live).author,
        own: false,
        title: title.to_owned(),
        description: "<b>bring chairs</b>".to_owned(),
        starts_at: WallTime(starts_at),
    };
    *node.upcoming.lock().unwrap() = vec![plan(2, "Later", BEGAN + DAY), plan(1, "Sooner", BEGAN)];
    let home = get(&node, "/").await;
    let html = home.text();
    assert!(html.find("Sooner").unwrap() < html.find("Later").unwrap());
    assert!(html.contains("<time datetime=\"2026-11-22T14:03Z\">2026-11-22 14:03 UTC</time>"));
    assert!(html.contains("&#60;b&#62;bring chairs"), "{html}");
}

#[tokio::test]
async fn the_search_finds_titles_descriptions_and_publishers_without_accents_and_case() {
    let node = FakeNode::new();
    let mut described = listing(2, "Evening", BroadcastState::Ended);
    described.description = "Música en la plaza".to_owned();
    node.listings.lock().unwrap().extend([listing(1, "Reunião", BroadcastState::Live), described]);
    node.posts.lock().unwrap().push(post(2, "hello", None));
    for (question, found) in [("reuniao", [true, false]), ("MUSICA+plaza", [false, true]), ("ann", [false, true])] {
        let answer = get(&node, &format!("/search?q={question}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let has = [1, 2].map(|byte| answer.text().contains(&format!("/watch/{}", broadcast_id(byte).slug())));
        assert_eq!(has, found, "{question}");
    }
    let hostile = get(&node, "/search?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    assert!(!hostile.text().contains("<script>") && hostile.text().contains("Nothing known here fits"));
    let long = get(&node, &format!("/search?q={}", "x".repeat(5_000))).await;
    assert_eq!(long.status, StatusCode::OK);
    assert!(!long.text().contains(&"x".repeat(201)), "a question is cut, not repeated");
    assert_eq!(get(&node, "/search").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_archive_has_a_page_for_each_day_and_pages_of_its_days() {
    let node = FakeNode::new();
    for day in 0..70_u8 {
        let mut ended = listing(day, &format!("Day <bdi>{day}</bdi>"), BroadcastState::Ended);
        ended.started_at = WallTime(BEGAN - u64::from(day) * DAY);
        node.listings.lock().unwrap().push(ended);
    }
    let first = get(&node, "/archive").await;
    assert!(first.text().contains("href=\"/archive/2026-11-21\""));
    assert_eq!(first.text().matches("href=\"/archive/2026").count(), 60);
    let older = first.text().split('"').find(|text| text.starts_with("/archive?before=")).unwrap();
    let second = get(&node, older).await;
    assert_eq!(second.text().matches("href=\"/archive/2026").count(), 10);
    assert!(!second.text().contains("\"/archive?before="));

    let day = get(&node, "/archive/2026-11-20").await;
    assert!(day.text().contains(&broadcast_id(1).slug()) && !day.text().contains(&broadcast_id(2).slug()));
    assert!(day.text().contains("href=\"/archive/2026-11-19\"") && day.text().contains("href=\"/archive/2026-11-21\""));
    assert!(get(&node, "/archive/2020-01-01").await.text().contains("Nothing that is known here was broadcast"));
    for odd in ["/archive/x", "/archive/2026-02-30", "/archive/9999999-01-01"] {
        assert_eq!(get(&node, odd).await.status, StatusCode::NOT_FOUND, "{odd}");
    }
}

#[tokio::test]
async fn what_is_live_stands_with_each_day_that_it_has_been_so_far() {
    let node = FakeNode::new();
    let mut live = listing(7, "Still live", BroadcastState::Live);
    live.media_sequence = Some(MediaSequence(900));
    let id = live.id;
    node.listings.lock().unwrap().extend([live, listing(8, "Over", BroadcastState::Ended)]);
    let manifest = node.add_file("manifest");
    node.archives.lock().unwrap().push(ArchiveManifest {
        broadcast: id,
        kind: ArchiveKind::Hour,
        period: Period::hour_of(WallTime(BEGAN + DAY)),
        first_media_sequence: MediaSequence(0),
        last_media_sequence: MediaSequence(9),
        manifest,
        duration: Duration::from_secs(3_600),
        bytes: 1_000,
    });
    let newest = MediaSegment {
        media_sequence: MediaSequence(900),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_secs(15),
        program_date_time: Some(WallTime(BEGAN + 2 * DAY)),
        independent: true,
        segment: manifest,
        init: manifest,
    };
    node.announced_segments.lock().unwrap().push((id, newest));
    let days = get(&node, "/archive").await;
    for (day, count) in [
        ("2026-11-21", "\u{2068}2\u{2069} broadcasts"),
        ("2026-11-22", "\u{2068}1\u{2069} broadcast"),
        ("2026-11-23", "\u{2068}1\u{2069} broadcast"),
    ] {
        let line =
            days.text().split("<li>").find(|line| line.contains(&format!("/archive/{day}\""))).unwrap().to_owned();
        assert!(line.contains(count) && line.contains("Still live"), "{line}");
        let page = get(&node, &format!("/archive/{day}")).await;
        assert!(page.text().contains("Still live") && page.text().contains("class=\"badge live\""), "{day}");
    }
    assert!(!get(&node, "/archive/2026-11-24").await.text().contains("Still live"));
}

#[tokio::test]
async fn a_day_with_many_broadcasts_is_shown_part_by_part() {
    let node = FakeNode::new();
    let ended = |byte: u8| listing(byte, "One of many", BroadcastState::Ended);
    node.listings.lock().unwrap().extend((0..100).map(ended));
    let first = get(&node, "/archive/2026-11-21").await;
    assert_eq!(first.text().matches("class=\"card\"").count(), 48);
    assert!(first.text().contains("href=\"/archive/2026-11-21?from=48\""));
    let last = get(&node, "/archive/2026-11-21?from=96").await;
    assert_eq!(last.text().matches("class=\"card\"").count(), 4);
    for odd in ["?from=18446744073709551615", "?from=-1", "?from=x"] {
        assert_eq!(get(&node, &format!("/archive/2026-11-21{odd}")).await.status, StatusCode::OK, "{odd}");
    }
}

#[tokio::test]
async fn a_broadcasts_details_say_who_else_has_it_and_what_there_is_of_it() {
    let node = FakeNode::new();
    let id = broadcast_id(7);
    node.listings.lock().unwrap().push(listing(7, "The evening", BroadcastState::Ended));
    let manifest = node.add_file("manifest");
    let peer = listing(9, "", BroadcastState::Ended).peer;
    let archive = |kind, period| ArchiveManifest {
        broadcast: id,
        kind,
        period,
        first_media_sequence: MediaSequence(0),
        last_media_sequence: MediaSequence(9),
        manifest,
        duration: Duration::from_secs(3_723),
        bytes: 1_234_567,
    };
    let hour = Period::hour_of(WallTime(BEGAN));
    node.archives.lock().unwrap().extend([
        archive(ArchiveKind::Hour, hour),
        archive(ArchiveKind::Day, hour.map(Period::day)),
        archive(ArchiveKind::Broadcast, None),
    ]);
    let mirror = Mirroring { node: listing(9, "", BroadcastState::Ended).author, peer, manifest };
    let standing =
        Standing { mirrors: vec![mirror], withdrawn: Some("<i>wrong</i> file".to_owned()), ..Standing::default() };
    node.standings.lock().unwrap().insert(id, standing);
    let details = get(&node, &format!("/broadcast/{}", id.slug())).await;
    let html = details.text();
    for said in ["1:02:03", "1.2 MB", &manifest.to_string(), &format!("/hls/{}/whole.m3u8", id.slug()), "Mirrors it"] {
        assert!(html.contains(said), "{said}: {html}");
    }
    let hour = "<time datetime=\"2026-11-21T14:00Z\" data-hours=\"1\">2026-11-21 14:00–15:00 UTC</time>";
    let day = "<time datetime=\"2026-11-21\">2026-11-21</time>";
    assert!(
        html.contains(&format!("Hour <bdi>{hour}</bdi>")) && html.contains(&format!("Day <bdi>{day}</bdi>")),
        "{html}"
    );
    assert!(!html.contains("T14Z"), "no name for people: {html}");
    assert!(html.contains("&#60;i&#62;wrong"), "{html}");
    assert_eq!(get(&node, "/broadcast/x").await.status, StatusCode::NOT_FOUND);
    assert!(!get(&node, "/").await.text().contains("The evening"), "what was taken back is on no list");
}
