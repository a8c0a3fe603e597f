//! The directory of broadcasts: the index behind a lock, fed by the store, with changes for subscribers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures::stream::BoxStream;
use metrics::{counter, gauge};
use stream_model::{
    ArchiveManifest, BroadcastId, Directory, DirectoryChange, FeedId, FeedSequence, Interest, Listing,
    MAX_SCHEDULED_OF_ONE, MediaSegment, MediaSequence, Scheduled, Standing, Standings, WallTime,
};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::content;
use super::index::{Credited, Index, MAX_ARCHIVES, MAX_BROADCASTS, MAX_REPUBLICATIONS_OF_ONE, MAX_SEGMENTS};
use crate::changes::subscription;
use crate::feed::{FeedKind, FeedObserver, FeedStore, Message, Newest, StoreError};

/// Changes that a subscriber may lag behind before it has to read the directory again.
const CHANGES: usize = 1_024;

/// How often it is looked at who fell silent. Against ten minutes of silence this is soon enough.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long neighbours that change what they ask for have to wait for the next look, which goes through all broadcasts:
/// nothing to whoever fetches segments of many seconds.
const REST: Duration = Duration::from_secs(1);

/// Messages read again at the start, in the order of their arrival: of each feed those that announce what is remembered, so that no
/// feed takes the place of another, and of the segments as many as are remembered in all.
const REPLAYED: [(&str, Newest); 10] = [
    (content::BROADCAST, Newest::OfEachFeed(MAX_BROADCASTS)),
    (content::CONTINUE, Newest::OfEachFeed(10 * MAX_BROADCASTS)),
    (content::LIVE, Newest::InAll(MAX_SEGMENTS)),
    (content::END, Newest::OfEachFeed(MAX_BROADCASTS)),
    (content::ARCHIVE, Newest::OfEachFeed(MAX_ARCHIVES)),
    (content::MIRROR, Newest::OfEachFeed(MAX_BROADCASTS)),
    (content::REPUBLISH, Newest::OfEachFeed(MAX_REPUBLICATIONS_OF_ONE)),
    (content::WITHDRAW, Newest::OfEachFeed(MAX_BROADCASTS)),
    (content::SCHEDULE, Newest::OfEachFeed(REPLAYED_PLANS)),
    (content::UPDATE, Newest::OfEachFeed(MAX_BROADCASTS)),
];

/// More than are remembered of one feed, since most of what was planned was done or called off.
const REPLAYED_PLANS: usize = 16 * MAX_SCHEDULED_OF_ONE;

/// Broadcasts that were carried here and are kept as if they were held: more than anybody imports in one run.
const MAX_CARRIED: usize = 256;

/// All broadcasts known to this node. Built from what the store holds, then from each message as it is stored.
pub struct BroadcastDirectory {
    index: RwLock<Index>,
    changes: broadcast::Sender<DirectoryChange>,
    closed: CancellationToken,
    store: FeedStore,
    needs: Mutex<Needs>,
    interest_changed: Notify,
}

