//! What this node wants of its peers: the asking half of Bitswap, as a state machine.
//!
//! Sessions, wants, peers and their messages come in through [`Engine::handle`]; messages to peers, blocks for sessions
//! and peers to be disconnected come out of [`Engine::poll_output`]. Time is an argument; nothing here knows a socket, a
//! runtime or a store. Blocks are already verified when they come in.
//!
//! A want is *ready* until it is asked of a peer (`schedule.rs`), *in flight* while a peer is expected to send it, and
//! *searching* while all peers are asked whether they have it. At most one peer is asked for a block at a time, unless
//! it is late: a refused want-block is cancelled and becomes a want-have, because a peer that keeps it would push the
//! block whenever it gets it, beside the one that was asked then.

mod outbox;
mod peer;
mod schedule;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod withdrawn;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use libp2p_identity::PeerId;

use crate::wire::{Entry, Presence, Want as WantKind};
use outbox::Outbox;
use peer::Peer;
use withdrawn::Withdrawn;

/// Identifies a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// How often late blocks are looked for while any is in flight.
const TICK: Duration = Duration::from_millis(100);

/// How long a search waits before it asks everybody again, in case an answer was lost or the asked forgot.
const SEARCH_AGAIN: Duration = Duration::from_secs(5);

/// Refusals in a row after which a peer is no longer asked first in a session.
const MOST_MISSES: u32 = 32;

/// What happens to the engine.
#[derive(Debug)]
pub(crate) enum Event {
    /// The first connection to a peer is there.
    PeerUp(PeerId),
    /// The last connection is gone, or the peer does not speak Bitswap.
    PeerDown(PeerId),
    /// Messages to the peer may have been lost; it must be told everything again.
    StreamReset(PeerId),
    /// Blocks and presences from a peer.
    Message { peer: PeerId, blocks: Vec<(Cid, Bytes)>, presences: Vec<(Cid, Presence)> },
    /// Bytes of a large message come from the peer.
    Progress(PeerId),
    /// Wants of this session are likely to be held by the same peers, to begin with `providers`.
    SessionOpened { session: SessionId, providers: Vec<PeerId> },
    /// The session and its wants are gone.
    SessionClosed(SessionId),
    /// A session wants a block.
    Want { session: SessionId, cid: Cid },
    /// A session no longer wants it.
    Unwant { session: SessionId, cid: Cid },
}

/// What the engine wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send wantlist entries to a peer.
    Send { peer: PeerId, full: bool, entries: Vec<Entry> },
    /// A wanted block is here.
    Deliver { sessions: Vec<SessionId>, cid: Cid, data: Bytes, from: PeerId },
    /// A block that was asked for came after its last session withdrew it.
    Stray { cid: Cid, data: Bytes, from: PeerId },
    /// The peer sends what nobody asked for.
    Disconnect(PeerId),
}

/// How a want stands at a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Asked for the block, which is expected.
    Block,
    /// Asked for the block, which is late; it may still come.
    Late,
    /// Asked whether it has it, no answer yet.
    Have,
    /// Has it.
    Has,
    /// Has it not; will say when it has.
    Lacks,
}

#[derive(Debug)]
struct Want {
    /// Order of asking: the older, the sooner.
    sequence: u64,
    sessions: Vec<SessionId>,
    asks: HashMap<PeerId, Ask>,
    /// When a search is to be repeated.
    search_again: Option<Instant>,
}

impl Want {
    fn in_flight(&self) -> bool {
        self.asks.values().any(|ask| *ask == Ask::Block)
    }
}

#[derive(Debug, Default)]
struct Session {
    /// Peers that hold what this session wants, and their refusals since the last block.
    good: HashMap<PeerId, u32>,
    /// Whether all peers were asked for one of its wants, to find more that are good.
    probed: bool,
}

/// The state machine.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    peers: HashMap<PeerId, Peer>,
    sessions: HashMap<SessionId, Session>,
    wants: HashMap<Cid, Want>,
    /// Wants that no peer is asked to send now.
    ready: BTreeMap<u64, Cid>,
    /// When searches are to be repeated.
    searches: BTreeSet<(Instant, u64, Cid)>,
    outboxes: BTreeMap<PeerId, Outbox>,
    outputs: VecDeque<Output>,
    withdrawn: Withdrawn,
    sequence: u64,
    next_tick: Option<Instant>,
}

