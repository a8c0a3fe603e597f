//! The links to peers, in lines for people and for Prometheus.

use std::fmt::Write as _;

use stream_model::{FeedId, LinkKind, PeerReport, PeerState, ToldLink, bound_links};

/// Peers in the metrics: a series of each costs memory where they are collected.
const MAX_PEERS: usize = 64;

type Value = fn(&PeerReport) -> Option<u64>;

/// What is told of each peer: the name of the metric, and its value where there is one.
const GAUGES: [(&str, Value); 6] = [
    ("meshstream_link_connected", |peer| Some(u64::from(peer.state == PeerState::Connected))),
    ("meshstream_link_rtt_ms", |peer| peer.rtt_ms),
    ("meshstream_link_loss_percent", |peer| peer.link.loss_percent.map(u64::from)),
    ("meshstream_link_received_kbps", |peer| Some(peer.link.received_kbps)),
    ("meshstream_link_sent_kbps", |peer| Some(peer.link.sent_kbps)),
    ("meshstream_link_last_seen_seconds", |peer| peer.link.last_seen_s),
];

/// Adds the gauges of peers. They are written anew each time, so that those of a peer that is gone are gone too.
pub(crate) fn write_metrics(text: &mut String, peers: &[PeerReport]) {
    for (name, value) in GAUGES {
        let _ = writeln!(text, "# TYPE {name} gauge");
        for peer in peers.iter().take(MAX_PEERS) {
            // A peer is at several places at times, and none of these texts is anybody's choice.
            let id = peer.peer.as_ref().map(ToString::to_string).or_else(|| peer.feed.map(|feed| feed.to_string()));
            let address = peer.addresses.first().map(String::as_str).unwrap_or_default();
            if let Some(value) = value(peer) {
                let (id, overlay) = (id.unwrap_or_default(), &peer.overlay);
                let _ = writeln!(text, "{name}{{peer=\"{id}\",address=\"{address}\",overlay=\"{overlay}\"}} {value}");
            }
        }
    }
}

/// What this node tells of its links: those to the peers that are connected and not known to be further away than a neighbour.
pub(crate) fn told(own: FeedId, peers: &[PeerReport], is_beyond: impl Fn(FeedId) -> bool) -> Vec<ToldLink> {
    let connected = peers.iter().filter(|peer| matches!(peer.state, PeerState::Connected | PeerState::Partial));
    let link = |peer: &PeerReport| {
        let feed = peer.feed.filter(|feed| !is_beyond(*feed))?;
        let loss_percent = peer.link.loss_percent.map(u64::from);
        Some(ToldLink::new(feed, LinkKind::of(&peer.overlay), peer.rtt_ms, loss_percent))
    };
    let mut links: Vec<ToldLink> = connected.filter_map(link).collect();
    // A node is met in several ways. Of these, and of too many, those count that more is known of.
    links.sort_by_key(|link| (link.loss_percent.is_none(), link.rtt_ms.is_none(), link.over, link.feed));
    bound_links(own, &mut links);
    links
}

/// What was measured, such as `, 41 ms, 2 % lost, in 812 kbit/s, out 0 kbit/s, seen 1 s ago`.
pub(crate) fn in_words(peer: &PeerReport) -> String {
    let mut words = String::new();
    if let Some(rtt) = peer.rtt_ms {
        let _ = write!(words, ", {rtt} ms");
    }
    if let Some(loss) = peer.link.loss_percent {
        let _ = write!(words, ", {loss} % lost");
    }
    for (way, kbps) in [("in", peer.link.received_kbps), ("out", peer.link.sent_kbps)] {
        if kbps > 0 {
            let _ = write!(words, ", {way} {kbps} kbit/s");
        }
    }
    // Who is connected was heard a moment ago.
    if let Some(seconds) = peer.link.last_seen_s.filter(|_| peer.state != PeerState::Connected) {
        let _ = write!(words, ", last seen {seconds} s ago");
    }
    words
}

#[cfg(test)]
mod tests {
    use stream_model::{FeedId, LinkReport};

    use super::*;

    fn peer(feed: u8) -> PeerReport {
        PeerReport {
            feed: Some(FeedId([feed; 32])),
            peer: None,
            name: "evil\"} 1\nname".to_owned(),
            addresses: vec!["fc12::1".to_owned()],
            overlay: "cjdns".to_owned(),
            state: PeerState::Connected,
            rtt_ms: Some(41),
            last_error: None,
            link: LinkReport { loss_percent: Some(2), received_kbps: 812, sent_kbps: 0, last_seen_s: Some(1) },
        }
    }

    #[test]
    fn other_nodes_are_told_of_links_to_neighbours_that_are_connected() {
        let with = |feed, state, overlay: &str, loss_percent| PeerReport {
            state,
            overlay: overlay.to_owned(),
            link: LinkReport { loss_percent, ..LinkReport::default() },
            ..peer(feed)
        };
        let peers = [
            with(1, PeerState::Connected, "lan", Some(0)),
            with(2, PeerState::Partial, "inbound", None),
            with(3, PeerState::Unreachable, "lan", Some(0)),
            with(4, PeerState::Connected, "cjdns", Some(0)),
            with(5, PeerState::Connected, "configured", None),
            with(5, PeerState::Connected, "yggdrasil", Some(7)),
            PeerReport { feed: None, ..peer(6) },
        ];
        let told = told(FeedId([1; 32]), &peers, |feed| feed == FeedId([4; 32]));
        let seen: Vec<_> = told.iter().map(|link| (link.feed.0[0], link.over, link.loss_percent)).collect();
        assert_eq!(seen, [(2, LinkKind::Inbound, None), (5, LinkKind::Yggdrasil, Some(7))]);
        let many: Vec<_> = (0..200).map(peer).collect();
        assert_eq!(super::told(FeedId([1; 32]), &many, |_| false).len(), stream_model::MAX_TOLD_LINKS);
    }

    #[test]
    fn links_are_told_in_words() {
        assert_eq!(in_words(&peer(1)), ", 41 ms, 2 % lost, in 812 kbit/s");
        let gone = PeerReport {
            state: PeerState::Unreachable,
            rtt_ms: None,
            link: LinkReport { last_seen_s: Some(70), ..LinkReport::default() },
            ..peer(1)
        };
        assert_eq!(in_words(&gone), ", last seen 70 s ago");
    }

    #[test]
    fn metrics_have_a_bounded_number_of_peers_and_no_text_that_others_choose() {
        let mut text = String::new();
        write_metrics(&mut text, &(0..200).map(peer).collect::<Vec<_>>());
        assert_eq!(text.lines().count(), GAUGES.len() * (1 + MAX_PEERS));
        assert!(!text.contains("evil"));
        let first = format!(
            "meshstream_link_rtt_ms{{peer=\"{}\",address=\"fc12::1\",overlay=\"cjdns\"}} 41\n",
            FeedId([0; 32])
        );
        assert!(text.contains(&first), "{text}");
    }
}
