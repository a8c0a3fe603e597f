//! Running hours: what there is so far of the hours that are not complete, as manifests in the store.
//!
//! A directory never changes, so there is a new one every [`EVERY`] segments; each is a VOD playlist that ends where it was
//! made, and a pure function of its segments. Nothing of it is announced or written down: after a restart the last one is
//! made again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stream_model::{ArchiveManifest, BroadcastId, Claim, ContentStore, MediaSegment, RunningHours, StoreError};

use super::making::{Cover, store_manifest};
use crate::manifest::hour_manifest;

/// Segments from one manifest of a running hour to the next: 5 minutes of 15 s each. One for each segment would triple what
/// is written to a card besides the media.
pub(crate) const EVERY: usize = 20;
/// Manifests of running hours that stay for those who play them. An hour of 15 s segments has twelve; the thirteenth is
/// that of who began when it was about to be superseded, and plays it to its end. Some 30 KB each.
pub(crate) const KEPT: u64 = 13;

/// The newest manifest of each hour that runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Newest(Arc<Mutex<HashMap<BroadcastId, ArchiveManifest>>>);

impl RunningHours for Newest {
    fn running_hour(&self, broadcast: &BroadcastId) -> Option<ArchiveManifest> {
        self.hours().get(broadcast).cloned()
    }
}

impl Newest {
    pub(crate) fn forget(&self, broadcast: &BroadcastId) {
        self.hours().remove(broadcast);
    }

    /// Forgets all but those of broadcasts that are still archived.
    pub(crate) fn retain(&self, is_archived: impl Fn(&BroadcastId) -> bool) {
        self.hours().retain(|id, _| is_archived(id));
    }

    /// Stores the manifest of what there is of an hour, in the place of the oldest one. `last` is the segment that it was
    /// to end with, and `held` those of its segments that are in the store.
    pub(crate) async fn make(
        &self,
        store: &dyn ContentStore,
        broadcast: BroadcastId,
        target_duration: Duration,
        last: &MediaSegment,
        held: &[MediaSegment],
    ) -> Result<(), StoreError> {
        let Some(cover) = Cover::of_hour(held) else { return Ok(()) };
        // Between two of them are `EVERY` numbers or more, so each has the next place or a later one; over restarts, too.
        let place = Claim::RunningHour(broadcast, last.media_sequence.0 / EVERY as u64 % KEPT);
        store.release(place).await?;
        let stored = store_manifest(store, hour_manifest(target_duration, held), place, place).await?;
        self.hours().insert(broadcast, cover.archive(broadcast, &stored));
        Ok(())
    }

    /// Drops all manifests of running hours of a broadcast that is over.
    pub(crate) async fn release(&self, store: &dyn ContentStore, broadcast: BroadcastId) -> Result<(), StoreError> {
        self.forget(&broadcast);
        for place in 0..KEPT {
            store.release(Claim::RunningHour(broadcast, place)).await?;
        }
        Ok(())
    }

    fn hours(&self) -> MutexGuard<'_, HashMap<BroadcastId, ArchiveManifest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
