//! What nodes say of others' broadcasts: the latest word of each on each, bounded whoever says how much. Pure.
//!
//! Words are remembered before the broadcast is known: who learns of it through a mirror hears the mirror first.

use std::collections::{BTreeMap, HashMap};

use stream_model::{BroadcastId, FeedId};

/// How many words are remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Of one broadcast: who was heard first stays.
    pub(super) of_broadcast: usize,
    /// Of one node: its oldest go.
    pub(super) of_node: usize,
    /// In all: the oldest of whoever has the most go.
    pub(super) in_all: usize,
}

#[derive(Debug)]
struct Entry<W> {
    word: W,
    /// Position in the order of arrival.
    order: u64,
}

/// One kind of word.
#[derive(Debug)]
pub(super) struct Said<W> {
    own: FeedId,
    bounds: Bounds,
    words: BTreeMap<(BroadcastId, FeedId), Entry<W>>,
    /// Of each node, in the order of arrival.
    of_nodes: HashMap<FeedId, BTreeMap<u64, BroadcastId>>,
    next_order: u64,
}

impl<W> Said<W> {
    pub(super) fn new(own: FeedId, bounds: Bounds) -> Self {
        Self { own, bounds, words: BTreeMap::new(), of_nodes: HashMap::new(), next_order: 0 }
    }

    /// The latest word of a node on a broadcast.
    pub(super) fn get(&self, broadcast: BroadcastId, node: FeedId) -> Option<&W> {
        Some(&self.words.get(&(broadcast, node))?.word)
    }

    /// What nodes say of one broadcast.
    pub(super) fn of_broadcast(&self, broadcast: BroadcastId) -> impl Iterator<Item = (FeedId, &W)> {
        let nodes = (broadcast, FeedId([0; 32]))..=(broadcast, FeedId([0xff; 32]));
        self.words.range(nodes).map(|((_, node), entry)| (*node, &entry.word))
    }

    /// What one node says, the latest first.
    pub(super) fn of_node(&self, node: FeedId) -> impl Iterator<Item = (BroadcastId, &W)> {
        let broadcasts = self.of_nodes.get(&node).into_iter().flat_map(|orders| orders.values().rev());
        broadcasts.filter_map(move |broadcast| Some((*broadcast, self.get(*broadcast, node)?)))
    }

    /// Who says something.
    pub(super) fn nodes(&self) -> impl Iterator<Item = FeedId> {
        self.of_nodes.keys().copied()
    }

    /// Takes in the latest word of a node on a broadcast. Returns the broadcasts of which something is known less now;
    /// `None` where there is no room for it.
    pub(super) fn set(&mut self, broadcast: BroadcastId, node: FeedId, word: W) -> Option<Vec<BroadcastId>> {
        let mut forgotten = Vec::new();
        if self.remove(broadcast, node).is_none() {
            if self.of_broadcast(broadcast).count() >= self.bounds.of_broadcast {
                if node != self.own {
                    return None;
                }
                self.forget_newest_of_others(broadcast);
            }
            if self.of_nodes.get(&node).is_some_and(|orders| orders.len() >= self.bounds.of_node) {
                forgotten.extend(self.forget_oldest(node));
            }
            if self.words.len() >= self.bounds.in_all {
                let most = self.of_nodes.iter().max_by_key(|(node, orders)| (**node != self.own, orders.len(), **node));
                forgotten.extend(most.map(|(node, _)| *node).and_then(|node| self.forget_oldest(node)));
            }
        }
        let order = self.next_order;
        self.next_order += 1;
        self.words.insert((broadcast, node), Entry { word, order });
        self.of_nodes.entry(node).or_default().insert(order, broadcast);
        Some(forgotten)
    }

    /// Forgets the word of a node on a broadcast.
    pub(super) fn remove(&mut self, broadcast: BroadcastId, node: FeedId) -> Option<W> {
        let entry = self.words.remove(&(broadcast, node))?;
        if let Some(orders) = self.of_nodes.get_mut(&node) {
            orders.remove(&entry.order);
            if orders.is_empty() {
                self.of_nodes.remove(&node);
            }
        }
        Some(entry.word)
    }

    /// Forgets the words on a broadcast that do not hold.
    pub(super) fn retain_of(&mut self, broadcast: BroadcastId, mut holds: impl FnMut(&W) -> bool) {
        let gone: Vec<FeedId> =
            self.of_broadcast(broadcast).filter(|(_, word)| !holds(word)).map(|(node, _)| node).collect();
        for node in gone {
            self.remove(broadcast, node);
        }
    }

    /// Forgets all that a node says. Returns of what.
    pub(super) fn forget_node(&mut self, node: FeedId) -> Vec<BroadcastId> {
        let broadcasts: Vec<BroadcastId> = self.of_node(node).map(|(broadcast, _)| broadcast).collect();
        for broadcast in &broadcasts {
            self.remove(*broadcast, node);
        }
        broadcasts
    }

    fn forget_oldest(&mut self, node: FeedId) -> Option<BroadcastId> {
        let (_, broadcast) = self.of_nodes.get(&node)?.first_key_value()?;
        let broadcast = *broadcast;
        self.remove(broadcast, node).map(|_| broadcast)
    }

    fn forget_newest_of_others(&mut self, broadcast: BroadcastId) {
        let nodes = (broadcast, FeedId([0; 32]))..=(broadcast, FeedId([0xff; 32]));
        let newest = self.words.range(nodes).max_by_key(|(_, entry)| entry.order).map(|((_, node), _)| *node);
        if let Some(node) = newest {
            self.remove(broadcast, node);
        }
    }
}
