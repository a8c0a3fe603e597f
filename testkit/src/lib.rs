//! Fakes for the ports, sample media, and real processes to test against. For tests only.

pub mod encoder;
pub mod node;
pub mod fakes;
