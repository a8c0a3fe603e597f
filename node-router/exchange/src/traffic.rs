//! Bytes of blocks exchanged with each connected peer, for people and programs to read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p_identity::PeerId;

/// Bytes of blocks since the peer connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// That it sent.
    pub received: u64,
    /// That it was sent.
    pub sent: u64,
}

/// Counts for all connected peers, whose number the swarm bounds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic(Arc<Mutex<HashMap<PeerId, Exchanged>>>);

impl Traffic {
    pub(crate) fn connect(&self, peer: PeerId) {
        self.lock().insert(peer, Exchanged::default());
    }

    pub(crate) fn disconnect(&self, peer: &PeerId) {
        self.lock().remove(peer);
    }

    pub(crate) fn receive(&self, peer: &PeerId, bytes: u64) {
        if let Some(exchanged) = self.lock().get_mut(peer) {
            exchanged.received = exchanged.received.saturating_add(bytes);
        }
    }

    pub(crate) fn send(&self, peer: &PeerId, bytes: u64) {
        if let Some(exchanged) = self.lock().get_mut(peer) {
            exchanged.sent = exchanged.sent.saturating_add(bytes);
        }
    }

    pub(crate) fn all(&self) -> HashMap<PeerId, Exchanged> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Exchanged>> {
        // Nothing in here can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
