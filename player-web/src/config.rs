//! What the owner of a node may set of its web server.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::OwnerAccess;
use crate::host::normal;

/// What the gateway at `/ipfs/` serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GatewayReach {
    /// What known manifests reach: what is held here, and what was announced.
    #[default]
    Known,
    /// Whatever peers have, so that whoever reaches the node can use it and its links to fetch.
    Open,
}

/// What the gateway serves as the owner last chose. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct GatewayChoice {
    open: Arc<AtomicBool>,
}

impl GatewayChoice {
    /// From now on it serves this.
    pub fn choose(&self, reach: GatewayReach) {
        self.open.store(reach == GatewayReach::Open, Ordering::Relaxed);
    }

    pub(crate) fn reach(&self) -> GatewayReach {
        if self.open.load(Ordering::Relaxed) { GatewayReach::Open } else { GatewayReach::Known }
    }
}

impl From<GatewayReach> for GatewayChoice {
    fn from(reach: GatewayReach) -> Self {
        let choice = Self::default();
        choice.choose(reach);
        choice
    }
}

/// Who may show the player in a page of theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Embedding {
    /// Every page.
    #[default]
    Anyone,
    /// This node's own pages alone.
    Nobody,
    /// Those, and pages of these origins, such as `http://10.0.0.9` or `https://video.mesh:8443`.
    Origins(Vec<String>),
}

/// What phones are told that look for the Internet through this node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Portal {
    /// That there is a portal, this node's first page, and once they have shown it, that all is well.
    #[default]
    Show,
    /// That all is well.
    Quiet,
    /// Nothing: their questions are led to the pages as all of other names are.
    Off,
}

/// Most origins that may be named: each is sent with every player.
const MAX_EMBEDDERS: usize = 16;

impl Serialize for Embedding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Anyone => serializer.serialize_str("anyone"),
            Self::Nobody => serializer.serialize_str("none"),
            Self::Origins(origins) => origins.serialize(serializer),
        }
    }
}

impl JsonSchema for Embedding {
    fn schema_name() -> Cow<'static, str> {
        "Embedding".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "const": "anyone", "description": "Every page." },
            { "const": "none", "description": "This node's own pages alone." },
            { "type": "array", "items": { "type": "string" }, "maxItems": MAX_EMBEDDERS, "title": "a list of origins",
              "description": "Those, and pages of these, such as `[\"http://10.0.0.9:8000\"]`; at most 16." },
        ] })
    }
}

impl<'de> Deserialize<'de> for Embedding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Choice {
            Word(String),
            Origins(Vec<String>),
        }
        const EXPECTED: &str = "expected \"anyone\", \"none\", or a list of origins such as [\"http://10.0.0.9:8000\"]";
        match Choice::deserialize(deserializer).map_err(|_| de::Error::custom(EXPECTED))? {
            Choice::Word(word) if word == "anyone" => Ok(Self::Anyone),
            Choice::Word(word) if word == "none" => Ok(Self::Nobody),
            Choice::Origins(origins)
                if origins.len() <= MAX_EMBEDDERS && origins.iter().all(|text| is_origin(text)) =>
            {
                Ok(Self::Origins(origins))
            }
            Choice::Origins(origins) if origins.len() > MAX_EMBEDDERS => {
                Err(de::Error::custom(format!("{} origins: at most {MAX_EMBEDDERS} may be named", origins.len())))
            }
            _ => Err(de::Error::custom(EXPECTED)),
        }
    }
}

/// Scheme, host, and perhaps a port: what a policy can name.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let (host, port) = authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    matches!(scheme, "http" | "https") && normal(host).is_some() && port.is_none_or(|port| port.parse::<u16>().is_ok())
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
    /// Reverse proxies whose word on their visitors counts (`X-Forwarded-For`, `X-Forwarded-Proto`).
    pub trusted_proxies: Vec<IpAddr>,
    /// What the gateway serves. To be the same for all routers of a node. Never part of a file.
    #[serde(skip)]
    pub gateway: GatewayChoice,
    /// Where [`crate::gateway_app`] is served: paths of the gateway are led there.
    #[serde(skip)]
    pub gateway_port: Option<u16>,
    /// Names that lead here, besides addresses, `localhost` and `thisnode.info`. Visitors of other names are sent to the
    /// first, or to the address that they came to.
    pub names: Vec<String>,
    /// Names that the node has by itself, such as one of mDNS. Never part of a file.
    #[serde(skip)]
    pub other_names: Vec<String>,
    /// What phones are told that look for the Internet.
    pub portal: Portal,
    /// Who may frame the player.
    pub embed: Embedding,
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
            trusted_proxies: Vec::new(),
            gateway: GatewayChoice::default(),
            gateway_port: None,
            names: Vec::new(),
            other_names: Vec::new(),
            portal: Portal::default(),
            embed: Embedding::default(),
            access: OwnerAccess::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedders_are_a_word_or_origins() {
        let read = |json: serde_json::Value| serde_json::from_value::<Embedding>(json);
        assert_eq!(read("anyone".into()).unwrap(), Embedding::Anyone);
        assert_eq!(read("none".into()).unwrap(), Embedding::Nobody);
        let origins = ["http://10.0.0.9", "https://video.mesh:8443"].map(str::to_owned).to_vec();
        assert_eq!(read(origins.clone().into()).unwrap(), Embedding::Origins(origins));
        for wrong in ["*", "http://a/b", "ftp://a", "a", "http://a;script-src *", "http://a b", "http://", "http://a:x"]
        {
            assert!(read(vec![wrong].into()).is_err(), "{wrong}");
        }
        let error = read("all".into()).unwrap_err().to_string();
        assert!(error.contains("expected \"anyone\", \"none\""), "{error}");
        assert!(read(vec!["http://a"; 17].into()).is_err());
    }
}
