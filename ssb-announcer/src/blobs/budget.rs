//! How much is fetched on behalf of each neighbour, and of all together. Pure: time is an argument.
//!
//! What a neighbour looks for is fetched and stored although nobody here looks at it. Without a measure one that looks
//! for what its accomplice makes up would wear out the memory card and push honest pictures out; and identities cost nothing, so
//! that there is a measure for all of them too.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stream_model::FeedId;

use super::MAX_BLOB;

/// Bytes fetched for one neighbour at once: the pictures of a few pages, and a sixteenth of what is kept of others.
pub const AT_ONCE: u64 = 16 * 1024 * 1024;
/// Bytes an hour beyond that: people look at a few pages of new pictures in it.
pub const PER_HOUR: u64 = 16 * 1024 * 1024;
/// Bytes fetched for all neighbours at once: four that use all of theirs, and a quarter of what is kept of others.
pub const ALL_AT_ONCE: u64 = 64 * 1024 * 1024;
/// Bytes an hour beyond that: 560 GB a year, which a memory card bears, and 150 kbit/s of the link.
pub const ALL_PER_HOUR: u64 = 64 * 1024 * 1024;
/// Neighbours that have used something of theirs: as many as there are peers. Beyond, nothing is fetched for further ones
/// until one has all of its own again.
pub const MAX_NEIGHBOURS: usize = 256;

const HOUR: f64 = 3_600.0;

#[derive(Debug, Clone, Copy)]
struct Measure {
    at_once: u64,
    per_hour: u64,
}

const OF_ONE: Measure = Measure { at_once: AT_ONCE, per_hour: PER_HOUR };
const OF_ALL: Measure = Measure { at_once: ALL_AT_ONCE, per_hour: ALL_PER_HOUR };

/// What was left at some time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    measure: Measure,
    bytes: f64,
    at: Instant,
}

impl Bucket {
    fn full(measure: Measure, now: Instant) -> Self {
        Self { measure, bytes: measure.at_once as f64, at: now }
    }

    fn bytes_at(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.bytes + elapsed * self.measure.per_hour as f64 / HOUR).min(self.measure.at_once as f64)
    }

    /// When so many bytes are left, at the latest a second late.
    fn has(&self, bytes: u64, now: Instant) -> Instant {
        let missing = bytes as f64 - self.bytes_at(now);
        let seconds = (missing * HOUR / self.measure.per_hour as f64).ceil();
        if missing > 0.0 { now + Duration::from_secs(seconds as u64) } else { now }
    }

    fn is_full(&self, now: Instant) -> bool {
        self.bytes_at(now) >= self.measure.at_once as f64
    }

    fn add(&mut self, bytes: f64, now: Instant) {
        self.bytes = (self.bytes_at(now) + bytes).min(self.measure.at_once as f64);
        self.at = now;
    }
}

/// What is left to all neighbours. It outlives their connections.
#[derive(Debug, Default)]
pub struct Budget {
    /// Those that have not everything left.
    used: BTreeMap<FeedId, Bucket>,
    /// What is left to all together, once something was used.
    all: Option<Bucket>,
}

impl Budget {
    fn of_one(&self, peer: &FeedId, now: Instant) -> Bucket {
        self.used.get(peer).copied().unwrap_or(Bucket::full(OF_ONE, now))
    }

    fn of_all(&self, now: Instant) -> Bucket {
        self.all.unwrap_or(Bucket::full(OF_ALL, now))
    }

    fn is_crowded(&self, peer: &FeedId) -> bool {
        self.used.len() >= MAX_NEIGHBOURS && !self.used.contains_key(peer)
    }

    /// Bytes that may be fetched for a neighbour now.
    pub fn left(&self, peer: &FeedId, now: Instant) -> u64 {
        self.of_one(peer, now).bytes_at(now).min(self.of_all(now).bytes_at(now)) as u64
    }

    /// When something can be set aside for a neighbour again, if no other takes it before.
    pub fn next_reserve(&self, peer: &FeedId, now: Instant) -> Instant {
        let most = MAX_BLOB as u64;
        let left = self.of_one(peer, now).has(most, now).max(self.of_all(now).has(most, now));
        let place = self.used.values().map(|bucket| bucket.has(AT_ONCE, now)).min().filter(|_| self.is_crowded(peer));
        place.map_or(left, |place| left.max(place))
    }

