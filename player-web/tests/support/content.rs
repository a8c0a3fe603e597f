//! Content here and at peers.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use stream_model::*;

use super::{Entry, FakeNode};

#[async_trait]
impl ContentReader for FakeNode {
    async fn stat(&self, cid: &Cid) -> Result<Node, StoreError> {
        match self.content.lock().unwrap().get(cid) {
            Some(Entry::File(bytes)) => Ok(Node::File(bytes.len() as u64)),
            Some(Entry::Directory(entries)) => Ok(Node::Directory(entries.clone())),
            Some(Entry::Broken) => Err(StoreError::Failed("disk secret".to_owned())),
            None => Err(StoreError::NotFound(*cid)),
        }
    }

    async fn read(
        &self,
        cid: &Cid,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        match self.content.lock().unwrap().get(cid) {
            Some(Entry::File(bytes)) => {
                let bytes = bytes.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap());
                let pieces: Vec<_> = bytes.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
                Ok(stream::iter(pieces).boxed())
            }
            _ => Err(StoreError::NotFound(*cid)),
        }
    }
}

#[async_trait]
impl ContentFetcher for FakeNode {
    async fn fetch(&self, request: FetchRequest) -> Result<StoredContent, FetchError> {
        let _fetch = self.fetching.begin();
        self.fetched.lock().unwrap().push(request.root);
        let found = self.at_peers.lock().unwrap().get(&request.root).cloned();
        match found {
            Some(Entry::File(bytes)) if bytes.len() as u64 > request.max_bytes => {
                Err(FetchError::TooLarge(request.max_bytes))
            }
            Some(Entry::Broken) => Err(StoreError::Full("quota secret".to_owned()).into()),
            Some(entry) => {
                self.content.lock().unwrap().insert(request.root, entry);
                Ok(StoredContent { cid: request.root, bytes: 0 })
            }
            None => std::future::pending().await,
        }
    }

    fn progress(&self, _: &Cid) -> Option<FetchProgress> {
        None
    }
}

#[async_trait]
impl ContentLookup for FakeNode {
    async fn glance(&self, cid: &Cid) -> Result<Option<Node>, StoreError> {
        let seen = self.fetched.lock().unwrap().contains(cid);
        Ok(if seen { self.at_peers.lock().unwrap().get(cid).map(Entry::node) } else { None })
    }

    async fn look_up(&self, request: FetchRequest) -> Result<Node, FetchError> {
        let _fetch = self.fetching.begin();
        self.fetched.lock().unwrap().push(request.root);
        let found = self.at_peers.lock().unwrap().get(&request.root).map(Entry::node);
        match found {
            Some(node) => Ok(node),
            None => std::future::pending().await,
        }
    }
}
