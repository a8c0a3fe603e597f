//! One peer, configured, met or listed: when to ask it who it is, and when to dial its IPFS node. A state machine without I/O: time
//! and randomness are arguments, what is to be done is polled.
//!
//! Two nodes that dial each other at the same moment often both fail. So the one with the lower PeerId dials at once,
//! the other waits a moment and dials only where it is still not connected: behind a firewall it may be the one who can.

use std::time::{Duration, Instant};

use stream_model::{FeedId, NodeInfo, PeerId, PeerState};

/// How often a peer that answers is asked again: it may have a new identity, or know new nodes.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// How soon it is asked again after its first answer, doubled by each that follows: nodes that start together, as after a
/// power cut, soon know of each other's neighbours.
const ASK_AGAIN_FIRST: Duration = Duration::from_secs(4);
/// Delay after the first failure, doubled by each that follows.
const BACKOFF: Duration = Duration::from_secs(1);
/// Longest delay: a node that comes back is found again within this.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Longest delay for an address that an overlay lists and where no node ever answered: most nodes there are none of ours.
const MAX_BACKOFF_OF_STRANGER: Duration = Duration::from_secs(300);
/// Failures in a row after which a peer that was only met is given up: it may be no node of ours, or gone.
const MAX_FAILURES_OF_MET: u32 = 6;
/// How long the higher PeerId leaves the dialling to the lower, at least; at most twice this.
const YIELD: Duration = Duration::from_secs(1);

/// Who this node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    /// libp2p identity.
    pub(crate) peer: PeerId,
    /// SSB identity.
    pub(crate) feed: FeedId,
    /// `open`, or what names the private community.
    pub(crate) community: String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Ask who it is; the result goes to [`Peer::handle_answer`].
    Ask,
    /// Dial this IPFS node; the result goes to [`Peer::handle_dialled`].
    Dial(PeerId),
    /// Tell others of what it said: it is new or has changed, or was not to be had for a while.
    Introduce,
}

/// Repetition of something that is in flight at most once.
#[derive(Debug, Clone, Copy)]
struct Retry {
    due: Option<Instant>,
    in_flight: bool,
    failures: u32,
}

impl Retry {
    /// Takes what is due.
    fn take(&mut self, now: Instant) -> bool {
        let ready = !self.in_flight && self.due.is_some_and(|due| due <= now);
        if ready {
            self.in_flight = true;
            self.due = None;
        }
        ready
    }

    fn fail(&mut self, now: Instant, longest: Duration, jitter: f64) {
        let delay = BACKOFF.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        self.in_flight = false;
        self.due = Some(now + spread(delay, jitter));
    }
}

/// Between half of the delay and all of it.
fn spread(delay: Duration, jitter: f64) -> Duration {
    delay.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

/// Why an address is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The owner named it; anybody may be there.
    Configured,
    /// SSB met this one there.
    Met(FeedId),
    /// An overlay lists it: most likely no node of ours. It has failed to answer this often in a row.
    Listed { failures: u32 },
}

/// A peer at one address.
#[derive(Debug)]
pub(super) struct Peer {
    own: Own,
    kind: Kind,
    info: Option<NodeInfo>,
    ask: Retry,
    /// Answers since it was first asked, or since it failed to answer.
    answers: u32,
    dial: Retry,
    connected: bool,
    introduce: bool,
    rtt: Option<Duration>,
    last_error: Option<String>,
}

impl Peer {
    pub(super) fn new(own: Own, kind: Kind, now: Instant) -> Self {
        let failures = if let Kind::Listed { failures } = kind { failures } else { 0 };
        Self {
            own,
            kind,
            info: None,
            ask: Retry { due: Some(now), in_flight: false, failures },
            answers: 0,
            dial: Retry { due: None, in_flight: false, failures: 0 },
            connected: false,
            introduce: false,
            rtt: None,
            last_error: None,
        }
    }

    /// What it said last.
    pub(super) fn info(&self) -> Option<&NodeInfo> {
        self.info.as_ref()
    }