    /// Sets aside what a blob may have at most. `false` where that is not left.
    pub fn reserve(&mut self, peer: FeedId, now: Instant) -> bool {
        if self.left(&peer, now) < MAX_BLOB as u64 {
            return false;
        }
        if self.is_crowded(&peer) {
            self.used.retain(|_, bucket| !bucket.is_full(now));
            if self.is_crowded(&peer) {
                return false;
            }
        }
        let (mut one, mut all) = (self.of_one(&peer, now), self.of_all(now));
        one.add(-(MAX_BLOB as f64), now);
        all.add(-(MAX_BLOB as f64), now);
        self.used.insert(peer, one);
        self.all = Some(all);
        true
    }

    /// A blob came, or a part of one: what was set aside beyond that is left again.
    pub fn settle(&mut self, peer: &FeedId, fetched: u64, now: Instant) {
        let unused = (MAX_BLOB as u64).saturating_sub(fetched) as f64;
        for bucket in self.used.get_mut(peer).into_iter().chain(&mut self.all) {
            bucket.add(unused, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn peer(n: u16) -> FeedId {
        FeedId([&n.to_be_bytes()[..], &[0; 30]].concat().try_into().unwrap())
    }

    #[test]
    fn one_neighbour_uses_up_its_own_and_gets_it_back_with_time() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let blobs = AT_ONCE / MAX_BLOB as u64;
        assert_eq!((0..100).filter(|_| budget.reserve(peer(1), now)).count() as u64, blobs);
        assert_eq!(budget.left(&peer(2), now), AT_ONCE);
        assert!(budget.reserve(peer(2), now));
        assert_eq!(budget.left(&peer(1), now + HOUR), PER_HOUR);
        assert!(budget.reserve(peer(1), now + HOUR / 8));
    }

    #[test]
    fn only_what_came_is_counted() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        for _ in 0..100 {
            assert!(budget.reserve(peer(1), now));
            budget.settle(&peer(1), 1_000, now);
        }
        assert_eq!(budget.left(&peer(1), now), AT_ONCE - 100_000);
    }

    #[test]
    fn neighbours_that_come_and_go_are_remembered_until_they_have_everything_again() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let begun = (0..1_000).filter(|n| {
            let begun = budget.reserve(peer(*n), now);
            budget.settle(&peer(*n), 1_000, now);
            begun
        });
        assert_eq!(begun.count(), MAX_NEIGHBOURS);
        assert_eq!(budget.used.len(), MAX_NEIGHBOURS);
        let next = budget.next_reserve(&peer(999), now);
        assert!(next > now && next < now + HOUR && budget.reserve(peer(999), next));
    }

    #[test]
    fn many_neighbours_together_get_no_more_than_all_may() {
        let (mut budget, mut now) = (Budget::default(), Instant::now());
        let mut reserved = |now| (0..200).filter(|n| budget.reserve(peer(*n), now)).count() as u64;
        assert_eq!(reserved(now), ALL_AT_ONCE / MAX_BLOB as u64);
        now += HOUR;
        assert_eq!(reserved(now), ALL_PER_HOUR / MAX_BLOB as u64);
        now += 100 * HOUR;
        assert_eq!(reserved(now), ALL_AT_ONCE / MAX_BLOB as u64);
        (0..100).for_each(|n| budget.settle(&peer(n), 0, now));
        assert!(budget.reserve(peer(500), now), "what did not come is left to others again");
    }

    #[test]
    fn it_says_when_something_is_left_again() {
        for neighbours in [1, 100] {
            let (mut budget, now) = (Budget::default(), Instant::now());
            assert_eq!(budget.next_reserve(&peer(0), now), now);
            while (0..neighbours).any(|n| budget.reserve(peer(n), now)) {}
            let next = budget.next_reserve(&peer(0), now);
            assert!(!budget.reserve(peer(0), next - Duration::from_secs(2)));
            assert!(budget.reserve(peer(0), next));
        }
    }

    proptest! {
        #[test]
        fn no_order_of_fetches_gets_more_than_the_bucket_and_its_rate(
            steps in prop::collection::vec((0u64..300, 0..=MAX_BLOB as u64, any::<bool>(), 0u16..12), 1..400),
        ) {
            let (mut budget, begin) = (Budget::default(), Instant::now());
            let (mut now, mut fetched) = (begin, [0; 12]);
            for (seconds, bytes, settled, n) in steps {
                now += Duration::from_secs(seconds);
                if budget.reserve(peer(n), now) {
                    fetched[usize::from(n)] += bytes;
                    if settled {
                        budget.settle(&peer(n), bytes, now);
                    }
                }
                let hours = (now - begin).as_secs_f64() / 3_600.0;
                let most = |measure: Measure| measure.at_once as f64 + hours * measure.per_hour as f64 + 1.0;
                prop_assert!(fetched.iter().all(|bytes| *bytes as f64 <= most(OF_ONE)));
                prop_assert!(fetched.iter().sum::<u64>() as f64 <= most(OF_ALL));
            }
        }
    }
}
