//! What the owner wants of single broadcasts: that they stay, or go after a time.
//!
//! Ages are counted by how long the node has run, which is written down now and then: a wall clock may be years off, and a
//! node that was switched off for a month has shown nobody anything in that time. What is dropped is released in the store
//! and forgotten in the catalog; each step can be repeated.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stream_model::{
    BroadcastId, BroadcastState, ContentStore, Directory, KeepPolicies, KeepPolicy, KeepPolicyError, KeptBroadcast,
    Retention, StoreError,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, CatalogError, PolicyRecord};

/// How often the time that has passed is written down: few writes to a card, and the last of it is lost at each start.
const ROUND: Duration = Duration::from_secs(600);
/// Broadcasts with a policy of their own; each is looked at in each round.
const MAX_POLICIES: usize = 10_000;

/// Why a step failed. It is tried again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<Failure> for KeepPolicyError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

impl From<CatalogError> for KeepPolicyError {
    fn from(error: CatalogError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The owner's policies; a cheap handle.
#[derive(Clone)]
pub struct Policies {
    catalog: Catalog,
    store: Arc<dyn ContentStore>,
    directory: Arc<dyn Directory>,
    /// Who serves broadcasts, to be told that nothing is held of one any more.
    dropped: Dropped,
}

/// Told of each broadcast that was dropped.
pub(crate) type Dropped = Arc<dyn Fn(&BroadcastId) + Send + Sync>;

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").finish_non_exhaustive()
    }
}

impl Policies {
    pub(crate) fn new(
        catalog: Catalog,
        store: Arc<dyn ContentStore>,
        directory: Arc<dyn Directory>,
        dropped: Dropped,
    ) -> Self {
        Self { catalog, store, directory, dropped }
    }

    /// Counts time and drops what is due, until cancelled.
    pub(crate) async fn run(self, stop: CancellationToken) {
        // A crash may have come between the two databases.
        if let Err(error) = self.apply_all().await {
            tracing::warn!(%error, "cannot tell the store what is to be kept");
        }
        let mut counted = Instant::now();
        let mut round = tokio::time::interval_at(counted + ROUND, ROUND);
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                _ = round.tick() => false,
            };
            let passed = Duration::from_secs(counted.elapsed().as_secs());
            match self.catalog.pass_time(passed).await {
                Ok(()) => counted += passed,
                // It is counted in the next round.
                Err(error) => tracing::warn!(%error, "cannot write down for how long this node has run"),
            }
            if stopped {
                return;
            }
            if let Err(error) = self.drop_due().await {
                tracing::warn!(%error, "cannot look after what is to be dropped");
            }
        }
    }

    async fn apply_all(&self) -> Result<(), Failure> {
        for record in self.catalog.policies().await?.0 {
            self.apply(&record).await?;
        }
        Ok(())
    }

    async fn apply(&self, record: &PolicyRecord) -> Result<(), Failure> {
        let retention = match record.policy {
            KeepPolicy::Default => None,
            // What was dropped and is fetched again was asked for by somebody.
            KeepPolicy::DropAfter(_) if record.dropped => Some(Retention::Passing),
            KeepPolicy::Keep | KeepPolicy::DropAfter(_) => Some(Retention::Kept),
        };
        Ok(self.store.overrule(record.broadcast, retention).await?)
    }

    /// Drops what has its age, and lets that of what is over begin.
    async fn drop_due(&self) -> Result<(), Failure> {
        let (records, ran) = self.catalog.policies().await?;
        for record in records {
            let KeepPolicy::DropAfter(age) = record.policy else { continue };
            match record.counted_from {
                _ if record.dropped => {}
                Some(from) if ran.saturating_sub(from) >= age => self.drop(record).await?,
                Some(_) => {}
                None if self.is_over(record.broadcast).await? => self.catalog.count_from_now(record.broadcast).await?,
                None => {}
            }
        }
        Ok(())
    }

    /// Whether nothing is added to the broadcast any more: what is not known of any longer is over too.
    async fn is_over(&self, broadcast: BroadcastId) -> Result<bool, CatalogError> {
        if self.catalog.is_unfinished(broadcast).await? {
            return Ok(false);
        }
        Ok(self.directory.listing(&broadcast).is_none_or(|listing| listing.state == BroadcastState::Ended))
    }

    async fn drop(&self, record: PolicyRecord) -> Result<(), Failure> {
        self.store.release_broadcast(record.broadcast).await?;
        self.catalog.note_dropped(record.broadcast).await?;
        (self.dropped)(&record.broadcast);
        self.apply(&PolicyRecord { dropped: true, ..record }).await?;
        metrics::counter!("meshstream_broadcasts_dropped_total").increment(1);
        tracing::info!(name: "broadcast.dropped", broadcast = %record.broadcast, "broadcast.dropped");
        Ok(())
    }
}

#[async_trait]
impl KeepPolicies for Policies {
    /// And of its renditions, which are nothing to people without it.
    async fn set_policy(&self, broadcast: BroadcastId, policy: KeepPolicy) -> Result<(), KeepPolicyError> {
        self.set_of_one(broadcast, policy).await?;
        for rendition in self.catalog.renditions_of(broadcast).await? {
            self.set_of_one(rendition, policy).await?;
        }
        Ok(())
    }

    async fn policies(&self) -> Result<Vec<KeptBroadcast>, KeepPolicyError> {
        Ok(self.catalog.kept_broadcasts().await?)
    }
}

impl Policies {
    async fn set_of_one(&self, broadcast: BroadcastId, policy: KeepPolicy) -> Result<(), KeepPolicyError> {
        let at_once = policy == KeepPolicy::DropAfter(Duration::ZERO);
        if at_once && self.catalog.is_unfinished(broadcast).await? {
            return Err(KeepPolicyError::Unfinished(broadcast));
        }
        let (others, _) = self.catalog.policies().await?;
        if others.len() >= MAX_POLICIES && others.iter().all(|other| other.broadcast != broadcast) {
            return Err(KeepPolicyError::TooMany(MAX_POLICIES));
        }
        self.catalog.set_policy(broadcast, policy).await?;
        let record = PolicyRecord { broadcast, policy, counted_from: None, dropped: false };
        if at_once {
            return Ok(self.drop(record).await?);
        }
        self.apply(&record).await?;
        if self.is_over(broadcast).await? {
            self.catalog.count_from_now(broadcast).await?;
        }
        Ok(())
    }
}
