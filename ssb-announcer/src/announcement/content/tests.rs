//! The content of announcements, both ways and damaged.

use multihash_codetable::{Code, MultihashDigest as _};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use stream_model::MessageKey;

use super::*;

fn cid(text: &str) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(text.as_bytes()))
}

fn broadcast_id() -> BroadcastId {
    BroadcastId(MessageKey([1; 32]))
}

fn peer() -> PeerId {
    "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap()
}

fn start() -> BroadcastStart {
    BroadcastStart {
        title: "Gemeinderat".into(),
        description: "öffentlich\nlive".into(),
        peer: peer(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime(1_700_000_000_000),
        schedule: None,
        rendition: None,
    }
}

fn segment() -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(7),
        discontinuity_sequence: DiscontinuitySequence(1),
        duration: Duration::from_millis(14_000),
        program_date_time: Some(WallTime(1_700_000_000_000)),
        independent: true,
        segment: cid("segment"),
        init: cid("init"),
    }
}

fn all() -> Vec<(&'static str, Announcement)> {
    vec![
        (BROADCAST, Announcement::Broadcast { start: start(), feed: FeedId([2; 32]) }),
        (
            CONTINUE,
            Announcement::Continue {
                broadcast: broadcast_id(),
                feed: FeedId([3; 32]),
                media_sequence: MediaSequence(500),
            },
        ),
        (LIVE, Announcement::Live { broadcast: broadcast_id(), manifest: cid("manifest"), segment: segment() }),
        (
            END,
            Announcement::End {
                broadcast: broadcast_id(),
                media_sequence: MediaSequence(8),
                reason: "publisher left".into(),
            },
        ),
        (ARCHIVE, Announcement::Archive(archive())),
        (MIRROR, Announcement::Mirror(mirror())),
        (MIRROR, Announcement::Mirror(Mirror { manifest: None, ..mirror() })),
        (REPUBLISH, Announcement::Republish(republish())),
        (WITHDRAW, Announcement::Withdraw { broadcast: broadcast_id(), reason: "of two\nlines".into() }),
        (WITHDRAW, Announcement::Cancel { schedule: schedule_id() }),
        (SCHEDULE, Announcement::Schedule(schedule())),
        (UPDATE, Announcement::Update(update(Updated::Broadcast(broadcast_id())))),
        (
            UPDATE,
            Announcement::Update(Update {
                starts_at: Some(WallTime(7)),
                description: None,
                ..update(Updated::Schedule(schedule_id()))
            }),
        ),
        (
            BROADCAST,
            Announcement::Broadcast {
                start: BroadcastStart { schedule: Some(schedule_id()), ..start() },
                feed: FeedId([2; 32]),
            },
        ),
        (
            BROADCAST,
            Announcement::Broadcast {
                start: BroadcastStart { rendition: Some(rendition()), ..start() },
                feed: FeedId([2; 32]),
            },
        ),
    ]
}

mod programme;
mod rendition;
mod standing;

use self::programme::{schedule, schedule_id, update};
use self::rendition::rendition;
use self::standing::{mirror, republish};

fn archive() -> ArchiveManifest {
    ArchiveManifest {
        broadcast: broadcast_id(),
        kind: ArchiveKind::Hour,
        period: Some("2026-11-21T14Z".parse().unwrap()),
        first_media_sequence: MediaSequence(0),
        last_media_sequence: MediaSequence(239),
        manifest: cid("hour"),
        duration: Duration::from_secs(3_600),
        bytes: 1_000_000_000,
    }
}

fn parse(kind: &str, content: &Json) -> Result<Option<Announcement>, ContentError> {
    Announcement::parse(kind, &json!({ "content": content }).to_string())
}

fn live_json() -> Json {
    serde_json::from_str(&all()[2].1.to_json().unwrap()).unwrap()
}

fn with(mut content: Json, field: &str, value: Json) -> Json {
    content[field] = value;
    content
}

