//! What is checked of `ssb.sqlite3` (`docs/decisions/0008-sqlite.md`): at every start the ends of all feeds, where the next
//! message goes; all of the file where the last run did not end in order, beside the node's work, because that takes as
//! long as reading it.

use rusqlite::Connection;
use stream_model::FeedId;

use super::error::StoreError;
use super::{remote, schema};

/// How the last run left the database; the number is kept in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It ended in order.
    Closed = 1,
    /// It was cut off: all of the file is still to be checked.
    CutOff = 0,
    /// It found damage.
    Damaged = 2,
}

/// Checks the ends of all feeds, and notes that the database is in use until [`end`]. Where damage was found before,
/// all of the file.
pub(super) fn begin(connection: &Connection, node: &FeedId) -> Result<Standing, StoreError> {
    let mut standing = standing(connection)?;
    if standing == Standing::Damaged {
        check_all(connection)?;
        standing = Standing::Closed;
    }
    check_ends(connection, node)?;
    note(connection, Standing::CutOff)?;
    Ok(standing)
}

/// Notes that the database is closed.
pub(super) fn end(connection: &Connection) -> rusqlite::Result<()> {
    note(connection, Standing::Closed)
}

/// Notes that the database was found damaged.
pub(super) fn note_damage(connection: &Connection) -> rusqlite::Result<()> {
    note(connection, Standing::Damaged)
}

fn note(connection: &Connection, standing: Standing) -> rusqlite::Result<()> {
    connection.execute("UPDATE runs SET closed = ?1", [standing as i64]).map(drop)
}

fn standing(connection: &Connection) -> Result<Standing, StoreError> {
    let closed: Option<i64> = connection.query_row("SELECT max(closed) FROM runs", [], |row| row.get(0))?;
    Ok(match closed {
        Some(1) => Standing::Closed,
        Some(2) => Standing::Damaged,
        _ => Standing::CutOff,
    })
}

/// Reads all of the file.
pub(super) fn check_all(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged(verdict)) }
}

/// The last message of each feed is the one that its clock names; that of the node's own feed, after which it signs the
/// next one, reads as it was written.
fn check_ends(connection: &Connection, node: &FeedId) -> Result<(), StoreError> {
    let cut: i64 = connection.query_row(
        "SELECT count(*) FROM feeds WHERE NOT EXISTS (
             SELECT 1 FROM messages
             WHERE messages.feed = feeds.id AND messages.sequence = feeds.sequence AND messages.key = feeds.head)",
        [],
        |row| row.get(0),
    )?;
    if cut > 0 {
        return Err(StoreError::Damaged(format!("the last message is missing in {cut} feeds")));
    }
    let Some(head) = schema::head(connection, node)? else { return Ok(()) };
    let last = schema::range(connection, node, head.sequence, 1)?.pop();
    let read = last.and_then(|last| remote::parse(last.value_json.as_bytes()).ok());
    match read {
        Some(read) if read.key == head.key => Ok(()),
        _ => Err(StoreError::Damaged("the last message of this node's own feed was changed".to_owned())),
    }
}
