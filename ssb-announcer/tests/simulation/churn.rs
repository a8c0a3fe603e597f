//! Thirty nodes whose links come and go, which are parted from each other, restart, and change their minds.

use std::collections::BTreeSet;

use rand::Rng as _;
use rand::seq::SliceRandom as _;
use stream_model::FeedId;

use super::log::{Log as _, MemoryLog};
use super::network::{Counts, Network, assert_agreed, assert_whole};
use super::seeds;

const NODES: usize = 30;
/// Links beyond those of a tree.
const MORE_LINKS: usize = 30;
const ROUNDS: usize = 400;
/// Messages that each node writes once the network is whole.
const NEWS: u64 = 5;
/// Copies that a node may be sent of a message on average, of the four that a flood takes over as many links: what comes
/// from one neighbour is not sent back, and links that were down bring only what is missing.
const MAX_COPIES: f64 = 3.5;

#[test]
fn after_partitions_and_churn_every_node_has_all_of_what_it_wants_and_is_reached_by() {
    seeds::for_each(0..3, |seed| {
        Churn::new(seed, false).run(seed);
    });
}

#[test]
fn where_nodes_fetch_for_their_neighbours_every_node_has_all_of_what_it_wants() {
    seeds::for_each(100..103, |seed| {
        let network = Churn::new(seed, true).run(seed);
        for node in &network.nodes {
            for author in &network.nodes {
                let feed = author.log.own();
                let complete = node.log.clock(feed) == author.log.clock(feed);
                assert!(complete || !node.wanted.contains(&feed), "node {} of seed {seed}", node.log.own());
            }
        }
    });
}

/// Nobody can have it from two neighbours there, and nobody is sent what it has sent.
#[test]
fn in_a_tree_every_message_reaches_every_node_exactly_once() {
    seeds::for_each(200..203, |seed| {
        let mut network = network(seed, 0);
        for node in 0..NODES {
            (0..NODES).for_each(|author| network.want(node, network.own(author)));
        }
        (0..network.links.len()).for_each(|link| network.connect(link));
        for _ in 0..NEWS {
            network.run_for(50);
            (0..NODES).for_each(|node| network.append(node));
        }
        network.settle();
        assert_eq!(assert_whole(&network, 0..NODES), NODES * NODES);
        for (node, counts) in network.nodes.iter().map(|node| node.counts).enumerate() {
            assert_eq!(counts.messages, counts.stored, "node {node}");
        }
    });
}

/// Nodes with a backlog each, on a tree of links that are down, and some links more.
fn network(seed: u64, more_links: usize) -> Network<MemoryLog> {
    let logs = (0..NODES).map(|node| MemoryLog::new(FeedId([node as u8 + 1; 32]))).collect();
    let mut network = Network::new(seed, logs);
    for node in 1..NODES {
        let other = network.rng.gen_range(0..node);
        network.link(node, other);
    }
    while network.links.len() < NODES - 1 + more_links {
        let (a, b) = (network.rng.gen_range(0..NODES), network.rng.gen_range(0..NODES));
        network.link(a, b);
    }
    for node in 0..NODES {
        let backlog = network.rng.gen_range(0..20);
        (0..backlog).for_each(|_| network.append(node));
    }
    network
}

struct Churn {
    network: Network<MemoryLog>,
    /// The nodes on one side, while the network is parted.
    side: BTreeSet<usize>,
}

impl Churn {
    fn new(seed: u64, lends: bool) -> Self {
        let mut network = network(seed, MORE_LINKS);
        network.lends = lends;
        let wants = if lends { 0.3 } else { 0.8 };
        for node in 0..NODES {
            for author in 0..NODES {
                if network.rng.gen_bool(wants) {
                    network.want(node, network.own(author));
                }
            }
        }
        Self { network, side: BTreeSet::new() }
    }

    fn run(mut self, seed: u64) -> Network<MemoryLog> {
        for _ in 0..ROUNDS {
            self.happen();
            let pause = self.network.rng.gen_range(0..200);
            self.network.run_for(pause);
        }
        self.side.clear();
        (0..self.network.links.len()).for_each(|link| self.connect(link));
        self.network.settle();
        let mut network = self.network;
        let held = assert_whole(&network, 0..NODES);
        assert_agreed(&network);
        let churned = total(&network);

        // A message in a network at rest is sent over each link at most once each way.
        let before: Vec<Counts> = network.nodes.iter().map(|node| node.counts).collect();
        for _ in 0..NEWS {
            (0..NODES).for_each(|node| network.append(node));
            network.run_for(50);
        }
        network.settle();
        assert_whole(&network, 0..NODES);
        for (number, (node, before)) in network.nodes.iter().zip(before).enumerate() {
            let degree = network.links.iter().filter(|link| link.nodes.contains(&number)).count() as u64;
            let received = node.counts.since(&before).messages;
            let news = NEWS * network.replicated(number).len() as u64;
            assert!(received <= degree * news, "node {number} was sent {received} copies of {news} messages");
        }
        let rest = total(&network).since(&churned);
        assert_eq!(rest.unrequested, 0, "seed {seed}");
        println!(
            "seed {seed}: {held} replicas whole; {} copies of {} messages under churn, {:.2} of each, and {} notes; {:.2} at rest",
            churned.messages,
            churned.stored,
            churned.copies(),
            churned.notes,
            rest.copies(),
        );
        assert!(churned.copies() <= MAX_COPIES && rest.copies() <= MAX_COPIES, "seed {seed}");
        network
    }

    fn happen(&mut self) {
        let network = &mut self.network;
        let (node, author) = (network.rng.gen_range(0..NODES), network.rng.gen_range(0..NODES));
        let link = network.rng.gen_range(0..network.links.len());
        let feed = network.own(author);
        match network.rng.gen_range(0..20) {
            0 => self.part(),
            1 => {
                self.side.clear();
            }
            2 => {
                network.restart(node);
                let mut links: Vec<usize> = (0..network.links.len()).collect();
                links.shuffle(&mut network.rng);
                let of_node = |link: &usize| self.network.links[*link].nodes.contains(&node);
                let back: Vec<usize> = links.into_iter().filter(of_node).take(2).collect();
                back.into_iter().for_each(|link| self.connect(link));
            }
            3 => network.disconnect(link),
            4..9 => self.connect(link),
            9 => network.want(node, feed),
            10 => network.unwant(node, feed),
            11 => {
                network.unwant(node, feed);
                network.forget(node, feed);
            }
            _ => network.append(node),
        }
    }

    fn part(&mut self) {
        self.side = (0..NODES).filter(|_| self.network.rng.r#gen()).collect();
        for link in 0..self.network.links.len() {
            if self.crosses(link) {
                self.network.disconnect(link);
            }
        }
    }

    fn connect(&mut self, link: usize) {
        if !self.crosses(link) {
            self.network.connect(link);
        }
    }

    fn crosses(&self, link: usize) -> bool {
        let [a, b] = self.network.links[link].nodes;
        self.side.contains(&a) != self.side.contains(&b)
    }
}

fn total(network: &Network<MemoryLog>) -> Counts {
    network.nodes.iter().fold(Counts::default(), |sum, node| sum.and(&node.counts))
}
