//! What the gate decides. Pure: time is an argument.
//!
//! In: peers that are dialled, connected, say how far they have our feed, and leave; messages of our own feed that came
//! from them; our own appends. Out: whether an append may happen now, has to wait, or is refused.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stream_model::{FeedId, FeedSequence};

use super::{Conflict, OwnFeed, OwnFeedError, RecoverReason};

/// After the start, how long peers may take to turn up: on a LAN, reading a node's description and shaking hands with it
/// takes a tenth of that. A publisher who comes later does not wait for it.
pub const SETTLE: Duration = Duration::from_secs(2);
/// How long a peer may take to answer once it is dialled, connected, or has sent a message that was missing here: some
/// round trips on a poor mesh link.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The longest wait of an append while no message that was missing arrives, whoever comes and goes meanwhile: less than
/// the first segment of a broadcast takes.
pub const WAIT_AT_MOST: Duration = Duration::from_secs(14);

/// Peers that are remembered: more than are known and connected at once. Those beyond are asked and not waited for.
const MAX_PEERS: usize = 1_024;

/// How a peer stands to the question for our own feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It is being dialled.
    Dialled { until: Instant },
    /// It was dialled in vain. Later tries are not waited for.
    Unreachable,
    /// It is connected and has not said.
    Silent { until: Instant },
    /// It says that it has the feed up to here, further than we had when it said so.
    Ahead { claims: FeedSequence, until: Instant },
    /// It has nothing that is missing here.
    Answered,
}

impl Asked {
    /// Until when it is waited for, were nothing else to come from it.
    fn until(self) -> Option<Instant> {
        match self {
            Self::Dialled { until } | Self::Silent { until } | Self::Ahead { until, .. } => Some(until),
            Self::Unreachable | Self::Answered => None,
        }
    }
}

/// Names one connection to a peer, which may have two for a moment.
pub(super) type Turn = u64;

#[derive(Debug)]
pub(super) struct Core {
    /// Set where peers are to be asked before the first append: since when they are.
    asking_since: Option<Instant>,
    /// The last message that we have.
    have: FeedSequence,
    peers: BTreeMap<FeedId, (Turn, Asked)>,
    last_turn: Turn,
    /// When peers last gave something that was missing.
    last_taken: Option<Instant>,
    answers: u64,
    recovered: u64,
    appended: bool,
    needs_recovery: Option<RecoverReason>,
    conflict: Option<Conflict>,
    damaged: bool,
}

/// Whether an append may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Open,
    /// Not yet; to be asked again at this time, or when something has changed.
    Wait(Instant),
    Refused(OwnFeedError),
}

impl Core {
    pub(super) fn new(have: FeedSequence) -> Self {
        Self {
            asking_since: None,
            have,
            peers: BTreeMap::new(),
            last_turn: 0,
            last_taken: None,
            answers: 0,
            recovered: 0,
            appended: false,
            needs_recovery: None,
            conflict: None,
            damaged: false,
        }
    }

    pub(super) fn ask_first(&mut self, now: Instant) {
        self.asking_since = Some(now);
    }

    pub(super) fn require_recovery(&mut self, reason: RecoverReason) {
        self.needs_recovery = Some(reason);
    }

    pub(super) fn handle_damage(&mut self) {
        self.damaged = true;
    }

    pub(super) fn handle_dialled(&mut self, peer: FeedId, now: Instant) {
        if self.peers.len() < MAX_PEERS {
            self.peers.entry(peer).or_insert((0, Asked::Dialled { until: now + ANSWER_WITHIN }));
        }
    }

    pub(super) fn handle_dial_ended(&mut self, peer: FeedId) {
        if let Some((_, asked @ Asked::Dialled { .. })) = self.peers.get_mut(&peer) {
            *asked = Asked::Unreachable;
        }
    }

    pub(super) fn handle_connected(&mut self, peer: FeedId, now: Instant) -> Turn {
        self.last_turn += 1;
        if self.peers.len() < MAX_PEERS || self.peers.contains_key(&peer) {
            self.peers.insert(peer, (self.last_turn, Asked::Silent { until: now + ANSWER_WITHIN }));
        }
        self.last_turn
    }

    pub(super) fn handle_disconnected(&mut self, peer: FeedId, turn: Turn) {
        if self.peers.get(&peer).is_some_and(|(current, _)| *current == turn) {
            self.peers.remove(&peer);
        }
    }

    /// A peer said how far it has our feed. Returns whether that is further than we have.
    pub(super) fn handle_claim(&mut self, peer: FeedId, turn: Turn, claims: FeedSequence, now: Instant) -> bool {
        let ahead = claims > self.have;
        let Some((_, asked)) = self.peers.get_mut(&peer).filter(|(current, _)| *current == turn) else { return ahead };
        if ahead {
            // Saying it again buys no time.
            let until = asked.until().unwrap_or(now + ANSWER_WITHIN);
            *asked = Asked::Ahead { claims, until };
        } else if *asked != Asked::Answered {
            *asked = Asked::Answered;
            self.answers += 1;
        }
        ahead
    }

