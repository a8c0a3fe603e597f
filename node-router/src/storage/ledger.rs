//! Which blocks are held, in memory, and who is at work on which: keeps an addition and a removal of the same block
//! from crossing. Pure; a lock around it is held only for single calls.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use cid::Cid;

#[derive(Debug)]
struct Partial {
    size: u64,
    touched: Instant,
}

/// The state of all blocks known to this process.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Blocks with a row in the index.
    held: HashMap<Cid, u64>,
    held_bytes: u64,
    /// Blocks of fetches that are not complete.
    partial: HashMap<Cid, Partial>,
    partial_bytes: u64,
    /// Bytes of blocks of fetches that are being put.
    reserved_bytes: u64,
    /// Blocks that additions and fetches rely on, by their number.
    in_use: HashMap<Cid, u32>,
    /// Blocks being removed from disk.
    removing: HashSet<Cid>,
    /// Blocks to be removed from disk, unless somebody holds them again by then. Each is a block on disk, so that the
    /// quota bounds them.
    doomed: VecDeque<Cid>,
}

impl Ledger {
    pub(super) fn new(held: Vec<(Cid, u64)>) -> Self {
        let mut ledger = Self::default();
        ledger.hold(held);
        ledger
    }

    pub(super) fn is_held(&self, cid: &Cid) -> bool {
        self.held.contains_key(cid)
    }

    /// Whether the block is on disk as far as is known, with or without a row.
    pub(super) fn is_present(&self, cid: &Cid) -> bool {
        self.is_held(cid) || self.partial.contains_key(cid)
    }

    /// Bytes and number of the blocks on disk.
    pub(super) fn usage(&self) -> (u64, u64) {
        (self.held_bytes + self.partial_bytes, (self.held.len() + self.partial.len()) as u64)
    }

