//! RTMP ingest through its socket: real encoders, keys, and hostile clients.

#![allow(clippy::unwrap_used, reason = "a test that fails here should say where")]

mod corpus;
mod encoders;
mod hostile;
mod limits;
mod node;
mod refusals;
mod take_over;
