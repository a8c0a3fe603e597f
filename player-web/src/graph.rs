//! The mesh as this node knows it, laid out to be drawn: this node in the middle, those that it is connected to round it,
//! those that it was told of beyond. The same nodes always have the same places. Pure.

use std::f64::consts::TAU;

use stream_model::{FeedId, KnownNode, PeerReport, PeerState};

use crate::people::short;

/// Neighbours that are drawn; more would not be told apart on a phone.
pub(crate) const MAX_NEIGHBOURS: usize = 14;

/// Nodes beyond that are drawn.
pub(crate) const MAX_BEYOND: usize = 28;

/// Up to so many nodes beyond have their names drawn; of more, only the table has them.
const MAX_NAMED_BEYOND: usize = 8;

/// The drawing's side: about the pixels of a narrow phone, so that its letters can be read there.
pub(crate) const SIZE: f64 = 360.0;
const CENTRE: f64 = SIZE / 2.0;
const INNER: f64 = 88.0;
const OUTER: f64 = 150.0;

/// Characters of a name in the drawing.
const NAME_CHARS: usize = 12;

/// Above this loss a link is poor, above the other fair.
const POOR_LOSS_PERCENT: u8 = 10;
const FAIR_LOSS_PERCENT: u8 = 2;
/// Above this round trip a link is fair at best.
const FAIR_RTT_MS: u64 = 150;

/// How a link is, as far as was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    Good,
    Fair,
    Poor,
    /// Connected, and nothing measured yet.
    Unknown,
    /// Being tried, or failed.
    Down,
}

impl Quality {
    pub(crate) fn of(peer: &PeerReport) -> Self {
        if !connected(peer) {
            return Self::Down;
        }
        Self::of_link(peer.link.loss_percent, peer.rtt_ms)
    }

    /// Of a link that is there, by what was measured of it; the same as in `web/src/mesh-data.ts`.
    pub(crate) fn of_link(loss_percent: Option<u8>, rtt_ms: Option<u64>) -> Self {
        match (loss_percent, rtt_ms) {
            (Some(loss), _) if loss > POOR_LOSS_PERCENT => Self::Poor,
            (Some(loss), _) if loss > FAIR_LOSS_PERCENT => Self::Fair,
            (_, Some(rtt)) if rtt > FAIR_RTT_MS => Self::Fair,
            (None, None) => Self::Unknown,
            _ => Self::Good,
        }
    }

    /// The class of its line.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "link-good",
            Self::Fair => "link-fair",
            Self::Poor => "link-poor",
            Self::Unknown => "link-unknown",
            Self::Down => "link-down",
        }
    }
}

/// A node in the drawing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spot {
    pub(crate) name: String,
    /// Whether there is room for the name.
    pub(crate) named: bool,
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Where the name begins below or above the spot.
    pub(crate) label_y: f64,
}

/// A neighbour in the drawing, and the line to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) spot: Spot,
    pub(crate) quality: Quality,
    /// Round trip in milliseconds.
    pub(crate) rtt_ms: Option<u64>,
    /// Where that is written.
    pub(crate) middle: (f64, f64),
}

/// The drawing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Graph {
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) beyond: Vec<Spot>,
    /// Nodes that there is no room for.
    pub(crate) left_out: usize,
}

pub(crate) fn connected(peer: &PeerReport) -> bool {
    matches!(peer.state, PeerState::Connected | PeerState::Partial)
}

/// What a peer is called: its name, its feed, or where it was looked for.
pub(crate) fn peer_name(peer: &PeerReport) -> String {
    let name = peer.name.trim();
    if !name.is_empty() {
        return name.to_owned();
    }
    let identity = peer.feed.as_ref().map(short).or_else(|| peer.peer.as_ref().map(|id| tail(&id.to_string())));
    identity.or_else(|| peer.addresses.first().cloned()).unwrap_or_else(|| "?".to_owned())
}

