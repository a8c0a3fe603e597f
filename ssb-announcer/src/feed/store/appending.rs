//! Appending: messages of others that hold, and this node's own, each batch in one transaction with what the indexes
//! conclude from it.

use std::collections::HashMap;

use bytes::Bytes;
use metrics::counter;
use rusqlite::{Connection, Transaction};
use stream_model::{FeedId, FeedSequence, MessageKey, WallTime};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::debug;

use super::{FeedStore, Inner};
use crate::feed::message::{self, Message};
use crate::feed::schema::{self, Head};
use crate::feed::wanted::{FeedKind, WantedFeeds};
use crate::feed::{Rejected, StoreError, remote};
use crate::identity::Identity;

/// Messages validated and committed in one transaction: large enough that a backlog is bound by validation and not
/// by syncing the disk, small enough that a hostile batch costs some 10 ms.
pub const MAX_BATCH: usize = 256;

/// Messages kept of a node's feed: rare facts, so years of them; 64 MB.
pub const MAX_NODE_FEED_MESSAGES: u64 = 100_000;

/// Messages kept of a broadcast feed: our publishers replace theirs after 500.
pub const MAX_BROADCAST_FEED_MESSAGES: u64 = 2_000;

/// Blocking threads that validate and write at the same time: one validates while the other waits for the disk.
pub(super) const CONCURRENT_APPENDS: usize = 2;

/// Who brings messages of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Under quotas.
    Peer,
    /// As far as the disk has room.
    Owner,
}

/// A message that came from a peer was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its feed.
    pub author: FeedId,
    /// Its number.
    pub sequence: FeedSequence,
}

/// A message that this node is to sign and append.
#[derive(Debug)]
pub struct OwnAppend {
    /// Whose feed.
    pub identity: Identity,
    /// The content as JSON; an object whose `type` has 3 to 52 characters.
    pub content_json: String,
    /// A fresh feed of this node that the content names. It becomes known as own together with the message.
    pub names: Option<FeedId>,
}

impl FeedStore {
    /// Validates message values as they came over the wire and stores those that continue a wanted feed. Gives one
    /// answer for each, in order; when it returns, what was appended is durable. Messages of one feed are to be in
    /// order; several feeds may mix.
    ///
    /// # Errors
    /// [`StoreError`] where the disk fails; of the batches of [`MAX_BATCH`] the earlier ones are stored.
    pub async fn append_remote(&self, values: Vec<Bytes>) -> Result<Vec<Result<Appended, Rejected>>, StoreError> {
        self.append_from(Source::Peer, values).await
    }

    /// [`append_remote`](Self::append_remote) of what this node's owner brings by hand: no quota is asked.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn append_carried(
        &self,
        values: Vec<Bytes>,
    ) -> Result<Vec<Result<Appended, Rejected>>, StoreError> {
        self.append_from(Source::Owner, values).await
    }

    async fn append_from(
        &self,
        source: Source,
        values: Vec<Bytes>,
    ) -> Result<Vec<Result<Appended, Rejected>>, StoreError> {
        let permit = self.inner.appends.clone().acquire_owned().await.map_err(|_| StoreError::Cancelled)?;
        let store = self.clone();
        spawn_blocking(move || {
            let _permit = permit;
            store.append_from_blocking(source, &values)
        })
        .await
        .map_err(|_| StoreError::Cancelled)?
    }

    /// [`append_remote`](Self::append_remote) on the calling thread.
    ///
    /// # Errors
    /// As there.
    pub fn append_remote_blocking(
        &self,
        values: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Result<Appended, Rejected>>, StoreError> {
        self.append_from_blocking(Source::Peer, values)
    }

    fn append_from_blocking(
        &self,
        source: Source,
        values: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Result<Appended, Rejected>>, StoreError> {
        let mut answers = Vec::with_capacity(values.len());
        for batch in values.chunks(MAX_BATCH) {
            answers.extend(self.inner.append_remote(source, batch)?);
        }
        for rejected in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            counter!("meshstream_ssb_messages_rejected_total", "reason" => rejected.as_str()).increment(1);
            debug!(reason = %rejected, "message refused");
        }
        Ok(answers)
    }

    /// Signs and appends own messages in one transaction, and returns them in order once they are durable. The first
    /// append to the node's own feed waits, within a bound, until connected peers have said that they have no more of
    /// it ([`OwnGate`]).
    ///
    /// # Errors
    /// [`StoreError`] where the disk fails, a message would be too large, or nothing is to be appended to the node's own
    /// feed; then none is appended.
    pub async fn append_own(&self, appends: Vec<OwnAppend>) -> Result<Vec<Message>, StoreError> {
        if appends.iter().any(|append| append.identity.id() == self.inner.gate.node()) {
            self.inner.gate.pass().await?;
        }
        let inner = self.inner.clone();
        spawn_blocking(move || inner.append_own(&appends)).await.map_err(|_| StoreError::Cancelled)?
    }
}

