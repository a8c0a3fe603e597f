//! The tables of `ssb.sqlite3`, and the statements on them.
//!
//! Write-ahead log with `synchronous=FULL`: a committed transaction survives power loss. A message, its index and
//! the clock of its feed change in one transaction.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, named_params};
use stream_model::{FeedId, FeedSequence, MessageKey, WallTime};

use super::content_index::Arrival;
use super::error::StoreError;
use super::message::Message;

const VERSION: i64 = 4;

/// `bytes` is the text of all messages of a feed. `arrival` numbers messages in the order in which they were stored here:
/// what was concluded from them in that order can be concluded again.
const TABLES: &str = "
    CREATE TABLE feeds (
        id INTEGER PRIMARY KEY,
        feed BLOB NOT NULL UNIQUE,
        sequence INTEGER NOT NULL,
        head BLOB NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        arrival INTEGER PRIMARY KEY,
        feed INTEGER NOT NULL REFERENCES feeds (id),
        sequence INTEGER NOT NULL,
        key BLOB NOT NULL UNIQUE,
        kind TEXT,
        value TEXT NOT NULL,
        UNIQUE (feed, sequence)
    ) STRICT;
    CREATE INDEX messages_by_kind ON messages (kind, arrival) WHERE kind IS NOT NULL;
    CREATE TABLE own_feeds (
        feed BLOB PRIMARY KEY
    ) STRICT;
    CREATE TABLE content_indexes (
        name TEXT PRIMARY KEY,
        version INTEGER NOT NULL
    ) STRICT;
";

/// `tombstones` holds the feeds that were dropped for good, with the last message that was here and a label of when:
/// what a broadcast came to is known as long as the broadcast is.
/// `unwanted_feeds` how many hours this program has run since a stored feed was wanted last; `runs` whether the store was
/// closed.
const SINCE_VERSION_3: &str = "
    CREATE TABLE tombstones (
        id INTEGER PRIMARY KEY,
        feed BLOB NOT NULL UNIQUE,
        sequence INTEGER NOT NULL,
        key BLOB,
        kind TEXT,
        value TEXT,
        dropped_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE unwanted_feeds (
        feed BLOB PRIMARY KEY,
        hours INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE runs (
        closed INTEGER NOT NULL
    ) STRICT;
    INSERT INTO runs (closed) VALUES (1);
";

/// Up to version 3 the text was not counted.
const FROM_VERSION_3: &str = "
    ALTER TABLE feeds ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
    UPDATE feeds SET bytes =
        (SELECT coalesce(sum(octet_length(value)), 0) FROM messages WHERE messages.feed = feeds.id);
";

/// From version 1, which noted the type of this program's own messages only.
const FROM_VERSION_1: &str = "
    UPDATE messages SET kind = json_extract(value, '$.content.type')
        WHERE kind IS NULL AND json_extract(value, '$.content.type') IN ('post', 'about', 'contact', 'vote');
    CREATE TABLE content_indexes (
        name TEXT PRIMARY KEY,
        version INTEGER NOT NULL
    ) STRICT;
";

/// Another process that reads the file, such as a backup, holds it for moments only.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that the write-ahead log keeps once it was written back; a large transaction makes it longer for a moment.
const MAX_LOG: i64 = 16 << 20;

/// `PRAGMA auto_vacuum`: pages that are free go back to the file system when asked.
const INCREMENTAL: i64 = 2;

pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    // The write-ahead log takes over the mode of the file.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    prepare(Connection::open(path)?)
}

pub(super) fn open_in_memory() -> Result<Connection, StoreError> {
    prepare(Connection::open_in_memory()?)
}

fn prepare(mut connection: Connection) -> Result<Connection, StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    free_deleted_pages(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "journal_size_limit", MAX_LOG)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        VERSION => {}
        0 => create(&mut connection, &[TABLES, SINCE_VERSION_3])?,
        1 => create(&mut connection, &[FROM_VERSION_1, SINCE_VERSION_3, FROM_VERSION_3])?,
        2 => create(&mut connection, &[SINCE_VERSION_3, FROM_VERSION_3])?,
        3 => create(&mut connection, &[FROM_VERSION_3])?,
        newer => return Err(StoreError::Version(newer)),
    }
    Ok(connection)
}

/// Deleted messages are to make the file smaller. A file that was made without this is written anew, once.
fn free_deleted_pages(connection: &Connection) -> Result<(), StoreError> {
    let mode: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if mode == INCREMENTAL {
        return Ok(());
    }
    connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 {
        connection.execute_batch("VACUUM")?;
    }
    Ok(())
}

