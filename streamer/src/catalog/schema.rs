//! Tables of the streamer's database, as numbered steps that only grow.

use std::time::Duration;

use rusqlite::Connection;

use super::CatalogError;

/// How long to wait for the other connection of this process (stream keys) to finish its transaction; its writes
/// take milliseconds, and an SD card may stall for seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Step N takes the database from `user_version` N to N + 1. A released step is never edited.
const STEPS: &[&str] = &[
    "
CREATE TABLE broadcast (
    id BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('live', 'ending', 'ended')),
    end_reason TEXT,
    video INTEGER NOT NULL,
    audio INTEGER NOT NULL,
    target_duration_s INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    next_media_sequence INTEGER NOT NULL,
    discontinuity_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE segment (
    broadcast BLOB NOT NULL REFERENCES broadcast (id),
    media_sequence INTEGER NOT NULL,
    discontinuity_sequence INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    program_date_time_ms INTEGER,
    independent INTEGER NOT NULL,
    segment BLOB NOT NULL,
    init BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    manifest BLOB,
    PRIMARY KEY (broadcast, media_sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX segment_unannounced ON segment (broadcast, media_sequence) WHERE manifest IS NULL;

CREATE TABLE playback_head (
    broadcast BLOB PRIMARY KEY NOT NULL,
    used_ms INTEGER NOT NULL,
    head TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fetched_segment (
    broadcast BLOB NOT NULL,
    media_sequence INTEGER NOT NULL,
    PRIMARY KEY (broadcast, media_sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE newest_wall_time (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    at_ms INTEGER NOT NULL
) STRICT;
",
    "
ALTER TABLE broadcast ADD COLUMN archive INTEGER NOT NULL DEFAULT 1;
ALTER TABLE broadcast ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
CREATE INDEX broadcast_unarchived ON broadcast (started_at_ms, id) WHERE archived = 0;

CREATE TABLE archive (
    broadcast BLOB NOT NULL REFERENCES broadcast (id),
    kind TEXT NOT NULL CHECK (kind IN ('hour', 'day', 'broadcast')),
    first_media_sequence INTEGER NOT NULL,
    last_media_sequence INTEGER NOT NULL,
    period TEXT,
    manifest BLOB NOT NULL,
    duration_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (broadcast, kind, first_media_sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE known_hour (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    broadcast BLOB NOT NULL,
    manifest BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE known_segment (
    broadcast BLOB NOT NULL,
    media_sequence INTEGER NOT NULL,
    hour INTEGER NOT NULL REFERENCES known_hour (id) ON DELETE CASCADE,
    discontinuity_sequence INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    program_date_time_ms INTEGER,
    independent INTEGER NOT NULL,
    segment BLOB NOT NULL,
    init BLOB NOT NULL,
    PRIMARY KEY (broadcast, media_sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_segment_hour ON known_segment (hour);
CREATE INDEX known_segment_file ON known_segment (segment);
CREATE INDEX known_segment_init ON known_segment (init);
",
    "
CREATE TABLE keep_policy (
    broadcast BLOB PRIMARY KEY NOT NULL,
    drop_after_s INTEGER,
    counted_from_s INTEGER,
    dropped INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE running_time (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seconds INTEGER NOT NULL
) STRICT;
",
    "
CREATE TABLE mirror (
    broadcast BLOB PRIMARY KEY NOT NULL,
    asked INTEGER NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('filling', 'whole', 'given_up')),
    manifest BLOB
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE rendition (
    broadcast BLOB PRIMARY KEY NOT NULL REFERENCES broadcast (id) ON DELETE CASCADE,
    original BLOB NOT NULL,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX rendition_original ON rendition (original);
",
];

pub(super) fn prepare(connection: &mut Connection) -> Result<(), CatalogError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).ok().filter(|done| *done <= STEPS.len());
    let done = done.ok_or(CatalogError::TooNew(version))?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", STEPS.len())?;
    transaction.commit()?;
    Ok(())
}
