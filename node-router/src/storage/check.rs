//! A check of every block on disk and of all of the index, while everything else goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use futures::stream::{self, BoxStream, StreamExt as _};
use multihash_codetable::{Code, MultihashDigest as _};
use stream_model::{
    StorageCheckEvent, StorageCheckProgress, StorageChecker, StorageFault, StorageFaultKind, StorageRepair, StoreError,
};
use tokio::sync::{Mutex, mpsc};

use super::audit::{self, Facts, Row};
use super::{Storage, block_failure};
use crate::fetch::{BlockExchange, Delivered};
use crate::unixfs::{self, Parsed};

/// Rows that are looked up at once: some milliseconds of the database's time.
const PAGE: u32 = 64;
/// Events that wait for who asked.
const EVENTS: usize = 64;
/// How long peers may take for a block; most of a mesh's answer within two.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest pause after a block: as long as reading it took, so that the disk has half of its time for others.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Checks for its node.
#[derive(Clone)]
pub(crate) struct Checker {
    storage: Storage,
    exchange: Arc<dyn BlockExchange>,
    /// One check at a time.
    running: Arc<Mutex<()>>,
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").finish_non_exhaustive()
    }
}

impl StorageChecker for Checker {
    fn check(&self, repair: StorageRepair) -> BoxStream<'static, StorageCheckEvent> {
        let (events, received) = mpsc::channel(EVENTS);
        let checker = self.clone();
        tokio::spawn(async move {
            let last = match checker.running.clone().try_lock_owned() {
                Ok(_alone) => {
                    let mut check = Check { checker, repair, events: events.clone(), progress: Default::default() };
                    match check.run().await {
                        Ok(()) => StorageCheckEvent::Done(check.progress),
                        Err(Stop::Nobody) => return,
                        Err(Stop::Store(error)) => StorageCheckEvent::Failed(error.to_string()),
                    }
                }
                Err(_) => StorageCheckEvent::Failed("another check is running: wait for its end".into()),
            };
            // Who asked may be gone.
            let _ = events.send(last).await;
        });
        stream::unfold(received, |mut received| async { Some((received.recv().await?, received)) }).boxed()
    }
}

/// Why a check ends early.
enum Stop {
    /// Who asked is gone.
    Nobody,
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct Check {
    checker: Checker,
    repair: StorageRepair,
    events: mpsc::Sender<StorageCheckEvent>,
    progress: StorageCheckProgress,
}

impl Checker {
    pub(crate) fn new(storage: Storage, exchange: Arc<dyn BlockExchange>) -> Self {
        Self { storage, exchange, running: Arc::default() }
    }
}

impl Check {
    async fn run(&mut self) -> Result<(), Stop> {
        let storage = self.checker.storage.clone();
        self.progress.total_blocks = storage.report().files;
        let mut after = 0;
        loop {
            let page = move |connection: &mut rusqlite::Connection| audit::page(connection, after, PAGE);
            let page = storage.shared.database.call(page).await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                after = row.id;
                let changed = self.look_at(row).await?;
                if changed {
                    // What the page says of others may be out of date.
                    break;
                }
            }
            self.send(StorageCheckEvent::Progress(self.progress)).await?;
        }
        self.look_for_strays().await
    }

    async fn send(&self, event: StorageCheckEvent) -> Result<(), Stop> {
        self.events.send(event).await.map_err(|_| Stop::Nobody)
    }

    /// Whether the index was changed.
    async fn look_at(&mut self, row: Row) -> Result<bool, Stop> {
        let storage = self.checker.storage.clone();
        let mut in_use = storage.rely();
        in_use.extend(&[row.cid]).await;
        let since = Instant::now();
        let read = storage.shared.blocks.get(&row.cid).await;
        let block = match read {
            Ok(Some(block)) if is_of(row.cid, block.clone()).await? => Ok(block),
            Ok(Some(_)) => Err((StorageFaultKind::Damaged, "its bytes on disk have another hash".to_owned())),
            Ok(None) => Err((StorageFaultKind::Missing, "it is not on disk".to_owned())),
            Err(error) => Err((StorageFaultKind::Damaged, error.to_string())),
        };
        tokio::time::sleep(since.elapsed().min(MAX_PAUSE)).await;
        self.progress.blocks += 1;
        // It may have been released meanwhile.
        if !storage.is_held(&row.cid).await? {
            return Ok(false);
        }
        match block {
            Ok(block) => {
                self.progress.bytes += block.len() as u64;
                self.look_at_index(row, &block).await
            }
            Err((kind, detail)) => self.lost(row.cid, kind, detail).await,
        }
    }

