//! The timeline: pages of posts from the tables, posts written as this node, changes for subscribers.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use futures::stream::BoxStream;
use metrics::counter;
use stream_model::{
    BlobId, BroadcastId, FeedId, MessageKey, NewPost, PageRequest, Post, PostTarget, Profile, Timeline, TimelineChange,
    TimelineCursor, TimelineError, TimelinePage, Vote, WallTime,
};
use tokio::sync::{Mutex, broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::content::{AboutContent, Mention, POST, Portrait, PostContent, VoteContent};
use super::query::{self, Look};
use crate::changes::subscription;
use crate::feed::{FeedObserver, FeedStore, Message, OwnAppend, StoreError};
use crate::identity::Identity;

/// Most posts of one page: 800 KB of text at the very worst, mostly 50.
pub const MAX_PAGE: usize = 100;

/// Messages of blocked feeds that are passed over to find others that name a blob. What a blocked one says is forgotten soon
/// after the block, so that there are nearly never any.
const MAX_BLOCKED_NAMING: usize = 256;

/// Changes that a subscriber may lag behind before it has to read the timeline again.
const CHANGES: usize = 256;

/// Posts that wait to be told to subscribers. A backlog brings more at once: they are left out, and said to be.
const ARRIVED: usize = 256;

/// What people say, as this node holds it.
pub struct SocialTimeline {
    node: Identity,
    store: FeedStore,
    changes: broadcast::Sender<TimelineChange>,
    arrived: mpsc::Sender<MessageKey>,
    queue: Mutex<mpsc::Receiver<MessageKey>>,
    /// Some posts did not find room in the queue.
    overflowed: AtomicBool,
    closed: CancellationToken,
}

impl SocialTimeline {
    /// The timeline of a store that keeps a [`SocialIndex`](super::SocialIndex), written as `node`.
    pub fn open(node: Identity, store: FeedStore) -> Arc<Self> {
        let (arrived, queue) = mpsc::channel(ARRIVED);
        let timeline = Arc::new(Self {
            node,
            store: store.clone(),
            changes: broadcast::Sender::new(CHANGES),
            arrived,
            queue: Mutex::new(queue),
            overflowed: AtomicBool::new(false),
            closed: CancellationToken::new(),
        });
        let observer: Weak<Self> = Arc::downgrade(&timeline);
        store.observe(observer);
        timeline
    }

    /// Tells subscribers of posts as they arrive, until [`close`](Self::close). May be cancelled.
    pub async fn run(&self) {
        let mut queue = self.queue.lock().await;
        while let Some(Some(key)) = self.closed.run_until_cancelled(queue.recv()).await {
            if self.changes.receiver_count() == 0 {
                continue;
            }
            if self.overflowed.swap(false, Ordering::Relaxed) {
                let _receivers = self.changes.send(TimelineChange::Missed);
            }
            match self.find(key).await {
                Ok(Some(post)) => {
                    let _receivers = self.changes.send(TimelineChange::Post(Box::new(post)));
                }
                Ok(None) => {}
                Err(error) => warn!(%error, "a new post cannot be shown"),
            }
        }
    }

    /// Ends all subscriptions.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Says what this node calls itself and what its picture is, once and whenever that has changed, so that other SSB
    /// programs show it. Without a picture that of before is taken back, unless another program gave it to this identity:
    /// `is_ours` says of a blob whether this node did.
    ///
    /// # Errors
    /// [`TimelineError`] where the feed cannot be read or written.
    pub async fn introduce(
        &self,
        name: &str,
        image: Option<BlobId>,
        is_ours: impl Fn(&BlobId) -> bool,
    ) -> Result<(), TimelineError> {
        let own = self.node.id();
        let known = self.query(move |connection| query::profile(connection, own, own)).await?;
        let known = known.map(|profile| profile.author);
        let (known_name, known_image) = known.map_or((None, None), |author| (author.name, author.image));
        let about = AboutContent {
            about: own,
            name: (known_name.as_deref() != Some(name)).then(|| name.to_owned()),
            description: None,
            image: match (image, known_image) {
                (Some(image), known) if known != Some(image) => Some(Portrait::Shown(image)),
                (None, Some(known)) if is_ours(&known) => Some(Portrait::Removed),
                _ => None,
            },
        };
        if about.name.is_none() && about.image.is_none() {
            return Ok(());
        }
        self.append(about.to_json()).await?;
        info!(name, image = about.image.is_some(), "name announced");
        Ok(())
    }

    async fn append(&self, content_json: String) -> Result<MessageKey, TimelineError> {
        let append = OwnAppend { identity: self.node.clone(), content_json, names: None };
        let appended = self.store.append_own(vec![append]).await?;
        appended.first().map(|message| message.key).ok_or_else(|| TimelineError::Storage("nothing was written".into()))
    }

    async fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, TimelineError> {
        Ok(self.store.query(read).await?)
    }

    fn is_blocked(&self, feed: &FeedId) -> bool {
        self.store.is_blocked(feed)
    }

    fn look(&self) -> Look {
        Look { own: self.node.id(), now: WallTime::now() }
    }

    /// A page of the posts at the places that `places` finds before a place, at most as many as it is given.
    async fn page(
        &self,
        page: PageRequest,
        places: impl FnOnce(&rusqlite::Connection, i64, usize) -> rusqlite::Result<Vec<i64>> + Send + 'static,
    ) -> Result<TimelinePage, TimelineError> {
        let (look, limit) = (self.look(), page.limit.clamp(1, MAX_PAGE));
        let before = page.before.map_or(i64::MAX, |cursor| cursor.0);
        let (mut posts, next) = self
            .query(move |connection| {
                // One more than asked for tells whether there is a next page.
                let mut places = places(connection, before, limit + 1)?;
                let more = places.len() > limit;
                places.truncate(limit);
                let mut posts = Vec::with_capacity(places.len());
                for place in &places {
                    posts.extend(query::post(connection, *place, look)?);
                }
                Ok((posts, places.last().filter(|_| more).copied()))
            })
            .await?;
        posts.retain(|post| !self.is_blocked(&post.author.feed));
        Ok(TimelinePage { posts, next: next.map(TimelineCursor) })
    }

    /// The root of the thread that an answer to `target` belongs to, and the message that it answers.
    async fn thread_of(&self, target: PostTarget) -> Result<Option<(MessageKey, MessageKey)>, TimelineError> {
        let roots = match target {
            PostTarget::Nothing => return Ok(None),
            PostTarget::Post(key) => {
                let post = self.find(key).await?.ok_or(TimelineError::UnknownPost(key))?;
                if let Some(root) = post.root {
                    return Ok(Some((root, key)));
                }
                vec![key]
            }
            PostTarget::Broadcast(broadcast) => {
                let known = move |connection: &rusqlite::Connection| query::is_broadcast(connection, broadcast);
                if !self.query(known).await? {
                    return Err(TimelineError::UnknownBroadcast(broadcast));
                }
                self.query(move |connection| query::comment_roots(connection, broadcast)).await?
            }
        };
        // Other programs show a thread by its first post, so the post that told of a broadcast's start goes before its
        // announcement, which they do not show.
        let Some(root) = roots.first().copied() else { return Ok(None) };
        let newest = PageRequest { before: None, limit: 1 };
        let newest = self.page(newest, move |c, before, limit| query::replies(c, &[root], before, limit)).await?;
        Ok(Some((root, newest.posts.first().map_or(root, |post| post.key))))
    }
}

#[async_trait]
impl Timeline for SocialTimeline {
    async fn newest(&self, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.page(page, query::threads).await
    }

    async fn comments(&self, broadcast: BroadcastId, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        let places = move |connection: &rusqlite::Connection, before, limit| {
            let roots = query::comment_roots(connection, broadcast)?;
            query::replies(connection, &roots, before, limit)
        };
        self.page(page, places).await
    }

    async fn replies(&self, root: MessageKey, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.page(page, move |connection, before, limit| query::replies(connection, &[root], before, limit)).await
    }

    async fn written_by(&self, feed: FeedId, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.page(page, move |connection, before, limit| query::written_by(connection, feed, before, limit)).await
    }

    async fn find(&self, key: MessageKey) -> Result<Option<Post>, TimelineError> {
        let look = self.look();
        let found = self
            .query(move |connection| match query::place(connection, key)? {
                Some(place) => query::post(connection, place, look),
                None => Ok(None),
            })
            .await?;
        Ok(found.filter(|post| !self.is_blocked(&post.author.feed)))
    }

    async fn profile(&self, feed: FeedId) -> Result<Option<Profile>, TimelineError> {
        if self.is_blocked(&feed) {
            return Ok(None);
        }
        let own = self.node.id();
        self.query(move |connection| query::profile(connection, feed, own)).await
    }

    async fn naming(&self, blob: BlobId, limit: usize) -> Result<Vec<MessageKey>, TimelineError> {
        let most = limit.saturating_add(MAX_BLOCKED_NAMING);
        let mut naming = self.query(move |connection| query::naming(connection, blob, most)).await?;
        naming.retain(|(feed, _)| !self.is_blocked(feed));
        Ok(naming.into_iter().map(|(_, message)| message).take(limit).collect())
    }

    async fn post(&self, post: NewPost) -> Result<Post, TimelineError> {
        if post.text.trim().is_empty() {
            return Err(TimelineError::Empty);
        }
        let thread = self.thread_of(post.about).await?;
        let content = PostContent {
            mentions: Mention::in_text(&post.text),
            text: post.text,
            root: thread.map(|(root, _)| root),
            branches: thread.map(|(_, branch)| branch).into_iter().collect(),
            ..PostContent::default()
        };
        let key = self.append(content.to_json()).await?;
        self.find(key).await?.ok_or_else(|| TimelineError::Storage("the post is not found again".into()))
    }

    async fn vote(&self, post: MessageKey, vote: Vote) -> Result<(), TimelineError> {
        if self.find(post).await?.is_none() {
            return Err(TimelineError::UnknownPost(post));
        }
        self.append(VoteContent { link: post, vote }.to_json()).await.map(drop)
    }

    fn subscribe(&self) -> BoxStream<'static, TimelineChange> {
        subscription(self.changes.subscribe(), TimelineChange::Missed, self.closed.clone())
    }
}

impl FeedObserver for SocialTimeline {
    fn appended(&self, messages: &[Message]) {
        for message in messages.iter().filter(|message| message.kind.as_deref() == Some(POST)) {
            if self.arrived.try_send(message.key).is_err() {
                self.overflowed.store(true, Ordering::Relaxed);
                counter!("meshstream_timeline_changes_missed_total").increment(1);
            }
        }
    }
}

impl From<StoreError> for TimelineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLarge => Self::TooLong,
            StoreError::OwnFeed(error) => Self::Refused(error.to_string()),
            other => Self::Storage(other.to_string()),
        }
    }
}

impl fmt::Debug for SocialTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocialTimeline").field("feed", &self.node.id()).finish_non_exhaustive()
    }
}
