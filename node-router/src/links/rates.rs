//! How much is exchanged with each peer now: the difference of counts over the last seconds. Time is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use stream_model::PeerId;

/// Over which a rate is taken: as long as a segment is, about, so that a live broadcast has a steady rate.
const WINDOW: Duration = Duration::from_secs(15);
/// Between two looks at the counts.
const EVERY: Duration = Duration::from_secs(1);

/// Bytes, or bytes a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Exchanged {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Rates {
    /// Counts of the connected peers, the newest last: as many as the window has looks.
    counts: VecDeque<(Instant, HashMap<PeerId, Exchanged>)>,
}

impl Rates {
    /// Takes the counts of now, unless that was done a moment ago.
    pub(crate) fn look(&mut self, now: Instant, counts: impl FnOnce() -> HashMap<PeerId, Exchanged>) {
        if self.counts.back().is_some_and(|(at, _)| now.saturating_duration_since(*at) < EVERY) {
            return;
        }
        self.counts.push_back((now, counts()));
        // One that is older than the window stays, for the rate over the whole of it.
        while self.counts.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
            self.counts.pop_front();
        }
    }

    /// Bytes a second of each peer that is connected.
    pub(crate) fn all(&self) -> HashMap<PeerId, Exchanged> {
        let Some((now, newest)) = self.counts.back() else { return HashMap::new() };
        newest.iter().map(|(peer, counts)| (peer.clone(), self.rate(*now, peer, *counts))).collect()
    }

    fn rate(&self, now: Instant, peer: &PeerId, counts: Exchanged) -> Exchanged {
        // Counts begin anew with each connection.
        let same = |then: &Exchanged| then.received <= counts.received && then.sent <= counts.sent;
        let mut known = self.counts.iter().filter_map(|(at, all)| Some((*at, *all.get(peer)?)));
        let Some((at, then)) = known.find(|(_, then)| same(then)) else { return Exchanged::default() };
        let millis = now.saturating_duration_since(at).max(EVERY).as_millis();
        let rate = |bytes: u64| u64::try_from(u128::from(bytes) * 1000 / millis).unwrap_or(u64::MAX);
        Exchanged { received: rate(counts.received - then.received), sent: rate(counts.sent - then.sent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_seconds_and_begin_anew_with_a_connection() {
        let peer = PeerId::from_multihash([vec![0x12, 32], vec![7; 32]].concat()).unwrap();
        let (mut rates, start) = (Rates::default(), Instant::now());
        let mut look = |second: u64, received: u64| {
            let counts = HashMap::from([(peer.clone(), Exchanged { received, sent: 2 * received })]);
            rates.look(start + Duration::from_secs(second), || counts);
            rates.all()[&peer]
        };
        assert_eq!(look(0, 0), Exchanged::default());
        assert_eq!(look(10, 1000), Exchanged { received: 100, sent: 200 });
        for second in 11..40 {
            look(second, 1000);
        }
        assert_eq!(look(40, 1000), Exchanged::default());
        assert_eq!(look(41, 50), Exchanged::default());
        assert_eq!(look(43, 250), Exchanged { received: 100, sent: 200 });
    }
}
