//! One peer, configured, met or listed: when to ask it who it is, and when to dial its IPFS node. A state machine without I/O: time
//! and randomness are arguments, what is to be done is polled.
//!
//! Two nodes that dial each other at the same moment often both fail. So the one with the lower PeerId dials at once,
//! the other waits a moment and dials only where it is still not connected: behind a firewall it may be the one who can.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stream_model::{FeedId, NodeInfo, PeerId, PeerState};

use super::news::News;

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

    fn waits_after_success(&self) -> bool {
        self.due.is_some() && self.failures == 0
    }

    fn fail(&mut self, now: Instant, longest: Duration, jitter: f64) {
        let delay = BACKOFF.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        self.in_flight = false;
        self.due = Some(now + spread(delay, jitter));
    }
}

/// Between half of the delay and all of it.
pub(super) fn spread(delay: Duration, jitter: f64) -> Duration {
    delay.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

/// Why an address is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The owner named it; anybody may be there.
    Configured,
    /// SSB met this one there.
    Met(FeedId),
    /// Somebody passed on the word of this one: it may have gone, and others than it told may be there.
    Told(FeedId),
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
    news: News,
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
            news: News::default(),
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
        matches!(self.kind, Kind::Met(_) | Kind::Told(_)) && self.ask.failures >= MAX_FAILURES_OF_MET
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

    /// The tag in its last answer to a probe, if there was one.
    pub(super) fn handle_tag(&mut self, tag: Option<u64>) {
        self.news.handle_tag(tag);
    }

    /// Asks it now where its tag says that it knows other nodes than it said, and than this one knows, whose tag is `ours`.
    /// Returns whether it does.
    pub(super) fn read_news(&mut self, ours: u64, now: Instant) -> bool {
        let reads = self.info.is_some() && self.ask.waits_after_success() && self.news.take(ours, now);
        if reads {
            self.ask.due = Some(now);
        }
        reads
    }

    /// Whether it is asked because of its tag.
    pub(super) fn is_reading_news(&self) -> bool {
        self.news.is_reading()
    }

    /// The link to it is dead: it is asked at once, so that it is known again as soon as it answers.
    pub(super) fn handle_lost(&mut self, now: Instant) {
        self.answers = 0;
        if self.ask.due.is_some() {
            self.ask.due = Some(now);
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

    /// It answered, or could not be asked. Returns whether the answer counts.
    pub(super) fn handle_answer(
        &mut self,
        answer: Result<(NodeInfo, Duration), String>,
        now: Instant,
        jitter: f64,
    ) -> bool {
        let checked = answer.and_then(|(info, rtt)| self.check(&info).map(|()| (info, rtt)));
        self.news.handle_answer(checked.is_ok(), now, jitter);
        let (info, rtt) = match checked {
            Ok(answer) => answer,
            Err(error) => {
                self.last_error = Some(error);
                self.answers = 0;
                let stranger = matches!(self.kind, Kind::Listed { .. }) && self.info.is_none();
                let longest = if stranger { MAX_BACKOFF_OF_STRANGER } else { MAX_BACKOFF };
                self.ask.fail(now, longest, jitter);
                return false;
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
        self.introduce |= again || known.is_none_or(|known| !says_the_same(known, &info));
        self.info = Some(info);
        if !same_node {
            // A dial in flight is of the node that was here before; its result will not count for this one.
            self.connected = false;
            self.dial.failures = 0;
            self.schedule_dial(now, jitter);
        }
        true
    }

    fn check(&self, info: &NodeInfo) -> Result<(), String> {
        if info.ipfs.peer == self.own.peer || info.ssb.feed == self.own.feed {
            Err("the address is this node's own: remove it from mesh.peers".into())
        } else if matches!(self.kind, Kind::Met(feed) | Kind::Told(feed) if feed != info.ssb.feed) {
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
            self.news.handle_asked();
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

/// Whether nothing has changed of which others are told: the order of the nodes that it knows, how long ago they spoke, and its
/// links tell nobody anything.
fn says_the_same(one: &NodeInfo, other: &NodeInfo) -> bool {
    let names = |info: &NodeInfo| -> BTreeSet<FeedId> { info.nodes.iter().map(|node| node.identity.feed).collect() };
    let own = |info: &NodeInfo| NodeInfo { nodes: Vec::new(), links: Vec::new(), record: None, ..info.clone() };
    own(one) == own(other) && names(one) == names(other)
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
