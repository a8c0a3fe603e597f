//! Mesh neighbours, and the embedded IPFS node: store, exchange, fetch, quota.

pub mod community;
mod fetch;
mod storage;
mod unixfs;
