//! Everything that can be set, typed and checked. [`Layers`] says where it comes from.
//!
//! A key that is not known here is an error that names it.

mod defaults;
mod forms;
mod keys;
pub(crate) mod layers;
mod rate;
pub(crate) mod reference;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use toml::{Table, Value};

pub(crate) use forms::in_units;
pub(crate) use keys::*;
pub(crate) use layers::Layers;
pub(crate) use rate::Rate;

use self::keys::MAX_NAMES;
use crate::cameras;

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

fn any(port: u16) -> SocketAddr {
    SocketAddr::from(([0u16; 8], port))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};
    use std::path::Path;

    use bytesize::ByteSize;
    use player_web::{Embedding, GatewayReach};
    use stream_model::Location;
    use streamer::playback::Mirror;

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
            ("MESHSTREAM_WEB__TRUSTED_PROXIES", "[\"127.0.0.1\", \"::1\"]"),
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
        assert_eq!(config.web.trusted_proxies, [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()]);
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
