//! Dropping feeds: their messages go, and where they are not to come back a tombstone stays.
//!
//! A long feed goes in slices from its end, each a transaction of its own, and many short ones together in one: what is left
//! is the beginning of a feed, so that a crash in between leaves a store that holds.

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
    /// of them is wanted or stored again, whoever still has them. Feeds of which there is nothing leave none, and this
    /// node's own feed is passed over. What has begun goes on where the future is dropped.
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
        spawn_blocking(move || inner.drop_feeds(&feeds, trace, MAX_TOMBSTONES))
            .await
            .map_err(|_| StoreError::Cancelled)?
    }
}

impl Inner {
    pub(super) fn is_dropped(&self, feed: &FeedId) -> bool {
        self.dropped.read().unwrap_or_else(PoisonError::into_inner).contains(feed)
    }

    fn drop_feeds(&self, feeds: &[FeedId], trace: Trace, most_tombstones: usize) -> Result<(), StoreError> {
        let feeds: BTreeSet<FeedId> = feeds.iter().copied().filter(|feed| *feed != self.gate.node()).collect();
        let held = self.begin_dropping(&feeds, trace);
        let mut rest = held.as_slice();
        while !rest.is_empty() {
            let (gone, others) = rest.split_at(self.drop_slice(rest, trace, most_tombstones)?);
            counter!("meshstream_ssb_feeds_dropped_total").increment(gone.len() as u64);
            for (feed, messages) in gone {
                info!(%feed, messages = messages.0, tombstone = trace == Trace::Tombstone, "feed dropped");
            }
            rest = others;
        }
        if held.is_empty() { Ok(()) } else { self.give_space_back() }
    }

    /// Those of the feeds of which there are messages, with their number; of those that are over nothing is appended any
    /// more.
    fn begin_dropping(&self, feeds: &BTreeSet<FeedId>, trace: Trace) -> Vec<(FeedId, FeedSequence)> {
        // While it is locked, what is being stored is either in the heads or not admitted yet.
        let writer = self.writer();
        let held = feeds.iter().filter_map(|feed| Some((*feed, self.head(feed)?.sequence)));
        let held: Vec<(FeedId, FeedSequence)> = held.collect();
        if trace == Trace::Tombstone {
            let mut dropped = self.dropped.write().unwrap_or_else(PoisonError::into_inner);
            dropped.extend(held.iter().map(|(feed, _)| *feed));
            drop(dropped);
            self.change_wanted(|wanted| wanted.remove_broadcasts(feeds));
        }
        drop(writer);
        held
    }

