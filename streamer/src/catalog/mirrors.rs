//! Which broadcasts of others this node mirrors, and how far it is.

use rusqlite::params;
use stream_model::{BroadcastId, Cid};

use super::{Catalog, CatalogError, broadcast_key, read_broadcast, read_cid};

/// How far a mirror is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MirrorStage {
    /// Something is missing, or more will come.
    Filling,
    /// All that there will be is here, and is said to be.
    Whole,
    /// A mirror by policy whose content made room for other content: it is not fetched again by itself.
    GivenUp,
}

impl MirrorStage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Filling => "filling",
            Self::Whole => "whole",
            Self::GivenUp => "given_up",
        }
    }

    fn read(text: &str) -> Result<Self, CatalogError> {
        let all = [Self::Filling, Self::Whole, Self::GivenUp];
        let found = all.into_iter().find(|stage| stage.as_str() == text);
        found.ok_or(CatalogError::Damaged("an unknown stage of a mirror"))
    }
}

/// A broadcast that is mirrored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MirrorRecord {
    pub(crate) broadcast: BroadcastId,
    /// The owner asked for it.
    pub(crate) asked: bool,
    pub(crate) stage: MirrorStage,
    /// What this node has said that it holds.
    pub(crate) manifest: Option<Cid>,
}

impl Catalog {
    /// All mirrors, in the order of their ids.
    pub(crate) async fn mirrors(&self) -> Result<Vec<MirrorRecord>, CatalogError> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT broadcast, asked, stage, manifest FROM mirror ORDER BY broadcast")?;
            let mut rows = statement.query([])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(MirrorRecord {
                    broadcast: read_broadcast(row.get(0)?)?,
                    asked: row.get(1)?,
                    stage: MirrorStage::read(&row.get::<_, String>(2)?)?,
                    manifest: row.get::<_, Option<Vec<u8>>>(3)?.map(|bytes| read_cid(&bytes)).transpose()?,
                });
            }
            Ok(records)
        })
        .await
    }

    /// Writes a mirror down, in place of what was written of it.
    pub(crate) async fn save_mirror(&self, record: MirrorRecord) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection.execute(
                "INSERT OR REPLACE INTO mirror (broadcast, asked, stage, manifest) VALUES (?, ?, ?, ?)",
                params![
                    broadcast_key(&record.broadcast),
                    record.asked,
                    record.stage.as_str(),
                    record.manifest.map(|manifest| manifest.to_bytes()),
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets a mirror.
    pub(crate) async fn remove_mirror(&self, broadcast: BroadcastId) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection.execute("DELETE FROM mirror WHERE broadcast = ?", [broadcast_key(&broadcast)])?;
            Ok(())
        })
        .await
    }
}
