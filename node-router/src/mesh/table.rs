//! The peers known now: for `/api/v1/peers`, for `/nodeinfo.json`, and for dialling providers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stream_model::{
    BroadcastId, FeedId, KnownNode, LinkReport, NodeIdentity, NodeInfo, OverlayReport, PeerId, PeerReport, PeerState,
    Source,
};

use super::known::KnownPlace;
use super::map::{Heard, MAX_AGE};
use super::nodeinfo::MAX_NODES;
use super::survey::heard_of;
use super::viewers::Sum;
use crate::fetch::sources::Amount;
use crate::links::{Exchanged, Quality};
use crate::overlay::{Overlay, View};

/// A peer as it is now.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) address: String,
    /// How it came to be known.
    pub(super) overlay: &'static str,
    /// Whether it is a neighbour.
    pub(super) direct: bool,
    pub(super) info: Option<NodeInfo>,
    pub(super) ipfs_addresses: Vec<SocketAddr>,
    /// Where it answered, unless on a single link.
    pub(super) found_at: Option<SocketAddr>,
    /// When it last said who it is.
    pub(super) heard: Option<Instant>,
    pub(super) state: PeerState,
    pub(super) rtt: Option<Duration>,
    /// What probes tell of the link.
    pub(super) link: Option<Quality>,
    pub(super) last_error: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    rows: Vec<Row>,
    /// What nodes said of themselves, directly or passed on, whose word is freshest first.
    told: Vec<KnownNode>,
    connected: HashMap<PeerId, Option<Duration>>,
    rates: HashMap<PeerId, Exchanged>,
}

/// Bytes of [`Table::nodes`] in JSON at most: with what this node says of itself the answer stays below what is read of it.
const MAX_NODES_BYTES: usize = 56 << 10;

/// A snapshot that the mesh's task replaces and anyone reads.
#[derive(Debug, Default)]
pub(crate) struct Table {
    state: Mutex<State>,
    overlays: Mutex<BTreeMap<&'static str, OverlayReport>>,
    viewers: Mutex<Sum>,
    known: Mutex<Vec<KnownPlace>>,
}

impl Table {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an overlay's daemon says now; `None` where it does not answer any more.
    pub(super) fn set_overlay(&self, overlay: Overlay, view: Option<&View>) {
        let mut overlays = self.overlays.lock().unwrap_or_else(PoisonError::into_inner);
        overlays.remove(overlay.name());
        if let Some(view) = view {
            let (address, neighbours) = (view.own(), view.linked().count());
            overlays.insert(overlay.name(), OverlayReport { name: overlay.name().to_owned(), address, neighbours });
        }
    }