fn create(connection: &mut Connection, statements: &[&str]) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(&statements.concat())?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// The last message of a feed, and what all of it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: FeedSequence,
    pub(super) key: MessageKey,
    /// The text of all its messages.
    pub(super) bytes: u64,
}

impl Head {
    /// With the next message.
    pub(super) fn after(before: Option<Self>, message: &Message) -> Self {
        let bytes = before.map_or(0, |head| head.bytes).saturating_add(message.value_json.len() as u64);
        Self { sequence: message.sequence, key: message.key, bytes }
    }

    /// From the columns `sequence, head, bytes`, of which this is the first.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let bytes: i64 = row.get(first + 2)?;
        Ok(Self {
            sequence: sequence(row, first)?,
            key: MessageKey(row.get(first + 1)?),
            bytes: u64::try_from(bytes).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(first + 2, bytes))?,
        })
    }
}

pub(super) fn heads(connection: &Connection) -> Result<Vec<(FeedId, Head)>, StoreError> {
    let mut statement = connection.prepare("SELECT feed, sequence, head, bytes FROM feeds")?;
    let rows = statement.query_map([], |row| Ok((FeedId(row.get(0)?), Head::read(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn head(connection: &Connection, feed: &FeedId) -> Result<Option<Head>, StoreError> {
    let statement = "SELECT sequence, head, bytes FROM feeds WHERE feed = ?1";
    Ok(connection.query_row(statement, [feed.0], |row| Head::read(row, 0)).optional()?)
}

pub(super) fn own_feeds(connection: &Connection) -> Result<Vec<FeedId>, StoreError> {
    let mut statement = connection.prepare("SELECT feed FROM own_feeds")?;
    let rows = statement.query_map([], |row| Ok(FeedId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn insert_own_feed(transaction: &Transaction<'_>, feed: &FeedId) -> Result<(), StoreError> {
    transaction.execute("INSERT INTO own_feeds (feed) VALUES (?1)", [feed.0])?;
    Ok(())
}

/// Notes that a feed is dropped, with its last message where there is one. One that came again and is dropped again may have
/// become longer.
pub(super) fn insert_tombstone(transaction: &Transaction<'_>, feed: &FeedId, now: WallTime) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO tombstones (feed, sequence, key, kind, value, dropped_at)
         SELECT :feed, coalesce(feeds.sequence, 0), messages.key, messages.kind, messages.value, :now
         FROM (SELECT :feed AS feed) AS dropped
         LEFT JOIN feeds ON feeds.feed = dropped.feed
         LEFT JOIN messages ON messages.feed = feeds.id AND messages.sequence = feeds.sequence
         WHERE true ON CONFLICT (feed) DO UPDATE SET
             sequence = excluded.sequence, key = excluded.key, kind = excluded.kind, value = excluded.value
         WHERE excluded.sequence > tombstones.sequence",
        named_params! { ":feed": feed.0, ":now": i64::try_from(now.0).unwrap_or(i64::MAX) },
    )?;
    Ok(())
}

/// Forgets the oldest notes of dropped feeds beyond `most`, and returns whose.
pub(super) fn trim_tombstones(transaction: &Transaction<'_>, most: usize) -> Result<Vec<FeedId>, StoreError> {
    let mut statement = transaction.prepare(
        "DELETE FROM tombstones WHERE id <= (SELECT id FROM tombstones ORDER BY id DESC LIMIT 1 OFFSET ?1)
         RETURNING feed",
    )?;
    let rows = statement.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| Ok(FeedId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Hands over the last message of each dropped feed, in the order of dropping.
pub(super) fn last_of_dropped(connection: &Connection, mut visit: impl FnMut(Message)) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare("SELECT feed, sequence, key, kind, value FROM tombstones WHERE value IS NOT NULL ORDER BY id")?;
    for row in statement.query_map([], message)? {
        visit(row?);
    }
    Ok(())
}

/// The feeds that were dropped for good.
pub(super) fn tombstones(connection: &Connection) -> Result<Vec<FeedId>, StoreError> {
    let mut statement = connection.prepare("SELECT feed FROM tombstones")?;
    let rows = statement.query_map([], |row| Ok(FeedId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds an hour to each of the feeds, forgets all others, and returns those that have `most`.
pub(super) fn count_unwanted(
    transaction: &Transaction<'_>,
    unwanted: &BTreeSet<FeedId>,
    most: u32,
) -> Result<Vec<FeedId>, StoreError> {
    let known: Vec<FeedId> = transaction
        .prepare("SELECT feed FROM unwanted_feeds")?
        .query_map([], |row| Ok(FeedId(row.get(0)?)))?
        .collect::<Result<_, _>>()?;
    for feed in known.iter().filter(|feed| !unwanted.contains(feed)) {
        transaction.prepare_cached("DELETE FROM unwanted_feeds WHERE feed = ?1")?.execute([feed.0])?;
    }
    for feed in unwanted {
        transaction
            .prepare_cached(
                "INSERT INTO unwanted_feeds (feed, hours) VALUES (?1, 1) ON CONFLICT (feed) DO UPDATE SET hours = hours + 1",
            )?
            .execute([feed.0])?;
    }
    let mut statement = transaction.prepare("SELECT feed FROM unwanted_feeds WHERE hours >= ?1")?;
    let rows = statement.query_map([most], |row| Ok(FeedId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Deletes the last `count` messages of a feed. Returns its last message then; `None` where nothing of it is left.
pub(super) fn cut(transaction: &Transaction<'_>, feed: &FeedId, count: u64) -> Result<Option<Head>, StoreError> {
    let row: Option<(i64, i64)> = transaction
        .query_row("SELECT id, sequence FROM feeds WHERE feed = ?1", [feed.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, last)) = row else { return Ok(None) };
    let left = last.saturating_sub(i64::try_from(count).unwrap_or(i64::MAX));
    let gone: i64 = transaction.query_row(
        "SELECT coalesce(sum(octet_length(value)), 0) FROM messages WHERE feed = ?1 AND sequence > ?2",
        [id, left],
        |row| row.get(0),
    )?;
    transaction.execute("DELETE FROM messages WHERE feed = ?1 AND sequence > ?2", [id, left])?;
    if left <= 0 {
        transaction.execute("DELETE FROM feeds WHERE id = ?1", [id])?;
        return Ok(None);
    }
    let head = transaction.query_row(
        "UPDATE feeds SET sequence = ?2, head = (SELECT key FROM messages WHERE feed = ?1 AND sequence = ?2),
             bytes = bytes - ?3
         WHERE id = ?1 RETURNING sequence, head, bytes",
        [id, left, gone],
        |row| Head::read(row, 0),
    )?;
    Ok(Some(head))
}

/// Gives pages of the file back. Returns whether there are more.
pub(super) fn free_pages(connection: &Connection, count: u32) -> Result<bool, StoreError> {
    let free = |connection: &Connection| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, "freelist_count", |row| row.get(0))
    };
    let before = free(connection)?;
    // One step for each page.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({count})"))?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    let after = free(connection)?;
    Ok(0 < after && after < before)
}

pub(super) fn insert(transaction: &Transaction<'_>, message: &Message) -> Result<Arrival, StoreError> {
    let row = named_params! {
        ":feed": message.author.0,
        ":sequence": sql_integer(message.sequence),
        ":key": message.key.0,
        ":value": &*message.value_json,
    };
    let feed: i64 = transaction
        .prepare_cached(
            "INSERT INTO feeds (feed, sequence, head, bytes) VALUES (:feed, :sequence, :key, octet_length(:value))
             ON CONFLICT (feed) DO UPDATE SET sequence = :sequence, head = :key, bytes = bytes + octet_length(:value)
             RETURNING id",
        )?
        .query_row(row, |row| row.get(0))?;
    transaction
        .prepare_cached(
            "INSERT INTO messages (feed, sequence, key, kind, value) VALUES (:feed, :sequence, :key, :kind, :value)",
        )?
        .execute(named_params! {
            ":feed": feed,
            ":sequence": sql_integer(message.sequence),
            ":key": message.key.0,
            ":kind": message.kind.as_deref(),
            ":value": &*message.value_json,
        })?;
    Ok(Arrival(transaction.last_insert_rowid()))
}

/// Removes the messages of a feed from number `from` on.
pub(super) fn remove_from(transaction: &Transaction<'_>, feed: &FeedId, from: FeedSequence) -> Result<(), StoreError> {
    let Some(last) = from.0.checked_sub(1).filter(|last| *last > 0).map(FeedSequence) else {
        let whole = named_params! { ":feed": feed.0 };
        transaction.execute("DELETE FROM messages WHERE feed = (SELECT id FROM feeds WHERE feed = :feed)", whole)?;
        transaction.execute("DELETE FROM feeds WHERE feed = :feed", whole)?;
        return Ok(());
    };
    let row = named_params! { ":feed": feed.0, ":last": sql_integer(last) };
    transaction.execute(
        "DELETE FROM messages WHERE feed = (SELECT id FROM feeds WHERE feed = :feed) AND sequence > :last",
        row,
    )?;
    transaction.execute(
        "UPDATE feeds SET sequence = :last,
             head = (SELECT key FROM messages WHERE messages.feed = feeds.id AND messages.sequence = :last),
             bytes = (SELECT coalesce(sum(octet_length(value)), 0) FROM messages WHERE messages.feed = feeds.id)
         WHERE feed = :feed",
        row,
    )?;
    Ok(())
}

/// Hands over all messages of a kind in the order of arrival.
pub(super) fn each_of_kind(
    connection: &Connection,
    kind: &str,
    mut visit: impl FnMut(Arrival, Message) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS}, messages.arrival FROM messages JOIN feeds ON messages.feed = feeds.id
         WHERE messages.kind = ?1 ORDER BY messages.arrival"
    ))?;
    let mut rows = statement.query([kind])?;
    while let Some(row) = rows.next()? {
        visit(Arrival(row.get(5)?), message(row)?)?;
    }
    Ok(())
}

const COLUMNS: &str = "feeds.feed, messages.sequence, messages.key, messages.kind, messages.value";

pub(super) fn range(
    connection: &Connection,
    feed: &FeedId,
    from: FeedSequence,
    limit: usize,
) -> Result<Vec<Message>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM feeds JOIN messages ON messages.feed = feeds.id
         WHERE feeds.feed = :feed AND messages.sequence >= :from ORDER BY messages.sequence LIMIT :limit"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows =
        statement.query_map(named_params! { ":feed": feed.0, ":from": sql_integer(from), ":limit": limit }, message)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many messages of a kind are handed over, the newest of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// So many of all feeds together.
    InAll(usize),
    /// So many of each feed, so that one that says much takes the place of no other.
    OfEachFeed(usize),
}

/// Hands over, in the order of arrival, the newest messages of some kinds: of each as many as asked for.
pub(super) fn replay(
    connection: &Connection,
    kinds: &[(&str, Newest)],
    mut visit: impl FnMut(Message),
) -> Result<(), StoreError> {
    let (mut chosen, mut parameters) = (Vec::with_capacity(kinds.len()), Vec::with_capacity(2 * kinds.len()));
    for (kind, newest) in kinds {
        let (query, bound) = match newest {
            Newest::InAll(count) => {
                let last_left_out: Option<i64> = connection
                    .query_row(
                        "SELECT arrival FROM messages WHERE kind = ?1 ORDER BY arrival DESC LIMIT 1 OFFSET ?2",
                        rusqlite::params![kind, i64::try_from(*count).unwrap_or(i64::MAX)],
                        |row| row.get(0),
                    )
                    .optional()?;
                ("SELECT arrival FROM messages WHERE kind = ? AND arrival > ?", last_left_out.unwrap_or(0))
            }
            Newest::OfEachFeed(count) => (
                "SELECT arrival FROM (
                     SELECT arrival, row_number() OVER (PARTITION BY feed ORDER BY arrival DESC) AS position
                     FROM messages WHERE kind = ?
                 ) WHERE position <= ?",
                i64::try_from(*count).unwrap_or(i64::MAX),
            ),
        };
        chosen.push(query);
        parameters.extend([rusqlite::types::Value::from((*kind).to_owned()), bound.into()]);
    }
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM messages JOIN feeds ON messages.feed = feeds.id
         WHERE messages.arrival IN ({}) ORDER BY messages.arrival",
        chosen.join(" UNION ALL ")
    ))?;
    let rows = statement.query_map(rusqlite::params_from_iter(parameters), message)?;
    for row in rows {
        visit(row?);
    }
    Ok(())
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        author: FeedId(row.get(0)?),
        sequence: sequence(row, 1)?,
        key: MessageKey(row.get(2)?),
        kind: row.get::<_, Option<String>>(3)?.map(Arc::from),
        value_json: row.get::<_, String>(4)?.into(),
    })
}

fn sequence(row: &Row<'_>, column: usize) -> rusqlite::Result<FeedSequence> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map(FeedSequence).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// Feed sequences are below 2^53; whatever is asked for beyond that is not there.
fn sql_integer(sequence: FeedSequence) -> i64 {
    i64::try_from(sequence.0).unwrap_or(i64::MAX)
}
