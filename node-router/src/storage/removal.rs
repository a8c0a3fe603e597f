//! What nothing keeps goes from the disk.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cid::Cid;
use futures::StreamExt as _;
use metrics::counter;
use stream_model::StoreError;

use super::{Shared, Storage, block_failure, index};

/// Blocks looked at and removed together: one question to the index for them.
const REMOVED_AT_ONCE: usize = 64;
/// Longest pause after some hundred blocks were looked at: as long as that took, so that the disk has half of its time for
/// others.
const MAX_PAUSE: Duration = Duration::from_secs(1);

impl Storage {
    /// Removes blocks on disk that have no row and that nobody is at work on. Blocks being added meanwhile are safe:
    /// they are in use from before they are put until they have their row. Takes as long as the disk takes to list all
    /// blocks, twice.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let mut pages = self.shared.blocks.list();
        let mut removed = 0;
        loop {
            let since = Instant::now();
            let Some(page) = pages.next().await else { break };
            let strays = self.strays_among(page.map_err(block_failure)?).await?;
            if !strays.is_empty() {
                removed += strays.len();
                self.shared.ledger().doom(strays);
                self.remove_doomed().await;
            }
            tokio::time::sleep(since.elapsed().min(MAX_PAUSE)).await;
        }
        if removed > 0 {
            tracing::info!(blocks = removed, "removed blocks that a crash left behind");
        }
        Ok(())
    }

    /// Those blocks on disk that nobody needs.
    pub(super) async fn strays_among(&self, mut cids: Vec<Cid>) -> Result<Vec<Cid>, StoreError> {
        {
            let ledger = self.shared.ledger();
            cids.retain(|cid| !ledger.is_worked_on(cid));
        }
        let held = self.shared.held_among(cids.clone()).await?;
        cids.retain(|cid| !held.contains(cid));
        Ok(cids)
    }

    /// Removes doomed blocks from disk. In a task of its own, because a removal that began must end.
    pub(crate) async fn remove_doomed(&self) {
        let shared = self.shared.clone();
        let removal = tokio::spawn(async move {
            loop {
                let marked = shared.ledger().begin_removal(REMOVED_AT_ONCE);
                if marked.is_empty() {
                    break;
                }
                shared.remove(&marked).await;
                shared.ledger().end_removal(&marked);
                shared.removed.notify_waiters();
            }
        });
        if let Err(error) = removal.await {
            tracing::error!(%error, "removing blocks failed");
        }
    }
}

impl Shared {
    pub(super) async fn held_among(&self, cids: Vec<Cid>) -> Result<HashSet<Cid>, StoreError> {
        self.readers.ask(move |connection| index::held_among(connection, &cids)).await
    }

    async fn remove(&self, marked: &[Cid]) {
        let held = match self.held_among(marked.to_vec()).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%error, "cannot tell which blocks are to be removed; the next start tries again");
                return;
            }
        };
        let unneeded = marked.iter().filter(|cid| !held.contains(*cid));
        let remove = async |cid: &Cid| {
            if let Err(error) = self.blocks.remove(cid).await {
                tracing::warn!(%cid, %error, "cannot remove a block; the next start tries again");
            }
            self.hot.forget(cid);
            counter!("meshstream_store_blocks_removed_total").increment(1);
        };
        futures::future::join_all(unneeded.map(remove)).await;
    }
}
