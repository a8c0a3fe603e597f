//! Nodes that are known by their own signed word, directly or passed on: what is told to others, and where they could be
//! dialled. Bounded, aged, with a budget for each neighbour that tells. Time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use stream_model::{FeedId, KnownNode, NodeIdentity, NodeInfo, NodeRecord};

use super::nodeinfo::MAX_NODES;
use super::peer::Own;
use super::record::{self, Statement};

/// Nodes known at most: as many as feeds are replicated without being followed.
const MAX_KNOWN: usize = 256;
/// Nodes known on the word of one neighbour: as many as it may name in one answer.
const MAX_FROM_ONE: usize = MAX_NODES;
/// A record that its node has not repeated for so long is forgotten: it is gone, or has moved.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

#[derive(Debug)]
struct Node {
    identity: NodeIdentity,
    record: NodeRecord,
    statement: Statement,
    /// Who told of it: the node itself, or a neighbour.
    told_by: FeedId,
    /// When its node said so, as far as those say who passed it on.
    said_at: Instant,
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

    /// What a node said that was asked: its own record, and those that it passes on.
    pub(super) fn handle_answer(&mut self, info: &NodeInfo, now: Instant) {
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
        for node in &info.nodes {
            let age = Duration::from_secs(node.age_seconds.unwrap_or(0));
            if let (Some(record), Some(said_at)) = (&node.record, now.checked_sub(age)) {
                self.learn(speaker, node.identity.clone(), record, said_at, now);
            }
        }
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
        self.nodes.insert(feed, Node { identity, record: record.clone(), statement, told_by, said_at });
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

    /// Where nodes are that somebody else told of, for dialling.
    pub(super) fn told(&self) -> impl Iterator<Item = &Statement> {
        self.nodes.iter().filter(|(feed, node)| node.told_by != **feed).map(|(_, node)| &node.statement)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{TestSigner, info, peer_id, record};
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
        KnownNode { identity: identity(seed), record, age_seconds: Some(age) }
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
        b.handle_answer(&answer(1, vec![]), at(0));
        c.handle_answer(&answer(2, b.to_tell(at(30))), at(30));
        d.handle_answer(&answer(3, c.to_tell(at(90))), at(90));
        assert_eq!(told(&d, at(100)), [("node 3".into(), 10), ("node 2".into(), 70), ("node 1".into(), 100)]);
        assert_eq!(d.told().count(), 2, "the neighbour itself is not dialled again");
        d.handle_answer(&answer(3, c.to_tell(at(13 * 60))), at(13 * 60));
        assert_eq!(told(&d, at(13 * 60)).len(), 3);
        d.handle_answer(&answer(3, vec![]), at(16 * 60));
        assert_eq!(told(&d, at(16 * 60)), [("node 3".into(), 0)], "what nobody repeats is forgotten");
    }

    #[test]
    fn nodes_that_know_the_same_nodes_have_the_same_tag_whoever_told_them_and_whenever() {
        let of = |seed| Known::new(Own { feed: TestSigner::new(seed).feed(), ..own() });
        let (mut a, mut b, start) = (of(1), of(2), Instant::now());
        let later = start + Duration::from_secs(20);
        assert_ne!(a.tag(), b.tag());
        a.handle_answer(&answer(2, vec![passed_on(3, 1, 0)]), start);
        b.handle_answer(&answer(1, vec![]), start);
        assert_ne!(a.tag(), b.tag());
        b.handle_answer(&answer(3, vec![passed_on(1, 1, 9)]), later);
        assert_eq!(a.tag(), b.tag());
        a.handle_answer(&answer(2, vec![]), start + MAX_AGE + Duration::from_secs(1));
        assert_ne!(a.tag(), b.tag(), "it has forgotten one");
    }

    #[test]
    fn the_higher_number_counts_whoever_brings_it_and_the_younger_word_of_the_same() {
        let (mut known, now) = (Known::new(own()), Instant::now() + MAX_AGE);
        known.handle_answer(&answer(2, vec![passed_on(1, 5, 100)]), now);
        known.handle_answer(&answer(3, vec![passed_on(1, 4, 0)]), now);
        known.handle_answer(&answer(3, vec![passed_on(1, 5, 50)]), now);
        known.handle_answer(&answer(2, vec![passed_on(1, 5, 200)]), now);
        assert!(told(&known, now).contains(&("node 1".into(), 50)));
        assert!(known.told().all(|statement| statement.sequence == 5));
        known.handle_answer(&answer(3, vec![passed_on(1, 6, 300)]), now);
        assert!(known.told().all(|statement| statement.sequence == 6));
    }

    #[test]
    fn what_is_not_signed_by_the_node_itself_is_not_passed_on() {
        let (mut known, now) = (Known::new(own()), Instant::now());
        let unsigned = KnownNode { identity: identity(1), record: None, age_seconds: None };
        let of_another = KnownNode { identity: identity(1), ..passed_on(4, 1, 0) };
        let other_peer = KnownNode { identity: NodeIdentity { peer: peer_id(9), ..identity(1) }, ..passed_on(1, 1, 0) };
        let ourselves = passed_on(200, 1, 0);
        let too_old = passed_on(5, 1, MAX_AGE.as_secs() + 1);
        known.handle_answer(&answer(2, vec![unsigned, of_another, other_peer, ourselves, too_old]), now);
        assert_eq!(told(&known, now), [("node 2".into(), 0)]);
        let elsewhere = Own { community: "elsewhere".into(), ..own() };
        let mut known = Known::new(elsewhere);
        known.handle_answer(&answer(2, vec![passed_on(1, 1, 0)]), now);
        assert_eq!(told(&known, now), []);
    }

    #[test]
    fn one_neighbour_that_makes_up_nodes_uses_up_its_own_budget_only() {
        let (mut known, now) = (Known::new(own()), Instant::now());
        let many = |range: std::ops::Range<u8>| range.map(|seed| passed_on(seed, 1, 0)).collect::<Vec<_>>();
        known.handle_answer(&answer(201, many(0..100)), now);
        assert_eq!(known.told().count(), MAX_FROM_ONE);
        known.handle_answer(&answer(202, many(100..150)), now);
        assert_eq!(known.told().count(), MAX_FROM_ONE + 50);
        assert_eq!(told(&known, now).len(), MAX_NODES);
    }
}
