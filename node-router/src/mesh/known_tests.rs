use stream_model::{BroadcastId, MessageKey};

use super::super::record::tests::{TestSigner, info, peer_id, record, record_with_viewers};
use super::*;

fn own() -> Own {
    Own { peer: peer_id(200), feed: TestSigner::new(200).feed(), community: "open".into() }
}

fn identity(seed: u8) -> NodeIdentity {
    let info = info(seed);
    NodeIdentity { name: info.name, feed: info.ssb.feed, peer: info.ipfs.peer, version: info.version }
}

fn passed_on(seed: u8, sequence: u64, age: u64) -> KnownNode {
    let record = Some(record(seed, sequence, &["10.0.0.1"]));
    KnownNode { identity: identity(seed), record, age_seconds: Some(age), hops: Some(1) }
}

fn answer(seed: u8, nodes: Vec<KnownNode>) -> NodeInfo {
    NodeInfo { record: Some(record(seed, 1, &["10.0.0.1"])), nodes, ..info(seed) }
}

fn told(known: &Known, now: Instant) -> Vec<(String, u64)> {
    let all = known.to_tell(now).into_iter();
    all.map(|node| (node.identity.name, node.age_seconds.unwrap())).collect()
}

#[test]
fn a_word_travels_on_and_ages_on_its_way() {
    let (mut b, mut c, mut d) = (Known::new(own()), Known::new(own()), Known::new(own()));
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    b.handle_answer(&answer(1, vec![]), true, at(0));
    c.handle_answer(&answer(2, b.to_tell(at(30))), true, at(30));
    d.handle_answer(&answer(3, c.to_tell(at(90))), true, at(90));
    assert_eq!(told(&d, at(100)), [("node 3".into(), 10), ("node 2".into(), 70), ("node 1".into(), 100)]);
    assert_eq!(d.told().count(), 2, "the neighbour itself is not dialled again");
    d.handle_answer(&answer(3, c.to_tell(at(13 * 60))), true, at(13 * 60));
    assert_eq!(told(&d, at(13 * 60)).len(), 3);
    d.handle_answer(&answer(3, vec![]), true, at(16 * 60));
    assert_eq!(told(&d, at(16 * 60)), [("node 3".into(), 0)], "what nobody repeats is forgotten");
}

#[test]
fn nodes_that_know_the_same_nodes_have_the_same_tag_whoever_told_them_and_whenever() {
    let of = |seed| Known::new(Own { feed: TestSigner::new(seed).feed(), ..own() });
    let (mut a, mut b, start) = (of(1), of(2), Instant::now());
    let later = start + Duration::from_secs(20);
    assert_ne!(a.tag(), b.tag());
    a.handle_answer(&answer(2, vec![passed_on(3, 1, 0)]), true, start);
    b.handle_answer(&answer(1, vec![]), true, start);
    assert_ne!(a.tag(), b.tag());
    b.handle_answer(&answer(3, vec![passed_on(1, 1, 9)]), true, later);
    assert_eq!(a.tag(), b.tag());
    a.handle_answer(&answer(2, vec![]), true, start + MAX_AGE + Duration::from_secs(1));
    assert_ne!(a.tag(), b.tag(), "it has forgotten one");
}

#[test]
fn the_higher_number_counts_whoever_brings_it_and_the_younger_word_of_the_same() {
    let (mut known, now) = (Known::new(own()), Instant::now() + MAX_AGE);
    known.handle_answer(&answer(2, vec![passed_on(1, 5, 100)]), true, now);
    known.handle_answer(&answer(3, vec![passed_on(1, 4, 0)]), true, now);
    known.handle_answer(&answer(3, vec![passed_on(1, 5, 50)]), true, now);
    known.handle_answer(&answer(2, vec![passed_on(1, 5, 200)]), true, now);
    assert!(told(&known, now).contains(&("node 1".into(), 50)));
    assert!(known.told().all(|statement| statement.sequence == 5));
    known.handle_answer(&answer(3, vec![passed_on(1, 6, 300)]), true, now);
    assert!(known.told().all(|statement| statement.sequence == 6));
}

