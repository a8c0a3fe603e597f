//! The keys of the configuration, section by section. What is said of them here, their types, limits and defaults are what the
//! reference, the manual page and the schema are made of ([`super::reference`]).

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use listener::{Device, MAX_DEVICES};
use player_web::{Embedding, GatewayReach, Portal};
use release::{MAX_TRUSTED, PublicKey, Trust, TrustError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stream_model::{CameraSettings, Location};
use streamer::playback::Mirror;

use super::{Rate, any, forms};

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) node: Node,
    pub(crate) ingest: Ingest,
    pub(crate) segment: Segment,
    pub(crate) archive: Archive,
    pub(crate) storage: Storage,
    pub(crate) ipfs: Ipfs,
    pub(crate) ssb: Ssb,
    pub(crate) web: Web,
    pub(crate) mesh: Mesh,
    pub(crate) upgrade: Upgrade,
    /// In which other encodings broadcasts are published from this node, the most wanted first, at most eight
    /// ([renditions](renditions.md)).
    #[schemars(length(max = 8))]
    pub(crate) rendition: Vec<Rendition>,
    /// Cameras of this machine that start with the node, at most eight ([cameras](cameras.md)).
    #[schemars(length(max = 8))]
    pub(crate) camera: Vec<CameraSettings>,
}

/// What the node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Node {
    /// Shown to people; 1 to 100 characters, of which other nodes keep 64.
    #[schemars(length(min = 1, max = 100), extend("x-default" = "the host name"), example = "Roof north")]
    pub(crate) name: String,
    /// The node's picture for other SSB programs and in the API: a PNG or JPEG of at most 1 MiB. Taken away again, the node has
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "forms::FilePath", example = "/etc/meshstream/roof.jpg")]
    pub(crate) image: Option<PathBuf>,
    /// Where the node stands (WGS 84). [Told](../protocol/nodeinfo.md) to whoever asks the node, and on the
    /// [maps](monitoring.md#the-map-of-the-mesh) of others: give it no more exactly than all may know.
    #[serde(deserialize_with = "forms::location", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "forms::Place", example = forms::toronto())]
    pub(crate) location: Option<Location>,
    /// Everything that the node keeps ([what](configuration.md#what-the-node-keeps)). `--data-dir` overrides it.
    #[schemars(with = "forms::FilePath", example = "/srv/meshstream", extend("x-default" =
        "`$XDG_DATA_HOME/meshstream`, else `~/.local/share/meshstream`, without `HOME` `/var/lib/meshstream`"))]
    pub(crate) data_dir: PathBuf,
}

/// What publishers send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ingest {
    /// Where RTMP is listened for.
    #[schemars(with = "forms::Listen")]
    pub(crate) listen: SocketAddr,
    /// Network devices to listen on, such as `["tun0"]`, at most eight; empty takes all
    /// ([devices](configuration.md#devices-and-the-firewall)).
    #[serde(deserialize_with = "forms::devices", serialize_with = "forms::write_devices")]
    #[schemars(with = "Vec<String>", length(max = MAX_DEVICES))]
    pub(crate) devices: Vec<Device>,
    /// Addresses and networks that may publish, such as `"10.0.0.5"` or `"fc00::/8"`; empty allows all.
    pub(crate) allow: Vec<String>,
    /// How long a publisher may be away and still continue its broadcast. A change counts also for publishers that are away
    /// already.
    #[serde(deserialize_with = "forms::duration", serialize_with = "forms::write_duration")]
    #[schemars(with = "forms::Span")]
    pub(crate) grace: Duration,
}

/// How broadcasts are cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Segment {
    /// The longest a segment may be, 1 to 60 whole seconds.
    #[serde(deserialize_with = "forms::duration", serialize_with = "forms::write_duration")]
    #[schemars(with = "forms::Span")]
    pub(crate) target_duration: Duration,
    /// About how long a part of a segment is, from 100 ms to the target duration.
    #[serde(deserialize_with = "forms::duration", serialize_with = "forms::write_duration")]
    #[schemars(with = "forms::Span")]
    pub(crate) part_duration: Duration,
    /// Segments in the live playlist.
    #[schemars(range(min = 3, max = 100))]
    pub(crate) live_window: usize,
    /// Pictures to look through this node's broadcasts with: about 0.5 % more to store; needs GStreamer
    /// ([renditions](renditions.md)).
    pub(crate) thumbnails: bool,
    /// Whose broadcasts there are to be renditions of.
    pub(crate) transcode: Transcode,
}

/// Whose broadcasts are encoded anew on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transcode {
    /// Nobody's.
    Off,
    /// Those that are published to this node.
    Publisher,
    /// Also those of whom it follows that come here, where they make none themselves.
    Here,
}

