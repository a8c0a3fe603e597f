//! Connections to other nodes: listening, dialling, and keeping one working connection to each peer.
//!
//! In: peers offered through [`stream_model::PeerBook`], connections of whoever knows the network key. Out:
//! replicated feeds in the [`FeedStore`], and a list of connections for people. [`peers`] decides whom to dial and
//! which connection counts, `places` who may stay of those that have dialled us; `serving` takes a connection from its
//! beginning to its end, `connection` is what is said on it. A connection that fails, or panics, ends alone.

mod connection;
mod exercise;
pub mod peers;
mod places;
mod serving;
mod socket;
mod twin;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use listener::{Device, Listener as TcpListener};
use metrics::counter;
use stream_model::{FeedId, Meetings, PeerBook, SsbPeer};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

pub use self::exercise::exercise;
use self::serving::PlaceGuard;
use self::twin::Suspects;
use crate::blobs::Blobs;
use crate::feed::FeedStore;
use crate::handshake::NetworkKey;
use crate::identity::Identity;
use peers::{Connection, ConnectionId, ConnectionState, Peers, Standing};
use places::{Limits, PlaceId, Places};

/// How long connections may take to say goodbye when the node stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Feeds replicated because their nodes were met on the LAN: half of those that hearsay and meetings may bring, so that
/// somebody on the LAN who makes up identities cannot take all the room.
const MAX_FEEDS_HEARD: usize = 128;
/// Pause where the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How this node connects.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; `[::]` also takes IPv4, port 0 takes any free port.
    pub listen: SocketAddr,
    /// The network devices to listen on; all where there is none.
    pub devices: Vec<Device>,
    /// Separates communities.
    pub network_key: NetworkKey,
    /// The most inbound connections that have authenticated themselves. Each may hold about 1 MB when its peer does its
    /// worst. 16 of these places are not for strangers.
    pub max_inbound: usize,
    /// The most inbound connections of one address; peers that are known may be more.
    pub max_inbound_per_address: usize,
    /// The blobs that are exchanged with peers; `None` exchanges none.
    pub blobs: Option<Blobs>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0u16; 8], 8008)),
            devices: Vec::new(),
            network_key: NetworkKey::MAIN,
            max_inbound: 64,
            max_inbound_per_address: 16,
            blobs: None,
        }
    }
}

/// Why this node cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for SSB on {address}: {error}; set ssb.listen to an address and port that are free")]
pub struct BindError {
    address: SocketAddr,
    error: std::io::Error,
}

/// Binds the listener. Nothing is accepted or dialled until the [`Listener`] runs. To be called within a tokio
/// runtime.
///
/// # Errors
/// [`BindError`] where the address cannot be listened on.
pub fn bind(config: Config, identity: Identity, store: FeedStore) -> Result<(Gossip, Listener), BindError> {
    let error = |error| BindError { address: config.listen, error };
    let socket = TcpListener::bind(config.listen, &config.devices).map_err(error)?;
    let local_address = socket.local_addr();
    let state = State {
        peers: Peers::new(identity.id()),
        cancels: HashMap::new(),
        places: Places::new(Limits::new(config.max_inbound, config.max_inbound_per_address)),
        displaced: HashMap::new(),
        heard: BTreeSet::new(),
        suspects: Suspects::default(),
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        changed: Notify::new(),
        meetings: OnceLock::new(),
        identity,
        store,
        config,
    });
    Ok((Gossip { shared: shared.clone(), local_address }, Listener { shared, socket }))
}

/// A handle to the connections of this node. Clones are handles to the same.
#[derive(Clone)]
pub struct Gossip {
    shared: Arc<Shared>,
    local_address: SocketAddr,
}

impl Gossip {
    /// Where it listens, with the real port.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Everybody who is connected or to be dialled.
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.state().peers.connections()
    }
}

impl Gossip {
    /// Tells somebody of whoever is connected now and from now on. Once: a second one is not told.
    pub(crate) fn tell_of_meetings(&self, meetings: Arc<dyn Meetings>) {
        if self.shared.meetings.set(meetings.clone()).is_err() {
            return;
        }
        let connections = self.connections();
        let connected = connections.iter().filter(|connection| connection.state == ConnectionState::Connected);
        for (feed, address) in connected.filter_map(|connection| Some((connection.feed, connection.address?))) {
            meetings.met(feed, address);
            self.shared.tell_of_other_place(feed);
        }
    }

    /// A peer is heard on the LAN, which is to be remembered so: it is dialled, and once it has authenticated itself its
    /// feed is replicated.
    pub(crate) fn handle_heard(&self, peer: SsbPeer, remember: fn(&mut Peers, SsbPeer, Instant) -> bool) {
        let feed = peer.feed;
        let mut state = self.shared.state();
        let known = remember(&mut state.peers, peer, Instant::now());
        let connected = state.peers.is_connected(&feed);
        drop(state);
        if !known {
            counter!("meshstream_ssb_peers_refused_total").increment(1);
        } else if connected {
            self.shared.replicate_heard(feed);
            self.shared.tell_of_other_place(feed);
        }
        self.shared.changed.notify_one();
    }

    /// Somebody is said to be this node at these addresses, by `source` where that is known. It is looked whether that is
    /// another one.
    pub(crate) fn handle_claim(&self, addresses: Vec<SocketAddr>, source: Option<IpAddr>) {
        self.shared.state().suspects.handle_claim(addresses, source, Instant::now());
        self.shared.changed.notify_one();
    }

