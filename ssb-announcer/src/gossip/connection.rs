//! One authenticated connection, from its first packet to its goodbye.
//!
//! In: a socket, the keys of its box stream, the store. It carries packets between the socket and the state machines
//! of [`crate::muxrpc`] and [`crate::replication`], gives messages to the store and takes them from there. It holds
//! at most a batch of messages in each direction: where the socket is slow, the rest stays in the store.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use metrics::counter;
use stream_model::{FeedId, FeedSequence, WallTime};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::peers::{Direction, Ending};
use crate::feed::{Appended, FeedKind, FeedStore, Rejected, StoreError, WantedFeeds};
use crate::handshake::box_stream::{BoxReader, BoxStreamError, BoxWriter};
use crate::handshake::state::SessionKeys;
use crate::muxrpc::packet::{self, Decoded, Encoding, Packet, PacketError};
use crate::muxrpc::service::{self, Answer};
use crate::muxrpc::session::{Event, Session as Rpc, SessionError, SubstreamId};
use crate::replication::note::{self, Note, Notes, Received, Unreadable};
use crate::replication::session::{Local, Output, Role, Session as Ebt, Verdict};

/// Sealed bytes that wait for the socket before no more is taken from the store: a few round trips' worth on a mesh
/// link of 20 Mbit/s.
const ENOUGH_TO_SEND: usize = 64 * 1024;
/// Sealed bytes that wait for the socket before nothing more is read from the peer: it asks and does not listen.
const TOO_MUCH_TO_SEND: usize = 512 * 1024;
/// Messages read from the store at once.
const BATCH: usize = 64;
/// How long the socket may take nothing of what is to be sent.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How long a peer may stay without replicating. Tools ask a question and leave; others only hold a place.
const REPLICATE_WITHIN: Duration = Duration::from_secs(60);
/// How long saying goodbye may take.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// Messages that no honest peer sends, before it is dropped. One could be a defect; three are an attack or a peer that
/// is of no use.
const MAX_STRIKES: u32 = 3;

