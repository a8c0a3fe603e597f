//! What a publisher's node tells the others, and the port to tell it through.

use std::time::Duration;

use async_trait::async_trait;
use cid::Cid;

use crate::{
    ArchiveManifest, BroadcastId, MediaSegment, MediaSequence, PeerId, Rendition, ScheduleId, Tracks, WallTime,
};

/// Characters of a title: a line on a phone several times over.
pub const MAX_TITLE_CHARS: usize = 200;

/// Characters of a description: with a title it fits a message in any script.
pub const MAX_DESCRIPTION_CHARS: usize = 2_000;

/// A broadcast begins: content of `meshstream-broadcast`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastStart {
    /// Shown to people; untrusted where it comes from another node.
    pub title: String,
    /// Shown to people; may be empty.
    pub description: String,
    /// The publisher's libp2p identity, from whom segments can be fetched.
    pub peer: PeerId,
    /// Upper bound of segment durations, whole seconds (RFC 8216 §4.3.3.1).
    pub target_duration: Duration,
    /// What it carries.
    pub tracks: Tracks,
    /// Whether others may keep it.
    pub archive: bool,
    /// By the publisher's clock.
    pub started_at: WallTime,
    /// What was planned, and begins with it; left out where this node plans nothing of that id any more.
    pub schedule: Option<ScheduleId>,
    /// Where it is another broadcast of this node in another encoding.
    pub rendition: Option<Rendition>,
}

/// Why a broadcast ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The publisher said so, or did not return within the grace time.
    PublisherLeft,
    /// The node was asked to stop.
    Shutdown,
    /// The publisher came back with other tracks, so that another broadcast begins.
    TracksChanged,
    /// The owner ended it.
    Owner,
}

impl EndReason {
    /// The word in the message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PublisherLeft => "publisher left",
            Self::Shutdown => "node stopped",
            Self::TracksChanged => "tracks changed",
            Self::Owner => "ended by its owner",
        }
    }
}

/// A broadcast ends: content of `meshstream-end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastEnd {
    /// Which one.
    pub broadcast: BroadcastId,
    /// The number after the last segment.
    pub media_sequence: MediaSequence,
    /// Why.
    pub reason: EndReason,
}

/// Why an announcement could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// The broadcast is not one of this node's, or has ended.
    #[error("broadcast {0} is not a live broadcast of this node")]
    UnknownBroadcast(BroadcastId),
    /// More of the broadcast was announced than this node remembers, as after a restored backup: its numbers are taken.
    #[error("broadcast {0} had gone on before this node was restored: its next numbers are taken")]
    Superseded(BroadcastId),
    /// Nothing is known of the broadcast.
    #[error("broadcast {0} is not known here")]
    NotKnown(BroadcastId),
    /// The broadcast is this node's own: others mirror and republish it.
    #[error("broadcast {0} is this node's own: it needs no mirror here")]
    Own(BroadcastId),
    /// The broadcast is not this node's own: only its author takes it back.
    #[error("broadcast {0} is another node's: only that node can withdraw it")]
    NotOwn(BroadcastId),
    /// The author of the broadcast did not announce this manifest.
    #[error("manifest {0} was not announced as an archive by the author of its broadcast")]
    NotAnnounced(Cid),
    /// The content does not fit a message.
    #[error("announcement is too long: {0}")]
    TooLong(&'static str),
    /// The feed could not be written.
    #[error("cannot write the feed: {0}")]
    Storage(String),
}

/// Appends announcements to this node's feeds (implemented by `ssb-announcer`). Each call returns when the
/// message is durable; it then travels to connected peers by itself. None of the calls may be cancelled half way
/// with harm: an append either happened or did not.
#[async_trait]
pub trait AnnouncementLog: Send + Sync {
    /// Announces a new broadcast on the node's feed with a fresh broadcast feed, and returns its id.
    async fn start(&self, start: BroadcastStart) -> Result<BroadcastId, AnnounceError>;

    /// Names a fresh broadcast feed for a broadcast that goes on after a restart of the node. `next` is the media
    /// sequence with which the fresh feed starts; [`AnnounceError::Superseded`] where it was announced already.
    async fn resume(&self, broadcast: BroadcastId, next: MediaSequence) -> Result<(), AnnounceError>;

    /// Announces one stored segment, and the live manifest that includes it, on the broadcast feed. Replaces the
    /// broadcast feed when it has grown long.
    async fn live(&self, broadcast: BroadcastId, segment: &MediaSegment, manifest: Cid) -> Result<(), AnnounceError>;

    /// Announces the end on the node's feed. Announcing it twice is harmless.
    async fn end(&self, end: BroadcastEnd) -> Result<(), AnnounceError>;

    /// Announces a stored archive of one of this node's broadcasts, live or ended, on the node's feed. Announcing the same
    /// again is harmless and appends nothing.
    async fn archive(&self, archive: ArchiveManifest) -> Result<(), AnnounceError>;
}
