//! Tables of what messages say, kept by their owners in the transaction that stores the messages.
//!
//! The store hands over each message of the types that an index names, once, in the order of arrival. An index whose
//! version has changed is emptied and built anew from the stored messages when the store is opened.

use std::sync::Arc;

use rusqlite::{OptionalExtension as _, Transaction, params};
use stream_model::FeedId;

use super::message::Message;
use super::schema;

/// A message's number in the order in which this node stored it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arrival(pub i64);

/// One index. Its methods run inside the store's transaction: they are to be quick and touch only the index's tables.
pub trait ContentIndex: Send + Sync {
    /// Names it in the database.
    fn name(&self) -> &'static str;

    /// Changes whenever its tables, or what it concludes from messages, change.
    fn version(&self) -> i64;

    /// The content types that it is told of.
    fn kinds(&self) -> &'static [&'static str];

    /// Makes its tables, empty; drops those of an earlier version first.
    ///
    /// # Errors
    /// Where SQLite fails.
    fn create(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;

    /// Takes in a message that was validated. Content that does not fit its type is passed over, never an error.
    ///
    /// # Errors
    /// Where SQLite fails; the messages of the transaction are not stored then.
    fn insert(&self, transaction: &Transaction<'_>, arrival: Arrival, message: &Message) -> rusqlite::Result<()>;

    /// Forgets what the messages of a feed said: they are being dropped.
    ///
    /// # Errors
    /// Where SQLite fails; nothing is dropped then.
    fn forget(&self, transaction: &Transaction<'_>, feed: FeedId) -> rusqlite::Result<()>;
}

/// Notes that indexes which this program does not keep miss messages from now on: a program that knows them builds them anew. So it is after going
/// back to an earlier program for a while.
pub(super) fn forget_others(transaction: &Transaction<'_>, kept: &[Arc<dyn ContentIndex>]) -> rusqlite::Result<()> {
    let mut select = transaction.prepare("SELECT name FROM content_indexes")?;
    let names = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    for name in names.iter().filter(|name| !kept.iter().any(|index| index.name() == name.as_str())) {
        transaction.execute("DELETE FROM content_indexes WHERE name = ?1", [name])?;
    }
    Ok(())
}

/// Brings an index up to its version.
pub(super) fn prepare(transaction: &Transaction<'_>, index: &dyn ContentIndex) -> rusqlite::Result<()> {
    let known: Option<i64> = transaction
        .query_row("SELECT version FROM content_indexes WHERE name = ?1", [index.name()], |row| row.get(0))
        .optional()?;
    if known == Some(index.version()) {
        return Ok(());
    }
    index.create(transaction)?;
    for kind in index.kinds() {
        schema::each_of_kind(transaction, kind, |arrival, message| index.insert(transaction, arrival, &message))?;
    }
    transaction.execute(
        "INSERT INTO content_indexes (name, version) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = ?2",
        params![index.name(), index.version()],
    )?;
    Ok(())
}
