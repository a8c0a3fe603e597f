//! The directory as a state machine: validated messages and the time go in, listings and changes come out.
//!
//! Who may say what: a broadcast is announced by a node's feed; it is continued and ended only by that feed; its
//! segments count only from the broadcast feed named for their media sequence. The first announcement of a media
//! sequence counts. All of it is bounded, whoever announces how much.

mod archives;
mod feeds;
mod programme;
mod renditions;
mod said;
mod standings;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use cid::Cid;
use stream_model::{
    ArchiveKind, BroadcastId, BroadcastStart, BroadcastState, DirectoryChange, FeedId, FeedSequence, Listing,
    MediaSegment, MediaSequence, ScheduleId,
};

use super::content::{Announcement, ContentError};
use crate::feed::Message;

use self::archives::Archived;
use self::feeds::feeds_of;
use self::programme::Planned;
use self::standings::Words;

pub use self::archives::{MAX_ARCHIVES, MAX_ARCHIVES_PER_BROADCAST};
pub use self::feeds::{MAX_WANTED_FEEDS, MAX_WANTED_FEEDS_PER_NODE};
pub use self::programme::{MAX_SCHEDULED, SHOWN_AFTER_ARRIVAL, SHOWN_AFTER_START};
pub use self::standings::{
    Credited, MAX_CREDITED, MAX_CREDITED_BY_ONE, MAX_MIRRORS, MAX_MIRRORS_PER_BROADCAST, MAX_REPUBLICATIONS,
    MAX_REPUBLICATIONS_OF_ONE, MAX_REPUBLICATIONS_PER_BROADCAST, MAX_VOUCHING_FEEDS, MAX_VOUCHING_FEEDS_PER_NODE,
};

/// Broadcasts remembered; the oldest of whoever has the most make room.
pub const MAX_BROADCASTS: usize = 1_000;
/// Segments remembered of one broadcast: 41 hours of 15 s.
pub const MAX_SEGMENTS_PER_BROADCAST: usize = 10_000;
/// Segments remembered in all, about 350 bytes each: 21 MB.
pub const MAX_SEGMENTS: usize = 60_000;
/// Broadcast feeds remembered of one broadcast: more than hold [`MAX_SEGMENTS_PER_BROADCAST`] segments.
pub const MAX_FEEDS_PER_BROADCAST: usize = 64;
/// Without a sign of life for this long a broadcast counts as ended, until it is heard again.
pub const SILENCE: Duration = Duration::from_secs(10 * 60);
/// How long the feeds of a silent broadcast are still asked for. Whoever publishes names another feed sooner than this,
/// and so is heard again.
pub const ASKED_AFTER_LAST_HEARD: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the feeds of an ended broadcast are still replicated, so that its last segments reach everybody; then they
/// are dropped.
pub const REPLICATED_AFTER_END: Duration = Duration::from_secs(60 * 60);

/// Why the content of a valid message was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The content is not that of its type.
    #[error("content: {0}")]
    Content(#[from] ContentError),
    /// The broadcast is not known, or is no longer.
    #[error("broadcast is not known")]
    UnknownBroadcast,
    /// Somebody other than the broadcast's author, or another feed than the one named for the segment.
    #[error("not said by who may say it")]
    NotAllowed,
    /// A number that the broadcast cannot have there.
    #[error("number does not fit the broadcast")]
    OutOfRange,
    /// The media sequence is announced already, with another segment.
    #[error("another segment was announced under this number")]
    Conflicting,
    /// Said before.
    #[error("said before")]
    Repeated,
    /// As many nodes as are remembered say something of the broadcast already.
    #[error("enough others say something of the broadcast")]
    NoRoom,
}

impl Ignored {
    /// A short word for metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Content(_) => "content",
            Self::UnknownBroadcast => "unknown_broadcast",
            Self::NotAllowed => "not_allowed",
            Self::OutOfRange => "out_of_range",
            Self::Conflicting => "conflicting",
            Self::Repeated => "repeated",
            Self::NoRoom => "no_room",
        }
    }
}

