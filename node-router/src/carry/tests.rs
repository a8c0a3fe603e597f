use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use futures::stream::{self, StreamExt as _};
use futures::{FutureExt as _, TryStreamExt as _};
use proptest::prelude::*;
use stream_model::{
    BroadcastId, CarError, CarImported, CarProgress, CarVersion, Claim, ContentCarrier, ContentReader as _,
    ContentStore as _, DirectoryEntry, MediaSequence, MessageKey, StoreError,
};
use tempfile::TempDir;

use super::Carrier;
use crate::fetch::dag::MAX_DEPTH;
use crate::storage::fake::MemoryBlocks;
use crate::storage::{Limits, Storage, Totals};
use crate::unixfs::{self, Child};
use node_router_car as car;

/// A node without a network.
struct Node {
    folder: TempDir,
    blocks: Arc<MemoryBlocks>,
    storage: Storage,
    carrier: Carrier,
}

impl Node {
    async fn new() -> Self {
        Self::with_quota(1 << 30).await
    }

    async fn with_quota(quota: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blocks = Arc::<MemoryBlocks>::default();
        let storage = open(&folder, &blocks, quota).await;
        let carrier = Carrier::new(storage.clone());
        Self { folder, blocks, storage, carrier }
    }

    /// Ends, once all that is under way has ended, and starts anew with what is on disk.
    async fn restart(self) -> Self {
        let Self { folder, blocks, storage, carrier } = self;
        drop((storage, carrier));
        while Arc::strong_count(&blocks) > 1 {
            tokio::task::yield_now().await;
        }
        Self::start(folder, blocks).await
    }

    async fn start(folder: TempDir, blocks: Arc<MemoryBlocks>) -> Self {
        let storage = open(&folder, &blocks, 1 << 30).await;
        storage.sweep().await.unwrap();
        let carrier = Carrier::new(storage.clone());
        Self { folder, blocks, storage, carrier }
    }

    /// Two segments of several leaves, one of which both have, in a directory.
    async fn publish(&self) -> Cid {
        let mut entries = Vec::new();
        for sequence in 0..2 {
            let own = (0..3_u8).map(|n| Bytes::from([vec![sequence as u8, n], vec![n; 70_000]].concat()));
            let parts = own.chain([Bytes::from(vec![9; 80_000])]).collect();
            let cid = self.storage.add_file(parts, segment(sequence)).await.unwrap().cid;
            entries.push(DirectoryEntry { name: format!("{sequence}.m4s"), cid });
        }
        let claim = Claim::LiveManifest(broadcast(), MediaSequence(0));
        self.storage.add_directory(entries, claim).await.unwrap().cid
    }

    async fn export(&self, root: Cid, version: CarVersion) -> Vec<u8> {
        let export = self.carrier.export(root, version).await.unwrap();
        let total_bytes = export.total_bytes;
        let file = export.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
        assert_eq!(file.len() as u64, total_bytes);
        file
    }

