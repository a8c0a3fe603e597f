//! What nodes say of broadcasts that are over, what is replicated for it, and messages that are carried by hand.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod carrying;
mod network;
mod node;
mod saying;
#[path = "../ssb_validate/mod.rs"]
mod ssb_validate;
