//! Archives in the directory: what an author says is kept of its broadcasts.

use std::time::Instant;

use stream_model::{ArchiveManifest, BroadcastId, DirectoryChange, MessageKey};

use super::{Ignored, Index};
use crate::feed::Message;

/// Archives remembered of one broadcast: three weeks of hours, with their days and the whole.
pub const MAX_ARCHIVES_PER_BROADCAST: usize = 512;
/// Archives remembered in all, about 200 bytes each: 4 MB.
pub const MAX_ARCHIVES: usize = 20_000;

/// An archive, and the message that announced it.
#[derive(Debug)]
pub(super) struct Archived {
    pub(super) key: MessageKey,
    pub(super) archive: ArchiveManifest,
}

impl Index {
    /// Of one kind and beginning the longest counts: a publisher whose backup was restored may have cut it short.
    pub(super) fn handle_archive(
        &mut self,
        message: &Message,
        archive: ArchiveManifest,
        now: Instant,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        let id = archive.broadcast;
        let broadcast = self.broadcasts.get_mut(&id).ok_or(Ignored::UnknownBroadcast)?;
        if broadcast.author != message.author {
            return Err(Ignored::NotAllowed);
        }
        let after_end = broadcast.end.is_some_and(|end| archive.last_media_sequence >= end.media_sequence);
        if after_end {
            return Err(Ignored::OutOfRange);
        }
        let known = (archive.kind, archive.first_media_sequence);
        if let Some(before) = broadcast.archives.get(&known).map(|known| &known.archive)
            && before.last_media_sequence >= archive.last_media_sequence
        {
            return Err(if *before == archive { Ignored::Repeated } else { Ignored::Conflicting });
        }
        broadcast.hear(now);
        let archived = Archived { key: message.key, archive };
        self.archives += usize::from(broadcast.archives.insert(known, archived).is_none());
        self.forget_archives(id);
        Ok(vec![DirectoryChange::Broadcast(id)])
    }

    /// The archives of a broadcast, by kind, then in order.
    pub fn archives(&self, id: &BroadcastId) -> Vec<ArchiveManifest> {
        let known = self.broadcasts.get(id).into_iter().flat_map(|broadcast| broadcast.archives.values());
        known.map(|known| known.archive.clone()).collect()
    }

    /// Keeps the archives of `id`, and all of them, within their bounds. The oldest hours of the broadcast with the most go.
    fn forget_archives(&mut self, id: BroadcastId) {
        if let Some(broadcast) = self.broadcasts.get_mut(&id)
            && broadcast.archives.len() > MAX_ARCHIVES_PER_BROADCAST
        {
            broadcast.archives.pop_first();
            self.archives -= 1;
        }
        if self.archives > MAX_ARCHIVES {
            let largest = self.broadcasts.values_mut().max_by_key(|broadcast| broadcast.archives.len());
            if largest.and_then(|broadcast| broadcast.archives.pop_first()).is_some() {
                self.archives -= 1;
            }
        }
    }
}
