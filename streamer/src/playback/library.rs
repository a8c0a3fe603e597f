//! What a broadcast has been since its beginning: the segments that were announced, those of this node's own, and those that
//! the archives of its publisher list, which are read when they are needed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures::TryStreamExt as _;
use stream_model::{
    ArchiveKind, ArchiveManifest, BroadcastId, BroadcastState, Cid, Claim, DirectoryEntry, FetchError, FetchRequest,
    Listing, MediaSegment, MediaSequence, Node, Period, PlaylistError, StoreError,
};

use tokio::time::Instant;

use super::{SEGMENT_RETRY, SEGMENT_WAIT, Shared, WHOLE, lock};
use crate::archive::{Item as _, KEPT_SEGMENTS, hours};
use crate::catalog::CatalogError;
use crate::manifest::{INDEX, ManifestError, read_hour, read_nested};

/// The playlist of an hour of 4,000 segments.
pub(crate) const INDEX_BYTES: u64 = 1 << 20;
/// How long one manifest may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Hours of a day or a broadcast that are read: more are in no manifest of ours.
const MOST_HOURS: usize = 4_096;

/// How long the archives of a broadcast are waited for in all, while something of it can be listed without them.
const PATIENCE: Duration = Duration::from_secs(30);
/// Broadcasts of which is remembered since when their archives have been waited for, before old ones are forgotten.
const MOST_UNREAD: usize = 256;

/// An hour of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hour {
    pub(super) first: MediaSequence,
    pub(super) last: MediaSequence,
    pub(super) period: Option<Period>,
    /// No segment will be added.
    pub(super) complete: bool,
}

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("the archive's manifest: {0}")]
    Manifest(#[from] ManifestError),
    #[error("the archive's manifest is not a directory with a playlist")]
    NotAManifest,
}

impl From<ReadError> for PlaylistError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Fetch(FetchError::TimedOut(_)) => Self::NotYet(SEGMENT_RETRY),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl Shared {
    /// The segments of a broadcast within a range, in order, as far as anything says what they are. Archives that say more
    /// than what was announced are read first.
    pub(super) async fn recording(
        &self,
        listing: &Listing,
        range: RangeInclusive<MediaSequence>,
    ) -> Result<Vec<MediaSegment>, PlaylistError> {
        let id = &listing.id;
        let span = range.end().0.saturating_sub(range.start().0).saturating_add(1);
        let limit = usize::try_from(span).unwrap_or(WHOLE).min(WHOLE);
        let mut found = BTreeMap::new();
        for segment in self.ports.directory.segments(id, *range.start(), limit) {
            found.insert(segment.media_sequence, segment);
        }
        let is_known = |found: &BTreeMap<MediaSequence, MediaSegment>, first: MediaSequence, last: MediaSequence| {
            first <= last && found.range(first..=last).count() as u64 == (last.0 - first.0).saturating_add(1)
        };
        if listing.own {
            let newest = listing.media_sequence.map(|newest| newest.min(*range.end()));
            if newest.is_some_and(|newest| is_known(&found, *range.start(), newest)) {
                return Ok(found.into_values().take_while(|segment| range.contains(&segment.media_sequence)).collect());
            }
            for segment in self.catalog.announced_segments(*id, *range.start(), limit).await.map_err(failed)? {
                found.entry(segment.media_sequence).or_insert(segment);
            }
        } else {
            let archives = covering(self.ports.directory.archives(id), &range);
            let is_open = |archive: &ArchiveManifest| {
                !is_known(&found, archive.first_media_sequence, archive.last_media_sequence)
            };
            let unknown: Vec<_> = archives.into_iter().filter(is_open).collect();
            if !unknown.is_empty() {
                match self.read_within(listing, &unknown).await {
                    Ok(()) => drop(lock(&self.unread).remove(id)),
                    Err(error) if found.is_empty() || self.is_worth_waiting(*id, &error) => return Err(error),
                    // Whoever has the archives is away: what is known is better than nothing.
                    Err(error) => tracing::debug!(broadcast = %id, %error, "listed without its archives"),
                }
                for segment in self.catalog.known_segments(*id, *range.start(), limit).await.map_err(failed)? {
                    found.entry(segment.media_sequence).or_insert(segment);
                }
            }
        }
        found.retain(|sequence, _| range.contains(sequence));
        Ok(found.into_values().collect())
    }