impl Inner {
    fn append_remote(
        &self,
        source: Source,
        batch: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Result<Appended, Rejected>>, StoreError> {
        let mut answers = self.admit(batch)?;
        verify_admitted(&mut answers);

        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let mut stored: Vec<Message> = Vec::new();
        let mut heads: HashMap<FeedId, Head> = HashMap::new();
        // What is wanted may have changed since the messages were admitted, and its feeds been dropped.
        let wanted = self.wanted.borrow().clone();
        let (mut room, now) = (self.room(), Instant::now().into_std());
        let mut index = 0;
        while index < answers.len() {
            let run = run_length(&answers[index..]);
            let Some(Ok(first)) = answers.get(index).filter(|_| run > 0) else {
                index += 1;
                continue;
            };
            let author = first.author;
            if let Some(rejected) = self.unwelcome(&wanted, author) {
                answers[index] = Err(rejected);
                index += 1;
                continue;
            }
            let head = heads.get(&author).copied().or_else(|| self.head(&author));
            if let Some(rejected) = out_of_order(&transaction, first, head)? {
                self.notice_own_fork(&rejected);
                answers[index] = Err(rejected);
                index += 1;
                continue;
            }
            let previous = self.last_message(&transaction, &stored, author, head)?;
            let messages = answers[index..index + run].iter().flatten();
            let afforded = match source {
                Source::Peer => self.afford(&wanted, author, messages, &mut room, now),
                Source::Owner if room.disk_is_full => 0,
                Source::Owner => run,
            };
            if afforded == 0 {
                let full = room.disk_is_full;
                answers[index] = Err(if full { Rejected::DiskFull(author) } else { Rejected::OverQuota(author) });
                index += 1;
                continue;
            }
            let messages: Vec<&Message> = answers[index..index + afforded].iter().flatten().collect();
            let (good, rejected) = remote::check_chain(&messages, previous.as_ref());
            let mut last = head;
            for message in messages.into_iter().take(good) {
                self.insert(&transaction, message)?;
                last = Some(Head::after(last, message));
                stored.push(message.clone());
            }
            heads.extend(last.map(|last| (author, last)));
            index += good;
            if let Some(rejected) = rejected {
                self.notice_own_fork(&rejected);
                answers[index] = Err(rejected);
                index += 1;
            }
        }
        transaction.commit()?;
        let node = self.gate.node();
        if let Some(head) = heads.get(&node) {
            let count = stored.iter().filter(|message| message.author == node).count();
            self.gate.handle_taken(head.sequence, count as u64);
        }
        self.publish(&stored);
        drop(writer);
        Ok(answers
            .into_iter()
            .map(|answer| answer.map(|message| Appended { author: message.author, sequence: message.sequence }))
            .collect())
    }

    /// A message of the node's own feed whose signature holds, and which the feed does not lead to.
    fn notice_own_fork(&self, rejected: &Rejected) {
        match rejected {
            Rejected::Forked { author, sequence } if *author == self.gate.node() => self.gate.handle_fork(*sequence),
            _ => {}
        }
    }

    /// Stores a message and what the indexes conclude from it.
    fn insert(&self, transaction: &Transaction<'_>, message: &Message) -> Result<(), StoreError> {
        let arrival = schema::insert(transaction, message)?;
        let Some(kind) = message.kind.as_deref() else { return Ok(()) };
        for index in self.indexes.iter().filter(|index| index.kinds().contains(&kind)) {
            index.insert(transaction, arrival, message)?;
        }
        Ok(())
    }

    /// Reads messages and refuses what can be refused without cryptography.
    fn admit(&self, batch: &[impl AsRef<[u8]>]) -> Result<Vec<Result<Message, Rejected>>, StoreError> {
        let wanted = self.wanted.borrow().clone();
        let mut expected: HashMap<FeedId, FeedSequence> = HashMap::new();
        let mut answers = Vec::with_capacity(batch.len());
        for raw in batch {
            let answer = match remote::parse(raw.as_ref()) {
                Ok(message) => {
                    let author = message.author;
                    let next = expected
                        .entry(author)
                        .or_insert_with(|| self.head(&author).map_or(FeedSequence(1), |head| head.sequence.next()));
                    match self.refuse_early(&wanted, &message, *next)? {
                        Some(rejected) => Err(rejected),
                        None => {
                            *next = (*next).max(message.sequence.next());
                            Ok(message)
                        }
                    }
                }
                Err(rejected) => Err(rejected),
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    fn refuse_early(
        &self,
        wanted: &WantedFeeds,
        message: &Message,
        expected: FeedSequence,
    ) -> Result<Option<Rejected>, StoreError> {
        let (author, sequence) = (message.author, message.sequence);
        let kind = wanted.kind(&author);
        let most = match kind {
            _ if wanted.is_written(&author) && author != self.gate.node() && sequence >= expected => {
                return Ok(Some(Rejected::OwnFeedAhead { author, sequence }));
            }
            None => return Ok(self.unwelcome(wanted, author)),
            Some(FeedKind::Broadcast) => MAX_BROADCAST_FEED_MESSAGES,
            Some(FeedKind::Node) => MAX_NODE_FEED_MESSAGES,
            // Only this node's key signs more of it.
            Some(FeedKind::Own) => u64::MAX,
        };
        if sequence > expected {
            return Ok(Some(Rejected::Gap { author, sequence, expected }));
        }
        if sequence.0 > most {
            return Ok(Some(Rejected::FeedFull(author)));
        }
        if sequence < expected && stored_key(&self.reader(), message)? == Some(message.key) {
            return Ok(Some(Rejected::AlreadyStored { author, sequence }));
        }
        Ok(None)
    }

    /// Why nothing of a feed is taken.
    fn unwelcome(&self, wanted: &WantedFeeds, author: FeedId) -> Option<Rejected> {
        if wanted.kind(&author).is_some() {
            None
        } else if self.is_dropped(&author) {
            Some(Rejected::Dropped(author))
        } else {
            Some(Rejected::Unwanted(author))
        }
    }

    fn last_message(
        &self,
        connection: &Connection,
        stored: &[Message],
        author: FeedId,
        head: Option<Head>,
    ) -> Result<Option<Message>, StoreError> {
        let Some(head) = head else { return Ok(None) };
        if let Some(message) = stored.iter().rev().find(|message| message.author == author) {
            return Ok(Some(message.clone()));
        }
        Ok(schema::range(connection, &author, head.sequence, 1)?.pop())
    }

    fn append_own(&self, appends: &[OwnAppend]) -> Result<Vec<Message>, StoreError> {
        let mut writer = self.writer();
        let node = self.gate.node();
        if appends.iter().any(|append| append.identity.id() == node) {
            // What came from a peer since the gate was passed came under this lock.
            self.gate.check()?;
        }
        let transaction = writer.transaction()?;
        let mut heads: HashMap<FeedId, Head> = HashMap::new();
        let mut messages = Vec::with_capacity(appends.len());
        for append in appends {
            let author = append.identity.id();
            let head = heads.get(&author).copied().or_else(|| self.head(&author));
            let previous = head.map(|head| (head.key, head.sequence));
            let message = message::sign(&append.identity, previous, WallTime::now(), &append.content_json)?;
            self.insert(&transaction, &message)?;
            if let Some(feed) = append.names {
                schema::insert_own_feed(&transaction, &feed)?;
            }
            heads.insert(author, Head::after(head, &message));
            messages.push(message);
        }
        transaction.commit()?;
        if let Some(head) = heads.get(&node) {
            self.gate.handle_appended(head.sequence);
        }
        self.change_wanted(|wanted| {
            for feed in appends.iter().filter_map(|append| append.names) {
                wanted.add_own_broadcast(feed);
            }
        });
        self.publish(&messages);
        Ok(messages)
    }
}

fn verify_admitted(answers: &mut [Result<Message, Rejected>]) {
    let messages: Vec<&Message> = answers.iter().flatten().collect();
    let mut verdicts = remote::verify_signatures(&messages).into_iter();
    for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
        if let Some(Err(rejected)) = verdicts.next() {
            *answer = Err(rejected);
        }
    }
}

/// How many messages at the beginning follow each other in one feed.
fn run_length(answers: &[Result<Message, Rejected>]) -> usize {
    let Some(Ok(first)) = answers.first() else { return 0 };
    let mut last = first;
    let mut length = 1;
    for answer in &answers[1..] {
        let Ok(message) = answer else { break };
        if message.author != last.author || message.sequence != last.sequence.next() {
            break;
        }
        last = message;
        length += 1;
    }
    length
}

/// Why a correctly signed message cannot follow the head by its number alone.
fn out_of_order(
    connection: &Connection,
    message: &Message,
    head: Option<Head>,
) -> Result<Option<Rejected>, StoreError> {
    let (author, sequence) = (message.author, message.sequence);
    let expected = head.map_or(FeedSequence(1), |head| head.sequence.next());
    Ok(if sequence > expected {
        Some(Rejected::Gap { author, sequence, expected })
    } else if sequence == expected {
        None
    } else if stored_key(connection, message)? == Some(message.key) {
        Some(Rejected::AlreadyStored { author, sequence })
    } else {
        Some(Rejected::Forked { author, sequence })
    })
}

fn stored_key(connection: &Connection, message: &Message) -> Result<Option<MessageKey>, StoreError> {
    let stored = schema::range(connection, &message.author, message.sequence, 1)?.pop();
    Ok(stored.filter(|stored| stored.sequence == message.sequence).map(|stored| stored.key))
}
