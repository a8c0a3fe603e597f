//! The network interfaces of this host, and which of them discovery uses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use if_addrs::{IfAddr, IfOperStatus};

/// An address of an interface with the network it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) ip: IpAddr,
    pub(super) prefix: u8,
    /// Where IPv4 datagrams to the whole network go.
    pub(super) broadcast: Option<Ipv4Addr>,
}

impl Network {
    fn contains(&self, ip: IpAddr) -> bool {
        common_prefix(self.ip, ip).is_some_and(|bits| bits >= u32::from(self.prefix))
    }
}

/// How many leading bits two addresses of one family share.
pub(super) fn common_prefix(a: IpAddr, b: IpAddr) -> Option<u32> {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        _ => None,
    }
}

/// Whether an address is good on one link only (RFC 4291 §2.5.6, RFC 3927).
pub(super) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// One interface that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) networks: Vec<Network>,
    /// Whether discovery speaks and listens on it.
    pub(super) used: bool,
    /// A tunnel: it carries no broadcast.
    pub(super) point_to_point: bool,
}

/// All interfaces that are up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Interfaces(pub(super) Vec<Link>);

impl Interfaces {
    /// Asks the system. `names` are the interfaces to use; without any, all but loopback.
    pub(super) fn read(names: &[String]) -> io::Result<Self> {
        let mut links: Vec<Link> = Vec::new();
        for interface in if_addrs::get_if_addrs()? {
            let (Some(index), IfOperStatus::Up | IfOperStatus::Unknown) = (interface.index, &interface.oper_status)
            else {
                continue;
            };
            let network = network(&interface.addr);
            let link = match links.iter_mut().find(|link| link.index == index) {
                Some(link) => link,
                None => {
                    let used =
                        if names.is_empty() { !network.ip.is_loopback() } else { names.contains(&interface.name) };
                    let (name, point_to_point) = (interface.name, interface.is_p2p);
                    links.push(Link { name, index, networks: Vec::new(), used, point_to_point });
                    let last = links.len() - 1;
                    &mut links[last]
                }
            };
            link.networks.push(network);
        }
        links.sort_by_key(|link| link.index);
        Ok(Self(links))
    }

    /// Those that discovery uses.
    pub(super) fn used(&self) -> impl Iterator<Item = &Link> {
        self.0.iter().filter(|link| link.used)
    }

    /// The index of an interface.
    pub(super) fn index_of(&self, name: &str) -> Option<u32> {
        self.0.iter().find(|link| link.name == name).map(|link| link.index)
    }

    /// The interface on which a neighbour is directly reached.
    pub(super) fn link_of(&self, neighbour: SocketAddr) -> Option<&Link> {
        match neighbour {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => self.0.iter().find(|link| link.index == v6.scope_id()),
            _ => self.0.iter().find(|link| link.networks.iter().any(|network| network.contains(neighbour.ip()))),
        }
    }

    /// Whether an address is one of this host's.
    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        self.0.iter().flat_map(|link| &link.networks).any(|network| network.ip == ip)
    }
}

fn network(address: &IfAddr) -> Network {
    match address {
        IfAddr::V4(v4) => {
            // The loopback interface has a broadcast address that the system does not tell.
            let whole = Ipv4Addr::from_bits(v4.ip.to_bits() | !v4.netmask.to_bits());
            let broadcast = if v4.ip.is_loopback() { Some(whole) } else { v4.broadcast };
            Network { ip: v4.ip.into(), prefix: v4.prefixlen, broadcast: broadcast.filter(|to| *to != v4.ip) }
        }
        IfAddr::V6(v6) => Network { ip: v6.ip.into(), prefix: v6.prefixlen, broadcast: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_loopback_interface_that_is_used_only_when_named() {
        let all = Interfaces::read(&[]).unwrap();
        let lo = all.0.iter().find(|link| link.networks.iter().any(|network| network.ip.is_loopback())).unwrap();
        assert!(!lo.used);
        assert_eq!(all.index_of(&lo.name), Some(lo.index));
        assert!(all.is_own(Ipv4Addr::LOCALHOST.into()));
        let named = Interfaces::read(std::slice::from_ref(&lo.name)).unwrap();
        let used: Vec<&str> = named.used().map(|link| link.name.as_str()).collect();
        assert_eq!(used, [&lo.name]);
        let v4 = named.used().flat_map(|link| &link.networks).find(|network| network.ip.is_ipv4()).unwrap();
        assert_eq!(v4.broadcast, Some(Ipv4Addr::new(127, 255, 255, 255)));
    }

    #[test]
    fn a_network_contains_its_addresses() {
        let network = |ip: &str, prefix| Network { ip: ip.parse().unwrap(), prefix, broadcast: None };
        for (network, ip, contained) in [
            (network("10.0.0.1", 24), "10.0.0.255", true),
            (network("10.0.0.1", 24), "10.0.1.0", false),
            (network("10.0.0.1", 0), "192.168.0.1", true),
            (network("10.0.0.1", 24), "::1", false),
            (network("fd00::1", 64), "fd00::ffff:1", true),
            (network("fd00::1", 64), "fd00:0:0:1::1", false),
        ] {
            assert_eq!(network.contains(ip.parse().unwrap()), contained, "{network:?} {ip}");
        }
    }
}
