//! One pass over a mirrored broadcast: what is missing is fetched, newest first; then its archives are claimed, and that is said.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use stream_model::{
    AnnounceError, ArchiveKind, ArchiveManifest, BroadcastState, Cid, FetchError, Listing, MediaSegment, MediaSequence,
    MirrorNeed, MirrorProgress, StoreError,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Inner;
use crate::catalog::{CatalogError, MirrorRecord, MirrorStage};
use crate::playback::Reading;

/// Fetches of one broadcast that wait for their turn or run; how many run is bounded for all mirrors together.
const AT_ONCE: usize = 4;
/// Segments in a row that did not come, after which a pass ends: whoever has them is away.
const MOST_FAILURES: u32 = 8;

/// How a pass ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All there is, is here and said.
    Whole,
    /// All that there is so far.
    UpToDate,
    /// Something did not come, and what went wrong. It is tried again.
    Waiting(MirrorNeed, String),
    /// There is no room.
    Full(String),
}

/// Why a pass could not go on. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Announce(#[from] AnnounceError),
}

/// Fetches what is missing of a broadcast, and says what is here then. Until `stop` is cancelled: what came stays.
pub(super) async fn run(
    inner: &Inner,
    record: &mut MirrorRecord,
    listing: &Listing,
    progress: &watch::Sender<MirrorProgress>,
    stop: &CancellationToken,
) -> Result<Outcome, PassError> {
    let (outcome, held) = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(Outcome::Waiting(MirrorNeed::Node, "it was stopped".to_owned())),
        collected = collect(inner, record, listing, progress) => collected?,
    };
    // Not cut off in the middle: what is said and not written down is never taken back.
    say(inner, record, listing, &held, progress).await?;
    Ok(outcome)
}

/// Fetches and claims what is missing. Returns the archives that are held in whole besides. May be cancelled.
async fn collect(
    inner: &Inner,
    record: &MirrorRecord,
    listing: &Listing,
    progress: &watch::Sender<MirrorProgress>,
) -> Result<(Outcome, Vec<ArchiveManifest>), PassError> {
    let known = inner.playback.known(listing, Reading::FromPeers).await?;
    let live = listing.state == BroadcastState::Live;
    let mut missing = Vec::new();
    for segment in known.segments.iter().rev() {
        if !inner.playback.keeps(&listing.id, segment).await {
            missing.push(segment);
        }
    }
    let total = known.segments.len() as u64;
    progress.send_modify(|now| {
        now.total_segments = total;
        now.segments = total - missing.len() as u64;
        now.live = live;
        now.whole = false;
    });
    let mut open: BTreeSet<MediaSequence> = missing.iter().map(|segment| segment.media_sequence).collect();
    // What a narrow link did not bring of a live broadcast would take the room of what is coming.
    let later = live && !record.asked;
    let stopped = if later { None } else { fetch(inner, listing, missing, &mut open, progress).await };
    if let Some(Outcome::Full(why)) = stopped {
        return Ok((Outcome::Full(why), Vec::new()));
    }
    let (held, late) = match claim_archives(inner, listing, &open).await {
        Ok(held) => (held, None),
        Err(late) => (Vec::new(), Some(late)),
    };
    let unread = known.unread.map(|why| Outcome::Waiting(MirrorNeed::Archives, why));
    let outcome = match stopped.or(late).or(unread) {
        Some(late) => late,
        None if known.segments.is_empty() => {
            Outcome::Waiting(MirrorNeed::List, "nobody says yet which segments it has".to_owned())
        }
        None if live => Outcome::UpToDate,
        None => Outcome::Whole,
    };
    Ok((outcome, held))
}

/// Fetches segments in this order, and takes those that came out of `open`. Returns why it stopped before the end, where it did.
async fn fetch(
    inner: &Inner,
    listing: &Listing,
    missing: Vec<&MediaSegment>,
    open: &mut BTreeSet<MediaSequence>,
    progress: &watch::Sender<MirrorProgress>,
) -> Option<Outcome> {
    let (mut in_a_row, mut late) = (0, None);
    let mut waiting = missing.into_iter();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < AT_ONCE
            && let Some(segment) = waiting.next()
        {
            running.push(fetch_one(inner, listing, segment).boxed());
        }
        let Some((sequence, fetched)) = running.next().await else { break };
        match fetched {
            Ok(()) => {
                in_a_row = 0;
                open.remove(&sequence);
                progress.send_modify(|now| {
                    now.segments += 1;
                    (now.waiting, now.waits_for) = (None, None);
                });
            }
            Err(FetchError::Store(StoreError::Full(why))) => return Some(Outcome::Full(why)),
            Err(error) => {
                metrics::counter!("meshstream_mirror_failures_total").increment(1);
                tracing::debug!(broadcast = %listing.id, %error, "a segment for the mirror did not come");
                in_a_row += 1;
                let why = format!("nobody delivers what is missing: {error}");
                late = Some(Outcome::Waiting(MirrorNeed::Segments, why));
                if in_a_row >= MOST_FAILURES {
                    break;
                }
            }
        }
    }
    late
}

