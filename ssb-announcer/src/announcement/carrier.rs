//! Carries the signed messages of a broadcast by hand: feeds go out as lines, and come in as if peers had brought them.
//!
//! What is taken: the node feed of the broadcast's author, and the broadcast feeds that it names for it. All else is refused. At
//! most a batch of messages is in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use stream_model::{
    BroadcastId, CarriedMessages, CarriedMessagesError, Directory as _, FeedId, FeedSequence, MessageCarrier,
    MessageKey, StoreError as SourceError,
};

use super::directory::BroadcastDirectory;
use crate::feed::{FeedStore, MAX_BATCH, MAX_RAW_BYTES, Message, Rejected, StoreError, read_message};
use crate::nesting::{MAX_NESTING, nesting};

/// Bytes of a line: a message, its key and time of receipt as other programs write them, and room for their spaces.
const MAX_LINE: usize = MAX_RAW_BYTES + 1_024;

/// Messages of one piece of an export: 180 KB as a rule, 1.5 MB at most.
const EXPORTED_AT_ONCE: usize = 64;

/// Exports and imports the messages that vouch for broadcasts.
#[derive(Debug)]
pub struct Carrier {
    store: FeedStore,
    directory: Arc<BroadcastDirectory>,
}

impl Carrier {
    /// On the store that the directory was built from.
    pub fn new(store: FeedStore, directory: Arc<BroadcastDirectory>) -> Self {
        Self { store, directory }
    }
}

#[async_trait]
impl MessageCarrier for Carrier {
    async fn export_messages(
        &self,
        broadcast: BroadcastId,
    ) -> Result<BoxStream<'static, Result<Bytes, CarriedMessagesError>>, CarriedMessagesError> {
        let known = self.directory.read(|index| index.author_and_vouching(&broadcast));
        let (author, vouching) = known.ok_or(CarriedMessagesError::UnknownBroadcast(broadcast))?;
        // What is appended meanwhile does not count.
        let feeds: Vec<FeedId> = [author].into_iter().chain(vouching).collect();
        let ends: Vec<(FeedId, FeedSequence)> = feeds.iter().copied().zip(self.store.clocks(&feeds)).collect();
        if ends.first().is_none_or(|(_, end)| *end == FeedSequence(0)) {
            return Err(CarriedMessagesError::UnknownBroadcast(broadcast));
        }
        let store = self.store.clone();
        let feeds = stream::iter(ends).flat_map(move |(feed, end)| feed_lines(store.clone(), feed, end));
        Ok(feeds.boxed())
    }

    async fn import_messages(
        &self,
        broadcast: BroadcastId,
        lines: BoxStream<'_, Result<Bytes, SourceError>>,
    ) -> Result<CarriedMessages, CarriedMessagesError> {
        let mut import = Import::new(self, broadcast);
        let taken = import.take(lines).await;
        // What came before a line that is refused stands for itself.
        let kept = import.flush().await;
        let finished = import.finish().await;
        kept.and(taken).and(finished).map(|()| import.carried)
    }
}

/// The messages of one feed up to number `end`, a line each.
fn feed_lines(
    store: FeedStore,
    feed: FeedId,
    end: FeedSequence,
) -> impl futures::Stream<Item = Result<Bytes, CarriedMessagesError>> + Send {
    stream::try_unfold(FeedSequence(1), move |from| {
        let store = store.clone();
        async move {
            if from > end {
                return Ok(None);
            }
            let mut messages = store.get(feed, from, EXPORTED_AT_ONCE).await.map_err(storage_error)?;
            messages.retain(|message| message.sequence <= end);
            let Some(last) = messages.last() else {
                return Err(CarriedMessagesError::Storage(format!("feed {feed} was dropped meanwhile")));
            };
            let next = last.sequence.next();
            let lines: String = messages.iter().map(line).collect();
            Ok(Some((Bytes::from(lines), next)))
        }
    })
}

fn line(message: &Message) -> String {
    format!("{{\"key\":\"{}\",\"value\":{}}}\n", message.key, message.value_json)
}

/// A line as other programs write it; more fields, such as the time of receipt, are passed over.
#[derive(Deserialize)]
struct Line<'a> {
    key: MessageKey,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// A message whose line is in order, not yet validated in its feed.
struct Read {
    line: u64,
    author: FeedId,
    value: Bytes,
}

struct Import<'a> {
    carrier: &'a Carrier,
    broadcast: BroadcastId,
    /// The author of the broadcast: known, or that of the first line.
    author: Option<FeedId>,
    /// Whether the author's feed is wanted for this import.
    has_begun: bool,
    /// Whether nothing of it was here before.
    is_new: bool,
    batch: Vec<Read>,
    /// Lines seen.
    lines: u64,
    carried: CarriedMessages,
}

impl<'a> Import<'a> {
    fn new(carrier: &'a Carrier, broadcast: BroadcastId) -> Self {
        let author = carrier.directory.listing(&broadcast).map(|listing| listing.author);
        Self {
            carrier,
            broadcast,
            author,
            has_begun: false,
            is_new: false,
            batch: Vec::new(),
            lines: 0,
            carried: CarriedMessages::default(),
        }
    }

