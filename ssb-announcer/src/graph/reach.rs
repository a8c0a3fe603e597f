//! Who is within some steps of a node in the follow graph. Pure.
//!
//! A step goes from an author to whom that author follows. A block cuts the edge of its author only: what others think
//! of somebody does not decide for this node. Its own block outweighs everything, and whom a blocked one follows is
//! not reached through it.

use std::collections::{BTreeMap, BTreeSet};

use stream_model::FeedId;

/// Feeds reached, besides the node's own: about as many as a Pi replicates for years without care. Nearer ones come
/// first; of those at one distance each follower's are taken in turns.
pub const MAX_REACHED: usize = 1_024;

/// Followed feeds that count of one author other than the node itself, so that no one fills the room of the others.
pub const MAX_FOLLOWS_OF_ONE: usize = 256;

/// Whom a node reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Each feed with its distance, from 1; without the node itself.
    pub hops: BTreeMap<FeedId, u32>,
    /// Whom the node blocks.
    pub blocked: BTreeSet<FeedId>,
}

/// Walks the graph from `me`, `hops` steps far. `follows` gives whom an author follows, in an order that depends on
/// nothing else, at most as many as asked for.
///
/// # Errors
/// The first error of `follows`.
pub fn reach<E>(
    me: FeedId,
    hops: u32,
    blocked: BTreeSet<FeedId>,
    mut follows: impl FnMut(&FeedId, usize) -> Result<Vec<FeedId>, E>,
) -> Result<Reach, E> {
    let mut reached: BTreeMap<FeedId, u32> = BTreeMap::new();
    let mut layer = BTreeSet::from([me]);
    for distance in 1..=hops {
        let mut lists = Vec::with_capacity(layer.len());
        for author in &layer {
            let most = if *author == me { MAX_REACHED } else { MAX_FOLLOWS_OF_ONE };
            let mut list = follows(author, most)?;
            list.retain(|target| *target != me && !blocked.contains(target) && !reached.contains_key(target));
            lists.push(list);
        }
        layer = in_turns(&lists, MAX_REACHED - reached.len());
        if layer.is_empty() {
            break;
        }
        reached.extend(layer.iter().map(|feed| (*feed, distance)));
    }
    Ok(Reach { hops: reached, blocked })
}

fn in_turns(lists: &[Vec<FeedId>], most: usize) -> BTreeSet<FeedId> {
    let mut chosen = BTreeSet::new();
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    for turn in 0..longest {
        for feed in lists.iter().filter_map(|list| list.get(turn)) {
            if chosen.len() >= most {
                return chosen;
            }
            chosen.insert(*feed);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    const ME: FeedId = FeedId([0; 32]);

    fn feed(n: u16) -> FeedId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        FeedId(bytes)
    }

    type Edges = BTreeSet<(u16, u16)>;

    fn walk(edges: &Edges, hops: u32, blocked: &BTreeSet<u16>) -> Reach {
        let blocked = blocked.iter().map(|n| feed(*n)).collect();
        let found: Result<Reach, Infallible> = reach(ME, hops, blocked, |author, most| {
            let of_author = edges.iter().filter(|(from, _)| feed(*from) == *author);
            Ok(of_author.map(|(_, to)| feed(*to)).take(most).collect())
        });
        found.unwrap()
    }

    /// The distances as breadth-first search by the book gives them.
    fn expected(edges: &Edges, hops: u32, blocked: &BTreeSet<u16>) -> BTreeMap<FeedId, u32> {
        let mut distance = BTreeMap::from([(0u16, 0)]);
        for step in 1..=hops {
            let here: Vec<u16> = distance.iter().filter(|(_, at)| **at == step - 1).map(|(n, _)| *n).collect();
            for (from, to) in edges {
                if here.contains(from) && !blocked.contains(to) {
                    distance.entry(*to).or_insert(step);
                }
            }
        }
        distance.into_iter().filter(|(n, _)| *n != 0).map(|(n, at)| (feed(n), at)).collect()
    }

    #[test]
    fn nobody_is_reached_without_following() {
        assert_eq!(walk(&Edges::new(), 3, &BTreeSet::new()), Reach::default());
        assert_eq!(walk(&[(1, 2), (2, 0)].into(), 3, &BTreeSet::new()).hops.len(), 0);
    }

    #[test]
    fn a_blocked_one_is_neither_reached_nor_walked_through() {
        let edges = [(0, 1), (1, 2), (0, 3), (3, 2), (2, 4)].into();
        let found = walk(&edges, 3, &[1].into());
        assert_eq!(found.hops, [(feed(3), 1), (feed(2), 2), (feed(4), 3)].into());
        assert_eq!(walk(&edges, 3, &[2].into()).hops, [(feed(1), 1), (feed(3), 1)].into());
    }

    #[test]
    fn one_who_follows_thousands_leaves_room_for_the_follows_of_others() {
        let mut edges: Edges = (10..5_000).map(|n| (1, n)).collect();
        edges.extend([(0, 1), (0, 2), (2, 6_000)]);
        let found = walk(&edges, 2, &BTreeSet::new());
        assert_eq!(found.hops.len(), 2 + MAX_FOLLOWS_OF_ONE + 1);
        assert!(found.hops.contains_key(&feed(6_000)));
        let own: Edges = (1..5_000).map(|n| (0, n)).collect();
        assert_eq!(walk(&own, 2, &BTreeSet::new()).hops.len(), MAX_REACHED);
    }

    proptest! {
        #[test]
        fn distances_are_those_of_the_shortest_way_and_blocks_win(
            edges in proptest::collection::btree_set((0u16..12, 0u16..12), 0..60),
            hops in 0u32..5,
            blocked in proptest::collection::btree_set(1u16..12, 0..4),
        ) {
            let found = walk(&edges, hops, &blocked);
            prop_assert!(blocked.iter().all(|n| !found.hops.contains_key(&feed(*n))));
            prop_assert_eq!(found.hops, expected(&edges, hops, &blocked));
        }

        #[test]
        fn another_step_only_adds(
            edges in proptest::collection::btree_set((0u16..2_000, 0u16..2_000), 0..4_000),
            hops in 0u32..4,
        ) {
            let (near, far) = (walk(&edges, hops, &BTreeSet::new()), walk(&edges, hops + 1, &BTreeSet::new()));
            prop_assert!(far.hops.len() <= MAX_REACHED);
            for (feed, distance) in near.hops {
                prop_assert_eq!(far.hops.get(&feed), Some(&distance));
            }
        }
    }
}
