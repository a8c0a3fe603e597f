//! Writes what this node does with broadcasts that are over: mirrors, republications and withdrawals, on its node feed.

use async_trait::async_trait;
use cid::Cid;
use stream_model::{
    AnnounceError, BroadcastId, Directory as _, Listing, PeerId, Republication, StandingLog, Standings as _,
};
use tracing::info;

use super::announcer::{Announcer, storage_error};
use super::content::{Announcement, MAX_LISTED_FEEDS, Mirror, Republish};
use super::text;

impl Announcer {
    fn others(&self, broadcast: BroadcastId) -> Result<Listing, AnnounceError> {
        let listing = self.directory.listing(&broadcast).ok_or(AnnounceError::NotKnown(broadcast))?;
        if listing.own { Err(AnnounceError::Own(broadcast)) } else { Ok(listing) }
    }

    pub(super) async fn say(&self, announcement: &Announcement) -> Result<(), AnnounceError> {
        let append = self.on_node_feed(announcement, None)?;
        self.store.append_own(vec![append]).await.map(drop).map_err(storage_error)
    }
}

#[async_trait]
impl StandingLog for Announcer {
    async fn mirror(&self, broadcast: BroadcastId, peer: PeerId, manifest: Option<Cid>) -> Result<(), AnnounceError> {
        // What is decided on the feed's state is appended to that state, here and below.
        let _feeds = self.feeds.lock().await;
        let said = self.directory.read(|index| index.own_mirror(&broadcast).cloned());
        let author = match (&said, manifest) {
            (None, None) => return Ok(()),
            // Also where the broadcast is not listed any more, as after a block.
            (Some(said), None) => said.author,
            (_, Some(_)) => self.others(broadcast)?.author,
        };
        let mirror = Mirror { broadcast, author, peer, manifest };
        if said.as_ref() == Some(&mirror) {
            return Ok(());
        }
        if let Some(manifest) = manifest
            && !self.directory.archives(&broadcast).iter().any(|archive| archive.manifest == manifest)
        {
            return Err(AnnounceError::NotAnnounced(manifest));
        }
        self.say(&Announcement::Mirror(mirror)).await?;
        info!(%broadcast, holds = manifest.is_some(), "mirror announced");
        Ok(())
    }

    async fn republish(&self, broadcast: BroadcastId, republication: Republication) -> Result<(), AnnounceError> {
        let _feeds = self.feeds.lock().await;
        let author = self.others(broadcast)?.author;
        let Republication { peer, manifest, first_media_sequence, last_media_sequence, credit, .. } = republication;
        let republication = Republication {
            node: self.node.id(),
            peer,
            manifest,
            first_media_sequence,
            last_media_sequence,
            credit: text::line(&credit),
        };
        let (said, announcements, mut feeds) = self.directory.read(|index| {
            (
                index.own_republication(&broadcast),
                index.announcements(&broadcast, &manifest),
                index.vouching_for(&broadcast, first_media_sequence, last_media_sequence),
            )
        });
        if said.as_ref() == Some(&republication) {
            return Ok(());
        }
        // The latest: what was archived was said before.
        feeds.drain(..feeds.len().saturating_sub(MAX_LISTED_FEEDS));
        let Republication { peer, credit, .. } = republication;
        self.say(&Announcement::Republish(Republish {
            broadcast,
            author,
            peer,
            manifest,
            first_media_sequence,
            last_media_sequence,
            credit,
            announcements,
            feeds,
        }))
        .await?;
        info!(%broadcast, "republication announced");
        Ok(())
    }

    async fn withdraw(&self, broadcast: BroadcastId, reason: String) -> Result<(), AnnounceError> {
        let _feeds = self.feeds.lock().await;
        let listing = self.directory.listing(&broadcast).ok_or(AnnounceError::NotKnown(broadcast))?;
        if !listing.own {
            return Err(AnnounceError::NotOwn(broadcast));
        }
        if self.directory.standing(&broadcast).withdrawn.is_some() {
            return Ok(());
        }
        self.say(&Announcement::Withdraw { broadcast, reason }).await?;
        info!(%broadcast, "withdrawal announced");
        Ok(())
    }
}
