//! What people say: posts, comments on broadcasts, votes; and the port to read and write them (implemented by
//! `ssb-announcer`). Texts are untrusted.

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{BlobId, BroadcastId, FeedId, MessageKey, WallTime};

/// A place in the order in which this node received messages. It stays valid over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimelineCursor(pub i64);

/// Who wrote a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The feed.
    pub feed: FeedId,
    /// What it calls itself, at most 100 characters on one line; anybody may call itself anything.
    pub name: Option<String>,
    /// The SSB blob of its picture.
    pub image: Option<BlobId>,
    /// Whether it is this node.
    pub own: bool,
}

/// What a feed says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Who it is.
    pub author: Author,
    /// At most 2000 characters.
    pub description: Option<String>,
}

/// One post. What it says may be hidden later, where its author is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The message.
    pub key: MessageKey,
    /// When it came here, as a place in the order.
    pub cursor: TimelineCursor,
    /// Who wrote it.
    pub author: Author,
    /// Markdown, at most 8192 characters.
    pub text: String,
    /// When its author says it was written, and never later than now.
    pub written_at: WallTime,
    /// The post that began the thread; `None` where it is this one.
    pub root: Option<MessageKey>,
    /// The messages of the thread that it answers.
    pub branches: Vec<MessageKey>,
    /// Its topic, without `#`.
    pub channel: Option<String>,
    /// Feeds, messages and blobs that it names, as SSB writes them, and `#` topics.
    pub mentions: Vec<String>,
    /// The broadcast whose start it tells, where it has no root; else the one that it comments on.
    pub broadcast: Option<BroadcastId>,
    /// Answers to it that are known here, counted up to a thousand.
    pub replies: u32,
    /// Feeds that voted for it, counted up to a thousand.
    pub votes: u32,
}

/// Some posts in an order, and where the next of them are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelinePage {
    /// Newest first. Those of blocked feeds are left out, so that a page may have fewer than were asked for.
    pub posts: Vec<Post>,
    /// To be given as `before` for the next page; `None` where there is none.
    pub next: Option<TimelineCursor>,
}

/// Which part of an order is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Only what came before.
    pub before: Option<TimelineCursor>,
    /// At most this many; the implementation has a bound of its own.
    pub limit: usize,
}

/// A post to be written by this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPost {
    /// Markdown.
    pub text: String,
    /// What it answers.
    pub about: PostTarget,
}

/// What a new post answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostTarget {
    /// Nothing: it begins a thread.
    Nothing,
    /// A post.
    Post(MessageKey),
    /// A broadcast.
    Broadcast(BroadcastId),
}

/// Something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimelineChange {
    /// A post was received or written.
    Post(Box<Post>),
    /// The subscriber was too slow, or too much came at once: some posts were left out.
    Missed,
}

/// Why the timeline does not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimelineError {
    /// The post to be answered, or voted for, is not known here.
    #[error("no post {0} is known here")]
    UnknownPost(MessageKey),
    /// The broadcast to be commented on is not known here.
    #[error("no broadcast {0} is known here")]
    UnknownBroadcast(BroadcastId),
    /// A post without text.
    #[error("the text is empty: write something")]
    Empty,
    /// More text than a message holds.
    #[error("the text is too long for a message: shorten it to about 7000 characters")]
    TooLong,
    /// Nothing may be written on this node's feed now; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// The store does not work.
    #[error("the timeline cannot be read or written: {0}")]
    Storage(String),
}

/// Reads and writes what people say. Order is that of arrival here, since anybody may claim any time.
#[async_trait]
pub trait Timeline: Send + Sync {
    /// Posts that begin threads, newest first.
    async fn newest(&self, page: PageRequest) -> Result<TimelinePage, TimelineError>;

    /// Comments on a broadcast, newest first: answers to its announcement, or to the post that told of its start.
    async fn comments(&self, broadcast: BroadcastId, page: PageRequest) -> Result<TimelinePage, TimelineError>;

    /// Answers in the thread that a post began, newest first.
    async fn replies(&self, root: MessageKey, page: PageRequest) -> Result<TimelinePage, TimelineError>;

    /// What a feed wrote, posts that begin threads and answers, newest first.
    async fn written_by(&self, feed: FeedId, page: PageRequest) -> Result<TimelinePage, TimelineError>;

    /// One post; `None` where it is not known, or its author is blocked.
    async fn find(&self, key: MessageKey) -> Result<Option<Post>, TimelineError>;

    /// What a feed says of itself; `None` where it said nothing, or is blocked.
    async fn profile(&self, feed: FeedId) -> Result<Option<Profile>, TimelineError>;

    /// Messages in which feeds that are shown say that the blob is their picture, or name it in a post: at most `limit`, whichever
    /// are found first.
    async fn naming(&self, blob: BlobId, limit: usize) -> Result<Vec<MessageKey>, TimelineError>;

    /// Writes a post as this node, and returns it once it is durable.
    async fn post(&self, post: NewPost) -> Result<Post, TimelineError>;

    /// Votes for a post as this node, or takes the vote back.
    async fn vote(&self, post: MessageKey, vote: Vote) -> Result<(), TimelineError>;

    /// Posts from now on. The stream ends when the timeline closes.
    fn subscribe(&self) -> BoxStream<'static, TimelineChange>;
}

/// What a feed says of a post with its vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    /// It likes it.
    For,
    /// It takes its vote back.
    Withdrawn,
}
