//! The check of the whole file, beside whatever else is done with the store.

use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};

use rusqlite::InterruptHandle;
use tokio::task::spawn_blocking;
use tracing::info;

use super::{FeedStore, Inner};
use crate::feed::{StoreError, integrity, schema};

/// Stops what a connection is doing when it is dropped.
struct InterruptOnDrop(InterruptHandle);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl FeedStore {
    /// Checks all of the file where the last run did not end in order; as long as reading it takes. May be cancelled: until it
    /// was found whole, it is due at each start.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or where it cannot be read.
    pub async fn check_whole_file(&self) -> Result<(), StoreError> {
        let Some(path) = self.inner.unchecked().clone() else { return Ok(()) };
        info!("checking the whole feed database, because the last run did not end in order");
        let opened = spawn_blocking(move || schema::open(&path));
        let connection = opened.await.map_err(|_| StoreError::Cancelled)??;
        let _interrupt = InterruptOnDrop(connection.get_interrupt_handle());
        let checked = spawn_blocking(move || integrity::check_all(&connection));
        let checked = checked.await.map_err(|_| StoreError::Cancelled)?;
        if let Err(StoreError::Damaged(_)) = checked {
            let inner = self.inner.clone();
            let noted = spawn_blocking(move || integrity::note_damage(&inner.writer()));
            noted.await.map_err(|_| StoreError::Cancelled)??;
        }
        checked?;
        *self.inner.unchecked() = None;
        info!("the feed database is whole");
        Ok(())
    }
}

impl Inner {
    pub(super) fn unchecked(&self) -> MutexGuard<'_, Option<PathBuf>> {
        // Nobody panics while holding it.
        self.unchecked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
