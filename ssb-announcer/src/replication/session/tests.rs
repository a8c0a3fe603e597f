//! The decisions of one [`Session`](super::Session), and whole networks of them under random order and partitions.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::*;

const OURS: FeedId = FeedId([1; 32]);
const THEIRS: FeedId = FeedId([2; 32]);
const NOBODYS: FeedId = FeedId([3; 32]);

fn local(sequence: u64) -> Local {
    Local { sequence: FeedSequence(sequence), receive: true }
}

fn has(sequence: u64, receive: bool) -> Note {
    Note::Replicated { sequence: FeedSequence(sequence), receive }
}

fn messages(feed: FeedId, after: u64) -> Option<Output> {
    Some(Output::Messages { feed, after: FeedSequence(after) })
}

fn notes<const N: usize>(notes: [(FeedId, Note); N]) -> Option<Output> {
    Some(Output::Notes(notes.into()))
}

/// A session in which the first notes have gone both ways.
fn begun<const N: usize>(ours: &[(FeedId, u64)], theirs: [(FeedId, Note); N]) -> Session {
    let mut session = Session::new(Role::Callee, ours.iter().map(|(feed, sequence)| (*feed, local(*sequence))));
    assert!(matches!(session.poll_output(), Some(Output::Notes(_))));
    session.handle_notes(theirs.into());
    session
}

#[test]
fn the_callee_sends_notes_first_even_where_it_has_none() {
    assert_eq!(Session::new(Role::Callee, []).poll_output(), notes([]));
    let mut caller = Session::new(Role::Caller, [(OURS, local(1))]);
    assert_eq!(caller.poll_output(), None);
    caller.handle_notes(Notes::new());
    assert_eq!(caller.poll_output(), notes([(OURS, has(1, true))]));
    assert_eq!(caller.poll_output(), None);
}

#[test]
fn what_the_peer_lacks_is_named_once_and_then_as_it_is_appended() {
    let mut session = begun(&[(OURS, 5)], [(OURS, has(2, true))]);
    assert_eq!(session.poll_output(), messages(OURS, 2));
    assert_eq!(session.poll_output(), None);
    session.handle_sent(OURS, FeedSequence(4));
    assert_eq!(session.poll_output(), messages(OURS, 4));
    session.handle_sent(OURS, FeedSequence(5));
    assert_eq!(session.poll_output(), None);
    session.handle_appended(OURS, FeedSequence(6));
    assert_eq!(session.poll_output(), messages(OURS, 5));
}

#[test]
fn feeds_take_turns() {
    let mut session = begun(&[(OURS, 9), (THEIRS, 9)], [(OURS, has(0, true)), (THEIRS, has(0, true))]);
    assert_eq!(session.poll_output(), messages(OURS, 0));
    session.handle_sent(OURS, FeedSequence(3));
    assert_eq!(session.poll_output(), messages(THEIRS, 0));
    session.handle_sent(THEIRS, FeedSequence(3));
    assert_eq!(session.poll_output(), messages(OURS, 3));
}

/// JavaScript leaves feeds out of its notes that it remembers as in step, and asks when it hears of more.
#[test]
fn a_peer_that_did_not_ask_is_told_of_news_and_then_asks() {
    for first in [None, Some(has(5, false))] {
        let mut session = begun(&[(OURS, 5)], []);
        if let Some(note) = first {
            session.handle_notes([(OURS, note)].into());
        }
        assert_eq!(session.poll_output(), None);
        session.handle_appended(OURS, FeedSequence(6));
        assert_eq!(session.poll_output(), notes([(OURS, has(6, true))]));
        session.handle_notes([(OURS, has(5, true))].into());
        assert_eq!(session.poll_output(), messages(OURS, 5));
    }
}

#[test]
fn a_peer_that_does_not_replicate_a_feed_hears_no_more_of_it() {
    let mut session = begun(&[(OURS, 5)], [(OURS, Note::NotReplicated)]);
    session.handle_appended(OURS, FeedSequence(6));
    assert_eq!(session.poll_output(), None);
    session.handle_notes([(OURS, has(0, true))].into());
    assert_eq!(session.poll_output(), notes([(OURS, has(6, true))]));
    assert_eq!(session.poll_output(), messages(OURS, 0));
}