/// What stays of a broadcast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Archive {
    /// Whether this node's broadcasts are kept once they are over. With `false` they are announced so: only the last 40 segments
    /// stay, all go ten minutes after the end, and other nodes keep nothing of them either. `meshstream key add NAME --no-archive`
    /// says so for what is published with one key. A change counts for broadcasts that start from then on.
    pub(crate) keep: bool,
    /// Whether mirrors here are released when the publisher withdraws a broadcast.
    pub(crate) honour_withdrawals: bool,
}

/// What of the disk the node may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Storage {
    /// Bytes of segments and manifests to keep, this node's own and others'. Others' make room ([what goes first](storage.md));
    /// without any that may, segments are refused. A lower one lets go of what may go within moments.
    #[serde(deserialize_with = "forms::byte_size", serialize_with = "forms::write_byte_size")]
    #[schemars(with = "forms::Size")]
    pub(crate) quota: ByteSize,
    /// The same in files: each part of a segment is one. The default is half of the inodes of a card of 16 GB; 1 TB of 3 Mbit/s
    /// takes three million.
    pub(crate) max_files: u64,
    /// Bytes of the disk to leave free: below that nothing is published or fetched, and below an eighth of it no SSB messages of
    /// others are taken.
    #[serde(deserialize_with = "forms::byte_size", serialize_with = "forms::write_byte_size")]
    #[schemars(with = "forms::Size")]
    pub(crate) reserve: ByteSize,
}

/// The exchange of content with other nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ipfs {
    /// Where IPFS is listened for, as multiaddrs. Port 0 gives both addresses the same one.
    pub(crate) listen: Vec<String>,
    /// Network devices on whose addresses to listen, at most eight; empty takes all
    /// ([devices](configuration.md#devices-and-the-firewall)).
    #[serde(deserialize_with = "forms::devices", serialize_with = "forms::write_devices")]
    #[schemars(with = "Vec<String>", length(max = MAX_DEVICES))]
    pub(crate) devices: Vec<Device>,
}

/// Feeds, announcements and posts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ssb {
    /// Where SSB is listened for.
    #[schemars(with = "forms::Listen")]
    pub(crate) listen: SocketAddr,
    /// As `ingest.devices`; peers on a LAN are looked for on these alone.
    #[serde(deserialize_with = "forms::devices", serialize_with = "forms::write_devices")]
    #[schemars(with = "Vec<String>", length(max = MAX_DEVICES))]
    pub(crate) devices: Vec<Device>,
    /// How far from this node the follow graph is replicated: 1 is whom it follows, 2 whom those follow. What is beyond a lower one
    /// is dropped after a week.
    pub(crate) hops: u32,
    /// Tell the start of a broadcast in a post, too, which other SSB programs show. A change counts for broadcasts that start from
    /// then on.
    pub(crate) announce_post: bool,
    /// Peers to keep connected: multiserver addresses such as `"net:10.0.0.2:8008~shs:KEY"`, or invites; IP addresses only.
    pub(crate) peers: Vec<String>,
}

/// Pages, HLS and the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Web {
    /// Where HTTP is listened for.
    #[schemars(with = "forms::Listen")]
    pub(crate) listen: SocketAddr,
    /// As `ingest.devices`. Other nodes ask `/nodeinfo.json` there: name the devices of the mesh too.
    #[serde(deserialize_with = "forms::devices", serialize_with = "forms::write_devices")]
    #[schemars(with = "Vec<String>", length(max = MAX_DEVICES))]
    pub(crate) devices: Vec<Device>,
    /// Where people reach the pages, http or https, such as `"http://10.0.0.5:8080"`, for posts; where it is empty, the address
    /// listened on or up to four of the machine's own, overlays first. A change counts for broadcasts that start from then on.
    #[schemars(length(max = 200))]
    pub(crate) public_url: String,
    /// A file with the token with which the owner writes over the network; made where there is none, refused where others can read
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "forms::FilePath", example = "/etc/meshstream/admin-token",
        extend("x-default" = "`admin-token` in the data directory"))]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// What `/ipfs/` serves.
    pub(crate) gateway: GatewayReach,
    /// An address and port of its own for `/ipfs/`, so that content of others has another origin than the pages. `/ipfs/` of the
    /// pages' port then leads there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "forms::Listen", example = "[::]:8081")]
    pub(crate) gateway_listen: Option<SocketAddr>,
    /// The most TCP connections, WebSockets among them.
    pub(crate) max_connections: usize,
    /// The same of one address.
    pub(crate) max_connections_per_address: usize,
    /// The most WebSockets. Each page that is open has one, and takes a file descriptor.
    pub(crate) max_sockets: usize,
    /// The same of one address.
    pub(crate) max_sockets_per_address: usize,
    /// Addresses of reverse proxies before this node, such as `"127.0.0.1"`. Who visits through them is told by their
    /// `X-Forwarded-For`, and whether by HTTPS by their `X-Forwarded-Proto`, which they have to write themselves. Their connections
    /// count as theirs all the same: raise `web.max_connections_per_address` with it.
    #[schemars(with = "Vec<String>")]
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// Names that lead to this node, besides addresses, `localhost`, `thisnode.info` and `NAME.local`; at most 16, without ports.
    /// Visitors under other names are sent to the first, else to the address that they came to. The pages under a name that is not
    /// here are a redirect, `/api` and `/metrics` are refused ([phones](phones.md#names)).
    #[schemars(length(max = MAX_NAMES))]
    pub(crate) names: Vec<String>,
    /// What phones on an access point are told that look for the Internet ([phones](phones.md)).
    pub(crate) portal: Portal,
    /// Who may show the player (`/embed`) in a page of theirs.
    pub(crate) embed: Embedding,
    /// HTTPS besides HTTP ([phones](phones.md#https)).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Tls", example = serde_json::json!({ "certificate": "/etc/meshstream/cert.pem", "key": "/etc/meshstream/key.pem" }))]
    pub(crate) tls: Option<Tls>,
}

