//! Who brought the blocks of each broadcast of late, for people to see. Pure: time is an argument. Bounded, and forgets by
//! itself.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use stream_model::{BroadcastId, PeerId};

/// Spans of time that are counted apart, of which the oldest goes.
const SPANS: usize = 5;

/// How long each of them is.
const SPAN: Duration = Duration::from_secs(60);

/// How far back the counts go, with the span that runs.
pub(crate) const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Broadcasts that are counted: more than a node follows at a time. Of others it is not told.
const MAX_BROADCASTS: usize = 64;

/// Peers that are counted for each: as many as deliver at a time.
const MAX_PEERS: usize = 32;

/// Blocks that came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.blocks = self.blocks.saturating_add(other.blocks);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Of one peer.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    spans: [Amount; SPANS],
    /// The number of the newest span that something was counted in.
    newest: u64,
}

impl Recent {
    fn add(&mut self, span: u64, amount: Amount) {
        for passed in self.newest.saturating_add(1)..=span.min(self.newest.saturating_add(SPANS as u64)) {
            self.spans[place(passed)] = Amount::default();
        }
        if span > self.newest + SPANS as u64 {
            self.spans = [Amount::default(); SPANS];
        }
        self.newest = self.newest.max(span);
        self.spans[place(span)].add(amount);
    }

    fn sum(&self, span: u64) -> Amount {
        let oldest = span.saturating_sub(SPANS as u64 - 1);
        let mut sum = Amount::default();
        (oldest..=self.newest).rev().take(SPANS).for_each(|span| sum.add(self.spans[place(span)]));
        sum
    }

    fn is_any(&self, span: u64) -> bool {
        self.sum(span).blocks > 0
    }
}

fn place(span: u64) -> usize {
    usize::try_from(span % SPANS as u64).unwrap_or_default()
}

/// All counts.
#[derive(Debug)]
pub(crate) struct Tally {
    start: Instant,
    broadcasts: HashMap<BroadcastId, HashMap<PeerId, Recent>>,
}

impl Tally {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, broadcasts: HashMap::new() }
    }

    /// A block of a broadcast came from a peer.
    pub(crate) fn count(&mut self, broadcast: BroadcastId, from: &PeerId, bytes: u64, now: Instant) {
        let (span, amount) = (self.span(now), Amount { blocks: 1, bytes });
        if !self.broadcasts.contains_key(&broadcast) && self.broadcasts.len() >= MAX_BROADCASTS {
            self.expire(span);
            if self.broadcasts.len() >= MAX_BROADCASTS {
                return;
            }
        }
        let peers = self.broadcasts.entry(broadcast).or_default();
        if let Some(recent) = peers.get_mut(from) {
            return recent.add(span, amount);
        }
        if peers.len() >= MAX_PEERS {
            peers.retain(|_, recent| recent.is_any(span));
        }
        if peers.len() < MAX_PEERS {
            peers.entry(from.clone()).or_default().add(span, amount);
        }
    }

    /// What each peer brought, the most first.
    pub(crate) fn of(&self, broadcast: &BroadcastId, now: Instant) -> Vec<(PeerId, Amount)> {
        let span = self.span(now);
        let peers = self.broadcasts.get(broadcast).into_iter().flatten();
        let mut peers: Vec<_> = peers.map(|(peer, recent)| (peer.clone(), recent.sum(span))).collect();
        peers.retain(|(_, amount)| amount.blocks > 0);
        peers.sort_by(|(a, one), (b, other)| other.bytes.cmp(&one.bytes).then_with(|| a.cmp(b)));
        peers
    }

    fn expire(&mut self, span: u64) {
        self.broadcasts.retain(|_, peers| peers.values().any(|recent| recent.is_any(span)));
    }

    fn span(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / SPAN.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stream_model::MessageKey;

    use super::*;

    fn broadcast(number: u8) -> BroadcastId {
        BroadcastId(MessageKey([number; 32]))
    }

    fn peer(number: u8) -> PeerId {
        PeerId::from_multihash([vec![0x12, 32], vec![number; 32]].concat()).unwrap()
    }

    #[test]
    fn peers_are_told_of_by_what_they_brought_and_forgotten_after_the_window() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut tally = Tally::new(start);
        tally.count(broadcast(1), &peer(1), 100, at(0));
        tally.count(broadcast(1), &peer(2), 60, at(10));
        tally.count(broadcast(1), &peer(2), 60, at(70));
        tally.count(broadcast(2), &peer(3), 1, at(70));
        let peers = tally.of(&broadcast(1), at(80));
        let amount = |blocks, bytes| Amount { blocks, bytes };
        assert_eq!(peers, [(peer(2), amount(2, 120)), (peer(1), amount(1, 100))]);
        assert_eq!(tally.of(&broadcast(1), at(300)), [(peer(2), amount(1, 60))]);
        assert_eq!(tally.of(&broadcast(1), at(360)), []);
        assert_eq!(tally.of(&broadcast(9), at(0)), []);
    }

    #[test]
    fn neither_many_broadcasts_nor_many_peers_are_remembered() {
        let start = Instant::now();
        let mut tally = Tally::new(start);
        for number in 0..=u8::MAX {
            tally.count(broadcast(number), &peer(1), 1, start);
            tally.count(broadcast(0), &peer(number), 1, start);
        }
        assert_eq!(tally.broadcasts.len(), MAX_BROADCASTS);
        assert_eq!(tally.of(&broadcast(0), start).len(), MAX_PEERS);
        let later = start + 2 * WINDOW;
        tally.count(broadcast(200), &peer(1), 1, later);
        assert_eq!(tally.of(&broadcast(200), later).len(), 1, "what is past makes room");
        assert_eq!(tally.broadcasts.len(), 1);
    }

    proptest! {
        #[test]
        fn the_sum_is_what_came_in_the_last_spans(mut seconds in prop::collection::vec(0_u64..2_000, 1..60)) {
            seconds.sort_unstable();
            let start = Instant::now();
            let mut tally = Tally::new(start);
            for second in &seconds {
                tally.count(broadcast(1), &peer(1), 1, start + Duration::from_secs(*second));
            }
            for now in [seconds[seconds.len() - 1], 2_100, 2_400] {
                let spans = SPANS as u64;
                let recent = seconds.iter().filter(|second| **second / 60 + spans > now / 60).count() as u64;
                let peers = tally.of(&broadcast(1), start + Duration::from_secs(now));
                prop_assert_eq!(peers.first().map_or(0, |(_, amount)| amount.blocks), recent);
            }
        }
    }
}
