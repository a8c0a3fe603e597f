//! Messages that came before the one that they follow. Pure.
//!
//! `ssb-db2` sends a history by the timestamps that the messages claim, not by their numbers (`compat/history-stream.js`):
//! those of one millisecond come in any order, and those of a node whose clock was set back come first.

use std::collections::BTreeMap;

use bytes::Bytes;
use stream_model::{FeedId, FeedSequence};

/// Bytes that wait, of all feeds that one peer sends: some 800 messages. A millisecond has ten; of a clock that was set
/// back by more, the feed is asked for anew.
pub const MAX_AHEAD: usize = 512 * 1024;

/// What waits on one connection.
#[derive(Debug, Default)]
pub struct Ahead {
    messages: BTreeMap<(FeedId, FeedSequence), Bytes>,
    bytes: usize,
}

impl Ahead {
    /// Keeps a message for later; `false` where there is no room.
    pub fn hold(&mut self, feed: FeedId, sequence: FeedSequence, body: Bytes) -> bool {
        self.remove(feed, sequence);
        if self.bytes + body.len() > MAX_AHEAD {
            return false;
        }
        self.bytes += body.len();
        self.messages.insert((feed, sequence), body);
        true
    }

    /// The store has messages of a feed up to `newest`. Gives those that follow on it, which are then not held any more.
    pub fn handle_appended(&mut self, feed: FeedId, newest: FeedSequence) -> Vec<(FeedSequence, Bytes)> {
        let mut ready = Vec::new();
        let mut next = newest.next();
        while let Some(first) = self.first(feed).filter(|first| *first <= next) {
            let body = self.remove(feed, first);
            if first == next {
                ready.extend(body.map(|body| (first, body)));
                next = next.next();
            }
        }
        ready
    }

    /// Whether something of a feed is held.
    pub fn holds(&self, feed: FeedId) -> bool {
        self.first(feed).is_some()
    }

    /// Lets go of what is held of a feed.
    pub fn forget(&mut self, feed: FeedId) {
        while let Some(first) = self.first(feed) {
            self.remove(feed, first);
        }
    }

    fn first(&self, feed: FeedId) -> Option<FeedSequence> {
        let from = (feed, FeedSequence(0))..=(feed, FeedSequence(u64::MAX));
        self.messages.range(from).next().map(|((_, sequence), _)| *sequence)
    }

    fn remove(&mut self, feed: FeedId, sequence: FeedSequence) -> Option<Bytes> {
        let body = self.messages.remove(&(feed, sequence))?;
        self.bytes -= body.len();
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: FeedId = FeedId([1; 32]);
    const B: FeedId = FeedId([2; 32]);

    fn hold(ahead: &mut Ahead, feed: FeedId, sequence: u64) -> bool {
        ahead.hold(feed, FeedSequence(sequence), Bytes::from(sequence.to_string()))
    }

    fn numbers(ready: &[(FeedSequence, Bytes)]) -> Vec<u64> {
        ready.iter().map(|(sequence, _)| sequence.0).collect()
    }

    #[test]
    fn what_follows_is_given_once_what_it_follows_is_stored() {
        let mut ahead = Ahead::default();
        assert!([5, 3, 4, 7].iter().all(|n| hold(&mut ahead, A, *n)) && hold(&mut ahead, B, 3));
        assert!(ahead.handle_appended(A, FeedSequence(1)).is_empty());
        assert_eq!(numbers(&ahead.handle_appended(A, FeedSequence(2))), [3, 4, 5]);
        assert!(ahead.holds(A) && ahead.holds(B));
        assert!(ahead.handle_appended(A, FeedSequence(9)).is_empty());
        assert!(!ahead.holds(A) && ahead.holds(B));
        ahead.forget(B);
        assert_eq!((ahead.bytes, ahead.messages.len()), (0, 0));
    }

    #[test]
    fn what_waits_is_bounded_over_all_feeds() {
        let mut ahead = Ahead::default();
        let body = Bytes::from(vec![0; MAX_AHEAD / 4]);
        assert!((2..5).all(|n| ahead.hold(A, FeedSequence(n), body.clone())));
        assert!(ahead.hold(B, FeedSequence(2), body.clone()));
        assert!(!ahead.hold(B, FeedSequence(3), body.clone()));
        assert!(ahead.hold(B, FeedSequence(2), body), "in the place of the same");
        ahead.forget(A);
        assert!(hold(&mut ahead, B, 3));
    }

    proptest! {
        #[test]
        fn messages_in_any_order_come_out_in_theirs(order in Just((1u64..60).collect::<Vec<_>>()).prop_shuffle()) {
            let (mut ahead, mut newest) = (Ahead::default(), FeedSequence(0));
            for n in order {
                prop_assert!(hold(&mut ahead, A, n));
                for (sequence, body) in ahead.handle_appended(A, newest) {
                    prop_assert_eq!((sequence, body), (newest.next(), Bytes::from(newest.next().0.to_string())));
                    newest = newest.next();
                }
            }
            prop_assert_eq!((newest, ahead.bytes), (FeedSequence(59), 0));
        }
    }
}
