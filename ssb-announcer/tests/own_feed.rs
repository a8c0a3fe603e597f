//! The node's own feed never forks: crashes, restored backups, and data that is used twice.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use ssb_announcer::feed::{
    ANSWER_WITHIN, Conflict, FeedStore, Message, OwnAppend, OwnFeedError, RecoverReason, Rejected, SETTLE, StoreError,
};
use ssb_announcer::identity::{Identity, Machine};
use ssb_announcer::{Config, SsbAnnouncer, gossip};
use stream_model::{
    AnnounceError, BroadcastId, BroadcastStart, FeedId, FeedSequence, FollowError, Relation, SsbPeer, Tracks, WallTime,
};

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

/// Names the database of a process that appends until it is killed.
const APPEND_TO: &str = "MESHSTREAM_TEST_APPEND_TO";

fn open(path: &Path) -> FeedStore {
    FeedStore::open(path, node().id(), vec![]).unwrap()
}

async fn whole_feed(store: &FeedStore) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let more = store.get(node().id(), FeedSequence(all.len() as u64 + 1), usize::MAX).await.unwrap();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// The feed is what a node without it takes from beginning to end.
async fn assert_unbroken(messages: &[Message]) {
    let reader = store();
    for batch in messages.chunks(100) {
        assert!(give(&reader, batch).await.iter().all(Result::is_ok));
    }
    assert_eq!(reader.clock(&node().id()).0, messages.len() as u64);
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_moment_never_forks() {
    if let Ok(path) = std::env::var(APPEND_TO) {
        let store = open(Path::new(&path));
        loop {
            let message = append(&store, "until killed").await.unwrap();
            // From here on a peer may have it.
            println!("APPENDED {} {}", message.sequence, message.key);
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let mut handed_out = BTreeMap::new();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_that_is_killed_at_any_moment_never_forks", "--nocapture"])
            .env(APPEND_TO, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut appended = 0;
        for line in lines {
            let line = line.unwrap();
            let Some(line) = line.split("APPENDED ").nth(1) else { continue };
            let (sequence, key) = line.split_once(' ').unwrap();
            let before = handed_out.insert(sequence.parse::<u64>().unwrap(), key.to_owned());
            assert_eq!(before, None, "number {sequence} was handed out twice");
            appended += 1;
            // Dies at another point each time, most often within an append.
            if appended == 1 + round * 3 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
    }
    let messages = whole_feed(&open(&path)).await;
    assert_unbroken(&messages).await;
    for (sequence, key) in handed_out {
        assert_eq!(messages[usize::try_from(sequence).unwrap() - 1].key.to_string(), key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A disk that lies about syncing loses any part of the log. What was handed out before comes back from a peer, and
    /// the feed goes on without a fork.
    #[test]
    fn whatever_is_left_of_the_log_the_feed_goes_on_unbroken(appends in 1u64..20, kept in 0.0f64..1.0) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("ssb.sqlite3");
            let before = open(&path);
            let handed_out = append_all(&before, 0..appends).await;
            let crashed = directory.path().join("crashed.sqlite3");
            fs::copy(&path, &crashed).unwrap();
            let log = fs::read(path.with_extension("sqlite3-wal")).unwrap();
            let kept = (log.len() as f64 * kept) as usize;
            fs::write(crashed.with_extension("sqlite3-wal"), &log[..kept]).unwrap();

            let after = open(&crashed);
            let left = whole_feed(&after).await;
            prop_assert_eq!(&left[..], &handed_out[..left.len()]);
            after.own_gate().ask_first();
            let peer = after.own_gate().handle_connected(PEER);
            peer.handle_claim(FeedSequence(appends));
            let appending = tokio::spawn({
                let after = after.clone();
                async move { append(&after, "after the crash").await }
            });
            tokio::task::yield_now().await;
            give(&after, &handed_out).await;
            let appended = appending.await.unwrap().unwrap();
            prop_assert_eq!(appended.sequence, FeedSequence(appends + 1));
            let whole = whole_feed(&after).await;
            prop_assert_eq!(&whole[..handed_out.len()], &handed_out[..]);
            assert_unbroken(&whole).await;
            Ok(())
        })?;
    }
}

async fn start(data_dir: &Path, machine: &str) -> SsbAnnouncer {
    let config = Config {
        secret: data_dir.join("identity/secret"),
        machine: Machine::of([machine]),
        database: data_dir.join("ssb.sqlite3"),
        gossip: gossip::Config { listen: "[::1]:0".parse().unwrap(), ..gossip::Config::default() },
        name: String::new(),
        hops: 3,
        image: None,
        start_posts: None,
        discovery: None,
        keep_free: 0,
        peers: vec![],
    };
    SsbAnnouncer::start(config).await.unwrap()
}

async fn announce(node: &SsbAnnouncer) -> Result<BroadcastId, AnnounceError> {
    let start = BroadcastStart {
        title: "Townhall".to_owned(),
        description: String::new(),
        peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime(0),
        schedule: None,
        rendition: None,
    };
    node.announcement_log().start(start).await
}

/// Ends a node, and waits until its database is closed: a blocking thread may hold a handle for a moment longer.
async fn stop(node: SsbAnnouncer, data_dir: &Path) {
    node.shutdown().await;
    drop(node);
    let log = data_dir.join("ssb.sqlite3-wal");
    let closed = async {
        while log.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.unwrap();
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_files(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_on_another_machine_announces_nothing() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = start(directory.path(), "here").await;
    announce(&first).await.unwrap();
    copy_files(directory.path(), elsewhere.path());
    let copy = start(elsewhere.path(), "elsewhere").await;
    let error = announce(&copy).await.unwrap_err().to_string();
    assert!(error.contains("another machine") && error.contains("meshstream ssb recover"), "{error}");
    announce(&first).await.unwrap();
    copy.shutdown().await;
    first.shutdown().await;
    let again = start(directory.path(), "here").await;
    announce(&again).await.unwrap();
    again.shutdown().await;
}

/// Peers have the messages that were in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_database_is_gone_announces_nothing_until_it_was_recovered() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(directory.path(), "here").await;
    announce(&node).await.unwrap();
    stop(node, directory.path()).await;
    fs::remove_file(directory.path().join("ssb.sqlite3")).unwrap();
    for _ in 0..2 {
        let node = start(directory.path(), "here").await;
        let error = announce(&node).await.unwrap_err().to_string();
        assert!(error.contains("database is gone") && error.contains("meshstream ssb recover"), "{error}");
        let refused = node.follow_graph().relate(PEER, Relation::Following).await;
        assert!(matches!(&refused, Err(FollowError::Refused(why)) if error.contains(why.as_str())), "{refused:?}");
        node.shutdown().await;
    }
}

/// A page that nothing refers to: found by who reads the whole file, and by nobody else.
fn damage(database: &Path) {
    const PAGE: usize = 4096;
    /// Where the header has the number of pages.
    const PAGES: std::ops::Range<usize> = 28..32;
    let mut bytes = fs::read(database).unwrap();
    bytes.resize(bytes.len() + PAGE, 0);
    let pages = u32::try_from(bytes.len() / PAGE).unwrap();
    bytes[PAGES].copy_from_slice(&pages.to_be_bytes());
    fs::write(database, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_proves_damaged_after_a_cut_off_run_is_served_and_not_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("ssb.sqlite3");
    let node = start(folder.path(), "this machine").await;
    let broadcast = announce(&node).await.unwrap();
    stop(node, folder.path()).await;
    rusqlite::Connection::open(&database).unwrap().execute("UPDATE runs SET closed = 0", []).unwrap();
    damage(&database);

    let node = start(folder.path(), "this machine").await;
    let stopped = async {
        while node.own_feed().error != Some(OwnFeedError::Damaged) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, stopped).await.unwrap();
    let refused = announce(&node).await.unwrap_err().to_string();
    assert!(refused.contains("damaged") && refused.contains("meshstream ssb recover"), "{refused}");
    assert!(node.directory().listing(&broadcast).is_some(), "what is there is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_that_was_found_stops_the_feed_after_a_restart_too() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = start(directory.path(), "here").await;
    announce(&first).await.unwrap();
    stop(first, directory.path()).await;
    copy_files(directory.path(), elsewhere.path());
    let mut branches = Vec::new();
    for data in [directory.path(), elsewhere.path()] {
        let node = start(data, "here").await;
        announce(&node).await.unwrap();
        branches.push(node);
    }
    // A peer knows the branch of one, and the other meets it.
    let other = tempfile::tempdir().unwrap();
    let peer = start(other.path(), "peer").await;
    let as_peer = |node: &SsbAnnouncer| SsbPeer { feed: node.id(), addresses: vec![node.local_address()] };
    peer.peer_book().offer(as_peer(&branches[0]));
    let mut changes = peer.directory().subscribe();
    let known = async {
        while peer.directory().listings().len() < 2 {
            let _change = futures::StreamExt::next(&mut changes).await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.unwrap();
    branches[0].shutdown().await;
    branches[1].peer_book().offer(as_peer(&peer));
    let stopped = async {
        while announce(&branches[1]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, stopped).await.unwrap();
    assert!(matches!(branches[1].own_feed().error, Some(OwnFeedError::Conflict(Conflict::Forked(_)))));
    let noted = async {
        while !fs::read_to_string(elsewhere.path().join("identity/place")).unwrap().contains("forked") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, noted).await.unwrap();
    branches[1].shutdown().await;
    drop(branches);
    let again = start(elsewhere.path(), "here").await;
    let error = announce(&again).await.unwrap_err().to_string();
    assert!(error.contains("forked"), "{error}");
    again.shutdown().await;
}
