//! Replication on one connection: carries what the state machines of [`crate::replication`] say between the wire and the
//! store. EBT and histories may both be open with one peer; messages take the same way in, whichever brings them.

mod sending;

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;
use metrics::counter;
use stream_model::{FeedId, FeedSequence};
use tracing::debug;

use super::own_feed::OwnFeedQuestion;
use super::wire::Wire;
use super::{ConnectionError, MAX_STRIKES};
use crate::feed::{Appended, FeedStore, Rejected, WantedFeeds};
use crate::muxrpc::service;
use crate::muxrpc::session::{SessionError, SubstreamId};
use crate::replication::history::ahead::Ahead;
use crate::replication::history::arguments::{self, Arguments};
use crate::replication::history::asking::{self, Asking};
use crate::replication::history::serving::Serving;
use crate::replication::history::wrapped;
use crate::replication::note::{self, Received, Unreadable};
use crate::replication::session::{Local, Role, Session as Ebt, Verdict};
use crate::replication::way::{Step, Way};

/// On which way a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Ebt,
    History,
}

struct Arrived {
    origin: Origin,
    author: FeedId,
    sequence: FeedSequence,
    body: Bytes,
}

pub(super) struct Feeds {
    pub(super) peer: FeedId,
    store: FeedStore,
    way: Way,
    ebt: Option<(SubstreamId, Ebt)>,
    /// Whether the peer has sent notes.
    ebt_works: bool,
    /// Whether the peer has called or answered anything here.
    spoke: bool,
    manifest: Option<SubstreamId>,
    serving: Serving<SubstreamId>,
    asking: Option<Asking<SubstreamId>>,
    /// Whose turn it is to send.
    histories_next: bool,
    /// Messages that arrived and are not stored yet. Bounded by what one read yields.
    arrived: Vec<Arrived>,
    /// Messages of histories that arrived before those that they follow.
    ahead: Ahead,
    strikes: u32,
    /// The node's own feed, and what the peer has of it.
    node: FeedId,
    own: OwnFeedQuestion<SubstreamId>,
}

impl Feeds {
    pub(super) fn new(peer: FeedId, store: FeedStore, role: Role, now: Instant) -> Self {
        let gate = store.own_gate();
        let own = OwnFeedQuestion::new(gate.handle_connected(peer), gate.node(), store.clock(&gate.node()));
        Self {
            peer,
            store,
            way: Way::new(role, now),
            ebt: None,
            ebt_works: false,
            spoke: false,
            manifest: None,
            serving: Serving::default(),
            asking: None,
            histories_next: false,
            arrived: Vec::new(),
            ahead: Ahead::default(),
            strikes: 0,
            node: gate.node(),
            own,
        }
    }

    pub(super) fn call_ebt(&mut self, wire: &mut Wire) -> Result<(), SessionError> {
        let id = wire.call(&service::replicate_call())?;
        self.ebt = Some((id, Ebt::new(Role::Caller, self.feeds_for_ebt())));
        Ok(())
    }

    pub(super) fn handle_ebt_called(&mut self, id: SubstreamId, wire: &mut Wire) {
        self.spoke = true;
        if self.ebt.is_some() {
            wire.end(id, Some("this connection replicates already"));
        } else {
            self.ebt = Some((id, Ebt::new(Role::Callee, self.feeds_for_ebt())));
        }
    }

    pub(super) fn handle_history_called(&mut self, id: SubstreamId, asked: &Arguments, wire: &mut Wire) {
        self.spoke = true;
        counter!("meshstream_ssb_histories_asked_total").increment(1);
        if asked.live {
            self.way.handle_history_called();
        }
        if !self.serving.open(id, asked, self.store.clock(&asked.feed)) {
            counter!("meshstream_ssb_calls_refused_total").increment(1);
            wire.end(id, Some("too many open histories"));
        }
    }

    /// Whether it is clear how the peer replicates.
    pub(super) fn has_begun(&self) -> bool {
        self.ebt_works || self.asking.is_some()
    }

    /// Whether anything is replicated, or may be at any time: not with a peer that has never said a word.
    pub(super) fn is_replicating(&self) -> bool {
        let asking = self.asking.as_ref().is_some_and(|asking| asking.open() > 0);
        self.spoke && (self.ebt.is_some() || asking || !self.serving.is_empty())
    }

