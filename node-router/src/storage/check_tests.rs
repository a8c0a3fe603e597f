use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use stream_model::{
    BroadcastId, Claim, ContentFetcher as _, ContentReader as _, ContentStore as _, DirectoryEntry, FetchRequest,
    MediaSequence, MessageKey, PeerId, StorageCheckEvent, StorageCheckProgress, StorageChecker as _, StorageFault,
    StorageFaultKind, StorageRepair,
};
use tempfile::TempDir;

use super::fake::MemoryBlocks;
use super::{Blocks as _, Checker, Limits, Storage, Totals};
use crate::fetch::{BlockExchange, Delivered, Fetcher, Session};
use crate::unixfs;

/// Peers that have some blocks, and say nothing of others.
#[derive(Debug, Clone, Default)]
struct Peers(HashMap<Cid, Bytes>);

impl BlockExchange for Peers {
    fn open(&self, _providers: &[PeerId]) -> Arc<dyn Session> {
        Arc::new(self.clone())
    }

    fn strays(&self) -> BoxStream<'static, (Cid, Bytes)> {
        futures::stream::pending().boxed()
    }
}

impl Session for Peers {
    fn want(&self, cid: Cid) -> BoxFuture<'static, Option<Delivered>> {
        match self.0.get(&cid).cloned() {
            Some(block) => std::future::ready(Some(Delivered { block, from: None })).boxed(),
            None => std::future::pending().boxed(),
        }
    }
}

/// Two segments of two leaves in a live manifest.
struct Fixture {
    folder: TempDir,
    blocks: Arc<MemoryBlocks>,
    storage: Storage,
    segments: Vec<Cid>,
    manifest: Cid,
}

fn broadcast() -> BroadcastId {
    BroadcastId(MessageKey([1; 32]))
}

fn leaf(sequence: u64, part: u64) -> Bytes {
    vec![(10 * sequence + part) as u8; 70_000].into()
}

fn leaf_cid(sequence: u64, part: u64) -> Cid {
    unixfs::raw_leaf(&leaf(sequence, part)).cid
}

impl Fixture {
    async fn new() -> Self {
        let (folder, blocks) = (tempfile::tempdir().unwrap(), Arc::<MemoryBlocks>::default());
        let limits = Limits {
            quota: Totals { bytes: 1 << 30, blocks: u64::MAX },
            reserve: 0,
            silent: Duration::from_secs(3600),
        };
        let path = folder.path().join("router.sqlite3");
        let storage = Storage::open(&path, blocks.clone(), limits, Box::new(|| Ok(u64::MAX))).await.unwrap();
        let (mut segments, mut entries) = (Vec::new(), Vec::new());
        for sequence in 0..2 {
            let claim = Claim::Segment(broadcast(), MediaSequence(sequence));
            let cid = storage.add_file(vec![leaf(sequence, 0), leaf(sequence, 1)], claim).await.unwrap().cid;
            entries.push(DirectoryEntry { name: format!("{sequence}.m4s"), cid });
            segments.push(cid);
        }
        let claim = Claim::LiveManifest(broadcast(), MediaSequence(1));
        let manifest = storage.add_directory(entries, claim).await.unwrap().cid;
        Self { folder, blocks, storage, segments, manifest }
    }

