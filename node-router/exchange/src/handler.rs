//! One connection: reads the peer's messages, sends our wants, and serves the peer out of the source.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use libp2p_identity::PeerId;
use libp2p_swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound, StreamUpgradeError,
};
use libp2p_swarm::{ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::exchange::Asked;
use crate::inbound::{ConnectionBudget, ReadError, Reader, TotalBudget};
use crate::lane::{Lane, LaneEvent};
use crate::ledger::Ledger;
use crate::protocol::{HandlerEvent, Instruction, LaneId, Protocol, Received, Wantlist};
use crate::traffic::Traffic;
use crate::wire::{Entry, Message};
use crate::{BlockSource, UploadLimits};

/// Inbound streams at a time. Kubo opens one for each message it answers with, a few at a time.
const MAX_INBOUND_STREAMS: usize = 32;
/// Messages read that the behaviour has not taken yet; then reading pauses.
const MAX_EVENTS: usize = 8;
/// Messages with wants that wait for their stream. What exceeds it is dropped, and repeated as one full wantlist.
const MAX_REQUESTS: usize = 64;
/// Blocks are sent in messages of this size, or of one block that is larger: the peer sees progress, and its priorities
/// are heeded. While one is written the next is loaded.
const BATCH: usize = 256 << 10;
/// Wants of one message that others are told of: who fetches a file asks for its root first, alone.
const ASKED_A_MESSAGE: usize = 32;
/// How often the behaviour is told that bytes come: a fraction of the time after which a silent peer is replaced.
const PROGRESS: Duration = Duration::from_millis(250);
/// Arrivals taken in one go before other work has its turn.
const ARRIVALS_A_TURN: usize = 256;

/// Whether blocks may be sent, where the upload is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Not before it was asked for.
    Unasked,
    /// It was asked for.
    Asked,
    /// One message may be sent.
    Given,
}

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Shared {
    source: Arc<dyn BlockSource>,
    arrivals: broadcast::Sender<Cid>,
    asked: broadcast::Sender<Asked>,
    budget: TotalBudget,
    /// Wants of all connected peers that are remembered.
    pub(crate) peer_wants: Arc<AtomicUsize>,
    /// Whether there is any limit of the upload; else nobody asks for a turn.
    pub(crate) limited: Arc<AtomicBool>,
    pub(crate) traffic: Traffic,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(
        source: Arc<dyn BlockSource>,
        arrivals: broadcast::Sender<Cid>,
        asked: broadcast::Sender<Asked>,
        limits: UploadLimits,
    ) -> Self {
        let (budget, peer_wants, traffic) = (TotalBudget::default(), Arc::default(), Traffic::default());
        let limited = Arc::new(AtomicBool::new(limits.is_limited()));
        Self { source, arrivals, asked, budget, peer_wants, limited, traffic }
    }
}

type Arrival = (broadcast::Receiver<Cid>, Result<Cid, RecvError>);
type Reading = BoxFuture<'static, Result<Option<(Reader, Message)>, ReadError>>;

/// The connection to a peer.
pub struct Handler {
    peer: PeerId,
    source: Arc<dyn BlockSource>,
    asked: broadcast::Sender<Asked>,
    budget: ConnectionBudget,
    /// Pieces of messages that were read, how many of them the behaviour knows of, and since when.
    pieces: Arc<AtomicU64>,
    told_pieces: u64,
    told_at: Option<Instant>,
    /// Wants in all ledgers, and how many of them are counted there for this one.
    peer_wants: Arc<AtomicUsize>,
    counted_wants: usize,
    traffic: Traffic,
    events: VecDeque<HandlerEvent>,
    readers: FuturesUnordered<Reading>,
    /// Streams that are not read while too much waits to be sent or taken.
    held: Vec<Reader>,
    requests: Lane,
    responses: Lane,
    ledger: Ledger,
    arrival: BoxFuture<'static, Arrival>,
    loading: Option<(Cid, BoxFuture<'static, Option<Bytes>>)>,
    loaded: Vec<(Cid, Bytes)>,
    /// Blocks in the message that is being written.
    sending: Vec<Cid>,
    limited: Arc<AtomicBool>,
    turn: Turn,
    closing: bool,
    /// Whether wants were dropped, so that the peer must be told everything again.
    requests_dropped: bool,
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("requests", &self.requests)
            .field("responses", &self.responses)
            .finish_non_exhaustive()
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.count_wants(0);
    }
}

