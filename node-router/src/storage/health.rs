//! Whether the store takes what it is given, as its owner is to know it: said when it changes, not each time.

use metrics::{counter, gauge};
use stream_model::{StorageFull, StoreError};

/// What went wrong last, until something goes right.
#[derive(Debug, Default)]
pub(super) struct Health {
    full: Option<StorageFull>,
    failure: Option<String>,
}

impl Health {
    pub(super) fn full(&self) -> Option<StorageFull> {
        self.full
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Something was refused for want of room.
    pub(super) fn refused(&mut self, full: StorageFull) {
        if self.full.replace(full) != Some(full) {
            tracing::warn!(reason = full.as_str(), "the store is full: what nothing may go for is refused");
        }
    }

    pub(super) fn found_room(&mut self) {
        if self.full.take().is_some() {
            tracing::info!("the store has room again");
        }
    }

    /// Something was written, or failed to be.
    pub(super) fn wrote<T>(&mut self, result: &Result<T, StoreError>) {
        match result {
            Ok(_) => {
                if self.failure.take().is_some() {
                    gauge!("meshstream_store_failing").set(0.0);
                    tracing::info!("the store can be written again");
                }
            }
            Err(StoreError::Failed(error)) => {
                counter!("meshstream_store_failures_total").increment(1);
                if self.failure.replace(error.clone()).is_none() {
                    gauge!("meshstream_store_failing").set(1.0);
                    tracing::error!(error, "the store cannot be written: it is tried again with all that comes");
                }
            }
            Err(_) => {}
        }
    }
}
