//! Broadcasts known, and what others say of them.

use futures::stream::BoxStream;
use stream_model::*;

use super::{FakeNode, changes};

impl Standings for FakeNode {
    fn standing(&self, broadcast: &BroadcastId) -> Standing {
        self.standings.lock().unwrap().get(broadcast).cloned().unwrap_or_default()
    }

    fn own_feed(&self) -> FeedId {
        FeedId([0; 32])
    }
}

impl Directory for FakeNode {
    fn listings(&self) -> Vec<Listing> {
        self.listings.lock().unwrap().clone()
    }

    fn listing(&self, broadcast: &BroadcastId) -> Option<Listing> {
        self.listings().into_iter().find(|listing| listing.id == *broadcast)
    }

    fn upcoming(&self) -> Vec<Scheduled> {
        self.upcoming.lock().unwrap().clone()
    }

    fn renditions(&self, of: &BroadcastId) -> Vec<Listing> {
        let is_one = |rendition: &Rendition| rendition.of == *of && !rendition.is_of_images();
        self.listings().into_iter().filter(|listing| listing.rendition.as_ref().is_some_and(is_one)).collect()
    }

    fn thumbnails(&self, of: &BroadcastId) -> Option<Listing> {
        let is_it = |rendition: &Rendition| rendition.of == *of && rendition.is_of_images();
        self.listings().into_iter().find(|listing| listing.rendition.as_ref().is_some_and(is_it))
    }

    fn segments(&self, broadcast: &BroadcastId, from: MediaSequence, limit: usize) -> Vec<MediaSegment> {
        let segments = self.announced_segments.lock().unwrap();
        let wanted = segments.iter().filter(|(id, segment)| id == broadcast && segment.media_sequence >= from);
        wanted.take(limit).map(|(_, segment)| segment.clone()).collect()
    }

    fn archives(&self, broadcast: &BroadcastId) -> Vec<ArchiveManifest> {
        let archives = self.archives.lock().unwrap();
        archives.iter().filter(|archive| archive.broadcast == *broadcast).cloned().collect()
    }

    fn subscribe(&self) -> BoxStream<'static, DirectoryChange> {
        changes(self.directory_changes.subscribe())
    }
}
