use std::collections::HashSet;

use multihash_codetable::{Code, MultihashDigest};
use proptest::prelude::*;

use super::*;

fn data(n: u32) -> Bytes {
    Bytes::from(n.to_be_bytes().to_vec())
}

fn cid(n: u32) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(&data(n)))
}

fn peer(n: u8) -> PeerId {
    let multihash = libp2p_identity::PeerId::from_bytes(&[[0x00, 0x08].as_slice(), &[n; 8]].concat());
    multihash.unwrap()
}

const SESSION: SessionId = SessionId(1);

/// An engine, its clock, and what the peers know of its wants.
struct World {
    engine: Engine,
    now: Instant,
    /// What stands in each peer's ledger.
    ledgers: HashMap<PeerId, BTreeMap<Cid, WantKind>>,
    /// Want-blocks since the last [`World::asked`], in order.
    asked: Vec<(PeerId, Cid)>,
    delivered: Vec<(Cid, PeerId)>,
    strays: Vec<(Cid, PeerId)>,
    disconnected: Vec<PeerId>,
}

impl World {
    fn new(providers: Vec<PeerId>) -> Self {
        let mut world = Self {
            engine: Engine::default(),
            now: Instant::now(),
            ledgers: HashMap::new(),
            asked: Vec::new(),
            delivered: Vec::new(),
            strays: Vec::new(),
            disconnected: Vec::new(),
        };
        world.happen(Event::SessionOpened { session: SESSION, providers });
        world
    }

    fn happen(&mut self, event: Event) {
        match &event {
            Event::PeerUp(id) => {
                self.ledgers.entry(*id).or_default();
            }
            Event::PeerDown(id) => {
                self.ledgers.remove(id);
            }
            _ => {}
        }
        self.engine.handle(event, self.now);
        self.run();
    }

    fn run(&mut self) {
        self.engine.schedule(self.now);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { peer, full, entries } => {
                    let ledger = self.ledgers.get_mut(&peer).expect("only connected peers are written to");
                    if full {
                        ledger.clear();
                    }
                    let mut seen = HashSet::new();
                    for entry in entries {
                        match entry {
                            Entry::Cancel(cid) => {
                                assert!(seen.insert(cid), "a cid is in a message once");
                                ledger.remove(&cid);
                            }
                            Entry::Want { cid, want, .. } => {
                                assert!(seen.insert(cid), "a cid is in a message once");
                                // As implementations do: a want-have does not replace a want-block.
                                if ledger.get(&cid) != Some(&WantKind::Block) {
                                    ledger.insert(cid, want);
                                }
                                if want == WantKind::Block {
                                    self.asked.push((peer, cid));
                                }
                            }
                        }
                    }
                }
                Output::Deliver { cid, from, .. } => self.delivered.push((cid, from)),
                Output::Stray { cid, from, .. } => self.strays.push((cid, from)),
                Output::Disconnect(peer) => self.disconnected.push(peer),
            }
        }
    }

    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(at) = self.engine.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.run();
        }
        self.now = until;
        self.run();
    }

    fn want(&mut self, ns: impl IntoIterator<Item = u32>) {
        for n in ns {
            self.engine.handle(Event::Want { session: SESSION, cid: cid(n) }, self.now);
        }
        self.run();
    }

    fn block(&mut self, from: PeerId, n: u32) {
        if let Some(ledger) = self.ledgers.get_mut(&from) {
            ledger.remove(&cid(n));
        }
        self.happen(Event::Message { peer: from, blocks: vec![(cid(n), data(n))], presences: vec![] });
    }

    fn presence(&mut self, from: PeerId, n: u32, presence: Presence) {
        if presence == Presence::Have && self.ledgers[&from].get(&cid(n)) == Some(&WantKind::Have) {
            self.ledgers.get_mut(&from).unwrap().remove(&cid(n));
        }
        self.happen(Event::Message { peer: from, blocks: vec![], presences: vec![(cid(n), presence)] });
    }

    fn asked(&mut self) -> Vec<(PeerId, Cid)> {
        std::mem::take(&mut self.asked)
    }

    fn standing(&self, at: PeerId, n: u32) -> Option<WantKind> {
        self.ledgers[&at].get(&cid(n)).copied()
    }
}

