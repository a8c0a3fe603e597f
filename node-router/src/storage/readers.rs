//! Questions to the index that change nothing: on connections of their own, so that nobody who asks waits for a commit.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use stream_model::StoreError;
use tokio::sync::Semaphore;

use super::index::failed;

/// Questions at once. Each takes microseconds, or a few reads of a slow card; more would wait for the card all the same.
const READERS: usize = 4;

/// Read-only connections, made as they are needed. What was committed before a question is asked is in its answer.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Arc::default(), permits: Arc::new(Semaphore::new(READERS)) }
    }

    /// A connection of its own, for what takes seconds.
    pub(super) fn open(path: &std::path::Path) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(path, flags).map_err(failed)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Runs a short question on a thread that may wait for the disk.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = |error: &dyn std::fmt::Display| StoreError::Failed(error.to_string());
        let permit = self.permits.clone().acquire_owned().await.map_err(|error| ended(&error))?;
        let (path, idle) = (self.path.clone(), self.idle.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let before = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = before.map_or_else(|| Self::open(&path), Ok)?;
            let answer = question(&connection);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            answer
        });
        asked.await.map_err(|error| ended(&error))?
    }
}
