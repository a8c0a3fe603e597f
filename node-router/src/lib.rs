//! Mesh neighbours, and the embedded IPFS node: store, exchange, fetch, quota.

mod storage;
mod unixfs;