/// A feed and the media sequence from which it speaks for its broadcast, up to the start of the next.
#[derive(Debug, Clone, Copy)]
struct Span {
    feed: FeedId,
    start: MediaSequence,
    /// Number of the naming message in its author's feed: later is newer.
    named_at: FeedSequence,
}

#[derive(Debug)]
struct Broadcast {
    id: BroadcastId,
    author: FeedId,
    /// As it is called now.
    start: BroadcastStart,
    /// Number of the author's message that says so.
    called_at: FeedSequence,
    /// Position in the order of arrival.
    order: u64,
    spans: Vec<Span>,
    segments: BTreeMap<MediaSequence, MediaSegment>,
    newest: Option<(MediaSequence, Cid)>,
    /// By kind and first media sequence.
    archives: BTreeMap<(ArchiveKind, MediaSequence), Archived>,
    end: Option<End>,
    /// The author's reason, where it took the broadcast back.
    withdrawn: Option<String>,
    last_heard: Instant,
    silent: bool,
}

#[derive(Debug, Clone, Copy)]
struct End {
    media_sequence: MediaSequence,
    heard: Instant,
}

/// The broadcasts known.
#[derive(Debug)]
pub struct Index {
    own: FeedId,
    /// Whom this node follows.
    followed: BTreeSet<FeedId>,
    broadcasts: HashMap<BroadcastId, Broadcast>,
    /// What names each as what it was made of.
    made: HashMap<BroadcastId, BTreeSet<BroadcastId>>,
    segments: usize,
    archives: usize,
    words: Words,
    planned: HashMap<ScheduleId, Planned>,
    /// Of which something is held here.
    held: BTreeSet<BroadcastId>,
    next_order: u64,
}

impl Index {
    /// An empty index of the node whose own feed is `own`.
    pub fn new(own: FeedId) -> Self {
        Self {
            own,
            followed: BTreeSet::new(),
            broadcasts: HashMap::new(),
            made: HashMap::new(),
            segments: 0,
            archives: 0,
            words: Words::new(own),
            planned: HashMap::new(),
            held: BTreeSet::new(),
            next_order: 0,
        }
    }

    /// Replaces what is held here, which is forgotten last but for this node's own.
    pub fn set_held(&mut self, held: BTreeSet<BroadcastId>) {
        self.held = held;
    }

    /// This node's own feed.
    pub fn own(&self) -> FeedId {
        self.own
    }

    /// Takes in a validated message. Returns what changed.
    ///
    /// # Errors
    /// [`Ignored`] where its content does not count. Nothing changed then.
    pub fn handle(&mut self, message: &Message, now: Instant) -> Result<Vec<DirectoryChange>, Ignored> {
        let Some(kind) = &message.kind else { return Ok(Vec::new()) };
        match Announcement::parse(kind, &message.value_json)? {
            None => Ok(Vec::new()),
            Some(Announcement::Broadcast { start, feed }) => self.handle_broadcast(message, start, feed, now),
            Some(Announcement::Continue { broadcast, feed, media_sequence }) => {
                let span = Span { feed, start: media_sequence, named_at: message.sequence };
                self.handle_continue(broadcast, message.author, span, now)
            }
            Some(Announcement::Live { broadcast, manifest, segment }) => {
                self.handle_live(broadcast, message.author, manifest, segment, now)
            }
            Some(Announcement::End { broadcast, media_sequence, .. }) => {
                self.handle_end(broadcast, message.author, End { media_sequence, heard: now })
            }
            Some(Announcement::Archive(archive)) => self.handle_archive(message, archive, now),
            Some(Announcement::Mirror(mirror)) => self.handle_mirror(message.author, mirror),
            Some(Announcement::Republish(republish)) => self.handle_republish(message.author, republish),
            Some(Announcement::Withdraw { broadcast, reason }) => {
                self.handle_withdraw(broadcast, message.author, reason)
            }
            Some(Announcement::Schedule(schedule)) => self.handle_schedule(message, schedule, now),
            Some(Announcement::Update(update)) => self.handle_update(message, update),
            Some(Announcement::Cancel { schedule }) => self.handle_cancel(schedule, message.author),
        }
    }

