//! The map of the mesh: what this node says of its links, what others were heard to say, and what is known of the rest, joined. Pure.
//!
//! All of it is somebody's word. A link that both ends tell of is confirmed; one that a node makes up is not, unless the other end
//! makes it up too. Ends that nobody else knows are left out, so that no node can draw others by naming them.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use stream_model::{FeedId, Location, MeshLink, MeshNode, MeshReport, NodeInfo, ToldLink};

/// Nodes on the map, the nearest: as many as are known, and those that are asked without being.
const MAX_NODES: usize = 384;
/// Links on the map, those that both ends tell of first.
const MAX_LINKS: usize = 1024;
/// What was heard longer ago counts for nothing: as long as records do.
pub(super) const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// What is known of a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) hops: Option<u32>,
    pub(super) at: Option<Instant>,
    /// What it said when it was asked.
    pub(super) said: Option<Said>,
}

/// What a node said of itself to this one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    pub(super) location: Option<Location>,
    pub(super) links: Vec<ToldLink>,
    /// Its pages.
    pub(super) url: Option<String>,
}

/// All that is known of other nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes(BTreeMap<FeedId, Heard>);

impl Nodes {
    /// Adds what is known of a node. Of two names, ways, and words of itself the later heard one counts; of neither that is too old.
    pub(super) fn add(&mut self, feed: FeedId, heard: Heard, now: Instant) {
        if heard.at.is_some_and(|at| now.saturating_duration_since(at) > MAX_AGE) {
            return;
        }
        let known = self.0.entry(feed).or_default();
        let (newer, older) = if known.at <= heard.at { (heard, known.clone()) } else { (known.clone(), heard) };
        let text = |newer: String, older: String| if newer.is_empty() { older } else { newer };
        *known = Heard {
            name: text(newer.name, older.name),
            version: text(newer.version, older.version),
            hops: [newer.hops, older.hops].into_iter().flatten().min(),
            at: newer.at,
            said: newer.said.or(older.said),
        };
    }

    /// The map, with this node in it.
    pub(super) fn draw(mut self, own: &NodeInfo, now: Instant) -> MeshReport {
        // Who is connected is there, known or not.
        for link in &own.links {
            self.0.entry(link.feed).or_default().hops = Some(1);
        }
        let said = Said { location: own.location, links: own.links.clone(), url: None };
        let (name, version) = (own.name.clone(), own.version.clone());
        let this = Heard { name, version, hops: Some(0), at: Some(now), said: Some(said) };
        self.0.insert(own.ssb.feed, this);
        let mut nodes: Vec<_> = self.0.into_iter().collect();
        nodes.sort_by_key(|(feed, heard)| (heard.hops.unwrap_or(u32::MAX), *feed));
        nodes.truncate(MAX_NODES);
        let links = links(&nodes);
        MeshReport { nodes: nodes.into_iter().map(|(feed, heard)| node(feed, heard, now)).collect(), links }
    }
}

fn node(feed: FeedId, heard: Heard, now: Instant) -> MeshNode {
    let Heard { name, version, hops, at, said } = heard;
    MeshNode {
        feed,
        name,
        version,
        hops,
        asked: said.is_some(),
        heard_s: at.map(|at| now.saturating_duration_since(at).as_secs()),
        location: said.as_ref().and_then(|said| said.location),
        url: said.and_then(|said| said.url),
    }
}

