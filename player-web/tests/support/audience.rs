//! Who watches, and who brings broadcasts.

use std::time::Duration;

use stream_model::{BroadcastId, BroadcastSources, ContentSources, RemoteViewers};

use super::FakeNode;

impl ContentSources for FakeNode {
    fn sources(&self, broadcast: &BroadcastId) -> BroadcastSources {
        let peers = self.sources.lock().unwrap().get(broadcast).cloned().unwrap_or_default();
        BroadcastSources { window: Duration::from_secs(300), peers }
    }
}

impl RemoteViewers for FakeNode {
    fn elsewhere(&self, broadcast: &BroadcastId) -> u64 {
        self.elsewhere.lock().unwrap().get(broadcast).copied().unwrap_or(0)
    }
}
