//! What was read in archives of others: the segments of their hours, so that they are listed and found without asking again.

use rusqlite::{OptionalExtension as _, params};
use stream_model::{BroadcastId, Cid, DiscontinuitySequence, MediaSegment, MediaSequence};

use super::broadcasts::{SEGMENT_COLUMNS, read_segment};
use super::{Catalog, CatalogError, broadcast_key, read_broadcast};

/// Hours remembered; those read first go first. With 240 segments each they take about 30 MB.
const HOURS: u32 = 1_000;

impl Catalog {
    /// Whether the hour with this manifest was read.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn knows_hour(&self, manifest: Cid) -> Result<bool, CatalogError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM known_hour WHERE manifest = ?")?;
            Ok(statement.exists([manifest.to_bytes()])?)
        })
        .await
    }

    /// Notes what the manifest of an hour lists. Forgets the hours read first, down to a bound.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn note_hour(
        &self,
        broadcast: BroadcastId,
        manifest: Cid,
        segments: Vec<MediaSegment>,
    ) -> Result<(), CatalogError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let inserted = transaction.execute(
                "INSERT OR IGNORE INTO known_hour (broadcast, manifest) VALUES (?, ?)",
                params![broadcast_key(&broadcast), manifest.to_bytes()],
            )?;
            if inserted == 0 {
                return Ok(());
            }
            let hour = transaction.last_insert_rowid();
            {
                let mut insert = transaction.prepare_cached(&format!(
                    "INSERT OR REPLACE INTO known_segment (broadcast, hour, {SEGMENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                ))?;
                for segment in &segments {
                    insert.execute(params![
                        broadcast_key(&broadcast),
                        hour,
                        segment.media_sequence.0,
                        segment.discontinuity_sequence.0,
                        u64::try_from(segment.duration.as_millis()).unwrap_or(u64::MAX),
                        segment.program_date_time.map(|time| time.0),
                        segment.independent,
                        segment.segment.to_bytes(),
                        segment.init.to_bytes(),
                    ])?;
                }
            }
            transaction.execute(
                "DELETE FROM known_hour WHERE id NOT IN (SELECT id FROM known_hour ORDER BY id DESC LIMIT ?)",
                [HOURS],
            )?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Segments that were read in archives, from `from` on, at most `limit` of them, in order.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn known_segments(
        &self,
        broadcast: BroadcastId,
        from: MediaSequence,
        limit: usize,
    ) -> Result<Vec<MediaSegment>, CatalogError> {
        let found = self.segments(
            "known_segment WHERE broadcast = ? AND media_sequence >= ? ORDER BY media_sequence LIMIT ?",
            broadcast,
            from,
            limit,
        );
        found.await
    }

    /// The first segment with this discontinuity sequence, of an archive that was read or of this node's own.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn first_of_timeline(
        &self,
        broadcast: BroadcastId,
        sequence: DiscontinuitySequence,
    ) -> Result<Option<MediaSegment>, CatalogError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {SEGMENT_COLUMNS} FROM known_segment WHERE broadcast = ?1 AND discontinuity_sequence = ?2
                 UNION ALL
                 SELECT {SEGMENT_COLUMNS} FROM segment
                 WHERE broadcast = ?1 AND discontinuity_sequence = ?2 AND manifest IS NOT NULL
                 ORDER BY media_sequence LIMIT 1"
            ))?;
            let mut rows = statement.query(params![broadcast_key(&broadcast), sequence.0])?;
            rows.next()?.map(read_segment).transpose()
        })
        .await
    }

    /// The segment that has this file, or this initialization section, in an archive that was read.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn known_content(&self, content: Cid) -> Result<Option<(BroadcastId, MediaSegment)>, CatalogError> {
        self.run(move |connection| {
            let bytes = content.to_bytes();
            let mut found = None;
            for column in ["segment", "init"] {
                let query =
                    format!("SELECT {SEGMENT_COLUMNS}, broadcast FROM known_segment WHERE {column} = ? LIMIT 1");
                let mut statement = connection.prepare_cached(&query)?;
                let row = statement
                    .query_row([&bytes], |row| Ok((read_segment(row), row.get::<_, Vec<u8>>(7)?)))
                    .optional()?;
                if let Some((segment, broadcast)) = row {
                    found = Some((read_broadcast(broadcast)?, segment?));
                    break;
                }
            }
            Ok(found)
        })
        .await
    }
}
