//! Which broadcast goes on under which stream name, for reports.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stream_model::{BroadcastId, StreamName};

/// Stream names with their broadcasts. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct PublishingStatus {
    broadcasts: Arc<Mutex<BTreeMap<StreamName, BroadcastId>>>,
}

impl PublishingStatus {
    /// The broadcast that goes on under a name, also while its publisher is away; none before it is announced.
    pub fn broadcast(&self, name: &StreamName) -> Option<BroadcastId> {
        self.lock().get(name).copied()
    }

    /// The name under which a broadcast goes on.
    pub(crate) fn name(&self, broadcast: &BroadcastId) -> Option<StreamName> {
        self.lock().iter().find(|(_, id)| *id == broadcast).map(|(name, _)| name.clone())
    }

    /// The broadcasts that go on.
    pub fn broadcasts(&self) -> Vec<(StreamName, BroadcastId)> {
        self.lock().iter().map(|(name, id)| (name.clone(), *id)).collect()
    }

    pub(super) fn handle_broadcast(&self, name: &StreamName, broadcast: Option<BroadcastId>) {
        let mut broadcasts = self.lock();
        match broadcast {
            Some(id) => broadcasts.insert(name.clone(), id),
            None => broadcasts.remove(name),
        };
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamName, BroadcastId>> {
        self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