/// What the broadcast feeds are wanted for beyond what the index says.
#[derive(Debug, Default)]
struct Needs {
    /// `None` until somebody says.
    interest: Option<Interest>,
    /// Broadcast feeds that neighbours ask for.
    asked: BTreeSet<FeedId>,
    /// Broadcasts whose messages were carried here, with their authors: the content may be on its way.
    carried: BTreeMap<BroadcastId, FeedId>,
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
        store.last_of_dropped(|message| {
            let _ignored = index.handle(&message, now);
        })?;
        let directory = Arc::new(Self {
            index: RwLock::new(index),
            changes: broadcast::Sender::new(CHANGES),
            closed: CancellationToken::new(),
            store: store.clone(),
            needs: Mutex::default(),
            interest_changed: Notify::new(),
        });
        directory.read(|index| directory.want_feeds(index, now));
        let observer: Weak<Self> = Arc::downgrade(&directory);
        store.observe(observer);
        Ok(directory)
    }

    /// Notices broadcasts that fell silent, drops feeds of those that are over, and follows what neighbours ask for,
    /// until [`close`](Self::close). May be cancelled.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut rested = Instant::now();
        loop {
            tokio::select! {
                () = self.closed.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.asked_changed(rested) => {}
                // What is held may have become less.
                () = self.interest_changed.notified() => {}
            }
            self.look();
            self.drop_expired().await;
            rested = Instant::now() + REST;
        }
    }

    /// Waits for a change of what neighbours ask for; one before `rested` is there then. May be cancelled.
    async fn asked_changed(&self, rested: Instant) {
        tokio::time::sleep_until(rested).await;
        self.store.asked_changed().await;
    }

    /// Notices what time and neighbours have changed.
    fn look(&self) {
        let now = Instant::now().into_std();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let changes = index.handle_time(now);
        let named = index.named_feeds(now);
        self.needs().asked = self.store.choose_asked(&named);
        self.want_feeds(&index, now);
        drop(index);
        self.notify(changes);
    }

    async fn drop_expired(&self) {
        let Some(held) = self.held() else { return };
        let now = Instant::now().into_std();
        let wanted = self.store.wanted().borrow().clone();
        // An author may name whatever feed it likes.
        let is_others = |feed: &FeedId| wanted.is_own(feed) || wanted.kind(feed) == Some(FeedKind::Node);
        let mut expired: Vec<FeedId> =
            self.read(|index| index.expired_feeds(now, &held, |node| wanted.stands(node))).into_iter().collect();
        expired.retain(|feed| self.store.clock(feed) != FeedSequence(0) && !is_others(feed));
        if !expired.is_empty()
            && let Err(error) = self.store.drop_feeds(expired).await
        {
            warn!(%error, "feeds of broadcasts that are over cannot be dropped");
        }
    }

    /// Replaces whom this node follows.
    pub(crate) fn set_followed(&self, followed: BTreeSet<FeedId>) {
        self.index.write().unwrap_or_else(PoisonError::into_inner).set_followed(followed);
    }

    /// Forgets the broadcasts of authors who are not to be shown, and returns the feeds of those.
    pub(crate) fn forget_authors(&self, authors: &BTreeSet<FeedId>) -> BTreeSet<FeedId> {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let (feeds, changes) = index.forget_authors(authors);
        self.want_feeds(&index, Instant::now().into_std());
        drop(index);
        self.notify(changes);
        feeds
    }

    /// The feeds that vouch for what is held here; `None` where that is not known yet.
    pub(crate) fn vouching_feeds(&self) -> Option<BTreeSet<FeedId>> {
        let held = self.held()?;
        Some(self.read(|index| index.vouching_feeds(&held)))
    }

    /// What is held here, or being carried here.
    fn held(&self) -> Option<BTreeSet<BroadcastId>> {
        let needs = self.needs();
        let interest = needs.interest.as_ref()?;
        Some(interest.held.iter().copied().chain(needs.carried.keys().copied()).collect())
    }

    fn want_feeds(&self, index: &Index, now: std::time::Instant) {
        let needs = self.needs();
        let (nothing, nothing_asked) = (BTreeSet::new(), BTreeSet::new());
        let followed = needs.interest.as_ref().map_or(&nothing, |interest| &interest.followed);
        let by_itself = index.wanted_feeds(now, followed, &nothing_asked);
        let all = index.wanted_feeds(now, followed, &needs.asked);
        let lent = all.difference(&by_itself).map(|(feed, _)| *feed).collect();
        let credited = self.credited(index, &needs);
        self.store.want_announced(all, lent, credited.authors, credited.feeds);
    }

    fn credited(&self, index: &Index, needs: &Needs) -> Credited {
        let held = needs.interest.iter().flat_map(|interest| interest.held.iter()).chain(needs.carried.keys());
        let held = held.copied().collect();
        let wanted = self.store.wanted().borrow().clone();
        let mut credited = index.credited(&held, |node| wanted.stands(node));
        credited.authors.extend(needs.carried.values().map(|author| (*author, index.own())));
        credited
    }

    /// Wants the feeds of a broadcast whose messages were carried here, as if it were held, until the program ends or as many
    /// others were carried. Returns whether it was not so before.
    pub(super) fn carry(&self, broadcast: BroadcastId, author: FeedId) -> bool {
        let mut needs = self.needs();
        let new = needs.carried.insert(broadcast, author) != Some(author);
        if needs.carried.len() > MAX_CARRIED {
            let other = needs.carried.keys().find(|other| **other != broadcast).copied();
            other.and_then(|other| needs.carried.remove(&other));
        }
        drop(needs);
        self.read(|index| self.want_feeds(index, Instant::now().into_std()));
        new
    }

    /// Takes [`carry`](Self::carry) back.
    pub(super) fn carry_no_more(&self, broadcast: BroadcastId) {
        self.needs().carried.remove(&broadcast);
        self.read(|index| self.want_feeds(index, Instant::now().into_std()));
    }

    /// Taken after the index, where both are.
    fn needs(&self) -> MutexGuard<'_, Needs> {
        self.needs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all subscriptions.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Whether its author has ended the broadcast; `None` where it is not known.
    pub(super) fn is_ended_by_author(&self, broadcast: &BroadcastId) -> Option<bool> {
        self.read(|index| index.is_ended_by_author(broadcast))
    }

    /// The first number of the broadcast that nothing known to this node uses; `None` where the broadcast is not known.
    pub(super) fn next_media_sequence(&self, broadcast: &BroadcastId) -> Option<MediaSequence> {
        self.read(|index| index.next_media_sequence(broadcast))
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
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
        let mut wants_change = false;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            match index.handle(message, now) {
                Ok(changed) => {
                    // Of a broadcast that is not known nothing changes, and its author's feed is wanted all the same.
                    wants_change |= matches!(message.kind.as_deref(), Some(content::MIRROR | content::REPUBLISH));
                    changes.extend(changed);
                }
                Err(ignored) => {
                    counter!("meshstream_announcements_ignored_total", "reason" => ignored.as_str()).increment(1);
                    debug!(author = %message.author, sequence = %message.sequence, reason = %ignored, "announcement ignored");
                }
            }
        }
        if wants_change || changes.iter().any(|change| matches!(change, DirectoryChange::Broadcast(_))) {
            self.want_feeds(&index, now);
            gauge!("meshstream_broadcasts_known").set(index.count() as f64);
        }
        drop(index);
        self.notify(changes);
    }
}

