use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use stream_model::{
    BroadcastId, Claim, ContentFetcher, ContentLookup, ContentReader, ContentStore, FetchError, FetchProgress,
    FetchRequest, MediaSequence, MessageKey, Node, PeerId, StoreError,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::sources::Amount;
use super::{BlockExchange, Delivered, Fetcher, Session};
use crate::storage::fake::MemoryBlocks;
use crate::storage::{Limits, Storage, Totals};
use crate::unixfs::{self, Child};

/// Peers that have some blocks and answer some wants.
#[derive(Default)]
struct Peers {
    blocks: HashMap<Cid, Bytes>,
    /// Wants that are never answered.
    lost: Mutex<HashSet<Cid>>,
    asked: Mutex<Vec<Cid>>,
    strays: Mutex<Option<mpsc::Receiver<(Cid, Bytes)>>>,
}

#[derive(Clone)]
struct FakeExchange(Arc<Peers>);

impl BlockExchange for FakeExchange {
    fn open(&self, _providers: &[PeerId]) -> Arc<dyn Session> {
        Arc::new(self.clone())
    }

    fn strays(&self) -> BoxStream<'static, (Cid, Bytes)> {
        let strays = self.0.strays.lock().unwrap().take().unwrap();
        stream::unfold(strays, |mut strays| async move { Some((strays.recv().await?, strays)) }).boxed()
    }
}

