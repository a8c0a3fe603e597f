//! The small file of a node's peers in the mesh.

use std::net::SocketAddr;

use anyhow::bail;
use listener::Device;
use serde::{Deserialize, Deserializer, de};

/// The example that is installed with the program; a test keeps it right.
pub(crate) const EXAMPLE: &str = include_str!("../../../deploy/access-point/mesh.toml");

/// More than a node of a community has.
const MAX_PEERS: usize = 64;
const MAX_TEXT: usize = 300;

/// What a person says of the mesh. A daemon that has no table is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) yggdrasil: Option<Yggdrasil>,
    pub(crate) cjdns: Option<Cjdns>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Yggdrasil {
    /// Such as `tls://192.0.2.7:443`.
    pub(crate) peers: Vec<String>,
    /// Devices on which other nodes are looked for.
    #[serde(deserialize_with = "devices")]
    pub(crate) discover: Vec<Device>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cjdns {
    pub(crate) peer: Vec<CjdnsPeer>,
    #[serde(deserialize_with = "devices")]
    pub(crate) discover: Vec<Device>,
}

/// As the peer's `authorizedPasswords` and public key say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CjdnsPeer {
    pub(crate) address: SocketAddr,
    pub(crate) public_key: String,
    pub(crate) password: String,
    pub(crate) login: Option<String>,
}

fn devices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Device>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.len() > MAX_PEERS {
        return Err(de::Error::custom(format!("at most {MAX_PEERS} devices")));
    }
    names.iter().map(|name| name.parse().map_err(de::Error::custom)).collect()
}

impl Settings {
    /// Looks at what types alone do not say.
    ///
    /// # Errors
    /// The first that is wrong; the error names the key.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.yggdrasil.is_none() && self.cjdns.is_none() {
            bail!("it has neither a table [yggdrasil] nor [cjdns]: there is nothing to set up");
        }
        for peer in self.yggdrasil.iter().flat_map(|yggdrasil| &yggdrasil.peers) {
            let (scheme, rest) = peer.split_once("://").unwrap_or_default();
            let known = ["tls", "tcp", "quic", "ws", "wss", "socks", "sockstls", "unix"].contains(&scheme);
            let plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte));
            if !known || rest.is_empty() || !plain || peer.len() > MAX_TEXT {
                bail!("key yggdrasil.peers: '{peer}' is not a peer's address such as \"tls://192.0.2.7:443\"");
            }
        }
        for CjdnsPeer { public_key, password, login, .. } in self.cjdns.iter().flat_map(|cjdns| &cjdns.peer) {
            let digits = public_key.strip_suffix(".k").unwrap_or_default();
            if digits.len() != 52 || !digits.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                bail!(
                    "key cjdns.peer.public_key: '{public_key}' is not a public key: 52 letters and digits and \".k\""
                );
            }
            // cjdns reads no escapes of JSON but `\xff`, and other programs do not read that.
            let plain = |c: char| !c.is_control() && !"\"\\".contains(c);
            let usable = |text: &String| (1..=MAX_TEXT).contains(&text.len()) && text.chars().all(plain);
            if !usable(password) || !login.iter().all(usable) {
                bail!(
                    "key cjdns.peer: 'password' and 'login' are texts of 1 to {MAX_TEXT} bytes in one line, without \" and \\"
                );
            }
        }
        let most = self
            .yggdrasil
            .as_ref()
            .map_or(0, |table| table.peers.len())
            .max(self.cjdns.as_ref().map_or(0, |table| table.peer.len()));
        if most > MAX_PEERS {
            bail!("it has {most} peers of one daemon: at most {MAX_PEERS}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::settings_file::parse;

    #[test]
    fn the_example_is_right() {
        let settings: Settings = parse(EXAMPLE).unwrap();
        settings.check().unwrap();
        assert_eq!(settings.yggdrasil, Some(Yggdrasil::default()));
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| {
                let key =
                    line.strip_prefix('#').filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase() || c == '['));
                format!("{}\n", key.unwrap_or(line))
            })
            .collect();
        let full: Settings = parse(&uncommented).unwrap();
        full.check().unwrap();
        assert!(full.cjdns.is_some_and(|cjdns| cjdns.peer.len() == 1 && cjdns.peer[0].login.is_some()));
        assert!(full.yggdrasil.is_some_and(|table| table.peers.len() == 1 && table.discover.len() == 1));
    }

    #[test]
    fn errors_name_the_key() {
        let key = "a".repeat(52);
        for (text, said) in [
            (String::new(), "neither a table"),
            ("[yggdrasil]\npeer = []".to_owned(), "yggdrasil.peer"),
            ("[yggdrasil]\npeers = [\"example.org\"]".to_owned(), "key yggdrasil.peers"),
            ("[yggdrasil]\npeers = [\"tls://a b\"]".to_owned(), "key yggdrasil.peers"),
            ("[yggdrasil]\npeers = [\"tls://a\\\"\"]".to_owned(), "key yggdrasil.peers"),
            ("[yggdrasil]\ndiscover = [\"a/b\"]".to_owned(), "key yggdrasil.discover"),
            (format!("[yggdrasil]\npeers = [{}]", "\"tls://a:1\",".repeat(65)), "65 peers"),
            (
                format!("[[cjdns.peer]]\naddress = \"a\"\npublic_key = \"{key}.k\"\npassword = \"x\""),
                "key cjdns.peer[0].address",
            ),
            (
                "[[cjdns.peer]]\naddress = \"192.0.2.7:1\"\npublic_key = \"x\"\npassword = \"x\"".to_owned(),
                "public_key",
            ),
            (
                format!("[[cjdns.peer]]\naddress = \"192.0.2.7:1\"\npublic_key = \"{key}.k\"\npassword = \"\""),
                "password",
            ),
        ] {
            let settings: anyhow::Result<Settings> = parse(&text);
            let error = format!("{:#}", settings.and_then(|settings| settings.check()).unwrap_err());
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
