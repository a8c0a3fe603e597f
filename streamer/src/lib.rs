//! From a publisher's RTMP to segments, manifests and playlists.
//!
//! ```text
//! RTMP ─► MediaEvent ─► Part, Segment ─► ContentStore ─► Manifest ─► AnnouncementLog
//!  ingest              segmenter         broadcast (lifecycle)        (ports)
//!                      Directory ─► playback ─► MediaPlaylist ─► Playlists (port)
//! ```

pub mod broadcast;
pub mod catalog;
pub mod ingest;
pub mod keys;
pub mod manifest;
pub mod media;
pub mod playback;
pub mod segmenter;
