//! A broadcast out of a CAR file that another node wrote.
//!
//! The content comes first and is kept as what the owner carried; then the messages, each of which stands for itself; then
//! everything is checked against them. What no message of the author vouches for is refused, and the content is released.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use stream_model::{
    ArchiveImported, ArchiveKind, ArchiveManifest, BroadcastId, CarBytes, CarImported, CarProgress, CarriedMessages,
    Cid, Claim, DirectoryEntry, KeeperError, Listing, MediaSegment, Node, StoreError,
};

use super::export::{ABOUT, About, MESSAGES};
use super::{Inner, failed};
use crate::archive::make_archives;
use crate::manifest::{INDEX, read_hour, read_nested};
use crate::playback::{INDEX_BYTES, MOST_SEGMENTS, Reading};

/// Bytes of `broadcast.json`.
const ABOUT_BYTES: u64 = 4 << 10;

/// Reads the file, checks what it brings, and keeps it.
pub(super) async fn import(
    inner: &Inner,
    file: CarBytes<'_>,
    progress: &(dyn Fn(CarProgress) + Send + Sync),
) -> Result<ArchiveImported, KeeperError> {
    let CarImported { roots, progress } = inner.ports.carrier.import(file, &Claim::Carried, progress).await?;
    let kept = match roots.as_slice() {
        [root] => keep(inner, root.cid).await,
        _ => Err(refused("it has more than one root: 'meshstream content import' takes it as it is")),
    };
    // What is kept has claims of its own by now.
    for root in &roots {
        inner.ports.store.release(Claim::Carried(root.cid)).await?;
    }
    let (listing, segments, messages) = kept?;
    inner.adopt(listing.id, true).await?;
    tracing::info!(name: "broadcast.imported", broadcast = %listing.id, segments, "broadcast.imported");
    Ok(ArchiveImported { broadcast: listing.id, title: listing.title, segments, messages, progress })
}

fn refused(reason: impl Into<String>) -> KeeperError {
    KeeperError::Refused(reason.into())
}

async fn keep(inner: &Inner, root: Cid) -> Result<(Listing, u64, CarriedMessages), KeeperError> {
    let entries = entries_of(inner, &root).await?;
    let about: About = serde_json::from_slice(&read(inner, &file(&entries, ABOUT)?, ABOUT_BYTES).await?)
        .map_err(|error| refused(format!("{ABOUT} is not understood: {error}")))?;
    let id = about.broadcast;
    let messages = entries_of(inner, &file(&entries, MESSAGES)?).await?;
    let messages = inner.ports.messages.import_messages(id, lines(inner, messages)).await?;
    let listing = inner.listing(id).map_err(|_| refused("its messages announce no broadcast"))?;
    if listing.own {
        return Err(KeeperError::Own(id));
    }
    inner.keepable(id)?;
    let carried = vouched(inner, &listing, &entries).await?;
    let count = claim(inner, &listing, &carried).await?;
    Ok((listing, count, messages))
}

/// The messages, one file after the other.
fn lines(inner: &Inner, files: Vec<DirectoryEntry>) -> BoxStream<'_, Result<Bytes, StoreError>> {
    let read = move |entry: DirectoryEntry| async move { inner.ports.reader.read(&entry.cid, 0..u64::MAX).await };
    stream::iter(files).then(read).try_flatten().boxed()
}

/// The segments that the directory lists, each of which an archive of the author lists, or a message of it announced.
async fn vouched(
    inner: &Inner,
    listing: &Listing,
    entries: &[DirectoryEntry],
) -> Result<Vec<MediaSegment>, KeeperError> {
    let archives = inner.ports.directory.archives(&listing.id);
    let hours: BTreeSet<Cid> =
        archives.iter().filter(|one| one.kind == ArchiveKind::Hour).map(|one| one.manifest).collect();
    let mut all = Vec::new();
    for (_, manifest) in read_nested(entries) {
        let entries = entries_of(inner, &manifest).await?;
        let index = read(inner, &file(&entries, INDEX)?, INDEX_BYTES).await?;
        let index = std::str::from_utf8(&index).map_err(|_| refused("a playlist is no text"))?;
        let segments = read_hour(index, &entries).map_err(|error| refused(format!("an hour of it: {error}")))?;
        if hours.contains(&manifest) {
            inner.catalog.note_hour(listing.id, manifest, segments.clone()).await.map_err(failed)?;
        } else {
            check_announced(inner, listing.id, &segments)?;
        }
        all.extend(segments);
        if all.len() > MOST_SEGMENTS {
            return Err(refused("it has more segments than a broadcast may have"));
        }
    }
    if all.is_empty() {
        return Err(refused("it has no segments"));
    }
    Ok(all)
}

