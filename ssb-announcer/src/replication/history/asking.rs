//! The streams of `createHistoryStream` that we ask of a peer that does not replicate by EBT: a live one for each wanted
//! feed. Pure: time is an argument.
//!
//! A stream that the peer ends, as peers do that know no live ones, is asked for again after a pause. A peer that does
//! not know the method is not asked for anything more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use stream_model::{FeedId, FeedSequence};

use crate::replication::session::{Local, Verdict};

/// Streams that are open at once: what a peer of our own kind serves. Feeds beyond wait until one ends.
pub const MAX_ASKED: usize = super::serving::MAX_SERVED;
/// Pause before a stream that ended is asked for again: peers without live streams are polled at this pace.
pub const ASK_AGAIN: Duration = Duration::from_secs(20);

/// What to do next. `S` names a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<S> {
    /// Ask for a feed from a message on, then call [`Asking::handle_called`].
    Call {
        /// Whose messages.
        feed: FeedId,
        /// The first one.
        from: FeedSequence,
    },
    /// End this stream.
    End(S),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State<S> {
    /// In the queue of feeds to ask for.
    Queued,
    Waiting(Instant),
    Open(S),
    /// The peer sent a message of it that does not hold.
    Refused,
}

#[derive(Debug)]
struct Feed<S> {
    local: FeedSequence,
    state: State<S>,
}

/// All streams asked of one peer.
#[derive(Debug)]
pub struct Asking<S> {
    feeds: BTreeMap<FeedId, Feed<S>>,
    streams: BTreeMap<S, FeedId>,
    queue: VecDeque<FeedId>,
    waiting: BTreeSet<(Instant, FeedId)>,
    /// Feeds with an open stream on which a message is missing, and when they are asked for anew.
    with_gap: BTreeMap<FeedId, Instant>,
    to_end: Vec<S>,
    unsupported: bool,
}

impl<S: Copy + Ord> Asking<S> {
    /// Begins with the feeds that we replicate.
    pub fn new(feeds: impl IntoIterator<Item = (FeedId, Local)>) -> Self {
        let mut this = Self {
            feeds: BTreeMap::new(),
            streams: BTreeMap::new(),
            queue: VecDeque::new(),
            waiting: BTreeSet::new(),
            with_gap: BTreeMap::new(),
            to_end: Vec::new(),
            unsupported: false,
        };
        feeds.into_iter().for_each(|(feed, local)| this.handle_wanted(feed, local));
        this
    }

    /// A feed is replicated from now on, or in another way.
    pub fn handle_wanted(&mut self, feed: FeedId, local: Local) {
        if !local.receive {
            self.handle_unwanted(feed);
        } else if let Some(known) = self.feeds.get_mut(&feed) {
            known.local = known.local.max(local.sequence);
        } else {
            self.feeds.insert(feed, Feed { local: local.sequence, state: State::Queued });
            self.queue.push_back(feed);
        }
    }

    /// A feed is not replicated any more.
    pub fn handle_unwanted(&mut self, feed: FeedId) {
        match self.feeds.remove(&feed).map(|feed| feed.state) {
            Some(State::Open(stream)) => self.close(stream),
            Some(State::Queued) => self.queue.retain(|queued| *queued != feed),
            Some(State::Waiting(at)) => {
                self.waiting.remove(&(at, feed));
            }
            Some(State::Refused) | None => {}
        }
    }