#[test]
fn a_provider_is_asked_for_the_block_at_once_and_the_others_whether_they_have_it() {
    let mut world = World::new(vec![peer(1)]);
    world.happen(Event::PeerUp(peer(1)));
    world.happen(Event::PeerUp(peer(2)));
    world.want([7]);
    assert_eq!(world.asked(), vec![(peer(1), cid(7))]);
    assert_eq!(world.standing(peer(2), 7), Some(WantKind::Have));
    world.block(peer(1), 7);
    assert_eq!(world.delivered, vec![(cid(7), peer(1))]);
    assert_eq!(world.standing(peer(2), 7), None, "cancelled");
    assert_eq!(world.engine.next_timeout(), None, "an idle engine sleeps");
}

#[test]
fn without_a_provider_everybody_is_asked_and_who_has_it_delivers() {
    let mut world = World::new(vec![]);
    world.happen(Event::PeerUp(peer(1)));
    world.happen(Event::PeerUp(peer(2)));
    world.want([7]);
    assert_eq!(world.asked(), vec![]);
    world.presence(peer(1), 7, Presence::DontHave);
    world.presence(peer(2), 7, Presence::Have);
    assert_eq!(world.asked(), vec![(peer(2), cid(7))]);
}

#[test]
fn a_peer_that_comes_up_later_is_asked_for_what_is_wanted() {
    let mut world = World::new(vec![peer(1)]);
    world.want([1, 2, 3]);
    world.happen(Event::PeerUp(peer(1)));
    assert_eq!(world.asked(), vec![(peer(1), cid(1)), (peer(1), cid(2)), (peer(1), cid(3))]);
    let mut world = World::new(vec![]);
    world.happen(Event::PeerUp(peer(1)));
    world.want([7]);
    world.happen(Event::PeerUp(peer(2)));
    assert_eq!(world.standing(peer(2), 7), Some(WantKind::Have));
}

#[test]
fn a_refused_want_block_becomes_a_want_have_and_the_block_is_asked_for_when_it_is_there() {
    let mut world = World::new(vec![peer(1)]);
    world.happen(Event::PeerUp(peer(1)));
    world.want([7]);
    world.asked();
    world.presence(peer(1), 7, Presence::DontHave);
    assert_eq!(world.standing(peer(1), 7), Some(WantKind::Have), "it would push the block beside another's");
    assert_eq!(world.asked(), vec![]);
    world.presence(peer(1), 7, Presence::Have);
    assert_eq!(world.asked(), vec![(peer(1), cid(7))]);
}

#[test]
fn only_one_peer_is_asked_for_a_block_at_a_time() {
    let mut world = World::new(vec![peer(1), peer(2), peer(3)]);
    (1..=3).for_each(|n| world.happen(Event::PeerUp(peer(n))));
    world.want(0..20);
    let asked = world.asked();
    let distinct: HashSet<Cid> = asked.iter().map(|(_, cid)| *cid).collect();
    assert_eq!((asked.len(), distinct.len()), (20, 20));
    let peers: HashSet<PeerId> = asked.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(peers.len(), 3, "the work is shared");
}

#[test]
fn a_lost_peers_blocks_are_asked_of_another() {
    let mut world = World::new(vec![peer(1)]);
    world.happen(Event::PeerUp(peer(1)));
    world.happen(Event::PeerUp(peer(2)));
    world.want([7]);
    world.presence(peer(2), 7, Presence::Have);
    world.asked();
    world.happen(Event::PeerDown(peer(1)));
    assert_eq!(world.asked(), vec![(peer(2), cid(7))]);
}

#[test]
fn wants_survive_any_number_of_reconnects() {
    let mut world = World::new(vec![peer(1)]);
    world.want(0..4);
    for _ in 0..50 {
        world.happen(Event::PeerUp(peer(1)));
        assert_eq!(world.asked().len(), 4);
        world.happen(Event::PeerDown(peer(1)));
    }
    world.happen(Event::PeerUp(peer(1)));
    (0..4).for_each(|n| world.block(peer(1), n));
    assert_eq!(world.delivered.len(), 4);
}

#[test]
fn a_peer_that_stops_answering_loses_its_blocks_and_is_not_asked_while_there_is_another() {
    let mut world = World::new(vec![peer(1), peer(2)]);
    world.happen(Event::PeerUp(peer(1)));
    world.want([1]);
    world.happen(Event::PeerUp(peer(2)));
    world.asked();
    world.pass(Duration::from_secs(4));
    assert_eq!(world.asked(), vec![(peer(2), cid(1))]);
    world.block(peer(2), 1);
    world.want([2, 3]);
    assert!(world.asked().iter().all(|(peer_id, _)| *peer_id == peer(2)));
}

