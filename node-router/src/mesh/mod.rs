//! Neighbours: asks the configured peers, those that SSB met, and those that overlays list, who they are, keeps their IPFS
//! nodes connected, and tells the SSB side of them.
//!
//! Comes in: addresses of HTTP listeners, answers, what overlays see, the swarm's connections. Goes out: dials, entries for the
//! [`PeerBook`], and a table of peers for people and programs. Never trusts what a peer says of others beyond
//! replicating their public feeds.

mod address;
mod entries;
mod known;
#[cfg(test)]
mod line_tests;
mod map;
mod news;
mod nodeinfo;
mod peer;
mod record;
mod sequence;
mod survey;
mod table;
#[cfg(test)]
mod tests;
mod viewers;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use metrics::counter;
use stream_model::{FeedId, Meetings, Neighbours, PeerBook, PeerId, SsbPeer};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::devices::Change;
use crate::links::{Event, Exchanged, Links, Rates};
use crate::overlay::Overlays;
pub use address::{AddressError, PeerAddress};
use entries::{Entries, Entry, EntryId, Origin};
use known::Known;
use nodeinfo::Answer;
use peer::Action;
pub(crate) use peer::Own;
pub use record::OwnRecords;
pub(crate) use survey::Survey;
use table::Row;
pub(crate) use table::Table;

/// Most configured peers: each is asked twice a minute.
pub(crate) const MAX_PEERS: usize = 256;
/// Strangers of an overlay beyond the direct neighbours that are asked at once: each question keeps sockets open for seconds.
const MAX_FAR_ASKED: usize = 8;
/// Nodes that are read at once because they know other nodes than this one: what one says most often makes the others' word no news,
/// and one that does not answer takes a place for seconds.
const MAX_NEWS_READ: usize = 4;
/// Meetings that wait for the mesh's task.
const MAX_MEETINGS_WAITING: usize = 64;
/// How often the swarm's connections are looked at: a dropped one is noticed within this.
const LOOK: Duration = Duration::from_secs(1);

/// What the mesh needs of the IPFS node.
#[async_trait]
pub(crate) trait Swarm: Send + Sync + 'static {
    /// Connects to a peer at one of the addresses, within a bounded time.
    async fn dial(&self, peer: &PeerId, addresses: &[SocketAddr]) -> Result<(), String>;

    /// Closes the connections to a peer, where all of them are at this address, or wherever they are.
    async fn disconnect(&self, peer: &PeerId, address: Option<IpAddr>);

    /// Bytes of blocks exchanged with each connected peer since it connected.
    fn exchanged(&self) -> HashMap<PeerId, Exchanged>;

    /// The peers that are connected now, with the last round trip where there was one.
    fn connected(&self) -> HashMap<PeerId, Option<Duration>>;
}

/// An SSB peer that is connected, or a node that mDNS tells of, and where.
#[derive(Debug)]
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

impl MeetingRoom {
    /// Where many are met at once, some are left out: whoever met them tells of them again.
    pub(crate) fn offer(&self, met: Met) {
        if self.0.try_send(met).is_err() {
            counter!("meshstream_mesh_meetings_refused_total").increment(1);
        }
    }
}

impl Meetings for MeetingRoom {
    fn met(&self, feed: FeedId, address: SocketAddr) {
        // Nodes of one host differ in their ports, which are not known.
        if !address.ip().is_loopback() {
            self.offer(Met { feed, address: PeerAddress::at(address) });
        }
    }
}

enum Done {
    Asked(EntryId, Result<Box<Answer>, nodeinfo::NodeInfoError>),
    Dialled(EntryId, PeerId, Result<(), String>),
    Disconnected,
}

/// Whom the mesh works with.
#[derive(Clone)]
pub(crate) struct Others {
    pub(crate) swarm: Arc<dyn Swarm>,
    pub(crate) book: Arc<dyn PeerBook>,
    /// Tells SSB servers that know nothing of nodes; `None` where none is to be told.
    pub(crate) neighbours: Option<Arc<dyn Neighbours>>,
    pub(crate) table: Arc<Table>,
}

/// What the mesh hears from.
pub(crate) struct Sources {
    pub(crate) met: mpsc::Receiver<Met>,
    pub(crate) overlays: Overlays,
    pub(crate) links: Links,
    pub(crate) devices: mpsc::Receiver<Change>,
}

/// The task that looks after all peers.
pub(crate) struct Mesh {
    entries: Entries,
    known: Known,
    own: Own,
    others: Others,
    sources: Sources,
    rates: Rates,
    /// At most one question and one dial for each entry, and those of entries that are no more.
    work: JoinSet<Done>,
    far_asked: Arc<Semaphore>,
}

impl Mesh {
    pub(crate) fn new(addresses: Vec<PeerAddress>, own: Own, others: Others, sources: Sources) -> Self {
        let entries = Entries::new(own.clone(), addresses, Instant::now());
        let known = Known::new(own.clone());
        let far_asked = Arc::new(Semaphore::new(MAX_FAR_ASKED));
        let rates = Rates::default();
        let work = JoinSet::new();
        Self { entries, known, own, others, sources, rates, work, far_asked }
    }

