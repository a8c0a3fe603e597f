//! The table of releases: the newest statement of each feed.

use rusqlite::{Connection, Transaction, params};
use stream_model::{AnnouncedRelease, FeedId};

use super::content::{RELEASE, parse};
use crate::feed::{Arrival, ContentIndex, Message};

/// Keeps what each feed has announced last.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReleaseIndex;

impl ContentIndex for ReleaseIndex {
    fn name(&self) -> &'static str {
        "releases"
    }

    fn version(&self) -> i64 {
        1
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[RELEASE]
    }

    fn create(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute_batch(
            "DROP TABLE IF EXISTS releases;
             CREATE TABLE releases (
                 author BLOB PRIMARY KEY,
                 arrival INTEGER NOT NULL,
                 statement TEXT NOT NULL
             ) STRICT;",
        )
    }

    /// Messages of one author come in the order of their numbers, so the last one is the newest.
    fn insert(&self, transaction: &Transaction<'_>, arrival: Arrival, message: &Message) -> rusqlite::Result<()> {
        let Some(statement) = parse(&message.value_json) else { return Ok(()) };
        transaction
            .prepare_cached(
                "INSERT INTO releases (author, arrival, statement) VALUES (?1, ?2, ?3)
                 ON CONFLICT (author) DO UPDATE SET arrival = ?2, statement = ?3",
            )?
            .execute(params![message.author.0, arrival.0, statement])
            .map(drop)
    }

    fn forget(&self, transaction: &Transaction<'_>, feed: FeedId) -> rusqlite::Result<()> {
        transaction.execute("DELETE FROM releases WHERE author = ?1", [feed.0]).map(drop)
    }
}

/// The newest of each feed, the latest first, at most `limit`.
pub(super) fn newest(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<AnnouncedRelease>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select =
        connection.prepare_cached("SELECT author, statement FROM releases ORDER BY arrival DESC LIMIT ?1")?;
    let rows = select
        .query_map([limit], |row| Ok(AnnouncedRelease { author: FeedId(row.get(0)?), statement: row.get(1)? }))?;
    rows.collect()
}
