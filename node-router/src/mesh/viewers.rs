//! How many watch a broadcast on a node, as its record says it (`docs/protocol/nodeinfo.md`): few broadcasts, small numbers, and
//! changes that are worth a new record only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stream_model::BroadcastId;

/// Broadcasts that a record tells of, those with the most viewers: with 64 records an answer still fits what is read of it.
const MAX_BROADCASTS: usize = 8;

/// Viewers of a broadcast that are believed of one node: as many as a node serves unless its owner raises that. So whoever makes
/// them up adds no more.
pub(super) const MAX_VIEWERS: u32 = 1_024;

/// Characters of a slug that name a broadcast here: 72 bits, so that nobody makes another one with the same.
const NAME_CHARS: usize = 12;

/// A change is told where it is more than this part of what was told: that of every second viewer of few, that of a hundredth of
/// many.
const WORTH_TELLING: u32 = 8;

/// Viewers by the beginning of the broadcast's slug.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Viewers(BTreeMap<String, u32>);

impl Viewers {
    /// What to tell of these counts, where this was told before.
    pub(super) fn after(before: Option<&Self>, mut counts: Vec<(BroadcastId, u32)>) -> Self {
        counts.retain(|(_, viewers)| *viewers > 0);
        counts.sort_by_key(|(broadcast, viewers)| (std::cmp::Reverse(*viewers), *broadcast));
        let told = counts.into_iter().take(MAX_BROADCASTS).map(|(broadcast, viewers)| {
            let (name, viewers) = (name(&broadcast), viewers.min(MAX_VIEWERS));
            let told = before.and_then(|before| before.0.get(&name)).copied();
            let same = told.filter(|told| viewers.abs_diff(*told) <= told / WORTH_TELLING);
            (name, same.unwrap_or(viewers))
        });
        Self(told.collect())
    }

    /// Leaves out what no node says.
    pub(super) fn bound(&mut self) {
        self.0.retain(|name, _| name.len() == NAME_CHARS);
        while self.0.len() > MAX_BROADCASTS {
            self.0.pop_last();
        }
        self.0.values_mut().for_each(|viewers| *viewers = (*viewers).min(MAX_VIEWERS));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn of(&self, broadcast: &BroadcastId) -> u32 {
        self.0.get(&name(broadcast)).copied().unwrap_or(0)
    }
}

/// Viewers that several nodes tell of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sum(BTreeMap<String, u64>);

impl Sum {
    pub(super) fn add(&mut self, viewers: &Viewers) {
        for (name, viewers) in &viewers.0 {
            *self.0.entry(name.clone()).or_default() += u64::from(*viewers);
        }
    }

    pub(super) fn of(&self, broadcast: &BroadcastId) -> u64 {
        self.0.get(&name(broadcast)).copied().unwrap_or(0)
    }
}

fn name(broadcast: &BroadcastId) -> String {
    broadcast.slug().chars().take(NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stream_model::MessageKey;

    use super::*;

    fn broadcast(number: u8) -> BroadcastId {
        BroadcastId(MessageKey([number; 32]))
    }

    #[test]
    fn small_changes_of_few_are_told_and_of_many_are_not() {
        let check = |told: u32, now: u32, expected: u32| {
            let before = Viewers::after(None, vec![(broadcast(1), told)]);
            let after = Viewers::after(Some(&before), vec![(broadcast(1), now)]);
            assert_eq!(after.of(&broadcast(1)), expected, "{told} and then {now}");
        };
        check(0, 1, 1);
        check(1, 2, 2);
        check(7, 6, 6);
        check(1, 0, 0);
        check(100, 105, 100);
        check(100, 87, 87);
        check(100, 113, 113);
        check(5_000, 1_000, MAX_VIEWERS);
    }

    #[test]
    fn the_broadcasts_with_the_most_viewers_are_told_of() {
        let counts = (1..=20).map(|number| (broadcast(number), u32::from(number))).collect();
        let told = Viewers::after(None, counts);
        assert_eq!(told.0.len(), MAX_BROADCASTS);
        assert_eq!((told.of(&broadcast(20)), told.of(&broadcast(13)), told.of(&broadcast(12))), (20, 13, 0));
        assert!(serde_json::to_string(&told).unwrap().len() < 180);
    }

    #[test]
    fn sums_are_of_all_who_tell() {
        let mut sum = Sum::default();
        sum.add(&Viewers::after(None, vec![(broadcast(1), 2), (broadcast(2), 1)]));
        sum.add(&Viewers::after(None, vec![(broadcast(1), 3)]));
        assert_eq!((sum.of(&broadcast(1)), sum.of(&broadcast(2)), sum.of(&broadcast(3))), (5, 1, 0));
    }

    proptest! {
        #[test]
        fn what_others_say_is_bounded(said in prop::collection::btree_map("[a-z]{0,14}|[a-z]{12}", any::<u32>(), 0..30)) {
            let mut viewers: Viewers = serde_json::from_value(serde_json::to_value(&said).unwrap()).unwrap();
            viewers.bound();
            prop_assert!(viewers.0.len() <= MAX_BROADCASTS);
            prop_assert!(viewers.0.iter().all(|(name, viewers)| name.len() == NAME_CHARS && *viewers <= MAX_VIEWERS));
        }
    }
}
