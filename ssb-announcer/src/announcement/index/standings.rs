//! How broadcasts stand: who mirrors and republishes them, whether they were withdrawn, and which feeds that asks for.

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use stream_model::{
    BroadcastId, DirectoryChange, FeedId, MediaSequence, MessageKey, Mirroring, Republication, Standing,
};

use super::said::{Bounds, Said};
use super::{Broadcast, Ignored, Index, MAX_BROADCASTS, Span};
use crate::announcement::content::{MAX_LISTED_FEEDS, Mirror, Republish};

/// Mirrors remembered: of one node as many as there are broadcasts, about 300 bytes each, 6 MB in all.
pub const MAX_MIRRORS: usize = 20_000;
/// Mirrors remembered of one broadcast: a community mesh has tens of nodes.
pub const MAX_MIRRORS_PER_BROADCAST: usize = 128;
/// Republications remembered, at most 5 KB each: 10 MB.
pub const MAX_REPUBLICATIONS: usize = 2_000;
/// Republications remembered of one broadcast.
pub const MAX_REPUBLICATIONS_PER_BROADCAST: usize = 64;
/// Republications remembered of one node.
pub const MAX_REPUBLICATIONS_OF_ONE: usize = 256;
/// Authors whose node feeds are replicated because one node mirrors or republishes them, the latest first. As many as a
/// neighbour may introduce.
pub const MAX_CREDITED_BY_ONE: usize = 32;
/// Authors whose node feeds are replicated on such words of others in all; the nodes take turns.
pub const MAX_CREDITED: usize = 192;
/// Broadcast feeds of one author that are replicated because they vouch for what is held or republished: all of a long
/// broadcast of which nothing was archived.
pub const MAX_VOUCHING_FEEDS_PER_NODE: usize = MAX_LISTED_FEEDS;
/// Such feeds in all, those of this node first, then those of others in turns: at 360 KB for a full one of our publishers, 185 MB.
pub const MAX_VOUCHING_FEEDS: usize = 512;

const MIRRORS: Bounds =
    Bounds { of_broadcast: MAX_MIRRORS_PER_BROADCAST, of_node: MAX_BROADCASTS, in_all: MAX_MIRRORS };
const REPUBLICATIONS: Bounds = Bounds {
    of_broadcast: MAX_REPUBLICATIONS_PER_BROADCAST,
    of_node: MAX_REPUBLICATIONS_OF_ONE,
    in_all: MAX_REPUBLICATIONS,
};

/// Feeds to replicate for what is held, mirrored and republished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credited {
    /// Node feeds, each with the node that names it as the author of something.
    pub authors: BTreeSet<(FeedId, FeedId)>,
    /// Broadcast feeds that vouch for segments, each with the node feed that names it.
    pub feeds: BTreeSet<(FeedId, FeedId)>,
}

/// The words of nodes on others' broadcasts.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) mirrors: Said<Mirror>,
    pub(super) republications: Said<Republish>,
}

impl Words {
    pub(super) fn new(own: FeedId) -> Self {
        Self { mirrors: Said::new(own, MIRRORS), republications: Said::new(own, REPUBLICATIONS) }
    }

    /// Now that the author of a broadcast is known, what named another does not count.
    pub(super) fn check_author(&mut self, broadcast: BroadcastId, author: FeedId) {
        self.mirrors.retain_of(broadcast, |mirror| mirror.author == author);
        self.republications.retain_of(broadcast, |republish| republish.author == author);
    }

    pub(super) fn forget_node(&mut self, node: FeedId) -> Vec<BroadcastId> {
        let mut broadcasts = self.mirrors.forget_node(node);
        broadcasts.extend(self.republications.forget_node(node));
        broadcasts
    }

    /// What a node mirrors and republishes, each with its author, the latest first of each kind.
    fn of_node(&self, node: FeedId) -> impl Iterator<Item = (BroadcastId, FeedId)> {
        let mirrored = self.mirrors.of_node(node).map(|(broadcast, mirror)| (broadcast, mirror.author));
        let republished = self.republications.of_node(node).map(|(broadcast, republish)| (broadcast, republish.author));
        republished.chain(mirrored)
    }
}

