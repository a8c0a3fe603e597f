//! What other nodes, and the author in the end, say of a broadcast that is over: mirrors, republications, withdrawal; and the
//! ports to hear it and to say it (implemented by `ssb-announcer`).

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{AnnounceError, BroadcastId, FeedId, MediaSequence, PeerId};

/// A node says that it holds a broadcast, or a part of it: content of `meshstream-mirror`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirroring {
    /// The node that holds it.
    pub node: FeedId,
    /// Its libp2p identity, from whom it can be fetched.
    pub peer: PeerId,
    /// What it holds: a manifest that the author announced.
    pub manifest: Cid,
}

/// A node announces another's broadcast as worth keeping, and vouches for nothing itself: content of `meshstream-republish`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Republication {
    /// The node that says so.
    pub node: FeedId,
    /// Its libp2p identity, from whom it can be fetched.
    pub peer: PeerId,
    /// A manifest of what it holds. Where the author announced none, one that the republisher made of segments for which the
    /// author's `meshstream-live` messages vouch.
    pub manifest: Cid,
    /// The segments in it, both included.
    pub first_media_sequence: MediaSequence,
    /// The last of them.
    pub last_media_sequence: MediaSequence,
    /// To whom it is owed: text of the republisher, at most 500 characters; untrusted.
    pub credit: String,
}

/// What is said of a broadcast by others than its author, and whether the author took it back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who says to hold it, one entry a node.
    pub mirrors: Vec<Mirroring>,
    /// Who republished it, one entry a node.
    pub republications: Vec<Republication>,
    /// The author's reason, where it withdrew the broadcast; untrusted text, may be empty.
    pub withdrawn: Option<String>,
}

/// Tells how broadcasts stand.
pub trait Standings: Send + Sync {
    /// How one stands; nothing where it is not known.
    fn standing(&self, broadcast: &BroadcastId) -> Standing;

    /// This node's own feed.
    fn own_feed(&self) -> FeedId;
}

/// Says what this node does with what is over. Each call returns when the message is durable; saying again what holds already is
/// harmless and appends nothing.
#[async_trait]
pub trait StandingLog: Send + Sync {
    /// Says that this node holds another's broadcast (`manifest`: one that the author announced), or with `None` that it does
    /// not any more.
    async fn mirror(&self, broadcast: BroadcastId, peer: PeerId, manifest: Option<Cid>) -> Result<(), AnnounceError>;

    /// Republishes another's broadcast; `republication.node` is this node.
    async fn republish(&self, broadcast: BroadcastId, republication: Republication) -> Result<(), AnnounceError>;

    /// Takes one of this node's broadcasts back. The reason has at most 500 characters.
    async fn withdraw(&self, broadcast: BroadcastId, reason: String) -> Result<(), AnnounceError>;
}

/// What an import of signed messages brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedMessages {
    /// Messages that were not here.
    pub new: u64,
    /// Messages that were here already.
    pub known: u64,
}

/// Why signed messages could not be carried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarriedMessagesError {
    /// Nothing is known of the broadcast.
    #[error("broadcast {0} is not known here")]
    UnknownBroadcast(BroadcastId),
    /// A line is no message that is valid where it stands. What came before it is kept: each message stands for itself.
    #[error("line {line} of the messages is refused: {reason}")]
    Refused {
        /// Counted from one.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The feeds could not be read or written.
    #[error("cannot use the feeds: {0}")]
    Storage(String),
}

/// Carries the signed messages that vouch for a broadcast, in a form that other SSB programs read: one message a line, as
/// `{"key","value"}` in JSON, the author's node feed from its first message on, then the broadcast feeds.
#[async_trait]
pub trait MessageCarrier: Send + Sync {
    /// The messages that vouch for a broadcast, in pieces of some lines: as much of each feed as is held here. The same messages
    /// give the same bytes.
    async fn export_messages(
        &self,
        broadcast: BroadcastId,
    ) -> Result<BoxStream<'static, Result<Bytes, CarriedMessagesError>>, CarriedMessagesError>;

    /// Takes in messages as if peers had brought them: each is validated, and each feed appended to where this node's copy ends.
    /// The author's feeds are wanted from then on as long as something of the broadcast is held here. Bounded in memory
    /// whatever is brought. Importing the same again is harmless.
    async fn import_messages(
        &self,
        broadcast: BroadcastId,
        lines: BoxStream<'_, Result<Bytes, crate::StoreError>>,
    ) -> Result<CarriedMessages, CarriedMessagesError>;
}
