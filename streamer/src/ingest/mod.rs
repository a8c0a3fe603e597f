//! RTMP ingest: who may publish, and what they send.
//!
//! [`session`] is the protocol without I/O: bytes in, events and bytes out.

pub mod session;
