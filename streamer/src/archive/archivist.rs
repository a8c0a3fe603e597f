//! Makes and announces the archives of this node's own broadcasts, as their hours and days become complete; and drops
//! what is not to be kept. Of an hour that runs it stores what there is so far.
//!
//! It keeps no queue: the catalog is it. Each step can be repeated: a manifest is a pure function of its segments, storing
//! and announcing the same again changes nothing. So a restart goes on after the last archive that was written down.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stream_model::{
    AnnounceError, AnnouncementLog, ArchiveKind, ArchiveManifest, BroadcastId, Claim, ContentStore, MediaSegment,
    MediaSequence, RunningHours, StoreError,
};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::making::{Cover, held_of, store_manifest};
use super::running::{EVERY, Newest};
use super::stretch::Stretch;
use crate::alarm::sleep_until;
use crate::catalog::{BroadcastRecord, BroadcastStage, Catalog, CatalogError};
use crate::manifest::{Manifest, hour_manifest, nested_manifest};

/// Segments read from the catalog at once.
const PAGE: usize = 500;
/// Wait after a failure: a disk that is full stays so for a while.
const RETRY: Duration = Duration::from_secs(30);
/// From the request to stop: until then the last archives are made; the next start makes the rest.
const STOP: Duration = Duration::from_millis(500);
/// Of a broadcast that is not to be kept, what was announced last stays: what players have in their window and those who
/// are late for it.
pub(crate) const KEPT_SEGMENTS: u64 = 40;
/// How long that stays after the end.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// What an [`Archivist`] works with.
#[derive(Clone)]
pub struct Ports {
    /// Keeps segments and manifests.
    pub store: Arc<dyn ContentStore>,
    /// Tells the other nodes.
    pub announcements: Arc<dyn AnnouncementLog>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// Why an archive could not be made. It is tried again.
#[derive(Debug, thiserror::Error)]
enum ArchiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Announce(#[from] AnnounceError),
}

/// How far a broadcast is archived.
#[derive(Debug)]
struct Open {
    /// The first segment that was not looked at.
    next: MediaSequence,
    hour: Stretch<MediaSegment>,
    /// Segments of the hour that its newest manifest was made of.
    made: usize,
    day: Stretch<ArchiveManifest>,
}

/// The node's archivist.
#[derive(Debug)]
pub struct Archivist {
    ports: Ports,
    catalog: Catalog,
    announced: Arc<Notify>,
    open: HashMap<BroadcastId, Open>,
    running: Newest,
    /// Ended broadcasts that are not to be kept, with the time to drop them.
    to_drop: HashMap<BroadcastId, Instant>,
}

impl Archivist {
    /// Nothing runs until [`run`](Self::run). `announced` tells when there may be something to archive.
    pub fn new(ports: Ports, catalog: Catalog, announced: Arc<Notify>) -> Self {
        Self { ports, catalog, announced, open: HashMap::new(), running: Newest::default(), to_drop: HashMap::new() }
    }

    /// What there is so far of the hours that run.
    pub fn running_hours(&self) -> Arc<dyn RunningHours> {
        Arc::new(self.running.clone())
    }