impl Index {
    pub(super) fn handle_mirror(&mut self, node: FeedId, mirror: Mirror) -> Result<Vec<DirectoryChange>, Ignored> {
        let id = mirror.broadcast;
        self.check_word(id, node, mirror.author)?;
        let before = self.words.mirrors.get(id, node);
        if before == Some(&mirror) || before.is_none() && mirror.manifest.is_none() {
            return Err(Ignored::Repeated);
        }
        let forgotten = if mirror.manifest.is_none() {
            self.words.mirrors.remove(id, node);
            Vec::new()
        } else {
            self.words.mirrors.set(id, node, mirror).ok_or(Ignored::NoRoom)?
        };
        Ok(self.changed(forgotten.into_iter().chain([id])))
    }

    pub(super) fn handle_republish(
        &mut self,
        node: FeedId,
        republish: Republish,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        let id = republish.broadcast;
        self.check_word(id, node, republish.author)?;
        if self.words.republications.get(id, node) == Some(&republish) {
            return Err(Ignored::Repeated);
        }
        let forgotten = self.words.republications.set(id, node, republish).ok_or(Ignored::NoRoom)?;
        Ok(self.changed(forgotten.into_iter().chain([id])))
    }

    /// The first reason stays.
    pub(super) fn handle_withdraw(
        &mut self,
        id: BroadcastId,
        author: FeedId,
        reason: String,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        let broadcast = self.broadcasts.get_mut(&id).ok_or(Ignored::UnknownBroadcast)?;
        if broadcast.author != author {
            return Err(Ignored::NotAllowed);
        }
        if broadcast.withdrawn.is_some() {
            return Err(Ignored::Repeated);
        }
        broadcast.withdrawn = Some(reason);
        Ok(vec![DirectoryChange::Broadcast(id)])
    }

    /// Whether a node may speak of a broadcast as that of `author`: not of its own.
    fn check_word(&self, id: BroadcastId, node: FeedId, author: FeedId) -> Result<(), Ignored> {
        let is_anothers = self.broadcasts.get(&id).is_some_and(|broadcast| broadcast.author != author);
        if node == author || is_anothers { Err(Ignored::NotAllowed) } else { Ok(()) }
    }

    pub(super) fn changed(&self, ids: impl Iterator<Item = BroadcastId>) -> Vec<DirectoryChange> {
        ids.filter(|id| self.broadcasts.contains_key(id)).map(DirectoryChange::Broadcast).collect()
    }

    /// How a broadcast stands.
    pub fn standing(&self, id: &BroadcastId) -> Standing {
        let Some(broadcast) = self.broadcasts.get(id) else { return Standing::default() };
        let announced: BTreeSet<Cid> = broadcast.archives.values().map(|known| known.archive.manifest).collect();
        let mirrors = self.words.mirrors.of_broadcast(*id).filter_map(|(node, mirror)| {
            let manifest = mirror.manifest.filter(|manifest| announced.contains(manifest))?;
            Some(Mirroring { node, peer: mirror.peer.clone(), manifest })
        });
        let republications = self.words.republications.of_broadcast(*id);
        Standing {
            mirrors: mirrors.collect(),
            republications: republications.map(|(node, republish)| republication(node, republish)).collect(),
            withdrawn: broadcast.withdrawn.clone().or_else(|| self.original_of(broadcast)?.withdrawn.clone()),
        }
    }

    /// What a broadcast is a rendition of, whoever made it: what becomes of that becomes of it.
    fn original_of(&self, broadcast: &Broadcast) -> Option<&Broadcast> {
        let rendition = broadcast.start.rendition.as_ref()?;
        self.broadcasts.get(&rendition.of)
    }

