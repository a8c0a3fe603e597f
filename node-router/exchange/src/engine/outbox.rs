//! Wantlist entries waiting to be sent to one peer.

use std::collections::{HashSet, VecDeque};

use cid::Cid;

use crate::wire::Entry;

/// Wantlist entries of one message: about 50 KB, a fraction of what any implementation takes.
const ENTRIES_A_MESSAGE: usize = 1024;

/// Messages to be. Implementations merge entries of one CID within a message, where a cancel and a new want come to
/// nothing; so each CID is in a message once, and its entries go out in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    full: bool,
    messages: VecDeque<(Vec<Entry>, HashSet<Cid>)>,
}

impl Outbox {
    /// Begins with a wantlist that replaces what the peer knows.
    pub(super) fn full() -> Self {
        Self { full: true, messages: VecDeque::new() }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        let cid = match &entry {
            Entry::Want { cid, .. } | Entry::Cancel(cid) => *cid,
        };
        let mut index = self.messages.iter().rposition(|(_, cids)| cids.contains(&cid)).map_or(0, |last| last + 1);
        while self.messages.get(index).is_some_and(|(entries, _)| entries.len() >= ENTRIES_A_MESSAGE) {
            index += 1;
        }
        if index == self.messages.len() {
            self.messages.push_back(Default::default());
        }
        let (entries, cids) = &mut self.messages[index];
        entries.push(entry);
        cids.insert(cid);
    }

    /// The next message: whether it replaces the peer's wantlist, and its entries.
    pub(super) fn pop(&mut self) -> (bool, Vec<Entry>) {
        let entries = self.messages.pop_front().map(|(entries, _)| entries).unwrap_or_default();
        (std::mem::take(&mut self.full), entries)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.full && self.messages.is_empty()
    }
}
