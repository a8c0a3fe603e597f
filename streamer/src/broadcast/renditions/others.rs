//! Renditions of what others publish (`segment.transcode = "here"`): their segments are taken as they come here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use stream_model::{
    BroadcastId, BroadcastState, Cid, ContentReader, Directory, DirectoryChange, EndReason, FeedId, FollowGraph,
    Listing, MediaSegment, MediaSequence, Node, PlaylistChange, Playlists, Relation, StoreError,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Originals;
use crate::segmenter::{NotOurs, parts};

/// Broadcasts of others at once: each has an encoder of its own.
const MOST: usize = 2;
/// Segments that are taken of those that came at once: what is older finds no room.
const PAGE: usize = 4;
/// The largest file that is read: a segment of a minute at 4 Mbit/s.
const MOST_BYTES: u64 = 32 << 20;
/// How often it is looked at which broadcasts are over, and whom this node follows.
const LOOK: Duration = Duration::from_secs(10);

/// What is needed to take segments of others.
pub(crate) struct Ports {
    pub(crate) playlists: Arc<dyn Playlists>,
    pub(crate) reader: Arc<dyn ContentReader>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) follows: Arc<dyn FollowGraph>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// Why a segment of another node's broadcast has no renditions.
#[derive(Debug, thiserror::Error)]
enum Untaken {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it is no file, or too large")]
    NoFile,
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
}

/// Takes segments of whom this node follows, and tells of them as of this node's own.
#[derive(Debug)]
pub(crate) struct Others {
    ports: Ports,
    originals: Originals,
    /// Whether there are to be renditions of others' broadcasts.
    wanted: bool,
    /// Those of which there are, and the newest segment taken.
    taken: BTreeMap<BroadcastId, Option<MediaSequence>>,
    followed: BTreeSet<FeedId>,
}

impl Others {
    /// Where they are not wanted, those that are left from before a start end.
    pub(crate) fn new(ports: Ports, originals: Originals, wanted: bool) -> Self {
        Self { ports, originals, wanted, taken: BTreeMap::new(), followed: BTreeSet::new() }
    }

    /// Until `stop` is cancelled, or nothing more is played. Then what was begun is to end.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.ports.playlists.subscribe();
        let mut directory = self.ports.directory.subscribe();
        self.taken = self.left().into_iter().map(|original| (original, None)).collect();
        if self.wanted {
            self.look().await;
        }
        let mut look = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
        while self.wanted {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = look.tick() => self.look().await,
                change = changes.next() => match change {
                    Some(change) => self.handle(change).await,
                    None => break,
                },
                change = directory.next() => match change {
                    Some(DirectoryChange::Broadcast(id)) => self.end_if_over(&id),
                    Some(_) => {}
                    None => break,
                },
            }
        }
        for original in self.taken.keys() {
            self.originals.handle_ended(*original, EndReason::PublisherLeft);
        }
    }

    /// The broadcasts of others of which this node has renditions that go on.
    fn left(&self) -> BTreeSet<BroadcastId> {
        let own = self.ports.directory.listings().into_iter();
        let going_on = own.filter(|listing| listing.own && listing.state == BroadcastState::Live);
        let originals = going_on.filter_map(|listing| Some(listing.rendition?.of));
        let is_own = |id: &BroadcastId| self.ports.directory.listing(id).is_some_and(|original| original.own);
        originals.filter(|original| !is_own(original)).collect()
    }

    async fn look(&mut self) {
        match self.ports.follows.list().await {
            Ok(entries) => {
                let followed = entries.iter().filter(|entry| entry.relation == Relation::Following);
                self.followed = followed.map(|entry| entry.feed).collect();
            }
            Err(error) => tracing::warn!(%error, "cannot read whose broadcasts to encode: they stay as they were"),
        }
        let taken: Vec<BroadcastId> = self.taken.keys().copied().collect();
        taken.iter().for_each(|id| self.end_if_over(id));
    }

    fn end_if_over(&mut self, id: &BroadcastId) {
        let goes_on = |listing: Listing| self.is_wanted(&listing);
        if self.taken.contains_key(id) && !self.ports.directory.listing(id).is_some_and(goes_on) {
            self.taken.remove(id);
            tracing::info!(broadcast = %id, "no renditions are made of it any more");
            self.originals.handle_ended(*id, EndReason::PublisherLeft);
        }
    }

    /// Whether it is to be encoded here: its author makes no smaller pictures of it.
    fn is_wanted(&self, listing: &Listing) -> bool {
        let is_others = !listing.own && listing.rendition.is_none() && self.followed.contains(&listing.author);
        let has_picture = |one: &Listing| one.rendition.as_ref().is_some_and(|of| of.variant.resolution.is_some());
        let is_authors = |one: &Listing| one.author == listing.author && has_picture(one);
        let by_author = || self.ports.directory.renditions(&listing.id).iter().any(is_authors);
        is_others && listing.state == BroadcastState::Live && !by_author()
    }

    async fn handle(&mut self, PlaylistChange { broadcast, media_sequence, .. }: PlaylistChange) {
        let Some(newest) = media_sequence else { return };
        let known = self.taken.get(&broadcast).copied();
        if known.is_none() && self.taken.len() >= MOST {
            return;
        }
        let listing = self.ports.directory.listing(&broadcast);
        if !listing.is_some_and(|listing| self.is_wanted(&listing)) {
            return;
        }
        if known.is_none() {
            tracing::info!(%broadcast, "renditions are made of what another node publishes");
        }
        let last = known.flatten();
        let oldest = MediaSequence(newest.0.saturating_sub(PAGE as u64 - 1));
        let first = last.map_or(newest, |last| last.next().max(oldest));
        self.taken.insert(broadcast, last.max(Some(newest)));
        for facts in self.ports.directory.segments(&broadcast, first, PAGE) {
            if facts.media_sequence > newest {
                break;
            }
            let media_sequence = facts.media_sequence.0;
            match self.take(&facts).await {
                Ok((init, parts)) => self.originals.handle_segment(broadcast, facts, init, parts),
                // A gap in the playlist is one in its renditions.
                Err(error) => tracing::debug!(%broadcast, media_sequence, %error, "a segment is not encoded"),
            }
        }
    }

    /// The initialization section and the parts of a segment.
    async fn take(&self, facts: &MediaSegment) -> Result<(Bytes, Vec<Bytes>), Untaken> {
        let init = self.read(&facts.init).await?;
        let segment = self.read(&facts.segment).await?;
        Ok((init, parts(&segment)?))
    }

    async fn read(&self, cid: &Cid) -> Result<Bytes, Untaken> {
        let length = match self.ports.reader.stat(cid).await? {
            Node::File(length) if length <= MOST_BYTES => length,
            _ => return Err(Untaken::NoFile),
        };
        let pieces: Vec<Bytes> = self.ports.reader.read(cid, 0..length).await?.try_collect().await?;
        Ok(pieces.concat().into())
    }
}
