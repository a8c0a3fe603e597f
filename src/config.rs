//! Everything that can be set, typed and checked. [`Layers`] says where it comes from.
//!
//! A key that is not known here is an error that names it.

mod defaults;
pub(crate) mod layers;
mod rate;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytesize::ByteSize;
use listener::{Device, MAX_DEVICES};
use player_web::{Embedding, GatewayReach, Portal};
use release::{PublicKey, Trust, TrustError};
use serde::{Deserialize, Deserializer, de};
use stream_model::{CameraSettings, Location};
use streamer::playback::Mirror;
use toml::{Table, Value};

pub(crate) use layers::Layers;
pub(crate) use rate::Rate;

use crate::cameras;

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
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
    /// In which other encodings this node's broadcasts are published, the most wanted first.
    pub(crate) rendition: Vec<Rendition>,
    /// Cameras that start with the node.
    pub(crate) camera: Vec<CameraSettings>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rendition {
    /// Shown to people.
    pub(crate) name: String,
    /// Lines of the picture.
    pub(crate) height: Option<NonZeroU32>,
    /// Of the picture.
    pub(crate) bitrate: Option<Rate>,
    /// The sound as it is, without a picture.
    #[serde(default)]
    pub(crate) audio_only: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Node {
    /// Shown to people.
    pub(crate) name: String,
    /// A picture of the node, shown to people: a PNG or JPEG.
    pub(crate) image: Option<PathBuf>,
    /// Where it stands, told to whoever asks.
    #[serde(deserialize_with = "location")]
    pub(crate) location: Option<Location>,
    /// Everything that the node keeps.
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ingest {
    /// RTMP.
    pub(crate) listen: SocketAddr,
    /// Network devices to listen on; empty takes all.
    #[serde(deserialize_with = "devices")]
    pub(crate) devices: Vec<Device>,
    /// Addresses and networks that may publish; empty allows all.
    pub(crate) allow: Vec<String>,
    /// How long a publisher may be away and still continue its broadcast.
    #[serde(deserialize_with = "duration")]
    pub(crate) grace: Duration,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Segment {
    #[serde(deserialize_with = "duration")]
    pub(crate) target_duration: Duration,
    #[serde(deserialize_with = "duration")]
    pub(crate) part_duration: Duration,
    /// Segments in the live playlist.
    pub(crate) live_window: usize,
    /// Whether there are to be pictures to look through this node's broadcasts with.
    pub(crate) thumbnails: bool,
    /// Whose broadcasts there are to be renditions of.
    pub(crate) transcode: Transcode,
}

/// Whose broadcasts are encoded anew on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transcode {
    /// Nobody's.
    Off,
    /// Those that are published to it.
    Publisher,
    /// Also those of whom it follows that come here.
    Here,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Archive {
    /// Whether this node's broadcasts are kept once they are over.
    pub(crate) keep: bool,
    /// Whether what its publisher withdrew is given up, and not kept any more.
    pub(crate) honour_withdrawals: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Storage {
    #[serde(deserialize_with = "byte_size")]
    pub(crate) quota: ByteSize,
    pub(crate) max_files: u64,
    #[serde(deserialize_with = "byte_size")]
    pub(crate) reserve: ByteSize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ipfs {
    /// Multiaddrs.
    pub(crate) listen: Vec<String>,
    #[serde(deserialize_with = "devices")]
    pub(crate) devices: Vec<Device>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ssb {
    pub(crate) listen: SocketAddr,
    #[serde(deserialize_with = "devices")]
    pub(crate) devices: Vec<Device>,
    pub(crate) hops: u32,
    /// Multiserver addresses or invites of peers to keep connected.
    pub(crate) peers: Vec<String>,
    /// Whether the start of a broadcast is also told in a post.
    pub(crate) announce_post: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Web {
    pub(crate) listen: SocketAddr,
    #[serde(deserialize_with = "devices")]
    pub(crate) devices: Vec<Device>,
    /// Where people reach the pages; empty where the node's own addresses serve.
    pub(crate) public_url: String,
    /// With which the owner acts over the network; `admin-token` in the data directory where none is named.
    pub(crate) admin_token_file: Option<PathBuf>,
    /// What `/ipfs/` serves.
    pub(crate) gateway: GatewayReach,
    /// Most TCP connections, WebSockets among them: of all, and of one address.
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    /// Most WebSockets: of all, and of one address.
    pub(crate) max_sockets: usize,
    pub(crate) max_sockets_per_address: usize,
    /// A port of its own for `/ipfs/`.
    pub(crate) gateway_listen: Option<SocketAddr>,
    /// Names that lead here.
    pub(crate) names: Vec<String>,
    /// What phones are told that look for the Internet.
    pub(crate) portal: Portal,
    /// Who may show the player in a page of theirs.
    pub(crate) embed: Embedding,
    /// HTTPS, besides.
    pub(crate) tls: Option<Tls>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    #[serde(default = "tls_listen")]
    pub(crate) listen: SocketAddr,
    /// PEM: the certificate, and those that vouch for it.
    pub(crate) certificate: PathBuf,
    /// PEM: its key.
    pub(crate) key: PathBuf,
}

fn tls_listen() -> SocketAddr {
    any(8443)
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mesh {
    pub(crate) mirror: Mirror,
    /// Addresses of other nodes' HTTP listeners.
    pub(crate) peers: Vec<String>,
    /// Names of the network interfaces to look for peers on; empty takes all.
    pub(crate) interfaces: Vec<String>,
    /// Whether to look for peers on the LAN, and be found there.
    pub(crate) lan_discovery: bool,
    /// Where cjdns's admin interface is; empty asks none.
    pub(crate) cjdns_admin: String,
    /// With its password, as text or as cjdns's tools keep it.
    pub(crate) cjdns_password_file: Option<PathBuf>,
    /// Where Yggdrasil's admin socket is; empty asks none.
    pub(crate) yggdrasil_admin: String,
    /// Whether other nodes are told how many watch here.
    pub(crate) tell_viewers: bool,
    /// Whether other nodes are told of the links to this one's neighbours.
    pub(crate) tell_links: bool,
    /// Blocks sent to all peers together; none is no limit.
    pub(crate) max_upload: Option<Rate>,
    /// Blocks sent to each peer.
    pub(crate) max_upload_per_peer: Option<Rate>,
}

/// Whose releases of this program are taken. The keys count for root only where the configuration file names them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Upgrade {
    /// Public keys of those who sign releases; without any nothing is taken.
    pub(crate) trusted: Vec<PublicKey>,
    /// How many of them have to sign.
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

/// Names of the node; more than these nobody remembers.
const MAX_NAMES: usize = 16;

impl Config {
    /// Takes what is set by all layers together.
    ///
    /// # Errors
    /// Where a key or value is wrong; the error names it.
    fn from_table(table: Table) -> anyhow::Result<Self> {
        let config: Self = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let path = error.path().to_string();
            anyhow::anyhow!("configuration key {path}: {}", error.into_inner().message())
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let target = self.segment.target_duration;
        if target.subsec_nanos() != 0 || !(1..=60).contains(&target.as_secs()) {
            bail!("configuration key segment.target_duration: must be 1 to 60 whole seconds, such as \"15s\"");
        }
        let part = self.segment.part_duration;
        if part < Duration::from_millis(100) || part > target {
            bail!("configuration key segment.part_duration: must be between \"100ms\" and the target duration");
        }
        if !(3..=100).contains(&self.segment.live_window) {
            bail!("configuration key segment.live_window: must be 3 to 100 segments");
        }
        let url = &self.web.public_url;
        let usable =
            url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).is_some_and(|rest| !rest.is_empty());
        if !url.is_empty()
            && (!usable || url.len() > 200 || url.contains(|c: char| c.is_whitespace() || "<>".contains(c)))
        {
            bail!("configuration key web.public_url: must be an address such as \"http://10.0.0.5:8080\"");
        }
        let names = &self.web.names;
        if names.len() > MAX_NAMES || names.iter().any(|name| !player_web::is_host_name(name)) {
            bail!(
                "configuration key web.names: must be at most {MAX_NAMES} host names without a port, such as \"video.mesh\""
            );
        }
        if self.node.name.is_empty() || self.node.name.chars().count() > 100 {
            bail!("configuration key node.name: must have 1 to 100 characters");
        }
        if self.upgrade.threshold == 0 {
            bail!("configuration key upgrade.threshold: at least 1 key has to sign");
        }
        self.upgrade.trust().context("configuration key upgrade.trusted")?;
        cameras::wanted::check(&self.camera)
    }
}

fn byte_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    ByteSize::deserialize(deserializer)
        .map_err(|_| de::Error::custom("not a size: write for example \"10GiB\" or \"500MB\""))
}

/// Unlike what other nodes tell of themselves, a key that is not known is an error.
fn location<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Location>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Place {
        latitude: f64,
        longitude: f64,
        altitude_m: Option<i32>,
    }
    let Place { latitude, longitude, altitude_m } = Place::deserialize(deserializer)?;
    Location::new(latitude, longitude, altitude_m).map(Some).map_err(de::Error::custom)
}

fn devices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Device>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.len() > MAX_DEVICES {
        return Err(de::Error::custom(format!("{} devices: at most {MAX_DEVICES} are listened on", names.len())));
    }
    let mut devices =
        names.iter().map(|name| name.parse()).collect::<Result<Vec<Device>, _>>().map_err(de::Error::custom)?;
    devices.sort();
    devices.dedup();
    Ok(devices)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|_| de::Error::custom(format!("'{text}' is not a duration: write for example \"15s\" or \"1m 30s\"")))
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::from(([0u16; 8], port))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("meshstream.toml");
        std::fs::write(&path, file)?;
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Ok(Layers::read(Some(&path), environment, Some(dir.path()))?.config().clone())
    }

    fn error(file: &str, environment: &[(&str, &str)]) -> String {
        format!("{:#}", load(file, environment).unwrap_err())
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let Config { node, .. } = Config::default();
        let config = load("", &[]).unwrap();
        let data_dir = config.node.data_dir.clone();
        assert_eq!(config, Config { node: Node { data_dir, ..node }, ..Config::default() });
    }

    #[test]
    fn the_file_overrides_defaults_and_the_environment_overrides_the_file() {
        let file = "[segment]\ntarget_duration = \"6s\"\n[storage]\nquota = \"2GiB\"\n[ingest]\nlisten = \"[::]:0\"";
        let environment = [
            ("MESHSTREAM_SEGMENT__TARGET_DURATION", "4s"),
            ("MESHSTREAM_SEGMENT__LIVE_WINDOW", "8"),
            ("MESHSTREAM_MESH__PEERS", "[\"10.0.0.2\"]"),
            ("MESHSTREAM_MESH__MIRROR", "all"),
            ("MESHSTREAM_MESH__MAX_UPLOAD", "8 Mbit/s"),
            ("MESHSTREAM_WEB__GATEWAY", "open"),
            ("MESHSTREAM_WEB__TLS", "{ certificate = \"/c.pem\", key = \"/k.pem\" }"),
            ("MESHSTREAM_WEB__EMBED", "none"),
            ("PATH", "/bin"),
        ];
        let config = load(file, &environment).unwrap();
        assert_eq!(config.segment.target_duration, Duration::from_secs(4));
        assert_eq!(config.segment.live_window, 8);
        assert_eq!(config.storage.quota, ByteSize::gib(2));
        assert_eq!(config.ingest.listen.port(), 0);
        assert_eq!(config.mesh.peers, ["10.0.0.2"]);
        assert_eq!(config.mesh.mirror, Mirror::All);
        assert_eq!(config.mesh.max_upload, Some("8 Mbit/s".parse().unwrap()));
        assert_eq!(config.web.gateway, GatewayReach::Open);
        assert_eq!(config.web.tls.map(|tls| tls.listen.port()), Some(8443));
        assert_eq!(config.web.embed, Embedding::Nobody);
    }

    #[test]
    fn arguments_override_all() {
        let environment = [("MESHSTREAM_NODE__DATA_DIR".to_owned(), "/a".to_owned())];
        let layers = Layers::read(Some(Path::new("/dev/null")), environment, Some(Path::new("/b"))).unwrap();
        assert_eq!(layers.config().node.data_dir, Path::new("/b"));
    }

    #[test]
    fn a_location_is_told_where_one_is_given() {
        let file = "[node]\nlocation = { latitude = 43.65, longitude = -79.38, altitude_m = 76 }";
        assert_eq!(load(file, &[]).unwrap().node.location, Location::new(43.65, -79.38, Some(76)).ok());
        let variable = ("MESHSTREAM_NODE__LOCATION", "{ latitude = 1, longitude = 2 }");
        assert_eq!(load(file, &[variable]).unwrap().node.location, Location::new(1.0, 2.0, None).ok());
    }

    #[test]
    fn errors_name_the_key() {
        for (file, name) in [
            ("[segment]\ntarget = \"15s\"", "segment.target"),
            ("[segmnt]\n", "segmnt"),
            ("[ingest]\ngrace = \"soon\"", "ingest.grace"),
            ("[ingest]\nlisten = 5", "ingest.listen"),
            ("[segment]\ntarget_duration = \"1500ms\"", "segment.target_duration"),
            ("[segment]\nlive_window = 0", "segment.live_window"),
            ("[web]\npublic_url = \"ftp://x\"", "web.public_url"),
            ("ingest = 3", "ingest"),
            ("[[camera]]\nsize = \"big\"", "camera[0].size: a size is"),
            ("[[camera]]\n[[camera]]\n", "camera[1].name"),
            ("[[camera]]\ndevise = \"x\"", "devise"),
            ("[storage]\nquota = \"10 pounds\"", "storage.quota: not a size"),
            ("[web]\ngateway = \"all\"", "web.gateway"),
            ("[web]\nnames = [\"http://video.mesh\"]", "web.names"),
            ("[web]\nportal = \"yes\"", "web.portal"),
            ("[web]\nembed = [\"video.mesh\"]", "web.embed: expected \"anyone\""),
            ("[web.tls]\ncertificate = \"/etc/c.pem\"", "web.tls: missing field `key`"),
            ("[mesh]\nmax_upload = \"10\"", "mesh.max_upload: '10' is not a rate"),
            ("[mesh]\nmax_upload_per_peer = 10", "mesh.max_upload_per_peer"),
            ("[ssb]\ndevices = [\"tun 0\"]", "ssb.devices"),
            ("[web]\ndevices = \"tun0\"", "web.devices"),
            ("[node]\nlocation = \"home\"", "node.location"),
            ("[node]\nlocation = { latitude = 43.65 }", "node.location: missing field `longitude`"),
            (
                "[node]\nlocation = { latitude = 143.65, longitude = 0 }",
                "node.location: latitude 143.65: must be -90 to 90",
            ),
            ("[node]\nlocation = { latitude = 1, longitude = 2, height = 3 }", "unknown field `height`"),
        ] {
            let error = error(file, &[]);
            assert!(error.contains(name), "{file}: {error}");
        }
        assert!(error("[web]\ngateway = \"all\"", &[]).contains("expected `known` or `open`"));
        let error = error("", &[("MESHSTREAM_WEB__LISTN", "[::]:80")]);
        assert!(error.contains("listn"), "{error}");
        let error = self::error("", &[("MESHSTREAM_WEBLISTEN", "[::]:80")]);
        assert!(error.contains("MESHSTREAM_WEBLISTEN") && error.contains("two underscores"), "{error}");
    }
}
