//! Mesh neighbours, and the embedded IPFS node: store, exchange, fetch, quota.

pub mod community;
mod fetch;
mod mesh;
mod storage;
mod unixfs;
