//! What one peer wants of us: the serving half of Bitswap, as a state machine.
//!
//! Wantlists and arrivals of blocks come in; presences to send and blocks to load and send come out, by the peer's
//! priority. What is not there yet stays wanted, and is served when it arrives. It never touches a store or a socket:
//! whether a block is held is asked through a closure that answers at once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

use cid::Cid;

use crate::wire::{Entry, Presence, Want};

/// Wants that are remembered for a peer. What exceeds it is refused as not there, so that the peer asks elsewhere; Kubo
/// remembers 1024 a peer.
pub(crate) const MAX_WANTS: usize = 4096;

/// Presences waiting to be sent. The peer's next message is not read before they are fewer (see
/// [`Ledger::is_backlogged`]), so that a peer that asks without reading is held up by its own stream.
pub(crate) const MAX_BACKLOG: usize = 8192;

/// Presences of one message: about 160 KB.
const PRESENCES_A_MESSAGE: usize = 4096;

/// What is known of one want.
#[derive(Debug)]
struct Wanted {
    want: Want,
    priority: i32,
    send_dont_have: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not held here; waiting for it to arrive.
    Lacking,
    /// In the queue at this place.
    Queued(Place),
    /// Handed out to be loaded and sent.
    Sending,
}

/// Place in the queue: by priority, then by age.
type Place = (Reverse<i32>, u64);

/// One peer's wants.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    wants: HashMap<Cid, Wanted>,
    queue: BTreeMap<Place, Cid>,
    presences: VecDeque<(Cid, Presence)>,
    age: u64,
}

impl Ledger {
    /// Takes a wantlist; `full` replaces what was wanted before.
    pub(crate) fn receive(&mut self, full: bool, entries: Vec<Entry>, held: impl Fn(&Cid) -> bool) {
        if full {
            self.wants.clear();
            self.queue.clear();
        }
        for entry in entries {
            match entry {
                Entry::Cancel(cid) => self.forget(&cid),
                Entry::Want { cid, priority, want, send_dont_have } => {
                    self.want(cid, Wanted { want, priority, send_dont_have, state: State::Lacking }, held(&cid));
                }
            }
        }
    }

    fn want(&mut self, cid: Cid, mut wanted: Wanted, held: bool) {
        match self.wants.get(&cid).map(|known| known.state) {
            // Asking again for what is on its way changes nothing.
            Some(State::Sending) => return,
            _ => self.forget(&cid),
        }
        if held && wanted.want == Want::Have {
            self.presences.push_back((cid, Presence::Have));
            return;
        }
        let full = self.wants.len() >= MAX_WANTS;
        if (!held || full) && wanted.send_dont_have {
            self.presences.push_back((cid, Presence::DontHave));
        }
        if full {
            metrics::counter!("meshstream_exchange_wants_refused_total").increment(1);
            return;
        }
        if held {
            wanted.state = self.enqueue(cid, wanted.priority);
        }
        self.wants.insert(cid, wanted);
    }

    fn enqueue(&mut self, cid: Cid, priority: i32) -> State {
        self.age += 1;
        let place = (Reverse(priority), self.age);
        self.queue.insert(place, cid);
        State::Queued(place)
    }

    fn forget(&mut self, cid: &Cid) {
        if let Some(Wanted { state: State::Queued(place), .. }) = self.wants.remove(cid) {
            self.queue.remove(&place);
        }
    }

    /// A block arrived here; whoever waits for it gets it.
    pub(crate) fn arrived(&mut self, cid: &Cid) {
        let Some((want, priority)) =
            self.wants.get(cid).filter(|w| w.state == State::Lacking).map(|w| (w.want, w.priority))
        else {
            return;
        };
        match want {
            Want::Have => {
                self.wants.remove(cid);
                self.presences.push_back((*cid, Presence::Have));
            }
            Want::Block => {
                let state = self.enqueue(*cid, priority);
                if let Some(wanted) = self.wants.get_mut(cid) {
                    wanted.state = state;
                }
            }
        }
    }

