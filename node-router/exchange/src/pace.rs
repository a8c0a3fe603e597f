//! Which connection may send its next message with blocks, where the upload is limited: a state machine.
//!
//! Connections ask for their turn and say afterwards what they sent; turns come out of [`Pace::next_turn`]. Time is an
//! argument. A message goes out once the bucket of all together and that of its peer are not in debt, and puts them into
//! debt: so that a limit below the size of a block delays it and never stalls. Among those that wait, the bytes are shared
//! fairly between peers, however many connections or wants each has, by start-time fair queueing (Goyal, Vin, Cheng 1996).

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

/// What an idle link may send at once, as time at its rate: makes up for timers that fire late.
const BURST: Duration = Duration::from_millis(100);

/// Peers whose share is remembered while they do not wait: several times the connections of a node, so that a peer does
/// not come back with its debt forgotten, and many identities do not fill the memory.
const MAX_SHARES: usize = 1024;

/// How much the exchange may upload, in bytes of blocks a second; `None` is no limit. The protocol's own messages, some
/// hundred bytes for a block, are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UploadLimits {
    /// To all peers together.
    pub total: Option<NonZeroU64>,
    /// To each peer.
    pub per_peer: Option<NonZeroU64>,
}

impl UploadLimits {
    /// Whether there is any.
    pub(crate) fn is_limited(&self) -> bool {
        self.total.is_some() || self.per_peer.is_some()
    }
}

/// A token bucket that may go into debt.
#[derive(Debug)]
struct Bucket {
    /// Bytes a second.
    rate: f64,
    /// Bytes that may be sent at once; negative is debt.
    level: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: NonZeroU64, now: Instant) -> Self {
        let rate = rate.get() as f64;
        Self { rate, level: rate * BURST.as_secs_f64(), at: now }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + self.rate * passed).min(self.rate * BURST.as_secs_f64());
        self.at = self.at.max(now);
    }

    /// When it is out of debt, as far as it is known now.
    fn ready_at(&self) -> Instant {
        if self.level >= 0.0 {
            return self.at;
        }
        // The nanosecond makes up for what the conversion cuts off.
        self.at + Duration::from_secs_f64(-self.level / self.rate) + Duration::from_nanos(1)
    }

    fn is_ready(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.level >= 0.0
    }
}

/// What a peer got.
#[derive(Debug)]
struct Share {
    bucket: Option<Bucket>,
    /// Virtual time at which its last message ends.
    finish: u64,
    /// Messages that wait, or have their turn and are not settled.
    pending: usize,
}

#[derive(Debug)]
struct Waiting {
    connection: ConnectionId,
    peer: PeerId,
    bytes: u64,
    since: Instant,
}

/// A connection may send its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) connection: ConnectionId,
    pub(crate) peer: PeerId,
    /// How long it was held back.
    pub(crate) waited: Duration,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: UploadLimits,
    total: Option<Bucket>,
    shares: HashMap<PeerId, Share>,
    /// By virtual time of their start, then age.
    line: BTreeMap<(u64, u64), Waiting>,
    /// Turns that were given, with what they were charged.
    turns: HashMap<ConnectionId, (PeerId, u64)>,
    /// Virtual time: the start of the last message that had its turn, in bytes.
    now: u64,
    /// The latest finish of all.
    latest: u64,
    age: u64,
}

impl Pace {
    pub(crate) fn new(limits: UploadLimits, now: Instant) -> Self {
        Self {
            limits,
            total: limits.total.map(|rate| Bucket::full(rate, now)),
            shares: HashMap::new(),
            line: BTreeMap::new(),
            turns: HashMap::new(),
            now: 0,
            latest: 0,
            age: 0,
        }
    }

    /// Goes by other limits from now on; what is owed by those before is forgotten.
    pub(crate) fn limit(&mut self, limits: UploadLimits, now: Instant) {
        self.limits = limits;
        self.total = limits.total.map(|rate| Bucket::full(rate, now));
        for share in self.shares.values_mut() {
            share.bucket = limits.per_peer.map(|rate| Bucket::full(rate, now));
        }
    }

