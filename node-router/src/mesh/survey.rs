//! Asks the nodes that are not asked anyway for what they say of themselves, while somebody looks at the map of the mesh, and
//! slowly: a map must not take from thin links what is watched.
//!
//! Where they are is what their signed records say, within the ranges that mesh networks use; who answers there has to be who was
//! meant. [`Plan`] is a state machine without I/O.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::counter;
use stream_model::{FeedId, MeshReport, NodeInfo};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::PeerAddress;
use super::map::{Heard, MAX_AGE, Nodes, Said};
use super::nodeinfo::{self, Answer, Before, Wanted};
use super::table::Table;

/// How long after somebody looked nodes are asked: a page that is seen asks more often.
const AWAKE: Duration = Duration::from_secs(60);
/// Between two questions. An answer is about 2 KB, of an old node 48 KB at most.
const PACE: Duration = Duration::from_millis(500);
/// Questions at a time: one that is not answered waits for seconds.
const MAX_AT_ONCE: usize = 4;
/// Between two questions to a node that answers.
const AGAIN: Duration = Duration::from_secs(60);
/// Longest pause for one that does not, which doubles from [`AGAIN`].
const MAX_PAUSE: Duration = Duration::from_secs(600);
/// Of a node's addresses tried each time: most have one in a network that both are in.
const MAX_TRIED: usize = 3;
/// For connecting, asking and reading at one address.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Who is to be asked, and where.
#[derive(Debug)]
struct Question {
    feed: FeedId,
    addresses: Vec<PeerAddress>,
    before: Option<Before>,
}

#[derive(Debug)]
struct Place {
    addresses: Vec<PeerAddress>,
    due: Instant,
    in_flight: bool,
    failures: u32,
    answer: Option<Told>,
}

/// What a node answered.
#[derive(Debug, Clone)]
struct Told {
    info: NodeInfo,
    before: Option<Before>,
    address: SocketAddr,
    heard: Instant,
}

/// Whom to ask when.
#[derive(Debug, Default)]
struct Plan {
    looked: Option<Instant>,
    /// The next question is not before.
    not_before: Option<Instant>,
    places: BTreeMap<FeedId, Place>,
}

impl Plan {
    fn look(&mut self, now: Instant) {
        self.looked = Some(now);
    }

    fn is_awake(&self, now: Instant) -> bool {
        self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < AWAKE)
    }

    /// These may be asked, and no others. What the others said is forgotten.
    fn set_places(&mut self, known: Vec<(FeedId, Vec<PeerAddress>)>, now: Instant) {
        let mut before = std::mem::take(&mut self.places);
        for (feed, addresses) in known.into_iter().filter(|(_, addresses)| !addresses.is_empty()) {
            let new = || Place { addresses: Vec::new(), due: now, in_flight: false, failures: 0, answer: None };
            let place = before.remove(&feed).unwrap_or_else(new);
            self.places.insert(feed, Place { addresses, ..place });
        }
    }

    /// The next question to ask now, of who has waited longest.
    fn poll(&mut self, now: Instant) -> Option<Question> {
        let in_flight = self.places.values().filter(|place| place.in_flight).count();
        if !self.is_awake(now) || in_flight >= MAX_AT_ONCE || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let due = self.places.iter_mut().filter(|(_, place)| !place.in_flight && place.due <= now);
        let (feed, place) = due.min_by_key(|(feed, place)| (place.due, **feed))?;
        place.in_flight = true;
        self.not_before = Some(now + PACE);
        let mut addresses = place.addresses.clone();
        // Where it answered last, else further on in the list each time.
        let answered =
            |address: &PeerAddress| place.answer.as_ref().is_some_and(|answer| answer.address.ip() == address.ip());
        match addresses.iter().position(answered) {
            Some(index) if place.failures == 0 => addresses.rotate_left(index),
            _ => {
                let skipped = (place.failures as usize).saturating_mul(MAX_TRIED) % addresses.len();
                addresses.rotate_left(skipped);
            }
        }
        addresses.truncate(MAX_TRIED);
        Some(Question {
            feed: *feed,
            addresses,
            before: place.answer.as_ref().and_then(|answer| answer.before.clone()),
        })
    }

    /// One answered, or none of its addresses did. An answer counts where it is that node's, of this community.
    fn handle(&mut self, feed: FeedId, answer: Option<Answer>, community: &str, now: Instant) {
        let Some(place) = self.places.get_mut(&feed) else { return };
        place.in_flight = false;
        let told = answer.and_then(|answer| {
            let address = answer.address;
            let known = place.answer.as_ref().and_then(|told| Some((&told.info, told.before.as_ref()?)));
            let (info, before) = answer.resolve(known, now)?;
            // Old nodes tell of others all the same.
            let info = NodeInfo { nodes: Vec::new(), record: None, ..info };
            (info.ssb.feed == feed && info.community == community).then_some(Told { info, before, address, heard: now })
        });
        match told {
            Some(told) => {
                place.answer = Some(told);
                place.failures = 0;
                place.due = now + AGAIN;
            }
            None => {
                counter!("meshstream_mesh_failures_total", "what" => "map").increment(1);
                place.due = now + AGAIN.saturating_mul(1 << place.failures.min(8)).min(MAX_PAUSE);
                place.failures = place.failures.saturating_add(1);
            }
        }
        if place.answer.as_ref().is_some_and(|told| now.saturating_duration_since(told.heard) > MAX_AGE) {
            place.answer = None;
        }
    }

    /// What was answered, by whom.
    fn answers(&self) -> impl Iterator<Item = (FeedId, Heard)> {
        self.places.iter().filter_map(|(feed, place)| {
            let Told { info, address, heard, .. } = place.answer.as_ref()?;
            Some((*feed, heard_of(info, Some(*address), *heard)))
        })
    }
}

