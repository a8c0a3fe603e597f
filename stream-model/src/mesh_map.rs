//! The mesh as a node knows it: nodes, and the links that they tell of (`docs/protocol/nodeinfo.md`). Field names are an outside
//! interface: more may be added, none renamed.

use std::collections::HashSet;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{FeedId, Location};

/// Links that a node tells of, and that are read of its answer: a node with more neighbours tells of those that it measured best.
pub const MAX_TOLD_LINKS: usize = 32;

/// A longer round trip was not measured but made up: a question is given up before.
const MAX_RTT_MS: u64 = 60_000;

/// Over what a link goes, as far as the node at its end knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// An overlay.
    Cjdns,
    /// An overlay.
    Yggdrasil,
    /// Found by itself on a link of the machine: a cable, an access point, 802.11s.
    Lan,
    /// The owner named its address.
    Configured,
    /// The other one came.
    Inbound,
    /// A word that is not known here.
    #[serde(other)]
    Other,
}

impl LinkKind {
    /// That of a peer, by the word in [`crate::PeerReport::overlay`].
    pub fn of(overlay: &str) -> Self {
        match overlay {
            "cjdns" => Self::Cjdns,
            "yggdrasil" => Self::Yggdrasil,
            "lan" => Self::Lan,
            "configured" => Self::Configured,
            "inbound" => Self::Inbound,
            _ => Self::Other,
        }
    }
}

/// A link of a node, as that node tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ToldLink {
    /// Who is at its other end.
    pub feed: FeedId,
    /// Over what it goes.
    pub over: LinkKind,
    /// Round trip, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<u32>,
    /// Probes that are not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_percent: Option<u8>,
}

impl ToldLink {
    /// With what was measured of it, where that can be.
    pub fn new(feed: FeedId, over: LinkKind, rtt_ms: Option<u64>, loss_percent: Option<u64>) -> Self {
        let rtt_ms = rtt_ms.filter(|rtt| *rtt <= MAX_RTT_MS).and_then(|rtt| rtt.try_into().ok());
        let loss_percent = loss_percent.filter(|loss| *loss <= 100).and_then(|loss| loss.try_into().ok());
        Self { feed, over, rtt_ms, loss_percent }
    }
}

/// Leaves of a node's links at most [`MAX_TOLD_LINKS`], to others than itself, one to each; in the order of the bytes of their feeds.
pub fn bound_links(own: FeedId, links: &mut Vec<ToldLink>) {
    let mut seen = HashSet::from([own]);
    links.retain(|link| seen.insert(link.feed));
    links.truncate(MAX_TOLD_LINKS);
    links.sort_by_key(|link| link.feed);
}

/// The links in a node's answer. Whatever is no link is passed over: the rest counts all the same.
pub(crate) fn believable_links<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ToldLink>, D::Error> {
    #[derive(Deserialize)]
    struct Link {
        feed: FeedId,
        over: LinkKind,
        #[serde(default)]
        rtt_ms: Option<u64>,
        #[serde(default)]
        loss_percent: Option<u64>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Element {
        Link(Link),
        Else(IgnoredAny),
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Links(Vec<Element>),
        Else(IgnoredAny),
    }
    let elements = match Told::deserialize(deserializer)? {
        Told::Links(elements) => elements,
        Told::Else(IgnoredAny) => Vec::new(),
    };
    let link = |element| match element {
        Element::Link(Link { feed, over, rtt_ms, loss_percent }) => {
            Some(ToldLink::new(feed, over, rtt_ms, loss_percent))
        }
        Element::Else(IgnoredAny) => None,
    };
    Ok(elements.into_iter().filter_map(link).take(MAX_TOLD_LINKS).collect())
}

/// `/api/v1/mesh`: the nodes of which this one knows, itself first, and the links between them that their ends tell of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MeshReport {
    /// The nearest first.
    pub nodes: Vec<MeshNode>,
    /// Between two of `nodes`, each once.
    pub links: Vec<MeshLink>,
}

/// A node of a [`MeshReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeshNode {
    /// SSB identity.
    pub feed: FeedId,
    /// Chosen by its owner; untrusted. Empty where it is not known.
    pub name: String,
    /// Of its program; untrusted. Empty where it is not known.
    pub version: String,
    /// Over how many links it is reached: 0 for this node; `None` where nobody knows.
    pub hops: Option<u32>,
    /// Where it stands, if its owner says so and it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Whether it answered this node itself: of others there is no location, and no link that they tell of.
    pub asked: bool,
    /// Seconds since it said something, to this node or to those who passed it on.
    pub heard_s: Option<u64>,
    /// Its pages, where this node reached it; perhaps out of reach of who reads this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A link of a [`MeshReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshLink {
    /// One end.
    pub a: FeedId,
    /// The other one.
    pub b: FeedId,
    /// Over what it goes.
    pub over: LinkKind,
    /// Round trip, milliseconds: the longer, where both ends tell one.
    pub rtt_ms: Option<u32>,
    /// Probes that are not answered: the more, where both ends tell.
    pub loss_percent: Option<u8>,
    /// Whether both ends tell of it.
    pub confirmed: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(links: Value) -> Vec<ToldLink> {
        believable_links(links).unwrap()
    }

    fn feed(byte: u8) -> String {
        FeedId([byte; 32]).to_string()
    }

    #[test]
    fn a_link_is_read_as_it_was_written() {
        let link = ToldLink::new(FeedId([1; 32]), LinkKind::Cjdns, Some(41), Some(2));
        let json = json!([link]);
        assert_eq!(json, json!([{ "feed": feed(1), "over": "cjdns", "rtt_ms": 41, "loss_percent": 2 }]));
        assert_eq!(read(json), [link]);
        assert_eq!(read(json!([{ "feed": feed(1), "over": "pigeon", "more": [] }]))[0].over, LinkKind::Other);
    }

    #[test]
    fn what_is_no_link_is_passed_over_and_what_cannot_be_measured_left_out() {
        for nothing in [json!(null), json!("x"), json!({ "a": 1 }), json!([]), json!([[[[7]]], 3, null, {}])] {
            assert_eq!(read(nothing.clone()), [], "{nothing}");
        }
        for wrong in [
            json!({ "feed": "me", "over": "lan" }),
            json!({ "feed": feed(1) }),
            json!({ "feed": feed(1), "over": 3 }),
            json!({ "feed": feed(1), "over": "lan", "rtt_ms": -1 }),
            json!({ "feed": feed(1), "over": "lan", "rtt_ms": "fast" }),
        ] {
            let good = json!({ "feed": feed(2), "over": "lan" });
            let read: Vec<_> = read(json!([wrong, good])).into_iter().map(|link| link.feed).collect();
            assert_eq!(read, [FeedId([2; 32])], "{wrong}");
        }
        let huge = read(json!([{ "feed": feed(1), "over": "lan", "rtt_ms": u64::MAX, "loss_percent": 101 }]));
        assert_eq!((huge[0].rtt_ms, huge[0].loss_percent), (None, None));
    }

    #[test]
    fn a_node_has_so_many_links_and_none_to_itself_or_twice_to_another() {
        let many: Vec<_> = (0..200).map(|byte| json!({ "feed": feed(byte), "over": "lan" })).collect();
        assert_eq!(read(json!(many)).len(), MAX_TOLD_LINKS);
        let link = |byte| ToldLink::new(FeedId([byte; 32]), LinkKind::Lan, None, None);
        let mut links = vec![link(3), link(1), link(2), link(3)];
        bound_links(FeedId([1; 32]), &mut links);
        assert_eq!(links, [link(2), link(3)]);
    }
}
