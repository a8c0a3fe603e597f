//! Asks the peer of one connection what it has of this node's own feed, so that a restored backup does not fork it and a
//! fork does not stay hidden. Pure.
//!
//! EBT brings what continues our feed, but not what differs from it: who has a forked feed as long as ours, or a shorter
//! one, sends nothing. So the peer is asked by `createHistoryStream` from our newest message on, and where its note says
//! that it has less, for its newest one. The store compares; here it is decided what to ask and when the peer has answered.

use bytes::Bytes;
use serde_json::json;
use stream_model::{FeedId, FeedSequence};

use crate::feed::{self, AskedPeer};
use crate::muxrpc::session::{Call, CallKind};
use crate::replication::history::in_order::InOrder;
use crate::replication::note::{Note, Notes};

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    from: FeedSequence,
    limit: Option<u64>,
}

/// The question that is open. `S` names its stream.
#[derive(Debug)]
struct Open<S> {
    stream: S,
    newest: FeedSequence,
    in_order: InOrder,
}

/// What one peer is asked, and has said.
#[derive(Debug)]
pub(super) struct OwnFeedQuestion<S> {
    peer: AskedPeer,
    node: FeedId,
    due: Option<Question>,
    open: Option<Open<S>>,
    /// The first message of the question that was polled last.
    from: FeedSequence,
    /// What the peer's last note says.
    noted: Option<FeedSequence>,
    /// Whether its newest message was compared with ours of that number.
    compared: bool,
}

impl<S: Copy + PartialEq> OwnFeedQuestion<S> {
    /// Asks from the newest message that we `have` on.
    pub(super) fn new(peer: AskedPeer, node: FeedId, have: FeedSequence) -> Self {
        let from = have.max(FeedSequence(1));
        let due = Some(Question { from, limit: None });
        Self { peer, node, due, open: None, from, noted: None, compared: false }
    }

    /// The call to make now; then [`Self::handle_called`] is to follow.
    pub(super) fn poll_call(&mut self) -> Option<Call> {
        if self.open.is_some() {
            return None;
        }
        let Question { from, limit } = self.due.take()?;
        self.from = from;
        let mut options = json!({
            "id": self.node, "seq": from.0, "sequence": from.0, "live": false, "old": true, "keys": false
        });
        if let Some(limit) = limit {
            options["limit"] = limit.into();
        }
        Some(Call { name: vec!["createHistoryStream".to_owned()], kind: CallKind::Source, args: vec![options] })
    }

    pub(super) fn handle_called(&mut self, stream: S) {
        self.open = Some(Open { stream, newest: FeedSequence(0), in_order: InOrder::from(self.from) });
    }

    pub(super) fn is_stream(&self, stream: S) -> bool {
        self.open.as_ref().is_some_and(|open| open.stream == stream)
    }

    /// A message came on the stream. Gives those to store now; `None` where it is not one that was asked for. What waits
    /// for another was signed by this node: nobody else can make it wait for more.
    pub(super) fn handle_message(
        &mut self,
        author: FeedId,
        sequence: FeedSequence,
        body: Bytes,
    ) -> Option<Vec<(FeedSequence, Bytes)>> {
        let open = self.open.as_mut().filter(|_| author == self.node)?;
        if open.in_order.is_ahead(sequence) && !feed::is_signed_by(author, &body) {
            return None;
        }
        let ready = open.in_order.push(sequence, body).ok()?;
        open.newest = open.newest.max(sequence);
        Some(ready)
    }

    /// The peer sent notes.
    pub(super) fn handle_notes(&mut self, notes: &Notes, have: FeedSequence) {
        let noted = match notes.get(&self.node) {
            None => return,
            Some(Note::NotReplicated) => FeedSequence(0),
            Some(Note::Replicated { sequence, .. }) => *sequence,
        };
        self.noted = Some(noted);
        self.compared = false;
        if noted > have {
            self.peer.handle_claim(noted);
        } else if self.open.is_none() && self.due.is_none() {
            self.conclude(have);
        }
    }

    /// The stream has ended. A peer that does not serve histories has answered by its note, if at all.
    pub(super) fn handle_ended(&mut self, failed: bool, have: FeedSequence) {
        let Some(open) = self.open.take() else { return };
        if open.newest > FeedSequence(0) {
            self.compared = true;
            self.peer.handle_claim(open.newest.max(self.noted.unwrap_or_default()));
        } else if failed {
            // Not to be asked again.
            self.compared = true;
            if let Some(noted) = self.noted {
                self.peer.handle_claim(noted);
            }
        } else {
            self.conclude(have);
        }
    }

    /// The peer has nothing from our newest message on. Its own newest one is compared before that counts as an answer.
    fn conclude(&mut self, have: FeedSequence) {
        match self.noted {
            Some(noted) if !self.compared && noted > FeedSequence(0) && noted <= have => {
                self.compared = true;
                self.due = Some(Question { from: noted, limit: Some(1) });
            }
            noted => self.peer.handle_claim(noted.unwrap_or_default()),
        }
    }
}