#[test]
fn each_announcement_reads_back_as_it_was_written() {
    for (kind, announcement) in all() {
        let content: Json = serde_json::from_str(&announcement.to_json().unwrap()).unwrap();
        assert_eq!(content["type"], kind);
        assert_eq!(parse(kind, &content), Ok(Some(announcement)));
    }
}

#[test]
fn the_field_names_are_those_of_the_protocol() {
    let names = |announcement: &Announcement| -> Vec<String> {
        let content: Json = serde_json::from_str(&announcement.to_json().unwrap()).unwrap();
        content.as_object().unwrap().keys().cloned().collect()
    };
    let all = all();
    assert_eq!(
        names(&all[0].1),
        ["archive", "description", "feed", "peer", "startedAt", "targetDurationMs", "title", "tracks", "type"]
    );
    assert_eq!(names(&all[1].1), ["broadcast", "feed", "mediaSequence", "type"]);
    assert_eq!(
        names(&all[2].1),
        [
            "broadcast",
            "discontinuitySequence",
            "durationMs",
            "init",
            "manifest",
            "mediaSequence",
            "programDateTime",
            "segment",
            "type"
        ]
    );
    assert_eq!(names(&all[3].1), ["broadcast", "mediaSequence", "reason", "type"]);
}

#[test]
fn what_is_the_usual_is_left_out_of_a_live_message() {
    let mut segment = segment();
    segment.program_date_time = None;
    segment.independent = false;
    let live = Announcement::Live { broadcast: broadcast_id(), manifest: cid("manifest"), segment };
    let content: Json = serde_json::from_str(&live.to_json().unwrap()).unwrap();
    assert_eq!(content.get("programDateTime"), None);
    assert_eq!(content["independent"], false);
    assert_eq!(parse(LIVE, &content), Ok(Some(live)));
}

#[test]
fn durations_are_rounded_down_so_that_they_stay_below_the_target() {
    let mut segment = segment();
    segment.duration = Duration::from_nanos(15_499_999_999);
    let live = Announcement::Live { broadcast: broadcast_id(), manifest: cid("manifest"), segment };
    let content: Json = serde_json::from_str(&live.to_json().unwrap()).unwrap();
    assert_eq!(content["durationMs"], 15_499);
}

#[test]
fn fields_of_later_versions_are_passed_over() {
    let content = with(live_json(), "renditions", json!([{ "height": 720 }]));
    assert_eq!(parse(LIVE, &content), parse(LIVE, &live_json()));
}

#[test]
fn other_types_are_nothing_to_us() {
    assert_eq!(parse("meshstream-poll", &json!({ "type": "meshstream-poll" })), Ok(None));
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    let content: Json = serde_json::from_str(&all()[0].1.to_json().unwrap()).unwrap();
    let refused = [
        ("title", json!("x".repeat(MAX_TITLE_CHARS + 1))),
        ("title", json!(5)),
        ("description", json!("x".repeat(MAX_DESCRIPTION_CHARS + 1))),
        ("feed", json!("@AAAA.ed25519")),
        ("peer", json!("Qm")),
        ("targetDurationMs", json!(0)),
        ("targetDurationMs", json!(1_500)),
        ("targetDurationMs", json!(61_000)),
        ("targetDurationMs", json!(-1_000)),
        ("tracks", json!([])),
        ("tracks", json!(["smell"])),
        ("tracks", json!({})),
        ("startedAt", json!(1u64 << 53)),
        ("archive", json!("no")),
    ];
    for (field, value) in refused {
        assert!(parse(BROADCAST, &with(content.clone(), field, value.clone())).is_err(), "{field}: {value}");
    }
    let other_hash = Cid::new_v1(0x55, Code::Sha2_512.digest(b"x")).to_string();
    let other_codec = Cid::new_v1(0x71, Code::Sha2_256.digest(b"x")).to_string();
    let version_0 = Cid::new_v0(Code::Sha2_256.digest(b"x")).unwrap().to_string();
    let refused = [
        ("segment", json!(other_hash)),
        ("init", json!(other_codec)),
        ("manifest", json!(version_0)),
        ("manifest", json!("../../etc/passwd")),
        ("mediaSequence", json!(-1)),
        ("mediaSequence", json!(1.5)),
        ("mediaSequence", json!(1u64 << 53)),
        ("durationMs", json!(0)),
        ("durationMs", json!(120_001)),
        ("broadcast", json!(broadcast_id().slug())),
        ("independent", json!(1)),
    ];
    for (field, value) in refused {
        assert!(parse(LIVE, &with(live_json(), field, value.clone())).is_err(), "{field}: {value}");
    }
}

