//! Neighbours: asks the configured peers, and those that SSB met, who they are, keeps their IPFS nodes connected, and tells the SSB side of them.
//!
//! Comes in: addresses of HTTP listeners, answers, the swarm's connections. Goes out: dials, entries for the
//! [`PeerBook`], and a table of peers for people and programs. Never trusts what a peer says of others beyond
//! replicating their public feeds.

mod address;
mod nodeinfo;
mod peer;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use metrics::counter;
use stream_model::{FeedId, Meetings, PeerBook, PeerId, SsbPeer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use address::{AddressError, PeerAddress};
use nodeinfo::Answer;
pub(crate) use peer::Own;
use peer::{Action, Peer};
use table::Row;
pub(crate) use table::Table;

/// Most configured peers: each is asked twice a minute.
pub(crate) const MAX_PEERS: usize = 256;
/// Peers that SSB met and that are asked for the rest: as many as a LAN has nodes.
const MAX_MET: usize = 64;
/// Meetings that wait for the mesh's task.
const MAX_MEETINGS_WAITING: usize = 64;
/// How often the swarm's connections are looked at: a dropped one is noticed within this.
const LOOK: Duration = Duration::from_secs(1);

/// What the mesh needs of the IPFS node.
#[async_trait]
pub(crate) trait Swarm: Send + Sync + 'static {
    /// Connects to a peer at one of the addresses, within a bounded time.
    async fn dial(&self, peer: &PeerId, addresses: &[SocketAddr]) -> Result<(), String>;

    /// The peers that are connected now, with the last round trip where there was one.
    fn connected(&self) -> HashMap<PeerId, Option<Duration>>;
}

/// A peer and where it was found.
struct Entry {
    address: PeerAddress,
    peer: Peer,
    found_at: Option<SocketAddr>,
    /// SSB met it; nobody configured it.
    met: bool,
}

/// An SSB peer that is connected, and where.
pub(crate) struct Met {
    pub(crate) feed: FeedId,
    pub(crate) address: PeerAddress,
}

/// Where meetings are told.
#[derive(Debug, Clone)]
pub(crate) struct MeetingRoom(mpsc::Sender<Met>);

/// What [`MeetingRoom`] sends, for [`Mesh::run`].
pub(crate) fn meetings() -> (MeetingRoom, mpsc::Receiver<Met>) {
    let (sender, receiver) = mpsc::channel(MAX_MEETINGS_WAITING);
    (MeetingRoom(sender), receiver)
}

impl Meetings for MeetingRoom {
    fn met(&self, feed: FeedId, address: SocketAddr) {
        // Nodes of one host differ in their ports, which are not known.
        if address.ip().is_loopback() {
            return;
        }
        // Where many are met at once, those left out are met again when they connect again.
        if self.0.try_send(Met { feed, address: PeerAddress::at(address) }).is_err() {
            counter!("meshstream_mesh_meetings_refused_total").increment(1);
        }
    }
}

enum Done {
    Asked(usize, Result<Answer, nodeinfo::NodeInfoError>),
    Dialled(usize, PeerId, Result<(), String>),
}

/// The task that looks after all peers.
pub(crate) struct Mesh {
    entries: Vec<Entry>,
    own: Own,
    swarm: Arc<dyn Swarm>,
    book: Arc<dyn PeerBook>,
    table: Arc<Table>,
    met: mpsc::Receiver<Met>,
    /// At most one question and one dial for each entry.
    work: JoinSet<Done>,
}

impl Mesh {
    pub(crate) fn new(
        addresses: Vec<PeerAddress>,
        own: Own,
        swarm: Arc<dyn Swarm>,
        book: Arc<dyn PeerBook>,
        table: Arc<Table>,
        met: mpsc::Receiver<Met>,
    ) -> Self {
        let now = Instant::now();
        let entry = |address| Entry { address, peer: Peer::new(own.clone(), None, now), found_at: None, met: false };
        let entries = addresses.into_iter().take(MAX_PEERS).map(entry).collect();
        Self { entries, own, swarm, book, table, met, work: JoinSet::new() }
    }