    /// A connection has a message of about so many bytes of blocks. It asks again when its turn is over.
    pub(crate) fn ask(&mut self, connection: ConnectionId, peer: PeerId, bytes: u64, now: Instant) {
        if self.line.is_empty() {
            // Whoever had more before owes nothing: nobody waited for it.
            self.now = self.latest;
        }
        if !self.shares.contains_key(&peer) {
            self.forget_shares(now);
        }
        let share = self.shares.entry(peer).or_insert_with(|| Share {
            bucket: self.limits.per_peer.map(|rate| Bucket::full(rate, now)),
            finish: 0,
            pending: 0,
        });
        let start = share.finish.max(self.now);
        share.finish = start + bytes;
        share.pending += 1;
        self.latest = self.latest.max(share.finish);
        self.age += 1;
        self.line.insert((start, self.age), Waiting { connection, peer, bytes, since: now });
    }

    /// The next that may send; `None` when all have to wait until [`next_timeout`](Self::next_timeout).
    pub(crate) fn next_turn(&mut self, now: Instant) -> Option<Turn> {
        if self.total.as_mut().is_some_and(|bucket| !bucket.is_ready(now)) {
            return None;
        }
        let place = self.line.iter().find_map(|(place, waiting)| {
            let bucket = self.shares.get_mut(&waiting.peer)?.bucket.as_mut();
            bucket.is_none_or(|bucket| bucket.is_ready(now)).then_some(*place)
        })?;
        let Waiting { connection, peer, bytes, since } = self.line.remove(&place)?;
        self.now = self.now.max(place.0);
        self.charge(&peer, bytes as f64);
        self.turns.insert(connection, (peer, bytes));
        Some(Turn { connection, peer, waited: now.saturating_duration_since(since) })
    }

    /// A connection used its turn: `sent` bytes of blocks are on their way, which may be none.
    pub(crate) fn settle(&mut self, connection: ConnectionId, sent: u64) {
        let Some((peer, charged)) = self.turns.remove(&connection) else { return };
        self.charge(&peer, sent as f64 - charged as f64);
        if let Some(share) = self.shares.get_mut(&peer) {
            share.pending -= 1;
            share.finish = (share.finish + sent).saturating_sub(charged);
            self.latest = self.latest.max(share.finish);
        }
    }

    /// The connection is gone. A turn that it had counts as used.
    pub(crate) fn closed(&mut self, connection: ConnectionId) {
        if let Some((_, charged)) = self.turns.get(&connection).copied() {
            self.settle(connection, charged);
        }
        let place = self.line.iter().find_map(|(place, waiting)| (waiting.connection == connection).then_some(*place));
        let Some(waiting) = place.and_then(|place| self.line.remove(&place)) else { return };
        if let Some(share) = self.shares.get_mut(&waiting.peer) {
            share.pending -= 1;
        }
    }

