//! Which broadcast feeds the broadcasts known ask for, and which are over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use stream_model::{BroadcastId, FeedId};

use super::{Broadcast, Index, Span};

/// Broadcast feeds replicated for one node, newest first: at 500 messages each, more than a day of 15 s segments.
pub const MAX_WANTED_FEEDS_PER_NODE: usize = 16;
/// Broadcast feeds replicated in all; the authors take turns. At 360 KB for a full one of our publishers, 370 MB.
pub const MAX_WANTED_FEEDS: usize = 1_024;

/// Why a broadcast feed is replicated, the weightiest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Asked,
    Followed,
    State,
}

impl Index {
    /// The broadcast feeds to replicate, each with the node feed that names it: of every broadcast that is not over the
    /// one that speaks now, on which its state rests; of those in `followed` the earlier ones too, and whichever are in
    /// `asked`.
    pub fn wanted_feeds(
        &self,
        now: Instant,
        followed: &BTreeSet<BroadcastId>,
        asked: &BTreeSet<FeedId>,
    ) -> BTreeSet<(FeedId, FeedId)> {
        let mut named: BTreeMap<FeedId, Vec<(Need, Span)>> = BTreeMap::new();
        for broadcast in self.broadcasts.values().filter(|broadcast| !broadcast.is_over(now)) {
            let spans = named.entry(broadcast.author).or_default();
            let current = broadcast.first_current_span();
            let all = followed.contains(&broadcast.id) || broadcast.author == self.own;
            for (position, span) in broadcast.spans.iter().enumerate() {
                let need = if position >= current {
                    Need::State
                } else if all {
                    Need::Followed
                } else if asked.contains(&span.feed) {
                    Need::Asked
                } else {
                    continue;
                };
                spans.push((need, *span));
            }
        }
        let mut wanted = BTreeSet::new();
        for spans in named.values_mut() {
            spans.sort_unstable_by_key(|(need, span)| std::cmp::Reverse((*need, span.named_at)));
        }
        for turn in 0..MAX_WANTED_FEEDS_PER_NODE {
            for (author, spans) in &named {
                match spans.get(turn) {
                    Some(_) if wanted.len() >= MAX_WANTED_FEEDS => return wanted,
                    Some((_, span)) => wanted.insert((span.feed, *author)),
                    None => false,
                };
            }
        }
        wanted
    }

    /// The feeds to drop: of broadcasts that their authors ended an hour ago. Not those that vouch for segments of what is in
    /// `held`, or that this node or one for whom `stands` holds mirrors or republishes, nor this node's own, nor feeds that
    /// another broadcast names.
    pub fn expired_feeds(
        &self,
        now: Instant,
        held: &BTreeSet<BroadcastId>,
        stands: impl Fn(&FeedId) -> bool,
    ) -> BTreeSet<FeedId> {
        let expired = |broadcast: &&Broadcast| broadcast.is_ended_for_long(now) && broadcast.author != self.own;
        let mut feeds = feeds_of(self.broadcasts.values().filter(expired));
        let mut kept = feeds_of(self.broadcasts.values().filter(|broadcast| !expired(broadcast)));
        kept.extend(self.vouching_feeds(held));
        kept.extend(self.credited(held, stands).feeds.into_iter().map(|(feed, _)| feed));
        feeds.retain(|feed| !kept.contains(feed));
        feeds
    }

    /// The feeds that vouch for segments of what is held here, mirrored or republished by this node, and those of this node's
    /// own broadcasts.
    pub fn vouching_feeds(&self, held: &BTreeSet<BroadcastId>) -> BTreeSet<FeedId> {
        let kept = self.kept(held);
        let of_kept = self.broadcasts.values().filter(|broadcast| kept.contains_key(&broadcast.id));
        let mut feeds = feeds_of(self.broadcasts.values().filter(|broadcast| broadcast.author == self.own));
        feeds.extend(of_kept.flat_map(Broadcast::vouching).map(|(span, _)| span.feed));
        feeds
    }

    /// The feeds that broadcasts name which are not over.
    pub fn named_feeds(&self, now: Instant) -> BTreeSet<FeedId> {
        feeds_of(self.broadcasts.values().filter(|broadcast| !broadcast.is_over(now)))
    }
}

pub(super) fn feeds_of<'a>(broadcasts: impl Iterator<Item = &'a Broadcast>) -> BTreeSet<FeedId> {
    broadcasts.flat_map(|broadcast| broadcast.spans.iter().map(|span| span.feed)).collect()
}