impl Handler {
    pub(crate) fn new(shared: &Shared, peer: PeerId) -> Self {
        Self {
            peer,
            source: shared.source.clone(),
            asked: shared.asked.clone(),
            budget: shared.budget.for_connection(),
            pieces: Arc::default(),
            told_pieces: 0,
            told_at: None,
            peer_wants: shared.peer_wants.clone(),
            counted_wants: 0,
            traffic: shared.traffic.clone(),
            events: VecDeque::new(),
            readers: FuturesUnordered::new(),
            held: Vec::new(),
            requests: Lane::default(),
            responses: Lane::default(),
            ledger: Ledger::default(),
            arrival: next_arrival(shared.arrivals.subscribe()),
            loading: None,
            loaded: Vec::new(),
            sending: Vec::new(),
            limited: shared.limited.clone(),
            turn: Turn::Unasked,
            closing: false,
            requests_dropped: false,
        }
    }

    fn lane(&mut self, id: LaneId) -> &mut Lane {
        match id {
            LaneId::Requests => &mut self.requests,
            LaneId::Responses => &mut self.responses,
        }
    }

    /// Takes what the peer sent, as far as there is room for what follows from it.
    fn poll_readers(&mut self, context: &mut Context<'_>) {
        if !self.is_congested() {
            for reader in std::mem::take(&mut self.held) {
                self.readers.push(reader.next().boxed());
            }
        }
        while !self.is_congested() {
            match self.readers.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(Some((reader, message))))) => {
                    self.message(message);
                    if self.is_congested() { self.held.push(reader) } else { self.readers.push(reader.next().boxed()) }
                }
                Poll::Ready(Some(Ok(None))) => {}
                Poll::Ready(Some(Err(error))) => {
                    metrics::counter!("meshstream_exchange_streams_failed_total").increment(1);
                    tracing::debug!(%error, "inbound stream failed");
                }
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }

    /// Tells now and then that bytes come.
    fn tell_progress(&mut self) {
        let pieces = self.pieces.load(Ordering::Relaxed);
        if pieces != self.told_pieces && self.told_at.is_none_or(|at| at.elapsed() >= PROGRESS) {
            self.told_pieces = pieces;
            self.told_at = Some(Instant::now());
            self.events.push_back(HandlerEvent::Progress);
        }
    }

    fn count_wants(&mut self, wants: usize) {
        self.peer_wants.fetch_add(wants, Ordering::Relaxed);
        self.peer_wants.fetch_sub(self.counted_wants, Ordering::Relaxed);
        self.counted_wants = wants;
    }

    fn is_congested(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.ledger.is_backlogged()
    }

    fn message(&mut self, message: Message) {
        let Message { full, wantlist, blocks, presences } = message;
        let wanted = wantlist.iter().filter_map(|entry| match entry {
            Entry::Want { cid, .. } => Some(*cid),
            Entry::Cancel(_) => None,
        });
        for cid in wanted.take(ASKED_A_MESSAGE) {
            // Nobody may want to know.
            let _ = self.asked.send(Asked { peer: self.peer, cid });
        }
        if full || !wantlist.is_empty() {
            self.ledger.receive(full, wantlist, |cid| self.source.contains(cid));
        }
        if !blocks.is_empty() || !presences.is_empty() {
            self.events.push_back(HandlerEvent::Received(Received { blocks, presences }));
        }
    }

    fn poll_arrivals(&mut self, context: &mut Context<'_>) {
        for _ in 0..ARRIVALS_A_TURN {
            let Poll::Ready((receiver, arrived)) = self.arrival.poll_unpin(context) else { return };
            match arrived {
                Ok(cid) => self.ledger.arrived(&cid),
                Err(RecvError::Lagged(_)) => self.ledger.look_again(|cid| self.source.contains(cid)),
                Err(RecvError::Closed) => {
                    self.arrival = std::future::pending().boxed();
                    return;
                }
            }
            self.arrival = next_arrival(receiver);
        }
        // There may be more.
        context.waker().wake_by_ref();
    }

    /// Moves answers from the ledger to their stream.
    fn serve(&mut self, context: &mut Context<'_>) {
        loop {
            if self.responses.is_free() {
                let presences = self.ledger.take_presences();
                if !presences.is_empty() {
                    self.responses.push(Message { presences, ..Message::default() });
                }
            }
            if let Some((cid, loading)) = &mut self.loading {
                let cid = *cid;
                let Poll::Ready(data) = loading.poll_unpin(context) else { break };
                self.loading = None;
                match data {
                    Some(data) => self.loaded.push((cid, data)),
                    None => self.ledger.lost(&cid),
                }
            }
            if size_of_blocks(&self.loaded) >= BATCH {
                break;
            }
            let Some(cid) = self.ledger.next_block() else { break };
            let source = self.source.clone();
            self.loading = Some((cid, async move { source.get(&cid).await }.boxed()));
        }
        if self.responses.is_free() && !self.loaded.is_empty() && self.has_turn() {
            let mut blocks = std::mem::take(&mut self.loaded);
            blocks.retain(|(cid, _)| self.ledger.wants_now(cid));
            let bytes = size_of_blocks(&blocks);
            if self.turn == Turn::Given {
                self.turn = Turn::Unasked;
                self.events.push_back(HandlerEvent::Sends(bytes as u64));
            }
            if !blocks.is_empty() {
                self.sending = blocks.iter().map(|(cid, _)| *cid).collect();
                metrics::counter!("meshstream_exchange_blocks_sent_total").increment(blocks.len() as u64);
                metrics::counter!("meshstream_exchange_bytes_sent_total").increment(bytes as u64);
                self.traffic.send(&self.peer, bytes as u64);
                self.responses.push(Message { blocks, ..Message::default() });
            }
            if self.loading.is_none() && self.ledger.has_blocks() {
                context.waker().wake_by_ref();
            }
        }
    }

    /// Whether the blocks that are loaded may be sent; asks for it where that is needed.
    fn has_turn(&mut self) -> bool {
        match self.turn {
            Turn::Unasked if !self.limited.load(Ordering::Relaxed) => true,
            Turn::Unasked => {
                self.turn = Turn::Asked;
                self.events.push_back(HandlerEvent::AsksToSend(size_of_blocks(&self.loaded) as u64));
                false
            }
            Turn::Asked => false,
            Turn::Given => true,
        }
    }

    fn responses_ended(&mut self, sent: bool) {
        for cid in std::mem::take(&mut self.sending) {
            if sent { self.ledger.sent(&cid) } else { self.ledger.unsent(&cid) }
        }
    }

    /// Drives both lanes; gives the one that needs a stream.
    fn poll_lanes(&mut self, context: &mut Context<'_>) -> Option<LaneId> {
        while let Poll::Ready(event) = self.requests.poll(context) {
            match event {
                LaneEvent::Open => return Some(LaneId::Requests),
                LaneEvent::Sent if !self.requests_dropped || self.requests.queued() > 0 => {}
                LaneEvent::Sent | LaneEvent::Failed => {
                    self.requests_dropped = false;
                    self.events.push_back(HandlerEvent::Reset);
                }
            }
        }
        loop {
            self.serve(context);
            match self.responses.poll(context) {
                Poll::Ready(LaneEvent::Open) => return Some(LaneId::Responses),
                Poll::Ready(event) => self.responses_ended(event == LaneEvent::Sent),
                Poll::Pending => return None,
            }
        }
    }
}