#[test]
fn feeds_that_are_not_replicated_here_are_declined_and_never_taken() {
    let mut session = begun(&[(OURS, 0)], [(NOBODYS, has(7, true))]);
    assert_eq!(session.poll_output(), notes([(NOBODYS, Note::NotReplicated)]));
    assert_eq!(session.handle_message(NOBODYS, FeedSequence(1)), Verdict::Unrequested);
    session.handle_wanted(NOBODYS, local(0));
    assert_eq!(session.poll_output(), notes([(NOBODYS, has(0, true))]));
    assert_eq!(session.handle_message(NOBODYS, FeedSequence(1)), Verdict::Take);
}

/// It asked before we had any, and does not ask again.
#[test]
fn a_peer_that_asked_for_a_feed_gets_it_once_it_is_replicated_here() {
    let mut session = begun(&[], [(NOBODYS, has(1, true))]);
    session.poll_output();
    session.handle_wanted(NOBODYS, local(0));
    assert_eq!(session.poll_output(), notes([(NOBODYS, has(0, true))]));
    session.handle_appended(NOBODYS, FeedSequence(3));
    assert_eq!(session.poll_output(), messages(NOBODYS, 1));
}

#[test]
fn a_feed_that_is_wanted_again_counts_with_what_there_is_of_it_now() {
    let mut session = begun(&[(THEIRS, 3)], [(THEIRS, has(3, true))]);
    session.handle_wanted(THEIRS, local(5));
    assert_eq!(session.poll_output(), messages(THEIRS, 3));
}

#[test]
fn a_feed_that_is_given_up_is_declined_and_neither_sent_nor_taken() {
    let mut session = begun(&[(THEIRS, 3)], [(THEIRS, has(1, true))]);
    session.handle_unwanted(THEIRS);
    assert_eq!(session.poll_output(), notes([(THEIRS, Note::NotReplicated)]));
    assert_eq!(session.poll_output(), None);
    assert_eq!(session.handle_message(THEIRS, FeedSequence(4)), Verdict::Unrequested);
}

/// The peer remembers that we asked, and would fetch it for us.
#[test]
fn a_feed_that_the_peer_does_not_replicate_is_declined_when_it_is_given_up() {
    let mut session = begun(&[(THEIRS, 3)], [(THEIRS, Note::NotReplicated)]);
    session.handle_unwanted(THEIRS);
    assert_eq!(session.poll_output(), notes([(THEIRS, Note::NotReplicated)]));
}

#[test]
fn a_feed_that_is_given_up_is_declined_whatever_happens_before_that_is_said() {
    let mut session = begun(&[(THEIRS, 3)], []);
    session.handle_unwanted(THEIRS);
    // Its answer to the first notes.
    session.handle_notes([(THEIRS, Note::NotReplicated)].into());
    assert_eq!(session.poll_output(), notes([(THEIRS, Note::NotReplicated)]));

    let mut session = begun(&[(THEIRS, 3)], []);
    session.handle_unwanted(THEIRS);
    session.handle_wanted(THEIRS, local(3));
    session.handle_unwanted(THEIRS);
    assert_eq!(session.poll_output(), notes([(THEIRS, Note::NotReplicated)]));
    assert_eq!(session.poll_output(), None);
}

#[test]
fn feeds_of_others_are_remembered_up_to_a_bound() {
    let feed = |n: usize| FeedId([&n.to_be_bytes()[..], &[0; 24]].concat().try_into().unwrap());
    let mut session = begun(&[], []);
    session.handle_notes((0..3 * MAX_FOREIGN).map(|n| (feed(n), has(1, true))).collect());
    assert_eq!(session.foreign.len(), MAX_FOREIGN);
    assert_eq!(session.to_decline.len(), MAX_FOREIGN);
}

#[test]
fn a_feed_with_an_invalid_message_is_not_taken_from_this_peer_any_more() {
    let mut session = begun(&[(THEIRS, 3)], [(THEIRS, has(9, true))]);
    assert_eq!(session.handle_message(THEIRS, FeedSequence(4)), Verdict::Take);
    assert!(session.handle_rejected(THEIRS));
    assert_eq!(session.handle_message(THEIRS, FeedSequence(4)), Verdict::Unrequested);
    assert!(!session.handle_rejected(THEIRS));
    assert_eq!(session.poll_output(), notes([(THEIRS, has(3, false))]));
    // It still gets what it asks for.
    session.handle_notes([(THEIRS, has(1, true))].into());
    assert_eq!(session.poll_output(), messages(THEIRS, 1));
}