#[test]
fn titles_lose_what_could_deceive_the_reader() {
    let mut start = start();
    start.title = "Live \u{202e}cipot\u{0}".into();
    let written = Announcement::Broadcast { start, feed: FeedId([2; 32]) };
    let content: Json = serde_json::from_str(&written.to_json().unwrap()).unwrap();
    let Ok(Some(Announcement::Broadcast { start, .. })) = parse(BROADCAST, &content) else { panic!("{content}") };
    assert_eq!(start.title, "Live cipot");
}

#[test]
fn an_announcement_that_nobody_would_accept_is_not_written() {
    let mut start = start();
    start.title = "x".repeat(MAX_TITLE_CHARS + 1);
    let broadcast = Announcement::Broadcast { start, feed: FeedId([2; 32]) };
    assert_eq!(broadcast.to_json(), Err(ContentError::TooLong("title")));
    let end =
        Announcement::End { broadcast: broadcast_id(), media_sequence: MediaSequence(1 << 53), reason: String::new() };
    assert_eq!(end.to_json(), Err(ContentError::OutOfRange("mediaSequence")));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(kind in prop::sample::select(KINDS.to_vec()), text: String) {
        let _ = Announcement::parse(kind, &text);
    }

    #[test]
    fn segments_survive_the_way_through_json(
        sequence in 0..=MAX_INTEGER,
        discontinuity in 0..=MAX_INTEGER,
        millis in 1u64..=120_000,
        time in prop::option::of(0..=MAX_INTEGER),
        independent: bool,
        name: String,
    ) {
        let segment = MediaSegment {
            media_sequence: MediaSequence(sequence),
            discontinuity_sequence: DiscontinuitySequence(discontinuity),
            duration: Duration::from_millis(millis),
            program_date_time: time.map(WallTime),
            independent,
            segment: cid(&name),
            init: cid("init"),
        };
        let live = Announcement::Live { broadcast: broadcast_id(), manifest: cid("manifest"), segment };
        let content: Json = serde_json::from_str(&live.to_json().unwrap()).unwrap();
        prop_assert_eq!(parse(LIVE, &content), Ok(Some(live)));
    }
}

#[test]
fn an_archive_whose_numbers_or_period_make_no_sense_is_refused() {
    let good: Json = serde_json::from_str(&Announcement::Archive(archive()).to_json().unwrap()).unwrap();
    let undated = Announcement::Archive(ArchiveManifest { period: None, ..archive() });
    assert!(undated.to_json().unwrap().find("period").is_none());
    for (field, value) in [
        ("firstMediaSequence", json!(240)),
        ("lastMediaSequence", json!(1_u64 << 53)),
        ("period", json!("2026-11-21")),
        ("period", json!("yesterday")),
        ("kind", json!("day")),
        ("kind", json!("broadcast")),
        ("kind", json!("week")),
        ("manifest", json!("QmYrxp7vqf8rZCcmHXsZ68Kh5xwWnXBVyuL4FVg5PNxaT4")),
        ("bytes", json!(-1)),
        ("durationMs", json!("an hour")),
    ] {
        assert!(parse(ARCHIVE, &with(good.clone(), field, value.clone())).is_err(), "{field}: {value}");
    }
}