#[test]
fn the_tail_is_asked_of_a_second_peer() {
    let mut world = World::new(vec![peer(1)]);
    world.happen(Event::PeerUp(peer(1)));
    world.happen(Event::PeerUp(peer(2)));
    world.want([1]);
    world.presence(peer(2), 1, Presence::Have);
    world.asked();
    world.pass(Duration::from_millis(600));
    assert_eq!(world.asked(), vec![(peer(2), cid(1))], "sooner than the first peer times out");
    world.block(peer(2), 1);
    assert_eq!(world.standing(peer(1), 1), None, "cancelled at the slow peer");
    world.block(peer(1), 1);
    assert_eq!(world.delivered.len(), 1, "its late block is not delivered again");
}

#[test]
fn a_reset_stream_is_told_everything_again() {
    let mut world = World::new(vec![peer(1)]);
    world.happen(Event::PeerUp(peer(1)));
    world.want(0..3);
    world.presence(peer(1), 1, Presence::DontHave);
    world.ledgers.insert(peer(1), BTreeMap::new());
    world.happen(Event::StreamReset(peer(1)));
    assert_eq!(world.standing(peer(1), 0), Some(WantKind::Block));
    assert_eq!(world.standing(peer(1), 1), Some(WantKind::Have));
    assert_eq!(world.standing(peer(1), 2), Some(WantKind::Block));
}

#[test]
fn a_search_without_answers_is_repeated() {
    let mut world = World::new(vec![]);
    world.happen(Event::PeerUp(peer(1)));
    world.want([7]);
    world.ledgers.insert(peer(1), BTreeMap::new());
    world.pass(SEARCH_AGAIN + Duration::from_millis(1));
    assert_eq!(world.standing(peer(1), 7), Some(WantKind::Have));
}

#[test]
fn a_closed_sessions_wants_are_cancelled_unless_another_wants_them() {
    let mut world = World::new(vec![peer(1)]);
    world.happen(Event::PeerUp(peer(1)));
    world.want([1, 2]);
    let other = SessionId(2);
    world.happen(Event::SessionOpened { session: other, providers: vec![] });
    world.happen(Event::Want { session: other, cid: cid(2) });
    world.happen(Event::SessionClosed(SESSION));
    assert_eq!(world.standing(peer(1), 1), None);
    assert_eq!(world.standing(peer(1), 2), Some(WantKind::Block));
    world.happen(Event::Unwant { session: other, cid: cid(2) });
    assert_eq!(world.standing(peer(1), 2), None);
    assert!(world.engine.wants.is_empty() && world.engine.ready.is_empty() && world.engine.searches.is_empty());
}

#[test]
fn a_block_that_was_on_its_way_when_it_was_withdrawn_is_handed_out_but_once_and_not_from_others() {
    let mut world = World::new(vec![peer(1)]);
    world.happen(Event::PeerUp(peer(1)));
    world.happen(Event::PeerUp(peer(2)));
    world.want([1, 2]);
    world.happen(Event::Unwant { session: SESSION, cid: cid(1) });
    world.happen(Event::SessionClosed(SESSION));
    world.block(peer(2), 2);
    world.block(peer(1), 3);
    assert!(world.strays.is_empty(), "nobody asked for these");
    (0..2).for_each(|_| world.block(peer(1), 1));
    world.block(peer(1), 2);
    assert_eq!(world.strays, [(cid(1), peer(1)), (cid(2), peer(1))]);
    assert!(world.delivered.is_empty());
}

#[test]
fn blocks_that_nobody_wants_are_dropped_and_their_sender_disconnected_in_the_end() {
    let mut world = World::new(vec![]);
    world.happen(Event::PeerUp(peer(1)));
    for n in 0..1000 {
        world.block(peer(1), n);
    }
    assert!(world.delivered.is_empty());
    assert_eq!(world.disconnected, vec![peer(1)]);
    assert_eq!(world.engine.peer_count(), 0);
}

#[test]
fn endless_presences_end_in_a_disconnect() {
    let mut world = World::new(vec![peer(1)]);
    world.happen(Event::PeerUp(peer(1)));
    world.want([7]);
    for _ in 0..20_000 {
        world.engine.handle(
            Event::Message { peer: peer(1), blocks: vec![], presences: vec![(cid(7), Presence::Have)] },
            world.now,
        );
    }
    world.run();
    assert_eq!(world.disconnected, vec![peer(1)]);
}