    async fn look_at_index(&self, row: Row, block: &Bytes) -> Result<bool, Stop> {
        let parsed = match unixfs::parse(&row.cid, block) {
            Ok(parsed) => parsed,
            Err(error) => return self.lost(row.cid, StorageFaultKind::Damaged, error.to_string()).await,
        };
        let (content_bytes, links): (_, Vec<Cid>) = match parsed {
            Parsed::File(file) => (Some(file.size), file.children.into_iter().map(|(cid, _)| cid).collect()),
            Parsed::Directory(entries) => (None, entries.into_iter().map(|(_, cid)| cid).collect()),
        };
        let mut wrong = Vec::new();
        let size = block.len() as u64;
        let mut facts = Facts { size, content_bytes: content_bytes.unwrap_or(0), dag_bytes: size };
        let mut lacking = row.children.len();
        for (number, link) in links.iter().enumerate() {
            let Some(child) = row.children.get(link) else {
                wrong.push(format!("its link to {link} is not in the index"));
                continue;
            };
            lacking -= usize::from(!links[..number].contains(link));
            facts.dag_bytes = facts.dag_bytes.saturating_add(child.dag_bytes);
            if content_bytes.is_none() {
                facts.content_bytes = facts.content_bytes.saturating_add(child.content_bytes);
            }
        }
        if lacking > 0 {
            wrong.push(format!("{lacking} links in the index are not its own"));
        }
        if row.refs != row.counted {
            wrong.push(format!("it is counted {} times and needed {} times", row.refs, row.counted));
        }
        if wrong.is_empty() && row.facts != facts {
            wrong.push(format!("the index has {:?} for {facts:?}", row.facts));
        }
        if wrong.is_empty() {
            return Ok(false);
        }
        let repair = self.repair != StorageRepair::Tell;
        let kept_for = self.kept_for(row.cid).await?;
        if repair {
            let storage = &self.checker.storage;
            let (shared, cid) = (storage.shared.clone(), row.cid);
            let mend = move |connection: &mut rusqlite::Connection| {
                let removed = match audit::mend(connection, &cid, facts, &links) {
                    // What it links to is not here: then it is not whole.
                    Err(StoreError::NotFound(_)) => audit::forget(connection, &cid)?,
                    mended => mended?,
                };
                shared.changed(connection, removed)
            };
            storage.shared.database.call(mend).await?;
        }
        self.fault(row.cid, StorageFaultKind::Index, wrong.join("; "), repair, kept_for).await?;
        Ok(repair)
    }

    async fn lost(&self, cid: Cid, kind: StorageFaultKind, mut detail: String) -> Result<bool, Stop> {
        let kept_for = self.kept_for(cid).await?;
        if self.repair != StorageRepair::FromPeers {
            self.fault(cid, kind, detail, false, kept_for).await?;
            return Ok(false);
        }
        // In a task of its own: what was taken out is to be put back, or forgotten, even if who asked is gone.
        let checker = self.checker.clone();
        let refetched = tokio::spawn(async move { checker.refetch(cid).await }).await;
        let refetched = refetched.map_err(|error| StoreError::Failed(error.to_string()))??;
        if !refetched {
            detail.push_str("; no peer has it now, and it will be fetched again when it is asked for");
        }
        self.fault(cid, kind, detail, refetched, kept_for).await?;
        Ok(!refetched)
    }

    async fn look_for_strays(&self) -> Result<(), Stop> {
        let storage = &self.checker.storage;
        let repair = self.repair != StorageRepair::Tell;
        let mut pages = storage.shared.blocks.list();
        while let Some(page) = pages.next().await {
            for cid in storage.strays_among(page.map_err(block_failure)?).await? {
                if repair {
                    storage.shared.ledger().doom([cid]);
                }
                self.fault(cid, StorageFaultKind::Stray, "nothing needs it".into(), repair, Vec::new()).await?;
            }
            storage.remove_doomed().await;
        }
        Ok(())
    }

    async fn kept_for(&self, cid: Cid) -> Result<Vec<String>, Stop> {
        let claims = move |connection: &mut rusqlite::Connection| audit::claims_above(connection, &cid);
        Ok(self.checker.storage.shared.database.call(claims).await?)
    }

    async fn fault(
        &self,
        cid: Cid,
        kind: StorageFaultKind,
        detail: String,
        repaired: bool,
        kept_for: Vec<String>,
    ) -> Result<(), Stop> {
        metrics::counter!("meshstream_store_faults_total").increment(1);
        tracing::warn!(%cid, ?kind, detail, repaired, "a stored block is not as it should be");
        self.send(StorageCheckEvent::Fault(StorageFault { cid: cid.to_string(), kind, detail, repaired, kept_for }))
            .await
    }
}

impl Checker {
    /// Replaces a lost block by what a peer has; where none has it, it and what it is part of are no longer held.
    async fn refetch(&self, cid: Cid) -> Result<bool, StoreError> {
        let shared = &self.storage.shared;
        // A file that is not there cannot be removed, and need not be.
        let _ = shared.blocks.remove(&cid).await;
        let session = self.exchange.open(&[]);
        if let Ok(Some(Delivered { block, .. })) = tokio::time::timeout(PATIENCE, session.want(cid)).await {
            shared.blocks.put(vec![(cid, block)]).await.map_err(block_failure)?;
            shared.sync().await?;
            return Ok(true);
        }
        let ledger = shared.clone();
        let forget = move |connection: &mut rusqlite::Connection| {
            let removed = match audit::forget(connection, &cid) {
                // Released meanwhile.
                Err(StoreError::NotFound(_)) => Vec::new(),
                removed => removed?,
            };
            ledger.changed(connection, removed)
        };
        shared.database.call(forget).await?;
        self.storage.remove_doomed().await;
        Ok(false)
    }
}

/// Whether the bytes are those of the block. Takes milliseconds, for which viewers need not wait.
async fn is_of(cid: Cid, block: Bytes) -> Result<bool, StoreError> {
    let hashed = tokio::task::spawn_blocking(move || Code::Sha2_256.digest(&block) == *cid.hash());
    hashed.await.map_err(|error| StoreError::Failed(error.to_string()))
}