    /// What this node said last of a broadcast as a mirror; `None` also where it holds it no more.
    pub fn own_mirror(&self, id: &BroadcastId) -> Option<&Mirror> {
        self.words.mirrors.get(*id, self.own)
    }

    /// What this node said last of a broadcast as who republishes it.
    pub fn own_republication(&self, id: &BroadcastId) -> Option<Republication> {
        Some(republication(self.own, self.words.republications.get(*id, self.own)?))
    }

    /// The author's messages on which a manifest of its broadcast rests: that of the broadcast, and that of the archive where it
    /// is one.
    pub fn announcements(&self, id: &BroadcastId, manifest: &Cid) -> Vec<MessageKey> {
        let archives = self.broadcasts.get(id).into_iter().flat_map(|broadcast| broadcast.archives.values());
        let archive = archives.filter(|known| known.archive.manifest == *manifest).map(|known| known.key).next();
        [id.0].into_iter().chain(archive).collect()
    }

    /// The broadcast feeds that speak for any of the segments and that no archive replaces, in their order.
    pub fn vouching_for(&self, id: &BroadcastId, first: MediaSequence, last: MediaSequence) -> Vec<FeedId> {
        let Some(broadcast) = self.broadcasts.get(id) else { return Vec::new() };
        let spans =
            broadcast.vouching().filter(|(span, until)| span.start <= last && until.is_none_or(|until| first < until));
        spans.map(|(span, _)| span.feed).collect()
    }

    /// Who announced the broadcast, and the broadcast feeds of which no archive says the same. `None` where it is not known.
    pub fn author_and_vouching(&self, id: &BroadcastId) -> Option<(FeedId, Vec<FeedId>)> {
        let broadcast = self.broadcasts.get(id)?;
        Some((broadcast.author, broadcast.vouching().map(|(span, _)| span.feed).collect()))
    }

    /// All broadcast feeds that the author named for it.
    pub fn feeds(&self, id: &BroadcastId) -> BTreeSet<FeedId> {
        self.broadcasts
            .get(id)
            .map(|broadcast| broadcast.spans.iter().map(|span| span.feed).collect())
            .unwrap_or_default()
    }

    /// What this node mirrors or republishes, and whatever is in `held`.
    pub(super) fn kept(&self, held: &BTreeSet<BroadcastId>) -> BTreeMap<BroadcastId, FeedId> {
        let held = held.iter().filter_map(|id| Some((*id, self.broadcasts.get(id)?.author)));
        held.chain(self.words.of_node(self.own)).collect()
    }

    /// The feeds to replicate for the broadcasts in `held`, for those that this node mirrors or republishes, and for those
    /// that nodes do for whom `stands` holds: who is replicated for another reason than such a word.
    pub fn credited(&self, held: &BTreeSet<BroadcastId>, stands: impl Fn(&FeedId) -> bool) -> Credited {
        let mut credited = Credited::default();
        let mut of_author: BTreeMap<FeedId, usize> = BTreeMap::new();
        let mut add_feed = |feeds: &mut BTreeSet<(FeedId, FeedId)>, feed: FeedId, author: FeedId| {
            let count = of_author.entry(author).or_default();
            if *count < MAX_VOUCHING_FEEDS_PER_NODE && feeds.len() < MAX_VOUCHING_FEEDS && feeds.insert((feed, author))
            {
                *count += 1;
            }
        };
        for (id, author) in self.kept(held) {
            credited.authors.insert((author, self.own));
            let Some(broadcast) = self.broadcasts.get(&id) else { continue };
            for (span, _) in broadcast.vouching() {
                add_feed(&mut credited.feeds, span.feed, broadcast.author);
            }
        }
        let nodes: Vec<FeedId> = self.words.mirrors.nodes().chain(self.words.republications.nodes()).collect();
        let nodes: BTreeSet<FeedId> = nodes.into_iter().filter(|node| *node != self.own && stands(node)).collect();
        credited.authors.extend(self.credited_authors(&nodes, &stands));
        let lists: Vec<Vec<(FeedId, FeedId)>> = nodes.iter().map(|node| self.republished_feeds(*node)).collect();
        for turn in 0..MAX_VOUCHING_FEEDS {
            for (feed, author) in lists.iter().filter_map(|list| list.get(turn)) {
                add_feed(&mut credited.feeds, *feed, *author);
            }
        }
        credited
    }

