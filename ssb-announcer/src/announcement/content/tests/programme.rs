//! What is planned, and what is called otherwise.

use super::*;

pub(super) fn schedule_id() -> ScheduleId {
    ScheduleId(MessageKey([9; 32]))
}

pub(super) fn schedule() -> Schedule {
    Schedule {
        title: "Gemeinderat, Haushalt".into(),
        description: "öffentlich\nlive".into(),
        starts_at: WallTime(1_800_000_000_000),
    }
}

pub(super) fn update(of: Updated) -> Update {
    Update { of, title: Some("Gemeinderat".into()), description: Some(String::new()), starts_at: None }
}

fn json_of(announcement: &Announcement) -> Json {
    serde_json::from_str(&announcement.to_json().unwrap()).unwrap()
}

#[test]
fn the_field_names_of_the_programme_are_those_of_the_protocol() {
    let plan = json_of(&Announcement::Schedule(schedule()));
    assert_eq!(
        plan,
        json!({
            "type": "meshstream-schedule",
            "title": "Gemeinderat, Haushalt",
            "description": "öffentlich\nlive",
            "startsAt": 1_800_000_000_000_u64,
        })
    );
    let changed = json_of(&Announcement::Update(update(Updated::Broadcast(broadcast_id()))));
    assert_eq!(
        changed,
        json!({
            "type": "meshstream-update",
            "broadcast": broadcast_id(),
            "title": "Gemeinderat",
            "description": "",
        })
    );
    let off = json_of(&Announcement::Cancel { schedule: schedule_id() });
    assert_eq!(off, json!({ "type": "meshstream-withdraw", "schedule": schedule_id(), "reason": "" }));
    let fulfils = BroadcastStart { schedule: Some(schedule_id()), ..start() };
    let begun = json_of(&Announcement::Broadcast { start: fulfils, feed: FeedId([2; 32]) });
    assert_eq!(begun["schedule"], json!(schedule_id()));
}

#[test]
fn a_plan_out_of_bounds_is_refused() {
    let good = json_of(&Announcement::Schedule(schedule()));
    for (field, value) in [
        ("title", json!("x".repeat(MAX_TITLE_CHARS + 1))),
        ("title", json!(null)),
        ("description", json!("x".repeat(MAX_DESCRIPTION_CHARS + 1))),
        ("startsAt", json!(1_u64 << 53)),
        ("startsAt", json!(-1)),
        ("startsAt", json!(1.5)),
        ("startsAt", json!("tomorrow")),
    ] {
        assert!(parse(SCHEDULE, &with(good.clone(), field, value.clone())).is_err(), "{field}: {value}");
    }
}

#[test]
fn an_update_is_of_one_thing_and_within_bounds() {
    let good = json_of(&Announcement::Update(update(Updated::Broadcast(broadcast_id()))));
    for (field, value) in [
        ("schedule", json!(schedule_id())),
        ("broadcast", json!(null)),
        ("broadcast", json!(broadcast_id().slug())),
        ("title", json!("x".repeat(MAX_TITLE_CHARS + 1))),
        ("description", json!("x".repeat(MAX_DESCRIPTION_CHARS + 1))),
        ("startsAt", json!(1_u64 << 53)),
    ] {
        assert!(parse(UPDATE, &with(good.clone(), field, value.clone())).is_err(), "{field}: {value}");
    }
    let dated = with(good.clone(), "startsAt", json!(5));
    assert_eq!(parse(UPDATE, &dated), parse(UPDATE, &good), "a broadcast has begun");
}

#[test]
fn a_withdrawal_is_of_one_thing() {
    let good = json_of(&Announcement::Cancel { schedule: schedule_id() });
    assert!(parse(WITHDRAW, &with(good.clone(), "broadcast", json!(broadcast_id()))).is_err());
    assert!(parse(WITHDRAW, &with(good, "schedule", json!(null))).is_err());
}

#[test]
fn plans_and_updates_lose_what_could_deceive_the_reader() {
    let plan = Schedule { title: "Live \u{202e}cipot\u{0}\n".into(), ..schedule() };
    let written = json_of(&Announcement::Schedule(plan));
    let Ok(Some(Announcement::Schedule(read))) = parse(SCHEDULE, &written) else { panic!("{written}") };
    assert_eq!(read.title, "Live cipot");
    let of = Updated::Schedule(schedule_id());
    let called = Update { title: Some("\u{2066}a".into()), description: Some("b\u{2028}\nc".into()), ..update(of) };
    let written = json_of(&Announcement::Update(called));
    let Ok(Some(Announcement::Update(read))) = parse(UPDATE, &written) else { panic!("{written}") };
    assert_eq!((read.title.as_deref(), read.description.as_deref()), (Some("a"), Some("b\nc")));
}

proptest! {
    #[test]
    fn plans_survive_the_way_through_json(title in "[^\\p{C}\\p{Zl}\\p{Zp}]{0,200}", starts_at in 0..=MAX_INTEGER) {
        let plan = Schedule { title, description: String::new(), starts_at: WallTime(starts_at) };
        let announcement = Announcement::Schedule(plan);
        prop_assert_eq!(parse(SCHEDULE, &json_of(&announcement)), Ok(Some(announcement)));
    }
}
