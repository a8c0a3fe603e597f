//! How long the timeline and the directory of broadcasts take to answer with a million messages stored (`MESSAGES` in the
//! environment sets another number), how long the store takes to open after a run that ended in order and after one that
//! did not, and how much memory the process has then.
//!
//! The store is filled anew for each run, in some minutes and by a process of its own, whose memory is not counted: half of
//! the messages are posts, a quarter votes, the others names and contacts; beside them are a thousand broadcasts and their
//! segments.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use multihash_codetable::{Code, MultihashDigest as _};
use ssb_announcer::announcement::{Announcer, BroadcastDirectory};
use ssb_announcer::feed::{FeedStore, OwnAppend};
use ssb_announcer::identity::Identity;
use ssb_announcer::social::{SocialIndex, SocialTimeline};
use stream_model::{
    AnnouncementLog as _, BroadcastId, BroadcastStart, Cid, Directory as _, DiscontinuitySequence, MediaSegment,
    MediaSequence, MessageKey, PageRequest, Timeline as _, TimelineCursor, Tracks, WallTime,
};
use tokio::runtime::Runtime;

/// As many feeds as a large community has nodes.
const FEEDS: usize = 250;
/// Messages of one transaction.
const BATCH: usize = 2_000;
/// Broadcasts that the directory knows.
const BROADCASTS: usize = 1_000;

fn messages() -> usize {
    std::env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
}

/// Segments of each broadcast: with a million messages, as many in all as the directory remembers.
fn segments() -> u64 {
    (messages() as u64 / (16 * BROADCASTS as u64)).clamp(1, 60)
}

fn cid(number: u64) -> Cid {
    Cid::new_v1(0x70, Code::Sha2_256.digest(&number.to_be_bytes()))
}

fn segment(number: u64) -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(number),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_secs(15),
        program_date_time: Some(WallTime(1_795_269_780_000 + 15_000 * number)),
        independent: true,
        segment: cid(number),
        init: cid(u64::MAX),
    }
}

fn node() -> Identity {
    Identity::from_seed(&[1; 32])
}

fn open(path: &Path) -> FeedStore {
    FeedStore::open(path, node().id(), vec![Arc::new(SocialIndex)]).expect("a temporary directory can be written")
}

