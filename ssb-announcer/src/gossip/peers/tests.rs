//! The decisions of [`Peers`](super::Peers), with a clock moved by hand.

use proptest::prelude::*;

use super::known::{FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE_UNPROVEN};
use super::*;

const LOW: FeedId = FeedId([1; 32]);
const HIGH: FeedId = FeedId([2; 32]);
const OTHER: FeedId = FeedId([3; 32]);

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))
}

fn offer(feed: FeedId, port: u16) -> SsbPeer {
    SsbPeer { feed, addresses: vec![address(port)] }
}

fn failed() -> Ending {
    Ending::Failed("refused".to_owned())
}

fn admitted(admission: Admission) -> (ConnectionId, Option<ConnectionId>) {
    match admission {
        Admission::Admitted(id, replaced) => (id, replaced),
        Admission::Redundant => panic!("not admitted"),
    }
}

#[test]
fn pauses_grow_to_the_cap_and_begin_below_a_second() {
    let mut peers = Peers::new(LOW);
    let mut now = Instant::now();
    peers.handle_configured(offer(HIGH, 1), now);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        assert!(peers.poll_dial(now).is_some());
        assert!(peers.poll_dial(now).is_none());
        peers.handle_dial_ended(HIGH, failed(), now, 1.0);
        let next = peers.next_timeout().unwrap();
        pauses.push(next - now);
        now = next;
    }
    assert_eq!(pauses[0], FIRST_PAUSE);
    assert!(pauses.is_sorted());
    assert_eq!(*pauses.last().unwrap(), LONGEST_PAUSE);
}

#[test]
fn a_peer_that_is_connected_over_a_link_local_address_is_elsewhere_too_once_it_is_heard_there() {
    let (link_local, other) = ("[fe80::2%2]:8008".parse().unwrap(), "10.0.0.2:8008".parse().unwrap());
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_heard(SsbPeer { feed: HIGH, addresses: vec![link_local] }, now);
    assert_eq!(peers.other_place(&HIGH), None);
    let (id, _) = admitted(peers.handle_authenticated(HIGH, link_local, Direction::Outbound, now));
    assert_eq!(peers.other_place(&HIGH), None);
    peers.handle_heard(SsbPeer { feed: HIGH, addresses: vec![link_local, other] }, now);
    assert_eq!(peers.other_place(&HIGH), Some(other));

    peers.handle_closed(id, Ending::Goodbye, now, 0.5);
    assert_eq!(peers.other_place(&HIGH), None);
    admitted(peers.handle_authenticated(HIGH, other, Direction::Outbound, now));
    assert_eq!(peers.other_place(&HIGH), None, "the connection's own address tells");
}

#[test]
fn a_new_address_is_dialled_at_once_and_the_same_one_is_not() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_configured(offer(HIGH, 1), now);
    peers.poll_dial(now).unwrap();
    peers.handle_dial_ended(HIGH, failed(), now, 0.5);
    peers.handle_configured(offer(HIGH, 1), now);
    assert_eq!(peers.poll_dial(now), None);
    peers.handle_configured(offer(HIGH, 2), now);
    assert_eq!(peers.poll_dial(now), Some(offer(HIGH, 2)));
}

#[test]
fn a_peer_that_answers_again_is_dialled_at_once_unless_it_misbehaved() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    assert!(!peers.handle_answers_again(HIGH, now));
    peers.handle_met(offer(HIGH, 1), now);
    for (ending, dialled) in [(failed(), true), (Ending::Misbehaved("lied".to_owned()), false)] {
        peers.poll_dial(now).unwrap();
        peers.handle_dial_ended(HIGH, ending, now, 0.5);
        assert_eq!(peers.poll_dial(now), None);
        assert_eq!(peers.handle_answers_again(HIGH, now), dialled);
    }
    assert_eq!(peers.poll_dial(now), None);
    admitted(peers.handle_authenticated(HIGH, address(1), Direction::Inbound, now));
    assert!(!peers.handle_answers_again(HIGH, now));
}

#[test]
fn all_who_wait_are_dialled_at_once_when_a_link_comes_up_and_soon_again_but_not_who_misbehaved() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    assert!(!peers.handle_link_came_up(now));
    peers.handle_met(offer(HIGH, 1), now);
    peers.handle_met(offer(OTHER, 2), now);
    for _ in 0..6 {
        let due = peers.next_timeout().unwrap().max(now);
        while let Some(peer) = peers.poll_dial(due) {
            let ending = if peer.feed == HIGH { failed() } else { Ending::Misbehaved("lied".to_owned()) };
            peers.handle_dial_ended(peer.feed, ending, now, 0.5);
        }
    }
    assert_eq!(peers.poll_dial(now), None);
    assert!(peers.handle_link_came_up(now));
    assert_eq!(peers.poll_dial(now), Some(offer(HIGH, 1)));
    assert_eq!(peers.poll_dial(now), None);
    peers.handle_dial_ended(HIGH, failed(), now, 0.5);
    assert!(peers.next_timeout().unwrap() - now < Duration::from_secs(2), "as after a first failure");
}

