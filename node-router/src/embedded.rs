//! The embedded IPFS node behind this crate's own traits: blocks for the storage, wants for fetches, dials for the mesh.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::future::{BoxFuture, FutureExt, join_all};
use futures::stream::{self, BoxStream, StreamExt};
use node_router_exchange::Session as ExchangeSession;
use node_router_ipfs::{EmbeddedNode, Multiaddr, PeerId as Libp2pPeer};
use stream_model::{NeighbourWant, NeighbourWants, PeerId};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::task::TaskTracker;

use crate::fetch::{BlockExchange, Delivered, Session};
use crate::links::Exchanged;
use crate::mesh::{Swarm, Table};
use crate::storage::{BlockError, Blocks};

/// The node, and where the peers are that fetches may dial.
#[derive(Clone)]
pub(crate) struct Embedded {
    node: EmbeddedNode,
    table: Arc<Table>,
    tasks: TaskTracker,
    /// Providers being dialled, so that many fetches dial each once.
    dialling: Arc<Mutex<HashSet<Libp2pPeer>>>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("peer", &self.node.peer_id()).finish_non_exhaustive()
    }
}

impl Embedded {
    pub(crate) fn new(node: EmbeddedNode, table: Arc<Table>, tasks: TaskTracker) -> Self {
        Self { node, table, tasks, dialling: Arc::default() }
    }

    /// Dials a provider that was met and is not connected. The session asks it once it is.
    fn dial_provider(&self, peer: Libp2pPeer, known_as: &PeerId) {
        let addresses = multiaddrs(&self.table.addresses(known_as));
        let unknown = addresses.is_empty() || self.node.is_connected(&peer);
        if unknown || !self.dialling.lock().unwrap_or_else(PoisonError::into_inner).insert(peer) {
            return;
        }
        let (node, dialling) = (self.node.clone(), self.dialling.clone());
        self.tasks.spawn(async move {
            if let Err(error) = node.dial(peer, addresses).await {
                tracing::debug!(%error, "cannot dial a provider");
            }
            dialling.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
        });
    }
}

/// libp2p's form of a peer id; `None` for a hash that libp2p does not use.
fn to_libp2p(peer: &PeerId) -> Option<Libp2pPeer> {
    Libp2pPeer::from_bytes(peer.as_multihash()).ok()
}

/// Our form of a peer id.
pub(crate) fn from_libp2p(peer: &Libp2pPeer) -> Option<PeerId> {
    PeerId::from_multihash(peer.to_bytes()).ok()
}

fn multiaddrs(addresses: &[SocketAddr]) -> Vec<Multiaddr> {
    let text = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(ip) => format!("/ip4/{ip}/tcp/{}", address.port()),
        IpAddr::V6(ip) => format!("/ip6/{ip}/tcp/{}", address.port()),
    };
    addresses.iter().filter_map(|address| text(address).parse().ok()).collect()
}

fn failed(error: impl fmt::Display) -> BlockError {
    BlockError(error.to_string())
}

#[async_trait]
impl Blocks for Embedded {
    async fn put(&self, blocks: Vec<(Cid, Bytes)>) -> Result<(), BlockError> {
        // All are waited for, also after a failure: the caller relies on nothing being under way when this returns.
        let puts = blocks.into_iter().map(|(cid, block)| self.node.put(cid, block));
        join_all(puts).await.into_iter().collect::<Result<(), _>>().map_err(failed)
    }

    async fn sync(&self) -> Result<(), BlockError> {
        self.node.sync().await.map_err(failed)
    }

    async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, BlockError> {
        self.node.get(cid).await.map_err(failed)
    }

    async fn remove(&self, cid: &Cid) -> Result<(), BlockError> {
        self.node.remove(cid).await.map(|_| ()).map_err(failed)
    }

    fn list(&self) -> BoxStream<'static, Result<Vec<Cid>, BlockError>> {
        self.node.blocks().map(|page| page.map_err(failed)).boxed()
    }
}

impl BlockExchange for Embedded {
    fn open(&self, providers: &[PeerId]) -> Arc<dyn Session> {
        let mut peers = Vec::with_capacity(providers.len());
        for known_as in providers {
            if let Some(peer) = to_libp2p(known_as).filter(|peer| *peer != self.node.peer_id()) {
                self.dial_provider(peer, known_as);
                peers.push(peer);
            }
        }
        Arc::new(Wants(self.node.exchange().session(&peers)))
    }

    fn strays(&self) -> BoxStream<'static, (Cid, Bytes)> {
        stream::unfold(self.node.exchange().strays(), |mut strays| async move {
            loop {
                match strays.recv().await {
                    Ok(block) => return Some(((block.cid, block.data), strays)),
                    Err(RecvError::Lagged(lost)) => {
                        metrics::counter!("meshstream_fetched_strays_lost_total").increment(lost);
                    }
                    Err(RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

impl NeighbourWants for Embedded {
    fn neighbour_wants(&self) -> BoxStream<'static, NeighbourWant> {
        stream::unfold(self.node.exchange().asked(), |mut asked| async move {
            loop {
                match asked.recv().await {
                    Ok(want) => {
                        let Some(peer) = from_libp2p(&want.peer) else { continue };
                        return Some((NeighbourWant { peer, cid: want.cid }, asked));
                    }
                    Err(RecvError::Lagged(lost)) => {
                        metrics::counter!("meshstream_neighbour_wants_lost_total").increment(lost);
                    }
                    Err(RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

struct Wants(ExchangeSession);

impl Session for Wants {
    fn want(&self, cid: Cid) -> BoxFuture<'static, Option<Delivered>> {
        let session = self.0.clone();
        async move {
            let block = session.want(cid).await.ok()?;
            Some(Delivered { block: block.data, from: from_libp2p(&block.from) })
        }
        .boxed()
    }
}

#[async_trait]
impl Swarm for Embedded {
    async fn dial(&self, peer: &PeerId, addresses: &[SocketAddr]) -> Result<(), String> {
        let peer = to_libp2p(peer).ok_or_else(|| format!("{peer} is not a libp2p peer"))?;
        self.node.dial(peer, multiaddrs(addresses)).await.map_err(|error| error.to_string())
    }

    async fn disconnect(&self, peer: &PeerId, address: Option<IpAddr>) {
        let Some(peer) = to_libp2p(peer) else { return };
        match address {
            Some(address) => self.node.disconnect_from(peer, address).await,
            None => self.node.disconnect(peer).await,
        }
    }

    fn exchanged(&self) -> HashMap<PeerId, Exchanged> {
        let traffic = self.node.exchange().traffic();
        let ours = |counts: node_router_exchange::Exchanged| Exchanged { received: counts.received, sent: counts.sent };
        traffic.into_iter().filter_map(|(peer, counts)| Some((from_libp2p(&peer)?, ours(counts)))).collect()
    }

    fn connected(&self) -> HashMap<PeerId, Option<Duration>> {
        let neighbours = self.node.neighbours();
        neighbours.iter().filter_map(|peer| Some((from_libp2p(&peer.peer)?, peer.rtt))).collect()
    }
}
