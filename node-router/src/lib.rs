//! Mesh neighbours, and the embedded IPFS node: store, exchange, fetch, quota.
//!
//! [`NodeRouter::start`] opens the store and starts the IPFS node; its handles implement the content ports of
//! `stream-model`. [`NodeRouter::run_mesh`] then looks for nodes: the configured ones, those that SSB meets, and those of
//! overlays; once there is somebody to tell of them.
//! Knows nothing of broadcasts beyond the names of claims.

mod carry;
pub mod community;
mod devices;
mod embedded;
mod fetch;
mod links;
mod mdns;
mod mesh;
mod outline;
mod overlay;
mod storage;
mod unixfs;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use node_router_ipfs::{EmbeddedNode, Multiaddr};
use stream_model::{
    BroadcastId, BroadcastSources, ContentCarrier, ContentFetcher, ContentLookup, ContentReader, ContentSources,
    ContentStore, FeedId, KnownNode, Meetings, MeshReport, NeighbourWants, Neighbours, NodeInfo, OverlayReport,
    PeerBook, PeerId, PeerReport, RemoteViewers, StorageChecker, StorageReport, StoreError, StoredBroadcast,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use mdns::{MDNS_PORT, MdnsConfig};
pub use mesh::{AddressError, OwnRecords, PeerAddress};
pub use node_router_ipfs::UploadLimits;
pub use outline::FileOutline;
pub use overlay::{CjdnsAdmin, CjdnsPassword, OverlayConfig, YggdrasilAdmin, YggdrasilAdminError, overlay_of};

use carry::Carrier;
use embedded::Embedded;
use fetch::Fetcher;
use links::Sockets;
use mesh::{MAX_PEERS, MeetingRoom, Mesh, Met, Others, Own, Sources, Survey, Table};
use storage::{Checker, Limits, Storage, Totals};

/// A fetched broadcast that nothing was added to for this long is taken to have ended, as a silent publisher's is.
const SILENT: Duration = Duration::from_secs(600);

/// How to start a [`NodeRouter`].
#[derive(Clone)]
pub struct Config {
    /// The node's data directory, which the caller has locked: `identity/libp2p.key`, `ipfs/` and `router.sqlite3` in it.
    pub data_dir: PathBuf,
    /// TCP multiaddrs to listen on, such as `/ip6/::/tcp/4001`; port 0 takes a free one, for several the same.
    pub ipfs_listen: Vec<String>,
    /// Names of the network devices on whose addresses alone to listen; without any, of all.
    pub ipfs_devices: Vec<String>,
    /// Bytes of blocks, beyond which nothing is added.
    pub quota: u64,
    /// Number of blocks, each a file, beyond which nothing is added.
    pub max_files: u64,
    /// Bytes of free disk space, below which nothing is added.
    pub reserve: u64,
    /// What peers get at most.
    pub upload: UploadLimits,
    /// Key of a private community's IPFS network ([`community::swarm_key`]).
    pub swarm_key: Option<[u8; 32]>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("data_dir", &self.data_dir)
            .field("ipfs_listen", &self.ipfs_listen)
            .field("ipfs_devices", &self.ipfs_devices)
            .field("quota", &self.quota)
            .field("max_files", &self.max_files)
            .field("reserve", &self.reserve)
            .field("upload", &self.upload)
            .field("private", &self.swarm_key.is_some())
            .finish()
    }
}

/// What the mesh needs to know of this node.
#[derive(Debug, Clone)]
pub struct MeshConfig {
    /// Addresses of other nodes' HTTP listeners.
    pub peers: Vec<PeerAddress>,
    /// This node's SSB identity.
    pub feed: FeedId,
    /// `open`, or what names the private community: nodes that say otherwise are left alone.
    pub community: String,
    /// Daemons of overlay networks on this machine.
    pub overlays: OverlayConfig,
    /// How to find nodes by mDNS; `None` for not at all.
    pub mdns: Option<MdnsConfig>,
}

