//! What people say.

use async_trait::async_trait;
use futures::stream::BoxStream;
use stream_model::*;

use super::{FakeNode, UNWRITABLE, changes};

pub(crate) fn post(byte: u8, text: &str, root: Option<MessageKey>) -> Post {
    Post {
        key: MessageKey([byte; 32]),
        cursor: TimelineCursor(byte.into()),
        author: Author { feed: FeedId([byte; 32]), name: Some("Ann".to_owned()), image: None, own: false },
        text: text.to_owned(),
        written_at: WallTime(1_795_269_780_000),
        root,
        branches: root.into_iter().collect(),
        channel: None,
        mentions: Vec::new(),
        broadcast: root.map(BroadcastId),
        replies: 0,
        votes: 0,
    }
}

impl FakeNode {
    fn posts_where(&self, page: PageRequest, wanted: impl Fn(&Post) -> bool) -> Result<TimelinePage, TimelineError> {
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(TimelineError::Storage(problem));
        }
        let before = page.before.unwrap_or(TimelineCursor(i64::MAX));
        let posts = self.posts.lock().unwrap();
        let mut found: Vec<Post> =
            posts.iter().rev().filter(|post| post.cursor < before && wanted(post)).cloned().collect();
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        Ok(TimelinePage { next: found.last().filter(|_| more).map(|post| post.cursor), posts: found })
    }
}

/// Keeps posts in the order in which they are put in.
#[async_trait]
impl Timeline for FakeNode {
    async fn newest(&self, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.posts_where(page, |post| post.root.is_none())
    }

    async fn comments(&self, broadcast: BroadcastId, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.posts_where(page, |post| post.broadcast == Some(broadcast))
    }

    async fn replies(&self, root: MessageKey, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.posts_where(page, |post| post.root == Some(root))
    }

    async fn written_by(&self, feed: FeedId, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.posts_where(page, |post| post.author.feed == feed)
    }

    async fn find(&self, key: MessageKey) -> Result<Option<Post>, TimelineError> {
        Ok(self.posts.lock().unwrap().iter().find(|post| post.key == key).cloned())
    }

    async fn profile(&self, feed: FeedId) -> Result<Option<Profile>, TimelineError> {
        let known = self.posts.lock().unwrap().iter().find(|post| post.author.feed == feed).cloned();
        Ok(known.map(|post| Profile { author: post.author, description: Some("Town hall".to_owned()) }))
    }

    async fn naming(&self, blob: BlobId, limit: usize) -> Result<Vec<MessageKey>, TimelineError> {
        let names = |post: &&Post| post.author.image == Some(blob) || post.mentions.contains(&blob.to_string());
        Ok(self.posts.lock().unwrap().iter().filter(names).map(|post| post.key).take(limit).collect())
    }

    async fn post(&self, new: NewPost) -> Result<Post, TimelineError> {
        if new.text.is_empty() {
            return Err(TimelineError::Empty);
        }
        if new.text == UNWRITABLE {
            return Err(TimelineError::Refused("recover the feed first".to_owned()));
        }
        if new.text.len() > 8_000 {
            return Err(TimelineError::TooLong);
        }
        let root = match new.about {
            PostTarget::Nothing => None,
            PostTarget::Post(key) if self.find(key).await?.is_none() => return Err(TimelineError::UnknownPost(key)),
            PostTarget::Post(key) => Some(key),
            PostTarget::Broadcast(broadcast) if self.listing(&broadcast).is_none() => {
                return Err(TimelineError::UnknownBroadcast(broadcast));
            }
            PostTarget::Broadcast(broadcast) => Some(broadcast.0),
        };
        let written = post(200, &new.text, root);
        self.posts.lock().unwrap().push(written.clone());
        Ok(written)
    }

    async fn vote(&self, post: MessageKey, vote: Vote) -> Result<(), TimelineError> {
        if self.find(post).await?.is_none() {
            return Err(TimelineError::UnknownPost(post));
        }
        self.votes.lock().unwrap().push((post, vote));
        Ok(())
    }

    fn subscribe(&self) -> BoxStream<'static, TimelineChange> {
        changes(self.timeline_changes.subscribe())
    }
}
