//! Overlay networks: what the daemons of cjdns and Yggdrasil on this machine say of this node's own address, its
//! neighbours and other nodes in reach (`docs/protocol/overlays.md`).
//!
//! Comes in: answers of the daemons' admin interfaces. Goes out: a [`Sighting`] whenever a daemon was asked. What stands in
//! it is a hint where nodes may be; it never counts as a node of ours before that node itself has answered.

mod cjdns;
mod poll;
mod yggdrasil;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use cjdns::{CjdnsAdmin, CjdnsPassword};
pub use yggdrasil::{YggdrasilAdmin, YggdrasilAdminError};

/// Direct neighbours that are looked at: more than a radio or a desk of cables has.
pub(crate) const MAX_NEIGHBOURS: usize = 64;
/// Other nodes in reach that are looked at: what cjdns keeps in its table of a network of some hundred nodes.
pub(crate) const MAX_REACHABLE: usize = 256;
/// Sightings that wait for the mesh's task: one of each daemon, and one that is fresher.
const MAX_SIGHTINGS_WAITING: usize = 4;

/// Which daemons to ask.
#[derive(Debug, Clone, Default)]
pub struct OverlayConfig {
    /// The admin interface of cjdns; `None` asks none.
    pub cjdns: Option<CjdnsAdmin>,
    /// The admin socket of Yggdrasil; `None` asks none.
    pub yggdrasil: Option<YggdrasilAdmin>,
}

/// An overlay network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Overlay {
    Cjdns,
    Yggdrasil,
}

impl Overlay {
    const ALL: [Self; 2] = [Self::Cjdns, Self::Yggdrasil];

    /// As reports name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cjdns => "cjdns",
            Self::Yggdrasil => "yggdrasil",
        }
    }

    /// Whether nodes of this overlay can have the address: fc00::/8 for cjdns, 0200::/7 for Yggdrasil, of which the upper
    /// half are networks behind a node.
    pub(crate) fn contains(self, address: Ipv6Addr) -> bool {
        let first = address.octets()[0];
        match self {
            Self::Cjdns => first == 0xfc,
            Self::Yggdrasil => first == 0x02,
        }
    }

    /// The overlay whose range the address is in.
    pub(crate) fn of(address: Ipv6Addr) -> Option<Self> {
        Self::ALL.into_iter().find(|overlay| overlay.contains(address))
    }
}

/// `cjdns` or `yggdrasil`, where the address is in the range of that overlay.
pub fn overlay_of(address: IpAddr) -> Option<&'static str> {
    let IpAddr::V6(address) = address else { return None };
    Overlay::of(address).map(Overlay::name)
}

/// A node to which this one has a link of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) address: Ipv6Addr,
    /// What the daemon says of the link; it may notice late that one is dead.
    pub(crate) up: bool,
    /// How long an answer over the link takes, where the daemon measures it.
    pub(crate) latency: Option<Duration>,
}

/// What a daemon says of its network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// This node's address there.
    own: Option<Ipv6Addr>,
    /// Whose links are up come first, of these the quickest.
    neighbours: Vec<Neighbour>,
    reachable: Vec<Ipv6Addr>,
}

impl View {
    /// Keeps each node once, within the overlay's range and the bounds.
    fn new(
        overlay: Overlay,
        own: Option<Ipv6Addr>,
        neighbours: impl IntoIterator<Item = Neighbour>,
        reachable: impl IntoIterator<Item = Ipv6Addr>,
    ) -> Self {
        let own = own.filter(|own| overlay.contains(*own));
        let other = |address: &Ipv6Addr| overlay.contains(*address) && own != Some(*address);
        let mut merged: HashMap<Ipv6Addr, Neighbour> = HashMap::new();
        // Several links may lead to one node: any of them that is up will do, and the quickest is taken.
        for neighbour in neighbours.into_iter().filter(|neighbour| other(&neighbour.address)) {
            let known = merged.entry(neighbour.address).or_insert(Neighbour { up: false, latency: None, ..neighbour });
            known.up |= neighbour.up;
            known.latency = [known.latency, neighbour.latency].into_iter().flatten().min();
        }
        let mut neighbours: Vec<_> = merged.into_values().collect();
        neighbours
            .sort_by_key(|neighbour| (!neighbour.up, neighbour.latency.unwrap_or(Duration::MAX), neighbour.address));
        neighbours.truncate(MAX_NEIGHBOURS);
        let mut kept: Vec<Ipv6Addr> = Vec::new();
        let linked = |address: &Ipv6Addr| neighbours.iter().any(|known| known.address == *address && known.up);
        for address in reachable.into_iter().filter(|address| other(address) && !linked(address)) {
            if kept.len() == MAX_REACHABLE {
                break;
            }
            if !kept.contains(&address) {
                kept.push(address);
            }
        }
        Self { own, neighbours, reachable: kept }
    }

