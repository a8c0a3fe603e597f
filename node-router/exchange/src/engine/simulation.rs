//! The engine against peers with a real ledger and a link of their own, on a clock moved by hand.

use std::collections::VecDeque;

use multihash_codetable::{Code, MultihashDigest};

use super::*;
use crate::ledger::Ledger;

const STEP: Duration = Duration::from_millis(5);
/// How often a connection tells the engine that bytes come.
const PROGRESS: Duration = Duration::from_millis(250);
const SESSION: SessionId = SessionId(1);

fn block(n: u32) -> (Cid, Bytes) {
    let data = Bytes::from(n.to_be_bytes().to_vec());
    (Cid::new_v1(0x55, Code::Sha2_256.digest(&data)), data)
}

struct Link {
    ledger: Ledger,
    /// One way.
    delay: Duration,
    /// Of one block.
    takes: Duration,
    stalled: bool,
    to_peer: VecDeque<(Instant, bool, Vec<Entry>)>,
    from_peer: VecDeque<(Instant, Event)>,
    /// The block on the link, and when all of it is sent.
    sending: Option<(Cid, Instant)>,
    told_progress: Option<Instant>,
    sent: usize,
}

struct Network {
    engine: Engine,
    now: Instant,
    links: BTreeMap<PeerId, Link>,
    blocks: HashMap<Cid, Bytes>,
    delivered: HashMap<Cid, PeerId>,
    /// Who was asked last for each block.
    asked: HashMap<Cid, PeerId>,
    strays: usize,
}

impl Network {
    fn new(links: &[(u64, u64)]) -> (Self, Vec<PeerId>) {
        let now = Instant::now();
        let mut network = Self {
            engine: Engine::default(),
            now,
            links: BTreeMap::new(),
            blocks: HashMap::new(),
            delivered: HashMap::new(),
            asked: HashMap::new(),
            strays: 0,
        };
        let peers: Vec<PeerId> = links
            .iter()
            .enumerate()
            .map(|(n, (delay, takes))| {
                let id = PeerId::from_bytes(&[[0x00, 0x08].as_slice(), &[n as u8; 8]].concat()).unwrap();
                let link = Link {
                    ledger: Ledger::default(),
                    delay: Duration::from_millis(*delay),
                    takes: Duration::from_millis(*takes),
                    stalled: false,
                    to_peer: VecDeque::new(),
                    from_peer: VecDeque::new(),
                    sending: None,
                    told_progress: None,
                    sent: 0,
                };
                network.links.insert(id, link);
                network.engine.handle(Event::PeerUp(id), now);
                id
            })
            .collect();
        let providers = peers.clone();
        network.engine.handle(Event::SessionOpened { session: SESSION, providers }, now);
        (network, peers)
    }

    fn want(&mut self, blocks: std::ops::Range<u32>) {
        for (cid, data) in blocks.map(block) {
            self.blocks.insert(cid, data);
            self.engine.handle(Event::Want { session: SESSION, cid }, self.now);
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        for (id, link) in &mut self.links {
            link.serve(*id, self.now, &self.blocks);
            while let Some((_, event)) = link.from_peer.pop_front_if(|(at, _)| *at <= self.now) {
                self.engine.handle(event, self.now);
            }
        }
        self.engine.schedule(self.now);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { peer, full, entries } => {
                    for entry in &entries {
                        if let Entry::Want { cid, want: WantKind::Block, .. } = entry {
                            self.asked.insert(*cid, peer);
                        }
                    }
                    let link = self.links.get_mut(&peer).unwrap();
                    link.to_peer.push_back((self.now + link.delay, full, entries));
                }
                Output::Deliver { cid, from, .. } => assert!(self.delivered.insert(cid, from).is_none()),
                Output::Stray { .. } => self.strays += 1,
                Output::Disconnect(peer) => panic!("{peer} is disconnected"),
            }
        }
    }

    /// Until so many blocks are delivered.
    fn run(&mut self, delivered: usize) {
        for _ in 0..200_000 {
            if self.delivered.len() >= delivered {
                return;
            }
            self.step();
        }
        panic!("{} of {delivered} blocks were delivered", self.delivered.len());
    }

    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            self.step();
        }
    }

    fn sent(&self) -> usize {
        self.links.values().map(|link| link.sent).sum()
    }

    fn from(&self, peer: PeerId) -> usize {
        self.delivered.values().filter(|from| **from == peer).count()
    }
}

