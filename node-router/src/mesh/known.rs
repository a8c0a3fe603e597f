//! Nodes that are known by their own signed word, directly or passed on: what is told to others, and where they could be
//! dialled. Bounded, aged, with a budget for each neighbour that tells. Time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use stream_model::{FeedId, KnownNode, NodeIdentity, NodeInfo, NodeRecord};

use super::PeerAddress;
use super::nodeinfo::MAX_NODES;
use super::peer::Own;
use super::record::{self, Statement};
use super::viewers::Sum;

/// Nodes known at most: as many as feeds are replicated without being followed.
const MAX_KNOWN: usize = 256;
/// Nodes known on the word of one neighbour: as many as it may name in one answer.
const MAX_FROM_ONE: usize = MAX_NODES;
/// A record that its node has not repeated for so long is forgotten: it is gone, or has moved.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);
/// Viewers that a node has not repeated for so long do not count: it is gone. Its word takes half a minute at most for each hop.
const VIEWERS_MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// How long the way over which a node was nearest counts where nobody repeats it.
const WAY_MAX_AGE: Duration = Duration::from_secs(2 * 60);
/// Ways of more links are not told of: they may be circles.
const MAX_HOPS: u32 = 64;

/// How far a node is, as a neighbour tells it.
#[derive(Debug, Clone, Copy)]
struct Way {
    hops: u32,
    via: FeedId,
    heard: Instant,
}

#[derive(Debug)]
struct Node {
    identity: NodeIdentity,
    record: NodeRecord,
    statement: Statement,
    /// Who told of it: the node itself, or a neighbour.
    told_by: FeedId,
    /// When its node said so, as far as those say who passed it on.
    said_at: Instant,
    way: Option<Way>,
}

impl Node {
    /// The nearest way counts, and each neighbour's newest word of it.
    fn learn_way(&mut self, hops: Option<u32>, via: FeedId, now: Instant) {
        let hops = hops.filter(|hops| *hops <= MAX_HOPS);
        let better = self.way.is_none_or(|way| {
            let old = now.saturating_duration_since(way.heard) > WAY_MAX_AGE;
            way.via == via || old || hops.is_some_and(|hops| hops < way.hops)
        });
        if better {
            self.way = hops.map(|hops| Way { hops, via, heard: now });
        }
    }
}

/// A node that is known, for the map of the mesh: what it said of itself, and where it could be asked for more.
#[derive(Debug, Clone)]
pub(super) struct KnownPlace {
    pub(super) identity: NodeIdentity,
    pub(super) said_at: Instant,
    pub(super) hops: Option<u32>,
    pub(super) addresses: Vec<PeerAddress>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Known {
    own: Own,
    nodes: HashMap<FeedId, Node>,
}

impl Known {
    pub(super) fn new(own: Own) -> Self {
        Self { own, nodes: HashMap::new() }
    }

    /// What a node said that was asked: its own record, and those that it passes on. `direct` where it is a neighbour.
    pub(super) fn handle_answer(&mut self, info: &NodeInfo, direct: bool, now: Instant) {
        self.expire(now);
        let speaker = info.ssb.feed;
        let identity = NodeIdentity {
            name: info.name.clone(),
            feed: speaker,
            peer: info.ipfs.peer.clone(),
            version: info.version.clone(),
        };
        if let Some(record) = &info.record {
            self.learn(speaker, identity, record, now, now);
        }
        if let Some(node) = self.nodes.get_mut(&speaker).filter(|_| direct) {
            node.learn_way(Some(1), speaker, now);
        }
        let to_speaker = if direct { Some(1) } else { self.hops(&speaker) };
        for node in &info.nodes {
            let age = Duration::from_secs(node.age_seconds.unwrap_or(0));
            if let (Some(record), Some(said_at)) = (&node.record, now.checked_sub(age)) {
                self.learn(speaker, node.identity.clone(), record, said_at, now);
            }
            let hops = to_speaker.zip(node.hops).map(|(to, from)| from.saturating_add(to));
            if let Some(known) = self.nodes.get_mut(&node.identity.feed) {
                known.learn_way(hops, speaker, now);
            }
        }
    }

    /// Over how many links a node is reached.
    fn hops(&self, feed: &FeedId) -> Option<u32> {
        Some(self.nodes.get(feed)?.way?.hops)
    }

