//! What a start finds of the broadcasts before it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use stream_model::{BroadcastEnd, BroadcastId, BroadcastState, Claim, EndReason, MediaSequence, StreamName, WallTime};

use super::Shared;
use crate::catalog::{BroadcastRecord, BroadcastStage, CatalogError, RenditionRecord};

/// What goes on after a start.
#[derive(Debug)]
pub(super) struct Recovered {
    /// One broadcast a stream name, whose publisher may return.
    pub(super) live: Vec<BroadcastRecord>,
    /// Renditions of these, by what they are renditions of and their names.
    pub(super) renditions: HashMap<(BroadcastId, String), BroadcastId>,
    /// Those whose broadcast feed is to be replaced before it is used again.
    pub(super) unresumed: HashSet<BroadcastId>,
}

/// Reads the catalog, holds it against what was announced, and ends what cannot go on.
pub(super) async fn recover(shared: &Shared) -> Result<Recovered, CatalogError> {
    let newest = shared.catalog.newest_wall_time().await?.unwrap_or(WallTime(0));
    shared.newest_wall.fetch_max(newest.0, Ordering::Relaxed);
    let records = shared.catalog.unended_broadcasts().await?;
    let unresumed: HashSet<BroadcastId> = records.iter().map(|record| record.id).collect();
    end_orphans(shared, &unresumed).await;

    let renditions = shared.catalog.unended_renditions().await?;
    let is_rendition = |id: &BroadcastId| renditions.iter().any(|rendition| rendition.broadcast == *id);
    let mut unended: HashSet<BroadcastId> = HashSet::new();
    let mut live: HashMap<StreamName, BroadcastRecord> = HashMap::new();
    for record in records.into_iter().filter(|record| record.stage == BroadcastStage::Live) {
        let record = catch_up(shared, record).await?;
        release_unfinished(shared, &record).await;
        if is_rendition(&record.id) {
            unended.insert(record.id);
            continue;
        }
        if record.target_duration != shared.config.segmenter.target_duration {
            // Fixed for a playlist (RFC 8216 §4.3.3.1), and configured anew.
            let ending = BroadcastStage::Ending(EndReason::PublisherLeft);
            shared.catalog.set_stage(record.id, ending).await?;
        } else if let Some(older) = live.insert(record.name.clone(), record) {
            shared.catalog.set_stage(older.id, BroadcastStage::Ending(EndReason::PublisherLeft)).await?;
        }
    }
    let live: Vec<BroadcastRecord> = live.into_values().collect();
    let mut going_on = HashMap::new();
    for RenditionRecord { broadcast, original, name } in renditions {
        if live.iter().any(|record| record.id == original) && unended.contains(&broadcast) {
            going_on.insert((original, name), broadcast);
        } else if unended.contains(&broadcast) {
            shared.catalog.set_stage(broadcast, BroadcastStage::Ending(EndReason::PublisherLeft)).await?;
        }
    }
    for record in &live {
        tracing::info!(broadcast = %record.id, stream = %record.name, "broadcast waits for its publisher");
    }
    Ok(Recovered { live, renditions: going_on, unresumed })
}

/// A restored backup may have forgotten numbers that were announced: they are never used again.
async fn catch_up(shared: &Shared, mut record: BroadcastRecord) -> Result<BroadcastRecord, CatalogError> {
    let listing = shared.ports.directory.listing(&record.id);
    let announced = listing.and_then(|listing| listing.media_sequence).map_or(MediaSequence(0), MediaSequence::next);
    if announced > record.next_media_sequence {
        shared.catalog.skip_to(record.id, announced).await?;
        record.next_media_sequence = announced;
    }
    Ok(record)
}

/// What was added to the store but not committed is not announced either: its number is still free.
async fn release_unfinished(shared: &Shared, record: &BroadcastRecord) {
    let next = record.next_media_sequence;
    for claim in [Claim::Segment(record.id, next), Claim::Init(record.id, next)] {
        if let Err(error) = shared.ports.store.release(claim).await {
            tracing::warn!(broadcast = %record.id, %error, "cannot release an unfinished segment");
        }
    }
}

/// Ends broadcasts that were announced but never written down: the node was killed in between.
async fn end_orphans(shared: &Shared, known: &HashSet<BroadcastId>) {
    let orphaned = shared
        .ports
        .directory
        .listings()
        .into_iter()
        .filter(|listing| listing.own && listing.state == BroadcastState::Live && !known.contains(&listing.id));
    for listing in orphaned {
        let end = BroadcastEnd {
            broadcast: listing.id,
            media_sequence: listing.media_sequence.map_or(MediaSequence(0), MediaSequence::next),
            reason: EndReason::PublisherLeft,
        };
        if let Err(error) = shared.ports.announcements.end(end).await {
            tracing::warn!(broadcast = %listing.id, %error, "cannot end a broadcast that was left over");
        }
    }
}
