//! What manifest directories hold.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use stream_model::{Cid, DirectoryEntry, MediaSegment, MediaSequence};

use super::parse::{ParseError, parse_media_playlist};
use super::playlist::{MediaPlaylist, PlaylistEntry, PlaylistKind};

/// Name of the playlist in a manifest.
pub const INDEX: &str = "index.m3u8";

/// The content of a manifest: a UnixFS directory of `entries` and of a file [`INDEX`] with `index`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The bytes of the playlist.
    pub index: String,
    /// Sorted by name, none twice: `{mediaSequence}.m4s` and `init-N.mp4`, or directories of hours.
    pub entries: Vec<DirectoryEntry>,
}

/// The live manifest of a window of consecutive stored segments, oldest first; a pure function of them.
pub fn live_manifest(target_duration: Duration, window: &[MediaSegment], ended: bool) -> Manifest {
    let listed = window.iter().map(Into::into).collect();
    let index = MediaPlaylist::new(PlaylistKind::Live, target_duration, listed, ended).render();
    Manifest { index, entries: files(window) }
}

/// The manifest of an hour: its stored segments, oldest first. Numbers between them that are missing are gaps. A pure
/// function of the segments.
pub fn hour_manifest(target_duration: Duration, segments: &[MediaSegment]) -> Manifest {
    let index = MediaPlaylist::whole(target_duration, segments.iter().map(Into::into), true).render();
    Manifest { index, entries: files(segments) }
}

/// The manifest of several hours, oldest first, for a day or a whole broadcast: one playlist over a directory for each
/// hour, named by its first media sequence. A pure function of the hours' manifests and their segments.
pub fn nested_manifest<'a>(
    target_duration: Duration,
    hours: &[(MediaSequence, Cid)],
    segments: impl IntoIterator<Item = &'a MediaSegment>,
) -> Manifest {
    let playlist = MediaPlaylist::whole(target_duration, segments.into_iter().map(Into::into), true);
    let index = playlist.render_below(|entry: &PlaylistEntry| {
        let after = hours.partition_point(|(first, _)| *first <= entry.media_sequence);
        let hour = hours.get(after.saturating_sub(1));
        hour.map_or_else(String::new, |(first, _)| format!("{}/", hour_folder(*first)))
    });
    let names: BTreeMap<_, _> = hours.iter().map(|(first, cid)| (hour_folder(*first), *cid)).collect();
    Manifest { index, entries: entries(names) }
}

/// Why a directory is not the manifest of an hour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The playlist is none of ours.
    #[error(transparent)]
    Playlist(#[from] ParseError),
    /// The playlist may still change.
    #[error("the playlist is not that of an archive")]
    NotFinal,
    /// A file of the playlist is not in the directory.
    #[error("{0} is listed and not there")]
    Missing(String),
}

/// The segments of an hour, out of the playlist and the directory of its manifest: the inverse of [`hour_manifest`]. All of them count
/// as independent or none, as the playlist says.
///
/// # Errors
/// [`ManifestError`].
pub fn read_hour(index: &str, entries: &[DirectoryEntry]) -> Result<Vec<MediaSegment>, ManifestError> {
    let playlist = parse_media_playlist(index)?;
    if playlist.kind != PlaylistKind::Vod || !playlist.ended {
        return Err(ManifestError::NotFinal);
    }
    let files: HashMap<&str, Cid> = entries.iter().map(|entry| (entry.name.as_str(), entry.cid)).collect();
    let file = |name: String| files.get(name.as_str()).copied().ok_or(ManifestError::Missing(name));
    let there = playlist.entries.iter().filter(|entry| !entry.gap);
    let segments = there.map(|entry| {
        Ok(MediaSegment {
            media_sequence: entry.media_sequence,
            discontinuity_sequence: entry.discontinuity_sequence,
            duration: entry.duration,
            program_date_time: entry.program_date_time,
            independent: entry.independent,
            segment: file(entry.file_name())?,
            init: file(entry.init_name())?,
        })
    });
    segments.collect()
}

/// The hours that the manifest of a day or a broadcast has, in order: the inverse of [`nested_manifest`].
pub fn read_nested(entries: &[DirectoryEntry]) -> Vec<(MediaSequence, Cid)> {
    let hour = |entry: &DirectoryEntry| {
        let first = MediaSequence(entry.name.parse().ok()?);
        (hour_folder(first) == entry.name).then_some((first, entry.cid))
    };
    let mut hours: Vec<_> = entries.iter().filter_map(hour).collect();
    hours.sort_unstable_by_key(|(first, _)| *first);
    hours
}

/// The name of an hour's directory in the manifest of a day or a broadcast.
pub fn hour_folder(first: MediaSequence) -> String {
    first.to_string()
}

fn files(segments: &[MediaSegment]) -> Vec<DirectoryEntry> {
    let both = |segment: &MediaSegment| [(segment.file_name(), segment.segment), (segment.init_name(), segment.init)];
    entries(segments.iter().flat_map(both).collect())
}

fn entries(names: BTreeMap<String, Cid>) -> Vec<DirectoryEntry> {
    names.into_iter().map(|(name, cid)| DirectoryEntry { name, cid }).collect()
}
