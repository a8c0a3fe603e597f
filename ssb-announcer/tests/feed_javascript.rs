//! Agreement with JavaScript on what a valid message is: npm `ssb-validate` reads what this node writes, and this
//! node takes the messages of npm `ssb-validation-dataset` that JavaScript does.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod ssb_validate;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use multihash_codetable::{Code, MultihashDigest as _};
use proptest::collection;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use ssb_announcer::announcement::content::{BROADCAST, CONTINUE, END, LIVE, SCHEDULE, UPDATE, WITHDRAW};
use ssb_announcer::announcement::{Announcer, BroadcastDirectory};
use ssb_announcer::feed::{FeedStore, Message, OwnAppend, Rejected, StoreError};
use ssb_announcer::graph::{ContactIndex, Contacts};
use ssb_announcer::identity::Identity;
use stream_model::{
    AnnouncementLog as _, BroadcastEnd, BroadcastStart, Cid, DiscontinuitySequence, EndReason, FeedId, FeedSequence,
    FollowGraph as _, MediaSegment, MediaSequence, ProgrammeLog as _, Relation, Schedule, Tracks, WallTime,
};

use crate::ssb_validate::{judged_by_javascript, packages};

fn identity() -> Identity {
    Identity::from_seed(&[1; 32])
}

async fn feed(store: &FeedStore, feed: FeedId) -> Vec<Message> {
    store.get(feed, FeedSequence(1), usize::MAX).await.unwrap()
}

#[tokio::test]
async fn javascript_accepts_whatever_content_this_node_signs() {
    let store = FeedStore::in_memory(identity().id(), vec![]).unwrap();
    let mut contents = vec![
        json!({ "type": "post", "text": "plain" }),
        json!({ "type": "post", "text": "Grüße 日本 🎥 \u{2028}\u{2029} \u{7f} \u{0} \u{8}\u{c}\n\r\t\u{1f} \\ \" /" }),
        json!({ "type": "test", "integers": [0, 1, -1, 1_700_000_000_123u64, (1u64 << 53) - 1, -(1i64 << 53)] }),
        json!({ "type": "test", "empty": {}, "list": [], "text": "", "nothing": null, "yes": true }),
        json!({ "type": "test", "10": "x", "2": "y", "a": 1, "01": 2, "Ä": 3, "🎥": 4 }),
        json!({ "type": "test", "nested": [[[[[[{ "a": [{ "b": {} }] }]]]]]] }),
    ];
    let mut deep = json!("bottom");
    for _ in 0..40 {
        deep = json!([deep]);
    }
    contents.push(json!({ "type": "test", "deep": deep }));
    for content in contents {
        let append = OwnAppend { identity: identity(), content_json: content.to_string(), names: None };
        store.append_own(vec![append]).await.unwrap();
    }
    // The longest messages that can be signed.
    for character in ["x", "ä", "日", "🎥", "\u{1}"] {
        let (mut fits, mut too_long) = (0, 8_192);
        while too_long - fits > 1 {
            let length = (fits + too_long) / 2;
            let content_json = json!({ "type": "post", "text": character.repeat(length) }).to_string();
            let append = OwnAppend { identity: identity(), content_json, names: None };
            match store.append_own(vec![append]).await {
                Ok(_) => fits = length,
                Err(StoreError::TooLarge) => too_long = length,
                Err(error) => panic!("{error}"),
            }
        }
    }
    let messages = feed(&store, identity().id()).await;
    assert!(messages.len() > 12);
    for (message, error) in messages.iter().zip(judged_by_javascript(&messages)) {
        assert_eq!(error, None, "{}", message.value_json);
    }
}

/// JSON of any kind that a content may have: texts of any characters, integers that JavaScript counts exactly, nesting.
fn any_json() -> impl Strategy<Value = Value> {
    const LARGEST: i64 = (1 << 53) - 1;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-LARGEST..=LARGEST).prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        "(?s).{0,40}".prop_map(Value::from),
        "[\\x00-\\x7f\u{2028}\u{fffe}\u{10ffff}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(12, 60, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::btree_map("(?s).{0,8}|[0-9]{1,3}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[tokio::test]
async fn javascript_accepts_any_json_that_this_node_signs() {
    let store = FeedStore::in_memory(identity().id(), vec![]).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut contents = Vec::new();
    for _ in 0..400 {
        let any = any_json().new_tree(&mut runner).unwrap().current();
        contents.push(json!({ "type": "test", "any": any }).to_string());
    }
    let append = |content_json| OwnAppend { identity: identity(), content_json, names: None };
    store.append_own(contents.into_iter().map(append).collect()).await.unwrap();
    let messages = feed(&store, identity().id()).await;
    assert_eq!(messages.len(), 400);
    for (message, error) in messages.iter().zip(judged_by_javascript(&messages)) {
        assert_eq!(error, None, "{}", message.value_json);
    }
}

