//! The peers known now: for `/api/v1/peers`, for `/nodeinfo.json`, and for dialling providers.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stream_model::{NodeIdentity, NodeInfo, PeerId, PeerReport, PeerState};

use super::nodeinfo::MAX_NODES;

/// A configured peer as it is now.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) address: String,
    pub(super) info: Option<NodeInfo>,
    pub(super) ipfs_addresses: Vec<SocketAddr>,
    pub(super) state: PeerState,
    pub(super) rtt: Option<Duration>,
    pub(super) last_error: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    rows: Vec<Row>,
    connected: HashSet<PeerId>,
}

/// A snapshot that the mesh's task replaces and anyone reads.
#[derive(Debug, Default)]
pub(crate) struct Table {
    state: Mutex<State>,
}

impl Table {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, rows: Vec<Row>, connected: &HashSet<PeerId>) {
        *self.state() = State { rows, connected: connected.clone() };
    }

    /// Where to dial a peer that was met.
    pub(crate) fn addresses(&self, peer: &PeerId) -> Vec<SocketAddr> {
        let state = self.state();
        let met = state.rows.iter().filter(|row| row.info.as_ref().is_some_and(|info| info.ipfs.peer == *peer));
        met.flat_map(|row| row.ipfs_addresses.iter().copied()).collect()
    }

    /// Whether a peer was connected when last looked at.
    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.state().connected.contains(peer)
    }

    /// The configured peers, then those that connected to us. A peer that is connected by IPFS counts as connected.
    pub(crate) fn reports(&self) -> Vec<PeerReport> {
        let state = self.state();
        let names = names(&state);
        let configured = state.rows.iter().map(|row| PeerReport {
            feed: row.info.as_ref().map(|info| info.ssb.feed),
            peer: row.info.as_ref().map(|info| info.ipfs.peer.clone()),
            name: row.info.as_ref().map(|info| info.name.clone()).unwrap_or_default(),
            addresses: vec![row.address.clone()],
            overlay: "configured".into(),
            state: row.state,
            rtt_ms: row.rtt.map(|rtt| u64::try_from(rtt.as_millis()).unwrap_or(u64::MAX)),
            last_error: row.last_error.clone(),
        });
        let met: HashSet<_> =
            state.rows.iter().filter_map(|row| row.info.as_ref()).map(|info| &info.ipfs.peer).collect();
        let inbound = state.connected.iter().filter(|peer| !met.contains(peer)).map(|peer| PeerReport {
            feed: names.get(peer).map(|node| node.feed),
            peer: Some(peer.clone()),
            name: names.get(peer).map(|node| node.name.clone()).unwrap_or_default(),
            addresses: Vec::new(),
            overlay: "inbound".into(),
            state: PeerState::Connected,
            rtt_ms: None,
            last_error: None,
        });
        configured.chain(inbound).collect()
    }

    /// The nodes that this one is connected to, for its `/nodeinfo.json`.
    pub(crate) fn nodes(&self) -> Vec<NodeIdentity> {
        let state = self.state();
        let mut seen = HashSet::new();
        let infos = state.rows.iter().filter_map(|row| row.info.as_ref());
        infos
            .filter(|info| state.connected.contains(&info.ipfs.peer) && seen.insert(info.ipfs.peer.clone()))
            .map(|info| NodeIdentity {
                name: info.name.clone(),
                feed: info.ssb.feed,
                peer: info.ipfs.peer.clone(),
                version: info.version.clone(),
            })
            .take(MAX_NODES)
            .collect()
    }
}

/// Who peers of ours say that other peers are: only names to show.
fn names(state: &State) -> HashMap<&PeerId, &NodeIdentity> {
    let infos = state.rows.iter().filter_map(|row| row.info.as_ref());
    infos.flat_map(|info| &info.nodes).map(|node| (&node.peer, node)).collect()
}
