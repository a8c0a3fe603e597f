//! The handle through which blocks are asked for, and the mailbox that takes its commands to the behaviour.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use bytes::Bytes;
use cid::Cid;
use futures::stream::{FuturesUnordered, Stream};
use futures::task::AtomicWaker;
use libp2p_identity::PeerId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot, watch};

use crate::behaviour::Behaviour;
use crate::engine::SessionId;
use crate::traffic::{Exchanged, Traffic};
use crate::{BlockSource, UploadLimits, handler};

/// Wants of all sessions at a time; further ones wait for their turn. A segment has about 16 blocks.
pub(crate) const MAX_WANTS: usize = 16_384;

/// Arrivals of blocks that a slow connection may lag behind; what it missed it then looks for in the source.
const ARRIVALS: usize = 4096;

/// Wants of peers that a reader of [`Exchange::asked`] may lag behind; it loses the oldest.
const ASKED: usize = 1024;

/// Blocks that a reader of [`Exchange::strays`] may lag behind; it loses the oldest. They are held in memory, 1 MiB each.
const STRAYS: usize = 16;

/// A peer asks for a block, whether that is held here or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub peer: PeerId,
    /// For what.
    pub cid: Cid,
}

/// A block that a peer sent.
#[derive(Debug, Clone)]
pub struct Block {
    /// What was asked for.
    pub cid: Cid,
    /// The bytes, which match the CID.
    pub data: Bytes,
    /// Who sent it.
    pub from: PeerId,
}

/// What an exchange keeps in memory at the moment. All of it is bounded, and goes when nobody asks any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Sessions that are open.
    pub sessions: usize,
    /// Blocks that are wanted of peers.
    pub wants: usize,
    /// Futures that wait for them.
    pub waiters: usize,
    /// Wants of connected peers that are remembered here.
    pub peer_wants: usize,
}

/// The swarm that the exchange belongs to is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the exchange is closed")]
pub struct ExchangeClosed;

/// Asks peers for blocks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exchange {
    mailbox: Arc<Mailbox>,
    arrivals: broadcast::Sender<Cid>,
    asked: broadcast::Sender<Asked>,
    strays: broadcast::Sender<Block>,
    traffic: Traffic,
    peer_wants: Arc<AtomicUsize>,
    limited: Arc<AtomicBool>,
}

impl Exchange {
    /// The exchange and its behaviour, which works once it is part of a running swarm within a tokio runtime.
    pub fn new(source: Arc<dyn BlockSource>, limits: UploadLimits) -> (Self, Behaviour) {
        let arrivals = broadcast::channel(ARRIVALS).0;
        let mailbox = Arc::new(Mailbox::default());
        let asked = broadcast::channel(ASKED).0;
        let strays = broadcast::channel(STRAYS).0;
        let shared = handler::Shared::new(source, arrivals.clone(), asked.clone(), limits);
        let (traffic, peer_wants, limited) =
            (shared.traffic.clone(), shared.peer_wants.clone(), shared.limited.clone());
        let (own_mailbox, own_strays) = (mailbox.clone(), strays.clone());
        let exchange = Self { mailbox: own_mailbox, arrivals, asked, strays: own_strays, traffic, peer_wants, limited };
        (exchange, Behaviour::new(shared, limits, mailbox, strays))
    }

    /// Begins to ask for blocks that the same peers are likely to hold, such as those of one file. `providers` are asked
    /// first; they may be connected later, and none need be named: then all connected peers are asked whether they
    /// have the blocks.
    pub fn session(&self, providers: &[PeerId]) -> Session {
        let id = SessionId(self.mailbox.next_id.fetch_add(1, Ordering::Relaxed));
        self.mailbox.send(Command::Open { session: id, providers: providers.to_vec() });
        Session(Arc::new(OpenSession { id, mailbox: self.mailbox.clone() }))
    }

    /// Tells peers that wait for these blocks that they are held here now.
    pub fn notify(&self, cids: impl IntoIterator<Item = Cid>) {
        for cid in cids {
            // Without any connection there is nobody to tell.
            let _ = self.arrivals.send(cid);
        }
    }

    /// What peers ask for from now on, the first few wants of each of their messages.
    pub fn asked(&self) -> broadcast::Receiver<Asked> {
        self.asked.subscribe()
    }

    /// Blocks that come from now on although their wants were withdrawn a moment ago, verified, and each from a peer that
    /// was asked for it. They were on their way when the cancel was.
    pub fn strays(&self) -> broadcast::Receiver<Block> {
        self.strays.subscribe()
    }

    /// Bytes of blocks exchanged with each connected peer.
    pub fn traffic(&self) -> HashMap<PeerId, Exchanged> {
        self.traffic.all()
    }

    /// Uploads by other limits from now on.
    pub fn limit(&self, limits: UploadLimits) {
        self.limited.store(limits.is_limited(), Ordering::Relaxed);
        self.mailbox.send(Command::Limit(limits));
    }

