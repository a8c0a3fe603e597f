//! Which feeds nodes replicate: through neighbours who want nothing themselves, along the follow graph, until they are
//! over, blocked or left.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod announced;
mod chain;
mod dropping;
mod following;
mod quotas;
