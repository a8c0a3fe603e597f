//! Which addresses that a datagram speaks of may be dialled. Pure.
//!
//! Anybody on the link can send one, with any text: it must not make this node connect to places of somebody else's
//! choice. So only the sender itself is dialled, and addresses of the private and mesh ranges.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use super::interfaces::{Interfaces, is_link_local};
use crate::address::PeerAddresses;

/// Addresses taken from one datagram, the sender's own included.
const MAX_LISTED: usize = 4;

/// Whether datagrams of this sender are read: it is on a link that discovery uses, or an overlay or a private network
/// brings it here.
pub(super) fn is_neighbour(source: SocketAddr, interfaces: &Interfaces) -> bool {
    if source.ip().is_loopback() {
        return true;
    }
    match interfaces.link_of(source) {
        Some(link) => link.used || link.point_to_point || interfaces.is_own(source.ip()),
        None => is_private_or_mesh(source.ip()) && !is_link_local(source.ip()),
    }
}

/// The addresses to dial, best first: the sender's own, then others of its peer.
pub(super) fn dialable(addresses: &PeerAddresses, source: SocketAddr, interfaces: &Interfaces) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    if let Some(first) = addresses.iter().next() {
        let mut own = source;
        own.set_port(first.port());
        found.push(own);
    }
    for address in addresses.iter() {
        let Some(address) = admit(SocketAddr::new(address.ip(), address.port()), source) else { continue };
        // An address of this host is another node's only where that node is on this host too.
        let ours = interfaces.is_own(address.ip()) && !interfaces.is_own(source.ip());
        if !ours && !found.contains(&address) && found.len() < MAX_LISTED {
            found.push(address);
        }
    }
    found
}

fn admit(address: SocketAddr, source: SocketAddr) -> Option<SocketAddr> {
    match address.ip() {
        ip if ip == source.ip() => Some(SocketAddr::new(ip, address.port())).filter(|_| !is_scoped(ip)),
        ip if ip.is_loopback() => source.ip().is_loopback().then_some(address),
        // Good only on the link where the datagram came from, whatever its writer calls that.
        IpAddr::V6(ip) if is_scoped(ip.into()) => match source {
            SocketAddr::V6(source) if source.scope_id() != 0 => {
                Some(SocketAddrV6::new(ip, address.port(), 0, source.scope_id()).into())
            }
            _ => None,
        },
        ip => is_private_or_mesh(ip).then_some(address),
    }
}

fn is_scoped(ip: IpAddr) -> bool {
    ip.is_ipv6() && is_link_local(ip)
}

/// Addresses that no host of the Internet has: private use (RFC 1918), shared (RFC 6598), link-local, unique local
/// (RFC 4193, where cjdns has `fc00::/8`), and Yggdrasil's `200::/7`.
pub(super) fn is_private_or_mesh(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = Ipv4Addr::new(100, 64, 0, 0).to_bits() >> 22 == ip.to_bits() >> 22;
            ip.is_private() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => {
            let yggdrasil = ip.segments()[0] & 0xfe00 == 0x0200;
            ip.is_unique_local() || ip.is_unicast_link_local() || yggdrasil
        }
    }
}

#[cfg(test)]
mod tests {
    use stream_model::FeedId;

    use super::super::interfaces::{Link, Network};
    use super::*;

    pub(super) fn interfaces() -> Interfaces {
        let network = |ip: &str, prefix| Network { ip: ip.parse().unwrap(), prefix, broadcast: None };
        let link = |name: &str, index, networks, used, point_to_point| Link {
            name: name.to_owned(),
            index,
            networks,
            used,
            point_to_point,
        };
        Interfaces(vec![
            link("lo", 1, vec![network("127.0.0.1", 8), network("::1", 128)], false, false),
            link("eth0", 4, vec![network("192.0.2.2", 24), network("fe80::2", 64)], true, false),
            link("wan0", 5, vec![network("10.9.0.2", 16), network("fe80::3", 64)], false, false),
            link("tun0", 6, vec![network("fc00::2", 8)], true, true),
        ])
    }

    fn from(source: &str, listed: &[&str]) -> Vec<String> {
        let listed = listed.iter().map(|text| text.parse().unwrap());
        let addresses = PeerAddresses::of_listeners(FeedId([7; 32]), listed).unwrap();
        dialable(&addresses, source.parse().unwrap(), &interfaces()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_sender_itself_is_dialled_first_at_the_port_it_names() {
        assert_eq!(from("192.0.2.9:8008", &["192.0.2.9:9009"]), ["192.0.2.9:9009"]);
        assert_eq!(from("192.0.2.9:8008", &["10.1.1.1:9009"]), ["192.0.2.9:9009", "10.1.1.1:9009"]);
        assert_eq!(from("[fe80::9%4]:26830", &["[fe80::9]:8008"]), ["[fe80::9%4]:8008"]);
    }

    #[test]
    fn loopback_and_public_addresses_of_others_are_not_dialled() {
        assert_eq!(
            from("192.0.2.9:8008", &["127.0.0.1:22", "[::1]:22", "8.8.8.8:53", "[2600::1]:80"]),
            ["192.0.2.9:22"]
        );
        assert_eq!(from("192.0.2.9:8008", &["[::ffff:127.0.0.1]:22"]), ["192.0.2.9:22"]);
    }

    #[test]
    fn this_hosts_own_addresses_are_dialled_only_where_the_sender_is_on_this_host() {
        assert_eq!(from("192.0.2.9:8008", &["10.9.0.2:22"]), ["192.0.2.9:22"]);
        assert_eq!(from("192.0.2.2:8008", &["10.9.0.2:9"]), ["192.0.2.2:9", "10.9.0.2:9"]);
        assert_eq!(from("127.0.0.1:8008", &["127.0.0.1:9"]), ["127.0.0.1:9"]);
    }

    #[test]
    fn link_local_addresses_are_of_the_link_that_the_datagram_came_from() {
        assert_eq!(from("192.0.2.9:8008", &["[fe80::9]:8008"]), ["192.0.2.9:8008"]);
        let listed = ["[fe80::9]:8008", "[fe80::a]:8008", "[fc00::9]:8008"];
        assert_eq!(from("[fe80::9%4]:26830", &listed), ["[fe80::9%4]:8008", "[fe80::a%4]:8008", "[fc00::9]:8008"]);
    }

    #[test]
    fn the_number_taken_of_a_datagram_is_bounded() {
        let listed = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1", "10.0.0.5:1"];
        assert_eq!(from("192.0.2.9:8008", &listed).len(), MAX_LISTED);
    }

    #[test]
    fn only_neighbours_are_heard() {
        for (source, heard) in [
            ("127.0.0.1:8008", true),
            ("192.0.2.9:8008", true),
            ("192.0.3.9:8008", false),
            ("10.9.1.1:8008", false),
            ("10.9.0.2:8008", true),
            ("10.1.1.1:8008", true),
            ("8.8.8.8:8008", false),
            ("[fe80::9%4]:26830", true),
            ("[fe80::9%5]:26830", false),
            ("[fc12::9]:26830", true),
            ("[201:abcd::9]:26830", true),
            ("[2600::9]:26830", false),
        ] {
            assert_eq!(is_neighbour(source.parse().unwrap(), &interfaces()), heard, "{source}");
        }
    }
}
