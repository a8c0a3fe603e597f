//! How much is fetched on behalf of each neighbour. Pure: time is an argument.
//!
//! What a neighbour looks for is fetched and stored although nobody here looks at it. Without a measure one that looks
//! for what its accomplice makes up would wear out the memory card and push honest pictures out.

use std::collections::BTreeMap;
use std::time::Instant;

use stream_model::FeedId;

use super::MAX_BLOB;

/// Bytes fetched for one neighbour at once: the pictures of a few pages, and a sixteenth of what is kept of others.
pub const AT_ONCE: u64 = 16 * 1024 * 1024;
/// Bytes an hour beyond that: people look at a few pages of new pictures in it, and a memory card bears 140 GB a year.
pub const PER_HOUR: u64 = 16 * 1024 * 1024;
/// Neighbours that have used something of theirs: as many as there are peers. Beyond, nothing is fetched for further ones
/// until one has all of its own again.
pub const MAX_NEIGHBOURS: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    bytes: f64,
    at: Instant,
}

impl Bucket {
    fn bytes_at(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.bytes + elapsed * PER_HOUR as f64 / 3_600.0).min(AT_ONCE as f64)
    }
}

/// What is left to all neighbours. It outlives their connections.
#[derive(Debug, Default)]
pub struct Budget {
    /// Those that have not everything left.
    used: BTreeMap<FeedId, Bucket>,
}

impl Budget {
    /// Bytes that may be fetched for a neighbour now.
    pub fn left(&self, peer: &FeedId, now: Instant) -> u64 {
        self.used.get(peer).map_or(AT_ONCE, |bucket| bucket.bytes_at(now) as u64)
    }

    /// Sets aside what a blob may have at most. `false` where that is not left.
    pub fn reserve(&mut self, peer: FeedId, now: Instant) -> bool {
        let left = self.left(&peer, now);
        if left < MAX_BLOB as u64 {
            return false;
        }
        if !self.used.contains_key(&peer) && self.used.len() >= MAX_NEIGHBOURS {
            self.used.retain(|_, bucket| bucket.bytes_at(now) < AT_ONCE as f64);
            if self.used.len() >= MAX_NEIGHBOURS {
                return false;
            }
        }
        let bytes = self.used.get(&peer).map_or(AT_ONCE as f64, |bucket| bucket.bytes_at(now));
        self.used.insert(peer, Bucket { bytes: bytes - MAX_BLOB as f64, at: now });
        true
    }

    /// A blob came, or a part of one: what was set aside beyond that is left again.
    pub fn settle(&mut self, peer: &FeedId, fetched: u64, now: Instant) {
        if let Some(bucket) = self.used.get_mut(peer) {
            let unused = (MAX_BLOB as u64).saturating_sub(fetched);
            *bucket = Bucket { bytes: (bucket.bytes_at(now) + unused as f64).min(AT_ONCE as f64), at: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let begun = (0..1_000).filter(|n| budget.reserve(peer(*n), now)).count();
        assert_eq!((begun, budget.used.len()), (MAX_NEIGHBOURS, MAX_NEIGHBOURS));
        assert!(budget.reserve(peer(999), now + HOUR));
    }

    proptest! {
        #[test]
        fn no_order_of_fetches_gets_more_than_the_bucket_and_its_rate(
            steps in prop::collection::vec((0u64..600, 0..=MAX_BLOB as u64, any::<bool>()), 1..200),
        ) {
            let (mut budget, begin) = (Budget::default(), Instant::now());
            let (mut now, mut fetched) = (begin, 0);
            for (seconds, bytes, settled) in steps {
                now += Duration::from_secs(seconds);
                if budget.reserve(peer(1), now) {
                    fetched += bytes;
                    if settled {
                        budget.settle(&peer(1), bytes, now);
                    }
                }
                let most = AT_ONCE as f64 + (now - begin).as_secs_f64() * PER_HOUR as f64 / 3_600.0;
                prop_assert!(fetched as f64 <= most + 1.0);
            }
        }
    }
}
