//! Manifests into the store: of an hour, of days and of the whole, for who archives and for who republishes.

use std::time::Duration;

use bytes::Bytes;
use stream_model::{
    ArchiveKind, ArchiveManifest, BroadcastId, Claim, ContentStore, DirectoryEntry, MediaSegment, StoreError,
    StoredContent,
};

use super::stretch::{Item as _, Stretch, hours};
use crate::manifest::{INDEX, Manifest, hour_manifest, nested_manifest};

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
        let (Some(first), Some(last)) = (hour.first(), hour.last()) else { continue };
        let stored = store_manifest(store, hour_manifest(target_duration, &hour), claim, claim).await?;
        let archive = ArchiveManifest {
            broadcast,
            kind: ArchiveKind::Hour,
            period: first.label(),
            first_media_sequence: first.media_sequence,
            last_media_sequence: last.media_sequence,
            manifest: stored.cid,
            duration: hour.iter().map(|segment| segment.duration).sum(),
            bytes: stored.bytes,
        };
        of_days.extend(day.push(archive.clone()));
        of_hours.push(archive);
    }
    of_days.push(day.finish());
    let mut larger = Vec::new();
    let whole = (ArchiveKind::Broadcast, of_hours.clone());
    for (kind, hours) in of_days.into_iter().map(|hours| (ArchiveKind::Day, hours)).chain([whole]) {
        let (Some(first), Some(last)) = (hours.first(), hours.last()) else { continue };
        let (from, to) = (first.first_media_sequence, last.last_media_sequence);
        let folders: Vec<_> = hours.iter().map(|hour| (hour.first_media_sequence, hour.manifest)).collect();
        let within = segments.iter().filter(|segment| (from..=to).contains(&segment.media_sequence));
        let manifest = nested_manifest(target_duration, &folders, within);
        let stored = store_manifest(store, manifest, claim, claim).await?;
        larger.push(ArchiveManifest {
            broadcast,
            kind,
            period: if kind == ArchiveKind::Day { first.label() } else { None },
            first_media_sequence: from,
            last_media_sequence: to,
            manifest: stored.cid,
            duration: hours.iter().map(|hour| hour.duration).sum(),
            bytes: stored.bytes,
        });
    }
    of_hours.extend(larger);
    Ok(of_hours)
}
