//! What the owner does with archives: mirror, carry, republish, withdraw and rebroadcast; the port to ask for it (implemented
//! by `streamer`).

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{
    AnnounceError, BroadcastId, CarBytes, CarError, CarExport, CarProgress, CarVersion, CarriedMessages,
    CarriedMessagesError, MediaSequence, StoreError,
};

/// How far a mirror of a broadcast is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MirrorProgress {
    /// Segments that are here.
    pub segments: u64,
    /// Segments that are known to be anywhere.
    pub total_segments: u64,
    /// The manifest of which this node has said that it holds it.
    pub announced: Option<String>,
    /// More will come: the broadcast goes on.
    pub live: bool,
    /// All that there is of it is here; and where its author announced a manifest of it, that is said.
    pub whole: bool,
    /// Why it does not advance, where it does not, in English and with what went wrong. It is tried again.
    pub waiting: Option<String>,
    /// The same, of a kind that can be said in other words.
    #[serde(default)]
    pub waits_for: Option<MirrorNeed>,
}

/// What a mirror needs to advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MirrorNeed {
    /// Room in the store.
    Room,
    /// Somebody who delivers segments that are missing.
    Segments,
    /// Somebody who delivers archives, or what they list.
    Archives,
    /// That somebody says which segments there are.
    List,
    /// That this node can write down or say what it has.
    Node,
}

/// A broadcast that this node mirrors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorEntry {
    /// Which.
    pub broadcast: BroadcastId,
    /// The owner asked for it; else it is by `mesh.mirror`.
    pub asked: bool,
    /// How far it is.
    pub progress: MirrorProgress,
}

/// What was republished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Republished {
    /// The manifest that was named.
    pub manifest: String,
    /// The first segment in it.
    pub first_media_sequence: MediaSequence,
    /// The last one.
    pub last_media_sequence: MediaSequence,
    /// How many of those between are here.
    pub segments: u64,
}

/// What an import of an archive brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveImported {
    /// Which broadcast it is.
    pub broadcast: BroadcastId,
    /// Its title; untrusted.
    pub title: String,
    /// Segments that are here now; each vouched for by its publisher.
    pub segments: u64,
    /// The signed messages that came with them.
    pub messages: CarriedMessages,
    /// How much was read, and how much of it was new.
    pub progress: CarProgress,
}

/// What is to become of this node's copy of a broadcast that it takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnCopy {
    /// It stays.
    Keep,
    /// It is removed for good.
    Remove,
}

/// Why something could not be done with an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// Nothing was heard of it.
    #[error("broadcast {0} is not known here: 'meshstream streams' lists those that are")]
    Unknown(BroadcastId),
    /// It is for broadcasts of others.
    #[error("broadcast {0} is this node's own: its archives are kept and announced without being asked for")]
    Own(BroadcastId),
    /// It is for this node's own.
    #[error("broadcast {0} is another node's: only its publisher can do that")]
    NotOwn(BroadcastId),
    /// Its publisher does not want it to be kept.
    #[error("broadcast {0} is not to be kept: its publisher announced it so")]
    NotToBeKept(BroadcastId),
    /// Its publisher took it back.
    #[error(
        "broadcast {0} was withdrawn by its publisher: set archive.honour_withdrawals = false to keep it all the same"
    )]
    Withdrawn(BroadcastId),
    /// It goes on.
    #[error("broadcast {0} is live: stop its publisher first")]
    Live(BroadcastId),
    /// There is nothing of it to do that with.
    #[error("nothing of broadcast {0} is here: mirror it first, with 'meshstream archive mirror'")]
    NothingHeld(BroadcastId),
    /// It is not being mirrored, or rebroadcast.
    #[error("broadcast {0} is not {1} here")]
    NotRunning(BroadcastId, &'static str),
    /// As many of them as may be are there.
    #[error("{0}")]
    TooMany(&'static str),
    /// The file carries no archive, or one for which nothing signed vouches. Nothing of its content was kept.
    #[error("the file is not taken: {0}")]
    Refused(String),
    /// The content could not be carried.
    #[error(transparent)]
    Car(#[from] CarError),
    /// The signed messages could not be carried.
    #[error(transparent)]
    Messages(#[from] CarriedMessagesError),
    /// It could not be told to others.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archives of the broadcast could not be read, or the database could not be used.
    #[error("{0}")]
    Failed(String),
}

/// Does with archives what the owner asks.
#[async_trait]
pub trait ArchiveKeeper: Send + Sync {
    /// Fetches and keeps another's broadcast, of the past and, while it is live, as it goes on; and says so once a manifest of
    /// its author is here in whole. Outlives restarts. Asking twice is harmless.
    async fn mirror(&self, broadcast: BroadcastId) -> Result<(), KeeperError>;

    /// Ends that, and says so. What is here stays until its room is needed.
    async fn unmirror(&self, broadcast: BroadcastId) -> Result<(), KeeperError>;

    /// What is mirrored, in the order of their ids.
    fn mirrors(&self) -> Vec<MirrorEntry>;

    /// How far a mirror is, now and as it advances; some steps are left out for who is slow. Ends where it is not mirrored any
    /// more.
    fn mirror_progress(&self, broadcast: BroadcastId) -> BoxStream<'static, MirrorProgress>;

    /// Begins to write what is held of a broadcast as a CAR file: a playable directory, with the signed messages that vouch
    /// for it. Messages are gathered before the first byte comes.
    async fn export(&self, broadcast: BroadcastId, version: CarVersion) -> Result<CarExport, KeeperError>;

    /// Reads what [`export`](Self::export) wrote, checks that the author's messages vouch for all of it, and mirrors the
    /// broadcast from then on. May be cancelled: what came is kept for a while, for the next try.
    async fn import(
        &self,
        file: CarBytes<'_>,
        progress: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<ArchiveImported, KeeperError>;

    /// Announces another's broadcast on this node's feed, as far as it is held and its author vouches for it. `credit` has at
    /// most 500 characters.
    async fn republish(&self, broadcast: BroadcastId, credit: String) -> Result<Republished, KeeperError>;

    /// Takes one of this node's broadcasts back that is over. The reason has at most 500 characters.
    async fn withdraw(&self, broadcast: BroadcastId, reason: String, copy: OwnCopy) -> Result<(), KeeperError>;

    /// Plays a broadcast as a new one of this node, from its beginning and at its pace, until its end. The new one's title is
    /// `title`, or says that it is a rebroadcast. Returns the new broadcast.
    async fn rebroadcast(&self, broadcast: BroadcastId, title: Option<String>) -> Result<BroadcastId, KeeperError>;

    /// Ends a rebroadcast, named by the new broadcast or by the one that is played.
    async fn stop_rebroadcast(&self, broadcast: BroadcastId) -> Result<(), KeeperError>;
}