    async fn check(&self, repair: StorageRepair, peers: &Peers) -> (Vec<StorageFault>, StorageCheckProgress) {
        let mut events = Checker::new(self.storage.clone(), Arc::new(peers.clone())).check(repair);
        let mut faults = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                StorageCheckEvent::Fault(fault) => faults.push(fault),
                StorageCheckEvent::Progress(_) => {}
                StorageCheckEvent::Done(progress) => return (faults, progress),
                StorageCheckEvent::Failed(error) => panic!("{error}"),
            }
        }
        panic!("the check ended without saying so");
    }

    async fn assert_well(&self) {
        let (faults, progress) = self.check(StorageRepair::Tell, &Peers::default()).await;
        assert_eq!(faults, []);
        assert_eq!(progress.blocks, progress.total_blocks);
        assert_eq!(progress.blocks, self.blocks.len() as u64);
    }

    /// What no part of this program does to its index.
    fn tamper(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.folder.path().join("router.sqlite3")).unwrap();
        assert!(connection.execute(sql, []).unwrap() > 0);
    }

    async fn read(&self, cid: &Cid) -> Vec<u8> {
        self.storage.read(cid, 0..u64::MAX).await.unwrap().try_collect::<Vec<_>>().await.unwrap().concat()
    }

    async fn release_all(&self) {
        for sequence in 0..2 {
            self.storage.release(Claim::Segment(broadcast(), MediaSequence(sequence))).await.unwrap();
        }
        self.storage.release(Claim::LiveManifest(broadcast(), MediaSequence(1))).await.unwrap();
        self.storage.settle().await.unwrap();
        assert_eq!((self.storage.report().files, self.blocks.len()), (0, 0));
    }
}

#[tokio::test]
async fn where_all_is_well_every_block_is_looked_at_and_nothing_is_said() {
    let fixture = Fixture::new().await;
    fixture.assert_well().await;
    let (_, progress) = fixture.check(StorageRepair::FromPeers, &Peers::default()).await;
    assert_eq!((progress.blocks, progress.bytes > 4 * 70_000), (7, true));
}

#[tokio::test]
async fn a_damaged_and_a_missing_block_are_told_with_what_they_are_part_of() {
    let fixture = Fixture::new().await;
    fixture.blocks.damage(&leaf_cid(1, 0));
    fixture.blocks.remove(&leaf_cid(0, 1)).await.unwrap();
    let (mut faults, _) = fixture.check(StorageRepair::Tell, &Peers::default()).await;
    faults.sort_by_key(|fault| fault.kind == StorageFaultKind::Missing);
    let kinds: Vec<_> = faults.iter().map(|fault| (fault.kind, fault.cid.clone(), fault.repaired)).collect();
    let expected = [
        (StorageFaultKind::Damaged, leaf_cid(1, 0).to_string(), false),
        (StorageFaultKind::Missing, leaf_cid(0, 1).to_string(), false),
    ];
    assert_eq!(kinds, expected);
    let slug = broadcast().slug();
    assert_eq!(faults[0].kept_for, [format!("{slug}/segment/1"), format!("{slug}/live/1")]);
    // Without anybody to ask, what is lost stays as it is.
    let (faults, _) = fixture.check(StorageRepair::Alone, &Peers::default()).await;
    assert_eq!(faults.iter().filter(|fault| !fault.repaired).count(), 2);
    assert!(fixture.storage.holds(&fixture.manifest).await);
}

#[tokio::test]
async fn what_a_peer_has_is_mended() {
    let fixture = Fixture::new().await;
    let node = fixture.storage.present_block(&fixture.segments[0]).await.unwrap().unwrap();
    let peers = Peers(HashMap::from([(leaf_cid(1, 0), leaf(1, 0)), (fixture.segments[0], node)]));
    fixture.blocks.damage(&leaf_cid(1, 0));
    fixture.blocks.damage(&fixture.segments[0]);
    let (faults, _) = fixture.check(StorageRepair::FromPeers, &peers).await;
    assert_eq!(faults.iter().filter(|fault| fault.repaired).count(), 2);
    fixture.assert_well().await;
    assert_eq!(fixture.read(&fixture.segments[1]).await, [leaf(1, 0), leaf(1, 1)].concat());
    fixture.release_all().await;
}

