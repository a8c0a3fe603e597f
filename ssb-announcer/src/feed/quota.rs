//! Quotas against floods: how much each feed may grow, by the monotonic clock. Pure: the time is an argument.
//!
//! A bucket holds enough for the history of an honest feed, which comes in at once when it is first replicated, and fills
//! at the rate that an honest feed never reaches for long. Feeds of broadcasts share a bucket of the node that names
//! them, so that naming more of them gives no more room. What strangers bring comes out of one more, which all of them
//! share, so that more of them bring no more.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use stream_model::FeedId;

/// What a bucket holds and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quota {
    /// Messages at once.
    pub(super) messages: u64,
    /// Bytes at once.
    pub(super) bytes: u64,
    /// Messages an hour.
    pub(super) messages_an_hour: u64,
    /// Bytes an hour.
    pub(super) bytes_an_hour: u64,
}

/// Of a node's or a person's feed. The history of years is 25,000 messages; a lively person writes tens an hour.
pub(super) const NODE_FEED: Quota =
    Quota { messages: 25_000, bytes: 25_000_000, messages_an_hour: 1_000, bytes_an_hour: 1_000_000 };
/// Of all broadcast feeds that a node names. At once as many as are replicated of one node, full; then ten broadcasts with
/// segments of 4 s.
pub(super) const BROADCAST_FEEDS: Quota =
    Quota { messages: 16_000, bytes: 16_000_000, messages_an_hour: 10_000, bytes_an_hour: 10_000_000 };
/// Of all feeds of strangers and the broadcast feeds that they name. At once the histories of a hundred nodes of some
/// megabytes; then what a hundred broadcasts with segments of 15 s come to. Hundreds of made-up identities with 41 MB each
/// would be many gigabytes on an SD card. As many messages as have the size of an announced segment, 716 bytes: what is
/// smaller takes more room in the indexes than in the text.
pub(super) const STRANGERS: Quota =
    Quota { messages: 360_000, bytes: 256_000_000, messages_an_hour: 22_000, bytes_an_hour: 16_000_000 };

/// A feed that exceeded its quota is taken up again when its bucket has filled to a part of this size: not with every
/// message that it has room for.
const RESUME_AT: u64 = 50;

/// Buckets remembered. Those that are full again are forgotten, so these are feeds that grew lately.
const MAX_BUCKETS: usize = 4_096;

/// What a bucket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Account {
    /// A node feed.
    Node(FeedId),
    /// The broadcast feeds that this node feed names.
    Broadcasts(FeedId),
    /// Node feeds that are neither followed nor configured, and the broadcast feeds that they name.
    Strangers,
}

impl Account {
    fn quota(self) -> Quota {
        match self {
            Self::Node(_) => NODE_FEED,
            Self::Broadcasts(_) => BROADCAST_FEEDS,
            Self::Strangers => STRANGERS,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    messages: u64,
    bytes: u64,
    /// When it was last filled.
    filled: Instant,
}

/// The buckets of all feeds.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    buckets: HashMap<Account, Bucket>,
}

impl Quotas {
    /// Takes a message of `bytes` out of each of the buckets. `false` where one has no room; nothing is taken then.
    pub(super) fn take(&mut self, accounts: &[Account], bytes: u64, now: Instant) -> bool {
        let has_room = accounts.iter().all(|account| self.has_room(*account, bytes, now));
        for account in accounts.iter().filter(|_| has_room) {
            let bucket = self.bucket(*account, now);
            bucket.messages -= 1;
            bucket.bytes -= bytes;
        }
        has_room
    }

    fn has_room(&mut self, account: Account, bytes: u64, now: Instant) -> bool {
        if self.buckets.len() >= MAX_BUCKETS && !self.buckets.contains_key(&account) && !self.forget_full(now) {
            return false;
        }
        let bucket = self.bucket(account, now);
        bucket.messages >= 1 && bucket.bytes >= bytes
    }

    /// Whether a feed that exceeded its quota can be taken up again.
    pub(super) fn is_ready(&mut self, accounts: &[Account], now: Instant) -> bool {
        accounts.iter().all(|account| {
            let quota = account.quota();
            let bucket = self.bucket(*account, now);
            bucket.messages >= quota.messages / RESUME_AT && bucket.bytes >= quota.bytes / RESUME_AT
        })
    }

    fn bucket(&mut self, account: Account, now: Instant) -> &mut Bucket {
        let quota = account.quota();
        let full = Bucket { messages: quota.messages, bytes: quota.bytes, filled: now };
        let bucket = self.buckets.entry(account).or_insert(full);
        bucket.fill(quota, now);
        bucket
    }

