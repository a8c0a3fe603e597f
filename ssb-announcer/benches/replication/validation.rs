//! Validating the same messages with npm `ssb-validate2` and here, with and without a disk, and writing own ones.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ssb_announcer::feed::{FeedStore, MAX_READ, OwnAppend};
use ssb_announcer::identity::Identity;
use stream_model::FeedSequence;

use crate::{median, per_second, row};

const MESSAGES: usize = 10_000;
const RUNS: usize = 5;
/// Own messages that are each synced to the disk, as announcements are.
const SYNCED: usize = 200;

fn author() -> Identity {
    Identity::from_seed(&[7; 32])
}

fn reader(path: Option<&Path>) -> FeedStore {
    let node = Identity::from_seed(&[8; 32]).id();
    let store = match path {
        Some(path) => FeedStore::open(path, node, vec![]).unwrap(),
        None => FeedStore::in_memory(node, vec![]).unwrap(),
    };
    assert!(store.want_peer(author().id()));
    store
}

fn append(number: usize) -> OwnAppend {
    let text = "A message as people write them: a sentence or two, some of it in Ελληνικά, with a #channel.";
    let content_json = format!(r#"{{"type":"post","text":"{text}","number":{number}}}"#);
    OwnAppend { identity: author(), content_json, names: None }
}

pub(crate) async fn run() {
    let directory = tempfile::tempdir().unwrap();
    let store = FeedStore::open(&directory.path().join("author.sqlite3"), author().id(), vec![]).unwrap();
    let began = Instant::now();
    store.append_own((0..MESSAGES).map(append).collect()).await.unwrap();
    let signing = began.elapsed();
    let values = values(&store).await;
    let bytes: usize = values.iter().map(Bytes::len).sum();

    let javascript = median(&mut in_javascript(&directory.path().join("feed.jsonl"), &values));
    let in_memory = median(&mut here(&values, |_| None));
    let on_disk = median(&mut here(&values, |n| Some(directory.path().join(format!("{n}.sqlite3")))));

    let mut synced: Vec<Duration> = Vec::with_capacity(SYNCED);
    for number in 0..SYNCED {
        let began = Instant::now();
        store.append_own(vec![append(number)]).await.unwrap();
        synced.push(began.elapsed());
    }

    let rate = |time| {
        format!(
            "{:.0}/s, {:.2} times as fast",
            per_second(MESSAGES, time),
            javascript.as_secs_f64() / time.as_secs_f64()
        )
    };
    row(&format!("npm ssb-validate2: {MESSAGES} messages of {} bytes validated", bytes / MESSAGES), &rate(javascript));
    row("here: validated, and stored in memory", &rate(in_memory));
    row("here: validated, and stored on disk, durable in batches", &rate(on_disk));
    row("here: own messages signed and stored on disk in one transaction", &rate(signing));
    row(
        &format!("here: an own message signed and durable alone (median of {SYNCED})"),
        &format!("{:.2?}", median(&mut synced)),
    );
}

async fn values(store: &FeedStore) -> Vec<Bytes> {
    let mut values = Vec::with_capacity(MESSAGES);
    while values.len() < MESSAGES {
        let next = FeedSequence(values.len() as u64 + 1);
        let messages = store.get(author().id(), next, MAX_READ).await.unwrap();
        values.extend(messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())));
    }
    values
}

fn here(values: &[Bytes], path: impl Fn(usize) -> Option<PathBuf>) -> Vec<Duration> {
    let run = |n| {
        let store = reader(path(n).as_deref());
        let began = Instant::now();
        let answers = store.append_remote_blocking(values).unwrap();
        assert!(answers.iter().all(Result::is_ok));
        began.elapsed()
    };
    (0..RUNS).map(run).collect()
}

fn in_javascript(file: &Path, values: &[Bytes]) -> Vec<Duration> {
    let lines: Vec<u8> = values.iter().flat_map(|value| value.iter().copied().chain([b'\n'])).collect();
    std::fs::write(file, lines).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/javascript");
    assert!(folder.join("node_modules").exists(), "{} is not installed: run 'make bench'", folder.display());
    let output = Command::new("node").arg(folder.join("validate.js")).arg(file).arg(RUNS.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| Duration::from_secs_f64(line.parse::<f64>().unwrap() / 1e3)).collect()
}
