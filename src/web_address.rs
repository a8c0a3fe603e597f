//! Where people reach this node's pages, as it is written in posts.

use std::net::{IpAddr, SocketAddr};

use ssb_announcer::social::WebAddresses;

/// The ports that browsers take when an address names none.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

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

/// Where browsers reach the pages over HTTPS.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SecureAddresses {
    /// The best first.
    pub(crate) urls: Vec<String>,
    /// Whether the certificate is for these, so that browsers do not warn.
    pub(crate) covered: bool,
}

/// The names and addresses by which `covered` says that a certificate is for; where there are none, the addresses all the same.
pub(crate) fn secure_addresses(
    listen: SocketAddr,
    names: Vec<String>,
    covered: impl FnOnce(Vec<String>) -> Vec<String>,
) -> SecureAddresses {
    let addresses = if listen.ip().is_unspecified() {
        near(if_addrs::get_if_addrs().unwrap_or_default().iter().map(|interface| interface.ip()).collect())
    } else {
        vec![listen.ip()]
    };
    let hosts = || addresses.iter().map(|address| address.to_canonical().to_string());
    let found = covered(names.into_iter().chain(hosts()).chain([LOCALHOST.to_owned()]).collect());
    let covered = !found.is_empty();
    let found = if covered { found } else { hosts().chain([LOCALHOST.to_owned()]).collect() };
    SecureAddresses { urls: found.iter().map(|host| secure_url(host, listen.port())).collect(), covered }
}

/// By which browsers of this machine reach it.
const LOCALHOST: &str = "localhost";

fn secure_url(host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == HTTPS_PORT { format!("https://{host}") } else { format!("https://{host}:{port}") }
}

/// Most addresses that are shown to a person.
const MAX_SHOWN: usize = 4;

fn around(addresses: Vec<IpAddr>, port: u16) -> Vec<String> {
    near(addresses).into_iter().map(|address| url(address, port) + "/").collect()
}

/// Those that others can use, the nearest networks first.
fn near(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    // Overlays, which rank first for those far away, come last.
    let near = |address: IpAddr| rank(address).map(|rank| (if rank == 0 { u8::MAX } else { rank }, address));
    let mut ranked: Vec<_> = addresses.into_iter().filter_map(near).collect();
    ranked.sort();
    ranked.dedup();
    ranked.into_iter().map(|(_, address)| address).collect()
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

    #[test]
    fn https_is_reached_by_what_the_certificate_is_for() {
        let at = |listen: &str, named: &[&str]| {
            let names = ["video.mesh", "roof.local"].map(str::to_owned).to_vec();
            let covered = |hosts: Vec<String>| hosts.into_iter().filter(|host| named.contains(&&**host)).collect();
            let SecureAddresses { urls, covered } = secure_addresses(listen.parse().unwrap(), names, covered);
            (urls, covered)
        };
        let expect = |urls: &[&str], covered| (urls.iter().map(|url| (*url).to_owned()).collect(), covered);
        let (two, one) = (["roof.local", "fc12::1"], ["video.mesh"]);
        assert_eq!(at("[fc12::1]:8443", &two), expect(&["https://roof.local:8443", "https://[fc12::1]:8443"], true));
        assert_eq!(at("10.0.0.5:443", &one), expect(&["https://video.mesh"], true));
        assert_eq!(at("10.0.0.5:443", &[]), expect(&["https://10.0.0.5", "https://localhost"], false));
        assert!(at("[::]:8443", &["localhost"]).0.contains(&"https://localhost:8443".to_owned()));
    }
}