#[tokio::test]
async fn javascript_accepts_every_contact() {
    let store = FeedStore::in_memory(identity().id(), vec![Arc::new(ContactIndex)]).unwrap();
    let directory = BroadcastDirectory::open(store.clone(), identity().id()).unwrap();
    let contacts = Contacts::open(identity(), store.clone(), directory, 2).unwrap();
    let other = Identity::from_seed(&[2; 32]).id();
    for relation in [Relation::Following, Relation::Neutral, Relation::Blocking, Relation::Following] {
        contacts.relate(other, relation).await.unwrap();
    }
    let messages = feed(&store, identity().id()).await;
    assert_eq!(messages.len(), 4);
    for (message, error) in messages.iter().zip(judged_by_javascript(&messages)) {
        assert_eq!(error, None, "{}", message.value_json);
    }
}

#[tokio::test]
async fn javascript_accepts_every_announcement() {
    let store = FeedStore::in_memory(identity().id(), vec![]).unwrap();
    let directory = BroadcastDirectory::open(store.clone(), identity().id()).unwrap();
    let announcer = Announcer::new(identity(), store.clone(), directory);
    let cid = |text: &str| Cid::new_v1(0x55, Code::Sha2_256.digest(text.as_bytes()));
    let plan = |title: &str| Schedule {
        title: title.into(),
        description: "öffentlich\n\u{1}".into(),
        starts_at: WallTime(1_800_000_000_000),
    };
    let begun = announcer.schedule(plan("Gemeinderat 🎥")).await.unwrap();
    let cancelled = announcer.schedule(plan("Ausschuß")).await.unwrap();
    announcer.reschedule(begun, Schedule { starts_at: WallTime(0), ..plan("Rat") }).await.unwrap();
    announcer.cancel(cancelled).await.unwrap();
    let start = BroadcastStart {
        title: "Gemeinderat 🎥".into(),
        description: "日\u{1}".repeat(1_000),
        peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: false,
        started_at: WallTime::now(),
        schedule: Some(begun),
        rendition: None,
    };
    let id = announcer.start(start).await.unwrap();
    for sequence in 0..3 {
        let segment = MediaSegment {
            media_sequence: MediaSequence(sequence),
            discontinuity_sequence: DiscontinuitySequence(sequence),
            duration: Duration::from_millis(13_987),
            program_date_time: (sequence != 1).then(WallTime::now),
            independent: sequence != 2,
            segment: cid("segment"),
            init: cid("init"),
        };
        announcer.live(id, &segment, cid("manifest")).await.unwrap();
    }
    announcer.resume(id, MediaSequence(3)).await.unwrap();
    let end = BroadcastEnd { broadcast: id, media_sequence: MediaSequence(3), reason: EndReason::Shutdown };
    announcer.end(end).await.unwrap();
    announcer.update(id, "Gemeinderat, 2. Teil".into(), String::new()).await.unwrap();

    let mut messages = Vec::new();
    for own in store.wanted().borrow().feeds().into_keys().collect::<Vec<_>>() {
        messages.extend(feed(&store, own).await);
    }
    let kinds: BTreeSet<_> = messages.iter().filter_map(|message| message.kind.as_deref()).collect();
    assert_eq!(
        (messages.len(), kinds),
        (11, BTreeSet::from([BROADCAST, CONTINUE, END, LIVE, SCHEDULE, UPDATE, WITHDRAW]))
    );
    for (message, error) in messages.iter().zip(judged_by_javascript(&messages)) {
        assert_eq!(error, None, "{}", message.value_json);
    }
}

fn dataset() -> Vec<Value> {
    let path = packages().join("node_modules/ssb-validation-dataset/data.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The raw text of each message of the dataset, with its fields in their order, which parsing would lose.
fn raw_messages() -> Vec<String> {
    let script = "for (const { message } of require('ssb-validation-dataset')) console.log(JSON.stringify(message))";
    let output = Command::new("node").args(["-e", script]).current_dir(packages()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn following(author: Option<FeedId>) -> FeedStore {
    let store = FeedStore::in_memory(identity().id(), vec![]).unwrap();
    author.map(|author| store.want_peer(author));
    store
}

/// What the store does with each of the messages alone: those that name a predecessor lack it, and those signed with a
/// key are of another network than any that a node can join.
#[test]
fn the_store_takes_of_the_validation_dataset_what_javascript_calls_a_valid_first_message() {
    let (vectors, raw) = (dataset(), raw_messages());
    assert_eq!((vectors.len(), raw.len()), (126, 126));
    let (mut stored, mut without_predecessor, mut of_other_networks, mut refused) = (0, 0, 0, 0);
    for (vector, text) in vectors.iter().zip(&raw) {
        let store = following(vector["message"]["author"].as_str().and_then(|author| author.parse().ok()));
        let answer = store.append_remote_blocking(&[text]).unwrap().pop().unwrap();
        match (vector["valid"] == true, vector["hmacKey"].is_null(), vector["state"].is_null(), &answer) {
            (true, true, true, Ok(_)) => stored += 1,
            (true, true, false, Err(Rejected::Gap { .. })) => without_predecessor += 1,
            (true, false, _, Err(Rejected::BadSignature { .. })) => of_other_networks += 1,
            (false, _, _, Err(_)) => refused += 1,
            _ => panic!("{answer:?}, JavaScript says {}: {text}", vector["error"]),
        }
    }
    assert_eq!((stored, without_predecessor, of_other_networks, refused), (8, 3, 16, 99));
}
