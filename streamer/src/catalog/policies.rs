//! What the owner wants of single broadcasts, and how long this node has run in all.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};
use stream_model::{BroadcastId, KeepPolicy, KeptBroadcast};

use super::{Catalog, CatalogError, broadcast_key, read_broadcast};

/// A policy other than the default, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PolicyRecord {
    pub(crate) broadcast: BroadcastId,
    pub(crate) policy: KeepPolicy,
    /// For how long the node had run when the age began to count; `None` while the broadcast goes on.
    pub(crate) counted_from: Option<Duration>,
    pub(crate) dropped: bool,
}

impl Catalog {
    /// Writes down a policy, in the place of an earlier one; what was counted for that is forgotten.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn set_policy(&self, broadcast: BroadcastId, policy: KeepPolicy) -> Result<(), CatalogError> {
        self.run(move |connection| {
            let drop_after_s = match policy {
                KeepPolicy::Default => {
                    connection.execute("DELETE FROM keep_policy WHERE broadcast = ?", [broadcast_key(&broadcast)])?;
                    return Ok(());
                }
                KeepPolicy::Keep => None,
                // Beyond what is counted in an i64 is for ever.
                KeepPolicy::DropAfter(age) => Some(i64::try_from(age.as_secs()).unwrap_or(i64::MAX)),
            };
            connection.execute(
                "INSERT OR REPLACE INTO keep_policy (broadcast, drop_after_s) VALUES (?, ?)",
                params![broadcast_key(&broadcast), drop_after_s],
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets that a broadcast was dropped, as somebody wants it again; false where it was not.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn forget_drop(&self, broadcast: BroadcastId) -> Result<bool, CatalogError> {
        self.run(move |connection| {
            let key = broadcast_key(&broadcast);
            Ok(connection.execute("DELETE FROM keep_policy WHERE broadcast = ? AND dropped = 1", [key])? > 0)
        })
        .await
    }

    /// The broadcasts that were dropped.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub(crate) async fn dropped_broadcasts(&self) -> Result<BTreeSet<BroadcastId>, CatalogError> {
        let (records, _) = self.policies().await?;
        Ok(records.into_iter().filter(|record| record.dropped).map(|record| record.broadcast).collect())
    }

    /// All policies, and for how long the node has run.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub(crate) async fn policies(&self) -> Result<(Vec<PolicyRecord>, Duration), CatalogError> {
        self.run(|connection| {
            let ran: Option<u64> =
                connection.query_row("SELECT seconds FROM running_time", [], |row| row.get(0)).optional()?;
            let mut statement = connection
                .prepare_cached("SELECT broadcast, drop_after_s, counted_from_s, dropped FROM keep_policy")?;
            let mut rows = statement.query([])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                let after: Option<u64> = row.get(1)?;
                records.push(PolicyRecord {
                    broadcast: read_broadcast(row.get(0)?)?,
                    policy: after.map_or(KeepPolicy::Keep, |after| KeepPolicy::DropAfter(Duration::from_secs(after))),
                    counted_from: row.get::<_, Option<u64>>(2)?.map(Duration::from_secs),
                    dropped: row.get(3)?,
                });
            }
            Ok((records, Duration::from_secs(ran.unwrap_or(0))))
        })
        .await
    }

    /// What the owner wants of single broadcasts, and in how much more time of running they go.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn kept_broadcasts(&self) -> Result<Vec<KeptBroadcast>, CatalogError> {
        let (mut records, ran) = self.policies().await?;
        // They go with what they are renditions of.
        let renditions = self.renditions().await?;
        records.retain(|record| !renditions.contains(&record.broadcast));
        let kept = |PolicyRecord { broadcast, policy, counted_from, dropped }: PolicyRecord| {
            let dropped_in = match policy {
                KeepPolicy::DropAfter(_) if dropped => Some(Duration::ZERO),
                KeepPolicy::DropAfter(age) => counted_from.map(|from| age.saturating_sub(ran.saturating_sub(from))),
                KeepPolicy::Keep | KeepPolicy::Default => None,
            };
            KeptBroadcast { broadcast, policy, dropped_in }
        };
        Ok(records.into_iter().map(kept).collect())
    }

    /// The node has run for this much longer, in whole seconds.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn pass_time(&self, passed: Duration) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection.execute(
                "INSERT INTO running_time (only, seconds) VALUES (1, ?)
                 ON CONFLICT DO UPDATE SET seconds = seconds + excluded.seconds",
                [passed.as_secs()],
            )?;
            Ok(())
        })
        .await
    }

    /// The age of a broadcast counts from now on, unless it does already.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn count_from_now(&self, broadcast: BroadcastId) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection.execute(
                "UPDATE keep_policy SET counted_from_s = coalesce((SELECT seconds FROM running_time), 0)
                 WHERE broadcast = ? AND counted_from_s IS NULL",
                [broadcast_key(&broadcast)],
            )?;
            Ok(())
        })
        .await
    }

    /// Whether a broadcast of this node has not ended, or is not archived yet.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn is_unfinished(&self, broadcast: BroadcastId) -> Result<bool, CatalogError> {
        self.run(move |connection| {
            let unfinished = "SELECT 1 FROM broadcast WHERE id = ? AND (stage <> 'ended' OR archived = 0)";
            Ok(connection.prepare_cached(unfinished)?.exists([broadcast_key(&broadcast)])?)
        })
        .await
    }

    /// Forgets what is known of the content of a broadcast that was dropped, and that it is to be.
    ///
    /// # Errors
    /// Where the database fails. Then nothing is changed.
    pub(crate) async fn note_dropped(&self, broadcast: BroadcastId) -> Result<(), CatalogError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let key = broadcast_key(&broadcast);
            for table in ["segment", "archive", "fetched_segment", "known_hour"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE broadcast = ?"), [key])?;
            }
            transaction.execute("UPDATE keep_policy SET dropped = 1 WHERE broadcast = ?", [key])?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}