#[test]
fn after_a_gap_the_peer_is_asked_again_from_where_we_are() {
    let mut session = begun(&[(THEIRS, 3)], [(THEIRS, has(9, true))]);
    assert_eq!(session.handle_message(THEIRS, FeedSequence(6)), Verdict::Take);
    session.handle_gap(THEIRS);
    assert_eq!(session.poll_output(), notes([(THEIRS, has(3, true))]));
    assert_eq!(session.poll_output(), None);
}

#[test]
fn an_own_feed_is_served_and_not_taken() {
    let own = Local { sequence: FeedSequence(2), receive: false };
    let mut session = Session::new(Role::Callee, [(OURS, own)]);
    assert_eq!(session.poll_output(), notes([(OURS, has(2, false))]));
    session.handle_notes([(OURS, has(9, true))].into());
    assert_eq!(session.handle_message(OURS, FeedSequence(3)), Verdict::Unrequested);
}

#[test]
fn what_the_peer_sent_is_not_sent_back() {
    let mut session = begun(&[(THEIRS, 0)], [(THEIRS, has(2, true))]);
    session.handle_taken(THEIRS, FeedSequence(3));
    assert_eq!(session.poll_output(), None);

    let mut session = begun(&[(THEIRS, 3)], [(THEIRS, has(1, true))]);
    assert_eq!(session.handle_message(THEIRS, FeedSequence(3)), Verdict::Duplicate);
    assert_eq!(session.poll_output(), None, "it had all that we have");
}

#[test]
fn a_feed_whose_messages_are_gone_rests_until_it_is_asked_for_again() {
    let mut session = begun(&[(OURS, 5)], [(OURS, has(2, true))]);
    session.poll_output();
    session.handle_sent(OURS, FeedSequence(2));
    assert_eq!(session.poll_output(), None);
    session.handle_notes([(OURS, has(2, true))].into());
    assert_eq!(session.poll_output(), messages(OURS, 2));
}

#[test]
fn many_feeds_take_several_packets_of_notes() {
    let feed = |n: u16| FeedId([&n.to_be_bytes()[..], &[0; 30]].concat().try_into().unwrap());
    let mut session = Session::new(Role::Callee, (0..2_500).map(|n| (feed(n), local(1))));
    let mut told = 0;
    while let Some(Output::Notes(notes)) = session.poll_output() {
        assert!(notes.len() <= NOTES_AT_ONCE);
        told += notes.len();
    }
    assert_eq!(told, 2_500);
}

