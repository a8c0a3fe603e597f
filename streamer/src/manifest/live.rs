//! The live playlist of one node: append-only, as RFC 8216 §6.2.1 asks.
//!
//! Announcements and arrivals of segments come in, in any order; entries are listed in order only. A segment that
//! does not arrive before its deadline is listed as `EXT-X-GAP` for good. Time is an argument: any monotonic
//! [`Duration`] since some fixed point.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stream_model::{DiscontinuitySequence, MediaSegment, MediaSequence};

use super::playlist::{MediaPlaylist, PlaylistEntry, PlaylistKind, gap_discontinuity, least_discontinuity, listable};

/// Numbers from here on are nobody's: JSON and JavaScript count exactly up to 2⁵³.
const MAX_SEQUENCE: u64 = 1 << 53;

/// How a live playlist behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePlaylistConfig {
    /// Whole seconds, from the announcement of the broadcast.
    pub target_duration: Duration,
    /// The most entries listed (`segment.live_window`), at least 1.
    pub window: usize,
    /// How long a segment is waited for once it, or a later one, was announced.
    pub patience: Duration,
}

/// What has to outlive a restart so that the playlist goes on where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// What is listed, oldest first; may be empty.
    pub entries: Vec<PlaylistEntry>,
    /// The number that is listed next.
    pub next: MediaSequence,
    /// Whether `EXT-X-INDEPENDENT-SEGMENTS` may still be written.
    pub independent_segments: bool,
    /// Whether `EXT-X-ENDLIST` was written.
    pub ended: bool,
}

/// A segment that is not listed yet.
#[derive(Debug, Clone, Copy)]
struct Pending {
    entry: PlaylistEntry,
    held: bool,
    since: Duration,
}

/// The state machine. After each call, [`LivePlaylist::playlist`] and [`LivePlaylist::head`] are up to date; persist the
/// head before showing the playlist to anybody.
#[derive(Debug)]
pub struct LivePlaylist {
    config: LivePlaylistConfig,
    head: Head,
    /// Announced, from `head.next` on; fewer than the window.
    pending: BTreeMap<MediaSequence, Pending>,
    /// The number after the last segment, and since when it is known.
    end: Option<(MediaSequence, Duration)>,
}

impl LivePlaylist {
    /// An empty playlist whose first entry will be `first`.
    pub fn new(config: LivePlaylistConfig, first: MediaSequence) -> Self {
        let head = Head { entries: Vec::new(), next: first, independent_segments: true, ended: false };
        Self::restore(config, head)
    }

    /// A playlist that goes on where an earlier one was. A head that contradicts itself keeps what holds: its number.
    pub fn restore(mut config: LivePlaylistConfig, mut head: Head) -> Self {
        config.window = config.window.max(1);
        let follows = |pair: &[PlaylistEntry]| {
            pair[0].media_sequence.next() == pair[1].media_sequence
                && pair[0].discontinuity_sequence <= pair[1].discontinuity_sequence
        };
        if let Some(last) = head.entries.last() {
            head.next = head.next.max(last.media_sequence.next());
        }
        if !head.entries.windows(2).all(follows) {
            head.entries.clear();
        }
        head.next = MediaSequence(head.next.0.min(MAX_SEQUENCE));
        let mut playlist = Self { config, head, pending: BTreeMap::new(), end: None };
        playlist.trim();
        playlist
    }

    /// A segment was announced; it is waited for from now on. `held` tells whether it is here already. Announced
    /// again, the first announcement counts. Where it is a whole window ahead, what lies more than a window behind it
    /// is not waited for any more: the playlist moves on there. Returns whether the playlist changed.
    pub fn handle_announced(&mut self, segment: &MediaSegment, held: bool, now: Duration) -> bool {
        let sequence = segment.media_sequence;
        let after_end = self.end.is_some_and(|(end, _)| sequence >= end);
        if self.head.ended || after_end || sequence < self.head.next || sequence.0 >= MAX_SEQUENCE {
            return false;
        }
        let pending = Pending { entry: segment.into(), held: false, since: now };
        self.pending.entry(sequence).or_insert(pending).held |= held;
        self.skip_to(MediaSequence((sequence.0 + 1).saturating_sub(self.window())));
        self.advance(now)
    }

