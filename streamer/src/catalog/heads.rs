//! What playback must know after a restart: the heads of the live playlists, and which segments were fetched.

use std::collections::HashMap;

use rusqlite::{OptionalExtension as _, params};
use stream_model::{BroadcastId, MediaSequence, WallTime};

use super::{Catalog, CatalogError, broadcast_key, read_broadcast};
use crate::manifest::Head;

/// Heads kept: those used least recently go first. A node that meets more broadcasts than this has long lost the
/// viewers of the oldest; 1000 heads are a few megabytes.
const HEADS: u32 = 1000;

impl Catalog {
    /// Persists the head of a broadcast's live playlist.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn save_head(&self, broadcast: BroadcastId, head: Head, now: WallTime) -> Result<(), CatalogError> {
        let text = serde_json::to_string(&head).map_err(|_| CatalogError::Damaged("a head cannot be written"))?;
        self.run(move |connection| {
            connection.execute(
                "INSERT INTO playback_head (broadcast, used_ms, head) VALUES (?, ?, ?)
                 ON CONFLICT (broadcast) DO UPDATE SET used_ms = excluded.used_ms, head = excluded.head",
                params![broadcast_key(&broadcast), now.0, text],
            )?;
            Ok(())
        })
        .await
    }

    /// The head of a broadcast's live playlist, where there is one.
    ///
    /// # Errors
    /// Where the database fails or the head cannot be read.
    pub async fn head(&self, broadcast: BroadcastId) -> Result<Option<Head>, CatalogError> {
        self.run(move |connection| {
            let text: Option<String> = connection
                .query_row("SELECT head FROM playback_head WHERE broadcast = ?", [broadcast_key(&broadcast)], |row| {
                    row.get(0)
                })
                .optional()?;
            let head = text.map(|text| serde_json::from_str(&text)).transpose();
            head.map_err(|_| CatalogError::Damaged("the head of a playlist cannot be read"))
        })
        .await
    }

    /// Forgets the heads that were used least recently, down to a bound.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn prune_heads(&self) -> Result<(), CatalogError> {
        self.run(|connection| {
            connection.execute(
                "DELETE FROM playback_head WHERE broadcast NOT IN
                 (SELECT broadcast FROM playback_head ORDER BY used_ms DESC LIMIT ?)",
                [HEADS],
            )?;
            Ok(())
        })
        .await
    }

    /// Notes that segments of somebody else's broadcast are held here.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn note_fetched(
        &self,
        broadcast: BroadcastId,
        sequences: Vec<MediaSequence>,
    ) -> Result<(), CatalogError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            for sequence in sequences {
                transaction.execute(
                    "INSERT OR IGNORE INTO fetched_segment (broadcast, media_sequence) VALUES (?, ?)",
                    params![broadcast_key(&broadcast), sequence.0],
                )?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Notes that nothing of somebody else's broadcast is held here any more.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn forget_fetched(&self, broadcast: BroadcastId) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection
                .execute("DELETE FROM fetched_segment WHERE broadcast = ?", params![broadcast_key(&broadcast)])?;
            Ok(())
        })
        .await
    }

    /// Calls `note` for each segment that is held here: the fetched ones, and the announced ones of this node.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn held_segments<S, F>(&self, note: F) -> Result<HashMap<BroadcastId, S>, CatalogError>
    where
        S: Default + Send + 'static,
        F: Fn(&mut S, MediaSequence) + Send + 'static,
    {
        self.run(move |connection| {
            let mut statement = connection.prepare(
                "SELECT broadcast, media_sequence FROM fetched_segment
                 UNION ALL SELECT broadcast, media_sequence FROM segment WHERE manifest IS NOT NULL",
            )?;
            let mut rows = statement.query([])?;
            let mut held: HashMap<BroadcastId, S> = HashMap::new();
            while let Some(row) = rows.next()? {
                let broadcast = read_broadcast(row.get(0)?)?;
                note(held.entry(broadcast).or_default(), MediaSequence(row.get(1)?));
            }
            Ok(held)
        })
        .await
    }
}