    /// Whether it is to be forgotten: it was only met, and does not answer.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.kind, Kind::Met(_)) && self.ask.failures >= MAX_FAILURES_OF_MET
    }

    /// How often in a row it failed to answer.
    pub(super) fn failures(&self) -> u32 {
        self.ask.failures
    }

    /// Whether its IPFS node is connected.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// The way to it may just have come up: what waits is tried now, and soon again where that is too early.
    pub(super) fn hurry(&mut self, now: Instant, jitter: f64) {
        if self.connected {
            return;
        }
        self.ask.failures = 0;
        if self.ask.due.is_some() {
            self.ask.due = Some(now);
        }
        self.dial.failures = 0;
        if self.dial.due.is_some() {
            self.schedule_dial(now, jitter);
        }
    }

    /// Round trip when it was asked last.
    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Why the last try of anything failed.
    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// How far the connection to its IPFS node is.
    pub(super) fn state(&self) -> PeerState {
        if self.connected {
            PeerState::Connected
        } else if self.last_error.is_some() {
            PeerState::Unreachable
        } else {
            PeerState::Connecting
        }
    }

    /// It answered, or could not be asked.
    pub(super) fn handle_answer(&mut self, answer: Result<(NodeInfo, Duration), String>, now: Instant, jitter: f64) {
        let checked = answer.and_then(|(info, rtt)| self.check(&info).map(|()| (info, rtt)));
        let (info, rtt) = match checked {
            Ok(answer) => answer,
            Err(error) => {
                self.last_error = Some(error);
                self.answers = 0;
                let stranger = matches!(self.kind, Kind::Listed { .. }) && self.info.is_none();
                let longest = if stranger { MAX_BACKOFF_OF_STRANGER } else { MAX_BACKOFF };
                return self.ask.fail(now, longest, jitter);
            }
        };
        let pause = ASK_AGAIN_FIRST.saturating_mul(1 << self.answers.min(16)).min(ASK_AGAIN);
        let again = self.answers == 0;
        self.answers = self.answers.saturating_add(1);
        self.ask = Retry { due: Some(now + spread(pause, jitter)), in_flight: false, failures: 0 };
        self.rtt = Some(rtt);
        if self.dial.failures == 0 {
            self.last_error = None;
        }
        let known = self.info.as_ref();
        let same_node = known.is_some_and(|known| known.ipfs == info.ipfs);
        self.introduce |= again || known != Some(&info);
        self.info = Some(info);
        if !same_node {
            // A dial in flight is of the node that was here before; its result will not count for this one.
            self.connected = false;
            self.dial.failures = 0;
            self.schedule_dial(now, jitter);
        }
    }

    fn check(&self, info: &NodeInfo) -> Result<(), String> {
        if info.ipfs.peer == self.own.peer || info.ssb.feed == self.own.feed {
            Err("the address is this node's own: remove it from mesh.peers".into())
        } else if matches!(self.kind, Kind::Met(met) if met != info.ssb.feed) {
            Err("another node answers at the address".into())
        } else if info.community != self.own.community {
            Err("it belongs to another community".into())
        } else {
            Ok(())
        }
    }

    fn schedule_dial(&mut self, now: Instant, jitter: f64) {
        let Some(info) = &self.info else { return };
        let first = self.own.peer.as_multihash() < info.ipfs.peer.as_multihash();
        self.dial.due = Some(if first { now } else { now + YIELD + YIELD.mul_f64(jitter.clamp(0.0, 1.0)) });
    }

    /// A dial ended. A success counts only once the swarm says that the peer is connected.
    pub(super) fn handle_dialled(&mut self, peer: &PeerId, result: Result<(), String>, now: Instant, jitter: f64) {
        self.dial.in_flight = false;
        if self.info.as_ref().is_none_or(|info| info.ipfs.peer != *peer) {
            return;
        }
        match result {
            Ok(()) => self.handle_connected(true, now, jitter),
            Err(error) => {
                self.last_error = Some(error);
                self.dial.fail(now, MAX_BACKOFF, jitter);
            }
        }
    }

    /// Whether its IPFS node is connected now.
    pub(super) fn handle_connected(&mut self, connected: bool, now: Instant, jitter: f64) {
        let dropped = self.connected && !connected;
        self.connected = connected;
        if connected {
            self.dial.due = None;
            self.dial.failures = 0;
            if self.ask.failures == 0 {
                self.last_error = None;
            }
        } else if dropped {
            self.schedule_dial(now, jitter);
        }
    }

    /// The next thing to do now, if any; to be called until there is none.
    pub(super) fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if std::mem::take(&mut self.introduce) {
            return Some(Action::Introduce);
        }
        if self.ask.take(now) {
            return Some(Action::Ask);
        }
        let peer = self.info.as_ref().map(|info| info.ipfs.peer.clone())?;
        (!self.connected && self.dial.take(now)).then_some(Action::Dial(peer))
    }

    /// When [`Self::poll_action`] has something to do next, unless something else happens before.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let retry = |retry: &Retry| retry.due.filter(|_| !retry.in_flight);
        [retry(&self.ask), retry(&self.dial)].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stream_model::{IpfsInfo, SsbInfo, WebInfo};

    fn peer_id(byte: u8) -> PeerId {
        PeerId::from_multihash([vec![0x12, 32], vec![byte; 32]].concat()).unwrap()
    }

    fn info(byte: u8) -> NodeInfo {
        NodeInfo {
            name: "hall".into(),
            version: "1".into(),
            community: "open".into(),
            ssb: SsbInfo { feed: FeedId([byte; 32]), port: 8008 },
            ipfs: IpfsInfo { peer: peer_id(byte), port: 4001 },
            web: WebInfo { port: 8080 },
            nodes: Vec::new(),
        }
    }

    /// A peer of the node `own`, and its clock.
    struct Machine {
        peer: Peer,
        now: Instant,
    }

    impl Machine {
        fn new(own: u8) -> Self {
            Self::of(own, Kind::Configured)
        }

        fn of(own: u8, kind: Kind) -> Self {
            let own = Own { peer: peer_id(own), feed: FeedId([own; 32]), community: "open".into() };
            let now = Instant::now();
            Self { peer: Peer::new(own, kind, now), now }
        }

        fn actions(&mut self) -> Vec<Action> {
            std::iter::from_fn(|| self.peer.poll_action(self.now)).collect()
        }

        /// Moves the clock to the next timeout and returns how far that was.
        fn wait(&mut self) -> Duration {
            let next = self.peer.next_timeout().unwrap().max(self.now);
            let waited = next - self.now;
            self.now = next;
            waited
        }

        fn answer(&mut self, answer: Result<NodeInfo, String>) {
            self.peer.handle_answer(answer.map(|info| (info, Duration::from_millis(3))), self.now, 0.5);
        }

        fn dialled(&mut self, byte: u8, result: Result<(), String>) {
            self.peer.handle_dialled(&peer_id(byte), result, self.now, 0.5);
        }
    }

    #[test]
    fn only_who_was_met_is_taken_for_the_one_that_was_met() {
        let mut peer = Machine::of(1, Kind::Met(FeedId([2; 32])));
        assert_eq!(peer.actions(), [Action::Ask]);
        peer.answer(Ok(info(3)));
        assert_eq!((peer.actions(), peer.peer.info()), (vec![], None));
        peer.wait();
        assert_eq!(peer.actions(), [Action::Ask]);
        peer.answer(Ok(info(2)));
        assert_eq!(peer.actions(), [Action::Introduce, Action::Dial(peer_id(2))]);
    }

    #[test]
    fn who_was_only_met_is_given_up_and_who_is_configured_never() {
        let kinds =
            [(Kind::Met(FeedId([2; 32])), true), (Kind::Configured, false), (Kind::Listed { failures: 0 }, false)];
        for (kind, given_up) in kinds {
            let mut peer = Machine::of(1, kind);
            for _ in 0..MAX_FAILURES_OF_MET {
                assert!(!peer.peer.is_given_up());
                peer.wait();
                peer.actions();
                peer.answer(Err("refused".to_owned()));
            }
            assert_eq!(peer.peer.is_given_up(), given_up);
        }
    }

    #[test]
    fn the_lower_peer_dials_at_once_and_the_higher_waits_a_moment() {
        let mut lower = Machine::new(1);
        assert_eq!(lower.actions(), [Action::Ask]);
        lower.answer(Ok(info(2)));
        assert_eq!(lower.actions(), [Action::Introduce, Action::Dial(peer_id(2))]);

        let mut higher = Machine::new(3);
        assert_eq!(higher.actions(), [Action::Ask]);
        higher.answer(Ok(info(2)));
        assert_eq!(higher.actions(), [Action::Introduce]);
        assert!((YIELD..=2 * YIELD).contains(&higher.wait()));
        assert_eq!(higher.actions(), [Action::Dial(peer_id(2))]);
    }

    #[test]
    fn a_peer_that_dialled_us_meanwhile_is_not_dialled() {
        let mut higher = Machine::new(3);
        higher.actions();
        higher.answer(Ok(info(2)));
        higher.actions();
        higher.peer.handle_connected(true, higher.now, 0.5);
        assert_eq!(higher.peer.state(), PeerState::Connected);
        assert!(higher.wait() >= ASK_AGAIN_FIRST / 2);
        assert_eq!(higher.actions(), [Action::Ask]);
    }

    #[test]
    fn a_peer_is_asked_again_soon_at_first_and_after_an_outage() {
        let mut machine = Machine::new(1);
        machine.actions();
        machine.peer.handle_connected(true, machine.now, 0.5);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            machine.answer(Ok(info(2)));
            machine.peer.handle_connected(true, machine.now, 0.5);
            machine.actions();
            pauses.push(machine.wait());
            assert_eq!(machine.actions(), [Action::Ask]);
        }
        assert!(pauses.is_sorted() && pauses[0] <= ASK_AGAIN_FIRST, "{pauses:?}");
        assert!(pauses[5] >= ASK_AGAIN / 2 && pauses[5] <= ASK_AGAIN, "{pauses:?}");
        machine.answer(Err("gone".into()));
        machine.wait();
        machine.actions();
        machine.answer(Ok(info(2)));
        machine.peer.handle_connected(true, machine.now, 0.5);
        assert!(machine.wait() <= ASK_AGAIN_FIRST);
    }

    #[test]
    fn failures_back_off_up_to_the_cap_and_a_success_starts_over() {
        let mut machine = Machine::new(1);
        let mut longest = Duration::ZERO;
        for _ in 0..12 {
            assert_eq!(machine.actions(), [Action::Ask]);
            machine.answer(Err("refused".into()));
            assert_eq!(machine.peer.state(), PeerState::Unreachable);
            let waited = machine.wait();
            assert!(waited >= longest && waited <= MAX_BACKOFF);
            longest = waited;
        }
        assert!(longest >= MAX_BACKOFF / 2);
        machine.actions();
        machine.answer(Ok(info(2)));
        assert_eq!(machine.peer.last_error(), None);
        machine.actions();
        machine.dialled(2, Err("no route".into()));
        assert!(machine.wait() <= BACKOFF);
        assert_eq!(machine.actions(), [Action::Dial(peer_id(2))]);
    }

    #[test]
    fn a_stranger_is_asked_ever_more_rarely_until_it_turns_out_to_be_a_node() {
        let mut machine = Machine::of(1, Kind::Listed { failures: 0 });
        let fail = |machine: &mut Machine| {
            assert_eq!(machine.actions(), [Action::Ask]);
            machine.answer(Err("refused".into()));
            machine.wait()
        };
        let pauses: Vec<_> = (0..12).map(|_| fail(&mut machine)).collect();
        assert!(pauses.is_sorted() && pauses[0] <= BACKOFF, "{pauses:?}");
        assert!(pauses[11] >= MAX_BACKOFF_OF_STRANGER / 2 && pauses[11] <= MAX_BACKOFF_OF_STRANGER, "{pauses:?}");
        machine.actions();
        machine.answer(Ok(info(2)));
        machine.peer.handle_connected(true, machine.now, 0.5);
        machine.actions();
        machine.wait();
        assert!((0..12).map(|_| fail(&mut machine)).all(|pause| pause <= MAX_BACKOFF));

        let mut known = Machine::of(1, Kind::Listed { failures: machine.peer.failures() });
        assert!(fail(&mut known) >= MAX_BACKOFF_OF_STRANGER / 2);
    }

    #[test]
    fn whose_link_comes_up_is_asked_and_dialled_at_once() {
        let mut machine = Machine::new(1);
        for _ in 0..8 {
            machine.actions();
            machine.answer(Err("no route".into()));
            machine.wait();
        }
        machine.actions();
        machine.answer(Err("no route".into()));
        assert_eq!(machine.actions(), []);
        machine.peer.hurry(machine.now, 0.5);
        assert_eq!(machine.actions(), [Action::Ask]);
        // Nothing is asked twice at once.
        machine.peer.hurry(machine.now, 0.5);
        assert_eq!(machine.actions(), []);
        machine.answer(Ok(info(2)));
        machine.actions();
        machine.dialled(2, Err("no route".into()));
        machine.peer.hurry(machine.now, 0.5);
        assert!(machine.actions().contains(&Action::Dial(peer_id(2))));
        machine.dialled(2, Ok(()));
        machine.peer.hurry(machine.now, 0.5);
        assert_eq!(machine.actions(), []);
    }

    #[test]
    fn a_dropped_connection_is_dialled_again() {
        let mut machine = Machine::new(1);
        machine.actions();
        machine.answer(Ok(info(2)));
        machine.actions();
        machine.dialled(2, Ok(()));
        assert_eq!(machine.actions(), []);
        machine.peer.handle_connected(false, machine.now, 0.5);
        assert_eq!(machine.actions(), [Action::Dial(peer_id(2))]);
    }

    #[test]
    fn another_identity_at_the_address_replaces_the_old_one() {
        let mut machine = Machine::new(1);
        machine.actions();
        machine.answer(Ok(info(2)));
        machine.actions();
        machine.dialled(2, Ok(()));
        machine.wait();
        assert_eq!(machine.actions(), [Action::Ask]);
        machine.answer(Ok(info(3)));
        assert_eq!(machine.actions(), [Action::Introduce, Action::Dial(peer_id(3))]);
        machine.dialled(2, Err("the one before".into()));
        assert_eq!(machine.peer.last_error(), None);
    }

    #[test]
    fn the_same_answer_is_introduced_once() {
        let mut machine = Machine::new(1);
        machine.actions();
        machine.answer(Ok(info(2)));
        machine.actions();
        machine.dialled(2, Ok(()));
        machine.wait();
        machine.actions();
        machine.answer(Ok(info(2)));
        assert_eq!(machine.actions(), []);
    }

    #[test]
    fn a_peer_that_answers_again_is_introduced_again() {
        let mut machine = Machine::new(1);
        machine.actions();
        machine.answer(Ok(info(2)));
        machine.actions();
        machine.dialled(2, Ok(()));
        machine.wait();
        machine.actions();
        machine.answer(Err("no route".into()));
        machine.wait();
        machine.actions();
        machine.answer(Ok(info(2)));
        assert_eq!(machine.actions(), [Action::Introduce]);
    }

    #[test]
    fn ourselves_and_other_communities_are_refused() {
        let mut machine = Machine::new(1);
        machine.actions();
        machine.answer(Ok(info(1)));
        assert!(machine.peer.last_error().unwrap().contains("own"));
        machine.wait();
        machine.actions();
        machine.answer(Ok(NodeInfo { community: "elsewhere".into(), ..info(2) }));
        assert!(machine.peer.last_error().unwrap().contains("community"));
        assert_eq!(machine.peer.info(), None);
        assert_eq!(machine.actions(), []);
    }

    proptest! {
        /// Whatever happens in whatever order: one question and one dial at a time, and never at rest for good.
        #[test]
        fn it_never_asks_or_dials_twice_at_once_nor_stops(events in prop::collection::vec((0..6_u8, 0.0..1.0_f64), 1..60)) {
            let mut machine = Machine::new(2);
            let (mut asks, mut dials) = (Vec::new(), Vec::new());
            for (event, jitter) in events {
                for action in machine.actions() {
                    match action {
                        Action::Ask => asks.push(()),
                        Action::Dial(peer) => dials.push(peer),
                        Action::Introduce => {}
                    }
                }
                prop_assert!(asks.len() <= 1 && dials.len() <= 1);
                prop_assert!(machine.peer.next_timeout().is_some() || !asks.is_empty());
                let now = machine.now;
                let rtt = Duration::ZERO;
                match event {
                    0 if asks.pop().is_some() => machine.peer.handle_answer(Err("x".into()), now, jitter),
                    1 if asks.pop().is_some() => machine.peer.handle_answer(Ok((info(1), rtt)), now, jitter),
                    2 if asks.pop().is_some() => machine.peer.handle_answer(Ok((info(3), rtt)), now, jitter),
                    3 | 4 => {
                        if let Some(peer) = dials.pop() {
                            let result = if event == 3 { Ok(()) } else { Err("x".into()) };
                            machine.peer.handle_dialled(&peer, result, now, jitter);
                        } else {
                            machine.peer.handle_connected(event == 3, now, jitter);
                        }
                    }
                    _ => machine.now += Duration::from_secs(3),
                }
            }
        }
    }
}