/// Names of the node; more than these nobody remembers.
pub(super) const MAX_NAMES: usize = 16;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// Where HTTPS is listened for.
    #[serde(default = "tls_listen")]
    #[schemars(with = "forms::Listen")]
    pub(crate) listen: SocketAddr,
    /// A PEM file: the certificate, and those that vouch for it.
    #[schemars(with = "forms::FilePath")]
    pub(crate) certificate: PathBuf,
    /// A PEM file: its key.
    #[schemars(with = "forms::FilePath")]
    pub(crate) key: PathBuf,
}

fn tls_listen() -> SocketAddr {
    any(8443)
}

/// Other nodes: how they are found, what is fetched from them and sent to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mesh {
    /// Addresses of other nodes' web listeners; without a port 8080, then 80.
    pub(crate) peers: Vec<String>,
    /// Look for peers on the LAN and be found there, by UDP ports 8008 and 26830, and by mDNS (UDP port 5353).
    pub(crate) lan_discovery: bool,
    /// Names of the interfaces to look for peers on; empty takes all but loopback.
    pub(crate) interfaces: Vec<String>,
    /// Tell other nodes how many watch each broadcast on this one, a number alone; `false` where few live behind the node and
    /// nobody is to know that they watch.
    pub(crate) tell_viewers: bool,
    /// Tell whoever asks to which neighbours this node has links, with round trip and loss, for the
    /// [map of the mesh](monitoring.md#the-map-of-the-mesh).
    pub(crate) tell_links: bool,
    /// The admin interface of cjdns (`admin.bind` in `cjdroute.conf`), through which nodes in its network are found; nothing happens
    /// where none answers, `""` asks none.
    pub(crate) cjdns_admin: String,
    /// A file with cjdns's admin password, as plain text or as cjdns's tools keep it; without one `NONE`, cjdns's own default. Few
    /// versions ask for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "forms::FilePath", example = "/etc/meshstream/cjdns-password",
        extend("x-default" = "`~/.cjdnsadmin` where it exists"))]
    pub(crate) cjdns_password_file: Option<PathBuf>,
    /// The admin socket of Yggdrasil (`AdminListen` in `yggdrasil.conf`), also `"tcp://127.0.0.1:9001"`; the default stands for
    /// `/run/yggdrasil/yggdrasil.sock` too; `""` asks none.
    pub(crate) yggdrasil_admin: String,
    /// Which broadcasts of others to fetch besides those that are watched here or behind a neighbour; while they are live, and their
    /// archives ([archives](archives.md)).
    pub(crate) mirror: Mirror,
    /// Segments and other blocks sent to all peers together. A node that publishes needs more than the bitrate of its broadcasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate", example = "8 Mbit/s")]
    pub(crate) max_upload: Option<Rate>,
    /// The same for each peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate", example = "2 Mbit/s")]
    pub(crate) max_upload_per_peer: Option<Rate>,
}

/// Whose releases of this program are taken over the mesh ([upgrades](upgrades.md)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Upgrade {
    /// Public keys of those who sign releases; without any nothing is taken. To install, keys count only in the configuration file
    /// itself, and where nobody but root can write that.
    #[schemars(with = "Vec<String>", length(max = MAX_TRUSTED))]
    pub(crate) trusted: Vec<PublicKey>,
    /// How many of these keys have to sign a release.
    #[schemars(range(min = 1))]
    pub(crate) threshold: usize,
}

impl Upgrade {
    /// Whose signatures count.
    ///
    /// # Errors
    /// Where the keys and their number do not fit.
    pub(crate) fn trust(&self) -> Result<Trust, TrustError> {
        Trust::new(self.trusted.clone(), self.threshold)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rendition {
    /// Shown to people.
    pub(crate) name: String,
    /// Lines of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NonZeroU32", example = 360)]
    pub(crate) height: Option<NonZeroU32>,
    /// Of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate", example = "600 kbit/s")]
    pub(crate) bitrate: Option<Rate>,
    /// The sound as it is, without a picture: then neither `height` nor `bitrate`.
    #[serde(default)]
    pub(crate) audio_only: bool,
}
