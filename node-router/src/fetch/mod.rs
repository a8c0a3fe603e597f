//! Fetching: from a root CID to a DAG that is stored, checked and claimed.
//!
//! Comes in: requests for roots, and verified blocks from the exchange. Goes out: wants, and blocks and rows to the
//! storage. Blocks are stored as they arrive, so that they can be served on and a second try does not ask for them
//! again; their rows come all at once when nothing is missing. Never stores more than the request allows.

pub(crate) mod dag;
pub(crate) mod sources;
mod strays;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use metrics::counter;
use stream_model::{
    BroadcastId, Claim, ContentFetcher, ContentLookup, FetchError, FetchProgress, FetchRequest, Node, PeerId,
    StoreError, StoredContent,
};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::storage::{InUse, Origin, Storage};
use crate::unixfs;
use dag::{Dag, Seen};
use sources::{Amount, Tally};
use strays::Withdrawn;

/// Wants in flight for one fetch: several bandwidth-delay products of blocks, and no more than some tens of megabytes.
const MAX_IN_FLIGHT: usize = 64;
/// The same for what nobody waits for: one block at a time leaves the links to what is live.
const IN_FLIGHT_BEHIND: usize = 1;
/// Most blocks of a DAG: a live window of six large segments has about 400.
const MAX_BLOCKS: usize = 4_096;
/// Tries where content that was held already is released while the rest is fetched.
const TRIES: usize = 3;

/// Asks peers for blocks.
pub(crate) trait BlockExchange: Send + Sync + 'static {
    /// Begins asking for the blocks of one DAG, first of these peers, which are dialled where they are not connected.
    fn open(&self, providers: &[PeerId]) -> Arc<dyn Session>;

    /// Verified blocks that come although their wants were withdrawn, from peers that were asked for them; until the
    /// exchange ends.
    fn strays(&self) -> BoxStream<'static, (Cid, Bytes)>;
}

/// The wants of one fetch; dropping it, and what it returned, withdraws them.
pub(crate) trait Session: Send + Sync {
    /// Waits for a block, which is verified; `None` when the exchange has ended.
    fn want(&self, cid: Cid) -> BoxFuture<'static, Option<Delivered>>;
}

/// A block that came.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) block: Bytes,
    /// Who sent it.
    pub(crate) from: Option<PeerId>,
}

/// Fetches content for its node.
pub(crate) struct Fetcher {
    storage: Storage,
    exchange: Arc<dyn BlockExchange>,
    /// One for each root being fetched.
    running: Mutex<HashMap<Cid, Weak<Turn>>>,
    withdrawn: Withdrawn,
    sources: Arc<Mutex<Tally>>,
}

/// A root that is being fetched.
#[derive(Debug, Default)]
struct Turn {
    /// So that a second request waits for the first one's work.
    lock: AsyncMutex<()>,
    progress: Mutex<Option<Arrived>>,
}

/// What of a fetch is here.
#[derive(Debug, Clone, Copy)]
struct Arrived {
    bytes: u64,
    total_bytes: u64,
    at: Instant,
}

impl Turn {
    fn progress(&self) -> MutexGuard<'_, Option<Arrived>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

impl Fetcher {
    pub(crate) fn new(storage: Storage, exchange: Arc<dyn BlockExchange>) -> Self {
        let sources = Arc::new(Mutex::new(Tally::new(Instant::now().into_std())));
        Self { storage, exchange, running: Mutex::default(), withdrawn: Withdrawn::default(), sources }
    }

    /// Who brought blocks of a broadcast of late, the most first.
    pub(crate) fn sources(&self, broadcast: &BroadcastId) -> Vec<(PeerId, Amount)> {
        tally(&self.sources).of(broadcast, Instant::now().into_std())
    }

    /// Stores blocks that come after their fetch was cancelled: what was paid for is not asked for again when it is
    /// fetched anew. Until the exchange ends.
    pub(crate) async fn keep_strays(&self) {
        let mut strays = self.exchange.strays();
        while let Some((cid, block)) = strays.next().await {
            let Some(claim) = self.withdrawn.take(&cid) else { continue };
            match store_block(&self.storage, cid, &block, &claim).await {
                Ok(()) => counter!("meshstream_fetched_strays_total").increment(1),
                Err(error) => tracing::debug!(%cid, %error, "a stray block is not kept"),
            }
        }
    }

