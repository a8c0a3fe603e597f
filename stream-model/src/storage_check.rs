//! The port to a check of all that is stored (implemented by `node-router`).

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

/// What is done about what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageRepair {
    /// It is told.
    Tell,
    /// Counts are corrected and strays removed. Blocks that are damaged or missing stay as they are, since nobody can be asked
    /// for them.
    Alone,
    /// Blocks that are damaged or missing are asked of peers, too. Where no peer has one, what it is part of is no longer
    /// held: all else of it stays, and it can be fetched again later.
    FromPeers,
}

/// What is wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageFaultKind {
    /// The bytes on disk are not those of the block.
    Damaged,
    /// It is not on disk.
    Missing,
    /// Its counts, sizes or links in the index are wrong.
    Index,
    /// It is on disk and nothing needs it.
    Stray,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageFault {
    /// The block's CID.
    pub cid: String,
    /// What is wrong with it.
    pub kind: StorageFaultKind,
    /// Details, for people.
    pub detail: String,
    /// Whether all is well again.
    pub repaired: bool,
    /// What the block is part of, by the names of claims, such as `SLUG/segment/7`; not all where there are very many.
    pub kept_for: Vec<String>,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StorageCheckProgress {
    /// Blocks that were looked at.
    pub blocks: u64,
    /// Blocks in the index at the start.
    pub total_blocks: u64,
    /// Bytes of the blocks that were looked at.
    pub bytes: u64,
}

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageCheckEvent {
    /// It goes on.
    Progress(StorageCheckProgress),
    /// Something is wrong.
    Fault(StorageFault),
    /// It has looked at everything.
    Done(StorageCheckProgress),
    /// It cannot go on.
    Failed(String),
}

/// Checks every block on disk and all of the index.
pub trait StorageChecker: Send + Sync {
    /// Checks while everything else goes on, with half of the disk's time at most. The last event is `Done` or `Failed`; dropping the
    /// stream ends the check, not what it is in the middle of repairing.
    fn check(&self, repair: StorageRepair) -> BoxStream<'static, StorageCheckEvent>;
}
