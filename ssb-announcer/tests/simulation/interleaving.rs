//! Two or three nodes that append, connect, part and restart in any order have the same feeds in the end, in memory as
//! with the real store; and a feed offered in pieces, in any order and again and again, is stored as it was written.

use bytes::Bytes;
use proptest::prelude::*;
use stream_model::FeedId;

use super::log::{Log, MemoryLog, Outcome, StoreLog};
use super::network::{Network, assert_whole};

/// What happens next; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Append { node: usize, count: usize },
    Connect(usize),
    Disconnect(usize),
    Restart(usize),
    Unwant { node: usize, author: usize, forget: bool },
    Want { node: usize, author: usize },
    Arrive(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let some = 0usize..6;
    prop_oneof![
        4 => (some.clone(), 1usize..6).prop_map(|(node, count)| Step::Append { node, count }),
        4 => some.clone().prop_map(Step::Connect),
        1 => some.clone().prop_map(Step::Disconnect),
        1 => some.clone().prop_map(Step::Restart),
        1 => (some.clone(), some.clone(), any::<bool>())
            .prop_map(|(node, author, forget)| Step::Unwant { node, author, forget }),
        1 => (some.clone(), some).prop_map(|(node, author)| Step::Want { node, author }),
        8 => (1usize..20).prop_map(Step::Arrive),
    ]
}

proptest! {
    #[test]
    fn nodes_converge_whatever_happens_before(nodes in 2usize..4, seed: u64, steps in prop::collection::vec(step(), 0..60)) {
        converge((0..nodes).map(|node| MemoryLog::new(FeedId([node as u8 + 1; 32]))).collect(), seed, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn stores_converge_whatever_happens_before(nodes in 2usize..4, seed: u64, steps in prop::collection::vec(step(), 0..40)) {
        converge((0..nodes).map(|node| StoreLog::new(node as u8 + 1)).collect(), seed, &steps);
    }

    #[test]
    fn a_store_that_is_offered_a_feed_in_any_order_holds_its_beginning(
        offers in prop::collection::vec((0u64..12, 1usize..12), 0..30),
    ) {
        let (mut author, mut reader) = (StoreLog::new(1), StoreLog::new(2));
        let feed = author.own();
        (0..12).for_each(|_| author.append());
        reader.want(feed);
        let written = author.range(feed, 0, usize::MAX);
        for (after, count) in offers.into_iter().chain([(0, 12)]) {
            for (number, body) in (after + 1..).zip(author.range(feed, after, count)) {
                let expected = match number.cmp(&(reader.clock(feed) + 1)) {
                    std::cmp::Ordering::Less => Outcome::AlreadyStored,
                    std::cmp::Ordering::Equal => Outcome::Appended,
                    std::cmp::Ordering::Greater => Outcome::Gap,
                };
                prop_assert_eq!(reader.offer(&body), expected);
            }
            let stored = reader.range(feed, 0, usize::MAX);
            prop_assert!(written.starts_with(&stored));
        }
        prop_assert_eq!(reader.clock(feed), 12);
    }

    #[test]
    fn a_store_that_is_offered_two_versions_of_a_feed_and_damaged_ones_holds_the_beginning_of_one(
        offers in prop::collection::vec((0usize..2, 0u64..8, 1usize..8, prop::option::of(0.0..1.0)), 1..30),
    ) {
        let mut versions = [StoreLog::version(1, 1), StoreLog::version(1, 2)];
        let feed = versions[0].own();
        versions.iter_mut().for_each(|version| (0..8).for_each(|_| version.append()));
        let written = [0, 1].map(|version| versions[version].range(feed, 0, usize::MAX));
        let mut reader = StoreLog::new(2);
        reader.want(feed);
        for (version, after, count, damaged_at) in offers {
            let before = reader.clock(feed);
            for body in versions[version].range(feed, after, count) {
                match damaged_at {
                    None => {
                        reader.offer(&body);
                    }
                    Some(part) => prop_assert_ne!(reader.offer(&damaged(&body, part)), Outcome::Appended),
                }
            }
            prop_assert!(before <= reader.clock(feed));
            let stored = reader.range(feed, 0, usize::MAX);
            prop_assert!(written.iter().any(|written| written.starts_with(&stored)));
        }
    }
}

/// A message with one bit flipped.
fn damaged(body: &Bytes, part: f64) -> Bytes {
    let mut damaged = body.to_vec();
    let at = (part * body.len() as f64) as usize;
    damaged[at] ^= 1;
    damaged.into()
}

fn converge<L: Log>(logs: Vec<L>, seed: u64, steps: &[Step]) {
    let count = logs.len();
    let mut network = Network::new(seed, logs);
    for a in 0..count {
        for b in a + 1..count {
            network.link(a, b);
        }
    }
    want_all(&mut network);
    let links = network.links.len();
    for step in steps {
        match *step {
            Step::Append { node, count: messages } => (0..messages).for_each(|_| network.append(node % count)),
            Step::Connect(link) => network.connect(link % links),
            Step::Disconnect(link) => network.disconnect(link % links),
            Step::Restart(node) => network.restart(node % count),
            Step::Unwant { node, author, forget } => {
                let feed = network.own(author % count);
                network.unwant(node % count, feed);
                if forget {
                    network.forget(node % count, feed);
                }
            }
            Step::Want { node, author } => network.want(node % count, network.own(author % count)),
            Step::Arrive(packets) => {
                (0..packets).all(|_| network.step());
            }
        }
    }
    // A chain is enough for all to hear of all.
    want_all(&mut network);
    (0..count - 1).for_each(|node| connect_between(&mut network, node, node + 1));
    network.settle();
    assert_eq!(assert_whole(&network, 0..count), count * count);
}

fn want_all<L: Log>(network: &mut Network<L>) {
    for node in 0..network.nodes.len() {
        (0..network.nodes.len()).for_each(|author| network.want(node, network.own(author)));
    }
}

fn connect_between<L: Log>(network: &mut Network<L>, a: usize, b: usize) {
    let between = |nodes: [usize; 2]| nodes == [a, b] || nodes == [b, a];
    let link = network.links.iter().position(|link| between(link.nodes)).expect("each two nodes have a link");
    network.connect(link);
}
