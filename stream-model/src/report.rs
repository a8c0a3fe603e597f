//! What a node says of itself: the JSON of `/nodeinfo.json`, `status --json` and `/api/v1`. Field names are an
//! outside interface: more may be added, none renamed.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use async_trait::async_trait;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::mesh_map::believable_links;
use crate::{BroadcastId, FeedId, Location, MeshReport, PeerId, Retention, SoundLevel, StreamName, ToldLink};

/// `/nodeinfo.json`: how to reach this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Chosen by its owner; untrusted.
    pub name: String,
    /// Of the program.
    pub version: String,
    /// `open`, or a hash that names a private community.
    pub community: String,
    /// Secure Scuttlebutt.
    pub ssb: SsbInfo,
    /// IPFS.
    pub ipfs: IpfsInfo,
    /// HTTP.
    pub web: WebInfo,
    /// Where it stands, if its owner says so.
    #[serde(default, deserialize_with = "believable", skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Nodes that this one is connected to or was told of.
    #[serde(default)]
    pub nodes: Vec<KnownNode>,
    /// Its own links, if its owner lets it tell.
    #[serde(default, deserialize_with = "believable_links", skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<ToldLink>,
    /// This node's own word, for others to pass on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<NodeRecord>,
}

/// A place that cannot be is as good as none: the rest counts all the same.
fn believable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Location>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Place(Location),
        Else(IgnoredAny),
    }
    Told::deserialize(deserializer).map(|told| match told {
        Told::Place(location) => Some(location),
        Told::Else(IgnoredAny) => None,
    })
}

/// Precedes the statement in what is signed, so that the signature is never one of a message or anything else.
pub const NODE_RECORD_CONTEXT: &[u8] = b"meshstream node record v1\n";

/// What a node says of itself, signed by its SSB identity: believed whoever brings it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// JSON, as signed.
    pub statement: String,
    /// Ed25519 signature of [`NODE_RECORD_CONTEXT`] and the statement, 64 bytes in base64.
    pub signature: String,
}

/// Signs this node's own record (implemented by `ssb-announcer`).
pub trait NodeSigner: Send + Sync {
    /// The Ed25519 signature of [`NODE_RECORD_CONTEXT`] and the statement.
    fn sign_node_record(&self, statement: &str) -> [u8; 64];
}

/// A node of which another one tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownNode {
    /// Who it is, on the word of who tells.
    #[serde(flatten)]
    pub identity: NodeIdentity,
    /// Its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<NodeRecord>,
    /// Seconds since it said so itself, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// Over how many links who tells reaches it, as far as is known: 1 for a neighbour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<u32>,
}

/// The SSB server of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsbInfo {
    /// Its identity.
    pub feed: FeedId,
    /// TCP port.
    pub port: u16,
}

/// The IPFS node of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpfsInfo {
    /// Its identity.
    pub peer: PeerId,
    /// TCP port.
    pub port: u16,
}

/// The HTTP server of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebInfo {
    /// TCP port.
    pub port: u16,
}

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeIdentity {
    /// Chosen by its owner; untrusted.
    pub name: String,
    /// SSB identity.
    pub feed: FeedId,
    /// libp2p identity.
    pub peer: PeerId,
    /// Of the program; empty where not known.
    #[serde(default)]
    pub version: String,
}

/// `status --json` and `/api/v1/node`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Who this is.
    pub node: NodeIdentity,
    /// Its community, as in [`NodeInfo`].
    #[serde(default)]
    pub community: String,
    /// Where it listens, with real port numbers.
    pub listen: Listen,
    /// Its storage.
    pub storage: StorageReport,
    /// What is published to it now.
    pub publishing: Vec<Publishing>,
    /// What its owner should do something about, in sentences for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Overlay networks whose daemon on this machine answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<OverlayReport>,
}

