//! Which peer is asked for which block, and when another is asked as well.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cid::Cid;
use libp2p_identity::PeerId;

use super::peer::HEDGE_AFTER;
use super::{Ask, Engine, SEARCH_AGAIN, TICK, WantKind, want_entry};

/// Ready wants that are looked at in one go: more than all peers' windows take at a time.
const LOOKAHEAD: usize = 256;

/// Searches under way. A peer remembers a bounded number of wants (Kubo 1024), and a search stands at every peer; what
/// exceeds this waits for its turn.
const MAX_SEARCHES: usize = 512;

impl Engine {
    /// Gives up late blocks, repeats searches, and asks peers for what is ready. To be called after events and at
    /// [`next_timeout`](Self::next_timeout).
    pub(crate) fn schedule(&mut self, now: Instant) {
        self.give_up_late_blocks(now);
        self.replace_silent_peers(now);
        self.repeat_searches(now);
        self.withdrawn.expire(now);
        self.assign(now);
        if self.ready.is_empty() && self.next_tick.is_some_and(|at| at <= now) {
            self.hedge(now);
        }
        let in_flight = self.peers.values().any(|peer| !peer.in_flight.is_empty());
        let waiting = !self.ready.is_empty() && !self.peers.is_empty();
        self.next_tick = match self.next_tick {
            _ if !in_flight && !waiting => None,
            Some(at) if at > now => Some(at),
            _ => Some(now + TICK),
        };
    }

    fn give_up_late_blocks(&mut self, now: Instant) {
        let mut late = Vec::new();
        for (id, peer) in &mut self.peers {
            let is_late = |asked: &Instant| now.saturating_duration_since(*asked) > peer.timeout(*asked, now);
            let gone: Vec<Cid> =
                peer.in_flight.iter().filter(|(_, asked)| is_late(asked)).map(|(cid, _)| *cid).collect();
            for cid in gone {
                peer.in_flight.remove(&cid);
                peer.timed_out(now);
                late.push((*id, cid));
            }
        }
        self.give_up(late);
    }

