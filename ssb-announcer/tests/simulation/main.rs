//! Networks of nodes, simulated: the state machines of replication and their encoding of notes, with a deterministic
//! scheduler in place of sockets and clocks. The same seed gives the same run; a failure prints its seed, and [`seeds`]
//! tells how to run it again.
//!
//! [`network`] carries packets between nodes in order but late, over links that come and go; [`log`] is what a node
//! stores, a chain in memory or the real store; [`liar`] is a node that keeps to nothing. [`churn`] runs thirty nodes,
//! [`interleaving`] two or three in any order, [`byzantine`] some among liars.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, in its helpers too")]

mod byzantine;
mod churn;
mod interleaving;
mod liar;
mod log;
mod network;
mod seeds;