#[tokio::test]
async fn what_no_peer_has_is_no_longer_held_and_only_that_is_fetched_later() {
    let fixture = Fixture::new().await;
    let node = fixture.storage.present_block(&fixture.segments[1]).await.unwrap().unwrap();
    fixture.blocks.damage(&leaf_cid(1, 0));
    tokio::time::pause();
    let (faults, _) = fixture.check(StorageRepair::FromPeers, &Peers::default()).await;
    tokio::time::resume();
    assert_eq!(faults.len(), 1);
    assert!(!faults[0].repaired && faults[0].detail.contains("no peer"), "{faults:?}");
    assert!(!fixture.storage.holds(&fixture.segments[1]).await && !fixture.storage.holds(&fixture.manifest).await);
    assert_eq!(fixture.read(&fixture.segments[0]).await, [leaf(0, 0), leaf(0, 1)].concat());
    fixture.assert_well().await;

    // A peer that has only what was lost is enough: the other leaf stayed, under the claim of its segment.
    let peers = Peers(HashMap::from([(leaf_cid(1, 0), leaf(1, 0)), (fixture.segments[1], node)]));
    let fetcher = Fetcher::new(fixture.storage.clone(), Arc::new(peers));
    let request = FetchRequest {
        root: fixture.segments[1],
        claim: Claim::Segment(broadcast(), MediaSequence(1)),
        providers: Vec::new(),
        timeout: Duration::from_secs(60),
        max_bytes: 1 << 20,
    };
    fetcher.fetch(request).await.unwrap();
    assert_eq!(fixture.read(&fixture.segments[1]).await, [leaf(1, 0), leaf(1, 1)].concat());
    fixture.assert_well().await;
    fixture.release_all().await;
}

#[tokio::test]
async fn wrong_counts_sizes_and_links_in_the_index_are_mended() {
    for sql in [
        "UPDATE blocks SET refs = refs + 1",
        "UPDATE blocks SET refs = 1 WHERE refs = 2",
        "UPDATE blocks SET size = size + 1, dag_bytes = 5",
        "UPDATE blocks SET content_bytes = 1",
        "DELETE FROM links WHERE child = (SELECT min(child) FROM links)",
        "INSERT INTO links SELECT max(id), min(id) FROM blocks",
    ] {
        let fixture = Fixture::new().await;
        fixture.tamper(sql);
        let (told, _) = fixture.check(StorageRepair::Tell, &Peers::default()).await;
        assert!(told.iter().any(|fault| fault.kind == StorageFaultKind::Index && !fault.repaired), "{sql}: {told:?}");
        let (mended, _) = fixture.check(StorageRepair::Alone, &Peers::default()).await;
        assert!(mended.iter().all(|fault| fault.repaired), "{sql}: {mended:?}");
        fixture.assert_well().await;
        fixture.release_all().await;
    }
}

#[tokio::test]
async fn what_nothing_needs_is_told_and_removed() {
    let fixture = Fixture::new().await;
    let stray = Bytes::from_static(b"stray");
    let cid = unixfs::raw_leaf(&stray).cid;
    fixture.blocks.put(vec![(cid, stray)]).await.unwrap();
    let (faults, _) = fixture.check(StorageRepair::Tell, &Peers::default()).await;
    assert_eq!(
        faults.iter().map(|fault| (fault.kind, fault.repaired)).collect::<Vec<_>>(),
        [(StorageFaultKind::Stray, false)]
    );
    let (faults, _) = fixture.check(StorageRepair::Alone, &Peers::default()).await;
    assert!(faults[0].repaired);
    fixture.assert_well().await;
}

#[tokio::test]
async fn one_check_runs_at_a_time() {
    let fixture = Fixture::new().await;
    let checker = Checker::new(fixture.storage.clone(), Arc::new(Peers::default()));
    let (first, mut second) = (checker.check(StorageRepair::Tell), checker.check(StorageRepair::Tell));
    assert!(matches!(second.next().await, Some(StorageCheckEvent::Failed(why)) if why.contains("another check")));
    let said: Vec<_> = first.collect().await;
    assert!(matches!(said.last(), Some(StorageCheckEvent::Done(_))), "{said:?}");
    let said: Vec<_> = checker.check(StorageRepair::Tell).collect().await;
    assert!(matches!(said.last(), Some(StorageCheckEvent::Done(_))), "{said:?}");
}
