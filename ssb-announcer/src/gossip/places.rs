//! Who may hold an inbound connection: strangers come without number, so they compete for places among themselves, and
//! never with peers that this node knows. Pure.
//!
//! In: accepted connections, which of them have authenticated themselves and as whom, their ends. Out: whether one may
//! stay, and whose place it takes. Addresses count by their prefix, because whoever has one address of a prefix easily
//! has more. It closes nothing: who is displaced is told to the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use stream_model::FeedId;

/// Connections that have not authenticated themselves yet. Each ends within
/// [`TIME_TO_AUTHENTICATE`](crate::handshake::TIME_TO_AUTHENTICATE), and honest ones in a fraction of it: so many are a
/// whole neighbourhood that comes back at once.
const MAX_HANDSHAKES: usize = 32;
/// Of those, from one prefix: half, so that others find room without pushing.
const MAX_HANDSHAKES_OF_PREFIX: usize = 16;
/// Places that strangers never take, so that a peer that is known needs to push nobody out as a rule.
const RESERVED: usize = 16;
/// Displaced connections that have not ended yet. They end at once, unless they are busy for a moment.
const MAX_LEAVING: usize = 32;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    handshakes: usize,
    handshakes_of_prefix: usize,
    /// Authenticated ones.
    connections: usize,
    /// Of those, the strangers'.
    strangers: usize,
    /// No stranger is let in where so many are connected from its address.
    of_address: usize,
}

impl Limits {
    /// With so many authenticated connections in all, and so many of strangers from one address.
    pub(super) fn new(connections: usize, of_address: usize) -> Self {
        Self {
            handshakes: MAX_HANDSHAKES,
            handshakes_of_prefix: MAX_HANDSHAKES_OF_PREFIX,
            connections,
            strangers: connections.saturating_sub(RESERVED),
            of_address,
        }
    }
}

/// What a peer is to this node, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// Anybody.
    Stranger,
    /// Its feed was wanted before it came: it was met, heard or introduced.
    Known,
    /// The owner named it, or the follow graph reaches it.
    Chosen,
}

impl Trust {
    /// For metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Known => "known",
            Self::Chosen => "chosen",
        }
    }
}

/// Names one inbound connection for as long as the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PlaceId(u64);

/// A connection that may try to authenticate itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) place: PlaceId,
    /// The one whose time to authenticate is cut short.
    pub(super) displaced: Option<PlaceId>,
}

/// Who goes so that an authenticated connection may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admitted {
    /// Another peer's connection, and what that peer is to this node.
    pub(super) displaced: Option<(PlaceId, Trust)>,
    /// The same peer's former connection.
    pub(super) former: Option<PlaceId>,
}

/// All inbound connections.
#[derive(Debug)]
pub(super) struct Places {
    limits: Limits,
    /// Not authenticated yet, the oldest first.
    handshakes: Vec<(PlaceId, IpAddr)>,
    /// Authenticated, the longest connected first; one of each peer.
    held: Vec<Held>,
    /// Displaced, and not ended yet.
    leaving: BTreeSet<PlaceId>,
    last_id: u64,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    place: PlaceId,
    address: IpAddr,
    feed: FeedId,
    trust: Trust,
}

