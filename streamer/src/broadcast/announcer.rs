//! Announces what the catalog holds and has not announced: segments with their live manifests, in order, and ends.
//!
//! It keeps no queue: the catalog is it, before and after a restart.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use stream_model::{
    AnnounceError, BroadcastEnd, BroadcastId, Cid, Claim, DirectoryEntry, EndReason, MediaSegment, MediaSequence,
    StoreError,
};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::backoff::Backoff;
use crate::catalog::{BroadcastRecord, BroadcastStage, CatalogError};
use crate::manifest::{INDEX, live_manifest};

/// Why a step towards media that is durable and announced failed. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Announce(#[from] AnnounceError),
}

/// What one step over all broadcasts did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Idle,
    Advanced,
    Failed,
}

/// The node's announcer.
#[derive(Debug)]
pub(super) struct Announcer {
    shared: Arc<Shared>,
    /// Broadcasts from before a restart, whose broadcast feed is not to be used any more.
    unresumed: HashSet<BroadcastId>,
    backoff: Backoff,
}

impl Announcer {
    pub(super) fn new(shared: Arc<Shared>, unresumed: HashSet<BroadcastId>) -> Self {
        Self { shared, unresumed, backoff: Backoff::default() }
    }

    /// Until nothing more will be committed (`quiet`) and everything is announced, or time is over.
    pub(super) async fn run(mut self, quiet: CancellationToken) {
        let stop = self.shared.stop_announcing.clone();
        loop {
            let progress = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                progress = self.step() => progress,
            };
            match progress {
                Progress::Advanced => {}
                Progress::Idle if quiet.is_cancelled() => return,
                Progress::Idle => tokio::select! {
                    () = self.shared.announce.notified() => {}
                    () = quiet.cancelled() => {}
                },
                Progress::Failed => tokio::select! {
                    () = tokio::time::sleep(self.backoff.next()) => {}
                    () = stop.cancelled() => break,
                },
            }
        }
        self.end_in_haste().await;
    }

    /// One segment or one end of each broadcast.
    async fn step(&mut self) -> Progress {
        let records = match self.shared.catalog.unended_broadcasts().await {
            Ok(records) => records,
            Err(error) => return self.fail(None, &error.into()),
        };
        let mut all = Progress::Idle;
        for record in records {
            match self.advance(&record).await {
                Ok(false) => {}
                Ok(true) => {
                    self.backoff.reset();
                    all = Progress::Advanced;
                }
                Err(StepError::Announce(AnnounceError::UnknownBroadcast(id))) => {
                    tracing::warn!(broadcast = %id, "the feeds do not know the broadcast: it counts as ended");
                    if let Err(error) = self.shared.catalog.set_stage(id, BroadcastStage::Ended).await {
                        all = self.fail(Some(record.id), &error.into());
                    }
                }
                Err(StepError::Announce(AnnounceError::Superseded(_))) => match self.give_up(&record).await {
                    Ok(()) => all = Progress::Advanced,
                    Err(error) => all = self.fail(Some(record.id), &error),
                },
                Err(error) => {
                    let failed = self.fail(Some(record.id), &error);
                    all = if all == Progress::Advanced { all } else { failed };
                }
            }
        }
        all
    }

    fn fail(&self, broadcast: Option<BroadcastId>, error: &StepError) -> Progress {
        metrics::counter!("meshstream_announce_retries_total").increment(1);
        let broadcast = broadcast.map(|id| id.to_string());
        if self.backoff.is_fresh() {
            tracing::warn!(broadcast, %error, "cannot announce: trying again");
        } else {
            tracing::debug!(broadcast, %error, "still cannot announce");
        }
        Progress::Failed
    }

    /// Announces the oldest segment that is not, or the end. False where there is nothing to announce.
    async fn advance(&mut self, record: &BroadcastRecord) -> Result<bool, StepError> {
        let catalog = &self.shared.catalog;
        match (catalog.first_unannounced(record.id).await?, record.stage) {
            (Some(segment), _) => self.announce(record, &segment).await?,
            (None, BroadcastStage::Ending(reason)) => self.announce_end(record, reason).await?,
            (None, BroadcastStage::Live | BroadcastStage::Ended) => return Ok(false),
        }
        Ok(true)
    }

    async fn announce(&mut self, record: &BroadcastRecord, segment: &MediaSegment) -> Result<(), StepError> {
        let sequence = segment.media_sequence;
        let manifest = self.store_manifest(record, sequence).await?;
        let log = &self.shared.ports.announcements;
        if self.unresumed.contains(&record.id) && self.was_announced(record.id, segment) {
            // The node was killed between the announcement and the note of it.
            tracing::debug!(broadcast = %record.id, media_sequence = sequence.0, "announced before the restart");
        } else {
            if self.unresumed.contains(&record.id) {
                log.resume(record.id, sequence).await?;
                self.unresumed.remove(&record.id);
            }
            log.live(record.id, segment, manifest).await?;
            metrics::counter!("meshstream_announcements_total").increment(1);
            tracing::info!(
                name: "announcement.appended",
                broadcast = %record.id,
                media_sequence = sequence.0,
                manifest = %manifest,
                "announcement.appended"
            );
        }
        self.shared.catalog.mark_announced(record.id, sequence, manifest).await?;
        self.shared.archive.notify_one();
        self.release_superseded(record.id, sequence).await;
        Ok(())
    }

    async fn announce_end(&self, record: &BroadcastRecord, reason: EndReason) -> Result<(), StepError> {
        let end = BroadcastEnd { broadcast: record.id, media_sequence: record.next_media_sequence, reason };
        self.shared.ports.announcements.end(end).await?;
        self.shared.catalog.set_stage(record.id, BroadcastStage::Ended).await?;
        self.shared.archive.notify_one();
        metrics::counter!("meshstream_broadcasts_ended_total").increment(1);
        tracing::info!(name: "broadcast.ended", broadcast = %record.id, reason = reason.as_str(), "broadcast.ended");
        Ok(())
    }

    /// Others know more of the broadcast than a restored backup does: it ends where they know it to, and its publisher
    /// gets another one with the next segment. What was cut for it meanwhile stays unannounced.
    async fn give_up(&self, record: &BroadcastRecord) -> Result<(), StepError> {
        let listing = self.shared.ports.directory.listing(&record.id);
        let announced =
            listing.and_then(|listing| listing.media_sequence).map_or(MediaSequence(0), MediaSequence::next);
        let media_sequence = announced.max(record.next_media_sequence);
        let end = BroadcastEnd { broadcast: record.id, media_sequence, reason: EndReason::PublisherLeft };
        self.shared.ports.announcements.end(end).await?;
        self.shared.catalog.set_stage(record.id, BroadcastStage::Ended).await?;
        self.shared.archive.notify_one();
        tracing::warn!(
            broadcast = %record.id,
            "the broadcast had gone on before this node was restored: it ends, and another one begins"
        );
        Ok(())
    }

    /// Time is over: the ends are still told, which needs no room in the store.
    async fn end_in_haste(&self) {
        let records = self.shared.catalog.unended_broadcasts().await.unwrap_or_default();
        for record in records {
            if let BroadcastStage::Ending(reason) = record.stage
                && let Err(error) = self.announce_end(&record, reason).await
            {
                tracing::warn!(broadcast = %record.id, %error, "the end is announced after the next start");
            }
        }
    }

    fn was_announced(&self, broadcast: BroadcastId, segment: &MediaSegment) -> bool {
        let announced = self.shared.ports.directory.segments(&broadcast, segment.media_sequence, 1);
        announced.first().is_some_and(|first| {
            first.media_sequence == segment.media_sequence
                && (first.segment, first.init) == (segment.segment, segment.init)
        })
    }

    /// The live manifest whose newest segment is `last`: a pure function of stored segments, so repeating it gives
    /// the same content.
    async fn store_manifest(&self, record: &BroadcastRecord, last: MediaSequence) -> Result<Cid, StepError> {
        let store = &self.shared.ports.store;
        let window = self.shared.catalog.window(record.id, last, self.shared.config.live_window).await?;
        let manifest = live_manifest(record.target_duration, consecutive(&window), false);
        let playlist = Claim::LivePlaylist(record.id, last);
        let index = store.add_file(vec![Bytes::from(manifest.index)], playlist).await?;
        let mut entries = manifest.entries;
        entries.push(DirectoryEntry { name: INDEX.to_owned(), cid: index.cid });
        let directory = store.add_directory(entries, Claim::LiveManifest(record.id, last)).await?;
        store.release(playlist).await?;
        Ok(directory.cid)
    }

    /// The manifest that has left the window. A failure costs a few kilobytes until the broadcast is removed.
    async fn release_superseded(&self, broadcast: BroadcastId, newest: MediaSequence) {
        let Some(superseded) = newest.0.checked_sub(self.shared.config.live_window as u64) else { return };
        let claim = Claim::LiveManifest(broadcast, MediaSequence(superseded));
        if let Err(error) = self.shared.ports.store.release(claim).await {
            metrics::counter!("meshstream_release_failures_total").increment(1);
            tracing::debug!(%broadcast, %error, "cannot release a live manifest");
        }
    }
}

/// The end of the window without holes: numbers were skipped where a restored backup had forgotten some.
fn consecutive(window: &[MediaSegment]) -> &[MediaSegment] {
    let hole = |pair: &[MediaSegment]| pair[0].media_sequence.next() != pair[1].media_sequence;
    let start = window.windows(2).rposition(hole).map_or(0, |before| before + 1);
    &window[start..]
}
