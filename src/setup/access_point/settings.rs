//! The one small file that an access point is made from.

use std::net::Ipv4Addr;

use anyhow::bail;
use listener::Device;
use serde::{Deserialize, Deserializer, de};

use super::channel::{Band, Channel};
use super::name::{Prefix, is_part};

/// The example that is installed with the program; a test keeps it right.
pub(crate) const EXAMPLE: &str = include_str!("../../../deploy/access-point/access-point.toml");

/// Stands for a country that nobody has named yet, as on an image before its first boot.
pub(super) const NOWHERE: &str = "00";

/// What a person says of the access point. Only the country has no default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Two letters (ISO 3166-1): which channels and powers are allowed.
    pub(crate) country: String,
    /// What the networks of all nodes begin with.
    #[serde(default = "mesh")]
    pub(crate) mesh: String,
    /// What this one's ends with; of the machine's address where it is not given.
    pub(crate) suffix: Option<String>,
    /// Whether the machine gets the same name.
    #[serde(default = "yes")]
    pub(crate) hostname: bool,
    #[serde(default = "wlan0", deserialize_with = "device")]
    pub(crate) device: Device,
    /// The node's, of a /24.
    #[serde(default = "address")]
    pub(crate) address: Ipv4Addr,
    pub(crate) ipv6_prefix: Option<Prefix>,
    band: Option<Band>,
    channel: Option<u16>,
    #[serde(default = "narrow")]
    width: u16,
    /// None lets everybody in.
    pub(crate) passphrase: Option<String>,
    #[serde(default)]
    pub(crate) security: Security,
    /// Whether phones are kept from each other.
    #[serde(default = "yes")]
    pub(crate) client_isolation: bool,
    pub(crate) mesh_point: Option<MeshPoint>,
}

/// How a passphrase is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Security {
    #[default]
    Wpa2,
    #[serde(rename = "wpa2+wpa3")]
    Both,
    Wpa3,
}

/// A second radio, which meets those of other nodes (IEEE 802.11s).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeshPoint {
    #[serde(default = "wlan1", deserialize_with = "device")]
    pub(crate) device: Device,
    /// The same on all nodes that are to meet; `mesh` where it is not given.
    pub(crate) mesh_id: Option<String>,
    #[serde(default = "backhaul")]
    channel: u16,
    #[serde(default = "narrow")]
    width: u16,
    /// In dBm: nodes that are heard more weakly are no neighbours.
    #[serde(default = "rssi")]
    pub(crate) rssi_threshold: i16,
}

fn mesh() -> String {
    "mesh".to_owned()
}

fn yes() -> bool {
    true
}

fn wlan0() -> Device {
    "wlan0".parse().expect("a name of a device")
}

fn wlan1() -> Device {
    "wlan1".parse().expect("a name of a device")
}

fn address() -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 1)
}

/// In MHz: every radio and every phone can.
fn narrow() -> u16 {
    20
}

/// The first of 5 GHz that radars do not have.
fn backhaul() -> u16 {
    36
}

/// Below this a link loses so much that a way over two better ones is faster.
fn rssi() -> i16 {
    -80
}

fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Device, D::Error> {
    let device: Device = String::deserialize(deserializer)?.parse().map_err(de::Error::custom)?;
    // systemd and nftables read it as a part of their own syntax.
    if device.as_str().contains('@') {
        Err(de::Error::custom("a device with @ in its name has no radio"))
    } else {
        Ok(device)
    }
}

impl Settings {
    /// The channel of the access point: 6, or 36 on 5 GHz, where none is given.
    ///
    /// # Errors
    /// What is wrong with it; the error names the key.
    pub(crate) fn channel(&self) -> anyhow::Result<Channel> {
        let number = self.channel.unwrap_or(if self.band == Some(Band::Five) { 36 } else { 6 });
        Channel::new(self.band, number, self.width).map_err(|said| anyhow::anyhow!("key channel: {said}"))
    }

    /// All its devices.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &Device> {
        std::iter::once(&self.device).chain(self.mesh_point.iter().map(|point| &point.device))
    }

    /// The name by which mesh points know each other.
    pub(crate) fn mesh_id<'a>(&'a self, point: &'a MeshPoint) -> &'a str {
        point.mesh_id.as_deref().unwrap_or(&self.mesh)
    }

    /// Looks at what types alone do not say.
    ///
    /// # Errors
    /// The first that is wrong; the error names the key.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.country == NOWHERE {
            if self.mesh_point.is_some() || self.band == Some(Band::Five) || self.channel()?.number > 11 {
                bail!(
                    "key country: without a country a radio may use channels 1 to 11 of 2.4 GHz only: name yours, such as \"CA\""
                );
            }
        } else if self.country.len() != 2 || !self.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            bail!("key country: '{}' is not a country's two letters such as \"CA\"", self.country);
        }
        if !is_part(&self.mesh) {
            bail!("key mesh: '{}' has more than lower-case letters, digits and hyphens", self.mesh);
        }
        if self.suffix.as_ref().is_some_and(|suffix| !is_part(suffix)) {
            bail!("key suffix: it may have lower-case letters, digits and hyphens only, such as \"1a2b\"");
        }
        let last = self.address.octets()[3];
        if !self.address.is_private() || !(1..10).contains(&last) && !(251..255).contains(&last) {
            bail!(
                "key address: {} is not one that a node can have: take a private one that ends with 1 to 9, such as \"10.0.0.1\" \
                 (phones get 10 to 250)",
                self.address
            );
        }
        self.channel()?;
        if let Some(passphrase) = &self.passphrase {
            let typed = passphrase.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            if !(8..=63).contains(&passphrase.len()) || !typed {
                bail!("key passphrase: it has 8 to 63 characters of ASCII");
            }
        } else if self.security != Security::Wpa2 {
            bail!("key security: it says how a passphrase is used, and there is none: set 'passphrase', too");
        }
        match &self.mesh_point {
            Some(point) => point.check(self),
            None => Ok(()),
        }
    }
}