/// The addresses that one host or household may be supposed to have: a /24 of IPv4, a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Prefix {
    V4([u8; 3]),
    V6([u16; 4]),
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl Places {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, handshakes: Vec::new(), held: Vec::new(), leaving: BTreeSet::new(), last_id: 0 }
    }

    /// Somebody has connected. `None` where too many of those displaced have not ended yet.
    pub(super) fn handle_accepted(&mut self, address: IpAddr) -> Option<Accepted> {
        let all = self.handshakes.len() + self.held.len() + self.leaving.len();
        if all >= self.limits.handshakes + self.limits.connections + MAX_LEAVING {
            return None;
        }
        self.last_id += 1;
        let place = PlaceId(self.last_id);
        self.handshakes.push((place, address));
        let displaced = self.find_handshake_to_end(address.into());
        if let Some(displaced) = displaced {
            self.handshakes.retain(|(other, _)| *other != displaced);
            self.leaving.insert(displaced);
        }
        Some(Accepted { place, displaced })
    }

    /// The handshake that is one too many, now that one from this prefix has joined.
    fn find_handshake_to_end(&self, newcomer: Prefix) -> Option<PlaceId> {
        let handshakes = self.handshakes.iter().map(|(place, address)| (*place, Prefix::from(*address)));
        let mut of_prefix = handshakes.clone().filter(|(_, prefix)| *prefix == newcomer);
        if of_prefix.clone().count() > self.limits.handshakes_of_prefix {
            of_prefix.next().map(|(place, _)| place)
        } else if self.handshakes.len() > self.limits.handshakes {
            longest_of_most_crowded(handshakes).map(|(place, _)| place)
        } else {
            None
        }
    }

    /// Whether a connection that has authenticated itself as this peer may stay, and who would go for it. `None` where it
    /// may not: there is no room for it, or it was displaced itself.
    pub(super) fn find_room(&self, place: PlaceId, feed: FeedId, trust: Trust) -> Option<Admitted> {
        let (_, address) = *self.handshakes.iter().find(|(other, _)| *other == place)?;
        let former = self.held.iter().find(|held| held.feed == feed).map(|held| held.place);
        let others = self.held.iter().filter(|held| held.feed != feed);
        let count = |is_counted: &dyn Fn(&Held) -> bool| others.clone().filter(|held| is_counted(held)).count();
        let is_stranger = trust == Trust::Stranger;
        if is_stranger && count(&|held| held.address == address) >= self.limits.of_address {
            return None;
        }
        let is_full = count(&|_| true) >= self.limits.connections
            || is_stranger && count(&|held| held.trust == Trust::Stranger) >= self.limits.strangers;
        if !is_full {
            return Some(Admitted { displaced: None, former });
        }
        let least = others.clone().map(|held| held.trust).min().filter(|least| *least <= trust)?;
        let of_least = others.clone().filter(|held| held.trust == least);
        let (displaced, crowd) = longest_of_most_crowded(of_least.map(|held| (held.place, held.address.into())))?;
        // Peers of one kind even out between prefixes, and no further: none pushes out who is as rare as itself.
        let own = count(&|held| held.trust == least && Prefix::from(held.address) == Prefix::from(address));
        let may_displace = least < trust || crowd > own + 1;
        may_displace.then_some(Admitted { displaced: Some((displaced, least)), former })
    }

    /// Takes a place as [`Self::find_room`] says.
    pub(super) fn handle_authenticated(&mut self, place: PlaceId, feed: FeedId, trust: Trust) -> Option<Admitted> {
        let admitted = self.find_room(place, feed, trust)?;
        let index = self.handshakes.iter().position(|(other, _)| *other == place)?;
        let (_, address) = self.handshakes.remove(index);
        for gone in admitted.displaced.map(|(displaced, _)| displaced).into_iter().chain(admitted.former) {
            self.held.retain(|held| held.place != gone);
            self.leaving.insert(gone);
        }
        self.held.push(Held { place, address, feed, trust });
        Some(admitted)
    }

    /// A connection has ended.
    pub(super) fn handle_ended(&mut self, place: PlaceId) {
        self.handshakes.retain(|(other, _)| *other != place);
        self.held.retain(|held| held.place != place);
        self.leaving.remove(&place);
    }
}

/// Of places in the order of their age: the oldest of the prefix that has most, and how many that has. Where several have
/// as many, of the one with the oldest.
fn longest_of_most_crowded(places: impl Iterator<Item = (PlaceId, Prefix)>) -> Option<(PlaceId, usize)> {
    let mut crowds: BTreeMap<Prefix, (usize, PlaceId, usize)> = BTreeMap::new();
    for (age, (place, prefix)) in places.enumerate() {
        crowds.entry(prefix).or_insert((age, place, 0)).2 += 1;
    }
    let most = crowds.into_values().min_by_key(|(age, _, count)| (std::cmp::Reverse(*count), *age));
    most.map(|(_, place, count)| (place, count))
}

#[cfg(test)]
mod tests;