    async fn take(
        &mut self,
        mut pieces: BoxStream<'_, Result<Bytes, SourceError>>,
    ) -> Result<(), CarriedMessagesError> {
        let mut rest = BytesMut::new();
        while let Some(piece) =
            pieces.try_next().await.map_err(|error| CarriedMessagesError::Storage(error.to_string()))?
        {
            let mut piece = piece;
            while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
                let part = piece.split_to(end + 1);
                self.extend(&mut rest, &part[..end])?;
                let line = rest.split().freeze();
                self.line(line).await?;
            }
            self.extend(&mut rest, &piece)?;
        }
        if !rest.is_empty() {
            self.line(rest.freeze()).await?;
        }
        Ok(())
    }

    fn extend(&self, line: &mut BytesMut, part: &[u8]) -> Result<(), CarriedMessagesError> {
        if line.len() + part.len() > MAX_LINE {
            return Err(refused(self.lines + 1, format!("it has more than {MAX_LINE} bytes")));
        }
        line.extend_from_slice(part);
        Ok(())
    }

    async fn line(&mut self, line: Bytes) -> Result<(), CarriedMessagesError> {
        self.lines += 1;
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let read = self.read(&line)?;
        if self.batch.len() >= MAX_BATCH || self.batch.last().is_some_and(|last| last.author != read.author) {
            self.flush().await?;
        }
        self.welcome(read.author, read.line)?;
        self.batch.push(read);
        Ok(())
    }

    fn read(&self, line: &Bytes) -> Result<Read, CarriedMessagesError> {
        let refuse = |reason: &str| refused(self.lines, reason.to_owned());
        if nesting(line) > MAX_NESTING + 1 {
            return Err(refuse("it is nested too deep"));
        }
        let parsed: Line<'_> = serde_json::from_slice(line)
            .map_err(|_| refuse(r#"it is not {"key":…,"value":…} with a message's key"#))?;
        let value = line.slice_ref(parsed.value.get().as_bytes());
        let message = read_message(&value).map_err(|rejected| refused(self.lines, rejected.to_string()))?;
        if message.key != parsed.key {
            return Err(refuse("its key is not that of its value"));
        }
        Ok(Read { line: self.lines, author: message.author, value })
    }

    /// Whether a feed is to be carried with this broadcast.
    fn welcome(&mut self, feed: FeedId, line: u64) -> Result<(), CarriedMessagesError> {
        let author = *self.author.get_or_insert(feed);
        if self.carrier.store.is_blocked(&author) {
            return Err(refused(line, format!("its author {author} is blocked here: unblock it first")));
        }
        if !self.has_begun {
            self.has_begun = true;
            self.is_new = self.carrier.store.clock(&author) == FeedSequence(0);
            self.carrier.directory.carry(self.broadcast, author);
        }
        if feed == author {
            return Ok(());
        }
        let named: BTreeSet<FeedId> = self.carrier.directory.read(|index| index.feeds(&self.broadcast));
        if named.contains(&feed) {
            return Ok(());
        }
        Err(refused(line, format!("feed {feed} is neither that of the broadcast's author nor one that it names")))
    }

    /// Validates and stores what was read.
    async fn flush(&mut self) -> Result<(), CarriedMessagesError> {
        let batch = std::mem::take(&mut self.batch);
        let values: Vec<Bytes> = batch.iter().map(|read| read.value.clone()).collect();
        let answers = self.carrier.store.append_carried(values).await.map_err(storage_error)?;
        for (read, answer) in batch.iter().zip(answers) {
            match answer {
                Ok(_) => self.carried.new += 1,
                // It vouches for nothing that the author's archives do not.
                Err(Rejected::AlreadyStored { .. } | Rejected::Dropped(_) | Rejected::Unwanted(_)) => {
                    self.carried.known += 1;
                }
                Err(rejected) => return Err(refused(read.line, rejected.to_string())),
            }
        }
        Ok(())
    }

    /// Messages that brought no broadcast are of no use: the feed of a stranger goes again.
    async fn finish(&self) -> Result<(), CarriedMessagesError> {
        if self.carrier.directory.listing(&self.broadcast).is_some() {
            return Ok(());
        }
        self.carrier.directory.carry_no_more(self.broadcast);
        let wanted = self.carrier.store.wanted().borrow().clone();
        let gone = self.author.filter(|author| self.is_new && wanted.kind(author).is_none());
        self.carrier.store.forget_feeds(gone.into_iter().collect()).await.map_err(storage_error)?;
        Err(refused(self.lines, format!("no message up to here announces broadcast {}", self.broadcast)))
    }
}

fn refused(line: u64, reason: String) -> CarriedMessagesError {
    CarriedMessagesError::Refused { line, reason }
}

fn storage_error(error: StoreError) -> CarriedMessagesError {
    CarriedMessagesError::Storage(error.to_string())
}
