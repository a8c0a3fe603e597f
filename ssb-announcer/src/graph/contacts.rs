//! The follow graph at work: what it says becomes what the store replicates, and what is blocked or left goes.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use metrics::gauge;
use rusqlite::Connection;
use stream_model::{FeedId, FollowEntry, FollowError, FollowGraph, Relation};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::contact::{CONTACT, Contact};
use super::index;
use super::reach::{Reach, reach};
use crate::announcement::BroadcastDirectory;
use crate::feed::{FeedKind, FeedObserver, FeedStore, Message, OwnAppend, StoreError};
use crate::identity::Identity;

/// Hours that this program runs before a feed that nothing wants is dropped: a week, so that a neighbour on a journey
/// is not fetched anew. Hours in which it does not run do not count.
pub const KEPT_UNWANTED_HOURS: u32 = 7 * 24;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How often it is looked at which feeds that exceeded their quota have room again.
const RESUME_EVERY: Duration = Duration::from_secs(60);

/// The graph is walked at most this often, however many contacts come in.
const WALK_EVERY: Duration = Duration::from_secs(1);

/// Feeds that this node may block. Only its owner blocks.
const MAX_BLOCKED: usize = 10_000;

/// Whom this node follows and blocks, and what comes of it.
pub struct Contacts {
    identity: Identity,
    store: FeedStore,
    directory: Arc<BroadcastDirectory>,
    hops: AtomicU32,
    reach: RwLock<Arc<Reach>>,
    /// A contact came in that may matter.
    changed: Notify,
}

impl Contacts {
    /// Walks the graph `hops` steps far and has the store replicate whom it reaches. Its store keeps a
    /// [`ContactIndex`](super::ContactIndex). Blocks.
    ///
    /// # Errors
    /// [`StoreError`] where the table cannot be read.
    pub fn open(
        identity: Identity,
        store: FeedStore,
        directory: Arc<BroadcastDirectory>,
        hops: u32,
    ) -> Result<Arc<Self>, StoreError> {
        let (reach, changed) = (RwLock::default(), Notify::new());
        let contacts = Arc::new(Self { identity, store, directory, hops: AtomicU32::new(hops), reach, changed });
        let me = contacts.identity.id();
        contacts.set_reach(contacts.store.query_blocking(|connection| walk(connection, me, hops))?);
        let observer: Weak<Self> = Arc::downgrade(&contacts);
        contacts.store.observe(observer);
        Ok(contacts)
    }

    /// Walks so many steps from now on, as soon as it [runs](Self::run).
    pub fn reach_for(&self, hops: u32) {
        self.hops.store(hops, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn hops(&self) -> u32 {
        self.hops.load(Ordering::Relaxed)
    }

    /// Follows changes of the graph, takes up feeds that exceeded their quota, and drops what nobody wants, until
    /// cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        let mut hours = tokio::time::interval_at(Instant::now() + HOUR, HOUR);
        let mut resumes = tokio::time::interval(RESUME_EVERY);
        hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
        resumes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What a crash has left of the blocked.
        report(self.drop_blocked().await);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.changed.notified() => {
                    report(self.refresh().await);
                    if cancel.run_until_cancelled(tokio::time::sleep(WALK_EVERY)).await.is_none() {
                        return;
                    }
                }
                _ = resumes.tick() => self.store.resume_paused(Instant::now().into_std()),
                _ = hours.tick() => report(self.drop_unwanted().await),
            }
        }
    }

    fn reach(&self) -> Arc<Reach> {
        self.reach.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_reach(&self, found: Reach) {
        gauge!("meshstream_ssb_feeds_followed").set(found.hops.len() as f64);
        let followed = found.hops.iter().filter(|(_, hops)| **hops == 1).map(|(feed, _)| *feed);
        self.directory.set_followed(followed.collect());
        self.store.want_graph(found.hops.keys().copied().collect(), found.blocked.clone());
        *self.reach.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let (me, hops) = (self.identity.id(), self.hops());
        self.set_reach(self.store.query(move |connection| walk(connection, me, hops)).await?);
        self.drop_blocked().await
    }

    /// Drops what is stored of blocked feeds, and their broadcasts. They are not wanted any more at this point, so nothing
    /// comes after.
    async fn drop_blocked(&self) -> Result<(), StoreError> {
        let blocked = &self.reach().blocked;
        if blocked.is_empty() {
            return Ok(());
        }
        let stored: Vec<FeedId> = self.store.stored_feeds().into_iter().filter(|feed| blocked.contains(feed)).collect();
        self.store.forget_feeds(stored).await?;
        let wanted = self.store.wanted();
        let mut theirs: Vec<FeedId> = self.directory.forget_authors(blocked).into_iter().collect();
        theirs.retain(|feed| {
            let wanted = wanted.borrow();
            wanted.kind(feed).is_none() && !wanted.is_own(feed)
        });
        self.store.forget_feeds(theirs).await
    }

    async fn drop_unwanted(&self) -> Result<(), StoreError> {
        let Some(vouching) = self.directory.vouching_feeds() else { return Ok(()) };
        let expired = self.store.count_unwanted(vouching, KEPT_UNWANTED_HOURS).await?;
        self.store.forget_feeds(expired).await
    }

    async fn relation_to(&self, feed: FeedId) -> Result<Relation, StoreError> {
        let me = self.identity.id();
        self.store.query(move |connection| index::relation(connection, &me, &feed)).await
    }
}

