//! The table of contacts: the newest word of each author about each target.

use rusqlite::{Connection, Transaction, params};
use stream_model::{FeedId, Relation};

use super::contact::{CONTACT, Contact};
use crate::feed::{Arrival, ContentIndex, Message};

const FOLLOWING: i64 = 1;
const BLOCKING: i64 = -1;

/// Keeps who follows and who blocks whom.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContactIndex;

impl ContentIndex for ContactIndex {
    fn name(&self) -> &'static str {
        "contacts"
    }

    fn version(&self) -> i64 {
        1
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[CONTACT]
    }

    fn create(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute_batch(
            "DROP TABLE IF EXISTS contacts;
             CREATE TABLE contacts (
                 author BLOB NOT NULL,
                 target BLOB NOT NULL,
                 relation INTEGER NOT NULL,
                 PRIMARY KEY (author, target)
             ) STRICT, WITHOUT ROWID;
             CREATE INDEX contacts_by_relation ON contacts (author, relation, target);",
        )
    }

    /// Messages of one author come in the order of their numbers, so the last one is the newest.
    fn insert(&self, transaction: &Transaction<'_>, _: Arrival, message: &Message) -> rusqlite::Result<()> {
        let Some(Contact { target, relation }) = Contact::parse(&message.value_json) else { return Ok(()) };
        let author = message.author.0;
        let relation = match relation {
            Relation::Following => FOLLOWING,
            Relation::Blocking => BLOCKING,
            Relation::Neutral => {
                transaction
                    .prepare_cached("DELETE FROM contacts WHERE author = ?1 AND target = ?2")?
                    .execute(params![author, target.0])?;
                return Ok(());
            }
        };
        transaction
            .prepare_cached(
                "INSERT INTO contacts (author, target, relation) VALUES (?1, ?2, ?3)
                 ON CONFLICT (author, target) DO UPDATE SET relation = ?3",
            )?
            .execute(params![author, target.0, relation])?;
        Ok(())
    }

    fn forget(&self, transaction: &Transaction<'_>, feed: FeedId) -> rusqlite::Result<()> {
        transaction.execute("DELETE FROM contacts WHERE author = ?1", [feed.0])?;
        Ok(())
    }
}

/// Whom an author follows, at most `limit`, in the order of their keys.
pub(super) fn follows(connection: &Connection, author: &FeedId, limit: usize) -> rusqlite::Result<Vec<FeedId>> {
    targets(connection, author, FOLLOWING, limit)
}

/// Whom an author blocks, at most `limit`, in the order of their keys.
pub(super) fn blocks(connection: &Connection, author: &FeedId, limit: usize) -> rusqlite::Result<Vec<FeedId>> {
    targets(connection, author, BLOCKING, limit)
}

/// What an author is to a target.
pub(super) fn relation(connection: &Connection, author: &FeedId, target: &FeedId) -> rusqlite::Result<Relation> {
    let mut statement = connection.prepare_cached("SELECT relation FROM contacts WHERE author = ?1 AND target = ?2")?;
    let mut rows = statement.query(params![author.0, target.0])?;
    Ok(match rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()? {
        Some(FOLLOWING) => Relation::Following,
        Some(BLOCKING) => Relation::Blocking,
        _ => Relation::Neutral,
    })
}

fn targets(connection: &Connection, author: &FeedId, relation: i64, limit: usize) -> rusqlite::Result<Vec<FeedId>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection
        .prepare_cached("SELECT target FROM contacts WHERE author = ?1 AND relation = ?2 ORDER BY target LIMIT ?3")?;
    let rows = statement.query_map(params![author.0, relation, limit], |row| Ok(FeedId(row.get(0)?)))?;
    rows.collect()
}
