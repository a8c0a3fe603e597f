//! The directory of broadcasts: the index behind a lock, fed by the store, with changes for subscribers.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use metrics::{counter, gauge};
use stream_model::{BroadcastId, Directory, DirectoryChange, FeedId, Listing, MediaSegment, MediaSequence};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::content;
use super::index::{Index, MAX_BROADCASTS, MAX_SEGMENTS};
use crate::feed::{FeedObserver, FeedStore, Message, StoreError};

/// Changes that a subscriber may lag behind before it has to read the directory again.
const CHANGES: usize = 1_024;

/// How often it is looked at who fell silent. Against ten minutes of silence this is soon enough.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Messages read again at the start: for each broadcast remembered its beginning and its end, and as many changes of
/// feed as the segments remembered can have.
const REPLAYED: [(&str, usize); 4] = [
    (content::BROADCAST, MAX_BROADCASTS),
    (content::CONTINUE, 10 * MAX_BROADCASTS),
    (content::LIVE, MAX_SEGMENTS),
    (content::END, MAX_BROADCASTS),
];

/// All broadcasts known to this node. Built from what the store holds, then from each message as it is stored.
pub struct BroadcastDirectory {
    index: RwLock<Index>,
    changes: broadcast::Sender<DirectoryChange>,
    closed: CancellationToken,
    store: FeedStore,
}

impl BroadcastDirectory {
    /// Builds the directory and has it learn of new messages. Blocks while it reads. A broadcast that was not ended
    /// counts as just heard: what a clock said before the start is not known.
    ///
    /// # Errors
    /// [`StoreError`] where the stored messages cannot be read.
    pub fn open(store: FeedStore, own: FeedId) -> Result<Arc<Self>, StoreError> {
        let mut index = Index::new(own);
        let now = Instant::now().into_std();
        store.replay(&REPLAYED, |message| {
            // Counted when the message was stored.
            let _ignored = index.handle(&message, now);
        })?;
        store.want_broadcasts(index.wanted_feeds(now));
        let directory = Arc::new(Self {
            index: RwLock::new(index),
            changes: broadcast::Sender::new(CHANGES),
            closed: CancellationToken::new(),
            store: store.clone(),
        });
        let observer: Weak<Self> = Arc::downgrade(&directory);
        store.observe(observer);
        Ok(directory)
    }

    /// Notices broadcasts that fell silent and feeds that need no replication any more, until [`close`](Self::close).
    /// May be cancelled.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.closed.run_until_cancelled(ticks.tick()).await.is_some() {
            let now = Instant::now().into_std();
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            let changes = index.handle_time(now);
            self.store.want_broadcasts(index.wanted_feeds(now));
            drop(index);
            self.notify(changes);
        }
    }

    /// Ends all subscriptions.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Whether its author has ended the broadcast; `None` where it is not known.
    pub(super) fn is_ended_by_author(&self, broadcast: &BroadcastId) -> Option<bool> {
        self.read(|index| index.is_ended_by_author(broadcast))
    }

    fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn notify(&self, changes: Vec<DirectoryChange>) {
        for change in changes {
            // Without subscribers nobody needs the change.
            let _receivers = self.changes.send(change);
        }
    }
}

impl FeedObserver for BroadcastDirectory {
    fn appended(&self, messages: &[Message]) {
        let now = Instant::now().into_std();
        let mut changes = Vec::new();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            match index.handle(message, now) {
                Ok(changed) => changes.extend(changed),
                Err(ignored) => {
                    counter!("meshstream_announcements_ignored_total", "reason" => ignored.as_str()).increment(1);
                    debug!(author = %message.author, sequence = %message.sequence, reason = %ignored, "announcement ignored");
                }
            }
        }
        if changes.iter().any(|change| matches!(change, DirectoryChange::Broadcast(_))) {
            self.store.want_broadcasts(index.wanted_feeds(now));
            gauge!("meshstream_broadcasts_known").set(index.listings().len() as f64);
        }
        drop(index);
        self.notify(changes);
    }
}

impl Directory for BroadcastDirectory {
    fn listings(&self) -> Vec<Listing> {
        self.read(Index::listings)
    }

    fn listing(&self, broadcast: &BroadcastId) -> Option<Listing> {
        self.read(|index| index.listing(broadcast))
    }

    fn segments(&self, broadcast: &BroadcastId, from: MediaSequence, limit: usize) -> Vec<MediaSegment> {
        self.read(|index| index.segments(broadcast, from, limit))
    }

    fn subscribe(&self) -> BoxStream<'static, DirectoryChange> {
        let changes = stream::unfold(self.changes.subscribe(), |mut receiver| async move {
            match receiver.recv().await {
                Ok(change) => Some((change, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((DirectoryChange::Missed, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        });
        changes.take_until(self.closed.clone().cancelled_owned()).boxed()
    }
}

impl fmt::Debug for BroadcastDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastDirectory").field("index", &"…").finish_non_exhaustive()
    }
}
