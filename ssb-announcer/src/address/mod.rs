//! Multiserver addresses and invites: where a peer is and what its key is, as one line of text. Pure.
//!
//! In: text from packets, configuration files and people. Out: addresses to dial, and the text again. Only IP addresses
//! are understood: there is no DNS on the mesh. The grammar is that of JavaScript's `multiserver-address`:
//! addresses separated by `;`, protocols by `~`, their data by `:`, with `!` before a separator that is meant as such.

mod invite;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stream_model::{FeedId, SsbPeer};

pub use invite::Invite;

/// Longest text that is read: several addresses with room to spare, and within one datagram.
pub const MAX_TEXT: usize = 1024;
/// Most addresses read of one text.
pub const MAX_ADDRESSES: usize = 8;
/// Longest name of a network interface on Linux (`IFNAMSIZ` without its final zero).
const MAX_ZONE: usize = 15;

/// A text that is not the address of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Too much to read.
    #[error("an address has at most {MAX_TEXT} characters")]
    TooLong,
    /// Not in the form of a multiserver address.
    #[error("not a multiserver address: expected for example net:10.0.0.2:8008~shs:KEY, with the peer's key in base64")]
    Malformed,
    /// Well-formed, but nothing that can be dialled.
    #[error(
        "no address in it can be dialled: expected net:IP:PORT~shs:KEY with an ip address (there is no DNS on the mesh)"
    )]
    NothingToDial,
    /// Addresses of several peers.
    #[error("the addresses in it are of different peers")]
    SeveralPeers,
}

/// One address of a peer: TCP with the secret handshake, `net:HOST:PORT~shs:KEY`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NetAddress {
    ip: IpAddr,
    /// Interface of a link-local address, as its writer calls it (RFC 4007 §11).
    zone: Option<String>,
    port: u16,
    feed: FeedId,
}

impl NetAddress {
    /// The address of a peer that listens at `address`. The scope of a link-local address is not written: it means
    /// nothing on another host.
    pub fn new(address: SocketAddr, feed: FeedId) -> Self {
        Self { ip: address.ip(), zone: None, port: address.port(), feed }
    }

    /// Where it listens.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whose it is.
    pub fn feed(&self) -> FeedId {
        self.feed
    }

    /// The address to dial. `interface` gives the index of an interface by its name (or number, as some write it);
    /// `None` where there is no such interface here.
    pub fn resolve(&self, interface: impl Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
        match (self.ip, &self.zone) {
            (IpAddr::V6(ip), Some(zone)) => {
                let index = interface(zone).or_else(|| zone.parse().ok())?;
                Some(SocketAddrV6::new(ip, self.port, 0, index).into())
            }
            (ip, _) => Some(SocketAddr::new(ip, self.port)),
        }
    }
}

impl fmt::Display for NetAddress {
    /// As JavaScript writes it: IPv6 without brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:{}", self.ip)?;
        if let Some(zone) = &self.zone {
            write!(f, "%{zone}")?;
        }
        write!(f, ":{}~shs:{}", self.port, STANDARD.encode(self.feed.0))
    }
}

/// All addresses of one peer that can be dialled; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddresses(Vec<NetAddress>);

impl PeerAddresses {
    /// The first [`MAX_ADDRESSES`] of a peer's listeners; `None` of none.
    pub fn of_listeners(feed: FeedId, listeners: impl IntoIterator<Item = SocketAddr>) -> Option<Self> {
        let listeners = listeners.into_iter().take(MAX_ADDRESSES);
        let all: Vec<NetAddress> = listeners.map(|address| NetAddress::new(address, feed)).collect();
        (!all.is_empty()).then_some(Self(all))
    }

    /// Whose they are.
    pub fn feed(&self) -> FeedId {
        self.0[0].feed
    }

    /// Whether one is a link-local address of IPv6 that does not say on which interface it is, and so cannot be dialled.
    pub fn lacks_zone(&self) -> bool {
        let lacks = |address: &NetAddress| {
            address.zone.is_none() && matches!(address.ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
        };
        self.0.iter().any(lacks)
    }

    /// Each of them, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &NetAddress> {
        self.0.iter()
    }

    /// The peer, to be connected to; addresses on interfaces that are not here are left out.
    pub fn to_peer(&self, interface: impl Fn(&str) -> Option<u32>) -> SsbPeer {
        SsbPeer { feed: self.feed(), addresses: self.0.iter().filter_map(|one| one.resolve(&interface)).collect() }
    }
}

impl From<NetAddress> for PeerAddresses {
    fn from(address: NetAddress) -> Self {
        Self(vec![address])
    }
}

