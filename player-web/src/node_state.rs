//! The node as a page shows it.

use serde::Serialize;
use stream_model::{NodeReport, NodeStatus, PeerReport, PeerState};

use crate::texts::Texts;

/// State of the node in a few words and numbers. Field names are an outside interface: more may be added, none renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NodeState {
    /// Chosen by its owner.
    pub(crate) name: String,
    /// Other nodes that are connected, over SSB, IPFS or both.
    pub(crate) peers: usize,
    /// Streams that are published to it now.
    pub(crate) publishing: usize,
    pub(crate) storage: StorageState,
}

/// Coarse, so that it seldom changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct StorageState {
    /// How much of the quota is used; own content may go beyond 100.
    pub(crate) used_percent: u64,
    /// Whether so little of the disk is free that nothing more is added.
    pub(crate) disk_full: bool,
}

impl NodeState {
    pub(crate) async fn of(status: &dyn NodeStatus) -> Self {
        Self::new(&status.report().await, &status.peers().await)
    }

    pub(crate) fn new(report: &NodeReport, peers: &[PeerReport]) -> Self {
        let storage = &report.storage;
        Self {
            name: report.node.name.clone(),
            peers: connected_nodes(peers),
            publishing: report.publishing.len(),
            storage: StorageState {
                used_percent: storage.used_bytes.saturating_mul(100) / storage.quota_bytes.max(1),
                disk_full: storage.disk_full,
            },
        }
    }

    /// A line for people who watch; the same as in `web/src/broadcast-texts.ts`.
    pub(crate) fn line(&self, t: Texts) -> String {
        let mesh = match self.peers {
            0 => t.get("node-alone"),
            peers => t.get("node-connected").arg("peers", peers),
        };
        if self.storage.disk_full { format!("{mesh} {}", t.get("node-disk-full")) } else { mesh.to_string() }
    }
}

/// How many nodes the connections are to. One that connected to us is listed twice, by its SSB identity and by its IPFS
/// identity, for nothing says that they are of one node: so the more numerous kind counts.
fn connected_nodes(peers: &[PeerReport]) -> usize {
    let connected = || peers.iter().filter(|peer| matches!(peer.state, PeerState::Connected | PeerState::Partial));
    let (ssb, ipfs) = (connected().filter(|peer| peer.feed.is_some()), connected().filter(|peer| peer.peer.is_some()));
    ssb.count().max(ipfs.count())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use stream_model::LinkReport;

    use super::*;
    use stream_model::{FeedId, PeerId};

    fn peer(feed: Option<u8>, peer: Option<u8>, state: PeerState) -> PeerReport {
        let peer_id = |byte| PeerId::from_multihash([&[0x12, 32][..], &[byte; 32]].concat()).unwrap();
        PeerReport {
            feed: feed.map(|byte| FeedId([byte; 32])),
            peer: peer.map(peer_id),
            name: String::new(),
            addresses: Vec::new(),
            overlay: "inbound".to_owned(),
            state,
            rtt_ms: None,
            last_error: None,
            link: LinkReport::default(),
        }
    }

    #[test]
    fn a_node_with_two_connections_counts_once() {
        use PeerState::{Connected, Connecting, Partial};
        let inbound = [peer(Some(1), None, Partial), peer(None, Some(1), Connected)];
        assert_eq!(connected_nodes(&inbound), 1);
        let both = [peer(Some(1), Some(1), Connected), peer(None, Some(2), Connected), peer(Some(3), None, Connecting)];
        assert_eq!(connected_nodes(&both), 2);
        assert_eq!(connected_nodes(&[]), 0);
    }

    #[test]
    fn the_line_says_what_a_viewer_can_expect() {
        let line = |peers, disk_full| {
            let storage = StorageState { used_percent: 3, disk_full };
            let state = NodeState { name: "roof".to_owned(), peers, publishing: 0, storage };
            state.line(Texts::of(None, &HeaderMap::new())).replace(['\u{2068}', '\u{2069}'], "")
        };
        assert_eq!(line(0, false), "No other node in reach: showing what this node holds.");
        assert_eq!(line(1, false), "Connected to 1 other node.");
        assert_eq!(line(2, true), "Connected to 2 other nodes. Its disk is full: it keeps nothing new.");
    }
}