fn walk(connection: &Connection, me: FeedId, hops: u32) -> rusqlite::Result<Reach> {
    let blocked = index::blocks(connection, &me, MAX_BLOCKED)?.into_iter().filter(|feed| *feed != me).collect();
    reach(me, hops, blocked, |author, most| index::follows(connection, author, most))
}

fn report(done: Result<(), StoreError>) {
    if let Err(error) = done {
        warn!(%error, "the follow graph cannot be kept up");
    }
}

impl FeedObserver for Contacts {
    fn appended(&self, messages: &[Message]) {
        let reach = self.reach();
        let matters = |message: &Message| {
            let near = reach.hops.get(&message.author).is_some_and(|hops| *hops < self.hops());
            message.kind.as_deref() == Some(CONTACT) && (near || message.author == self.identity.id())
        };
        if messages.iter().any(matters) {
            self.changed.notify_one();
        }
    }
}

#[async_trait]
impl FollowGraph for Contacts {
    async fn relate(&self, feed: FeedId, relation: Relation) -> Result<(), FollowError> {
        if feed == self.identity.id() {
            return Err(FollowError::Own(feed));
        }
        if self.relation_to(feed).await.map_err(storage)? == relation {
            return Ok(());
        }
        let append = OwnAppend {
            identity: self.identity.clone(),
            content_json: Contact { target: feed, relation }.to_json(),
            names: None,
        };
        self.store.append_own(vec![append]).await.map_err(storage)?;
        info!(%feed, %relation, "contact changed");
        self.refresh().await.map_err(storage)
    }

    async fn list(&self) -> Result<Vec<FollowEntry>, FollowError> {
        let (me, reach) = (self.identity.id(), self.reach());
        let wanted = self.store.wanted().borrow().clone();
        let nodes = wanted.feeds().into_iter().filter(|(_, kind)| *kind == FeedKind::Node).map(|(feed, _)| feed);
        let listed: BTreeSet<FeedId> = nodes.chain(reach.blocked.iter().copied()).collect();
        let clocks = self.store.clone();
        let entries = self.store.query(move |connection| {
            let entry = |feed: FeedId| {
                Ok(FollowEntry {
                    feed,
                    name: crate::social::name(connection, feed)?,
                    relation: index::relation(connection, &me, &feed)?,
                    hops: reach.hops.get(&feed).copied(),
                    messages: clocks.clock(&feed).0,
                })
            };
            listed.into_iter().map(entry).collect::<rusqlite::Result<Vec<FollowEntry>>>()
        });
        let mut entries = entries.await.map_err(storage)?;
        entries.sort_by_key(|entry| {
            (entry.relation == Relation::Blocking, entry.hops.unwrap_or(u32::MAX), entry.name.clone(), entry.feed)
        });
        Ok(entries)
    }
}

fn storage(error: StoreError) -> FollowError {
    match error {
        StoreError::OwnFeed(refused) => FollowError::Refused(refused.to_string()),
        error => FollowError::Storage(error.to_string()),
    }
}

impl fmt::Debug for Contacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contacts").field("hops", &self.hops()).finish_non_exhaustive()
    }
}
