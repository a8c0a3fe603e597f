//! Manifests and media playlists, rendered and parsed. Pure.

mod directory;
mod live;
mod playlist;

pub use directory::{LiveManifest, live_manifest};
pub use live::{Head, LivePlaylist, LivePlaylistConfig};
pub use playlist::{MediaPlaylist, PlaylistEntry, PlaylistKind};