/// The end of a libp2p identity: all begin alike.
pub(crate) fn tail(identity: &str) -> String {
    let skipped = identity.chars().count().saturating_sub(8);
    ['…'].into_iter().chain(identity.chars().skip(skipped)).collect()
}

/// The nodes that were heard of and are neither this one nor a neighbour.
pub(crate) fn beyond<'a>(own: FeedId, peers: &[PeerReport], known: &'a [KnownNode]) -> Vec<&'a KnownNode> {
    let neighbour = |node: &KnownNode| {
        peers.iter().any(|peer| {
            connected(peer)
                && (peer.feed == Some(node.identity.feed) || peer.peer.as_ref() == Some(&node.identity.peer))
        })
    };
    let mut nodes: Vec<_> = known.iter().filter(|node| node.identity.feed != own && !neighbour(node)).collect();
    nodes.sort_by_key(|node| node.identity.feed.0);
    nodes.dedup_by_key(|node| node.identity.feed);
    nodes
}

impl Graph {
    pub(crate) fn new(own: FeedId, peers: &[PeerReport], known: &[KnownNode]) -> Self {
        let mut near: Vec<_> = peers.iter().collect();
        // Whoever is connected comes first, so that none of them is left out for one that is not there.
        near.sort_by_key(|peer| (!connected(peer), peer.feed.map(|feed| feed.0), peer.addresses.clone()));
        let far = beyond(own, peers, known);
        let left_out = near.len().saturating_sub(MAX_NEIGHBOURS) + far.len().saturating_sub(MAX_BEYOND);
        near.truncate(MAX_NEIGHBOURS);
        let count = near.len();
        let neighbours = near.into_iter().enumerate().map(|(index, peer)| {
            let place = on_ring(index, count, INNER, 0.0);
            Neighbour {
                spot: spot(&peer_name(peer), true, place),
                quality: Quality::of(peer),
                rtt_ms: peer.rtt_ms.filter(|_| connected(peer)),
                middle: (round(CENTRE + (place.0 - CENTRE) * 0.52), round(CENTRE + (place.1 - CENTRE) * 0.52)),
            }
        });
        let (shown, named) = (far.len().min(MAX_BEYOND), far.len() <= MAX_NAMED_BEYOND);
        let beyond = far.iter().take(MAX_BEYOND).enumerate().map(|(index, node)| {
            // Half a step aside, so that names stand in the gaps of the inner ring.
            let name = if node.identity.name.trim().is_empty() {
                short(&node.identity.feed)
            } else {
                node.identity.name.clone()
            };
            spot(&name, named, on_ring(index, shown, OUTER, 0.5))
        });
        Self { neighbours: neighbours.collect(), beyond: beyond.collect(), left_out }
    }
}

fn spot(name: &str, named: bool, (x, y): (f64, f64)) -> Spot {
    let name = name.trim();
    let mut short: String = name.chars().take(NAME_CHARS).collect();
    if name.chars().count() > NAME_CHARS {
        short.push('…');
    }
    // Above where the spot is in the upper half, so that no name lies on the lines to the middle.
    let label_y = round(if y < CENTRE - 1.0 { y - 14.0 } else { y + 23.0 });
    Spot { name: short, named, x, y, label_y }
}

