//! The peers that are looked after: who has a place, and who gets one where none is free. Time is an argument.
//!
//! Configured peers keep theirs. Strangers (met by SSB on the LAN, listed by the daemon of an overlay, or told of by other
//! nodes) have a bounded number of places by origin; where all are taken, a newcomer gets that of the one that has been of
//! no use longest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use metrics::counter;
use stream_model::{FeedId, PeerId};

use super::nodeinfo::Before;
use super::peer::{Kind, Own, Peer};
use super::record::Statement;
use super::{MAX_PEERS, Met, PeerAddress};
use crate::overlay::{MAX_NEIGHBOURS, Overlay, View};

/// Peers that SSB met and that are asked for the rest: as many as a LAN has nodes.
pub(super) const MAX_MET: usize = 64;
/// Nodes of an overlay beyond the direct neighbours that are looked after at once: enough to fetch from, and few of the
/// many that are no nodes of ours.
pub(super) const MAX_FAR: usize = 32;
/// Nodes that others told of that are looked after at once: enough to fetch from beside the neighbours.
pub(super) const MAX_TOLD: usize = 16;
/// How long a stranger keeps a place without being connected by IPFS, where others want it: long enough for both sides
/// to have dialled a few times.
pub(super) const MIN_STAY: Duration = Duration::from_secs(120);

/// How an address came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In `mesh.peers`.
    Configured,
    /// SSB met somebody there.
    Met,
    /// An overlay's daemon has a link to it.
    Neighbour(Overlay),
    /// An overlay's daemon knows a way to it.
    Far(Overlay),
    /// Another node passed on its word.
    Told,
}

impl Origin {
    fn places(self) -> usize {
        match self {
            Self::Configured => MAX_PEERS,
            Self::Met => MAX_MET,
            Self::Neighbour(_) => MAX_NEIGHBOURS,
            Self::Far(_) => MAX_FAR,
            Self::Told => MAX_TOLD,
        }
    }

    /// Where to dial first, of several addresses of one node.
    fn rank(self) -> u8 {
        match self {
            Self::Configured => 0,
            Self::Met => 1,
            Self::Neighbour(_) => 2,
            Self::Far(_) => 3,
            Self::Told => 4,
        }
    }

    /// Whether it is a neighbour, as far as can be told: the owner named it, it is on a LAN, or a daemon has a link to it.
    pub(super) fn is_direct(self) -> bool {
        matches!(self, Self::Configured | Self::Met | Self::Neighbour(_))
    }

    fn lister(self) -> Option<Overlay> {
        match self {
            Self::Configured | Self::Met | Self::Told => None,
            Self::Neighbour(overlay) | Self::Far(overlay) => Some(overlay),
        }
    }
}

/// Names an entry for as long as the node runs: results that come late are never taken for another's.
pub(super) type EntryId = u64;

/// A peer and where it was found.
pub(super) struct Entry {
    pub(super) address: PeerAddress,
    pub(super) peer: Peer,
    pub(super) found_at: Option<SocketAddr>,
    /// When it last said who it is.
    pub(super) heard: Option<Instant>,
    /// How to ask whether it still says what it said last.
    pub(super) before: Option<Before>,
    pub(super) origin: Origin,
    /// Since when it has not been connected by IPFS; `None` while it is.
    useless_since: Option<Instant>,
}

impl Entry {
    /// For reports.
    pub(super) fn overlay(&self) -> &'static str {
        let overlay = match (self.origin, self.address.ip()) {
            (Origin::Configured, _) => return "configured",
            (Origin::Neighbour(overlay) | Origin::Far(overlay), _) => Some(overlay),
            (Origin::Met | Origin::Told, IpAddr::V6(ip)) => Overlay::of(ip),
            (Origin::Met | Origin::Told, IpAddr::V4(_)) => None,
        };
        overlay.map_or("lan", Overlay::name)
    }

    pub(super) fn feed(&self) -> Option<FeedId> {
        self.peer.info().map(|info| info.ssb.feed)
    }

    pub(super) fn is_of(&self, feed: FeedId) -> bool {
        self.feed() == Some(feed)
    }

    /// Where its IPFS node listens. None at an address with a zone, which no multiaddr of TCP can name.
    pub(super) fn ipfs_addresses(&self) -> Vec<SocketAddr> {
        match (self.peer.info(), self.found_at) {
            (Some(info), Some(mut address)) if !self.address.has_zone() => {
                address.set_port(info.ipfs.port);
                vec![address]
            }
            _ => Vec::new(),
        }
    }

    /// Where it answers probes: UDP at the number of the port of IPFS.
    pub(super) fn probed_at(&self) -> Option<SocketAddr> {
        let mut place = self.found_at?;
        place.set_port(self.peer.info()?.ipfs.port);
        Some(place)
    }

    /// Its address, where it is one of this overlay.
    fn within(&self, overlay: Overlay) -> Option<Ipv6Addr> {
        match self.address.ip() {
            IpAddr::V6(ip) if overlay.contains(ip) => Some(ip),
            _ => None,
        }
    }
}

