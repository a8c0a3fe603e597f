//! Writes this node's announcements: rare facts on the node's feed, segments on broadcast feeds.
//!
//! The secret key of a broadcast feed is never written to disk. A process that comes back after a crash cannot sign
//! for the feeds of the one before it, and so cannot fork them: it names a fresh feed instead
//! (`docs/decisions/0006-feeds-of-a-broadcast.md`).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use cid::Cid;
use stream_model::{
    AnnounceError, AnnouncementLog, ArchiveManifest, BroadcastEnd, BroadcastId, BroadcastStart, Directory as _,
    MediaSegment, MediaSequence,
};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::content::{Announcement, ContentError};
use super::directory::BroadcastDirectory;
use crate::feed::{FeedStore, OwnAppend, StoreError};
use crate::identity::Identity;
use crate::social::{WebAddresses, start_post};

/// Messages on a broadcast feed before a fresh one is named. Whoever joins replicates a feed from its first message:
/// at about 640 bytes each this is 320 KB, and two hours of 15 s segments.
pub const MESSAGES_PER_BROADCAST_FEED: u64 = 500;

/// The port through which this node announces.
///
/// Dropping the future of a call leaves the append whole or undone. A dropped `start` may leave a broadcast that is
/// announced and never carried on; it counts as ended after ten minutes of silence.
#[derive(Debug)]
pub struct Announcer {
    pub(super) node: Identity,
    pub(super) store: FeedStore,
    pub(super) directory: Arc<BroadcastDirectory>,
    /// The broadcast feed of each broadcast that this process carries. Held over an append, so that what is decided
    /// on the feeds' state is done in that state.
    pub(super) feeds: Mutex<HashMap<BroadcastId, Identity>>,
    /// Where the node's pages are, where the start of a broadcast is also told in a post.
    start_posts: RwLock<Option<WebAddresses>>,
}

impl Announcer {
    /// Announces as `node` in the store that the directory was built from.
    pub fn new(node: Identity, store: FeedStore, directory: Arc<BroadcastDirectory>) -> Self {
        Self { node, store, directory, feeds: Mutex::new(HashMap::new()), start_posts: RwLock::default() }
    }

    /// Tells the start of each broadcast from now on in a `post` too, which other SSB programs show, with the addresses of
    /// the node's pages; or in none any more.
    pub fn post_starts(&self, pages: Option<WebAddresses>) {
        *self.start_posts.write().unwrap_or_else(PoisonError::into_inner) = pages;
    }

    pub(super) fn on_node_feed(
        &self,
        announcement: &Announcement,
        names: Option<&Identity>,
    ) -> Result<OwnAppend, AnnounceError> {
        Ok(OwnAppend {
            identity: self.node.clone(),
            content_json: announcement.to_json().map_err(announce_error)?,
            names: names.map(Identity::id),
        })
    }

    /// Names a fresh feed for the broadcast.
    fn next_feed(&self, broadcast: BroadcastId, next: MediaSequence) -> Result<(Identity, OwnAppend), AnnounceError> {
        let feed = Identity::generate();
        let announcement = Announcement::Continue { broadcast, feed: feed.id(), media_sequence: next };
        let append = self.on_node_feed(&announcement, Some(&feed))?;
        Ok((feed, append))
    }

    /// Written once, right after the announcement that it names. Where it fails, or the node dies in between, the broadcast
    /// goes on without it.
    async fn post_start(&self, broadcast: BroadcastId, title: &str, description: &str) {
        let pages = self.start_posts.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(pages) = pages else { return };
        let content_json = start_post(broadcast, title, description, &pages.now()).to_json();
        let append = OwnAppend { identity: self.node.clone(), content_json, names: None };
        if let Err(error) = self.store.append_own(vec![append]).await {
            warn!(%broadcast, %error, "the start could not be posted");
        }
    }

    /// Whether the broadcast is this node's; `Some(true)` where its end was announced.
    fn own_and_ended(&self, broadcast: &BroadcastId) -> Option<bool> {
        self.directory.listing(broadcast).filter(|listing| listing.own)?;
        self.directory.is_ended_by_author(broadcast)
    }
}

