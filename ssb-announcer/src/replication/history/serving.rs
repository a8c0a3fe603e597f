//! The streams of `createHistoryStream` that a peer has open. Pure.
//!
//! A stream names the next message to send, it does not hold any: what the socket does not take yet stays in the store.
//! Streams take turns.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stream_model::{FeedId, FeedSequence};

use super::arguments::{Arguments, Format};

/// Streams that a peer may have open: one for each feed that it replicates, which are seldom more than we replicate. Each
/// costs some 200 bytes.
pub const MAX_SERVED: usize = 512;

/// What to send next. `S` names a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<S> {
    /// Messages, as many as fit a batch and at most `limit`; then call [`Serving::handle_sent`].
    Messages {
        /// On which stream.
        stream: S,
        /// Whose.
        feed: FeedId,
        /// The first one.
        from: FeedSequence,
        /// How many at most.
        limit: u64,
        /// In which form.
        format: Format,
    },
    /// The stream is at its end.
    End(S),
}

#[derive(Debug)]
struct Stream {
    feed: FeedId,
    next: FeedSequence,
    /// The newest message known to be in the store.
    newest: FeedSequence,
    left: u64,
    live: bool,
    format: Format,
    /// Whether it is in the queue of streams with something to send.
    queued: bool,
}

impl Stream {
    fn has_messages(&self) -> bool {
        self.left > 0 && self.next <= self.newest
    }

    fn is_over(&self) -> bool {
        self.left == 0 || (!self.live && self.next > self.newest)
    }
}

/// All streams of one peer.
#[derive(Debug)]
pub struct Serving<S> {
    streams: BTreeMap<S, Stream>,
    of_feed: BTreeMap<FeedId, BTreeSet<S>>,
    ready: VecDeque<S>,
}

impl<S: Copy + Ord> Default for Serving<S> {
    fn default() -> Self {
        Self { streams: BTreeMap::new(), of_feed: BTreeMap::new(), ready: VecDeque::new() }
    }
}

impl<S: Copy + Ord> Serving<S> {
    /// The peer asks for a stream of a feed whose newest message here is `newest`. `false` where it has too many.
    pub fn open(&mut self, stream: S, asked: &Arguments, newest: FeedSequence) -> bool {
        if self.streams.len() >= MAX_SERVED {
            return false;
        }
        let first = if asked.old { FeedSequence(1) } else { newest.next() };
        let opened = Stream {
            feed: asked.feed,
            next: asked.from.max(first),
            newest,
            left: asked.limit.unwrap_or(u64::MAX),
            live: asked.live,
            format: asked.format,
            queued: false,
        };
        self.streams.insert(stream, opened);
        self.of_feed.entry(asked.feed).or_default().insert(stream);
        self.make_ready(stream);
        true
    }

    /// The peer ended a stream.
    pub fn handle_ended(&mut self, stream: S) {
        let Some(ended) = self.streams.remove(&stream) else { return };
        if let Some(of_feed) = self.of_feed.get_mut(&ended.feed) {
            of_feed.remove(&stream);
            if of_feed.is_empty() {
                self.of_feed.remove(&ended.feed);
            }
        }
    }

    /// The store has messages of a feed up to `newest`.
    pub fn handle_appended(&mut self, feed: FeedId, newest: FeedSequence) {
        let streams: Vec<S> = self.of_feed.get(&feed).into_iter().flatten().copied().collect();
        for stream in streams {
            if let Some(open) = self.streams.get_mut(&stream).filter(|open| newest > open.newest) {
                open.newest = newest;
                self.make_ready(stream);
            }
        }
    }

    /// What to send next; `None` where there is nothing.
    pub fn poll_output(&mut self) -> Option<Output<S>> {
        while let Some(stream) = self.ready.pop_front() {
            let Some(open) = self.streams.get_mut(&stream) else { continue };
            open.queued = false;
            if open.has_messages() {
                return Some(Output::Messages {
                    stream,
                    feed: open.feed,
                    from: open.next,
                    limit: open.left,
                    format: open.format,
                });
            }
            if open.is_over() {
                self.handle_ended(stream);
                return Some(Output::End(stream));
            }
        }
        None
    }

    /// Of the messages that [`Self::poll_output`] named, `sent` were sent, the last being `last`. `None` where the store
    /// had none: a live stream then waits for the next one, another is at its end.
    pub fn handle_sent(&mut self, stream: S, sent: u64, last: Option<FeedSequence>) {
        let Some(open) = self.streams.get_mut(&stream) else { return };
        match last.filter(|last| *last >= open.next) {
            Some(last) => {
                open.next = last.next();
                open.left -= sent.min(open.left);
            }
            None => open.newest = FeedSequence(0),
        }
        self.make_ready(stream);
    }