    fn turn(&self, root: Cid) -> Arc<Turn> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = running.get(&root).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::default());
        running.insert(root, Arc::downgrade(&turn));
        turn
    }

    async fn fetch_in_turn(&self, request: &FetchRequest) -> Result<StoredContent, FetchError> {
        let turn = self.turn(request.root);
        let _alone = turn.lock.lock().await;
        let mut tries = 1;
        loop {
            match self.try_fetch(request, &turn).await {
                Err(FetchError::Store(StoreError::NotFound(_))) if tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }

    fn blocks(&self, request: &FetchRequest) -> Blocks {
        let session = self.exchange.open(&request.providers);
        let (withdrawn, sources) = (self.withdrawn.clone(), self.sources.clone());
        Blocks { storage: self.storage.clone(), session, withdrawn, sources, claim: request.claim }
    }

    async fn look_up_block(&self, request: &FetchRequest) -> Result<Node, FetchError> {
        let root = request.root;
        let mut in_use = self.storage.rely();
        in_use.extend(&[root]).await;
        let block = match self.storage.present_block(&root).await? {
            Some(block) => block,
            None => self.blocks(request).fetch(root).await?,
        };
        let parsed = unixfs::parse(&root, &block).map_err(|error| FetchError::Malformed(error.to_string()))?;
        Ok(parsed.into())
    }

    async fn try_fetch(&self, request: &FetchRequest, turn: &Turn) -> Result<StoredContent, FetchError> {
        let root = request.root;
        if let Some(held) = self.storage.child(root).await? {
            let in_use = self.storage.rely();
            self.storage.commit(Vec::new(), root, request.claim, Origin::Fetched, in_use).await?;
            return Ok(StoredContent { cid: root, bytes: held.content_bytes });
        }
        let in_use = self.storage.rely();
        let walk = Walk { blocks: self.blocks(request), request, turn, in_use, total_bytes: 0 };
        let (dag, in_use) = walk.run().await?;
        let (content, records) = dag.into_records(root).map_err(|error| FetchError::Malformed(error.to_string()))?;
        if content.content_bytes > request.max_bytes {
            return Err(FetchError::TooLarge(request.max_bytes));
        }
        self.storage.commit(records, root, request.claim, Origin::Fetched, in_use).await?;
        Ok(StoredContent { cid: root, bytes: content.content_bytes })
    }
}

#[async_trait]
impl ContentFetcher for Fetcher {
    async fn fetch(&self, mut request: FetchRequest) -> Result<StoredContent, FetchError> {
        check_supported(&request.root)?;
        if matches!(request.claim, Claim::Gateway(_)) {
            request.max_bytes = request.max_bytes.min(self.storage.gateway_bytes());
        }
        let fetched = tokio::time::timeout(request.timeout, self.fetch_in_turn(&request)).await;
        let result = fetched.unwrap_or(Err(FetchError::TimedOut(request.timeout)));
        let outcome = match &result {
            Ok(_) => "complete",
            Err(FetchError::TimedOut(_)) => "timed out",
            Err(FetchError::TooLarge(_) | FetchError::Malformed(_)) => "refused",
            Err(_) => "failed",
        };
        counter!("meshstream_fetches_total", "outcome" => outcome).increment(1);
        result
    }

    fn progress(&self, root: &Cid) -> Option<FetchProgress> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = running.get(root).and_then(Weak::upgrade)?;
        let Arrived { bytes, total_bytes, at } = (*turn.progress())?;
        Some(FetchProgress { bytes, total_bytes, quiet_for: at.elapsed() })
    }
}

#[async_trait]
impl ContentLookup for Fetcher {
    async fn glance(&self, cid: &Cid) -> Result<Option<Node>, StoreError> {
        // Relied on, so that what is asked for again and again does not expire in between.
        let mut in_use = self.storage.rely();
        in_use.extend(&[*cid]).await;
        let Some(block) = self.storage.present_block(cid).await? else { return Ok(None) };
        let parsed = unixfs::parse(cid, &block);
        parsed.map(|parsed| Some(parsed.into())).map_err(|error| StoreError::Failed(format!("block {cid}: {error}")))
    }

    async fn look_up(&self, request: FetchRequest) -> Result<Node, FetchError> {
        check_supported(&request.root)?;
        let looked_up = tokio::time::timeout(request.timeout, self.look_up_block(&request)).await;
        looked_up.unwrap_or(Err(FetchError::TimedOut(request.timeout)))
    }
}

fn check_supported(root: &Cid) -> Result<(), FetchError> {
    if unixfs::is_supported(root) {
        return Ok(());
    }
    Err(FetchError::Malformed(format!("{root} is neither dag-pb nor raw with sha2-256")))
}

/// A block that was found here or arrived.
enum Found {
    /// The whole DAG below it is held.
    Held(Seen),
    /// The block itself, which is on disk.
    Block(Bytes),
}

