//! Reading a CAR file into the store. Blocks are verified and stored side by side, in bounded number; what is complete gets its
//! rows in batches.

use std::collections::{HashMap, HashSet};

use cid::Cid;
use futures::StreamExt as _;
use stream_model::{CarBytes, CarError, CarImported, CarProgress, Claim, StoreError, StoredContent};
use tokio::task::{JoinError, JoinSet};

use super::graph::{Graph, Piece};
use crate::fetch::dag::Seen;
use crate::storage::{InUse, Origin, Record, Storage};
use node_router_car::{Decoder, Item, Refused, Section};

/// Blocks that are verified and stored at once: at most 32 MiB.
const MAX_IN_FLIGHT: usize = 16;
/// A batch gets its rows when it has this many blocks or bytes: one transaction, and what a crash costs.
const BATCH_BLOCKS: usize = 512;
const BATCH_BYTES: u64 = 64 << 20;
/// Largest part of a piece of the file that is looked at before blocks are waited for.
const STEP: usize = 1 << 20;

/// A block that was verified, and is on disk.
struct Stored {
    section: Section,
    seen: Seen,
    in_use: InUse,
    new: bool,
}

/// A block that has no row yet.
struct Unrecorded {
    in_use: InUse,
    new: bool,
}

/// One import.
pub(super) struct Import<'a> {
    storage: Storage,
    report: &'a (dyn Fn(CarProgress) + Send + Sync),
    progress: CarProgress,
    roots: Vec<Cid>,
    graph: Graph,
    storing: JoinSet<Result<Stored, CarError>>,
    /// Blocks of the file that are being stored, wait for others, or are in the batch.
    under_way: HashSet<Cid>,
    unrecorded: HashMap<Cid, Unrecorded>,
    /// What is complete and has no row yet, children first.
    batch: Vec<Record>,
    complete: HashMap<Cid, Piece>,
    batch_bytes: u64,
}

impl<'a> Import<'a> {
    pub(super) fn new(storage: Storage, report: &'a (dyn Fn(CarProgress) + Send + Sync)) -> Self {
        Self {
            storage,
            report,
            progress: CarProgress::default(),
            roots: Vec::new(),
            graph: Graph::default(),
            storing: JoinSet::new(),
            under_way: HashSet::new(),
            unrecorded: HashMap::new(),
            batch: Vec::new(),
            complete: HashMap::new(),
            batch_bytes: 0,
        }
    }

    /// Reads the file to its end.
    pub(super) async fn read(&mut self, mut file: CarBytes<'_>) -> Result<(), CarError> {
        let mut decoder = Decoder::default();
        while let Some(piece) = file.next().await {
            let piece = piece.map_err(|error| CarError::Incomplete(format!("reading it failed: {error}")))?;
            for part in piece.chunks(STEP) {
                decoder.feed(part);
                self.progress.bytes_read += part.len() as u64;
                while let Some(item) = decoder.next_item().map_err(refused)? {
                    match item {
                        Item::Roots(roots) => self.roots = roots,
                        Item::Block(section) => self.take(section).await?,
                    }
                }
                (self.report)(self.progress);
            }
        }
        self.settle().await?;
        decoder.finish().map_err(CarError::Incomplete)
    }

    /// Checks that all is here and claims it.
    pub(super) async fn finish(
        &mut self,
        claim: &(dyn Fn(Cid) -> Claim + Send + Sync),
    ) -> Result<CarImported, CarError> {
        self.record().await?;
        for root in &self.roots {
            if self.storage.is_held(root).await? {
                continue;
            }
            let lacking = self.graph.missing().count();
            return Err(CarError::Incomplete(match self.graph.missing().next() {
                Some(first) => format!("{lacking} blocks are missing, {first} among them"),
                None => format!("its root {root} is missing"),
            }));
        }
        let mut roots = Vec::with_capacity(self.roots.len());
        for root in &self.roots {
            let claim = claim(*root);
            // What the owner brought is the owner's, unless it is part of a broadcast.
            let origin = if claim.broadcast().is_some() { Origin::Fetched } else { Origin::Own };
            self.storage.commit(Vec::new(), *root, claim, origin, self.storage.rely()).await?;
            let held = self.storage.child(*root).await?.ok_or(StoreError::NotFound(*root))?;
            roots.push(StoredContent { cid: *root, bytes: held.content_bytes });
        }
        // What the roots do not reach goes with this.
        self.drop_unrecorded().await;
        self.unstage().await?;
        Ok(CarImported { roots, progress: self.progress })
    }

    /// Keeps what is complete for the next try.
    pub(super) async fn keep(&mut self) -> Result<(), CarError> {
        // What failed once may fail again; the first failure is the one that is told.
        while self.storing.join_next().await.is_some() {}
        self.record().await?;
        // Nodes that wait for blocks are small, and come again with the next try.
        self.drop_unrecorded().await;
        Ok(())
    }

    /// Takes back all that was stored, also by earlier tries.
    pub(super) async fn undo(&mut self) -> Result<(), CarError> {
        while let Some(stored) = self.storing.join_next().await {
            if let Ok(Ok(Stored { section, in_use, new, .. })) = stored {
                self.unrecorded.insert(section.cid, Unrecorded { in_use, new });
            }
        }
        self.drop_unrecorded().await;
        self.unstage().await
    }

