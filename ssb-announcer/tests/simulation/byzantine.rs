//! Honest nodes among liars: what they store stays a true beginning of each feed, what honest nodes write reaches all of
//! them, and no liar makes them hold more than a bound.

use rand::Rng as _;
use stream_model::FeedId;

use super::liar::Liar;
use super::log::{MemoryLog, Message};
use super::network::{MAX_LENT, Network, assert_whole};
use super::seeds;

/// Feeds that a session remembers of a peer that asks for anything, and besides those of them that are fetched for it.
const MAX_ASKED: usize = 4_096 + MAX_LENT;

#[test]
fn liars_neither_damage_feeds_nor_keep_honest_nodes_apart() {
    seeds::for_each(0..32, among_liars);
}

/// It believes to have sent them.
#[test]
fn a_peer_that_skips_messages_is_asked_for_them_when_the_next_ones_come() {
    seeds::for_each(100..132, |seed| {
        let logs = (0..2).map(|node| MemoryLog::new(FeedId([node + 1; 32]))).collect();
        let mut network = Network::new(seed, logs);
        let link = network.link(0, 1).expect("there is none yet");
        for node in 0..2 {
            (0..2).for_each(|author| network.want(node, network.own(author)));
            (0..30).for_each(|_| network.append(node));
        }
        network.skipped = 0.2;
        network.connect(link);
        network.settle();
        network.skipped = 0.0;
        (0..2).for_each(|node| network.append(node));
        network.settle();
        assert_eq!(assert_whole(&network, 0..2), 4);
    });
}

fn among_liars(seed: u64) {
    let counts = [4, 5, 6, 7];
    let honest = counts[(seed % 4) as usize];
    let liars = 1 + (seed / 4 % 2) as usize;
    let logs = (0..honest + liars).map(|node| MemoryLog::new(FeedId([node as u8 + 1; 32]))).collect();
    let mut network = Network::new(seed, logs);
    network.lends = network.rng.r#gen();
    // The honest nodes are connected without liars, who sit anywhere between them.
    for node in 1..honest {
        let other = network.rng.gen_range(0..node);
        network.link(node, other);
    }
    let liars: Vec<Liar> = (honest..honest + liars).map(|node| Liar::new(&mut network, node)).collect();
    for liar in &liars {
        for _ in 0..3 {
            let victim = network.rng.gen_range(0..honest);
            network.link(liar.node, victim);
        }
    }
    for node in 0..honest {
        for author in 0..network.nodes.len() {
            network.want(node, network.own(author));
        }
        let backlog = network.rng.gen_range(0..8);
        (0..backlog).for_each(|_| network.append(node));
    }

    for round in 0..200 {
        let link = network.rng.gen_range(0..network.links.len());
        let node = network.rng.gen_range(0..honest);
        match network.rng.gen_range(0..10) {
            0 => network.disconnect(link),
            1..3 => network.connect(link),
            3 => network.append(node),
            _ => {
                let liar = network.rng.gen_range(0..liars.len());
                liars[liar].act(&mut network);
            }
        }
        let pause = network.rng.gen_range(0..50);
        network.run_for(pause);
        if round % 20 == 0 {
            assert_true_feeds(&network, honest, &liars);
        }
        for asked in network.nodes.iter().flat_map(|node| node.asked.values()) {
            assert!(asked.len() <= MAX_ASKED, "{} feeds are remembered for one peer", asked.len());
        }
    }

    // At last they read nothing, while honest nodes write on.
    liars.iter().for_each(|liar| network.nodes[liar.node].is_stalled = true);
    (0..network.links.len()).for_each(|link| network.connect(link));
    for node in 0..honest {
        (0..40).for_each(|_| network.append(node));
    }
    network.settle();
    assert_true_feeds(&network, honest, &liars);
    let replicas = assert_whole(&network, 0..honest);
    assert_eq!(replicas, honest * honest, "every honest node has the feeds of all of them");
}

fn assert_true_feeds(network: &Network<MemoryLog>, honest: usize, liars: &[Liar]) {
    for node in 0..honest {
        let log = &network.nodes[node].log;
        for author in 0..honest {
            let feed = network.own(author);
            let mut written = network.nodes[author].log.messages(feed);
            assert!(
                log.messages(feed).all(|stored| written.next() == Some(stored)),
                "node {node} has what {author} did not write"
            );
        }
        for liar in liars {
            let stored: Vec<Message> = log.messages(network.own(liar.node)).cloned().collect();
            assert!(liar.is_version(&stored), "node {node} mixes versions of a feed");
        }
    }
}
