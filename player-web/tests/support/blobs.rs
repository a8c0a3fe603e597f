//! Pictures, here and at peers.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use multihash_codetable::{Code, MultihashDigest as _};
use stream_model::*;

use super::FakeNode;

/// The name of a blob's bytes.
pub(crate) fn blob_id(bytes: &[u8]) -> BlobId {
    BlobId(Code::Sha2_256.digest(bytes).digest().try_into().unwrap())
}

#[async_trait]
impl BlobStore for FakeNode {
    async fn add(&self, bytes: Bytes) -> Result<BlobId, BlobError> {
        let id = blob_id(&bytes);
        self.blobs.lock().unwrap().insert(id, bytes);
        Ok(id)
    }

    async fn get(&self, id: &BlobId) -> Result<Bytes, BlobError> {
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(std::io::Error::other(problem).into());
        }
        self.blobs.lock().unwrap().get(id).cloned().ok_or(BlobError::NotFound(*id))
    }

    fn want(&self, id: BlobId) {
        self.blobs_asked.lock().unwrap().push(id);
    }

    /// What no peer has is waited for until the time is over.
    async fn fetch(&self, id: &BlobId, within: Duration) -> Result<Bytes, BlobError> {
        let _fetch = self.fetching.begin();
        self.want(*id);
        let found = self.blobs_at_peers.lock().unwrap().remove(id);
        match found {
            Some(bytes) => Ok(self.blobs.lock().unwrap().entry(*id).or_insert(bytes).clone()),
            None => {
                self.fetching.give_up(within).await;
                Err(BlobError::NotFound(*id))
            }
        }
    }
}
