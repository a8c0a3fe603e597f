//! What changes in the networks that this machine is in, and when to tell of it. A state machine without I/O: looks and time come
//! in, [`Change`]s go out.
//!
//! A first change is told at once; an interface that flaps makes a few, then one each [`REFILL`].

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Changes that are told without pause: an interface that comes up with its IPv4 and IPv6 addresses makes two to four.
const BURST: usize = 4;
/// How long until one more may be told.
const REFILL: Duration = Duration::from_secs(5);
/// For this long after something came, whatever the system tells of is news too: a new IPv6 address cannot be used before it was
/// found to be nobody else's, which takes 1 to 2 s (RFC 4862 §5.4), and looks the same before and after.
const SETTLING: Duration = Duration::from_secs(5);
/// Networks of this machine that are told apart, the rest is not seen: more than a router with some hundred VLANs has.
const MAX_NETWORKS: usize = 1024;

/// An address of a device that is up and has a carrier, with the network it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Network {
    /// Of the device.
    pub(super) index: u32,
    pub(super) ip: IpAddr,
    pub(super) prefix: u8,
}

impl Network {
    /// Whether a place is reached by the device without a router.
    pub(super) fn reaches(&self, place: SocketAddr) -> bool {
        let shared = match (self.ip, place.ip()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        let on_this_link = match place {
            SocketAddr::V6(v6) => v6.scope_id() == 0 || v6.scope_id() == self.index,
            SocketAddr::V4(_) => true,
        };
        on_this_link && shared >= u32::from(self.prefix)
    }
}

/// Something came or went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// A network that may lead to nodes came, or may be usable only now.
    pub(crate) came: bool,
    lost: Vec<Network>,
    left: Vec<Network>,
}

impl Change {
    /// Whether networks went.
    pub(crate) fn went(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Whether the place was on a link that is no more, and is on none that is.
    pub(crate) fn cuts_off(&self, place: SocketAddr) -> bool {
        let reaches = |network: &Network| network.reaches(place);
        self.lost.iter().any(reaches) && !self.left.iter().any(reaches)
    }

    /// With something that came.
    #[cfg(test)]
    pub(crate) fn of_more() -> Self {
        Self { came: true, ..Self::default() }
    }

    /// With the network of this address gone.
    #[cfg(test)]
    pub(crate) fn without(ip: IpAddr, prefix: u8) -> Self {
        Self { lost: vec![Network { index: 1, ip, prefix }], ..Self::default() }
    }
}

/// What was seen, told, and is still to be told.
#[derive(Debug)]
pub(super) struct Changes {
    seen: Vec<Network>,
    told: VecDeque<Instant>,
    came_at: Option<Instant>,
    came: bool,
    lost: Vec<Network>,
}

impl Changes {
    /// From these on.
    pub(super) fn new(networks: Vec<Network>) -> Self {
        let (seen, told) = (ordered(networks), VecDeque::with_capacity(BURST));
        Self { seen, told, came_at: None, came: false, lost: Vec::new() }
    }

    /// The networks are these now. `prompted` where the system told of something, rather than that time has passed.
    pub(super) fn handle_look(&mut self, networks: Vec<Network>, prompted: bool, now: Instant) {
        let networks = ordered(networks);
        let is_new = networks.iter().any(|network| self.seen.binary_search(network).is_err());
        let settling = self.came_at.is_some_and(|at| now.saturating_duration_since(at) < SETTLING);
        if is_new {
            self.came_at = Some(now);
        }
        self.came |= is_new || prompted && settling;
        let gone = self.seen.iter().filter(|network| networks.binary_search(network).is_err());
        self.lost.extend(gone);
        self.lost = ordered(std::mem::take(&mut self.lost));
        self.seen = networks;
    }

    /// A change to tell of now.
    pub(super) fn poll_change(&mut self, now: Instant) -> Option<Change> {
        if !self.is_due(now)? {
            return None;
        }
        if self.told.len() == BURST {
            self.told.pop_front();
        }
        self.told.push_back(now);
        let (came, lost) = (std::mem::take(&mut self.came), std::mem::take(&mut self.lost));
        Some(Change { came, lost, left: self.seen.clone() })
    }

    fn is_due(&self, now: Instant) -> Option<bool> {
        self.next_timeout().map(|at| at.is_none_or(|at| at <= now))
    }

    /// When there is something to tell of: at once where the inner value is `None`.
    fn next_timeout(&self) -> Option<Option<Instant>> {
        let waiting = self.came || !self.lost.is_empty();
        let spent = self.told.len() == BURST;
        waiting.then(|| self.told.front().filter(|_| spent).map(|first| *first + REFILL * BURST as u32))
    }