/// What the daemon of an overlay network says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlayReport {
    /// `cjdns` or `yggdrasil`.
    pub name: String,
    /// This node's address there, where the daemon tells it.
    pub address: Option<Ipv6Addr>,
    /// Direct neighbours whose links it calls up; few of them may be nodes of ours.
    pub neighbours: usize,
}

/// Listening addresses: `host:port`, and multiaddrs for IPFS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// RTMP.
    pub rtmp: Vec<String>,
    /// SSB.
    pub ssb: Vec<String>,
    /// IPFS.
    pub ipfs: Vec<String>,
    /// HTTP.
    pub web: Vec<String>,
    /// HTTPS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub web_tls: Vec<String>,
    /// The gateway, where it has a port of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateway: Vec<String>,
}

/// `/api/v1/storage`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageReport {
    /// Bytes of blocks kept.
    pub used_bytes: u64,
    /// Bytes of blocks allowed.
    pub quota_bytes: u64,
    /// Number of blocks, each a file.
    pub files: u64,
    /// Number of blocks allowed.
    #[serde(default)]
    pub max_files: u64,
    /// Bytes of the disk that are free.
    #[serde(default)]
    pub free_bytes: u64,
    /// Bytes of the disk that are left free.
    #[serde(default)]
    pub reserve_bytes: u64,
    /// Whether so little of the disk is free that nothing more is added.
    #[serde(default)]
    pub disk_full: bool,
    /// What there was none of when something was refused, until something is taken again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<StorageFull>,
    /// Whether the last write failed.
    #[serde(default)]
    pub failing: bool,
}

/// Why nothing more is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageFull {
    /// The disk has no more than the reserve left.
    Disk,
    /// The bytes allowed are used up.
    Quota,
    /// The files allowed are used up.
    Files,
}

impl StorageFull {
    /// As it is serialized.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Quota => "quota",
            Self::Files => "files",
        }
    }
}

/// `/api/v1/storage`: the report, and what makes room next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageOutlook {
    /// As in [`NodeReport`].
    #[serde(flatten)]
    pub report: StorageReport,
    /// The first of what goes when room is needed, in that order.
    #[serde(default)]
    pub next: Vec<LeavingBroadcast>,
}

/// A broadcast whose content goes when room is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingBroadcast {
    /// Its id.
    pub id: BroadcastId,
    /// Its id in URLs.
    pub slug: String,
    /// Its title, untrusted; empty where it is not known any more.
    pub title: String,
    /// Bytes stored of it, about.
    pub bytes: u64,
    /// Why it is here, and so how readily it goes.
    pub retention: Retention,
}

/// What is stored of a broadcast of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBroadcast {
    /// Which.
    pub broadcast: BroadcastId,
    /// How readily it makes room.
    pub retention: Retention,
    /// Bytes, about.
    pub bytes: u64,
}

/// A publisher at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publishing {
    /// Stream name.
    pub name: StreamName,
    /// Its broadcast, once announced.
    pub broadcast: Option<BroadcastId>,
    /// Media received, kilobits a second.
    pub kbps: u64,
    /// Its sound, once a segment with some is stored and measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<SoundLevel>,
}

/// State of the connections to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerState {
    /// Both SSB and IPFS are connected.
    Connected,
    /// One of the two is connected.
    Partial,
    /// Being tried.
    Connecting,
    /// Failed; tried again later.
    Unreachable,
}

/// An element of `/api/v1/peers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReport {
    /// SSB identity, once known.
    pub feed: Option<FeedId>,
    /// libp2p identity, once known.
    pub peer: Option<PeerId>,
    /// Name, once known; untrusted.
    pub name: String,
    /// Where it was found.
    pub addresses: Vec<String>,
    /// `configured`, `cjdns`, `yggdrasil`, `lan`, or `inbound`.
    pub overlay: String,
    /// Connected or not.
    pub state: PeerState,
    /// Round trip, milliseconds.
    pub rtt_ms: Option<u64>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// How the link is.
    #[serde(flatten)]
    pub link: LinkReport,
}