    /// Looks again for everything that was not there; for when arrivals were missed.
    pub(crate) fn look_again(&mut self, held: impl Fn(&Cid) -> bool) {
        let lacking = self.wants.iter().filter(|(_, wanted)| wanted.state == State::Lacking);
        for cid in lacking.map(|(cid, _)| *cid).filter(|cid| held(cid)).collect::<Vec<_>>() {
            self.arrived(&cid);
        }
    }

    /// Presences for one message; empty when there is nothing to say. A refusal that has waited until the block arrived is
    /// not sent any more: the peer would ask another for it, and get it twice.
    pub(crate) fn take_presences(&mut self) -> Vec<(Cid, Presence)> {
        let count = self.presences.len().min(PRESENCES_A_MESSAGE);
        let wants = &self.wants;
        let is_coming = |cid: &Cid| wants.get(cid).is_some_and(|wanted| wanted.state != State::Lacking);
        let presences = self.presences.drain(..count);
        presences.filter(|(cid, presence)| *presence == Presence::Have || !is_coming(cid)).collect()
    }

    /// The next block to load and send, to be followed by [`sent`](Self::sent), [`lost`](Self::lost) or
    /// [`unsent`](Self::unsent).
    pub(crate) fn next_block(&mut self) -> Option<Cid> {
        while let Some((_, cid)) = self.queue.pop_first() {
            if let Some(wanted) = self.wants.get_mut(&cid) {
                wanted.state = State::Sending;
                return Some(cid);
            }
        }
        None
    }

    /// Whether a block that was handed out is still wanted; the peer may have cancelled since.
    pub(crate) fn wants_now(&self, cid: &Cid) -> bool {
        self.wants.get(cid).is_some_and(|wanted| wanted.state == State::Sending)
    }

    /// The block went out.
    pub(crate) fn sent(&mut self, cid: &Cid) {
        if self.wants_now(cid) {
            self.wants.remove(cid);
        }
    }

    /// The block could not be loaded after all: it is not there. The peer may have asked for it anew meanwhile, so that
    /// it waits in the queue again.
    pub(crate) fn lost(&mut self, cid: &Cid) {
        let Some(wanted) = self.wants.get_mut(cid) else { return };
        match wanted.state {
            State::Lacking => return,
            State::Queued(place) => {
                self.queue.remove(&place);
            }
            State::Sending => {}
        }
        wanted.state = State::Lacking;
        if wanted.send_dont_have {
            self.presences.push_back((*cid, Presence::DontHave));
        }
    }

    /// The stream failed before the block went out: it waits for the next stream.
    pub(crate) fn unsent(&mut self, cid: &Cid) {
        let Some(priority) = self.wants.get(cid).filter(|w| w.state == State::Sending).map(|w| w.priority) else {
            return;
        };
        let state = self.enqueue(*cid, priority);
        if let Some(wanted) = self.wants.get_mut(cid) {
            wanted.state = state;
        }
    }

    /// Whether so much waits to be sent that nothing more should be read from the peer.
    pub(crate) fn is_backlogged(&self) -> bool {
        self.presences.len() >= MAX_BACKLOG
    }

    /// Wants that are remembered.
    pub(crate) fn len(&self) -> usize {
        self.wants.len()
    }

