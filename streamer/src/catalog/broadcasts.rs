//! This node's own broadcasts and their segments.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use stream_model::{
    BroadcastId, Cid, DiscontinuitySequence, EndReason, MediaSegment, MediaSequence, StreamName, Tracks, WallTime,
};

use super::{Catalog, CatalogError, broadcast_key, read_broadcast, read_cid};

/// How far a broadcast of this node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroadcastStage {
    /// Going on.
    Live,
    /// Decided to end; the end may not be announced yet.
    Ending(EndReason),
    /// Its end is announced.
    Ended,
}

impl BroadcastStage {
    fn columns(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Live => ("live", None),
            Self::Ending(reason) => ("ending", Some(reason.as_str())),
            Self::Ended => ("ended", None),
        }
    }

    fn read(stage: &str, reason: Option<&str>) -> Result<Self, CatalogError> {
        const REASONS: [EndReason; 4] =
            [EndReason::PublisherLeft, EndReason::Shutdown, EndReason::TracksChanged, EndReason::Owner];
        match stage {
            "live" => Ok(Self::Live),
            "ended" => Ok(Self::Ended),
            "ending" => {
                let known = REASONS.into_iter().find(|known| Some(known.as_str()) == reason);
                known.map(Self::Ending).ok_or(CatalogError::Damaged("an unknown end reason"))
            }
            _ => Err(CatalogError::Damaged("an unknown stage of a broadcast")),
        }
    }
}

/// A broadcast of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastRecord {
    /// Its announcing message.
    pub id: BroadcastId,
    /// The stream name that it is published under.
    pub name: StreamName,
    /// How far it has come.
    pub stage: BroadcastStage,
    /// What it carries.
    pub tracks: Tracks,
    /// As announced, whole seconds.
    pub target_duration: Duration,
    /// As announced: whether it is kept once it is over.
    pub archive: bool,
    /// As announced.
    pub started_at: WallTime,
    /// The number of its next segment: never goes back.
    pub next_media_sequence: MediaSequence,
    /// That of its newest segment; 0 before the first.
    pub discontinuity_sequence: DiscontinuitySequence,
}

/// What [`read_segment`] reads.
pub(super) const SEGMENT_COLUMNS: &str =
    "media_sequence, discontinuity_sequence, duration_ms, program_date_time_ms, independent, segment, init";

