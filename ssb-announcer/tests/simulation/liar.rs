//! A node that keeps to nothing. It says anything of any clock, writes two versions of its feed, gives each neighbour
//! the one it likes, forges and damages messages of others, sends true ones again and in any order, and at last reads
//! nothing any more while it keeps its links.

use bytes::Bytes;
use rand::Rng as _;
use rand::seq::SliceRandom as _;
use ssb_announcer::replication::note::{self, Note, Notes};
use stream_model::{FeedId, FeedSequence};

use super::log::{Log as _, MemoryLog, Message};
use super::network::Network;

/// Messages of each version of its feed, and after which they differ.
const LENGTH: u64 = 12;
const COMMON: u64 = 4;
/// Feeds that it makes up in one packet of notes.
const MADE_UP: usize = 900;

pub(crate) struct Liar {
    pub(crate) node: usize,
    pub(crate) versions: [Vec<Message>; 2],
}

impl Liar {
    pub(crate) fn new(network: &mut Network<MemoryLog>, node: usize) -> Self {
        network.nodes[node].is_liar = true;
        let feed = network.own(node);
        let version = |of: u64| {
            let mut messages = vec![Message::first(feed, 0)];
            for sequence in 2..=LENGTH {
                let next = messages[messages.len() - 1].next(if sequence <= COMMON { 0 } else { of });
                messages.push(next);
            }
            messages
        };
        Self { node, versions: [version(1), version(2)] }
    }

    /// Does something to one neighbour.
    pub(crate) fn act(&self, network: &mut Network<MemoryLog>) {
        let own: Vec<usize> =
            (0..network.links.len()).filter(|link| network.links[*link].nodes.contains(&self.node)).collect();
        let Some(link) = own.choose(&mut network.rng).copied() else { return };
        let end = usize::from(network.links[link].nodes[1] == self.node);
        for body in self.lies(network) {
            network.lie(link, end, body);
        }
    }

    fn lies(&self, network: &mut Network<MemoryLog>) -> Vec<Bytes> {
        let feeds: Vec<FeedId> = (0..network.nodes.len()).map(|node| network.own(node)).collect();
        let true_clock = |feed: FeedId, network: &Network<MemoryLog>| {
            network.nodes.iter().map(|node| node.log.clock(feed)).max().unwrap_or(0)
        };
        let loot = &network.nodes[self.node].loot;
        let rng = &mut network.rng;
        match rng.gen_range(0..16) {
            0..5 => {
                let mut notes = Notes::new();
                for feed in feeds {
                    let sequence =
                        FeedSequence(if rng.r#gen() { rng.gen_range(0..40) } else { rng.gen_range(0..1 << 50) });
                    match rng.gen_range(0..4) {
                        0 => drop(notes.insert(feed, Note::NotReplicated)),
                        1 => {}
                        _ => drop(notes.insert(feed, Note::Replicated { sequence, receive: rng.r#gen() })),
                    }
                }
                vec![note::write(&notes)]
            }
            5 => {
                let asked = Note::Replicated { sequence: FeedSequence(rng.gen_range(0..9)), receive: true };
                let made_up = (0..MADE_UP).map(|_| (FeedId(rng.r#gen()), asked));
                vec![note::write(&made_up.collect())]
            }
            6..8 => {
                let version = &self.versions[rng.gen_range(0..2)];
                version.iter().map(Message::body).collect()
            }
            8..11 => {
                let version = &self.versions[rng.gen_range(0..2)];
                vec![version[rng.gen_range(0..version.len())].body()]
            }
            11..13 => {
                let mut bodies: Vec<Bytes> = loot.choose_multiple(rng, 10).cloned().collect();
                bodies.shuffle(rng);
                bodies
            }
            13..15 => {
                let feed = *feeds.choose(rng).expect("there are nodes");
                let previous = Some(rng.r#gen());
                let (content, signed) = (rng.r#gen(), false);
                let sequence = true_clock(feed, network) + 1;
                vec![Message { previous, author: feed, sequence, content, signed }.body()]
            }
            _ => vec![Bytes::from_static(b"{\"author\":17}")],
        }
    }

    /// Whether the beginning of either version of its feed is what a node has of it.
    pub(crate) fn is_version(&self, stored: &[Message]) -> bool {
        self.versions.iter().any(|version| version.starts_with(stored))
    }
}
