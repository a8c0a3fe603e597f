//! Content that is added here, as files and directories, and claims that are dropped.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use stream_model::{BroadcastId, Claim, ContentStore, DirectoryEntry, Retention, StoreError, StoredContent};

use super::index::{self, Evicted, Origin, Record};
use super::ledger::Totals;
use super::room::Need;
use super::{InUse, Storage, retention};
use crate::unixfs::{self, Child};

/// Claims released in one transaction: some milliseconds of the database's time.
const RELEASED_AT_ONCE: u32 = 256;

/// Who needs room for what is claimed so.
fn need(claim: &Claim) -> Need {
    match claim {
        Claim::LiveManifest(..)
        | Claim::LivePlaylist(..)
        | Claim::Archive(..)
        | Claim::ArchivePlaylist(..)
        | Claim::RunningHour(..) => Need::Manifest,
        Claim::Segment(..)
        | Claim::Init(..)
        | Claim::Gateway(_)
        | Claim::Carried(_)
        | Claim::Release(_)
        | Claim::Draft(_) => Need::Own,
    }
}

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
        let look_up = move |connection: &rusqlite::Connection| {
            let child = |entry: DirectoryEntry| match index::child(connection, &entry.cid)? {
                Some(child) => Ok((entry.name, child)),
                None => Err(StoreError::NotFound(entry.cid)),
            };
            entries.into_iter().map(child).collect::<Result<Vec<_>, _>>()
        };
        let children = self.shared.readers.ask(look_up).await?;
        let (node, block) = unixfs::directory_node(children).map_err(encode_failure)?;
        self.add_whole(vec![(node, block, cids)], claim).await
    }

    async fn release(&self, claim: Claim) -> Result<(), StoreError> {
        if need(&claim) == Need::Manifest {
            return self.release_lazily(claim.to_string()).await;
        }
        let claim = claim.to_string();
        self.release_by(move |connection, limit| index::release_some(connection, &claim, limit)).await
    }

    async fn release_broadcast(&self, broadcast: BroadcastId) -> Result<(), StoreError> {
        let slug = broadcast.slug();
        self.release_by(move |connection, limit| index::release_broadcast(connection, &slug, limit)).await
    }

    async fn retain(&self, broadcast: BroadcastId, retention: Retention) -> Result<(), StoreError> {
        let slug = broadcast.slug();
        self.shared.database.call(move |connection| retention::retain(connection, &slug, retention)).await
    }

    async fn overrule(&self, broadcast: BroadcastId, retention: Option<Retention>) -> Result<(), StoreError> {
        let slug = broadcast.slug();
        self.shared.database.call(move |connection| retention::overrule(connection, &slug, retention)).await
    }

    async fn holds(&self, root: &Cid) -> bool {
        self.is_held(root).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tell what is held");
            false
        })
    }
}

impl Storage {
    /// Drops claims until none is left and removes what nothing keeps any more. In several transactions, so that others
    /// get their turn in between.
    pub(super) async fn release_by(
        &self,
        drop_some: impl Fn(&mut rusqlite::Connection, u32) -> Result<Evicted, StoreError> + Send + Sync + 'static,
    ) -> Result<(), StoreError> {
        let drop_some = Arc::new(drop_some);
        loop {
            let (shared, drop_some) = (self.shared.clone(), drop_some.clone());
            let release = move |connection: &mut rusqlite::Connection| {
                let released = drop_some(connection, RELEASED_AT_ONCE)?;
                shared.changed(connection, released.removed)?;
                Ok(released.claims)
            };
            let released = self.shared.database.call(release).await?;
            self.remove_doomed().await;
            if released < RELEASED_AT_ONCE as usize {
                return Ok(());
            }
        }
    }

    /// Drops the claim on a manifest, which has a root or two, without a sync: some are dropped with each segment, and where
    /// a power cut brings one back, it costs some kilobytes. The next commit makes it durable, and then its blocks go.
    async fn release_lazily(&self, claim: String) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let release = move |connection: &mut rusqlite::Connection| {
            let released = index::release_some(connection, &claim, RELEASED_AT_ONCE)?;
            shared.changed_lazily(connection, released.removed)
        };
        self.shared.database.call_lazily(release).await
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
        let in_use = self.put_own(blocks, need(&claim), in_use).await?;
        let record =
            |(node, block, children): (Child, Bytes, Vec<Cid>)| Record { node, size: block.len() as u64, children };
        let records: Vec<_> = nodes.into_iter().map(record).collect();
        let cids: Vec<_> = records.iter().map(|record| record.node.cid).collect();
        let committed = self.commit(records, root.cid, claim, Origin::Own, in_use).await;
        if committed.is_err() {
            self.shared.ledger().abandon(&cids);
        }
        committed?;
        Ok(StoredContent { cid: root.cid, bytes: root.content_bytes })
    }

    /// Puts blocks of our own that are not on disk yet.
    async fn put_own(&self, mut blocks: Vec<(Cid, Bytes)>, need: Need, in_use: InUse) -> Result<InUse, StoreError> {
        let held = self.shared.held_among(blocks.iter().map(|(cid, _)| *cid).collect()).await?;
        {
            let ledger = self.shared.ledger();
            let mut put = HashSet::new();
            blocks.retain(|(cid, _)| !held.contains(cid) && !ledger.is_partial(cid) && put.insert(*cid));
        }
        if blocks.is_empty() {
            return Ok(in_use);
        }
        let size = |(_, block): &(Cid, Bytes)| block.len() as u64;
        let room = Totals { bytes: blocks.iter().map(size).sum(), blocks: blocks.len() as u64 };
        let room = self.make_room(room, need).await?;
        self.put_partial(blocks, room, in_use).await
    }
}