impl Engine {
    /// Takes in what happened. Outputs are there once [`schedule`](Self::schedule) was called, which may follow several
    /// events at once.
    pub(crate) fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::PeerUp(peer) => self.peer_up(peer, now),
            Event::PeerDown(peer) => self.peer_down(peer),
            Event::StreamReset(peer) => self.stream_reset(peer),
            Event::Message { peer, blocks, presences } => self.message(peer, blocks, presences, now),
            Event::Progress(id) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.progressed(now);
                }
            }
            Event::SessionOpened { session, providers } => {
                let good = providers.into_iter().map(|peer| (peer, 0)).collect();
                self.sessions.insert(session, Session { good, probed: false });
            }
            Event::SessionClosed(session) => {
                self.sessions.remove(&session);
                let wanted = self.wants.iter().filter(|(_, want)| want.sessions.contains(&session));
                for cid in wanted.map(|(cid, _)| *cid).collect::<Vec<_>>() {
                    self.unwant(session, &cid, now);
                }
            }
            Event::Want { session, cid } => self.want(session, cid),
            Event::Unwant { session, cid } => self.unwant(session, &cid, now),
        }
    }

    /// What to do next; `None` when there is nothing left until the next event.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let mut entry = self.outboxes.first_entry()?;
        let peer = *entry.key();
        let (full, entries) = entry.get_mut().pop();
        if entry.get().is_empty() {
            entry.remove();
        }
        Some(Output::Send { peer, full, entries })
    }

    /// When [`schedule`](Self::schedule) must be called although nothing happens.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let search = self.searches.first().map(|(at, _, _)| *at);
        self.next_tick.into_iter().chain(search).min()
    }

    /// Open sessions, and blocks that are wanted.
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.sessions.len(), self.wants.len())
    }

    /// Connected peers that speak Bitswap.
    #[cfg(test)]
    pub(crate) fn peer_count(&self) -> usize {
        self.peers.len()
    }

    fn peer_up(&mut self, id: PeerId, now: Instant) {
        self.peers.entry(id).or_insert_with(|| Peer::new(now));
        // It may have what is being searched for; what is ready is asked of it by the scheduler.
        let searching: Vec<Cid> = self.searches.iter().map(|(_, _, cid)| *cid).collect();
        for cid in searching {
            self.ask_have(cid, id);
        }
    }

    fn peer_down(&mut self, id: PeerId) {
        self.outboxes.remove(&id);
        let Some(peer) = self.peers.remove(&id) else { return };
        for want in self.wants.values_mut() {
            want.asks.remove(&id);
        }
        for cid in peer.in_flight.into_keys() {
            self.make_ready_unless_in_flight(&cid);
        }
    }

    fn stream_reset(&mut self, id: PeerId) {
        if !self.peers.contains_key(&id) {
            return;
        }
        let mut standing: Vec<(u64, Entry)> = Vec::new();
        for (cid, want) in &self.wants {
            if let Some(ask) = want.asks.get(&id) {
                let kind = if matches!(ask, Ask::Block | Ask::Late) { WantKind::Block } else { WantKind::Have };
                standing.push((want.sequence, want_entry(*cid, want.sequence, kind)));
            }
        }
        standing.sort_unstable_by_key(|(sequence, _)| *sequence);
        let mut outbox = Outbox::full();
        for (_, entry) in standing {
            outbox.push(entry);
            // The repeated wants are answered again.
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.expect_answers();
            }
        }
        self.outboxes.insert(id, outbox);
    }

    fn want(&mut self, session: SessionId, cid: Cid) {
        if !self.sessions.contains_key(&session) {
            return;
        }
        if let Some(want) = self.wants.get_mut(&cid) {
            if !want.sessions.contains(&session) {
                want.sessions.push(session);
            }
            return;
        }
        self.sequence += 1;
        let sequence = self.sequence;
        self.wants.insert(cid, Want { sequence, sessions: vec![session], asks: HashMap::new(), search_again: None });
        self.ready.insert(sequence, cid);
    }

    fn unwant(&mut self, session: SessionId, cid: &Cid, now: Instant) {
        let Some(want) = self.wants.get_mut(cid) else { return };
        want.sessions.retain(|other| *other != session);
        if !want.sessions.is_empty() {
            return;
        }
        let Some(want) = self.finish(cid, None) else { return };
        let asked = want.asks.into_iter().filter(|(_, ask)| matches!(ask, Ask::Block | Ask::Late));
        let peers: Vec<PeerId> = asked.map(|(id, _)| id).collect();
        if !peers.is_empty() {
            self.withdrawn.insert(*cid, peers, now);
        }
    }

    /// Removes a want and cancels it everywhere, but not at a peer whose block answered it.
    fn finish(&mut self, cid: &Cid, from: Option<PeerId>) -> Option<Want> {
        let want = self.wants.remove(cid)?;
        self.ready.remove(&want.sequence);
        if let Some(at) = want.search_again {
            self.searches.remove(&(at, want.sequence, *cid));
        }
        for (id, ask) in &want.asks {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.in_flight.remove(cid);
            }
            let answered = from == Some(*id) && matches!(ask, Ask::Block | Ask::Late);
            if !answered {
                self.outboxes.entry(*id).or_default().push(Entry::Cancel(*cid));
            }
        }
        Some(want)
    }

    fn message(&mut self, id: PeerId, blocks: Vec<(Cid, Bytes)>, presences: Vec<(Cid, Presence)>, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if !peer.account(blocks.len(), presences.len()) {
            metrics::counter!("meshstream_exchange_peers_refused_total").increment(1);
            tracing::debug!(peer = %id, "peer sends what nobody asked for");
            self.outputs.push_back(Output::Disconnect(id));
            self.peer_down(id);
            return;
        }
        for (cid, data) in blocks {
            self.block(id, cid, data, now);
        }
        for (cid, presence) in presences {
            self.presence(id, cid, presence);
        }
    }

    fn block(&mut self, id: PeerId, cid: Cid, data: Bytes, now: Instant) {
        let asked = self.peers.get(&id).and_then(|peer| peer.in_flight.get(&cid).copied());
        let Some(want) = self.finish(&cid, Some(id)) else {
            if self.withdrawn.take(&cid, id, now) {
                metrics::counter!("meshstream_exchange_blocks_stray_total").increment(1);
                self.outputs.push_back(Output::Stray { cid, data, from: id });
            } else {
                metrics::counter!("meshstream_exchange_blocks_unwanted_total").increment(1);
            }
            return;
        };
        self.withdrawn.remove(&cid);
        metrics::counter!("meshstream_exchange_blocks_received_total").increment(1);
        metrics::counter!("meshstream_exchange_bytes_received_total").increment(data.len() as u64);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.delivered(asked, now);
        }
        for session in &want.sessions {
            if let Some(session) = self.sessions.get_mut(session) {
                session.good.insert(id, 0);
            }
        }
        self.outputs.push_back(Output::Deliver { sessions: want.sessions, cid, data, from: id });
    }

    fn presence(&mut self, id: PeerId, cid: Cid, presence: Presence) {
        let Some(want) = self.wants.get_mut(&cid) else { return };
        let Some(ask) = want.asks.get_mut(&id) else { return };
        let sessions = want.sessions.clone();
        match presence {
            Presence::Have => {
                // A block that was asked for is still to come.
                if !matches!(ask, Ask::Block | Ask::Late) {
                    *ask = Ask::Has;
                    self.make_ready_unless_in_flight(&cid);
                }
                self.remember_good(&sessions, id);
            }
            Presence::DontHave => {
                let was_block = matches!(ask, Ask::Block | Ask::Late);
                *ask = Ask::Lacks;
                if was_block {
                    let sequence = want.sequence;
                    let outbox = self.outboxes.entry(id).or_default();
                    outbox.push(Entry::Cancel(cid));
                    outbox.push(want_entry_quiet(cid, sequence));
                    if let Some(peer) = self.peers.get_mut(&id) {
                        peer.expect_answers();
                        if peer.in_flight.remove(&cid).is_some() {
                            self.make_ready_unless_in_flight(&cid);
                        }
                    }
                }
                self.remember_miss(&sessions, id);
            }
        }
    }

    fn remember_good(&mut self, sessions: &[SessionId], id: PeerId) {
        for session in sessions {
            if let Some(session) = self.sessions.get_mut(session) {
                session.good.insert(id, 0);
            }
        }
    }

    fn remember_miss(&mut self, sessions: &[SessionId], id: PeerId) {
        for session in sessions {
            let Some(session) = self.sessions.get_mut(session) else { continue };
            if let Some(misses) = session.good.get_mut(&id) {
                *misses += 1;
                if *misses > MOST_MISSES {
                    session.good.remove(&id);
                }
            }
        }
    }

    fn make_ready_unless_in_flight(&mut self, cid: &Cid) {
        let Some(want) = self.wants.get_mut(cid) else { return };
        if want.in_flight() {
            return;
        }
        if let Some(at) = want.search_again.take() {
            self.searches.remove(&(at, want.sequence, *cid));
        }
        self.ready.insert(want.sequence, *cid);
    }

    fn ask_have(&mut self, cid: Cid, id: PeerId) {
        let (Some(want), Some(peer)) = (self.wants.get_mut(&cid), self.peers.get_mut(&id)) else { return };
        if want.asks.contains_key(&id) {
            return;
        }
        want.asks.insert(id, Ask::Have);
        peer.expect_answers();
        self.outboxes.entry(id).or_default().push(want_entry(cid, want.sequence, WantKind::Have));
    }
}

fn want_entry(cid: Cid, sequence: u64, want: WantKind) -> Entry {
    Entry::Want { cid, priority: priority(sequence), want, send_dont_have: true }
}

/// For a peer that said already that it has not got it.
fn want_entry_quiet(cid: Cid, sequence: u64) -> Entry {
    Entry::Want { cid, priority: priority(sequence), want: WantKind::Have, send_dont_have: false }
}

/// The older a want, the higher its priority.
fn priority(sequence: u64) -> i32 {
    i32::MAX - (sequence & 0x3fff_ffff) as i32
}
