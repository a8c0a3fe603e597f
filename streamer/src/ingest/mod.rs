//! RTMP ingest: who may publish, and what they send.
//!
//! [`session`] is the protocol without I/O. [`Listener`] is the shell around it: sockets and time. What comes in are
//! TCP connections; what goes out are [`Publication`](crate::media::Publication)s. It never waits for what is behind
//! it: media that is not taken is dropped and counted.

mod allow;
mod config;
mod connection;
mod connections;
mod listener;
mod meter;
mod publishers;
mod queue;
mod refused;
pub mod session;

pub use allow::{AddressRange, AddressRangeError};
pub use config::{Config, Limits};
pub use listener::Listener;
pub use publishers::{Publisher, Publishers};