    /// Deletes messages of the first of the feeds in one transaction, [`SLICE`] at most. Returns how many feeds are gone.
    fn drop_slice(
        &self,
        feeds: &[(FeedId, FeedSequence)],
        trace: Trace,
        most_tombstones: usize,
    ) -> Result<usize, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let mut cut = Vec::new();
        let mut room = SLICE;
        for (feed, _) in feeds {
            if room == 0 {
                break;
            }
            for index in &self.indexes {
                index.forget(&transaction, *feed)?;
            }
            if trace == Trace::Tombstone {
                schema::insert_tombstone(&transaction, feed, WallTime::now())?;
            }
            cut.push((*feed, schema::cut(&transaction, feed, room)?));
            room = room.saturating_sub(self.head(feed).map_or(0, |head| head.sequence.0));
        }
        let forgotten = schema::trim_tombstones(&transaction, most_tombstones)?;
        transaction.commit()?;
        let mut dropped = self.dropped.write().unwrap_or_else(PoisonError::into_inner);
        for feed in forgotten {
            dropped.remove(&feed);
        }
        drop(dropped);
        let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
        let gone = cut.iter().filter(|(_, left)| left.is_none()).count();
        for (feed, left) in cut {
            match left {
                Some(head) => heads.insert(feed, head),
                None => heads.remove(&feed),
            };
        }
        Ok(gone)
    }

    /// Shortens the file by the pages that deleting left free.
    fn give_space_back(&self) -> Result<(), StoreError> {
        while schema::free_pages(&self.writer(), FREED_AT_ONCE)? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use rusqlite::Transaction;

    use super::*;
    use crate::feed::{Arrival, ContentIndex, OwnAppend};
    use crate::identity::Identity;

    /// Fails to forget one feed.
    struct Unforgetting(FeedId);

    impl ContentIndex for Unforgetting {
        fn name(&self) -> &'static str {
            "unforgetting"
        }

        fn version(&self) -> i64 {
            1
        }

        fn kinds(&self) -> &'static [&'static str] {
            &[]
        }

        fn create(&self, _: &Transaction<'_>) -> rusqlite::Result<()> {
            Ok(())
        }

        fn insert(&self, _: &Transaction<'_>, _: Arrival, _: &Message) -> rusqlite::Result<()> {
            Ok(())
        }

        fn forget(&self, _: &Transaction<'_>, feed: FeedId) -> rusqlite::Result<()> {
            if feed == self.0 { Err(rusqlite::Error::InvalidQuery) } else { Ok(()) }
        }
    }

    /// A store with so many feeds of two messages, in their order.
    async fn with_feeds(
        count: u8,
        index: impl FnOnce(&[FeedId]) -> Vec<Arc<dyn ContentIndex>>,
    ) -> (FeedStore, Vec<FeedId>) {
        let authors: Vec<Identity> = (1..=count).map(|seed| Identity::from_seed(&[seed; 32])).collect();
        let mut feeds: Vec<FeedId> = authors.iter().map(Identity::id).collect();
        feeds.sort_unstable();
        let store = FeedStore::in_memory(FeedId([0; 32]), index(&feeds)).unwrap();
        let append = |author: &Identity| OwnAppend {
            identity: author.clone(),
            content_json: r#"{"type":"post","text":"hello"}"#.to_owned(),
            names: None,
        };
        store.append_own(authors.iter().chain(&authors).map(append).collect()).await.unwrap();
        (store, feeds)
    }

    fn tombstones(store: &FeedStore) -> HashSet<FeedId> {
        schema::tombstones(&store.inner.writer()).unwrap().into_iter().collect()
    }

    #[tokio::test]
    async fn feeds_that_were_never_stored_leave_no_tombstone() {
        let (store, feeds) = with_feeds(1, |_| vec![]).await;
        let made_up = (1..=u8::MAX).map(|n| FeedId([n; 32]));
        store.drop_feeds(made_up.chain(feeds.clone()).collect()).await.unwrap();
        assert_eq!(tombstones(&store), feeds.iter().copied().collect());
        assert!(store.is_dropped(&feeds[0]) && !store.is_dropped(&FeedId([1; 32])));
    }

    #[tokio::test]
    async fn as_many_tombstones_are_in_memory_as_on_disk() {
        let (store, feeds) = with_feeds(6, |_| vec![]).await;
        for some in feeds.chunks(3) {
            store.inner.drop_feeds(some, Trace::Tombstone, 2).unwrap();
        }
        assert_eq!(tombstones(&store), feeds[4..].iter().copied().collect());
        assert_eq!(*store.inner.dropped.read().unwrap(), tombstones(&store));
        assert!(store.stored_feeds().is_empty());
    }

    #[tokio::test]
    async fn of_a_feed_that_came_again_the_latest_message_stays() {
        let (store, feeds) = with_feeds(1, |_| vec![]).await;
        store.drop_feeds(feeds.clone()).await.unwrap();
        let mut last = Vec::new();
        for count in [3, 1] {
            let append = || OwnAppend {
                identity: Identity::from_seed(&[1; 32]),
                content_json: r#"{"type":"post","text":"hello again"}"#.to_owned(),
                names: None,
            };
            store.append_own((0..count).map(|_| append()).collect()).await.unwrap();
            store.drop_feeds(feeds.clone()).await.unwrap();
            store.last_of_dropped(|message| last.push((message.author, message.sequence))).unwrap();
        }
        assert_eq!(last, [(feeds[0], FeedSequence(3)); 2]);
    }

    #[tokio::test]
    async fn short_feeds_go_in_one_transaction() {
        let (store, feeds) = with_feeds(3, |feeds| vec![Arc::new(Unforgetting(feeds[2]))]).await;
        assert!(store.drop_feeds(feeds.clone()).await.is_err());
        assert_eq!(store.clocks(&feeds), [FeedSequence(2); 3], "all or none");
        assert!(tombstones(&store).is_empty());
        store.drop_feeds(feeds[..2].to_vec()).await.unwrap();
        assert_eq!(store.stored_feeds(), feeds[2..]);
    }
}
