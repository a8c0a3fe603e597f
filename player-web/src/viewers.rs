//! How many watch each broadcast on this node: pages that say they play it, and players without a page, by what they ask for.
//!
//! Whoever watches is known by a number that is made of the address and the broadcast with a secret of this run, and forgotten with
//! the window: addresses are neither kept, nor told, nor logged. Time is an argument.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stream_model::{BroadcastId, LocalViewers};

use crate::clock::now;

/// How long a player without a page counts after it asked for a playlist or a segment: four reloads of a live playlist with the
/// usual target duration.
const WINDOW: Duration = Duration::from_secs(60);

/// Viewers that are told apart at a time, over all broadcasts: several times the connections. Further ones do not count.
const MAX_VIEWERS: usize = 8_192;

/// How often those are forgotten that ask no more.
const SWEEP: Duration = Duration::from_secs(5);

/// Of one address and broadcast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Viewer {
    /// Sockets that say whether they play it.
    telling: u32,
    /// Those of them that do.
    playing: u32,
    /// When a playlist or a segment was asked for last.
    asked: Option<Instant>,
}

impl Viewer {
    fn asks(&self, now: Instant) -> bool {
        self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < WINDOW)
    }

    fn is_there(&self, now: Instant) -> bool {
        self.telling > 0 || self.asks(now)
    }

    /// A page that is open says it better than what its player asks for, which goes on while it is paused.
    fn count(&self, now: Instant) -> u32 {
        if self.telling > 0 { self.playing } else { u32::from(self.asks(now)) }
    }
}

/// Who watches what. Pure.
#[derive(Debug, Default)]
struct Counts {
    secret: RandomState,
    viewers: HashMap<(BroadcastId, u64), Viewer>,
    swept: Option<Instant>,
}

impl Counts {
    /// The viewer at an address; `None` where there are too many.
    fn viewer(&mut self, broadcast: BroadcastId, address: IpAddr, now: Instant) -> Option<&mut Viewer> {
        self.sweep(now);
        let key = (broadcast, self.secret.hash_one((broadcast, address.to_canonical())));
        if self.viewers.len() >= MAX_VIEWERS && !self.viewers.contains_key(&key) {
            metrics::counter!("meshstream_web_uncounted_viewers_total").increment(1);
            return None;
        }
        Some(self.viewers.entry(key).or_default())
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP) {
            self.swept = Some(now);
            self.viewers.retain(|_, viewer| viewer.is_there(now));
        }
    }

    fn of(&self, broadcast: &BroadcastId, now: Instant) -> u32 {
        let viewers = self.viewers.iter().filter(|((of, _), _)| of == broadcast);
        viewers.map(|(_, viewer)| viewer.count(now)).sum()
    }

    fn all(&mut self, now: Instant) -> HashMap<BroadcastId, u32> {
        self.sweep(now);
        let mut all = HashMap::new();
        for ((broadcast, _), viewer) in &self.viewers {
            *all.entry(*broadcast).or_default() += viewer.count(now);
        }
        all.retain(|_, count| *count > 0);
        all
    }
}

/// Counts viewers. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct ViewerCounter(Arc<Mutex<Counts>>);

impl ViewerCounter {
    /// A socket says whether it plays a broadcast; until the return is dropped.
    pub(crate) fn watch(&self, broadcast: BroadcastId, address: IpAddr) -> Watching {
        let counted = self.counts().viewer(broadcast, address, now()).map(|viewer| viewer.telling += 1).is_some();
        Watching { counter: self.clone(), broadcast, address, counted, playing: false }
    }

    /// A playlist or a segment is asked for.
    pub(crate) fn asked(&self, broadcast: BroadcastId, address: IpAddr) {
        let now = now();
        if let Some(viewer) = self.counts().viewer(broadcast, address, now) {
            viewer.asked = Some(now);
        }
    }

    /// How many watch a broadcast here now.
    pub(crate) fn of(&self, broadcast: &BroadcastId) -> u32 {
        self.counts().of(broadcast, now())
    }

