//! Mirrors, republications and withdrawals.

use super::*;

pub(super) fn mirror() -> Mirror {
    Mirror { broadcast: broadcast_id(), author: FeedId([2; 32]), peer: peer(), manifest: Some(cid("hour")) }
}

pub(super) fn republish() -> Republish {
    Republish {
        broadcast: broadcast_id(),
        author: FeedId([2; 32]),
        peer: peer(),
        manifest: cid("hour"),
        first_media_sequence: MediaSequence(0),
        last_media_sequence: MediaSequence(239),
        credit: "Radio Klinikfunk, Größe 日本".into(),
        announcements: vec![broadcast_id().0, MessageKey([4; 32])],
        feeds: vec![FeedId([3; 32])],
    }
}

fn json_of(announcement: &Announcement) -> Json {
    serde_json::from_str(&announcement.to_json().unwrap()).unwrap()
}

#[test]
fn their_field_names_are_those_of_the_protocol() {
    let names = |announcement: Announcement| json_of(&announcement).as_object().unwrap().keys().cloned().collect();
    let mirrors: Vec<String> = names(Announcement::Mirror(mirror()));
    assert_eq!(mirrors, ["author", "broadcast", "manifest", "peer", "type"]);
    let nothing: Vec<String> = names(Announcement::Mirror(Mirror { manifest: None, ..mirror() }));
    assert_eq!(nothing, ["author", "broadcast", "peer", "type"]);
    let republishes: Vec<String> = names(Announcement::Republish(republish()));
    let expected =
        ["announcements", "author", "broadcast", "credit", "feeds", "firstMediaSequence", "lastMediaSequence"];
    assert_eq!(republishes, [expected.as_slice(), &["manifest", "peer", "type"]].concat());
    let withdraws: Vec<String> = names(Announcement::Withdraw { broadcast: broadcast_id(), reason: String::new() });
    assert_eq!(withdraws, ["broadcast", "reason", "type"]);
}

#[test]
fn what_is_missing_of_another_type_or_out_of_bounds_is_refused() {
    let cases = [
        (MIRROR, "author", json!("somebody")),
        (MIRROR, "manifest", json!("QmYrxp7vqf8rZCcmHXsZ68Kh5xwWnXBVyuL4FVg5PNxaT4")),
        (MIRROR, "manifest", json!(7)),
        (MIRROR, "peer", json!(null)),
        (MIRROR, "broadcast", json!(null)),
        (REPUBLISH, "author", json!(null)),
        (REPUBLISH, "manifest", json!(null)),
        (REPUBLISH, "peer", json!("Qm")),
        (REPUBLISH, "firstMediaSequence", json!(240)),
        (REPUBLISH, "lastMediaSequence", json!(1_u64 << 53)),
        (REPUBLISH, "credit", json!("x".repeat(MAX_CREDIT_CHARS + 1))),
        (REPUBLISH, "announcements", json!([])),
        (REPUBLISH, "announcements", json!([MessageKey([4; 32])])),
        (REPUBLISH, "announcements", json!(vec![broadcast_id().0; MAX_ANNOUNCEMENTS + 1])),
        (REPUBLISH, "feeds", json!(vec![FeedId([3; 32]); MAX_LISTED_FEEDS + 1])),
        (REPUBLISH, "feeds", json!(["@x.ed25519"])),
        (WITHDRAW, "reason", json!("x".repeat(MAX_WITHDRAWAL_CHARS + 1))),
        (WITHDRAW, "broadcast", json!("%x.sha256")),
    ];
    let good = |kind: &str| match kind {
        MIRROR => json_of(&Announcement::Mirror(mirror())),
        REPUBLISH => json_of(&Announcement::Republish(republish())),
        _ => json_of(&Announcement::Withdraw { broadcast: broadcast_id(), reason: String::new() }),
    };
    for (kind, field, value) in cases {
        assert!(parse(kind, &good(kind)).is_ok());
        assert!(parse(kind, &with(good(kind), field, value.clone())).is_err(), "{kind} {field}: {value}");
    }
    let mut short = good(REPUBLISH);
    for field in ["credit", "feeds"] {
        short.as_object_mut().unwrap().remove(field);
    }
    assert!(parse(REPUBLISH, &short).is_ok(), "these may be left out");
    short.as_object_mut().unwrap().remove("announcements");
    assert!(parse(REPUBLISH, &short).is_err());
}

#[test]
fn a_credit_is_one_line_and_a_reason_may_be_several() {
    let deceiving = Republish { credit: "by \u{202e}nobody\nat all\u{0}".into(), ..republish() };
    let content = json_of(&Announcement::Republish(deceiving));
    let Ok(Some(Announcement::Republish(read))) = parse(REPUBLISH, &content) else { panic!("{content}") };
    assert_eq!(read.credit, "by nobodyat all");
    let reason = "it was\n\u{202e}wrong".to_owned();
    let content = json_of(&Announcement::Withdraw { broadcast: broadcast_id(), reason });
    let Ok(Some(Announcement::Withdraw { reason, .. })) = parse(WITHDRAW, &content) else { panic!("{content}") };
    assert_eq!(reason, "it was\nwrong");
}
