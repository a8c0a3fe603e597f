//! What a connection's handler speaks: the protocol to the peer, and instructions and events to the behaviour.

use std::convert::Infallible;

use bytes::Bytes;
use cid::Cid;
use futures::future::{Ready, ready};
use libp2p_core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p_swarm::{Stream, StreamProtocol};

use crate::wire::{Entry, Presence};

const BITSWAP_1_2: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
const BITSWAP_1_1: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.1.0");

/// Bitswap 1.2, or 1.1 without presences: the messages are the same, unknown fields are skipped by the older.
#[derive(Debug, Clone, Copy)]
pub struct Protocol;

impl UpgradeInfo for Protocol {
    type Info = StreamProtocol;
    type InfoIter = std::array::IntoIter<StreamProtocol, 2>;

    fn protocol_info(&self) -> Self::InfoIter {
        [BITSWAP_1_2, BITSWAP_1_1].into_iter()
    }
}

impl InboundUpgrade<Stream> for Protocol {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for Protocol {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

/// Which of the two outbound streams: wants never queue behind blocks that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneId {
    /// Our wants.
    Requests,
    /// Presences and blocks for the peer.
    Responses,
}

/// From the behaviour.
#[derive(Debug)]
pub enum Instruction {
    /// Send wants.
    #[doc(hidden)]
    Ask(Wantlist),
    /// Send the blocks that wait.
    Send,
}

/// What is wanted of the peer.
#[derive(Debug)]
pub struct Wantlist {
    pub(crate) full: bool,
    pub(crate) entries: Vec<Entry>,
}

/// To the behaviour.
#[derive(Debug)]
pub enum HandlerEvent {
    /// Blocks and presences came.
    #[doc(hidden)]
    Received(Received),
    /// Bytes of a large message come.
    Progress,
    /// Wants may have been lost.
    Reset,
    /// The peer does not speak Bitswap.
    Unsupported,
    /// The connection is being closed, which takes long where much waits to be sent on a dead link.
    Closing,
    /// So many bytes of blocks are to be sent, once [`Instruction::Send`] allows it.
    AsksToSend(u64),
    /// So many bytes were sent with that.
    Sends(u64),
}

/// What a peer sent.
#[derive(Debug)]
pub struct Received {
    pub(crate) blocks: Vec<(Cid, Bytes)>,
    pub(crate) presences: Vec<(Cid, Presence)>,
}
