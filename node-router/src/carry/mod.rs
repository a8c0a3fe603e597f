//! Carrying: content out of the store into CAR files, and out of such files into the store.
//!
//! Comes in: roots to export, and the bytes of files to import. Goes out: the bytes of files, and blocks and rows to the
//! storage. Never asks peers, and never keeps a block that was not verified.

mod export;
mod graph;
mod import;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use cid::Cid;
use stream_model::{
    CarBytes, CarError, CarExport, CarImported, CarProgress, CarVersion, Claim, ContentCarrier, StoreError,
};
use tokio::sync::Mutex;

use crate::storage::Storage;
use import::Import;

/// Exports and imports for its node.
#[derive(Debug)]
pub(crate) struct Carrier {
    storage: Storage,
    /// One import at a time: each may use some tens of megabytes of memory.
    importing: Mutex<()>,
}

impl Carrier {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage, importing: Mutex::new(()) }
    }
}

#[async_trait]
impl ContentCarrier for Carrier {
    async fn export(&self, root: Cid, version: CarVersion) -> Result<CarExport, StoreError> {
        export::export(&self.storage, root, version).await
    }

    async fn import(
        &self,
        file: CarBytes<'_>,
        claim: &(dyn Fn(Cid) -> Claim + Send + Sync),
        progress: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<CarImported, CarError> {
        let _alone = self.importing.try_lock().map_err(|_| CarError::Busy)?;
        let mut import = Import::new(self.storage.clone(), progress);
        let imported = match import.read(file).await {
            Ok(()) => import.finish(claim).await,
            Err(error) => Err(error),
        };
        let outcome = match &imported {
            Ok(_) => "complete",
            Err(CarError::Refused { .. }) => "refused",
            Err(_) => "failed",
        };
        metrics::counter!("meshstream_car_imports_total", "outcome" => outcome).increment(1);
        match imported {
            Err(error @ (CarError::Refused { .. } | CarError::Store(StoreError::Full(_)))) => {
                import.undo().await?;
                Err(error)
            }
            Err(error) => {
                import.keep().await?;
                Err(error)
            }
            imported => imported,
        }
    }
}
