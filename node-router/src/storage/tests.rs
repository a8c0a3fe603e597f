use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use proptest::prelude::*;
use stream_model::{
    BroadcastId, Claim, ContentReader, ContentStore, DirectoryEntry, MediaSequence, MessageKey, Node, StorageFull,
    StoreError,
};
use tempfile::TempDir;

use super::fake::MemoryBlocks;
use super::{Limits, Origin, Record, Storage, Totals};

const PLENTY: u64 = 1 << 40;
const SILENT: Duration = Duration::from_secs(3600);

fn limits(bytes: u64, reserve: u64, silent: Duration) -> Limits {
    Limits { quota: Totals { bytes, blocks: u64::MAX }, reserve, silent }
}

struct Fixture {
    folder: TempDir,
    blocks: Arc<MemoryBlocks>,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), blocks: Arc::default() }
    }

    async fn open(&self) -> Storage {
        self.open_with(limits(PLENTY, 0, SILENT)).await
    }

    async fn open_with(&self, limits: Limits) -> Storage {
        let path = self.folder.path().join("router.sqlite3");
        Storage::open(&path, self.blocks.clone(), limits, Box::new(|| Ok(PLENTY))).await.unwrap()
    }
}

fn broadcast(byte: u8) -> BroadcastId {
    BroadcastId(MessageKey([byte; 32]))
}

fn segment(sequence: u64) -> Claim {
    Claim::Segment(broadcast(1), MediaSequence(sequence))
}

fn live(sequence: u64) -> Claim {
    Claim::LiveManifest(broadcast(1), MediaSequence(sequence))
}

/// A few leaves of their own, different for each seed.
fn parts(seed: u8) -> Vec<Bytes> {
    (0..3_u8).map(|n| Bytes::from([vec![seed, n], vec![0; 70_000]].concat())).collect()
}

fn entry(name: &str, cid: cid::Cid) -> DirectoryEntry {
    DirectoryEntry { name: name.into(), cid }
}

async fn read(storage: &Storage, cid: &cid::Cid, range: std::ops::Range<u64>) -> Result<Vec<u8>, StoreError> {
    let bytes: Vec<Bytes> = storage.read(cid, range).await?.try_collect().await?;
    Ok(bytes.concat())
}

#[tokio::test]
async fn a_file_reads_back_whole_and_in_part() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    let parts = parts(1);
    let all = parts.concat();
    let stored = storage.add_file(parts, segment(0)).await.unwrap();
    assert_eq!(stored.bytes, all.len() as u64);
    assert_eq!(storage.stat(&stored.cid).await.unwrap(), Node::File(stored.bytes));
    assert_eq!(read(&storage, &stored.cid, 0..u64::MAX).await.unwrap(), all);
    for range in [0..1, 70_001..70_003, 140_000..210_006, 5..5, 300_000..400_000] {
        let (start, end) = (range.start.min(all.len() as u64) as usize, range.end.min(all.len() as u64) as usize);
        assert_eq!(read(&storage, &stored.cid, range).await.unwrap(), &all[start..end]);
    }
}

#[tokio::test]
async fn a_range_is_read_without_what_comes_before_it() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    let stored = storage.add_file(parts(1), segment(0)).await.unwrap();
    fixture.blocks.reads.store(0, Ordering::Relaxed);
    read(&storage, &stored.cid, stored.bytes - 1..stored.bytes).await.unwrap();
    // The root and one leaf.
    assert_eq!(fixture.blocks.reads.load(Ordering::Relaxed), 2);
    read(&storage, &stored.cid, stored.bytes - 1..stored.bytes).await.unwrap();
    assert_eq!(fixture.blocks.reads.load(Ordering::Relaxed), 2, "what was read lately is in memory");
    storage.release(segment(0)).await.unwrap();
    let gone = read(&storage, &stored.cid, stored.bytes - 1..stored.bytes).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "and is served no longer than it is held: {gone:?}");
}

