//! What the streamer must know after a `kill -9`: this node's broadcasts, their stored segments and which of them are
//! announced, their archives, and the heads of the live playlists served here.
//!
//! One connection to `streamer.sqlite3`, used by one blocking task at a time. A call that has returned is durable
//! (`synchronous=FULL`); a call whose future is dropped still happens or fails as a whole. Never holds media.

mod archives;
mod broadcasts;
mod heads;
mod known;
mod mirrors;
mod policies;
mod renditions;
mod schema;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use stream_model::{BroadcastId, Cid, MessageKey};

pub use broadcasts::{BroadcastRecord, BroadcastStage};
pub(crate) use mirrors::{MirrorRecord, MirrorStage};
pub(crate) use policies::PolicyRecord;
pub(crate) use renditions::RenditionRecord;

/// Why the catalog failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// SQLite failed; a full disk is among the reasons.
    #[error("cannot use the streamer's database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Written by a newer program.
    #[error("the streamer's database has schema version {0}, which a newer meshstream wrote: run that one")]
    TooNew(i64),
    /// A row does not hold what this program writes.
    #[error("the streamer's database is damaged: {0}")]
    Damaged(&'static str),
    /// No segment can be added to a broadcast that has ended.
    #[error("broadcast {0} has ended")]
    NotLive(BroadcastId),
    /// The runtime is going down.
    #[error("the streamer's database is closed")]
    Closed,
}

/// The streamer's database. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Catalog {
    connection: Arc<Mutex<Connection>>,
}

impl Catalog {
    /// Opens the database file, and makes or migrates its tables. Blocks on the disk.
    ///
    /// # Errors
    /// Where the file cannot be opened or migrated.
    pub fn open(file: &Path) -> Result<Self, CatalogError> {
        let mut connection = Connection::open(file)?;
        schema::prepare(&mut connection)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    async fn run<T, F>(&self, work: F) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, CatalogError> + Send + 'static,
    {
        let connection = Arc::clone(&self.connection);
        let task = tokio::task::spawn_blocking(move || {
            // A panic in another call rolled its transaction back: the connection is fine.
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        task.await.map_err(|_| CatalogError::Closed)?
    }
}

fn broadcast_key(id: &BroadcastId) -> [u8; 32] {
    id.0.0
}

fn read_broadcast(bytes: Vec<u8>) -> Result<BroadcastId, CatalogError> {
    let key = bytes.try_into().map_err(|_| CatalogError::Damaged("a broadcast id is not 32 bytes"))?;
    Ok(BroadcastId(MessageKey(key)))
}

fn read_cid(bytes: &[u8]) -> Result<Cid, CatalogError> {
    Cid::try_from(bytes).map_err(|_| CatalogError::Damaged("a CID cannot be read"))
}

#[cfg(test)]
mod tests;
