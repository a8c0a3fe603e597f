//! What mirrors, exports and republications need of playback: all that is known of a broadcast, and fetches that nobody waits
//! for.

use std::collections::{BTreeMap, BTreeSet};

use stream_model::{
    ArchiveManifest, BroadcastId, BroadcastState, Claim, FetchError, Listing, MediaSegment, MediaSequence,
};

use super::fetching::{ForgetError, Forgetting};
use super::followed::Interest;
use super::library::covering;
use super::{Mirror, Playback, lock};
use crate::archive::{held_of, is_held};
use crate::catalog::CatalogError;

/// Segments read at once.
const PAGE: usize = 4_096;
/// Segments of a broadcast that are looked at: two weeks of 14 s.
pub(crate) const MOST_SEGMENTS: usize = 100_000;
/// The most bytes that an archive may have, whatever its author says: larger than the disks of the nodes meant here.
const ARCHIVE_BYTES: u64 = 16 << 40;

/// What is known of a broadcast.
#[derive(Debug)]
pub(crate) struct Known {
    /// The segments for which its author vouches: announced one by one, or listed by an archive that was.
    pub(crate) segments: Vec<MediaSegment>,
    /// Why an archive of it could not be read, where one could not.
    pub(crate) unread: Option<String>,
}

/// Which archives are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Those that are here.
    Held,
    /// All: peers are asked for what is not here.
    FromPeers,
}

impl Playback {
    /// Replaces what is mirrored whatever the policy.
    pub(crate) fn set_mirrored(&self, mirrored: BTreeSet<BroadcastId>) {
        *lock(&self.shared.mirrored) = mirrored;
    }

    /// Fetches by another policy from now on.
    pub fn mirror(&self, policy: Mirror) {
        self.shared.policy.send_replace(policy);
    }

    /// Whether the policy is to mirror it.
    pub(crate) fn mirrors_by_policy(&self, listing: &Listing) -> bool {
        self.shared.mirrors_by_policy(listing)
    }

    /// Follows a live broadcast from now on, as far as there is room.
    pub(crate) fn follow_mirrored(&self, listing: &Listing) {
        if listing.state == BroadcastState::Live {
            self.shared.follow(listing.id, Interest::Mirrored);
        }
    }

    /// All that is known of a broadcast. The archives that its author announced, and that were not read yet, are.
    pub(crate) async fn known(&self, listing: &Listing, reading: Reading) -> Result<Known, CatalogError> {
        let shared = &self.shared;
        let mut unread = None;
        if !listing.own {
            let everything = MediaSequence(0)..=MediaSequence(u64::MAX);
            for archive in covering(shared.ports.directory.archives(&listing.id), &everything).iter().rev() {
                if reading == Reading::Held && !shared.ports.store.holds(&archive.manifest).await {
                    continue;
                }
                if let Err(error) = shared.read_archive(listing, archive).await {
                    unread.get_or_insert_with(|| error.to_string());
                }
            }
        }
        let mut found = BTreeMap::new();
        let mut from = Some(MediaSequence(0));
        while let Some(first) = from.filter(|_| found.len() < MOST_SEGMENTS) {
            let page = shared.ports.directory.segments(&listing.id, first, PAGE);
            from = page.last().filter(|_| page.len() == PAGE).map(|last| last.media_sequence.next());
            found.extend(page.into_iter().map(|segment| (segment.media_sequence, segment)));
        }
        let mut from = Some(MediaSequence(0));
        while let Some(first) = from.filter(|_| found.len() < MOST_SEGMENTS) {
            let page = match listing.own {
                true => shared.catalog.announced_segments(listing.id, first, PAGE).await?,
                false => shared.catalog.known_segments(listing.id, first, PAGE).await?,
            };
            from = page.last().filter(|_| page.len() == PAGE).map(|last| last.media_sequence.next());
            for segment in page {
                found.entry(segment.media_sequence).or_insert(segment);
            }
        }
        Ok(Known { segments: found.into_values().collect(), unread })
    }

    /// The segments of these that are here, with what they need.
    pub(crate) async fn held_of(&self, segments: Vec<MediaSegment>) -> Vec<MediaSegment> {
        held_of(&*self.shared.ports.store, segments).await
    }

    /// Whether a segment is here, and claimed as part of its broadcast.
    pub(crate) async fn keeps(&self, id: &BroadcastId, segment: &MediaSegment) -> bool {
        self.shared.is_held(id, segment.media_sequence) && is_held(&*self.shared.ports.store, segment).await
    }

    /// Fetches a segment and claims it, after what viewers wait for; asks nobody where it is here.
    pub(crate) async fn keep_segment(&self, listing: &Listing, segment: &MediaSegment) -> Result<(), FetchError> {
        let _permit = self.shared.background_permit().await;
        self.shared.fetch(listing.id, &self.shared.providers(listing), segment).await.map(drop)
    }

    /// Fetches what is missing of an archive and claims it in whole. To be called once its segments are here.
    pub(crate) async fn keep_archive(&self, listing: &Listing, archive: &ArchiveManifest) -> Result<(), FetchError> {
        let _permit = self.shared.background_permit().await;
        let claim = Claim::Archive(archive.kind, listing.id, archive.first_media_sequence);
        self.shared.fetch_root(archive.manifest, claim, &self.shared.providers(listing), ARCHIVE_BYTES).await.map(drop)
    }

    /// Notes that these segments are here, and claimed one way or another.
    pub(crate) async fn note_kept(&self, id: BroadcastId, segments: &[MediaSegment]) -> Result<(), CatalogError> {
        let sequences: Vec<_> = segments.iter().map(|segment| segment.media_sequence).collect();
        for sequence in &sequences {
            self.shared.note_held(id, *sequence);
        }
        self.shared.catalog.note_fetched(id, sequences).await
    }

    /// Nothing is held of a broadcast any more: it was released and forgotten.
    pub(crate) fn note_dropped(&self, id: &BroadcastId) {
        lock(&self.shared.held).remove(id);
    }

    /// Gives up all that is held of a broadcast.
    pub(crate) async fn give_up(&self, id: BroadcastId) -> Result<(), ForgetError> {
        Forgetting::begin(&self.shared, id).run().await
    }

    /// The broadcasts of which something is held.
    pub(crate) fn held_broadcasts(&self) -> Vec<BroadcastId> {
        lock(&self.shared.held).keys().copied().collect()
    }
}
