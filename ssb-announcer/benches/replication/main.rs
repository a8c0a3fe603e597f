//! What replication costs, beside JavaScript in the same run: validating and appending (npm `ssb-validate2`), a backlog
//! from and to a real peer (npm `ssb-db2`), the delay of a message over three hops, and bytes on the wire.
//!
//! Prints a table; `cargo bench -p ssb-announcer --bench replication -- hops wire` takes some of the parts. The npm
//! packages are installed by `make bench`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures or ends")]

mod backlog;
mod hops;
mod validation;
mod wire;

#[path = "../../tests/net/js_peer.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod js_peer;
#[path = "../../tests/net/node.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod node;

use std::time::Duration;

#[tokio::main]
async fn main() {
    // `cargo bench` passes flags for Criterion's benchmarks, which do not concern this one.
    let named: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_on = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    if is_on("validation") {
        validation::run().await;
    }
    if is_on("backlog") {
        backlog::run().await;
    }
    if is_on("hops") {
        hops::run().await;
    }
    if is_on("wire") {
        wire::run().await;
    }
}

fn row(what: &str, figure: &str) {
    println!("{what:<90} {figure}");
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn per_second(messages: usize, time: Duration) -> f64 {
    messages as f64 / time.as_secs_f64()
}