impl Link {
    fn serve(&mut self, id: PeerId, now: Instant, blocks: &HashMap<Cid, Bytes>) {
        if self.stalled {
            return;
        }
        while let Some((_, full, entries)) = self.to_peer.pop_front_if(|(at, ..)| *at <= now) {
            self.ledger.receive(full, entries, |cid| blocks.contains_key(cid));
        }
        let presences = self.ledger.take_presences();
        if !presences.is_empty() {
            let event = Event::Message { peer: id, blocks: vec![], presences };
            self.from_peer.push_back((now + self.delay, event));
        }
        match self.sending {
            Some((cid, until)) if until <= now => {
                self.ledger.sent(&cid);
                self.sent += 1;
                self.sending = None;
                let event = Event::Message { peer: id, blocks: vec![(cid, blocks[&cid].clone())], presences: vec![] };
                self.from_peer.push_back((now + self.delay, event));
            }
            Some(_) if self.told_progress.is_none_or(|at| now - at >= PROGRESS) => {
                self.told_progress = Some(now);
                self.from_peer.push_back((now + self.delay, Event::Progress(id)));
            }
            _ => {}
        }
        if self.sending.is_none() {
            self.sending = self.ledger.next_block().map(|cid| (cid, now + self.takes));
        }
    }
}

#[test]
fn duplicates_stay_below_five_percent_over_unequal_links() {
    // Blocks of 340 KB over 20, 10 and 5 Mbit/s; over 5, 5 and 2.5; and over 1 Mbit/s twice.
    for links in [&[(20, 136), (40, 272), (5, 544)][..], &[(20, 544), (80, 544), (5, 1088)], &[(20, 2720), (40, 2720)]]
    {
        let (mut network, _) = Network::new(links);
        // Segments of a live broadcast, each asked for when the one before is there, and a gap between.
        for segment in 0..20 {
            network.want(segment * 16..(segment + 1) * 16);
            network.run((segment as usize + 1) * 16);
            network.pass(Duration::from_secs(5));
        }
        let duplicates = network.sent() - network.delivered.len();
        assert!(duplicates * 20 < network.delivered.len(), "{duplicates} of 320 blocks came twice over {links:?}");
    }
}

#[test]
fn a_near_peer_is_preferred_to_a_far_one() {
    let (mut network, peers) = Network::new(&[(300, 20), (3, 20)]);
    for segment in 0..20 {
        network.want(segment * 8..(segment + 1) * 8);
        network.run((segment as usize + 1) * 8);
    }
    let near = network.from(peers[1]);
    assert!(near * 10 >= 160 * 9, "{near} of 160 blocks came from near");
}

#[test]
fn a_peer_that_stalls_is_replaced_within_two_seconds_although_its_blocks_took_long() {
    let (mut network, peers) = Network::new(&[(20, 700), (20, 900)]);
    network.want(0..80);
    network.run(20);
    network.links.get_mut(&peers[0]).unwrap().stalled = true;
    let held: Vec<Cid> = network.engine.peers[&peers[0]].in_flight.keys().copied().collect();
    assert!(!held.is_empty());
    network.pass(Duration::from_secs(2));
    for cid in held {
        let Some(want) = network.engine.wants.get(&cid) else { continue };
        let stalled = want.asks.get(&peers[0]) == Some(&Ask::Block);
        let replaced = want.asks.get(&peers[1]) == Some(&Ask::Block);
        assert!(replaced || !stalled, "expected of the peer that stalls alone");
    }
    network.run(80);
}