    async fn import(&self, file: &[u8]) -> Result<CarImported, CarError> {
        let pieces: Vec<_> = file.chunks(50_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        self.carrier.import(stream::iter(pieces).boxed(), &Claim::Carried, &|_| ()).await
    }

    async fn read(&self, cid: &Cid) -> Vec<u8> {
        let pieces: Vec<_> = self.storage.read(cid, 0..u64::MAX).await.unwrap().try_collect().await.unwrap();
        pieces.concat()
    }

    async fn assert_empty(&self) {
        self.storage.remove_doomed().await;
        let report = self.storage.report();
        assert_eq!((report.used_bytes, report.files, self.blocks.len()), (0, 0, 0));
    }
}

async fn open(folder: &TempDir, blocks: &Arc<MemoryBlocks>, quota: u64) -> Storage {
    let path = folder.path().join("router.sqlite3");
    let limits =
        Limits { quota: Totals { bytes: quota, blocks: u64::MAX }, reserve: 0, silent: Duration::from_secs(3600) };
    Storage::open(&path, blocks.clone(), limits, Box::new(|| Ok(u64::MAX))).await.unwrap()
}

fn broadcast() -> BroadcastId {
    BroadcastId(MessageKey([1; 32]))
}

fn segment(sequence: u64) -> Claim {
    Claim::Segment(broadcast(), MediaSequence(sequence))
}

fn write(roots: &[Cid], blocks: &[(Cid, Bytes)]) -> Vec<u8> {
    let sections = blocks.iter().flat_map(|(cid, block)| [car::section_head(cid, block.len()), block.to_vec()]);
    [car::header(roots)].into_iter().chain(sections).collect::<Vec<_>>().concat()
}

/// The blocks of a file, in its order.
fn sections(file: &[u8]) -> Vec<(Cid, Bytes)> {
    let (mut decoder, mut blocks) = (car::Decoder::default(), Vec::new());
    decoder.feed(file);
    while let Some(item) = decoder.next_item().unwrap() {
        if let car::Item::Block(section) = item {
            blocks.push((section.cid, section.block));
        }
    }
    blocks
}

fn here_and_new(imported: &CarImported) -> (u64, u64) {
    (imported.progress.blocks_here, imported.progress.blocks_new)
}

#[tokio::test]
async fn a_carried_directory_is_whole_and_the_next_node_writes_the_same_file() {
    let (publisher, viewer) = (Node::new().await, Node::new().await);
    let root = publisher.publish().await;
    for version in [CarVersion::V1, CarVersion::V2] {
        let file = publisher.export(root, version).await;
        let progress = Mutex::new(CarProgress::default());
        let pieces = stream::iter(file.chunks(9_999).map(|piece| io::Result::Ok(Bytes::copy_from_slice(piece))));
        let imported = viewer
            .carrier
            .import(pieces.boxed(), &Claim::Carried, &|now| *progress.lock().unwrap() = now)
            .await
            .unwrap();
        assert_eq!(imported.roots.len(), 1);
        assert_eq!((imported.roots[0].cid, imported.roots[0].bytes), (root, 2 * (3 * 70_002 + 80_000)));
        // The leaf that both segments have is there once: 7 leaves, 2 files, 1 directory.
        assert_eq!(here_and_new(&imported), if version == CarVersion::V1 { (0, 10) } else { (10, 0) });
        assert_eq!(imported.progress.bytes_read, file.len() as u64);
        assert_eq!(progress.lock().unwrap().bytes_read, file.len() as u64);
        assert_eq!(viewer.export(root, version).await, file);
    }
    for (cid, _) in sections(&publisher.export(root, CarVersion::V1).await).iter().filter(|(cid, _)| *cid != root) {
        assert_eq!(viewer.read(cid).await, publisher.read(cid).await);
    }
    viewer.storage.release(Claim::Carried(root)).await.unwrap();
    viewer.assert_empty().await;
}

#[tokio::test]
async fn an_interrupted_import_goes_on_where_it_was_also_after_a_restart() {
    let publisher = Node::new().await;
    let root = publisher.publish().await;
    let file = publisher.export(root, CarVersion::V1).await;
    let viewer = Node::new().await;
    // In the middle of the last leaf.
    let cut = viewer.import(&file[..file.len() - 1000]).await;
    assert!(matches!(&cut, Err(CarError::Incomplete(why)) if why.contains("in the middle")), "{cut:?}");
    assert!(!viewer.storage.holds(&root).await);
    let viewer = viewer.restart().await;
    // The directory and the second segment's node were not complete; the first segment and two leaves of the second were.
    let imported = viewer.import(&file).await.unwrap();
    assert_eq!(here_and_new(&imported), (7, 3));
    viewer.storage.release(Claim::Carried(root)).await.unwrap();
    viewer.assert_empty().await;
}

#[tokio::test]
async fn a_source_that_fails_and_a_file_that_lacks_blocks_say_so() {
    let publisher = Node::new().await;
    let root = publisher.publish().await;
    let mut blocks = sections(&publisher.export(root, CarVersion::V1).await);
    let viewer = Node::new().await;
    let (lacking, _) = blocks.pop().unwrap();
    let refused = viewer.import(&write(&[root], &blocks)).await;
    assert!(
        matches!(&refused, Err(CarError::Incomplete(why)) if why.contains("1 blocks are missing") && why.contains(&lacking.to_string())),
        "{refused:?}"
    );
    let pulled = stream::iter([Err(io::Error::other("pulled out"))]).boxed();
    let failed = viewer.carrier.import(pulled, &Claim::Carried, &|_| ()).await;
    assert!(matches!(failed, Err(CarError::Incomplete(why)) if why.contains("pulled out")));
    let alone = viewer.import(&write(&[root], &[])).await;
    assert!(matches!(alone, Err(CarError::Incomplete(why)) if why.contains("its root")));
}

#[tokio::test]
async fn of_a_damaged_file_nothing_is_kept() {
    let publisher = Node::new().await;
    let root = publisher.publish().await;
    let file = publisher.export(root, CarVersion::V1).await;
    let viewer = Node::new().await;
    // What an earlier try brought goes too.
    assert!(viewer.import(&file[..file.len() - 1000]).await.is_err());
    let mut damaged = file.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let refused = viewer.import(&damaged).await;
    assert!(matches!(&refused, Err(CarError::Refused { at, .. }) if *at > 400_000), "{refused:?}");
    viewer.assert_empty().await;

    let garbage = [file.clone(), vec![b'g'; 200]].concat();
    assert!(matches!(viewer.import(&garbage).await, Err(CarError::Refused { at, .. }) if at == file.len() as u64));
    viewer.assert_empty().await;
    viewer.import(&file).await.unwrap();
}

#[tokio::test]
async fn what_is_held_for_other_reasons_stays_when_a_file_is_refused() {
    let node = Node::new().await;
    let root = node.publish().await;
    let (used, blocks) = (node.storage.report().used_bytes, node.blocks.len());
    let mut damaged = node.export(root, CarVersion::V1).await;
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(node.import(&damaged).await, Err(CarError::Refused { .. })));
    node.storage.remove_doomed().await;
    assert_eq!((node.storage.report().used_bytes, node.blocks.len()), (used, blocks));
    assert!(node.storage.holds(&root).await);
}

