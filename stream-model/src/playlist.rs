//! Port to the playlists that a node serves (implemented by `streamer`).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cid::Cid;
use futures::stream::BoxStream;

use crate::{
    BroadcastId, BroadcastTimeline, DiscontinuitySequence, FetchProgress, MediaSegment, MediaSequence, Period,
};

/// Who asks for a live playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Our own player with Media Source Extensions, which starts with one segment.
    MediaSource,
    /// A native player, which wants three target durations listed before it starts.
    Native,
}

/// Which media playlists a multivariant playlist lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaPlaylistKind {
    /// The rolling live playlists.
    Live,
    /// Those of the broadcast from its beginning.
    Whole,
}

/// A broadcast with its renditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Multivariant {
    /// The playlist that lists them.
    Playlist(String),
    /// There are none: the media playlist of the broadcast is all there is, relative to the same folder.
    Alone(&'static str),
}

/// Why there is no playlist or no segment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaylistError {
    /// No such broadcast, or no such segment in it.
    #[error("no such broadcast or segment")]
    NotFound,
    /// Not here yet; ask again after the time given.
    #[error("not here yet")]
    NotYet(Duration),
    /// This node could not look it up.
    #[error("cannot serve it: {0}")]
    Failed(String),
}

/// A broadcast's live playlist grew, or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaylistChange {
    /// Which broadcast.
    pub broadcast: BroadcastId,
    /// The newest segment listed, if any.
    pub media_sequence: Option<MediaSequence>,
    /// Whether `EXT-X-ENDLIST` was written.
    pub ended: bool,
}

/// Which segment of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentName {
    /// By its number.
    Number(MediaSequence),
    /// By its content.
    Content(Cid),
}

/// Where a segment is: in its broadcast, and on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPlace {
    /// What is known of it.
    pub segment: MediaSegment,
    /// Where it begins on the time line of the playlist of the whole.
    pub from: Duration,
    /// Whether it is here.
    pub held: bool,
    /// How far it is, where it is being fetched and something of it is here.
    pub progress: Option<FetchProgress>,
}

/// Renders playlists. Asking for one makes this node follow the broadcast for a while.
#[async_trait]
pub trait Playlists: Send + Sync {
    /// The rolling live playlist. Waits for its first segments, within a bound. What is not followed yet is followed for
    /// `viewer`: an address never makes this node follow more broadcasts than it leaves places for others.
    async fn live(&self, broadcast: &BroadcastId, audience: Audience, viewer: IpAddr) -> Result<String, PlaylistError>;

    /// The playlist of the broadcast from its beginning; of one that is not kept, of what is left. Waits, within a bound, for
    /// what its archives say.
    async fn whole(&self, broadcast: &BroadcastId) -> Result<String, PlaylistError>;

    /// The broadcast with its renditions (RFC 8216 §4.3.4), whose URIs go one folder up.
    /// To a native player only those are listed that the way here carries, where that is known.
    fn multivariant(
        &self,
        broadcast: &BroadcastId,
        of: MediaPlaylistKind,
        audience: Audience,
    ) -> Result<Multivariant, PlaylistError>;

    /// Pictures to look through a broadcast with, on the time line of the playlist of the whole: WebVTT whose cues name a JPEG one
    /// folder up and a part of it, `../SLUG/12.jpg#xywh=160,0,160,90` (Media Fragments URI 1.0 §4.2.2).
    async fn thumbnails(&self, broadcast: &BroadcastId) -> Result<String, PlaylistError>;

    /// The JPEG that stands for a broadcast: of its newest timeline. Fetched first where it is not held here, within a bound.
    async fn poster(&self, broadcast: &BroadcastId) -> Result<Cid, PlaylistError>;

    /// The highest bit rate in bit/s, of a broadcast or what it is a rendition of and all renditions of that, which the way here
    /// carries; `None` where that is not known to be less than all.
    fn suggested_bitrate(&self, broadcast: &BroadcastId) -> Option<u64>;

    /// The playlist of the hour that begins with a segment. Segment URIs go one folder up. Waits, within a bound, for what
    /// the archive says of it.
    async fn hour(&self, broadcast: &BroadcastId, first: MediaSequence) -> Result<String, PlaylistError>;

    /// The playlist of all hours with the label of a day, likewise.
    async fn day(&self, broadcast: &BroadcastId, day: Period) -> Result<String, PlaylistError>;

    /// The content of one segment; fetched first where it is not held here, within a bound.
    async fn segment(&self, broadcast: &BroadcastId, sequence: MediaSequence) -> Result<Cid, PlaylistError>;

    /// The initialization section of the segments with this discontinuity sequence, likewise.
    async fn init(&self, broadcast: &BroadcastId, sequence: DiscontinuitySequence) -> Result<Cid, PlaylistError>;

    /// Where a segment is. Fetches nothing of it.
    async fn place(&self, broadcast: &BroadcastId, segment: SegmentName) -> Result<SegmentPlace, PlaylistError>;

    /// What there is of a broadcast from its beginning to now. Waits, within a bound, for what its archives say; fetches no media.
    async fn timeline(&self, broadcast: &BroadcastId) -> Result<Arc<BroadcastTimeline>, PlaylistError>;

    /// How many announced segments of a broadcast are held here.
    fn held_segments(&self, broadcast: &BroadcastId) -> u64;

    /// Whether a segment is known to be here, so that nothing has to be fetched for it.
    fn holds_segment(&self, broadcast: &BroadcastId, sequence: MediaSequence) -> bool;

    /// Changes from now on. A slow subscriber loses changes, never memory.
    fn subscribe(&self) -> BoxStream<'static, PlaylistChange>;
}
