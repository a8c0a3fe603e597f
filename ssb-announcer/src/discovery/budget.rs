//! How many datagrams are looked at: in all, and of each sender. Pure: time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

/// Datagrams a second in all: a network of a hundred nodes sends fewer. Each may cost a signature to check, about
/// 0.2 ms on a Raspberry Pi.
const PER_SECOND: f64 = 50.0;
const BURST: f64 = 100.0;
/// Datagrams a second of one address: a JavaScript server sends at most two, a host may run several programs.
const PER_SECOND_OF_SOURCE: f64 = 8.0;
const BURST_OF_SOURCE: f64 = 16.0;
/// Senders that are told apart. The one that was silent for longest makes place.
const MAX_SOURCES: usize = 256;

/// Grants what flows in at a rate, up to a burst.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, per_second: f64, burst: f64, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * per_second).min(burst);
        self.at = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

#[derive(Debug)]
pub(super) struct Budget {
    all: Bucket,
    sources: HashMap<IpAddr, Bucket>,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { all: Bucket { tokens: BURST, at: now }, sources: HashMap::new() }
    }

    /// Whether a datagram of this sender is looked at. The sender's own budget comes first, so that one that floods
    /// does not use up everybody's.
    pub(super) fn take(&mut self, source: IpAddr, now: Instant) -> bool {
        if !self.sources.contains_key(&source) && self.sources.len() >= MAX_SOURCES {
            let quietest = self.sources.iter().min_by_key(|(_, bucket)| bucket.at).map(|(ip, _)| *ip);
            quietest.and_then(|ip| self.sources.remove(&ip));
        }
        let bucket = self.sources.entry(source).or_insert(Bucket { tokens: BURST_OF_SOURCE, at: now });
        bucket.take(PER_SECOND_OF_SOURCE, BURST_OF_SOURCE, now) && self.all.take(PER_SECOND, BURST, now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn source(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    #[test]
    fn one_sender_that_floods_leaves_room_for_others() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let granted = (0..10_000).filter(|_| budget.take(source(1), start)).count();
        assert_eq!(granted, 16);
        assert!((2..8).all(|n| budget.take(source(n), start)));
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| budget.take(source(1), later)).count(), 8);
    }

    #[test]
    fn many_senders_together_are_bounded_and_so_is_the_table() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let granted = (0..10_000).filter(|n| budget.take(source(*n), start)).count();
        assert_eq!(granted, 100);
        assert!(budget.sources.len() <= MAX_SOURCES);
        let later = start + Duration::from_secs(1);
        assert_eq!((10_000..20_000).filter(|n| budget.take(source(*n), later)).count(), 50);
    }
}
