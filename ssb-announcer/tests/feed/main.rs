//! The store of feeds against honest and hostile messages, and across restarts.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod disk;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use rusqlite::Transaction;
use ssb_announcer::feed::{
    Appended, Arrival, ContentIndex, FeedKind, FeedStore, MAX_BROADCAST_FEED_MESSAGES, Message, OwnAppend, Rejected,
    StoreError, exercise,
};
use ssb_announcer::identity::Identity;
use stream_model::{FeedId, FeedSequence};

fn author() -> Identity {
    Identity::from_seed(&[1; 32])
}

fn own() -> Identity {
    Identity::from_seed(&[2; 32])
}

fn post(text: &str) -> String {
    serde_json::json!({ "type": "post", "text": text }).to_string()
}

fn append(content_json: String) -> OwnAppend {
    OwnAppend { identity: author(), content_json, names: None }
}

/// Messages signed by [`author`], made in a store of their own.
async fn signed(contents: impl IntoIterator<Item = String>) -> Vec<Message> {
    let store = FeedStore::in_memory(author().id(), vec![]).unwrap();
    store.append_own(contents.into_iter().map(append).collect()).await.unwrap()
}

async fn posts(count: usize) -> Vec<Message> {
    signed((0..count).map(|n| post(&format!("message {n}")))).await
}

fn raw(message: &Message) -> Bytes {
    Bytes::copy_from_slice(message.value_json.as_bytes())
}

fn raws(messages: &[Message]) -> Vec<Bytes> {
    messages.iter().map(raw).collect()
}

/// A store that wants the feed of [`author`].
fn following() -> FeedStore {
    let store = FeedStore::in_memory(own().id(), vec![]).unwrap();
    assert!(store.want_peer(author().id()));
    store
}

async fn offer(store: &FeedStore, values: Vec<Bytes>) -> Vec<Result<Appended, Rejected>> {
    store.append_remote(values).await.unwrap()
}

async fn offer_one(store: &FeedStore, value: impl Into<Bytes>) -> Result<Appended, Rejected> {
    offer(store, vec![value.into()]).await.pop().unwrap()
}

fn clock(store: &FeedStore) -> u64 {
    store.clock(&author().id()).0
}

