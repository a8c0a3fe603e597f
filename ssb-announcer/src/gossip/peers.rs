//! Which peers are known, when to dial them, and which connections count. Pure: time and chance are arguments.
//!
//! In: offers, who is heard on the LAN, outcomes of dials, authenticated connections, their ends. Out: whom to dial now, whether a connection
//! may stay, and a list for people. It holds one connection to each peer: where both dial at once, both keep the one
//! that the lower key dialled.

mod known;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use stream_model::{FeedId, SsbPeer};

use crate::handshake::TIME_TO_AUTHENTICATE;
use known::{Dial, Known, Rank};

/// Peers that are remembered and dialled: more than a community mesh has neighbours.
pub const MAX_PEERS: usize = 256;
/// Addresses tried of one peer: an overlay or two, a LAN address, a link-local one.
pub const MAX_ADDRESSES: usize = 8;
/// Dials at once of such peers, so that a flood of made-up ones does not become a flood of connections.
const MAX_UNPROVEN_DIALS: usize = 8;
/// A connection that lived this long counts as a success; one that ended sooner keeps the pause growing.
const SUCCESS_AFTER: Duration = Duration::from_secs(10);
/// Two connections less than this apart may have been dialled at once: a dial that began before the other connection
/// was known is through, or given up, after this.
const SIMULTANEOUS: Duration = TIME_TO_AUTHENTICATE.saturating_add(Duration::from_secs(2));

/// Names one connection for as long as the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// Who dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// We.
    Outbound,
}

/// State of the connection to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Authenticated and working.
    Connected,
    /// Being dialled.
    Connecting,
    /// Failed; dialled again later.
    Waiting,
}

/// A peer as status shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Who it is.
    pub feed: FeedId,
    /// Where it is connected, or was offered to be.
    pub address: Option<SocketAddr>,
    /// Whether the peer dialled us.
    pub inbound: bool,
    /// Whether it is heard on the LAN.
    pub heard: bool,
    /// Whether the owner named it.
    pub configured: bool,
    /// Connected or not.
    pub state: ConnectionState,
    /// Why the last connection or dial ended.
    pub last_error: Option<String>,
    /// When it was connected last, where it is not any more.
    pub left: Option<Instant>,
}

/// What came of a peer that is heard on the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is connected.
    Connected,
    /// It was dialled and never authenticated itself.
    Failing,
    /// Not known yet, or it was connected before.
    Open,
}

/// Whether an authenticated connection may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is the connection to this peer now; the one it replaces is to be closed.
    Admitted(ConnectionId, Option<ConnectionId>),
    /// There is a connection to this peer already, which stays.
    Redundant,
}

/// How a connection or a dial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The peer said goodbye, or we did.
    Goodbye,
    /// It broke, or could not be made.
    Failed(String),
    /// The peer broke the rules: it is not dialled again for the longest pause.
    Misbehaved(String),
}

#[derive(Debug)]
struct Live {
    feed: FeedId,
    address: SocketAddr,
    direction: Direction,
    since: Instant,
}

/// All peers.
#[derive(Debug)]
pub struct Peers {
    me: FeedId,
    known: BTreeMap<FeedId, Known>,
    live: BTreeMap<ConnectionId, Live>,
    /// The one connection that counts for each peer.
    current: BTreeMap<FeedId, ConnectionId>,
    last_id: u64,
}

impl Peers {
    /// Nobody known. `me` is this node, which is never dialled.
    pub fn new(me: FeedId) -> Self {
        Self { me, known: BTreeMap::new(), live: BTreeMap::new(), current: BTreeMap::new(), last_id: 0 }
    }

    /// Remembers a peer that the owner named, for good, and its addresses; it is dialled at once where they are new. It
    /// takes the place of one that was only met or heard. `false` where all places are those of configured ones.
    pub fn handle_configured(&mut self, peer: SsbPeer, now: Instant) -> bool {
        self.handle_offer(peer, Rank::Configured, now)
    }

