//! The tables of the timeline: which messages are posts of which thread, what feeds call themselves, who voted for what,
//! who named which blob.
//!
//! Texts are not copied: they are read again from the stored message. Each row comes from one stored message, so that
//! the bounds of the store bound these tables too.
//!
//! Only what a feed says of *itself* counts as its name. Other clients let people name each other, which helps among
//! friends; on an open mesh it would let anybody within reach rename a publisher for everybody.

use rusqlite::{OptionalExtension as _, Transaction, params};
use stream_model::{BlobId, FeedId, Vote};

use super::content::{ABOUT, AboutContent, Mention, POST, Portrait, PostContent, Social, VOTE, VoteContent};
use crate::announcement::content::BROADCAST;
use crate::feed::{Arrival, ContentIndex, Message};

/// Keeps the tables of the timeline.
#[derive(Debug, Clone, Copy, Default)]
pub struct SocialIndex;

/// `start_of` is the broadcast whose start a post tells: only its author can do so, in the feed that announced it, and only
/// in a post that begins a thread.
const TABLES: &str = "
    DROP TABLE IF EXISTS social_posts;
    DROP TABLE IF EXISTS social_profiles;
    DROP TABLE IF EXISTS social_votes;
    DROP TABLE IF EXISTS social_blobs;
    CREATE TABLE social_posts (
        arrival INTEGER PRIMARY KEY,
        author BLOB NOT NULL,
        root BLOB,
        start_of BLOB
    ) STRICT;
    CREATE INDEX social_threads ON social_posts (arrival) WHERE root IS NULL;
    CREATE INDEX social_replies ON social_posts (root, arrival) WHERE root IS NOT NULL;
    CREATE INDEX social_starts ON social_posts (start_of, arrival) WHERE start_of IS NOT NULL;
    CREATE INDEX social_authors ON social_posts (author, arrival);
    CREATE TABLE social_profiles (
        feed BLOB PRIMARY KEY,
        name TEXT,
        description TEXT,
        image BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE social_votes (
        message BLOB NOT NULL,
        feed BLOB NOT NULL,
        PRIMARY KEY (message, feed)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX social_votes_by_feed ON social_votes (feed);
    CREATE TABLE social_blobs (
        blob BLOB NOT NULL,
        arrival INTEGER NOT NULL,
        feed BLOB NOT NULL,
        PRIMARY KEY (blob, arrival)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX social_blobs_by_feed ON social_blobs (feed);
";

impl ContentIndex for SocialIndex {
    fn name(&self) -> &'static str {
        "social"
    }

    fn version(&self) -> i64 {
        5
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[POST, ABOUT, VOTE]
    }

    fn create(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute_batch(TABLES)
    }

    fn insert(&self, transaction: &Transaction<'_>, arrival: Arrival, message: &Message) -> rusqlite::Result<()> {
        let Some(kind) = message.kind.as_deref() else { return Ok(()) };
        match Social::parse(kind, &message.value_json) {
            Some(Social::Post(post)) => insert_post(transaction, arrival, message.author, &post),
            Some(Social::About(about)) if about.about == message.author => insert_profile(transaction, arrival, &about),
            Some(Social::Vote(vote)) => insert_vote(transaction, message.author, vote),
            Some(Social::About(_)) | None => Ok(()),
        }
    }

    fn forget(&self, transaction: &Transaction<'_>, feed: FeedId) -> rusqlite::Result<()> {
        transaction.execute(
            "DELETE FROM social_posts WHERE arrival IN (
                 SELECT arrival FROM messages WHERE feed = (SELECT id FROM feeds WHERE feed = ?1))",
            [feed.0],
        )?;
        transaction.execute("DELETE FROM social_profiles WHERE feed = ?1", [feed.0])?;
        transaction.execute("DELETE FROM social_votes WHERE feed = ?1", [feed.0])?;
        transaction.execute("DELETE FROM social_blobs WHERE feed = ?1", [feed.0])?;
        Ok(())
    }
}

fn insert_post(
    transaction: &Transaction<'_>,
    arrival: Arrival,
    author: FeedId,
    post: &PostContent,
) -> rusqlite::Result<()> {
    let start_of = match post.broadcast.filter(|_| post.root.is_none()) {
        Some(broadcast) => transaction
            .prepare_cached(
                "SELECT messages.key FROM messages JOIN feeds ON messages.feed = feeds.id
                 WHERE messages.key = ?1 AND messages.kind = ?2 AND feeds.feed = ?3",
            )?
            .query_row(params![broadcast.0.0, BROADCAST, author.0], |row| row.get::<_, [u8; 32]>(0))
            .optional()?,
        None => None,
    };
    transaction
        .prepare_cached("INSERT INTO social_posts (arrival, author, root, start_of) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![arrival.0, author.0, post.root.map(|root| root.0), start_of])?;
    post.mentions.iter().filter_map(Mention::blob).try_for_each(|blob| insert_blob(transaction, arrival, author, blob))
}

/// A feed's messages come in its order, so what comes later is what counts.
fn insert_profile(transaction: &Transaction<'_>, arrival: Arrival, about: &AboutContent) -> rusqlite::Result<()> {
    let (image, removed) = match about.image {
        Some(Portrait::Shown(image)) => (Some(image), false),
        Some(Portrait::Removed) => (None, true),
        None => (None, false),
    };
    transaction
        .prepare_cached(
            "INSERT INTO social_profiles (feed, name, description, image) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (feed) DO UPDATE SET name = coalesce(excluded.name, name),
                 description = coalesce(excluded.description, description), image = iif(?5, NULL, coalesce(excluded.image, image))",
        )?
        .execute(params![about.about.0, about.name, about.description, image.map(|image| image.0), removed])?;
    image.map_or(Ok(()), |image| insert_blob(transaction, arrival, about.about, image))
}

/// A blob stays named where the feed names another later: what was shown once may be shown again by whoever has the page.
fn insert_blob(transaction: &Transaction<'_>, arrival: Arrival, feed: FeedId, blob: BlobId) -> rusqlite::Result<()> {
    // A post may name one twice.
    transaction
        .prepare_cached("INSERT INTO social_blobs (blob, arrival, feed) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![blob.0, arrival.0, feed.0])?;
    Ok(())
}

fn insert_vote(transaction: &Transaction<'_>, feed: FeedId, vote: VoteContent) -> rusqlite::Result<()> {
    let statement = match vote.vote {
        Vote::For => "INSERT INTO social_votes (message, feed) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        Vote::Withdrawn => "DELETE FROM social_votes WHERE message = ?1 AND feed = ?2",
    };
    transaction.prepare_cached(statement)?.execute(params![vote.link.0, feed.0])?;
    Ok(())
}
