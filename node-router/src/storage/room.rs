//! Room for what is to be stored: within the quota and the free space of the disk, made by what goes first.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use metrics::counter;
use stream_model::{BroadcastId, Retention, StorageFull, StoreError};

use super::ledger::Totals;
use super::{Limits, Shared, Storage, index, retention};

/// Claims dropped at once when room is needed: some segments, so that the oldest of a broadcast go together, in a
/// transaction of milliseconds. Twice as many in each round that follows, up to some tens of milliseconds.
const EVICT_CLAIMS: u32 = 8;
const MOST_DOUBLINGS: u32 = 3;
/// Rounds of eviction for one block or one segment before it is refused instead.
const EVICT_ROUNDS: u32 = 32;
/// What manifests may take beyond the quota: less than a large segment, and enough for those of many hours.
const FOR_MANIFESTS: Totals = Totals { bytes: 16 << 20, blocks: 64 };
/// Of the reserve, the part that manifests leave free.
const RESERVE_FOR_OTHERS: u64 = 2;

/// Who needs room: that decides what goes for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// What is published here: nobody else has it.
    Own,
    /// The small things that tell of it: without them, what is stored could not be announced, nor its end.
    Manifest,
    /// What is fetched of a broadcast.
    Broadcast(BroadcastId),
    /// What somebody asked the gateway for: others' requests are no reason to lose what people watch.
    Gateway,
    /// What the owner carries here: likewise.
    Import,
}

/// Room of the quota set aside until the blocks that it is for are counted.
pub(super) struct Reservation {
    shared: Arc<Shared>,
    room: Totals,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.ledger().end_reserve(self.room);
    }
}

impl Storage {
    /// Sets room aside, evicting what may go for it: the gateway's cache, then what goes first of the broadcasts that
    /// nothing is added to.
    pub(super) async fn make_room(&self, room: Totals, need: Need) -> Result<Reservation, StoreError> {
        if need == Need::Gateway && self.shared.ledger().unfinished_bytes() + room.bytes > self.gateway_bytes() {
            counter!("meshstream_store_refused_total", "reason" => "gateway").increment(1);
            return Err(StoreError::Full("fetches that are not complete take up what the gateway may use".into()));
        }
        for round in 0..EVICT_ROUNDS {
            match self.reserve(room, need)? {
                Ok(reservation) => {
                    // Manifests fit in where nothing else does.
                    if need != Need::Manifest {
                        self.shared.health().found_room();
                    }
                    return Ok(reservation);
                }
                Err(_) if self.evict_some(need, EVICT_CLAIMS << round.min(MOST_DOUBLINGS)).await? => {}
                Err(full) => return Err(self.refuse(full, need)),
            }
        }
        match self.reserve(room, need)? {
            Ok(reservation) => Ok(reservation),
            Err(full) => Err(self.refuse(full, need)),
        }
    }

    /// Room, or what there is none of.
    fn reserve(&self, room: Totals, need: Need) -> Result<Result<Reservation, StorageFull>, StoreError> {
        let free = self.free_bytes()?;
        let Limits { quota, reserve, .. } = self.shared.limits();
        let (quota, reserve) = match need {
            Need::Manifest => (quota.plus(FOR_MANIFESTS), reserve / RESERVE_FOR_OTHERS),
            _ => (quota, reserve),
        };
        if free.saturating_sub(room.bytes) < reserve {
            return Ok(Err(StorageFull::Disk));
        }
        let mut ledger = self.shared.ledger();
        if ledger.reserve(room, quota) {
            return Ok(Ok(Reservation { shared: self.shared.clone(), room }));
        }
        let bytes = Totals { blocks: u64::MAX, ..quota };
        let full = if ledger.reserve(room, bytes) {
            ledger.end_reserve(room);
            StorageFull::Files
        } else {
            StorageFull::Quota
        };
        Ok(Err(full))
    }

    pub(super) fn free_bytes(&self) -> Result<u64, StoreError> {
        (self.shared.free_space)()
            .map_err(|error| StoreError::Failed(format!("cannot tell the free disk space: {error}")))
    }