    /// When [`Self::poll_change`] has something to tell of that waits.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.next_timeout().flatten()
    }
}

/// To be compared and searched.
fn ordered(mut networks: Vec<Network>) -> Vec<Network> {
    networks.sort_unstable();
    networks.dedup();
    networks.truncate(MAX_NETWORKS);
    networks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(index: u32, ip: &str, prefix: u8) -> Network {
        Network { index, ip: ip.parse().unwrap(), prefix }
    }

    #[test]
    fn what_comes_is_told_at_once_and_again_when_the_system_speaks_soon_after() {
        let (mut changes, start) = (Changes::new(vec![network(1, "127.0.0.1", 8)]), Instant::now());
        changes.handle_look(vec![network(1, "127.0.0.1", 8)], true, start);
        assert_eq!(changes.poll_change(start), None, "nothing came");
        let both = || vec![network(1, "127.0.0.1", 8), network(2, "fe80::1", 64)];
        changes.handle_look(both(), true, start);
        assert!(changes.poll_change(start).unwrap().came);
        assert_eq!(changes.poll_change(start), None, "told once");

        let usable = start + Duration::from_secs(2);
        changes.handle_look(both(), false, usable);
        assert_eq!(changes.poll_change(usable), None, "time alone is no news");
        changes.handle_look(both(), true, usable);
        assert!(changes.poll_change(usable).unwrap().came);
        let later = start + SETTLING;
        changes.handle_look(both(), true, later);
        assert_eq!(changes.poll_change(later), None);
    }

    #[test]
    fn places_of_a_link_that_went_are_cut_off_unless_another_link_reaches_them() {
        let start = Instant::now();
        let mut changes = Changes::new(vec![
            network(2, "10.0.0.1", 24),
            network(2, "fe80::1", 64),
            network(3, "10.0.1.1", 24),
            network(3, "fe80::2", 64),
            network(4, "10.0.1.2", 24),
        ]);
        changes.handle_look(vec![network(3, "fe80::2", 64), network(4, "10.0.1.2", 24)], true, start);
        let change = changes.poll_change(start).unwrap();
        assert!(change.went() && !change.came);
        for (place, cut_off) in [
            ("10.0.0.9:1", true),
            ("10.0.1.9:1", false),
            ("10.0.2.9:1", false),
            ("[fe80::9%2]:1", true),
            ("[fe80::9%3]:1", false),
            ("[fd00::9]:1", false),
        ] {
            assert_eq!(change.cuts_off(place.parse().unwrap()), cut_off, "{place}");
        }
    }

    #[test]
    fn a_flapping_interface_makes_a_few_changes_and_then_one_in_a_while_and_its_last_state_is_told() {
        let (mut changes, start) = (Changes::new(Vec::new()), Instant::now());
        let mut told = Vec::new();
        for tick in 0..3_000 {
            let now = start + Duration::from_millis(tick * 20);
            let networks = if tick % 2 == 0 { vec![network(2, "10.0.0.1", 24)] } else { Vec::new() };
            changes.handle_look(networks, true, now);
            told.extend(changes.poll_change(now));
        }
        assert_eq!(told.len(), 12, "four at once, then four in twenty seconds each");
        let at = changes.waits_until().unwrap();
        assert!(at >= start + Duration::from_secs(60));
        let last = changes.poll_change(at).unwrap();
        assert!(last.came && last.cuts_off("10.0.0.9:1".parse().unwrap()));
        assert_eq!(changes.waits_until(), None);
    }

    proptest! {
        #[test]
        fn whatever_is_seen_changes_are_bounded_and_none_is_kept_for_ever(
            looks in prop::collection::vec((prop::collection::vec((0u32..4, any::<[u8; 4]>(), 0u8..=32), 0..6), any::<bool>(), 0u64..10_000), 1..100),
        ) {
            let (mut changes, start) = (Changes::new(Vec::new()), Instant::now());
            let (mut now, mut told) = (start, 0);
            for (networks, prompted, millis) in looks {
                now += Duration::from_millis(millis);
                let networks = networks.into_iter().map(|(index, ip, prefix)| Network { index, ip: ip.into(), prefix });
                changes.handle_look(networks.collect(), prompted, now);
                told += usize::from(changes.poll_change(now).is_some());
                prop_assert!(changes.lost.len() <= MAX_NETWORKS);
            }
            let most = BURST * (1 + (now - start).as_secs() as usize / (REFILL * BURST as u32).as_secs() as usize);
            prop_assert!(told <= most, "{told} of {most}");
            if let Some(at) = changes.waits_until() {
                prop_assert!(changes.poll_change(at).is_some());
            }
        }
    }
}
