//! Ports to how many people watch: counts, and nothing of whom.

use crate::BroadcastId;

/// Counts who watches on this node (implemented by `player-web`).
pub trait LocalViewers: Send + Sync {
    /// Broadcasts with the viewers that this node serves now. Broadcasts without any are left out.
    fn viewers(&self) -> Vec<(BroadcastId, u32)>;
}

/// Knows how many watch on other nodes (implemented by `node-router`).
pub trait RemoteViewers: Send + Sync {
    /// Viewers that other nodes say to serve now, together. Their word: bounded for each node, and some seconds to minutes old.
    fn elsewhere(&self, broadcast: &BroadcastId) -> u64;
}