/// When a listed address lost its place, and how often it had failed to answer in a row.
#[derive(Debug, Clone, Copy)]
struct Passed {
    at: Instant,
    failures: u32,
}

/// All entries, configured ones first.
pub(super) struct Entries {
    own: Own,
    next: EntryId,
    entries: BTreeMap<EntryId, Entry>,
    /// Listed addresses that have no place any more: as many as daemons list.
    passed: HashMap<Ipv6Addr, Passed>,
    /// What the daemons said last of direct neighbours.
    linked: HashMap<Overlay, HashSet<Ipv6Addr>>,
}

impl Entries {
    pub(super) fn new(own: Own, configured: Vec<PeerAddress>, now: Instant) -> Self {
        let (passed, linked) = (HashMap::new(), HashMap::new());
        let mut entries = Self { own, next: 0, entries: BTreeMap::new(), passed, linked };
        for address in configured.into_iter().take(MAX_PEERS) {
            entries.add(address, Kind::Configured, Origin::Configured, now);
        }
        entries
    }

    pub(super) fn ids(&self) -> Vec<EntryId> {
        self.entries.keys().copied().collect()
    }

    pub(super) fn get_mut(&mut self, id: EntryId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Where nodes answer probes, each place once and in the same order each time.
    pub(super) fn places(&self) -> Vec<SocketAddr> {
        let mut places: Vec<_> = self.iter().filter_map(Entry::probed_at).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Those that answer probes at a place.
    pub(super) fn at(&mut self, place: SocketAddr) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut().filter(move |entry| entry.probed_at() == Some(place))
    }

    /// Links of this machine have come up: what waits is tried now.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.entries.values_mut().for_each(|entry| entry.peer.hurry(now, rand::random()));
    }

    /// Addresses of neighbours whose SSB side may be told of this node: configured ones first, then direct links.
    pub(super) fn to_announce_to(&self) -> Vec<SocketAddr> {
        let configured = self.iter().filter(|entry| entry.origin == Origin::Configured && !entry.address.has_zone());
        let mut linked: Vec<_> = self.linked.values().flatten().copied().map(IpAddr::from).collect();
        // In the same order each time: what has not changed is not told again.
        linked.sort_unstable();
        let ips = configured.map(|entry| entry.address.ip()).chain(linked);
        ips.map(|ip| SocketAddr::new(ip, 0)).collect()
    }

