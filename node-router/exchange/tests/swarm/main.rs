//! The exchange within real swarms, over libp2p's memory transport.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod exchange;
mod hostile;
mod progress;
mod support;
mod upload;
