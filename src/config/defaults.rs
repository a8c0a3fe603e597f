//! What holds where nothing is set.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use node_router::YggdrasilAdmin;
use player_web::{Embedding, GatewayReach, Portal};
use streamer::playback::Mirror;

use super::{Archive, Ingest, Ipfs, Mesh, Node, Segment, Ssb, Storage, Transcode, Upgrade, Web, any};

impl Default for Node {
    fn default() -> Self {
        Self { name: host_name(), image: None, location: None, data_dir: default_data_dir() }
    }
}

impl Default for Ingest {
    fn default() -> Self {
        Self { listen: any(1935), devices: Vec::new(), allow: Vec::new(), grace: Duration::from_secs(60) }
    }
}

impl Default for Segment {
    fn default() -> Self {
        Self {
            target_duration: Duration::from_secs(15),
            part_duration: Duration::from_secs(1),
            live_window: 6,
            thumbnails: true,
            transcode: Transcode::Publisher,
        }
    }
}

impl Default for Archive {
    fn default() -> Self {
        Self { keep: true, honour_withdrawals: true }
    }
}

/// Half of the inodes of a card of 16 GB as ext4 makes them, and twenty times what the default quota takes with segments of
/// 3 Mbit/s.
const MAX_FILES: u64 = 500_000;

impl Default for Storage {
    fn default() -> Self {
        Self { quota: ByteSize::gib(10), max_files: MAX_FILES, reserve: ByteSize::gib(1) }
    }
}

impl Default for Ipfs {
    fn default() -> Self {
        let listen = ["/ip6/::/tcp/4001", "/ip4/0.0.0.0/tcp/4001"].map(str::to_owned).to_vec();
        Self { listen, devices: Vec::new() }
    }
}

impl Default for Ssb {
    fn default() -> Self {
        Self { listen: any(8008), devices: Vec::new(), hops: 3, peers: Vec::new(), announce_post: true }
    }
}

impl Default for Web {
    fn default() -> Self {
        let player_web::Config {
            max_connections,
            max_connections_per_address,
            max_sockets,
            max_sockets_per_address,
            ..
        } = player_web::Config::default();
        Self {
            listen: any(8080),
            devices: Vec::new(),
            public_url: String::new(),
            admin_token_file: None,
            gateway: GatewayReach::Known,
            max_connections,
            max_connections_per_address,
            max_sockets,
            max_sockets_per_address,
            trusted_proxies: Vec::new(),
            gateway_listen: None,
            names: Vec::new(),
            portal: Portal::default(),
            embed: Embedding::default(),
            tls: None,
        }
    }
}

impl Default for Mesh {
    fn default() -> Self {
        Self {
            mirror: Mirror::Watched,
            peers: Vec::new(),
            interfaces: Vec::new(),
            lan_discovery: true,
            cjdns_admin: "127.0.0.1:11234".to_owned(),
            cjdns_password_file: None,
            yggdrasil_admin: YggdrasilAdmin::default().to_string(),
            tell_viewers: true,
            tell_links: true,
            max_upload: None,
            max_upload_per_peer: None,
        }
    }
}

impl Default for Upgrade {
    fn default() -> Self {
        Self { trusted: Vec::new(), threshold: 1 }
    }
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "meshstream".to_owned())
}

fn default_data_dir() -> PathBuf {
    let from = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("XDG_DATA_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("/var/lib"))
        .join("meshstream")
}
