//! Segments with their initialization sections from peers.

use std::sync::Arc;
use std::time::Duration;

use stream_model::{
    BroadcastId, Cid, Claim, FetchError, FetchRequest, Listing, MediaSegment, MediaSequence, PeerId, PlaylistError,
    StoreError,
};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::followed::Interest;
use super::held::SequenceSet;
use super::{MIRRORED_FETCHES, ON_DEMAND, SEGMENT_RETRY, Shared, WATCHED_FETCHES, lock};
use crate::catalog::CatalogError;

/// How long one fetch may take: a segment that is slower than this is slower than its media, whatever its length.
/// What arrived is kept for the next try.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest segment that a publisher's node makes, with its boxes and a last keyframe.
pub(super) const SEGMENT_BYTES: u64 = 80 << 20;
/// Initialization sections are about 1 KiB.
pub(super) const INIT_BYTES: u64 = 64 << 10;
/// A live manifest reaches its window of segments; more is not fetched for its sake.
const MANIFEST_BYTES: u64 = 512 << 20;

/// Peers that are asked first for a broadcast, besides those that are connected anyway.
const MOST_PROVIDERS: usize = 8;

/// Why something could not be given up. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForgetError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Shared {
    /// Who is likely to have a broadcast, best first: its author, then those who republished it or say that they hold it.
    pub(super) fn providers(&self, listing: &Listing) -> Vec<PeerId> {
        let standing = self.ports.standings.standing(&listing.id);
        let republishers = standing.republications.into_iter().map(|one| one.peer);
        let mirrors = standing.mirrors.into_iter().map(|one| one.peer);
        let mut providers = vec![listing.peer.clone()];
        for peer in republishers.chain(mirrors) {
            if providers.len() >= MOST_PROVIDERS {
                break;
            }
            if !providers.contains(&peer) {
                providers.push(peer);
            }
        }
        providers
    }

    /// A place for a follower's fetch.
    pub(super) async fn fetch_permit(&self, interest: Interest) -> Option<SemaphorePermit<'_>> {
        let places = match interest {
            Interest::Watched | Interest::Own => &self.watched_fetches,
            Interest::Relayed => &self.relayed_fetches,
            Interest::Mirrored => &self.mirrored_fetches,
        };
        // Never closed: there is always one in the end.
        places.acquire().await.ok()
    }

    /// A place for what is fetched of the past though nobody waits for it: while something is fetched for viewers, there is one.
    pub(super) async fn background_permit(&self) -> Option<SemaphorePermit<'_>> {
        let busy = self.watched_fetches.available_permits() < WATCHED_FETCHES
            || self.on_demand.available_permits() < ON_DEMAND;
        let places = if busy { MIRRORED_FETCHES } else { 1 };
        self.mirrored_fetches.acquire_many(u32::try_from(places).unwrap_or(u32::MAX)).await.ok()
    }

    /// Fetches a segment and what it needs, and notes that it is held. Its bytes.
    pub(super) async fn fetch(
        &self,
        id: BroadcastId,
        providers: &[PeerId],
        segment: &MediaSegment,
    ) -> Result<u64, FetchError> {
        self.until_forgotten(id).await;
        let sequence = segment.media_sequence;
        let (init, media) = (Claim::Init(id, sequence), Claim::Segment(id, sequence));
        self.fetch_root(segment.init, init, providers, INIT_BYTES).await?;
        let bytes = self.fetch_root(segment.segment, media, providers, SEGMENT_BYTES).await?;
        self.handle_fetched(id, sequence).await;
        Ok(bytes)
    }

    pub(super) async fn fetch_manifest(
        &self,
        id: BroadcastId,
        providers: &[PeerId],
        newest: MediaSequence,
        manifest: Cid,
    ) -> Result<(), FetchError> {
        self.until_forgotten(id).await;
        self.fetch_root(manifest, Claim::LiveManifest(id, newest), providers, MANIFEST_BYTES).await?;
        Ok(())
    }

    /// For a viewer who waits.
    pub(super) async fn demand(
        &self,
        listing: &Listing,
        segment: MediaSegment,
        wait: Duration,
    ) -> Result<(), PlaylistError> {
        let fetch = async { self.fetch(listing.id, &self.providers(listing), &segment).await };
        self.on_demand(self.places(listing), wait, fetch).await
    }

    /// For a viewer who waits.
    pub(super) async fn demand_init(
        &self,
        listing: &Listing,
        segment: &MediaSegment,
        wait: Duration,
    ) -> Result<(), PlaylistError> {
        let claim = Claim::Init(listing.id, segment.media_sequence);
        let providers = self.providers(listing);
        let fetch = async { self.fetch_root(segment.init, claim, &providers, INIT_BYTES).await };
        self.on_demand(self.places(listing), wait, fetch).await
    }

    /// The places of what viewers wait for.
    fn places(&self, listing: &Listing) -> &Semaphore {
        if listing.is_of_images() { &self.pictures } else { &self.on_demand }
    }

    async fn on_demand(
        &self,
        places: &Semaphore,
        wait: Duration,
        fetch: impl Future<Output = Result<u64, FetchError>>,
    ) -> Result<(), PlaylistError> {
        let fetched = tokio::time::timeout(wait, async {
            let _permit = places.acquire().await;
            fetch.await
        });
        match fetched.await {
            Ok(Ok(_)) => Ok(()),
            Err(_) | Ok(Err(FetchError::TimedOut(_))) => Err(PlaylistError::NotYet(SEGMENT_RETRY)),
            Ok(Err(error)) => Err(PlaylistError::Failed(error.to_string())),
        }
    }

    /// Waits while a broadcast is being given up: what is fetched for it meanwhile would go with the rest.
    async fn until_forgotten(&self, id: BroadcastId) {
        // Never closed: the sender is in here.
        let _ = self.forgetting.subscribe().wait_for(|broadcasts| !broadcasts.contains(&id)).await;
    }

    pub(super) async fn fetch_root(
        &self,
        root: Cid,
        claim: Claim,
        providers: &[PeerId],
        max_bytes: u64,
    ) -> Result<u64, FetchError> {
        let request = FetchRequest { root, claim, providers: providers.to_vec(), timeout: TIMEOUT, max_bytes };
        self.ports.fetcher.fetch(request).await.map(|stored| stored.bytes)
    }

    async fn handle_fetched(&self, id: BroadcastId, sequence: MediaSequence) {
        if !self.note_held(id, sequence) {
            return;
        }
        metrics::counter!("meshstream_segments_fetched_total").increment(1);
        tracing::info!(name: "segment.fetched", broadcast = %id, media_sequence = sequence.0, "segment.fetched");
        if let Err(error) = self.catalog.note_fetched(id, vec![sequence]).await {
            tracing::warn!(broadcast = %id, %error, "cannot note that a segment is held");
        }
    }
}

/// A broadcast that is being given up. Until this is dropped, nothing of it is fetched.
pub(super) struct Forgetting {
    shared: Arc<Shared>,
    id: BroadcastId,
    held: SequenceSet,
}

impl Forgetting {
    /// From here on its segments count as not held.
    pub(super) fn begin(shared: &Arc<Shared>, id: BroadcastId) -> Self {
        shared.forgetting.send_modify(|broadcasts| {
            broadcasts.insert(id);
        });
        let held = lock(&shared.held).remove(&id).unwrap_or_default();
        Self { shared: Arc::clone(shared), id, held }
    }

    /// Gives up all its segments.
    pub(super) async fn run(self) -> Result<(), ForgetError> {
        let id = self.id;
        self.shared.ports.store.release_broadcast(id).await?;
        self.shared.catalog.forget_fetched(id).await?;
        tracing::info!(broadcast = %id, segments = self.held.len(), "given up: nobody asks for it any more");
        Ok(())
    }
}

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.shared.forgetting.send_modify(|broadcasts| {
            broadcasts.remove(&self.id);
        });
    }
}