/// Why a [`NodeRouter`] did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An entry of `ipfs.listen` cannot be used.
    #[error("ipfs.listen: {0:?} is not a tcp multiaddr such as /ip6/::/tcp/4001")]
    Listen(String),
    /// The IPFS node.
    #[error(transparent)]
    Ipfs(#[from] node_router_ipfs::StartError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More configured peers than a node looks after.
    #[error("mesh.peers has {0} addresses: at most {MAX_PEERS} are looked after")]
    TooManyPeers(usize),
}

/// The port of a TCP multiaddr such as `/ip6/::/tcp/4001`; `None` for what is none.
pub fn listening_port(address: &str) -> Option<u16> {
    address.parse::<Multiaddr>().ok()?.to_string().split("/tcp/").nth(1)?.split('/').next()?.parse().ok()
}

/// What fetches count, with what the mesh knows of those who brought it.
struct ContentOrigins {
    fetcher: Arc<Fetcher>,
    table: Arc<Table>,
}

impl ContentSources for ContentOrigins {
    fn sources(&self, broadcast: &BroadcastId) -> BroadcastSources {
        let peers = self.table.sources(self.fetcher.sources(broadcast));
        BroadcastSources { window: fetch::sources::WINDOW, peers }
    }
}

/// Who watches elsewhere, as nodes tell it.
struct ViewersTold(Arc<Table>);

impl RemoteViewers for ViewersTold {
    fn elsewhere(&self, broadcast: &BroadcastId) -> u64 {
        self.0.viewers(broadcast)
    }
}

/// The running node router. Dropping it without [`NodeRouter::shutdown`] loses nothing that was reported as stored.
#[derive(Debug)]
pub struct NodeRouter {
    node: EmbeddedNode,
    embedded: Embedded,
    peer: PeerId,
    storage: Storage,
    fetcher: Arc<Fetcher>,
    carrier: Arc<Carrier>,
    checker: Arc<Checker>,
    table: Arc<Table>,
    survey: Arc<Survey>,
    meetings: MeetingRoom,
    /// Until the mesh runs.
    met: Mutex<Option<mpsc::Receiver<Met>>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    /// Whether it listens for this machine alone.
    on_loopback: bool,
}