    /// Bytes that unfinished fetches and look-ups hold or are about to.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        self.partial_bytes.saturating_add(self.reserved_bytes)
    }

    /// Sets room aside for a block that is about to be put; `false` where the quota leaves none.
    pub(super) fn reserve(&mut self, bytes: u64, quota: u64) -> bool {
        let fits = self.usage().0.saturating_add(self.reserved_bytes).saturating_add(bytes) <= quota;
        if fits {
            self.reserved_bytes += bytes;
        }
        fits
    }

    /// The counterpart of a successful [`Self::reserve`].
    pub(super) fn end_reserve(&mut self, bytes: u64) {
        self.reserved_bytes -= bytes;
    }

    /// Blocks got a row.
    pub(super) fn hold(&mut self, blocks: Vec<(Cid, u64)>) {
        for (cid, size) in blocks {
            self.forget_partial(&cid);
            self.held_bytes += size;
            if let Some(before) = self.held.insert(cid, size) {
                self.held_bytes -= before;
            }
        }
    }

    /// Blocks lost their row.
    pub(super) fn drop_held(&mut self, blocks: Vec<Cid>) {
        for cid in blocks {
            self.held_bytes -= self.held.remove(&cid).unwrap_or(0);
            self.doomed.push_back(cid);
        }
    }

    /// A block of a fetch that is not complete was stored.
    pub(super) fn keep_partial(&mut self, cid: Cid, size: u64, now: Instant) {
        if self.is_held(&cid) {
            return;
        }
        self.partial_bytes += size;
        if let Some(before) = self.partial.insert(cid, Partial { size, touched: now }) {
            self.partial_bytes -= before.size;
        }
    }

    /// Dooms blocks that were stored and will not become part of anything.
    pub(super) fn abandon(&mut self, cids: &[Cid]) {
        for cid in cids {
            if self.partial.contains_key(cid) {
                self.forget_partial(cid);
                self.doomed.push_back(*cid);
            }
        }
    }

    fn forget_partial(&mut self, cid: &Cid) {
        self.partial_bytes -= self.partial.remove(cid).map_or(0, |partial| partial.size);
    }

    /// Dooms what unfinished fetches left behind and nobody came back for within `age`.
    pub(super) fn expire_partials(&mut self, now: Instant, age: Duration) {
        let old = |(cid, partial): (&Cid, &Partial)| {
            let expired = now.saturating_duration_since(partial.touched) >= age && !self.in_use.contains_key(cid);
            expired.then_some(*cid)
        };
        let expired: Vec<_> = self.partial.iter().filter_map(old).collect();
        for cid in expired {
            self.forget_partial(&cid);
            self.doomed.push_back(cid);
        }
    }

    /// Registers that somebody relies on the blocks, all or none: `false` while one of them is being removed.
    pub(super) fn begin_use(&mut self, cids: &[Cid]) -> bool {
        if cids.iter().any(|cid| self.removing.contains(cid)) {
            return false;
        }
        for cid in cids {
            *self.in_use.entry(*cid).or_default() += 1;
        }
        true
    }

    /// The counterpart of [`Self::begin_use`]. Blocks that nothing keeps are doomed.
    pub(super) fn end_use(&mut self, cids: &[Cid], now: Instant) {
        for cid in cids {
            if let Some(users) = self.in_use.get_mut(cid) {
                *users -= 1;
                if *users == 0 {
                    self.in_use.remove(cid);
                }
            }
            if let Some(partial) = self.partial.get_mut(cid) {
                partial.touched = now;
            } else if !self.is_held(cid) {
                self.doomed.push_back(*cid);
            }
        }
    }

    /// A block was found on disk for which there may be no reason to be there.
    pub(super) fn doom_if_stray(&mut self, cid: Cid) -> bool {
        let stray = self.is_stray(&cid);
        if stray {
            self.doomed.push_back(cid);
        }
        stray
    }

    /// Whether nobody needs a block that is on disk, and nobody is removing it.
    pub(super) fn is_stray(&self, cid: &Cid) -> bool {
        !self.is_wanted(cid) && !self.removing.contains(cid)
    }

    fn is_wanted(&self, cid: &Cid) -> bool {
        self.is_present(cid) || self.in_use.contains_key(cid)
    }

    /// The next block to remove from disk, which no one can begin to use until [`Self::end_removal`].
    pub(super) fn begin_removal(&mut self) -> Option<Cid> {
        while let Some(cid) = self.doomed.pop_front() {
            if !self.is_wanted(&cid) && self.removing.insert(cid) {
                return Some(cid);
            }
        }
        None
    }

    pub(super) fn end_removal(&mut self, cid: &Cid) {
        self.removing.remove(cid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unixfs::raw_leaf;

    fn cid(byte: u8) -> Cid {
        raw_leaf(&[byte]).cid
    }

    #[test]
    fn what_an_unfinished_fetch_left_goes_when_nobody_comes_back() {
        let (mut ledger, start, age) = (Ledger::default(), Instant::now(), Duration::from_secs(600));
        assert!(ledger.begin_use(&[cid(1)]));
        ledger.keep_partial(cid(1), 10, start);
        ledger.expire_partials(start + 2 * age, age);
        assert!(ledger.is_present(&cid(1)), "a fetch is at work on it");

        ledger.end_use(&[cid(1)], start + 2 * age);
        ledger.expire_partials(start + 2 * age, age);
        assert_eq!(ledger.usage(), (10, 1));
        ledger.expire_partials(start + 3 * age, age);
        assert_eq!(ledger.usage(), (0, 0));
        assert_eq!(ledger.begin_removal(), Some(cid(1)));
    }

    #[test]
    fn a_block_in_use_is_not_removed_and_one_being_removed_is_not_used() {
        let mut ledger = Ledger::new(vec![(cid(1), 10)]);
        assert!(ledger.begin_use(&[cid(1)]));
        ledger.drop_held(vec![cid(1)]);
        assert_eq!(ledger.begin_removal(), None);
        ledger.end_use(&[cid(1)], Instant::now());
        assert_eq!(ledger.begin_removal(), Some(cid(1)));
        assert!(!ledger.begin_use(&[cid(1)]));
        ledger.end_removal(&cid(1));
        assert!(ledger.begin_use(&[cid(1)]));
    }

    #[test]
    fn room_that_is_set_aside_counts() {
        let mut ledger = Ledger::new(vec![(cid(1), 10)]);
        assert!(ledger.reserve(10, 30) && ledger.reserve(10, 30) && !ledger.reserve(1, 30));
        ledger.keep_partial(cid(2), 10, Instant::now());
        ledger.end_reserve(10);
        assert!(!ledger.reserve(1, 30));
        ledger.end_reserve(10);
        assert!(ledger.reserve(1, 30));
    }
}