    /// Runs until cancelled. Questions and dials in flight are dropped then.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        loop {
            let connected = self.swarm.connected();
            self.act(&connected);
            self.table.set(self.rows(), connected);
            let now = Instant::now();
            let next = self
                .entries
                .iter()
                .filter(|entry| !entry.is_vacant())
                .filter_map(|entry| entry.peer.next_timeout())
                .min();
            let wait = next.map_or(LOOK, |next| next.saturating_duration_since(now).min(LOOK));
            tokio::select! {
                () = cancel.cancelled() => return,
                Some(done) = self.work.join_next(), if !self.work.is_empty() => match done {
                    Ok(done) => self.handle(done),
                    Err(error) => tracing::error!(%error, "a task of the mesh failed"),
                },
                Some(met) = self.met.recv() => self.meet(met),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// SSB met somebody: asked who it is, unless it is looked after already.
    fn meet(&mut self, met: Met) {
        let Met { feed, address } = met;
        // Whoever is known at an address with a zone only is looked after at another one too, for IPFS.
        let serves = |entry: &Entry| !entry.address.has_zone() || address.has_zone();
        let known = |entry: &Entry| {
            !entry.is_vacant() && (entry.address.ip() == address.ip() || entry.is_of(feed) && serves(entry))
        };
        if self.entries.iter().any(known) {
            return;
        }
        let peer = Peer::new(self.own.clone(), Some(feed), Instant::now());
        let entry = Entry { address, peer, found_at: None, met: true };
        if let Some(vacant) = self.entries.iter_mut().find(|entry| entry.is_vacant()) {
            *vacant = entry;
        } else if self.entries.iter().filter(|entry| entry.met).count() < MAX_MET {
            self.entries.push(entry);
        } else {
            counter!("meshstream_mesh_meetings_refused_total").increment(1);
        }
    }

    fn act(&mut self, connected: &HashMap<PeerId, Option<Duration>>) {
        let now = Instant::now();
        for index in 0..self.entries.len() {
            if self.entries[index].is_vacant() {
                continue;
            }
            let peer = &mut self.entries[index].peer;
            if let Some(id) = peer.info().map(|info| info.ipfs.peer.clone()) {
                peer.handle_connected(connected.contains_key(&id), now, rand::random());
            }
            while let Some(action) = self.entries[index].peer.poll_action(now) {
                self.take(index, action);
            }
        }
    }

    fn take(&mut self, index: usize, action: Action) {
        let entry = &self.entries[index];
        match action {
            Action::Ask => {
                let address = entry.address.clone();
                self.work.spawn(async move { Done::Asked(index, nodeinfo::ask(&address, nodeinfo::TIMEOUT).await) });
            }
            Action::Dial(peer) => {
                let addresses = entry.ipfs_addresses();
                let swarm = self.swarm.clone();
                self.work.spawn(async move {
                    let result = match addresses.as_slice() {
                        [] => Err("ipfs cannot be dialled at a link-local address".into()),
                        addresses => swarm.dial(&peer, addresses).await,
                    };
                    Done::Dialled(index, peer, result)
                });
            }
            Action::Introduce => self.introduce(index),
        }
    }

    fn introduce(&mut self, index: usize) {
        let entry = &self.entries[index];
        let (Some(info), Some(found_at)) = (entry.peer.info(), entry.found_at) else { return };
        tracing::info!(name = info.name, peer = %info.ipfs.peer, feed = %info.ssb.feed, "met a node");
        let mut ssb = found_at;
        ssb.set_port(info.ssb.port);
        let peer = SsbPeer { feed: info.ssb.feed, addresses: vec![ssb] };
        if entry.met {
            self.book.offer_met(peer);
        } else {
            self.book.offer(peer);
        }
        // Each time, and whoever said so before: the book keeps a budget for each neighbour, and one that had no room for a
        // node on the word of another may have it on the word of this one.
        for node in info.nodes.iter().filter(|node| node.feed != self.own.feed) {
            self.book.introduce(info.ssb.feed, node.feed);
        }
    }

    fn handle(&mut self, done: Done) {
        let (now, jitter) = (Instant::now(), rand::random());
        match done {
            Done::Asked(index, answer) => {
                let entry = &mut self.entries[index];
                if let Err(error) = &answer {
                    counter!("meshstream_mesh_failures_total", "what" => "nodeinfo").increment(1);
                    tracing::debug!(address = %entry.address, %error, "cannot ask a peer who it is");
                }
                if let Ok(answer) = &answer {
                    entry.found_at = Some(answer.address);
                }
                let answer = answer.map(|answer| (answer.info, answer.rtt)).map_err(|error| error.to_string());
                entry.peer.handle_answer(answer, now, jitter);
            }
            Done::Dialled(index, peer, result) => {
                let entry = &mut self.entries[index];
                if let Err(error) = &result {
                    counter!("meshstream_mesh_failures_total", "what" => "dial").increment(1);
                    tracing::debug!(%peer, address = %entry.address, error, "cannot dial a peer");
                }
                entry.peer.handle_dialled(&peer, result, now, jitter);
            }
        }
    }

    fn rows(&self) -> Vec<Row> {
        let row = |entry: &Entry| Row {
            address: entry.address.to_string(),
            overlay: if entry.met { "lan" } else { "configured" },
            info: entry.peer.info().cloned(),
            ipfs_addresses: entry.ipfs_addresses(),
            state: entry.peer.state(),
            rtt: entry.peer.rtt(),
            last_error: entry.peer.last_error().map(str::to_owned),
        };
        // Whom SSB met and who did not answer yet is shown by its SSB connection alone.
        let answered = |entry: &Entry| entry.peer.info().is_some() && !entry.is_vacant();
        let reached_otherwise = |entry: &Entry| {
            let at_other = |other: &Entry| {
                answered(other) && !other.address.has_zone() && entry.feed().is_some_and(|feed| other.is_of(feed))
            };
            entry.address.has_zone() && self.entries.iter().any(at_other)
        };
        let shown = self.entries.iter().filter(|entry| !entry.met || answered(entry) && !reached_otherwise(entry));
        shown.map(row).collect()
    }
}

impl Entry {
    /// Nobody is looked after here any more: nothing is in flight that could be taken for the next one's.
    fn is_vacant(&self) -> bool {
        self.peer.is_given_up()
    }

    fn feed(&self) -> Option<FeedId> {
        self.peer.info().map(|info| info.ssb.feed)
    }

    fn is_of(&self, feed: FeedId) -> bool {
        self.feed() == Some(feed)
    }

    /// Where its IPFS node listens. None at an address with a zone, which no multiaddr of TCP can name.
    fn ipfs_addresses(&self) -> Vec<SocketAddr> {
        match (self.peer.info(), self.found_at) {
            (Some(info), Some(mut address)) if !self.address.has_zone() => {
                address.set_port(info.ipfs.port);
                vec![address]
            }
            _ => Vec::new(),
        }
    }
}
