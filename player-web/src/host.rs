//! Whom a request means: the name in its target or its `Host`, and whether that is one of this node's own. Pure.
//!
//! An address is always the node's own: a page of another site cannot have one as its origin. Any other name may be
//! led here by somebody's DNS, an access point's or an attacker's (DNS rebinding), so it counts only where the owner
//! has named it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::uri::Authority as Target;
use axum::http::{HeaderMap, Uri, Version, header};

/// Most characters of a host name (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// The name that community networks give the node of an access point; LibreMesh made it common.
pub const THIS_NODE: &str = "thisnode.info";

/// A host and perhaps a port, as in `Host` (RFC 9110 §7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) name: Name,
    /// `None` for the port of the scheme.
    pub(crate) port: Option<u16>,
}

/// What stands before the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Address(IpAddr),
    /// In lower case, without a final dot.
    Domain(String),
}

/// Why it cannot be told whom a request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHost {
    #[error("the request has no Host: HTTP/1.1 asks for one")]
    Missing,
    #[error("the request has more than one Host: send one")]
    Several,
    #[error("the Host is no address or name with perhaps a port: send one such as 10.0.0.1:8080")]
    Malformed,
}

/// Whom a request means; `None` where it says nothing of that, as HTTP/1.0 may. A target in absolute form goes before
/// `Host` (RFC 9112 §3.2.2), which has to be there all the same (§3.2).
pub(crate) fn read(version: Version, target: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, BadHost> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(BadHost::Several),
        (None, None) if version >= Version::HTTP_11 => return Err(BadHost::Missing),
        (None, None) => None,
        (Some(host), None) => Authority::parse(host.to_str().map_err(|_| BadHost::Malformed)?)?,
    };
    match target.authority() {
        Some(authority) => Authority::parse(authority.as_str()),
        None => Ok(host),
    }
}

impl Authority {
    /// `None` for the empty text, which a client without a host to name sends.
    fn parse(text: &str) -> Result<Option<Self>, BadHost> {
        if text.is_empty() {
            return Ok(None);
        }
        let target: Target = text.parse().map_err(|_| BadHost::Malformed)?;
        if text.contains('@') {
            return Err(BadHost::Malformed);
        }
        let rest = text.strip_prefix(target.host()).ok_or(BadHost::Malformed)?;
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            // An empty port is the scheme's (RFC 3986 §3.2.3).
            Some("") => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().map_err(|_| BadHost::Malformed)?)
            }
            _ => return Err(BadHost::Malformed),
        };
        Ok(Some(Self { name: Name::parse(target.host())?, port }))
    }
}

impl Name {
    fn parse(host: &str) -> Result<Self, BadHost> {
        if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(BadHost::Malformed)?;
            // A zone means something to its sender only (RFC 6874).
            let address = inner.split('%').next().unwrap_or(inner);
            return address.parse().map(|v6: Ipv6Addr| Self::Address(v6.into())).map_err(|_| BadHost::Malformed);
        }
        if let Ok(v4) = host.parse() {
            return Ok(Self::Address(IpAddr::V4(v4)));
        }
        normal(host).map(Self::Domain).ok_or(BadHost::Malformed)
    }
}

/// A name as it is compared: in lower case, without a final dot; `None` for what is none.
pub(crate) fn normal(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = !name.is_empty() && name.len() <= MAX_NAME;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    (fits && plain && !name.split('.').any(str::is_empty)).then(|| name.to_ascii_lowercase())
}

/// Whether a text is the name of a host, without a port.
pub fn is_host_name(text: &str) -> bool {
    normal(text).is_some()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
            Self::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Domain(domain) => f.write_str(domain),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// The names of this node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// The one that visitors are sent to.
    first: Option<String>,
    own: BTreeSet<String>,
}

impl Names {
    /// `configured` are the owner's, the first of them for visitors; `others` those that the node has besides.
    pub(crate) fn new(configured: &[String], others: &[String]) -> Self {
        let own =
            configured.iter().chain(others).filter_map(|name| normal(name)).chain([THIS_NODE.to_owned()]).collect();
        Self { first: configured.first().and_then(|name| normal(name)), own }
    }

    /// Whether that is this node. A name of the link (`.local`) is so also with a number, which it gets where another
    /// host has it (RFC 6762 §9).
    pub(crate) fn own(&self, name: &Name) -> bool {
        match name {
            Name::Address(_) => true,
            Name::Domain(domain) => {
                domain == "localhost"
                    || domain.ends_with(".localhost")
                    || self.own.contains(domain)
                    || self.numbered(domain)
            }
        }
    }

    fn numbered(&self, domain: &str) -> bool {
        let Some((stem, number)) = domain.strip_suffix(".local").and_then(|label| label.rsplit_once('-')) else {
            return false;
        };
        let digits = !number.is_empty() && number.len() <= 3 && number.bytes().all(|byte| byte.is_ascii_digit());
        digits && self.own.contains(&format!("{stem}.local"))
    }

