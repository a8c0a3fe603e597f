//! Who is at work on which blocks, and what counts towards the quota: keeps an addition and a removal of the same block from
//! crossing. Pure; a lock around it is held only for single calls. What is held is not here but in the index, so that this
//! does not grow with it.
//!
//! A block is removed in this order: it is marked as being removed, which is refused while somebody uses it; then the index
//! is asked whether it has a row; then its file goes. Whoever is to give it a row uses it from before its file is put until
//! after the row is committed. So either the mark is refused, or the row was committed before the question.
//! A removal that was refused is tried again when the last user leaves.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use cid::Cid;

#[derive(Debug)]
struct Partial {
    size: u64,
    touched: Instant,
}

/// A number of blocks, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) bytes: u64,
    pub(crate) blocks: u64,
}

impl Totals {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), blocks: self.blocks.saturating_add(other.blocks) }
    }

    fn minus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(other.bytes), blocks: self.blocks.saturating_sub(other.blocks) }
    }

    fn block(size: u64) -> Self {
        Self { bytes: size, blocks: 1 }
    }

    /// Whether none of the two is more.
    pub(super) fn is_within(self, most: Self) -> bool {
        self.bytes <= most.bytes && self.blocks <= most.blocks
    }
}

#[derive(Debug, Default)]
struct Users {
    number: u32,
    /// It may be that nothing keeps it when they have left.
    doubtful: bool,
}

/// The blocks that are worked on.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// What has a row, as of the last commit.
    held: Totals,
    /// Blocks on disk that have no row yet: of fetches and additions that are not complete. What is fetched in the minutes
    /// that it is kept for bounds them.
    partial: HashMap<Cid, Partial>,
    partial_totals: Totals,
    /// Blocks that are being put.
    reserved: Totals,
    /// Blocks that additions and fetches rely on.
    in_use: HashMap<Cid, Users>,
    /// Blocks being removed from disk.
    removing: HashSet<Cid>,
    /// Blocks to be removed from disk, unless somebody holds them by then. Each came from one small transaction, one
    /// directory of the disk or what was partial.
    doomed: VecDeque<Cid>,
    /// Blocks that lost their row in a commit that is not durable yet: after a power cut they may have it again.
    unsettled: Vec<Cid>,
}

impl Ledger {
    pub(super) fn new(held: Totals) -> Self {
        Self { held, ..Self::default() }
    }

    pub(super) fn is_partial(&self, cid: &Cid) -> bool {
        self.partial.contains_key(cid)
    }

    /// The blocks on disk.
    pub(super) fn usage(&self) -> Totals {
        self.held.plus(self.partial_totals)
    }