    /// All segments of a broadcast, likewise; of one that is not kept, those that are left.
    pub(super) async fn all_segments(&self, listing: &Listing) -> Result<Vec<MediaSegment>, PlaylistError> {
        let newest = listing.media_sequence.map_or(0, |newest| newest.0);
        let first = if listing.archive { 0 } else { newest.saturating_sub(KEPT_SEGMENTS - 1) };
        self.recording(listing, MediaSequence(first)..=MediaSequence(u64::MAX)).await
    }

    /// One segment, likewise.
    pub(super) async fn recorded(
        &self,
        listing: &Listing,
        sequence: MediaSequence,
    ) -> Result<MediaSegment, PlaylistError> {
        if let Some(announced) = self.announced(&listing.id, sequence) {
            return Ok(announced);
        }
        let segments = self.recording(listing, sequence..=sequence).await?;
        segments.into_iter().next().ok_or(PlaylistError::NotFound)
    }

    /// The hours of a broadcast: those that are archived, and what came after them.
    pub(super) async fn hours(&self, listing: &Listing) -> Result<Vec<Hour>, PlaylistError> {
        let archived = self.archived_hours(listing);
        let next = archived.last().map_or(MediaSequence(0), |hour| hour.last.next());
        let rest = self.recording(listing, next..=MediaSequence(u64::MAX)).await?;
        Ok(with_later(archived, listing, rest))
    }

    /// The same of a broadcast whose segments are known.
    pub(super) fn hours_of(&self, listing: &Listing, mut segments: Vec<MediaSegment>) -> Vec<Hour> {
        let archived = self.archived_hours(listing);
        let next = archived.last().map_or(MediaSequence(0), |hour| hour.last.next());
        segments.retain(|segment| segment.media_sequence >= next);
        with_later(archived, listing, segments)
    }

    fn archived_hours(&self, listing: &Listing) -> Vec<Hour> {
        let archived = self.ports.directory.archives(&listing.id).into_iter();
        let hour = |archive: ArchiveManifest| Hour {
            first: archive.first_media_sequence,
            last: archive.last_media_sequence,
            period: archive.period,
            complete: true,
        };
        archived.filter(|archive| archive.kind == ArchiveKind::Hour).map(hour).collect()
    }

    /// Whether an archive that could not be read may still come soon.
    fn is_worth_waiting(&self, id: BroadcastId, error: &PlaylistError) -> bool {
        let mut unread = lock(&self.unread);
        if unread.len() >= MOST_UNREAD {
            unread.retain(|_, since| since.elapsed() < PATIENCE);
        }
        let since = *unread.entry(id).or_insert_with(Instant::now);
        matches!(error, PlaylistError::NotYet(_)) && since.elapsed() < PATIENCE
    }

    /// Reads archives within the time that a viewer waits.
    async fn read_within(&self, listing: &Listing, archives: &[ArchiveManifest]) -> Result<(), PlaylistError> {
        let read = async {
            let _permit = self.on_demand.acquire().await;
            for archive in archives {
                self.read_archive(listing, archive).await?;
            }
            Ok::<_, ReadError>(())
        };
        match tokio::time::timeout(SEGMENT_WAIT, read).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(PlaylistError::NotYet(SEGMENT_RETRY)),
        }
    }

    /// Notes what an archive lists. What was read is not asked for again.
    pub(super) async fn read_archive(&self, listing: &Listing, archive: &ArchiveManifest) -> Result<(), ReadError> {
        let hours = match archive.kind {
            ArchiveKind::Hour => vec![(archive.first_media_sequence, archive.manifest)],
            ArchiveKind::Day | ArchiveKind::Broadcast => {
                let mut hours = read_nested(&self.look_up(listing, archive).await?);
                hours.truncate(MOST_HOURS);
                hours
            }
        };
        for (first, manifest) in hours {
            if !self.catalog.knows_hour(manifest).await? {
                let kind = ArchiveKind::Hour;
                let hour = ArchiveManifest { kind, first_media_sequence: first, manifest, ..archive.clone() };
                self.read_hour(listing, &hour).await?;
            }
        }
        Ok(())
    }

    /// The manifest of an hour and its playlist, fetched where they are not here, whether they were read before or not.
    pub(super) async fn read_hour(&self, listing: &Listing, hour: &ArchiveManifest) -> Result<(), ReadError> {
        let entries = self.look_up(listing, hour).await?;
        let index = entries.iter().find(|entry| entry.name == INDEX).ok_or(ReadError::NotAManifest)?.cid;
        let claim = Claim::ArchivePlaylist(ArchiveKind::Hour, listing.id, hour.first_media_sequence);
        self.fetch_root(index, claim, &self.providers(listing), INDEX_BYTES).await?;
        let text = self.text(&index).await?;
        let segments = read_hour(&text, &entries)?;
        self.catalog.note_hour(listing.id, hour.manifest, segments).await?;
        metrics::counter!("meshstream_archive_hours_read_total").increment(1);
        Ok(())
    }

    /// The entries of a manifest. Its block stays for some minutes.
    pub(super) async fn look_up(
        &self,
        listing: &Listing,
        archive: &ArchiveManifest,
    ) -> Result<Vec<DirectoryEntry>, ReadError> {
        let request = FetchRequest {
            root: archive.manifest,
            claim: Claim::Archive(archive.kind, listing.id, archive.first_media_sequence),
            providers: self.providers(listing),
            timeout: TIMEOUT,
            max_bytes: INDEX_BYTES,
        };
        match self.ports.fetcher.look_up(request).await? {
            Node::Directory(entries) => Ok(entries),
            Node::File(_) => Err(ReadError::NotAManifest),
        }
    }

    async fn text(&self, file: &Cid) -> Result<String, ReadError> {
        let parts: Vec<_> = self.ports.reader.read(file, 0..INDEX_BYTES).await?.try_collect().await?;
        String::from_utf8(parts.concat()).map_err(|_| ReadError::NotAManifest)
    }
}