    /// Messages of our own feed that a peer had, up to this one, are in the store now.
    pub(super) fn handle_taken(&mut self, up_to: FeedSequence, count: u64, now: Instant) {
        self.have = self.have.max(up_to);
        self.recovered += count;
        self.last_taken = Some(now);
        for (_, asked) in self.peers.values_mut() {
            match asked {
                Asked::Ahead { claims, .. } if *claims <= self.have => {
                    *asked = Asked::Answered;
                    self.answers += 1;
                }
                Asked::Ahead { until, .. } => *until = now + ANSWER_WITHIN,
                _ => {}
            }
        }
        if self.appended {
            self.conflict.get_or_insert(Conflict::Elsewhere(up_to));
        }
    }

    /// A message that this node's key signed stands in another place than ours of the same number.
    pub(super) fn handle_fork(&mut self, at: FeedSequence) {
        // Worse than that somebody else appends.
        if !matches!(self.conflict, Some(Conflict::Forked(_))) {
            self.conflict = Some(Conflict::Forked(at));
        }
    }

    /// Somebody else proved to have this node's key.
    pub(super) fn handle_twin(&mut self) {
        self.conflict.get_or_insert(Conflict::Twin);
    }

    pub(super) fn handle_appended(&mut self, up_to: FeedSequence) {
        self.have = self.have.max(up_to);
        self.appended = true;
    }

    /// What speaks against an append at any time.
    pub(super) fn check(&self) -> Result<(), OwnFeedError> {
        if let Some(conflict) = self.conflict {
            return Err(OwnFeedError::Conflict(conflict));
        }
        if self.damaged {
            return Err(OwnFeedError::Damaged);
        }
        match self.needs_recovery {
            Some(reason) => Err(OwnFeedError::NeedsRecovery(reason)),
            None => Ok(()),
        }
    }

    /// Whether an append that was asked for at `asked_at` may happen now.
    pub(super) fn poll(&self, asked_at: Instant, now: Instant) -> Verdict {
        if let Err(error) = self.check() {
            return Verdict::Refused(error);
        }
        let Some(since) = self.asking_since.filter(|_| !self.appended) else { return Verdict::Open };
        let at_most = self.last_taken.map_or(asked_at, |taken| taken.max(asked_at)) + WAIT_AT_MOST;
        if now >= at_most {
            return Verdict::Open;
        }
        let waited_for = self.waited_for(now).chain([since + SETTLE].into_iter().filter(|until| *until > now));
        match waited_for.max() {
            Some(until) => Verdict::Wait(until.min(at_most)),
            None => Verdict::Open,
        }
    }

    fn waited_for(&self, now: Instant) -> impl Iterator<Item = Instant> {
        self.peers.values().filter_map(|(_, asked)| asked.until()).filter(move |until| *until > now)
    }