    /// Until `stop` is cancelled, and for half a second after.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let retry_at = if self.step().await { None } else { Some(Instant::now() + RETRY) };
            let wake_at = self.to_drop.values().copied().chain(retry_at).min();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.announced.notified() => {}
                () = sleep_until(wake_at) => {}
            }
        }
        if tokio::time::timeout(STOP, self.step()).await.is_err() {
            tracing::info!("the last archives are made after the next start");
        }
    }

    /// Does what can be done for all broadcasts. False where something failed.
    async fn step(&mut self) -> bool {
        let records = match self.catalog.unarchived_broadcasts().await {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(%error, "cannot look for what to archive: trying again");
                return false;
            }
        };
        self.open.retain(|id, _| records.iter().any(|record| record.id == *id));
        self.running.retain(|id| records.iter().any(|record| record.id == *id));
        self.to_drop.retain(|id, _| records.iter().any(|record| record.id == *id));
        let mut all = true;
        for record in records {
            let done = if record.archive { self.advance(&record).await } else { self.drop_old(&record).await };
            if let Err(ArchiveError::Announce(AnnounceError::UnknownBroadcast(_))) = done {
                tracing::warn!(broadcast = %record.id, "the feeds do not know the broadcast: it is not archived");
                let released = self.running.release(&*self.ports.store, record.id).await;
                all &= released.is_ok() && self.catalog.set_archived(record.id).await.is_ok();
            } else if let Err(error) = done {
                // What was read and not written down is read again.
                self.open.remove(&record.id);
                metrics::counter!("meshstream_archive_retries_total").increment(1);
                tracing::warn!(broadcast = %record.id, %error, "cannot archive: trying again");
                all = false;
            }
        }
        all
    }

    /// Archives the hours and days that are complete, and all of a broadcast that has ended.
    async fn advance(&mut self, record: &BroadcastRecord) -> Result<(), ArchiveError> {
        let open = match self.open.entry(record.id) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => place.insert(Open::load(&self.catalog, record.id).await?),
        };
        let work = Work { ports: &self.ports, catalog: &self.catalog, record };
        loop {
            let page = self.catalog.announced_segments(record.id, open.next, PAGE).await?;
            let Some(last) = page.last() else { break };
            open.next = last.media_sequence.next();
            for segment in page {
                if let Some(hour) = open.hour.push(segment) {
                    open.made = 0;
                    work.keep_hour(hour, &mut open.day).await?;
                    self.running.forget(&record.id);
                }
            }
        }
        if record.stage == BroadcastStage::Ended {
            work.finish(open, &self.running).await?;
            self.open.remove(&record.id);
        } else {
            work.show_running(open, &self.running).await;
        }
        Ok(())
    }

    /// Drops what has left the window of a broadcast that is not to be kept; some time after its end, all of it.
    async fn drop_old(&mut self, record: &BroadcastRecord) -> Result<(), ArchiveError> {
        let id = record.id;
        if record.stage == BroadcastStage::Ended {
            let at = *self.to_drop.entry(id).or_insert_with(|| Instant::now() + KEPT_FOR);
            if Instant::now() >= at {
                self.ports.store.release_broadcast(id).await?;
                self.catalog.forget_segments(id, record.next_media_sequence).await?;
                self.catalog.set_archived(id).await?;
                self.to_drop.remove(&id);
                tracing::info!(broadcast = %id, "dropped: it was not to be kept");
            }
            return Ok(());
        }
        let first = MediaSequence(record.next_media_sequence.0.saturating_sub(KEPT_SEGMENTS));
        let mut old = self.catalog.announced_segments(id, MediaSequence(0), PAGE).await?;
        old.retain(|segment| segment.media_sequence < first);
        for segment in &old {
            // Initialization sections are small, and are needed by what comes after: they go with the broadcast.
            self.ports.store.release(Claim::Segment(id, segment.media_sequence)).await?;
        }
        if let Some(last) = old.last() {
            self.catalog.forget_segments(id, last.media_sequence.next()).await?;
        }
        Ok(())
    }
}

impl Open {
    /// Goes on after the last hour that was written down.
    async fn load(catalog: &Catalog, id: BroadcastId) -> Result<Self, CatalogError> {
        let hours = catalog.archives(id, ArchiveKind::Hour).await?;
        let days = catalog.archives(id, ArchiveKind::Day).await?;
        let next = hours.last().map_or(MediaSequence(0), |hour| hour.last_media_sequence.next());
        let archived = days.last().map_or(MediaSequence(0), |day| day.last_media_sequence.next());
        let mut day = Stretch::day();
        for hour in hours.into_iter().filter(|hour| hour.first_media_sequence >= archived) {
            // The next hour, which would end this day, is not written down.
            let _unfinished = day.push(hour);
        }
        Ok(Self { next, hour: Stretch::hour(), made: 0, day })
    }
}

/// Archiving one broadcast.
struct Work<'a> {
    ports: &'a Ports,
    catalog: &'a Catalog,
    record: &'a BroadcastRecord,
}

