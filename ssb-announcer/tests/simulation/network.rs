//! Nodes and the links between them. Links keep the order and delay what they carry, hold only so much, and lose all of
//! it when they fall. What a node does on arrivals is what the connections of the real one do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use ssb_announcer::replication::note::{self, Received};
use ssb_announcer::replication::session::{Local, Output, Role, Session, Verdict};
use stream_model::{FeedId, FeedSequence};

use super::log::{Log, Outcome};

/// Packets that a link holds in each direction, as the buffers of sockets do.
const WINDOW: usize = 32;
/// Messages read from the log at once.
const BATCH: usize = 8;
/// Feeds that a node fetches for others.
pub(crate) const MAX_LENT: usize = 64;
/// What a peer may send that none should, before it is left.
const MAX_STRIKES: u32 = 3;
/// Arrivals in a run. A network that exceeds this never comes to rest.
const MAX_ARRIVALS: u64 = 300_000;

pub(crate) struct Network<L> {
    pub(crate) rng: StdRng,
    pub(crate) nodes: Vec<Node<L>>,
    pub(crate) links: Vec<Link>,
    /// Whether nodes fetch what their neighbours ask for.
    pub(crate) lends: bool,
    /// How many of the messages are left out by who should send them.
    pub(crate) skipped: f64,
    now_ms: u64,
    arrivals: u64,
    on_their_way: BinaryHeap<Reverse<Arrival>>,
}

pub(crate) struct Node<L> {
    pub(crate) log: L,
    /// Feeds that it wants by itself, without its own.
    pub(crate) wanted: BTreeSet<FeedId>,
    /// What its neighbours ask for and it does not want by itself.
    pub(crate) asked: BTreeMap<usize, BTreeSet<FeedId>>,
    pub(crate) is_liar: bool,
    /// Whether it reads nothing any more.
    pub(crate) is_stalled: bool,
    pub(crate) counts: Counts,
    /// Messages that came to a liar.
    pub(crate) loot: Vec<Bytes>,
}

/// What a node received.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) stored: u64,
    pub(crate) notes: u64,
    /// Messages that it did not ask for, or no longer did.
    pub(crate) unrequested: u64,
}

impl Counts {
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            stored: self.stored + other.stored,
            notes: self.notes + other.notes,
            unrequested: self.unrequested + other.unrequested,
        }
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            messages: self.messages - before.messages,
            stored: self.stored - before.stored,
            notes: self.notes - before.notes,
            unrequested: self.unrequested - before.unrequested,
        }
    }

    /// Copies received of each message that was stored.
    pub(crate) fn copies(&self) -> f64 {
        self.messages as f64 / self.stored as f64
    }
}

pub(crate) struct Link {
    pub(crate) nodes: [usize; 2],
    delay_ms: u64,
    /// How many times it came up. What was sent before arrives no more.
    generation: u64,
    pub(crate) is_up: bool,
    /// The sessions of the caller and the callee, which begins when the call arrives.
    sessions: [Option<Session>; 2],
    /// Packets on their way to each end, and when the last of them arrives.
    in_flight: [usize; 2],
    last_arrival_ms: [u64; 2],
    strikes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at_ms: u64,
    /// Makes the order of arrivals at the same time that of sending.
    number: u64,
    link: usize,
    generation: u64,
    end: usize,
    packet: Packet,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Packet {
    /// The call that begins replication.
    Call,
    Body(Bytes),
}

impl<L: Log> Network<L> {
    pub(crate) fn new(seed: u64, logs: Vec<L>) -> Self {
        let node = |log| Node {
            log,
            wanted: BTreeSet::new(),
            asked: BTreeMap::new(),
            is_liar: false,
            is_stalled: false,
            counts: Counts::default(),
            loot: Vec::new(),
        };
        Self {
            rng: StdRng::seed_from_u64(seed),
            nodes: logs.into_iter().map(node).collect(),
            links: Vec::new(),
            lends: false,
            skipped: 0.0,
            now_ms: 0,
            arrivals: 0,
            on_their_way: BinaryHeap::new(),
        }
    }

    pub(crate) fn own(&self, node: usize) -> FeedId {
        self.nodes[node].log.own()
    }