/// A place on a ring, from the top on, clockwise.
fn on_ring(index: usize, count: usize, radius: f64, shift: f64) -> (f64, f64) {
    let part = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let angle = TAU * (part(index) + shift) / part(count.max(1)) - TAU / 4.0;
    (round(CENTRE + radius * angle.cos()), round(CENTRE + radius * angle.sin()))
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stream_model::{LinkReport, NodeIdentity, PeerId};

    use super::*;

    fn peer_id(byte: u8) -> PeerId {
        PeerId::from_multihash([&[0x12, 32][..], &[byte; 32]].concat()).unwrap()
    }

    fn peer(byte: u8, state: PeerState) -> PeerReport {
        PeerReport {
            feed: Some(FeedId([byte; 32])),
            peer: Some(peer_id(byte)),
            name: format!("node {byte}"),
            addresses: Vec::new(),
            overlay: "lan".to_owned(),
            state,
            rtt_ms: Some(12),
            last_error: None,
            link: LinkReport { loss_percent: Some(0), ..LinkReport::default() },
        }
    }

    fn known(byte: u8) -> KnownNode {
        let identity = NodeIdentity {
            name: format!("far {byte}"),
            feed: FeedId([byte; 32]),
            peer: peer_id(byte),
            version: String::new(),
        };
        KnownNode { identity, record: None, age_seconds: None, hops: None }
    }

    const OWN: FeedId = FeedId([0; 32]);

    #[test]
    fn a_node_stands_in_one_place_only() {
        let peers = [peer(1, PeerState::Connected), peer(2, PeerState::Unreachable)];
        let graph = Graph::new(OWN, &peers, &[known(0), known(1), known(2), known(3), known(3)]);
        assert_eq!(graph.neighbours.len(), 2);
        let beyond: Vec<_> = graph.beyond.iter().map(|spot| spot.name.as_str()).collect();
        assert_eq!(beyond, ["far 2", "far 3"], "one that is not reached is known of all the same");
    }

    #[test]
    fn those_connected_are_drawn_before_others() {
        let mut peers: Vec<_> = (1..=30).map(|byte| peer(byte, PeerState::Unreachable)).collect();
        peers.push(peer(200, PeerState::Connected));
        let graph = Graph::new(OWN, &peers, &[]);
        assert_eq!(graph.neighbours.len(), MAX_NEIGHBOURS);
        assert_eq!(graph.neighbours[0].spot.name, "node 200");
        assert_eq!(graph.left_out, 31 - MAX_NEIGHBOURS);
    }

    #[test]
    fn a_link_is_as_good_as_what_was_measured_of_it() {
        let quality = |loss, rtt| {
            let mut one = peer(1, PeerState::Partial);
            (one.link.loss_percent, one.rtt_ms) = (loss, rtt);
            Quality::of(&one)
        };
        assert_eq!(quality(Some(0), Some(20)), Quality::Good);
        assert_eq!(quality(Some(3), Some(20)), Quality::Fair);
        assert_eq!(quality(Some(0), Some(400)), Quality::Fair);
        assert_eq!(quality(Some(60), Some(20)), Quality::Poor);
        assert_eq!(quality(None, None), Quality::Unknown);
        assert_eq!(Quality::of(&peer(1, PeerState::Connecting)), Quality::Down);
    }

    #[test]
    fn a_peer_without_a_name_is_called_by_what_is_known_of_it() {
        let mut one = peer(9, PeerState::Connected);
        one.name = "  ".to_owned();
        assert_eq!(peer_name(&one), "@CQkJCQkJ…");
        one.feed = None;
        assert!(peer_name(&one).starts_with('…'));
        (one.peer, one.addresses) = (None, vec!["10.0.0.2:8080".to_owned()]);
        assert_eq!(peer_name(&one), "10.0.0.2:8080");
    }

    proptest! {
        #[test]
        fn all_places_are_within_the_drawing_whoever_is_there(near in 0_u8..60, far in 0_u8..120) {
            let peers: Vec<_> = (0..near).map(|byte| peer(byte + 1, PeerState::Connected)).collect();
            let nodes: Vec<_> = (0..far).map(|byte| known(byte + 100)).collect();
            let graph = Graph::new(OWN, &peers, &nodes);
            prop_assert_eq!(&graph, &Graph::new(OWN, &peers, &nodes));
            let inside = 0.0..=SIZE;
            for spot in graph.neighbours.iter().map(|neighbour| &neighbour.spot).chain(&graph.beyond) {
                prop_assert!(inside.contains(&spot.x) && inside.contains(&spot.y) && inside.contains(&spot.label_y), "{:?}", spot);
                prop_assert!(spot.name.chars().count() <= NAME_CHARS + 1);
            }
            prop_assert!(graph.neighbours.len() <= MAX_NEIGHBOURS && graph.beyond.len() <= MAX_BEYOND);
        }
    }
}