#[test]
fn what_is_not_signed_by_the_node_itself_is_not_passed_on() {
    let (mut known, now) = (Known::new(own()), Instant::now());
    let unsigned = KnownNode { identity: identity(1), record: None, age_seconds: None, hops: None };
    let of_another = KnownNode { identity: identity(1), ..passed_on(4, 1, 0) };
    let other_peer = KnownNode { identity: NodeIdentity { peer: peer_id(9), ..identity(1) }, ..passed_on(1, 1, 0) };
    let ourselves = passed_on(200, 1, 0);
    let too_old = passed_on(5, 1, MAX_AGE.as_secs() + 1);
    known.handle_answer(&answer(2, vec![unsigned, of_another, other_peer, ourselves, too_old]), true, now);
    assert_eq!(told(&known, now), [("node 2".into(), 0)]);
    let elsewhere = Own { community: "elsewhere".into(), ..own() };
    let mut known = Known::new(elsewhere);
    known.handle_answer(&answer(2, vec![passed_on(1, 1, 0)]), true, now);
    assert_eq!(told(&known, now), []);
}

#[test]
fn one_neighbour_that_makes_up_nodes_uses_up_its_own_budget_only() {
    let (mut known, now) = (Known::new(own()), Instant::now());
    let many = |range: std::ops::Range<u8>| range.map(|seed| passed_on(seed, 1, 0)).collect::<Vec<_>>();
    known.handle_answer(&answer(201, many(0..100)), true, now);
    assert_eq!(known.told().count(), MAX_FROM_ONE);
    known.handle_answer(&answer(202, many(100..150)), true, now);
    assert_eq!(known.told().count(), MAX_FROM_ONE + 50);
    assert_eq!(told(&known, now).len(), MAX_NODES);
}

#[test]
fn a_node_is_as_far_as_the_neighbour_that_is_nearest_to_it() {
    let (mut b, mut c, mut d) = (Known::new(own()), Known::new(own()), Known::new(own()));
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let hops = |known: &Known, seed| known.hops(&TestSigner::new(seed).feed());
    b.handle_answer(&answer(1, vec![]), true, at(0));
    c.handle_answer(&answer(2, b.to_tell(at(1))), true, at(1));
    d.handle_answer(&answer(3, c.to_tell(at(2))), true, at(2));
    assert_eq!([1, 2, 3].map(|seed| hops(&d, seed)), [Some(3), Some(2), Some(1)]);
    d.handle_answer(&answer(2, b.to_tell(at(3))), true, at(3));
    assert_eq!([1, 2, 3].map(|seed| hops(&d, seed)), [Some(2), Some(1), Some(1)]);
    d.handle_answer(&answer(3, c.to_tell(at(4))), true, at(4));
    assert_eq!(hops(&d, 1), Some(2), "the nearer way counts");
    d.handle_answer(&answer(3, c.to_tell(at(200))), true, at(200));
    assert_eq!(hops(&d, 1), Some(3), "until nobody repeats it");
    let mut e = Known::new(own());
    e.handle_answer(&answer(2, b.to_tell(at(5))), false, at(5));
    assert_eq!((hops(&e, 2), hops(&e, 1)), (None, None), "one that is reached over an overlay may be anywhere");
}

#[test]
fn viewers_add_up_over_the_nodes_and_go_with_them() {
    let (mut known, start, broadcast) = (Known::new(own()), Instant::now(), BroadcastId(MessageKey([7; 32])));
    let at = |seconds| start + Duration::from_secs(seconds);
    let with = |seed, viewers| Some(record_with_viewers(seed, broadcast, viewers));
    let far = KnownNode { record: with(1, 3), ..passed_on(1, 1, 20) };
    let near = NodeInfo { record: with(2, 2), ..answer(2, vec![far]) };
    known.handle_answer(&near, true, at(30));
    known.handle_answer(&near, true, at(31));
    assert_eq!(known.viewers(at(31)).of(&broadcast), 5, "each node counts once");
    assert_eq!(known.viewers(at(31)).of(&BroadcastId(MessageKey([8; 32]))), 0);
    assert_eq!(known.viewers(at(310)).of(&broadcast), 5);
    assert_eq!(known.viewers(at(400)).of(&broadcast), 0, "who is silent counts no more");
    let hostile = NodeInfo { record: with(3, u32::MAX), ..answer(3, vec![]) };
    known.handle_answer(&hostile, true, at(400));
    assert_eq!(known.viewers(at(400)).of(&broadcast), 1_024);
}
