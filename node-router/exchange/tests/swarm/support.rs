//! Nodes with an exchange, over libp2p's memory transport.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::StreamExt;
use libp2p_core::Multiaddr;
use libp2p_swarm::{Swarm, SwarmEvent};
use libp2p_swarm_test::SwarmExt;
use multihash_codetable::{Code, MultihashDigest};
use node_router_exchange::{Behaviour, BlockSource, Exchange, Held, PeerId, UploadLimits};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Guards against hanging; nothing is measured against it.
const GUARD: Duration = Duration::from_secs(60);

pub(crate) async fn guarded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, future).await.expect("does not hang")
}

#[derive(Default)]
pub(crate) struct Memory {
    blocks: Mutex<HashMap<Cid, Bytes>>,
    /// How often each block was read to be sent.
    pub(crate) reads: Mutex<HashMap<Cid, usize>>,
    /// Blocks whose reading never ends.
    pub(crate) stuck: Mutex<HashSet<Cid>>,
}

#[async_trait]
impl BlockSource for Memory {
    fn contains(&self, cid: &Cid) -> bool {
        self.blocks.lock().unwrap().contains_key(cid)
    }

    async fn get(&self, cid: &Cid) -> Option<Bytes> {
        *self.reads.lock().unwrap().entry(*cid).or_default() += 1;
        if self.stuck.lock().unwrap().contains(cid) {
            std::future::pending::<()>().await;
        }
        self.blocks.lock().unwrap().get(cid).cloned()
    }
}

pub(crate) struct Node {
    pub(crate) exchange: Exchange,
    pub(crate) memory: Arc<Memory>,
    pub(crate) peer: PeerId,
    pub(crate) address: Multiaddr,
    pub(crate) dial: mpsc::Sender<Multiaddr>,
    hang_up: mpsc::Sender<PeerId>,
    pub(crate) connected: watch::Receiver<HashSet<PeerId>>,
    pub(crate) swarm: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::start_with(UploadLimits::default()).await
    }

    pub(crate) async fn start_with(limits: UploadLimits) -> Self {
        let memory = Arc::new(Memory::default());
        let (exchange, behaviour) = Exchange::new(memory.clone(), limits);
        let mut swarm: Swarm<Behaviour> = Swarm::new_ephemeral_tokio(|_| behaviour);
        let (address, _) = swarm.listen().with_memory_addr_external().await;
        let peer = *swarm.local_peer_id();
        let (dial, mut dials) = mpsc::channel::<Multiaddr>(8);
        let (hang_up, mut hang_ups) = mpsc::channel::<PeerId>(8);
        let (connections, connected) = watch::channel(HashSet::new());
        let swarm = tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(address) = dials.recv() => swarm.dial(address).unwrap(),
                    Some(peer) = hang_ups.recv() => swarm.disconnect_peer_id(peer).unwrap(),
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                            connections.send_modify(|connected| { connected.insert(peer_id); });
                        }
                        SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                            connections.send_modify(|connected| { connected.remove(&peer_id); });
                        }
                        _ => {}
                    },
                }
            }
        });
        Self { exchange, memory, peer, address, dial, hang_up, connected, swarm }
    }

    pub(crate) async fn connect(&self, other: &Self) {
        self.dial.send(other.address.clone()).await.unwrap();
        self.until(other.peer, true).await;
        other.until(self.peer, true).await;
    }

    pub(crate) async fn disconnect(&self, other: &Self) {
        self.hang_up.send(other.peer).await.unwrap();
        self.until(other.peer, false).await;
        other.until(self.peer, false).await;
    }

    /// Waits until nothing is wanted, here or by peers.
    pub(crate) async fn until_nothing_is_held(&self) {
        while self.exchange.held() != Held::default() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn until(&self, peer: PeerId, connected: bool) {
        self.connected.clone().wait_for(|peers| peers.contains(&peer) == connected).await.unwrap();
    }

    pub(crate) fn put(&self, data: Bytes) -> Cid {
        let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(&data));
        self.memory.blocks.lock().unwrap().insert(cid, data);
        self.exchange.notify([cid]);
        cid
    }
}

/// Blocks of a segment: 16 of 40 KB, different for each seed.
pub(crate) fn segment(seed: u8) -> Vec<Bytes> {
    (0..16).map(|n| [vec![seed, n], vec![seed ^ n; 40_000]].concat().into()).collect()
}