#[tokio::test]
async fn a_file_that_does_not_fit_is_refused_and_nothing_of_it_is_kept() {
    let publisher = Node::new().await;
    let root = publisher.publish().await;
    let file = publisher.export(root, CarVersion::V1).await;
    let viewer = Node::with_quota(300_000).await;
    let refused = viewer.import(&file).await;
    assert!(
        matches!(&refused, Err(CarError::Store(StoreError::Full(why))) if why.contains("storage.quota")),
        "{refused:?}"
    );
    viewer.assert_empty().await;
}

#[tokio::test]
async fn blocks_that_are_here_need_not_be_in_the_file_and_others_than_the_roots_reach_are_not_kept() {
    let node = Node::new().await;
    let leaf = node.storage.add_file(vec![Bytes::from_static(b"here")], segment(0)).await.unwrap().cid;
    let here = unixfs::raw_leaf(b"here");
    let (file, file_block) = unixfs::file_node(&[here, here]).unwrap();
    let (root, root_block) = unixfs::directory_node(vec![("a".into(), file), ("b".into(), here)]).unwrap();
    let stray = Bytes::from_static(b"stray");
    let (folder, folder_block) = unixfs::directory_node(vec![("x".into(), unixfs::raw_leaf(b"nowhere"))]).unwrap();
    let blocks = [
        (unixfs::raw_leaf(&stray).cid, stray),
        (folder.cid, folder_block),
        (root.cid, root_block),
        (file.cid, file_block),
    ];
    let imported = node.import(&write(&[root.cid, leaf], &blocks)).await.unwrap();
    assert_eq!(imported.roots.iter().map(|root| root.bytes).collect::<Vec<_>>(), [12, 4]);
    node.storage.remove_doomed().await;
    assert_eq!(node.blocks.len(), 3);
}

#[tokio::test]
async fn a_deep_or_lying_dag_is_refused_and_nothing_of_it_is_kept() {
    let node = Node::new().await;
    let leaf = unixfs::raw_leaf(b"x");
    let mut blocks = vec![(leaf.cid, Bytes::from_static(b"x"))];
    let mut deep = leaf;
    for _ in 0..=MAX_DEPTH {
        // Each level doubles what the one below declares, with no more blocks.
        let (folder, block) = unixfs::directory_node(vec![("a".into(), deep), ("b".into(), deep)]).unwrap();
        blocks.push((folder.cid, block));
        deep = folder;
    }
    for reverse in [false, true] {
        if reverse {
            blocks.reverse();
        }
        let refused = node.import(&write(&[deep.cid], &blocks)).await;
        assert!(matches!(&refused, Err(CarError::Refused { reason, .. }) if reason.contains("deeper")), "{refused:?}");
        node.assert_empty().await;
    }
    let lie = Child { content_bytes: 5, ..leaf };
    let (file, block) = unixfs::file_node(&[lie, lie]).unwrap();
    let refused = node.import(&write(&[file.cid], &[(file.cid, block), blocks.pop().unwrap()])).await;
    assert!(matches!(&refused, Err(CarError::Refused { reason, .. }) if reason.contains("declares")), "{refused:?}");
    node.assert_empty().await;
}