fn content(number: usize, author: &Identity, thread: MessageKey) -> String {
    let feed = author.id();
    match number % 8 {
        0 | 4 => {
            format!(r#"{{"type":"post","text":"Message {number} of a *thread*, with [somebody]({feed}) in it."}}"#)
        }
        1 | 5 => format!(r#"{{"type":"post","text":"Answer {number}","root":"{thread}","branch":"{thread}"}}"#),
        2 | 6 => format!(r#"{{"type":"vote","vote":{{"link":"{thread}","value":1,"expression":"Like"}}}}"#),
        3 => format!(r#"{{"type":"about","about":"{feed}","name":"Node {number}"}}"#),
        _ => format!(r#"{{"type":"contact","contact":"{feed}","following":true}}"#),
    }
}

/// Returns a broadcast with many comments, and a post in the middle of all.
async fn fill(store: &FeedStore) -> (BroadcastId, MessageKey) {
    let authors: Vec<Identity> = (0..FEEDS).map(|_| Identity::generate()).collect();
    let directory = BroadcastDirectory::open(store.clone(), node().id()).expect("an empty store can be read");
    let announcer = Announcer::new(authors[0].clone(), store.clone(), directory);
    let start = BroadcastStart {
        title: "Open stage".to_owned(),
        description: String::new(),
        peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().expect("a peer id"),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime(1_795_269_780_000),
        schedule: None,
        rendition: None,
    };
    let mut last = None;
    for _ in 0..BROADCASTS {
        let broadcast = announcer.start(start.clone()).await.expect("it can be announced");
        for number in 0..segments() {
            announcer.live(broadcast, &segment(number), cid(number)).await.expect("it can be announced");
        }
        last = Some(broadcast);
    }
    let broadcast = last.expect("at least one was announced");
    let (mut thread, mut middle, all) = (broadcast.0, broadcast.0, messages());
    for first in (0..all).step_by(BATCH) {
        let batch = (first..all.min(first + BATCH))
            .map(|number| {
                // A slice of each feed after the other, as backlogs arrive.
                let author = &authors[number / 100 % FEEDS];
                // Every hundredth answer is a comment on the broadcast.
                let root = if number % 800 == 1 { broadcast.0 } else { thread };
                OwnAppend { identity: author.clone(), content_json: content(number, author, root), names: None }
            })
            .collect();
        let stored = store.append_own(batch).await.expect("a temporary directory can be written");
        let mut posts = stored.iter().filter(|message| message.kind.as_deref() == Some("post"));
        thread = posts.next_back().map_or(thread, |post| post.key);
        if first <= all / 2 {
            middle = thread;
        }
    }
    (broadcast, middle)
}

/// Kilobytes of memory of this process (Linux, proc(5)).
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS unknown").to_owned()
}

/// In the environment of the process that fills the store: the file.
const FILL: &str = "MESHSTREAM_BENCH_FILL";

/// Fills a store in a process of its own.
fn fill_elsewhere(path: &Path) -> (BroadcastId, MessageKey) {
    let program = std::env::current_exe().expect("a program has a path");
    let output = Command::new(program).env(FILL, path).output().expect("this program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let mut keys = text.split_whitespace().map(|key| key.parse::<MessageKey>().expect("it prints keys"));
    let mut key = || keys.next().expect("it prints two keys");
    (BroadcastId(key()), key())
}

#[expect(clippy::print_stdout, reason = "it hands over what it made")]
fn fill_here(path: &Path) {
    let runtime = Runtime::new().expect("a runtime");
    let (broadcast, middle) = runtime.block_on(fill(&open(path)));
    println!("{} {middle}", broadcast.0);
}

/// Marks the store as one whose last run did not end in order.
fn cut_off(path: &Path) {
    let connection = rusqlite::Connection::open(path).expect("the store is a database");
    connection.execute("UPDATE runs SET closed = 0", []).expect("the store has runs");
}

#[expect(clippy::print_stdout, reason = "figures that criterion does not measure")]
fn a_million_messages(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("ssb.sqlite3");
    let began = Instant::now();
    let (broadcast, middle) = fill_elsewhere(&path);
    let megabytes = std::fs::metadata(&path).map_or(0, |file| file.len() / 1_000_000);
    println!("{} messages written in {:.0?}, {megabytes} MB", messages(), began.elapsed());

    let open_all = || {
        let began = Instant::now();
        let store = open(&path);
        let broadcasts = BroadcastDirectory::open(store.clone(), node().id()).expect("the store can be read");
        (store, broadcasts, began.elapsed())
    };
    println!("before opening: {}", resident());
    let (store, broadcasts, took) = open_all();
    println!("opened in {took:.2?}, {}", resident());
    drop((store, broadcasts));
    cut_off(&path);
    let (store, broadcasts, took) = open_all();
    println!("opened after a run that was cut off in {took:.2?}, {}", resident());
    let began = Instant::now();
    runtime.block_on(store.check_whole_file()).expect("it is whole");
    println!("then checked whole in {:.2?}, {}", began.elapsed(), resident());
    let timeline = SocialTimeline::open(node(), store);
    let page = |before| PageRequest { before, limit: 50 };
    let half = TimelineCursor(i64::try_from(messages() / 2).expect("a number of messages"));

    let mut group = criterion.benchmark_group("a million messages");
    group.sample_size(20);
    group.bench_function("newest 50 of the timeline", |bencher| {
        bencher.iter(|| runtime.block_on(timeline.newest(page(None))).expect("it can be read"));
    });
    group.bench_function("50 of the timeline from the middle", |bencher| {
        bencher.iter(|| runtime.block_on(timeline.newest(page(Some(half)))).expect("it can be read"));
    });
    group.bench_function("newest 50 comments on a broadcast", |bencher| {
        bencher.iter(|| runtime.block_on(timeline.comments(broadcast, page(None))).expect("it can be read"));
    });
    group.bench_function("50 answers of a thread", |bencher| {
        bencher.iter(|| runtime.block_on(timeline.replies(middle, page(None))).expect("it can be read"));
    });
    group.bench_function("all broadcasts of the directory", |bencher| {
        bencher.iter(|| black_box(broadcasts.listings()).len());
    });
    group.finish();
    println!("after all answers: {}", resident());
}

criterion_group!(benches, a_million_messages);

fn main() {
    if let Some(path) = std::env::var_os(FILL) {
        fill_here(Path::new(&path));
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
