//! Who has seen the portal: a phone that comes to the access point is first shown the node's page, and is let through
//! once it was. Pure: time is an argument.
//!
//! Comes in: what an address asks. Goes out: whether its probes are answered with the portal or with the yes that keeps
//! it on the network. Nothing is kept from anybody: it decides about the answers to probes alone.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::probes::System;

/// How long a device may leave the portal alone before it counts as having seen it. What has no screen, and people who
/// closed the sheet, are to stay on the network too.
const PATIENCE: Duration = Duration::from_secs(120);

/// After this long without a word a device is a new one: addresses are given out again, and people come back.
const FORGET_AFTER: Duration = Duration::from_secs(12 * 60 * 60);

/// Devices that are remembered, about 80 bytes each: four times what an access point's /24 has. One more takes the place
/// of the one that was silent longest, which may then see the portal again.
const MAX_VISITORS: usize = 1_024;

/// Whether the probes of a device are to be answered with the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Captive,
    Through,
}

#[derive(Debug, Clone, Copy)]
struct Visitor {
    first: Instant,
    heard: Instant,
    opened: bool,
    through: bool,
}

/// All that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    met: HashMap<IpAddr, Visitor>,
}

impl Visitors {
    /// A probe came.
    pub(crate) fn handle_probe(&mut self, address: IpAddr, system: System, now: Instant) -> Standing {
        let visitor = self.meet(address, now);
        // Apple's sheet lets people leave it only once the answer is yes; the others close when it is.
        visitor.through |= visitor.opened && system == System::Apple;
        visitor.standing(now)
    }

    /// The portal's page was asked for.
    pub(crate) fn handle_page(&mut self, address: IpAddr, now: Instant) -> Standing {
        let visitor = self.meet(address, now);
        visitor.opened = true;
        visitor.standing(now)
    }

    /// Somebody went on from the portal.
    pub(crate) fn handle_continue(&mut self, address: IpAddr, now: Instant) {
        self.meet(address, now).through = true;
    }

    /// How a device stands, which is asked by RFC 8908.
    pub(crate) fn handle_question(&mut self, address: IpAddr, now: Instant) -> Standing {
        self.meet(address, now).standing(now)
    }

    fn meet(&mut self, address: IpAddr, now: Instant) -> &mut Visitor {
        let address = address.to_canonical();
        if self.met.len() >= MAX_VISITORS && !self.met.contains_key(&address) {
            self.met.retain(|_, visitor| !visitor.forgotten(now));
            let quietest = self.met.iter().min_by_key(|(_, visitor)| visitor.heard).map(|(address, _)| *address);
            if let Some(quietest) = quietest.filter(|_| self.met.len() >= MAX_VISITORS) {
                self.met.remove(&quietest);
            }
        }
        let new = Visitor { first: now, heard: now, opened: false, through: false };
        let visitor = self.met.entry(address).or_insert(new);
        if visitor.forgotten(now) {
            *visitor = new;
        }
        visitor.heard = now;
        visitor
    }
}

impl Visitor {
    fn standing(&self, now: Instant) -> Standing {
        let waited = now.saturating_duration_since(self.first) >= PATIENCE;
        if self.through || waited { Standing::Through } else { Standing::Captive }
    }

    fn forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) >= FORGET_AFTER
    }
}

/// Whether an address is of a network around this node, as a phone's on its access point is: a private one, or one of the
/// same IPv6 network as that it came to.
pub(crate) fn near(address: IpAddr, local: Option<SocketAddr>) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || shared
        }
        IpAddr::V6(v6) => {
            let network = |address: IpAddr| match address {
                IpAddr::V6(v6) => Some(v6.octets().first_chunk::<8>().copied()),
                IpAddr::V4(_) => None,
            };
            let neighbour = local.and_then(|local| network(local.ip())) == network(v6.into());
            v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unique_local() || neighbour
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number).into())
    }

    #[test]
    fn a_phone_is_captive_until_its_owner_goes_on() {
        let (mut visitors, now) = (Visitors::default(), Instant::now());
        assert_eq!(visitors.handle_probe(phone(1), System::Other, now), Standing::Captive);
        assert_eq!(visitors.handle_page(phone(1), now), Standing::Captive);
        assert_eq!(
            visitors.handle_probe(phone(1), System::Other, now),
            Standing::Captive,
            "else the sheet would close"
        );
        visitors.handle_continue(phone(1), now);
        assert_eq!(visitors.handle_probe(phone(1), System::Other, now), Standing::Through);
        assert_eq!(visitors.handle_probe(phone(2), System::Other, now), Standing::Captive, "another phone");
    }

    #[test]
    fn apples_sheet_hears_yes_as_soon_as_it_shows_the_page() {
        let (mut visitors, now) = (Visitors::default(), Instant::now());
        assert_eq!(visitors.handle_probe(phone(1), System::Apple, now), Standing::Captive);
        visitors.handle_page(phone(1), now);
        assert_eq!(visitors.handle_probe(phone(1), System::Apple, now), Standing::Through);
    }

    #[test]
    fn who_leaves_the_portal_alone_stays_on_the_network_after_a_while() {
        let (mut visitors, now) = (Visitors::default(), Instant::now());
        visitors.handle_probe(phone(1), System::Other, now);
        let later = now + PATIENCE;
        assert_eq!(visitors.handle_question(phone(1), later - Duration::from_millis(1)), Standing::Captive);
        assert_eq!(visitors.handle_probe(phone(1), System::Other, later), Standing::Through);
    }

    #[test]
    fn a_device_that_was_silent_for_half_a_day_is_a_new_one() {
        let (mut visitors, now) = (Visitors::default(), Instant::now());
        visitors.handle_continue(phone(1), now);
        let heard = now + FORGET_AFTER - Duration::from_secs(1);
        assert_eq!(visitors.handle_probe(phone(1), System::Other, heard), Standing::Through);
        assert_eq!(visitors.handle_probe(phone(1), System::Other, heard + FORGET_AFTER), Standing::Captive);
    }

    #[test]
    fn only_some_are_remembered_and_the_quietest_gives_way() {
        let (mut visitors, now) = (Visitors::default(), Instant::now());
        for number in 0..3_000 {
            visitors.handle_continue(phone(number), now + Duration::from_millis(number.into()));
            assert!(visitors.met.len() <= MAX_VISITORS);
        }
        let later = now + Duration::from_secs(4);
        assert_eq!(visitors.handle_probe(phone(2_999), System::Other, later), Standing::Through);
        assert_eq!(visitors.handle_probe(phone(0), System::Other, later), Standing::Captive);
    }

    #[test]
    fn phones_of_the_access_point_are_near() {
        let local = Some("[2001:db8::1]:80".parse().unwrap());
        let near = |address: &str| near(address.parse().unwrap(), local);
        for address in [
            "10.0.0.7",
            "192.168.1.2",
            "100.64.0.9",
            "::ffff:172.16.0.1",
            "fd00::5",
            "fe80::1",
            "2001:db8::77",
            "127.0.0.1",
        ] {
            assert!(near(address), "{address}");
        }
        for address in ["8.8.8.8", "2001:db8:1::77", "201:5::9", "100.128.0.1"] {
            assert!(!near(address), "{address}");
        }
        assert!(!super::near("2001:db8::77".parse().unwrap(), None));
    }
}
