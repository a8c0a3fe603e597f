//! A media playlist (RFC 8216, and its successor draft-pantos-hls-rfc8216bis for `EXT-X-GAP`) as a value, and its
//! text. Names of segments and initialization sections follow from their sequence numbers.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stream_model::{DiscontinuitySequence, MediaSegment, MediaSequence, WallTime};

use super::time;

/// What may still happen to a playlist (RFC 8216 §4.3.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaylistKind {
    /// Rolling: loses its beginning; no `EXT-X-PLAYLIST-TYPE`.
    Live,
    /// Only grows: `EVENT`.
    Event,
    /// Never changes again: `VOD`.
    Vod,
}

/// One media segment, or its absence, in a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaylistEntry {
    /// Number of the segment.
    pub media_sequence: MediaSequence,
    /// Discontinuities up to and including it.
    pub discontinuity_sequence: DiscontinuitySequence,
    /// Length of its media; written in whole milliseconds.
    pub duration: Duration,
    /// Wall-clock time of its first sample, where it is trusted.
    pub program_date_time: Option<WallTime>,
    /// Whether it can be decoded alone.
    pub independent: bool,
    /// It is not there and will not come: `EXT-X-GAP`.
    pub gap: bool,
}

impl From<&MediaSegment> for PlaylistEntry {
    fn from(segment: &MediaSegment) -> Self {
        Self {
            media_sequence: segment.media_sequence,
            discontinuity_sequence: segment.discontinuity_sequence,
            duration: segment.duration,
            program_date_time: segment.program_date_time,
            independent: segment.independent,
            gap: false,
        }
    }
}

/// A media playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// What may still happen to it.
    pub kind: PlaylistKind,
    /// Whole seconds that no segment exceeds once rounded.
    pub target_duration: Duration,
    /// Whether all segments can be decoded alone: `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent_segments: bool,
    /// Nothing will be added: `EXT-X-ENDLIST`.
    pub ended: bool,
    /// Its segments: media sequence numbers rise by one, discontinuity sequence numbers never fall.
    pub entries: Vec<PlaylistEntry>,
}

impl PlaylistEntry {
    /// A segment that is not there and of which nothing more is known.
    pub fn missing(sequence: MediaSequence, discontinuity: DiscontinuitySequence, duration: Duration) -> Self {
        Self {
            media_sequence: sequence,
            discontinuity_sequence: discontinuity,
            duration,
            program_date_time: None,
            independent: true,
            gap: true,
        }
    }

    /// The same segment, as a gap.
    #[must_use]
    pub fn as_gap(self) -> Self {
        Self { gap: true, ..self }
    }

    /// The segment's file name; as [`MediaSegment::file_name`].
    pub fn file_name(&self) -> String {
        format!("{}.m4s", self.media_sequence)
    }

    /// The initialization section's file name; as [`MediaSegment::init_name`].
    pub fn init_name(&self) -> String {
        format!("init-{}.mp4", self.discontinuity_sequence)
    }

    /// Whether it may be listed under this target duration (RFC 8216 §4.3.3.1).
    pub fn fits(&self, target_duration: Duration) -> bool {
        let millis = self.duration.as_millis();
        millis > 0 && (millis + 500) / 1000 <= u128::from(target_duration.as_secs())
    }
}

impl MediaPlaylist {
    /// A playlist of these entries; `EXT-X-INDEPENDENT-SEGMENTS` where all that are there can be decoded alone.
    pub fn new(kind: PlaylistKind, target_duration: Duration, entries: Vec<PlaylistEntry>, ended: bool) -> Self {
        let independent_segments = entries.iter().all(|entry| entry.gap || entry.independent);
        Self { kind, target_duration, independent_segments, ended, entries }
    }

    /// The playlist of a broadcast from its beginning: growing, or never to change again once `ended`. Takes what is
    /// known of its segments in order; numbers between them that are missing, and segments that cannot be listed
    /// (too long for the target duration, out of order), become gaps.
    pub fn whole(target_duration: Duration, known: impl IntoIterator<Item = PlaylistEntry>, ended: bool) -> Self {
        let mut entries: Vec<PlaylistEntry> = Vec::new();
        for entry in known {
            let Some(last) = entries.last().copied() else {
                entries.push(listable(entry, entry.discontinuity_sequence, target_duration));
                continue;
            };
            if entry.media_sequence <= last.media_sequence || entries.len() >= MAX_ENTRIES {
                continue;
            }
            let missing = entry.media_sequence.0 - last.media_sequence.0 - 1;
            if missing > MAX_MISSING {
                continue;
            }
            let mut discontinuity = last.discontinuity_sequence;
            for sequence in last.media_sequence.0 + 1..entry.media_sequence.0 {
                discontinuity = gap_discontinuity(discontinuity, MediaSequence(sequence), Some(&entry));
                entries.push(PlaylistEntry::missing(MediaSequence(sequence), discontinuity, target_duration));
            }
            entries.push(listable(entry, discontinuity, target_duration));
        }
        Self::new(if ended { PlaylistKind::Vod } else { PlaylistKind::Event }, target_duration, entries, ended)
    }

