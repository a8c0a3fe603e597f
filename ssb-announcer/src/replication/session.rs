//! The state of epidemic broadcast trees on one connection. Pure.
//!
//! In: `handle_*` with the peer's notes and messages, with what the store appended and with what is wanted. Out:
//! [`Session::poll_output`] gives notes to send and ranges of messages to read from the store and send. A range names
//! messages, it does not hold them: a backlog stays in the store until the socket takes it, so memory grows with the
//! number of feeds only.
//!
//! Who called `ebt.replicate` waits for the notes of the other before it sends its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stream_model::{FeedId, FeedSequence};

use super::note::{Note, Notes};

/// Feeds in one packet of notes: some 60 kB, so that peers with small limits accept it.
const NOTES_AT_ONCE: usize = 1_000;
/// Feeds that only the peer replicates, and that are remembered in case that we come to want them: as many as one
/// packet of notes may name. Those beyond wait for the next connection.
const MAX_FOREIGN: usize = 4_096;

/// Which side of the call `ebt.replicate` we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We called, so the peer sends notes first.
    Caller,
    /// The peer called, so we send notes first.
    Callee,
}

/// A feed that we replicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The newest message we have; 0 where we have none.
    pub sequence: FeedSequence,
    /// Whether we take messages from others; not so for our own feeds.
    pub receive: bool,
}

/// What to send next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Notes.
    Notes(Notes),
    /// The messages of `feed` after `after`, as many as fit a batch; then call [`Session::handle_sent`].
    Messages {
        /// Whose.
        feed: FeedId,
        /// The newest one that the peer has.
        after: FeedSequence,
    },
}

/// What to do with a message that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Validate and store it.
    Take,
    /// We have it: another peer was faster.
    Duplicate,
    /// We did not ask this peer for it, or no longer do.
    Unrequested,
}

#[derive(Debug)]
struct Feed {
    local: Local,
    /// Set where the peer sent a message of this feed that does not hold.
    refused: bool,
    /// Whether the peer has heard from us that we replicate the feed.
    told: Option<Note>,
    /// What the peer has, or has been sent; `None` until it says.
    peer_has: Option<FeedSequence>,
    peer_receives: bool,
    declined_by_peer: bool,
    /// Whether it is in the queue of feeds with something to send.
    queued: bool,
}

impl Feed {
    fn new(local: Local) -> Self {
        Self {
            local,
            refused: false,
            told: None,
            peer_has: None,
            peer_receives: false,
            declined_by_peer: false,
            queued: false,
        }
    }

    fn receives(&self) -> bool {
        self.local.receive && !self.refused
    }

    fn note(&self) -> Note {
        Note::Replicated { sequence: self.local.sequence, receive: self.receives() }
    }

    fn peer_lacks_messages(&self) -> bool {
        self.peer_has.is_none_or(|has| has < self.local.sequence)
    }

    fn has_to_send(&self) -> bool {
        self.peer_receives && self.peer_has.is_some_and(|has| has < self.local.sequence)
    }
}

/// Replication with one peer.
#[derive(Debug)]
pub struct Session {
    feeds: BTreeMap<FeedId, Feed>,
    /// Whether notes may be sent yet, and whether the first ones are due even if there are none.
    may_speak: bool,
    first_notes_due: bool,
    /// Feeds whose note is to be sent; it is made from their state when it is.
    to_tell: BTreeSet<FeedId>,
    /// Feeds that we do not replicate, with what the peer said last: it does not say it again when we want them.
    foreign: BTreeMap<FeedId, Note>,
    /// Whether what the peer asks for may have changed since it was last looked at.
    asked_changed: bool,
    /// Those of which the peer has not heard yet that we do not replicate them.
    to_decline: BTreeSet<FeedId>,
    /// Feeds of which the last that the peer heard from us is that we replicate them, which it remembers.
    heard: BTreeSet<FeedId>,
    ready: VecDeque<FeedId>,
}

impl Session {
    /// Begins with the feeds that we replicate.
    pub fn new(role: Role, feeds: impl IntoIterator<Item = (FeedId, Local)>) -> Self {
        let feeds: BTreeMap<FeedId, Feed> = feeds.into_iter().map(|(feed, local)| (feed, Feed::new(local))).collect();
        let may_speak = role == Role::Callee;
        Self {
            to_tell: feeds.keys().copied().collect(),
            feeds,
            may_speak,
            first_notes_due: may_speak,
            foreign: BTreeMap::new(),
            asked_changed: false,
            to_decline: BTreeSet::new(),
            heard: BTreeSet::new(),
            ready: VecDeque::new(),
        }
    }

