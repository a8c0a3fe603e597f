//! What the storage needs of a block store: the smallest part of an IPFS repository.

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::stream::BoxStream;

/// The block store failed; the text says how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BlockError(pub(crate) String);

/// Blocks on disk. No call is cancelled half way.
#[async_trait]
pub(crate) trait Blocks: Send + Sync + 'static {
    /// Stores blocks whose hashes were checked. After a failure some of them may be stored. Peers that wait for one learn
    /// of it.
    async fn put(&self, blocks: Vec<(Cid, Bytes)>) -> Result<(), BlockError>;

    /// Makes durable all that was put before. After a failure any of that may be lost, also where the next sync succeeds.
    async fn sync(&self) -> Result<(), BlockError>;

    /// A block, if it is there. Its hash is checked: a block that was damaged on disk is an error.
    async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, BlockError>;

    /// Removes a block; one that is not there is no error.
    async fn remove(&self, cid: &Cid) -> Result<(), BlockError>;

    /// All blocks, some hundreds at a time.
    fn list(&self) -> BoxStream<'static, Result<Vec<Cid>, BlockError>>;
}
