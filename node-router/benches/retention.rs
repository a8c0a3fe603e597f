//! What does it cost a node to start with a terabyte in its index? And do publishers notice that what was fetched is evicted
//! for them?

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};
use node_router::{Config, NodeRouter, UploadLimits};
use rusqlite::{Connection, params};
use stream_model::{BroadcastId, Claim, MediaSequence, MessageKey};

/// A terabyte of segments of 14 parts of 1 MB.
const SEGMENTS: u64 = 75_000;
const PARTS: u64 = 14;
const PART: u64 = 1_000_000;

/// Segments that are evicted, each of two leaves; published segments are a hundred times as large.
const EVICTED: u64 = 10_000;
const PUBLISHED: u64 = 100;
const LEAF: u64 = 25_500;

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    for segments in [0, SEGMENTS] {
        let folder = tempfile::tempdir().expect("there is a temporary directory");
        let router = runtime.block_on(start(folder.path(), u64::MAX));
        runtime.block_on(router.shutdown());
        drop(router);
        let blocks = fill(folder.path(), segments, PARTS, PART, false);
        let (before, since) = (resident(), Instant::now());
        let router = runtime.block_on(start(folder.path(), u64::MAX));
        let (took, grown) = (since.elapsed(), resident().saturating_sub(before));
        let report = router.storage_report();
        assert_eq!(report.files, blocks);
        println!(
            "start with {blocks} blocks, {} GB: {took:.1?}, {} kB more resident",
            report.used_bytes / 1_000_000_000,
            grown
        );
        runtime.block_on(router.shutdown());
    }
    let quiet = publish(&runtime, 0);
    let evicting = publish(&runtime, EVICTED);
    println!(
        "publishing {PUBLISHED} segments of 5 MB: {quiet:.1?} each, {evicting:.1?} each while {EVICTED} segments are evicted: {:.2}",
        evicting.as_secs_f64() / quiet.as_secs_f64()
    );
}

/// Time for each published segment, in a store that `stored` segments fill.
fn publish(runtime: &tokio::runtime::Runtime, stored: u64) -> Duration {
    let folder = tempfile::tempdir().expect("there is a temporary directory");
    let router = runtime.block_on(start(folder.path(), u64::MAX));
    runtime.block_on(router.shutdown());
    drop(router);
    fill(folder.path(), stored, 2, LEAF, true);
    let quota = if stored == 0 { u64::MAX } else { stored * (2 * LEAF + 100) };
    let router = runtime.block_on(start(folder.path(), quota));
    let store = router.store();
    let since = Instant::now();
    for sequence in 0..PUBLISHED {
        let part = |n: u64| Bytes::from([sequence.to_be_bytes(), n.to_be_bytes()].concat().repeat(340_000 / 16));
        let claim = Claim::Segment(BroadcastId(MessageKey([1; 32])), MediaSequence(sequence));
        let stored = runtime.block_on(store.add_file((0..15).map(part).collect(), claim));
        stored.expect("there is room, or what goes for it");
    }
    let took = since.elapsed();
    runtime.block_on(router.shutdown());
    took / PUBLISHED as u32
}

async fn start(data_dir: &Path, quota: u64) -> NodeRouter {
    let config = Config {
        data_dir: data_dir.to_owned(),
        ipfs_listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        ipfs_devices: Vec::new(),
        quota,
        max_files: u64::MAX,
        reserve: 0,
        upload: UploadLimits::default(),
        swarm_key: None,
    };
    NodeRouter::start(config).await.expect("the router starts")
}

/// Writes fetched segments into the index, and files for them that have another content. Returns how many blocks these are.
fn fill(data_dir: &Path, segments: u64, parts: u64, size: u64, files: bool) -> u64 {
    let mut connection = Connection::open(data_dir.join("router.sqlite3")).expect("the index is there");
    let transaction = connection.transaction().expect("nobody else writes");
    let (mut id, store) = (0_u64, data_dir.join("ipfs/blockstore"));
    {
        let mut block = transaction
            .prepare("INSERT INTO blocks (id, cid, size, content_bytes, dag_bytes, refs) VALUES (?, ?, ?, ?, ?, 1)")
            .expect("the table is as the store makes it");
        let mut link = transaction.prepare("INSERT INTO links (parent, child) VALUES (?, ?)").expect("likewise");
        let mut claim = transaction
            .prepare("INSERT INTO claims (claim, block, broadcast, own) VALUES (?, ?, ?, 0)")
            .expect("likewise");
        let mut add = |size: u64, dag_bytes: u64, codec: u64| {
            id += 1;
            let cid = Cid::new_v1(codec, Code::Sha2_256.digest(&id.to_be_bytes()));
            block.execute(params![id, cid.to_bytes(), size, dag_bytes, dag_bytes]).expect("the row is new");
            if files {
                write(&store, &cid);
            }
            id
        };
        for segment in 0..segments {
            let broadcast = BroadcastId(MessageKey([2 + (segment % 50) as u8; 32]));
            let leaves: Vec<u64> = (0..parts).map(|_| add(size, size, 0x55)).collect();
            let root = add(100, parts * size, 0x70);
            for leaf in leaves {
                link.execute([root, leaf]).expect("both have rows");
            }
            let name = Claim::Segment(broadcast, MediaSequence(segment)).to_string();
            claim.execute(params![name, root, broadcast.slug()]).expect("the root has a row");
        }
    }
    transaction.commit().expect("the disk takes it");
    id
}

fn write(store: &Path, cid: &Cid) {
    let name = cid.to_string();
    let shard = store.join(&name[name.len() - 3..name.len() - 1]);
    fs::create_dir_all(&shard).expect("the disk takes it");
    fs::write(shard.join(format!("{name}.data")), b"x").expect("the disk takes it");
}

/// Resident memory of this process in kB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
