//! Asks a cjdns daemon through its admin interface: UDP, bencode, a password for some questions.
//!
//! Only reads: it never pings or looks up a node, this one in particular, since that has crashed the daemon.

mod address;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::poll::{Daemon, DaemonError};
use super::{MAX_NEIGHBOURS, MAX_REACHABLE, Neighbour, Overlay, View};
use messages::{CookieAnswer, Envelope, MAX_ANSWER, NodeInfoAnswer, Page, Query, Route};

/// For one answer: the daemon is on this machine, but has one thread and may be busy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// For one list. What came until then counts.
const LIST_TIMEOUT: Duration = Duration::from_secs(4);
/// Datagrams that are read for one answer: late ones of earlier questions, and whatever others send.
const MAX_STRAY: usize = 32;
/// Pages of one list: four nodes are on one.
const MAX_PAGES: u32 = 1 + (MAX_REACHABLE / 4) as u32;
/// Pause for each page of the table of nodes, on which a daemon with a large one would spend its time.
const TABLE_PAUSE: Duration = Duration::from_millis(500);
/// Longest file of a password: `.cjdnsadmin` has about 150 bytes.
const MAX_PASSWORD_FILE: usize = 16 << 10;

/// Where the admin interface of cjdns is, and the password for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CjdnsAdmin {
    /// UDP address, `admin.bind` in `cjdroute.conf`.
    pub address: SocketAddr,
    /// `admin.password` in `cjdroute.conf`.
    pub password: CjdnsPassword,
}

/// The password of the admin interface. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct CjdnsPassword(String);

impl CjdnsPassword {
    /// The password in the text of a file: that of a JSON object such as cjdns's tools keep in `~/.cjdnsadmin`, else the
    /// text itself. `None` where there is none.
    pub fn from_file(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct AdminFile {
            password: String,
        }
        let text = text.trim();
        let password = match serde_json::from_str::<AdminFile>(text) {
            Ok(file) => file.password,
            Err(_) if text.starts_with('{') => return None,
            Err(_) => text.to_owned(),
        };
        (!password.is_empty() && text.len() <= MAX_PASSWORD_FILE).then_some(Self(password))
    }
}

impl Default for CjdnsPassword {
    /// `NONE`, as `cjdroute --genconf` writes it.
    fn default() -> Self {
        Self("NONE".to_owned())
    }
}

impl fmt::Debug for CjdnsPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CjdnsPassword(…)")
    }
}

/// Asks one daemon.
pub(super) struct Client {
    admin: CjdnsAdmin,
    answer_timeout: Duration,
    /// Questions are not answered without the password; so it was when it was last asked.
    guarded: bool,
    /// The daemon does not tell how good links are: it has no such function, or another password.
    no_quality: bool,
    /// The table of nodes, and when it is due to be read again.
    table: Vec<Ipv6Addr>,
    table_due: Option<Instant>,
}

impl Client {
    pub(super) fn new(admin: CjdnsAdmin) -> Self {
        let (guarded, no_quality) = (false, false);
        Self { admin, answer_timeout: ANSWER_TIMEOUT, guarded, no_quality, table: Vec::new(), table_due: None }
    }

    async fn look(&mut self) -> Result<View, DaemonError> {
        let mut session = Session::open(self).await?;
        let own = match session.ask::<NodeInfoAnswer>(Query { function: messages::NODE_INFO, page: None }).await {
            Ok(answer) => answer.own(),
            // Older versions have no such function.
            Err(DaemonError::Refused(_)) => None,
            Err(error) => return Err(error),
        };
        let stats = session.list::<messages::PeerStatsPage>(messages::PEER_STATS, 2 * MAX_NEIGHBOURS).await?;
        let mut quality = HashMap::new();
        let mut no_quality = self.no_quality;
        if !no_quality {
            session.authenticate = true;
            match session.list::<messages::PeerInfoPage>(messages::PEER_INFO, 2 * MAX_NEIGHBOURS).await {
                Ok(peers) => quality.extend(peers.iter().filter_map(|peer| Some((peer.address()?, peer.latency()?)))),
                Err(error) => {
                    tracing::debug!(%error, "cjdns does not tell how good its links are");
                    no_quality = true;
                }
            }
            session.authenticate = session.guarded;
        }
        let mut table = None;
        if self.table_due.is_none_or(|due| due <= Instant::now()) {
            // Direct neighbours are worth having where the rest takes too long.
            match session.list::<messages::TablePage>(messages::DUMP_TABLE, 2 * MAX_REACHABLE).await {
                Ok(routes) => table = Some(routes),
                Err(error) => tracing::debug!(%error, "cjdns does not tell which nodes it reaches"),
            }
        }
        let guarded = session.guarded;
        let own = own.or_else(|| table.iter().flatten().find_map(Route::own));
        (self.guarded, self.no_quality) = (guarded, no_quality);
        if let Some(routes) = table {
            let pages = u32::try_from(routes.len() / 4).unwrap_or(MAX_PAGES);
            self.table_due = Some(Instant::now() + TABLE_PAUSE * pages);
            self.table = routes.iter().filter_map(Route::reachable).collect();
        }
        let neighbours = stats.iter().filter_map(messages::PeerStats::neighbour);
        let neighbours = neighbours.map(|neighbour| {
            let latency = quality.get(&neighbour.address).copied();
            Neighbour { latency, ..neighbour }
        });
        Ok(View::new(Overlay::Cjdns, own, neighbours, self.table.iter().copied()))
    }
}

