//! Addresses of other nodes' HTTP listeners, as `mesh.peers` holds them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Where nodes listen when nothing else is said: our own default, then the web's.
const DEFAULT_PORTS: [u16; 2] = [8080, 80];
/// Longest name of a network interface on Linux (`IFNAMSIZ` without its final zero).
const MAX_ZONE: usize = 15;

/// A text that is not the address of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a node's address: expected an ip address with or without a port, such as [fc12::1]:8080 or 10.0.0.2"
)]
pub struct AddressError(String);

/// The address of a node's HTTP listener: `10.0.0.2`, `10.0.0.2:8080`, `fc12::1`, `[fc12::1]:8080`,
/// `[fe80::1%eth0]:8080`. An address, never a name: there is no DNS on the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerAddress {
    ip: IpAddr,
    /// Interface of a link-local address (RFC 4007 §11).
    zone: Option<String>,
    port: Option<u16>,
}

impl PeerAddress {
    /// A node at this IP address, at the ports where nodes listen.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let zone = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id().to_string()),
            _ => None,
        };
        Self { ip: address.ip(), zone, port: None }
    }

    /// A node at this IP address and port; `None` for port 0.
    pub(crate) fn at_port(ip: IpAddr, port: u16) -> Option<Self> {
        (port != 0).then_some(Self { ip, zone: None, port: Some(port) })
    }

    /// A node at this IP address and port, on the link of its zone; `None` for port 0.
    pub(crate) fn at_place(place: SocketAddr) -> Option<Self> {
        (place.port() != 0).then(|| Self { port: Some(place.port()), ..Self::at(place) })
    }

    /// Its IP address.
    pub(crate) fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The ports to try, in order.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.port.map_or_else(|| DEFAULT_PORTS.to_vec(), |port| vec![port])
    }

    /// Whether it needs an interface to be reached; multiaddrs of libp2p's TCP cannot name one.
    pub(crate) fn has_zone(&self) -> bool {
        self.zone.is_some()
    }

    /// A socket address; a zone is looked up among the interfaces there are now.
    pub(crate) async fn resolve(&self, port: u16) -> std::io::Result<SocketAddr> {
        let Some(zone) = &self.zone else { return Ok(SocketAddr::new(self.ip, port)) };
        // A numeric host: the system's resolver turns the zone into its index and asks no server.
        let host = format!("{}%{zone}", self.ip);
        let not_found = || std::io::Error::new(std::io::ErrorKind::NotFound, format!("no interface {zone}"));
        tokio::net::lookup_host((host.as_str(), port)).await.map_err(|_| not_found())?.next().ok_or_else(not_found)
    }
}

impl FromStr for PeerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.chars().take(100).collect());
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(error)?;
                let port = match rest {
                    "" => None,
                    _ => Some(rest.strip_prefix(':').ok_or_else(error)?),
                };
                (host, port)
            }
            // More than one colon and no bracket: an IPv6 address alone.
            None if text.matches(':').count() == 1 => text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p))),
            None => (text, None),
        };
        let (ip, zone) = host.split_once('%').map_or((host, None), |(ip, zone)| (ip, Some(zone)));
        let ip: IpAddr = ip.parse().map_err(|_| error())?;
        let plain = |zone: &str| {
            (1..=MAX_ZONE).contains(&zone.len())
                && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b))
        };
        if zone.is_some_and(|zone| !ip.is_ipv6() || !plain(zone)) || (text.starts_with('[') && ip.is_ipv4()) {
            return Err(error());
        }
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port != 0 => Some(port),
            Some(_) => return Err(error()),
        };
        Ok(Self { ip, zone: zone.map(str::to_owned), port })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.as_ref().map(|zone| format!("%{zone}")).unwrap_or_default();
        match (self.ip, self.port) {
            (IpAddr::V6(ip), Some(port)) => write!(f, "[{ip}{zone}]:{port}"),
            (ip, Some(port)) => write!(f, "{ip}:{port}"),
            (ip, None) => write!(f, "{ip}{zone}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        for (text, written, ports) in [
            ("10.0.0.2", "10.0.0.2", vec![8080, 80]),
            ("10.0.0.2:81", "10.0.0.2:81", vec![81]),
            ("fc12::1", "fc12::1", vec![8080, 80]),
            ("[fc12::1]", "fc12::1", vec![8080, 80]),
            ("[fc12::1]:81", "[fc12::1]:81", vec![81]),
            ("fe80::1%eth0", "fe80::1%eth0", vec![8080, 80]),
            ("[fe80::1%eth0]:81", "[fe80::1%eth0]:81", vec![81]),
        ] {
            let address: PeerAddress = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.ports()), (written, ports));
        }
    }

    #[test]
    fn names_and_half_addresses_are_refused() {
        for text in [
            "",
            "node.local",
            "node:80",
            "10.0.0.2:",
            "10.0.0.2:0",
            "10.0.0.2:70000",
            "[fc12::1",
            "[fc12::1]x",
            "[fc12::1]:",
            "[10.0.0.2]:80",
            "10.0.0.2%eth0",
            "fe80::1%",
            "fe80::1%../x",
            "http://10.0.0.2/",
        ] {
            assert!(text.parse::<PeerAddress>().is_err(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_zone_becomes_the_index_of_its_interface() {
        let address: PeerAddress = "fe80::1%lo".parse().unwrap();
        assert!(matches!(address.resolve(80).await.unwrap(), SocketAddr::V6(v6) if v6.scope_id() == 1));
        let missing: PeerAddress = "fe80::1%nothere0".parse().unwrap();
        assert!(missing.resolve(80).await.unwrap_err().to_string().contains("nothere0"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            if let Ok(address) = text.parse::<PeerAddress>() {
                prop_assert_eq!(address.to_string().parse::<PeerAddress>(), Ok(address));
            }
        }
    }
}
