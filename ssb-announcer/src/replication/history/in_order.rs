//! Puts the messages of a history in order. Pure.
//!
//! `ssb-db2` sends a history by the timestamps that the messages claim, not by their numbers (`compat/history-stream.js`):
//! messages of the same millisecond, or of a node whose clock was set back, come in any order.

use std::collections::BTreeMap;

use bytes::Bytes;
use stream_model::FeedSequence;

/// Bytes of messages that wait for one before them: some 20,000 messages of the usual size.
pub const MAX_WAITING: usize = 16 << 20;

/// There is no room for more messages that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many messages came before message {0}")]
pub struct TooFarAhead(pub FeedSequence);

/// The messages of one feed from a number on.
#[derive(Debug)]
pub struct InOrder {
    next: FeedSequence,
    waiting: BTreeMap<FeedSequence, Bytes>,
    bytes: usize,
}

impl InOrder {
    /// The first message is to be this one.
    pub fn from(next: FeedSequence) -> Self {
        Self { next, waiting: BTreeMap::new(), bytes: 0 }
    }

    /// Whether a message would wait for another.
    pub fn is_ahead(&self, sequence: FeedSequence) -> bool {
        sequence > self.next
    }

    /// Grows with each message that was not there before, whether it waits or not.
    pub fn received(&self) -> u64 {
        self.next.0 + self.waiting.len() as u64
    }

    /// Takes a message and gives those that follow each other now. One that was given already is given again.
    ///
    /// # Errors
    /// [`TooFarAhead`] where too much waits for a message that does not come.
    pub fn push(&mut self, sequence: FeedSequence, body: Bytes) -> Result<Vec<(FeedSequence, Bytes)>, TooFarAhead> {
        if self.is_ahead(sequence) {
            self.bytes += body.len();
            if let Some(replaced) = self.waiting.insert(sequence, body) {
                self.bytes -= replaced.len();
            }
            return if self.bytes > MAX_WAITING { Err(TooFarAhead(self.next)) } else { Ok(vec![]) };
        }
        let mut ready = vec![(sequence, body)];
        if sequence == self.next {
            self.next = sequence.next();
            while let Some(body) = self.waiting.remove(&self.next) {
                self.bytes -= body.len();
                ready.push((self.next, body));
                self.next = self.next.next();
            }
        }
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_waits_is_bounded() {
        let mut in_order = InOrder::from(FeedSequence(1));
        let body = Bytes::from(vec![0; 1 << 20]);
        let refused = (2..100).find(|n| in_order.push(FeedSequence(*n), body.clone()).is_err());
        assert_eq!(refused, Some(18));
        assert!(in_order.push(FeedSequence(2), Bytes::new()).is_ok(), "a smaller one in its place makes room");
    }

    proptest! {
        #[test]
        fn messages_in_any_order_come_out_in_theirs(order in Just((5u64..60).collect::<Vec<_>>()).prop_shuffle()) {
            let mut in_order = InOrder::from(FeedSequence(5));
            let mut out = Vec::new();
            for n in &order {
                let body = Bytes::from(n.to_string());
                out.extend(in_order.push(FeedSequence(*n), body).unwrap());
            }
            let expected: Vec<_> = (5..60).map(|n| (FeedSequence(n), Bytes::from(n.to_string()))).collect();
            prop_assert_eq!(out, expected);
            prop_assert_eq!(in_order.received(), 60);
            prop_assert_eq!(in_order.bytes, 0);
        }
    }
}
