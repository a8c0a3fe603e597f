//! Messages exported from one node and imported on another that never met the author.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use ssb_announcer::announcement::exercise;
use stream_model::{
    BroadcastId, CarriedMessages, CarriedMessagesError, Directory as _, FeedSequence, Interest, MediaSequence,
    MessageKey, Standings as _,
};

use crate::node::{HOUR, Node};

/// The line that is refused.
fn refused<T: std::fmt::Debug>(outcome: Result<T, CarriedMessagesError>) -> (u64, String) {
    match outcome {
        Err(CarriedMessagesError::Refused { line, reason }) => (line, reason),
        other => panic!("{other:?}"),
    }
}

fn lines(text: &[u8]) -> Vec<String> {
    String::from_utf8(text.to_vec()).unwrap().lines().map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn what_is_exported_is_the_same_after_an_import() {
    let [author, carrier, receiver] = [1, 2, 3].map(Node::in_memory);
    let (other, _) = author.broadcast().await;
    author.end(other, 6).await;
    let (id, feeds) = author.broadcast().await;
    carrier.store.want_peer(author.id());
    carrier.directory.set_interest(Interest { followed: [id].into(), held: [id].into() });
    carrier.replicate_from(&author).await;

    let carried = carrier.export(id).await.unwrap();
    assert_eq!(carried, author.export(id).await.unwrap());
    let messages = lines(&carried);
    assert_eq!(messages.len(), 5 + 6, "the author's node feed, then the two of this broadcast");
    for (line, author) in
        messages.iter().zip([[author.id()].repeat(5), [feeds[0]].repeat(3), [feeds[1]].repeat(3)].concat())
    {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["key"].as_str().unwrap().ends_with(".sha256"));
        assert_eq!(line["value"]["author"], json!(author));
    }
    assert_eq!(receiver.import(id, &carried).await.unwrap(), CarriedMessages { new: 11, known: 0 });
    assert_eq!(receiver.import(id, &carried).await.unwrap(), CarriedMessages { new: 0, known: 11 });
    assert_eq!(receiver.export(id).await.unwrap(), carried);
    let (here, there) = (receiver.directory.listing(&id).unwrap(), carrier.directory.listing(&id).unwrap());
    assert_eq!(here, there);
    assert_eq!(receiver.directory.segments(&id, MediaSequence(0), 9).len(), 6);
}

