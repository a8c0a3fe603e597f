//! Blocks whose fetch was cancelled before they came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cid::Cid;
use stream_model::Claim;

/// Blocks remembered: those of some cancelled fetches, each with up to [`MAX_IN_FLIGHT`](super::MAX_IN_FLIGHT) of them.
/// The oldest are forgotten first.
const MOST: usize = 256;

/// What was asked for and is not awaited any more, and for whose sake it was asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Withdrawn(Arc<Mutex<VecDeque<(Cid, Claim)>>>);

impl Withdrawn {
    /// The block is asked for; it counts as withdrawn where the guard is dropped before it came.
    pub(super) fn guard(&self, cid: Cid, claim: Claim) -> Awaited<'_> {
        Awaited { withdrawn: self, cid, claim, came: false }
    }

    /// A block came that nobody waits for; for whose sake it was asked.
    pub(super) fn take(&self, cid: &Cid) -> Option<Claim> {
        let mut blocks = self.lock();
        let at = blocks.iter().position(|(other, _)| other == cid)?;
        blocks.remove(at).map(|(_, claim)| claim)
    }

    #[cfg(test)]
    pub(super) fn contains(&self, cid: &Cid) -> bool {
        self.lock().iter().any(|(other, _)| other == cid)
    }

    fn insert(&self, cid: Cid, claim: Claim) {
        let mut blocks = self.lock();
        blocks.retain(|(other, _)| *other != cid);
        blocks.push_back((cid, claim));
        if blocks.len() > MOST {
            blocks.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Cid, Claim)>> {
        // Nothing in here can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A block that is being waited for.
pub(super) struct Awaited<'a> {
    withdrawn: &'a Withdrawn,
    cid: Cid,
    claim: Claim,
    came: bool,
}

impl Awaited<'_> {
    /// It is here.
    pub(super) fn came(mut self) {
        self.came = true;
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if !self.came {
            self.withdrawn.insert(self.cid, self.claim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unixfs;

    #[test]
    fn what_came_is_not_withdrawn_and_the_oldest_are_forgotten_first() {
        let withdrawn = Withdrawn::default();
        let cid = |n: usize| unixfs::raw_leaf(&n.to_be_bytes()).cid;
        withdrawn.guard(cid(0), Claim::Gateway(cid(0))).came();
        assert_eq!(withdrawn.take(&cid(0)), None);
        for n in 0..=MOST {
            drop(withdrawn.guard(cid(n), Claim::Gateway(cid(n))));
        }
        assert_eq!(withdrawn.take(&cid(0)), None);
        assert_eq!(withdrawn.take(&cid(MOST)), Some(Claim::Gateway(cid(MOST))));
        assert_eq!(withdrawn.take(&cid(MOST)), None);
    }
}