    /// What a silent peer was asked for is asked of others, as far as they may have it and do answer.
    fn replace_silent_peers(&mut self, now: Instant) {
        let mut late = Vec::new();
        for (id, peer) in self.peers.iter().filter(|(_, peer)| peer.is_silent(now)) {
            for cid in peer.in_flight.keys() {
                let other = self.best_peer(cid, &HashMap::new()).and_then(|other| self.peers.get(&other));
                if other.is_some_and(|other| !other.is_suspect() && !other.is_silent(now)) {
                    late.push((*id, *cid));
                }
            }
        }
        for (id, cid) in &late {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.in_flight.remove(cid);
                peer.timed_out(now);
            }
        }
        self.give_up(late);
    }

    fn give_up(&mut self, late: Vec<(PeerId, Cid)>) {
        for (id, cid) in late {
            metrics::counter!("meshstream_exchange_blocks_late_total").increment(1);
            if let Some(ask) = self.wants.get_mut(&cid).and_then(|want| want.asks.get_mut(&id)) {
                *ask = Ask::Late;
            }
            self.make_ready_unless_in_flight(&cid);
        }
    }

    /// A search without success starts over, with everybody, at the end of the line.
    fn repeat_searches(&mut self, now: Instant) {
        while let Some((at, sequence, cid)) = self.searches.first().copied().filter(|(at, _, _)| *at <= now) {
            self.searches.remove(&(at, sequence, cid));
            let Some(want) = self.wants.get_mut(&cid) else { continue };
            want.search_again = None;
            want.asks.clear();
            self.move_back(cid);
        }
    }

    /// Puts a want at the end of the line.
    fn move_back(&mut self, cid: Cid) {
        self.sequence += 1;
        let Some(want) = self.wants.get_mut(&cid) else { return };
        self.ready.remove(&want.sequence);
        want.sequence = self.sequence;
        self.ready.insert(want.sequence, cid);
    }

    /// Oldest want first, each at the peer that would deliver it first. Wants that find no room are counted where they
    /// would go, so that those behind them go elsewhere.
    fn assign(&mut self, now: Instant) {
        let candidates: Vec<Cid> = self.ready.values().take(LOOKAHEAD).copied().collect();
        let mut waiting: HashMap<PeerId, usize> = HashMap::new();
        for cid in candidates {
            match self.best_peer(&cid, &waiting) {
                Some(id) if self.peers.get(&id).is_some_and(|peer| peer.has_room()) => {
                    self.ask_block(cid, id, now);
                    self.probe(cid);
                }
                Some(id) => *waiting.entry(id).or_default() += 1,
                None if self.searches.len() < MAX_SEARCHES && !self.peers.is_empty() => self.search(cid, now),
                // Others may be luckier.
                None if !self.peers.is_empty() && self.ready.len() > LOOKAHEAD => self.move_back(cid),
                None => {}
            }
        }
    }

    /// The peer that would deliver first among those that are known or likely to have it. One that timed out counts
    /// only where there is no other.
    fn best_peer(&self, cid: &Cid, waiting: &HashMap<PeerId, usize>) -> Option<PeerId> {
        let want = self.wants.get(cid)?;
        let mut best: Option<(bool, f64, PeerId)> = None;
        let mut consider = |id: &PeerId| {
            let Some(peer) = self.peers.get(id) else { return };
            let candidate = (peer.is_suspect(), peer.finish(waiting.get(id).copied().unwrap_or(0)), *id);
            if best.is_none_or(|best| (candidate.0, candidate.1) < (best.0, best.1)) {
                best = Some(candidate);
            }
        };
        for (id, ask) in &want.asks {
            if *ask == Ask::Has {
                consider(id);
            }
        }
        for session in want.sessions.iter().filter_map(|session| self.sessions.get(session)) {
            for id in session.good.keys() {
                if !want.asks.contains_key(id) {
                    consider(id);
                }
            }
        }
        best.map(|(_, _, id)| id)
    }

    fn ask_block(&mut self, cid: Cid, id: PeerId, now: Instant) {
        let (Some(want), Some(peer)) = (self.wants.get_mut(&cid), self.peers.get_mut(&id)) else { return };
        self.ready.remove(&want.sequence);
        if let Some(at) = want.search_again.take() {
            self.searches.remove(&(at, want.sequence, cid));
        }
        want.asks.insert(id, Ask::Block);
        peer.ask(cid, now);
        peer.expect_answers();
        self.outboxes.entry(id).or_default().push(want_entry(cid, want.sequence, WantKind::Block));
    }

    /// Asks everybody who has it, once in a session, so that several peers share the work.
    fn probe(&mut self, cid: Cid) {
        let Some(want) = self.wants.get(&cid) else { return };
        let mut probe = false;
        for session in &want.sessions {
            if let Some(session) = self.sessions.get_mut(session) {
                probe |= !std::mem::replace(&mut session.probed, true);
            }
        }
        if probe {
            for id in self.peers.keys().copied().collect::<Vec<_>>() {
                self.ask_have(cid, id);
            }
        }
    }

    /// Nobody is known to have it: everybody is asked.
    fn search(&mut self, cid: Cid, now: Instant) {
        let Some(want) = self.wants.get_mut(&cid) else { return };
        let at = now + SEARCH_AGAIN;
        self.ready.remove(&want.sequence);
        want.search_again = Some(at);
        self.searches.insert((at, want.sequence, cid));
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            self.ask_have(cid, id);
        }
    }

    /// With nothing left to hand out: asks a second peer that has nothing to send for what one is slow to deliver. Two
    /// that are slow both would only send each other's blocks too.
    fn hedge(&mut self, now: Instant) {
        let mut slow: Vec<(Instant, Cid)> = Vec::new();
        for peer in self.peers.values() {
            let patience = peer.patience(now);
            let overdue = peer.in_flight.iter().filter(|(_, asked)| now.saturating_duration_since(**asked) > patience);
            slow.extend(overdue.map(|(cid, asked)| (*asked, *cid)));
        }
        slow.sort_unstable();
        for (asked, cid) in slow {
            let Some(want) = self.wants.get(&cid) else { continue };
            if want.asks.values().filter(|ask| **ask == Ask::Block).count() != 1 {
                continue;
            }
            let Some(id) = self.best_peer(&cid, &HashMap::new()) else { continue };
            let Some(peer) = self.peers.get(&id).filter(|peer| peer.is_idle() && !peer.is_suspect()) else { continue };
            let patience = HEDGE_AFTER + Duration::from_secs_f64(2.0 * peer.finish(0));
            if now.saturating_duration_since(asked) > patience {
                metrics::counter!("meshstream_exchange_blocks_hedged_total").increment(1);
                self.ask_block(cid, id, now);
            }
        }
    }
}
