//! Port to SSB's blobs: pictures of people, broadcasts and posts (implemented by `ssb-announcer`).

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::BlobId;

/// Why there is no blob.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// It is larger than a picture may be.
    #[error("the picture has {bytes} bytes where at most {most} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest accepted.
        most: usize,
    },
    /// Not held here, and no peer brought it in time.
    #[error("blob {0} is not here")]
    NotFound(BlobId),
    /// The disk failed.
    #[error("cannot keep blobs: {0}")]
    Failed(#[from] std::io::Error),
}

/// Keeps small files under their hashes, and gets those of others.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Keeps a blob of this node for good, and offers it to peers. Durable when it returns. Adding it again is harmless.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`], or where the disk fails.
    async fn add(&self, bytes: Bytes) -> Result<BlobId, BlobError>;

    /// A blob that is held here, verified. May be cancelled.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], or where the disk fails.
    async fn get(&self, id: &BlobId) -> Result<Bytes, BlobError>;

    /// Asks peers for a blob, those that are connected and those to come, for some time. What comes is kept while there
    /// is room. Harmless where it is held already.
    fn want(&self, id: BlobId);

    /// [`get`](Self::get), where it is not held after a [`want`](Self::want) and a wait. May be cancelled.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] after that time, or where the disk fails.
    async fn fetch(&self, id: &BlobId, within: Duration) -> Result<Bytes, BlobError>;
}