#[tokio::test]
async fn a_damaged_block_is_not_served() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    let stored = storage.add_file(vec![Bytes::from_static(b"small")], segment(0)).await.unwrap();
    fixture.blocks.damage(&stored.cid);
    assert!(matches!(storage.stat(&stored.cid).await, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn content_goes_with_its_last_claim() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    let stored = storage.add_file(parts(1), segment(0)).await.unwrap();
    let manifest = storage.add_directory(vec![entry("0.m4s", stored.cid)], live(0)).await.unwrap();
    assert_eq!(manifest.bytes, stored.bytes);

    storage.release(segment(0)).await.unwrap();
    assert!(storage.holds(&stored.cid).await, "the manifest still links to it");
    let Node::Directory(entries) = storage.stat(&manifest.cid).await.unwrap() else { panic!("not a directory") };
    assert_eq!(entries, [entry("0.m4s", stored.cid)]);

    storage.release(live(0)).await.unwrap();
    storage.release(live(0)).await.unwrap();
    assert_ne!(fixture.blocks.len(), 0, "a power cut may bring its row back");
    storage.settle().await.unwrap();
    assert!(!storage.holds(&stored.cid).await);
    assert!(matches!(storage.stat(&stored.cid).await, Err(StoreError::NotFound(_))));
    assert_eq!(fixture.blocks.len(), 0);
    assert_eq!((storage.report().used_bytes, storage.report().files), (0, 0));
}

#[tokio::test]
async fn a_claim_on_several_roots_is_released_at_once() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    let one = storage.add_file(parts(1), segment(0)).await.unwrap();
    let two = storage.add_file(parts(2), segment(0)).await.unwrap();
    storage.release(segment(0)).await.unwrap();
    assert!(!storage.holds(&one.cid).await && !storage.holds(&two.cid).await);
    assert_eq!(fixture.blocks.len(), 0);
}

#[tokio::test]
async fn claiming_again_is_claiming_once_and_writes_nothing() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    let first = storage.add_file(parts(1), segment(0)).await.unwrap();
    let written = fixture.blocks.puts.load(Ordering::Relaxed);
    assert_eq!(storage.add_file(parts(1), segment(0)).await.unwrap(), first);
    assert_eq!(fixture.blocks.puts.load(Ordering::Relaxed), written);
    storage.release(segment(0)).await.unwrap();
    assert_eq!(fixture.blocks.len(), 0);
}

#[tokio::test]
async fn a_directory_over_content_that_is_not_held_is_refused() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    let stored = storage.add_file(parts(1), segment(0)).await.unwrap();
    storage.release(segment(0)).await.unwrap();
    let refused = storage.add_directory(vec![entry("0.m4s", stored.cid)], live(0)).await;
    assert!(matches!(refused, Err(StoreError::NotFound(cid)) if cid == stored.cid));
}

#[tokio::test]
async fn the_reserve_refuses_even_our_own() {
    let fixture = Fixture::new();
    let storage = fixture.open_with(limits(PLENTY, PLENTY, SILENT)).await;
    let refused = storage.add_file(parts(1), segment(0)).await;
    assert!(matches!(refused, Err(StoreError::Full(text)) if text.contains("storage.reserve")));
}

#[tokio::test]
async fn the_quota_refuses_what_is_fetched_and_our_own() {
    let fixture = Fixture::new();
    let storage = fixture.open_with(limits(300_000, 0, SILENT)).await;
    storage.add_file(parts(1), segment(0)).await.unwrap();
    let refused = storage.add_file(parts(2), segment(1)).await;
    assert!(matches!(refused, Err(StoreError::Full(text)) if text.contains("storage.quota")));
    assert_eq!(storage.report().full, Some(StorageFull::Quota));
    let block = Bytes::from(vec![7; 100_000]);
    let cid = crate::unixfs::raw_leaf(&block).cid;
    let refused = storage.put_fetched(cid, block, &Claim::Segment(broadcast(2), MediaSequence(0))).await;
    assert!(matches!(refused, Err(StoreError::Full(text)) if text.contains("storage.quota")));
}

#[tokio::test]
async fn an_abandoned_addition_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    fixture.blocks.crash_after(Some(2));
    assert!(storage.add_file(parts(1), segment(0)).await.is_err());
    fixture.blocks.crash_after(None);
    storage.remove_doomed().await;
    assert_eq!(fixture.blocks.len(), 0);
}

