//! Ports to content-addressed storage and exchange (implemented by `node-router`).

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::stream::BoxStream;

use crate::{ArchiveKind, BroadcastId, MediaSequence, PeerId, Retention};

/// Why a file or a directory is kept. Content stays as long as at least one claim on it stays; claiming twice is
/// the same as claiming once, so a restart may repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim {
    /// A media segment of a broadcast.
    Segment(BroadcastId, MediaSequence),
    /// The initialization section that a segment needs.
    Init(BroadcastId, MediaSequence),
    /// The live manifest that was announced with a segment.
    LiveManifest(BroadcastId, MediaSequence),
    /// The `index.m3u8` of that live manifest, until the directory that reaches it is stored.
    LivePlaylist(BroadcastId, MediaSequence),
    /// The archive manifest that begins with a segment, and all that is below it.
    Archive(ArchiveKind, BroadcastId, MediaSequence),
    /// The `index.m3u8` of that archive manifest, until the directory that reaches it is stored, or where only that is
    /// held.
    ArchivePlaylist(ArchiveKind, BroadcastId, MediaSequence),
    /// A manifest of what there was of an hour that ran, in one of the places that the newest of a broadcast have in turn.
    RunningHour(BroadcastId, u64),
    /// A file that somebody asked the gateway for: a cache, the first to make room and emptied at a restart.
    Gateway(Cid),
    /// What the owner brought in a CAR file, below one of its roots.
    Carried(Cid),
    /// A package of a release of this program.
    Release(Cid),
    /// What is being put together over content of a broadcast that is kept anyway: manifests until they are claimed as such, files
    /// that go into an export.
    Draft(BroadcastId),
}

impl Claim {
    /// The broadcast that the claim belongs to, if any.
    pub fn broadcast(&self) -> Option<BroadcastId> {
        match self {
            Self::Segment(broadcast, _)
            | Self::Init(broadcast, _)
            | Self::LiveManifest(broadcast, _)
            | Self::LivePlaylist(broadcast, _)
            | Self::Archive(_, broadcast, _)
            | Self::ArchivePlaylist(_, broadcast, _)
            | Self::RunningHour(broadcast, _)
            | Self::Draft(broadcast) => Some(*broadcast),
            Self::Gateway(_) => None,
            Self::Carried(_) => None,
            Self::Release(_) => None,
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, broadcast, sequence) = match self {
            Self::Segment(broadcast, sequence) => ("segment", broadcast, sequence),
            Self::Init(broadcast, sequence) => ("init", broadcast, sequence),
            Self::LiveManifest(broadcast, sequence) => ("live", broadcast, sequence),
            Self::LivePlaylist(broadcast, sequence) => ("playlist", broadcast, sequence),
            Self::Archive(kind, broadcast, first) => return write!(f, "{}/archive/{kind}/{first}", broadcast.slug()),
            Self::ArchivePlaylist(kind, broadcast, first) => {
                return write!(f, "{}/archive-playlist/{kind}/{first}", broadcast.slug());
            }
            Self::RunningHour(broadcast, place) => return write!(f, "{}/running-hour/{place}", broadcast.slug()),
            Self::Gateway(cid) => return write!(f, "gateway/{cid}"),
            Self::Carried(root) => return write!(f, "carried/{root}"),
            Self::Release(root) => return write!(f, "release/{root}"),
            Self::Draft(broadcast) => return write!(f, "{}/draft", broadcast.slug()),
        };
        write!(f, "{}/{kind}/{sequence}", broadcast.slug())
    }
}

/// A file or directory in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredContent {
    /// Root of its DAG.
    pub cid: Cid,
    /// Bytes of the file, or of all the files below the directory.
    pub bytes: u64,
}

