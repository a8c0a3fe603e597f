//! What the node says of itself, gathered from its parts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use async_trait::async_trait;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use node_router::{NodeRouter, OwnRecords, overlay_of};
use ssb_announcer::SsbAnnouncer;
use ssb_announcer::gossip::peers::{Connection, ConnectionState};
use stream_model::{
    BroadcastId, Directory, IpfsInfo, LeavingBroadcast, LinkReport, Listen, LocalViewers, Location, MeshReport,
    NodeIdentity, NodeInfo, NodeReport, NodeStatus, PeerReport, PeerState, Publishing, SoundState, SsbInfo,
    StorageFull, StorageOutlook, StorageReport, StoredBroadcast, ToldLink, WebInfo,
};
use streamer::PublishingReporter;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::gauges::{self, Now};
use crate::links;

/// What the status is gathered from.
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) community: String,
    /// Where it stands, as the owner last said.
    pub(crate) location: watch::Sender<Option<Location>>,
    /// Whether others are told of its links, as the owner last said.
    pub(crate) tell_links: AtomicBool,
    pub(crate) listen: Listen,
    pub(crate) web_port: u16,
    pub(crate) router: Arc<NodeRouter>,
    pub(crate) records: OwnRecords,
    pub(crate) ssb: Arc<SsbAnnouncer>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) publishing: PublishingReporter,
    pub(crate) stopping: CancellationToken,
    /// What the owner should do although the node works.
    pub(crate) advice: Option<String>,
    /// Whose numbers other nodes are told; `None` where they are not to know.
    pub(crate) viewers: Option<Arc<dyn LocalViewers>>,
}

/// Answers for the node.
pub(crate) struct Status {
    parts: Parts,
    metrics: PrometheusHandle,
    /// Memory, processor time and open files of this process.
    process: metrics_process::Collector,
}

impl Status {
    pub(crate) fn new(parts: Parts) -> anyhow::Result<Self> {
        Ok(Self { parts, metrics: metrics_recorder()?, process: metrics_process::Collector::default() })
    }

    /// Says from now on that the node stands there.
    pub(crate) fn stand_at(&self, location: Option<Location>) {
        self.parts.location.send_replace(location);
    }

    /// Tells other nodes of its links from now on, or not.
    pub(crate) fn tell_links(&self, tell: bool) {
        self.parts.tell_links.store(tell, Ordering::Relaxed);
    }

    fn told_links(&self) -> Vec<ToldLink> {
        let tell = self.parts.tell_links.load(Ordering::Relaxed);
        let router = &self.parts.router;
        let links = || links::told(self.parts.ssb.id(), &self.all_peers(), |feed| router.is_beyond(feed));
        tell.then(links).unwrap_or_default()
    }