    /// When [`next_turn`](Self::next_turn) may give a turn although nothing happens.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let ready = |waiting: &Waiting| {
            let bucket = self.shares.get(&waiting.peer).and_then(|share| share.bucket.as_ref());
            bucket.map_or(waiting.since, Bucket::ready_at)
        };
        let first = self.line.values().map(ready).min()?;
        Some(self.total.as_ref().map_or(first, |bucket| bucket.ready_at().max(first)))
    }

    fn charge(&mut self, peer: &PeerId, bytes: f64) {
        if let Some(bucket) = &mut self.total {
            bucket.level -= bytes;
        }
        if let Some(bucket) = self.shares.get_mut(peer).and_then(|share| share.bucket.as_mut()) {
            bucket.level -= bytes;
        }
    }

    /// Forgets those that neither wait nor owe anything; and all that do not wait where they are too many.
    fn forget_shares(&mut self, now: Instant) {
        let virtual_now = self.now;
        self.shares.retain(|_, share| {
            let owes = share.bucket.as_mut().is_some_and(|bucket| !bucket.is_ready(now)) || share.finish > virtual_now;
            share.pending > 0 || owes
        });
        if self.shares.len() >= MAX_SHARES {
            self.shares.retain(|_, share| share.pending > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(n: usize) -> PeerId {
        PeerId::from_bytes(&[[0x00, 0x08].as_slice(), &[n as u8; 8]].concat()).unwrap()
    }

    fn connection(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    fn limits(total: u64, per_peer: u64) -> UploadLimits {
        UploadLimits { total: NonZeroU64::new(total), per_peer: NonZeroU64::new(per_peer) }
    }

    /// Moves to the next turn.
    fn await_turn(pace: &mut Pace, now: &mut Instant) -> Turn {
        for _ in 0..10 {
            if let Some(turn) = pace.next_turn(*now) {
                return turn;
            }
            *now = pace.next_timeout().expect("somebody waits");
        }
        panic!("nobody gets a turn at the time at which one was promised");
    }

    #[test]
    fn a_message_larger_than_a_second_of_the_limit_is_delayed_and_goes_out() {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(limits(1000, 0), start), start);
        for _ in 0..3 {
            pace.ask(connection(1), peer(1), 5000, now);
            await_turn(&mut pace, &mut now);
            pace.settle(connection(1), 5000);
        }
        assert!((Duration::from_millis(9800)..Duration::from_secs(10)).contains(&(now - start)), "{:?}", now - start);
    }

    #[test]
    fn other_limits_hold_at_once_for_those_who_wait_too() {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(limits(10, 0), start), start);
        for _ in 0..2 {
            pace.ask(connection(1), peer(1), 5000, now);
            if let Some(turn) = pace.next_turn(now) {
                pace.settle(turn.connection, 5000);
            }
        }
        assert_eq!(pace.next_turn(now), None, "minutes of debt");
        pace.limit(UploadLimits::default(), now);
        assert_eq!(await_turn(&mut pace, &mut now).peer, peer(1));
        assert_eq!(now, start, "without a limit nobody waits");
        pace.settle(connection(1), 5000);
        pace.limit(limits(0, 1000), now);
        for _ in 0..2 {
            pace.ask(connection(1), peer(1), 5000, now);
            await_turn(&mut pace, &mut now);
            pace.settle(connection(1), 5000);
        }
        assert!(now - start > Duration::from_secs(4), "{:?}", now - start);
    }

    #[test]
    fn what_was_not_sent_after_all_is_not_charged() {
        let start = Instant::now();
        let mut pace = Pace::new(limits(1000, 1000), start);
        for _ in 0..100 {
            pace.ask(connection(1), peer(1), 5000, start);
            assert!(pace.next_turn(start).is_some());
            pace.settle(connection(1), 0);
        }
    }

    #[test]
    fn a_peer_at_its_own_limit_does_not_hold_up_others() {
        let now = Instant::now();
        let mut pace = Pace::new(limits(1_000_000, 10), now);
        pace.ask(connection(1), peer(1), 5000, now);
        assert_eq!(pace.next_turn(now).map(|turn| turn.peer), Some(peer(1)));
        pace.settle(connection(1), 5000);
        pace.ask(connection(1), peer(1), 5000, now);
        pace.ask(connection(2), peer(2), 5000, now);
        assert_eq!(pace.next_turn(now).map(|turn| turn.peer), Some(peer(2)));
        assert_eq!(pace.next_turn(now), None);
    }

    #[test]
    fn a_peer_does_not_leave_its_debt_behind_by_reconnecting() {
        let now = Instant::now();
        let mut pace = Pace::new(limits(0, 10), now);
        pace.ask(connection(1), peer(1), 5000, now);
        pace.next_turn(now).unwrap();
        pace.closed(connection(1));
        pace.ask(connection(2), peer(2), 5000, now);
        pace.next_turn(now).unwrap();
        pace.ask(connection(3), peer(1), 5000, now);
        assert_eq!(pace.next_turn(now), None);
        assert!(pace.next_timeout().unwrap() > now + Duration::from_secs(400));
    }

    #[test]
    fn peers_that_come_and_go_leave_nothing_behind() {
        let start = Instant::now();
        let mut pace = Pace::new(limits(1000, 1000), start);
        let mut now = start;
        for n in 0..20_000 {
            let peer = PeerId::random();
            pace.ask(connection(n), peer, 5000, now);
            if n % 3 == 0 {
                pace.closed(connection(n));
                continue;
            }
            await_turn(&mut pace, &mut now);
            if n % 2 == 0 {
                pace.settle(connection(n), 5000)
            } else {
                pace.closed(connection(n))
            }
            assert!(pace.shares.len() <= MAX_SHARES);
        }
        pace.ask(connection(0), peer(0), 1, now + Duration::from_secs(10));
        assert_eq!((pace.shares.len(), pace.line.len(), pace.turns.len()), (1, 1, 0));
    }

    #[test]
    fn very_many_peers_in_debt_are_bounded() {
        let now = Instant::now();
        let mut pace = Pace::new(limits(0, 1), now);
        for n in 0..5000 {
            pace.ask(connection(n), PeerId::random(), 5000, now);
            pace.next_turn(now).unwrap();
            pace.settle(connection(n), 5000);
            assert!(pace.shares.len() <= MAX_SHARES);
        }
    }

    const LARGEST: u64 = 4_000;

    #[derive(Debug, Clone)]
    struct Plan {
        limits: UploadLimits,
        /// For each connection its peer, and the sizes of its messages, asked and sent, one after the other.
        connections: Vec<(usize, Vec<(u64, u64)>)>,
    }

    fn any_plan() -> impl Strategy<Value = Plan> {
        let rate = prop_oneof![Just(0u64), 10..100_000u64];
        let messages = prop::collection::vec((1..LARGEST, 0..LARGEST), 1..20);
        let connections = prop::collection::vec((0..3usize, messages), 1..5);
        (rate.clone(), rate, connections)
            .prop_map(|(total, each, connections)| Plan { limits: limits(total, each), connections })
    }

    /// Never more than the rate times the time, a burst, and the message that goes into debt.
    fn check_bound(sent: &[(Instant, u64)], rate: Option<NonZeroU64>) -> Result<(), TestCaseError> {
        let Some(rate) = rate.map(|rate| rate.get() as f64) else { return Ok(()) };
        for (first, (since, _)) in sent.iter().enumerate() {
            let mut bytes = 0;
            for (at, more) in &sent[first..] {
                bytes += more;
                let most = rate * ((*at - *since).as_secs_f64() + BURST.as_secs_f64()) + LARGEST as f64 + 1.0;
                prop_assert!(bytes as f64 <= most, "{bytes} bytes in {:?}", *at - *since);
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn every_message_goes_out_and_never_more_than_the_limits_allow(plan in any_plan()) {
            let start = Instant::now();
            let (mut pace, mut now) = (Pace::new(plan.limits, start), start);
            let mut left: Vec<_> = plan.connections.iter().map(|(_, messages)| messages.iter()).collect();
            let mut current = vec![0; left.len()];
            let mut ask = |pace: &mut Pace, n: usize, now| match left[n].next() {
                Some((bytes, sent)) => {
                    pace.ask(connection(n), peer(plan.connections[n].0), *bytes, now);
                    Some(*sent)
                }
                None => None,
            };
            let mut waiting = 0;
            for (n, sent) in current.iter_mut().enumerate() {
                *sent = ask(&mut pace, n, now).expect("each has one message at least");
                waiting += 1;
            }
            let mut out: Vec<(Instant, usize, u64)> = Vec::new();
            while waiting > 0 {
                let turn = await_turn(&mut pace, &mut now);
                let n = (0..current.len()).find(|n| connection(*n) == turn.connection).unwrap();
                prop_assert_eq!(turn.peer, peer(plan.connections[n].0));
                pace.settle(turn.connection, current[n]);
                out.push((now, plan.connections[n].0, current[n]));
                match ask(&mut pace, n, now) {
                    Some(sent) => current[n] = sent,
                    None => waiting -= 1,
                }
            }
            prop_assert_eq!(out.len(), plan.connections.iter().map(|(_, messages)| messages.len()).sum::<usize>());
            prop_assert!(pace.next_timeout().is_none());
            let all: Vec<_> = out.iter().map(|(at, _, bytes)| (*at, *bytes)).collect();
            check_bound(&all, plan.limits.total)?;
            for one in 0..3 {
                let of_one: Vec<_> =
                    out.iter().filter(|(_, peer, _)| *peer == one).map(|(at, _, bytes)| (*at, *bytes)).collect();
                check_bound(&of_one, plan.limits.per_peer)?;
            }
        }

        /// Peers that always have more to be sent get the same, whatever the sizes of their messages and however many
        /// connections they have.
        #[test]
        fn a_greedy_peer_gets_no_more_than_a_modest_one(
            sizes in prop::collection::vec(1..LARGEST, 2..6),
            rate in 100..1_000_000u64,
        ) {
            let start = Instant::now();
            let (mut pace, mut now) = (Pace::new(limits(rate, 0), start), start);
            // All but the first connection are the greedy peer's.
            let owner = |n: usize| peer(n.min(1));
            for (n, bytes) in sizes.iter().enumerate() {
                pace.ask(connection(n), owner(n), *bytes, now);
            }
            let mut got = [0u64; 2];
            for _ in 0..200 {
                let turn = await_turn(&mut pace, &mut now);
                let n = (0..sizes.len()).find(|n| connection(*n) == turn.connection).unwrap();
                pace.settle(turn.connection, sizes[n]);
                got[n.min(1)] += sizes[n];
                pace.ask(connection(n), owner(n), sizes[n], now);
                prop_assert!(got[0].abs_diff(got[1]) <= 2 * LARGEST, "{got:?}");
            }
        }
    }
}
