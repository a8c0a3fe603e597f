//! What the owner of a node may set of its web server.

use std::net::{Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::OwnerAccess;

/// What the gateway at `/ipfs/` serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GatewayReach {
    /// What known manifests reach: what is held here, and what was announced.
    #[default]
    Known,
    /// Whatever peers have.
    Open,
}

/// Section `web` of the configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port; `[::]` takes IPv4 too, port 0 any free one.
    pub listen: SocketAddr,
    /// Most TCP connections in all, WebSockets among them.
    pub max_connections: usize,
    /// Most TCP connections of one address. A browser opens six and one for each WebSocket; a relay or a NAT puts
    /// several browsers behind one address.
    pub max_connections_per_address: usize,
    /// Most WebSockets in all. They count as connections too, so pages stay reachable where there may be more of those.
    pub max_sockets: usize,
    /// Most WebSockets of one address: a browser has one for each page open.
    pub max_sockets_per_address: usize,
    /// What the gateway serves.
    pub gateway: GatewayReach,
    /// How the owner acts over the network. To be the same for all routers of a node. Never part of a file.
    #[serde(skip)]
    pub access: OwnerAccess,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv6Addr::UNSPECIFIED, 8080).into(),
            max_connections: 1_536,
            max_connections_per_address: 64,
            max_sockets: 1_024,
            max_sockets_per_address: 32,
            gateway: GatewayReach::Known,
            access: OwnerAccess::default(),
        }
    }
}
