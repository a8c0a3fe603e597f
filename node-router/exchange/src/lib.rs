//! Bitswap 1.2 as a libp2p behaviour: fetches blocks by CID from peers, and serves the blocks that are held here.
//!
//! [`Exchange::new`] gives a handle and a [`Behaviour`] for a swarm. Blocks are asked for through a [`Session`], and come
//! back verified; where they are kept is the caller's business. What is served comes out of a [`BlockSource`].
//!
//! Protocol: <https://specs.ipfs.tech/bitswap-protocol/>, and `docs/protocol/exchange.md` for what is chosen where the
//! specification leaves a choice. The decisions live in state machines without time, sockets or tasks: `engine` for what
//! is wanted here, `ledger` for what a peer wants, `pace` for who is served when the upload is limited; `handler` and `behaviour` are the shells around them.

mod behaviour;
mod engine;
mod exchange;
mod handler;
mod inbound;
mod lane;
mod ledger;
mod pace;
mod protocol;
mod traffic;
mod wire;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;

pub use behaviour::Behaviour;
pub use exchange::{Asked, Block, Exchange, ExchangeClosed, Held, Session};
pub use libp2p_identity::PeerId;
pub use pace::UploadLimits;
pub use traffic::Exchanged;

/// The blocks that are held here and served to peers.
#[async_trait]
pub trait BlockSource: Send + Sync + 'static {
    /// Whether the block may be served. Asked for every want of every peer: answers within microseconds.
    fn contains(&self, cid: &Cid) -> bool;

    /// The block; `None` where it is not there (any more) or cannot be read.
    async fn get(&self, cid: &Cid) -> Option<Bytes>;
}
