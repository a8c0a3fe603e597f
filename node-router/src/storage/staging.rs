//! Content that is on its way in or out by hand: what an import has brought so far, and what an export reads.
//!
//! An import stages whole pieces (leaves, files, directories) as they become complete: they get rows as everything else
//! does, under a claim that is named after the file's root. So they survive a restart, count towards the quota, are served
//! to peers and are skipped by the next try. Nothing else of an import is kept. What nobody came back for within a day of
//! the node's running goes. The clock is not asked, because a node without one may be years off.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use rusqlite::{Connection, params};
use stream_model::StoreError;
use tokio_util::sync::CancellationToken;

use super::index::{self, Record};
use super::ledger::Totals;
use super::readers::Readers;
use super::room::Need;
use super::{InUse, Storage};

/// What stands in the column `broadcast` of the claims of imports and exports; a slug is longer.
const STAGED: &str = "staged";
/// How often it is noted that time has passed: few writes, and the last of it is lost at each start.
const ROUND: Duration = Duration::from_secs(1800);
/// Rounds that an interrupted import is kept for: a day.
const ROUNDS: u32 = 48;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS staged (claim TEXT PRIMARY KEY, rounds INTEGER NOT NULL) STRICT";

fn staged_claim(root: &Cid) -> String {
    format!("{STAGED}/{root}")
}

/// Content that stays as long as this lives.
pub(crate) struct Loan {
    storage: Storage,
    claim: String,
}

impl Drop for Loan {
    fn drop(&mut self) {
        let (storage, claim) = (self.storage.clone(), std::mem::take(&mut self.claim));
        // Without a runtime the process is at its end, and the next start releases it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = storage.release_named(claim).await {
                    tracing::warn!(%error, "cannot release what was exported; the next start does");
                }
            });
        }
    }
}

/// Releases what exports of an earlier run held.
pub(super) fn forget_loans(connection: &mut Connection) -> Result<(), StoreError> {
    let claims: Vec<String> = connection
        .prepare("SELECT DISTINCT claim FROM claims WHERE own = 1 AND broadcast = ?1 AND claim LIKE 'lent/%'")
        .and_then(|mut select| select.query_map([STAGED], |row| row.get(0))?.collect())
        .map_err(index::failed)?;
    claims.iter().try_for_each(|claim| index::release_some(connection, claim, u32::MAX).map(|_| ()))
}

impl Storage {
    /// Stores a verified block of an import, within the quota and the reserve. The caller relies on it. A put that began
    /// ends, and is accounted for, even if the caller is cancelled.
    pub(crate) async fn put_staged(&self, cid: Cid, block: Bytes) -> Result<(), StoreError> {
        let room = self.make_room(Totals { bytes: block.len() as u64, blocks: 1 }, Need::Import).await?;
        let mut in_use = self.rely();
        in_use.extend(&[cid]).await;
        self.put_partial(vec![(cid, block)], room, in_use).await.map(drop)
    }