#[test]
fn a_connected_peer_is_not_dialled_until_the_connection_ends() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    let (id, _) = admitted(peers.handle_authenticated(HIGH, address(9), Direction::Inbound, now));
    peers.handle_configured(offer(HIGH, 1), now);
    assert_eq!(peers.poll_dial(now), None);
    peers.handle_closed(id, Ending::Goodbye, now, 0.0);
    let next = peers.next_timeout().unwrap();
    assert!(next - now < Duration::from_secs(1));
    assert_eq!(peers.poll_dial(next), Some(offer(HIGH, 1)));
}

#[test]
fn of_a_peer_that_is_not_connected_it_is_known_when_it_last_was() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    let left = |peers: &Peers| peers.connections()[0].left;
    peers.handle_configured(offer(HIGH, 1), now);
    peers.poll_dial(now).unwrap();
    peers.handle_dial_ended(HIGH, failed(), now, 0.5);
    assert_eq!(left(&peers), None, "it never was");
    let (id, _) = admitted(peers.handle_authenticated(HIGH, address(1), Direction::Inbound, now));
    assert_eq!(left(&peers), None);
    let end = now + Duration::from_secs(60);
    peers.handle_closed(id, Ending::Goodbye, end, 0.5);
    assert_eq!(left(&peers), Some(end));
    let again = peers.next_timeout().unwrap();
    peers.poll_dial(again).unwrap();
    peers.handle_dial_ended(HIGH, failed(), again, 0.5);
    assert_eq!(left(&peers), Some(end), "a dial in vain changes nothing");
    admitted(peers.handle_authenticated(HIGH, address(1), Direction::Outbound, again));
    assert_eq!(left(&peers), None);
}

#[test]
fn a_peer_that_misbehaved_waits_the_longest_pause() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_configured(offer(HIGH, 1), now);
    peers.poll_dial(now).unwrap();
    let (id, _) = admitted(peers.handle_authenticated(HIGH, address(1), Direction::Outbound, now));
    peers.handle_closed(id, Ending::Misbehaved("forged".to_owned()), now, 1.0);
    assert_eq!(peers.next_timeout().unwrap() - now, LONGEST_PAUSE);
}

/// Both nodes dial at once; the two connections become known at each node in any order.
#[test]
fn of_two_simultaneous_connections_both_sides_keep_the_same_one() {
    for orders in 0..4 {
        let now = Instant::now();
        let survivors = [(LOW, HIGH, orders & 1), (HIGH, LOW, orders >> 1)].map(|(me, other, order)| {
            let mut peers = Peers::new(me);
            let mut directions = [Direction::Outbound, Direction::Inbound];
            if order == 1 {
                directions.reverse();
            }
            let mut current = None;
            for direction in directions {
                if let Admission::Admitted(..) = peers.handle_authenticated(other, address(1), direction, now) {
                    current = Some(direction);
                }
            }
            (me < other) == (current == Some(Direction::Outbound))
        });
        assert_eq!(survivors, [true, true], "order {orders}");
    }
}

#[test]
fn a_peer_that_restarted_replaces_its_dead_connection() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    let (old, _) = admitted(peers.handle_authenticated(HIGH, address(1), Direction::Outbound, now));
    let later = now + SIMULTANEOUS + Duration::from_secs(1);
    let (new, replaced) = admitted(peers.handle_authenticated(HIGH, address(2), Direction::Inbound, later));
    assert_eq!(replaced, Some(old));
    peers.handle_closed(old, failed(), later, 0.0);
    assert!(peers.is_connected(&HIGH));
    let (_, replaced) = admitted(peers.handle_authenticated(HIGH, address(3), Direction::Inbound, later));
    assert_eq!(replaced, Some(new));
}

#[test]
fn this_node_is_neither_dialled_nor_let_in() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_configured(offer(LOW, 1), now);
    assert_eq!(peers.poll_dial(now), None);
    assert_eq!(peers.handle_authenticated(LOW, address(1), Direction::Inbound, now), Admission::Redundant);
}

/// Lets a peer fail to answer so often.
fn fail(peers: &mut Peers, feed: FeedId, times: usize) {
    for _ in 0..times {
        peers.known.get_mut(&feed).unwrap().dial = Dial::Running;
        peers.handle_dial_ended(feed, failed(), Instant::now(), 0.0);
    }
}

fn knows(peers: &Peers, feed: FeedId) -> bool {
    peers.connections().iter().any(|connection| connection.feed == feed)
}