impl MeshPoint {
    /// # Errors
    /// What is wrong with it; the error names the key.
    pub(crate) fn channel(&self) -> anyhow::Result<Channel> {
        Channel::new(None, self.channel, self.width).map_err(|said| anyhow::anyhow!("key mesh_point.channel: {said}"))
    }

    fn check(&self, settings: &Settings) -> anyhow::Result<()> {
        if self.device == settings.device {
            bail!("key mesh_point.device: {} makes the access point: a mesh point takes another radio", self.device);
        }
        let id = settings.mesh_id(self);
        // It stands in a unit of systemd, to which more means something.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=32).contains(&id.len()) || !id.bytes().all(plain) || id.starts_with('-') {
            bail!("key mesh_point.mesh_id: it has 1 to 32 letters, digits, or any of ._-");
        }
        if self.channel()?.is_shared_with_radars() {
            bail!(
                "key mesh_point.channel: channel {} is shared with radars, which a mesh point cannot listen for: take 1 to 13, 36 to \
                 48 or 149 to 165, as the country allows",
                self.channel
            );
        }
        if !(-100..=-30).contains(&self.rssi_threshold) {
            bail!("key mesh_point.rssi_threshold: it is -100 to -30 (dBm)");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::settings_file::parse;

    fn error(text: &str) -> String {
        let settings: anyhow::Result<Settings> = parse(text);
        format!("{:#}", settings.and_then(|settings| settings.check()).unwrap_err())
    }

    #[test]
    fn a_country_is_enough() {
        let settings: Settings = parse("country = \"CA\"").unwrap();
        settings.check().unwrap();
        assert_eq!((settings.device.as_str(), settings.address.to_string().as_str()), ("wlan0", "10.0.0.1"));
        assert_eq!(settings.channel().unwrap().number, 6);
        assert!(settings.client_isolation && settings.hostname && settings.mesh_point.is_none());
        let settings: Settings = parse("country = \"CA\"\nband = \"5GHz\"\n[mesh_point]").unwrap();
        settings.check().unwrap();
        assert_eq!(settings.channel().unwrap().number, 36);
        assert_eq!(settings.mesh_id(settings.mesh_point.as_ref().unwrap()), "mesh");
    }

    #[test]
    fn errors_name_the_key() {
        for (text, said) in [
            ("", "country"),
            ("country = \"ca\"", "key country"),
            ("country = \"CA\"\nssid = \"x\"", "ssid"),
            ("country = \"CA\"\nmesh = \"To Mesh\"", "key mesh:"),
            ("country = \"CA\"\nsuffix = \"-\"", "key suffix"),
            ("country = \"CA\"\ndevice = \"wlan0; reboot\"", "key device"),
            ("country = \"CA\"\naddress = \"8.8.8.1\"", "key address"),
            ("country = \"CA\"\naddress = \"10.0.0.20\"", "key address"),
            ("country = \"CA\"\naddress = \"10.0.0.0\"", "key address"),
            ("country = \"CA\"\nipv6_prefix = \"fd12::/48\"", "key ipv6_prefix"),
            ("country = \"CA\"\nband = \"6GHz\"", "key band"),
            ("country = \"CA\"\nchannel = 15", "key channel"),
            ("country = \"CA\"\nwidth = 40", "key channel"),
            ("country = \"CA\"\npassphrase = \"short\"", "key passphrase"),
            ("country = \"CA\"\npassphrase = \"long enough\\nssid=x\"", "key passphrase"),
            ("country = \"CA\"\nsecurity = \"wpa3\"", "key security"),
            ("country = \"CA\"\n[mesh_point]\ndevice = \"wlan0\"", "key mesh_point.device"),
            ("country = \"CA\"\n[mesh_point]\nmesh_id = \"a b\"", "key mesh_point.mesh_id"),
            ("country = \"CA\"\n[mesh_point]\nchannel = 52", "key mesh_point.channel"),
            ("country = \"CA\"\n[mesh_point]\nrssi_threshold = 10", "key mesh_point.rssi_threshold"),
            ("country = \"CA\"\n[mesh_point]\nforwarding = true", "mesh_point.forwarding"),
        ] {
            let error = error(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn the_example_has_every_key_and_its_default() {
        let given: Settings = parse(EXAMPLE).unwrap();
        given.check().unwrap();
        // Keys stand there commented out, one a line, under the table that they are of.
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| {
                line.strip_prefix('#')
                    .filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase() || c == '['))
                    .unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let full: Settings = parse(&uncommented).unwrap_or_else(|error| panic!("{error:#}\n{uncommented}"));
        full.check().unwrap();
        let defaults: Settings = parse("country = \"CA\"\n[mesh_point]").unwrap();
        let point = full.mesh_point.clone().unwrap();
        assert_eq!(MeshPoint { mesh_id: None, ..point }, defaults.mesh_point.unwrap());
        assert_eq!((full.mesh, full.device, full.address), (defaults.mesh, defaults.device, defaults.address));
        assert_eq!((full.width, full.client_isolation, full.hostname), (20, true, true));
        assert!(full.suffix.is_some() && full.passphrase.is_some() && full.ipv6_prefix.is_some());
    }
}
