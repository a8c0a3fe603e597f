//! Which broadcasts are renditions of others.

use std::collections::BTreeSet;

use rusqlite::{Connection, Params, params};
use stream_model::BroadcastId;

use super::broadcasts::insert_broadcast;
use super::{BroadcastRecord, Catalog, CatalogError, broadcast_key, read_broadcast};

/// That one broadcast of this node is a rendition of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenditionRecord {
    pub(crate) broadcast: BroadcastId,
    pub(crate) original: BroadcastId,
    pub(crate) name: String,
}

impl Catalog {
    /// Writes down a rendition that was just announced; doing it twice is harmless.
    pub(crate) async fn create_rendition(
        &self,
        record: BroadcastRecord,
        original: BroadcastId,
        name: String,
    ) -> Result<(), CatalogError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            insert_broadcast(&transaction, &record)?;
            transaction.execute(
                "INSERT INTO rendition (broadcast, original, name) VALUES (?, ?, ?) ON CONFLICT (broadcast) DO NOTHING",
                params![broadcast_key(&record.id), broadcast_key(&original), name],
            )?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// The renditions whose end is not announced.
    pub(crate) async fn unended_renditions(&self) -> Result<Vec<RenditionRecord>, CatalogError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT rendition.broadcast, original, rendition.name FROM rendition
                 JOIN broadcast ON broadcast.id = rendition.broadcast WHERE stage <> 'ended' ORDER BY rendition.broadcast",
            )?;
            let mut rows = statement.query([])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(RenditionRecord {
                    broadcast: read_broadcast(row.get(0)?)?,
                    original: read_broadcast(row.get(1)?)?,
                    name: row.get(2)?,
                });
            }
            Ok(records)
        })
        .await
    }

    /// All renditions, ended or not.
    pub(crate) async fn renditions(&self) -> Result<BTreeSet<BroadcastId>, CatalogError> {
        self.run(|connection| read_ids(connection, "SELECT broadcast FROM rendition", [])).await
    }

    /// The renditions of a broadcast, ended or not.
    pub(crate) async fn renditions_of(&self, original: BroadcastId) -> Result<BTreeSet<BroadcastId>, CatalogError> {
        let of = "SELECT broadcast FROM rendition WHERE original = ?";
        self.run(move |connection| read_ids(connection, of, [broadcast_key(&original)])).await
    }
}

fn read_ids(connection: &Connection, select: &str, values: impl Params) -> Result<BTreeSet<BroadcastId>, CatalogError> {
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query(values)?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        found.insert(read_broadcast(row.get(0)?)?);
    }
    Ok(found)
}