/// What a node said, for the map.
pub(super) fn heard_of(info: &NodeInfo, found_at: Option<SocketAddr>, at: Instant) -> Heard {
    let pages = |ip: IpAddr| format!("http://{}/", SocketAddr::new(ip, info.web.port));
    let url = found_at.filter(|_| info.web.port != 0).map(|address| pages(address.ip()));
    let said = Said { location: info.location, links: info.links.clone(), url };
    let (name, version) = (info.name.clone(), info.version.clone());
    Heard { name, version, hops: None, at: Some(at), said: Some(said) }
}

/// The map of the mesh, and who asks for what it lacks.
#[derive(Debug)]
pub(crate) struct Survey {
    table: Arc<Table>,
    plan: Mutex<Plan>,
    looked: Notify,
}

impl Survey {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        Self { table, plan: Mutex::default(), looked: Notify::new() }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The map as it is known now, with what this node tells of itself. The more is known the next time.
    pub(crate) fn look(&self, own: &NodeInfo) -> MeshReport {
        let now = Instant::now();
        let mut nodes = Nodes::default();
        for known in self.table.known() {
            let (name, version) = (known.identity.name, known.identity.version);
            let (hops, at) = (known.hops, Some(known.said_at));
            nodes.add(known.identity.feed, Heard { name, version, hops, at, said: None }, now);
        }
        let mut plan = self.plan();
        plan.look(now);
        plan.answers().for_each(|(feed, heard)| nodes.add(feed, heard, now));
        drop(plan);
        self.table.heard().into_iter().for_each(|(feed, heard)| nodes.add(feed, heard, now));
        self.looked.notify_one();
        nodes.draw(own, now)
    }

    /// Asks while somebody looks, until cancelled.
    pub(crate) async fn run(self: Arc<Self>, community: String, cancel: CancellationToken) {
        let mut work = JoinSet::new();
        loop {
            let now = Instant::now();
            if self.plan().is_awake(now) {
                self.plan().set_places(self.to_ask(), now);
                while let Some(question) = self.plan().poll(now) {
                    work.spawn(ask(question));
                }
            }
            let awake = self.plan().is_awake(now);
            tokio::select! {
                () = cancel.cancelled() => return,
                Some(done) = work.join_next(), if !work.is_empty() => match done {
                    Ok((feed, answer)) => self.plan().handle(feed, answer, &community, Instant::now()),
                    Err(error) => tracing::error!(%error, "a question for the map failed"),
                },
                () = self.looked.notified(), if !awake => {}
                () = tokio::time::sleep(PACE), if awake => {}
            }
        }
    }

    /// Nodes that are known and not asked anyway.
    fn to_ask(&self) -> Vec<(FeedId, Vec<PeerAddress>)> {
        let asked: Vec<FeedId> = self.table.heard().into_iter().map(|(feed, _)| feed).collect();
        let known = self.table.known().into_iter().filter(|known| !asked.contains(&known.identity.feed));
        known.map(|known| (known.identity.feed, known.addresses)).collect()
    }
}

async fn ask(question: Question) -> (FeedId, Option<Answer>) {
    let Question { feed, addresses, before } = question;
    for address in addresses {
        counter!("meshstream_mesh_map_questions_total").increment(1);
        match nodeinfo::ask_for(Wanted::Itself, &address, before.as_ref(), TIMEOUT).await {
            Ok(answer) => return (feed, Some(answer)),
            Err(error) => tracing::debug!(%feed, %address, %error, "cannot ask a node for the map"),
        }
    }
    (feed, None)
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