    fn handle_broadcast(
        &mut self,
        message: &Message,
        start: BroadcastStart,
        feed: FeedId,
        now: Instant,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        let id = BroadcastId(message.key);
        if self.broadcasts.contains_key(&id) {
            return Err(Ignored::Repeated);
        }
        let mut changes = self.make_room_for_a_broadcast();
        changes.extend(start.schedule.and_then(|schedule| self.fulfil(schedule, message.author)));
        let order = self.next_order;
        self.next_order += 1;
        let broadcast = Broadcast {
            id,
            author: message.author,
            start,
            called_at: message.sequence,
            order,
            spans: vec![Span { feed, start: MediaSequence(0), named_at: message.sequence }],
            segments: BTreeMap::new(),
            newest: None,
            archives: BTreeMap::new(),
            end: None,
            withdrawn: None,
            last_heard: now,
            silent: false,
        };
        self.note_made(&broadcast);
        self.broadcasts.insert(id, broadcast);
        self.words.check_author(id, message.author);
        changes.push(DirectoryChange::Broadcast(id));
        Ok(changes)
    }

    fn handle_continue(
        &mut self,
        id: BroadcastId,
        author: FeedId,
        span: Span,
        now: Instant,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        let broadcast = self.broadcasts.get_mut(&id).ok_or(Ignored::UnknownBroadcast)?;
        if broadcast.author != author {
            return Err(Ignored::NotAllowed);
        }
        let goes_back = broadcast.spans.last().is_some_and(|last| span.start < last.start);
        if goes_back || broadcast.end.is_some() {
            return Err(Ignored::OutOfRange);
        }
        if broadcast.spans.iter().any(|known| known.feed == span.feed) {
            return Err(Ignored::Repeated);
        }
        if broadcast.spans.len() >= MAX_FEEDS_PER_BROADCAST {
            broadcast.spans.remove(0);
        }
        broadcast.spans.push(span);
        broadcast.hear(now);
        Ok(vec![DirectoryChange::Broadcast(id)])
    }

    fn handle_live(
        &mut self,
        id: BroadcastId,
        feed: FeedId,
        manifest: Cid,
        segment: MediaSegment,
        now: Instant,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        let broadcast = self.broadcasts.get_mut(&id).ok_or(Ignored::UnknownBroadcast)?;
        let sequence = segment.media_sequence;
        let named = broadcast.spans.iter().rev().find(|span| span.start <= sequence).map(|span| span.feed);
        if named != Some(feed) {
            return Err(Ignored::NotAllowed);
        }
        let after_end = broadcast.end.is_some_and(|end| sequence >= end.media_sequence);
        if after_end || segment.duration > 2 * broadcast.start.target_duration {
            return Err(Ignored::OutOfRange);
        }
        if let Some(known) = broadcast.segments.get(&sequence) {
            return Err(if *known == segment { Ignored::Repeated } else { Ignored::Conflicting });
        }
        let came_back = broadcast.hear(now);
        let current = broadcast.first_current_span();
        if broadcast.newest.is_none_or(|(newest, _)| sequence > newest) {
            broadcast.newest = Some((sequence, manifest));
        }
        broadcast.segments.insert(sequence, segment);
        let moved_on = current != broadcast.first_current_span();
        self.segments += 1;
        self.forget_segments(id);
        let changed = (came_back || moved_on).then_some(DirectoryChange::Broadcast(id));
        Ok(changed.into_iter().chain([DirectoryChange::Segment(id, sequence)]).collect())
    }

