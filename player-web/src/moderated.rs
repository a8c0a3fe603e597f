//! What people are shown: the directory and the timeline without what the owner hides on this node. What is served as content, and
//! what other nodes ask for, goes by the directory itself.

use std::sync::Arc;

use async_trait::async_trait;
use cid::Cid;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use stream_model::{
    ArchiveManifest, BlobId, BroadcastId, Directory, DirectoryChange, FeedId, Interest, Listing, MediaSegment,
    MediaSequence, MessageKey, Moderation, NewPost, PageRequest, Post, Profile, Scheduled, Timeline, TimelineChange,
    TimelineError, TimelinePage, Vote,
};

use crate::app::Ports;

/// A port without what is hidden.
struct Shown<P: ?Sized> {
    all: Arc<P>,
    moderation: Arc<dyn Moderation>,
}

/// The ports of who serves people that are not the owner.
pub(crate) fn shown(ports: Ports) -> Ports {
    let moderation = &ports.moderation;
    let directory = Shown { all: ports.directory, moderation: moderation.clone() };
    let timeline = Shown { all: ports.timeline, moderation: moderation.clone() };
    Ports { directory: Arc::new(directory), timeline: Arc::new(timeline), ..ports }
}

impl<P: ?Sized> Shown<P> {
    fn shows(&self, message: &MessageKey) -> bool {
        !self.moderation.hides(message)
    }
}

impl Directory for Shown<dyn Directory> {
    fn listings(&self) -> Vec<Listing> {
        let mut listings = self.all.listings();
        // People are shown a broadcast once, in whatever encodings there are.
        listings.retain(|listing| listing.rendition.is_none() && self.shows(&listing.id.0));
        listings
    }

    fn listing(&self, broadcast: &BroadcastId) -> Option<Listing> {
        let listing = self.all.listing(broadcast).filter(|listing| self.shows(&listing.id.0))?;
        // A rendition goes with what it is one of.
        let shown = listing.rendition.as_ref().is_none_or(|rendition| self.shows(&rendition.of.0));
        shown.then_some(listing)
    }

    fn renditions(&self, of: &BroadcastId) -> Vec<Listing> {
        self.all.renditions(of)
    }

    /// None of what is hidden: pictures show what it is about.
    fn thumbnails(&self, of: &BroadcastId) -> Option<Listing> {
        self.all.thumbnails(of).filter(|listing| self.shows(&of.0) && self.shows(&listing.id.0))
    }

    fn upcoming(&self) -> Vec<Scheduled> {
        let mut upcoming = self.all.upcoming();
        upcoming.retain(|scheduled| self.shows(&scheduled.id.0));
        upcoming
    }

    fn segments(&self, broadcast: &BroadcastId, from: MediaSequence, limit: usize) -> Vec<MediaSegment> {
        self.all.segments(broadcast, from, limit)
    }

    fn archives(&self, broadcast: &BroadcastId) -> Vec<ArchiveManifest> {
        self.all.archives(broadcast)
    }

    fn announced(&self, cid: &Cid) -> Option<Listing> {
        self.all.announced(cid)
    }

    fn set_interest(&self, interest: Interest) {
        self.all.set_interest(interest);
    }

    /// Also of what is hidden now, or shown again.
    fn subscribe(&self) -> BoxStream<'static, DirectoryChange> {
        let moderated = self.moderation.changes().map(|message| DirectoryChange::Broadcast(BroadcastId(message)));
        stream::select(self.all.subscribe(), moderated).boxed()
    }
}

impl Shown<dyn Timeline> {
    fn page(&self, mut page: TimelinePage) -> TimelinePage {
        page.posts.retain(|post| self.shows(&post.key));
        page
    }
}

/// Pages have fewer posts than were asked for where some are hidden; the next one is found all the same.
#[async_trait]
impl Timeline for Shown<dyn Timeline> {
    async fn newest(&self, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        Ok(self.page(self.all.newest(page).await?))
    }

    async fn comments(&self, broadcast: BroadcastId, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        Ok(self.page(self.all.comments(broadcast, page).await?))
    }

    async fn replies(&self, root: MessageKey, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        Ok(self.page(self.all.replies(root, page).await?))
    }

    async fn find(&self, key: MessageKey) -> Result<Option<Post>, TimelineError> {
        if self.shows(&key) { self.all.find(key).await } else { Ok(None) }
    }

    async fn written_by(&self, feed: FeedId, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        Ok(self.page(self.all.written_by(feed, page).await?))
    }

    async fn profile(&self, feed: FeedId) -> Result<Option<Profile>, TimelineError> {
        self.all.profile(feed).await
    }

    /// Where one names it that is not hidden, it is among one more than are hidden.
    async fn naming(&self, blob: BlobId, limit: usize) -> Result<Vec<MessageKey>, TimelineError> {
        let hidden = self.moderation.hidden().len();
        let mut naming = self.all.naming(blob, limit.saturating_add(hidden)).await?;
        naming.retain(|message| self.shows(message));
        naming.truncate(limit);
        Ok(naming)
    }

    async fn post(&self, post: NewPost) -> Result<Post, TimelineError> {
        self.all.post(post).await
    }

    async fn vote(&self, post: MessageKey, vote: Vote) -> Result<(), TimelineError> {
        self.all.vote(post, vote).await
    }

    fn subscribe(&self) -> BoxStream<'static, TimelineChange> {
        let moderation = self.moderation.clone();
        let shown = move |change: &TimelineChange| {
            let hidden = matches!(change, TimelineChange::Post(post) if moderation.hides(&post.key));
            futures::future::ready(!hidden)
        };
        self.all.subscribe().filter(shown).boxed()
    }
}
