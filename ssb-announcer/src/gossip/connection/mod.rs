//! One authenticated connection, from its first packet to its goodbye.
//!
//! In: a socket, the keys of its box stream, the store. It carries packets between the socket and the state machines
//! of [`crate::muxrpc`] and [`crate::replication`], gives messages to the store and takes them from there. It holds
//! at most a batch of messages in each direction: where the socket is slow, the rest stays in the store. `wire` is the
//! sending half, `feeds` the replication, `blobs` the exchange of pictures.

mod blobs;
mod feeds;
mod own_feed;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use metrics::counter;
use stream_model::{BlobError, FeedId, FeedSequence, WallTime};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::blobs::BlobTraffic;
use self::feeds::Feeds;
use self::wire::Wire;
use super::peers::{Direction, Ending};
use crate::blobs::{Blobs, Change};
use crate::feed::{FeedStore, Rejected, StoreError, WantedFeeds};
use crate::handshake::box_stream::{BoxReader, BoxStreamError};
use crate::handshake::state::SessionKeys;
use crate::muxrpc::allowance::Allowance;
use crate::muxrpc::packet::{self, Decoded, PacketError};
use crate::muxrpc::service::{self, Answer};
use crate::muxrpc::session::{Call, Event, SessionError, SubstreamId};
use crate::replication::note::Unreadable;
use crate::replication::session::Role;

/// Sealed bytes that wait for the socket before nothing more is read from the peer: it asks and does not listen.
const TOO_MUCH_TO_SEND: usize = 512 * 1024;
/// How long the socket may take nothing of what is to be sent.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How long a peer may stay without replicating. Tools ask a question and leave; others only hold a place.
const REPLICATE_WITHIN: Duration = Duration::from_secs(60);
/// How long saying goodbye may take.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// How long what a peer has asked for may take once it has said goodbye: it sends no more, and may still read.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Messages that no honest peer sends, before it is dropped. One could be a defect; three are an attack or a peer that
/// is of no use.
const MAX_STRIKES: u32 = 3;
/// Substreams of pings of one peer; JavaScript opens one.
const MAX_PINGS: usize = 8;

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
    #[error(transparent)]
    Blobs(#[from] BlobError),
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
    blobs: Option<Blobs>,
    cancel: CancellationToken,
) -> Result<(), ConnectionError> {
    let (read, write) = stream.into_split();
    let mut reader = BoxReader::new(read, keys.receive);
    // Subscribed before the clocks are read, so that no append falls between.
    let (mut notices, mut wanted) = (store.subscribe(), store.wanted());
    wanted.mark_unchanged();
    let now = Instant::now();
    let role = match direction {
        Direction::Outbound => Role::Caller,
        Direction::Inbound => Role::Callee,
    };
    let mut connection = Connection {
        identity,
        wire: Wire::new(write, keys.send),
        feeds: Feeds::new(keys.peer, store, role, now.into_std()),
        blobs: blobs.map(|blobs| BlobTraffic::new(blobs, keys.peer)),
        pings: BTreeSet::new(),
        allowance: Allowance::new(now.into_std()),
    };
    if role == Role::Caller {
        connection.feeds.call_ebt(&mut connection.wire)?;
    }
    let ended = connection.serve(&mut reader, &mut notices, &mut wanted, &cancel).await;
    if let Ok(end) = ended {
        let last_words = async {
            if end != End::Blocked {
                connection.send_what_is_left().await?;
            }
            connection.wire.goodbye().await.map_err(ConnectionError::from)
        };
        tokio::select! {
            _peer_may_be_gone = last_words => {}
            () = tokio::time::sleep(ANSWER_WITHIN) => {}
            () = async { cancel.cancelled().await; tokio::time::sleep(GOODBYE_WITHIN).await } => {}
        }
    }
    ended.map(drop)
}

/// Why a connection ends without a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The peer said goodbye.
    ByPeer,
    /// The node stops, or has a better connection.
    ByNode,
    /// The peer is blocked: it gets nothing more.
    Blocked,
}

struct Connection {
    identity: FeedId,
    wire: Wire,
    feeds: Feeds,
    blobs: Option<BlobTraffic>,
    pings: BTreeSet<SubstreamId>,
    allowance: Allowance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Goes,
    Ended,
}

