//! A broadcast with its renditions, for a player to choose from, as far as the way here carries them.

use std::sync::Arc;

use stream_model::{Audience, BroadcastId, Listing, MediaPlaylistKind, Rendition};

use super::ceiling::Ceiling;
use super::way::Way;
use super::{Shared, lock};
use crate::manifest::VariantStream;

/// A broadcast or a rendition of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: BroadcastId,
    /// Peak segment bit rate, bit/s.
    pub(super) bandwidth: u64,
}

impl Shared {
    /// The broadcast, then its renditions, those that need most first; nothing where it has none. A player that is told the
    /// suggested bit rate gets all; to others only what the way here carries is listed.
    pub(super) fn variants(&self, listing: &Listing, of: MediaPlaylistKind, audience: Audience) -> Vec<VariantStream> {
        let file = file_of(of, audience);
        let mut streams = Vec::new();
        for rendition in self.ports.directory.renditions(&listing.id) {
            let slug = rendition.id.slug();
            let Some(Rendition { variant, original, .. }) = rendition.rendition else { continue };
            if streams.is_empty() {
                streams.push(VariantStream { variant: original, uri: file.to_owned() });
            }
            streams.push(VariantStream { variant, uri: format!("../{slug}/{file}") });
        }
        if let (Audience::Native, Some(most)) = (audience, self.suggested_bitrate(listing)) {
            streams.retain(|stream| stream.variant.bandwidth <= most);
        }
        streams
    }

    /// A broadcast or what it is a rendition of, and all renditions of that; empty where there are none.
    pub(super) fn family(&self, listing: &Listing) -> Vec<Member> {
        let mut family = Vec::new();
        if listing.is_of_images() {
            return family;
        }
        let original = original(listing);
        for kin in self.ports.directory.renditions(&original) {
            let Some(Rendition { variant, original: of, .. }) = kin.rendition else { continue };
            if family.is_empty() {
                family.push(Member { id: original, bandwidth: of.bandwidth });
            }
            family.push(Member { id: kin.id, bandwidth: variant.bandwidth });
        }
        family
    }

    /// The highest rate in bit/s that the way here carries, of a broadcast and its renditions; `None` where it carries all that
    /// there is, as far as is known.
    pub(super) fn suggested_bitrate(&self, listing: &Listing) -> Option<u64> {
        if listing.own {
            return None;
        }
        let ladder: Vec<u64> = self.family(listing).into_iter().map(|member| member.bandwidth).collect();
        let (known, measured) = {
            let ways = lock(&self.ways);
            (ways.get(&original(listing)), ways.measured())
        };
        let most = known.and_then(|way| way.ceiling()).or_else(|| {
            let mut ceiling = Ceiling::default();
            ceiling.handle_measured(measured?, &ladder);
            ceiling.bandwidth()
        });
        most.filter(|most| ladder.iter().any(|bandwidth| bandwidth > most))
    }

    /// The way of a broadcast and its renditions.
    pub(super) fn way(&self, broadcast: &BroadcastId) -> Arc<Way> {
        let original = self.ports.directory.listing(broadcast).map_or(*broadcast, |listing| original(&listing));
        lock(&self.ways).join(original)
    }
}

/// What it is a rendition of, or it itself. What is made of images says nothing of how media come.
fn original(listing: &Listing) -> BroadcastId {
    let rendition = listing.rendition.as_ref().filter(|rendition| !rendition.is_of_images());
    rendition.map_or(listing.id, |rendition| rendition.of)
}

/// The media playlist of a broadcast, as its player asks for it.
pub(super) fn file_of(of: MediaPlaylistKind, audience: Audience) -> &'static str {
    match (of, audience) {
        (MediaPlaylistKind::Live, Audience::Native) => "index.m3u8",
        (MediaPlaylistKind::Live, Audience::MediaSource) => "index.m3u8?player=mse",
        (MediaPlaylistKind::Whole, _) => "whole.m3u8",
    }
}