proptest! {
    #[test]
    fn no_input_makes_a_session_grow_or_panic(seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut session = Session::new(Role::Callee, [(OURS, local(3)), (THEIRS, local(0))]);
        for _ in 0..200 {
            let feed = if rng.gen_bool(0.6) { [OURS, THEIRS, NOBODYS][rng.gen_range(0..3)] } else { FeedId(rng.r#gen()) };
            let sequence = FeedSequence(rng.gen_range(0..9));
            match rng.gen_range(0..8) {
                0 => session.handle_notes([(feed, has(sequence.0, rng.r#gen()))].into()),
                1 => session.handle_notes([(feed, Note::NotReplicated)].into()),
                2 => { session.handle_message(feed, sequence); }
                3 => session.handle_taken(feed, sequence),
                4 => { session.handle_rejected(feed); }
                5 => session.handle_gap(feed),
                6 => session.handle_sent(feed, sequence),
                _ => { session.poll_output(); }
            }
            prop_assert_eq!(session.feeds.len(), 2);
            prop_assert!(session.ready.len() <= 2);
        }
    }

    #[test]
    fn every_wanted_feed_reaches_every_node(seed: u64) {
        Network::new(seed).run();
    }
}

/// Nodes that each write a feed, on random links that deliver in order but at random times, fall and come back.
struct Network {
    rng: StdRng,
    nodes: Vec<Node>,
    links: Vec<Link>,
}

#[derive(Default)]
struct Node {
    /// How much it holds; its own feed included.
    clocks: BTreeMap<FeedId, u64>,
    /// What it replicates besides its own feed.
    wanted: BTreeSet<FeedId>,
}

/// Two nodes, and while it is up their sessions with what is on its way to each.
struct Link {
    nodes: [usize; 2],
    ends: Option<[End; 2]>,
}

struct End {
    session: Session,
    inbox: VecDeque<Sent>,
}

enum Sent {
    Notes(Notes),
    Message(FeedId, FeedSequence),
}

impl Network {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = rng.gen_range(2..6);
        let mut nodes: Vec<Node> = (0..count).map(|_| Node::default()).collect();
        for (n, node) in nodes.iter_mut().enumerate() {
            node.clocks.insert(author(n), rng.gen_range(0..20));
        }
        // A tree, so that everybody is reached, and some links more.
        let mut links: Vec<Link> = (1..count).map(|n| link(rng.gen_range(0..n), n)).collect();
        for _ in 0..rng.gen_range(0..4) {
            let (a, b) = (rng.gen_range(0..count), rng.gen_range(0..count));
            if a != b && !links.iter().any(|link| link.nodes == [a.min(b), a.max(b)]) {
                links.push(link(a.min(b), a.max(b)));
            }
        }
        Self { rng, nodes, links }
    }

    fn run(&mut self) {
        for _ in 0..400 {
            let link = self.rng.gen_range(0..self.links.len());
            match self.rng.gen_range(0..20) {
                0 => self.links[link].ends = None,
                1..4 => self.connect(link),
                4 => {
                    let node = self.rng.gen_range(0..self.nodes.len());
                    self.append(node);
                }
                5 => {
                    let (node, feed) =
                        (self.rng.gen_range(0..self.nodes.len()), self.rng.gen_range(0..self.nodes.len()));
                    self.unwant(node, author(feed));
                }
                6 => {
                    let (node, feed) =
                        (self.rng.gen_range(0..self.nodes.len()), self.rng.gen_range(0..self.nodes.len()));
                    self.want(node, author(feed));
                }
                _ => self.step(link),
            }
        }
        for node in 0..self.nodes.len() {
            for feed in 0..self.nodes.len() {
                self.want(node, author(feed));
            }
        }
        (0..self.links.len()).for_each(|link| self.connect(link));
        let mut order: Vec<usize> = (0..self.links.len()).collect();
        let mut steps = 0;
        while self.busy() {
            order.shuffle(&mut self.rng);
            order.iter().for_each(|link| self.step(*link));
            steps += 1;
            assert!(steps < 10_000, "the network does not come to rest");
        }
        for (n, node) in self.nodes.iter().enumerate() {
            for (author_of, writer) in self.nodes.iter().enumerate() {
                let feed = author(author_of);
                assert_eq!(node.clocks[&feed], writer.clocks[&feed], "node {n} lacks messages of node {author_of}");
            }
        }
    }

    fn connect(&mut self, link: usize) {
        let Link { nodes, ends } = &mut self.links[link];
        if ends.is_none() {
            let end = |role, node: usize| {
                let Node { clocks, wanted } = &self.nodes[node];
                let own = author(node);
                let feeds = wanted.iter().chain([&own]);
                let local =
                    |feed: &FeedId| (*feed, Local { sequence: FeedSequence(clocks[feed]), receive: *feed != own });
                End { session: Session::new(role, feeds.map(local)), inbox: VecDeque::new() }
            };
            *ends = Some([end(Role::Caller, nodes[0]), end(Role::Callee, nodes[1])]);
        }
    }

    fn append(&mut self, node: usize) {
        let clock = self.nodes[node].clocks.get_mut(&author(node)).unwrap();
        *clock += 1;
        let sequence = FeedSequence(*clock);
        self.each_session(node, |session| session.handle_appended(author(node), sequence));
    }

    fn want(&mut self, node: usize, feed: FeedId) {
        let sequence = FeedSequence(*self.nodes[node].clocks.entry(feed).or_insert(0));
        let receive = feed != author(node);
        if receive {
            self.nodes[node].wanted.insert(feed);
        }
        self.each_session(node, |session| session.handle_wanted(feed, Local { sequence, receive }));
    }

    fn unwant(&mut self, node: usize, feed: FeedId) {
        if self.nodes[node].wanted.remove(&feed) {
            self.each_session(node, |session| session.handle_unwanted(feed));
        }
    }

    fn each_session(&mut self, node: usize, mut tell: impl FnMut(&mut Session)) {
        for Link { nodes, ends } in &mut self.links {
            for (n, end) in nodes.iter().zip(ends.iter_mut().flatten()) {
                if *n == node {
                    tell(&mut end.session);
                }
            }
        }
    }

    /// One end of a link either takes what arrived or sends something.
    fn step(&mut self, link: usize) {
        let at = self.rng.gen_range(0..2);
        let batch = self.rng.gen_range(1..5);
        let node = self.links[link].nodes[at];
        let Some(ends) = &mut self.links[link].ends else { return };
        if self.rng.r#gen() {
            match ends[at].inbox.pop_front() {
                Some(Sent::Notes(notes)) => ends[at].session.handle_notes(notes),
                Some(Sent::Message(feed, sequence)) => self.take(link, at, feed, sequence),
                None => {}
            }
            return;
        }
        match ends[at].session.poll_output() {
            Some(Output::Notes(notes)) => ends[1 - at].inbox.push_back(Sent::Notes(notes)),
            Some(Output::Messages { feed, after }) => {
                let last = self.nodes[node].clocks[&feed].min(after.0 + batch);
                (after.0 + 1..=last)
                    .for_each(|sequence| ends[1 - at].inbox.push_back(Sent::Message(feed, FeedSequence(sequence))));
                ends[at].session.handle_sent(feed, FeedSequence(last));
            }
            None => {}
        }
    }

    fn take(&mut self, link: usize, at: usize, feed: FeedId, sequence: FeedSequence) {
        let node = self.links[link].nodes[at];
        let Some(ends) = &mut self.links[link].ends else { return };
        if ends[at].session.handle_message(feed, sequence) != Verdict::Take {
            return;
        }
        let clock = self.nodes[node].clocks.get_mut(&feed).unwrap();
        if sequence.0 > *clock + 1 {
            // What was sent before the feed was given up and wanted again.
            ends[at].session.handle_gap(feed);
            return;
        }
        assert_eq!(sequence.0, *clock + 1, "a message that is here was taken");
        *clock = sequence.0;
        ends[at].session.handle_taken(feed, sequence);
        self.each_session(node, |session| session.handle_appended(feed, sequence));
    }

    /// Whether anything is on its way or may be sent; asks each session by letting it send.
    fn busy(&mut self) -> bool {
        let mut busy = false;
        for Link { ends, nodes } in &mut self.links {
            let Some(ends) = ends else { continue };
            for at in 0..2 {
                match ends[at].session.poll_output() {
                    Some(Output::Notes(notes)) => ends[1 - at].inbox.push_back(Sent::Notes(notes)),
                    Some(Output::Messages { feed, after }) => {
                        let last = self.nodes[nodes[at]].clocks[&feed].min(after.0 + 1);
                        (after.0 + 1..=last)
                            .for_each(|s| ends[1 - at].inbox.push_back(Sent::Message(feed, FeedSequence(s))));
                        ends[at].session.handle_sent(feed, FeedSequence(last));
                    }
                    None => {}
                }
                busy |= !ends[1 - at].inbox.is_empty() || !ends[at].inbox.is_empty();
            }
        }
        busy
    }
}

fn author(node: usize) -> FeedId {
    FeedId([node as u8 + 1; 32])
}

fn link(a: usize, b: usize) -> Link {
    Link { nodes: [a, b], ends: None }
}

#[test]
fn what_was_sent_by_a_history_is_not_sent_again_unless_something_is_missing_before_it() {
    let mut session = begun(&[(OURS, 9)], [(OURS, has(2, true))]);
    session.handle_sent_otherwise(OURS, FeedSequence(5), FeedSequence(6));
    assert_eq!(session.poll_output(), messages(OURS, 2));
    session.handle_sent(OURS, FeedSequence(4));
    session.handle_sent_otherwise(OURS, FeedSequence(3), FeedSequence(7));
    assert_eq!(session.poll_output(), messages(OURS, 7));
}

#[test]
fn feeds_that_only_the_peer_asks_for_are_told_when_they_change() {
    let mut session = begun(&[(OURS, 1)], [(OURS, has(1, true)), (THEIRS, has(0, true)), (NOBODYS, has(4, false))]);
    assert_eq!(session.poll_asked(|_| false), Some([THEIRS].into()));
    assert_eq!(session.poll_asked(|_| false), None);
    session.handle_wanted(THEIRS, local(0));
    assert_eq!(session.poll_asked(|_| false), Some([].into()));
    session.handle_notes([(NOBODYS, has(4, true))].into());
    assert_eq!(session.poll_asked(|_| false), Some([NOBODYS].into()));
    session.handle_notes([(OURS, has(1, true))].into());
    assert_eq!(session.poll_asked(|feed| *feed == THEIRS), Some([THEIRS, NOBODYS].into()), "replicated for the peer");
    session.handle_wanted(THEIRS, local(0));
    assert_eq!(session.poll_asked(|_| false), Some([NOBODYS].into()), "wanted for another reason too");
    session.handle_notes([(THEIRS, Note::NotReplicated)].into());
    assert_eq!(session.poll_asked(|feed| *feed == THEIRS), Some([NOBODYS].into()));
}