impl Connection {
    async fn serve(
        &mut self,
        reader: &mut BoxReader<OwnedReadHalf>,
        notices: &mut broadcast::Receiver<(FeedId, FeedSequence)>,
        wanted: &mut watch::Receiver<Arc<WantedFeeds>>,
        cancel: &CancellationToken,
    ) -> Result<End, ConnectionError> {
        let mut plain = BytesMut::new();
        // Since when nothing is replicated.
        let mut useless_since = Some(Instant::now());
        // Since when bytes wait of which the socket has taken none, and how many it had taken then.
        let mut stuck: Option<(Instant, u64)> = None;
        loop {
            let flow = self.handle_packets(&mut plain)?;
            // What came in one read with the goodbye counts too.
            self.feeds.store_arrived().await?;
            if flow == Flow::Ended {
                return Ok(End::ByPeer);
            }
            let now = Instant::now();
            self.act(now.into_std()).await?;
            self.fill().await?;
            useless_since = if self.feeds.is_replicating() { None } else { useless_since.or(Some(now)) };
            let (written, waiting) = (self.wire.written(), self.wire.buffered());
            stuck = match stuck {
                _ if waiting == 0 => None,
                Some((since, then)) if then == written => Some((since, then)),
                _ => Some((Instant::now(), written)),
            };
            let stalled = stuck.map(|(since, _)| since + STALLED_AFTER);
            let useless = useless_since.map(|since| since + REPLICATE_WITHIN);
            let blob_timer = self.blobs.as_ref().and_then(BlobTraffic::next_timeout);
            let timer = self.feeds.next_timeout().into_iter().chain(blob_timer).min();
            tokio::select! {
                () = cancel.cancelled() => return Ok(End::ByNode),
                read = reader.read(&mut plain), if waiting < TOO_MUCH_TO_SEND => {
                    if !read? {
                        return Ok(End::ByPeer);
                    }
                }
                written = self.wire.write(), if waiting > 0 => written?,
                notice = notices.recv() => match notice {
                    Ok((feed, sequence)) => self.feeds.handle_appended(feed, sequence),
                    Err(RecvError::Lagged(_)) => self.feeds.compare_clocks(),
                    Err(RecvError::Closed) => return Ok(End::ByNode),
                },
                changed = wanted.changed() => match changed {
                    Ok(()) => {
                        let now = wanted.borrow_and_update().clone();
                        if now.is_blocked(&self.feeds.peer) {
                            return Ok(End::Blocked);
                        }
                        self.feeds.handle_wanted(&now);
                    }
                    Err(_) => return Ok(End::ByNode),
                },
                change = blob_change(&mut self.blobs) => {
                    self.blobs.iter_mut().for_each(|blobs| blobs.handle_changed(change.clone()));
                }
                () = sleep_until(timer.map(Instant::from)) => {}
                () = sleep_until(stalled) => return Err(ConnectionError::Stalled),
                () = sleep_until(useless) => return Err(ConnectionError::NoReplication),
            }
        }
    }

    fn handle_packets(&mut self, plain: &mut BytesMut) -> Result<Flow, ConnectionError> {
        while let Some(decoded) = packet::decode(plain)? {
            let packet = match decoded {
                Decoded::Packet(packet) => packet,
                Decoded::Goodbye => return Ok(Flow::Ended),
            };
            match self.wire.handle_packet(packet)? {
                Event::Called(id, call) => self.handle_call(id, &call),
                Event::Data(id, body) => self.handle_data(id, body)?,
                Event::Ended(id, error) => self.handle_ended(id, error)?,
                Event::Refused(packet) => {
                    counter!("meshstream_ssb_calls_refused_total").increment(1);
                    self.wire.send(&packet);
                }
                Event::Ignored => {}
            }
        }
        Ok(Flow::Goes)
    }

    fn handle_call(&mut self, id: SubstreamId, call: &Call) {
        if !self.allowance.take(Instant::now().into_std()) {
            counter!("meshstream_ssb_calls_refused_total").increment(1);
            self.wire.end(id, Some("too many calls in a short time"));
            return;
        }
        let answer = service::answer(call, self.identity);
        match answer {
            Answer::Value(value) => self.wire.data(id, value.to_string()),
            Answer::Error(message) => self.wire.end(id, Some(&message)),
            Answer::Ping if self.pings.len() >= MAX_PINGS => self.wire.end(id, Some("too many pings")),
            Answer::Ping => drop(self.pings.insert(id)),
            Answer::Replicate => self.feeds.handle_ebt_called(id, &mut self.wire),
            Answer::History(asked) => self.feeds.handle_history_called(id, &asked, &mut self.wire),
            Answer::HasBlobs(_) | Answer::BlobSize(_) | Answer::Blob(_) | Answer::BlobNotices => {
                match &mut self.blobs {
                    Some(blobs) => blobs.handle_called(id, answer, &mut self.wire),
                    None => self.wire.end(id, Some("this node keeps no blobs")),
                }
            }
        }
    }

    /// Makes the calls that are due.
    async fn act(&mut self, now: std::time::Instant) -> Result<(), ConnectionError> {
        self.feeds.act(&mut self.wire, now)?;
        if let Some(blobs) = &mut self.blobs {
            blobs.act(self.feeds.has_begun(), &mut self.wire, now).await?;
        }
        Ok(())
    }

    fn handle_data(&mut self, id: SubstreamId, body: Bytes) -> Result<(), ConnectionError> {
        if self.pings.contains(&id) {
            self.wire.data(id, WallTime::now().0.to_string());
            return Ok(());
        }
        let of_blobs = self.blobs.as_mut().is_some_and(|blobs| blobs.handle_data(id, &body, &mut self.wire));
        if of_blobs { Ok(()) } else { self.feeds.handle_data(id, body) }
    }

    fn handle_ended(&mut self, id: SubstreamId, error: Option<String>) -> Result<(), ConnectionError> {
        self.wire.end(id, None);
        if self.pings.remove(&id) {
            return Ok(());
        }
        self.blobs.iter_mut().for_each(|blobs| blobs.handle_ended(id, error.is_some()));
        self.feeds.handle_ended(id, error)
    }

    /// Takes what is to be sent, while the socket keeps up.
    async fn fill(&mut self) -> Result<(), ConnectionError> {
        while self.wire.has_room() {
            let messages = self.feeds.send_some(&mut self.wire).await?;
            let blobs = match &mut self.blobs {
                Some(blobs) => blobs.send_some(&mut self.wire).await?,
                None => false,
            };
            if !messages && !blobs {
                break;
            }
        }
        Ok(())
    }

    /// Sends what was appended before the end, such as the end of a broadcast when the node stops.
    async fn send_what_is_left(&mut self) -> Result<(), ConnectionError> {
        self.feeds.compare_clocks();
        loop {
            self.fill().await?;
            if self.wire.buffered() == 0 {
                return Ok(());
            }
            self.wire.write().await?;
        }
    }
}

/// Never, where there is no time.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn blob_change(blobs: &mut Option<BlobTraffic>) -> Result<Change, RecvError> {
    match blobs {
        Some(blobs) => blobs.changed().await,
        None => std::future::pending().await,
    }
}
