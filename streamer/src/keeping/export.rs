//! What is held of a broadcast as a CAR file.
//!
//! The root is the manifest of the whole (docs/protocol/manifests.md) with two entries more: `messages`, the signed messages that
//! vouch for it, and `broadcast.json`, which says what broadcast it is. So any IPFS program plays it, and a node can check it.

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use stream_model::{
    BroadcastId, CarExport, CarVersion, Claim, DirectoryEntry, KeeperError, Listing, MediaSegment, Node, StoredContent,
};

use super::{Inner, failed};
use crate::archive::make_archives;
use crate::playback::Reading;

/// The directory with the signed messages: files of lines, in the order of their names, to be read one after the other.
pub(super) const MESSAGES: &str = "messages";
/// The file that says which broadcast it is.
pub(super) const ABOUT: &str = "broadcast.json";
/// Bytes of a file of messages, but for what its last piece has more: what is kept in memory.
const MESSAGES_FILE: usize = 1 << 20;
/// Files of messages: 4 GiB.
const MESSAGES_FILES: usize = 4_096;

/// Content of `broadcast.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    /// Which broadcast it is.
    pub(super) broadcast: BroadcastId,
    /// For people; untrusted.
    pub(super) title: String,
}

/// Begins to write it.
pub(super) async fn export(
    inner: &Inner,
    broadcast: BroadcastId,
    version: CarVersion,
) -> Result<CarExport, KeeperError> {
    let listing = inner.listing(broadcast)?;
    if !listing.own {
        inner.keepable(broadcast)?;
    }
    let known = inner.playback.known(&listing, Reading::Held).await.map_err(failed)?;
    let held = inner.playback.held_of(known.segments).await;
    if held.is_empty() {
        return Err(KeeperError::NothingHeld(broadcast));
    }
    let _alone = inner.drafting.lock().await;
    let draft = Claim::Draft(broadcast);
    let exported = async {
        let root = put_together(inner, &listing, &held, draft).await?;
        // Holds it until the file is read.
        Ok(inner.ports.carrier.export(root.cid, version).await?)
    };
    let exported = exported.await;
    inner.ports.store.release(draft).await?;
    exported
}

async fn put_together(
    inner: &Inner,
    listing: &Listing,
    held: &[MediaSegment],
    draft: Claim,
) -> Result<StoredContent, KeeperError> {
    let (id, store) = (listing.id, &*inner.ports.store);
    let archives = make_archives(store, id, listing.target_duration, held, draft).await?;
    let whole = archives.last().ok_or(KeeperError::NothingHeld(id))?;
    let Node::Directory(mut entries) = inner.ports.reader.stat(&whole.manifest).await? else {
        return Err(KeeperError::Failed("the manifest is not a directory".to_owned()));
    };
    let messages = store_messages(inner, id, draft).await?;
    entries.push(DirectoryEntry { name: MESSAGES.to_owned(), cid: messages.cid });
    let about = About { broadcast: id, title: listing.title.clone() };
    let about = serde_json::to_vec(&about).map_err(failed)?;
    let about = store.add_file(vec![about.into()], draft).await?;
    entries.push(DirectoryEntry { name: ABOUT.to_owned(), cid: about.cid });
    Ok(store.add_directory(entries, draft).await?)
}

async fn store_messages(inner: &Inner, id: BroadcastId, draft: Claim) -> Result<StoredContent, KeeperError> {
    let store = &inner.ports.store;
    let mut pieces = inner.ports.messages.export_messages(id).await?;
    let (mut files, mut gathered) = (Vec::new(), BytesMut::new());
    loop {
        let piece = pieces.next().await.transpose()?;
        let is_last = piece.is_none();
        gathered.extend(piece);
        if gathered.len() >= MESSAGES_FILE || (is_last && !gathered.is_empty()) {
            if files.len() >= MESSAGES_FILES {
                return Err(KeeperError::Failed(
                    "the messages that vouch for it are too many to be carried".to_owned(),
                ));
            }
            let file: Bytes = gathered.split().freeze();
            let stored = store.add_file(vec![file], draft).await?;
            files.push(DirectoryEntry { name: format!("{:05}.jsonl", files.len()), cid: stored.cid });
        }
        if is_last {
            return Ok(store.add_directory(files, draft).await?);
        }
    }
}