#[async_trait]
impl Daemon for Client {
    fn overlay(&self) -> Overlay {
        Overlay::Cjdns
    }

    async fn view(&mut self) -> Result<View, DaemonError> {
        let looked = self.look().await;
        if looked.is_err() {
            // The daemon that answers next may be another one.
            (self.guarded, self.no_quality, self.table_due) = (false, false, None);
            self.table.clear();
        }
        looked
    }
}

/// One look at the daemon, from a socket of its own: nothing that is left of an earlier one can arrive there.
struct Session<'a> {
    socket: UdpSocket,
    password: &'a str,
    answer_timeout: Duration,
    transaction: u32,
    cookie: Option<String>,
    /// Whether questions carry the password.
    authenticate: bool,
    guarded: bool,
}

impl<'a> Session<'a> {
    async fn open(client: &'a Client) -> Result<Self, DaemonError> {
        let any = SocketAddr::new(unspecified(client.admin.address), 0);
        let socket = UdpSocket::bind(any).await.map_err(absent)?;
        socket.connect(client.admin.address).await.map_err(absent)?;
        Ok(Self {
            socket,
            password: &client.admin.password.0,
            answer_timeout: client.answer_timeout,
            transaction: rand::random(),
            cookie: None,
            authenticate: client.guarded,
            guarded: client.guarded,
        })
    }

    /// Reads a list page by page, until one brings nothing or there is no time left.
    async fn list<P: Page>(&mut self, function: &'static str, limit: usize) -> Result<Vec<P::Item>, DaemonError> {
        let deadline = Instant::now() + LIST_TIMEOUT;
        let mut all = Vec::new();
        for page in 0..MAX_PAGES {
            let items = match self.ask::<P>(Query { function, page: Some(page) }).await {
                Ok(answer) => answer.into_items(),
                Err(error) if page == 0 => return Err(error),
                Err(_) => break,
            };
            if items.is_empty() || all.len() >= limit || Instant::now() >= deadline {
                break;
            }
            all.extend(items);
        }
        Ok(all)
    }

    async fn ask<T: serde::de::DeserializeOwned>(&mut self, query: Query) -> Result<T, DaemonError> {
        if !self.authenticate {
            let txid = self.next_transaction();
            let answer = self.exchange(&query.plain(&txid), &txid).await?;
            if !messages::parse::<Envelope>(&answer).map_err(malformed)?.wants_password() {
                return read(&answer);
            }
            (self.authenticate, self.guarded) = (true, true);
        }
        let cookie = match &self.cookie {
            Some(cookie) => cookie.clone(),
            None => {
                let txid = self.next_transaction();
                let answer = self.exchange(&messages::cookie_request(&txid), &txid).await?;
                let answer: CookieAnswer = read(&answer)?;
                self.cookie.insert(answer.cookie).clone()
            }
        };
        let txid = self.next_transaction();
        let answer = self.exchange(&query.authenticated(&txid, self.password, &cookie), &txid).await?;
        read(&answer)
    }

    fn next_transaction(&mut self) -> String {
        self.transaction = self.transaction.wrapping_add(1);
        format!("{:08x}", self.transaction)
    }

    /// Sends a request and returns the answer to it, whatever else arrives.
    async fn exchange(&self, request: &[u8], txid: &str) -> Result<Vec<u8>, DaemonError> {
        self.socket.send(request).await.map_err(absent)?;
        let deadline = Instant::now() + self.answer_timeout;
        // One more byte than is read, so that what is cut off is refused and not misread.
        let mut buffer = vec![0; MAX_ANSWER + 1];
        for _ in 0..MAX_STRAY {
            let received = timeout_at(deadline, self.socket.recv(&mut buffer)).await;
            let length = received.map_err(|_| DaemonError::TimedOut)?.map_err(absent)?;
            match messages::parse::<Envelope>(&buffer[..length]) {
                Ok(envelope) if envelope.txid == txid => return Ok(buffer[..length].to_vec()),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "a datagram is no answer of cjdns"),
            }
        }
        Err(DaemonError::Malformed(format!("{MAX_STRAY} datagrams that answer nothing")))
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, DaemonError> {
    let envelope: Envelope = messages::parse(answer).map_err(malformed)?;
    if envelope.wants_password() {
        return Err(DaemonError::Refused("wrong password: name the right one in mesh.cjdns_password_file".into()));
    }
    match envelope.refusal() {
        Some(refusal) => Err(DaemonError::Refused(refusal.chars().take(200).collect())),
        None => messages::parse(answer).map_err(malformed),
    }
}

fn unspecified(address: SocketAddr) -> std::net::IpAddr {
    match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn absent(error: io::Error) -> DaemonError {
    DaemonError::Absent(error.to_string())
}

fn malformed(error: messages::Malformed) -> DaemonError {
    DaemonError::Malformed(error.to_string())
}
