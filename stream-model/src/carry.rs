//! The ports to content that travels by hand, as CAR files (<https://ipld.io/specs/transport/car/>), and to a check of what
//! is stored (implemented by `node-router`).

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{Claim, StoreError, StoredContent};

/// Which CAR format is written; both are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarVersion {
    /// A header and the blocks: what every reader understands.
    V1,
    /// CARv1 with lengths around it, and an index by which readers find blocks without reading the file through.
    V2,
}

/// A CAR file that is being written.
pub struct CarExport {
    /// Bytes that `bytes` will yield.
    pub total_bytes: u64,
    /// The file, in pieces of a block at most. The same root gives the same bytes on every node. What is exported stays in the
    /// store until this is dropped. An error is the last item: what came before is no whole file.
    pub bytes: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl std::fmt::Debug for CarExport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CarExport").field("total_bytes", &self.total_bytes).finish_non_exhaustive()
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CarProgress {
    /// Bytes of the file that were read.
    pub bytes_read: u64,
    /// Blocks that were stored.
    pub blocks_new: u64,
    /// Blocks that were here already, also from an import that was interrupted.
    pub blocks_here: u64,
}

/// What an import brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarImported {
    /// What the file's roots are, each whole and claimed; in the order of the file, at least one.
    pub roots: Vec<StoredContent>,
    /// How much was read, and how much of it was new.
    pub progress: CarProgress,
}

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarError {
    /// The file is damaged, hostile or of a kind that is not kept here. Nothing of it was kept.
    #[error("the CAR file is refused at byte {at}: {reason}")]
    Refused {
        /// Where in the file.
        at: u64,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The file ended, or its source failed, before all was here. What came is kept for a day of the node's running, and
    /// skipped by the next import of it.
    #[error(
        "the CAR file is not whole: {0}; what it brought is kept for a day: import the whole file to go on from there"
    )]
    Incomplete(String),
    /// Another import runs.
    #[error("another import is running: wait for its end")]
    Busy,
    /// The store failed. Where there was no room, nothing of the file was kept; else it is as with [`CarError::Incomplete`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The pieces of a CAR file, of any size.
pub type CarBytes<'a> = BoxStream<'a, io::Result<Bytes>>;

/// Writes stored content as CAR files, and stores what such files carry.
#[async_trait]
pub trait ContentCarrier: Send + Sync {
    /// Begins to write the DAG below a root, depth first, each block once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where it is not held in whole.
    async fn export(&self, root: Cid, version: CarVersion) -> Result<CarExport, StoreError>;

    /// Reads a file to its end, stores its blocks, each verified, and claims its roots, for each root with what `claim` gives
    /// ([`Claim::Carried`] where nothing better is known yet). Blocks that the file lacks must be here already; blocks that its
    /// roots do not reach are not kept. Within the quota and the reserve. One at a time. `progress` is told after each block
    /// or so. May be cancelled: as where the file ends too soon.
    async fn import(
        &self,
        file: CarBytes<'_>,
        claim: &(dyn Fn(Cid) -> Claim + Send + Sync),
        progress: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<CarImported, CarError>;
}