async fn fetch_one(
    inner: &Inner,
    listing: &Listing,
    segment: &MediaSegment,
) -> (MediaSequence, Result<(), FetchError>) {
    (segment.media_sequence, inner.playback.keep_segment(listing, segment).await)
}

/// Claims the archives whose segments are here, newest first, those of hours before those that contain them. Returns those that
/// are held in whole.
async fn claim_archives(
    inner: &Inner,
    listing: &Listing,
    open: &BTreeSet<MediaSequence>,
) -> Result<Vec<ArchiveManifest>, Outcome> {
    let mut archives = inner.ports.directory.archives(&listing.id);
    archives.retain(|archive| {
        let range = archive.first_media_sequence..=archive.last_media_sequence;
        range.is_empty() || open.range(range).next().is_none()
    });
    archives.sort_by_key(|archive| (archive.kind, std::cmp::Reverse(archive.first_media_sequence)));
    let mut held = Vec::new();
    let mut late = None;
    for archive in archives {
        // A claim costs a write.
        if inner.ports.store.holds(&archive.manifest).await {
            held.push(archive);
            continue;
        }
        match inner.playback.keep_archive(listing, &archive).await {
            Ok(()) => held.push(archive),
            Err(FetchError::Store(StoreError::Full(why))) => return Err(Outcome::Full(why)),
            Err(error) => {
                tracing::debug!(broadcast = %listing.id, kind = %archive.kind, %error, "an archive for the mirror did not come");
                let why = format!("nobody delivers an archive: {error}");
                late.get_or_insert(Outcome::Waiting(MirrorNeed::Archives, why));
            }
        }
    }
    match late {
        // Those that came are said when the rest came, too: one message then.
        Some(late) => Err(late),
        None => Ok(held),
    }
}

/// Says what is held, where that is more than was said: the whole; else the latest day; of what ended without either, the
/// latest hour.
async fn say(
    inner: &Inner,
    record: &mut MirrorRecord,
    listing: &Listing,
    held: &[ArchiveManifest],
    progress: &watch::Sender<MirrorProgress>,
) -> Result<(), PassError> {
    let newest = |kind: ArchiveKind| held.iter().find(|archive| archive.kind == kind);
    let hour = || newest(ArchiveKind::Hour).filter(|_| listing.state == BroadcastState::Ended);
    let best = newest(ArchiveKind::Broadcast).or_else(|| newest(ArchiveKind::Day)).or_else(hour);
    let Some(manifest) = best.map(|archive| archive.manifest) else { return Ok(()) };
    if record.manifest != Some(manifest) {
        inner.ports.standing_log.mirror(listing.id, inner.ports.peer.clone(), Some(manifest)).await?;
        record.manifest = Some(manifest);
        if let Some(mirror) = inner.mirrors().get_mut(&listing.id) {
            mirror.record.manifest = Some(manifest);
        }
        inner.catalog.save_mirror(record.clone()).await?;
        tracing::info!(name: "broadcast.mirrored", broadcast = %listing.id, %manifest, "broadcast.mirrored");
    }
    progress.send_modify(|now| now.announced = Some(manifest.to_string()));
    Ok(())
}

/// Whether what was said to be held still is.
pub(super) async fn still_holds(inner: &Inner, manifest: Option<Cid>) -> bool {
    match manifest {
        Some(manifest) => inner.ports.store.holds(&manifest).await,
        None => true,
    }
}

impl MirrorRecord {
    /// Whether the owner asked for it, and nobody ended it since.
    pub(super) fn is_asked(&self) -> bool {
        self.asked && self.stage != MirrorStage::GivenUp
    }

    /// The same after a pass.
    pub(super) fn after(&self, outcome: &Outcome) -> Self {
        let stage = if matches!(outcome, Outcome::Whole) { MirrorStage::Whole } else { MirrorStage::Filling };
        Self { stage, ..self.clone() }
    }
}