    fn learn(&mut self, told_by: FeedId, identity: NodeIdentity, record: &NodeRecord, said_at: Instant, now: Instant) {
        let feed = identity.feed;
        if feed == self.own.feed || now.saturating_duration_since(said_at) > MAX_AGE {
            return;
        }
        if let Some(known) = self.nodes.get_mut(&feed)
            && known.record == *record
        {
            if known.said_at < said_at {
                (known.said_at, known.identity) = (said_at, identity);
            }
            return;
        }
        let statement = match record::verify(record) {
            Ok(statement) => statement,
            Err(error) => {
                metrics::counter!("meshstream_mesh_records_refused_total").increment(1);
                tracing::debug!(%feed, %told_by, %error, "a record of a node is refused");
                return;
            }
        };
        let matches = statement.feed == feed && statement.peer == identity.peer;
        let newer = self.nodes.get(&feed).is_none_or(|known| known.statement.sequence < statement.sequence);
        if !matches || !newer || statement.community != self.own.community || !self.has_room(feed, told_by) {
            return;
        }
        let way = self.nodes.get(&feed).and_then(|known| known.way);
        self.nodes.insert(feed, Node { identity, record: record.clone(), statement, told_by, said_at, way });
    }

    /// A node's own word always finds room: that of the hearsay that is oldest.
    fn has_room(&mut self, feed: FeedId, told_by: FeedId) -> bool {
        if self.nodes.contains_key(&feed) {
            return true;
        }
        if told_by != feed {
            let brought = self.nodes.iter().filter(|(feed, node)| node.told_by == told_by && **feed != told_by);
            return brought.count() < MAX_FROM_ONE && self.nodes.len() < MAX_KNOWN;
        }
        if self.nodes.len() < MAX_KNOWN {
            return true;
        }
        let hearsay = self.nodes.iter().filter(|(feed, node)| node.told_by != **feed);
        let oldest = hearsay.min_by_key(|(_, node)| node.said_at).map(|(feed, _)| *feed);
        oldest.is_some_and(|oldest| self.nodes.remove(&oldest).is_some())
    }

    fn expire(&mut self, now: Instant) {
        self.nodes.retain(|_, node| now.saturating_duration_since(node.said_at) <= MAX_AGE);
    }

    /// What is told to others, whose word is freshest first.
    pub(super) fn to_tell(&self, now: Instant) -> Vec<KnownNode> {
        let mut nodes: Vec<&Node> = self.nodes.values().collect();
        nodes.sort_by_key(|node| (std::cmp::Reverse(node.said_at), node.identity.feed));
        let told = nodes.into_iter().take(MAX_NODES).map(|node| KnownNode {
            identity: node.identity.clone(),
            record: Some(node.record.clone()),
            age_seconds: Some(now.saturating_duration_since(node.said_at).as_secs()),
            hops: node.way.map(|way| way.hops),
        });
        told.collect()
    }

    /// Names the set of nodes of which is told, this one among them, for answers to probes (`docs/protocol/probes.md`): who knows
    /// the same nodes has the same tag.
    pub(super) fn tag(&self) -> u64 {
        // Keys are as good as random.
        let part = |feed: &FeedId| feed.0.first_chunk().map_or(0, |part| u64::from_be_bytes(*part));
        self.nodes.keys().chain([&self.own.feed]).fold(0, |tag, feed| tag ^ part(feed))
    }

    /// Who watches elsewhere, as nodes said lately.
    pub(super) fn viewers(&self, now: Instant) -> Sum {
        let mut sum = Sum::default();
        let fresh = |node: &&Node| now.saturating_duration_since(node.said_at) <= VIEWERS_MAX_AGE;
        self.nodes.values().filter(fresh).for_each(|node| sum.add(&node.statement.viewers));
        sum
    }

    /// All nodes, in the order of their feeds.
    pub(super) fn places(&self) -> Vec<KnownPlace> {
        let mut nodes: Vec<&Node> = self.nodes.values().collect();
        nodes.sort_by_key(|node| node.identity.feed);
        let place = |node: &Node| {
            let address = |ip: &IpAddr| PeerAddress::at_port(*ip, node.statement.web);
            KnownPlace {
                identity: node.identity.clone(),
                said_at: node.said_at,
                hops: node.way.map(|way| way.hops),
                addresses: node.statement.addresses.iter().filter_map(address).collect(),
            }
        };
        nodes.into_iter().map(place).collect()
    }

    /// Where nodes are that somebody else told of, for dialling.
    pub(super) fn told(&self) -> impl Iterator<Item = &Statement> {
        self.nodes.iter().filter(|(feed, node)| node.told_by != **feed).map(|(_, node)| &node.statement)
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
