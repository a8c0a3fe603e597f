//! What is taken from others, and how much: feeds that neighbours ask for, and quotas.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use metrics::counter;
use stream_model::FeedId;

use super::{FeedStore, Inner};
use crate::feed::message::Message;
use crate::feed::quota::{Account, Quotas};
use crate::feed::room::MAX_HELD_OF_STRANGERS;
use crate::feed::wanted::{FeedKind, WantedFeeds};

impl FeedStore {
    /// Replaces the feeds that a connected neighbour asks for and that this node does not want by itself: those that are
    /// not wanted, and those of which [`WantedFeeds::is_asked_only`] says so. To be called whenever that set changes, and
    /// with an empty one when the connection ends.
    pub fn note_asked(&self, neighbour: FeedId, feeds: BTreeSet<FeedId>) {
        if self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner).note(neighbour, feeds) {
            self.inner.asked_changed.notify_one();
        }
    }

    /// Waits until what neighbours ask for has changed; for one waiter. May be cancelled.
    pub(crate) async fn asked_changed(&self) {
        self.inner.asked_changed.notified().await;
    }

    /// Which of the feeds that broadcasts name to fetch for neighbours.
    pub(crate) fn choose_asked(&self, named: &BTreeSet<FeedId>) -> BTreeSet<FeedId> {
        self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner).choose(named)
    }

    /// Replaces what announcements ask for: broadcast feeds as for [`want_broadcasts`](Self::want_broadcasts), of which those
    /// in `lent` only because neighbours ask for them; node feeds of authors, each with the node that names it, wanted while
    /// that node is for another reason; and broadcast feeds that vouch for segments, wanted though they were dropped.
    pub(crate) fn want_announced(
        &self,
        mut feeds: BTreeSet<(FeedId, FeedId)>,
        lent: BTreeSet<FeedId>,
        authors: BTreeSet<(FeedId, FeedId)>,
        vouching: BTreeSet<(FeedId, FeedId)>,
    ) {
        feeds.retain(|(feed, _)| !self.is_dropped(feed));
        feeds.extend(vouching);
        self.inner.change_wanted(|wanted| {
            wanted.set_broadcasts(feeds, lent);
            wanted.set_credited(authors);
        });
    }

    /// Replaces what the follow graph says. The two sets are bounded by it.
    pub(crate) fn want_graph(&self, followed: BTreeSet<FeedId>, blocked: BTreeSet<FeedId>) {
        self.inner.change_wanted(|wanted| wanted.set_graph(followed, blocked));
    }

    /// Takes nothing of others while less than `free` bytes are free of the disk that the folder is on.
    pub fn keep_free(&self, folder: PathBuf, free: u64) {
        self.inner.disk.keep_free(folder, free);
    }

    /// Takes up the feeds that exceeded their quota and have room again.
    pub(crate) fn resume_paused(&self, now: Instant) {
        let wanted = self.inner.wanted.borrow().clone();
        if wanted.paused().next().is_none() || self.inner.disk.is_full() {
            return;
        }
        let room = self.inner.room_for_strangers(&wanted);
        let mut quotas = self.inner.quotas();
        let ready: BTreeSet<FeedId> = wanted
            .paused()
            .filter(|feed| room > 0 || wanted.is_vouched_for(feed))
            .filter(|feed| {
                payers(&wanted, feed).is_none_or(|payers| payers.iter().any(|accounts| quotas.is_ready(accounts, now)))
            })
            .collect();
        drop(quotas);
        self.inner.change_wanted(|wanted| wanted.resume(|feed| ready.contains(feed)));
    }
}

/// What there is room for while a batch of messages is stored: looked up once for all of it.
pub(super) struct Room {
    pub(super) disk_is_full: bool,
    /// Bytes of feeds that nobody vouches for, once one has come.
    of_strangers: Option<u64>,
}

impl Inner {
    pub(super) fn room(&self) -> Room {
        Room { disk_is_full: self.disk.is_full(), of_strangers: None }
    }