#[test]
fn a_full_book_forgets_who_fails() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    for n in 0..MAX_PEERS {
        assert!(peers.handle_met(offer(feed(n), 1), now));
    }
    assert!(!peers.handle_met(offer(HIGH, 1), now));
    fail(&mut peers, feed(3), 1);
    fail(&mut peers, feed(5), 2);
    assert!(peers.handle_met(offer(HIGH, 1), now));
    assert!(!knows(&peers, feed(5)) && knows(&peers, feed(3)));
}

#[test]
fn a_configured_peer_that_is_away_is_not_forgotten_for_peers_that_are_only_met() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_configured(offer(HIGH, 1), now);
    fail(&mut peers, HIGH, 50);
    for n in 0..2 * MAX_PEERS {
        peers.handle_met(offer(feed(n), 1), now);
        peers.handle_heard(offer(feed(n + 2 * MAX_PEERS), 1), now);
    }
    assert!(knows(&peers, HIGH));
    fail(&mut peers, feed(7), 1);
    assert!(peers.handle_met(offer(feed(9_999), 1), now), "there is one of its own kind that fails");
    assert!(knows(&peers, HIGH) && !knows(&peers, feed(7)));
    assert_eq!(peers.known.len(), MAX_PEERS);
}

#[test]
fn a_configured_peer_takes_the_place_of_any_other_and_not_of_a_configured_one() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    for n in 0..MAX_PEERS {
        peers.handle_met(offer(feed(n), 1), now);
        admitted(peers.handle_authenticated(feed(n), address(1), Direction::Outbound, now));
    }
    let of_the_ninth = peers.current[&feed(8)];
    peers.handle_closed(of_the_ninth, failed(), now, 0.5);
    for n in 0..MAX_PEERS {
        assert!(peers.handle_configured(offer(feed(1_000 + n), 1), now));
        assert!(!knows(&peers, feed(8)), "who is not connected goes first");
    }
    assert!(!peers.handle_configured(offer(HIGH, 1), now));
    assert!((0..MAX_PEERS).all(|n| knows(&peers, feed(1_000 + n))));
    assert!(peers.is_connected(&feed(0)), "the connection goes on");
}

#[test]
fn a_configured_peer_that_is_met_elsewhere_stays_configured_and_is_dialled_at_both_places() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_configured(offer(HIGH, 1), now);
    peers.handle_met(offer(HIGH, 2), now);
    let both = SsbPeer { feed: HIGH, addresses: vec![address(1), address(2)] };
    assert_eq!(peers.poll_dial(now), Some(both));
    assert_eq!(peers.known[&HIGH].rank, Rank::Configured);
}

proptest! {
    /// Whatever happens, a peer that is known is connected, being dialled, or going to be dialled within the cap.
    #[test]
    fn a_known_peer_is_never_left_alone(steps in proptest::collection::vec((0u8..5, 0u64..20_000), 0..60)) {
        let mut peers = Peers::new(LOW);
        let mut now = Instant::now();
        peers.handle_configured(offer(HIGH, 1), now);
        let (mut open, mut dialling) = (Vec::new(), false);
        for (step, wait) in steps {
            now += Duration::from_millis(wait);
            dialling |= peers.poll_dial(now).is_some();
            let admission = match step {
                0 if dialling => { dialling = false; peers.handle_dial_ended(HIGH, failed(), now, 0.3); None }
                1 if dialling => {
                    dialling = false;
                    let admission = peers.handle_authenticated(HIGH, address(1), Direction::Outbound, now);
                    if admission == Admission::Redundant { peers.handle_dial_ended(HIGH, failed(), now, 0.3); }
                    Some(admission)
                }
                2 => Some(peers.handle_authenticated(HIGH, address(2), Direction::Inbound, now)),
                3 => { open.pop().into_iter().for_each(|id| peers.handle_closed(id, failed(), now, 0.9)); None }
                _ => None,
            };
            if let Some(Admission::Admitted(id, replaced)) = admission {
                open.retain(|open| Some(*open) != replaced);
                if let Some(replaced) = replaced { peers.handle_closed(replaced, failed(), now, 0.1); }
                open.push(id);
            }
            prop_assert!(open.len() <= 1);
            prop_assert_eq!(peers.is_connected(&HIGH), !open.is_empty());
            let due = peers.next_timeout().is_some_and(|at| at <= now + LONGEST_PAUSE);
            prop_assert!(peers.is_connected(&HIGH) || dialling || due);
        }
    }
}

fn feed(n: usize) -> FeedId {
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    FeedId(bytes)
}

