//! Dropping feeds: their messages go, and where they are not to come back a tombstone stays.
//!
//! A long feed goes in slices from its end, each a transaction of its own: what is left is the beginning of the feed, so
//! that a crash in between leaves a store that holds.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use metrics::counter;
use stream_model::{FeedId, FeedSequence, WallTime};
use tokio::task::spawn_blocking;
use tracing::info;

use super::{FeedStore, Inner};
use crate::feed::message::Message;
use crate::feed::{StoreError, schema};

/// Messages deleted in one transaction, which holds the store's lock and grows the write-ahead log: at most 8 MB.
const SLICE: u64 = 1_000;

/// Tombstones kept, the newest: at one broadcast feed every two hours, of a dozen nodes, those of several months.
/// Another 32 bytes of memory each.
const MAX_TOMBSTONES: usize = 20_000;

/// Pages given back to the file system at once, while the store's lock is held: 1 MB.
const FREED_AT_ONCE: u32 = 256;

/// What is left of a dropped feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    /// It is over: nothing of it is stored again.
    Tombstone,
    /// Nothing: should it be wanted again, it comes anew from others.
    Nothing,
}

impl FeedStore {
    /// Whether this node blocks the feed: it is neither fetched, served nor shown, and not talked to.
    pub fn is_blocked(&self, feed: &FeedId) -> bool {
        self.inner.wanted.borrow().is_blocked(feed)
    }

    /// Whether the feed was dropped for good.
    pub fn is_dropped(&self, feed: &FeedId) -> bool {
        self.inner.is_dropped(feed)
    }

    /// Deletes the messages of feeds that are over, and what the indexes concluded from them. A tombstone stays: nothing
    /// of them is wanted or stored again, whoever still has them. This node's own feed is passed over. What has begun
    /// goes on where the future is dropped.
    ///
    /// # Errors
    /// [`StoreError`] where the disk fails; what is left of the feeds holds, and they can be dropped again.
    pub async fn drop_feeds(&self, feeds: Vec<FeedId>) -> Result<(), StoreError> {
        self.drop_leaving(feeds, Trace::Tombstone).await
    }

    /// Deletes the messages of feeds that are not wanted now and may be again, such as blocked ones. What has begun goes
    /// on where the future is dropped.
    ///
    /// # Errors
    /// As [`drop_feeds`](Self::drop_feeds).
    pub async fn forget_feeds(&self, feeds: Vec<FeedId>) -> Result<(), StoreError> {
        self.drop_leaving(feeds, Trace::Nothing).await
    }

    /// Hands over the last message of each dropped feed, which is kept with its tombstone, in the order of dropping.
    /// Blocks.
    ///
    /// # Errors
    /// [`StoreError`] where the disk fails.
    pub(crate) fn last_of_dropped(&self, visit: impl FnMut(Message)) -> Result<(), StoreError> {
        schema::last_of_dropped(&self.inner.reader(), visit)
    }

    /// The feeds of which there are messages.
    pub(crate) fn stored_feeds(&self) -> Vec<FeedId> {
        self.inner.heads.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Counts another hour for the stored feeds that are not wanted, from zero for those that were wanted meanwhile, and
    /// returns those that have not been wanted for `most` hours of this program's running. Those in `kept` are not
    /// counted.
    ///
    /// # Errors
    /// [`StoreError`] where the disk fails.
    pub(crate) async fn count_unwanted(&self, kept: BTreeSet<FeedId>, most: u32) -> Result<Vec<FeedId>, StoreError> {
        let wanted = self.inner.wanted.borrow().clone();
        let is_unwanted = |feed: &FeedId| wanted.kind(feed).is_none() && !wanted.is_own(feed) && !kept.contains(feed);
        let unwanted: BTreeSet<FeedId> = self.stored_feeds().into_iter().filter(is_unwanted).collect();
        let inner = self.inner.clone();
        spawn_blocking(move || {
            let mut writer = inner.writer();
            let transaction = writer.transaction()?;
            let expired = schema::count_unwanted(&transaction, &unwanted, most)?;
            transaction.commit()?;
            Ok(expired)
        })
        .await
        .map_err(|_| StoreError::Cancelled)?
    }

    async fn drop_leaving(&self, feeds: Vec<FeedId>, trace: Trace) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        spawn_blocking(move || inner.drop_feeds(&feeds, trace)).await.map_err(|_| StoreError::Cancelled)?
    }
}

impl Inner {
    pub(super) fn is_dropped(&self, feed: &FeedId) -> bool {
        self.dropped.read().unwrap_or_else(PoisonError::into_inner).contains(feed)
    }

    fn drop_feeds(&self, feeds: &[FeedId], trace: Trace) -> Result<(), StoreError> {
        let feeds: BTreeSet<FeedId> = feeds.iter().copied().filter(|feed| *feed != self.gate.node()).collect();
        if trace == Trace::Tombstone {
            // Before the first slice, so that nothing is appended in between.
            self.dropped.write().unwrap_or_else(PoisonError::into_inner).extend(&feeds);
            self.change_wanted(|wanted| wanted.remove_broadcasts(&feeds));
        }
        let mut freed = false;
        for feed in feeds {
            let held = self.head(&feed).map_or(FeedSequence(0), |head| head.sequence);
            if trace == Trace::Nothing && held == FeedSequence(0) {
                continue;
            }
            self.drop_feed(feed, trace)?;
            freed = true;
            counter!("meshstream_ssb_feeds_dropped_total").increment(1);
            info!(%feed, messages = held.0, tombstone = trace == Trace::Tombstone, "feed dropped");
        }
        if freed { self.give_space_back() } else { Ok(()) }
    }

    fn drop_feed(&self, feed: FeedId, trace: Trace) -> Result<(), StoreError> {
        let mut begun = false;
        loop {
            let mut writer = self.writer();
            let transaction = writer.transaction()?;
            if !begun {
                for index in &self.indexes {
                    index.forget(&transaction, feed)?;
                }
                if trace == Trace::Tombstone {
                    schema::insert_tombstone(&transaction, &feed, WallTime::now(), MAX_TOMBSTONES)?;
                }
            }
            begun = true;
            let left = schema::cut(&transaction, &feed, SLICE)?;
            transaction.commit()?;
            let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
            match left {
                Some(head) => {
                    heads.insert(feed, head);
                }
                None => {
                    heads.remove(&feed);
                    return Ok(());
                }
            }
        }
    }

    /// Shortens the file by the pages that deleting left free.
    fn give_space_back(&self) -> Result<(), StoreError> {
        while schema::free_pages(&self.writer(), FREED_AT_ONCE)? {}
        Ok(())
    }
}
