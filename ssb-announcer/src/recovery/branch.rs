//! What one peer has of this node's feed, and which of several peers' to take. Pure but for the store in memory that
//! validates.

use bytes::Bytes;
use stream_model::{FeedId, FeedSequence};

use crate::feed::{FeedStore, MAX_READ, Message, Rejected, StoreError};

/// A chain of messages from the first one on, all signed by this node's key.
#[derive(Debug)]
pub(super) struct Branch {
    store: FeedStore,
    feed: FeedId,
}

impl Branch {
    pub(super) fn new(feed: FeedId) -> Result<Self, StoreError> {
        Ok(Self { store: FeedStore::in_memory(feed, vec![])?, feed })
    }

    /// Takes messages as they came from a peer. `false` where one does not continue the chain: no more is to be taken
    /// from that peer.
    pub(super) async fn take(&self, values: Vec<Bytes>) -> Result<bool, StoreError> {
        let answers = self.store.append_remote(values).await?;
        Ok(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(Rejected::AlreadyStored { .. }))))
    }

    pub(super) fn length(&self) -> FeedSequence {
        self.store.clock(&self.feed)
    }

    pub(super) async fn read(&self, from: FeedSequence) -> Result<Vec<Message>, StoreError> {
        self.store.get(self.feed, from, MAX_READ).await
    }
}

/// The number of the first message in which two chains of the same feed differ; `None` where one continues the other.
pub(super) async fn first_difference(
    feed: FeedId,
    a: &FeedStore,
    b: &FeedStore,
) -> Result<Option<FeedSequence>, StoreError> {
    let (mut low, mut high) = (0, a.clock(&feed).0.min(b.clock(&feed).0));
    // Each message holds the hash of the one before: where two are the same, so is all before them.
    if same(feed, a, b, high).await? {
        return Ok(None);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if same(feed, a, b, middle).await? { low = middle } else { high = middle }
    }
    Ok(Some(FeedSequence(high)))
}

async fn same(feed: FeedId, a: &FeedStore, b: &FeedStore, sequence: u64) -> Result<bool, StoreError> {
    if sequence == 0 {
        return Ok(true);
    }
    let key = |messages: Vec<Message>| messages.first().map(|message| message.key);
    let (a, b) = (a.get(feed, FeedSequence(sequence), 1).await?, b.get(feed, FeedSequence(sequence), 1).await?);
    Ok(key(a) == key(b))
}

/// The best branch so far, and who has it.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) best: Option<Branch>,
    /// Peers whose chain is the best one or its beginning.
    pub(super) agreeing: usize,
    /// Peers that have another chain.
    pub(super) differing: usize,
}

impl Choice {
    /// Considers the chain of another peer. The longest is taken: most of what the network knows is in it.
    pub(super) async fn consider(&mut self, branch: Branch) -> Result<(), StoreError> {
        if branch.length() == FeedSequence(0) {
            return Ok(());
        }
        let Some(best) = &self.best else {
            self.agreeing += 1;
            self.best = Some(branch);
            return Ok(());
        };
        let longer = branch.length() > best.length();
        if first_difference(best.feed, &best.store, &branch.store).await?.is_none() {
            self.agreeing += 1;
        } else if longer {
            self.differing += self.agreeing;
            self.agreeing = 1;
        } else {
            self.differing += 1;
        }
        if longer {
            self.best = Some(branch);
        }
        Ok(())
    }
}

impl Branch {
    pub(super) async fn differs_from(&self, store: &FeedStore) -> Result<Option<FeedSequence>, StoreError> {
        first_difference(self.feed, &self.store, store).await
    }
}
