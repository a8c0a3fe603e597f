//! One connection from its beginning to its end: handshake or dial, admission, service, and the report of how it ended,
//! whatever ended it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use stream_model::{FeedId, SsbPeer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::peers::{Admission, ConnectionId, Direction, Ending};
use super::places::{PlaceId, Trust};
use super::{Shared, State, connection, socket, twin};
use crate::feed::FeedKind;
use crate::handshake::state::SessionKeys;
use crate::handshake::{self, HandshakeError};

/// How long TCP may take to connect to one address of a peer.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// What is told of a peer that is not dialled, for people to read.
const BLOCKED: &str = "this node blocks it";
/// In metrics, a peer of which nobody knows yet who it is.
const UNAUTHENTICATED: &str = "unauthenticated";

/// Serves whoever has connected, as long as it has its place.
pub(super) async fn serve_inbound(
    stream: TcpStream,
    address: SocketAddr,
    place: PlaceGuard,
    cancel: CancellationToken,
) {
    tokio::select! {
        () = place.displaced.cancelled() => debug!(%address, "an SSB connection made place for another"),
        () = authenticate_and_serve(stream, address, &place, cancel) => {}
    }
}

async fn authenticate_and_serve(
    mut stream: TcpStream,
    address: SocketAddr,
    place: &PlaceGuard,
    cancel: CancellationToken,
) {
    let shared = &place.shared;
    let handshake = async {
        socket::prepare(&stream)?;
        handshake::authenticate_server(&mut stream, &shared.config.network_key, shared.identity.signing_key()).await
    };
    let keys = tokio::select! {
        () = cancel.cancelled() => return,
        keys = handshake => keys,
    };
    match keys {
        Ok(keys) if keys.peer == shared.identity.id() => twin::answer(shared, stream, keys).await,
        Ok(keys) => {
            serve(shared.clone(), stream, keys, address, Some(place), cancel).await;
        }
        Err(error) => {
            counter!("meshstream_ssb_handshakes_failed_total", "direction" => "inbound").increment(1);
            debug!(%address, %error, "SSB handshake failed");
        }
    }
}

pub(super) async fn serve_outbound(shared: Arc<Shared>, peer: SsbPeer, cancel: CancellationToken) {
    // Reports the end of the dial whatever happens, a panic included.
    let mut dial = DialGuard { shared: shared.clone(), feed: peer.feed, ending: Some(Ending::Goodbye) };
    if shared.store.is_blocked(&peer.feed) {
        dial.ending = Some(Ending::Failed(BLOCKED.to_owned()));
        return;
    }
    shared.store.own_gate().handle_dialled(peer.feed);
    let dialled = tokio::select! {
        () = cancel.cancelled() => return,
        dialled = dial_any(&shared, &peer) => dialled,
    };
    match dialled {
        Ok((stream, keys, address)) => {
            if serve(shared, stream, keys, address, None, cancel).await {
                dial.ending = None;
            }
        }
        Err(error) => {
            counter!("meshstream_ssb_handshakes_failed_total", "direction" => "outbound").increment(1);
            debug!(feed = %peer.feed, %error, "cannot connect to an SSB peer");
            dial.ending = Some(Ending::Failed(error.to_string()));
        }
    }
}

/// Why a peer could not be reached.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("the peer connected to us meanwhile")]
    Connected,
    #[error("no address to dial")]
    NoAddress,
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("no answer within {CONNECT_WITHIN:?}")]
    TimedOut,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// Tries the peer's addresses in turn. Gives up where the peer is connected meanwhile, so that a slow dial cannot be
/// taken for a new one.
async fn dial_any(shared: &Shared, peer: &SsbPeer) -> Result<(TcpStream, SessionKeys, SocketAddr), DialError> {
    let mut last = DialError::NoAddress;
    for address in &peer.addresses {
        let connected = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await;
        if shared.state().peers.is_connected(&peer.feed) {
            return Err(DialError::Connected);
        }
        let mut stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                last = DialError::Connect(error);
                continue;
            }
            Err(_) => {
                last = DialError::TimedOut;
                continue;
            }
        };
        socket::prepare(&stream).map_err(DialError::Connect)?;
        let (network, identity) = (&shared.config.network_key, shared.identity.signing_key());
        match handshake::authenticate_client(&mut stream, network, identity, peer.feed).await {
            Ok(keys) => return Ok((stream, keys, *address)),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Serves an authenticated connection to its end, an inbound one in its place; `false` where there is a better one to this
/// peer already, or no room.
async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    keys: SessionKeys,
    address: SocketAddr,
    place: Option<&PlaceGuard>,
    cancel: CancellationToken,
) -> bool {
    let feed = keys.peer;
    let direction = if place.is_some() { Direction::Inbound } else { Direction::Outbound };
    if shared.store.is_blocked(&feed) {
        counter!("meshstream_ssb_peers_blocked_total").increment(1);
        debug!(%feed, "this node blocks the SSB peer");
        return false;
    }
    // Dropped after the connection has ended, whatever ended it.
    let _asks_no_more = AskedGuard { shared: shared.clone(), feed };
    let Some(mut live) = LiveGuard::admit(&shared, feed, address, place, &cancel) else {
        return false;
    };
    if shared.state().peers.is_heard(&feed) {
        shared.replicate_heard(feed);
    }
    if let Some(meetings) = shared.meetings.get() {
        meetings.met(feed, address);
    }
    shared.tell_of_other_place(feed);
    info!(%feed, ?direction, "SSB peer connected");
    debug!(%feed, %address, "SSB peer's address");
    let identity = shared.identity.id();
    let (store, blobs) = (shared.store.clone(), shared.config.blobs.clone());
    let ended = connection::run(stream, keys, direction, identity, store, blobs, cancel).await;
    match ended {
        Ok(()) => info!(%feed, "SSB peer disconnected"),
        Err(error) => {
            info!(%feed, %error, "SSB peer lost");
            live.ending = error.into_ending();
            if matches!(live.ending, Ending::Misbehaved(_)) {
                counter!("meshstream_ssb_peers_misbehaved_total").increment(1);
            }
        }
    }
    true
}