struct Walk<'a> {
    blocks: Blocks,
    request: &'a FetchRequest,
    turn: &'a Turn,
    in_use: InUse,
    total_bytes: u64,
}

impl Walk<'_> {
    /// Asks for the root, then for the children of each block as soon as it is there.
    async fn run(mut self) -> Result<(Dag, InUse), FetchError> {
        let root = self.request.root;
        let (mut dag, mut known) = (Dag::default(), HashSet::from([root]));
        let mut queue = VecDeque::from([root]);
        // Tasks, because a block store may hold a lock while it waits for the disk: nothing of it may wait unpolled
        // while this function waits for another block.
        let mut in_flight = JoinSet::new();
        let most = if matches!(self.request.claim, Claim::Release(_)) { IN_FLIGHT_BEHIND } else { MAX_IN_FLIGHT };
        loop {
            let free = most - in_flight.len();
            let next: Vec<_> = queue.drain(..free.min(queue.len())).collect();
            self.in_use.extend(&next).await;
            for cid in next {
                in_flight.spawn(self.blocks.clone().obtain(cid));
            }
            let Some(found) = in_flight.join_next().await else { return Ok((dag, self.in_use)) };
            let (cid, found) = found.map_err(|error| StoreError::Failed(error.to_string()))??;
            let seen = match found {
                Found::Held(seen) => seen,
                Found::Block(block) => {
                    Seen::parse(&cid, &block).map_err(|error| FetchError::Malformed(error.to_string()))?
                }
            };
            self.count(&seen)?;
            let bytes = self.total_bytes;
            let mut arrived = self.turn.progress();
            // The root comes first.
            let total_bytes = arrived.map_or(seen.declared_bytes(), |arrived| arrived.total_bytes);
            *arrived = Some(Arrived { bytes, total_bytes, at: Instant::now() });
            drop(arrived);
            queue.extend(seen.missing().filter(|child| known.insert(*child)));
            if known.len() > MAX_BLOCKS {
                return Err(FetchError::Malformed(format!("more than {MAX_BLOCKS} blocks")));
            }
            dag.insert(cid, seen);
        }
    }

    fn count(&mut self, seen: &Seen) -> Result<(), FetchError> {
        self.total_bytes = self.total_bytes.saturating_add(seen.own_bytes());
        let most = self.request.max_bytes;
        if self.total_bytes.max(seen.declared_bytes()) > most { Err(FetchError::TooLarge(most)) } else { Ok(()) }
    }
}

/// The blocks of one fetch: those that are here, and those that peers are asked for.
#[derive(Clone)]
struct Blocks {
    storage: Storage,
    session: Arc<dyn Session>,
    withdrawn: Withdrawn,
    sources: Arc<Mutex<Tally>>,
    claim: Claim,
}

impl Blocks {
    async fn obtain(self, cid: Cid) -> Result<(Cid, Found), FetchError> {
        if let Some(child) = self.storage.child(cid).await? {
            // What kind of node it is, only the block tells; it is small unless it is a leaf.
            let is_file = cid.codec() == unixfs::RAW || {
                let block = self.storage.present_block(&cid).await?.ok_or(StoreError::NotFound(cid))?;
                Seen::parse(&cid, &block).map_err(|error| FetchError::Malformed(error.to_string()))?.is_file()
            };
            return Ok((cid, Found::Held(Seen::held(child, is_file))));
        }
        if let Some(block) = self.storage.present_block(&cid).await? {
            return Ok((cid, Found::Block(block)));
        }
        Ok((cid, Found::Block(self.fetch(cid).await?)))
    }

    /// A block from a peer, stored.
    async fn fetch(&self, cid: Cid) -> Result<Bytes, FetchError> {
        let awaited = self.withdrawn.guard(cid, self.claim);
        let arrived = self.session.want(cid).await;
        awaited.came();
        let Delivered { block, from } = arrived.ok_or_else(|| StoreError::Failed("the exchange has ended".into()))?;
        if let (Some(broadcast), Some(from)) = (self.claim.broadcast(), &from) {
            tally(&self.sources).count(broadcast, from, block.len() as u64, Instant::now().into_std());
        }
        store_block(&self.storage, cid, &block, &self.claim).await?;
        Ok(block)
    }
}

fn tally(sources: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    sources.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn store_block(storage: &Storage, cid: Cid, block: &Bytes, claim: &Claim) -> Result<(), FetchError> {
    if block.len() > unixfs::MAX_BLOCK {
        return Err(FetchError::Malformed(format!("block {cid} has {} bytes", block.len())));
    }
    counter!("meshstream_fetched_bytes_total").increment(block.len() as u64);
    Ok(storage.put_fetched(cid, block.clone(), claim).await?)
}
