//! In-memory stand-ins for what surrounds a node: neighbours that ask for blocks, and whom the owner follows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cid::Cid;
use futures::stream::{self, BoxStream, StreamExt as _};
use stream_model::{FeedId, FollowEntry, FollowError, FollowGraph, NeighbourWant, NeighbourWants, PeerId, Relation};
use tokio::sync::broadcast;

/// Wants that a subscriber may be behind.
const WANTS: usize = 1024;

/// Neighbours that ask for what a test says. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryNeighbours {
    wants: broadcast::Sender<NeighbourWant>,
}

impl Default for MemoryNeighbours {
    fn default() -> Self {
        Self { wants: broadcast::Sender::new(WANTS) }
    }
}

impl MemoryNeighbours {
    /// A neighbour asks for a block.
    pub fn ask(&self, peer: PeerId, cid: Cid) {
        // Nobody may listen.
        let _ = self.wants.send(NeighbourWant { peer, cid });
    }
}

impl NeighbourWants for MemoryNeighbours {
    fn neighbour_wants(&self) -> BoxStream<'static, NeighbourWant> {
        let receiver = self.wants.subscribe();
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await.ok()?, receiver)) }).boxed()
    }
}

/// A follow graph of direct relations only. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryFollows {
    relations: Arc<Mutex<BTreeMap<FeedId, Relation>>>,
}

#[async_trait]
impl FollowGraph for MemoryFollows {
    async fn relate(&self, feed: FeedId, relation: Relation) -> Result<(), FollowError> {
        self.relations.lock().unwrap_or_else(PoisonError::into_inner).insert(feed, relation);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<FollowEntry>, FollowError> {
        let relations = self.relations.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |(feed, relation): (&FeedId, &Relation)| {
            let hops = (*relation == Relation::Following).then_some(1);
            FollowEntry { feed: *feed, name: None, relation: *relation, hops, messages: 0 }
        };
        Ok(relations.iter().map(entry).collect())
    }
}
