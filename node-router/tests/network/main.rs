//! The embedded IPFS node on loopback: between two of ours, and with a real Kubo. One binary, because each that links a
//! swarm takes long.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod exchange;
mod kubo;

use std::time::Duration;

/// Guards against hanging; nothing is measured against it.
const GUARD: Duration = Duration::from_secs(120);

async fn guarded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, future).await.expect("does not hang")
}