    /// Makes blocks durable, gives them their rows, children first, and keeps `tops` for the import of the file with this root.
    pub(crate) async fn stage(
        &self,
        root: Cid,
        records: Vec<Record>,
        tops: Vec<Cid>,
        in_use: Vec<InUse>,
    ) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let lost = self.make_durable(&records).await?;
        let stage = move |connection: &mut Connection| {
            let claim = staged_claim(&root);
            let transaction = connection.transaction().map_err(index::failed)?;
            transaction
                .execute_batch(SCHEMA)
                .and_then(|()| {
                    transaction.execute(
                        "INSERT INTO staged VALUES (?1, ?2) ON CONFLICT DO UPDATE SET rounds = excluded.rounds",
                        params![claim, ROUNDS],
                    )
                })
                .map_err(index::failed)?;
            index::insert_all(&transaction, &records, &lost)?;
            for top in &tops {
                index::claim(&transaction, top, (&claim, STAGED), true)?;
            }
            transaction.commit().map_err(index::failed)?;
            shared.ledger().recorded(records.iter().map(|record| &record.node.cid));
            in_use.into_iter().for_each(InUse::recorded);
            shared.changed(connection, Vec::new())
        };
        let staged = self.shared.database.call(stage).await;
        self.shared.health().wrote(&staged);
        staged
    }

    /// Forgets the import of the file with this root: what nothing else keeps goes.
    pub(crate) async fn unstage(&self, root: &Cid) -> Result<(), StoreError> {
        self.forget_staged(staged_claim(root)).await
    }

    async fn forget_staged(&self, claim: String) -> Result<(), StoreError> {
        // Released first: after a crash in between, the rest goes when its time has come.
        self.release_named(claim.clone()).await?;
        let forget = move |connection: &mut Connection| {
            connection.execute_batch(SCHEMA).map_err(index::failed)?;
            connection.execute("DELETE FROM staged WHERE claim = ?1", [claim]).map(|_| ()).map_err(index::failed)
        };
        self.shared.database.call(forget).await
    }

    /// Removes blocks that an import stored and that did not become part of anything.
    pub(crate) async fn abandon(&self, cids: &[Cid], in_use: Vec<InUse>) {
        self.shared.ledger().abandon(cids);
        drop(in_use);
        self.remove_doomed().await;
    }

    /// Keeps what is below a root in place while it is read.
    pub(crate) async fn lend(&self, root: Cid) -> Result<Loan, StoreError> {
        static LOANS: AtomicU64 = AtomicU64::new(0);
        let claim = format!("lent/{}/{root}", LOANS.fetch_add(1, Ordering::Relaxed));
        let loan = Loan { storage: self.clone(), claim: claim.clone() };
        let lend = move |connection: &mut Connection| {
            let transaction = connection.transaction().map_err(index::failed)?;
            index::claim(&transaction, &root, (&claim, STAGED), true)?;
            transaction.commit().map_err(index::failed)
        };
        self.shared.database.call(lend).await?;
        Ok(loan)
    }

    /// Calls `each` with the length of the CID and the size of each block below a root, in no order. For large content it takes
    /// seconds, on a connection and a thread of its own.
    pub(crate) async fn measure(
        &self,
        root: Cid,
        mut each: impl FnMut(usize, u64) + Send + 'static,
    ) -> Result<(), StoreError> {
        let path = self.shared.readers.path();
        let measured = tokio::task::spawn_blocking(move || {
            let connection = Readers::open(&path)?;
            let mut measure = || -> rusqlite::Result<()> {
                let mut select = connection.prepare(
                    "WITH RECURSIVE below (id) AS (
                     SELECT id FROM blocks WHERE cid = ?1
                     UNION SELECT child FROM links JOIN below ON parent = below.id
                 ) SELECT length(cid), size FROM below JOIN blocks USING (id)",
                )?;
                let mut rows = select.query([root.to_bytes()])?;
                while let Some(row) = rows.next()? {
                    each(row.get(0)?, row.get(1)?);
                }
                Ok(())
            };
            measure().map_err(index::failed)
        });
        measured.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }

    /// Drops what imports brought that nobody went on with, until cancelled.
    pub(crate) async fn expire_imports(self, cancel: CancellationToken) {
        let mut round = tokio::time::interval(ROUND);
        // The first is at once.
        round.tick().await;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = round.tick() => {}
            }
            if let Err(error) = self.pass_round().await {
                tracing::warn!(%error, "cannot look after interrupted imports");
            }
        }
    }

    /// A round has passed.
    pub(crate) async fn pass_round(&self) -> Result<(), StoreError> {
        let pass = |connection: &mut Connection| {
            connection.execute_batch(SCHEMA).map_err(index::failed)?;
            connection.execute("UPDATE staged SET rounds = rounds - 1", []).map_err(index::failed)?;
            connection
                .prepare("SELECT claim FROM staged WHERE rounds <= 0")
                .and_then(|mut select| {
                    select.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
                })
                .map_err(index::failed)
        };
        for claim in self.shared.database.call(pass).await? {
            tracing::info!(import = claim, "dropping what an interrupted import had brought");
            self.forget_staged(claim).await?;
        }
        Ok(())
    }

    async fn release_named(&self, claim: String) -> Result<(), StoreError> {
        self.release_by(move |connection, limit| index::release_some(connection, &claim, limit)).await
    }
}
