//! The embedded IPFS node: a repo of blocks, a swarm, and the exchange between them. The only place that builds a swarm.
//!
//! [`EmbeddedNode::start`] gives a node that serves every block it holds. Blocks come in through
//! [`put`](EmbeddedNode::put), durable when it returns, and are fetched from peers through
//! [`exchange`](EmbeddedNode::exchange). Which blocks are kept, and whom to dial, is decided elsewhere. No DHT, no bootstrap
//! peers, no relay: the node talks to whom it was told of, and to who dials it.

mod blocks;
mod key;
mod listening;
mod neighbours;
mod ports;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use connexa::prelude::ping;
use connexa::prelude::transport::pnet::PreSharedKey;
use futures::future::LocalBoxFuture;
use futures::stream::BoxStream;
use node_router_exchange::{Behaviour, Exchange};
use rust_ipfs::builder::IpfsBuilder;
use rust_ipfs::p2p::IdentifyConfiguration;
use rust_ipfs::repo::{DefaultStorage, Repo};
use rust_ipfs::{DialOpts, Ipfs, PeerCondition};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

pub use blocks::BlockError;
pub use connexa::prelude::{Multiaddr, PeerId};
pub use key::KeyFileError;
pub use neighbours::Neighbour;
pub use node_router_exchange::UploadLimits;

use blocks::Blocks;
use listening::Listening;
use neighbours::Neighbours;

/// How often neighbours are pinged, and how long they may take. Two pings without an answer close the connection, so that
/// a dead link is noticed within half a minute; TCP alone takes a quarter of an hour.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a dial may take with all its addresses.
const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the end of a connection is waited for.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// How long the swarm may take to end; what is on disk does not depend on it.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a repo that is in use is waited for: the swarm of a node that was shut down a moment ago may still have it.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Connections that are not authenticated yet.
const MAX_PENDING: u32 = 32;
/// Inbound connections: what each may hold in memory times this bounds what strangers can make the node hold.
const MAX_INBOUND: u32 = 64;
/// Connections in all: the neighbours of a mesh node are a handful, those it knows further away some dozens.
const MAX_CONNECTIONS: u32 = 192;
/// Connections to one peer: two nodes that dial each other at once have two for good.
const MAX_PER_PEER: u32 = 3;

/// Sent to peers by the identify protocol.
const AGENT: &str = concat!("meshstream/", env!("CARGO_PKG_VERSION"));

/// How to start an [`EmbeddedNode`].
#[derive(Clone)]
pub struct Config {
    /// Directory of the repo; made where missing.
    pub repo: PathBuf,
    /// File of the identity, an Ed25519 key pair as libp2p encodes it (protobuf); made where missing, mode 0600.
    pub key_file: PathBuf,
    /// TCP addresses to listen on; port 0 takes a free one, for several addresses the same. IPv6 addresses do not take
    /// IPv4 connections.
    pub listen: Vec<Multiaddr>,
    /// What peers get at most.
    pub upload: UploadLimits,
    /// Names of the network devices on whose addresses alone to listen; without any, of all.
    pub devices: Vec<String>,
    /// Key of a private network: only nodes with the same key can connect.
    pub swarm_key: Option<[u8; 32]>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("repo", &self.repo)
            .field("key_file", &self.key_file)
            .field("listen", &self.listen)
            .field("upload", &self.upload)
            .field("devices", &self.devices)
            .field("private", &self.swarm_key.is_some())
            .finish()
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The identity cannot be read or written.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The repo cannot be opened; another process may have it open.
    #[error("cannot open the ipfs repo {path}: {reason}")]
    Repo {
        /// Its directory.
        path: PathBuf,
        /// What the store says.
        reason: String,
    },
    /// The swarm cannot be built.
    #[error("cannot start the ipfs node: {0}")]
    Swarm(String),
    /// An address cannot be listened on; another program may have the port.
    #[error("cannot listen on {address}: {reason}; set ipfs.listen to addresses and ports that are free")]
    Listen {
        /// As configured.
        address: Multiaddr,
        /// What the system says.
        reason: String,
    },
}

