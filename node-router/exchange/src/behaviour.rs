//! The libp2p behaviour: takes commands and connections to the engine, and the engine's outputs to handlers and waiters.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use cid::Cid;
use futures::FutureExt;
use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_identity::PeerId;
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished, FromSwarm};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, NetworkBehaviour, NotifyHandler, THandlerInEvent, ToSwarm,
};
use tokio::sync::{broadcast, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::UploadLimits;
use crate::engine::{Engine, Event, Output, SessionId};
use crate::exchange::{Block, Command, Held, Mailbox};
use crate::handler::{Handler, Shared};
use crate::pace::Pace;
use crate::protocol::{HandlerEvent, Instruction, Wantlist};

/// Part of a swarm; works for the [`Exchange`](crate::Exchange) that it was made with. It gives no events.
#[derive(Debug)]
pub struct Behaviour {
    shared: Shared,
    mailbox: Arc<Mailbox>,
    engine: Engine,
    /// Connections that can be used, by peer; the first one carries our wants.
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    waiters: HashMap<Cid, Vec<Waiter>>,
    strays: broadcast::Sender<Block>,
    /// Who may send blocks; without limits nobody asks.
    pace: Pace,
    held: Held,
    actions: VecDeque<ToSwarm<Infallible, Instruction>>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Waiter {
    session: SessionId,
    ticket: u64,
    reply: oneshot::Sender<Block>,
}

impl Drop for Behaviour {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl Behaviour {
    pub(crate) fn new(
        shared: Shared,
        limits: UploadLimits,
        mailbox: Arc<Mailbox>,
        strays: broadcast::Sender<Block>,
    ) -> Self {
        Self {
            pace: Pace::new(limits, Instant::now().into_std()),
            shared,
            mailbox,
            engine: Engine::default(),
            connections: HashMap::new(),
            waiters: HashMap::new(),
            strays,
            held: Held::default(),
            actions: VecDeque::new(),
            timer: None,
        }
    }

    fn engine(&mut self, event: Event) {
        self.engine.handle(event, Instant::now().into_std());
    }

    fn connected(&mut self, peer: PeerId, connection: ConnectionId) {
        let connections = self.connections.entry(peer).or_default();
        connections.push(connection);
        if connections.len() == 1 {
            self.mailbox.set_connected(peer, true);
            self.shared.traffic.connect(peer);
            self.engine(Event::PeerUp(peer));
        }
    }

    /// The connection is gone or of no use.
    fn disconnected(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(connections) = self.connections.get_mut(&peer) else { return };
        let first = connections.first() == Some(&connection);
        connections.retain(|other| *other != connection);
        if connections.is_empty() {
            self.connections.remove(&peer);
            self.mailbox.set_connected(peer, false);
            self.shared.traffic.disconnect(&peer);
            self.engine(Event::PeerDown(peer));
        } else if first {
            self.engine(Event::StreamReset(peer));
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Open { session, providers } => self.engine(Event::SessionOpened { session, providers }),
            Command::Close(session) => self.engine(Event::SessionClosed(session)),
            Command::Want { session, cid, ticket, reply } => {
                self.waiters.entry(cid).or_default().push(Waiter { session, ticket, reply });
                self.engine(Event::Want { session, cid });
            }
            Command::Unwant { session, cid, ticket } => self.unwant(session, cid, ticket),
            Command::Limit(limits) => self.pace.limit(limits, Instant::now().into_std()),
        }
    }

    fn unwant(&mut self, session: SessionId, cid: Cid, ticket: u64) {
        // Done already: every want is taken back at its end.
        let Some(waiters) = self.waiters.get_mut(&cid) else { return };
        waiters.retain(|waiter| waiter.ticket != ticket);
        let others = waiters.iter().any(|waiter| waiter.session == session);
        if waiters.is_empty() {
            self.waiters.remove(&cid);
        }
        if !others {
            self.engine(Event::Unwant { session, cid });
        }
    }

    /// Lets connections send blocks, as far as the limits allow now.
    fn give_turns(&mut self) {
        while let Some(turn) = self.pace.next_turn(Instant::now().into_std()) {
            let waited = u64::try_from(turn.waited.as_millis()).unwrap_or(u64::MAX);
            if waited > 0 {
                metrics::counter!("meshstream_exchange_held_back_total").increment(1);
                metrics::counter!("meshstream_exchange_held_back_milliseconds_total").increment(waited);
            }
            self.actions.push_back(ToSwarm::NotifyHandler {
                peer_id: turn.peer,
                handler: NotifyHandler::One(turn.connection),
                event: Instruction::Send,
            });
        }
    }

    /// Shows what is held, where that has changed.
    fn show_held(&mut self) {
        let (sessions, wants) = self.engine.held();
        let waiters = self.waiters.values().map(Vec::len).sum();
        let held = Held { sessions, wants, waiters, peer_wants: self.shared.peer_wants.load(Ordering::Relaxed) };
        if self.held != held {
            self.held = held;
            self.mailbox.set_held(held);
            metrics::gauge!("meshstream_exchange_wants").set(wants as f64);
            metrics::gauge!("meshstream_exchange_peer_wants").set(held.peer_wants as f64);
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Send { peer, full, entries } => {
                let Some(connection) = self.connections.get(&peer).and_then(|connections| connections.first()) else {
                    return;
                };
                self.actions.push_back(ToSwarm::NotifyHandler {
                    peer_id: peer,
                    handler: NotifyHandler::One(*connection),
                    event: Instruction::Ask(Wantlist { full, entries }),
                });
            }
            // Who waits for a CID waits for the same block, whatever the session.
            Output::Deliver { cid, data, from, .. } => {
                for waiter in self.waiters.remove(&cid).unwrap_or_default() {
                    // Whoever gave up in between does not need it.
                    let _ = waiter.reply.send(Block { cid, data: data.clone(), from });
                }
            }
            Output::Stray { cid, data, from } => {
                // Nobody may have use for it.
                let _ = self.strays.send(Block { cid, data, from });
            }
            Output::Disconnect(peer_id) => {
                self.actions.push_back(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::All });
            }
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(&self.shared, peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(&self.shared, peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, .. }) => {
                self.connected(peer_id, connection_id);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                self.pace.closed(connection_id);
                self.disconnected(peer_id, connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: HandlerEvent) {
        match event {
            HandlerEvent::Received(received) => {
                let bytes = received.blocks.iter().map(|(_, data)| data.len() as u64).sum();
                self.shared.traffic.receive(&peer, bytes);
                self.engine(Event::Message { peer, blocks: received.blocks, presences: received.presences });
            }
            HandlerEvent::Progress => self.engine(Event::Progress(peer)),
            HandlerEvent::Reset => {
                if self.connections.get(&peer).and_then(|connections| connections.first()) == Some(&connection) {
                    self.engine(Event::StreamReset(peer));
                }
            }
            HandlerEvent::Unsupported => self.disconnected(peer, connection),
            HandlerEvent::Closing => {
                self.pace.closed(connection);
                self.disconnected(peer, connection);
            }
            HandlerEvent::AsksToSend(bytes) => self.pace.ask(connection, peer, bytes, Instant::now().into_std()),
            HandlerEvent::Sends(bytes) => self.pace.settle(connection, bytes),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            while let Some(command) = self.mailbox.poll(context) {
                self.command(command);
            }
            self.engine.schedule(Instant::now().into_std());
            while let Some(output) = self.engine.poll_output() {
                self.output(output);
            }
            self.give_turns();
            self.show_held();
            if !self.actions.is_empty() {
                continue;
            }
            let timeout = self.engine.next_timeout().into_iter().chain(self.pace.next_timeout()).min();
            self.timer = timeout.map(|at| Box::pin(sleep_until(at.into())));
            match self.timer.as_mut().map(|timer| timer.poll_unpin(context)) {
                Some(Poll::Ready(())) => {}
                Some(Poll::Pending) | None => return Poll::Pending,
            }
        }
    }
}
