//! Which feeds this node replicates: its own, the node feeds of peers, of nodes that peers know and of whom the follow
//! graph reaches, and the broadcast feeds that those name. Never a blocked one.

use std::collections::{BTreeMap, BTreeSet};

use stream_model::FeedId;

/// Node feeds replicated because they were met on the mesh. A community mesh has tens of nodes; each costs a few
/// kilobytes of disk a day and one entry in every exchange of clocks.
pub const MAX_NODE_FEEDS: usize = 256;

/// Of these, the ones replicated on the word of neighbours, so that whom the node meets itself finds room: nobody who is there
/// makes place for those.
pub(super) const MAX_INTRODUCED: usize = 192;

/// Node feeds replicated on the word of one neighbour, so that one that makes up identities does not take the room of
/// those that others know.
pub const MAX_INTRODUCED_BY_ONE: usize = 32;

/// Why a feed is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedKind {
    /// Written by this run of the program: served, never taken from others.
    Own,
    /// A node's or a person's feed: rare facts.
    Node,
    /// Feed of a broadcast, named by a node's feed.
    Broadcast,
}

/// The feeds to replicate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedFeeds {
    node: Option<FeedId>,
    own_broadcasts: BTreeSet<FeedId>,
    /// Broadcast feeds of this node's earlier runs, whose secrets ended with them.
    earlier_broadcasts: BTreeSet<FeedId>,
    configured: BTreeSet<FeedId>,
    /// Met on the mesh.
    met: BTreeSet<FeedId>,
    /// Known by hearsay only, each with the neighbour that introduced it.
    others: BTreeMap<FeedId, Option<FeedId>>,
    followed: BTreeSet<FeedId>,
    /// Authors of broadcasts that a node holds, mirrors or republishes, each with that node.
    credited: BTreeSet<(FeedId, FeedId)>,
    /// Broadcast feeds that only neighbours want.
    lent: BTreeSet<FeedId>,
    blocked: BTreeSet<FeedId>,
    paused: BTreeSet<FeedId>,
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
        } else if self.blocked.contains(feed) {
            None
        } else if self.is_node(feed) {
            Some(FeedKind::Node)
        } else if self.naming(feed).next().is_none() {
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
        let nodes = self.configured.iter().chain(&self.met).chain(self.others.keys()).chain(&self.followed);
        let credited = self.credited.iter().map(|(author, _)| author);
        let all = self.node.iter().chain(nodes).chain(credited).chain(named);
        all.filter_map(|feed| Some((*feed, self.kind(feed)?))).collect()
    }

    /// Whether messages of the feed are taken from others now: not of own feeds, and not of one that is paused because it
    /// exceeded its quota.
    pub fn receives(&self, feed: &FeedId) -> bool {
        self.kind(feed).is_some_and(|kind| kind != FeedKind::Own) && !self.paused.contains(feed)
    }

    /// Whether this node writes the feed or has written it, wanted or not.
    pub fn is_own(&self, feed: &FeedId) -> bool {
        self.is_written(feed) || self.earlier_broadcasts.contains(feed)
    }

    /// Whether this run of the program writes the feed.
    pub(super) fn is_written(&self, feed: &FeedId) -> bool {
        self.node == Some(*feed) || self.own_broadcasts.contains(feed)
    }

    /// Whether this node blocks the feed.
    pub fn is_blocked(&self, feed: &FeedId) -> bool {
        self.blocked.contains(feed)
    }

    /// Whether the feed is wanted because neighbours ask for it, and for no other reason.
    pub fn is_asked_only(&self, feed: &FeedId) -> bool {
        self.kind(feed) == Some(FeedKind::Broadcast) && self.lent.contains(feed)
    }

    /// Wants the node feed of a peer that the owner named. Where there is no room it takes that of a node that was
    /// introduced, heard or met. Returns whether it is wanted now.
    pub(super) fn add_configured(&mut self, feed: FeedId) -> bool {
        if self.is_own(&feed) || self.configured.contains(&feed) {
            return true;
        }
        let known = self.others.remove(&feed).is_some() || self.met.remove(&feed);
        if !known && !self.has_room() && !self.make_room() {
            return false;
        }
        self.configured.insert(feed)
    }

    /// Wants the node feed of a peer that was met, while there is room: who was there before stays. Returns whether it is
    /// wanted now.
    pub(super) fn add_met(&mut self, feed: FeedId) -> bool {
        if self.is_own(&feed) || self.configured.contains(&feed) || self.met.contains(&feed) {
            return true;
        }
        if self.others.remove(&feed).is_none() && !self.has_room() {
            return false;
        }
        self.met.insert(feed)
    }

    /// Wants the node feed of somebody known by hearsay, while there is room and the neighbour who says so has some
    /// of its budget left. Returns whether it is wanted now.
    pub(super) fn add_other(&mut self, feed: FeedId, neighbour: Option<FeedId>) -> bool {
        let is_peer = self.configured.contains(&feed) || self.met.contains(&feed);
        if self.is_own(&feed) || is_peer || self.others.contains_key(&feed) {
            return true;
        }
        let introduced = self.others.values().flatten();
        let by_this_one = introduced.clone().filter(|by| neighbour == Some(**by)).count();
        let has_budget = by_this_one < MAX_INTRODUCED_BY_ONE && introduced.count() < MAX_INTRODUCED;
        if !self.has_room() || neighbour.is_some() && !has_budget {
            return false;
        }
        self.others.insert(feed, neighbour);
        true
    }

    /// Gives up a node feed that nobody configured; one that was introduced, if there is one.
    fn make_room(&mut self) -> bool {
        let introduced = self.others.iter().rev().find(|(_, by)| by.is_some()).map(|(feed, _)| *feed);
        match introduced {
            Some(feed) => self.others.remove(&feed).is_some(),
            None => self.others.pop_last().is_some() || self.met.pop_last().is_some(),
        }
    }

    /// A broadcast feed that an earlier run has written. Nobody writes it any more, so that it is taken from others like
    /// theirs: after a restored backup they may have more of it.
    pub(super) fn add_earlier_broadcast(&mut self, feed: FeedId) {
        self.earlier_broadcasts.insert(feed);
    }

    pub(super) fn add_own_broadcast(&mut self, feed: FeedId) {
        self.own_broadcasts.insert(feed);
    }

    /// Replaces the node feeds that the follow graph reaches, and those that are blocked. Bounded by who reads the graph.
    pub(super) fn set_graph(&mut self, followed: BTreeSet<FeedId>, blocked: BTreeSet<FeedId>) {
        self.followed = followed;
        self.blocked = blocked;
    }

    /// Replaces the broadcast feeds that are wanted, and which of them only neighbours want. Bounded by who names them.
    pub(super) fn set_broadcasts(&mut self, feeds: BTreeSet<(FeedId, FeedId)>, lent: BTreeSet<FeedId>) {
        self.broadcasts = feeds;
        self.lent = lent;
    }

    /// Replaces the authors that nodes name by holding, mirroring or republishing something of them: pairs of the author and
    /// such a node. Bounded by who reads what they say.
    pub(super) fn set_credited(&mut self, credited: BTreeSet<(FeedId, FeedId)>) {
        self.credited = credited;
    }

    /// Feeds that are being dropped are named no more.
    pub(super) fn remove_broadcasts(&mut self, feeds: &BTreeSet<FeedId>) {
        self.broadcasts.retain(|(feed, _)| !feeds.contains(feed));
    }

    /// Takes nothing of a feed until it is taken up again.
    pub(super) fn pause(&mut self, feed: FeedId) {
        self.paused.insert(feed);
    }

    /// The feeds that are paused.
    pub(super) fn paused(&self) -> impl Iterator<Item = FeedId> {
        self.paused.iter().copied()
    }

    /// Takes up the feeds for which there is room again, and forgets those that are not wanted.
    pub(super) fn resume(&mut self, is_ready: impl Fn(&FeedId) -> bool) {
        let mut paused = std::mem::take(&mut self.paused);
        paused.retain(|feed| self.kind(feed).is_some() && !is_ready(feed));
        self.paused = paused;
    }

    fn is_node(&self, feed: &FeedId) -> bool {
        self.is_replicated_itself(feed) || self.is_credited(feed)
    }

    /// Whether a node feed is wanted for what it is, and not because somebody names it as the author of something: those who are
    /// wanted for that alone have no say in who else is.
    pub(crate) fn stands(&self, node: &FeedId) -> bool {
        self.is_replicated_itself(node) && !self.blocked.contains(node)
    }

    fn is_replicated_itself(&self, feed: &FeedId) -> bool {
        self.node == Some(*feed)
            || self.configured.contains(feed)
            || self.met.contains(feed)
            || self.others.contains_key(feed)
            || self.followed.contains(feed)
    }

    fn is_credited(&self, author: &FeedId) -> bool {
        let names = self.credited.range((*author, FeedId([0; 32]))..=(*author, FeedId([0xff; 32])));
        names.into_iter().any(|(_, node)| self.stands(node))
    }

    /// Whether a node feed is replicated only because it was met, heard or introduced: neither its owner nor anybody this node
    /// follows vouches for it.
    pub(crate) fn is_stranger(&self, node: &FeedId) -> bool {
        !self.is_own(node) && !self.configured.contains(node) && !self.followed.contains(node)
    }

    /// Whether somebody other than strangers brings this feed here.
    pub(super) fn is_vouched_for(&self, feed: &FeedId) -> bool {
        match self.kind(feed) {
            None => self.is_own(feed),
            Some(FeedKind::Own) => true,
            Some(FeedKind::Node) => !self.is_stranger(feed),
            Some(FeedKind::Broadcast) => self.naming(feed).any(|node| !self.is_stranger(&node)),
        }
    }

    /// The node feeds that name a broadcast feed and are wanted themselves.
    pub(super) fn naming(&self, feed: &FeedId) -> impl Iterator<Item = FeedId> {
        let names = self.broadcasts.range((*feed, FeedId([0; 32]))..=(*feed, FeedId([0xff; 32])));
        names.map(|(_, author)| *author).filter(|author| self.is_node(author) && !self.blocked.contains(author))
    }

    fn has_room(&self) -> bool {
        self.configured.len() + self.met.len() + self.others.len() < MAX_NODE_FEEDS
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
    fn who_is_met_pushes_out_nobody() {
        let mut wanted = WantedFeeds::new(feed(0));
        assert!(wanted.add_met(feed(1)));
        assert!(wanted.add_other(feed(2), None));
        assert!(wanted.add_other(feed(3), Some(feed(1))));
        let newcomers = (1_000..2_000).filter(|n| wanted.add_met(feed(*n))).count();
        assert_eq!(newcomers, MAX_NODE_FEEDS - 3);
        for there in 1..=3 {
            assert_eq!(wanted.kind(&feed(there)), Some(FeedKind::Node));
        }
        assert!(wanted.add_met(feed(2)), "it has a place");
        assert_eq!(wanted.feeds().len(), MAX_NODE_FEEDS + 1);
    }

    #[test]
    fn a_configured_peer_takes_the_place_of_hearsay_first_and_then_of_who_was_met() {
        let mut wanted = WantedFeeds::new(feed(0));
        assert!(wanted.add_other(feed(1), Some(feed(7))));
        assert!(wanted.add_other(feed(2), None));
        for n in 1_000..2_000 {
            wanted.add_met(feed(n));
        }
        for (newcomer, gone) in [(10, 1), (11, 2)] {
            assert!(wanted.add_configured(feed(newcomer)));
            assert_eq!(wanted.kind(&feed(gone)), None);
        }
        for n in 12..10 + MAX_NODE_FEEDS {
            assert!(wanted.add_configured(feed(n)));
        }
        assert!(!wanted.add_configured(feed(9_999)), "nor of another configured one");
        assert_eq!(wanted.kind(&feed(10)), Some(FeedKind::Node));
        assert_eq!(wanted.feeds().len(), MAX_NODE_FEEDS + 1);
    }

    #[test]
    fn hearsay_leaves_room_for_those_whom_the_node_meets() {
        let mut wanted = WantedFeeds::new(feed(0));
        let introduced = (1_000..2_000).filter(|n| wanted.add_other(feed(*n), Some(feed(n % 50)))).count();
        assert_eq!(introduced, MAX_INTRODUCED);
        assert!(wanted.add_met(feed(1)) && wanted.add_other(feed(2), None));
    }

    #[test]
    fn a_neighbour_that_makes_up_identities_uses_up_its_own_budget_only() {
        let mut wanted = WantedFeeds::new(feed(0));
        let introduced = (1_000..2_000).filter(|n| wanted.add_other(feed(*n), Some(feed(1)))).count();
        assert_eq!(introduced, MAX_INTRODUCED_BY_ONE);
        assert!(wanted.add_other(feed(3_000), Some(feed(2))));
        assert!(wanted.add_other(feed(1_000), Some(feed(2))), "known to both");
    }

    #[test]
    fn a_known_node_that_becomes_a_peer_is_counted_once() {
        let mut wanted = WantedFeeds::new(feed(0));
        assert!(wanted.add_other(feed(1), None));
        assert!(wanted.add_met(feed(1)));
        assert!(wanted.add_other(feed(1), None));
        assert_eq!(wanted.feeds().len(), 2);
    }

    #[test]
    fn a_broadcast_feed_is_wanted_while_a_feed_that_names_it_is() {
        let mut wanted = WantedFeeds::new(feed(0));
        wanted.set_broadcasts([(feed(5), feed(1)), (feed(5), feed(2)), (feed(6), feed(5))].into(), BTreeSet::new());
        assert_eq!(wanted.kind(&feed(5)), None);
        assert!(wanted.add_met(feed(2)));
        assert_eq!(wanted.kind(&feed(5)), Some(FeedKind::Broadcast));
        assert_eq!(wanted.kind(&feed(6)), None, "a broadcast feed names nothing");
        assert_eq!(wanted.feeds().len(), 3);
    }

    #[test]
    fn an_author_is_wanted_while_a_node_that_credits_it_is_wanted_itself() {
        let mut wanted = WantedFeeds::new(feed(0));
        let credits = [(feed(1), feed(2)), (feed(3), feed(1)), (feed(4), feed(0)), (feed(5), feed(6))];
        wanted.set_credited(credits.into());
        assert_eq!(wanted.kind(&feed(1)), None);
        assert!(wanted.add_met(feed(2)));
        assert_eq!(wanted.kind(&feed(1)), Some(FeedKind::Node));
        assert_eq!(wanted.kind(&feed(3)), None, "on the word of one that is credited only");
        assert_eq!(wanted.kind(&feed(4)), Some(FeedKind::Node), "on this node's own");
        assert!(wanted.stands(&feed(2)) && !wanted.stands(&feed(1)));
        assert!(wanted.is_stranger(&feed(1)));
        wanted.set_broadcasts([(feed(9), feed(1))].into(), BTreeSet::new());
        assert_eq!(wanted.kind(&feed(9)), Some(FeedKind::Broadcast));

        wanted.set_graph(BTreeSet::new(), [feed(2), feed(4)].into());
        let blocked = [1, 2, 4, 9].map(|n| wanted.kind(&feed(n)));
        assert_eq!(blocked, [None; 4]);
        assert_eq!(wanted.feeds().len(), 1);
    }

    #[test]
    fn own_feeds_stay_own_whoever_names_them() {
        let mut wanted = WantedFeeds::new(feed(0));
        wanted.add_own_broadcast(feed(5));
        assert_eq!(wanted.kind(&feed(5)), None);
        wanted.set_broadcasts([(feed(5), feed(0)), (feed(6), feed(0)), (feed(0), feed(0))].into(), BTreeSet::new());
        assert_eq!(wanted.kind(&feed(5)), Some(FeedKind::Own));
        assert_eq!(wanted.kind(&feed(6)), Some(FeedKind::Broadcast));
        assert_eq!(wanted.kind(&feed(0)), Some(FeedKind::Own));
        assert!(wanted.add_met(feed(0)));
        assert_eq!(wanted.kind(&feed(0)), Some(FeedKind::Own));
    }

    #[test]
    fn an_own_broadcast_feed_of_an_earlier_run_is_taken_from_others_and_stays_own() {
        let mut wanted = WantedFeeds::new(feed(0));
        wanted.add_own_broadcast(feed(5));
        wanted.add_earlier_broadcast(feed(6));
        wanted.set_broadcasts([(feed(5), feed(0)), (feed(6), feed(0))].into(), BTreeSet::new());
        assert_eq!([5, 6].map(|n| wanted.receives(&feed(n))), [false, true]);
        assert_eq!([5, 6].map(|n| wanted.is_written(&feed(n))), [true, false]);
        assert_eq!([5, 6].map(|n| wanted.is_own(&feed(n))), [true, true]);
    }

    #[test]
    fn a_block_outweighs_every_reason_and_what_the_blocked_name() {
        let mut wanted = WantedFeeds::new(feed(0));
        wanted.add_met(feed(1));
        wanted.add_other(feed(2), None);
        wanted.set_broadcasts([(feed(9), feed(1)), (feed(10), feed(1)), (feed(10), feed(4))].into(), BTreeSet::new());
        let blocked = [feed(1), feed(2), feed(3)];
        wanted.set_graph([feed(1), feed(3), feed(4)].into(), blocked.into());
        let kinds = wanted.feeds();
        assert_eq!(kinds.keys().copied().collect::<Vec<_>>(), [feed(0), feed(4), feed(10)]);
        assert!(blocked.iter().all(|feed| wanted.is_blocked(feed)));
        wanted.set_graph(BTreeSet::new(), BTreeSet::new());
        assert_eq!(wanted.kind(&feed(9)), Some(FeedKind::Broadcast), "until it is unblocked");
    }

    #[test]
    fn a_paused_feed_is_served_and_not_taken_until_it_is_taken_up_again() {
        let mut wanted = WantedFeeds::new(feed(0));
        wanted.add_met(feed(1));
        wanted.pause(feed(1));
        assert_eq!((wanted.kind(&feed(1)), wanted.receives(&feed(1))), (Some(FeedKind::Node), false));
        wanted.resume(|_| false);
        assert!(!wanted.receives(&feed(1)));
        wanted.resume(|ready| *ready == feed(1));
        assert!(wanted.receives(&feed(1)));
        assert!(!wanted.receives(&feed(0)), "own");
    }
}
