//! What this node says of itself, and where to. Pure.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use stream_model::FeedId;

use super::interfaces::{Interfaces, Link, common_prefix, is_link_local};
use crate::address::PeerAddresses;

/// Where nodes are told over IPv6: a transient, link-local group (RFC 4291 §2.7) whose number is in the range for groups
/// chosen without an authority (RFC 3307 §4.3).
pub(super) const GROUP: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0x8008, 0x6d73);
/// Addresses in one announcement over IPv6: link-local, IPv4, and one or two of larger scope.
const MAX_LISTED: usize = 4;

/// Which form goes to which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Sealed,
}

/// The UDP ports of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// `None` where the plain form is not spoken.
    pub(super) plain: Option<u16>,
    pub(super) sealed: u16,
}

/// One datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) form: Form,
    pub(super) to: SocketAddr,
    pub(super) addresses: PeerAddresses,
}

/// The announcements of a node whose SSB listener is at `listen`: on each link that is used, and to each neighbour.
pub(super) fn announcements(
    feed: FeedId,
    listen: SocketAddr,
    interfaces: &Interfaces,
    neighbours: &[SocketAddr],
    ports: Ports,
) -> Vec<Announcement> {
    let mut all = Vec::new();
    for link in interfaces.used().filter(|link| !link.point_to_point) {
        for network in &link.networks {
            let Some(broadcast) = network.broadcast.filter(|_| covers(listen, network.ip)) else { continue };
            // JavaScript takes a datagram for one address.
            let listener = [SocketAddr::new(network.ip, listen.port())];
            all.extend(both_forms(feed, listener, SocketAddr::new(broadcast.into(), 0), ports));
        }
        all.extend(multicast(feed, listen, link, ports));
    }
    for neighbour in neighbours {
        if let Some(own) = nearest(listen, interfaces, neighbour.ip()) {
            all.extend(both_forms(feed, [SocketAddr::new(own, listen.port())], *neighbour, ports));
        }
    }
    all
}

fn multicast(feed: FeedId, listen: SocketAddr, link: &Link, ports: Ports) -> Option<Announcement> {
    let ips = link.networks.iter().map(|network| network.ip).filter(|ip| covers(listen, *ip));
    let (near, far): (Vec<IpAddr>, Vec<IpAddr>) = ips.partition(|ip| ip.is_ipv6() && is_link_local(*ip));
    // Only a link-local address can speak to a link-local group.
    let near = near.first()?;
    let listeners = far.into_iter().take(MAX_LISTED - 1).chain([*near]).map(|ip| SocketAddr::new(ip, listen.port()));
    let to = SocketAddrV6::new(GROUP, ports.sealed, 0, link.index).into();
    Some(Announcement { form: Form::Sealed, to, addresses: PeerAddresses::of_listeners(feed, listeners)? })
}

/// The sealed form, and over IPv4, where JavaScript listens, the plain one too. A port of the receiver's own choice
/// gets the sealed form alone.
fn both_forms(
    feed: FeedId,
    listeners: impl IntoIterator<Item = SocketAddr>,
    to: SocketAddr,
    ports: Ports,
) -> Vec<Announcement> {
    let Some(addresses) = PeerAddresses::of_listeners(feed, listeners) else { return Vec::new() };
    let at = |port| {
        let mut to = to;
        to.set_port(port);
        to
    };
    let announcement = |form, to| Announcement { form, to, addresses: addresses.clone() };
    match (to.port(), ports.plain) {
        (0, Some(plain)) if to.is_ipv4() => {
            vec![announcement(Form::Plain, at(plain)), announcement(Form::Sealed, at(ports.sealed))]
        }
        (0, _) => vec![announcement(Form::Sealed, at(ports.sealed))],
        (_, _) => vec![announcement(Form::Sealed, to)],
    }
}

/// Whether a listener takes connections to an address of this host.
pub(super) fn covers(listen: SocketAddr, ip: IpAddr) -> bool {
    match listen.ip() {
        IpAddr::V6(all) if all.is_unspecified() => true,
        IpAddr::V4(all) if all.is_unspecified() => ip.is_ipv4(),
        one => one == ip,
    }
}

