//! Secure Scuttlebutt for Meshstream: this node's identity, the feeds it writes and replicates, and the
//! announcements in them.
//!
//! Outside, it is an [`stream_model::AnnouncementLog`] to write announcements, a [`stream_model::Directory`] of
//! what others announced, and a [`stream_model::PeerBook`] that takes peers to connect to. It has never heard of
//! HLS or IPFS: segments and manifests are CIDs to it.

pub mod announcement;
pub mod feed;
pub mod gossip;
pub mod handshake;
pub mod identity;
pub mod muxrpc;
pub mod replication;
