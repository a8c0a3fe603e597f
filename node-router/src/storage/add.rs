//! Content that is added here, as files and directories, and claims that are dropped.

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use stream_model::{BroadcastId, Claim, ContentStore, DirectoryEntry, StoreError, StoredContent};

use super::index::{self, Origin, Record};
use super::{Storage, block_failure};
use crate::unixfs::{self, Child};

fn encode_failure(error: unixfs::EncodeError) -> StoreError {
    StoreError::Failed(error.to_string())
}

#[async_trait]
impl ContentStore for Storage {
    async fn add_file(&self, parts: Vec<Bytes>, claim: Claim) -> Result<StoredContent, StoreError> {
        // Hashing some megabytes takes milliseconds; the async threads have viewers to serve.
        let encode = move || {
            let leaves: Vec<_> = unixfs::file_leaves(&parts).into_iter().map(|b| (unixfs::raw_leaf(&b), b)).collect();
            let node = match leaves.as_slice() {
                [_] => None,
                _ => Some(unixfs::file_node(&leaves.iter().map(|(leaf, _)| *leaf).collect::<Vec<_>>())?),
            };
            Ok::<_, unixfs::EncodeError>((leaves, node))
        };
        let encoded = tokio::task::spawn_blocking(encode).await;
        let (leaves, node) = encoded.map_err(|error| StoreError::Failed(error.to_string()))?.map_err(encode_failure)?;
        let leaf_cids: Vec<_> = leaves.iter().map(|(leaf, _)| leaf.cid).collect();
        let mut nodes: Vec<_> = leaves.into_iter().map(|(leaf, block)| (leaf, block, Vec::new())).collect();
        nodes.extend(node.map(|(node, block)| (node, block, leaf_cids)));
        self.add_whole(nodes, claim).await
    }

    async fn add_directory(&self, entries: Vec<DirectoryEntry>, claim: Claim) -> Result<StoredContent, StoreError> {
        let cids: Vec<_> = entries.iter().map(|entry| entry.cid).collect();
        let look_up = move |connection: &mut rusqlite::Connection| {
            let child = |entry: DirectoryEntry| match index::child(connection, &entry.cid)? {
                Some(child) => Ok((entry.name, child)),
                None => Err(StoreError::NotFound(entry.cid)),
            };
            entries.into_iter().map(child).collect::<Result<Vec<_>, _>>()
        };
        let children = self.shared.database.call(look_up).await?;
        let (node, block) = unixfs::directory_node(children).map_err(encode_failure)?;
        self.add_whole(vec![(node, block, cids)], claim).await
    }

    async fn release(&self, claim: Claim) -> Result<(), StoreError> {
        self.release_by(move |connection| index::release(connection, &claim)).await
    }

    async fn release_broadcast(&self, broadcast: BroadcastId) -> Result<(), StoreError> {
        self.release_by(move |connection| index::release_broadcast(connection, &broadcast.slug())).await
    }

    async fn holds(&self, root: &Cid) -> bool {
        self.is_held(root)
    }
}

impl Storage {
    /// Drops claims and removes what nothing keeps any more.
    async fn release_by(
        &self,
        drop_claims: impl FnOnce(&mut rusqlite::Connection) -> Result<Vec<Cid>, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let release = move |connection: &mut rusqlite::Connection| {
            let removed = drop_claims(connection)?;
            shared.ledger().drop_held(removed);
            shared.doomed.notify_one();
            Ok(())
        };
        self.shared.database.call(release).await?;
        self.remove_doomed().await;
        Ok(())
    }

    /// [`Self::add`] in a task of its own: an addition that began ends even if the caller is cancelled.
    async fn add_whole(&self, nodes: Vec<(Child, Bytes, Vec<Cid>)>, claim: Claim) -> Result<StoredContent, StoreError> {
        let storage = self.clone();
        let added = tokio::spawn(async move { storage.add(nodes, claim).await });
        added.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }

    /// Stores nodes, the last of which is the root and claimed.
    async fn add(&self, nodes: Vec<(Child, Bytes, Vec<Cid>)>, claim: Claim) -> Result<StoredContent, StoreError> {
        let Some(root) = nodes.last().map(|(root, ..)| *root) else {
            return Err(StoreError::Failed("a file has at least one leaf".into()));
        };
        let blocks: Vec<_> = nodes.iter().map(|(node, block, _)| (node.cid, block.clone())).collect();
        let mut in_use = self.rely();
        in_use.extend(&blocks.iter().map(|(cid, _)| *cid).collect::<Vec<_>>()).await;
        self.put_own(&blocks).await?;
        let record =
            |(node, block, children): (Child, Bytes, Vec<Cid>)| Record { node, size: block.len() as u64, children };
        let records = nodes.into_iter().map(record).collect();
        self.commit(records, root.cid, claim, Origin::Own, in_use).await?;
        Ok(StoredContent { cid: root.cid, bytes: root.content_bytes })
    }

    /// Puts blocks of our own that are not on disk yet; each is durable when this returns.
    async fn put_own(&self, blocks: &[(Cid, Bytes)]) -> Result<(), StoreError> {
        let missing: Vec<_> = {
            let ledger = self.shared.ledger();
            blocks.iter().filter(|(cid, _)| !ledger.is_present(cid)).cloned().collect()
        };
        self.check_disk(missing.iter().map(|(_, block)| block.len() as u64).sum())?;
        self.shared.blocks.put(missing).await.map_err(block_failure)
    }
}