#[tokio::test]
async fn a_feed_arrives_as_it_was_written() {
    let messages = posts(40).await;
    let store = following();
    let mut notices = store.subscribe();
    let answers = offer(&store, raws(&messages)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(clock(&store), 40);
    assert_eq!(store.clocks(&[own().id(), author().id()]), [FeedSequence(0), FeedSequence(40)]);
    assert_eq!(store.get(author().id(), FeedSequence(1), 100).await.unwrap(), messages);
    assert_eq!(store.get(author().id(), FeedSequence(39), 100).await.unwrap(), messages[38..]);
    assert_eq!(store.get(author().id(), FeedSequence(3), 2).await.unwrap(), messages[2..4]);
    assert_eq!(store.get(author().id(), FeedSequence(u64::MAX), 2).await.unwrap(), []);
    assert_eq!(notices.recv().await.unwrap(), (author().id(), FeedSequence(1)));
}

#[tokio::test]
async fn messages_one_at_a_time_come_out_as_in_a_batch() {
    let messages = posts(12).await;
    let store = following();
    for message in &messages {
        assert!(offer_one(&store, raw(message)).await.is_ok());
    }
    assert_eq!(store.get(author().id(), FeedSequence(1), 100).await.unwrap(), messages);
}

#[tokio::test]
async fn what_is_stored_is_harmless_to_send_again() {
    let messages = posts(4).await;
    let store = following();
    offer(&store, raws(&messages[..3])).await;
    for (message, answer) in messages.iter().zip(offer(&store, raws(&messages[..3])).await) {
        assert_eq!(answer, Err(Rejected::AlreadyStored { author: author().id(), sequence: message.sequence }));
    }
    let answers = offer(&store, vec![raw(&messages[3]), raw(&messages[3])]).await;
    assert!(answers[0].is_ok());
    assert!(matches!(answers[1], Err(Rejected::AlreadyStored { .. })));
    assert_eq!(clock(&store), 4);
}

#[tokio::test]
async fn a_gap_is_refused_and_says_what_is_missing() {
    let messages = posts(5).await;
    let store = following();
    offer(&store, vec![raw(&messages[0])]).await;
    let answers = offer(&store, vec![raw(&messages[2]), raw(&messages[1]), raw(&messages[4])]).await;
    let author = author().id();
    assert_eq!(answers[0], Err(Rejected::Gap { author, sequence: FeedSequence(3), expected: FeedSequence(2) }));
    assert_eq!(answers[1], Ok(Appended { author, sequence: FeedSequence(2) }));
    assert_eq!(answers[2], Err(Rejected::Gap { author, sequence: FeedSequence(5), expected: FeedSequence(3) }));
    assert_eq!(clock(&store), 2);
}

#[tokio::test]
async fn feeds_nobody_asked_for_are_refused() {
    let store = FeedStore::in_memory(own().id(), vec![]).unwrap();
    let messages = posts(1).await;
    assert_eq!(offer_one(&store, raw(&messages[0])).await, Err(Rejected::Unwanted(author().id())));
    assert_eq!(clock(&store), 0);
}

#[tokio::test]
async fn own_broadcast_feeds_are_never_taken_from_others() {
    let broadcast = Identity::from_seed(&[3; 32]);
    let named = |content: String, names| OwnAppend { identity: own(), content_json: content, names };
    let store = FeedStore::in_memory(own().id(), vec![]).unwrap();
    store.append_own(vec![named(post("names a feed"), Some(broadcast.id()))]).await.unwrap();
    store.want_broadcasts([(broadcast.id(), own().id())].into());
    let elsewhere = FeedStore::in_memory(broadcast.id(), vec![]).unwrap();
    let append = OwnAppend { identity: broadcast.clone(), content_json: post("ahead"), names: None };
    let message = elsewhere.append_own(vec![append]).await.unwrap().pop().unwrap();
    let ahead = Rejected::OwnFeedAhead { author: broadcast.id(), sequence: FeedSequence(1) };
    assert_eq!(offer_one(&store, raw(&message)).await, Err(ahead));
    assert_eq!(store.clock(&broadcast.id()), FeedSequence(0));
}

#[tokio::test]
async fn a_forged_message_is_refused_wherever_it_was_changed() {
    let message = posts(1).await.pop().unwrap();
    let text = message.value_json.to_string();
    let stranger = Identity::from_seed(&[9; 32]).id().to_string();
    let forged = [
        text.replace("message 0", "message 1"),
        text.replace(r#""timestamp":"#, r#""timestamp":1"#),
        text.replace(&author().id().to_string(), &stranger),
    ];
    let store = following();
    store.want_peer(stranger.parse().unwrap());
    for text in forged {
        assert_ne!(text, *message.value_json);
        let answer = offer_one(&store, text.clone()).await;
        assert!(matches!(answer, Err(Rejected::BadSignature { .. })), "{text}: {answer:?}");
        assert!(!answer.unwrap_err().is_harmless());
    }
    assert_eq!(store.clocks(&[author().id(), stranger.parse().unwrap()]), [FeedSequence(0); 2]);
}

#[tokio::test]
async fn one_forged_message_in_a_backlog_spoils_only_what_follows() {
    let messages = posts(30).await;
    let mut values = raws(&messages);
    values[20] = Bytes::from(messages[20].value_json.replace("message 20", "message x"));
    let store = following();
    let answers = offer(&store, values).await;
    assert!(answers[..20].iter().all(Result::is_ok));
    assert!(matches!(answers[20], Err(Rejected::BadSignature { .. })));
    assert!(answers[21..].iter().all(|answer| matches!(answer, Err(Rejected::Gap { .. }))));
    assert_eq!(clock(&store), 20);
    assert!(offer(&store, raws(&messages[20..])).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_fork_is_refused_before_and_at_the_head() {
    let messages = signed([post("a"), post("b"), post("c")]).await;
    let others = signed([post("a, but other"), post("b"), post("c"), post("d")]).await;
    let store = following();
    offer(&store, raws(&messages)).await;
    let forked = |sequence| Err(Rejected::Forked { author: author().id(), sequence: FeedSequence(sequence) });
    assert_eq!(offer_one(&store, raw(&others[1])).await, forked(2));
    assert_eq!(offer_one(&store, raw(&others[3])).await, forked(4));
    assert_eq!(store.get(author().id(), FeedSequence(1), 9).await.unwrap(), messages);
}

/// The crate that verifies signatures panics on these.
#[tokio::test]
async fn a_signature_beyond_the_order_of_the_group_is_refused_by_its_form() {
    let text = posts(1).await.pop().unwrap().value_json.to_string();
    let end = text.find("==.sig.ed25519").unwrap();
    // The last two characters before the padding hold the last byte.
    let impossible = format!("{}/w{}", &text[..end - 2], &text[end..]);
    assert!(
        matches!(offer_one(&following(), impossible).await, Err(Rejected::Malformed(problem)) if problem.contains("signature"))
    );
}

#[tokio::test]
async fn a_forged_fork_is_a_bad_signature() {
    let messages = posts(2).await;
    let store = following();
    offer(&store, raws(&messages)).await;
    let forged = messages[0].value_json.replace("message 0", "message x");
    assert!(matches!(offer_one(&store, forged).await, Err(Rejected::BadSignature { .. })));
}

#[tokio::test]
async fn a_message_nested_a_thousand_deep_is_refused_unparsed() {
    let message = posts(1).await.pop().unwrap();
    let store = following();
    for depth in [70, 1_000, 13_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = message.value_json.replace(r#""message 0""#, &nested);
        assert_eq!(
            offer_one(&store, text).await,
            Err(if depth < 13_000 { Rejected::TooDeep } else { Rejected::TooLarge })
        );
    }
    let open = format!(r#"{{"previous":{}"#, "[".repeat(20_000));
    assert_eq!(offer_one(&store, open).await, Err(Rejected::TooDeep));
    assert_eq!(clock(&store), 0);
}

#[tokio::test]
async fn nesting_as_deep_as_fits_a_message_is_fine() {
    // Indentation fills the message before the limit on depth is reached.
    let nested = format!(r#"{{"type":"test","deep":{}{}}}"#, "[".repeat(58), "]".repeat(58));
    let messages = signed([nested]).await;
    assert!(offer_one(&following(), raw(&messages[0])).await.is_ok());
}

#[tokio::test]
async fn size_is_counted_in_utf16_units_of_the_signed_encoding() {
    let store = FeedStore::in_memory(author().id(), vec![]).unwrap();
    for character in ["x", "ä", "日", "🎥", "\u{1}"] {
        // The longest text that this node can sign is the longest that it accepts.
        let (mut fits, mut too_long) = (0, 8_192);
        while too_long - fits > 1 {
            let length = (fits + too_long) / 2;
            match store.append_own(vec![append(post(&character.repeat(length)))]).await {
                Ok(_) => fits = length,
                Err(StoreError::TooLarge) => too_long = length,
                Err(error) => panic!("{error}"),
            }
        }
        let longest = signed([post(&character.repeat(fits))]).await;
        assert!(offer_one(&following(), raw(&longest[0])).await.is_ok(), "{character}");
        let longer = longest[0].value_json.replace(r#""text":""#, &format!(r#""text":"{}"#, "x".repeat(100)));
        assert_eq!(offer_one(&following(), longer).await, Err(Rejected::TooLarge), "{character}");
    }
}

#[tokio::test]
async fn spaces_on_the_wire_do_not_reach_the_store() {
    let message = posts(1).await.pop().unwrap();
    let spaced = message.value_json.replace(r#","#, " ,\n\t").replace("message ,\n\t", "message");
    let store = following();
    assert!(offer_one(&store, spaced).await.is_ok());
    assert_eq!(store.get(author().id(), FeedSequence(1), 1).await.unwrap(), [message]);
}

#[tokio::test]
async fn what_is_not_a_message_is_refused() {
    let text = posts(1).await.pop().unwrap().value_json.to_string();
    let parts: serde_json::Value = serde_json::from_str(&text).unwrap();
    let field = |name: &str| format!(r#""{name}":{}"#, parts[name]);
    let with = |names: &[&str]| format!("{{{}}}", names.iter().map(|name| field(name)).collect::<Vec<_>>().join(","));
    let refused = [
        String::new(),
        "null".into(),
        "[]".into(),
        "{}".into(),
        "true".into(),
        "\"x\"".into(),
        text[..text.len() - 1].into(),
        format!("{text}x"),
        with(&["author", "previous", "sequence", "timestamp", "hash", "content", "signature"]),
        with(&["previous", "sequence", "author", "timestamp", "content", "hash", "signature"]),
        with(&["previous", "sequence", "author", "timestamp", "hash", "content"]),
        with(&["previous", "sequence", "author", "timestamp", "hash", "content", "content", "signature"]),
        text.replace(r#""sequence":1"#, r#""sequence":0"#),
        text.replace(r#""sequence":1"#, r#""sequence":-1"#),
        text.replace(r#""sequence":1"#, r#""sequence":1.5"#),
        text.replace(r#""sequence":1"#, r#""sequence":1e300"#),
        text.replace(r#""sequence":1"#, r#""sequence":"1""#),
        text.replace(r#""author":"@"#, r#""author":"x@"#),
        text.replace(r#""author":"@"#, r#""author":"%"#),
        // Anything around a signature would give the same message another key.
        text.replace(r#""signature":""#, r#""signature":"AAAA"#),
        text.replace(".sig.ed25519", ".sig.ed25519 "),
        text.replace("==.sig.ed25519", ".sig.ed25519"),
    ];
    let store = following();
    for text in refused {
        let answer = offer_one(&store, text.clone()).await;
        assert!(matches!(answer, Err(Rejected::Malformed(_))), "{text}: {answer:?}");
    }
    assert!(matches!(offer_one(&store, vec![b'"', 0xff, b'"']).await, Err(Rejected::Malformed(_))));
    assert_eq!(clock(&store), 0);
}

#[tokio::test]
async fn correctly_signed_messages_that_other_clients_refuse_are_refused() {
    let long_type = "x".repeat(53);
    for content in
        [r#"{"text":"no type"}"#.to_owned(), r#"{"type":"ab"}"#.into(), format!(r#"{{"type":"{long_type}"}}"#)]
    {
        let messages = signed([content.clone()]).await;
        let answer = offer_one(&following(), raw(&messages[0])).await;
        assert!(matches!(answer, Err(Rejected::Malformed(_))), "{content}: {answer:?}");
    }
}

#[tokio::test]
async fn a_broadcast_feed_that_never_stops_is_cut_off() {
    let count = usize::try_from(MAX_BROADCAST_FEED_MESSAGES).unwrap() + 1;
    let messages = posts(count).await;
    let store = FeedStore::in_memory(own().id(), vec![]).unwrap();
    store.want_broadcasts([(author().id(), own().id())].into());
    assert_eq!(store.wanted().borrow().kind(&author().id()), Some(FeedKind::Broadcast));
    let answers = offer(&store, raws(&messages)).await;
    assert!(answers[..count - 1].iter().all(Result::is_ok));
    assert_eq!(answers[count - 1], Err(Rejected::FeedFull(author().id())));
}

#[tokio::test]
async fn the_wanted_set_tells_when_it_changes() {
    let store = FeedStore::in_memory(own().id(), vec![]).unwrap();
    let mut wanted = store.wanted();
    assert_eq!(wanted.borrow_and_update().feeds().len(), 1);
    assert!(store.want_peer(author().id()));
    assert!(wanted.has_changed().unwrap());
    assert_eq!(wanted.borrow_and_update().feeds().get(&author().id()), Some(&FeedKind::Node));
    assert!(store.want_peer(author().id()));
    assert!(!wanted.has_changed().unwrap(), "nothing new, no notice");
}

/// The seeds and finds of `make fuzz`.
#[test]
fn the_fuzzing_corpus_is_handled() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/ssb_message");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        exercise(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 5, "{count} files");
}

/// What the valid seeds hold was signed by JavaScript's `ssb-validate`.
#[tokio::test]
async fn feeds_written_by_javascript_are_accepted() {
    for name in ["node-feed", "broadcast-feed", "odd-content"] {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/ssb_message");
        let text = std::fs::read_to_string(corpus.join(name)).unwrap();
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let store = following_feed(first["author"].as_str().unwrap().parse().unwrap());
        let answers = offer(&store, text.lines().map(|line| Bytes::copy_from_slice(line.as_bytes())).collect()).await;
        assert!(answers.len() >= 2 && answers.iter().all(Result::is_ok), "{name}: {answers:?}");
    }
}

fn following_feed(feed: FeedId) -> FeedStore {
    let store = FeedStore::in_memory(own().id(), vec![]).unwrap();
    store.want_peer(feed);
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_this_node_signs_others_accept(text: String, number in -(1i64 << 53)..(1 << 53), key in "[a-z0-9]{1,8}") {
        let store = FeedStore::in_memory(author().id(), vec![]).unwrap();
        let mut content = serde_json::json!({ "type": "test", "text": text });
        content[format!("k{key}")] = number.into();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let messages = runtime.block_on(store.append_own(vec![append(content.to_string())])).unwrap();
        let answer = following().append_remote_blocking(&raws(&messages)).unwrap().pop().unwrap();
        prop_assert!(answer.is_ok(), "{:?}", answer);
    }

    #[test]
    fn damaged_messages_change_nothing(position: prop::sample::Index, byte: u8) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let message = runtime.block_on(posts(1)).pop().unwrap();
        let mut damaged = message.value_json.as_bytes().to_vec();
        let position = position.index(damaged.len());
        prop_assume!(damaged[position] != byte);
        damaged[position] = byte;
        let store = following_feed(author().id());
        let answer = store.append_remote_blocking(&[&damaged]).unwrap().pop().unwrap();
        prop_assert!(answer.is_err(), "{}", String::from_utf8_lossy(&damaged));
        prop_assert_eq!(clock(&store), 0);
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes: Vec<u8>) {
        prop_assert!(following().append_remote_blocking(&[&bytes]).unwrap()[0].is_err());
    }
}