fn size_of_blocks(blocks: &[(Cid, Bytes)]) -> usize {
    blocks.iter().map(|(_, data)| data.len()).sum()
}

fn next_arrival(mut receiver: broadcast::Receiver<Cid>) -> BoxFuture<'static, Arrival> {
    async move {
        let arrived = receiver.recv().await;
        (receiver, arrived)
    }
    .boxed()
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Instruction;
    type ToBehaviour = HandlerEvent;
    type InboundProtocol = Protocol;
    type OutboundProtocol = Protocol;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = LaneId;

    fn listen_protocol(&self) -> SubstreamProtocol<Protocol> {
        SubstreamProtocol::new(Protocol, ())
    }

    /// Neighbours stay connected, whether anything is asked or not.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_behaviour_event(&mut self, instruction: Instruction) {
        let Instruction::Ask(Wantlist { full, entries }) = instruction else {
            self.turn = Turn::Given;
            return;
        };
        if self.requests.queued() >= MAX_REQUESTS {
            // The peer does not read. It is told everything again once it has, or once its stream is given up.
            metrics::counter!("meshstream_exchange_requests_dropped_total").increment(1);
            self.requests_dropped = true;
            return;
        }
        self.requests.push(Message { full, wantlist: entries, ..Message::default() });
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol, (), LaneId>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                if self.readers.len() + self.held.len() >= MAX_INBOUND_STREAMS {
                    metrics::counter!("meshstream_exchange_streams_refused_total").increment(1);
                } else {
                    self.readers.push(Reader::new(protocol, self.budget.clone(), self.pieces.clone()).next().boxed());
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                self.lane(info).opened(protocol);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                if matches!(error, StreamUpgradeError::NegotiationFailed) {
                    self.events.push_back(HandlerEvent::Unsupported);
                }
                self.lane(info).open_failed();
            }
            _ => {}
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Option<HandlerEvent>> {
        Poll::Ready((!std::mem::replace(&mut self.closing, true)).then_some(HandlerEvent::Closing))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Protocol, LaneId, HandlerEvent>> {
        loop {
            self.poll_arrivals(context);
            self.poll_readers(context);
            self.tell_progress();
            let paused = self.is_congested();
            self.count_wants(self.ledger.len());
            if let Some(lane) = self.poll_lanes(context) {
                let protocol = SubstreamProtocol::new(Protocol, lane);
                return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
            }
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
            }
            // Nothing would wake readers that paused.
            if !paused || self.is_congested() {
                return Poll::Pending;
            }
        }
    }
}