impl Standings for BroadcastDirectory {
    fn standing(&self, broadcast: &BroadcastId) -> Standing {
        self.read(|index| index.standing(broadcast))
    }

    fn own_feed(&self) -> FeedId {
        self.read(Index::own)
    }
}

impl Directory for BroadcastDirectory {
    fn listings(&self) -> Vec<Listing> {
        self.read(Index::listings)
    }

    fn listing(&self, broadcast: &BroadcastId) -> Option<Listing> {
        self.read(|index| index.listing(broadcast))
    }

    fn renditions(&self, of: &BroadcastId) -> Vec<Listing> {
        self.read(|index| index.renditions(of))
    }

    fn thumbnails(&self, of: &BroadcastId) -> Option<Listing> {
        self.read(|index| index.thumbnails(of))
    }

    fn segments(&self, broadcast: &BroadcastId, from: MediaSequence, limit: usize) -> Vec<MediaSegment> {
        self.read(|index| index.segments(broadcast, from, limit))
    }

    fn archives(&self, broadcast: &BroadcastId) -> Vec<ArchiveManifest> {
        self.read(|index| index.archives(broadcast))
    }

    fn upcoming(&self) -> Vec<Scheduled> {
        self.read(|index| index.upcoming(Instant::now().into_std(), WallTime::now()))
    }

    fn set_interest(&self, interest: Interest) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.set_held(interest.held.clone());
        self.needs().interest = Some(interest);
        self.want_feeds(&index, Instant::now().into_std());
        drop(index);
        self.interest_changed.notify_one();
    }

    fn subscribe(&self) -> BoxStream<'static, DirectoryChange> {
        subscription(self.changes.subscribe(), DirectoryChange::Missed, self.closed.clone())
    }
}

impl fmt::Debug for BroadcastDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastDirectory").field("index", &"…").finish_non_exhaustive()
    }
}