/// Why a peer could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {peer}: {reason}")]
pub struct DialError {
    /// Who was dialled.
    pub peer: PeerId,
    /// What went wrong, with each address.
    pub reason: String,
}

/// A running node. Cheap to clone; [`shutdown`](Self::shutdown) ends it for all clones.
#[derive(Debug, Clone)]
pub struct EmbeddedNode {
    ipfs: Ipfs,
    blocks: Arc<Blocks>,
    exchange: Exchange,
    neighbours: Arc<Neighbours>,
    peer: PeerId,
    port: Option<u16>,
    /// Follows addresses that come and go.
    listening: Option<Arc<AbortOnDropHandle<()>>>,
}

impl EmbeddedNode {
    /// Opens the repo, removes what a crash left half written, and listens.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(config: Config) -> LocalBoxFuture<'static, Result<Self, StartError>> {
        // Boxed here, so that the swarm is compiled in this crate and not again in each that awaits its start.
        Box::pin(Self::open(config))
    }

    async fn open(config: Config) -> Result<Self, StartError> {
        for address in &config.listen {
            ports::check_free(address)
                .map_err(|error| StartError::Listen { address: address.clone(), reason: error.to_string() })?;
        }
        let key = key::load_or_create(&config.key_file)?;
        let peer = key.public().to_peer_id();
        let (repo, blocks) = open_repo(&config.repo).await?;
        let blocks = Arc::new(blocks);
        let (exchange, behaviour) = Exchange::new(blocks.clone(), config.upload);
        let neighbours = Arc::new(Neighbours::default());
        let swarm = |error: &dyn std::fmt::Display| StartError::Swarm(error.to_string());

        let watcher = neighbours.clone();
        let mut builder = IpfsBuilder::<Behaviour>::with_keypair(&key)
            .map_err(|error| swarm(&error))?
            .with_custom_behaviour(move |_| Ok(behaviour))
            .with_identify(IdentifyConfiguration { agent_version: AGENT.into(), ..Default::default() })
            .with_ping(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT))
            .set_connection_limits(|limits| {
                limits
                    .with_max_pending_incoming(Some(MAX_PENDING))
                    .with_max_pending_outgoing(Some(MAX_PENDING))
                    .with_max_established_incoming(Some(MAX_INBOUND))
                    .with_max_established(Some(MAX_CONNECTIONS))
                    .with_max_established_per_peer(Some(MAX_PER_PEER))
            })
            .swarm_events(move |swarm, event| {
                if let Some(connection) = watcher.observe(event) {
                    swarm.close_connection(connection);
                }
            })
            .enable_tcp()
            .set_repo(&repo);
        if let Some(key) = config.swarm_key {
            builder = builder.enable_pnet(PreSharedKey::new(key));
        }
        let ipfs = builder.start().await.map_err(|error| swarm(&error))?;

        let mut node = Self { ipfs, blocks, exchange, neighbours, peer, port: None, listening: None };
        match Listening::start(node.ipfs.clone(), config.listen, config.devices).await {
            Ok(listening) => {
                node.port = listening.port();
                if listening.is_to_be_followed() {
                    node.listening = Some(Arc::new(AbortOnDropHandle::new(tokio::spawn(listening.follow()))));
                }
            }
            Err((address, reason)) => {
                node.shutdown().await;
                return Err(StartError::Listen { address, reason });
            }
        }
        Ok(node)
    }

    /// Who this node is.
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// Asks peers for blocks. What comes is not stored: hand it to [`put`](Self::put).
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Stores a block, and serves it to peers from then on; it is durable after [`sync`](Self::sync). The caller has
    /// verified that `data` matches `cid`; a block that does not is never given out. Goes on in the background when
    /// cancelled.
    pub async fn put(&self, cid: Cid, data: Bytes) -> Result<(), BlockError> {
        self.blocks.put(cid, data, &self.exchange).await
    }

    /// Makes durable what was put before. Where it fails, any of that may be lost: it is to be put again.
    pub async fn sync(&self) -> Result<(), BlockError> {
        self.blocks.sync().await
    }

    /// Reads a block, verified; `None` where it is not held.
    pub async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, BlockError> {
        self.blocks.read(cid).await
    }

    /// Whether the block is here. A look-up in the file system, which the system's cache answers within microseconds.
    pub fn contains(&self, cid: &Cid) -> bool {
        self.blocks.holds(cid)
    }

    /// Removes a block; `false` where it was not held. After a power loss it may be there again.
    pub async fn remove(&self, cid: &Cid) -> Result<bool, BlockError> {
        self.blocks.remove(cid).await
    }

    /// The CIDs of all blocks here, as CIDv1, in no order, some hundreds at a time.
    pub fn blocks(&self) -> BoxStream<'static, Result<Vec<Cid>, BlockError>> {
        self.blocks.list()
    }

    /// Connects to a peer at any of these addresses, unless it is connected already. No retry: what failed now may be
    /// tried again later by the caller, at random intervals.
    pub async fn dial(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), DialError> {
        if self.is_connected(&peer) {
            return Ok(());
        }
        // From a port of its own: from the listening port, two nodes that dial each other at the same moment would open
        // one TCP connection simultaneously, on which each takes itself for the dialler, and the handshake fails.
        let closing = self.neighbours.is_closing(&peer);
        let options = DialOpts::peer_id(peer)
            .condition(if closing { PeerCondition::Always } else { PeerCondition::Disconnected })
            .addresses(addresses)
            .allocate_new_port()
            .build();
        let reason = match tokio::time::timeout(DIAL_TIMEOUT, self.ipfs.connect(options)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {DIAL_TIMEOUT:?}"),
        };
        // The peer may have been faster.
        if self.is_connected(&peer) { Ok(()) } else { Err(DialError { peer, reason }) }
    }

    /// Closes all connections to a peer, which count as gone at once. Waits until they are closed, but not long: where
    /// the link is dead and much waits to be sent, that takes until TCP gives up.
    pub async fn disconnect(&self, peer: PeerId) {
        self.neighbours.close(&peer);
        // Fails where there is none.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, self.ipfs.disconnect(peer)).await;
    }

    /// Closes the connections to a peer, where all of them are at this address.
    pub async fn disconnect_from(&self, peer: PeerId, address: IpAddr) {
        if self.neighbours.is_only_at(&peer, address) {
            self.disconnect(peer).await;
        }
    }

    /// Whether there is a connection.
    pub fn is_connected(&self, peer: &PeerId) -> bool {
        self.neighbours.is_connected(peer)
    }

    /// Connected peers.
    pub fn neighbours(&self) -> Vec<Neighbour> {
        self.neighbours.list()
    }

    /// Changes whenever a peer connects or disconnects.
    pub fn neighbour_changes(&self) -> watch::Receiver<u64> {
        self.neighbours.changes()
    }

    /// Addresses that are listened on, with real ports and one for each interface.
    pub fn listening(&self) -> Vec<Multiaddr> {
        self.neighbours.listening()
    }

    /// The TCP port of the first configured address, also while that is waited for; `None` where the system chose it.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Closes all connections and stops listening. Blocks that are being stored are stored.
    /// Harmless when called twice.
    pub async fn shutdown(&self) {
        if let Some(following) = &self.listening {
            following.abort();
        }
        self.blocks.settle().await;
        self.ipfs.clone().exit_daemon().await;
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.exchange.closed()).await.is_err() {
            tracing::warn!("the ipfs swarm did not end in time");
        }
    }
}

async fn open_repo(path: &Path) -> Result<(Repo<DefaultStorage>, Blocks), StartError> {
    let failed = |reason: String| StartError::Repo { path: path.to_owned(), reason };
    tokio::fs::create_dir_all(path).await.map_err(|error| failed(error.to_string()))?;
    let repo = Repo::<DefaultStorage>::new_fs(path);
    // Takes the lock, before anything is swept.
    let since = Instant::now();
    while let Err(error) = repo.init().await {
        if since.elapsed() > LOCK_PATIENCE {
            return Err(failed(format!("{error:#}")));
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
    let directory = path.to_owned();
    let blocks = tokio::task::spawn_blocking(move || Blocks::open(&directory));
    let blocks = blocks.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    Ok((repo, blocks))
}