    fn identity(&self) -> NodeIdentity {
        NodeIdentity {
            name: self.parts.name.clone(),
            feed: self.parts.ssb.id(),
            peer: self.parts.router.peer().clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Who watches here, for other nodes.
    fn told_viewers(&self) -> Vec<(BroadcastId, u32)> {
        self.parts.viewers.as_ref().map(|viewers| viewers.viewers()).unwrap_or_default()
    }

    fn all_peers(&self) -> Vec<PeerReport> {
        merge(self.parts.router.peers(), self.parts.ssb.connections())
    }
}

impl Status {
    /// What keeps the node from its work, and what to do.
    fn problems(&self) -> Vec<String> {
        let own_feed = self.parts.ssb.own_feed().error.map(|error| error.to_string());
        let storage = storage_problems(self.parts.router.storage_report());
        storage.map(str::to_owned).chain(own_feed).collect()
    }

    /// That, and what its owner should do although it works.
    fn all_problems(&self, publishing: &[Publishing]) -> Vec<String> {
        let sound = publishing.iter().filter_map(sound_problem);
        self.problems().into_iter().chain(self.parts.advice.clone()).chain(sound).collect()
    }

    fn leaving(&self, stored: StoredBroadcast) -> LeavingBroadcast {
        let StoredBroadcast { broadcast, retention, bytes } = stored;
        let listing = self.parts.directory.listing(&broadcast);
        let title = listing.map(|listing| listing.title).unwrap_or_default();
        LeavingBroadcast { id: broadcast, slug: broadcast.slug(), title, bytes, retention }
    }
}

/// Broadcasts told of that make room next.
const NEXT_TO_GO: usize = 8;

/// What is wrong with the store, and what to do.
fn storage_problems(storage: StorageReport) -> impl Iterator<Item = &'static str> {
    const DISK_FULL: &str =
        "the disk is full: segments are neither published nor fetched; free some space on it, or lower storage.reserve";
    const FAILING: &str = "the store cannot be written: segments are neither published nor fetched until it can; the log says \
         what the disk says; see whether it is mounted read-only or worn out";
    let full = match storage.full {
        Some(StorageFull::Disk) => Some(DISK_FULL),
        Some(StorageFull::Quota) => Some(
            "the store is full: nothing may go for what comes; raise storage.quota, or let go of archives with \
             'meshstream archive drop'",
        ),
        Some(StorageFull::Files) => Some(
            "the store has as many files as it may: nothing may go for what comes; raise storage.max_files, or let go of \
             archives with 'meshstream archive drop'",
        ),
        None => storage.disk_full.then_some(DISK_FULL),
    };
    full.into_iter().chain(storage.failing.then_some(FAILING))
}

/// What is wrong with the sound of what is published, and what to do.
fn sound_problem(publishing: &Publishing) -> Option<String> {
    let sound = publishing.sound.as_ref()?;
    let what = match sound.state {
        SoundState::Good => return None,
        SoundState::Silent => format!("there has been no sound for {} s", sound.silent_ms / 1_000),
        SoundState::OneSided => "one of two channels is silent".to_owned(),
        SoundState::Clipped => "the sound is too loud and distorted".to_owned(),
        SoundState::Quiet => "the sound can hardly be heard".to_owned(),
    };
    Some(format!("{}: {what}: {}", publishing.name, sound.state.advice()))
}

#[async_trait]
impl NodeStatus for Status {
    fn info(&self) -> NodeInfo {
        let NodeIdentity { name, feed, peer, version } = self.identity();
        let info = NodeInfo {
            name,
            version,
            community: self.parts.community.clone(),
            ssb: SsbInfo { feed, port: self.parts.ssb.local_address().port() },
            ipfs: IpfsInfo { peer, port: self.parts.router.ipfs_port().unwrap_or(0) },
            web: WebInfo { port: self.parts.web_port },
            location: *self.parts.location.borrow(),
            nodes: self.parts.router.nodes(),
            links: self.told_links(),
            record: None,
        };
        let record = self.parts.records.record(&info, || self.told_viewers());
        NodeInfo { record: Some(record), ..info }
    }

    async fn report(&self) -> NodeReport {
        let publishing = self.parts.publishing.publishing();
        let problems = self.all_problems(&publishing);
        NodeReport {
            node: self.identity(),
            community: self.parts.community.clone(),
            listen: self.parts.listen.clone(),
            storage: self.parts.router.storage_report(),
            publishing,
            problems,
            overlays: self.parts.router.overlays(),
        }
    }

