use proptest::prelude::*;

use super::*;

/// Bounds that are soon reached.
const SMALL: Limits = Limits { handshakes: 4, handshakes_of_prefix: 3, connections: 6, strangers: 4, of_address: 3 };

fn address(prefix: u8, host: u8) -> IpAddr {
    [10, 0, prefix, host].into()
}

fn feed(n: u16) -> FeedId {
    FeedId([&n.to_be_bytes()[..], &[0; 30]].concat().try_into().unwrap())
}

/// Lets somebody connect and authenticate itself at once.
fn join(places: &mut Places, from: IpAddr, who: u16, trust: Trust) -> Option<(PlaceId, Admitted)> {
    let place = places.handle_accepted(from).unwrap().place;
    match places.handle_authenticated(place, feed(who), trust) {
        Some(admitted) => Some((place, admitted)),
        None => {
            places.handle_ended(place);
            None
        }
    }
}

/// As [`join`], where there is room.
fn place_of(places: &mut Places, from: IpAddr, who: u16, trust: Trust) -> PlaceId {
    join(places, from, who, trust).unwrap().0
}

#[test]
fn strangers_leave_the_places_that_are_reserved() {
    let mut places = Places::new(Limits::new(64, 16));
    for n in 0..48 {
        place_of(&mut places, address(n, 1), n.into(), Trust::Stranger);
    }
    assert_eq!(join(&mut places, address(48, 1), 48, Trust::Stranger), None, "each of the others is as rare");
    for n in 100..116 {
        let (_, admitted) = join(&mut places, address(9, 1), n, Trust::Known).unwrap();
        assert_eq!(admitted.displaced, None);
    }
}

#[test]
fn a_stranger_takes_the_place_held_longest_in_the_most_crowded_prefix() {
    let mut places = Places::new(SMALL);
    place_of(&mut places, address(1, 1), 1, Trust::Stranger);
    let longest = place_of(&mut places, address(2, 1), 2, Trust::Stranger);
    place_of(&mut places, address(2, 2), 3, Trust::Stranger);
    place_of(&mut places, address(2, 3), 4, Trust::Stranger);
    assert_eq!(join(&mut places, address(2, 4), 5, Trust::Stranger), None, "its own prefix is the crowded one");
    let (_, admitted) = join(&mut places, address(3, 1), 6, Trust::Stranger).unwrap();
    assert_eq!(admitted.displaced, Some((longest, Trust::Stranger)));
    assert_eq!(join(&mut places, address(3, 2), 7, Trust::Stranger), None, "both would hold two");
}

#[test]
fn who_is_known_takes_the_place_of_a_stranger_and_who_is_chosen_that_of_any_other() {
    let mut places = Places::new(SMALL);
    let stranger = place_of(&mut places, address(1, 1), 0, Trust::Stranger);
    let known: Vec<_> = (1..6).map(|n| place_of(&mut places, address(1, 1), n, Trust::Known)).collect();
    let (_, admitted) = join(&mut places, address(1, 2), 6, Trust::Known).unwrap();
    assert_eq!(admitted.displaced, Some((stranger, Trust::Stranger)));
    assert_eq!(join(&mut places, address(1, 3), 7, Trust::Known), None);
    assert_eq!(join(&mut places, address(2, 1), 8, Trust::Stranger), None);
    let (_, admitted) = join(&mut places, address(1, 3), 9, Trust::Chosen).unwrap();
    assert_eq!(admitted.displaced, Some((known[0], Trust::Known)));
}

#[test]
fn a_peer_that_comes_again_takes_its_own_place() {
    let mut places = Places::new(SMALL);
    let first = place_of(&mut places, address(1, 1), 0, Trust::Stranger);
    for n in 2..5 {
        place_of(&mut places, address(n, 1), n.into(), Trust::Stranger);
    }
    let (_, admitted) = join(&mut places, address(1, 1), 0, Trust::Stranger).unwrap();
    assert_eq!(admitted, Admitted { displaced: None, former: Some(first) });
}

#[test]
fn one_address_has_few_places_unless_it_is_known() {
    let mut places = Places::new(SMALL);
    for n in 0..3 {
        place_of(&mut places, address(1, 1), n, Trust::Stranger);
    }
    assert_eq!(join(&mut places, address(1, 1), 3, Trust::Stranger), None);
    place_of(&mut places, address(1, 1), 4, Trust::Known);
    place_of(&mut places, address(1, 2), 5, Trust::Stranger);
}

#[test]
fn an_ipv6_host_has_one_prefix_however_many_addresses_it_takes() {
    let host = |low: u16| IpAddr::from([0xfd00, 0, 0, 7, 0, 0, 0, low]);
    let mut places = Places::new(SMALL);
    let flood: Vec<_> = (0..4).map(|n| place_of(&mut places, host(n), n, Trust::Stranger)).collect();
    assert_eq!(join(&mut places, host(9), 9, Trust::Stranger), None);
    let other = IpAddr::from([0xfd00, 0, 0, 8, 0, 0, 0, 1]);
    let (_, admitted) = join(&mut places, other, 10, Trust::Stranger).unwrap();
    assert_eq!(admitted.displaced, Some((flood[0], Trust::Stranger)));
}

