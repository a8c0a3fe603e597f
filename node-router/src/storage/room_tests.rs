//! What goes when room is needed, and what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use proptest::prelude::*;
use stream_model::{
    BroadcastId, Claim, ContentStore, DirectoryEntry, MediaSequence, MessageKey, Retention, StorageFull, StoreError,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::fake::MemoryBlocks;
use super::{Limits, Origin, Record, Storage, Totals};

/// Of each block here.
const SIZE: u64 = 1_000;

struct Fixture {
    _folder: TempDir,
    blocks: Arc<MemoryBlocks>,
    storage: Storage,
    free: Arc<AtomicU64>,
}

impl Fixture {
    /// Nothing is active: what was fetched a moment ago may go.
    async fn new(blocks: u64) -> Self {
        Self::with_quota(Totals { bytes: blocks * SIZE, blocks: u64::MAX }).await
    }

    async fn with_quota(quota: Totals) -> Self {
        let (folder, blocks) = (tempfile::tempdir().unwrap(), Arc::<MemoryBlocks>::default());
        let free = Arc::new(AtomicU64::new(u64::MAX));
        let free_space = {
            let free = free.clone();
            move || Ok(free.load(Ordering::Relaxed))
        };
        let limits = Limits { quota, reserve: 10 * SIZE, silent: Duration::ZERO };
        let path = folder.path().join("router.sqlite3");
        let storage = Storage::open(&path, blocks.clone(), limits, Box::new(free_space)).await.unwrap();
        Self { _folder: folder, blocks, storage, free }
    }

    async fn publish(&self, number: u8) -> Result<Cid, StoreError> {
        let claim = Claim::Segment(broadcast(0), MediaSequence(number.into()));
        Ok(self.storage.add_file(vec![block(0, number)], claim).await?.cid)
    }

    async fn fetch(&self, of: u8, number: u8) -> Result<Cid, StoreError> {
        let block = block(of, number);
        let node = crate::unixfs::raw_leaf(&block);
        let claim = Claim::Segment(broadcast(of), MediaSequence(number.into()));
        self.storage.put_fetched(node.cid, block, &claim).await?;
        let record = Record { node, size: SIZE, children: Vec::new() };
        self.storage.commit(vec![record], node.cid, claim, Origin::Fetched, self.storage.rely()).await?;
        Ok(node.cid)
    }

    async fn held(&self, cids: &[Cid]) -> Vec<bool> {
        let mut held = Vec::new();
        for cid in cids {
            held.push(self.storage.holds(cid).await);
        }
        held
    }
}

fn broadcast(byte: u8) -> BroadcastId {
    BroadcastId(MessageKey([byte; 32]))
}

fn block(of: u8, number: u8) -> Bytes {
    Bytes::from([vec![of, number], vec![7; SIZE as usize - 2]].concat())
}

fn is_full<T>(result: &Result<T, StoreError>, setting: &str) -> bool {
    matches!(result, Err(StoreError::Full(text)) if text.contains(setting))
}

#[tokio::test]
async fn what_passes_goes_before_what_is_mirrored_and_what_is_kept_stays() {
    let fixture = Fixture::new(4).await;
    for (of, retention) in [(1, Retention::Kept), (2, Retention::Mirrored)] {
        fixture.storage.retain(broadcast(of), retention).await.unwrap();
    }
    let mut cids = Vec::new();
    for of in 1..=4 {
        cids.push(fixture.fetch(of, 0).await.unwrap());
    }
    let next = fixture.storage.next_to_go(9).await.unwrap();
    let order: Vec<_> = next.iter().map(|next| (next.broadcast, next.retention, next.bytes)).collect();
    let (passing, mirrored) = (Retention::Passing, Retention::Mirrored);
    assert_eq!(order, [(broadcast(3), passing, SIZE), (broadcast(4), passing, SIZE), (broadcast(2), mirrored, SIZE)]);
    for (number, held) in
        [(0, [true, true, false, true]), (1, [true, true, false, false]), (2, [true, false, false, false])]
    {
        fixture.publish(number).await.unwrap();
        // Each time all claims of the first go: they are few.
        assert_eq!(fixture.held(&cids).await, held, "{number}");
    }
    assert!(is_full(&fixture.publish(3).await, "storage.quota"));
    assert_eq!(fixture.storage.report().full, Some(StorageFull::Quota));
}

#[tokio::test]
async fn the_owner_outweighs_what_is_said_of_a_broadcast() {
    let fixture = Fixture::new(2).await;
    let cids = [fixture.fetch(1, 0).await.unwrap(), fixture.fetch(2, 0).await.unwrap()];
    fixture.storage.overrule(broadcast(1), Some(Retention::Kept)).await.unwrap();
    fixture.storage.retain(broadcast(1), Retention::Passing).await.unwrap();
    fixture.publish(0).await.unwrap();
    assert_eq!(fixture.held(&cids).await, [true, false]);
    fixture.storage.overrule(broadcast(1), None).await.unwrap();
    fixture.publish(1).await.unwrap();
    assert_eq!(fixture.held(&cids).await, [false, false]);
}

#[tokio::test]
async fn what_is_mirrored_does_not_push_out_what_is_mirrored() {
    let fixture = Fixture::new(2).await;
    for of in [1, 2] {
        fixture.storage.retain(broadcast(of), Retention::Mirrored).await.unwrap();
    }
    let cids = [fixture.fetch(1, 0).await.unwrap(), fixture.fetch(1, 1).await.unwrap()];
    assert!(is_full(&fixture.fetch(2, 0).await, "storage.quota"));
    assert_eq!(fixture.held(&cids).await, [true, true]);
    fixture.fetch(3, 0).await.unwrap();
    assert_eq!(fixture.held(&cids).await, [false, false]);
}

#[tokio::test]
async fn files_are_bounded_as_bytes_are() {
    let fixture = Fixture::with_quota(Totals { bytes: u64::MAX, blocks: 2 }).await;
    let first = fixture.fetch(1, 0).await.unwrap();
    fixture.publish(0).await.unwrap();
    fixture.publish(1).await.unwrap();
    assert_eq!(fixture.held(&[first]).await, [false]);
    assert!(is_full(&fixture.publish(2).await, "storage.max_files"));
    assert_eq!(fixture.storage.report().full, Some(StorageFull::Files));
}

#[tokio::test]
async fn a_full_disk_makes_others_go_then_refuses_and_takes_again_when_there_is_room() {
    let fixture = Fixture::new(100).await;
    let fetched = fixture.fetch(1, 0).await.unwrap();
    fixture.free.store(0, Ordering::Relaxed);
    assert!(is_full(&fixture.publish(0).await, "storage.reserve"));
    assert_eq!(fixture.held(&[fetched]).await, [false]);
    let report = fixture.storage.report();
    assert!(report.disk_full);
    assert_eq!(report.full, Some(StorageFull::Disk));

    fixture.free.store(u64::MAX, Ordering::Relaxed);
    fixture.publish(0).await.unwrap();
    assert_eq!(fixture.storage.report().full, None);
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_told_of_until_it_can() {
    let fixture = Fixture::new(100).await;
    let kept = fixture.publish(0).await.unwrap();
    fixture.blocks.crash_after(Some(0));
    assert!(matches!(fixture.publish(1).await, Err(StoreError::Failed(_))));
    assert!(fixture.storage.report().failing);
    assert_eq!(fixture.held(&[kept]).await, [true]);
    fixture.blocks.crash_after(None);
    fixture.publish(1).await.unwrap();
    assert!(!fixture.storage.report().failing);
}

#[tokio::test]
async fn what_was_put_before_a_sync_that_failed_is_put_again() {
    let fixture = Fixture::new(100).await;
    // The put succeeds, the sync does not.
    fixture.blocks.crash_after(Some(1));
    assert!(fixture.publish(0).await.is_err());
    fixture.blocks.crash_after(None);
    let puts = fixture.blocks.puts.load(Ordering::Relaxed);
    fixture.publish(0).await.unwrap();
    assert_eq!(fixture.blocks.puts.load(Ordering::Relaxed), puts + 1);
}

#[tokio::test]
async fn a_segment_takes_one_sync() {
    let fixture = Fixture::new(1_000).await;
    let parts = (0..9_u8).map(|part| Bytes::from([vec![part], vec![0; 70_000]].concat())).collect();
    fixture.storage.add_file(parts, Claim::Segment(broadcast(0), MediaSequence(0))).await.unwrap();
    assert_eq!(fixture.blocks.puts.load(Ordering::Relaxed), 10);
    assert_eq!(fixture.blocks.syncs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_stored_can_be_announced_though_there_is_room_for_nothing_else() {
    let fixture = Fixture::new(1).await;
    let segment = fixture.publish(0).await.unwrap();
    assert!(is_full(&fixture.publish(1).await, "storage.quota"));
    fixture.free.store(9 * SIZE, Ordering::Relaxed);
    let entries = vec![DirectoryEntry { name: "0.m4s".into(), cid: segment }];
    let manifest = Claim::LiveManifest(broadcast(0), MediaSequence(0));
    fixture.storage.add_directory(entries, manifest).await.unwrap();
    assert_eq!(fixture.storage.report().full, Some(StorageFull::Quota), "it is still full for segments");
}

#[tokio::test]
async fn a_quota_that_was_lowered_is_kept_without_anything_being_added() {
    let fixture = Fixture::new(3).await;
    for number in 0..3 {
        fixture.fetch(1, number).await.unwrap();
    }
    let path = fixture._folder.path().join("router.sqlite3");
    let quota = Totals { bytes: SIZE, blocks: u64::MAX };
    let limits = Limits { quota, reserve: 0, silent: Duration::ZERO };
    let storage = Storage::open(&path, fixture.blocks.clone(), limits, Box::new(|| Ok(u64::MAX))).await.unwrap();
    storage.trim().await.unwrap();
    assert!(storage.report().used_bytes <= SIZE);
}

#[tokio::test]
async fn limits_that_the_owner_changes_hold_at_once() {
    let fixture = Fixture::new(3).await;
    let cancel = CancellationToken::new();
    let running = tokio::spawn(fixture.storage.clone().run(cancel.clone()));
    for number in 0..3 {
        fixture.publish(number).await.unwrap();
    }
    assert!(is_full(&fixture.publish(3).await, "storage.quota"));
    assert_eq!(fixture.storage.report().full, Some(StorageFull::Quota));
    let limit = |blocks: u64, reserve| {
        let quota = Totals { bytes: blocks * SIZE, blocks: u64::MAX };
        fixture.storage.limit(|limits| (limits.quota, limits.reserve) = (quota, reserve));
    };
    limit(5, 0);
    assert_eq!((fixture.storage.report().full, fixture.storage.report().quota_bytes), (None, 5 * SIZE));
    fixture.publish(3).await.unwrap();
    fixture.fetch(1, 0).await.unwrap();

    limit(4, 0);
    // What others published makes room without anything being added.
    while fixture.storage.report().used_bytes > 4 * SIZE {
        tokio::task::yield_now().await;
    }
    limit(9, 10 * SIZE);
    fixture.free.store(9 * SIZE, Ordering::Relaxed);
    assert!(is_full(&fixture.publish(4).await, "storage.reserve"), "the reserve is another too");
    cancel.cancel();
    running.await.unwrap();
}

/// What a node does.
#[derive(Debug, Clone)]
enum Step {
    Publish(u8),
    Fetch(u8, u8),
    Retain(u8, Retention),
    Release(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let retention = prop_oneof![Just(Retention::Passing), Just(Retention::Mirrored), Just(Retention::Kept)];
    prop_oneof![
        (0..20_u8).prop_map(Step::Publish),
        (1..5_u8, 0..6_u8).prop_map(|(of, number)| Step::Fetch(of, number)),
        (1..5_u8, retention).prop_map(|(of, retention)| Step::Retain(of, retention)),
        (0..5_u8).prop_map(Step::Release),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is stored in whatever order, neither bound is exceeded, what is published stays, nothing that is to be kept
    /// goes, and the index agrees with the disk.
    #[test]
    fn the_quota_is_never_exceeded(steps in prop::collection::vec(step(), 1..40), bytes in 2..8_u64, files in 2..8_u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let quota = Totals { bytes: bytes * SIZE, blocks: files };
            let fixture = Fixture::with_quota(quota).await;
            let (mut published, mut kept, mut said) = (Vec::new(), Vec::new(), std::collections::HashMap::new());
            for step in steps {
                match step {
                    Step::Publish(number) => published.extend(fixture.publish(number).await),
                    Step::Fetch(of, number) => {
                        if let Ok(cid) = fixture.fetch(of, number).await {
                            kept.push((of, cid));
                        }
                    }
                    Step::Retain(of, retention) => {
                        said.insert(of, retention);
                        fixture.storage.retain(broadcast(of), retention).await.unwrap();
                    }
                    Step::Release(0) => {
                        published.clear();
                        fixture.storage.release_broadcast(broadcast(0)).await.unwrap();
                    }
                    Step::Release(of) => {
                        kept.retain(|(other, _)| *other != of);
                        fixture.storage.release_broadcast(broadcast(of)).await.unwrap();
                    }
                }
                let report = fixture.storage.report();
                prop_assert!(report.used_bytes <= bytes * SIZE && report.files <= files, "{:?}", report);
                prop_assert_eq!(report.files, fixture.blocks.len() as u64);
                prop_assert!(fixture.held(&published).await.into_iter().all(|held| held));
                let mut left = Vec::new();
                for (of, cid) in kept {
                    let held = fixture.storage.holds(&cid).await;
                    prop_assert!(held || said.get(&of) != Some(&Retention::Kept));
                    if held {
                        left.push((of, cid));
                    }
                }
                kept = left;
            }
            Ok(())
        })?;
    }
}