    /// The vouching feeds that a node lists in what it republishes, each with its author, the latest republication first.
    fn republished_feeds(&self, node: FeedId) -> Vec<(FeedId, FeedId)> {
        let known = self.words.republications.of_node(node);
        let known = known.filter_map(|(id, republish)| Some((self.broadcasts.get(&id)?, republish)));
        let feeds = known.flat_map(|(broadcast, republish)| {
            let vouching = broadcast.vouching().map(|(span, _)| span.feed);
            let listed = vouching.filter(|feed| republish.feeds.contains(feed));
            listed.map(|feed| (feed, broadcast.author))
        });
        feeds.take(MAX_VOUCHING_FEEDS).collect()
    }

    /// Authors that are replicated only because of what nodes say, each with who says it.
    fn credited_authors(
        &self,
        nodes: &BTreeSet<FeedId>,
        stands: impl Fn(&FeedId) -> bool,
    ) -> BTreeSet<(FeedId, FeedId)> {
        let lists: Vec<(FeedId, Vec<FeedId>)> = nodes
            .iter()
            .map(|node| {
                let mut authors: Vec<FeedId> = Vec::new();
                for (_, author) in self.words.of_node(*node) {
                    if authors.len() >= MAX_CREDITED_BY_ONE {
                        break;
                    }
                    if !authors.contains(&author) && !stands(&author) {
                        authors.push(author);
                    }
                }
                (*node, authors)
            })
            .collect();
        let mut chosen: BTreeSet<FeedId> = BTreeSet::new();
        let mut pairs = BTreeSet::new();
        for turn in 0..MAX_CREDITED_BY_ONE {
            for (node, author) in lists.iter().filter_map(|(node, list)| Some((*node, *list.get(turn)?))) {
                if chosen.len() < MAX_CREDITED || chosen.contains(&author) {
                    chosen.insert(author);
                    pairs.insert((author, node));
                }
            }
        }
        pairs
    }
}

impl Broadcast {
    /// The spans of which no archive says the same, each with the number before which it ends where that is known. A number that
    /// no archive includes may be that of a segment which is not known here.
    pub(super) fn vouching(&self) -> impl Iterator<Item = (Span, Option<MediaSequence>)> {
        let archived = self.archived();
        self.spans.iter().enumerate().filter_map(move |(position, span)| {
            let next = self.spans.get(position + 1).map(|next| next.start);
            let until = next.or(self.end.map(|end| end.media_sequence));
            let covered = until.is_some_and(|until| {
                let is_covered = |(first, after): &(_, _)| *first <= span.start && until <= *after;
                until <= span.start || archived.iter().any(is_covered)
            });
            (!covered).then_some((*span, until))
        })
    }

    /// The stretches of numbers that archives include, each from its first to before its second number.
    fn archived(&self) -> Vec<(MediaSequence, MediaSequence)> {
        let archives = self.archives.values().map(|known| &known.archive);
        let mut all: Vec<_> =
            archives.map(|archive| (archive.first_media_sequence, archive.last_media_sequence.next())).collect();
        all.sort_unstable();
        let mut stretches: Vec<(MediaSequence, MediaSequence)> = Vec::new();
        for (first, after) in all {
            match stretches.last_mut() {
                Some((_, last)) if first <= *last => *last = after.max(*last),
                _ => stretches.push((first, after)),
            }
        }
        stretches
    }
}

fn republication(node: FeedId, republish: &Republish) -> Republication {
    Republication {
        node,
        peer: republish.peer.clone(),
        manifest: republish.manifest,
        first_media_sequence: republish.first_media_sequence,
        last_media_sequence: republish.last_media_sequence,
        credit: republish.credit.clone(),
    }
}
