//! Nodes over real sockets on loopback: replication between our own nodes, with a real JavaScript peer, and peers that
//! break the rules.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacker;
mod blobs;
mod blocking;
mod earlier_broadcasts;
mod histories;
mod hostile;
mod javascript;
mod js_peer;
mod lan;
mod matrix;
mod node;
mod own_feed;
mod places;
mod proxy;
mod replication;
mod strangers;
