//! What a simulated node stores: hash chains in memory, whose messages are judged as those of SSB are, or the real
//! store.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ssb_announcer::feed::{FeedStore, OwnAppend, Rejected};
use ssb_announcer::identity::Identity;
use stream_model::{FeedId, FeedSequence};
use tokio::runtime::{Builder, Runtime};

/// What became of a message that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Appended,
    AlreadyStored,
    Gap,
    Forked,
    Unwanted,
    Invalid,
}

/// Feeds, of which one is the node's own.
pub(crate) trait Log {
    fn own(&self) -> FeedId;
    fn clock(&self, feed: FeedId) -> u64;
    /// Writes a message of the own feed.
    fn append(&mut self);
    /// At most `limit` messages of a feed after number `after`.
    fn range(&self, feed: FeedId, after: u64, limit: usize) -> Vec<Bytes>;
    fn offer(&mut self, body: &Bytes) -> Outcome;
    /// Prepares for messages of a feed.
    fn want(&mut self, feed: FeedId);
    /// Deletes a feed that is not wanted.
    fn forget(&mut self, feed: FeedId);
}

/// A message as simulated: JSON, so that its encoding on the wire is that of real ones as far as replication reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) previous: Option<u64>,
    pub(crate) author: FeedId,
    pub(crate) sequence: u64,
    pub(crate) content: u64,
    /// Whether its author signed it.
    pub(crate) signed: bool,
}

impl Message {
    pub(crate) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.previous, self.author.0, self.sequence, self.content).hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn body(&self) -> Bytes {
        serde_json::to_vec(self).unwrap().into()
    }

    /// The message that follows in its feed.
    pub(crate) fn next(&self, content: u64) -> Self {
        Self { previous: Some(self.key()), sequence: self.sequence + 1, content, ..*self }
    }

    pub(crate) fn first(author: FeedId, content: u64) -> Self {
        Self { previous: None, author, sequence: 1, content, signed: true }
    }
}

/// Chains in memory.
#[derive(Debug)]
pub(crate) struct MemoryLog {
    own: FeedId,
    feeds: BTreeMap<FeedId, Vec<(Message, Bytes)>>,
}

impl MemoryLog {
    pub(crate) fn new(own: FeedId) -> Self {
        Self { own, feeds: BTreeMap::new() }
    }

    pub(crate) fn messages(&self, feed: FeedId) -> impl Iterator<Item = &Message> {
        self.feeds.get(&feed).into_iter().flatten().map(|(message, _)| message)
    }

    fn last(&self, feed: FeedId) -> Option<&Message> {
        self.feeds.get(&feed)?.last().map(|(message, _)| message)
    }

    fn push(&mut self, message: Message) {
        let body = message.body();
        self.feeds.entry(message.author).or_default().push((message, body));
    }
}

impl Log for MemoryLog {
    fn own(&self) -> FeedId {
        self.own
    }

    fn clock(&self, feed: FeedId) -> u64 {
        self.last(feed).map_or(0, |message| message.sequence)
    }

    fn append(&mut self) {
        let message = match self.last(self.own) {
            Some(last) => last.next(0),
            None => Message::first(self.own, 0),
        };
        self.push(message);
    }

    fn range(&self, feed: FeedId, after: u64, limit: usize) -> Vec<Bytes> {
        let stored = self.feeds.get(&feed).into_iter().flatten();
        stored.skip(after as usize).take(limit).map(|(_, body)| body.clone()).collect()
    }

    fn offer(&mut self, body: &Bytes) -> Outcome {
        let Ok(message) = serde_json::from_slice::<Message>(body) else { return Outcome::Invalid };
        if !message.signed {
            return Outcome::Invalid;
        }
        let clock = self.clock(message.author);
        if message.sequence > clock + 1 {
            Outcome::Gap
        } else if message.sequence <= clock {
            let stored = self.messages(message.author).nth(message.sequence as usize - 1);
            if stored == Some(&message) { Outcome::AlreadyStored } else { Outcome::Forked }
        } else if message.previous != self.last(message.author).map(Message::key) {
            Outcome::Forked
        } else {
            self.push(message);
            Outcome::Appended
        }
    }

    fn want(&mut self, _feed: FeedId) {}

    fn forget(&mut self, feed: FeedId) {
        self.feeds.remove(&feed);
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).build().unwrap());

/// The real store, in memory, with real signatures.
#[derive(Debug)]
pub(crate) struct StoreLog {
    identity: Identity,
    store: FeedStore,
    /// Written in each message.
    version: u8,
}

impl StoreLog {
    pub(crate) fn new(number: u8) -> Self {
        Self::version(number, 0)
    }

    /// A node that writes another version of the same feed.
    pub(crate) fn version(number: u8, version: u8) -> Self {
        let identity = Identity::from_seed(&[number; 32]);
        let store = FeedStore::in_memory(identity.id(), vec![]).unwrap();
        Self { identity, store, version }
    }
}

impl Log for StoreLog {
    fn own(&self) -> FeedId {
        self.identity.id()
    }

    fn clock(&self, feed: FeedId) -> u64 {
        self.store.clock(&feed).0
    }

    fn append(&mut self) {
        let (number, version) = (self.clock(self.own()), self.version);
        let content_json = format!(r#"{{"type":"test","number":{number},"version":{version}}}"#);
        let append = OwnAppend { identity: self.identity.clone(), content_json, names: None };
        RUNTIME.block_on(self.store.append_own(vec![append])).unwrap();
    }

    fn range(&self, feed: FeedId, after: u64, limit: usize) -> Vec<Bytes> {
        let messages = RUNTIME.block_on(self.store.get(feed, FeedSequence(after + 1), limit)).unwrap();
        messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())).collect()
    }

    fn offer(&mut self, body: &Bytes) -> Outcome {
        match self.store.append_remote_blocking(&[body]).unwrap().pop().unwrap() {
            Ok(_) => Outcome::Appended,
            Err(Rejected::AlreadyStored { .. }) => Outcome::AlreadyStored,
            Err(Rejected::Gap { .. }) => Outcome::Gap,
            Err(Rejected::Forked { .. }) => Outcome::Forked,
            Err(Rejected::Unwanted(_)) => Outcome::Unwanted,
            Err(rejected) if rejected.is_harmless() => panic!("{rejected}"),
            Err(_) => Outcome::Invalid,
        }
    }

    fn want(&mut self, feed: FeedId) {
        assert!(self.store.want_peer(feed));
    }

    fn forget(&mut self, feed: FeedId) {
        RUNTIME.block_on(self.store.forget_feeds(vec![feed])).unwrap();
    }
}