/// The links between these nodes, each once.
fn links(nodes: &[(FeedId, Heard)]) -> Vec<MeshLink> {
    let known: HashSet<FeedId> = nodes.iter().map(|(feed, _)| *feed).collect();
    let mut joined: BTreeMap<(FeedId, FeedId), MeshLink> = BTreeMap::new();
    for (feed, heard) in nodes {
        let told = heard.said.iter().flat_map(|said| &said.links);
        for link in told.filter(|link| link.feed != *feed && known.contains(&link.feed)) {
            let (a, b) = (*feed.min(&link.feed), *feed.max(&link.feed));
            let ToldLink { over, rtt_ms, loss_percent, .. } = *link;
            joined
                .entry((a, b))
                // A node tells of each link once, so this is the word of the other end.
                .and_modify(|known| {
                    known.over = known.over.min(over);
                    known.rtt_ms = known.rtt_ms.max(rtt_ms);
                    known.loss_percent = known.loss_percent.max(loss_percent);
                    known.confirmed = true;
                })
                .or_insert(MeshLink { a, b, over, rtt_ms, loss_percent, confirmed: false });
        }
    }
    let mut links: Vec<_> = joined.into_values().collect();
    links.sort_by_key(|link| !link.confirmed);
    links.truncate(MAX_LINKS);
    links
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stream_model::{LinkKind, MAX_TOLD_LINKS};

    use super::super::record::tests::info;
    use super::*;

    fn feed(byte: u8) -> FeedId {
        FeedId([byte; 32])
    }

    fn own(links: Vec<ToldLink>) -> NodeInfo {
        let mut own = NodeInfo { links, ..info(1) };
        own.ssb.feed = feed(1);
        own
    }

    fn link(to: u8, over: LinkKind, rtt_ms: Option<u64>) -> ToldLink {
        ToldLink::new(feed(to), over, rtt_ms, Some(u64::from(to)))
    }

    fn says(links: Vec<ToldLink>, hops: u32, now: Instant) -> Heard {
        let said = Said { links, ..Said::default() };
        Heard { name: "n".into(), hops: Some(hops), at: Some(now), said: Some(said), ..Heard::default() }
    }

    #[test]
    fn a_link_that_both_ends_tell_is_confirmed_and_one_that_one_end_tells_is_not() {
        let now = Instant::now();
        let mut nodes = Nodes::default();
        let of_b = vec![link(1, LinkKind::Configured, Some(12)), link(3, LinkKind::Lan, Some(3))];
        nodes.add(feed(2), says(of_b, 1, now), now);
        nodes.add(feed(3), Heard { hops: Some(2), at: Some(now), ..Heard::default() }, now);
        let map = nodes.draw(&own(vec![link(2, LinkKind::Inbound, Some(20))]), now);
        let hops: Vec<_> = map.nodes.iter().map(|node| (node.feed, node.hops, node.asked)).collect();
        assert_eq!(
            hops,
            [(feed(1), Some(0), true), (feed(2), Some(1), true), (feed(3), Some(2), false)],
            "the nearest first"
        );
        let both = MeshLink {
            a: feed(1),
            b: feed(2),
            over: LinkKind::Configured,
            rtt_ms: Some(20),
            loss_percent: Some(2),
            confirmed: true,
        };
        let (rtt_ms, loss_percent) = (Some(3), Some(3));
        let one = MeshLink { a: feed(2), b: feed(3), over: LinkKind::Lan, rtt_ms, loss_percent, confirmed: false };
        assert_eq!(map.links, [both, one]);
    }

    #[test]
    fn nobody_is_drawn_because_another_node_names_them() {
        let now = Instant::now();
        let mut nodes = Nodes::default();
        let made_up = (10..200).map(|byte| link(byte, LinkKind::Lan, None)).chain([link(2, LinkKind::Lan, None)]);
        nodes.add(feed(2), says(made_up.collect(), 1, now), now);
        let map = nodes.draw(&own(vec![link(9, LinkKind::Lan, None)]), now);
        let drawn: Vec<_> = map.nodes.iter().map(|node| node.feed).collect();
        assert_eq!(drawn, [feed(1), feed(2), feed(9)], "but for whom this node is connected with");
        assert_eq!(map.links.len(), 1, "{:?}", map.links);
    }

    #[test]
    fn what_was_heard_last_counts_and_what_is_old_does_not() {
        let start = Instant::now();
        let now = start + MAX_AGE + Duration::from_secs(1);
        let mut nodes = Nodes::default();
        nodes.add(feed(2), says(Vec::new(), 1, start), now);
        let named = |name: &str, seconds| Heard {
            name: name.into(),
            version: name.into(),
            at: Some(now - Duration::from_secs(seconds)),
            ..Heard::default()
        };
        nodes.add(feed(3), named("late", 5), now);
        nodes.add(feed(3), named("early", 9), now);
        nodes.add(feed(3), named("", 1), now);
        let map = nodes.draw(&own(Vec::new()), now);
        let seen: Vec<_> = map.nodes.iter().map(|node| (node.name.as_str(), node.heard_s)).collect();
        assert_eq!(seen, [("node 1", Some(0)), ("late", Some(1))]);
    }

    proptest! {
        #[test]
        fn whatever_nodes_tell_the_map_is_bounded(told in prop::collection::vec((0_u8..255, prop::collection::vec(0_u8..255, 0..60)), 0..200)) {
            let now = Instant::now();
            let mut nodes = Nodes::default();
            for (teller, links) in told {
                let links = links.into_iter().map(|to| link(to, LinkKind::Lan, Some(1))).take(MAX_TOLD_LINKS);
                nodes.add(feed(teller), says(links.collect(), u32::from(teller), now), now);
            }
            let map = nodes.draw(&own(Vec::new()), now);
            prop_assert!(map.nodes.len() <= MAX_NODES && map.links.len() <= MAX_LINKS);
            let known: HashSet<_> = map.nodes.iter().map(|node| node.feed).collect();
            prop_assert_eq!(known.len(), map.nodes.len());
            for link in &map.links {
                prop_assert!(link.a < link.b && known.contains(&link.a) && known.contains(&link.b));
            }
        }
    }
}