    fn quotas(&self) -> MutexGuard<'_, Quotas> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that may still come of feeds that nobody vouches for. Those that are not wanted any more count until they
    /// are deleted.
    fn room_for_strangers(&self, wanted: &WantedFeeds) -> u64 {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        let of_strangers = heads.iter().filter(|(feed, _)| !wanted.is_vouched_for(feed));
        let held = of_strangers.fold(0u64, |sum, (_, head)| sum.saturating_add(head.bytes));
        MAX_HELD_OF_STRANGERS.saturating_sub(held)
    }

    /// How many of these messages, all of one feed, there is room for: on the disk, of what strangers may bring, and in
    /// the feed's quota. Where there is none for the next one, the feed is paused.
    pub(super) fn afford<'a>(
        &self,
        wanted: &WantedFeeds,
        author: FeedId,
        mut run: impl Iterator<Item = &'a Message>,
        room: &mut Room,
        now: Instant,
    ) -> usize {
        let Some(payers) = payers(wanted, &author) else { return run.count() };
        let disk_is_full = room.disk_is_full;
        let mut of_anybody = u64::MAX;
        let bytes_left = if wanted.is_vouched_for(&author) {
            &mut of_anybody
        } else {
            room.of_strangers.get_or_insert_with(|| self.room_for_strangers(wanted))
        };
        let mut quotas = self.quotas();
        let mut afforded = 0;
        let exceeded = run.any(|message| {
            let bytes = message.value_json.len() as u64;
            let fits = !disk_is_full && bytes <= *bytes_left;
            let has_room = fits && payers.iter().any(|accounts| quotas.take(accounts, bytes, now));
            if has_room {
                *bytes_left -= bytes;
                afforded += 1;
            }
            !has_room
        });
        drop(quotas);
        // `wanted` is of the beginning of the batch, in which it may have been paused already.
        if exceeded && self.wanted.borrow().receives(&author) {
            counter!("meshstream_ssb_feeds_paused_total").increment(1);
            self.change_wanted(|wanted| wanted.pause(author));
        }
        afforded
    }
}

