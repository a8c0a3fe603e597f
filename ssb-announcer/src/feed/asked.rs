//! Feeds that neighbours ask for and that this node does not want by itself: what it fetches on their behalf, so
//! that whoever is two hops away is served. Pure: the time is an argument.
//!
//! Two nodes that want a feed only because the other asks would keep it for ever. So a node feed that was asked for
//! for an hour rests for a minute: the neighbour that asked only in turn lets go of it then. What was stored meanwhile
//! stays, so nothing is fetched twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use stream_model::FeedId;

/// Feeds noted of one neighbour; what it asks for beyond is passed over.
pub(super) const MAX_NOTED: usize = 256;
/// Broadcast feeds fetched for one neighbour: those of a day of one broadcast, or the earlier ones of several.
const BROADCASTS_FOR_ONE: usize = 32;
/// Broadcast feeds fetched for all of them: 64 MB at the size of a full feed of our publishers.
const BROADCASTS_FOR_ALL: usize = 192;
/// Node feeds fetched for one neighbour. Anyone can ask for made-up ones.
const NODES_FOR_ONE: usize = 8;
/// Node feeds fetched for all of them.
const NODES_FOR_ALL: usize = 64;
/// How long a node feed is wanted because it is asked for.
const LEASE: Duration = Duration::from_secs(60 * 60);
/// How long it rests then: for neighbours to hear of it, and to let go in turn.
const REST: Duration = Duration::from_secs(60);

/// What neighbours ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    neighbours: BTreeMap<FeedId, BTreeSet<FeedId>>,
    /// Since when each node feed is wanted for neighbours.
    leases: BTreeMap<FeedId, Instant>,
}

/// What is fetched for neighbours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Feeds that a known broadcast has named.
    pub(crate) broadcasts: BTreeSet<FeedId>,
    /// Others: the feeds of nodes and people.
    pub(crate) nodes: BTreeSet<FeedId>,
}

impl Asked {
    /// Replaces what a neighbour asks for.
    pub(super) fn note(&mut self, neighbour: FeedId, feeds: BTreeSet<FeedId>) {
        let feeds: BTreeSet<FeedId> = feeds.into_iter().take(MAX_NOTED).collect();
        if feeds.is_empty() {
            self.neighbours.remove(&neighbour);
        } else {
            self.neighbours.insert(neighbour, feeds);
        }
    }

    /// What to fetch for them: within the budget of each, and of all taken in turns. `named` tells broadcast feeds from
    /// others; `refused` are those that are not to be fetched for anybody.
    pub(super) fn choose(
        &mut self,
        now: Instant,
        named: impl Fn(&FeedId) -> bool,
        refused: impl Fn(&FeedId) -> bool,
    ) -> Chosen {
        let eligible = |feed: &&FeedId| !refused(feed);
        let broadcasts: Vec<Vec<FeedId>> = self
            .neighbours
            .values()
            .map(|feeds| feeds.iter().filter(eligible).filter(|feed| named(feed)).copied().collect())
            .collect();
        let nodes: Vec<Vec<FeedId>> = self
            .neighbours
            .values()
            .map(|feeds| feeds.iter().filter(eligible).filter(|feed| !named(feed)).copied().collect())
            .collect();
        let nodes = in_turns(&nodes, NODES_FOR_ONE, NODES_FOR_ALL);
        self.leases.retain(|feed, _| nodes.contains(feed));
        for feed in &nodes {
            let since = self.leases.entry(*feed).or_insert(now);
            if now.saturating_duration_since(*since) >= LEASE + REST {
                *since = now;
            }
        }
        let leased =
            |feed: &FeedId| self.leases.get(feed).is_some_and(|since| now.saturating_duration_since(*since) < LEASE);
        Chosen {
            broadcasts: in_turns(&broadcasts, BROADCASTS_FOR_ONE, BROADCASTS_FOR_ALL),
            nodes: nodes.into_iter().filter(leased).collect(),
        }
    }
}