    /// Runs until cancelled. Questions and dials in flight are dropped then.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        self.announce();
        loop {
            let connected = self.others.swarm.connected();
            self.act(&connected);
            let now = Instant::now();
            self.rates.look(now, || self.others.swarm.exchanged());
            self.others.table.set(self.rows(), self.known.to_tell(now), connected, self.rates.all());
            self.others.table.set_viewers(self.known.viewers(now));
            self.others.table.set_known(self.known.places());
            self.sources.links.tell(self.known.tag());
            self.sources.links.probe(self.entries.places());
            let next = self.entries.iter().filter_map(|entry| entry.peer.next_timeout()).min();
            let wait = next.map_or(LOOK, |next| next.saturating_duration_since(now).min(LOOK));
            tokio::select! {
                () = cancel.cancelled() => return,
                Some(done) = self.work.join_next(), if !self.work.is_empty() => match done {
                    Ok(done) => self.handle(done),
                    Err(error) => tracing::error!(%error, "a task of the mesh failed"),
                },
                Some(met) = self.sources.met.recv() => self.entries.meet(met, Instant::now()),
                Some(sighting) = self.sources.overlays.sightings.recv() => {
                    self.others.table.set_overlay(sighting.overlay, sighting.view.as_ref());
                    self.entries.list(sighting.overlay, sighting.view.as_ref(), Instant::now());
                    self.announce();
                }
                Some(event) = self.sources.links.events.recv() => self.handle_link(event),
                Some(change) = self.sources.devices.recv() => self.handle_change(&change),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Who was on a link that went is looked for on other ways; once one has come nothing waits.
    fn handle_change(&mut self, change: &Change) {
        if change.went() {
            let mut places = self.entries.places();
            places.retain(|place| change.cuts_off(*place));
            self.sources.links.cut_off(places.clone());
            places.into_iter().for_each(|place| self.handle_link(Event::Down(place)));
        }
        if change.came {
            self.entries.hurry(Instant::now());
            self.others.book.link_came_up();
        }
        self.sources.overlays.ask_now();
        if let Some(neighbours) = &self.others.neighbours {
            neighbours.links_changed();
        }
    }

    /// Connections over a dead link are closed, so that they are made anew over whatever way there is, and where one comes back
    /// nothing waits.
    fn handle_link(&mut self, event: Event) {
        let (now, jitter) = (Instant::now(), rand::random());
        // What is new is read before this task waits again.
        let (Event::Up(place) | Event::Down(place)) = event else { return };
        let dead = event == Event::Down(place);
        if dead {
            counter!("meshstream_mesh_links_lost_total").increment(1);
        }
        let feeds: Vec<FeedId> = self.entries.at(place).filter_map(|entry| entry.feed()).collect();
        // Where nothing else answers of it, connections at addresses that cannot be probed are dead too.
        let elsewhere: HashSet<FeedId> =
            feeds.into_iter().filter(|feed| self.answers_elsewhere(*feed, place)).collect();
        for entry in self.entries.at(place) {
            let Some(info) = entry.peer.info() else { continue };
            let (feed, peer, up) = (info.ssb.feed, info.ipfs.peer.clone(), !dead);
            tracing::info!(name = info.name, %feed, up, "the link to a node has changed");
            if dead {
                entry.peer.handle_lost(now);
                let at = elsewhere.contains(&feed).then_some(place.ip());
                self.others.book.lost(feed, at);
                let swarm = self.others.swarm.clone();
                self.work.spawn(async move {
                    swarm.disconnect(&peer, at).await;
                    Done::Disconnected
                });
            } else {
                entry.peer.hurry(now, jitter);
                self.others.book.answers_again(feed);
            }
        }
    }

    /// Whether a node answers probes at another place than this.
    fn answers_elsewhere(&self, feed: FeedId, place: SocketAddr) -> bool {
        let others = self.entries.iter().filter(|entry| entry.is_of(feed)).filter_map(Entry::probed_at);
        let mut others = others.filter(|other| *other != place);
        others.any(|other| self.sources.links.measured.at(other).is_some_and(|quality| !quality.down))
    }

    fn announce(&self) {
        if let Some(neighbours) = &self.others.neighbours {
            neighbours.announce_to(self.entries.to_announce_to());
        }
    }

    fn act(&mut self, connected: &HashMap<PeerId, Option<Duration>>) {
        let now = Instant::now();
        self.entries.handle_connected(connected, now);
        self.look_for_news(now);
        for id in self.entries.ids() {
            while let Some(action) = self.entries.get_mut(id).and_then(|entry| entry.peer.poll_action(now)) {
                self.take(id, action);
            }
        }
    }

    /// Asks those again that know other nodes than this one, so that the word of a node crosses the mesh in seconds.
    fn look_for_news(&mut self, now: Instant) {
        let reading = self.entries.iter().filter(|entry| entry.peer.is_reading_news()).count();
        let (mut places, ours) = (MAX_NEWS_READ.saturating_sub(reading), self.known.tag());
        for id in self.entries.ids() {
            let Some(entry) = self.entries.get_mut(id) else { continue };
            let link = entry.probed_at().and_then(|place| self.sources.links.measured.at(place));
            entry.peer.handle_tag(link.and_then(|link| link.tag));
            if places > 0 && entry.peer.read_news(ours, now) {
                places -= 1;
                counter!("meshstream_mesh_news_read_total").increment(1);
            }
        }
    }

    fn take(&mut self, id: EntryId, action: Action) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        match action {
            Action::Ask => {
                let (address, before) = (entry.address.clone(), entry.before.clone());
                let far = matches!(entry.origin, Origin::Far(_) | Origin::Told).then(|| self.far_asked.clone());
                self.work.spawn(async move {
                    let _place = match &far {
                        Some(places) => places.acquire().await.ok(),
                        None => None,
                    };
                    let answer = nodeinfo::ask(&address, before.as_ref(), nodeinfo::TIMEOUT).await;
                    Done::Asked(id, answer.map(Box::new))
                });
            }
            Action::Dial(peer) => {
                let addresses = entry.ipfs_addresses();
                let swarm = self.others.swarm.clone();
                self.work.spawn(async move {
                    let result = match addresses.as_slice() {
                        [] => Err("ipfs cannot be dialled at a link-local address: give the link others, of a private network".into()),
                        addresses => swarm.dial(&peer, addresses).await,
                    };
                    Done::Dialled(id, peer, result)
                });
            }
            Action::Introduce => self.introduce(id),
        }
    }

    fn introduce(&mut self, id: EntryId) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let Some(info) = entry.peer.info() else { return };
        tracing::info!(name = info.name, peer = %info.ipfs.peer, feed = %info.ssb.feed, "met a node");
        let (feed, introduced) = (info.ssb.feed, info.nodes.clone());
        let (configured, addresses) = self.entries.ssb_addresses(feed);
        let peer = SsbPeer { feed, addresses };
        if configured {
            self.others.book.offer(peer);
        } else {
            self.others.book.offer_met(peer);
        }
        self.others.book.answers_again(feed);
        // Each time, and whoever said so before: the book keeps a budget for each neighbour, and one that had no room for a
        // node on the word of another may have it on the word of this one.
        for node in introduced.iter().map(|node| node.identity.feed).filter(|node| *node != self.own.feed) {
            self.others.book.introduce(feed, node);
        }
    }

