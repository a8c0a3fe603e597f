//! Whose feeds this node follows and blocks, and the port to change that (implemented by `ssb-announcer`).

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::FeedId;

/// What a node says of a feed: the content of a `contact` message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// Replicate it, and whom it follows.
    Following,
    /// Neither fetch, serve nor show it.
    Blocking,
    /// Neither of both: what an unfollow and an unblock say.
    Neutral,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Following => "following",
            Self::Blocking => "blocking",
            Self::Neutral => "neutral",
        })
    }
}

/// A feed that this node replicates as a person's or node's, or blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowEntry {
    /// The feed.
    pub feed: FeedId,
    /// What it is called, where somebody said so; untrusted.
    pub name: Option<String>,
    /// What this node says of it.
    pub relation: Relation,
    /// Steps from this node in the follow graph; `None` where it is outside, such as a neighbour nobody follows.
    pub hops: Option<u32>,
    /// Messages of it that are held here.
    pub messages: u64,
}

/// Why the follow graph could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// A node cannot follow or block itself.
    #[error("{0} is this node's own feed: name another one")]
    Own(FeedId),
    /// Nothing is to be written on this node's feed; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// The feed could not be written or the database not be read.
    #[error("cannot use the feeds: {0}")]
    Storage(String),
}

/// Manages whom this node follows.
#[async_trait]
pub trait FollowGraph: Send + Sync {
    /// Says on the node's feed what it is to this feed. Saying again what holds already is harmless and appends
    /// nothing. It is effective when the call returns.
    async fn relate(&self, feed: FeedId, relation: Relation) -> Result<(), FollowError>;

    /// All node feeds that are replicated, nearest first, then all that are blocked.
    async fn list(&self) -> Result<Vec<FollowEntry>, FollowError>;
}
