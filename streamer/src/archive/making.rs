//! Manifests into the store: of an hour, of days and of the whole, for who archives and for who republishes.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use stream_model::{
    ArchiveKind, ArchiveManifest, BroadcastId, Claim, ContentStore, DirectoryEntry, MediaSegment, MediaSequence,
    Period, StoreError, StoredContent,
};

use super::stretch::{Item as _, Stretch, hours};
use crate::manifest::{INDEX, Manifest, hour_manifest, nested_manifest};

/// What an archive covers of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cover {
    kind: ArchiveKind,
    period: Option<Period>,
    first: MediaSequence,
    last: MediaSequence,
    duration: Duration,
}

impl Cover {
    /// Of the segments of an hour, in order; `None` where there are none.
    pub(super) fn of_hour(segments: &[MediaSegment]) -> Option<Self> {
        let (first, last) = (segments.first()?, segments.last()?);
        Some(Self {
            kind: ArchiveKind::Hour,
            period: first.label(),
            first: first.media_sequence,
            last: last.media_sequence,
            duration: segments.iter().map(|segment| segment.duration).sum(),
        })
    }

    /// Of the hours of a day or of the whole, in order; `None` where there are none.
    pub(super) fn of_hours(kind: ArchiveKind, hours: &[ArchiveManifest]) -> Option<Self> {
        let (first, last) = (hours.first()?, hours.last()?);
        Some(Self {
            kind,
            period: first.label().filter(|_| kind == ArchiveKind::Day),
            first: first.first_media_sequence,
            last: last.last_media_sequence,
            duration: hours.iter().map(|hour| hour.duration).sum(),
        })
    }

    pub(super) fn kind(&self) -> ArchiveKind {
        self.kind
    }

    /// The numbers of its segments, some of which may be missing.
    pub(super) fn numbers(&self) -> RangeInclusive<MediaSequence> {
        self.first..=self.last
    }

    /// The archive of it that was stored.
    pub(super) fn archive(self, broadcast: BroadcastId, stored: &StoredContent) -> ArchiveManifest {
        ArchiveManifest {
            broadcast,
            kind: self.kind,
            period: self.period,
            first_media_sequence: self.first,
            last_media_sequence: self.last,
            manifest: stored.cid,
            duration: self.duration,
            bytes: stored.bytes,
        }
    }
}

/// Whether a segment is in the store, with the initialization section that it needs.
pub(crate) async fn is_held(store: &dyn ContentStore, segment: &MediaSegment) -> bool {
    store.holds(&segment.segment).await && store.holds(&segment.init).await
}

/// Those of these segments that are in the store.
pub(crate) async fn held_of(store: &dyn ContentStore, segments: Vec<MediaSegment>) -> Vec<MediaSegment> {
    let mut held = Vec::with_capacity(segments.len());
    for segment in segments {
        if is_held(store, &segment).await {
            held.push(segment);
        }
    }
    held
}

/// Stores a manifest. Its playlist is under a claim of its own, which is the caller's to release.
pub(crate) async fn store_manifest(
    store: &dyn ContentStore,
    manifest: Manifest,
    playlist: Claim,
    claim: Claim,
) -> Result<StoredContent, StoreError> {
    let index = store.add_file(vec![Bytes::from(manifest.index)], playlist).await?;
    let mut entries = manifest.entries;
    entries.push(DirectoryEntry { name: INDEX.to_owned(), cid: index.cid });
    store.add_directory(entries, claim).await
}

/// Makes the archives of a broadcast that is over from segments that are held, in order: the hours, then the days, then the
/// whole; the same that its author's node makes of them. All are under one claim.
pub(crate) async fn make_archives(
    store: &dyn ContentStore,
    broadcast: BroadcastId,
    target_duration: Duration,
    segments: &[MediaSegment],
    claim: Claim,
) -> Result<Vec<ArchiveManifest>, StoreError> {
    let (mut of_hours, mut of_days, mut day) = (Vec::new(), Vec::new(), Stretch::day());
    for hour in hours(segments.iter().cloned()) {
        let Some(cover) = Cover::of_hour(&hour) else { continue };
        let stored = store_manifest(store, hour_manifest(target_duration, &hour), claim, claim).await?;
        let archive = cover.archive(broadcast, &stored);
        of_days.extend(day.push(archive.clone()));
        of_hours.push(archive);
    }
    of_days.push(day.finish());
    let mut larger = Vec::new();
    let whole = (ArchiveKind::Broadcast, of_hours.clone());
    for (kind, hours) in of_days.into_iter().map(|hours| (ArchiveKind::Day, hours)).chain([whole]) {
        let Some(cover) = Cover::of_hours(kind, &hours) else { continue };
        let folders: Vec<_> = hours.iter().map(|hour| (hour.first_media_sequence, hour.manifest)).collect();
        let within = segments.iter().filter(|segment| cover.numbers().contains(&segment.media_sequence));
        let manifest = nested_manifest(target_duration, &folders, within);
        let stored = store_manifest(store, manifest, claim, claim).await?;
        larger.push(cover.archive(broadcast, &stored));
    }
    of_hours.extend(larger);
    Ok(of_hours)
}