#[test]
fn a_hundred_thousand_wants_keep_bounded_requests_in_flight() {
    let mut world = World::new(vec![peer(1)]);
    world.happen(Event::PeerUp(peer(1)));
    world.happen(Event::PeerUp(peer(2)));
    world.want(0..100_000);
    assert!(world.asked().len() <= 64);
    let mut held = 0;
    for n in 0..200 {
        world.block(peer(1), n);
        held = held.max(world.ledgers[&peer(1)].len()).max(world.ledgers[&peer(2)].len());
    }
    assert!(held <= 1024, "{held} wants stand at a peer");
    world.happen(Event::SessionClosed(SESSION));
    assert!(world.ledgers.values().all(BTreeMap::is_empty));
}

#[test]
fn wants_that_nobody_has_do_not_hold_up_those_that_somebody_has() {
    let mut world = World::new(vec![]);
    world.happen(Event::PeerUp(peer(1)));
    world.want(0..3000);
    let other = SessionId(2);
    world.happen(Event::SessionOpened { session: other, providers: vec![peer(1)] });
    world.happen(Event::Want { session: other, cid: cid(5000) });
    world.pass(Duration::from_secs(3));
    assert_eq!(world.asked(), vec![(peer(1), cid(5000))]);
}

#[derive(Debug, Clone)]
enum Step {
    Want(u32),
    Unwant(u32),
    Up(u8),
    Down(u8),
    Reset(u8),
    Block(u8, u32),
    Presence(u8, u32, bool),
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let (peers, blocks) = (0..3u8, 0..12u32);
    prop_oneof![
        3 => blocks.clone().prop_map(Step::Want),
        1 => blocks.clone().prop_map(Step::Unwant),
        2 => peers.clone().prop_map(Step::Up),
        1 => peers.clone().prop_map(Step::Down),
        1 => peers.clone().prop_map(Step::Reset),
        3 => (peers.clone(), blocks.clone()).prop_map(|(p, n)| Step::Block(p, n)),
        3 => (peers, blocks, any::<bool>()).prop_map(|(p, n, have)| Step::Presence(p, n, have)),
        2 => (1..8000u64).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever happened before: once a peer that has everything is there, everything wanted is delivered, once.
    #[test]
    fn every_want_is_served_in_the_end(steps in prop::collection::vec(any_step(), 0..80)) {
        let mut world = World::new(vec![peer(0)]);
        let mut wanted = HashSet::new();
        for step in steps {
            match step {
                Step::Want(n) => { world.want([n]); wanted.insert(cid(n)); }
                Step::Unwant(n) => {
                    world.happen(Event::Unwant { session: SESSION, cid: cid(n) });
                    wanted.remove(&cid(n));
                }
                Step::Up(n) => world.happen(Event::PeerUp(peer(n))),
                Step::Down(n) => world.happen(Event::PeerDown(peer(n))),
                Step::Reset(n) => world.happen(Event::StreamReset(peer(n))),
                Step::Block(p, n) => { world.block(peer(p), n); }
                Step::Presence(p, n, have) if world.ledgers.contains_key(&peer(p)) => {
                    world.presence(peer(p), n, if have { Presence::Have } else { Presence::DontHave });
                }
                Step::Presence(..) => {}
                Step::Pass(ms) => world.pass(Duration::from_millis(ms)),
            }
            for (delivered, _) in world.delivered.drain(..) {
                prop_assert!(wanted.remove(&delivered), "delivered once, and only what is wanted");
            }
            for (id, want_peer) in &world.engine.peers {
                for cid in want_peer.in_flight.keys() {
                    prop_assert_eq!(world.engine.wants[cid].asks[id], Ask::Block);
                }
            }
        }
        let source = peer(9);
        world.happen(Event::PeerUp(source));
        for _ in 0..200 {
            let standing: Vec<(Cid, WantKind)> =
                world.ledgers[&source].iter().map(|(cid, want)| (*cid, *want)).collect();
            for n in 0..12 {
                match standing.iter().find(|(standing, _)| *standing == cid(n)) {
                    Some((_, WantKind::Block)) => world.block(source, n),
                    Some((_, WantKind::Have)) => world.presence(source, n, Presence::Have),
                    None => {}
                }
            }
            world.pass(Duration::from_millis(500));
        }
        for (delivered, _) in world.delivered.drain(..) {
            prop_assert!(wanted.remove(&delivered));
        }
        prop_assert!(wanted.is_empty(), "not delivered: {:?}", wanted);
    }
}