impl Work<'_> {
    async fn keep_hour(
        &self,
        segments: Vec<MediaSegment>,
        day: &mut Stretch<ArchiveManifest>,
    ) -> Result<(), ArchiveError> {
        let segments = self.held(segments).await;
        let Some(cover) = Cover::of_hour(&segments) else { return Ok(()) };
        let hour = self.keep(cover, hour_manifest(self.record.target_duration, &segments)).await?;
        if let Some(hours) = day.push(hour) {
            self.keep_hours(ArchiveKind::Day, &hours).await?;
        }
        Ok(())
    }

    /// Stores what there is of the hour that runs, where there is enough more of it. Nothing depends on it: where it fails, the
    /// next one is made when it is due.
    async fn show_running(&self, open: &mut Open, running: &Newest) {
        let segments = open.hour.items();
        let due = segments.len() / EVERY * EVERY;
        let Some(last) = segments.get(..due).and_then(<[_]>::last).filter(|_| due > open.made) else { return };
        let held = self.held(segments[..due].to_vec()).await;
        let (id, target_duration) = (self.record.id, self.record.target_duration);
        if let Err(error) = running.make(&*self.ports.store, id, target_duration, last, &held).await {
            tracing::warn!(broadcast = %id, %error, "cannot store what there is of the running hour: the next one will show it");
        }
        open.made = due;
    }

    /// Without those that were damaged on disk and are gone: gaps.
    async fn held(&self, segments: Vec<MediaSegment>) -> Vec<MediaSegment> {
        held_of(&*self.ports.store, segments).await
    }

    /// A day, or the whole broadcast.
    async fn keep_hours(&self, kind: ArchiveKind, hours: &[ArchiveManifest]) -> Result<(), ArchiveError> {
        let Some(cover) = Cover::of_hours(kind, hours) else { return Ok(()) };
        let (mut from, last) = cover.numbers().into_inner();
        let mut segments = Vec::new();
        loop {
            let page = self.catalog.announced_segments(self.record.id, from, PAGE).await?;
            let Some(newest) = page.last() else { break };
            from = newest.media_sequence.next();
            let page = self.held(page).await;
            segments.extend(page.into_iter().filter(|segment| segment.media_sequence <= last));
            if from > last {
                break;
            }
        }
        let folders: Vec<_> = hours.iter().map(|hour| (hour.first_media_sequence, hour.manifest)).collect();
        let manifest = nested_manifest(self.record.target_duration, &folders, &segments);
        self.keep(cover, manifest).await?;
        Ok(())
    }

    /// The rest of a broadcast that has ended, and then the whole.
    async fn finish(&self, open: &mut Open, running: &Newest) -> Result<(), ArchiveError> {
        let id = self.record.id;
        let hour = open.hour.finish();
        self.keep_hour(hour, &mut open.day).await?;
        self.keep_hours(ArchiveKind::Day, &open.day.finish()).await?;
        let hours = self.catalog.archives(id, ArchiveKind::Hour).await?;
        self.keep_hours(ArchiveKind::Broadcast, &hours).await?;
        running.release(&*self.ports.store, id).await?;
        self.catalog.set_archived(id).await?;
        tracing::info!(broadcast = %id, hours = hours.len(), "archived");
        Ok(())
    }

    /// Stores, announces and writes down a manifest.
    async fn keep(&self, cover: Cover, manifest: Manifest) -> Result<ArchiveManifest, ArchiveError> {
        let (id, store) = (self.record.id, &self.ports.store);
        let (kind, first) = (cover.kind(), *cover.numbers().start());
        let playlist = Claim::ArchivePlaylist(kind, id, first);
        let stored = store_manifest(&**store, manifest, playlist, Claim::Archive(kind, id, first)).await?;
        store.release(playlist).await?;
        let archive = cover.archive(id, &stored);
        self.ports.announcements.archive(archive.clone()).await?;
        self.catalog.add_archive(archive.clone()).await?;
        metrics::counter!("meshstream_archives_total", "kind" => kind.as_str()).increment(1);
        Ok(archive)
    }
}
