//! Reads posts from the tables of [`SocialIndex`](super::SocialIndex) and the messages behind them.
//!
//! Every answer takes a bounded number of look-ups by index, however many messages are stored.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::Value;
use stream_model::{Author, BlobId, BroadcastId, FeedId, MessageKey, Post, Profile, TimelineCursor, WallTime};

use super::content::PostContent;
use crate::announcement::content::BROADCAST;

/// Replies and votes are counted up to here: whoever has a thousand has many.
const MAX_COUNTED: i64 = 1_000;

/// A post is looked at by `own` at the time `now`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// This node's feed.
    pub(super) own: FeedId,
    /// Nobody wrote anything later than this.
    pub(super) now: WallTime,
}

/// Places of posts that begin threads, newest first.
pub(super) fn threads(connection: &Connection, before: i64, limit: usize) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT arrival FROM social_posts INDEXED BY social_threads
             WHERE root IS NULL AND arrival < ?1 ORDER BY arrival DESC LIMIT ?2",
        )?
        .query_map(params![before, sql_limit(limit)], |row| row.get(0))?
        .collect()
}

/// Places of the answers to any of some messages, newest first.
pub(super) fn replies(
    connection: &Connection,
    roots: &[MessageKey],
    before: i64,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    let mut found: Vec<i64> = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT arrival FROM social_posts INDEXED BY social_replies
         WHERE root = ?1 AND arrival < ?2 ORDER BY arrival DESC LIMIT ?3",
    )?;
    for root in roots {
        for arrival in statement.query_map(params![root.0, before, sql_limit(limit)], |row| row.get(0))? {
            found.push(arrival?);
        }
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.truncate(limit);
    Ok(found)
}

/// Places of what a feed wrote, newest first.
pub(super) fn written_by(
    connection: &Connection,
    feed: FeedId,
    before: i64,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT arrival FROM social_posts INDEXED BY social_authors
             WHERE author = ?1 AND arrival < ?2 ORDER BY arrival DESC LIMIT ?3",
        )?
        .query_map(params![feed.0, before, sql_limit(limit)], |row| row.get(0))?
        .collect()
}

/// The messages whose answers are comments on a broadcast: its announcement, and the first post that told of its start.
pub(super) fn comment_roots(connection: &Connection, broadcast: BroadcastId) -> rusqlite::Result<Vec<MessageKey>> {
    Ok([start_post(connection, broadcast)?, Some(broadcast.0)].into_iter().flatten().collect())
}

/// The first post that told of a broadcast's start.
pub(super) fn start_post(connection: &Connection, broadcast: BroadcastId) -> rusqlite::Result<Option<MessageKey>> {
    connection
        .prepare_cached(
            "SELECT messages.key FROM social_posts JOIN messages USING (arrival)
             WHERE start_of = ?1 ORDER BY arrival LIMIT 1",
        )?
        .query_row([broadcast.0.0], |row| row.get(0).map(MessageKey))
        .optional()
}

/// Whether the announcement of a broadcast is stored.
pub(super) fn is_broadcast(connection: &Connection, broadcast: BroadcastId) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM messages WHERE key = ?1 AND kind = ?2")?;
    statement.exists(params![broadcast.0.0, BROADCAST])
}

/// Where a post is.
pub(super) fn place(connection: &Connection, key: MessageKey) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT arrival FROM social_posts JOIN messages USING (arrival) WHERE messages.key = ?1")?
        .query_row([key.0], |row| row.get(0))
        .optional()
}