/// Fetches a broadcast's segment of one block.
async fn fetched(storage: &Storage, of: u8, sequence: u64, size: usize) -> Result<cid::Cid, StoreError> {
    let block = Bytes::from(vec![of.wrapping_add(sequence as u8 * 16); size]);
    let node = crate::unixfs::raw_leaf(&block);
    let claim = Claim::Segment(broadcast(of), MediaSequence(sequence));
    storage.put_fetched(node.cid, block, &claim).await?;
    let record = Record { node, size: size as u64, children: Vec::new() };
    storage.commit(vec![record], node.cid, claim, Origin::Fetched, storage.rely()).await?;
    Ok(node.cid)
}

#[tokio::test]
async fn room_is_made_by_evicting_the_broadcast_that_ended_first() {
    let fixture = Fixture::new();
    let storage = fixture.open_with(limits(3_500, 0, Duration::ZERO)).await;
    let own = storage.add_file(vec![Bytes::from_static(b"own")], segment(0)).await.unwrap();
    let oldest = fetched(&storage, 2, 0, 1_000).await.unwrap();
    let newer = fetched(&storage, 3, 0, 1_000).await.unwrap();
    let watched = [fetched(&storage, 4, 0, 1_000).await.unwrap(), fetched(&storage, 4, 1, 1_000).await.unwrap()];
    assert!(!storage.holds(&oldest).await);
    assert!(storage.holds(&newer).await && storage.holds(&own.cid).await);
    assert!(storage.holds(&watched[0]).await && storage.holds(&watched[1]).await);
    assert_eq!(fixture.blocks.len(), 4);
}

#[tokio::test]
async fn what_was_fetched_lately_is_not_evicted() {
    let fixture = Fixture::new();
    let storage = fixture.open_with(limits(1_500, 0, SILENT)).await;
    let kept = fetched(&storage, 2, 0, 1_000).await.unwrap();
    assert!(matches!(fetched(&storage, 3, 0, 1_000).await, Err(StoreError::Full(_))));
    assert!(storage.holds(&kept).await);
}

/// Fetches a file of one block for the gateway.
async fn cached(storage: &Storage, seed: u8, size: usize) -> Result<cid::Cid, StoreError> {
    let block = Bytes::from(vec![seed; size]);
    let node = crate::unixfs::raw_leaf(&block);
    let claim = Claim::Gateway(node.cid);
    storage.put_fetched(node.cid, block, &claim).await?;
    let record = Record { node, size: size as u64, children: Vec::new() };
    storage.commit(vec![record], node.cid, claim, Origin::Fetched, storage.rely()).await?;
    Ok(node.cid)
}

#[tokio::test]
async fn the_gateway_keeps_its_newest_files_within_its_part_of_the_quota() {
    let fixture = Fixture::new();
    let storage = fixture.open_with(limits(20_000, 0, SILENT)).await;
    let mut files = Vec::new();
    for seed in 0..5 {
        files.push(cached(&storage, seed, 900).await.unwrap());
    }
    storage.remove_doomed().await;
    let mut held = Vec::new();
    for cid in &files {
        held.push(storage.holds(cid).await);
    }
    assert_eq!(held, [false, false, false, true, true]);
    assert_eq!(fixture.blocks.len(), 2);
}

#[tokio::test]
async fn what_the_gateway_keeps_makes_room_at_once_and_evicts_nothing_itself() {
    let fixture = Fixture::new();
    let storage = fixture.open_with(limits(10_000, 0, Duration::ZERO)).await;
    let file = cached(&storage, 1, 500).await.unwrap();
    fetched(&storage, 2, 0, 9_000).await.unwrap();
    assert!(storage.holds(&file).await);
    let watched = fetched(&storage, 2, 1, 900).await.unwrap();
    assert!(storage.holds(&watched).await && !storage.holds(&file).await);
    assert!(matches!(cached(&storage, 1, 500).await, Err(StoreError::Full(_))));
    assert!(storage.holds(&watched).await);
}

#[tokio::test]
async fn unfinished_fetches_of_the_gateway_are_bounded() {
    let fixture = Fixture::new();
    let storage = fixture.open_with(limits(10_000, 0, SILENT)).await;
    let put = async |seed: u8, claim: Claim| {
        let block = Bytes::from(vec![seed; 600]);
        storage.put_fetched(crate::unixfs::raw_leaf(&block).cid, block, &claim).await
    };
    let gateway = Claim::Gateway(cid::Cid::default());
    put(1, gateway).await.unwrap();
    assert!(matches!(put(2, gateway).await, Err(StoreError::Full(_))));
    put(3, segment(0)).await.unwrap();
}