    /// The feeds of which streams are open.
    pub fn feeds(&self) -> impl Iterator<Item = FeedId> + '_ {
        self.of_feed.keys().copied()
    }

    /// Whether no stream is open.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    fn make_ready(&mut self, stream: S) {
        if let Some(open) = self.streams.get_mut(&stream)
            && !open.queued
            && (open.has_messages() || open.is_over())
        {
            open.queued = true;
            self.ready.push_back(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FEED: FeedId = FeedId([1; 32]);

    fn asked(from: u64) -> Arguments {
        Arguments { feed: FEED, from: FeedSequence(from), limit: None, old: true, live: false, format: Format::Value }
    }

    /// Sends all there is, in batches of up to `batch`, from a store that holds messages up to `held`.
    fn drain(serving: &mut Serving<u32>, held: u64, batch: u64) -> (Vec<(u32, u64)>, Vec<u32>) {
        let (mut sent, mut ended) = (Vec::new(), Vec::new());
        while let Some(output) = serving.poll_output() {
            match output {
                Output::End(stream) => ended.push(stream),
                Output::Messages { stream, from, limit, .. } => {
                    let messages: Vec<u64> = (from.0..=held).take(limit.min(batch) as usize).collect();
                    sent.extend(messages.iter().map(|message| (stream, *message)));
                    serving.handle_sent(stream, messages.len() as u64, messages.last().copied().map(FeedSequence));
                }
            }
        }
        (sent, ended)
    }

    fn numbers(sent: &[(u32, u64)], stream: u32) -> Vec<u64> {
        sent.iter().filter(|(of, _)| *of == stream).map(|(_, number)| *number).collect()
    }

    #[test]
    fn a_stream_that_is_not_live_ends_after_what_is_there() {
        let mut serving = Serving::default();
        serving.open(1, &asked(3), FeedSequence(5));
        assert_eq!(drain(&mut serving, 5, 2), (vec![(1, 3), (1, 4), (1, 5)], vec![1]));
        serving.open(2, &asked(0), FeedSequence(0));
        assert_eq!(drain(&mut serving, 0, 2), (vec![], vec![2]));
        assert!(serving.is_empty() && serving.of_feed.is_empty());
    }

    #[test]
    fn a_live_stream_goes_on_with_what_is_appended_until_the_peer_ends_it() {
        let mut serving = Serving::default();
        serving.open(1, &Arguments { live: true, ..asked(0) }, FeedSequence(2));
        assert_eq!(drain(&mut serving, 2, 9), (vec![(1, 1), (1, 2)], vec![]));
        serving.handle_appended(FEED, FeedSequence(3));
        assert_eq!(drain(&mut serving, 3, 9), (vec![(1, 3)], vec![]));
        serving.handle_ended(1);
        serving.handle_appended(FEED, FeedSequence(4));
        assert_eq!(serving.poll_output(), None);
    }

    #[test]
    fn a_live_stream_without_old_messages_begins_with_the_next() {
        let mut serving = Serving::default();
        serving.open(1, &Arguments { live: true, old: false, ..asked(1) }, FeedSequence(2));
        assert_eq!(serving.poll_output(), None);
        serving.handle_appended(FEED, FeedSequence(4));
        assert_eq!(drain(&mut serving, 4, 9).0, [(1, 3), (1, 4)]);
    }

    #[test]
    fn a_live_stream_from_beyond_the_newest_waits_for_that_number() {
        let mut serving = Serving::default();
        serving.open(1, &Arguments { live: true, ..asked(5) }, FeedSequence(2));
        serving.handle_appended(FEED, FeedSequence(4));
        assert_eq!(serving.poll_output(), None);
        serving.handle_appended(FEED, FeedSequence(6));
        assert_eq!(drain(&mut serving, 6, 9).0, [(1, 5), (1, 6)]);
    }

    #[test]
    fn a_limit_ends_a_stream_live_or_not() {
        let mut serving = Serving::default();
        serving.open(1, &Arguments { limit: Some(2), ..asked(0) }, FeedSequence(5));
        serving.open(2, &Arguments { limit: Some(3), live: true, ..asked(4) }, FeedSequence(5));
        let (sent, ended) = drain(&mut serving, 5, 1);
        assert_eq!((numbers(&sent, 1), numbers(&sent, 2), ended), (vec![1, 2], vec![4, 5], vec![1]));
        serving.handle_appended(FEED, FeedSequence(8));
        assert_eq!(drain(&mut serving, 8, 9), (vec![(2, 6)], vec![2]));
    }

    #[test]
    fn a_store_that_lost_the_messages_ends_the_stream_and_does_not_spin() {
        let mut serving = Serving::default();
        serving.open(1, &asked(0), FeedSequence(5));
        serving.open(2, &Arguments { live: true, ..asked(0) }, FeedSequence(5));
        assert_eq!(drain(&mut serving, 0, 9), (vec![], vec![1]));
    }

    #[test]
    fn streams_beyond_a_number_are_refused() {
        let mut serving = Serving::default();
        for stream in 0..MAX_SERVED {
            assert!(serving.open(stream, &asked(0), FeedSequence(0)));
        }
        assert!(!serving.open(MAX_SERVED, &asked(0), FeedSequence(0)));
    }

    proptest! {
        #[test]
        fn each_stream_gets_its_messages_once_and_in_order(
            streams in proptest::collection::vec((0u64..12, proptest::option::of(1u64..8), any::<bool>(), any::<bool>()), 1..6),
            appends in proptest::collection::vec(1u64..4, 0..6),
            begin in 0u64..8,
            batch in 1u64..5,
        ) {
            let mut serving = Serving::default();
            let mut sent = Vec::new();
            let mut newest = begin;
            for (stream, (from, limit, live, old)) in (0u32..).zip(&streams) {
                serving.open(stream, &Arguments { limit: *limit, live: *live, old: *old, ..asked(*from) }, FeedSequence(newest));
            }
            sent.extend(drain(&mut serving, newest, batch).0);
            for more in appends {
                newest += more;
                serving.handle_appended(FEED, FeedSequence(newest));
                sent.extend(drain(&mut serving, newest, batch).0);
            }
            for (stream, (from, limit, live, old)) in (0u32..).zip(&streams) {
                let first = (*from).max(if *old { 1 } else { begin + 1 });
                let last = if *live { newest } else { begin };
                let expected: Vec<u64> = (first..=last).take(limit.unwrap_or(u64::MAX) as usize).collect();
                prop_assert_eq!(numbers(&sent, stream), expected);
            }
        }
    }
}