impl NodeRouter {
    /// Starts the IPFS node, then opens the index of what it keeps and begins to sweep what a crash left behind.
    ///
    /// # Errors
    /// An address cannot be listened on, or a file of the data directory is unreadable or not of this program.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let repo = config.data_dir.join("ipfs");
        let listen = config
            .ipfs_listen
            .iter()
            .map(|text| text.parse::<Multiaddr>().map_err(|_| StartError::Listen(text.clone())));
        let is_loopback = |text: &String| text.starts_with("/ip4/127.") || text.starts_with("/ip6/::1/");
        let on_loopback = config.ipfs_listen.iter().all(is_loopback);
        let ipfs = node_router_ipfs::Config {
            repo: repo.clone(),
            key_file: config.data_dir.join("identity").join("libp2p.key"),
            listen: listen.collect::<Result<_, _>>()?,
            upload: config.upload,
            devices: config.ipfs_devices,
            swarm_key: config.swarm_key,
        };
        let node = EmbeddedNode::start(ipfs).await?;
        let (table, tasks, cancel) = (Arc::<Table>::default(), TaskTracker::new(), CancellationToken::new());
        let embedded = Embedded::new(node.clone(), table.clone(), tasks.clone());
        let quota = Totals { bytes: config.quota, blocks: config.max_files };
        let limits = Limits { quota, reserve: config.reserve, silent: SILENT };
        let free_space = move || {
            let disk = rustix::fs::statvfs(&repo)?;
            Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
        };
        let index = config.data_dir.join("router.sqlite3");
        let opened = Storage::open(&index, Arc::new(embedded.clone()), limits, Box::new(free_space)).await;
        let storage = match opened {
            Ok(storage) => storage,
            Err(error) => {
                node.shutdown().await;
                return Err(error.into());
            }
        };
        tasks.spawn(storage.clone().run(cancel.clone()));
        tasks.spawn(storage.clone().expire_imports(cancel.clone()));
        let fetcher = Arc::new(Fetcher::new(storage.clone(), Arc::new(embedded.clone())));
        tasks.spawn({
            let (fetcher, cancel) = (fetcher.clone(), cancel.clone());
            async move { cancel.run_until_cancelled(fetcher.keep_strays()).await }
        });
        let carrier = Arc::new(Carrier::new(storage.clone()));
        let checker = Arc::new(Checker::new(storage.clone(), Arc::new(embedded.clone())));
        let peer =
            embedded::from_libp2p(&node.peer_id()).expect("our own key is ed25519, whose peer id is an identity");
        let (meetings, met) = mesh::meetings();
        let met = Mutex::new(Some(met));
        Ok(Self {
            node,
            embedded,
            peer,
            storage,
            fetcher,
            carrier,
            checker,
            survey: Arc::new(Survey::new(table.clone())),
            table,
            meetings,
            met,
            tasks,
            cancel,
            on_loopback,
        })
    }

    /// Keeps so many bytes from now on. What is beyond them makes room as far as it may.
    pub fn set_quota(&self, bytes: u64) {
        self.storage.limit(|limits| limits.quota.bytes = bytes);
    }

    /// Keeps so many blocks from now on. What is beyond them makes room as far as it may.
    pub fn set_max_files(&self, blocks: u64) {
        self.storage.limit(|limits| limits.quota.blocks = blocks);
    }

    /// Leaves so many bytes of the disk free from now on.
    pub fn set_reserve(&self, bytes: u64) {
        self.storage.limit(|limits| limits.reserve = bytes);
    }

    /// Uploads by other limits from now on.
    pub fn limit_upload(&self, limits: UploadLimits) {
        self.node.exchange().limit(limits);
    }

    /// Looks for the configured peers, those that are met and those that overlays list, keeps them connected and tells
    /// `book` of them, until shutdown. `neighbours` are told of the configured peers and direct neighbours in overlays, which
    /// may be SSB servers that know nothing of nodes. To be called once, when SSB is ready.
    ///
    /// # Panics
    /// Where it is called again.
    ///
    /// # Errors
    /// [`StartError::TooManyPeers`].
    pub fn run_mesh(
        &self,
        config: MeshConfig,
        book: Arc<dyn PeerBook>,
        neighbours: Option<Arc<dyn Neighbours>>,
    ) -> Result<(), StartError> {
        if config.peers.len() > MAX_PEERS {
            return Err(StartError::TooManyPeers(config.peers.len()));
        }
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).take();
        let met = met.expect("the mesh is started once");
        if let Some(mdns) = config.mdns {
            let (room, cancel) = (self.meetings.clone(), self.cancel.clone());
            self.tasks.spawn(mdns::run(mdns, config.feed, config.community.clone(), room, cancel));
        }
        self.tasks.spawn(self.survey.clone().run(config.community.clone(), self.cancel.clone()));
        let own = Own { peer: self.peer.clone(), feed: config.feed, community: config.community };
        let others = Others { swarm: Arc::new(self.embedded.clone()), book, neighbours, table: self.table.clone() };
        let overlays = overlay::watch(config.overlays, &self.tasks, &self.cancel);
        let devices = devices::watch(&self.tasks, &self.cancel);
        let sockets = self.ipfs_port().map_or_else(Sockets::none, |port| Sockets::open(port, self.on_loopback));
        let (links, probes) = links::start(sockets);
        self.tasks.spawn(probes.run(self.cancel.clone()));
        let mesh = Mesh::new(config.peers, own, others, Sources { met, overlays, links, devices });
        self.tasks.spawn(mesh.run(self.cancel.clone()));
        Ok(())
    }

    /// Takes word of SSB peers that are connected.
    pub fn meetings(&self) -> Arc<dyn Meetings> {
        Arc::new(self.meetings.clone())
    }

    /// This node's libp2p identity.
    pub fn peer(&self) -> &PeerId {
        &self.peer
    }

    /// Multiaddrs that are listened on, with real port numbers, one for each interface.
    pub fn listening(&self) -> Vec<String> {
        self.node.listening().iter().map(Multiaddr::to_string).collect()
    }

    /// The TCP port for `/nodeinfo.json`: that of the first listener.
    pub fn ipfs_port(&self) -> Option<u16> {
        self.listening().iter().find_map(|address| listening_port(address)).or_else(|| self.node.port())
    }

    /// Adds and releases content.
    pub fn store(&self) -> Arc<dyn ContentStore> {
        Arc::new(self.storage.clone())
    }

    /// Reads what is held.
    pub fn reader(&self) -> Arc<dyn ContentReader> {
        Arc::new(self.storage.clone())
    }

    /// Fetches from peers.
    pub fn fetcher(&self) -> Arc<dyn ContentFetcher> {
        self.fetcher.clone()
    }

    /// Writes CAR files and reads them.
    pub fn carrier(&self) -> Arc<dyn ContentCarrier> {
        self.carrier.clone()
    }

    /// Checks all that is stored.
    pub fn checker(&self) -> Arc<dyn StorageChecker> {
        self.checker.clone()
    }

    /// What neighbours want of this node.
    pub fn neighbour_wants(&self) -> Arc<dyn NeighbourWants> {
        Arc::new(self.embedded.clone())
    }

    /// Looks at single blocks, from peers too, and fetches.
    pub fn lookup(&self) -> Arc<dyn ContentLookup> {
        self.fetcher.clone()
    }

    /// Who brings the content of broadcasts.
    pub fn sources(&self) -> Arc<dyn ContentSources> {
        Arc::new(ContentOrigins { fetcher: self.fetcher.clone(), table: self.table.clone() })
    }

    /// Who watches on other nodes.
    pub fn remote_viewers(&self) -> Arc<dyn RemoteViewers> {
        Arc::new(ViewersTold(self.table.clone()))
    }

    /// What the store holds.
    pub fn storage_report(&self) -> StorageReport {
        self.storage.report()
    }

    /// The broadcasts whose fetched content makes room next, the first of them first, at most `limit`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub async fn next_to_go(&self, limit: usize) -> Result<Vec<StoredBroadcast>, StoreError> {
        self.storage.next_to_go(limit).await
    }

    /// Configured peers and those that connected to us. The state is that of IPFS: whoever knows whether SSB is
    /// connected lowers it to `Partial`.
    pub fn peers(&self) -> Vec<PeerReport> {
        self.table.reports()
    }

    /// Overlay networks whose daemons on this machine answer.
    pub fn overlays(&self) -> Vec<OverlayReport> {
        self.table.overlays()
    }

    /// The mesh as far as it is known here, with what this node says of itself. Where somebody looks, other
    /// nodes are asked for what is missing, for a minute.
    pub fn mesh(&self, own: &NodeInfo) -> MeshReport {
        self.survey.look(own)
    }

    /// Whether a node is known to be further away than a neighbour, connected or not.
    pub fn is_beyond(&self, feed: FeedId) -> bool {
        self.table.is_beyond(feed)
    }

    /// Connected nodes whose identity is known, for this node's own `/nodeinfo.json`.
    pub fn nodes(&self) -> Vec<KnownNode> {
        self.table.nodes()
    }

    /// Ends the mesh and the store's upkeep, finishes the writes under way, then closes all connections. Additions and
    /// fetches are to be ended before. Calling it twice is harmless.
    pub async fn shutdown(&self) {
        self.cancel.cancel();
        // Dials of providers that nobody needs any more would hold the end up: closing the node ends them.
        self.node.shutdown().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}