/// Why a connection ended other than by a goodbye.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error(transparent)]
    BoxStream(#[from] BoxStreamError),
    #[error(transparent)]
    Packet(#[from] PacketError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("the peer sent {MAX_STRIKES} invalid messages, the last: {0}")]
    InvalidMessages(Rejected),
    #[error("{0}, {MAX_STRIKES} times")]
    Unreadable(Unreadable),
    #[error("the peer ended replication: {0}")]
    ReplicationEnded(String),
    #[error("the peer did not begin to replicate within {REPLICATE_WITHIN:?}")]
    NoReplication,
    #[error("the peer took no data for {STALLED_AFTER:?}")]
    Stalled,
    #[error("cannot store messages: {0}")]
    Store(#[from] StoreError),
}

impl ConnectionError {
    /// How the book of peers is to take it.
    pub(super) fn into_ending(self) -> Ending {
        match &self {
            Self::Packet(_) | Self::InvalidMessages(_) | Self::Unreadable(_) => Ending::Misbehaved(self.to_string()),
            Self::BoxStream(BoxStreamError::NotAuthentic | BoxStreamError::BodyLength(_)) => {
                Ending::Misbehaved(self.to_string())
            }
            _ => Ending::Failed(self.to_string()),
        }
    }
}

/// Serves a peer until it or we say goodbye.
pub(super) async fn run(
    stream: TcpStream,
    keys: SessionKeys,
    direction: Direction,
    identity: FeedId,
    store: FeedStore,
    cancel: CancellationToken,
) -> Result<(), ConnectionError> {
    let (read, write) = stream.into_split();
    let mut reader = BoxReader::new(read, keys.receive);
    // Subscribed before the clocks are read, so that no append falls between.
    let (mut notices, mut wanted) = (store.subscribe(), store.wanted());
    wanted.mark_unchanged();
    let mut connection = Connection {
        peer: keys.peer,
        identity,
        store,
        writer: BoxWriter::new(write, keys.send),
        rpc: Rpc::default(),
        replication: None,
        pings: BTreeSet::new(),
        arrived: Vec::new(),
        strikes: 0,
        warned: false,
        scratch: BytesMut::new(),
    };
    if direction == Direction::Outbound {
        connection.call_replication()?;
    }
    let ended = connection.serve(&mut reader, &mut notices, &mut wanted, &cancel).await;
    if ended.is_ok() {
        let last_words = async {
            connection.send_what_is_left().await?;
            connection.goodbye().await.map_err(ConnectionError::from)
        };
        let _peer_may_be_gone = tokio::time::timeout(GOODBYE_WITHIN, last_words).await;
    }
    ended
}

struct Connection {
    peer: FeedId,
    identity: FeedId,
    store: FeedStore,
    writer: BoxWriter<OwnedWriteHalf>,
    rpc: Rpc,
    replication: Option<(SubstreamId, Ebt)>,
    pings: BTreeSet<SubstreamId>,
    /// Messages that arrived and are not stored yet. Bounded by what one read yields.
    arrived: Vec<(FeedId, FeedSequence, Bytes)>,
    strikes: u32,
    warned: bool,
    scratch: BytesMut,
}

impl Connection {
    async fn serve(
        &mut self,
        reader: &mut BoxReader<OwnedReadHalf>,
        notices: &mut broadcast::Receiver<(FeedId, FeedSequence)>,
        wanted: &mut watch::Receiver<std::sync::Arc<WantedFeeds>>,
        cancel: &CancellationToken,
    ) -> Result<(), ConnectionError> {
        let mut plain = BytesMut::new();
        let replicate_until = Instant::now() + REPLICATE_WITHIN;
        let mut progress = (Instant::now(), 0);
        loop {
            let flow = self.handle_packets(&mut plain)?;
            // What came in one read with the goodbye counts too.
            self.store_arrived().await?;
            if flow == Flow::Ended {
                return Ok(());
            }
            self.fill().await?;
            let (written, waiting) = (self.writer.written(), self.writer.buffered());
            if written != progress.1 || waiting == 0 {
                progress = (Instant::now(), written);
            }
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                read = reader.read(&mut plain), if waiting < TOO_MUCH_TO_SEND => {
                    if !read? {
                        return Ok(());
                    }
                }
                written = self.writer.write(), if waiting > 0 => written?,
                notice = notices.recv() => match notice {
                    Ok((feed, sequence)) => self.handle_appended(feed, sequence),
                    Err(RecvError::Lagged(_)) => self.compare_clocks(),
                    Err(RecvError::Closed) => return Ok(()),
                },
                changed = wanted.changed() => match changed {
                    Ok(()) => { let now = wanted.borrow_and_update().clone(); self.handle_wanted(&now); }
                    Err(_) => return Ok(()),
                },
                () = tokio::time::sleep_until(progress.0 + STALLED_AFTER), if waiting > 0 => {
                    return Err(ConnectionError::Stalled);
                }
                () = tokio::time::sleep_until(replicate_until), if self.replication.is_none() => {
                    return Err(ConnectionError::NoReplication);
                }
            }
        }
    }

    fn handle_packets(&mut self, plain: &mut BytesMut) -> Result<Flow, ConnectionError> {
        while let Some(decoded) = packet::decode(plain)? {
            let packet = match decoded {
                Decoded::Packet(packet) => packet,
                Decoded::Goodbye => return Ok(Flow::Ended),
            };
            match self.rpc.handle_packet(packet)? {
                Event::Called(id, call) => {
                    let answer = service::answer(&call, self.identity);
                    self.answer(id, answer);
                }
                Event::Data(id, body) => self.handle_data(id, body)?,
                Event::Ended(id, error) => self.handle_ended(id, error)?,
                Event::Refused(packet) => {
                    counter!("meshstream_ssb_calls_refused_total").increment(1);
                    self.send(&packet);
                }
                Event::Ignored => {}
            }
        }
        Ok(Flow::Goes)
    }

    fn answer(&mut self, id: SubstreamId, answer: Answer) {
        let packet = match answer {
            Answer::Value(value) => self.rpc.data(id, value.to_string().into()),
            Answer::Error(message) => self.rpc.end(id, Some(&message)),
            Answer::Ping => {
                self.pings.insert(id);
                None
            }
            Answer::Replicate if self.replication.is_some() => {
                self.rpc.end(id, Some("this connection replicates already"))
            }
            Answer::Replicate => {
                self.replication = Some((id, Ebt::new(Role::Callee, self.local_feeds())));
                None
            }
        };
        if let Some(packet) = packet {
            self.send(&packet);
        }
    }

    fn call_replication(&mut self) -> Result<(), ConnectionError> {
        let (id, packet) = self.rpc.call(&service::replicate_call())?;
        self.replication = Some((id, Ebt::new(Role::Caller, self.local_feeds())));
        self.send(&packet);
        Ok(())
    }

    fn local_feeds(&self) -> Vec<(FeedId, Local)> {
        let wanted = self.store.wanted().borrow().clone();
        wanted.feeds().into_iter().map(|(feed, kind)| (feed, self.local(&feed, kind))).collect()
    }

    fn local(&self, feed: &FeedId, kind: FeedKind) -> Local {
        Local { sequence: self.store.clock(feed), receive: kind != FeedKind::Own }
    }

    fn handle_data(&mut self, id: SubstreamId, body: Bytes) -> Result<(), ConnectionError> {
        if self.pings.contains(&id) {
            if let Some(packet) = self.rpc.data(id, WallTime::now().0.to_string().into()) {
                self.send(&packet);
            }
            return Ok(());
        }
        let Some((_, ebt)) = self.replication.as_mut().filter(|(replication, _)| *replication == id) else {
            return Ok(());
        };
        match note::read(&body) {
            Ok(Received::Notes(notes)) => {
                let ahead = own_feed_ahead(&self.store, &notes);
                ebt.handle_notes(notes);
                if let Some(feed) = ahead.filter(|_| !self.warned) {
                    self.warned = true;
                    counter!("meshstream_ssb_own_feed_ahead_total").increment(1);
                    warn!(%feed, "a peer has messages of an own feed that are missing here: this data is from an old backup");
                }
            }
            Ok(Received::Message { author, sequence }) => match ebt.handle_message(author, sequence) {
                Verdict::Take => self.arrived.push((author, sequence, body)),
                Verdict::Duplicate => counter!("meshstream_ssb_messages_duplicate_total").increment(1),
                Verdict::Unrequested => counter!("meshstream_ssb_messages_unrequested_total").increment(1),
            },
            Err(unreadable) => {
                counter!("meshstream_ssb_messages_unreadable_total").increment(1);
                self.strikes += 1;
                if self.strikes >= MAX_STRIKES {
                    return Err(ConnectionError::Unreadable(unreadable));
                }
            }
        }
        Ok(())
    }

    fn handle_ended(&mut self, id: SubstreamId, error: Option<String>) -> Result<(), ConnectionError> {
        self.pings.remove(&id);
        if let Some(packet) = self.rpc.end(id, None) {
            self.send(&packet);
        }
        match &self.replication {
            Some((replication, _)) if *replication == id => {
                Err(ConnectionError::ReplicationEnded(error.unwrap_or_else(|| "no reason given".to_owned())))
            }
            _ => Ok(()),
        }
    }

    async fn store_arrived(&mut self) -> Result<(), ConnectionError> {
        if self.arrived.is_empty() {
            return Ok(());
        }
        let (from, values): (Vec<_>, Vec<_>) =
            self.arrived.drain(..).map(|(author, sequence, body)| ((author, sequence), body)).unzip();
        let outcomes = self.store.append_remote(values).await?;
        for ((author, sequence), outcome) in from.into_iter().zip(outcomes) {
            self.handle_outcome(author, sequence, outcome)?;
        }
        Ok(())
    }

    fn handle_outcome(
        &mut self,
        author: FeedId,
        sequence: FeedSequence,
        outcome: Result<Appended, Rejected>,
    ) -> Result<(), ConnectionError> {
        let Some((_, ebt)) = &mut self.replication else { return Ok(()) };
        let rejected = match outcome {
            Ok(_) => {
                counter!("meshstream_ssb_messages_received_total").increment(1);
                ebt.handle_taken(author, sequence);
                return Ok(());
            }
            Err(rejected) => rejected,
        };
        match &rejected {
            Rejected::AlreadyStored { .. } => {
                counter!("meshstream_ssb_messages_duplicate_total").increment(1);
                ebt.handle_taken(author, sequence);
            }
            Rejected::Gap { .. } => ebt.handle_gap(author),
            Rejected::Unwanted(_) => {}
            // Later messages of a feed that was refused a moment ago were on their way: not counted again.
            _ if ebt.handle_rejected(author) && !rejected.is_harmless() => {
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

    fn handle_appended(&mut self, feed: FeedId, sequence: FeedSequence) {
        if let Some((_, ebt)) = &mut self.replication {
            ebt.handle_appended(feed, sequence);
        }
    }

    /// After notices were missed.
    fn compare_clocks(&mut self) {
        if let Some((_, ebt)) = &mut self.replication {
            let feeds: Vec<FeedId> = ebt.feeds().collect();
            for (feed, clock) in feeds.iter().zip(self.store.clocks(&feeds)) {
                ebt.handle_appended(*feed, clock);
            }
        }
    }

    fn handle_wanted(&mut self, wanted: &WantedFeeds) {
        let now: Vec<(FeedId, Local)> =
            wanted.feeds().into_iter().map(|(feed, kind)| (feed, self.local(&feed, kind))).collect();
        if let Some((_, ebt)) = &mut self.replication {
            let gone: Vec<FeedId> = ebt.feeds().filter(|feed| wanted.kind(feed).is_none()).collect();
            gone.into_iter().for_each(|feed| ebt.handle_unwanted(feed));
            now.into_iter().for_each(|(feed, local)| ebt.handle_wanted(feed, local));
        }
    }

    /// Takes from replication what is to be sent, while the socket keeps up.
    async fn fill(&mut self) -> Result<(), ConnectionError> {
        while self.writer.buffered() < ENOUGH_TO_SEND {
            let Some((id, output)) = self.replication.as_mut().and_then(|(id, ebt)| Some((*id, ebt.poll_output()?)))
            else {
                break;
            };
            match output {
                Output::Notes(notes) => self.send_data(id, note::write(&notes)),
                Output::Messages { feed, after } => self.send_messages(id, feed, after).await?,
            }
        }
        Ok(())
    }

    async fn send_messages(
        &mut self,
        id: SubstreamId,
        feed: FeedId,
        after: FeedSequence,
    ) -> Result<(), ConnectionError> {
        let messages = self.store.get(feed, after.next(), BATCH).await?;
        let mut sent = after;
        for message in messages {
            if self.writer.buffered() >= ENOUGH_TO_SEND {
                break;
            }
            self.send_data(id, Bytes::copy_from_slice(message.value_json.as_bytes()));
            counter!("meshstream_ssb_messages_sent_total").increment(1);
            sent = message.sequence;
        }
        if let Some((_, ebt)) = &mut self.replication {
            ebt.handle_sent(feed, sent);
        }
        Ok(())
    }

    fn send_data(&mut self, id: SubstreamId, body: Bytes) {
        if let Some(packet) = self.rpc.data(id, body) {
            self.send(&packet);
        }
    }

    fn send(&mut self, packet: &Packet) {
        debug_assert_eq!(packet.encoding, Encoding::Json);
        self.scratch.clear();
        packet.encode(&mut self.scratch);
        self.writer.push(&self.scratch);
    }

    /// Sends what was appended before the end, such as the end of a broadcast when the node stops.
    async fn send_what_is_left(&mut self) -> Result<(), ConnectionError> {
        self.compare_clocks();
        loop {
            self.fill().await?;
            if self.writer.buffered() == 0 {
                return Ok(());
            }
            self.writer.write().await?;
        }
    }

    async fn goodbye(mut self) -> Result<(), BoxStreamError> {
        self.scratch.clear();
        packet::encode_goodbye(&mut self.scratch);
        self.writer.push(&self.scratch);
        self.writer.close().await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Goes,
    Ended,
}

/// An own feed of which the peer has more than we do.
fn own_feed_ahead(store: &FeedStore, notes: &Notes) -> Option<FeedId> {
    let wanted = store.wanted().borrow().clone();
    let ahead = |(feed, note): (&FeedId, &Note)| match note {
        Note::Replicated { sequence, .. } if wanted.is_own(feed) && *sequence > store.clock(feed) => Some(*feed),
        _ => None,
    };
    notes.iter().find_map(ahead)
}