/// The hours that are archived, and those of what came after them.
fn with_later(mut all: Vec<Hour>, listing: &Listing, rest: Vec<MediaSegment>) -> Vec<Hour> {
    let rest = hours(rest);
    let count = rest.len();
    for (position, segments) in rest.into_iter().enumerate() {
        if let (Some(first), Some(last)) = (segments.first(), segments.last()) {
            let complete = position + 1 < count || listing.state == BroadcastState::Ended;
            let period = first.label();
            all.push(Hour { first: first.media_sequence, last: last.media_sequence, period, complete });
        }
    }
    all
}

/// The archives that list a range: its hours; where some are not known, days, or the whole.
pub(super) fn covering(archives: Vec<ArchiveManifest>, range: &RangeInclusive<MediaSequence>) -> Vec<ArchiveManifest> {
    let mut chosen: Vec<ArchiveManifest> = Vec::new();
    // By kind, then in order.
    for archive in archives {
        let (first, last) = (archive.first_media_sequence, archive.last_media_sequence);
        let (from, to) = (first.max(*range.start()), last.min(*range.end()));
        if from > to {
            continue;
        }
        let mut open = from;
        for before in &chosen {
            if before.first_media_sequence <= open && open <= before.last_media_sequence {
                open = before.last_media_sequence.next();
            }
        }
        if open <= to {
            chosen.push(archive);
            chosen.sort_by_key(|archive| archive.first_media_sequence);
        }
    }
    chosen
}

pub(super) fn failed(error: CatalogError) -> PlaylistError {
    PlaylistError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use stream_model::{BroadcastId, MessageKey};

    use super::*;

    fn archive(kind: ArchiveKind, first: u64, last: u64) -> ArchiveManifest {
        ArchiveManifest {
            broadcast: BroadcastId(MessageKey([1; 32])),
            kind,
            period: None,
            first_media_sequence: MediaSequence(first),
            last_media_sequence: MediaSequence(last),
            manifest: testkit::fakes::cid_of(format!("{kind} {first}").as_bytes()),
            duration: Duration::ZERO,
            bytes: 0,
        }
    }

    fn covers(archives: &[ArchiveManifest], first: u64, last: u64) -> Vec<(ArchiveKind, u64)> {
        let chosen = covering(archives.to_vec(), &(MediaSequence(first)..=MediaSequence(last)));
        chosen.iter().map(|archive| (archive.kind, archive.first_media_sequence.0)).collect()
    }

    #[test]
    fn hours_are_read_and_larger_archives_only_where_hours_are_not_known() {
        let (hour, day, whole) = (ArchiveKind::Hour, ArchiveKind::Day, ArchiveKind::Broadcast);
        let all = [archive(hour, 240, 479), archive(hour, 480, 719), archive(day, 0, 479), archive(whole, 0, 719)];
        assert_eq!(covers(&all, 300, 500), [(hour, 240), (hour, 480)]);
        assert_eq!(covers(&all, 480, 480), [(hour, 480)]);
        assert_eq!(covers(&all, 10, 10), [(day, 0)]);
        assert_eq!(covers(&all, 0, u64::MAX), [(day, 0), (hour, 240), (hour, 480)]);
        assert!(covers(&all, 720, u64::MAX).is_empty());
        assert!(covers(&[], 0, u64::MAX).is_empty());
    }
}
