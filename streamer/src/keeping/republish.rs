//! What this node says of archives on its own feed: that it republishes another's, that it takes one of its own back.

use stream_model::{
    ArchiveKind, BroadcastId, BroadcastState, Claim, KeeperError, Listing, MediaSegment, MediaSequence, OwnCopy,
    Republication, Republished,
};

use super::{Inner, failed};
use crate::archive::make_archives;
use crate::playback::Reading;

/// Announces another's broadcast as far as it is here and its author vouches for it.
pub(super) async fn republish(
    inner: &Inner,
    broadcast: BroadcastId,
    credit: String,
) -> Result<Republished, KeeperError> {
    let listing = inner.keepable(broadcast)?;
    let known = inner.playback.known(&listing, Reading::Held).await.map_err(failed)?;
    let held = inner.playback.held_of(known.segments).await;
    let (Some(first), Some(last)) = (held.first(), held.last()) else {
        return Err(KeeperError::NothingHeld(broadcast));
    };
    let (first, last) = (first.media_sequence, last.media_sequence);
    let manifest = match whole_of_author(inner, &listing).await {
        Some(manifest) => manifest,
        None => make(inner, &listing, &held).await?,
    };
    let republication = Republication {
        node: inner.ports.standings.own_feed(),
        peer: inner.ports.peer.clone(),
        manifest,
        first_media_sequence: first,
        last_media_sequence: last,
        credit,
    };
    inner.ports.standing_log.republish(broadcast, republication).await?;
    // What is told to others is to stay.
    inner.adopt(broadcast, true).await?;
    tracing::info!(name: "broadcast.republished", %broadcast, %manifest, "broadcast.republished");
    Ok(Republished {
        manifest: manifest.to_string(),
        first_media_sequence: first,
        last_media_sequence: last,
        segments: held.len() as u64,
    })
}

/// The author's own manifest of the whole, where it is here.
async fn whole_of_author(inner: &Inner, listing: &Listing) -> Option<stream_model::Cid> {
    let archives = inner.ports.directory.archives(&listing.id);
    let whole = archives.into_iter().find(|archive| archive.kind == ArchiveKind::Broadcast)?;
    inner.ports.store.holds(&whole.manifest).await.then_some(whole.manifest)
}

/// Makes the manifests that the author's node would have made of these segments, and claims them as fetched content is.
async fn make(inner: &Inner, listing: &Listing, held: &[MediaSegment]) -> Result<stream_model::Cid, KeeperError> {
    let id = listing.id;
    for segment in held {
        // Also what came in otherwise is part of the broadcast from here on.
        inner.playback.keep_segment(listing, segment).await.map_err(failed)?;
    }
    let _alone = inner.drafting.lock().await;
    let draft = Claim::Draft(id);
    let made = async {
        let archives = make_archives(&*inner.ports.store, id, listing.target_duration, held, draft).await?;
        for archive in &archives {
            inner.playback.keep_archive(listing, archive).await.map_err(failed)?;
        }
        archives.last().map(|whole| whole.manifest).ok_or(KeeperError::NothingHeld(id))
    };
    let made = made.await;
    inner.ports.store.release(draft).await?;
    made
}

/// Takes one of this node's broadcasts back.
pub(super) async fn withdraw(
    inner: &Inner,
    broadcast: BroadcastId,
    reason: String,
    copy: OwnCopy,
) -> Result<(), KeeperError> {
    let listing = inner.listing(broadcast)?;
    if !listing.own {
        return Err(KeeperError::NotOwn(broadcast));
    }
    if listing.state == BroadcastState::Live {
        return Err(KeeperError::Live(broadcast));
    }
    inner.ports.standing_log.withdraw(broadcast, reason).await?;
    if copy == OwnCopy::Remove {
        let renditions = inner.catalog.renditions_of(broadcast).await.map_err(failed)?;
        for id in renditions.into_iter().chain([broadcast]) {
            inner.catalog.set_archived(id).await.map_err(failed)?;
            inner.playback.give_up(id).await.map_err(failed)?;
            inner.catalog.forget_segments(id, MediaSequence(u64::MAX >> 1)).await.map_err(failed)?;
        }
    }
    tracing::info!(name: "broadcast.withdrawn", %broadcast, "broadcast.withdrawn");
    Ok(())
}