    /// Remembers a peer that was met, and its addresses, beside those configured; it is dialled at once where they are
    /// new. It takes the place of one that was only met or heard too and that fails. `false` where there is no room.
    pub fn handle_met(&mut self, peer: SsbPeer, now: Instant) -> bool {
        self.handle_offer(peer, Rank::Met, now)
    }

    fn handle_offer(&mut self, peer: SsbPeer, rank: Rank, now: Instant) -> bool {
        let mut addresses = peer.addresses;
        addresses.truncate(MAX_ADDRESSES);
        if peer.feed == self.me {
            return true;
        }
        if !self.known.contains_key(&peer.feed) && self.known.len() >= MAX_PEERS && !self.forget_one(rank) {
            return false;
        }
        let known = self.entry(peer.feed, now);
        known.rank = known.rank.max(rank);
        let before = if rank == Rank::Configured { &mut known.configured } else { &mut known.met };
        let new = addresses.iter().any(|address| !before.contains(address));
        *before = addresses;
        if let (true, Dial::At(_)) = (new, known.dial) {
            known.failures = 0;
            known.dial = Dial::At(now);
        }
        true
    }

    /// A peer answers elsewhere again, so that there is a way to it: dialled at once where it waits because dials failed.
    /// `false` where it does not, or where it waits because it misbehaved.
    pub fn handle_answers_again(&mut self, feed: FeedId, now: Instant) -> bool {
        match self.known.get_mut(&feed) {
            Some(known) if matches!(known.dial, Dial::At(at) if at > now) && !known.misbehaved => {
                known.dial = Dial::At(now);
                true
            }
            _ => false,
        }
    }

    /// A link of this machine has come up: who waits because dials failed is dialled at once, and soon again where that is too
    /// early, but not who misbehaved. `false` where nobody waits.
    pub fn handle_link_came_up(&mut self, now: Instant) -> bool {
        let waits = |known: &&mut Known| matches!(known.dial, Dial::At(at) if at > now) && !known.misbehaved;
        let waiting = self.known.values_mut().filter(waits).map(|known| {
            known.failures = 0;
            known.dial = Dial::At(now);
        });
        waiting.count() > 0
    }

    /// A peer is heard on the LAN, at these addresses. It takes no place of a peer that is known already, and where it
    /// has failed without ever authenticating itself, another address does not shorten its pause. `false` where there
    /// is no room.
    pub fn handle_heard(&mut self, peer: SsbPeer, now: Instant) -> bool {
        if peer.feed == self.me {
            return true;
        }
        if !self.known.contains_key(&peer.feed) && self.known.len() >= MAX_PEERS {
            return false;
        }
        let known = self.entry(peer.feed, now);
        let new = peer.addresses.iter().any(|address| !known.heard.contains(address));
        known.heard = peer.addresses;
        if let (true, true, Dial::At(_)) = (new, !known.is_unproven(), known.dial) {
            known.dial = Dial::At(now);
        }
        true
    }

    /// A datagram tells other addresses of a peer than the one it came from. They are tried when the peer is dialled next:
    /// whoever sends it cannot make this node knock anywhere at once, time and again. `false` where there is no room.
    pub fn handle_told(&mut self, peer: SsbPeer, now: Instant) -> bool {
        match self.known.get_mut(&peer.feed) {
            Some(known) => {
                known.heard = peer.addresses;
                true
            }
            None => self.handle_heard(peer, now),
        }
    }

    /// A peer is not heard on the LAN any more: forgotten unless it is configured, met or connected.
    pub fn handle_gone(&mut self, feed: FeedId) {
        if let Some(known) = self.known.get_mut(&feed) {
            known.heard.clear();
            self.forget_unheard(feed);
        }
    }

    fn entry(&mut self, feed: FeedId, now: Instant) -> &mut Known {
        let connected = self.current.contains_key(&feed);
        self.known.entry(feed).or_insert(Known {
            rank: Rank::Heard,
            configured: Vec::new(),
            met: Vec::new(),
            heard: Vec::new(),
            proven: connected,
            failures: 0,
            misbehaved: false,
            dial: if connected { Dial::Unneeded } else { Dial::At(now) },
            last_error: None,
            left: None,
        })
    }

