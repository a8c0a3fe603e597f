//! Blocks that a peer was asked for and that nobody wants any more: a cancel is slower than what is on its way, and what
//! comes then was paid for.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use cid::Cid;
use libp2p_identity::PeerId;

/// How long a block may come after it was withdrawn: what a slow link and its buffers hold, 1 MiB over 300 kbit/s.
const COMES_WITHIN: Duration = Duration::from_secs(30);
/// Blocks remembered: all that fits into the windows of some peers. The oldest are forgotten first.
const MOST: usize = 256;

/// What was withdrawn lately, and of whom it was asked.
#[derive(Debug, Default)]
pub(super) struct Withdrawn {
    asked: HashMap<Cid, Vec<PeerId>>,
    order: VecDeque<(Instant, Cid)>,
}

impl Withdrawn {
    /// The block was asked of these peers, and still may come.
    pub(super) fn insert(&mut self, cid: Cid, peers: Vec<PeerId>, now: Instant) {
        self.remove(&cid);
        self.asked.insert(cid, peers);
        self.order.push_back((now, cid));
        if self.order.len() > MOST {
            self.forget_oldest();
        }
    }

    /// A block came that nobody wants; whether it was asked of this peer lately. Once for each block.
    pub(super) fn take(&mut self, cid: &Cid, from: PeerId, now: Instant) -> bool {
        self.expire(now);
        let asked = self.asked.get(cid).is_some_and(|peers| peers.contains(&from));
        if asked {
            self.remove(cid);
        }
        asked
    }

    /// The block is here: what else comes of it is of no use.
    pub(super) fn remove(&mut self, cid: &Cid) {
        if self.asked.remove(cid).is_some() {
            self.order.retain(|(_, other)| other != cid);
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > COMES_WITHIN) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, cid)) = self.order.pop_front() {
            self.asked.remove(&cid);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use multihash_codetable::{Code, MultihashDigest};

    use super::*;

    fn cid(n: usize) -> Cid {
        Cid::new_v1(0x55, Code::Sha2_256.digest(&n.to_be_bytes()))
    }

    #[test]
    fn a_block_counts_once_and_only_from_who_was_asked_lately() {
        let (now, asked, other) = (Instant::now(), PeerId::random(), PeerId::random());
        let mut withdrawn = Withdrawn::default();
        withdrawn.insert(cid(1), vec![asked], now);
        withdrawn.insert(cid(2), vec![asked], now);
        assert!(!withdrawn.take(&cid(1), other, now));
        assert!(!withdrawn.take(&cid(3), asked, now));
        assert!(withdrawn.take(&cid(1), asked, now));
        assert!(!withdrawn.take(&cid(1), asked, now));
        assert!(!withdrawn.take(&cid(2), asked, now + 2 * COMES_WITHIN));
        assert_eq!(withdrawn.len(), 0);
    }

    #[test]
    fn the_oldest_are_forgotten_first_and_what_is_withdrawn_again_is_new() {
        let (now, peer) = (Instant::now(), PeerId::random());
        let mut withdrawn = Withdrawn::default();
        for n in (0..MOST).chain([0, MOST]) {
            withdrawn.insert(cid(n), vec![peer], now);
        }
        assert_eq!(withdrawn.len(), MOST);
        assert!(withdrawn.take(&cid(0), peer, now));
        assert!(!withdrawn.take(&cid(1), peer, now));
    }
}