    /// When [`Self::act`] has something to do next.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let asking = self.asking.as_ref().and_then(Asking::next_timeout);
        asking.into_iter().chain(self.way.next_timeout()).min()
    }

    /// Makes the calls that are due.
    pub(super) fn act(&mut self, wire: &mut Wire, now: Instant) -> Result<(), ConnectionError> {
        while let Some(step) = self.way.poll_step(now) {
            match step {
                Step::AskManifest => self.manifest = Some(wire.call(&service::manifest_call())?),
                Step::Histories => {
                    counter!("meshstream_ssb_peers_without_ebt_total").increment(1);
                    debug!(peer = %self.peer, "the peer does not replicate by EBT: asking for histories");
                    let wanted = self.store.wanted().borrow().clone();
                    self.asking = Some(Asking::new(self.local_feeds(&wanted)));
                }
                Step::OnlyEbt => {
                    let open = self.asking.take().into_iter().flat_map(Asking::into_open);
                    open.for_each(|stream| wire.end(stream, None));
                    self.ahead = Ahead::default();
                }
            }
        }
        if let Some(call) = self.own.poll_call() {
            self.own.handle_called(wire.call(&call)?);
        }
        let Some(asking) = &mut self.asking else { return Ok(()) };
        while let Some(output) = asking.poll_output(now) {
            match output {
                asking::Output::Call { feed, from } => {
                    let stream = wire.call(&arguments::call(feed, from))?;
                    asking.handle_called(stream);
                }
                asking::Output::End(stream) => wire.end(stream, None),
            }
        }
        Ok(())
    }

    pub(super) fn handle_data(&mut self, id: SubstreamId, body: Bytes) -> Result<(), ConnectionError> {
        self.spoke = true;
        if self.manifest == Some(id) {
            if !service::offers_ebt(&body) {
                self.way.handle_no_ebt();
            }
            return Ok(());
        }
        if self.ebt.as_ref().is_some_and(|(ebt, _)| *ebt == id) {
            return self.handle_ebt_data(body);
        }
        if self.own.is_stream(id) {
            return self.handle_own_feed_data(body);
        }
        if self.asking.as_ref().is_some_and(|asking| asking.feed_of(id).is_some()) {
            return self.handle_history_data(id, body);
        }
        Ok(())
    }

    fn handle_own_feed_data(&mut self, body: Bytes) -> Result<(), ConnectionError> {
        let body = wrapped::value_of(&body).unwrap_or(body);
        match note::read(&body) {
            Ok(Received::Message { author, sequence }) => match self.own.handle_message(author, sequence, body) {
                Some(ready) => {
                    let arrived = |(sequence, body)| Arrived { origin: Origin::History, author, sequence, body };
                    self.arrived.extend(ready.into_iter().map(arrived));
                    Ok(())
                }
                None => self.strike_unreadable(Unreadable::Malformed),
            },
            Ok(Received::Notes(_)) => self.strike_unreadable(Unreadable::Malformed),
            Err(unreadable) => self.strike_unreadable(unreadable),
        }
    }

    fn handle_ebt_data(&mut self, body: Bytes) -> Result<(), ConnectionError> {
        let Some((_, ebt)) = &mut self.ebt else { return Ok(()) };
        match note::read(&body) {
            Ok(Received::Notes(notes)) => {
                self.ebt_works = true;
                self.way.handle_notes();
                self.own.handle_notes(&notes, self.store.clock(&self.node));
                ebt.handle_notes(notes);
                self.note_asked();
                Ok(())
            }
            Ok(Received::Message { author, sequence }) => {
                let verdict = match ebt.handle_message(author, sequence) {
                    // It may be another message than ours with this number; the store tells.
                    Verdict::Duplicate if author == self.node => Verdict::Take,
                    verdict => verdict,
                };
                self.take(Arrived { origin: Origin::Ebt, author, sequence, body }, verdict);
                Ok(())
            }
            Err(unreadable) => self.strike_unreadable(unreadable),
        }
    }

    fn handle_history_data(&mut self, id: SubstreamId, body: Bytes) -> Result<(), ConnectionError> {
        let Some(asking) = &self.asking else { return Ok(()) };
        let body = wrapped::value_of(&body).unwrap_or(body);
        match note::read(&body) {
            Ok(Received::Message { author, sequence }) => {
                let verdict = asking.handle_message(id, author, sequence);
                self.take(Arrived { origin: Origin::History, author, sequence, body }, verdict);
                Ok(())
            }
            // `{"sync": true}`, by which early servers say that live messages follow.
            Ok(Received::Notes(notes)) if notes.is_empty() => Ok(()),
            Ok(Received::Notes(_)) => self.strike_unreadable(Unreadable::Malformed),
            Err(unreadable) => self.strike_unreadable(unreadable),
        }
    }

    fn take(&mut self, arrived: Arrived, verdict: Verdict) {
        match verdict {
            Verdict::Take => self.arrived.push(arrived),
            Verdict::Duplicate => counter!("meshstream_ssb_messages_duplicate_total").increment(1),
            Verdict::Unrequested => counter!("meshstream_ssb_messages_unrequested_total").increment(1),
        }
    }

    fn strike_unreadable(&mut self, unreadable: Unreadable) -> Result<(), ConnectionError> {
        counter!("meshstream_ssb_messages_unreadable_total").increment(1);
        self.strikes += 1;
        if self.strikes >= MAX_STRIKES { Err(ConnectionError::Unreadable(unreadable)) } else { Ok(()) }
    }

    /// The peer ended a substream, which is ended on our side too.
    pub(super) fn handle_ended(&mut self, id: SubstreamId, error: Option<String>) -> Result<(), ConnectionError> {
        self.spoke = true;
        self.serving.handle_ended(id);
        if self.own.is_stream(id) {
            self.own.handle_ended(error.is_some(), self.store.clock(&self.node));
            return Ok(());
        }
        if self.manifest == Some(id) {
            self.way.handle_no_ebt();
        }
        if let Some(asking) = self.asking.as_mut().filter(|asking| asking.feed_of(id).is_some()) {
            asking.handle_ended(id, Instant::now());
            if error.as_deref().is_some_and(service::says_unknown_method) {
                debug!(peer = %self.peer, "the peer serves no histories");
                asking.handle_unsupported();
            }
        }
        if self.ebt.as_ref().is_none_or(|(ebt, _)| *ebt != id) {
            return Ok(());
        }
        self.ebt = None;
        match error {
            Some(error) if self.ebt_works => Err(ConnectionError::ReplicationEnded(error)),
            // It does not know EBT, or had enough of it; it may serve histories all the same.
            _ => {
                self.way.handle_no_ebt();
                Ok(())
            }
        }
    }

    pub(super) async fn store_arrived(&mut self) -> Result<(), ConnectionError> {
        // What is stored may make room for what waited for it.
        while !self.arrived.is_empty() {
            self.arrived.sort_by_key(|arrived| (arrived.author, arrived.sequence));
            let in_order = self.hold_what_is_ahead();
            let (from, values): (Vec<_>, Vec<_>) = in_order
                .into_iter()
                .map(|arrived| ((arrived.origin, arrived.author, arrived.sequence), arrived.body))
                .unzip();
            let outcomes = self.store.append_remote(values).await?;
            for ((origin, author, sequence), outcome) in from.into_iter().zip(outcomes) {
                self.handle_outcome(origin, author, sequence, outcome)?;
            }
        }
        Ok(())
    }

    /// Of what arrived, in order, puts aside the messages of histories whose predecessor has not come, and gives the others.
    fn hold_what_is_ahead(&mut self) -> Vec<Arrived> {
        let (mut in_order, mut newest) = (Vec::new(), (self.node, FeedSequence(0)));
        for arrived in std::mem::take(&mut self.arrived) {
            let Arrived { origin, author, sequence, ref body } = arrived;
            if newest.0 != author {
                newest = (author, self.store.clock(&author));
            }
            let Some(asking) = self.asking.as_mut().filter(|_| origin == Origin::History && author != self.node) else {
                in_order.push(arrived);
                continue;
            };
            if sequence <= newest.1.next() {
                newest.1 = newest.1.max(sequence);
                in_order.push(arrived);
            } else {
                asking.handle_gap(author, Instant::now());
                if !self.ahead.hold(author, sequence, body.clone()) {
                    counter!("meshstream_ssb_messages_ahead_dropped_total").increment(1);
                }
            }
        }
        in_order
    }

    fn handle_outcome(
        &mut self,
        origin: Origin,
        author: FeedId,
        sequence: FeedSequence,
        outcome: Result<Appended, Rejected>,
    ) -> Result<(), ConnectionError> {
        let rejected = match outcome {
            Ok(_) => {
                counter!("meshstream_ssb_messages_received_total").increment(1);
                self.handle_taken(author, sequence);
                return Ok(());
            }
            Err(rejected) => rejected,
        };
        match &rejected {
            Rejected::AlreadyStored { .. } => {
                counter!("meshstream_ssb_messages_duplicate_total").increment(1);
                self.handle_taken(author, sequence);
            }
            Rejected::Gap { .. } => match (origin, &mut self.ebt, &mut self.asking) {
                (Origin::Ebt, Some((_, ebt)), _) => ebt.handle_gap(author),
                (Origin::History, _, Some(asking)) => asking.handle_gap(author, Instant::now()),
                _ => {}
            },
            // The store tells when and whether it takes the feed again.
            Rejected::Unwanted(_) | Rejected::Dropped(_) | Rejected::OverQuota(_) => {}
            // Later messages of a feed that was refused a moment ago were on their way: not counted again.
            _ if self.refuse(author) && !rejected.is_harmless() => {
                debug!(peer = %self.peer, feed = %author, sequence = sequence.0, reason = %rejected, "invalid message");
                self.strikes += 1;
                if self.strikes >= MAX_STRIKES {
                    return Err(ConnectionError::InvalidMessages(rejected));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The peer has a message that is here too.
    fn handle_taken(&mut self, author: FeedId, sequence: FeedSequence) {
        if let Some((_, ebt)) = &mut self.ebt {
            ebt.handle_taken(author, sequence);
        }
        self.handle_appended(author, sequence);
    }

    /// Takes a feed from this peer no more, on neither way. Returns whether it was taken until now.
    fn refuse(&mut self, author: FeedId) -> bool {
        let by_ebt = self.ebt.as_mut().is_some_and(|(_, ebt)| ebt.handle_rejected(author));
        self.ahead.forget(author);
        let by_history = self.asking.as_mut().is_some_and(|asking| asking.handle_rejected(author));
        by_ebt || by_history
    }

    /// The store has messages of a feed up to `sequence`.
    pub(super) fn handle_appended(&mut self, feed: FeedId, sequence: FeedSequence) {
        if let Some((_, ebt)) = &mut self.ebt {
            ebt.handle_appended(feed, sequence);
        }
        if let Some(asking) = &mut self.asking {
            asking.handle_appended(feed, sequence);
            if self.ahead.holds(feed) {
                let ready = self.ahead.handle_appended(feed, sequence).into_iter();
                let arrived = |(sequence, body)| Arrived { origin: Origin::History, author: feed, sequence, body };
                self.arrived.extend(ready.map(arrived));
                if !self.ahead.holds(feed) {
                    asking.handle_gap_filled(feed);
                }
            }
        }
        self.serving.handle_appended(feed, sequence);
    }

    /// After notices were missed.
    pub(super) fn compare_clocks(&mut self) {
        let mut feeds: BTreeSet<FeedId> = self.serving.feeds().collect();
        feeds.extend(self.ebt.iter().flat_map(|(_, ebt)| ebt.feeds()));
        feeds.extend(self.asking.iter().flat_map(Asking::feeds));
        let feeds: Vec<FeedId> = feeds.into_iter().collect();
        for (feed, clock) in feeds.iter().zip(self.store.clocks(&feeds)) {
            self.handle_appended(*feed, clock);
        }
    }

    pub(super) fn handle_wanted(&mut self, wanted: &WantedFeeds) {
        let now = self.local_feeds(wanted);
        if let Some((_, ebt)) = &mut self.ebt {
            let gone: Vec<FeedId> = ebt.feeds().filter(|feed| wanted.kind(feed).is_none()).collect();
            gone.into_iter().for_each(|feed| ebt.handle_unwanted(feed));
            now.iter().for_each(|(feed, local)| ebt.handle_wanted(*feed, for_ebt(self.node, *feed, *local)));
        }
        if let Some(asking) = &mut self.asking {
            let gone: Vec<FeedId> = asking.feeds().filter(|feed| wanted.kind(feed).is_none()).collect();
            for feed in gone {
                asking.handle_unwanted(feed);
                self.ahead.forget(feed);
            }
            now.iter().for_each(|(feed, local)| asking.handle_wanted(*feed, *local));
        }
        self.note_asked();
    }

    /// Tells the store which feeds the peer asks for that this node does not want by itself.
    fn note_asked(&mut self) {
        let Some((_, ebt)) = &mut self.ebt else { return };
        let wanted = self.store.wanted().borrow().clone();
        if let Some(asked) = ebt.poll_asked(|feed| wanted.is_asked_only(feed)) {
            self.store.note_asked(self.peer, asked);
        }
    }

    fn feeds_for_ebt(&self) -> Vec<(FeedId, Local)> {
        let wanted = self.store.wanted().borrow().clone();
        self.local_feeds(&wanted).into_iter().map(|(feed, local)| (feed, for_ebt(self.node, feed, local))).collect()
    }

    fn local_feeds(&self, wanted: &WantedFeeds) -> Vec<(FeedId, Local)> {
        let local = |feed: &FeedId| Local { sequence: self.store.clock(feed), receive: wanted.receives(feed) };
        wanted.feeds().into_keys().map(|feed| (feed, local(&feed))).collect()
    }
}

/// By EBT, the node's own feed is taken as others are: what another copy of the node wrote is to be seen. A history would
/// bring back all that we send.
fn for_ebt(node: FeedId, feed: FeedId, local: Local) -> Local {
    Local { receive: local.receive || feed == node, ..local }
}

#[cfg(test)]
mod tests;