    fn forget_unheard(&mut self, feed: FeedId) {
        let idle = |known: &Known| matches!(known.dial, Dial::At(_));
        let unheard = |known: &Known| known.rank == Rank::Heard && known.heard.is_empty();
        if self.known.get(&feed).is_some_and(|known| unheard(known) && idle(known)) {
            self.known.remove(&feed);
        }
    }

    /// Forgets a peer that nobody configured, so that a new one of this rank has room: of those that are not connected
    /// the one that has failed most. A configured one that finds none takes the place of any other: its connection, if
    /// it has one, goes on.
    fn forget_one(&mut self, newcomer: Rank) -> bool {
        let fails = |known: &Known| matches!(known.dial, Dial::At(_)) && known.failures > 0;
        let places = self.known.iter().filter(|(_, known)| known.rank < Rank::Configured);
        let places = places.filter(|(_, known)| newcomer == Rank::Configured || fails(known));
        let order = |known: &Known| (fails(known), known.dial != Dial::Unneeded, known.failures, known.is_unproven());
        match places.max_by_key(|(_, known)| order(known)).map(|(feed, _)| *feed) {
            Some(feed) => self.known.remove(&feed).is_some(),
            None => false,
        }
    }

    /// Whom to dial now, and where.
    pub fn poll_dial(&mut self, now: Instant) -> Option<SsbPeer> {
        let may_try = self.may_try_unproven();
        let due = |known: &Known| matches!(known.dial, Dial::At(at) if at <= now) && known.is_dialable(may_try);
        let (feed, known) = self.known.iter_mut().find(|(_, known)| due(known))?;
        known.dial = Dial::Running;
        Some(SsbPeer { feed: *feed, addresses: known.places() })
    }

    /// When [`Self::poll_dial`] has something next, unless a dial ends before.
    pub fn next_timeout(&self) -> Option<Instant> {
        let may_try = self.may_try_unproven();
        let waiting = self.known.values().filter(|known| known.is_dialable(may_try));
        waiting.filter_map(|known| if let Dial::At(at) = known.dial { Some(at) } else { None }).min()
    }

    fn may_try_unproven(&self) -> bool {
        let running = self.known.values().filter(|known| known.dial == Dial::Running && known.is_unproven());
        running.count() < MAX_UNPROVEN_DIALS
    }

    /// Whether there is a connection to a peer, so that a dial still running can be given up.
    pub fn is_connected(&self, feed: &FeedId) -> bool {
        self.current.contains_key(feed)
    }

    /// A dial ended without a connection that counts. `chance` is uniform in 0..1.
    pub fn handle_dial_ended(&mut self, feed: FeedId, ending: Ending, now: Instant, chance: f64) {
        let connected = self.current.contains_key(&feed);
        if let Some(known) = self.known.get_mut(&feed).filter(|known| known.dial == Dial::Running) {
            if connected {
                known.dial = Dial::Unneeded;
            } else {
                known.pause(ending, now, chance);
            }
        }
        self.forget_unheard(feed);
    }

    /// Whether a peer is heard on the LAN.
    pub fn is_heard(&self, feed: &FeedId) -> bool {
        self.known.get(feed).is_some_and(|known| !known.heard.is_empty())
    }

    /// The connection to a peer, if it is at this address, or at any.
    pub fn connection_at(&self, feed: &FeedId, address: Option<IpAddr>) -> Option<ConnectionId> {
        let id = self.current.get(feed).copied()?;
        let live = self.live.get(&id)?;
        address.is_none_or(|address| live.address.ip() == address).then_some(id)
    }

    /// Where a connected peer is heard to be besides, if its connection is at a link-local address of IPv6, which other
    /// protocols than SSB cannot name.
    pub fn other_place(&self, feed: &FeedId) -> Option<SocketAddr> {
        let needs_zone = |address: &SocketAddr| matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
        let live = self.live.get(self.current.get(feed)?)?;
        let heard = &self.known.get(feed)?.heard;
        if needs_zone(&live.address) { heard.iter().copied().find(|address| !needs_zone(address)) } else { None }
    }