/// What was measured of the link to a peer: fields of its [`PeerReport`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkReport {
    /// Probes that were not answered, of the last 50; `None` for a peer that answers none.
    pub loss_percent: Option<u8>,
    /// Blocks received from it, kilobits a second over the last 15 s.
    pub received_kbps: u64,
    /// Blocks sent to it, likewise.
    pub sent_kbps: u64,
    /// Seconds since it was last heard; `None` where it never was.
    pub last_seen_s: Option<u64>,
}

/// What this node says of itself (implemented by the program).
#[async_trait]
pub trait NodeStatus: Send + Sync {
    /// For other nodes.
    fn info(&self) -> NodeInfo;

    /// For the owner and programs.
    async fn report(&self) -> NodeReport;

    /// What is stored, and what goes next.
    async fn storage(&self) -> StorageOutlook;

    /// The neighbours.
    async fn peers(&self) -> Vec<PeerReport>;

    /// The mesh as far as this node knows it. Asking has it look further for a while.
    async fn mesh(&self) -> MeshReport;

    /// Metrics in the Prometheus text format.
    fn metrics(&self) -> String;

    /// `Err` with what is wrong where the node cannot do its work.
    fn health(&self) -> Result<(), String>;
}

/// An SSB peer that was found on the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SsbPeer {
    /// Its identity, which the secret handshake needs.
    pub feed: FeedId,
    /// Where to dial it, best first.
    pub addresses: Vec<SocketAddr>,
}

/// Takes what was found on the mesh (implemented by `ssb-announcer`, called by `node-router`).
pub trait PeerBook: Send + Sync {
    /// Connect to this peer, stay connected, and replicate its node feed: the node's owner configured it, or somebody at an
    /// address that the owner configured said that this is who it is. Offering it again replaces its addresses.
    fn offer(&self, peer: SsbPeer);

    /// [`offer`](Self::offer) of somebody whom nobody configured and who was only met: it takes the place of no configured peer.
    fn offer_met(&self, peer: SsbPeer) {
        self.offer(peer);
    }

    /// A peer that was offered answers again where it did not before: what waits because it could not be reached is tried
    /// now.
    fn answers_again(&self, feed: FeedId) {
        let _offered_is_enough = feed;
    }

    /// The link to this peer at this address is dead, or all links to it: a connection there is closed, and the peer dialled
    /// again.
    fn lost(&self, feed: FeedId, address: Option<IpAddr>) {
        let _found_by_the_connection_itself = (feed, address);
    }

    /// A link of this machine has come up: whoever waits because it could not be reached is tried now.
    fn link_came_up(&self) {}

    /// Replicate the node feed of somebody that a peer knows, through whoever has it.
    fn replicate(&self, feed: FeedId);

    /// [`replicate`](Self::replicate) on the word of `neighbour`, which has a budget for such introductions.
    fn introduce(&self, neighbour: FeedId, feed: FeedId) {
        let _without_budgets = neighbour;
        self.replicate(feed);
    }
}

/// Takes neighbours whose identity is not known, so that they can be told of this node (implemented by `ssb-announcer`,
/// called by `node-router`): overlays such as cjdns and Yggdrasil carry no broadcast.
pub trait Neighbours: Send + Sync {
    /// Tells these neighbours from time to time, by UDP, where this node's SSB listener is. They replace those given
    /// before; what is beyond a bound is left out. Port 0 stands for the ports on which discovery listens everywhere.
    fn announce_to(&self, neighbours: Vec<SocketAddr>);

    /// Links of this machine have come or gone: who is on them now is told of this node, and heard.
    fn links_changed(&self);
}

/// Takes word of SSB peers that are connected (implemented by `node-router`, called by `ssb-announcer`): a node that only
/// its SSB address was known of tells the rest of itself at the same IP address.
pub trait Meetings: Send + Sync {
    /// A peer is connected and has proved who it is. Its port is that of the connection.
    fn met(&self, feed: FeedId, address: SocketAddr);
}
