//! Whether there is room for messages of others: on the disk, and of all that strangers may bring.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

/// Text held of feeds that nobody vouches for: those of a hundred nodes of some megabytes each, and not an SD card.
pub(super) const MAX_HELD_OF_STRANGERS: u64 = 1_000_000_000;

/// A disk of which some part stays free.
#[derive(Debug, Default)]
pub(super) struct Disk {
    kept: RwLock<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    folder: PathBuf,
    free: u64,
}

impl Disk {
    /// Keeps so many bytes free of the disk that the folder is on, from now on.
    pub(super) fn keep_free(&self, folder: PathBuf, free: u64) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(Kept { folder, free });
    }

    /// Whether less than that is free. A disk that does not say how much is free is not full: writing tells.
    pub(super) fn is_full(&self) -> bool {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = kept.as_ref() else { return false };
        let free = rustix::fs::statvfs(&kept.folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        free.is_ok_and(|free| free < kept.free)
    }
}