#[async_trait]
impl AnnouncementLog for Announcer {
    async fn start(&self, mut start: BroadcastStart) -> Result<BroadcastId, AnnounceError> {
        let feed = Identity::generate();
        // A broadcast is told of once, in whatever encodings there are.
        let post = start.rendition.is_none().then(|| (start.title.clone(), start.description.clone()));
        let mut feeds = self.feeds.lock().await;
        // Called off meanwhile, or fulfilled by another.
        start.schedule = start.schedule.filter(|plan| self.directory.read(|index| index.own_plan(plan)).is_some());
        let announcement = Announcement::Broadcast { start, feed: feed.id() };
        let append = self.on_node_feed(&announcement, Some(&feed))?;
        let appended = self.store.append_own(vec![append]).await.map_err(storage_error)?;
        let message = appended.first().ok_or_else(|| AnnounceError::Storage("nothing was appended".into()))?;
        let broadcast = BroadcastId(message.key);
        info!(%broadcast, feed = %feed.id(), "broadcast announced");
        feeds.insert(broadcast, feed);
        drop(feeds);
        if let Some((title, description)) = post {
            self.post_start(broadcast, &title, &description).await;
        }
        Ok(broadcast)
    }

    async fn resume(&self, broadcast: BroadcastId, next: MediaSequence) -> Result<(), AnnounceError> {
        // Peers may know more of the broadcast than a restored backup does.
        self.store.catch_up_own().await.map_err(storage_error)?;
        let mut feeds = self.feeds.lock().await;
        if self.own_and_ended(&broadcast) != Some(false) {
            return Err(AnnounceError::UnknownBroadcast(broadcast));
        }
        if self.directory.next_media_sequence(&broadcast).is_some_and(|free| next < free) {
            return Err(AnnounceError::Superseded(broadcast));
        }
        let (feed, append) = self.next_feed(broadcast, next)?;
        self.store.append_own(vec![append]).await.map_err(storage_error)?;
        info!(%broadcast, feed = %feed.id(), media_sequence = %next, "broadcast resumed");
        feeds.insert(broadcast, feed);
        Ok(())
    }

    async fn live(&self, broadcast: BroadcastId, segment: &MediaSegment, manifest: Cid) -> Result<(), AnnounceError> {
        let announcement = Announcement::Live { broadcast, manifest, segment: segment.clone() };
        let content_json = announcement.to_json().map_err(announce_error)?;
        let mut feeds = self.feeds.lock().await;
        let current = feeds.get(&broadcast).ok_or(AnnounceError::UnknownBroadcast(broadcast))?;
        let mut appends = Vec::with_capacity(2);
        let mut feed = current.clone();
        if self.store.clock(&feed.id()).0 >= MESSAGES_PER_BROADCAST_FEED {
            let (fresh, append) = self.next_feed(broadcast, segment.media_sequence)?;
            appends.push(append);
            feed = fresh;
        }
        appends.push(OwnAppend { identity: feed.clone(), content_json, names: None });
        self.store.append_own(appends).await.map_err(storage_error)?;
        feeds.insert(broadcast, feed);
        Ok(())
    }

    async fn end(&self, end: BroadcastEnd) -> Result<(), AnnounceError> {
        let mut feeds = self.feeds.lock().await;
        match self.own_and_ended(&end.broadcast) {
            None => return Err(AnnounceError::UnknownBroadcast(end.broadcast)),
            Some(true) => return Ok(()),
            Some(false) => {}
        }
        let announcement = Announcement::End {
            broadcast: end.broadcast,
            media_sequence: end.media_sequence,
            reason: end.reason.as_str().to_owned(),
        };
        let append = self.on_node_feed(&announcement, None)?;
        self.store.append_own(vec![append]).await.map_err(storage_error)?;
        feeds.remove(&end.broadcast);
        info!(broadcast = %end.broadcast, reason = end.reason.as_str(), "end announced");
        Ok(())
    }

    async fn archive(&self, archive: ArchiveManifest) -> Result<(), AnnounceError> {
        let broadcast = archive.broadcast;
        if self.own_and_ended(&broadcast).is_none() {
            return Err(AnnounceError::UnknownBroadcast(broadcast));
        }
        // Held over the append: of two calls with the same the second sees the first.
        let _feeds = self.feeds.lock().await;
        if self.directory.archives(&broadcast).contains(&archive) {
            return Ok(());
        }
        let (kind, first) = (archive.kind, archive.first_media_sequence);
        let append = self.on_node_feed(&Announcement::Archive(archive), None)?;
        self.store.append_own(vec![append]).await.map_err(storage_error)?;
        info!(%broadcast, %kind, first_media_sequence = %first, "archive announced");
        Ok(())
    }
}

fn announce_error(error: ContentError) -> AnnounceError {
    match error {
        ContentError::TooLong(field) => AnnounceError::TooLong(field),
        other => AnnounceError::Storage(other.to_string()),
    }
}

pub(super) fn storage_error(error: StoreError) -> AnnounceError {
    match error {
        StoreError::TooLarge => AnnounceError::TooLong("all of its text together"),
        other => AnnounceError::Storage(other.to_string()),
    }
}
