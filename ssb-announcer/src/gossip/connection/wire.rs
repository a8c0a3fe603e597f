//! The sending half of a connection: calls, answers and streams become sealed bytes that wait for the socket.

use bytes::{Bytes, BytesMut};
use tokio::net::tcp::OwnedWriteHalf;

use crate::handshake::box_stream::{BoxStreamError, BoxWriter};
use crate::handshake::state::BoxKey;
use crate::muxrpc::packet::{self, Encoding, Packet};
use crate::muxrpc::session::{Call, Event, Session as Rpc, SessionError, SubstreamId};

/// Sealed bytes that wait for the socket before no more is taken from the store: a few round trips' worth on a mesh
/// link of 20 Mbit/s.
const ENOUGH_TO_SEND: usize = 64 * 1024;

pub(super) struct Wire {
    rpc: Rpc,
    writer: BoxWriter<OwnedWriteHalf>,
    scratch: BytesMut,
}

impl Wire {
    pub(super) fn new(write: OwnedWriteHalf, key: BoxKey) -> Self {
        Self { rpc: Rpc::default(), writer: BoxWriter::new(write, key), scratch: BytesMut::new() }
    }

    pub(super) fn handle_packet(&mut self, packet: Packet) -> Result<Event, SessionError> {
        self.rpc.handle_packet(packet)
    }

    pub(super) fn call(&mut self, call: &Call) -> Result<SubstreamId, SessionError> {
        let (id, packet) = self.rpc.call(call)?;
        self.send(&packet);
        Ok(id)
    }

    pub(super) fn data(&mut self, id: SubstreamId, body: impl Into<Bytes>) {
        self.data_as(id, Encoding::Json, body);
    }

    pub(super) fn data_as(&mut self, id: SubstreamId, encoding: Encoding, body: impl Into<Bytes>) {
        if let Some(packet) = self.rpc.data(id, encoding, body.into()) {
            self.send(&packet);
        }
    }

    /// Ends our direction of a substream; nothing where it is ended already.
    pub(super) fn end(&mut self, id: SubstreamId, error: Option<&str>) {
        if let Some(packet) = self.rpc.end(id, error) {
            self.send(&packet);
        }
    }

    pub(super) fn send(&mut self, packet: &Packet) {
        self.scratch.clear();
        packet.encode(&mut self.scratch);
        self.writer.push(&self.scratch);
    }

    /// Whether more is to be taken from the store.
    pub(super) fn has_room(&self) -> bool {
        self.writer.buffered() < ENOUGH_TO_SEND
    }

    pub(super) fn buffered(&self) -> usize {
        self.writer.buffered()
    }

    pub(super) fn written(&self) -> u64 {
        self.writer.written()
    }

    /// Gives the socket what waits for it. May be cancelled.
    pub(super) async fn write(&mut self) -> Result<(), BoxStreamError> {
        self.writer.write().await
    }

    pub(super) async fn goodbye(mut self) -> Result<(), BoxStreamError> {
        self.scratch.clear();
        packet::encode_goodbye(&mut self.scratch);
        self.writer.push(&self.scratch);
        self.writer.close().await
    }
}
