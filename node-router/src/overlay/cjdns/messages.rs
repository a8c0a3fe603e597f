//! What is said to cjdns's admin interface, and what it answers: bencode in UDP datagrams. No I/O.
//!
//! An answer comes from a program of this machine that may be anything: it is checked for size, lengths and depth before
//! it is read, since the reader recurses.

use std::net::Ipv6Addr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::address;
use crate::overlay::Neighbour;

/// Longest answer that is read: those of cjdns 22 have at most about 800 bytes.
pub(super) const MAX_ANSWER: usize = 8 << 10;
/// Answers are dictionaries with lists of dictionaries with lists; those of cjdns are 5 deep.
const MAX_DEPTH: usize = 16;
/// Where the daemon keeps this node itself.
const OWN_PATH: &str = "0000.0000.0000.0001";
/// Where the daemon keeps nodes to which it knows no way any more.
const NO_PATH: &str = "ffff.ffff.ffff.ffff";
/// What the daemon says to a request whose password is wrong or missing.
const WRONG_PASSWORD: &str = "Auth failed.";

/// A function of the admin interface, and the page of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) function: &'static str,
    pub(super) page: Option<u32>,
}

pub(super) const NODE_INFO: &str = "Core_nodeInfo";
pub(super) const PEER_STATS: &str = "InterfaceController_peerStats";
pub(super) const PEER_INFO: &str = "ReachabilityCollector_getPeerInfo";
pub(super) const DUMP_TABLE: &str = "NodeStore_dumpTable";

#[derive(Serialize)]
struct Args {
    page: u32,
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    aq: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Args>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    q: &'a str,
    txid: &'a str,
}

impl Request<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        serde_bencode::to_bytes(self).expect("texts and numbers can be written")
    }
}

impl Query {
    /// The request as anybody may make it.
    pub(super) fn plain(&self, txid: &str) -> Vec<u8> {
        let args = self.page.map(|page| Args { page });
        Request { aq: None, args, cookie: None, hash: None, q: self.function, txid }.to_bytes()
    }

    /// The request of one who has the password: hashed with the cookie, then with all of the request.
    pub(super) fn authenticated(&self, txid: &str, password: &str, cookie: &str) -> Vec<u8> {
        let request = |hash: String| {
            let args = self.page.map(|page| Args { page });
            let (aq, cookie, hash) = (Some(self.function), Some(cookie), Some(hash));
            Request { aq, args, cookie, hash, q: "auth", txid }.to_bytes()
        };
        let first = request(hex_sha256(format!("{password}{cookie}").as_bytes()));
        request(hex_sha256(&first))
    }
}

/// The request for a cookie.
pub(super) fn cookie_request(txid: &str) -> Vec<u8> {
    Request { aq: None, args: None, cookie: None, hash: None, q: "cookie", txid }.to_bytes()
}

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An answer that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(String);

/// What every answer has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    pub(super) txid: String,
    error: Option<String>,
}

