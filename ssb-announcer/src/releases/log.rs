//! Announces releases on the node's feed, and reads what other feeds announce.

use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use stream_model::{AnnounceError, AnnouncedRelease, ReleaseLog};
use tokio::sync::{Mutex, Notify};
use tracing::info;

use super::content::{RELEASE, to_json};
use super::index;
use crate::feed::{FeedObserver, FeedStore, Message, OwnAppend, StoreError};
use crate::identity::Identity;

/// Feeds whose releases are looked at: a megabyte of statements at most. Whoever floods a network with feeds hides releases of others
/// until those are announced again, and installs nothing.
const MAX_FEEDS: usize = 256;

/// The releases of a store that keeps a [`ReleaseIndex`](super::ReleaseIndex).
pub struct FeedReleases {
    node: Identity,
    store: FeedStore,
    arrived: Notify,
    /// Held over an append, so that the same is not announced twice.
    announcing: Mutex<()>,
}

impl FeedReleases {
    /// Announces as `node`.
    pub fn open(node: Identity, store: FeedStore) -> Arc<Self> {
        let releases = Arc::new(Self { node, store, arrived: Notify::new(), announcing: Mutex::new(()) });
        let observer: Weak<Self> = Arc::downgrade(&releases);
        releases.store.observe(observer);
        releases
    }
}

#[async_trait]
impl ReleaseLog for FeedReleases {
    async fn announce_release(&self, statement: &str) -> Result<(), AnnounceError> {
        let content_json = to_json(statement).ok_or(AnnounceError::TooLong("statement"))?;
        let _announcing = self.announcing.lock().await;
        let own = self.node.id();
        let known = self.announced_releases().await?;
        if known.iter().any(|release| release.author == own && release.statement == statement) {
            return Ok(());
        }
        let append = OwnAppend { identity: self.node.clone(), content_json, names: None };
        self.store.append_own(vec![append]).await.map_err(storage_error)?;
        info!("release announced");
        Ok(())
    }

    async fn announced_releases(&self) -> Result<Vec<AnnouncedRelease>, AnnounceError> {
        let mut releases =
            self.store.query(|connection| index::newest(connection, MAX_FEEDS)).await.map_err(storage_error)?;
        releases.retain(|release| !self.store.is_blocked(&release.author));
        Ok(releases)
    }

    async fn release_announced(&self) {
        self.arrived.notified().await;
    }
}

impl FeedObserver for FeedReleases {
    fn appended(&self, messages: &[Message]) {
        if messages.iter().any(|message| message.kind.as_deref() == Some(RELEASE)) {
            // One that waits learns of it now, one that does not at its next call.
            self.arrived.notify_one();
        }
    }
}

fn storage_error(error: StoreError) -> AnnounceError {
    AnnounceError::Storage(error.to_string())
}

impl fmt::Debug for FeedReleases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedReleases").field("feed", &self.node.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::ReleaseIndex;
    use super::*;

    #[tokio::test]
    async fn the_newest_of_a_feed_counts_and_the_same_is_announced_once() {
        let node = Identity::from_seed(&[1; 32]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ssb.sqlite3");
        let open = || FeedStore::open(&path, node.id(), vec![Arc::new(ReleaseIndex)]).unwrap();
        let store = open();
        let releases = FeedReleases::open(node.clone(), store.clone());
        for statement in ["one", "two"] {
            releases.announce_release(statement).await.unwrap();
            releases.release_announced().await;
        }
        releases.announce_release("two").await.unwrap();
        let expected = [AnnouncedRelease { author: node.id(), statement: "two".to_owned() }];
        assert_eq!(releases.announced_releases().await.unwrap(), expected);
        assert_eq!(store.clocks(&[node.id()])[0].0, 2);
        drop((releases, store));

        // A program that knows nothing of releases writes for a while.
        let earlier = FeedStore::open(&path, node.id(), Vec::new()).unwrap();
        let content_json = to_json("three").unwrap();
        earlier.append_own(vec![OwnAppend { identity: node.clone(), content_json, names: None }]).await.unwrap();
        drop(earlier);
        let known = FeedReleases::open(node.clone(), open()).announced_releases().await.unwrap();
        assert_eq!(known[0].statement, "three");
    }
}