    /// Whether there is a block to load.
    pub(crate) fn has_blocks(&self) -> bool {
        !self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use multihash_codetable::{Code, MultihashDigest};
    use proptest::prelude::*;

    use super::*;

    fn cid(n: u32) -> Cid {
        Cid::new_v1(0x55, Code::Sha2_256.digest(&n.to_be_bytes()))
    }

    fn want_block(n: u32) -> Entry {
        Entry::Want { cid: cid(n), priority: 1, want: Want::Block, send_dont_have: true }
    }

    fn want_have(n: u32) -> Entry {
        Entry::Want { cid: cid(n), priority: 1, want: Want::Have, send_dont_have: true }
    }

    fn blocks(ledger: &mut Ledger) -> Vec<Cid> {
        std::iter::from_fn(|| ledger.next_block()).collect()
    }

    #[test]
    fn a_held_block_is_sent_and_forgotten() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1)], |_| true);
        assert_eq!(ledger.next_block(), Some(cid(1)));
        assert!(ledger.wants_now(&cid(1)));
        ledger.sent(&cid(1));
        assert!(ledger.wants.is_empty());
        assert!(ledger.take_presences().is_empty());
    }

    #[test]
    fn a_refusal_that_was_not_sent_before_the_block_arrived_is_not_sent() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1), want_block(2)], |_| false);
        ledger.arrived(&cid(1));
        assert_eq!(ledger.take_presences(), vec![(cid(2), Presence::DontHave)]);
        assert_eq!(blocks(&mut ledger), [cid(1)]);
    }

    #[test]
    fn a_block_that_arrives_later_is_served_then() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1), want_have(2)], |_| false);
        assert_eq!(ledger.take_presences(), vec![(cid(1), Presence::DontHave), (cid(2), Presence::DontHave)]);
        assert_eq!(ledger.next_block(), None);
        ledger.arrived(&cid(1));
        ledger.arrived(&cid(2));
        ledger.arrived(&cid(3));
        assert_eq!(blocks(&mut ledger), vec![cid(1)]);
        assert_eq!(ledger.take_presences(), vec![(cid(2), Presence::Have)]);
    }

    #[test]
    fn missed_arrivals_are_found_by_looking_again() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1), want_block(2)], |_| false);
        ledger.look_again(|held| *held == cid(2));
        assert_eq!(blocks(&mut ledger), vec![cid(2)]);
    }

    #[test]
    fn blocks_go_out_by_priority_then_by_age() {
        let entry = |n, priority| Entry::Want { cid: cid(n), priority, want: Want::Block, send_dont_have: false };
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![entry(1, 5), entry(2, i32::MAX), entry(3, 5), entry(4, i32::MIN)], |_| true);
        assert_eq!(blocks(&mut ledger), vec![cid(2), cid(1), cid(3), cid(4)]);
    }

    #[test]
    fn a_cancelled_want_is_not_served() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1), want_block(2)], |_| true);
        assert_eq!(ledger.next_block(), Some(cid(1)));
        ledger.receive(false, vec![Entry::Cancel(cid(1)), Entry::Cancel(cid(2))], |_| true);
        assert!(!ledger.wants_now(&cid(1)), "cancelled while it was being loaded");
        assert_eq!(ledger.next_block(), None);
    }

    #[test]
    fn a_full_wantlist_replaces_what_was_wanted() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1), want_block(2)], |_| false);
        ledger.receive(true, vec![want_block(3)], |_| false);
        for n in 1..=3 {
            ledger.arrived(&cid(n));
        }
        assert_eq!(blocks(&mut ledger), vec![cid(3)]);
    }

    #[test]
    fn a_block_that_did_not_leave_goes_out_on_the_next_stream() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1)], |_| true);
        assert_eq!(ledger.next_block(), Some(cid(1)));
        ledger.unsent(&cid(1));
        assert_eq!(ledger.next_block(), Some(cid(1)));
    }

    #[test]
    fn a_block_that_vanished_is_refused_and_served_when_it_is_back() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1)], |_| true);
        assert_eq!(ledger.next_block(), Some(cid(1)));
        ledger.lost(&cid(1));
        assert_eq!(ledger.take_presences(), vec![(cid(1), Presence::DontHave)]);
        ledger.arrived(&cid(1));
        assert_eq!(ledger.next_block(), Some(cid(1)));
    }

    #[test]
    fn a_block_that_vanished_is_not_handed_out_to_who_asked_anew_meanwhile() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1)], |_| true);
        assert_eq!(ledger.next_block(), Some(cid(1)));
        ledger.receive(true, vec![want_block(1)], |_| true);
        ledger.lost(&cid(1));
        assert_eq!(ledger.take_presences(), vec![(cid(1), Presence::DontHave)]);
        assert_eq!(ledger.next_block(), None);
    }

    #[test]
    fn a_want_have_after_a_want_block_gets_a_presence() {
        let mut ledger = Ledger::default();
        ledger.receive(false, vec![want_block(1)], |_| false);
        ledger.receive(false, vec![Entry::Cancel(cid(1)), want_have(1)], |_| false);
        ledger.take_presences();
        ledger.arrived(&cid(1));
        assert_eq!(ledger.take_presences(), vec![(cid(1), Presence::Have)]);
        assert_eq!(ledger.next_block(), None);
    }

    #[test]
    fn a_hundred_thousand_wants_are_refused_beyond_the_bound() {
        let mut ledger = Ledger::default();
        for chunk in 0..10 {
            ledger.receive(false, (chunk * 10_000..(chunk + 1) * 10_000).map(want_block).collect(), |_| false);
        }
        assert_eq!(ledger.wants.len(), MAX_WANTS);
        assert!(ledger.is_backlogged(), "the peer's stream is not read until the answers are gone");
        let mut refused = 0;
        loop {
            let presences = ledger.take_presences();
            if presences.is_empty() {
                break;
            }
            refused += presences.len();
        }
        assert_eq!(refused, 100_000);
        assert!(!ledger.is_backlogged());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Receive(bool, Vec<(u32, bool, bool)>),
        Arrive(u32),
        Next,
        Sent,
        Unsent,
        Lost,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (any::<bool>(), prop::collection::vec((0..8u32, any::<bool>(), any::<bool>()), 0..6))
                .prop_map(|(full, wants)| Step::Receive(full, wants)),
            (0..8u32).prop_map(Step::Arrive),
            Just(Step::Next),
            Just(Step::Sent),
            Just(Step::Unsent),
            Just(Step::Lost),
        ]
    }

    proptest! {
        #[test]
        fn only_held_and_wanted_blocks_are_handed_out_and_the_queue_matches_the_wants(
            steps in prop::collection::vec(any_step(), 0..60),
        ) {
            let mut ledger = Ledger::default();
            let mut held = HashSet::new();
            let mut sending = Vec::new();
            for step in steps {
                match step {
                    Step::Receive(full, wants) => {
                        let entries = wants.into_iter().map(|(n, have, cancel)| match (cancel, have) {
                            (true, _) => Entry::Cancel(cid(n)),
                            (false, true) => want_have(n),
                            (false, false) => want_block(n),
                        });
                        ledger.receive(full, entries.collect(), |cid| held.contains(cid));
                    }
                    Step::Arrive(n) => {
                        held.insert(cid(n));
                        ledger.arrived(&cid(n));
                    }
                    Step::Next => if let Some(cid) = ledger.next_block() {
                        prop_assert!(held.contains(&cid));
                        prop_assert!(ledger.wants_now(&cid));
                        sending.push(cid);
                    },
                    Step::Sent => if let Some(cid) = sending.pop() { ledger.sent(&cid) },
                    Step::Unsent => if let Some(cid) = sending.pop() { ledger.unsent(&cid) },
                    Step::Lost => if let Some(cid) = sending.pop() {
                        held.remove(&cid);
                        ledger.lost(&cid);
                    },
                }
                let queued = ledger.wants.values().filter(|wanted| matches!(wanted.state, State::Queued(_))).count();
                prop_assert_eq!(queued, ledger.queue.len());
                for (place, cid) in &ledger.queue {
                    prop_assert_eq!(ledger.wants[cid].state, State::Queued(*place));
                }
            }
        }
    }
}