    fn handle_end(&mut self, id: BroadcastId, author: FeedId, end: End) -> Result<Vec<DirectoryChange>, Ignored> {
        let broadcast = self.broadcasts.get_mut(&id).ok_or(Ignored::UnknownBroadcast)?;
        if broadcast.author != author {
            return Err(Ignored::NotAllowed);
        }
        if broadcast.end.is_some() {
            return Err(Ignored::Repeated);
        }
        broadcast.end = Some(end);
        Ok(vec![DirectoryChange::Broadcast(id)])
    }

    /// Notices who fell silent. Returns what changed; call it every few seconds.
    pub fn handle_time(&mut self, now: Instant) -> Vec<DirectoryChange> {
        let mut changes = Vec::new();
        for broadcast in self.broadcasts.values_mut() {
            let silent = now.saturating_duration_since(broadcast.last_heard) >= SILENCE;
            if silent && !broadcast.silent {
                broadcast.silent = true;
                if broadcast.end.is_none() {
                    changes.push(DirectoryChange::Broadcast(broadcast.id));
                }
            }
        }
        changes
    }

    /// Forgets the broadcasts of authors who are not to be shown, and what they say of those of others. Returns the feeds of
    /// their broadcasts, and what changed.
    pub fn forget_authors(&mut self, authors: &BTreeSet<FeedId>) -> (BTreeSet<FeedId>, Vec<DirectoryChange>) {
        let theirs = |broadcast: &&Broadcast| authors.contains(&broadcast.author);
        let feeds = feeds_of(self.broadcasts.values().filter(theirs));
        let ids: Vec<BroadcastId> = self.broadcasts.values().filter(theirs).map(|broadcast| broadcast.id).collect();
        for id in &ids {
            self.forget(id);
        }
        let spoken_of: BTreeSet<BroadcastId> =
            authors.iter().flat_map(|author| self.words.forget_node(*author)).collect();
        let mut changes: Vec<DirectoryChange> = ids.into_iter().map(DirectoryChange::Broadcast).collect();
        changes.extend(self.forget_planned(authors));
        changes.extend(self.changed(spoken_of.into_iter()));
        (feeds, changes)
    }

    /// All broadcasts, the latest arrival first.
    pub fn listings(&self) -> Vec<Listing> {
        let mut broadcasts: Vec<&Broadcast> = self.broadcasts.values().collect();
        broadcasts.sort_unstable_by_key(|broadcast| std::cmp::Reverse(broadcast.order));
        broadcasts.into_iter().map(|broadcast| broadcast.listing(self.own)).collect()
    }

    /// How many broadcasts are known.
    pub fn count(&self) -> usize {
        self.broadcasts.len()
    }

    /// One broadcast.
    pub fn listing(&self, id: &BroadcastId) -> Option<Listing> {
        Some(self.broadcasts.get(id)?.listing(self.own))
    }

    /// Segments from `from` on, in order, at most `limit`.
    pub fn segments(&self, id: &BroadcastId, from: MediaSequence, limit: usize) -> Vec<MediaSegment> {
        let Some(broadcast) = self.broadcasts.get(id) else { return Vec::new() };
        broadcast.segments.range(from..).take(limit).map(|(_, segment)| segment.clone()).collect()
    }

    /// Whether the author has ended the broadcast; silence does not count. `None` where it is not known.
    pub fn is_ended_by_author(&self, id: &BroadcastId) -> Option<bool> {
        Some(self.broadcasts.get(id)?.end.is_some())
    }

    /// The first number that neither a segment nor the beginning of a feed uses. `None` where the broadcast is not known.
    pub fn next_media_sequence(&self, id: &BroadcastId) -> Option<MediaSequence> {
        let broadcast = self.broadcasts.get(id)?;
        let after_newest = broadcast.newest.map(|(newest, _)| newest.next());
        let last_start = broadcast.spans.last().map(|span| span.start);
        Some(after_newest.max(last_start).unwrap_or(MediaSequence(0)))
    }

