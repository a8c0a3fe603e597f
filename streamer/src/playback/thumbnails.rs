//! Pictures to look through a broadcast with.

use std::sync::Arc;
use std::time::Duration;

use stream_model::{BroadcastId, BroadcastState, Cid, Listing, PlaylistError, Rendition};

use super::remembered::Basis;
use super::{SEGMENT_WAIT, Shared, lock, recording};
use crate::manifest::{Images, web_vtt};

impl Shared {
    /// Which picture shows which moment, as WebVTT.
    pub(super) async fn thumbnails(&self, broadcast: &BroadcastId) -> Result<Arc<str>, PlaylistError> {
        let (listing, images) = self.images(broadcast)?;
        let Some(Rendition { variant, tiles: Some(tiles), .. }) = &images.rendition else {
            return Err(PlaylistError::NotFound);
        };
        let size = variant.resolution.ok_or(PlaylistError::NotFound)?;
        let basis = Basis { state: listing.state, newest: images.media_sequence, held: 0 };
        if let Some(known) = lock(&self.thumbnails).get(broadcast, &basis) {
            return Ok(known);
        }
        let (segments, of_images) = tokio::try_join!(self.all_segments(&listing), self.all_segments(&images))?;
        let mut of_images = of_images.iter().map(|segment| segment.media_sequence).peekable();
        let mut sheets = Vec::with_capacity(of_images.len());
        let mut from = Duration::ZERO;
        for entry in recording(&listing, &segments, true).entries {
            while of_images.next_if(|one| *one < entry.media_sequence).is_some() {}
            if of_images.next_if_eq(&entry.media_sequence).is_some() {
                sheets.push(Images { media_sequence: entry.media_sequence, from, duration: entry.duration });
            }
            from += entry.duration;
        }
        if sheets.is_empty() {
            return Err(nothing_yet(&listing));
        }
        let text: Arc<str> = web_vtt(&format!("../{}/", images.id.slug()), size, *tiles, &sheets).into();
        lock(&self.thumbnails).insert(*broadcast, basis, Arc::clone(&text));
        Ok(text)
    }

    /// The picture that stands for it.
    pub(super) async fn poster(&self, broadcast: &BroadcastId) -> Result<Cid, PlaylistError> {
        let (listing, images) = self.images(broadcast)?;
        let newest = match images.media_sequence {
            Some(newest) => self.recorded(&images, newest).await?,
            None => self.all_segments(&images).await?.pop().ok_or_else(|| nothing_yet(&listing))?,
        };
        if !images.own && !self.ports.store.holds(&newest.init).await {
            self.demand_init(&images, &newest, SEGMENT_WAIT).await?;
        }
        Ok(newest.init)
    }

    /// A broadcast, and the pictures to look through it with.
    fn images(&self, broadcast: &BroadcastId) -> Result<(Listing, Listing), PlaylistError> {
        let listing = self.listing(broadcast)?;
        let images = self.ports.directory.thumbnails(broadcast).ok_or(PlaylistError::NotFound)?;
        Ok((listing, images))
    }
}

fn nothing_yet(listing: &Listing) -> PlaylistError {
    match listing.state {
        BroadcastState::Live => PlaylistError::NotYet(listing.target_duration / 2),
        BroadcastState::Ended => PlaylistError::NotFound,
    }
}