    /// Whether the owner named one of the addresses at which this node answered, and where its SSB server is there.
    pub(super) fn ssb_addresses(&self, feed: FeedId) -> (bool, Vec<SocketAddr>) {
        let mut known: Vec<_> = self.iter().filter(|entry| entry.is_of(feed)).collect();
        known.sort_by_key(|entry| entry.origin.rank());
        let configured = known.iter().any(|entry| entry.origin == Origin::Configured);
        let mut addresses = Vec::new();
        for entry in known {
            if let (Some(info), Some(mut address)) = (entry.peer.info(), entry.found_at) {
                address.set_port(info.ssb.port);
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        (configured, addresses)
    }

    /// Who is connected by IPFS now. Those who were only met, and do not answer, are forgotten.
    pub(super) fn handle_connected<V>(&mut self, connected: &HashMap<PeerId, V>, now: Instant) {
        self.entries.retain(|_, entry| !entry.peer.is_given_up());
        for entry in self.entries.values_mut() {
            if let Some(id) = entry.peer.info().map(|info| info.ipfs.peer.clone()) {
                entry.peer.handle_connected(connected.contains_key(&id), now, rand::random());
            }
            let useful = entry.peer.is_connected();
            entry.useless_since = if useful { None } else { entry.useless_since.or(Some(now)) };
        }
    }

    /// SSB met somebody: looked after, unless it is already.
    pub(super) fn meet(&mut self, met: Met, now: Instant) {
        let Met { feed, address } = met;
        // Whoever is known at an address with a zone only is looked after at another one too, for IPFS.
        let serves = |entry: &Entry| !entry.address.has_zone() || address.has_zone();
        let known = |entry: &Entry| entry.address.ip() == address.ip() || entry.is_of(feed) && serves(entry);
        if self.iter().any(known) {
            return;
        }
        if self.make_room(Origin::Met, now) {
            self.add(address, Kind::Met(feed), Origin::Met, now);
        } else {
            counter!("meshstream_mesh_meetings_refused_total").increment(1);
        }
    }

    /// What an overlay's daemon says; `None` where it says nothing any more.
    pub(super) fn list(&mut self, overlay: Overlay, view: Option<&View>, now: Instant) {
        let linked: Vec<Ipv6Addr> = view.into_iter().flat_map(View::linked).collect();
        let far = view.map(View::reachable).unwrap_or_default();
        let near = linked.iter().map(|address| (*address, Origin::Neighbour(overlay)));
        let listed: HashMap<_, _> = far.iter().map(|address| (*address, Origin::Far(overlay))).chain(near).collect();
        self.passed.retain(|address, _| !overlay.contains(*address) || listed.contains_key(address));
        self.entries.retain(|_, entry| {
            let is_listed = entry.within(overlay).is_some_and(|address| listed.contains_key(&address));
            entry.origin.lister() != Some(overlay) || is_listed || entry.peer.is_connected()
        });
        let before = self.linked.insert(overlay, linked.iter().copied().collect()).unwrap_or_default();
        let came_up: HashSet<_> = linked.iter().filter(|address| !before.contains(address)).collect();
        let mut placed = HashSet::new();
        for entry in self.entries.values_mut() {
            let Some(address) = entry.within(overlay) else { continue };
            placed.insert(address);
            if let (Some(_), Some(origin)) = (entry.origin.lister(), listed.get(&address)) {
                entry.origin = *origin;
            }
            // A configured peer may be reached through the new neighbour.
            if came_up.contains(&address) || entry.origin == Origin::Configured && !came_up.is_empty() {
                entry.peer.hurry(now, rand::random());
            }
        }
        let own = view.and_then(View::own);
        let is_new = |address: &Ipv6Addr| !placed.contains(address) && own != Some(*address);
        for addresses in [linked, far.to_vec()] {
            let mut newcomers: Vec<_> = addresses.into_iter().filter(is_new).collect();
            // Who had no place yet comes before those who lost theirs.
            newcomers.sort_by_key(|address| self.passed.get(address).map(|passed| passed.at));
            for address in newcomers {
                let origin = listed.get(&address).copied().unwrap_or(Origin::Far(overlay));
                if !self.make_room(origin, now) {
                    break;
                }
                let failures = self.passed.remove(&address).map_or(0, |passed| passed.failures);
                let socket = SocketAddr::new(address.into(), 0);
                self.add(PeerAddress::at(socket), Kind::Listed { failures }, origin, now);
            }
        }
    }

    /// Nodes of which others told, with addresses that may be dialled: those that are known otherwise are passed over.
    pub(super) fn tell<'a>(&mut self, told: impl Iterator<Item = &'a Statement>, now: Instant) {
        let places: Vec<(FeedId, PeerAddress)> = told
            .filter(|statement| !self.iter().any(|entry| entry.is_of(statement.feed)))
            .flat_map(|statement| {
                let address = |ip: &IpAddr| PeerAddress::at_port(*ip, statement.web);
                statement.addresses.iter().filter_map(address).map(|address| (statement.feed, address))
            })
            .collect();
        self.entries.retain(|_, entry| {
            let still_told = places.iter().any(|(_, address)| *address == entry.address);
            entry.origin != Origin::Told || still_told || entry.peer.info().is_some()
        });
        for (feed, address) in places {
            if self.iter().all(|entry| entry.address.ip() != address.ip()) && self.make_room(Origin::Told, now) {
                self.add(address, Kind::Told(feed), Origin::Told, now);
            }
        }
    }

    fn add(&mut self, address: PeerAddress, kind: Kind, origin: Origin, now: Instant) {
        let peer = Peer::new(self.own.clone(), kind, now);
        let entry =
            Entry { address, peer, found_at: None, heard: None, before: None, origin, useless_since: Some(now) };
        self.entries.insert(self.next, entry);
        self.next += 1;
    }

    /// Whether there is a place for one more, perhaps that of another one.
    fn make_room(&mut self, origin: Origin, now: Instant) -> bool {
        let rivals = || self.entries.iter().filter(|(_, entry)| entry.origin == origin);
        if rivals().count() < origin.places() {
            return true;
        }
        let useless = rivals().filter_map(|(id, entry)| Some((entry.useless_since?, *id)));
        let Some((since, id)) = useless.min() else { return false };
        if now.saturating_duration_since(since) < MIN_STAY {
            return false;
        }
        if let Some(entry) = self.entries.remove(&id)
            && let Some(address) = origin.lister().and_then(|overlay| entry.within(overlay))
        {
            self.passed.insert(address, Passed { at: now, failures: entry.peer.failures() });
        }
        counter!("meshstream_mesh_places_lost_total").increment(1);
        true
    }
}

#[cfg(test)]
#[path = "entries_tests.rs"]
mod tests;
