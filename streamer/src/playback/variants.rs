//! A broadcast with its renditions, for a player to choose from.

use stream_model::{Audience, Listing, MediaPlaylistKind, Rendition};

use super::Shared;
use crate::manifest::VariantStream;

impl Shared {
    /// The broadcast, then its renditions, those that need most first; nothing where it has none.
    pub(super) fn variants(&self, listing: &Listing, of: MediaPlaylistKind) -> Vec<VariantStream> {
        let file = file_of(of);
        let mut streams = Vec::new();
        for rendition in self.ports.directory.renditions(&listing.id) {
            let slug = rendition.id.slug();
            let Some(Rendition { variant, original, .. }) = rendition.rendition else { continue };
            if streams.is_empty() {
                streams.push(VariantStream { variant: original, uri: file.to_owned() });
            }
            streams.push(VariantStream { variant, uri: format!("../{slug}/{file}") });
        }
        streams
    }
}

/// The media playlist of a broadcast, as its player asks for it.
pub(super) fn file_of(of: MediaPlaylistKind) -> &'static str {
    match of {
        MediaPlaylistKind::Live(Audience::Native) => "index.m3u8",
        MediaPlaylistKind::Live(Audience::MediaSource) => "index.m3u8?player=mse",
        MediaPlaylistKind::Whole => "whole.m3u8",
    }
}