    /// How many watch each broadcast here now; without those that nobody watches.
    pub(crate) fn all(&self) -> HashMap<BroadcastId, u32> {
        self.counts().all(now())
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalViewers for ViewerCounter {
    fn viewers(&self) -> Vec<(BroadcastId, u32)> {
        self.all().into_iter().collect()
    }
}

/// A socket that says whether it plays a broadcast.
#[derive(Debug)]
pub(crate) struct Watching {
    counter: ViewerCounter,
    broadcast: BroadcastId,
    address: IpAddr,
    counted: bool,
    playing: bool,
}

impl Watching {
    pub(crate) fn set_playing(&mut self, playing: bool) {
        if playing != self.playing {
            self.playing = playing;
            self.change(|viewer| {
                viewer.playing = if playing { viewer.playing + 1 } else { viewer.playing.saturating_sub(1) };
            });
        }
    }

    fn change(&self, change: impl FnOnce(&mut Viewer)) {
        if self.counted {
            self.counter.counts().viewer(self.broadcast, self.address, now()).map(change);
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let playing = u32::from(self.playing);
        self.change(|viewer| {
            viewer.telling = viewer.telling.saturating_sub(1);
            viewer.playing = viewer.playing.saturating_sub(playing);
            // The page is gone, and what its player asked for with it.
            viewer.asked = None;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stream_model::MessageKey;
    use tokio::time::advance;

    fn broadcast(number: u8) -> BroadcastId {
        BroadcastId(MessageKey([number; 32]))
    }

    fn address(number: u8) -> IpAddr {
        [10, 0, 0, number].into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_player_without_a_page_counts_while_it_asks() {
        let counter = ViewerCounter::default();
        counter.asked(broadcast(1), address(1));
        counter.asked(broadcast(1), address(1));
        counter.asked(broadcast(1), "::ffff:10.0.0.1".parse().unwrap());
        counter.asked(broadcast(1), address(2));
        counter.asked(broadcast(2), address(2));
        assert_eq!((counter.of(&broadcast(1)), counter.of(&broadcast(2))), (2, 1));
        advance(WINDOW / 2).await;
        counter.asked(broadcast(1), address(1));
        advance(WINDOW / 2).await;
        assert_eq!(counter.all(), HashMap::from([(broadcast(1), 1)]));
        advance(WINDOW / 2).await;
        assert_eq!(counter.viewers(), []);
        assert!(counter.counts().viewers.is_empty(), "nothing is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn pages_count_while_they_play_whatever_their_players_ask_for() {
        let counter = ViewerCounter::default();
        let (mut one, mut other) = (counter.watch(broadcast(1), address(1)), counter.watch(broadcast(1), address(1)));
        counter.asked(broadcast(1), address(1));
        assert_eq!(counter.of(&broadcast(1)), 0, "open and paused");
        one.set_playing(true);
        one.set_playing(true);
        other.set_playing(true);
        advance(10 * WINDOW).await;
        assert_eq!(counter.of(&broadcast(1)), 2, "two pages behind one address");
        other.set_playing(false);
        assert_eq!(counter.of(&broadcast(1)), 1);
        drop(one);
        counter.asked(broadcast(1), address(1));
        assert_eq!(counter.of(&broadcast(1)), 0);
        drop(other);
        assert_eq!(counter.of(&broadcast(1)), 0, "the page is closed");
        advance(SWEEP).await;
        assert!(counter.all().is_empty() && counter.counts().viewers.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_take_a_bounded_amount_of_memory() {
        let counter = ViewerCounter::default();
        let far = u32::try_from(MAX_VIEWERS).unwrap() + 1_000;
        for number in 0..far {
            counter.asked(broadcast(1), IpAddr::V4(number.into()));
        }
        assert_eq!(counter.of(&broadcast(1)) as usize, MAX_VIEWERS);
        let mut uncounted = counter.watch(broadcast(1), "fc00::1".parse().unwrap());
        uncounted.set_playing(true);
        drop(uncounted);
        advance(WINDOW).await;
        counter.asked(broadcast(1), address(1));
        assert_eq!(counter.of(&broadcast(1)), 1);
    }

    #[test]
    fn addresses_are_not_kept() {
        let counter = ViewerCounter::default();
        counter.asked(broadcast(1), [192, 0, 2, 77].into());
        let debug = format!("{counter:?}");
        assert!(!debug.contains("192.0.2.77"), "{debug}");
    }
}