impl Catalog {
    /// Writes down a broadcast that was just announced; doing it twice is harmless.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn create_broadcast(&self, record: BroadcastRecord) -> Result<(), CatalogError> {
        self.run(move |connection| insert_broadcast(connection, &record)).await
    }

    /// The broadcasts whose end is not announced, oldest first.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn unended_broadcasts(&self) -> Result<Vec<BroadcastRecord>, CatalogError> {
        self.records("stage <> 'ended'").await
    }

    /// The broadcasts of which something is to be archived, or to be dropped where they are not to be kept; oldest first.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn unarchived_broadcasts(&self) -> Result<Vec<BroadcastRecord>, CatalogError> {
        self.records("archived = 0").await
    }

    async fn records(&self, condition: &'static str) -> Result<Vec<BroadcastRecord>, CatalogError> {
        self.run(move |connection| {
            let query = format!(
                "SELECT id, name, stage, end_reason, video, audio, target_duration_s, started_at_ms,
                 next_media_sequence, discontinuity_sequence, archive FROM broadcast WHERE {condition}
                 ORDER BY started_at_ms, id"
            );
            let mut statement = connection.prepare_cached(&query)?;
            let mut rows = statement.query([])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(read_record(row)?);
            }
            Ok(records)
        })
        .await
    }

    /// Moves a broadcast on to another stage.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn set_stage(&self, broadcast: BroadcastId, stage: BroadcastStage) -> Result<(), CatalogError> {
        self.run(move |connection| {
            let (stage, reason) = stage.columns();
            connection.execute(
                "UPDATE broadcast SET stage = ?, end_reason = ? WHERE id = ?",
                params![stage, reason, broadcast_key(&broadcast)],
            )?;
            Ok(())
        })
        .await
    }

    /// Makes sure that the next segment of a broadcast has at least this number.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn skip_to(&self, broadcast: BroadcastId, next: MediaSequence) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection.execute(
                "UPDATE broadcast SET next_media_sequence = ?1 WHERE id = ?2 AND next_media_sequence < ?1",
                params![next.0, broadcast_key(&broadcast)],
            )?;
            Ok(())
        })
        .await
    }

    /// Commits a stored segment under the broadcast's next number, and remembers a trusted wall time. From here on
    /// the number is used.
    ///
    /// # Errors
    /// [`CatalogError::NotLive`] where the broadcast has ended; where the number was used before or the database
    /// fails. Then nothing is changed.
    pub async fn commit_segment(
        &self,
        broadcast: BroadcastId,
        segment: MediaSegment,
        bytes: u64,
        trusted_wall: Option<WallTime>,
    ) -> Result<(), CatalogError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let moved = transaction.execute(
                "UPDATE broadcast SET next_media_sequence = ?2, discontinuity_sequence = ?3
                 WHERE id = ?4 AND stage = 'live' AND next_media_sequence <= ?1 AND discontinuity_sequence <= ?3",
                params![
                    segment.media_sequence.0,
                    segment.media_sequence.next().0,
                    segment.discontinuity_sequence.0,
                    broadcast_key(&broadcast),
                ],
            )?;
            if moved != 1 {
                return refuse_commit(&transaction, &broadcast, &segment);
            }
            insert_segment(&transaction, &broadcast, &segment, bytes)?;
            if let Some(wall) = trusted_wall {
                transaction.execute(
                    "INSERT INTO newest_wall_time (only, at_ms) VALUES (1, ?)
                     ON CONFLICT (only) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)",
                    [wall.0],
                )?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// The oldest stored segment that is not announced.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn first_unannounced(&self, broadcast: BroadcastId) -> Result<Option<MediaSegment>, CatalogError> {
        let found = self.segments(
            "segment WHERE broadcast = ? AND manifest IS NULL AND media_sequence >= ? ORDER BY media_sequence LIMIT ?",
            broadcast,
            MediaSequence(0),
            1,
        );
        Ok(found.await?.pop())
    }

    /// The segments up to and including `last`, at most `length` of them, in order.
    ///
    /// # Errors
    /// Where the database fails or a row is damaged.
    pub async fn window(
        &self,
        broadcast: BroadcastId,
        last: MediaSequence,
        length: usize,
    ) -> Result<Vec<MediaSegment>, CatalogError> {
        let found = self.segments(
            "segment WHERE broadcast = ? AND media_sequence <= ? ORDER BY media_sequence DESC LIMIT ?",
            broadcast,
            last,
            length,
        );
        let mut window = found.await?;
        window.reverse();
        Ok(window)
    }

    /// Notes that a segment was announced with this live manifest.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn mark_announced(
        &self,
        broadcast: BroadcastId,
        sequence: MediaSequence,
        manifest: Cid,
    ) -> Result<(), CatalogError> {
        self.run(move |connection| {
            connection.execute(
                "UPDATE segment SET manifest = ? WHERE broadcast = ? AND media_sequence = ?",
                params![manifest.to_bytes(), broadcast_key(&broadcast), sequence.0],
            )?;
            Ok(())
        })
        .await
    }

    /// The newest wall time that was trusted when a segment was committed.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn newest_wall_time(&self) -> Result<Option<WallTime>, CatalogError> {
        self.run(|connection| {
            let newest = connection
                .query_row("SELECT at_ms FROM newest_wall_time", [], |row| row.get(0))
                .optional()?
                .map(WallTime);
            Ok(newest)
        })
        .await
    }

    /// The segments of a table that meet a condition on a broadcast and a media sequence, at most so many.
    pub(super) async fn segments(
        &self,
        chosen: &'static str,
        broadcast: BroadcastId,
        bound: MediaSequence,
        limit: usize,
    ) -> Result<Vec<MediaSegment>, CatalogError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {SEGMENT_COLUMNS} FROM {chosen}"))?;
            let mut rows = statement.query(params![broadcast_key(&broadcast), bound.0, limit])?;
            let mut segments = Vec::new();
            while let Some(row) = rows.next()? {
                segments.push(read_segment(row)?);
            }
            Ok(segments)
        })
        .await
    }
}

