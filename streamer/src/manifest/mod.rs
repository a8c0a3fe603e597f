//! Manifests and media playlists, rendered and parsed. Pure: facts about segments come in, texts and links go out.

mod directory;
mod live;
mod multivariant;
mod parse;
mod playlist;
mod thumbnails;
mod time;

#[cfg(test)]
mod live_tests;
#[cfg(test)]
mod tests;

pub use directory::{
    INDEX, Manifest, ManifestError, hour_folder, hour_manifest, live_manifest, nested_manifest, read_hour, read_nested,
};
pub use live::{Head, LivePlaylist, LivePlaylistConfig};
pub(crate) use multivariant::{VariantStream, multivariant};
pub use parse::{ParseError, parse_media_playlist};
pub use playlist::{MediaPlaylist, PlaylistEntry, PlaylistKind};
pub(crate) use thumbnails::{Images, web_vtt};
