//! One [`Peer`](super::Peer) and its clock, which is moved by hand.

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
        location: None,
        nodes: Vec::new(),
        links: Vec::new(),
        record: None,
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
    let kinds = [(Kind::Met(FeedId([2; 32])), true), (Kind::Configured, false), (Kind::Listed { failures: 0 }, false)];
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
                0 if asks.pop().is_some() => { machine.peer.handle_answer(Err("x".into()), now, jitter); }
                1 if asks.pop().is_some() => { machine.peer.handle_answer(Ok((info(1), rtt)), now, jitter); }
                2 if asks.pop().is_some() => { machine.peer.handle_answer(Ok((info(3), rtt)), now, jitter); }
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
