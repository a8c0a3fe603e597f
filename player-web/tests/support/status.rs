//! What the node says of itself.

use async_trait::async_trait;
use stream_model::*;

use super::{FakeNode, broadcast_id};

#[async_trait]
impl NodeStatus for FakeNode {
    fn info(&self) -> NodeInfo {
        let NodeReport { node, .. } = report();
        NodeInfo {
            name: node.name,
            version: node.version,
            community: "open".to_owned(),
            ssb: SsbInfo { feed: node.feed, port: 8008 },
            ipfs: IpfsInfo { peer: node.peer, port: 4001 },
            web: WebInfo { port: 8080 },
            location: None,
            nodes: self.nodes.lock().unwrap().clone(),
            links: self.links.lock().unwrap().clone(),
            record: None,
        }
    }

    async fn report(&self) -> NodeReport {
        let rtmp = self.rtmp.lock().unwrap().clone();
        NodeReport { listen: Listen { rtmp, ..Listen::default() }, ..report() }
    }

    async fn storage(&self) -> StorageOutlook {
        let next = LeavingBroadcast {
            id: broadcast_id(9),
            slug: broadcast_id(9).slug(),
            title: "Old".to_owned(),
            bytes: 7,
            retention: Retention::Passing,
        };
        StorageOutlook { report: report().storage, next: vec![next] }
    }

    async fn peers(&self) -> Vec<PeerReport> {
        self.peers.lock().unwrap().clone()
    }

    async fn mesh(&self) -> MeshReport {
        self.mesh.lock().unwrap().clone()
    }

    fn metrics(&self) -> String {
        "# TYPE meshstream_up gauge\nmeshstream_up 1\n".to_owned()
    }

    fn health(&self) -> Result<(), String> {
        self.problem.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

/// A peer that was set and is not there.
pub(crate) fn unreachable_peer() -> PeerReport {
    PeerReport {
        feed: None,
        peer: None,
        name: String::new(),
        addresses: vec!["[fc00::1]:8080".to_owned()],
        overlay: "configured".to_owned(),
        state: PeerState::Connecting,
        rtt_ms: None,
        last_error: Some("no route".to_owned()),
        link: stream_model::LinkReport::default(),
    }
}

pub(crate) fn report() -> NodeReport {
    NodeReport {
        node: NodeIdentity {
            name: "roof <north>".to_owned(),
            feed: FeedId([1; 32]),
            peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
            version: "0.1.0".to_owned(),
        },
        community: "open".to_owned(),
        listen: Listen::default(),
        storage: StorageReport { used_bytes: 10, quota_bytes: 100, files: 1, ..StorageReport::default() },
        publishing: vec![Publishing {
            name: "hall".parse().unwrap(),
            broadcast: None,
            kbps: 3000,
            sound: Some(SoundLevel::new(Some(-22.6), vec![-9.0, -120.0], 0)),
        }],
        problems: vec![],
        overlays: vec![],
    }
}