    async fn unstage(&self) -> Result<(), CarError> {
        match self.roots.first() {
            Some(root) => Ok(self.storage.unstage(root).await?),
            None => Ok(()),
        }
    }

    async fn drop_unrecorded(&mut self) {
        let (new, in_use): (Vec<_>, Vec<_>) =
            self.unrecorded.drain().map(|(cid, Unrecorded { in_use, new })| (new.then_some(cid), in_use)).unzip();
        let new: Vec<_> = new.into_iter().flatten().collect();
        self.storage.abandon(&new, in_use).await;
    }

    async fn take(&mut self, section: Section) -> Result<(), CarError> {
        if !self.under_way.insert(section.cid) {
            // Twice in the file, and not even recorded since.
            self.progress.blocks_here += 1;
            return Ok(());
        }
        while self.storing.len() >= MAX_IN_FLIGHT {
            self.take_stored().await?;
        }
        self.storing.spawn(store(self.storage.clone(), section));
        Ok(())
    }

    /// Waits for all that is being stored.
    async fn settle(&mut self) -> Result<(), CarError> {
        while !self.storing.is_empty() {
            self.take_stored().await?;
        }
        Ok(())
    }

    async fn take_stored(&mut self) -> Result<(), CarError> {
        let Some(stored) = self.storing.join_next().await else { return Ok(()) };
        let Stored { section, seen, in_use, new } = stored.map_err(ended)??;
        if new {
            self.progress.blocks_new += 1;
        } else {
            self.progress.blocks_here += 1;
        }
        self.unrecorded.insert(section.cid, Unrecorded { in_use, new });
        let mut found = HashMap::new();
        for child in seen.missing() {
            if !found.contains_key(&child)
                && let Some(piece) = self.look_up(child).await?
            {
                found.insert(child, piece);
            }
        }
        let at = section.at;
        let complete = self.graph.add(section.cid, seen, found);
        let complete = complete.map_err(|error| CarError::Refused { at, reason: error.to_string() })?;
        self.batch_bytes += section.block.len() as u64;
        for (piece, record) in complete {
            self.complete.insert(piece.child.cid, piece);
            self.batch.push(record);
        }
        if self.batch.len() >= BATCH_BLOCKS || self.batch_bytes >= BATCH_BYTES {
            self.record().await?;
        }
        Ok(())
    }

    /// A block with all that is below it, where it is here.
    async fn look_up(&self, cid: Cid) -> Result<Option<Piece>, CarError> {
        if let Some(piece) = self.complete.get(&cid) {
            return Ok(Some(*piece));
        }
        if self.graph.is_waiting(&cid) || !self.storage.is_held(&cid).await? {
            return Ok(None);
        }
        let Some(child) = self.storage.child(cid).await? else { return Ok(None) };
        let (is_file, height) = match self.graph.kind(&cid) {
            Some(kind) => kind,
            None => {
                let block = self.storage.present_block(&cid).await?.ok_or(StoreError::NotFound(cid))?;
                let seen = Seen::parse(&cid, &block).map_err(|error| StoreError::Failed(error.to_string()))?;
                (seen.is_file(), 0)
            }
        };
        Ok(Some(Piece { child, is_file, height }))
    }

    /// Gives the batch its rows.
    async fn record(&mut self) -> Result<(), CarError> {
        let Some(root) = self.roots.first().copied().filter(|_| !self.batch.is_empty()) else { return Ok(()) };
        let records = std::mem::take(&mut self.batch);
        self.complete.clear();
        self.batch_bytes = 0;
        let below: HashSet<_> = records.iter().flat_map(|record| &record.children).collect();
        let cids = records.iter().map(|record| record.node.cid);
        let tops = cids.clone().filter(|cid| !below.contains(cid)).collect();
        let mut in_use = Vec::with_capacity(records.len());
        for cid in cids {
            self.under_way.remove(&cid);
            in_use.extend(self.unrecorded.remove(&cid).map(|unrecorded| unrecorded.in_use));
        }
        Ok(self.storage.stage(root, records, tops, in_use).await?)
    }
}

/// Verifies a block and stores it where it is not here.
async fn store(storage: Storage, section: Section) -> Result<Stored, CarError> {
    let cid = section.cid;
    let mut in_use = storage.rely();
    in_use.extend(&[cid]).await;
    // Hashing takes milliseconds; the async threads have viewers to serve.
    let verify = move || {
        section.verify().map_err(refused)?;
        let parsed = Seen::parse(&cid, &section.block);
        let seen =
            parsed.map_err(|error| CarError::Refused { at: section.at, reason: format!("block {cid}: {error}") })?;
        Ok::<_, CarError>((section, seen))
    };
    let (section, seen) = tokio::task::spawn_blocking(verify).await.map_err(ended)??;
    let new = !storage.is_present(&cid).await?;
    if new {
        storage.put_staged(cid, section.block.clone()).await?;
    }
    Ok(Stored { section, seen, in_use, new })
}

fn refused(refused: Refused) -> CarError {
    CarError::Refused { at: refused.at, reason: refused.reason() }
}

fn ended(error: JoinError) -> CarError {
    StoreError::Failed(error.to_string()).into()
}