    /// A link between two nodes, down at first; `None` where there is one, or no two nodes.
    pub(crate) fn link(&mut self, a: usize, b: usize) -> Option<usize> {
        if a == b || self.links.iter().any(|link| link.nodes == [a, b] || link.nodes == [b, a]) {
            return None;
        }
        self.links.push(Link {
            nodes: [a, b],
            delay_ms: self.rng.gen_range(1..100),
            generation: 0,
            is_up: false,
            sessions: [None, None],
            in_flight: [0, 0],
            last_arrival_ms: [0, 0],
            strikes: 0,
        });
        Some(self.links.len() - 1)
    }

    pub(crate) fn connect(&mut self, link: usize) {
        if self.links[link].is_up {
            return;
        }
        // Either side may have dialled.
        if self.rng.r#gen() {
            self.links[link].nodes.reverse();
        }
        let caller = self.links[link].nodes[0];
        let session = Session::new(Role::Caller, self.feeds(caller));
        let Link { generation, is_up, sessions, strikes, .. } = &mut self.links[link];
        *generation += 1;
        *is_up = true;
        *strikes = 0;
        *sessions = [Some(session), None];
        self.send(link, 1, Packet::Call);
    }

    pub(crate) fn disconnect(&mut self, link: usize) {
        let Link { nodes, is_up, sessions, in_flight, .. } = &mut self.links[link];
        let nodes = *nodes;
        if !std::mem::take(is_up) {
            return;
        }
        *sessions = [None, None];
        *in_flight = [0, 0];
        for end in 0..2 {
            self.note_asked(nodes[end], nodes[1 - end], BTreeSet::new());
        }
    }

    /// The node loses all but its log. Its links are down then.
    pub(crate) fn restart(&mut self, node: usize) {
        for link in 0..self.links.len() {
            if self.links[link].nodes.contains(&node) {
                self.disconnect(link);
            }
        }
        self.nodes[node].asked.clear();
    }

    pub(crate) fn append(&mut self, node: usize) {
        let own = self.own(node);
        self.nodes[node].log.append();
        self.tell_appended(node, own);
    }

    pub(crate) fn want(&mut self, node: usize, feed: FeedId) {
        if feed != self.own(node) && self.nodes[node].wanted.insert(feed) {
            self.tell_wanted(node);
        }
    }

    pub(crate) fn unwant(&mut self, node: usize, feed: FeedId) {
        if self.nodes[node].wanted.remove(&feed) {
            self.tell_wanted(node);
        }
    }

    /// Deletes a feed that the node does not replicate.
    pub(crate) fn forget(&mut self, node: usize, feed: FeedId) {
        if !self.replicates(node, feed) {
            self.nodes[node].log.forget(feed);
        }
    }

    /// What a node takes and gives: its own feed, what it wants, and what it fetches for others.
    pub(crate) fn replicated(&self, node: usize) -> BTreeSet<FeedId> {
        let Node { wanted, asked, .. } = &self.nodes[node];
        let asked: BTreeSet<&FeedId> = asked.values().flatten().filter(|_| self.lends).collect();
        wanted.iter().chain(asked.into_iter().take(MAX_LENT)).copied().chain([self.own(node)]).collect()
    }

    pub(crate) fn replicates(&self, node: usize, feed: FeedId) -> bool {
        self.replicated(node).contains(&feed)
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.on_their_way.peek().is_some_and(|Reverse(next)| next.at_ms <= until) {
            self.step();
        }
        self.now_ms = until;
    }

    /// Lets the next packet arrive; `false` where none is on its way.
    pub(crate) fn step(&mut self) -> bool {
        let Some(Reverse(arrival)) = self.on_their_way.pop() else { return false };
        self.now_ms = self.now_ms.max(arrival.at_ms);
        self.arrivals += 1;
        assert!(self.arrivals < MAX_ARRIVALS, "the network does not come to rest");
        let link = &mut self.links[arrival.link];
        let stalled = self.nodes[link.nodes[arrival.end]].is_stalled;
        if link.is_up && link.generation == arrival.generation && !stalled {
            link.in_flight[arrival.end] -= 1;
            self.arrive(arrival.link, arrival.end, arrival.packet);
            self.pump(arrival.link);
        }
        true
    }

    /// Lets everything arrive.
    pub(crate) fn settle(&mut self) {
        while self.step() {}
    }

