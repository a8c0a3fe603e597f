//! Port to what is known of where the content of a broadcast came from (implemented by `node-router`).

use std::time::Duration;

use serde::Serialize;

use crate::{BroadcastId, FeedId, PeerId};

/// Who brought blocks of a broadcast of late.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BroadcastSources {
    /// How far back that goes.
    pub window: Duration,
    /// Those first that brought most.
    pub peers: Vec<Source>,
}

/// A peer that brought blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its libp2p identity.
    pub peer: PeerId,
    /// Its SSB identity, where it is known.
    pub feed: Option<FeedId>,
    /// Its name, untrusted; empty where it is not known.
    pub name: String,
    /// Over how many links between nodes it is reached, as far as nodes tell of each other: 1 for a neighbour.
    pub hops: Option<u32>,
    /// Blocks of the last while.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Tells where content came from.
pub trait ContentSources: Send + Sync {
    /// Who brought blocks of a broadcast of late. Empty where nothing of it was fetched.
    fn sources(&self, broadcast: &BroadcastId) -> BroadcastSources;
}