#[test]
fn the_block_on_the_link_of_a_peer_that_stalls_is_asked_of_another_within_two_seconds() {
    let (mut network, peers) = Network::new(&[(5, 400), (20, 900)]);
    network.want(0..6);
    network.run(1);
    network.links.get_mut(&peers[0]).unwrap().stalled = true;
    let held: Vec<Cid> = network.engine.peers[&peers[0]].in_flight.keys().copied().collect();
    assert!(!held.is_empty());
    network.pass(Duration::from_secs(2));
    for cid in held {
        assert_eq!(network.asked[&cid], peers[1]);
    }
}

#[test]
fn peers_whose_bytes_come_slowly_are_not_given_up_and_send_nothing_twice() {
    // 1 MiB at 200 kbit/s each, of which nothing is known before.
    let (mut network, peers) = Network::new(&[(20, 42_000), (30, 42_000)]);
    network.want(0..2);
    while network.delivered.len() < 2 {
        network.step();
        let mut asks = network.engine.wants.values().flat_map(|want| want.asks.values());
        assert!(asks.all(|ask| *ask != Ask::Late));
    }
    assert_eq!((network.from(peers[0]), network.from(peers[1]), network.sent()), (1, 1, 2));
}

#[test]
fn a_peer_that_stops_in_the_middle_of_its_first_block_is_replaced_within_two_seconds() {
    let (mut network, peers) = Network::new(&[(20, 42_000), (30, 42_000)]);
    network.want(0..1);
    network.pass(Duration::from_secs(10));
    let (cid, first) = network.asked.iter().next().map(|(cid, peer)| (*cid, *peer)).unwrap();
    // Whoever comes up now has nothing to send, so that it is asked as well in any case.
    let second = *peers.iter().find(|peer| **peer != first).unwrap();
    network.links.get_mut(&first).unwrap().stalled = true;
    network.pass(Duration::from_secs(2));
    let want = &network.engine.wants[&cid];
    assert_eq!((want.asks.get(&first), want.asks.get(&second)), (Some(&Ask::Late), Some(&Ask::Block)));
}

#[test]
fn sessions_wants_and_peers_that_come_and_go_leave_nothing_behind() {
    let (mut network, peers) = Network::new(&[(1, 5), (1, 5)]);
    network.engine.handle(Event::SessionClosed(SESSION), network.now);
    for round in 0..2000 {
        let (session, peer) = (SessionId(2 + u64::from(round)), peers[round as usize % 2]);
        network.engine.handle(Event::SessionOpened { session, providers: vec![PeerId::random(), peer] }, network.now);
        for n in 0..4 {
            let (cid, data) = block(round * 4 + n);
            if n < 2 {
                network.blocks.insert(cid, data);
            }
            network.engine.handle(Event::Want { session, cid }, network.now);
        }
        (0..round % 7).for_each(|_| network.step());
        if round % 3 == 0 {
            network.engine.handle(Event::PeerDown(peer), network.now);
            network.engine.handle(Event::PeerUp(peer), network.now);
        }
        if round % 5 == 0 {
            network.engine.handle(Event::Unwant { session, cid: block(round * 4).0 }, network.now);
        }
        network.engine.handle(Event::SessionClosed(session), network.now);
        network.step();
    }
    network.pass(Duration::from_secs(1));
    let engine = &network.engine;
    assert!(engine.sessions.is_empty() && engine.wants.is_empty() && engine.ready.is_empty());
    assert!(engine.searches.is_empty() && engine.outboxes.is_empty() && engine.outputs.is_empty());
    assert!(engine.peers.len() == 2 && engine.peers.values().all(|peer| peer.in_flight.is_empty()));
    assert_eq!(engine.next_timeout(), None, "nothing is left to do");
}