#[tokio::test]
async fn one_import_runs_at_a_time_and_a_cancelled_one_leaves_nothing_for_good() {
    let publisher = Node::new().await;
    let root = publisher.publish().await;
    let file = publisher.export(root, CarVersion::V1).await;
    let viewer = Node::new().await;
    let stalled = stream::iter([Ok(Bytes::copy_from_slice(&file[..200_000]))]).chain(stream::pending()).boxed();
    {
        let mut first = viewer.carrier.import(stalled, &Claim::Carried, &|_| ()).boxed();
        while viewer.storage.report().files < 2 {
            assert!((&mut first).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        assert!(matches!(viewer.import(&file).await, Err(CarError::Busy)));
    }
    let viewer = viewer.restart().await;
    viewer.assert_empty().await;
}

#[tokio::test]
async fn what_nobody_goes_on_with_goes_after_a_day_of_running() {
    let publisher = Node::new().await;
    let root = publisher.publish().await;
    let file = publisher.export(root, CarVersion::V1).await;
    let viewer = Node::new().await;
    assert!(viewer.import(&file[..file.len() - 1000]).await.is_err());
    for _ in 0..47 {
        viewer.storage.pass_round().await.unwrap();
    }
    let viewer = viewer.restart().await;
    assert!(viewer.storage.report().files > 0);
    viewer.storage.pass_round().await.unwrap();
    viewer.assert_empty().await;
}

#[tokio::test]
async fn what_is_exported_stays_until_it_is_read() {
    let node = Node::new().await;
    let stored = node.storage.add_file(vec![Bytes::from(vec![1; 70_000]); 2], segment(0)).await.unwrap();
    let export = node.carrier.export(stored.cid, CarVersion::V2).await.unwrap();
    node.storage.release(segment(0)).await.unwrap();
    let node = Node { carrier: Carrier::new(node.storage.clone()), ..node };
    let bytes: Vec<_> = export.bytes.try_collect().await.unwrap();
    assert_eq!(sections(&bytes.concat()).len(), 2);
    // The stream has ended, and what it held goes in a task of its own.
    while node.blocks.len() > 0 {
        tokio::task::yield_now().await;
    }
    let gone = node.carrier.export(stored.cid, CarVersion::V1).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn what_an_export_of_an_earlier_run_held_goes_at_the_start() {
    let node = Node::new().await;
    let stored = node.storage.add_file(vec![Bytes::from_static(b"x")], segment(0)).await.unwrap();
    std::mem::forget(node.carrier.export(stored.cid, CarVersion::V1).await.unwrap());
    node.storage.release(segment(0)).await.unwrap();
    assert!(node.storage.holds(&stored.cid).await);
    Node::start(node.folder, node.blocks).await.assert_empty().await;
}

#[tokio::test]
async fn a_damaged_block_ends_an_export_with_what_to_do() {
    let node = Node::new().await;
    let root = node.publish().await;
    let (leaf, _) = sections(&node.export(root, CarVersion::V1).await).pop().unwrap();
    node.blocks.damage(&leaf);
    let export = node.carrier.export(root, CarVersion::V1).await.unwrap();
    let error = export.bytes.try_collect::<Vec<_>>().await.unwrap_err().to_string();
    assert!(error.contains("storage check --repair"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the order and however often blocks come, all is there in the end, and goes with its claim.
    #[test]
    fn any_order_of_blocks_is_taken(order in prop::collection::vec(any::<prop::sample::Index>(), 0..40), seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (publisher, viewer) = (Node::new().await, Node::new().await);
            let root = publisher.publish().await;
            let all = sections(&publisher.export(root, CarVersion::V1).await);
            let mut blocks: Vec<_> = order.iter().map(|index| all[index.index(all.len())].clone()).collect();
            let mut rest = all.clone();
            rest.rotate_left(seed as usize % all.len());
            blocks.extend(rest);
            let imported = viewer.import(&write(&[root], &blocks)).await.unwrap();
            prop_assert_eq!(imported.progress.blocks_new, 10);
            prop_assert_eq!(viewer.export(root, CarVersion::V1).await, publisher.export(root, CarVersion::V1).await);
            let by_cid: HashMap<_, _> = all.into_iter().collect();
            prop_assert_eq!(viewer.blocks.len(), by_cid.len());
            // The exports have let go once their tasks ran.
            viewer.storage.release(Claim::Carried(root)).await.unwrap();
            while viewer.blocks.len() > 0 {
                tokio::task::yield_now().await;
                viewer.storage.remove_doomed().await;
            }
            Ok(())
        })?;
    }
}