    /// The text (UTF-8, RFC 8216 §4.1). `EXT-X-PROGRAM-DATE-TIME` stands before each segment that has one, so that the
    /// lines of a segment stay the same while the window moves on.
    pub fn render(&self) -> String {
        self.render_below(|_| String::new())
    }

    /// The same for files that are not in the folder of the playlist: `folder` is what their names begin with.
    pub fn render_below(&self, folder: impl Fn(&PlaylistEntry) -> String) -> String {
        let mut text = String::with_capacity(256 + 128 * self.entries.len());
        // EXT-X-MAP needs 6, EXT-X-GAP 8 (draft-pantos-hls-rfc8216bis §8); a live playlist may get a gap at any time.
        let version = if self.kind == PlaylistKind::Live || self.entries.iter().any(|entry| entry.gap) { 8 } else { 7 };
        let first = self.entries.first();
        let mut discontinuity = first.map_or(DiscontinuitySequence(0), |entry| entry.discontinuity_sequence);
        line(&mut text, format_args!("#EXTM3U"));
        line(&mut text, format_args!("#EXT-X-VERSION:{version}"));
        line(&mut text, format_args!("#EXT-X-TARGETDURATION:{}", self.target_duration.as_secs()));
        line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:{}", first.map_or(0, |entry| entry.media_sequence.0)));
        line(&mut text, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuity}"));
        match self.kind {
            PlaylistKind::Live => {}
            PlaylistKind::Event => line(&mut text, format_args!("#EXT-X-PLAYLIST-TYPE:EVENT")),
            PlaylistKind::Vod => line(&mut text, format_args!("#EXT-X-PLAYLIST-TYPE:VOD")),
        }
        if self.independent_segments {
            line(&mut text, format_args!("#EXT-X-INDEPENDENT-SEGMENTS"));
        }
        for (index, entry) in self.entries.iter().enumerate() {
            let steps = entry.discontinuity_sequence.0.saturating_sub(discontinuity.0).min(MAX_DISCONTINUITY_STEP);
            for _ in 0..steps {
                line(&mut text, format_args!("#EXT-X-DISCONTINUITY"));
            }
            discontinuity = entry.discontinuity_sequence;
            if steps > 0 || index == 0 {
                line(&mut text, format_args!("#EXT-X-MAP:URI=\"{}{}\"", folder(entry), entry.init_name()));
            }
            if let Some(time) = entry.program_date_time.and_then(time::render) {
                line(&mut text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{time}"));
            }
            if entry.gap {
                line(&mut text, format_args!("#EXT-X-GAP"));
            }
            let millis = entry.duration.as_millis();
            line(&mut text, format_args!("#EXTINF:{}.{:03},", millis / 1000, millis % 1000));
            line(&mut text, format_args!("{}{}", folder(entry), entry.file_name()));
        }
        if self.ended {
            line(&mut text, format_args!("#EXT-X-ENDLIST"));
        }
        text
    }
}

/// Segments of two weeks at 14 s; bounds the memory that a hostile list costs.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// Numbers in a row that `whole` fills with gaps: a day of 14 s segments. What follows a larger hole is left out.
const MAX_MISSING: u64 = 6_200;
/// Discontinuities between two entries next to each other: more than one only where lost segments had them.
pub(super) const MAX_DISCONTINUITY_STEP: u64 = 64;

/// The entry as it can be listed right behind one with the discontinuity sequence `after`.
pub(super) fn listable(entry: PlaylistEntry, after: DiscontinuitySequence, target_duration: Duration) -> PlaylistEntry {
    let step = entry.discontinuity_sequence.0.checked_sub(after.0);
    if step.is_some_and(|step| step <= MAX_DISCONTINUITY_STEP) && entry.fits(target_duration) {
        entry
    } else {
        PlaylistEntry::missing(entry.media_sequence, after, target_duration)
    }
}

/// The discontinuity sequence of a segment of which nothing is known, right behind one with `after`: the least that it
/// can be, each segment having at most one discontinuity before it, so that later ones never have to go back.
pub(super) fn gap_discontinuity(
    after: DiscontinuitySequence,
    sequence: MediaSequence,
    next_known: Option<&PlaylistEntry>,
) -> DiscontinuitySequence {
    let least = least_discontinuity(sequence, next_known);
    DiscontinuitySequence(least.0.clamp(after.0, after.0.saturating_add(MAX_DISCONTINUITY_STEP)))
}

/// The same where nothing is listed right before it.
pub(super) fn least_discontinuity(
    sequence: MediaSequence,
    next_known: Option<&PlaylistEntry>,
) -> DiscontinuitySequence {
    DiscontinuitySequence(next_known.map_or(0, |next| {
        let between = next.media_sequence.0.saturating_sub(sequence.0);
        next.discontinuity_sequence.0.saturating_sub(between)
    }))
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(content);
    text.push('\n');
}
