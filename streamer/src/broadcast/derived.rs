//! Broadcasts that are made here of others, with no publisher of their own: rebroadcasts and renditions.

use stream_model::{BroadcastId, EndReason, IdError, StreamName};

use super::Shared;
use super::backoff::Backoff;
use crate::catalog::BroadcastStage;

/// A stream name that no publisher uses: each is for one broadcast.
pub(super) fn stream_name(kind: &str, id: &BroadcastId) -> Result<StreamName, IdError> {
    let slug: String = id.slug().chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    format!("{kind}-{slug}").parse()
}

/// Decides that one ends; the announcer tells it.
pub(super) async fn end(shared: &Shared, broadcast: BroadcastId, reason: EndReason) {
    let mut backoff = Backoff::default();
    while let Err(error) = shared.catalog.set_stage(broadcast, BroadcastStage::Ending(reason)).await {
        tracing::warn!(%broadcast, %error, "cannot end a broadcast: trying again");
        tokio::select! {
            // The next start ends it.
            () = shared.stop_announcing.cancelled() => return,
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
    shared.announce.notify_one();
}
