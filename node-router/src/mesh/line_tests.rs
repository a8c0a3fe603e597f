//! A long line of nodes that know only their neighbours, simulated: how soon the word of one end is known at the other. The
//! clock is moved by hand; chance comes from a seed, which a test that fails tells.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use stream_model::NodeInfo;

use super::known::Known;
use super::peer::{Action, Kind, Own, Peer};
use super::record::tests::{info, record};

const NODES: usize = 16;
const STEP: Duration = Duration::from_millis(100);
/// Between two probes of a link that is well.
const PROBED: u64 = 20;

struct Neighbour {
    at: usize,
    peer: Peer,
    /// At which of [`PROBED`] steps the probes go.
    phase: u64,
    /// What was asked in the step before is answered in this one.
    asked: bool,
    questions: usize,
}

struct Node {
    seed: u8,
    known: Known,
    neighbours: Vec<Neighbour>,
    tells_tags: bool,
}

impl Node {
    fn says(&self, now: Instant) -> NodeInfo {
        let record = Some(record(self.seed, 1, &["10.0.0.1"]));
        NodeInfo { record, nodes: self.known.to_tell(now), ..info(self.seed) }
    }
}

struct Line {
    nodes: Vec<Node>,
    start: Instant,
    steps: u64,
    chance: StdRng,
}

impl Line {
    fn new(seed: u64, tells_tags: impl Fn(usize) -> bool) -> Self {
        let (mut chance, start) = (StdRng::seed_from_u64(seed), Instant::now());
        let seed_of = |at: usize| u8::try_from(at + 1).unwrap();
        let nodes = (0..NODES).map(|at| {
            let info = info(seed_of(at));
            let own = Own { peer: info.ipfs.peer, feed: info.ssb.feed, community: info.community };
            let beside = [at.checked_sub(1), Some(at + 1).filter(|next| *next < NODES)];
            let neighbours = beside.into_iter().flatten().map(|at| {
                let peer = Peer::new(own.clone(), Kind::Configured, start);
                Neighbour { at, peer, phase: chance.gen_range(0..PROBED), asked: false, questions: 0 }
            });
            let neighbours = neighbours.collect();
            Node { seed: seed_of(at), known: Known::new(own), neighbours, tells_tags: tells_tags(at) }
        });
        let nodes = nodes.collect();
        Self { nodes, start, steps: 0, chance }
    }

    fn step(&mut self) {
        self.steps += 1;
        let now = self.start + STEP * u32::try_from(self.steps).unwrap();
        let tags: Vec<_> = self.nodes.iter().map(|node| node.tells_tags.then(|| node.known.tag())).collect();
        for at in 0..NODES {
            for beside in 0..self.nodes[at].neighbours.len() {
                let other = self.nodes[at].neighbours[beside].at;
                let says = self.nodes[at].neighbours[beside].asked.then(|| self.nodes[other].says(now));
                let node = &mut self.nodes[at];
                let neighbour = &mut node.neighbours[beside];
                let jitter = self.chance.gen_range(0.0..1.0);
                if let Some(says) = says {
                    node.known.handle_answer(&says, true, now);
                    neighbour.peer.handle_answer(Ok((says, STEP)), now, jitter);
                    neighbour.asked = false;
                }
                if neighbour.peer.info().is_some() && self.steps % PROBED == neighbour.phase {
                    neighbour.peer.handle_tag(tags[other]);
                }
                neighbour.peer.read_news(node.known.tag(), now);
                while let Some(action) = neighbour.peer.poll_action(now) {
                    match action {
                        Action::Ask => (neighbour.asked, neighbour.questions) = (true, neighbour.questions + 1),
                        Action::Dial(peer) => neighbour.peer.handle_dialled(&peer, Ok(()), now, jitter),
                        Action::Introduce => {}
                    }
                }
            }
        }
    }

    /// Runs until everybody knows everybody, and returns how long that took.
    fn until_all_is_known(&mut self, longest: Duration) -> Option<Duration> {
        let now = self.start;
        while self.nodes.iter().any(|node| node.known.to_tell(now).len() < NODES - 1) {
            if STEP * u32::try_from(self.steps).unwrap() > longest {
                return None;
            }
            self.step();
        }
        Some(STEP * u32::try_from(self.steps).unwrap())
    }

    fn questions(&self) -> usize {
        self.nodes.iter().flat_map(|node| &node.neighbours).map(|neighbour| neighbour.questions).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_word_of_a_node_crosses_a_line_of_sixteen_in_two_probes_a_hop_and_then_nothing_is_asked_for_it(seed: u64) {
        let mut line = Line::new(seed, |_| true);
        let hops = u32::try_from(NODES - 1).unwrap();
        let took = line.until_all_is_known(Duration::from_secs(4) * hops);
        prop_assert!(took.is_some(), "not in {} s", 4 * hops);
        // What the last ones learnt is heard of, and known.
        (0..100).for_each(|_| line.step());
        let before = line.questions();
        let minutes = 10;
        (0..minutes * 600).for_each(|_| line.step());
        // At the ordinary interval each of the neighbours is asked two to four times a minute.
        let each = usize::try_from(minutes * 4 + 1).unwrap();
        prop_assert!(line.questions() - before <= 2 * (NODES - 1) * each);
    }

    #[test]
    fn nodes_that_tell_no_tags_pass_the_word_on_too_if_slowly(seed: u64) {
        let mut line = Line::new(seed, |at| at % 3 == 0);
        let took = line.until_all_is_known(Duration::from_secs(30) * u32::try_from(NODES - 1).unwrap());
        prop_assert!(took.is_some());
    }
}