    /// What a liar sends, as far as the link takes it.
    pub(crate) fn lie(&mut self, link: usize, end: usize, body: Bytes) {
        if self.links[link].is_up && self.links[link].in_flight[1 - end] < WINDOW {
            self.send(link, 1 - end, Packet::Body(body));
        }
    }

    fn send(&mut self, link: usize, end: usize, packet: Packet) {
        let on_link = &mut self.links[link];
        let jitter = self.rng.gen_range(0..=on_link.delay_ms);
        let at_ms = (self.now_ms + on_link.delay_ms + jitter).max(on_link.last_arrival_ms[end]);
        on_link.last_arrival_ms[end] = at_ms;
        on_link.in_flight[end] += 1;
        let generation = on_link.generation;
        // Arrivals and what is on its way are all that was ever sent.
        let number = self.arrivals + self.on_their_way.len() as u64;
        self.on_their_way.push(Reverse(Arrival { at_ms, number, link, generation, end, packet }));
    }

    fn arrive(&mut self, link: usize, end: usize, packet: Packet) {
        let node = self.links[link].nodes[end];
        let body = match packet {
            Packet::Call => {
                let session = Session::new(Role::Callee, self.feeds(node));
                self.links[link].sessions[end] = Some(session);
                return;
            }
            Packet::Body(body) => body,
        };
        if self.nodes[node].is_liar {
            self.nodes[node].loot.push(body);
            return;
        }
        match note::read(&body) {
            Ok(Received::Notes(notes)) => {
                self.nodes[node].counts.notes += 1;
                if let Some(session) = &mut self.links[link].sessions[end] {
                    session.handle_notes(notes);
                }
                self.poll_asked(link, end);
            }
            Ok(Received::Message { author, sequence }) => self.take(link, end, &body, author, sequence),
            Err(_) => self.strike(link),
        }
    }

    fn take(&mut self, link: usize, end: usize, body: &Bytes, author: FeedId, sequence: FeedSequence) {
        let node = self.links[link].nodes[end];
        self.nodes[node].counts.messages += 1;
        let Some(session) = &mut self.links[link].sessions[end] else { return };
        match session.handle_message(author, sequence) {
            Verdict::Take => {}
            Verdict::Duplicate => return,
            Verdict::Unrequested => {
                self.nodes[node].counts.unrequested += 1;
                return;
            }
        }
        match self.nodes[node].log.offer(body) {
            Outcome::Appended => {
                self.nodes[node].counts.stored += 1;
                session.handle_taken(author, sequence);
                self.tell_appended(node, author);
            }
            Outcome::AlreadyStored => panic!("it is taken although it was known to be stored"),
            Outcome::Gap => session.handle_gap(author),
            Outcome::Unwanted => {}
            outcome @ (Outcome::Forked | Outcome::Invalid) => {
                assert!(session.handle_rejected(author), "it is taken although the feed was refused");
                // An honest peer passes a fork on.
                if outcome == Outcome::Invalid {
                    self.strike(link);
                }
            }
        }
    }

    fn strike(&mut self, link: usize) {
        self.links[link].strikes += 1;
        if self.links[link].strikes >= MAX_STRIKES {
            self.disconnect(link);
        }
    }

    /// Sends what the sessions of a link have to say, as far as it takes it.
    fn pump(&mut self, link: usize) {
        for end in 0..2 {
            let node = self.links[link].nodes[end];
            while !self.nodes[node].is_liar && self.links[link].in_flight[1 - end] < WINDOW {
                let room = WINDOW - self.links[link].in_flight[1 - end];
                let Some(output) = self.links[link].sessions[end].as_mut().and_then(Session::poll_output) else {
                    break;
                };
                match output {
                    Output::Notes(notes) => self.send(link, 1 - end, Packet::Body(note::write(&notes))),
                    Output::Messages { feed, after } => {
                        let bodies = self.nodes[node].log.range(feed, after.0, room.min(BATCH));
                        let sent = FeedSequence(after.0 + bodies.len() as u64);
                        for body in bodies {
                            if !self.rng.gen_bool(self.skipped) {
                                self.send(link, 1 - end, Packet::Body(body));
                            }
                        }
                        let session = self.links[link].sessions[end].as_mut().expect("it gave the output");
                        session.handle_sent(feed, sent);
                    }
                }
            }
        }
    }