/// Who can pay for a feed, each with the quotas that it is under; nobody needs to for own feeds. Anybody can name
/// anybody's broadcast feed: who names one that is not its own pays for it, and does not use up what its author has.
fn payers(wanted: &WantedFeeds, feed: &FeedId) -> Option<Vec<Vec<Account>>> {
    let accounts = |node: FeedId, account: Account| {
        let shared = wanted.is_stranger(&node).then_some(Account::Strangers);
        shared.into_iter().chain([account]).collect()
    };
    match wanted.kind(feed)? {
        FeedKind::Own => None,
        FeedKind::Node => Some(vec![accounts(*feed, Account::Node(*feed))]),
        FeedKind::Broadcast => {
            Some(wanted.naming(feed).map(|node| accounts(node, Account::Broadcasts(node))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::quota::STRANGERS;
    use crate::feed::schema::{self, Head};
    use crate::feed::{OwnAppend, Rejected};
    use crate::identity::Identity;
    use stream_model::{FeedSequence, MessageKey};

    /// A message of a feed as it comes over the wire.
    async fn written(author: &Identity) -> String {
        let store = FeedStore::in_memory(author.id(), vec![]).unwrap();
        let content_json = r#"{"type":"post","text":"hello"}"#.to_owned();
        let append = OwnAppend { identity: author.clone(), content_json, names: None };
        store.append_own(vec![append]).await.unwrap()[0].value_json.to_string()
    }

    #[tokio::test]
    async fn where_strangers_have_used_up_what_they_share_those_known_are_still_taken() {
        let [me, met, introduced, offered, followed] = [1, 2, 3, 4, 5].map(|seed| Identity::from_seed(&[seed; 32]));
        let [of_met, of_followed] = [6, 7].map(|seed| Identity::from_seed(&[seed; 32]));
        let store = FeedStore::in_memory(me.id(), vec![]).unwrap();
        store.want_met(met.id());
        store.want_introduced(met.id(), introduced.id());
        store.want_peer(offered.id());
        store.want_met(offered.id());
        store.want_met(followed.id());
        store.want_graph([followed.id()].into(), BTreeSet::new());
        let (theirs, known) = (of_met.id(), of_followed.id());
        store.want_broadcasts([(theirs, met.id()), (known, met.id()), (known, followed.id())].into());
        assert!(store.inner.quotas().take(&[Account::Strangers], STRANGERS.bytes, Instant::now()));

        for stranger in [met, introduced, of_met] {
            let answers = store.append_remote_blocking(&[written(&stranger).await]).unwrap();
            assert_eq!(answers, [Err(Rejected::OverQuota(stranger.id()))]);
            assert!(!store.wanted().borrow().receives(&stranger.id()));
        }
        for known in [offered, followed, of_followed] {
            assert!(store.append_remote_blocking(&[written(&known).await]).unwrap()[0].is_ok());
        }
    }

    #[tokio::test]
    async fn strangers_that_hold_all_they_may_bring_nothing_until_some_of_it_is_gone() {
        let [me, met, offered, gone] = [1, 2, 3, 4].map(|seed| Identity::from_seed(&[seed; 32]));
        let store = FeedStore::in_memory(me.id(), vec![]).unwrap();
        store.want_met(met.id());
        store.want_peer(offered.id());
        let held = Head { sequence: FeedSequence(1), key: MessageKey([0; 32]), bytes: MAX_HELD_OF_STRANGERS - 1 };
        store.inner.heads.write().unwrap().insert(gone.id(), held);

        let message = written(&met).await;
        let answers = store.append_remote_blocking(std::slice::from_ref(&message)).unwrap();
        assert_eq!(answers, [Err(Rejected::OverQuota(met.id()))]);
        assert!(store.append_remote_blocking(&[written(&offered).await]).unwrap()[0].is_ok());
        store.inner.heads.write().unwrap().remove(&gone.id());
        store.resume_paused(Instant::now());
        assert!(store.append_remote_blocking(&[message]).unwrap()[0].is_ok());
    }

    #[tokio::test]
    async fn a_full_disk_takes_nothing_of_others_and_this_nodes_own_messages() {
        let [me, offered] = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]));
        let store = FeedStore::in_memory(me.id(), vec![]).unwrap();
        store.want_peer(offered.id());
        store.keep_free(std::env::temp_dir(), u64::MAX);
        let answers = store.append_remote_blocking(&[written(&offered).await]).unwrap();
        assert_eq!(answers, [Err(Rejected::DiskFull(offered.id()))]);
        store.resume_paused(Instant::now());
        assert!(!store.wanted().borrow().receives(&offered.id()));
        let content_json = r#"{"type":"post","text":"the disk is full"}"#.to_owned();
        store.append_own(vec![OwnAppend { identity: me, content_json, names: None }]).await.unwrap();
    }

    #[tokio::test]
    async fn the_text_of_a_feed_is_counted_however_it_grows_and_shrinks() {
        let me = Identity::from_seed(&[1; 32]);
        let store = FeedStore::in_memory(me.id(), vec![]).unwrap();
        let post = |n: usize| OwnAppend {
            identity: me.clone(),
            content_json: format!(r#"{{"type":"post","text":"{}"}}"#, "\u{e9}".repeat(n)),
            names: None,
        };
        let messages = store.append_own((0..10).map(post).collect()).await.unwrap();
        let text = |count: usize| messages[..count].iter().map(|message| message.value_json.len() as u64).sum::<u64>();
        assert_eq!(store.inner.head(&me.id()).unwrap().bytes, text(10));
        let mut writer = store.inner.writer();
        let transaction = writer.transaction().unwrap();
        assert_eq!(schema::cut(&transaction, &me.id(), 3).unwrap().unwrap().bytes, text(7));
        schema::remove_from(&transaction, &me.id(), FeedSequence(5)).unwrap();
        assert_eq!(schema::head(&transaction, &me.id()).unwrap().unwrap().bytes, text(4));
    }
}