    /// What is kept in memory.
    pub fn held(&self) -> Held {
        Held { peer_wants: self.peer_wants.load(Ordering::Relaxed), ..self.mailbox.lock().held }
    }

    /// Waits until the swarm is gone.
    pub async fn closed(&self) {
        // The sender is in the mailbox, which is here.
        let _ = self.mailbox.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Connected peers that speak Bitswap.
    pub fn peers(&self) -> Vec<PeerId> {
        self.mailbox.lock().peers.iter().copied().collect()
    }
}

/// Blocks that belong together. Cheap to clone; when the last clone is dropped, so are its wants.
#[derive(Debug, Clone)]
pub struct Session(Arc<OpenSession>);

#[derive(Debug)]
struct OpenSession {
    id: SessionId,
    mailbox: Arc<Mailbox>,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.mailbox.send(Command::Close(self.id));
    }
}

impl Session {
    /// Waits for one block, for as long as it takes: peers that come up later are asked too. Dropping the future cancels
    /// the want.
    pub async fn want(&self, cid: Cid) -> Result<Block, ExchangeClosed> {
        let mailbox = &self.0.mailbox;
        let permit = mailbox.wants.clone().acquire_owned().await.map_err(|_| ExchangeClosed)?;
        let ticket = mailbox.next_id.fetch_add(1, Ordering::Relaxed);
        let (reply, block) = oneshot::channel();
        let _cancel = Cancel { session: self, cid, ticket, _permit: permit };
        mailbox.send(Command::Want { session: self.0.id, cid, ticket, reply });
        block.await.map_err(|_| ExchangeClosed)
    }

    /// Waits for many blocks at once, which come in any order. Dropping the stream cancels what has not come.
    pub fn wants(
        &self,
        cids: impl IntoIterator<Item = Cid>,
    ) -> impl Stream<Item = Result<Block, ExchangeClosed>> + Send {
        let wants = cids.into_iter().map(|cid| {
            let session = self.clone();
            async move { session.want(cid).await }
        });
        wants.collect::<FuturesUnordered<_>>()
    }
}

/// Takes a want back when its future ends, be it dropped or done.
struct Cancel<'a> {
    session: &'a Session,
    cid: Cid,
    ticket: u64,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        let OpenSession { id, mailbox } = &*self.session.0;
        mailbox.send(Command::Unwant { session: *id, cid: self.cid, ticket: self.ticket });
    }
}

/// What a handle wants of the behaviour.
#[derive(Debug)]
pub(crate) enum Command {
    Open { session: SessionId, providers: Vec<PeerId> },
    Close(SessionId),
    Want { session: SessionId, cid: Cid, ticket: u64, reply: oneshot::Sender<Block> },
    Unwant { session: SessionId, cid: Cid, ticket: u64 },
    Limit(UploadLimits),
}

/// Commands on their way to the behaviour. A cancel comes from a `drop`, which cannot wait, so that the queue takes
/// everything; it is bounded all the same, by [`MAX_WANTS`] permits and the sessions that are open; limits change as often as an owner sets them.
#[derive(Debug)]
pub(crate) struct Mailbox {
    state: Mutex<MailboxState>,
    waker: AtomicWaker,
    wants: Arc<Semaphore>,
    next_id: AtomicU64,
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct MailboxState {
    commands: VecDeque<Command>,
    peers: BTreeSet<PeerId>,
    held: Held,
    closed: bool,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            waker: AtomicWaker::new(),
            wants: Arc::new(Semaphore::new(MAX_WANTS)),
            next_id: AtomicU64::new(1),
            closed: watch::channel(false).0,
        }
    }
}

impl Mailbox {
    fn send(&self, command: Command) {
        let mut state = self.lock();
        // A want that is refused here drops its reply, which tells the one who waits for it.
        if !state.closed {
            state.commands.push_back(command);
            drop(state);
            self.waker.wake();
        }
    }

    /// The next command; without one, the task of `context` is woken when there is one.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Option<Command> {
        if let Some(command) = self.lock().commands.pop_front() {
            return Some(command);
        }
        self.waker.register(context.waker());
        self.lock().commands.pop_front()
    }

    /// Peers come and go.
    pub(crate) fn set_connected(&self, peer: PeerId, connected: bool) {
        let peers = &mut self.lock().peers;
        if connected {
            peers.insert(peer)
        } else {
            peers.remove(&peer)
        };
    }

    pub(crate) fn set_held(&self, held: Held) {
        self.lock().held = held;
    }

    /// Nobody reads the mailbox any more.
    pub(crate) fn close(&self) {
        self.wants.close();
        let mut state = self.lock();
        state.closed = true;
        state.commands.clear();
        state.peers.clear();
        state.held = Held::default();
        drop(state);
        self.closed.send_replace(true);
    }

    fn lock(&self) -> MutexGuard<'_, MailboxState> {
        // Nothing in here can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