    /// The peer sent notes.
    pub fn handle_notes(&mut self, notes: Notes) {
        if !self.may_speak {
            self.may_speak = true;
            self.first_notes_due = true;
        }
        self.asked_changed = true;
        for (feed, note) in notes {
            self.handle_note(feed, note);
        }
    }

    fn handle_note(&mut self, id: FeedId, note: Note) {
        let Some(feed) = self.feeds.get_mut(&id) else {
            self.handle_foreign_note(id, note);
            return;
        };
        let Note::Replicated { sequence, receive } = note else {
            feed.declined_by_peer = true;
            feed.peer_receives = false;
            return;
        };
        let is_back = std::mem::take(&mut feed.declined_by_peer);
        feed.peer_has = Some(sequence);
        feed.peer_receives = receive;
        let must_tell = match feed.told {
            None | Some(Note::NotReplicated) => true,
            Some(Note::Replicated { sequence: told, receive: told_receive }) => {
                // It has forgotten what we said, has more than we asked for, or could ask for more than it knows of.
                is_back
                    || told_receive != feed.receives()
                    || (!receive && sequence < feed.local.sequence && told < feed.local.sequence)
            }
        };
        if must_tell {
            self.to_tell.insert(id);
        }
        self.make_ready(id);
    }

    fn handle_foreign_note(&mut self, id: FeedId, note: Note) {
        self.asked_changed = true;
        if note == Note::NotReplicated {
            self.foreign.remove(&id);
            if !self.heard.contains(&id) {
                self.to_decline.remove(&id);
            }
        } else if self.foreign.contains_key(&id) || self.foreign.len() < MAX_FOREIGN {
            self.foreign.insert(id, note);
            self.to_decline.insert(id);
        }
    }

    /// The peer sent a message. Where the verdict is to take it, [`Self::handle_appended`] or
    /// [`Self::handle_rejected`] is to follow.
    pub fn handle_message(&mut self, author: FeedId, sequence: FeedSequence) -> Verdict {
        let Some(feed) = self.feeds.get_mut(&author).filter(|feed| feed.receives()) else {
            return Verdict::Unrequested;
        };
        if sequence <= feed.local.sequence {
            feed.peer_has = feed.peer_has.max(Some(sequence));
            return Verdict::Duplicate;
        }
        Verdict::Take
    }

    /// A message that the peer sent was stored: it has it, and need not get it back.
    pub fn handle_taken(&mut self, author: FeedId, sequence: FeedSequence) {
        if let Some(feed) = self.feeds.get_mut(&author) {
            feed.peer_has = feed.peer_has.max(Some(sequence));
        }
        self.handle_appended(author, sequence);
    }

    /// A message that the peer sent does not hold: its feed is not taken from this peer any more. Returns whether it
    /// was until now.
    pub fn handle_rejected(&mut self, author: FeedId) -> bool {
        let Some(feed) = self.feeds.get_mut(&author).filter(|feed| feed.receives()) else { return false };
        feed.refused = true;
        self.to_tell.insert(author);
        true
    }

    /// A message that the peer sent does not follow on what we have: ask again from where we are.
    pub fn handle_gap(&mut self, author: FeedId) {
        if self.feeds.get(&author).is_some_and(Feed::receives) {
            self.to_tell.insert(author);
        }
    }

    /// The store has messages of a feed up to `sequence`, from whomever.
    pub fn handle_appended(&mut self, id: FeedId, sequence: FeedSequence) {
        let Some(feed) = self.feeds.get_mut(&id) else { return };
        if sequence <= feed.local.sequence {
            return;
        }
        feed.local.sequence = sequence;
        // A peer that did not ask is told that there is more, and then asks.
        if !feed.peer_receives && !feed.declined_by_peer && feed.peer_lacks_messages() {
            self.to_tell.insert(id);
        }
        self.make_ready(id);
    }

    /// A feed is replicated from now on, or in another way.
    pub fn handle_wanted(&mut self, id: FeedId, local: Local) {
        self.to_decline.remove(&id);
        // It may be wanted for another reason than before.
        self.asked_changed = true;
        match self.feeds.get_mut(&id) {
            Some(feed) => {
                let changed = feed.local.receive != local.receive;
                feed.local.receive = local.receive;
                if changed {
                    self.to_tell.insert(id);
                }
                self.handle_appended(id, local.sequence);
            }
            None => {
                self.feeds.insert(id, Feed::new(local));
                self.to_tell.insert(id);
                if let Some(note) = self.foreign.remove(&id) {
                    self.handle_note(id, note);
                }
            }
        }
    }

