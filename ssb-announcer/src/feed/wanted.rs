//! Which feeds this node replicates: its own, the node feeds of peers and of nodes that peers know, and the
//! broadcast feeds that those name.

use std::collections::{BTreeMap, BTreeSet};

use stream_model::FeedId;

/// Node feeds replicated. A community mesh has tens of nodes; each costs a few kilobytes of disk a day and one entry
/// in every exchange of clocks.
pub const MAX_NODE_FEEDS: usize = 256;

/// Why a feed is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedKind {
    /// Written by this node: served, never taken from others.
    Own,
    /// A node's feed: rare facts.
    Node,
    /// Feed of a broadcast, named by a node's feed.
    Broadcast,
}

/// The feeds to replicate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedFeeds {
    node: Option<FeedId>,
    own_broadcasts: BTreeSet<FeedId>,
    peers: BTreeSet<FeedId>,
    others: BTreeSet<FeedId>,
    /// Broadcast feeds, each with a node feed that names it.
    broadcasts: BTreeSet<(FeedId, FeedId)>,
}

impl WantedFeeds {
    /// Only this node's own feed.
    pub fn new(node: FeedId) -> Self {
        Self { node: Some(node), ..Self::default() }
    }

    /// Why the feed is wanted; `None` where it is not.
    pub fn kind(&self, feed: &FeedId) -> Option<FeedKind> {
        if self.node == Some(*feed) {
            Some(FeedKind::Own)
        } else if self.is_node(feed) {
            Some(FeedKind::Node)
        } else if !self.is_named(feed) {
            None
        } else if self.own_broadcasts.contains(feed) {
            Some(FeedKind::Own)
        } else {
            Some(FeedKind::Broadcast)
        }
    }

    /// All feeds to replicate, with the reason.
    pub fn feeds(&self) -> BTreeMap<FeedId, FeedKind> {
        let named = self.broadcasts.iter().map(|(feed, _)| feed);
        let all = self.node.iter().chain(&self.peers).chain(&self.others).chain(named);
        all.filter_map(|feed| Some((*feed, self.kind(feed)?))).collect()
    }

    /// Whether this node writes the feed, wanted or not.
    pub fn is_own(&self, feed: &FeedId) -> bool {
        self.node == Some(*feed) || self.own_broadcasts.contains(feed)
    }

    /// Wants the node feed of a peer. Where there is no room it takes that of a node known only by hearsay. Returns
    /// whether it is wanted now.
    pub(super) fn add_peer(&mut self, feed: FeedId) -> bool {
        if self.is_own(&feed) || self.peers.contains(&feed) {
            return true;
        }
        if !self.others.remove(&feed) && self.node_feeds() >= MAX_NODE_FEEDS && self.others.pop_last().is_none() {
            return false;
        }
        self.peers.insert(feed)
    }

    /// Wants the node feed of somebody a peer knows, while there is room. Returns whether it is wanted now.
    pub(super) fn add_other(&mut self, feed: FeedId) -> bool {
        if self.is_own(&feed) || self.peers.contains(&feed) || self.others.contains(&feed) {
            return true;
        }
        self.node_feeds() < MAX_NODE_FEEDS && self.others.insert(feed)
    }

    pub(super) fn add_own_broadcast(&mut self, feed: FeedId) {
        self.own_broadcasts.insert(feed);
    }

    /// Replaces the broadcast feeds that are wanted. Bounded by who names them.
    pub(super) fn set_broadcasts(&mut self, feeds: BTreeSet<(FeedId, FeedId)>) {
        self.broadcasts = feeds;
    }

    fn is_node(&self, feed: &FeedId) -> bool {
        self.node == Some(*feed) || self.peers.contains(feed) || self.others.contains(feed)
    }

    fn is_named(&self, feed: &FeedId) -> bool {
        let mut names = self.broadcasts.range((*feed, FeedId([0; 32]))..=(*feed, FeedId([0xff; 32])));
        names.any(|(_, author)| self.is_node(author))
    }

    fn node_feeds(&self) -> usize {
        self.peers.len() + self.others.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(n: usize) -> FeedId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        FeedId(bytes)
    }

    #[test]
    fn hearsay_fills_the_room_and_peers_take_it_back() {
        let mut wanted = WantedFeeds::new(feed(0));
        for n in 1..=MAX_NODE_FEEDS {
            assert!(wanted.add_other(feed(n)));
        }
        assert!(!wanted.add_other(feed(9_999)));
        for n in 1_000..1_000 + MAX_NODE_FEEDS {
            assert!(wanted.add_peer(feed(n)));
        }
        assert!(!wanted.add_peer(feed(9_999)));
        assert_eq!(wanted.feeds().len(), MAX_NODE_FEEDS + 1);
        assert_eq!(wanted.kind(&feed(1)), None);
        assert_eq!(wanted.kind(&feed(1_000)), Some(FeedKind::Node));
    }

    #[test]
    fn a_known_node_that_becomes_a_peer_is_counted_once() {
        let mut wanted = WantedFeeds::new(feed(0));
        assert!(wanted.add_other(feed(1)));
        assert!(wanted.add_peer(feed(1)));
        assert!(wanted.add_other(feed(1)));
        assert_eq!(wanted.feeds().len(), 2);
    }

    #[test]
    fn a_broadcast_feed_is_wanted_while_a_feed_that_names_it_is() {
        let mut wanted = WantedFeeds::new(feed(0));
        wanted.set_broadcasts([(feed(5), feed(1)), (feed(5), feed(2)), (feed(6), feed(5))].into());
        assert_eq!(wanted.kind(&feed(5)), None);
        assert!(wanted.add_peer(feed(2)));
        assert_eq!(wanted.kind(&feed(5)), Some(FeedKind::Broadcast));
        assert_eq!(wanted.kind(&feed(6)), None, "a broadcast feed names nothing");
        assert_eq!(wanted.feeds().len(), 3);
    }

    #[test]
    fn own_feeds_stay_own_whoever_names_them() {
        let mut wanted = WantedFeeds::new(feed(0));
        wanted.add_own_broadcast(feed(5));
        assert_eq!(wanted.kind(&feed(5)), None);
        wanted.set_broadcasts([(feed(5), feed(0)), (feed(6), feed(0)), (feed(0), feed(0))].into());
        assert_eq!(wanted.kind(&feed(5)), Some(FeedKind::Own));
        assert_eq!(wanted.kind(&feed(6)), Some(FeedKind::Broadcast));
        assert_eq!(wanted.kind(&feed(0)), Some(FeedKind::Own));
        assert!(wanted.add_peer(feed(0)));
        assert_eq!(wanted.kind(&feed(0)), Some(FeedKind::Own));
    }
}