impl Session for FakeExchange {
    fn want(&self, cid: Cid) -> BoxFuture<'static, Option<Delivered>> {
        self.0.asked.lock().unwrap().push(cid);
        let answer = self.0.blocks.get(&cid).filter(|_| !self.0.lost.lock().unwrap().contains(&cid)).cloned();
        async move {
            tokio::task::yield_now().await;
            match answer {
                Some(block) => Some(Delivered { block, from: Some(provider()) }),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}

impl Peers {
    fn put(&mut self, child: Child, block: Bytes) -> Child {
        self.blocks.insert(child.cid, block);
        child
    }

    fn leaf(&mut self, bytes: &[u8]) -> Child {
        self.put(unixfs::raw_leaf(bytes), Bytes::copy_from_slice(bytes))
    }

    fn file(&mut self, leaves: &[&[u8]]) -> Child {
        let leaves: Vec<_> = leaves.iter().map(|bytes| self.leaf(bytes)).collect();
        let (root, block) = unixfs::file_node(&leaves).unwrap();
        self.put(root, block)
    }

    fn directory(&mut self, entries: &[(&str, Child)]) -> Child {
        let entries = entries.iter().map(|(name, child)| ((*name).to_owned(), *child)).collect();
        let (root, block) = unixfs::directory_node(entries).unwrap();
        self.put(root, block)
    }
}

struct Fixture {
    _folder: TempDir,
    blocks: Arc<MemoryBlocks>,
    storage: Storage,
    peers: Arc<Peers>,
    fetcher: Arc<Fetcher>,
}

impl Fixture {
    async fn new(peers: Peers) -> Self {
        Self::with_quota(peers, 1 << 30).await
    }

    async fn with_quota(peers: Peers, quota: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blocks = Arc::<MemoryBlocks>::default();
        let path = folder.path().join("router.sqlite3");
        let limits =
            Limits { quota: Totals { bytes: quota, blocks: u64::MAX }, reserve: 0, silent: Duration::from_secs(3600) };
        let storage = Storage::open(&path, blocks.clone(), limits, Box::new(|| Ok(u64::MAX))).await.unwrap();
        let peers = Arc::new(peers);
        let fetcher = Arc::new(Fetcher::new(storage.clone(), Arc::new(FakeExchange(peers.clone()))));
        Self { _folder: folder, blocks, storage, peers, fetcher }
    }

    async fn fetch(&self, root: Cid) -> Result<u64, FetchError> {
        self.fetcher.fetch(request(root)).await.map(|stored| stored.bytes)
    }

    /// Cancels a fetch that cannot end once this many blocks are stored, and those that do not come are asked for.
    async fn fetch_and_cancel_at(&self, root: Cid, blocks: u64) {
        let is_asked = |cid: &Cid| self.peers.asked.lock().unwrap().contains(cid);
        let stored = async {
            while self.storage.report().files < blocks || !self.peers.lost.lock().unwrap().iter().all(is_asked) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            result = self.fetch(root) => panic!("ended: {result:?}"),
            () = stored => {}
        }
    }
}

fn provider() -> PeerId {
    PeerId::from_multihash([vec![0x12, 32], vec![9; 32]].concat()).unwrap()
}

fn claim(sequence: u64) -> Claim {
    Claim::Segment(BroadcastId(MessageKey([1; 32])), MediaSequence(sequence))
}

fn request(root: Cid) -> FetchRequest {
    FetchRequest {
        root,
        claim: claim(0),
        providers: Vec::new(),
        timeout: Duration::from_secs(60),
        max_bytes: 1_000_000,
    }
}

fn is_malformed(result: Result<u64, FetchError>, why: &str) -> bool {
    matches!(&result, Err(FetchError::Malformed(text)) if text.contains(why)) || panic!("{result:?}")
}

#[tokio::test]
async fn a_manifest_is_fetched_with_all_that_is_below_it() {
    let mut peers = Peers::default();
    let (one, two) = (peers.file(&[b"one", b"shared"]), peers.file(&[b"two", b"shared"]));
    let root = peers.directory(&[("1.m4s", one), ("2.m4s", two)]);
    let fixture = Fixture::new(peers).await;

    assert_eq!(fixture.fetch(root.cid).await.unwrap(), 18);
    assert!(matches!(fixture.storage.stat(&root.cid).await.unwrap(), Node::Directory(entries) if entries.len() == 2));
    let bytes: Vec<Bytes> = fixture.storage.read(&two.cid, 0..99).await.unwrap().try_collect().await.unwrap();
    assert_eq!(bytes.concat(), b"twoshared");
    assert_eq!(fixture.storage.child(root.cid).await.unwrap(), Some(root));

    fixture.storage.release(claim(0)).await.unwrap();
    assert_eq!(fixture.blocks.len(), 0);
}

#[tokio::test]
async fn what_is_held_is_not_asked_for() {
    let mut peers = Peers::default();
    let one = peers.file(&[b"one", b"more"]);
    let root = peers.directory(&[("1.m4s", one)]);
    let fixture = Fixture::new(peers).await;
    fixture.fetch(one.cid).await.unwrap();
    fixture.peers.asked.lock().unwrap().clear();
    fixture.fetch(root.cid).await.unwrap();
    fixture.fetch(root.cid).await.unwrap();
    assert_eq!(*fixture.peers.asked.lock().unwrap(), [root.cid]);
}

#[tokio::test]
async fn a_second_try_asks_only_for_what_did_not_arrive() {
    let mut peers = Peers::default();
    let lost = peers.leaf(b"lost").cid;
    let root = peers.file(&[b"here", b"lost"]);
    peers.lost = Mutex::new(HashSet::from([lost]));
    let fixture = Fixture::new(peers).await;
    fixture.fetch_and_cancel_at(root.cid, 2).await;
    assert!(!fixture.storage.holds(&root.cid).await);
    assert!(matches!(fixture.storage.stat(&root.cid).await, Err(StoreError::NotFound(_))));

    fixture.peers.lost.lock().unwrap().clear();
    fixture.peers.asked.lock().unwrap().clear();
    assert_eq!(fixture.fetch(root.cid).await.unwrap(), 8);
    assert_eq!(*fixture.peers.asked.lock().unwrap(), [lost]);
}

#[tokio::test]
async fn what_comes_after_a_fetch_was_cancelled_is_kept_for_the_next_try_and_nothing_else_is() {
    let mut peers = Peers::default();
    let (late, other) = (peers.leaf(b"late"), peers.leaf(b"other"));
    let root = peers.file(&[b"here", b"late"]);
    peers.lost = Mutex::new(HashSet::from([late.cid]));
    let (come, strays) = mpsc::channel(4);
    peers.strays = Mutex::new(Some(strays));
    let fixture = Fixture::new(peers).await;
    fixture.fetch_and_cancel_at(root.cid, 2).await;
    // The tasks of the fetch end.
    while !fixture.fetcher.withdrawn.contains(&late.cid) {
        tokio::task::yield_now().await;
    }

    for stray in [other, late, late] {
        come.send((stray.cid, fixture.peers.blocks[&stray.cid].clone())).await.unwrap();
    }
    drop(come);
    fixture.fetcher.keep_strays().await;
    assert_eq!(fixture.storage.report().files, 3);
    assert_eq!(fixture.storage.present_block(&other.cid).await.unwrap(), None, "nobody asked for it");
    fixture.peers.asked.lock().unwrap().clear();
    assert_eq!(fixture.fetch(root.cid).await.unwrap(), 8);
    assert!(fixture.peers.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn how_far_a_fetch_is_can_be_seen_while_it_runs() {
    let mut peers = Peers::default();
    let (here, lost) = ([1; 400], [2; 300]);
    peers.lost = Mutex::new(HashSet::from([peers.leaf(&lost).cid]));
    let root = peers.file(&[&here, &lost]);
    let root_bytes = peers.blocks[&root.cid].len() as u64;
    let fixture = Fixture::new(peers).await;
    assert_eq!(fixture.fetcher.progress(&root.cid), None);
    let arrived = async {
        let mut last = None;
        while last.is_none_or(|progress: FetchProgress| progress.bytes < root_bytes + 400) {
            tokio::task::yield_now().await;
            last = fixture.fetcher.progress(&root.cid);
        }
        last
    };
    let progress = tokio::select! {
        result = fixture.fetch(root.cid) => panic!("ended: {result:?}"),
        progress = arrived => progress.unwrap(),
    };
    assert_eq!((progress.bytes, progress.total_bytes), (root_bytes + 400, 700));
    assert_eq!(fixture.fetcher.progress(&root.cid), None, "it is cancelled");
}

#[tokio::test]
async fn two_fetches_of_one_root_ask_once_and_claim_twice() {
    let mut peers = Peers::default();
    let root = peers.file(&[b"one", b"two"]);
    let fixture = Fixture::new(peers).await;
    let second = FetchRequest { claim: claim(1), ..request(root.cid) };
    let (a, b) = tokio::join!(fixture.fetch(root.cid), fixture.fetcher.fetch(second));
    assert_eq!((a.unwrap(), b.unwrap().bytes), (6, 6));
    assert_eq!(fixture.peers.asked.lock().unwrap().len(), 3);
    fixture.storage.release(claim(0)).await.unwrap();
    assert!(fixture.storage.holds(&root.cid).await);
}

#[tokio::test]
async fn what_is_larger_than_allowed_is_refused_before_it_is_asked_for() {
    let mut peers = Peers::default();
    let huge = Child { content_bytes: 2_000_000, ..peers.leaf(b"not here") };
    let (root, block) = unixfs::file_node(&[huge, huge]).unwrap();
    peers.put(root, block);
    let fixture = Fixture::new(peers).await;
    assert!(matches!(fixture.fetch(root.cid).await, Err(FetchError::TooLarge(1_000_000))));
    assert_eq!(*fixture.peers.asked.lock().unwrap(), [root.cid]);
}

#[tokio::test]
async fn the_running_total_bounds_a_directory() {
    let mut peers = Peers::default();
    let leaves: Vec<_> = (0..6_u8).map(|n| peers.leaf(&vec![n; 200_000])).collect();
    let names = ["a", "b", "c", "d", "e", "f"];
    let entries: Vec<_> = names.into_iter().zip(leaves).collect();
    let root = peers.directory(&entries);
    let fixture = Fixture::new(peers).await;
    assert!(matches!(fixture.fetch(root.cid).await, Err(FetchError::TooLarge(_))));
}

#[tokio::test]
async fn a_lying_file_node_is_refused() {
    let mut peers = Peers::default();
    let lie = Child { content_bytes: 5, ..peers.leaf(b"abc") };
    let (root, block) = unixfs::file_node(&[lie, lie]).unwrap();
    peers.put(root, block);
    let folder = peers.directory(&[]);
    let (inside, block) = unixfs::file_node(&[folder, folder]).unwrap();
    peers.put(inside, block);
    let fixture = Fixture::new(peers).await;
    assert!(is_malformed(fixture.fetch(root.cid).await, "declares"));
    assert!(is_malformed(fixture.fetch(inside.cid).await, "directory inside a file"));
}

#[tokio::test]
async fn a_deep_or_exploding_dag_is_refused() {
    let mut peers = Peers::default();
    let mut deep = peers.leaf(b"x");
    for _ in 0..70 {
        // Each level doubles what the one below declares, with no more blocks.
        deep = Child { content_bytes: 0, dag_bytes: 0, ..deep };
        deep = peers.directory(&[("a", deep), ("b", deep)]);
    }
    let fixture = Fixture::new(peers).await;
    assert!(is_malformed(fixture.fetch(deep.cid).await, "deeper"));
}

#[tokio::test]
async fn garbage_is_refused_and_other_fetches_go_on() {
    let mut peers = Peers::default();
    let garbage = Bytes::from_static(&[0xff; 40]);
    let bad = Cid::new_v1(unixfs::DAG_PB, *unixfs::raw_leaf(&garbage).cid.hash());
    peers.blocks.insert(bad, garbage);
    let good = peers.file(&[b"one", b"two"]);
    let fixture = Fixture::new(peers).await;
    assert!(is_malformed(fixture.fetch(bad).await, ""));
    let cbor = Cid::new_v1(0x71, *good.cid.hash());
    assert!(is_malformed(fixture.fetch(cbor).await, "neither"));
    assert_eq!(fixture.fetch(good.cid).await.unwrap(), 6);
}

#[tokio::test]
async fn a_full_store_refuses_and_says_so() {
    let mut peers = Peers::default();
    let root = peers.file(&[&[1; 500], &[2; 500]]);
    let fixture = Fixture::with_quota(peers, 900).await;
    assert!(matches!(fixture.fetch(root.cid).await, Err(FetchError::Store(StoreError::Full(_)))));
}

#[tokio::test]
async fn a_block_that_nobody_has_is_waited_for_within_the_time_given() {
    let fixture = Fixture::new(Peers::default()).await;
    let request = FetchRequest { timeout: Duration::from_millis(20), ..request(unixfs::raw_leaf(b"nowhere").cid) };
    assert!(matches!(fixture.fetcher.fetch(request).await, Err(FetchError::TimedOut(_))));
}

#[tokio::test]
async fn a_file_is_fetched_out_of_a_directory_without_the_others() {
    let mut peers = Peers::default();
    let (one, two) = (peers.file(&[b"one", b"more"]), peers.file(&[b"two", b"more"]));
    let root = peers.directory(&[("1.m4s", one), ("2.m4s", two)]);
    let fixture = Fixture::new(peers).await;

    assert_eq!(fixture.fetcher.glance(&root.cid).await.unwrap(), None);
    let gateway = |root| FetchRequest { claim: Claim::Gateway(root), ..request(root) };
    let Node::Directory(entries) = fixture.fetcher.look_up(gateway(root.cid)).await.unwrap() else { panic!("a file") };
    assert_eq!(entries.len(), 2);
    assert_eq!(fixture.fetcher.look_up(gateway(one.cid)).await.unwrap(), Node::File(7));
    assert_eq!(fixture.fetcher.fetch(gateway(one.cid)).await.unwrap().bytes, 7);
    assert!(!fixture.peers.asked.lock().unwrap().contains(&two.cid));
    assert!(fixture.storage.holds(&one.cid).await && !fixture.storage.holds(&root.cid).await);

    let asked = fixture.peers.asked.lock().unwrap().len();
    assert!(matches!(fixture.fetcher.glance(&root.cid).await.unwrap(), Some(Node::Directory(_))));
    assert!(matches!(fixture.fetcher.look_up(gateway(root.cid)).await.unwrap(), Node::Directory(_)));
    assert_eq!(fixture.peers.asked.lock().unwrap().len(), asked, "the directory's block is kept for a while");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_ends_in_time_and_takes_nothing_that_is_not_unixfs() {
    let mut peers = Peers::default();
    let (root, _) = unixfs::directory_node(Vec::new()).unwrap();
    let garbage = Bytes::from_static(b"garbage");
    let malformed = Cid::new_v1(unixfs::DAG_PB, *unixfs::raw_leaf(&garbage).cid.hash());
    peers.blocks.insert(malformed, garbage);
    let fixture = Fixture::new(peers).await;
    assert!(matches!(fixture.fetcher.look_up(request(root.cid)).await, Err(FetchError::TimedOut(_))));
    assert!(matches!(fixture.fetcher.look_up(request(malformed)).await, Err(FetchError::Malformed(_))));
    let v0 = Cid::new_v0(*root.cid.hash()).unwrap();
    assert!(matches!(fixture.fetcher.look_up(request(v0)).await, Err(FetchError::Malformed(_))));
}

#[tokio::test]
async fn the_gateway_fetches_no_file_larger_than_its_part_of_the_quota() {
    let mut peers = Peers::default();
    let root = peers.file(&[&[7; 600], &[8; 600]]);
    let fixture = Fixture::with_quota(peers, 10_000).await;
    let result = fixture.fetcher.fetch(FetchRequest { claim: Claim::Gateway(root.cid), ..request(root.cid) }).await;
    assert!(matches!(result, Err(FetchError::TooLarge(1_000))), "{result:?}");
}

#[tokio::test]
async fn fetches_that_end_fail_are_cancelled_or_time_out_leave_nothing_behind() {
    let mut peers = Peers::default();
    let whole = peers.file(&[b"one", b"two"]);
    let lost = peers.leaf(b"lost").cid;
    let half = peers.file(&[b"here", b"lost"]);
    let garbage = Bytes::from_static(&[0xff; 40]);
    let malformed = Cid::new_v1(unixfs::DAG_PB, *unixfs::raw_leaf(&garbage).cid.hash());
    peers.blocks.insert(malformed, garbage);
    let nowhere = unixfs::raw_leaf(b"nowhere");
    peers.lost = Mutex::new(HashSet::from([lost]));
    let fixture = Fixture::new(peers).await;
    let base = Arc::strong_count(&fixture.peers);
    for round in 0..100 {
        let timed = |root: Child| FetchRequest { timeout: Duration::from_millis(1), ..request(root.cid) };
        assert_eq!(fixture.fetch(whole.cid).await.unwrap(), 6);
        is_malformed(fixture.fetch(malformed).await, "");
        assert!(matches!(fixture.fetcher.fetch(timed(nowhere)).await, Err(FetchError::TimedOut(_))));
        assert!(matches!(fixture.fetcher.look_up(timed(nowhere)).await, Err(FetchError::TimedOut(_))));
        fixture.fetch_and_cancel_at(half.cid, 5).await;
        if round % 2 == 0 {
            fixture.storage.release(claim(0)).await.unwrap();
        }
    }
    while Arc::strong_count(&fixture.peers) > base {
        tokio::task::yield_now().await;
    }
    assert!(fixture.fetcher.running.lock().unwrap().values().all(|turn| turn.strong_count() == 0));
    assert!(fixture.fetcher.running.lock().unwrap().len() <= 1, "the last one is forgotten with the next");
}

#[tokio::test]
async fn who_brought_the_blocks_of_a_broadcast_is_known() {
    let mut peers = Peers::default();
    let file = peers.file(&[b"one", b"two"]);
    let bytes = peers.blocks.values().map(|block| block.len() as u64).sum();
    let fixture = Fixture::new(peers).await;
    fixture.fetch(file.cid).await.unwrap();
    fixture.fetch(file.cid).await.unwrap();
    let broadcast = claim(0).broadcast().unwrap();
    assert_eq!(fixture.fetcher.sources(&broadcast), [(provider(), Amount { blocks: 3, bytes })]);
    assert_eq!(fixture.fetcher.sources(&BroadcastId(MessageKey([2; 32]))), []);
}