    /// A view with these neighbours, whose links are up, and other nodes.
    #[cfg(test)]
    pub(crate) fn of(overlay: Overlay, linked: &[Ipv6Addr], reachable: &[Ipv6Addr]) -> Self {
        let neighbours = linked.iter().map(|address| Neighbour { address: *address, up: true, latency: None });
        Self::new(overlay, None, neighbours, reachable.iter().copied())
    }

    /// This node's address in the overlay.
    pub(crate) fn own(&self) -> Option<Ipv6Addr> {
        self.own
    }

    /// Neighbours whose links are up.
    pub(crate) fn linked(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.neighbours.iter().filter(|neighbour| neighbour.up).map(|neighbour| neighbour.address)
    }

    /// Other nodes that can be reached, over however many hops.
    pub(crate) fn reachable(&self) -> &[Ipv6Addr] {
        &self.reachable
    }
}

/// A daemon was asked.
#[derive(Debug)]
pub(crate) struct Sighting {
    pub(crate) overlay: Overlay,
    /// `None` where it does not answer any more.
    pub(crate) view: Option<View>,
}

/// Hears of what daemons say, and has them asked.
#[derive(Debug)]
pub(crate) struct Overlays {
    pub(crate) sightings: mpsc::Receiver<Sighting>,
    hurry: watch::Sender<()>,
}

impl Overlays {
    /// All daemons are asked now, whatever the pause.
    pub(crate) fn ask_now(&self) {
        self.hurry.send_replace(());
    }

    /// Without daemons.
    #[cfg(test)]
    pub(crate) fn of(sightings: mpsc::Receiver<Sighting>) -> Self {
        Self { sightings, hurry: watch::Sender::new(()) }
    }
}

/// Asks the configured daemons until cancelled.
pub(crate) fn watch(config: OverlayConfig, tasks: &TaskTracker, cancel: &CancellationToken) -> Overlays {
    let (sender, sightings) = mpsc::channel(MAX_SIGHTINGS_WAITING);
    let hurry = watch::Sender::new(());
    if let Some(admin) = config.cjdns {
        tasks.spawn(poll::run(cjdns::Client::new(admin), sender.clone(), hurry.subscribe(), cancel.clone()));
    }
    if let Some(admin) = config.yggdrasil {
        tasks.spawn(poll::run(yggdrasil::Client::new(admin), sender, hurry.subscribe(), cancel.clone()));
    }
    Overlays { sightings, hurry }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(address: &str, up: bool, millis: Option<u64>) -> Neighbour {
        Neighbour { address: address.parse().unwrap(), up, latency: millis.map(Duration::from_millis) }
    }

    fn addresses(texts: &[&str]) -> Vec<Ipv6Addr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_addresses_of_the_overlay_count_and_never_the_own() {
        let strangers = addresses(&["fc00::1", "fc00::2", "fd00::1", "::1", "2001:db8::1", "201::1", "fc00::2"]);
        let linked = [neighbour("fc00::1", true, None), neighbour("192:168::1", true, None)];
        let view = View::new(Overlay::Cjdns, Some("fc00::1".parse().unwrap()), linked, strangers.clone());
        assert_eq!((view.linked().count(), view.reachable()), (0, addresses(&["fc00::2"]).as_slice()));
        let view = View::new(Overlay::Yggdrasil, None, [], strangers);
        assert_eq!(view.reachable(), addresses(&["201::1"]));
        assert_eq!(View::new(Overlay::Cjdns, Some("10::1".parse().unwrap()), [], []).own(), None);
    }

    #[test]
    fn a_neighbour_with_several_links_is_up_while_one_is_and_the_quickest_comes_first() {
        let links = [
            neighbour("201::1", false, None),
            neighbour("201::2", true, Some(9)),
            neighbour("201::3", true, Some(5)),
            neighbour("201::2", false, Some(2)),
        ];
        let view = View::new(Overlay::Yggdrasil, None, links, addresses(&["201::1", "201::2"]));
        assert_eq!(view.linked().collect::<Vec<_>>(), addresses(&["201::2", "201::3"]));
        assert_eq!(view.reachable(), addresses(&["201::1"]));
    }

    #[test]
    fn a_daemon_that_lists_without_end_fills_no_memory() {
        let all = || (0..u32::MAX).map(|n| Ipv6Addr::from((0xfc_u128 << 120) | u128::from(n))).take(10_000);
        let links = all().map(|address| Neighbour { address, up: true, latency: None });
        let view = View::new(Overlay::Cjdns, None, links, all());
        assert_eq!((view.linked().count(), view.reachable().len()), (MAX_NEIGHBOURS, MAX_REACHABLE));
    }
}