/// This host's address that a neighbour is likeliest to reach: the one in its network, or in its overlay.
fn nearest(listen: SocketAddr, interfaces: &Interfaces, neighbour: IpAddr) -> Option<IpAddr> {
    let all = interfaces.0.iter().flat_map(|link| &link.networks).map(|network| network.ip);
    let fit = all.filter(|ip| covers(listen, *ip) && ip.is_loopback() == neighbour.is_loopback());
    fit.filter_map(|ip| Some((common_prefix(ip, neighbour)?, ip))).max_by_key(|(bits, _)| *bits).map(|(_, ip)| ip)
}

#[cfg(test)]
mod tests {
    use super::super::interfaces::Network;
    use super::*;

    const PORTS: Ports = Ports { plain: Some(8008), sealed: 26830 };

    fn interfaces() -> Interfaces {
        let network = |ip: &str, prefix, broadcast: Option<&str>| Network {
            ip: ip.parse().unwrap(),
            prefix,
            broadcast: broadcast.map(|ip| ip.parse().unwrap()),
        };
        let link = |name: &str, index, networks, used, point_to_point| Link {
            name: name.to_owned(),
            index,
            networks,
            used,
            point_to_point,
        };
        let eth0 = vec![
            network("10.0.0.2", 24, Some("10.0.0.255")),
            network("fe80::2", 64, None),
            network("fd00::2", 64, None),
        ];
        Interfaces(vec![
            link("lo", 1, vec![network("127.0.0.1", 8, Some("127.255.255.255"))], false, false),
            link("eth0", 4, eth0, true, false),
            link("wan0", 5, vec![network("198.51.100.2", 24, Some("198.51.100.255"))], false, false),
            link("tun0", 6, vec![network("fc00::2", 8, None), network("fe80::5", 64, None)], true, true),
        ])
    }

    fn said(listen: &str, neighbours: &[&str], ports: Ports) -> Vec<String> {
        let neighbours: Vec<SocketAddr> = neighbours.iter().map(|text| text.parse().unwrap()).collect();
        let all = announcements(FeedId([7; 32]), listen.parse().unwrap(), &interfaces(), &neighbours, ports);
        let key = format!("~shs:{}", FeedId([7; 32]).to_string().replace('@', "").replace(".ed25519", ""));
        let one = |a: Announcement| format!("{:?} {} {}", a.form, a.to, a.addresses.to_string().replace(&key, ""));
        all.into_iter().map(one).collect()
    }

    #[test]
    fn each_link_that_is_used_is_told_what_is_reachable_on_it() {
        let expected = [
            "Plain 10.0.0.255:8008 net:10.0.0.2:9",
            "Sealed 10.0.0.255:26830 net:10.0.0.2:9",
            "Sealed [ff12::8008:6d73%4]:26830 net:10.0.0.2:9;net:fd00::2:9;net:fe80::2:9",
        ];
        assert_eq!(said("[::]:9", &[], PORTS), expected);
    }

    #[test]
    fn a_listener_on_one_address_is_announced_where_that_is() {
        let v4 = ["Plain 10.0.0.255:8008 net:10.0.0.2:9", "Sealed 10.0.0.255:26830 net:10.0.0.2:9"];
        assert_eq!(said("0.0.0.0:9", &[], PORTS), v4);
        assert_eq!(said("10.0.0.2:9", &[], PORTS), v4);
        assert_eq!(said("[fe80::2%4]:9", &[], PORTS), ["Sealed [ff12::8008:6d73%4]:26830 net:fe80::2:9"]);
        assert_eq!(said("127.0.0.1:9", &[], PORTS), [""; 0]);
    }

    #[test]
    fn a_private_community_says_nothing_in_the_clear() {
        let private = Ports { plain: None, ..PORTS };
        assert!(said("[::]:9", &["10.0.0.9:0"], private).iter().all(|line| line.starts_with("Sealed")));
    }

    #[test]
    fn a_neighbour_is_told_the_address_next_to_its_own() {
        let sent = said("[::]:9", &["[fc12::9]:0", "10.0.0.9:0", "10.0.0.9:777", "127.0.0.1:5"], PORTS);
        let expected = [
            "Sealed [fc12::9]:26830 net:fc00::2:9",
            "Plain 10.0.0.9:8008 net:10.0.0.2:9",
            "Sealed 10.0.0.9:26830 net:10.0.0.2:9",
            "Sealed 10.0.0.9:777 net:10.0.0.2:9",
            "Sealed 127.0.0.1:5 net:127.0.0.1:9",
        ];
        assert_eq!(sent[3..], expected);
    }
}
