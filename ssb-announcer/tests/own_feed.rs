//! The node's own feed never forks: crashes, restored backups, and data that is used twice.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::time::Duration;

use bytes::Bytes;
use ssb_announcer::feed::{
    ANSWER_WITHIN, Conflict, FeedStore, Message, OwnAppend, OwnFeedError, RecoverReason, Rejected, SETTLE, StoreError,
};
use ssb_announcer::identity::Identity;
use stream_model::{FeedId, FeedSequence};

/// A guard against hanging, far above what any step takes.
const PATIENCE: Duration = Duration::from_secs(60);

const PEER: FeedId = FeedId([9; 32]);

fn node() -> Identity {
    Identity::from_seed(&[1; 32])
}

fn store() -> FeedStore {
    FeedStore::in_memory(node().id(), vec![]).unwrap()
}

fn post(text: &str) -> OwnAppend {
    let content_json = serde_json::json!({ "type": "post", "text": text }).to_string();
    OwnAppend { identity: node(), content_json, names: None }
}

async fn append(store: &FeedStore, text: &str) -> Result<Message, StoreError> {
    store.append_own(vec![post(text)]).await.map(|mut messages| messages.pop().unwrap())
}

async fn append_all(store: &FeedStore, texts: std::ops::Range<u64>) -> Vec<Message> {
    let mut messages = Vec::new();
    for n in texts {
        messages.push(append(store, &format!("message {n}")).await.unwrap());
    }
    messages
}

async fn give(store: &FeedStore, messages: &[Message]) -> Vec<Result<(), Rejected>> {
    let values = messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())).collect();
    store.append_remote(values).await.unwrap().into_iter().map(|answer| answer.map(drop)).collect()
}

fn conflict(outcome: &Result<Message, StoreError>) -> Option<Conflict> {
    match outcome {
        Err(StoreError::OwnFeed(OwnFeedError::Conflict(conflict))) => Some(*conflict),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn what_peers_have_of_a_restored_feed_comes_before_the_first_append() {
    let before = store();
    let all = append_all(&before, 1..11).await;
    let restored = store();
    assert!(give(&restored, &all[..5]).await.iter().all(Result::is_ok));
    restored.own_gate().ask_first();
    let peer = restored.own_gate().handle_connected(PEER);

    let appending = tokio::spawn({
        let restored = restored.clone();
        async move { append(&restored, "after the restore").await.unwrap() }
    });
    tokio::task::yield_now().await;
    peer.handle_claim(FeedSequence(10));
    tokio::task::yield_now().await;
    assert_eq!(restored.clock(&node().id()), FeedSequence(5), "nothing was appended meanwhile");
    assert!(give(&restored, &all[5..]).await.iter().all(Result::is_ok));
    let appended = tokio::time::timeout(PATIENCE, appending).await.unwrap().unwrap();
    assert_eq!(appended.sequence, FeedSequence(11));
    assert!(give(&before, &[appended]).await[0].is_ok(), "it continues what was written before");
}

#[tokio::test(start_paused = true)]
async fn later_appends_do_not_wait() {
    let store = store();
    store.own_gate().ask_first();
    let started = tokio::time::Instant::now();
    append(&store, "first").await.unwrap();
    assert_eq!(started.elapsed(), SETTLE, "nobody came");
    let _silent = store.own_gate().handle_connected(PEER);
    append(&store, "second").await.unwrap();
    assert_eq!(started.elapsed(), SETTLE);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_delays_the_first_append_and_no_more() {
    let store = store();
    store.own_gate().ask_first();
    let _silent = store.own_gate().handle_connected(PEER);
    let started = tokio::time::Instant::now();
    append(&store, "first").await.unwrap();
    assert_eq!(started.elapsed(), ANSWER_WITHIN);
}

#[tokio::test]
async fn a_message_that_this_process_did_not_write_stops_the_feed() {
    let (ours, twin) = (store(), store());
    let first = append(&ours, "first").await.unwrap();
    assert!(give(&twin, &[first]).await[0].is_ok());
    let of_twin = append(&twin, "by the twin").await.unwrap();
    assert!(give(&ours, &[of_twin]).await[0].is_ok(), "it continues the feed: taking it keeps the feed whole");
    let outcome = append(&ours, "second").await;
    assert_eq!(conflict(&outcome), Some(Conflict::Elsewhere(FeedSequence(2))));
    assert!(outcome.unwrap_err().to_string().contains("meshstream ssb recover"));
    assert_eq!(ours.clock(&node().id()), FeedSequence(2));
}

#[tokio::test]
async fn a_fork_stops_the_feed_wherever_it_shows() {
    let (ours, twin) = (store(), store());
    let shared = append_all(&ours, 1..4).await;
    give(&twin, &shared).await;
    append_all(&ours, 10..12).await;
    let of_twin = append_all(&twin, 20..25).await;
    for (index, at) in [(0, 4), (2, 6)] {
        let copy = store();
        give(&copy, &shared).await;
        let own: Vec<Message> = ours.get(node().id(), FeedSequence(4), 9).await.unwrap();
        give(&copy, &own).await;
        let forked = Rejected::Forked { author: node().id(), sequence: FeedSequence(at) };
        assert_eq!(give(&copy, &of_twin[index..=index]).await, [Err(forked)]);
        assert_eq!(conflict(&append(&copy, "more").await), Some(Conflict::Forked(FeedSequence(at))));
    }
}

#[tokio::test]
async fn a_forged_fork_stops_nothing() {
    let (ours, twin) = (store(), store());
    append(&ours, "ours").await.unwrap();
    let mut forged = append(&twin, "twin").await.unwrap();
    forged.value_json = forged.value_json.replace("twin", "evil").into();
    let refused = give(&ours, &[forged]).await;
    assert!(matches!(refused[0], Err(Rejected::BadSignature { .. })), "{refused:?}");
    append(&ours, "more").await.unwrap();
}

#[tokio::test]
async fn broadcast_feeds_go_on_while_the_own_feed_is_stopped() {
    let store = store();
    let broadcast = Identity::from_seed(&[3; 32]);
    store.own_gate().require_recovery(RecoverReason::Imported);
    let refused = append(&store, "refused").await;
    assert!(matches!(refused, Err(StoreError::OwnFeed(OwnFeedError::NeedsRecovery(RecoverReason::Imported)))));
    let content_json = r#"{"type":"meshstream-live"}"#.to_owned();
    store.append_own(vec![OwnAppend { identity: broadcast, content_json, names: None }]).await.unwrap();
}