    fn forget_full(&mut self, now: Instant) -> bool {
        self.buckets.retain(|account, bucket| {
            let quota = account.quota();
            bucket.fill(quota, now);
            bucket.messages < quota.messages || bucket.bytes < quota.bytes
        });
        self.buckets.len() < MAX_BUCKETS
    }
}

impl Bucket {
    /// Adds what has come in whole minutes, so that frequent calls lose nothing to rounding down.
    fn fill(&mut self, quota: Quota, now: Instant) {
        const STEP: Duration = Duration::from_secs(60);
        let steps = now.saturating_duration_since(self.filled).as_secs() / STEP.as_secs();
        let part = |an_hour: u64| an_hour.saturating_mul(steps) / 60;
        self.messages = self.messages.saturating_add(part(quota.messages_an_hour)).min(quota.messages);
        self.bytes = self.bytes.saturating_add(part(quota.bytes_an_hour)).min(quota.bytes);
        self.filled += STEP * u32::try_from(steps).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NODE: Account = Account::Node(FeedId([1; 32]));
    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn taken(quotas: &mut Quotas, account: Account, bytes: u64, now: Instant) -> u64 {
        (0..200_000).take_while(|_| quotas.take(&[account], bytes, now)).count() as u64
    }

    #[test]
    fn a_history_comes_in_at_once_and_a_flood_no_faster_than_the_rate() {
        let (mut quotas, start) = (Quotas::default(), Instant::now());
        assert_eq!(taken(&mut quotas, NODE, 1_000, start), NODE_FEED.messages);
        assert!(!quotas.is_ready(&[NODE], start));
        assert_eq!(taken(&mut quotas, NODE, 1_000, start + HOUR), NODE_FEED.messages_an_hour);
        assert_eq!(taken(&mut quotas, NODE, 8_000, start + 2 * HOUR), NODE_FEED.bytes_an_hour / 8_000);
        assert!(quotas.is_ready(&[NODE], start + 4 * HOUR));
        let other = Account::Node(FeedId([2; 32]));
        assert_eq!(taken(&mut quotas, other, 640, start), NODE_FEED.messages, "others are not affected");
    }

    #[test]
    fn strangers_bring_together_what_one_bucket_holds_and_leave_those_known_alone() {
        let (mut quotas, start) = (Quotas::default(), Instant::now());
        let mut bring = |nodes: std::ops::Range<u8>, now| {
            let accounts = nodes.map(|n| [Account::Strangers, Account::Node(FeedId([n; 32]))]);
            accounts.map(|both| (0..200).take_while(|_| quotas.take(&both, 100_000, now)).count() as u64).sum::<u64>()
        };
        assert_eq!(bring(100..200, start) * 100_000, STRANGERS.bytes);
        assert_eq!(bring(200..201, start), 0);
        assert_eq!(bring(200..201, start + HOUR) * 100_000, STRANGERS.bytes_an_hour);
        let refused = [Account::Strangers, NODE];
        assert!(!quotas.take(&refused, 100_000, start + HOUR) && !quotas.is_ready(&refused, start + HOUR));
        assert_eq!(
            taken(&mut quotas, NODE, 100_000, start + HOUR) * 100_000,
            NODE_FEED.bytes,
            "nothing was taken of it"
        );
    }

    #[test]
    fn made_up_feeds_do_not_fill_the_memory() {
        let (mut quotas, start) = (Quotas::default(), Instant::now());
        for n in 0..10_000u64 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            quotas.take(&[Account::Broadcasts(FeedId(bytes))], 640, start);
        }
        assert_eq!(quotas.buckets.len(), MAX_BUCKETS);
        assert!(quotas.take(&[NODE], 640, start + HOUR), "and those that are full again make room");
    }

    proptest! {
        #[test]
        fn no_pattern_of_arrivals_exceeds_burst_and_rate(pauses in proptest::collection::vec(0u64..600, 1..200)) {
            let (mut quotas, start) = (Quotas::default(), Instant::now());
            taken(&mut quotas, NODE, 500, start);
            let (mut now, mut extra) = (start, 0);
            for pause in pauses {
                now += Duration::from_secs(pause);
                extra += taken(&mut quotas, NODE, 500, now);
            }
            let hours = now.duration_since(start).as_secs_f64() / 3600.0;
            prop_assert!(extra as f64 <= hours * NODE_FEED.messages_an_hour as f64 + 1.0);
            prop_assert!(extra as f64 >= (hours - 1.0 / 60.0) * NODE_FEED.messages_an_hour as f64 - 60.0 * hours - 1.0);
        }
    }
}