    /// What came of a peer that is heard.
    pub fn standing(&self, feed: &FeedId) -> Standing {
        match self.known.get(feed) {
            _ if self.is_connected(feed) => Standing::Connected,
            Some(known) if known.failures > 0 && !known.proven => Standing::Failing,
            _ => Standing::Open,
        }
    }

    /// A peer has authenticated itself.
    pub fn handle_authenticated(
        &mut self,
        feed: FeedId,
        address: SocketAddr,
        direction: Direction,
        now: Instant,
    ) -> Admission {
        let existing = self.current.get(&feed).copied();
        if feed == self.me || existing.is_some_and(|id| !self.yields(id, direction, now)) {
            return Admission::Redundant;
        }
        self.last_id += 1;
        let id = ConnectionId(self.last_id);
        self.live.insert(id, Live { feed, address, direction, since: now });
        self.current.insert(feed, id);
        if let Some(known) = self.known.get_mut(&feed) {
            known.dial = Dial::Unneeded;
            known.proven = true;
            known.last_error = None;
            known.left = None;
        }
        Admission::Admitted(id, existing)
    }

    /// Whether the existing connection makes place for a new one of the same peer.
    fn yields(&self, existing: ConnectionId, new: Direction, now: Instant) -> bool {
        let Some(live) = self.live.get(&existing) else { return true };
        let lower_dialled = |direction| (self.me < live.feed) == (direction == Direction::Outbound);
        match (live.direction, new) {
            // We dial one peer once at a time.
            (Direction::Outbound, Direction::Outbound) => false,
            // A peer that dials again has lost its first connection.
            (Direction::Inbound, Direction::Inbound) => true,
            // A peer dials us although we had dialled it long ago: it has lost that connection.
            (Direction::Outbound, Direction::Inbound) if now.duration_since(live.since) > SIMULTANEOUS => true,
            (Direction::Outbound, Direction::Inbound) | (Direction::Inbound, Direction::Outbound) => lower_dialled(new),
        }
    }

    /// A connection ended. `chance` is uniform in 0..1.
    pub fn handle_closed(&mut self, id: ConnectionId, ending: Ending, now: Instant, chance: f64) {
        let Some(live) = self.live.remove(&id) else { return };
        if self.current.get(&live.feed) != Some(&id) {
            return;
        }
        self.current.remove(&live.feed);
        if let Some(known) = self.known.get_mut(&live.feed) {
            if now.duration_since(live.since) >= SUCCESS_AFTER {
                known.failures = 0;
            }
            known.left = Some(now);
            known.pause(ending, now, chance);
        }
        self.forget_unheard(live.feed);
    }

    /// Everybody known or connected.
    pub fn connections(&self) -> Vec<Connection> {
        let connected = self.current.values().filter_map(|id| self.live.get(id)).map(|live| Connection {
            feed: live.feed,
            address: Some(live.address),
            inbound: live.direction == Direction::Inbound,
            heard: self.is_heard(&live.feed),
            configured: self.known.get(&live.feed).is_some_and(|known| known.rank == Rank::Configured),
            state: ConnectionState::Connected,
            last_error: None,
            left: None,
        });
        let others = self.known.iter().filter(|(feed, _)| !self.current.contains_key(feed));
        let others = others.map(|(feed, known)| Connection {
            feed: *feed,
            address: known.places().first().copied(),
            inbound: false,
            heard: !known.heard.is_empty(),
            configured: known.rank == Rank::Configured,
            state: match known.dial {
                Dial::At(_) if known.failures > 0 => ConnectionState::Waiting,
                _ => ConnectionState::Connecting,
            },
            last_error: known.last_error.clone(),
            left: known.left,
        });
        connected.chain(others).collect()
    }
}

#[cfg(test)]
mod tests;
