//! Broadcast feeds that neighbours ask for and that this node does not want by itself: what it fetches on their behalf,
//! so that whoever is two hops away is served. Pure.
//!
//! Of the feeds of nodes and people only those are fetched that are met, followed or introduced: a peer asks for all that
//! it replicates, of everybody, so its asking says nothing of what is needed.

use std::collections::{BTreeMap, BTreeSet};

use stream_model::FeedId;

/// Feeds noted of one neighbour: all that it may replicate in one exchange of notes. What it asks for beyond is passed
/// over.
const MAX_NOTED: usize = 4_096;
/// Broadcast feeds fetched for one neighbour: those of a day of one broadcast, or the earlier ones of several.
const FOR_ONE: usize = 32;
/// Broadcast feeds fetched for all of them: 64 MB at the size of a full feed of our publishers.
const FOR_ALL: usize = 192;

/// What neighbours ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    neighbours: BTreeMap<FeedId, BTreeSet<FeedId>>,
}

impl Asked {
    /// Replaces what a neighbour asks for. Whether that changed anything.
    pub(super) fn note(&mut self, neighbour: FeedId, feeds: BTreeSet<FeedId>) -> bool {
        let feeds: BTreeSet<FeedId> = feeds.into_iter().take(MAX_NOTED).collect();
        if feeds.is_empty() {
            return self.neighbours.remove(&neighbour).is_some();
        }
        let changed = self.neighbours.get(&neighbour) != Some(&feeds);
        self.neighbours.insert(neighbour, feeds);
        changed
    }

    /// Which of the feeds in `named` to fetch for them: within the budget of each, and of all taken in turns.
    pub(super) fn choose(&self, named: &BTreeSet<FeedId>) -> BTreeSet<FeedId> {
        let lists: Vec<Vec<FeedId>> =
            self.neighbours.values().map(|feeds| feeds.intersection(named).take(FOR_ONE).copied().collect()).collect();
        let mut chosen = BTreeSet::new();
        for turn in 0..FOR_ONE {
            for feed in lists.iter().filter_map(|list| list.get(turn)) {
                if chosen.len() >= FOR_ALL {
                    return chosen;
                }
                chosen.insert(*feed);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(kind: u8, n: u16) -> FeedId {
        let mut bytes = [kind; 32];
        bytes[1..3].copy_from_slice(&n.to_be_bytes());
        FeedId(bytes)
    }

    #[test]
    fn what_a_neighbour_asks_for_is_fetched_until_it_stops_asking() {
        let mut asked = Asked::default();
        let named = BTreeSet::from([feed(2, 1), feed(2, 2), feed(2, 3)]);
        assert!(asked.note(feed(0, 1), [feed(1, 1), feed(2, 1)].into()));
        assert!(asked.note(feed(0, 2), [feed(2, 1), feed(2, 2)].into()));
        assert!(!asked.note(feed(0, 2), [feed(2, 1), feed(2, 2)].into()));
        assert_eq!(asked.choose(&named), [feed(2, 1), feed(2, 2)].into(), "not what no broadcast names");
        assert!(asked.note(feed(0, 2), BTreeSet::new()));
        assert_eq!(asked.choose(&named), [feed(2, 1)].into());
    }

    #[test]
    fn a_greedy_neighbour_leaves_room_for_a_modest_one() {
        let mut asked = Asked::default();
        let named: BTreeSet<FeedId> = (0..10_000).map(|n| feed(2, n)).collect();
        for neighbour in 0..100 {
            asked.note(feed(0, neighbour), (0..5_000).map(|n| feed(2, 100 * neighbour + n)).collect());
        }
        asked.note(feed(0, 200), [feed(2, 9_999)].into());
        let chosen = asked.choose(&named);
        assert!(chosen.contains(&feed(2, 9_999)));
        assert_eq!(chosen.len(), FOR_ALL);
        assert_eq!(asked.neighbours[&feed(0, 1)].len(), MAX_NOTED);
    }
}
