//! Broadcasts that their owner ends: asked for here, done by the keeper of the stream name once the publisher is gone and all that
//! it sent is stored.

use std::collections::BTreeSet;

use stream_model::BroadcastId;
use tokio::sync::watch;

/// What is to end. Clones share it.
#[derive(Debug, Clone)]
pub struct Ends {
    asked: watch::Sender<BTreeSet<BroadcastId>>,
}

impl Ends {
    pub(super) fn new() -> Self {
        Self { asked: watch::Sender::new(BTreeSet::new()) }
    }

    /// Asks for the end of a broadcast that goes on.
    pub fn ask(&self, broadcast: BroadcastId) {
        self.asked.send_modify(|asked| {
            asked.insert(broadcast);
        });
    }

    pub(super) fn is_asked(&self, broadcast: &BroadcastId) -> bool {
        self.asked.borrow().contains(broadcast)
    }

    /// The broadcast is over, for whatever reason.
    pub(crate) fn handle_ended(&self, broadcast: &BroadcastId) {
        self.asked.send_if_modified(|asked| asked.remove(broadcast));
    }

    /// Told when something more is asked for.
    pub(super) fn subscribe(&self) -> watch::Receiver<BTreeSet<BroadcastId>> {
        self.asked.subscribe()
    }

    /// Until a broadcast that was asked to end is over. May be cancelled.
    pub async fn ended(&self, broadcast: &BroadcastId) {
        // Never closed: the sender is in here.
        let _ = self.asked.subscribe().wait_for(|asked| !asked.contains(broadcast)).await;
    }
}