    /// Forgets a broadcast of the author who has the most, so that no one crowds out the others. Last those of which something is
    /// here: what vouches for it would be lost. Own ones after all others.
    fn make_room_for_a_broadcast(&mut self) -> Vec<DirectoryChange> {
        if self.broadcasts.len() < MAX_BROADCASTS {
            return Vec::new();
        }
        let mut count: HashMap<FeedId, usize> = HashMap::new();
        for broadcast in self.broadcasts.values() {
            *count.entry(broadcast.author).or_default() += 1;
        }
        let victim = self.broadcasts.values().min_by_key(|broadcast| {
            let of_author = count.get(&broadcast.author).copied().unwrap_or(0);
            let own = broadcast.author == self.own;
            let held = self.held.contains(&broadcast.id) || self.own_mirror(&broadcast.id).is_some();
            (own, held, std::cmp::Reverse(of_author), broadcast.is_live(), broadcast.order)
        });
        let Some(victim) = victim.map(|broadcast| broadcast.id) else { return Vec::new() };
        self.forget(&victim);
        vec![DirectoryChange::Broadcast(victim)]
    }

    fn forget(&mut self, id: &BroadcastId) {
        if let Some(forgotten) = self.broadcasts.remove(id) {
            self.segments -= forgotten.segments.len();
            self.archives -= forgotten.archives.len();
            self.forget_made(&forgotten);
        }
    }

    /// Keeps the segments of `id`, and all of them, within their bounds. The oldest of the broadcast with the most go.
    fn forget_segments(&mut self, id: BroadcastId) {
        if let Some(broadcast) = self.broadcasts.get_mut(&id)
            && broadcast.segments.len() > MAX_SEGMENTS_PER_BROADCAST
        {
            broadcast.segments.pop_first();
            self.segments -= 1;
        }
        if self.segments > MAX_SEGMENTS {
            let largest = self.broadcasts.values_mut().max_by_key(|broadcast| broadcast.segments.len());
            if largest.and_then(|broadcast| broadcast.segments.pop_first()).is_some() {
                self.segments -= 1;
            }
        }
    }
}

impl Broadcast {
    /// Whether its feeds need not be replicated any more.
    fn is_over(&self, now: Instant) -> bool {
        let forgotten = now.saturating_duration_since(self.last_heard) >= ASKED_AFTER_LAST_HEARD;
        self.is_ended_for_long(now) || (forgotten && self.end.is_none())
    }

    fn is_ended_for_long(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now.saturating_duration_since(end.heard) >= REPLICATED_AFTER_END)
    }

    /// Position of the span that speaks now: the last one, and the one before it until the last has spoken, because
    /// what was said on that may still be on its way.
    fn first_current_span(&self) -> usize {
        let last = self.spans.len().saturating_sub(1);
        let spoken = match (self.spans.last(), self.newest) {
            (Some(span), Some((newest, _))) => newest >= span.start,
            _ => false,
        };
        if spoken { last } else { last.saturating_sub(1) }
    }

    /// Notes a sign of life. Returns whether it was counted as ended before.
    fn hear(&mut self, now: Instant) -> bool {
        let was_silent = self.silent && self.end.is_none();
        self.last_heard = now;
        self.silent = false;
        was_silent
    }

    fn is_live(&self) -> bool {
        self.end.is_none() && !self.silent
    }

    fn listing(&self, own: FeedId) -> Listing {
        Listing {
            id: self.id,
            author: self.author,
            own: self.author == own,
            peer: self.start.peer.clone(),
            title: self.start.title.clone(),
            description: self.start.description.clone(),
            target_duration: self.start.target_duration,
            tracks: self.start.tracks,
            archive: self.start.archive,
            started_at: self.start.started_at,
            state: if self.is_live() { BroadcastState::Live } else { BroadcastState::Ended },
            media_sequence: self.newest.map(|(sequence, _)| sequence),
            manifest: self.newest.map(|(_, manifest)| manifest),
            rendition: self.start.rendition.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
