//! Which broadcast goes on under which stream name, for reports.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stream_model::{BroadcastId, SoundLevel, StreamName};

/// Stream names with their broadcasts. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct PublishingStatus {
    broadcasts: Arc<Mutex<BTreeMap<StreamName, Going>>>,
}

/// A broadcast that goes on.
#[derive(Debug)]
struct Going {
    id: BroadcastId,
    sound: Option<SoundLevel>,
}

impl PublishingStatus {
    /// The broadcast that goes on under a name, also while its publisher is away; none before it is announced.
    pub fn broadcast(&self, name: &StreamName) -> Option<BroadcastId> {
        self.lock().get(name).map(|going| going.id)
    }

    /// The sound of the broadcast that goes on under a name, once it is measured.
    pub fn sound(&self, name: &StreamName) -> Option<SoundLevel> {
        self.lock().get(name)?.sound.clone()
    }

    /// The name under which a broadcast goes on.
    pub(crate) fn name(&self, broadcast: &BroadcastId) -> Option<StreamName> {
        self.lock().iter().find(|(_, going)| going.id == *broadcast).map(|(name, _)| name.clone())
    }

    /// The broadcasts that go on.
    pub fn broadcasts(&self) -> Vec<(StreamName, BroadcastId)> {
        self.lock().iter().map(|(name, going)| (name.clone(), going.id)).collect()
    }

    pub(super) fn handle_broadcast(&self, name: &StreamName, broadcast: Option<BroadcastId>) {
        let mut broadcasts = self.lock();
        match broadcast {
            Some(id) => broadcasts.insert(name.clone(), Going { id, sound: None }),
            None => broadcasts.remove(name),
        };
    }

    pub(super) fn handle_sound(&self, broadcast: &BroadcastId, sound: SoundLevel) {
        let mut broadcasts = self.lock();
        if let Some(going) = broadcasts.values_mut().find(|going| going.id == *broadcast) {
            going.sound = Some(sound);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamName, Going>> {
        self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