/// The post at a place; `None` where there is none.
pub(super) fn post(connection: &Connection, arrival: i64, look: Look) -> rusqlite::Result<Option<Post>> {
    let stored = connection
        .prepare_cached(
            "SELECT messages.key, messages.value, feeds.feed, name, image, start_of
             FROM social_posts JOIN messages USING (arrival) JOIN feeds ON messages.feed = feeds.id
             LEFT JOIN social_profiles ON social_profiles.feed = feeds.feed WHERE arrival = ?1",
        )?
        .query_row([arrival], |row| {
            let author = author(row, 2, look.own)?;
            Ok((MessageKey(row.get(0)?), row.get::<_, String>(1)?, author, row.get::<_, Option<[u8; 32]>>(5)?))
        })
        .optional()?;
    let Some((key, value_json, author, start_of)) = stored else { return Ok(None) };
    let value: Value = serde_json::from_str(&value_json).unwrap_or_default();
    let Some(content) = value.get("content").and_then(PostContent::read) else { return Ok(None) };
    let start_of = start_of.map(|broadcast| BroadcastId(MessageKey(broadcast)));
    let broadcast = match content.root {
        None => start_of,
        Some(root) => commented(connection, root)?,
    };
    let mut replies = count_replies(connection, key)?;
    if let Some(broadcast) = start_of {
        replies += count_replies(connection, broadcast.0)?;
    }
    Ok(Some(Post {
        key,
        cursor: TimelineCursor(arrival),
        author,
        text: content.text,
        written_at: claimed_time(&value).min(look.now),
        root: content.root,
        branches: content.branches,
        channel: content.channel,
        mentions: content.mentions.into_iter().map(|mention| mention.link).collect(),
        broadcast,
        replies,
        votes: count(connection, "SELECT 1 FROM social_votes WHERE message = ?1 LIMIT ?2", key)?,
    }))
}

/// What a feed is called.
pub(crate) fn name(connection: &Connection, feed: FeedId) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT name FROM social_profiles WHERE feed = ?1")?;
    Ok(statement.query_row([feed.0], |row| row.get(0)).optional()?.flatten())
}

/// What a feed says of itself.
pub(super) fn profile(connection: &Connection, feed: FeedId, own: FeedId) -> rusqlite::Result<Option<Profile>> {
    connection
        .prepare_cached("SELECT feed, name, image, description FROM social_profiles WHERE feed = ?1")?
        .query_row([feed.0], |row| Ok(Profile { author: author(row, 0, own)?, description: row.get(3)? }))
        .optional()
}

/// From three columns: the feed, its name, its picture.
fn author(row: &Row<'_>, first: usize, own: FeedId) -> rusqlite::Result<Author> {
    let feed = FeedId(row.get(first)?);
    let image = row.get::<_, Option<[u8; 32]>>(first + 2)?.map(BlobId);
    Ok(Author { feed, name: row.get(first + 1)?, image, own: feed == own })
}

/// Who names a blob in which messages, of those at most `limit`.
pub(super) fn naming(
    connection: &Connection,
    blob: BlobId,
    limit: usize,
) -> rusqlite::Result<Vec<(FeedId, MessageKey)>> {
    connection
        .prepare_cached(
            "SELECT social_blobs.feed, messages.key FROM social_blobs JOIN messages USING (arrival)
             WHERE blob = ?1 LIMIT ?2",
        )?
        .query_map(params![blob.0, sql_limit(limit)], |row| Ok((FeedId(row.get(0)?), MessageKey(row.get(1)?))))?
        .collect()
}

/// The broadcast on which the answers to a message comment.
fn commented(connection: &Connection, root: MessageKey) -> rusqlite::Result<Option<BroadcastId>> {
    let found = connection
        .prepare_cached(
            "SELECT messages.kind, start_of FROM messages LEFT JOIN social_posts USING (arrival) WHERE messages.key = ?1",
        )?
        .query_row([root.0], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<[u8; 32]>>(1)?)))
        .optional()?;
    let Some((kind, start_of)) = found else { return Ok(None) };
    if kind.as_deref() == Some(BROADCAST) {
        return Ok(Some(BroadcastId(root)));
    }
    let Some(broadcast) = start_of.map(|broadcast| BroadcastId(MessageKey(broadcast))) else { return Ok(None) };
    Ok((start_post(connection, broadcast)? == Some(root)).then_some(broadcast))
}

fn count_replies(connection: &Connection, root: MessageKey) -> rusqlite::Result<u32> {
    count(connection, "SELECT 1 FROM social_posts WHERE root = ?1 LIMIT ?2", root)
}

fn count(connection: &Connection, some: &str, key: MessageKey) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(&format!("SELECT count(*) FROM ({some})"))?
        .query_row(params![key.0, MAX_COUNTED], |row| row.get(0))
}

/// Times are milliseconds since 1970, whole or not; what is below zero is zero.
fn claimed_time(value: &Value) -> WallTime {
    // The conversion saturates.
    WallTime(value.get("timestamp").and_then(Value::as_f64).unwrap_or_default() as u64)
}

fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
