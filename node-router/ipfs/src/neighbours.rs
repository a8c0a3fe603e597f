//! Who is connected, how far away they are, and where this node listens: told by the swarm's events.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connexa::behaviour::BehaviourEvent;
use connexa::prelude::ping::{self, Failure};
use connexa::prelude::swarm::{ConnectionId, NetworkBehaviour, SwarmEvent};
use connexa::prelude::transport::ConnectedPoint;
use connexa::prelude::{Multiaddr, PeerId, Protocol};
use tokio::sync::watch;

/// Inbound connections from one address.
const MAX_INBOUND_PER_ADDRESS: usize = 8;

/// Pings in a row without an answer, after which a connection is closed.
const MOST_MISSED_PINGS: u32 = 2;

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Who.
    pub peer: PeerId,
    /// Its addresses as this node sees them; an inbound connection's has a port that nobody listens on.
    pub addresses: Vec<Multiaddr>,
    /// The last round trip, once there was one.
    pub rtt: Option<Duration>,
}

#[derive(Debug)]
struct Connection {
    peer: PeerId,
    address: Multiaddr,
    inbound: bool,
    rtt: Option<Duration>,
    missed_pings: u32,
    /// It is of no use any more. A swarm says so only once all that waits to be sent is out, which on a dead link takes TCP a
    /// quarter of an hour.
    closing: bool,
}

/// Connections and listeners. Their number is bounded by the swarm's limits.
#[derive(Debug)]
pub(crate) struct Neighbours {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    connections: HashMap<ConnectionId, Connection>,
    listening: BTreeSet<Multiaddr>,
}

impl State {
    fn open(&self) -> impl Iterator<Item = &Connection> {
        self.connections.values().filter(|connection| !connection.closing)
    }
}

impl Default for Neighbours {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: watch::channel(0).0 }
    }
}

impl Neighbours {
    /// Takes in an event; gives the connection that is to be closed.
    pub(crate) fn observe<C: NetworkBehaviour, S>(
        &self,
        event: &SwarmEvent<BehaviourEvent<C, S>>,
    ) -> Option<ConnectionId>
    where
        C::ToSwarm: std::fmt::Debug,
        S: connexa::behaviour::peer_store::store::Store,
    {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let refused = self.established(*peer_id, *connection_id, endpoint);
                self.changed.send_modify(|version| *version += 1);
                refused
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.lock().connections.remove(connection_id);
                self.changed.send_modify(|version| *version += 1);
                None
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.lock().listening.insert(address.clone());
                None
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.lock().listening.remove(address);
                None
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => {
                let dead = self.pinged(event);
                if dead.is_some() {
                    self.changed.send_modify(|version| *version += 1);
                }
                dead
            }
            _ => None,
        }
    }

    fn established(&self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) -> Option<ConnectionId> {
        let (address, inbound) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => (address.clone(), false),
            ConnectedPoint::Listener { send_back_addr, .. } => (send_back_addr.clone(), true),
        };
        let mut state = self.lock();
        let host = host(&address);
        let same = |other: &&Connection| other.inbound && self::host(&other.address) == host;
        let crowded = inbound && state.connections.values().filter(same).count() >= MAX_INBOUND_PER_ADDRESS;
        state
            .connections
            .insert(id, Connection { peer, address, inbound, rtt: None, missed_pings: 0, closing: crowded });
        if crowded {
            metrics::counter!("meshstream_ipfs_connections_refused_total").increment(1);
        }
        crowded.then_some(id)
    }

    fn pinged(&self, event: &ping::Event) -> Option<ConnectionId> {
        let mut state = self.lock();
        let connection = state.connections.get_mut(&event.connection)?;
        match &event.result {
            Ok(rtt) => {
                connection.rtt = Some(*rtt);
                connection.missed_pings = 0;
                None
            }
            // Who does not know pings is known to be alive by other means.
            Err(Failure::Unsupported) => None,
            Err(Failure::Timeout | Failure::Other { .. }) => {
                connection.missed_pings += 1;
                if connection.missed_pings < MOST_MISSED_PINGS {
                    return None;
                }
                metrics::counter!("meshstream_ipfs_connections_dead_total").increment(1);
                connection.closing = true;
                tracing::debug!(peer = %connection.peer, "closing a connection that does not answer pings");
                Some(event.connection)
            }
        }
    }

    /// The connections to a peer count as gone from here on.
    pub(crate) fn close(&self, peer: &PeerId) {
        for connection in self.lock().connections.values_mut().filter(|connection| connection.peer == *peer) {
            connection.closing = true;
        }
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.lock().open().any(|connection| connection.peer == *peer)
    }

    /// Whether a connection to the peer is gone for this node, and not yet for the swarm.
    pub(crate) fn is_closing(&self, peer: &PeerId) -> bool {
        self.lock().connections.values().any(|connection| connection.peer == *peer && connection.closing)
    }

    /// Whether there are connections to a peer, all of them at this address.
    pub(crate) fn is_only_at(&self, peer: &PeerId, address: IpAddr) -> bool {
        let state = self.lock();
        let connections = state.open().filter(|connection| connection.peer == *peer);
        let mut hosts = connections.map(|connection| host(&connection.address)).peekable();
        hosts.peek().is_some() && hosts.all(|host| host == Some(address))
    }

    pub(crate) fn list(&self) -> Vec<Neighbour> {
        let state = self.lock();
        let mut neighbours: HashMap<PeerId, Neighbour> = HashMap::new();
        for connection in state.open() {
            let neighbour = neighbours.entry(connection.peer).or_insert_with(|| Neighbour {
                peer: connection.peer,
                addresses: Vec::new(),
                rtt: None,
            });
            neighbour.addresses.push(connection.address.clone());
            neighbour.rtt = neighbour.rtt.into_iter().chain(connection.rtt).min();
        }
        neighbours.into_values().collect()
    }

    pub(crate) fn listening(&self) -> Vec<Multiaddr> {
        self.lock().listening.iter().cloned().collect()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn host(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}
