//! What a manifest directory holds.

use std::collections::BTreeMap;
use std::time::Duration;

use stream_model::{DirectoryEntry, MediaSegment};

use super::playlist::{MediaPlaylist, PlaylistKind};

/// The content of a live manifest: a UnixFS directory of `entries` and of a file `index.m3u8` with `index`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveManifest {
    /// The bytes of `index.m3u8`.
    pub index: String,
    /// `{mediaSequence}.m4s` and `init-N.mp4`, sorted by name, none twice.
    pub entries: Vec<DirectoryEntry>,
}

/// The live manifest of a window of consecutive stored segments, oldest first; a pure function of them.
pub fn live_manifest(target_duration: Duration, window: &[MediaSegment], ended: bool) -> LiveManifest {
    let listed = window.iter().map(Into::into).collect();
    let index = MediaPlaylist::new(PlaylistKind::Live, target_duration, listed, ended).render();
    let names: BTreeMap<_, _> = window
        .iter()
        .flat_map(|segment| [(segment.file_name(), segment.segment), (segment.init_name(), segment.init)])
        .collect();
    let entries = names.into_iter().map(|(name, cid)| DirectoryEntry { name, cid }).collect();
    LiveManifest { index, entries }
}
