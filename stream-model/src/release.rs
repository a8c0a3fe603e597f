//! Ports to releases of the program that travel over the mesh (`ssb-announcer` carries the word of them, the program judges them).

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{AnnounceError, CarBytes, CarError, CarImported, CarProgress, FeedId, StoreError};

/// The newest release that a feed has announced. Untrusted: anybody announces what they like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedRelease {
    /// Who has announced it, which says nothing of who has signed it.
    pub author: FeedId,
    /// The statement, not yet read.
    pub statement: String,
}

/// Announces releases on this node's feed, and tells what other feeds announce.
#[async_trait]
pub trait ReleaseLog: Send + Sync {
    /// Announces a statement on the node's feed. Announcing the same again is harmless and appends nothing.
    async fn announce_release(&self, statement: &str) -> Result<(), AnnounceError>;

    /// The newest statement of each feed that is here and not blocked, the latest first; of very many feeds the latest only.
    async fn announced_releases(&self) -> Result<Vec<AnnouncedRelease>, AnnounceError>;

    /// Waits until something was announced since the last call returned. For one caller; may be cancelled.
    async fn release_announced(&self);
}

/// A package of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasePackage {
    /// As dpkg names it.
    pub architecture: String,
    /// Root of the file in IPFS: a CID as text.
    pub cid: String,
    /// Of the file.
    pub bytes: u64,
    /// Whether the whole file is here.
    pub held: bool,
}

/// What a release is to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// Newer than what is installed, and its package is here: it can be installed.
    Ready,
    /// Newer, and its package is awaited.
    Awaited,
    /// Newer, without a package for this machine.
    OtherArchitectures,
    /// It is what is installed.
    Installed,
    /// Older than what is installed.
    Older,
    /// It was tried here, and gone back from.
    Failed,
    /// Kept for others: this node does not trust it, or is not installed from a package.
    NotForHere,
}

/// A release that this node keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseEntry {
    /// Of its packages.
    pub version: String,
    /// What it is to this machine.
    pub state: ReleaseState,
    /// Trusted keys that have signed it.
    pub signers: Vec<String>,
    /// For each architecture.
    pub packages: Vec<ReleasePackage>,
    /// Why the package for this machine is not here yet, where that is known.
    pub problem: Option<String>,
    /// The statement.
    pub statement: String,
}

/// A release that was announced and is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRelease {
    /// Who has announced it.
    pub author: FeedId,
    /// Why it is refused.
    pub reason: String,
}

/// What is known of releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseReport {
    /// The version of the installed package; `None` where the program was not installed from one.
    pub installed: Option<String>,
    /// Keys that the node's configuration trusts; none for a node that takes no releases.
    pub trusted_keys: usize,
    /// How many of them have to sign.
    pub threshold: usize,
    /// What is kept, the newest first.
    pub releases: Vec<ReleaseEntry>,
    /// What is announced and not kept.
    pub refused: Vec<RefusedRelease>,
}

impl ReleaseReport {
    /// The newest release that can be installed on this machine.
    pub fn ready(&self) -> Option<&ReleaseEntry> {
        self.releases.iter().find(|release| release.state == ReleaseState::Ready)
    }
}

/// Why a release is not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The statement does not hold, or is older than what is known.
    #[error("the release is refused: {0}")]
    Refused(String),
    /// A package of the release is not here.
    #[error("the package for {0} is not here: name its file too")]
    PackageMissing(String),
    /// What was kept could not be written down.
    #[error("cannot keep the release: {0}")]
    Storage(String),
    /// The feed could not be written.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
}

/// Releases as this node keeps and publishes them.
#[async_trait]
pub trait Releases: Send + Sync {
    /// What is known.
    async fn report(&self) -> ReleaseReport;

    /// Stores a package out of a CAR file, and keeps it for the release that is published next.
    async fn add_package(
        &self,
        file: CarBytes<'_>,
        progress: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<CarImported, CarError>;

    /// Keeps a release whose packages were added, and announces it where `announce` says so.
    async fn publish(&self, statement: &str, announce: Announce) -> Result<(), ReleaseError>;

    /// The bytes of a package of a release that is kept, and how many there are.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for all else, and where the package is not here in whole.
    async fn package(&self, cid: &Cid) -> Result<(u64, BoxStream<'static, Result<Bytes, StoreError>>), StoreError>;
}

/// Whether other nodes are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Announce {
    /// On the node's feed.
    Feed,
    /// Not at all.
    Nobody,
}