/// A named link of a directory to content that is already stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// File name, without `/`.
    pub name: String,
    /// Root of the file.
    pub cid: Cid,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Not held here (in whole).
    #[error("{0} is not in the store")]
    NotFound(Cid),
    /// Held, but not a UnixFS file or directory of the expected kind.
    #[error("{0} is not a UnixFS {1}")]
    WrongKind(Cid, &'static str),
    /// The storage quota or the reserve of free space leaves no room.
    #[error("no room in the store: {0}")]
    Full(String),
    /// The disk or its database failed.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Adds content and keeps or releases it.
#[async_trait]
pub trait ContentStore: Send + Sync {
    /// Adds a UnixFS file whose raw leaves follow the parts (a part over 1 MiB takes several leaves, parts under
    /// 64 KiB share one) and claims it. Durable when it returns.
    async fn add_file(&self, parts: Vec<Bytes>, claim: Claim) -> Result<StoredContent, StoreError>;

    /// Adds a UnixFS directory over stored content and claims it. Durable when it returns. The same entries give
    /// the same CID, whatever their order.
    async fn add_directory(&self, entries: Vec<DirectoryEntry>, claim: Claim) -> Result<StoredContent, StoreError>;

    /// Drops a claim; content without any claim left is removed. Dropping a claim that is not there is harmless.
    async fn release(&self, claim: Claim) -> Result<(), StoreError>;

    /// Drops all claims that belong to a broadcast. In several steps: after a failure some are left, and it is to be
    /// repeated.
    async fn release_broadcast(&self, broadcast: BroadcastId) -> Result<(), StoreError>;

    /// How readily what is fetched of a broadcast makes room, from now on and after restarts. What is published here never
    /// does.
    async fn retain(&self, broadcast: BroadcastId, retention: Retention) -> Result<(), StoreError>;

    /// The same as the owner decides it, which outweighs what [`retain`](Self::retain) says; `None` takes that back.
    async fn overrule(&self, broadcast: BroadcastId, retention: Option<Retention>) -> Result<(), StoreError>;

    /// Whether the whole of the content is held here.
    async fn holds(&self, root: &Cid) -> bool;
}

/// What to fetch from peers.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// Root of the DAG.
    pub root: Cid,
    /// Under which it is kept once complete.
    pub claim: Claim,
    /// Peers that are likely to have it, best first; may be empty.
    pub providers: Vec<PeerId>,
    /// How long it may take in all.
    pub timeout: Duration,
    /// The most bytes it may have; a hostile announcement could point at anything.
    pub max_bytes: u64,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody delivered all of it in time; what arrived is kept for the next try.
    #[error("not complete within {0:?}")]
    TimedOut(Duration),
    /// The content is larger than the request allows.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// The DAG is not what a segment or a manifest may be.
    #[error("not a UnixFS DAG that is understood here: {0}")]
    Malformed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fetches content from peers.
#[async_trait]
pub trait ContentFetcher: Send + Sync {
    /// Fetches, verifies, stores and claims the DAG below a root; returns at once where it is held already. May be
    /// cancelled: what arrived stays for the next try.
    async fn fetch(&self, request: FetchRequest) -> Result<StoredContent, FetchError>;

    /// How far the fetch of a root is; `None` where none runs, or nothing of it is here yet.
    fn progress(&self, root: &Cid) -> Option<FetchProgress>;
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchProgress {
    /// Bytes of blocks that are here.
    pub bytes: u64,
    /// How many there will be, as the root declares it.
    pub total_bytes: u64,
    /// How long ago the last of them came.
    pub quiet_for: Duration,
}

/// A connected peer asks this node for a block, held here or not. Untrusted: anybody can ask for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourWant {
    /// Who asks.
    pub peer: PeerId,
    /// For what.
    pub cid: Cid,
}

/// Tells what neighbours want, so that it can be passed on to them.
pub trait NeighbourWants: Send + Sync {
    /// Wants from now on; of many at once some are left out. The stream ends with the exchange.
    fn neighbour_wants(&self) -> BoxStream<'static, NeighbourWant>;
}

/// What a CID is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A file of this many bytes.
    File(u64),
    /// A directory.
    Directory(Vec<DirectoryEntry>),
}

/// Looks at single blocks, so that one file of a large directory can be fetched alone.
#[async_trait]
pub trait ContentLookup: ContentFetcher {
    /// What the CID is, where its block is here: held, or left by a fetch or a look-up of the last minutes. Never asks
    /// the network.
    async fn glance(&self, cid: &Cid) -> Result<Option<Node>, StoreError>;

    /// What the root of the request is. Its block alone is fetched where it is not here, and kept for some minutes.
    async fn look_up(&self, request: FetchRequest) -> Result<Node, FetchError>;
}

/// Reads content that is held here. Never asks the network.
#[async_trait]
pub trait ContentReader: Send + Sync {
    /// What the CID is. [`StoreError::NotFound`] also where no claimed content reaches it.
    async fn stat(&self, cid: &Cid) -> Result<Node, StoreError>;

    /// The bytes `range` of a file, verified, in order. Starts at the first byte asked for without reading what
    /// comes before it.
    async fn read(
        &self,
        cid: &Cid,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError>;
}