#[test]
fn silent_connections_of_one_prefix_push_out_their_own_kind() {
    let mut places = Places::new(SMALL);
    let silent: Vec<_> = (0..3).map(|n| places.handle_accepted(address(1, n)).unwrap().place).collect();
    let honest = places.handle_accepted(address(2, 1)).unwrap();
    assert_eq!(honest.displaced, None);
    assert_eq!(places.handle_accepted(address(1, 9)).unwrap().displaced, Some(silent[0]), "the prefix has its share");
    assert_eq!(places.handle_accepted(address(3, 1)).unwrap().displaced, Some(silent[1]), "all have theirs");
    assert!(places.handle_authenticated(honest.place, feed(1), Trust::Stranger).is_some());
    assert_eq!(places.handle_authenticated(silent[0], feed(2), Trust::Chosen), None, "it was too late");
}

#[test]
fn connections_that_were_displaced_and_do_not_end_are_bounded_too() {
    let mut places = Places::new(SMALL);
    let accepted = (0..1_000).filter_map(|_| places.handle_accepted(address(1, 1))).count();
    assert_eq!(accepted, SMALL.handshakes + SMALL.connections + MAX_LEAVING);
}

#[derive(Debug, Clone)]
enum Event {
    Accepted(IpAddr),
    /// One of the open handshakes, by its index, ends well.
    Authenticated(usize, FeedId, Trust),
    Ended(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let trust = prop_oneof![4 => Just(Trust::Stranger), 1 => Just(Trust::Known), 1 => Just(Trust::Chosen)];
    prop_oneof![
        4 => (0u8..4, 0u8..3).prop_map(|(prefix, host)| Event::Accepted(address(prefix, host))),
        4 => (0usize..8, 0u16..40, trust).prop_map(|(at, who, trust)| Event::Authenticated(at, feed(who), trust)),
        1 => (0usize..16).prop_map(Event::Ended),
    ]
}

/// How many peers of one kind a prefix has connected.
fn crowd(held: &[Held], address: IpAddr, trust: Trust, but: FeedId) -> usize {
    let same = |held: &&Held| Prefix::from(held.address) == address.into() && held.trust == trust && held.feed != but;
    held.iter().filter(same).count()
}

fn check_accepted(places: &mut Places, from: IpAddr) {
    let before = places.handshakes.clone();
    let Some(Accepted { displaced: Some(displaced), .. }) = places.handle_accepted(from) else { return };
    let of = |prefix: Prefix| before.iter().filter(|(_, other)| Prefix::from(*other) == prefix).count();
    let (_, address) = before.iter().find(|(place, _)| *place == displaced).unwrap();
    let (theirs, own) = (Prefix::from(*address), Prefix::from(from));
    assert!(theirs == own || of(theirs) > of(own));
}

fn check_authenticated(places: &mut Places, place: PlaceId, who: FeedId, trust: Trust) {
    let (_, from) = *places.handshakes.iter().find(|(other, _)| *other == place).unwrap();
    let before = places.held.clone();
    let Some(admitted) = places.handle_authenticated(place, who, trust) else {
        let is_less = |held: &Held| held.feed != who && held.trust < trust;
        assert!(trust == Trust::Stranger || !before.iter().any(is_less), "there was somebody to make place");
        return places.handle_ended(place);
    };
    let former = before.iter().find(|held| held.feed == who).map(|held| held.place);
    assert_eq!(admitted.former, former);
    if let Some((displaced, less)) = admitted.displaced {
        let gone = before.iter().find(|held| held.place == displaced).unwrap();
        assert!(gone.trust == less && less <= trust && gone.feed != who);
        let (theirs, own) = (crowd(&before, gone.address, less, who), crowd(&before, from, less, who));
        assert!(before.iter().all(|held| held.trust != less || crowd(&before, held.address, less, who) <= theirs));
        assert!(less < trust || theirs > own + 1);
    }
}

proptest! {
    #[test]
    fn bounds_hold_and_nobody_is_pushed_out_by_less_trusted_or_more_crowded_ones(
        events in prop::collection::vec(event(), 0..200),
    ) {
        let mut places = Places::new(SMALL);
        for event in events {
            match event {
                Event::Accepted(from) => check_accepted(&mut places, from),
                Event::Authenticated(at, who, trust) => {
                    if let Some((place, _)) = places.handshakes.get(at).copied() {
                        check_authenticated(&mut places, place, who, trust);
                    }
                }
                Event::Ended(at) => {
                    let held = places.held.iter().map(|held| held.place);
                    let handshakes = places.handshakes.iter().map(|(place, _)| *place);
                    let ended = places.leaving.iter().copied().chain(held).chain(handshakes).nth(at);
                    ended.into_iter().for_each(|place| places.handle_ended(place));
                }
            }
            let of_prefix = |prefix| places.handshakes.iter().filter(|(_, from)| Prefix::from(*from) == prefix).count();
            prop_assert!(places.handshakes.iter().all(|(_, from)| of_prefix(Prefix::from(*from)) <= SMALL.handshakes_of_prefix));
            prop_assert!(places.handshakes.len() <= SMALL.handshakes && places.held.len() <= SMALL.connections);
            let strangers = places.held.iter().filter(|held| held.trust == Trust::Stranger);
            prop_assert!(strangers.count() <= SMALL.strangers);
            let feeds: BTreeSet<_> = places.held.iter().map(|held| held.feed).collect();
            prop_assert_eq!(feeds.len(), places.held.len(), "one place of each peer");
            let all = places.handshakes.len() + places.held.len() + places.leaving.len();
            prop_assert!(all <= SMALL.handshakes + SMALL.connections + MAX_LEAVING);
        }
    }
}
