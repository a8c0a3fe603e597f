//! The archives of this node's own broadcasts, and how far archiving has come.

use std::time::Duration;

use rusqlite::{Row, params};
use stream_model::{ArchiveKind, ArchiveManifest, BroadcastId, MediaSegment, MediaSequence};

use super::{Catalog, CatalogError, broadcast_key, read_broadcast, read_cid};

impl Catalog {
    /// Notes that nothing of an ended broadcast is left to be archived.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn set_archived(&self, broadcast: BroadcastId) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection.execute("UPDATE broadcast SET archived = 1 WHERE id = ?", [broadcast_key(&broadcast)])?;
            Ok(())
        })
        .await
    }

    /// The announced segments from `from` on, at most `limit` of them, in order.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn announced_segments(
        &self,
        broadcast: BroadcastId,
        from: MediaSequence,
        limit: usize,
    ) -> Result<Vec<MediaSegment>, CatalogError> {
        let found = self.segments(
            "segment WHERE broadcast = ? AND manifest IS NOT NULL AND media_sequence >= ?
             ORDER BY media_sequence LIMIT ?",
            broadcast,
            from,
            limit,
        );
        found.await
    }

    /// Writes down an archive that was announced; doing it twice is harmless.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn add_archive(&self, archive: ArchiveManifest) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection.execute(
                "INSERT OR REPLACE INTO archive (broadcast, kind, first_media_sequence, last_media_sequence, period,
                 manifest, duration_ms, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    broadcast_key(&archive.broadcast),
                    archive.kind.as_str(),
                    archive.first_media_sequence.0,
                    archive.last_media_sequence.0,
                    archive.period.map(|period| period.to_string()),
                    archive.manifest.to_bytes(),
                    u64::try_from(archive.duration.as_millis()).unwrap_or(u64::MAX),
                    archive.bytes,
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// The archives of one kind, in order.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn archives(
        &self,
        broadcast: BroadcastId,
        kind: ArchiveKind,
    ) -> Result<Vec<ArchiveManifest>, CatalogError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT broadcast, kind, first_media_sequence, last_media_sequence, period, manifest, duration_ms, bytes
                 FROM archive WHERE broadcast = ? AND kind = ? ORDER BY first_media_sequence",
            )?;
            let mut rows = statement.query(params![broadcast_key(&broadcast), kind.as_str()])?;
            let mut archives = Vec::new();
            while let Some(row) = rows.next()? {
                archives.push(read_archive(row)?);
            }
            Ok(archives)
        })
        .await
    }

    /// Forgets the segments below `first`, of a broadcast that is not to be kept.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn forget_segments(&self, broadcast: BroadcastId, first: MediaSequence) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection.execute(
                "DELETE FROM segment WHERE broadcast = ? AND media_sequence < ?",
                params![broadcast_key(&broadcast), first.0],
            )?;
            Ok(())
        })
        .await
    }
}

fn read_archive(row: &Row<'_>) -> Result<ArchiveManifest, CatalogError> {
    let kind: String = row.get(1)?;
    let period: Option<String> = row.get(4)?;
    Ok(ArchiveManifest {
        broadcast: read_broadcast(row.get(0)?)?,
        kind: kind.parse().map_err(|_| CatalogError::Damaged("an unknown kind of archive"))?,
        first_media_sequence: MediaSequence(row.get(2)?),
        last_media_sequence: MediaSequence(row.get(3)?),
        period: period
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| CatalogError::Damaged("the period of an archive cannot be read"))?,
        manifest: read_cid(&row.get::<_, Vec<u8>>(5)?)?,
        duration: Duration::from_millis(row.get(6)?),
        bytes: row.get(7)?,
    })
}
