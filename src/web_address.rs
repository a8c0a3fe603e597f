//! Where people reach this node's pages, as it is written in posts.

use std::net::{IpAddr, SocketAddr};

use ssb_announcer::social::WebAddresses;

/// The port that browsers take when an address names none.
const HTTP_PORT: u16 = 80;

/// The addresses at which a listener is reached: `public_url` where the owner has set it, else the address listened on, else
/// those that the machine has at the time.
pub(crate) fn web_addresses(listen: SocketAddr, public_url: &str) -> WebAddresses {
    if !public_url.is_empty() {
        let url = public_url.to_owned();
        return WebAddresses::new(move || vec![url.clone()]);
    }
    if !listen.ip().is_unspecified() {
        return WebAddresses::new(move || vec![url(listen.ip(), listen.port())]);
    }
    WebAddresses::new(move || {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
            tracing::warn!(%error, "the machine's addresses are not known");
            Vec::new()
        });
        urls(interfaces.iter().map(|interface| interface.ip()).collect(), listen.port())
    })
}

/// The same for people around, who come by the networks of this machine: their addresses come first, IPv4 before IPv6.
pub(crate) fn page_addresses(listen: SocketAddr, public_url: &str) -> Vec<String> {
    if !public_url.is_empty() {
        return vec![public_url.to_owned()];
    }
    if !listen.ip().is_unspecified() {
        return vec![url(listen.ip(), listen.port()) + "/"];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut urls = around(interfaces.iter().map(|interface| interface.ip()).collect(), listen.port());
    urls.truncate(MAX_SHOWN);
    urls
}

/// Most addresses that are shown to a person.
const MAX_SHOWN: usize = 4;

fn around(addresses: Vec<IpAddr>, port: u16) -> Vec<String> {
    // Overlays, which rank first for those far away, come last.
    let near = |address: IpAddr| rank(address).map(|rank| (if rank == 0 { u8::MAX } else { rank }, address));
    let mut ranked: Vec<_> = addresses.into_iter().filter_map(near).collect();
    ranked.sort();
    ranked.dedup();
    ranked.into_iter().map(|(_, address)| url(address, port) + "/").collect()
}

/// Those that others can use, the ones that reach farthest first: of an overlay, then of a network around.
fn urls(addresses: Vec<IpAddr>, port: u16) -> Vec<String> {
    let mut ranked: Vec<_> = addresses.into_iter().filter_map(|address| Some((rank(address)?, address))).collect();
    ranked.sort();
    ranked.dedup();
    ranked.into_iter().map(|(_, address)| url(address, port)).collect()
}

/// `None` for addresses that mean something only on this machine or this link.
fn rank(address: IpAddr) -> Option<u8> {
    match address.to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() => None,
        IpAddr::V4(_) => Some(1),
        IpAddr::V6(v6) if v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified() => None,
        // cjdns gives addresses in fc00::/8, Yggdrasil in 200::/7.
        IpAddr::V6(v6) if v6.octets()[0] == 0xfc || v6.octets()[0] & 0xfe == 0x02 => Some(0),
        IpAddr::V6(_) => Some(2),
    }
}

fn url(address: IpAddr, port: u16) -> String {
    if port == HTTP_PORT {
        return match address.to_canonical() {
            IpAddr::V4(v4) => format!("http://{v4}"),
            IpAddr::V6(v6) => format!("http://[{v6}]"),
        };
    }
    format!("http://{}", SocketAddr::new(address.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlays_come_first_and_what_means_something_only_here_is_left_out() {
        let addresses =
            ["127.0.0.1", "10.0.0.5", "::1", "fe80::1", "2001:db8::1", "201:5::9", "fc12::1", "169.254.1.1"];
        let found = urls(addresses.iter().map(|text| text.parse().unwrap()).collect(), 8080);
        let expected =
            ["http://[201:5::9]:8080", "http://[fc12::1]:8080", "http://10.0.0.5:8080", "http://[2001:db8::1]:8080"];
        assert_eq!(found, expected);
        let found = around(addresses.iter().map(|text| text.parse().unwrap()).collect(), 80);
        let expected = ["http://10.0.0.5/", "http://[2001:db8::1]/", "http://[201:5::9]/", "http://[fc12::1]/"];
        assert_eq!(found, expected);
        assert_eq!(urls(vec!["fc12::1".parse().unwrap()], 80), ["http://[fc12::1]"]);
    }
}
