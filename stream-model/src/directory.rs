//! The directory of broadcasts that a node knows, built only from validated messages.

use std::collections::BTreeSet;
use std::time::Duration;

use cid::Cid;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{
    ArchiveManifest, BroadcastId, FeedId, MediaSegment, MediaSequence, PeerId, Rendition, ScheduleId, Scheduled,
    Tracks, WallTime,
};

/// Where a broadcast is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BroadcastState {
    /// Announced and not ended, heard of within the last ten minutes.
    Live,
    /// Ended by its publisher, or silent for ten minutes.
    Ended,
}

/// One broadcast as its publisher announced it. Texts are untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The announcing message.
    pub id: BroadcastId,
    /// The node feed that announced it.
    pub author: FeedId,
    /// Whether this node is the author.
    pub own: bool,
    /// The publisher's libp2p identity.
    pub peer: PeerId,
    /// Title, at most 200 characters.
    pub title: String,
    /// Description, at most 2000 characters.
    pub description: String,
    /// Upper bound of segment durations, 1 to 60 whole seconds.
    pub target_duration: Duration,
    /// What it carries.
    pub tracks: Tracks,
    /// Whether others may keep it once it is over.
    pub archive: bool,
    /// By the publisher's clock.
    pub started_at: WallTime,
    /// Live or ended.
    pub state: BroadcastState,
    /// The newest announced segment's number.
    pub media_sequence: Option<MediaSequence>,
    /// The newest announced live manifest.
    pub manifest: Option<Cid>,
    /// Where it is another broadcast of its author in another encoding.
    pub rendition: Option<Rendition>,
}

impl Listing {
    /// Whether it has pictures to look through another broadcast with, and no media.
    pub fn is_of_images(&self) -> bool {
        self.rendition.as_ref().is_some_and(Rendition::is_of_images)
    }
}

/// Something in the directory changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryChange {
    /// A broadcast was announced, changed, ended, came back, or got an archive.
    Broadcast(BroadcastId),
    /// A planned broadcast was announced or changed, began, or was called off.
    Schedule(ScheduleId),
    /// A segment was announced.
    Segment(BroadcastId, MediaSequence),
    /// The subscriber was too slow and lost changes: it should read the directory again.
    Missed,
}

/// Segments that [`Directory::announced`] looks at in one call.
const PAGE: usize = 256;

/// What this node has to do with broadcasts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// Watched here, mirrored, or this node's own: all of their announcements are wanted.
    pub followed: BTreeSet<BroadcastId>,
    /// Segments of these are held here: the signed announcements that vouch for them are kept.
    pub held: BTreeSet<BroadcastId>,
}

/// Reads the directory (implemented by `ssb-announcer`). The calls answer from memory.
pub trait Directory: Send + Sync {
    /// All broadcasts known, newest first.
    fn listings(&self) -> Vec<Listing>;

    /// One broadcast.
    fn listing(&self, broadcast: &BroadcastId) -> Option<Listing>;

    /// The renditions of a broadcast that its author announced: of each name the newest, those that need most first, at most
    /// [`MAX_RENDITIONS`](crate::MAX_RENDITIONS).
    fn renditions(&self, of: &BroadcastId) -> Vec<Listing>;

    /// The newest rendition of a broadcast by its author that is made of pictures to look through it with
    /// ([`Rendition::tiles`]), which is not among the [`Self::renditions`].
    fn thumbnails(&self, of: &BroadcastId) -> Option<Listing>;

    /// Announced segments with `from <= media sequence`, in order, at most `limit`.
    fn segments(&self, broadcast: &BroadcastId, from: MediaSequence, limit: usize) -> Vec<MediaSegment>;

    /// What is planned, the next first: neither begun nor called off, nor long past. Bounded for each author and in all.
    fn upcoming(&self) -> Vec<Scheduled>;

    /// The archives that the author announced, by kind, then in order of their media.
    fn archives(&self, broadcast: &BroadcastId) -> Vec<ArchiveManifest>;

    /// The broadcast that announced a CID: as its newest live manifest, as a segment, or as the initialization section of
    /// one. Looks through all that is known, up to some milliseconds of work.
    fn announced(&self, cid: &Cid) -> Option<Listing> {
        let mut listings = self.listings();
        let manifest = listings.iter().position(|listing| listing.manifest == Some(*cid));
        let position = manifest.or_else(|| {
            listings.iter().position(|listing| {
                let mut from = MediaSequence(0);
                loop {
                    let page = self.segments(&listing.id, from, PAGE);
                    if page.iter().any(|one| one.segment == *cid || one.init == *cid) {
                        return true;
                    }
                    let Some(last) = page.last().filter(|_| page.len() == PAGE) else { return false };
                    from = last.media_sequence.next();
                }
            })
        })?;
        Some(listings.swap_remove(position))
    }

    /// Replaces what this node has to do with broadcasts (called by who follows them, whenever it changes). Until the
    /// first call nothing that announces an ended broadcast is dropped. A directory that drops nothing passes it over.
    fn set_interest(&self, interest: Interest) {
        drop(interest);
    }

    /// Changes from now on. The stream ends when the directory closes.
    fn subscribe(&self) -> BoxStream<'static, DirectoryChange>;
}