#[tokio::test]
async fn what_is_imported_is_wanted_and_served_also_after_a_restart_where_it_is_held() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let [author, peer] = [1, 2].map(Node::in_memory);
    let (id, feeds) = author.broadcast().await;
    let carried = author.export(id).await.unwrap();
    let importer = Node::open(3, &path);
    importer.import(id, &carried).await.unwrap();
    peer.store.want_peer(author.id());
    peer.directory.set_interest(Interest { followed: [id].into(), held: BTreeSet::new() });
    peer.replicate_from(&importer).await;
    assert_eq!(peer.clocks(&feeds), [3, 3]);
    drop(importer);

    let importer = Node::open(3, &path);
    assert!(importer.store.wanted().borrow().kind(&author.id()).is_none(), "nothing is held yet");
    importer.directory.set_interest(Interest { followed: BTreeSet::new(), held: [id].into() });
    assert!(importer.store.wanted().borrow().kind(&author.id()).is_some());
    assert_eq!(importer.broadcast_feeds(), BTreeSet::from(feeds).into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn lines_of_other_programs_are_taken_and_what_is_newer_continues_what_is_here() {
    let [author, receiver] = [1, 2].map(Node::in_memory);
    let (id, _) = author.broadcast().await;
    receiver.import(id, &author.export(id).await.unwrap()).await.unwrap();
    author.live(id, 6..8).await;
    // With the time of receipt, spaces, empty lines, and without an end of line after the last.
    let mut text = String::new();
    for line in lines(&author.export(id).await.unwrap()) {
        let (key, value) = line.trim().split_once(",\"value\":").unwrap();
        let value = value.strip_suffix('}').unwrap();
        text.push_str(&format!("{key}, \"value\": {value}, \"timestamp\": 1700000000000.5 }}\r\n\n"));
    }
    let taken = receiver.import(id, text.trim_end().as_bytes()).await.unwrap();
    assert_eq!(taken, CarriedMessages { new: 2, known: 8 });
    assert_eq!(receiver.directory.segments(&id, MediaSequence(6), 9).len(), 2);
}

#[tokio::test]
async fn what_is_damaged_is_refused_with_its_line_and_what_came_before_is_kept() {
    let author = Node::in_memory(1);
    let (id, feeds) = author.broadcast().await;
    let good = lines(&author.export(id).await.unwrap());
    assert_eq!(good.len(), 2 + 6);
    let changed = |line: usize, text: &str| {
        let mut lines = good.clone();
        lines[line - 1] = text.to_owned();
        lines.concat()
    };
    let flipped = |line: usize, from: &str, to: &str| changed(line, &good[line - 1].replacen(from, to, 1));
    let missing = |line: usize| [&good[..line - 1], &good[line..]].concat().concat();
    let huge = format!("{{\"key\":\"{}\",\"value\":\"{}\"}}\n", MessageKey([0; 32]), "x".repeat(1 << 20));
    let deep = format!("{{\"key\":{}1{}}}\n", "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        // The text, the line refused, a word of the reason, and the clocks then.
        (flipped(4, "14000", "14001"), 4, "key", [2, 1, 0]),
        (missing(4), 4, "expected", [2, 1, 0]),
        (missing(1), 1, "expected", [0, 0, 0]),
        (changed(6, &huge), 6, "bytes", [2, 3, 0]),
        (changed(6, &"x".repeat(1 << 20)), 6, "bytes", [2, 3, 0]),
        (changed(6, &deep), 6, "deep", [2, 3, 0]),
        (changed(7, "{}\n"), 7, "key", [2, 3, 1]),
        (changed(7, "\u{0}\u{1}\n"), 7, "key", [2, 3, 1]),
        (changed(7, &good[0]), 8, "expected", [2, 3, 1]),
    ];
    for (text, line, reason, clocks) in cases {
        let receiver = Node::in_memory(3);
        let (refused, why) = refused(receiver.import(id, text.as_bytes()).await);
        assert_eq!((refused, why.contains(reason)), (line, true), "{why}");
        assert_eq!(receiver.clocks(&[author.id(), feeds[0], feeds[1]]), clocks, "{why}");
        let whole = receiver.import(id, good.concat().as_bytes()).await.unwrap();
        assert_eq!(whole.new + whole.known, 8, "the rest may come later");
    }
}

#[tokio::test]
async fn a_forged_signature_with_the_key_of_its_own_value_is_refused() {
    let author = Node::in_memory(1);
    let (id, _) = author.broadcast().await;
    let mut text = lines(&author.export(id).await.unwrap());
    text[1] = with_signature_of(&text[0], &text[1]);
    let receiver = Node::in_memory(3);
    let (line, reason) = refused(receiver.import(id, text.concat().as_bytes()).await);
    assert_eq!((line, reason.contains("signature")), (2, true), "{reason}");
    assert_eq!(receiver.clocks(&[author.id()]), [1]);
}

/// A message with the signature of another, and the key that it then has.
fn with_signature_of(other: &str, line: &str) -> String {
    let signature = |line: &str| serde_json::from_str::<Value>(line).unwrap()["value"]["signature"].to_string();
    let line = line.replace(&signature(line), &signature(other));
    let (_, value) = line.trim().split_once(",\"value\":").unwrap();
    let value = value.strip_suffix('}').unwrap();
    let signed = ssb_legacy_msg_data::json::from_slice::<ssb_legacy_msg_data::value::Value>(value.as_bytes()).unwrap();
    let signed = ssb_legacy_msg_data::json::to_string(&signed, false).unwrap();
    let key = Sha256::digest(ssb_validate::utils::node_buffer_binary_serializer(&signed));
    format!("{{\"key\":\"{}\",\"value\":{value}}}\n", MessageKey(key.into()))
}

#[tokio::test]
async fn feeds_of_others_are_refused() {
    let [author, other, receiver] = [1, 2, 3].map(Node::in_memory);
    let (id, _) = author.broadcast().await;
    let (unrelated, [first, _]) = author.broadcast().await;
    author.end(unrelated, 6).await;
    let (others, _) = other.broadcast().await;
    let (good, theirs) = (author.export(id).await.unwrap(), other.export(others).await.unwrap());
    let (line, reason) = refused(receiver.import(id, &[good.clone(), theirs.clone()].concat()).await);
    assert_eq!((line, reason.contains("neither")), (12, true), "{reason}");
    assert_eq!(receiver.clocks(&[author.id(), other.id()]), [5, 0]);
    let of_unrelated = author.store.get(first, FeedSequence(1), 1).await.unwrap().remove(0);
    let line = format!("{{\"key\":\"{}\",\"value\":{}}}", of_unrelated.key, of_unrelated.value_json);
    let (line, reason) = refused(receiver.import(id, line.as_bytes()).await);
    assert_eq!((line, reason.contains("neither")), (1, true), "{reason}");

    // Of a broadcast that the messages do not announce.
    let nobody = Node::in_memory(4);
    let (line, reason) = refused(nobody.import(id, lines(&theirs)[..2].concat().as_bytes()).await);
    assert_eq!((line, reason.contains("announces")), (2, true), "{reason}");
    assert_eq!(nobody.clocks(&[other.id()]), [0], "nothing of it is left");
    assert!(nobody.store.wanted().borrow().kind(&other.id()).is_none());
    let (line, _) = refused(nobody.import(id, b"").await);
    assert_eq!(line, 0);
}

#[tokio::test]
async fn of_a_forked_feed_what_is_here_stays() {
    let [author, twin, receiver] = [Node::in_memory(1), Node::in_memory(1), Node::in_memory(3)];
    let (id, feeds) = author.broadcast().await;
    let (forked, _) = twin.broadcast().await;
    receiver.import(id, &author.export(id).await.unwrap()).await.unwrap();
    let (line, reason) = refused(receiver.import(id, &twin.export(forked).await.unwrap()).await);
    assert_eq!((line, reason.contains("fork")), (1, true), "{reason}");
    assert_eq!(receiver.clocks(&[author.id(), feeds[0], feeds[1]]), [2, 3, 3]);
    assert_eq!(receiver.export(id).await.unwrap(), author.export(id).await.unwrap());
}

#[tokio::test]
async fn a_broadcast_that_is_not_known_cannot_be_exported() {
    let id = BroadcastId(MessageKey([7; 32]));
    let outcome = Node::in_memory(1).export(id).await;
    assert!(matches!(outcome, Err(CarriedMessagesError::UnknownBroadcast(unknown)) if unknown == id));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_was_dropped_is_taken_again_from_a_carrier() {
    let [author, receiver] = [1, 2].map(Node::in_memory);
    let (id, feeds) = author.broadcast().await;
    author.end(id, 6).await;
    let carried = author.export(id).await.unwrap();
    receiver.store.want_peer(author.id());
    receiver.directory.set_interest(Interest { followed: [id].into(), held: BTreeSet::new() });
    receiver.replicate_from(&author).await;
    tokio::time::advance(HOUR).await;
    let dropped = async {
        while receiver.clocks(&feeds) != [0, 0] {
            tokio::task::yield_now().await;
        }
        receiver.directory.close();
    };
    tokio::join!(receiver.directory.run(), dropped);

    assert_eq!(receiver.import(id, &carried).await.unwrap(), CarriedMessages { new: 6, known: 3 });
    assert_eq!(receiver.export(id).await.unwrap(), carried);
    author.archive(id, 0, 5).await;
    receiver.replicate_from(&author).await;
    assert_eq!(lines(&receiver.export(id).await.unwrap()).len(), 4, "an archive vouches for the rest");
    assert_eq!(receiver.import(id, &carried).await.unwrap(), CarriedMessages { new: 0, known: 9 });
}

/// The seeds and finds of `make fuzz`. What the whole one holds was signed by JavaScript's `ssb-validate`.
#[tokio::test]
async fn the_fuzzing_corpus_is_handled_and_what_javascript_signed_is_taken() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/ssb_carried");
    let files: Vec<_> = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "{} files", files.len());
    // It has a runtime of its own.
    let exercised = tokio::task::spawn_blocking(move || {
        for file in files {
            exercise(&std::fs::read(file).unwrap());
        }
    });
    exercised.await.unwrap();

    let receiver = Node::in_memory(3);
    let whole = std::fs::read(corpus.join("whole")).unwrap();
    let announcement: Value = serde_json::from_str(&lines(&whole)[1]).unwrap();
    let id: BroadcastId = announcement["key"].as_str().unwrap().parse().unwrap();
    assert_eq!(receiver.import(id, &whole).await.unwrap(), CarriedMessages { new: 9, known: 0 });
    assert_eq!(receiver.export(id).await.unwrap(), whole);
    assert_eq!(receiver.directory.standing(&id).withdrawn.as_deref(), Some("sorry"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What is taken of a damaged file is the beginning of each feed, and the whole file still fits on it.
    #[test]
    fn whatever_byte_is_damaged_what_was_taken_stands(position: prop::sample::Index, byte: u8, cut: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (author, receiver) = (Node::in_memory(1), Node::in_memory(2));
            let (id, feeds) = author.broadcast().await;
            let whole = author.export(id).await.unwrap();
            let mut damaged = whole.clone();
            let position = position.index(whole.len());
            damaged[position] = byte;
            if cut {
                damaged.truncate(position);
            }
            let outcome = receiver.import(id, &damaged).await;
            let held: u64 = receiver.clocks(&[author.id(), feeds[0], feeds[1]]).iter().sum();
            match outcome {
                Ok(carried) => assert_eq!((carried.new, carried.known), (held, 0)),
                Err(CarriedMessagesError::Refused { line, .. }) => assert!(held < line.max(1), "{held} of {line}"),
                Err(error) => panic!("{error}"),
            }
            let rest = receiver.import(id, &whole).await.unwrap();
            assert_eq!((rest.new, rest.known), (8 - held, held));
            assert_eq!(receiver.export(id).await.unwrap(), whole);
        });
    }
}