#[tokio::test]
async fn the_gateways_cache_is_emptied_by_a_restart_and_nothing_else_is() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    let file = cached(&storage, 1, 500).await.unwrap();
    let watched = fetched(&storage, 2, 0, 500).await.unwrap();
    drop(storage);
    let storage = fixture.open().await;
    storage.sweep().await.unwrap();
    assert!(storage.holds(&watched).await && !storage.holds(&file).await);
    assert_eq!(fixture.blocks.len(), 1);
}

#[tokio::test]
async fn a_full_disk_is_told() {
    let fixture = Fixture::new();
    let full = fixture.open_with(limits(PLENTY, PLENTY, SILENT)).await;
    assert!(full.report().disk_full);
    drop(full);
    assert!(!fixture.open().await.report().disk_full);
}

/// What a program does to the store.
#[derive(Debug, Clone)]
enum Step {
    Add(u8),
    AddManifest(u8),
    Release(u8),
    ReleaseManifest(u8),
}

fn step() -> impl Strategy<Value = Step> {
    (0..4_u8, 0..4_u8).prop_map(|(kind, which)| match kind {
        0 => Step::Add(which),
        1 => Step::AddManifest(which),
        2 => Step::Release(which),
        _ => Step::ReleaseManifest(which),
    })
}

async fn take(storage: &Storage, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::Add(which) => {
            // Neighbours share leaves.
            let parts = [parts(*which), parts(which + 1)].concat();
            storage.add_file(parts, segment(u64::from(*which))).await.map(|_| ())
        }
        Step::AddManifest(which) => {
            let parts = [parts(*which), parts(which + 1)].concat();
            let file = storage.add_file(parts, segment(u64::from(*which))).await?;
            let entries = vec![entry("segment.m4s", file.cid)];
            storage.add_directory(entries, live(u64::from(*which))).await.map(|_| ())
        }
        Step::Release(which) => storage.release(segment(u64::from(*which))).await,
        Step::ReleaseManifest(which) => storage.release(live(u64::from(*which))).await,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The process dies after any number of writes to disk; the next one finds whole all that it has a row for, sweeps
    /// the rest, and when all claims are released nothing is left.
    #[test]
    fn no_crash_loses_what_is_claimed_or_leaks(steps in prop::collection::vec(step(), 1..12), writes in 0_usize..40) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new();
            let storage = fixture.open().await;
            fixture.blocks.crash_after(Some(writes));
            for step in &steps {
                let _ = take(&storage, step).await;
            }
            drop(storage);

            fixture.blocks.crash_after(None);
            let storage = fixture.open().await;
            storage.sweep().await.unwrap();
            prop_assert_eq!(storage.report().files, fixture.blocks.len() as u64);
            let held: Vec<_> = super::Blocks::list(&*fixture.blocks).try_concat().await.unwrap();
            for cid in held {
                if let Node::File(size) = storage.stat(&cid).await.unwrap() {
                    prop_assert_eq!(read(&storage, &cid, 0..u64::MAX).await.unwrap().len() as u64, size);
                }
            }
            for which in 0..4 {
                storage.release(segment(which)).await.unwrap();
                storage.release(live(which)).await.unwrap();
            }
            storage.settle().await.unwrap();
            prop_assert_eq!(storage.report().files, 0);
            prop_assert_eq!(fixture.blocks.len(), 0);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn additions_and_releases_of_the_same_blocks_do_not_cross() {
    let fixture = Fixture::new();
    let storage = fixture.open().await;
    let worker = |claim: u64| {
        let storage = storage.clone();
        async move {
            for _ in 0..20 {
                let stored = storage.add_file(parts(1), segment(claim)).await.unwrap();
                assert_eq!(read(&storage, &stored.cid, 0..u64::MAX).await.unwrap(), parts(1).concat());
                storage.release(segment(claim)).await.unwrap();
            }
        }
    };
    futures::future::join_all((0..4).map(|claim| tokio::spawn(worker(claim)))).await;
    storage.remove_doomed().await;
    assert_eq!(fixture.blocks.len(), 0);
}