/// What a peer asks for is forgotten once it is not connected any more.
struct AskedGuard {
    shared: Arc<Shared>,
    feed: FeedId,
}

impl Drop for AskedGuard {
    fn drop(&mut self) {
        if !self.shared.state().peers.is_connected(&self.feed) {
            self.shared.store.note_asked(self.feed, BTreeSet::new());
        }
    }
}

/// Reports the end of a dial that did not become a connection.
struct DialGuard {
    shared: Arc<Shared>,
    feed: FeedId,
    ending: Option<Ending>,
}

impl Drop for DialGuard {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.take() {
            self.shared.store.own_gate().handle_dial_ended(self.feed);
            let now = Instant::now();
            self.shared.state().peers.handle_dial_ended(self.feed, ending, now, rand::random());
            self.shared.changed.notify_one();
        }
    }
}

/// A place among the inbound connections; dropping it gives it back.
pub(super) struct PlaceGuard {
    shared: Arc<Shared>,
    id: PlaceId,
    /// The place is another's now.
    displaced: CancellationToken,
}

impl PlaceGuard {
    /// A place for somebody who has connected and is to authenticate itself.
    pub(super) fn take(shared: &Arc<Shared>, address: IpAddr) -> Option<Self> {
        let mut state = shared.state();
        let Some(accepted) = state.places.handle_accepted(address) else {
            counter!("meshstream_ssb_connections_refused_total", "peer" => UNAUTHENTICATED).increment(1);
            return None;
        };
        if let Some(displaced) = accepted.displaced {
            state.displace(displaced);
            counter!("meshstream_ssb_connections_displaced_total", "peer" => UNAUTHENTICATED).increment(1);
        }
        let displaced = CancellationToken::new();
        state.displaced.insert(accepted.place, displaced.clone());
        drop(state);
        Some(Self { shared: shared.clone(), id: accepted.place, displaced })
    }
}

impl Drop for PlaceGuard {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.places.handle_ended(self.id);
        state.displaced.remove(&self.id);
    }
}

impl State {
    /// Ends a connection at once, so that its peer cannot hold it open.
    fn displace(&self, place: PlaceId) {
        if let Some(displaced) = self.displaced.get(&place) {
            displaced.cancel();
        }
    }
}

impl Shared {
    /// What a peer is to this node, apart from its being connected.
    fn trust(&self, feed: &FeedId) -> Trust {
        let wanted = self.store.wanted().borrow().clone();
        match wanted.kind(feed) {
            Some(FeedKind::Node) if wanted.is_stranger(feed) => Trust::Known,
            Some(FeedKind::Node) => Trust::Chosen,
            _ => Trust::Stranger,
        }
    }
}

/// A connection that counts; dropping it reports its end, whatever ended it.
struct LiveGuard {
    shared: Arc<Shared>,
    id: ConnectionId,
    ending: Ending,
}

impl LiveGuard {
    /// Lets a peer in, an inbound one in its place; whoever makes room for it is told to go.
    fn admit(
        shared: &Arc<Shared>,
        feed: FeedId,
        address: SocketAddr,
        place: Option<&PlaceGuard>,
        cancel: &CancellationToken,
    ) -> Option<Self> {
        let trust = shared.trust(&feed);
        let direction = if place.is_some() { Direction::Inbound } else { Direction::Outbound };
        let mut state = shared.state();
        if place.is_some_and(|place| state.places.find_room(place.id, feed, trust).is_none()) {
            counter!("meshstream_ssb_connections_refused_total", "peer" => trust.name()).increment(1);
            debug!(%feed, "there is no place for this SSB peer");
            return None;
        }
        let Admission::Admitted(id, replaced) =
            state.peers.handle_authenticated(feed, address, direction, Instant::now())
        else {
            counter!("meshstream_ssb_connections_redundant_total").increment(1);
            debug!(%feed, ?direction, "there is a connection to this SSB peer already");
            return None;
        };
        if let Some(replaced) = replaced.and_then(|replaced| state.cancels.get(&replaced)) {
            replaced.cancel();
        }
        let admitted = place.and_then(|place| state.places.handle_authenticated(place.id, feed, trust));
        if let Some((displaced, trust)) = admitted.and_then(|admitted| admitted.displaced) {
            state.displace(displaced);
            counter!("meshstream_ssb_connections_displaced_total", "peer" => trust.name()).increment(1);
        }
        if let Some(former) = admitted.and_then(|admitted| admitted.former) {
            state.displace(former);
        }
        state.cancels.insert(id, cancel.clone());
        gauge!("meshstream_ssb_connections").increment(1.0);
        drop(state);
        Some(Self { shared: shared.clone(), id, ending: Ending::Goodbye })
    }
}

impl Drop for LiveGuard {
    fn drop(&mut self) {
        let ending = std::mem::replace(&mut self.ending, Ending::Goodbye);
        let mut state = self.shared.state();
        state.cancels.remove(&self.id);
        state.peers.handle_closed(self.id, ending, Instant::now(), rand::random());
        drop(state);
        gauge!("meshstream_ssb_connections").decrement(1.0);
        self.shared.changed.notify_one();
    }
}