#[test]
fn peers_heard_on_the_lan_take_no_place_of_known_ones_and_leave_room_when_gone() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    for n in 0..MAX_PEERS {
        assert!(peers.handle_configured(offer(feed(n), 1), now));
        peers.poll_dial(now).unwrap();
        peers.handle_dial_ended(feed(n), failed(), now, 0.5);
    }
    assert!(!peers.handle_heard(offer(HIGH, 1), now));
    assert!(peers.connections().iter().all(|connection| connection.feed != HIGH));

    let mut peers = Peers::new(LOW);
    for n in 0..MAX_PEERS {
        peers.handle_heard(offer(feed(n), 1), now);
    }
    (0..MAX_PEERS).for_each(|n| peers.handle_gone(feed(n)));
    assert_eq!(peers.connections(), []);
}

#[test]
fn a_flood_of_peers_heard_is_dialled_a_few_at_a_time_and_holds_up_nobody_else() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    for n in 0..100 {
        peers.handle_heard(offer(feed(n), 1), now);
    }
    let dialled: Vec<FeedId> = std::iter::from_fn(|| peers.poll_dial(now)).map(|peer| peer.feed).collect();
    assert_eq!(dialled.len(), MAX_UNPROVEN_DIALS);
    assert_eq!(peers.next_timeout(), None, "the end of a dial wakes whoever polls");
    peers.handle_configured(offer(HIGH, 1), now);
    assert_eq!(peers.poll_dial(now), Some(offer(HIGH, 1)));
    peers.handle_dial_ended(dialled[0], failed(), now, 0.5);
    assert!(peers.poll_dial(now).is_some());
}

#[test]
fn another_address_does_not_shorten_the_pause_of_a_peer_that_never_proved_who_it_is() {
    let mut peers = Peers::new(LOW);
    let mut now = Instant::now();
    let mut pause = Duration::ZERO;
    for port in 1..20 {
        peers.handle_heard(offer(HIGH, port), now);
        assert_eq!(peers.poll_dial(now), Some(offer(HIGH, port)));
        peers.handle_dial_ended(HIGH, failed(), now, 1.0);
        peers.handle_heard(offer(HIGH, 1_000 + port), now);
        assert_eq!(peers.poll_dial(now), None);
        let next = peers.next_timeout().unwrap();
        (pause, now) = (next - now, next);
    }
    assert_eq!(pause, LONGEST_PAUSE_UNPROVEN);
}

#[test]
fn an_address_that_a_datagram_only_tells_of_shortens_no_pause_and_is_tried_after_it() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_heard(offer(HIGH, 1), now);
    peers.poll_dial(now).unwrap();
    let (id, _) = admitted(peers.handle_authenticated(HIGH, address(1), Direction::Outbound, now));
    peers.handle_closed(id, failed(), now, 1.0);
    let pause = peers.next_timeout().unwrap();
    for port in 2..20 {
        peers.handle_told(offer(HIGH, port), now);
        assert_eq!((peers.poll_dial(now), peers.next_timeout()), (None, Some(pause)));
    }
    assert_eq!(peers.poll_dial(pause), Some(offer(HIGH, 19)));
}

#[test]
fn a_peer_that_proved_who_it_is_is_dialled_at_once_where_it_moves() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_heard(offer(HIGH, 1), now);
    peers.poll_dial(now).unwrap();
    let (id, _) = admitted(peers.handle_authenticated(HIGH, address(1), Direction::Outbound, now));
    peers.handle_closed(id, failed(), now, 1.0);
    assert_eq!(peers.poll_dial(now), None);
    peers.handle_heard(offer(HIGH, 2), now);
    assert_eq!(peers.poll_dial(now), Some(offer(HIGH, 2)));
}

#[test]
fn an_offered_peer_keeps_its_addresses_when_it_is_heard_and_when_it_falls_silent() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_heard(offer(HIGH, 2), now);
    peers.handle_configured(offer(HIGH, 1), now);
    let both = SsbPeer { feed: HIGH, addresses: vec![address(1), address(2)] };
    assert_eq!(peers.poll_dial(now), Some(both));
    peers.handle_gone(HIGH);
    peers.handle_dial_ended(HIGH, failed(), now, 0.5);
    let later = peers.next_timeout().unwrap();
    assert_eq!(peers.poll_dial(later), Some(offer(HIGH, 1)));
}

#[test]
fn a_peer_that_falls_silent_is_forgotten_when_its_connection_ends() {
    let mut peers = Peers::new(LOW);
    let now = Instant::now();
    peers.handle_heard(offer(HIGH, 1), now);
    peers.poll_dial(now).unwrap();
    let (id, _) = admitted(peers.handle_authenticated(HIGH, address(1), Direction::Outbound, now));
    peers.handle_gone(HIGH);
    assert_eq!(peers.connections().len(), 1);
    peers.handle_closed(id, Ending::Goodbye, now, 0.5);
    assert_eq!((peers.connections(), peers.next_timeout()), (vec![], None));
}