/// Whether each of these was announced by its author one by one.
fn check_announced(inner: &Inner, id: BroadcastId, segments: &[MediaSegment]) -> Result<(), KeeperError> {
    for segment in segments {
        let announced = inner.ports.directory.segments(&id, segment.media_sequence, 1);
        let same = |one: &MediaSegment| {
            (one.media_sequence, one.segment, one.init) == (segment.media_sequence, segment.segment, segment.init)
        };
        if !announced.iter().any(same) {
            let number = segment.media_sequence;
            return Err(refused(format!("no message of its publisher vouches for segment {number}")));
        }
    }
    Ok(())
}

/// Claims what was carried as what it is; asks nobody. Returns how many segments of the broadcast are here then.
async fn claim(inner: &Inner, listing: &Listing, carried: &[MediaSegment]) -> Result<u64, KeeperError> {
    let id = listing.id;
    let known = inner.playback.known(listing, Reading::Held).await.map_err(failed)?;
    let held = inner.playback.held_of(known.segments).await;
    let is_held: BTreeSet<Cid> = held.iter().map(|segment| segment.segment).collect();
    if let Some(segment) = carried.iter().find(|segment| !is_held.contains(&segment.segment)) {
        return Err(refused(format!("segment {} of it is not the one that was announced", segment.media_sequence)));
    }
    let _alone = inner.drafting.lock().await;
    let draft = Claim::Draft(id);
    let claimed = async {
        let made = make_archives(&*inner.ports.store, id, listing.target_duration, &held, draft).await?;
        let announced = inner.ports.directory.archives(&id);
        let is_made = |archive: &&ArchiveManifest| made.iter().any(|one| one.manifest == archive.manifest);
        let archives: Vec<_> = announced.iter().filter(is_made).collect();
        for archive in &archives {
            inner.playback.keep_archive(listing, archive).await.map_err(failed)?;
        }
        // What an archive has needs no claim of its own.
        for segment in &held {
            if !archives.iter().any(|archive| archive.covers(segment.media_sequence)) {
                inner.playback.keep_segment(listing, segment).await.map_err(failed)?;
            }
        }
        inner.playback.note_kept(id, &held).await.map_err(failed)
    };
    let claimed = claimed.await;
    inner.ports.store.release(draft).await?;
    claimed.map(|()| held.len() as u64)
}

async fn entries_of(inner: &Inner, cid: &Cid) -> Result<Vec<DirectoryEntry>, KeeperError> {
    match inner.ports.reader.stat(cid).await {
        Ok(Node::Directory(entries)) => Ok(entries),
        Ok(Node::File(_)) | Err(StoreError::WrongKind(..)) => Err(refused(NO_ARCHIVE)),
        Err(error) => Err(error.into()),
    }
}

fn file(entries: &[DirectoryEntry], name: &str) -> Result<Cid, KeeperError> {
    entries.iter().find(|entry| entry.name == name).map(|entry| entry.cid).ok_or_else(|| refused(NO_ARCHIVE))
}

const NO_ARCHIVE: &str =
    "it was not written by 'meshstream archive export': 'meshstream content import' takes it as it is";

async fn read(inner: &Inner, cid: &Cid, most: u64) -> Result<Vec<u8>, KeeperError> {
    match inner.ports.reader.stat(cid).await? {
        Node::File(bytes) if bytes <= most => {}
        _ => return Err(refused(NO_ARCHIVE)),
    }
    let parts: Vec<Bytes> = inner.ports.reader.read(cid, 0..most).await?.try_collect().await?;
    Ok(parts.concat())
}
