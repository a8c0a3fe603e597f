//! The words that Meshstream's crates share, and the ports through which they meet.
//!
//! The four crates `streamer`, `ssb-announcer`, `node-router` and `player-web` do not know each other. What
//! one needs from another is a small trait here, named after the need; the program in `src/` puts the
//! implementations together. This crate does no input or output and knows no runtime.

mod announcement;
mod archive;
mod blob;
mod broadcast_timeline;
pub mod calendar;
mod camera;
mod carry;
mod community;
mod content;
mod directory;
mod download;
mod first_boot;
mod follow;
mod id;
mod keeper;
mod link_measures;
mod location;
mod log_book;
mod media;
mod mesh_map;
mod moderation;
mod node_ages;
mod playlist;
mod programme;
mod release;
mod rendition;
mod report;
mod retention;
mod settings;
mod sound;
mod source;
mod standing;
mod storage_check;
mod stream_key;
mod timeline;
mod viewers;

pub use announcement::{
    AnnounceError, AnnouncementLog, BroadcastEnd, BroadcastStart, EndReason, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS,
};
pub use archive::{ArchiveKind, ArchiveManifest, NotAPeriod, NotAnArchiveKind, Period, RunningHours};
pub use blob::{BlobError, BlobStore};
pub use broadcast_timeline::{BroadcastTimeline, HourMark, Span, SpanState};
pub use camera::{
    CameraDevice, CameraOrigin, CameraReport, CameraSettings, CameraState, CameraTrouble, Cameras, CamerasError,
};
pub use carry::{CarBytes, CarError, CarExport, CarImported, CarProgress, CarVersion, ContentCarrier};
pub use community::CommunityMembership;
pub use content::{
    Claim, ContentFetcher, ContentLookup, ContentReader, ContentStore, DirectoryEntry, FetchError, FetchProgress,
    FetchRequest, NeighbourWant, NeighbourWants, Node, StoreError, StoredContent,
};
pub use directory::{BroadcastState, Directory, DirectoryChange, Interest, Listing};
pub use download::{Download, DownloadError, DownloadRequest, Downloads, MissingMedia, Moment};
pub use first_boot::{FirstBoot, FirstBootError, FirstBootStage, Wish, Wishes};
pub use follow::{FollowEntry, FollowError, FollowGraph, Relation};
pub use id::{BlobId, BroadcastId, FeedId, IdError, MessageKey, PeerId, ScheduleId, StreamName};
pub use keeper::{
    ArchiveImported, ArchiveKeeper, KeeperError, MirrorEntry, MirrorNeed, MirrorProgress, OwnCopy, Republished,
};
pub use link_measures::{LINK_MEASURES_HEADER, LinkMeasures, LinkMeasuresError};
pub use location::{Location, LocationError};
pub use log_book::{LogBook, LogLevel, LogLine, LogQuery};
pub use media::{DiscontinuitySequence, FeedSequence, MediaSegment, MediaSequence, Tracks, WallTime};
pub use mesh_map::{LinkKind, MAX_TOLD_LINKS, MeshLink, MeshNode, MeshReport, ToldLink, bound_links};
pub use moderation::{Hidden, Moderation, ModerationError};
pub use node_ages::{NODE_AGES_HEADER, NodeAges, NodeAgesError};
pub use playlist::{
    Audience, MediaPlaylistKind, Multivariant, PlaylistChange, PlaylistError, Playlists, SegmentName, SegmentPlace,
};
pub use programme::{
    MAX_SCHEDULED_OF_ONE, Programme, ProgrammeError, ProgrammeLog, Schedule, Scheduled, StreamDetails,
};
pub use release::{
    Announce, AnnouncedRelease, RefusedRelease, ReleaseEntry, ReleaseError, ReleaseLog, ReleasePackage, ReleaseReport,
    ReleaseState, Releases,
};
pub use rendition::{MAX_RENDITION_NAME_CHARS, MAX_RENDITIONS, Rendition, THUMBNAILS, Tiles, Variant};
pub use report::{
    IpfsInfo, KnownNode, LeavingBroadcast, LinkReport, Listen, Meetings, NODE_RECORD_CONTEXT, Neighbours, NodeIdentity,
    NodeInfo, NodeRecord, NodeReport, NodeSigner, NodeStatus, OverlayReport, PeerBook, PeerReport, PeerState,
    Publishing, SsbInfo, SsbPeer, StorageFull, StorageOutlook, StorageReport, StoredBroadcast, WebInfo,
};
pub use retention::{KeepPolicies, KeepPolicy, KeepPolicyError, KeptBroadcast, Retention};
pub use settings::{Setting, SettingEffect, SettingForm, SettingSource, Settings, SettingsError};
pub use sound::{SILENCE_DBFS, SoundLevel, SoundState};
pub use source::{BroadcastSources, ContentSources, Source};
pub use standing::{
    CarriedMessages, CarriedMessagesError, MessageCarrier, Mirroring, Republication, Standing, StandingLog, Standings,
};
pub use storage_check::{
    StorageCheckEvent, StorageCheckProgress, StorageChecker, StorageFault, StorageFaultKind, StorageRepair,
};
pub use stream_key::{KeyError, NewStreamKey, StreamKey, StreamKeyEntry, StreamKeys};
pub use timeline::{
    Author, NewPost, PageRequest, Post, PostTarget, Profile, Timeline, TimelineChange, TimelineCursor, TimelineError,
    TimelinePage, Vote,
};
pub use viewers::{LocalViewers, RemoteViewers};

pub use cid::Cid;
