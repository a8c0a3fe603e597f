//! Which broadcasts are others in another encoding, and which of them count. Pure.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use stream_model::{BroadcastId, FeedId, Listing, MAX_RENDITIONS, Rendition};

use super::{Broadcast, Index};

impl Index {
    /// Replaces whom this node follows: renditions that they make of others' broadcasts count.
    pub fn set_followed(&mut self, followed: BTreeSet<FeedId>) {
        self.followed = followed;
    }

    /// The renditions of a broadcast that count here: of each name its author's, else this node's, else that of one whom this node
    /// follows; of these the newest. Those that need most come first.
    pub fn renditions(&self, of: &BroadcastId) -> Vec<Listing> {
        let mut found = self.made_of(of, |rendition| !rendition.is_of_images());
        let mut names = BTreeSet::new();
        found.retain(|(rendition, _)| names.insert(rendition.name.as_str()));
        found.sort_by_key(|(rendition, _)| Reverse(rendition.variant.bandwidth));
        found.truncate(MAX_RENDITIONS);
        found.into_iter().map(|(_, broadcast)| broadcast.listing(self.own)).collect()
    }

    /// The newest pictures to look through a broadcast with that its author announced.
    pub fn thumbnails(&self, of: &BroadcastId) -> Option<Listing> {
        let found = self.made_of(of, Rendition::is_of_images);
        let (_, newest) = found.first()?;
        (newest.author == self.broadcasts.get(of)?.author).then(|| newest.listing(self.own))
    }

    /// What was made of a broadcast and counts: its author's first, then this node's, then that of others; each the newest first.
    fn made_of(&self, of: &BroadcastId, is_wanted: impl Fn(&Rendition) -> bool) -> Vec<(&Rendition, &Broadcast)> {
        let Some(original) = self.broadcasts.get(of).filter(|original| original.start.rendition.is_none()) else {
            return Vec::new();
        };
        let made = self.made.get(of).into_iter().flatten().filter_map(|id| self.broadcasts.get(id));
        let ranked = made.filter_map(|made| Some((self.rank(original, made)?, made.start.rendition.as_ref()?, made)));
        let mut found: Vec<_> = ranked.filter(|(_, rendition, _)| is_wanted(rendition)).collect();
        found.sort_unstable_by_key(|(rank, _, made)| (*rank, Reverse(made.order)));
        found.into_iter().map(|(_, rendition, made)| (rendition, made)).collect()
    }

    /// How far behind others what is made of a broadcast stands by who made it; `None` where it does not count.
    fn rank(&self, original: &Broadcast, made: &Broadcast) -> Option<u8> {
        match made.author {
            author if author == original.author => Some(0),
            author if author == self.own => Some(1),
            author => self.followed.contains(&author).then_some(2),
        }
    }

    /// What a broadcast that is known from now on was made of.
    pub(super) fn note_made(&mut self, broadcast: &Broadcast) {
        if let Some(rendition) = &broadcast.start.rendition {
            self.made.entry(rendition.of).or_default().insert(broadcast.id);
        }
    }

    /// Likewise of one that is not known any more.
    pub(super) fn forget_made(&mut self, broadcast: &Broadcast) {
        let Some(rendition) = &broadcast.start.rendition else { return };
        if let Some(made) = self.made.get_mut(&rendition.of) {
            made.remove(&broadcast.id);
            if made.is_empty() {
                self.made.remove(&rendition.of);
            }
        }
    }
}