impl Envelope {
    /// What the daemon did not like.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.error.as_deref().filter(|error| *error != "none")
    }

    /// Whether a password is missing or wrong.
    pub(super) fn wants_password(&self) -> bool {
        self.refusal() == Some(WRONG_PASSWORD)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct CookieAnswer {
    pub(super) cookie: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct NodeInfoAnswer {
    #[serde(rename = "myAddr")]
    my_addr: String,
}

impl NodeInfoAnswer {
    pub(super) fn own(&self) -> Option<Ipv6Addr> {
        address::of_public_key(address::split_name(&self.my_addr)?.1)
    }
}

/// A page of one of the lists.
pub(super) trait Page: DeserializeOwned {
    type Item;

    fn into_items(self) -> Vec<Self::Item>;
}

/// A neighbour, as versions that give its name do, and as older ones that give its key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PeerStats {
    addr: Option<String>,
    public_key: Option<String>,
    #[serde(default)]
    state: String,
}

impl PeerStats {
    pub(super) fn neighbour(&self) -> Option<Neighbour> {
        let key = match (&self.addr, &self.public_key) {
            (Some(name), _) => address::split_name(name)?.1,
            (None, Some(key)) => key,
            (None, None) => return None,
        };
        let address = address::of_public_key(key)?;
        Some(Neighbour { address, up: self.state == "ESTABLISHED", latency: None })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct PeerStatsPage {
    peers: Vec<PeerStats>,
}

impl Page for PeerStatsPage {
    type Item = PeerStats;

    fn into_items(self) -> Vec<PeerStats> {
        self.peers
    }
}

/// How good the link to a neighbour is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PeerInfo {
    addr: String,
    #[serde(default)]
    lag_slots: Vec<i64>,
}

impl PeerInfo {
    pub(super) fn address(&self) -> Option<Ipv6Addr> {
        address::of_public_key(address::split_name(&self.addr)?.1)
    }

    /// The middle one of the lags that were measured; slots without a measurement hold 0.
    pub(super) fn latency(&self) -> Option<Duration> {
        let mut lags: Vec<u64> = self.lag_slots.iter().filter_map(|lag| u64::try_from(*lag).ok()).collect();
        lags.retain(|lag| *lag > 0);
        lags.sort_unstable();
        lags.get(lags.len() / 2).copied().map(Duration::from_millis)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct PeerInfoPage {
    peers: Vec<PeerInfo>,
}

impl Page for PeerInfoPage {
    type Item = PeerInfo;

    fn into_items(self) -> Vec<PeerInfo> {
        self.peers
    }
}

/// A node of the daemon's table: `addr` holds all, the others are what older versions say.
#[derive(Debug, Deserialize)]
pub(super) struct Route {
    addr: Option<String>,
    ip: Option<String>,
    path: Option<String>,
}

impl Route {
    fn parts(&self) -> Option<(&str, Ipv6Addr)> {
        let name = self.addr.as_deref().and_then(address::split_name);
        let path = name.map(|(path, _)| path).or(self.path.as_deref())?;
        let address = match name {
            Some((_, key)) => address::of_public_key(key)?,
            None => self.ip.as_deref()?.parse().ok()?,
        };
        Some((path, address))
    }

    /// This node's own address, where the entry is its own.
    pub(super) fn own(&self) -> Option<Ipv6Addr> {
        self.parts().filter(|(path, _)| *path == OWN_PATH).map(|(_, address)| address)
    }

    /// The address of a node to which there is a way.
    pub(super) fn reachable(&self) -> Option<Ipv6Addr> {
        self.parts().filter(|(path, _)| ![OWN_PATH, NO_PATH].contains(path)).map(|(_, address)| address)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TablePage {
    routing_table: Vec<Route>,
}

impl Page for TablePage {
    type Item = Route;

    fn into_items(self) -> Vec<Route> {
        self.routing_table
    }
}

/// Reads an answer, or a part of it.
pub(super) fn parse<T: DeserializeOwned>(datagram: &[u8]) -> Result<T, Malformed> {
    if datagram.len() > MAX_ANSWER {
        return Err(Malformed(format!("over {MAX_ANSWER} bytes")));
    }
    check_structure(datagram).ok_or_else(|| Malformed("not bencode, or too deep".into()))?;
    serde_bencode::from_bytes(datagram).map_err(|error| Malformed(error.to_string().chars().take(200).collect()))
}

/// One value, no more than [`MAX_DEPTH`] deep, every string of which ends within the datagram.
fn check_structure(mut rest: &[u8]) -> Option<()> {
    let mut depth = 0_usize;
    loop {
        let (first, after) = rest.split_first()?;
        match first {
            b'd' | b'l' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return None;
                }
                rest = after;
            }
            b'e' => {
                depth = depth.checked_sub(1)?;
                rest = after;
            }
            b'i' => rest = &after[after.iter().position(|byte| *byte == b'e')? + 1..],
            b'0'..=b'9' => {
                let colon = rest.iter().position(|byte| *byte == b':')?;
                let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
                rest = rest[colon + 1..].get(length..)?;
            }
            _ => return None,
        }
        if depth == 0 {
            return rest.is_empty().then_some(());
        }
    }
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