    /// The feeds that are asked for, now or in their turn.
    pub fn feeds(&self) -> impl Iterator<Item = FeedId> + '_ {
        self.feeds.keys().copied()
    }

    /// What to do next; `None` where there is nothing before [`Self::next_timeout`].
    pub fn poll_output(&mut self, now: Instant) -> Option<Output<S>> {
        while let Some(feed) = self.with_gap.iter().find(|(_, at)| **at <= now).map(|(feed, _)| *feed) {
            self.ask_anew(feed);
        }
        if let Some(stream) = self.to_end.pop() {
            return Some(Output::End(stream));
        }
        while let Some((at, feed)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.remove(&(at, feed));
            if let Some(known) = self.feeds.get_mut(&feed) {
                known.state = State::Queued;
                self.queue.push_back(feed);
            }
        }
        if self.unsupported || self.streams.len() >= MAX_ASKED {
            return None;
        }
        let feed = *self.queue.front()?;
        let from = self.feeds.get(&feed).map_or(FeedSequence(1), |known| known.local.next());
        Some(Output::Call { feed, from })
    }

    /// When [`Self::poll_output`] has something that it has not now.
    pub fn next_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting.first().map(|(at, _)| *at).filter(|_| !self.unsupported);
        waiting.into_iter().chain(self.with_gap.values().copied()).min()
    }

    /// The call that [`Self::poll_output`] asked for was made, on this stream.
    pub fn handle_called(&mut self, stream: S) {
        let Some(feed) = self.queue.pop_front() else { return };
        if let Some(known) = self.feeds.get_mut(&feed) {
            known.state = State::Open(stream);
            self.streams.insert(stream, feed);
        }
    }

    /// The feed that is asked for on a stream.
    pub fn feed_of(&self, stream: S) -> Option<FeedId> {
        self.streams.get(&stream).copied()
    }

    /// The peer sent a message. Where the verdict is to take it, [`Self::handle_appended`] or [`Self::handle_rejected`]
    /// is to follow.
    pub fn handle_message(&self, stream: S, author: FeedId, sequence: FeedSequence) -> Verdict {
        let asked = self.streams.get(&stream).is_some_and(|feed| *feed == author);
        match self.feeds.get(&author).filter(|_| asked) {
            None => Verdict::Unrequested,
            Some(feed) if sequence <= feed.local => Verdict::Duplicate,
            Some(_) => Verdict::Take,
        }
    }

    /// The store has messages of a feed up to `sequence`, from whomever.
    pub fn handle_appended(&mut self, feed: FeedId, sequence: FeedSequence) {
        if let Some(known) = self.feeds.get_mut(&feed) {
            known.local = known.local.max(sequence);
        }
    }

    /// A message that the peer sent does not hold: its feed is not taken from this peer any more. Returns whether it
    /// was until now.
    pub fn handle_rejected(&mut self, feed: FeedId) -> bool {
        let Some(known) = self.feeds.get_mut(&feed) else { return false };
        match std::mem::replace(&mut known.state, State::Refused) {
            State::Open(stream) => {
                self.close(stream);
                true
            }
            State::Refused => false,
            State::Queued => {
                self.queue.retain(|queued| *queued != feed);
                true
            }
            State::Waiting(at) => self.waiting.remove(&(at, feed)),
        }
    }

    /// A message that the peer sent does not follow on what we have. What it follows may still come on the stream, or else
    /// the feed is asked for anew later, from where we are then.
    pub fn handle_gap(&mut self, feed: FeedId, now: Instant) {
        if let Some(Feed { state: State::Open(_), .. }) = self.feeds.get(&feed) {
            self.with_gap.entry(feed).or_insert(now + ASK_AGAIN);
        }
    }

    /// Nothing is missing of what the peer sent.
    pub fn handle_gap_filled(&mut self, feed: FeedId) {
        self.with_gap.remove(&feed);
    }

    /// The peer ended a stream.
    pub fn handle_ended(&mut self, stream: S, now: Instant) {
        if let Some(feed) = self.streams.remove(&stream) {
            self.with_gap.remove(&feed);
            self.wait(feed, now);
        }
    }

    /// The peer does not know the method.
    pub fn handle_unsupported(&mut self) {
        self.unsupported = true;
    }

    /// How many streams are open.
    pub fn open(&self) -> usize {
        self.streams.len()
    }

    /// Ends with all streams that are open, which are to be ended on the connection too.
    pub fn into_open(self) -> impl Iterator<Item = S> {
        self.to_end.into_iter().chain(self.streams.into_keys())
    }

    fn wait(&mut self, feed: FeedId, now: Instant) {
        if let Some(known) = self.feeds.get_mut(&feed) {
            known.state = State::Waiting(now + ASK_AGAIN);
            self.waiting.insert((now + ASK_AGAIN, feed));
        }
    }

    fn ask_anew(&mut self, feed: FeedId) {
        self.with_gap.remove(&feed);
        if let Some(Feed { state, .. }) = self.feeds.get_mut(&feed)
            && let State::Open(stream) = *state
        {
            *state = State::Queued;
            self.queue.push_back(feed);
            self.close(stream);
        }
    }

    fn close(&mut self, stream: S) {
        if let Some(feed) = self.streams.remove(&stream) {
            self.with_gap.remove(&feed);
        }
        self.to_end.push(stream);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(n: u8) -> FeedId {
        FeedId([n; 32])
    }

    fn has(sequence: u64) -> Local {
        Local { sequence: FeedSequence(sequence), receive: true }
    }

    /// Makes the calls that are due; streams are numbered from `first`.
    fn call(asking: &mut Asking<u32>, first: u32, now: Instant) -> Vec<(FeedId, u64)> {
        let (mut calls, mut stream) = (Vec::new(), first);
        while let Some(output) = asking.poll_output(now) {
            let Output::Call { feed, from } = output else { panic!("{output:?}") };
            calls.push((feed, from.0));
            asking.handle_called(stream);
            stream += 1;
        }
        calls
    }

    #[test]
    fn each_wanted_feed_is_asked_for_from_where_we_are_and_own_ones_are_not() {
        let now = Instant::now();
        let own = Local { sequence: FeedSequence(9), receive: false };
        let mut asking = Asking::new([(feed(1), has(0)), (feed(2), has(7)), (feed(3), own)]);
        assert_eq!(call(&mut asking, 0, now), [(feed(1), 1), (feed(2), 8)]);
        asking.handle_wanted(feed(4), has(2));
        asking.handle_wanted(feed(1), has(0));
        assert_eq!(call(&mut asking, 2, now), [(feed(4), 3)]);
    }

    #[test]
    fn messages_are_taken_on_the_stream_that_asked_for_them_only() {
        let mut asking = Asking::new([(feed(1), has(3)), (feed(2), has(0))]);
        call(&mut asking, 0, Instant::now());
        assert_eq!(asking.handle_message(0, feed(1), FeedSequence(4)), Verdict::Take);
        assert_eq!(asking.handle_message(0, feed(1), FeedSequence(3)), Verdict::Duplicate);
        assert_eq!(asking.handle_message(0, feed(2), FeedSequence(1)), Verdict::Unrequested);
        assert_eq!(asking.handle_message(5, feed(1), FeedSequence(4)), Verdict::Unrequested);
        asking.handle_appended(feed(1), FeedSequence(4));
        assert_eq!(asking.handle_message(0, feed(1), FeedSequence(4)), Verdict::Duplicate);
    }

    #[test]
    fn a_stream_that_the_peer_ends_is_asked_for_again_after_a_pause() {
        let now = Instant::now();
        let mut asking = Asking::new([(feed(1), has(0))]);
        call(&mut asking, 0, now);
        asking.handle_appended(feed(1), FeedSequence(5));
        asking.handle_ended(0, now);
        assert_eq!(asking.poll_output(now), None);
        assert_eq!(asking.next_timeout(), Some(now + ASK_AGAIN));
        assert_eq!(call(&mut asking, 1, now + ASK_AGAIN), [(feed(1), 6)]);
        assert_eq!(asking.next_timeout(), None);
    }

    #[test]
    fn a_feed_of_which_an_invalid_message_came_is_not_asked_for_again() {
        let now = Instant::now();
        let mut asking = Asking::new([(feed(1), has(0))]);
        call(&mut asking, 0, now);
        assert!(asking.handle_rejected(feed(1)));
        assert!(!asking.handle_rejected(feed(1)));
        assert_eq!(asking.poll_output(now), Some(Output::End(0)));
        asking.handle_ended(0, now);
        assert_eq!(asking.poll_output(now + 2 * ASK_AGAIN), None);
        assert_eq!(asking.handle_message(0, feed(1), FeedSequence(1)), Verdict::Unrequested);
    }

    #[test]
    fn a_gap_that_is_not_filled_in_a_while_has_the_feed_asked_for_anew() {
        let now = Instant::now();
        let mut asking = Asking::new([(feed(1), has(0))]);
        call(&mut asking, 0, now);
        asking.handle_gap(feed(1), now);
        asking.handle_gap(feed(1), now + ASK_AGAIN / 2);
        assert_eq!((asking.poll_output(now), asking.next_timeout()), (None, Some(now + ASK_AGAIN)));
        asking.handle_appended(feed(1), FeedSequence(3));
        assert_eq!(asking.poll_output(now + ASK_AGAIN), Some(Output::End(0)));
        assert_eq!(call(&mut asking, 1, now + ASK_AGAIN), [(feed(1), 4)]);
        asking.handle_ended(0, now);
        assert_eq!((asking.next_timeout(), asking.open()), (None, 1));
    }

    #[test]
    fn a_gap_that_is_filled_costs_nothing() {
        let now = Instant::now();
        let mut asking = Asking::new([(feed(1), has(0))]);
        call(&mut asking, 0, now);
        asking.handle_gap(feed(1), now);
        asking.handle_gap_filled(feed(1));
        assert_eq!((asking.poll_output(now + 2 * ASK_AGAIN), asking.next_timeout()), (None, None));
    }

    #[test]
    fn a_feed_that_is_not_wanted_any_more_is_ended() {
        let now = Instant::now();
        let mut asking = Asking::new([(feed(1), has(0)), (feed(2), has(0)), (feed(3), has(0))]);
        assert!(matches!(asking.poll_output(now), Some(Output::Call { .. })));
        asking.handle_called(0);
        assert!(matches!(asking.poll_output(now), Some(Output::Call { .. })));
        asking.handle_called(1);
        asking.handle_ended(1, now);
        for unwanted in 1..=3 {
            asking.handle_unwanted(feed(unwanted));
        }
        assert_eq!(asking.poll_output(now), Some(Output::End(0)));
        assert_eq!(asking.poll_output(now + ASK_AGAIN), None);
        assert_eq!(asking.open(), 0);
    }

    #[test]
    fn a_peer_that_does_not_know_the_method_is_left_alone() {
        let now = Instant::now();
        let mut asking = Asking::new([(feed(1), has(0)), (feed(2), has(0))]);
        assert!(matches!(asking.poll_output(now), Some(Output::Call { .. })));
        asking.handle_called(0);
        asking.handle_ended(0, now);
        asking.handle_unsupported();
        assert_eq!((asking.poll_output(now + 2 * ASK_AGAIN), asking.next_timeout()), (None, None));
    }

    #[test]
    fn no_more_than_a_number_are_open_and_the_next_follows_when_one_ends() {
        let now = Instant::now();
        let id = |n: usize| FeedId([&n.to_be_bytes()[..], &[0; 24]].concat().try_into().unwrap());
        let mut asking = Asking::new((0..MAX_ASKED + 1).map(|n| (id(n), has(0))));
        assert_eq!(call(&mut asking, 0, now).len(), MAX_ASKED);
        asking.handle_ended(0, now);
        assert_eq!(call(&mut asking, 10_000, now), [(id(MAX_ASKED), 1)]);
    }

    proptest! {
        /// Whatever happens, each wanted feed is in one state, and every stream is of a wanted feed.
        #[test]
        fn each_wanted_feed_is_open_queued_waiting_or_refused(
            events in proptest::collection::vec((0u8..7, 0u8..5, 0u64..30), 0..120)
        ) {
            let mut now = Instant::now();
            let mut asking: Asking<u32> = Asking::new([]);
            let mut stream = 0;
            for (event, n, seconds) in events {
                match event {
                    0 => asking.handle_wanted(feed(n), has(0)),
                    1 => asking.handle_unwanted(feed(n)),
                    2 => drop(asking.handle_rejected(feed(n))),
                    3 => asking.handle_gap(feed(n), now),
                    4 => asking.handle_ended(u32::from(n), now),
                    5 => now += Duration::from_secs(seconds),
                    _ => if let Some(Output::Call { .. }) = asking.poll_output(now) {
                        asking.handle_called(stream);
                        stream += 1;
                    },
                }
                let open = asking.feeds.values().filter(|feed| matches!(feed.state, State::Open(_))).count();
                let queued = asking.feeds.values().filter(|feed| feed.state == State::Queued).count();
                let waiting = asking.feeds.values().filter(|feed| matches!(feed.state, State::Waiting(_))).count();
                prop_assert_eq!((open, queued, waiting), (asking.streams.len(), asking.queue.len(), asking.waiting.len()));
                for (stream, feed) in &asking.streams {
                    prop_assert_eq!(asking.feeds[feed].state, State::Open(*stream));
                }
                for feed in asking.with_gap.keys() {
                    prop_assert!(matches!(asking.feeds[feed].state, State::Open(_)));
                }
            }
        }
    }
}