    pub(super) fn report(&self, now: Instant) -> OwnFeed {
        OwnFeed {
            sequence: self.have,
            recovered: self.recovered,
            answers: self.answers,
            waiting_for: self.waited_for(now).count(),
            ahead: self.peers.values().filter(|(_, asked)| matches!(asked, Asked::Ahead { .. })).count(),
            appended: self.appended,
            error: self.check().err(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: FeedId = FeedId([1; 32]);
    const B: FeedId = FeedId([2; 32]);

    fn asking(have: u64) -> (Core, Instant) {
        let now = Instant::now();
        let mut core = Core::new(FeedSequence(have));
        core.ask_first(now);
        (core, now)
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_node_that_is_alone_waits_only_until_peers_could_have_turned_up() {
        let (core, start) = asking(5);
        assert_eq!(core.poll(start, start), Verdict::Wait(start + SETTLE));
        assert_eq!(core.poll(start, start + SETTLE), Verdict::Open);
        let later = start + seconds(3600);
        assert_eq!(core.poll(later, later), Verdict::Open, "a publisher who comes later does not wait");
    }

    #[test]
    fn a_feed_that_nobody_can_have_does_not_wait() {
        let now = Instant::now();
        assert_eq!(Core::new(FeedSequence(0)).poll(now, now), Verdict::Open);
    }

    #[test]
    fn a_peer_that_has_no_more_than_we_opens_the_gate() {
        let (mut core, start) = asking(5);
        let turn = core.handle_connected(A, start);
        let now = start + seconds(3);
        assert_eq!(core.poll(start, now), Verdict::Wait(start + ANSWER_WITHIN));
        assert!(!core.handle_claim(A, turn, FeedSequence(5), now));
        assert_eq!(core.poll(start, now), Verdict::Open);
    }

    #[test]
    fn the_gate_opens_only_when_what_peers_have_is_here() {
        let (mut core, start) = asking(5);
        let turns = [core.handle_connected(A, start), core.handle_connected(B, start)];
        assert!(core.handle_claim(A, turns[0], FeedSequence(10), start));
        assert!(core.handle_claim(B, turns[1], FeedSequence(7), start));
        let now = start + seconds(9);
        core.handle_taken(FeedSequence(8), 3, now);
        assert_eq!(core.poll(start, now), Verdict::Wait(now + ANSWER_WITHIN), "each message that comes gives time");
        core.handle_taken(FeedSequence(10), 2, now + seconds(9));
        assert_eq!(core.poll(start, now + seconds(9)), Verdict::Open);
        assert_eq!((core.report(now).recovered, core.report(now).answers), (5, 2));
    }

    #[test]
    fn a_long_backlog_is_waited_for_as_long_as_it_flows() {
        let (mut core, mut now) = asking(0);
        let start = now;
        let turn = core.handle_connected(A, now);
        core.handle_claim(A, turn, FeedSequence(100), now);
        for sequence in 1..100 {
            now += seconds(5);
            core.handle_taken(FeedSequence(sequence), 1, now);
            assert!(matches!(core.poll(start, now), Verdict::Wait(_)));
        }
        core.handle_taken(FeedSequence(100), 1, now);
        assert_eq!(core.poll(start, now), Verdict::Open);
    }

    #[test]
    fn a_peer_that_claims_and_gives_nothing_delays_only() {
        let (mut core, start) = asking(5);
        let turn = core.handle_connected(A, start);
        for n in 0..10 {
            core.handle_claim(A, turn, FeedSequence(1000 + n), start + seconds(n));
        }
        assert_eq!(core.poll(start, start + seconds(9)), Verdict::Wait(start + ANSWER_WITHIN));
        assert_eq!(core.poll(start, start + ANSWER_WITHIN), Verdict::Open);
    }

    #[test]
    fn peers_that_come_and_go_delay_only() {
        let (mut core, start) = asking(5);
        let mut now = start;
        while now < start + WAIT_AT_MOST {
            let turn = core.handle_connected(A, now);
            assert!(matches!(core.poll(start, now), Verdict::Wait(until) if until <= start + WAIT_AT_MOST));
            core.handle_disconnected(A, turn);
            core.handle_dialled(B, now);
            core.handle_dial_ended(B);
            now += seconds(1);
        }
        let _turn = core.handle_connected(A, now);
        assert_eq!(core.poll(start, now), Verdict::Open);
    }

    #[test]
    fn a_dial_that_fails_is_not_waited_for() {
        let (mut core, start) = asking(5);
        core.handle_dialled(A, start);
        let now = start + SETTLE;
        assert_eq!(core.poll(start, now), Verdict::Wait(start + ANSWER_WITHIN));
        core.handle_dial_ended(A);
        assert_eq!(core.poll(start, now), Verdict::Open);
        core.handle_dialled(A, now);
        assert_eq!(core.poll(now, now), Verdict::Open, "nor is the next try");
    }

    #[test]
    fn the_end_of_a_replaced_connection_does_not_end_the_wait_for_its_peer() {
        let (mut core, start) = asking(5);
        let first = core.handle_connected(A, start);
        let _second = core.handle_connected(A, start);
        core.handle_disconnected(A, first);
        core.handle_claim(A, first, FeedSequence(5), start);
        assert!(matches!(core.poll(start, start + SETTLE), Verdict::Wait(_)));
    }

    #[test]
    fn own_messages_from_elsewhere_after_an_append_stop_the_feed() {
        let (mut core, start) = asking(5);
        core.handle_taken(FeedSequence(6), 1, start);
        core.handle_appended(FeedSequence(7));
        assert_eq!(core.check(), Ok(()));
        core.handle_taken(FeedSequence(8), 1, start);
        let elsewhere = OwnFeedError::Conflict(Conflict::Elsewhere(FeedSequence(8)));
        assert_eq!(core.poll(start, start), Verdict::Refused(elsewhere));
        core.handle_fork(FeedSequence(9));
        assert_eq!(core.check(), Err(OwnFeedError::Conflict(Conflict::Forked(FeedSequence(9)))));
    }

    proptest! {
        /// Whatever peers do, an append is decided on within a bound after the last message that was missing.
        #[test]
        fn no_peer_keeps_the_gate_shut(events in proptest::collection::vec((0u8..5, 0u8..4, 0u64..20, 0u64..5), 0..60)) {
            let (mut core, start) = asking(10);
            let mut now = start;
            let mut turns = [0; 4];
            for (what, peer, number, pause) in events {
                let id = FeedId([peer; 32]);
                let turn = &mut turns[usize::from(peer)];
                match what {
                    0 => core.handle_dialled(id, now),
                    1 => core.handle_dial_ended(id),
                    2 => *turn = core.handle_connected(id, now),
                    3 => { core.handle_claim(id, *turn, FeedSequence(number), now); }
                    _ => core.handle_disconnected(id, *turn),
                }
                now += seconds(pause);
                if let Verdict::Wait(until) = core.poll(start, now) {
                    prop_assert!(until > now && until <= start + WAIT_AT_MOST);
                }
            }
            prop_assert_eq!(core.poll(start, start + WAIT_AT_MOST), Verdict::Open);
        }
    }
}