fn in_turns(lists: &[Vec<FeedId>], for_one: usize, for_all: usize) -> BTreeSet<FeedId> {
    let mut chosen = BTreeSet::new();
    for turn in 0..for_one {
        for feed in lists.iter().filter_map(|list| list.get(turn)) {
            if chosen.len() >= for_all {
                return chosen;
            }
            chosen.insert(*feed);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(kind: u8, n: u8) -> FeedId {
        let mut bytes = [n; 32];
        bytes[0] = kind;
        FeedId(bytes)
    }

    fn is_broadcast(feed: &FeedId) -> bool {
        feed.0[0] == 2
    }

    fn choose(asked: &mut Asked, now: Instant) -> Chosen {
        asked.choose(now, is_broadcast, |_| false)
    }

    #[test]
    fn what_a_neighbour_asks_for_is_fetched_until_it_stops_asking() {
        let (mut asked, now) = (Asked::default(), Instant::now());
        asked.note(feed(0, 1), [feed(1, 1), feed(2, 1)].into());
        asked.note(feed(0, 2), [feed(2, 1), feed(2, 2)].into());
        let chosen = choose(&mut asked, now);
        assert_eq!(chosen.nodes, [feed(1, 1)].into());
        assert_eq!(chosen.broadcasts, [feed(2, 1), feed(2, 2)].into());
        asked.note(feed(0, 2), BTreeSet::new());
        assert_eq!(choose(&mut asked, now).broadcasts, [feed(2, 1)].into());
        assert_eq!(asked.choose(now, is_broadcast, |_| true), Chosen::default(), "and not what is refused");
    }

    #[test]
    fn a_greedy_neighbour_leaves_room_for_a_modest_one() {
        let (mut asked, now) = (Asked::default(), Instant::now());
        for neighbour in 0..100 {
            asked.note(feed(0, neighbour), (0..=255).flat_map(|n| [feed(1, n), feed(2, n)]).collect());
        }
        asked.note(feed(0, 200), [feed(1, 254), feed(2, 254)].into());
        let chosen = choose(&mut asked, now);
        assert!(chosen.nodes.contains(&feed(1, 254)) && chosen.broadcasts.contains(&feed(2, 254)));
        assert!(chosen.nodes.len() <= NODES_FOR_ALL && chosen.broadcasts.len() <= BROADCASTS_FOR_ALL);
        assert_eq!(asked.neighbours[&feed(0, 1)].len(), MAX_NOTED);
    }

    #[test]
    fn two_nodes_that_ask_only_because_the_other_does_let_go() {
        let (mut one, mut two) = (Asked::default(), Asked::default());
        let (start, wanted) = (Instant::now(), feed(1, 1));
        let (mut one_wants, mut two_wants) = (true, true);
        let mut last_wanted = Duration::ZERO;
        for step in 0..1_000 {
            let at = Duration::from_secs(10 * step);
            let asks = |wants| if wants { BTreeSet::from([wanted]) } else { BTreeSet::new() };
            one.note(feed(0, 2), asks(two_wants));
            two.note(feed(0, 1), asks(one_wants));
            // The second node began to ask a while after the first.
            one_wants = !choose(&mut one, start + at).nodes.is_empty();
            two_wants = step < 60 || !choose(&mut two, start + at).nodes.is_empty();
            if one_wants || two_wants {
                last_wanted = at;
            }
        }
        assert!(last_wanted <= LEASE + REST, "{last_wanted:?}");
    }

    #[test]
    fn a_node_feed_that_is_still_asked_for_is_taken_up_after_its_rest() {
        let (mut asked, start) = (Asked::default(), Instant::now());
        asked.note(feed(0, 1), [feed(1, 1)].into());
        assert_eq!(choose(&mut asked, start).nodes.len(), 1);
        assert_eq!(choose(&mut asked, start + LEASE).nodes.len(), 0);
        assert_eq!(choose(&mut asked, start + LEASE + REST).nodes.len(), 1);
    }
}