    /// A segment is here, whole. Unknown and already listed ones are ignored. Returns whether the playlist changed.
    pub fn handle_arrived(&mut self, sequence: MediaSequence, now: Duration) -> bool {
        if let Some(pending) = self.pending.get_mut(&sequence) {
            pending.held = true;
        }
        self.advance(now)
    }

    /// The broadcast has ended, and `end` is the number after its last segment. It cannot be unsaid, and only the
    /// first counts. Returns whether the playlist changed.
    pub fn handle_ended(&mut self, end: MediaSequence, now: Duration) -> bool {
        if self.end.is_none() {
            let end = MediaSequence(end.0.min(MAX_SEQUENCE));
            self.end = Some((end, now));
            self.pending.retain(|sequence, _| *sequence < end);
            self.skip_to(MediaSequence(end.0.saturating_sub(self.window())));
        }
        self.advance(now)
    }

    /// Time has passed: lists as gaps what is overdue. Returns whether the playlist changed.
    pub fn handle_timeout(&mut self, now: Duration) -> bool {
        self.advance(now)
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.deadline()
    }

    /// The playlist as it is now; without entries where nothing was listed yet.
    pub fn playlist(&self) -> MediaPlaylist {
        MediaPlaylist {
            kind: PlaylistKind::Live,
            target_duration: self.config.target_duration,
            independent_segments: self.head.independent_segments,
            ended: self.head.ended,
            entries: self.head.entries.clone(),
        }
    }

    /// What to persist.
    pub fn head(&self) -> &Head {
        &self.head
    }

    fn window(&self) -> u64 {
        self.config.window as u64
    }

    /// Until when the next segment is waited for: once it, a later one, or the end was announced.
    fn deadline(&self) -> Option<Duration> {
        if self.head.ended {
            return None;
        }
        let announced = match self.pending.get(&self.head.next) {
            Some(pending) => Some(pending.since),
            None => self.pending.values().map(|pending| pending.since).chain(self.end.map(|(_, since)| since)).min(),
        };
        Some(announced?.saturating_add(self.config.patience))
    }

    /// Gives up what comes before `first`: as if it had been listed as gaps and had left the window since.
    fn skip_to(&mut self, first: MediaSequence) {
        if first > self.head.next {
            self.head.next = first;
            self.pending = self.pending.split_off(&first);
        }
    }

    /// Lists what can be listed. At most a window of numbers lies before the newest, so this ends.
    fn advance(&mut self, now: Duration) -> bool {
        let mut changed = false;
        while !self.head.ended {
            let next = self.head.next;
            if self.end.is_some_and(|(end, _)| next >= end) {
                self.head.ended = true;
                return true;
            }
            let held = self.pending.get(&next).is_some_and(|pending| pending.held);
            if !held && self.deadline().is_none_or(|deadline| now < deadline) {
                break;
            }
            self.list(next);
            changed = true;
        }
        changed
    }

    fn list(&mut self, sequence: MediaSequence) {
        let pending = self.pending.remove(&sequence);
        let next_known = self.pending.values().next().map(|pending| &pending.entry);
        let target = self.config.target_duration;
        let last = self.head.entries.last().map(|last| (last.media_sequence, last.discontinuity_sequence));
        let adjacent = last.filter(|(before, _)| before.next() == sequence).map(|(_, after)| after);
        // After a skip nothing is listed before it any more; its discontinuities may not go back all the same.
        let least = last.map_or(DiscontinuitySequence(0), |(_, least)| least);
        let entry = match (&pending, adjacent) {
            (Some(pending), Some(after)) => listable(pending.entry, after, target),
            (Some(pending), None) => listable(pending.entry, least.max(pending.entry.discontinuity_sequence), target),
            (None, Some(after)) => {
                PlaylistEntry::missing(sequence, gap_discontinuity(after, sequence, next_known), target)
            }
            (None, None) => {
                PlaylistEntry::missing(sequence, least.max(least_discontinuity(sequence, next_known)), target)
            }
        };
        let entry = if pending.is_some_and(|pending| pending.held) { entry } else { entry.as_gap() };
        if adjacent.is_none() {
            self.head.entries.clear();
        }
        self.head.independent_segments &= entry.gap || entry.independent;
        self.head.entries.push(entry);
        self.head.next = sequence.next();
        self.trim();
    }

    fn trim(&mut self) {
        let surplus = self.head.entries.len().saturating_sub(self.config.window);
        self.head.entries.drain(..surplus);
    }
}