    fn refuse(&self, full: StorageFull, need: Need) -> StoreError {
        /// For messages.
        const MIB: u64 = 1 << 20;
        counter!("meshstream_store_refused_total", "reason" => full.as_str()).increment(1);
        // What others ask the gateway for, and what the owner is told of at once, are no fault of the node.
        if !matches!(need, Need::Gateway | Need::Import) {
            self.shared.health().refused(full);
        }
        let limits = self.shared.limits();
        StoreError::Full(match full {
            StorageFull::Disk => format!(
                "{} MiB of the disk are free and {} MiB are reserved: free some space or lower storage.reserve",
                self.free_bytes().unwrap_or(0) / MIB,
                limits.reserve / MIB
            ),
            StorageFull::Quota => format!(
                "the quota of {} bytes is used up and nothing may be evicted: raise storage.quota, or drop archives with 'meshstream archive drop'",
                limits.quota.bytes
            ),
            StorageFull::Files => format!(
                "the {} files that may be kept are there and nothing may be evicted: raise storage.max_files, or drop archives with 'meshstream archive drop'",
                limits.quota.blocks
            ),
        })
    }

    /// Evicts until what is stored is within the quota, as far as something may go: the quota may have been lowered.
    pub(super) async fn trim(&self) -> Result<(), StoreError> {
        while !self.shared.ledger().usage().is_within(self.shared.limits().quota) {
            if !self.evict_some(Need::Own, EVICT_CLAIMS).await? {
                break;
            }
        }
        Ok(())
    }

    async fn evict_some(&self, need: Need, claims: u32) -> Result<bool, StoreError> {
        if self.evict_gateway().await? {
            return Ok(true);
        }
        let started_long_ago = self.shared.started.elapsed() >= self.shared.limits().silent;
        let spared = match need {
            Need::Gateway | Need::Import => return Ok(false),
            // Which broadcasts go on, the first minutes tell.
            Need::Broadcast(_) if !started_long_ago => return Ok(false),
            Need::Broadcast(spared) => Some(spared.slug()),
            Need::Own | Need::Manifest => None,
        };
        let active = self.shared.heard_lately();
        let shared = self.shared.clone();
        let evict = move |connection: &mut rusqlite::Connection| {
            // What is held on purpose does not make room for other such things: they would push each other out for ever.
            let most = match &spared {
                Some(spared) if retention::of(connection, spared)? >= Retention::Mirrored => Retention::Passing,
                _ => Retention::Mirrored,
            };
            let goes = |(slug, retention): &(String, Retention)| {
                *retention <= most && Some(slug) != spared.as_ref() && !active.contains(slug)
            };
            let Some((next, _)) = retention::evictable(connection)?.into_iter().find(goes) else { return Ok(None) };
            let evicted = index::evict(connection, &next, claims)?;
            shared.changed(connection, evicted.removed)?;
            Ok(Some(next))
        };
        let Some(broadcast) = self.shared.database.call(evict).await? else { return Ok(false) };
        tracing::debug!(broadcast, "evicted the oldest of what was fetched of a broadcast to make room");
        counter!("meshstream_store_evictions_total").increment(1);
        self.remove_doomed().await;
        Ok(true)
    }

    async fn evict_gateway(&self) -> Result<bool, StoreError> {
        let shared = self.shared.clone();
        let evict = move |connection: &mut rusqlite::Connection| {
            let evicted = index::evict(connection, index::GATEWAY, EVICT_CLAIMS)?;
            shared.changed(connection, evicted.removed)?;
            Ok(evicted.claims > 0)
        };
        let evicted = self.shared.database.call(evict).await?;
        if evicted {
            counter!("meshstream_store_evictions_total").increment(1);
            self.remove_doomed().await;
        }
        Ok(evicted)
    }
}

impl Shared {
    /// Something was fetched of a broadcast: it goes on.
    pub(super) fn heard_of(&self, broadcast: BroadcastId) {
        let silent = self.limits().silent;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|_, at| at.elapsed() < silent);
        heard.insert(broadcast.slug(), Instant::now());
    }

    /// Broadcasts that something was fetched of in the last minutes.
    fn heard_lately(&self) -> Vec<String> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|_, at| at.elapsed() < self.limits().silent);
        heard.keys().cloned().collect()
    }
}