    /// Where a visitor who came by a name of somebody else's finds this node: under its first name or the address that
    /// the connection came to, at the port that led here.
    pub(crate) fn instead(&self, foreign: &Authority, local: Option<SocketAddr>) -> Authority {
        let by_name = self.first.clone().map(Name::Domain);
        let by_address = local.map(|local| Name::Address(local.ip().to_canonical()));
        let name = by_name.or(by_address).unwrap_or_else(|| Name::Domain(THIS_NODE.to_owned()));
        Authority { name, port: foreign.port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn with(hosts: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        headers
    }

    fn meant(target: &str, hosts: &[&str]) -> Result<Option<String>, BadHost> {
        let read = read(Version::HTTP_11, &target.parse().unwrap(), &with(hosts))?;
        Ok(read.map(|authority| authority.to_string()))
    }

    #[track_caller]
    fn check(host: &str, expected: Result<&str, BadHost>) {
        assert_eq!(meant("/", &[host]), expected.map(|text| Some(text.to_owned())), "{host}");
    }

    #[test]
    fn hosts_are_read_as_rfc_9110_says() {
        check("10.0.0.1", Ok("10.0.0.1"));
        check("10.0.0.1:8080", Ok("10.0.0.1:8080"));
        check("[fc00::1]:80", Ok("[fc00::1]:80"));
        check("[fe80::1%25eth0]", Ok("[fe80::1]"));
        check("ThisNode.Info.", Ok("thisnode.info"));
        check("node:", Ok("node"));
        check("my_node-2.local:1", Ok("my_node-2.local:1"));
        for malformed in [
            "a b",
            "user@node",
            "node:99999",
            "node:-1",
            "node:+1",
            "node:8o",
            "[fc00::1",
            "fc00::1",
            "[x]",
            "a/b",
            "a?b",
            "a#b",
            "..",
            "a..b",
            "ä",
            "<x>",
            "a\"",
            "a,b",
            "a;b",
            "a:1:2",
            &"a".repeat(254),
        ] {
            check(malformed, Err(BadHost::Malformed));
        }
        assert_eq!(meant("/", &[""]), Ok(None));
        assert_eq!(meant("/", &[]), Err(BadHost::Missing));
        assert_eq!(meant("/", &["a", "a"]), Err(BadHost::Several));
        assert_eq!(read(Version::HTTP_10, &"/".parse().unwrap(), &HeaderMap::new()), Ok(None));
    }

    #[test]
    fn a_name_is_written_without_the_port() {
        for (host, name) in [
            ("node.local:8080", "node.local"),
            ("10.0.0.1", "10.0.0.1"),
            ("[fc00::1]:80", "[fc00::1]"),
            ("[fc00::1]", "[fc00::1]"),
        ] {
            assert_eq!(Authority::parse(host).unwrap().unwrap().name.to_string(), name);
        }
    }

    #[test]
    fn a_target_in_absolute_form_goes_before_the_host() {
        assert_eq!(meant("http://a.example:81/x", &["node"]), Ok(Some("a.example:81".to_owned())));
        assert_eq!(meant("http://a.example/", &[]), Err(BadHost::Missing));
        assert_eq!(meant("http://u@a.example/", &["node"]), Err(BadHost::Malformed));
    }

    #[test]
    fn addresses_and_named_names_are_the_nodes_own() {
        let names = Names::new(&["Video.mesh".to_owned()], &["roof.local".to_owned()]);
        let own = |host: &str| names.own(&Authority::parse(host).unwrap().unwrap().name);
        for host in [
            "10.0.0.1",
            "8.8.8.8",
            "[::1]:80",
            "localhost",
            "x.localhost",
            "thisnode.info",
            "VIDEO.mesh.",
            "roof.local",
            "roof-2.local",
        ] {
            assert!(own(host), "{host}");
        }
        for host in [
            "evil.example",
            "thisnode.info.evil.example",
            "roof",
            "roof-x.local",
            "roof-.local",
            "roof-1234.local",
            "roof2.local",
            "10.0.0.1.evil.example",
            "0x7f.1",
            "127.1",
        ] {
            assert!(!own(host), "{host}");
        }
    }

    #[test]
    fn who_comes_by_a_foreign_name_is_led_to_the_first_name_or_the_address() {
        let foreign = Authority { name: Name::Domain("example.com".into()), port: Some(8080) };
        let local = Some("[::ffff:10.0.0.1]:9000".parse().unwrap());
        let named = Names::new(&["video.mesh".to_owned()], &[]);
        assert_eq!(named.instead(&foreign, local).to_string(), "video.mesh:8080");
        assert_eq!(Names::default().instead(&foreign, local).to_string(), "10.0.0.1:8080");
        assert_eq!(Names::default().instead(&foreign, None).to_string(), "thisnode.info:8080");
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back_and_fits_a_header(host in "[a-zA-Z0-9.\\[\\]:%_@ -]{0,40}|.{0,20}") {
            if let Ok(Some(authority)) = Authority::parse(&host) {
                let text = authority.to_string();
                prop_assert!(HeaderValue::try_from(&text).is_ok() && !text.contains([' ', ';', ',', '"', '\'']));
                prop_assert_eq!(Authority::parse(&text), Ok(Some(authority)));
            }
        }
    }
}