    /// Overlays whose daemons answer.
    pub(crate) fn overlays(&self) -> Vec<OverlayReport> {
        self.overlays.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn set(
        &self,
        rows: Vec<Row>,
        told: Vec<KnownNode>,
        connected: HashMap<PeerId, Option<Duration>>,
        rates: HashMap<PeerId, Exchanged>,
    ) {
        *self.state() = State { rows, told, connected, rates };
    }

    pub(super) fn set_viewers(&self, viewers: Sum) {
        *self.viewers.lock().unwrap_or_else(PoisonError::into_inner) = viewers;
    }

    pub(super) fn set_known(&self, known: Vec<KnownPlace>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// All nodes of which there is word, in the order of their feeds.
    pub(super) fn known(&self) -> Vec<KnownPlace> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What nodes said lately that were asked who they are.
    pub(super) fn heard(&self) -> Vec<(FeedId, Heard)> {
        let state = self.state();
        let heard = |row: &Row| {
            let (info, at) = row.info.as_ref().zip(row.heard)?;
            let hops = row.direct.then_some(1);
            (at.elapsed() <= MAX_AGE).then(|| (info.ssb.feed, Heard { hops, ..heard_of(info, row.found_at, at) }))
        };
        state.rows.iter().filter_map(heard).collect()
    }

    /// Whether a node is known to be no neighbour: whoever is connected with it has no link to it.
    pub(crate) fn is_beyond(&self, feed: FeedId) -> bool {
        let state = self.state();
        let rows = || state.rows.iter().filter(|row| row.info.as_ref().is_some_and(|info| info.ssb.feed == feed));
        let hops = state.told.iter().find(|node| node.identity.feed == feed).and_then(|node| node.hops);
        !rows().any(|row| row.direct) && (rows().next().is_some() || hops.is_some_and(|hops| hops > 1))
    }

    /// Viewers that other nodes tell of.
    pub(crate) fn viewers(&self, broadcast: &BroadcastId) -> u64 {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner).of(broadcast)
    }

    /// Who peers are that brought content, and how far they are.
    pub(crate) fn sources(&self, brought: Vec<(PeerId, Amount)>) -> Vec<Source> {
        let state = self.state();
        let names = names(&state);
        let source = |(peer, amount): (PeerId, Amount)| {
            let row = state.rows.iter().find(|row| row.info.as_ref().is_some_and(|info| info.ipfs.peer == peer));
            let info = row.and_then(|row| row.info.as_ref());
            let told = state.told.iter().find(|node| node.identity.peer == peer);
            let named = told.map(|node| &node.identity).or_else(|| names.get(&peer).copied());
            let hops = if row.is_some_and(|row| row.direct) { Some(1) } else { told.and_then(|node| node.hops) };
            Source {
                feed: info.map(|info| info.ssb.feed).or(named.map(|node| node.feed)),
                name: info.map(|info| &info.name).or(named.map(|node| &node.name)).cloned().unwrap_or_default(),
                hops,
                blocks: amount.blocks,
                bytes: amount.bytes,
                peer,
            }
        };
        brought.into_iter().map(source).collect()
    }

    /// Where to dial a peer that was met.
    pub(crate) fn addresses(&self, peer: &PeerId) -> Vec<SocketAddr> {
        let state = self.state();
        let met = state.rows.iter().filter(|row| row.info.as_ref().is_some_and(|info| info.ipfs.peer == *peer));
        met.flat_map(|row| row.ipfs_addresses.iter().copied()).collect()
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
            overlay: row.overlay.into(),
            state: row.state,
            // Probes wait behind no segment, as the swarm's pings do; both are fresher than the last question.
            rtt_ms: row
                .link
                .map(|link| link.rtt)
                .or_else(|| row.info.as_ref().and_then(|info| *state.connected.get(&info.ipfs.peer)?))
                .or(row.rtt)
                .map(millis),
            last_error: row.last_error.clone(),
            link: state.link(row.info.as_ref().map(|info| &info.ipfs.peer), row.link),
        });
        let met: HashSet<_> =
            state.rows.iter().filter_map(|row| row.info.as_ref()).map(|info| &info.ipfs.peer).collect();
        let inbound = state.connected.iter().filter(|(peer, _)| !met.contains(peer)).map(|(peer, rtt)| PeerReport {
            feed: names.get(peer).map(|node| node.feed),
            peer: Some(peer.clone()),
            name: names.get(peer).map(|node| node.name.clone()).unwrap_or_default(),
            addresses: Vec::new(),
            overlay: "inbound".into(),
            state: PeerState::Connected,
            rtt_ms: rtt.map(millis),
            last_error: None,
            link: state.link(Some(peer), None),
        });
        configured.chain(inbound).collect()
    }

    /// The nodes that this one is connected to, then those of which it was told, for its `/nodeinfo.json`.
    pub(crate) fn nodes(&self) -> Vec<KnownNode> {
        let state = self.state();
        let mut seen = HashSet::new();
        let infos = state.rows.iter().filter_map(|row| row.info.as_ref());
        let connected = infos.filter(|info| state.connected.contains_key(&info.ipfs.peer)).map(|info| {
            let told = state.told.iter().find(|node| node.identity.feed == info.ssb.feed);
            let identity = NodeIdentity {
                name: info.name.clone(),
                feed: info.ssb.feed,
                peer: info.ipfs.peer.clone(),
                version: info.version.clone(),
            };
            told.cloned().unwrap_or(KnownNode { identity, record: None, age_seconds: None, hops: None })
        });
        let all = connected.chain(state.told.iter().cloned());
        let mut bytes = 0;
        let mut fits = |node: &KnownNode| {
            bytes += serde_json::to_vec(node).map_or(MAX_NODES_BYTES, |json| json.len() + 1);
            bytes <= MAX_NODES_BYTES
        };
        all.filter(|node| seen.insert(node.identity.feed)).take(MAX_NODES).take_while(|node| fits(node)).collect()
    }
}

impl State {
    fn link(&self, peer: Option<&PeerId>, probed: Option<Quality>) -> LinkReport {
        let rates = peer.and_then(|peer| self.rates.get(peer)).copied().unwrap_or_default();
        let connected = peer.is_some_and(|peer| self.connected.contains_key(peer));
        LinkReport {
            loss_percent: probed.map(|link| link.loss_percent),
            received_kbps: rates.received / 125,
            sent_kbps: rates.sent / 125,
            last_seen_s: probed.map(|link| link.heard.elapsed().as_secs()).or(connected.then_some(0)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Who peers of ours say that other peers are: only names to show.
fn names(state: &State) -> HashMap<&PeerId, &NodeIdentity> {
    let infos = state.rows.iter().filter_map(|row| row.info.as_ref());
    infos.flat_map(|info| &info.nodes).map(|node| (&node.identity.peer, &node.identity)).collect()
}