pub(super) fn insert_broadcast(connection: &Connection, record: &BroadcastRecord) -> Result<(), CatalogError> {
    let (stage, reason) = record.stage.columns();
    connection.execute(
        "INSERT INTO broadcast (id, name, stage, end_reason, video, audio, target_duration_s, started_at_ms,
         next_media_sequence, discontinuity_sequence, archive) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING",
        params![
            broadcast_key(&record.id),
            record.name.as_str(),
            stage,
            reason,
            record.tracks.video,
            record.tracks.audio,
            record.target_duration.as_secs(),
            record.started_at.0,
            record.next_media_sequence.0,
            record.discontinuity_sequence.0,
            record.archive,
        ],
    )?;
    Ok(())
}

/// Why a segment could not be committed; nothing is wrong where it is there already, because the answer to an earlier
/// try got lost.
fn refuse_commit(connection: &Connection, broadcast: &BroadcastId, segment: &MediaSegment) -> Result<(), CatalogError> {
    let there = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM segment WHERE broadcast = ? AND media_sequence = ? AND segment = ?)",
        params![broadcast_key(broadcast), segment.media_sequence.0, segment.segment.to_bytes()],
        |row| row.get(0),
    )?;
    if there {
        return Ok(());
    }
    let live: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM broadcast WHERE id = ? AND stage = 'live')",
        [broadcast_key(broadcast)],
        |row| row.get(0),
    )?;
    if live {
        Err(CatalogError::Damaged("a media sequence number was used before"))
    } else {
        Err(CatalogError::NotLive(*broadcast))
    }
}

fn insert_segment(
    connection: &Connection,
    broadcast: &BroadcastId,
    segment: &MediaSegment,
    bytes: u64,
) -> Result<(), CatalogError> {
    connection.execute(
        "INSERT INTO segment (broadcast, media_sequence, discontinuity_sequence, duration_ms, program_date_time_ms,
         independent, segment, init, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            broadcast_key(broadcast),
            segment.media_sequence.0,
            segment.discontinuity_sequence.0,
            u64::try_from(segment.duration.as_millis()).unwrap_or(u64::MAX),
            segment.program_date_time.map(|time| time.0),
            segment.independent,
            segment.segment.to_bytes(),
            segment.init.to_bytes(),
            bytes,
        ],
    )?;
    Ok(())
}

pub(super) fn read_segment(row: &Row<'_>) -> Result<MediaSegment, CatalogError> {
    Ok(MediaSegment {
        media_sequence: MediaSequence(row.get(0)?),
        discontinuity_sequence: DiscontinuitySequence(row.get(1)?),
        duration: Duration::from_millis(row.get(2)?),
        program_date_time: row.get::<_, Option<u64>>(3)?.map(WallTime),
        independent: row.get(4)?,
        segment: read_cid(&row.get::<_, Vec<u8>>(5)?)?,
        init: read_cid(&row.get::<_, Vec<u8>>(6)?)?,
    })
}

fn read_record(row: &Row<'_>) -> Result<BroadcastRecord, CatalogError> {
    let name: String = row.get(1)?;
    let stage: String = row.get(2)?;
    let reason: Option<String> = row.get(3)?;
    Ok(BroadcastRecord {
        id: read_broadcast(row.get(0)?)?,
        name: name.parse().map_err(|_| CatalogError::Damaged("a stream name cannot be read"))?,
        stage: BroadcastStage::read(&stage, reason.as_deref())?,
        tracks: Tracks { video: row.get(4)?, audio: row.get(5)? },
        target_duration: Duration::from_secs(row.get(6)?),
        started_at: WallTime(row.get(7)?),
        archive: row.get(10)?,
        next_media_sequence: MediaSequence(row.get(8)?),
        discontinuity_sequence: DiscontinuitySequence(row.get(9)?),
    })
}