    fn handle(&mut self, done: Done) {
        let (now, jitter) = (Instant::now(), rand::random());
        match done {
            Done::Disconnected => {}
            Done::Asked(id, answer) => {
                let Some(entry) = self.entries.get_mut(id) else { return };
                if let Err(error) = &answer {
                    counter!("meshstream_mesh_failures_total", "what" => "nodeinfo").increment(1);
                    tracing::debug!(address = %entry.address, %error, "cannot ask a peer who it is");
                }
                if let Ok(answer) = &answer {
                    entry.found_at = Some(answer.address);
                }
                let mut before = None;
                let answer = answer.map_err(|error| error.to_string()).and_then(|answer| {
                    let (rtt, known) = (answer.rtt, entry.peer.info().zip(entry.before.as_ref()));
                    let resolved = answer.resolve(known, now).ok_or("it says the same as before, and has said nothing");
                    let (info, next) = resolved.map_err(str::to_owned)?;
                    before = next;
                    Ok((info, rtt))
                });
                if entry.peer.handle_answer(answer, now, jitter)
                    && let Some(info) = entry.peer.info()
                {
                    entry.before = before;
                    entry.heard = Some(now);
                    self.known.handle_answer(info, entry.origin.is_direct(), now);
                    self.entries.tell(self.known.told(), now);
                }
            }
            Done::Dialled(id, peer, result) => {
                let Some(entry) = self.entries.get_mut(id) else { return };
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
            overlay: entry.overlay(),
            direct: entry.origin.is_direct(),
            info: entry.peer.info().cloned(),
            ipfs_addresses: entry.ipfs_addresses(),
            found_at: entry.found_at.filter(|_| !entry.address.has_zone()),
            heard: entry.heard,
            state: entry.peer.state(),
            rtt: entry.peer.rtt(),
            link: entry.probed_at().and_then(|place| self.sources.links.measured.at(place)),
            last_error: entry.peer.last_error().map(str::to_owned),
        };
        // Whom SSB met and who did not answer yet is shown by its SSB connection alone. What an overlay lists may be
        // anything.
        let answered = |entry: &Entry| entry.peer.info().is_some();
        let reached_otherwise = |entry: &Entry| {
            let at_other = |other: &Entry| {
                answered(other) && !other.address.has_zone() && entry.feed().is_some_and(|feed| other.is_of(feed))
            };
            entry.address.has_zone() && self.entries.iter().any(at_other)
        };
        let shown = self
            .entries
            .iter()
            .filter(|entry| entry.origin == Origin::Configured || answered(entry) && !reached_otherwise(entry));
        shown.map(row).collect()
    }
}