    fn feeds(&self, node: usize) -> BTreeMap<FeedId, Local> {
        let log = &self.nodes[node].log;
        let local = |feed| Local { sequence: FeedSequence(log.clock(feed)), receive: true };
        self.replicated(node).into_iter().map(|feed| (feed, local(feed))).collect()
    }

    fn tell_appended(&mut self, node: usize, feed: FeedId) {
        let clock = FeedSequence(self.nodes[node].log.clock(feed));
        self.each_session(node, |session| session.handle_appended(feed, clock));
    }

    fn tell_wanted(&mut self, node: usize) {
        let feeds = self.feeds(node);
        feeds.keys().for_each(|feed| self.nodes[node].log.want(*feed));
        self.each_session(node, |session| {
            let gone: Vec<FeedId> = session.feeds().filter(|feed| !feeds.contains_key(feed)).collect();
            gone.into_iter().for_each(|feed| session.handle_unwanted(feed));
            feeds.iter().for_each(|(feed, local)| session.handle_wanted(*feed, *local));
        });
        for link in 0..self.links.len() {
            let nodes = self.links[link].nodes;
            (0..2).filter(|end| nodes[*end] == node).for_each(|end| self.poll_asked(link, end));
        }
    }

    fn each_session(&mut self, node: usize, mut tell: impl FnMut(&mut Session)) {
        for link in 0..self.links.len() {
            let Link { nodes, sessions, .. } = &mut self.links[link];
            let Some(end) = nodes.iter().position(|at| *at == node) else { continue };
            if let Some(session) = &mut sessions[end] {
                tell(session);
                self.pump(link);
            }
        }
    }

    fn poll_asked(&mut self, link: usize, end: usize) {
        let [node, neighbour] = [self.links[link].nodes[end], self.links[link].nodes[1 - end]];
        let Node { wanted, log, .. } = &self.nodes[node];
        let own = log.own();
        let Some(session) = &mut self.links[link].sessions[end] else { return };
        if let Some(asked) = session.poll_asked(|feed| !wanted.contains(feed) && *feed != own) {
            self.note_asked(node, neighbour, asked);
        }
    }

    fn note_asked(&mut self, node: usize, neighbour: usize, asked: BTreeSet<FeedId>) {
        let before = self.nodes[node].asked.insert(neighbour, asked.clone()).unwrap_or_default();
        if self.lends && before != asked {
            self.tell_wanted(node);
        }
    }
}

/// The feeds that have come to rest where they are wanted: every node that replicates one, and is reached by its author
/// over nodes that do, has all of it. Panics at the first that has not.
pub(crate) fn assert_whole<L: Log>(network: &Network<L>, authors: impl IntoIterator<Item = usize>) -> usize {
    let replicated: Vec<BTreeSet<FeedId>> = (0..network.nodes.len()).map(|node| network.replicated(node)).collect();
    let mut held = 0;
    for author in authors {
        let feed = network.own(author);
        let mut reached = BTreeSet::from([author]);
        let mut frontier = vec![author];
        while let Some(node) = frontier.pop() {
            for link in network.links.iter().filter(|link| link.is_up && link.nodes.contains(&node)) {
                let other = link.nodes[usize::from(link.nodes[0] == node)];
                if !network.nodes[other].is_liar && replicated[other].contains(&feed) && reached.insert(other) {
                    frontier.push(other);
                }
            }
        }
        let written = network.nodes[author].log.range(feed, 0, usize::MAX);
        for node in reached {
            let stored = network.nodes[node].log.range(feed, 0, usize::MAX);
            assert_eq!(stored.len(), written.len(), "node {node} lacks messages of node {author}");
            assert!(stored == written, "node {node} has other messages of node {author}");
            held += 1;
        }
    }
    held
}

/// Each node at rest knows what its neighbours ask for: what they replicate, as far as it does not want it by itself.
pub(crate) fn assert_agreed<L: Log>(network: &Network<L>) {
    for link in network.links.iter().filter(|link| link.is_up) {
        for [node, neighbour] in [link.nodes, [link.nodes[1], link.nodes[0]]] {
            let Node { wanted, asked, log, .. } = &network.nodes[node];
            let mut expected = network.replicated(neighbour);
            expected.retain(|feed| !wanted.contains(feed) && *feed != log.own());
            assert_eq!(asked.get(&neighbour), Some(&expected), "node {node} mistakes what {neighbour} asks for");
        }
    }
}