    /// A feed is not replicated any more.
    pub fn handle_unwanted(&mut self, id: FeedId) {
        if let Some(feed) = self.feeds.remove(&id) {
            self.to_tell.remove(&id);
            self.ready.retain(|ready| *ready != id);
            if let Some(sequence) = feed.peer_has.filter(|_| !feed.declined_by_peer) {
                self.handle_foreign_note(id, Note::Replicated { sequence, receive: feed.peer_receives });
            } else if self.heard.contains(&id) {
                self.to_decline.insert(id);
            }
        }
    }

    /// The feeds that the peer asks for and that are not replicated here, or only for those who ask, which `for_others`
    /// tells; where that may have changed since the last time.
    pub fn poll_asked(&mut self, for_others: impl Fn(&FeedId) -> bool) -> Option<BTreeSet<FeedId>> {
        if !std::mem::take(&mut self.asked_changed) {
            return None;
        }
        let asked = |note: &Note| matches!(note, Note::Replicated { receive: true, .. });
        let foreign = self.foreign.iter().filter(|(_, note)| asked(note)).map(|(feed, _)| *feed);
        let lent = self.feeds.iter().filter(|(id, feed)| feed.peer_receives && for_others(id)).map(|(feed, _)| *feed);
        Some(foreign.chain(lent).collect())
    }

    /// Messages of a feed up to `sequence` were sent to the peer in another way, from `first` on: they need not be sent
    /// again where nothing is missing between.
    pub fn handle_sent_otherwise(&mut self, id: FeedId, first: FeedSequence, sequence: FeedSequence) {
        let Some(feed) = self.feeds.get_mut(&id) else { return };
        if feed.peer_has.is_some_and(|has| first <= has.next() && sequence > has) {
            feed.peer_has = Some(sequence);
        }
    }

    /// The feeds that are replicated here.
    pub fn feeds(&self) -> impl Iterator<Item = FeedId> + '_ {
        self.feeds.keys().copied()
    }

    /// What to send next; `None` where there is nothing. Notes go before messages, feeds take turns.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.may_speak && (self.first_notes_due || !self.to_tell.is_empty() || !self.to_decline.is_empty()) {
            self.first_notes_due = false;
            return Some(Output::Notes(self.take_notes()));
        }
        while let Some(id) = self.ready.pop_front() {
            let Some(feed) = self.feeds.get_mut(&id) else { continue };
            feed.queued = false;
            if let (true, Some(after)) = (feed.has_to_send(), feed.peer_has) {
                return Some(Output::Messages { feed: id, after });
            }
        }
        None
    }

    /// Messages up to `sequence` were sent. Where `sequence` is not after what was asked for, the store had none: the
    /// feed rests until the peer asks again.
    pub fn handle_sent(&mut self, id: FeedId, sequence: FeedSequence) {
        let Some(feed) = self.feeds.get_mut(&id) else { return };
        if feed.peer_has.is_some_and(|has| sequence <= has) {
            feed.peer_receives = false;
            return;
        }
        feed.peer_has = Some(sequence);
        self.make_ready(id);
    }

    fn make_ready(&mut self, id: FeedId) {
        if let Some(feed) = self.feeds.get_mut(&id).filter(|feed| feed.has_to_send() && !feed.queued) {
            feed.queued = true;
            self.ready.push_back(id);
        }
    }

    fn take_notes(&mut self) -> Notes {
        let mut notes = Notes::new();
        while let Some(id) = self.to_tell.first().copied().filter(|_| notes.len() < NOTES_AT_ONCE) {
            self.to_tell.remove(&id);
            if let Some(feed) = self.feeds.get_mut(&id) {
                let note = feed.note();
                feed.told = Some(note);
                self.heard.insert(id);
                notes.insert(id, note);
            }
        }
        while let Some(id) = self.to_decline.first().copied().filter(|_| notes.len() < NOTES_AT_ONCE) {
            self.to_decline.remove(&id);
            self.heard.remove(&id);
            notes.insert(id, Note::NotReplicated);
        }
        notes
    }
}

#[cfg(test)]
mod tests;
