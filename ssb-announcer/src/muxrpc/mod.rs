//! muxrpc: calls of several kinds over one connection.
//!
//! In: decrypted bytes. Out: packets, calls, and what happens on their substreams. [`packet`] is the framing,
//! [`session`] the state of the calls, [`allowance`] how many a peer may make, [`service`] what this node answers to which
//! method. All of it is pure: no socket, no clock.
//!
//! Source: Scuttlebutt Protocol Guide, "RPC protocol".

pub mod allowance;
pub mod packet;
pub mod service;
pub mod session;