    /// Bytes that unfinished fetches and look-ups hold or are about to.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        self.partial_totals.plus(self.reserved).bytes
    }

    /// Sets room aside for blocks that are about to be put; `false` where the quota leaves none.
    pub(super) fn reserve(&mut self, wanted: Totals, quota: Totals) -> bool {
        let fits = self.usage().plus(self.reserved).plus(wanted).is_within(quota);
        if fits {
            self.reserved = self.reserved.plus(wanted);
        }
        fits
    }

    /// The counterpart of a successful [`Self::reserve`].
    pub(super) fn end_reserve(&mut self, room: Totals) {
        self.reserved = self.reserved.minus(room);
    }

    /// The index has changed.
    pub(super) fn set_held(&mut self, held: Totals) {
        self.held = held;
    }

    /// Blocks have a row.
    pub(super) fn recorded<'a>(&mut self, cids: impl IntoIterator<Item = &'a Cid>) {
        for cid in cids {
            self.forget_partial(cid);
        }
    }

    /// Blocks lost their row in a commit that is not durable before the next one that is.
    pub(super) fn doom_later(&mut self, cids: impl IntoIterator<Item = Cid>) {
        self.unsettled.extend(cids);
    }

    pub(super) fn is_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    /// A commit is durable, and so are those before it.
    pub(super) fn settle(&mut self) {
        self.doomed.extend(self.unsettled.drain(..));
    }

    /// Blocks lost their row, or never had one.
    pub(super) fn doom(&mut self, cids: impl IntoIterator<Item = Cid>) {
        self.doomed.extend(cids);
    }

    /// A block was stored and has no row yet.
    pub(super) fn keep_partial(&mut self, cid: Cid, size: u64, now: Instant) {
        self.forget_partial(&cid);
        self.partial_totals = self.partial_totals.plus(Totals::block(size));
        self.partial.insert(cid, Partial { size, touched: now });
    }

    /// Dooms blocks that were stored and will not become part of anything.
    pub(super) fn abandon(&mut self, cids: &[Cid]) {
        for cid in cids {
            if self.forget_partial(cid) {
                self.doomed.push_back(*cid);
            }
        }
    }

    /// Dooms all blocks without a row: nobody knows which of them are durable.
    pub(super) fn distrust_partials(&mut self) {
        let all: Vec<_> = self.partial.keys().copied().collect();
        self.abandon(&all);
    }

    fn forget_partial(&mut self, cid: &Cid) -> bool {
        let partial = self.partial.remove(cid);
        self.partial_totals =
            self.partial_totals.minus(partial.as_ref().map_or_else(Totals::default, |it| Totals::block(it.size)));
        partial.is_some()
    }

    /// Dooms what unfinished fetches left behind and nobody came back for within `age`.
    pub(super) fn expire_partials(&mut self, now: Instant, age: Duration) {
        let old = |(cid, partial): (&Cid, &Partial)| {
            let expired = now.saturating_duration_since(partial.touched) >= age && !self.in_use.contains_key(cid);
            expired.then_some(*cid)
        };
        let expired: Vec<_> = self.partial.iter().filter_map(old).collect();
        self.abandon(&expired);
    }

    /// Registers that somebody relies on the blocks, all or none: `false` while one of them is being removed.
    pub(super) fn begin_use(&mut self, cids: &[Cid]) -> bool {
        if cids.iter().any(|cid| self.removing.contains(cid)) {
            return false;
        }
        for cid in cids {
            self.in_use.entry(*cid).or_default().number += 1;
        }
        true
    }

    /// The counterpart of [`Self::begin_use`]; `recorded` where all of them have got a row meanwhile. Blocks that may be
    /// kept by nothing are doomed.
    pub(super) fn end_use(&mut self, cids: &[Cid], recorded: bool, now: Instant) {
        for cid in cids {
            let Some(users) = self.in_use.get_mut(cid) else { continue };
            users.number -= 1;
            users.doubtful |= !recorded;
            let doubtful = users.doubtful;
            let is_last = users.number == 0;
            if is_last {
                self.in_use.remove(cid);
            }
            if let Some(partial) = self.partial.get_mut(cid) {
                partial.touched = now;
            } else if is_last && doubtful {
                self.doomed.push_back(*cid);
            }
        }
    }

    /// Whether somebody is at work on the block: then it is no stray, whatever the index says.
    pub(super) fn is_worked_on(&self, cid: &Cid) -> bool {
        self.is_partial(cid) || self.in_use.contains_key(cid) || self.removing.contains(cid)
    }

    /// The next doomed blocks, at most `limit`, which no one can begin to use until [`Self::end_removal`]. Some may have a
    /// row: that is to be asked before they are removed.
    pub(super) fn begin_removal(&mut self, limit: usize) -> Vec<Cid> {
        let mut marked = Vec::new();
        while marked.len() < limit {
            let Some(cid) = self.doomed.pop_front() else { break };
            if let Some(users) = self.in_use.get_mut(&cid) {
                users.doubtful = true;
            } else if !self.is_partial(&cid) && self.removing.insert(cid) {
                marked.push(cid);
            }
        }
        marked
    }

    pub(super) fn end_removal(&mut self, cids: &[Cid]) {
        for cid in cids {
            self.removing.remove(cid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unixfs::raw_leaf;

    fn cid(byte: u8) -> Cid {
        raw_leaf(&[byte]).cid
    }

    fn totals(bytes: u64, blocks: u64) -> Totals {
        Totals { bytes, blocks }
    }

    #[test]
    fn what_an_unfinished_fetch_left_goes_when_nobody_comes_back() {
        let (mut ledger, start, age) = (Ledger::default(), Instant::now(), Duration::from_secs(600));
        assert!(ledger.begin_use(&[cid(1)]));
        ledger.keep_partial(cid(1), 10, start);
        ledger.expire_partials(start + 2 * age, age);
        assert!(ledger.is_partial(&cid(1)), "a fetch is at work on it");

        ledger.end_use(&[cid(1)], false, start + 2 * age);
        ledger.expire_partials(start + 2 * age, age);
        assert_eq!(ledger.usage(), totals(10, 1));
        ledger.expire_partials(start + 3 * age, age);
        assert_eq!(ledger.usage(), totals(0, 0));
        assert_eq!(ledger.begin_removal(9), [cid(1)]);
    }

    #[test]
    fn a_block_in_use_is_not_removed_and_one_being_removed_is_not_used() {
        let mut ledger = Ledger::new(totals(10, 1));
        assert!(ledger.begin_use(&[cid(1)]));
        ledger.doom([cid(1)]);
        assert!(ledger.begin_removal(9).is_empty());
        ledger.end_use(&[cid(1)], true, Instant::now());
        assert_eq!(ledger.begin_removal(9), [cid(1)], "it lost its row after its last user had recorded it");
        assert!(!ledger.begin_use(&[cid(1)]));
        ledger.end_removal(&[cid(1)]);
        assert!(ledger.begin_use(&[cid(1)]));
    }

    #[test]
    fn a_block_that_one_of_two_users_gave_up_is_looked_at_when_both_have_left() {
        let mut ledger = Ledger::default();
        assert!(ledger.begin_use(&[cid(1)]) && ledger.begin_use(&[cid(1)]));
        ledger.end_use(&[cid(1)], false, Instant::now());
        assert!(ledger.begin_removal(9).is_empty());
        ledger.end_use(&[cid(1)], true, Instant::now());
        assert_eq!(ledger.begin_removal(9), [cid(1)]);
    }

    #[test]
    fn room_that_is_set_aside_counts_in_bytes_and_in_files() {
        let mut ledger = Ledger::new(totals(10, 1));
        let (block, quota) = (totals(10, 1), totals(30, 9));
        assert!(ledger.reserve(block, quota) && ledger.reserve(block, quota) && !ledger.reserve(totals(1, 1), quota));
        ledger.keep_partial(cid(2), 10, Instant::now());
        ledger.end_reserve(block);
        assert!(!ledger.reserve(totals(1, 1), quota));
        ledger.end_reserve(block);
        assert!(ledger.reserve(totals(1, 1), quota));
        assert!(!ledger.reserve(totals(1, 1), totals(90, 3)), "three files are there");
    }

    #[test]
    fn what_may_not_be_durable_is_forgotten_and_removed_when_nobody_uses_it() {
        let mut ledger = Ledger::default();
        assert!(ledger.begin_use(&[cid(1)]));
        ledger.keep_partial(cid(1), 10, Instant::now());
        ledger.distrust_partials();
        assert_eq!(ledger.usage(), totals(0, 0));
        assert!(ledger.begin_removal(9).is_empty());
        ledger.end_use(&[cid(1)], false, Instant::now());
        assert_eq!(ledger.begin_removal(9), [cid(1)]);
    }
}