    fn handle_offer(
        &self,
        peer: SsbPeer,
        want: fn(&FeedStore, FeedId) -> bool,
        remember: fn(&mut Peers, SsbPeer, Instant) -> bool,
    ) {
        if peer.feed == self.shared.identity.id() {
            return self.handle_claim(peer.addresses, None);
        }
        if self.shared.store.is_blocked(&peer.feed) {
            return;
        }
        if !want(&self.shared.store, peer.feed) {
            counter!("meshstream_ssb_feeds_refused_total").increment(1);
        }
        if remember(&mut self.shared.state().peers, peer, Instant::now()) {
            self.shared.changed.notify_one();
        } else {
            counter!("meshstream_ssb_peers_refused_total").increment(1);
        }
    }

    /// A peer is not heard on the LAN any more.
    pub(crate) fn handle_gone(&self, feed: FeedId) {
        self.shared.state().peers.handle_gone(feed);
    }

    /// What came of a peer that is heard.
    pub(crate) fn standing(&self, feed: &FeedId) -> Standing {
        self.shared.state().peers.standing(feed)
    }
}

impl fmt::Debug for Gossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gossip").field("local_address", &self.local_address).finish_non_exhaustive()
    }
}

impl PeerBook for Gossip {
    fn offer(&self, peer: SsbPeer) {
        self.handle_offer(peer, FeedStore::want_peer, Peers::handle_configured);
    }

    fn offer_met(&self, peer: SsbPeer) {
        self.handle_offer(peer, FeedStore::want_met, Peers::handle_met);
    }

    fn answers_again(&self, feed: FeedId) {
        if self.shared.state().peers.handle_answers_again(feed, Instant::now()) {
            self.shared.changed.notify_one();
        }
    }

    fn link_came_up(&self) {
        if self.shared.state().peers.handle_link_came_up(Instant::now()) {
            self.shared.changed.notify_one();
        }
    }

    fn lost(&self, feed: FeedId, address: Option<IpAddr>) {
        let state = self.shared.state();
        if let Some(cancel) = state.peers.connection_at(&feed, address).and_then(|id| state.cancels.get(&id)) {
            debug!(%feed, "the link to an SSB peer is dead");
            cancel.cancel();
        }
    }

    fn replicate(&self, feed: FeedId) {
        if !self.shared.store.want_other(feed) {
            counter!("meshstream_ssb_feeds_refused_total").increment(1);
        }
    }

    fn introduce(&self, neighbour: FeedId, feed: FeedId) {
        if !self.shared.store.want_introduced(neighbour, feed) {
            counter!("meshstream_ssb_feeds_refused_total").increment(1);
        }
    }
}

struct Shared {
    state: Mutex<State>,
    /// Somebody may have to be dialled.
    changed: Notify,
    /// Who is told of connected peers.
    meetings: OnceLock<Arc<dyn Meetings>>,
    identity: Identity,
    store: FeedStore,
    config: Config,
}

struct State {
    peers: Peers,
    cancels: HashMap<ConnectionId, CancellationToken>,
    places: Places,
    /// Ends the inbound connection that has lost its place.
    displaced: HashMap<PlaceId, CancellationToken>,
    /// Who was met on the LAN.
    heard: BTreeSet<FeedId>,
    suspects: Suspects,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Its methods do not panic half way; if one ever did, a stale list of peers beats no connections.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where else than at a link-local address a connected peer is.
    fn tell_of_other_place(&self, feed: FeedId) {
        let place = self.state().peers.other_place(&feed);
        if let (Some(place), Some(meetings)) = (place, self.meetings.get()) {
            meetings.met(feed, place);
        }
    }

    /// Replicates the feed of a node met on the LAN, while there is room: it takes no place of others.
    fn replicate_heard(&self, feed: FeedId) {
        let mut state = self.state();
        let has_room = state.heard.contains(&feed) || state.heard.len() < MAX_FEEDS_HEARD && state.heard.insert(feed);
        drop(state);
        if !has_room || !self.store.want_other(feed) {
            counter!("meshstream_ssb_feeds_refused_total").increment(1);
        }
    }
}

/// The task that accepts and dials.
pub struct Listener {
    shared: Arc<Shared>,
    socket: TcpListener,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Listener {
    /// Accepts and dials until cancelled; then says goodbye to everybody, within a bound. Not to be dropped half way
    /// where the peers should learn of it.
    pub async fn run(self, cancel: CancellationToken) {
        let Self { shared, mut socket } = self;
        let mut tasks = JoinSet::new();
        loop {
            spawn_dials(&shared, &mut tasks, &cancel);
            let next = shared.state().peers.next_timeout();
            let timer = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = cancel.cancelled() => break,
                accepted = socket.accept() => match accepted {
                    Ok((stream, address)) => {
                        let address = socket::canonical(address);
                        if let Some(place) = PlaceGuard::take(&shared, address.ip()) {
                            tasks.spawn(serving::serve_inbound(stream, address, place, cancel.child_token()));
                        }
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept an SSB connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = tasks.join_next() => report_panic(ended),
                () = shared.changed.notified() => {}
                () = timer => {}
            }
        }
        drop(socket);
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                report_panic(ended);
            }
        };
        if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
            warn!("SSB connections did not end in time");
        }
        tasks.shutdown().await;
    }
}

fn spawn_dials(shared: &Arc<Shared>, tasks: &mut JoinSet<()>, cancel: &CancellationToken) {
    loop {
        let Some(address) = shared.state().suspects.poll_look(Instant::now()) else { break };
        tasks.spawn(twin::look(shared.clone(), address, cancel.child_token()));
    }
    loop {
        let Some(peer) = shared.state().peers.poll_dial(Instant::now()) else { return };
        tasks.spawn(serving::serve_outbound(shared.clone(), peer, cancel.child_token()));
    }
}

fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        counter!("meshstream_ssb_connection_panics_total").increment(1);
        error!(%error, "an SSB connection ended by a panic: this is a defect");
    }
}