    async fn storage(&self) -> StorageOutlook {
        let next = self.parts.router.next_to_go(NEXT_TO_GO).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tell what makes room next");
            Vec::new()
        });
        let next = next.into_iter().map(|stored| self.leaving(stored)).collect();
        StorageOutlook { report: self.parts.router.storage_report(), next }
    }

    async fn peers(&self) -> Vec<PeerReport> {
        self.all_peers()
    }

    async fn mesh(&self) -> MeshReport {
        self.parts.router.mesh(&self.info())
    }

    fn metrics(&self) -> String {
        self.process.collect();
        let mut text = self.metrics.render();
        let publishing = self.parts.publishing.publishing();
        let now = Now {
            version: env!("CARGO_PKG_VERSION"),
            problems: self.all_problems(&publishing).len(),
            storage: self.parts.router.storage_report(),
            publishing: &publishing,
        };
        gauges::write_metrics(&mut text, &now);
        links::write_metrics(&mut text, &self.all_peers());
        text
    }

    fn health(&self) -> Result<(), String> {
        if self.parts.stopping.is_cancelled() {
            return Err("the node is stopping".to_owned());
        }
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

/// One recorder for the process: the nodes of a demo share it.
fn metrics_recorder() -> anyhow::Result<PrometheusHandle> {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new().install_recorder().context("cannot set up the metrics")?;
    Ok(RECORDER.get_or_init(|| handle).clone())
}

/// Joins what the mesh knows of a node, by its IPFS connections, with its SSB connection.
fn merge(mut peers: Vec<PeerReport>, connections: Vec<Connection>) -> Vec<PeerReport> {
    for connection in connections {
        let ssb = connection.state == ConnectionState::Connected;
        let last_seen_s = if ssb { Some(0) } else { connection.left.map(|left| left.elapsed().as_secs()) };
        match peers.iter_mut().find(|peer| peer.feed == Some(connection.feed)) {
            Some(peer) => {
                peer.state = both(peer.state, ssb);
                // Probes tell it of this very link.
                peer.link.last_seen_s = peer.link.last_seen_s.or(last_seen_s);
                if !ssb && peer.last_error.is_none() {
                    peer.last_error = connection.last_error;
                }
            }
            None => peers.push(PeerReport {
                feed: Some(connection.feed),
                peer: None,
                name: String::new(),
                addresses: connection.address.iter().map(ToString::to_string).collect(),
                overlay: overlay(&connection).to_owned(),
                state: if ssb { PeerState::Partial } else { PeerState::Connecting },
                rtt_ms: None,
                last_error: connection.last_error,
                link: LinkReport { last_seen_s, ..LinkReport::default() },
            }),
        }
    }
    peers
}

/// How a node came to be known of which the mesh knows nothing.
fn overlay(connection: &Connection) -> &'static str {
    match connection {
        Connection { heard: true, .. } => "lan",
        Connection { inbound: true, .. } => "inbound",
        Connection { configured: true, .. } => "configured",
        Connection { address, .. } => address.and_then(|address| overlay_of(address.ip())).unwrap_or("lan"),
    }
}

/// The state of a node whose IPFS connections have the state `ipfs`.
fn both(ipfs: PeerState, ssb: bool) -> PeerState {
    match (ipfs, ssb) {
        (PeerState::Connected, true) => PeerState::Connected,
        (PeerState::Connected, false) | (_, true) => PeerState::Partial,
        (other, false) => other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use stream_model::FeedId;

    use super::*;

    fn connection(state: ConnectionState, left: Option<u64>) -> Connection {
        let left = left.and_then(|seconds| Instant::now().checked_sub(Duration::from_secs(seconds)));
        let (address, last_error) = (None, None);
        Connection {
            feed: FeedId([2; 32]),
            address,
            inbound: false,
            heard: true,
            configured: false,
            state,
            last_error,
            left,
        }
    }

    fn last_seen(peers: Vec<PeerReport>, connection: Connection) -> Option<u64> {
        let peers = merge(peers, vec![connection]);
        assert_eq!(peers.len(), 1);
        peers[0].link.last_seen_s
    }

    #[test]
    fn a_peer_of_ssb_alone_was_last_seen_when_its_connection_ended() {
        assert_eq!(last_seen(vec![], connection(ConnectionState::Connected, None)), Some(0));
        assert_eq!(last_seen(vec![], connection(ConnectionState::Connecting, None)), None);
        let seen = last_seen(vec![], connection(ConnectionState::Waiting, Some(300))).unwrap();
        assert!((300..400).contains(&seen), "{seen}");
    }

    #[test]
    fn what_probes_tell_of_a_link_counts_and_without_them_the_connection_of_ssb() {
        let node = |last_seen_s| {
            let mut peers = merge(vec![], vec![connection(ConnectionState::Waiting, None)]);
            peers[0].link.last_seen_s = last_seen_s;
            peers
        };
        assert_eq!(last_seen(node(Some(2)), connection(ConnectionState::Waiting, Some(300))), Some(2));
        assert_eq!(last_seen(node(Some(4)), connection(ConnectionState::Connected, None)), Some(4));
        assert_eq!(last_seen(node(None), connection(ConnectionState::Connected, None)), Some(0));
        assert!(last_seen(node(None), connection(ConnectionState::Waiting, Some(300))) >= Some(300));
    }
}