impl fmt::Display for PeerAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, address) in self.0.iter().enumerate() {
            write!(f, "{}{address}", if n == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

impl FromStr for PeerAddresses {
    type Err = AddressError;

    /// Reads a multiserver address, or the older `HOST:PORT:@KEY.ed25519`. Addresses over other protocols (`ws`,
    /// `onion`, …) and those with host names are passed over.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_TEXT {
            return Err(AddressError::TooLong);
        }
        if let Some(old) = parse_legacy(text) {
            return Ok(Self(vec![old]));
        }
        let mut found: Vec<NetAddress> = Vec::new();
        for address in parse_multi(text)?.iter().take(MAX_ADDRESSES) {
            let Some(address) = read_address(address)? else { continue };
            if found.first().is_some_and(|first| first.feed != address.feed) {
                return Err(AddressError::SeveralPeers);
            }
            if !found.contains(&address) {
                found.push(address);
            }
        }
        if found.is_empty() { Err(AddressError::NothingToDial) } else { Ok(Self(found)) }
    }
}

/// A protocol's name and its data, unescaped.
#[derive(Debug, PartialEq, Eq)]
struct Protocol {
    name: String,
    data: Vec<String>,
}

/// Splits a text by the grammar: addresses of protocols of data.
fn parse_multi(text: &str) -> Result<Vec<Vec<Protocol>>, AddressError> {
    split(text, ';').into_iter().map(|address| split(address, '~').into_iter().map(parse_protocol).collect()).collect()
}

fn parse_protocol(text: &str) -> Result<Protocol, AddressError> {
    let mut parts = split(text, ':').into_iter();
    let name = parts.next().unwrap_or_default();
    let mut letters = name.bytes();
    let first = letters.next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = letters.len() > 0 && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let data: Option<Vec<String>> = parts.map(unescape).collect();
    match data {
        Some(data) if first && rest => Ok(Protocol { name: name.to_owned(), data }),
        _ => Err(AddressError::Malformed),
    }
}

/// Splits at a separator that no `!` escapes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if c == separator && !escaped {
            parts.push(&text[start..at]);
            start = at + separator.len_utf8();
        }
        escaped = c == '!' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// `None` where a character is not of the grammar: printable ASCII without space, with `!` only before a separator.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '!' => plain.push(characters.next().filter(|c| "!~:;".contains(*c))?),
            c if c.is_ascii_graphic() => plain.push(c),
            _ => return None,
        }
    }
    Some(plain)
}

/// An address that can be dialled; `None` where its protocols or its host are others than ours.
fn read_address(protocols: &[Protocol]) -> Result<Option<NetAddress>, AddressError> {
    let [net, shs, ..] = protocols else { return Ok(None) };
    if net.name != "net" || shs.name != "shs" {
        return Ok(None);
    }
    let Some((port, host)) = net.data.split_last() else { return Err(AddressError::Malformed) };
    let port = parse_port(port).ok_or(AddressError::Malformed)?;
    let feed = shs.data.first().and_then(|key| parse_key(key)).ok_or(AddressError::Malformed)?;
    // The colons of an unbracketed IPv6 address have parted it.
    Ok(parse_host(&host.join(":")).map(|(ip, zone)| NetAddress { ip, zone, port, feed }))
}

/// `HOST:PORT:@KEY.ed25519`, which older servers broadcast.
fn parse_legacy(text: &str) -> Option<NetAddress> {
    let (address, key) = text.rsplit_once(":@")?;
    let feed = format!("@{key}").parse().ok()?;
    let (host, port) = address.rsplit_once(':')?;
    let (ip, zone) = parse_host(host)?;
    Some(NetAddress { ip, zone, port: parse_port(port)?, feed })
}

/// An IP address, IPv6 with or without brackets and zone. Hosts that stand for others (`0.0.0.0`) cannot be dialled.
fn parse_host(host: &str) -> Option<(IpAddr, Option<String>)> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let (ip, zone) = host.split_once('%').map_or((host, None), |(ip, zone)| (ip, Some(zone)));
    let ip: IpAddr = ip.parse().ok()?;
    let plain = |zone: &str| {
        (1..=MAX_ZONE).contains(&zone.len()) && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b))
    };
    if ip.is_unspecified() || ip.is_multicast() || zone.is_some_and(|zone| !ip.is_ipv6() || !plain(zone)) {
        return None;
    }
    Some((ip, zone.map(str::to_owned)))
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn parse_key(text: &str) -> Option<FeedId> {
    let bytes = STANDARD.decode(text).ok()?;
    bytes.try_into().ok().map(FeedId)
}

/// Reads bytes of a peer or a person in all the ways of this module, for fuzzing and for replaying its corpus.
///
/// # Panics
/// Where reading panics, or what was read does not read back as the same: this is what fuzzing looks for.
pub fn exercise(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(addresses) = text.parse::<PeerAddresses>() {
        assert_eq!(addresses.to_string().parse(), Ok(addresses), "what is written reads back as the same addresses");
    }
    if let Ok(invite) = text.parse::<Invite>() {
        assert_eq!(invite.expose().parse(), Ok(invite), "what is written reads back as the same invite");
    }
}
