//! Which broadcasts are fetched because neighbours ask for them, though nobody here watches: so that a chain of nodes
//! works in whose middle nobody does. Pure.
//!
//! Neighbours ask for blocks. Those that are the newest of a live broadcast tell what is watched elsewhere, and that is followed.
//! All others are looked up one by one: what they are for is [`errand`](super::errand)'s to say.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use stream_model::{BroadcastId, Cid, NeighbourWant, PeerId};
use tokio::time::Instant;

use super::followed::INTEREST;

/// Newest segments of a broadcast for which asking counts: what players have in their window.
pub(super) const RECENT: u64 = 8;
/// Broadcasts passed on at once: more than a mesh link carries.
const MOST: usize = 16;
/// Broadcasts passed on for one neighbour, behind which there may be others.
const MOST_FOR_ONE: usize = 8;
/// Wants that wait to be looked up. What exceeds it is left out: whoever still wants it asks again.
const MOST_WAITING: usize = 1024;
/// How long a want waits for the announcement that names it, which comes another way.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks, so that a flood of wants costs no more than this.
const LOOK: Duration = Duration::from_millis(250);

/// Of the wants that are looked up together, those of one neighbour: they are for a few files of one player, each of which
/// asks again as its blocks come.
const MOST_LOOKED_UP_FOR_ONE: usize = 32;

#[derive(Debug)]
struct Waiting {
    want: NeighbourWant,
    since: Instant,
    /// It was asked what else it may be for.
    looked_up: bool,
}

#[derive(Debug)]
struct Loan {
    first_asked_by: PeerId,
    until: Instant,
}

/// What neighbours ask for.
#[derive(Debug, Default)]
pub(super) struct Relay {
    waiting: VecDeque<Waiting>,
    loans: HashMap<BroadcastId, Loan>,
    /// Since the last look something came that may match.
    due: bool,
    looked_at: Option<Instant>,
}

impl Relay {
    /// A neighbour asks for a block.
    pub(super) fn handle_want(&mut self, want: NeighbourWant, now: Instant) {
        while self.waiting.pop_front_if(|waiting| waiting.since + PATIENCE <= now).is_some() {}
        if self.waiting.len() < MOST_WAITING && self.waiting.iter().all(|waiting| waiting.want != want) {
            self.waiting.push_back(Waiting { want, since: now, looked_up: false });
            self.due = true;
        }
    }

    /// Something was announced.
    pub(super) fn handle_announced(&mut self) {
        self.due |= !self.waiting.is_empty();
    }

    /// When [`poll`](Self::poll) has something to do.
    pub(super) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        self.due.then(|| self.looked_at.map_or(now, |looked_at| now.max(looked_at + LOOK)))
    }

    /// The broadcasts to follow now because neighbours ask for them, of those that are live, each with its newest roots.
    pub(super) fn poll(
        &mut self,
        live: impl IntoIterator<Item = (BroadcastId, Vec<Cid>)>,
        now: Instant,
    ) -> Vec<BroadcastId> {
        (self.due, self.looked_at) = (false, Some(now));
        self.loans.retain(|_, loan| loan.until > now);
        let mut wanted: HashMap<Cid, PeerId> = HashMap::new();
        for waiting in &self.waiting {
            wanted.entry(waiting.want.cid).or_insert_with(|| waiting.want.peer.clone());
        }
        let mut found = HashSet::new();
        let mut broadcasts = Vec::new();
        for (broadcast, roots) in live {
            let asked: Vec<&Cid> = roots.iter().filter(|root| wanted.contains_key(*root)).collect();
            if let Some(peer) = asked.first().and_then(|root| wanted.get(*root)) {
                if self.lend(broadcast, peer, now) {
                    broadcasts.push(broadcast);
                }
                found.extend(asked.into_iter().copied());
            }
        }
        self.waiting.retain(|waiting| !found.contains(&waiting.want.cid) && now < waiting.since + PATIENCE);
        broadcasts
    }

    /// Wants that are not for the newest of a live broadcast, each once; at most `most`, and no more of one neighbour than its
    /// share.
    pub(super) fn take_others(&mut self, most: usize) -> Vec<NeighbourWant> {
        let mut taken: Vec<NeighbourWant> = Vec::new();
        for waiting in self.waiting.iter_mut().filter(|waiting| !waiting.looked_up) {
            let of_this_one = taken.iter().filter(|want| want.peer == waiting.want.peer).count();
            if taken.len() < most && of_this_one < MOST_LOOKED_UP_FOR_ONE {
                waiting.looked_up = true;
                taken.push(waiting.want.clone());
            }
        }
        taken
    }

    /// Whether something waits to be looked up.
    pub(super) fn has_others(&self) -> bool {
        self.waiting.iter().any(|waiting| !waiting.looked_up)
    }

    fn lend(&mut self, broadcast: BroadcastId, peer: &PeerId, now: Instant) -> bool {
        let until = now + INTEREST;
        if let Some(loan) = self.loans.get_mut(&broadcast) {
            loan.until = until;
            return true;
        }
        let for_this_one = self.loans.values().filter(|loan| loan.first_asked_by == *peer).count();
        if self.loans.len() >= MOST || for_this_one >= MOST_FOR_ONE {
            metrics::counter!("meshstream_relays_refused_total").increment(1);
            return false;
        }
        self.loans.insert(broadcast, Loan { first_asked_by: peer.clone(), until });
        true
    }
}
