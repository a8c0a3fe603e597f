//! How the network and its machine are called, and which IPv6 prefix it has. Pure.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use anyhow::bail;
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest as _, Sha256};

use crate::setup::machine::Machine;
use crate::setup::plan::Edit;

/// The longest SSID (IEEE 802.11).
const MAX_SSID: usize = 32;

/// The name of the network and of the machine that makes it, such as `tomesh-1a2b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkName(String);

impl NetworkName {
    /// # Errors
    /// Where it is too long, or no host name.
    pub(crate) fn new(mesh: &str, suffix: &str) -> anyhow::Result<Self> {
        let name = format!("{mesh}-{suffix}");
        if name.len() > MAX_SSID {
            bail!(
                "the network's name {name} is too long: 'mesh' and 'suffix' together have at most {} characters",
                MAX_SSID - 1
            );
        }
        Ok(Self(name))
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text can be a part of the name: of lower-case letters, digits and hyphens, as host names are (RFC 1123 §2.1).
pub(crate) fn is_part(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}

/// The last group of the machine's address in the mesh; else what stands for it, of the device's hardware address.
pub(crate) fn last_group(machine: &Machine, device: &str) -> Option<String> {
    let group = match (machine.mesh_address, machine.mac(device)) {
        (Some(address), _) => address.segments()[7],
        (None, Some([.., high, low])) => u16::from_be_bytes([high, low]),
        (None, None) => return None,
    };
    Some(format!("{group:04x}"))
}

/// A network of /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix(Ipv6Addr);

impl Prefix {
    /// A unique local one (RFC 4193), which is the same for a machine each time and another for each.
    pub(crate) fn derived(machine: &Machine, device: &str, name: &NetworkName) -> Self {
        let source = match (machine.mesh_address, machine.mac(device)) {
            (Some(address), _) => address.octets().to_vec(),
            (None, Some(mac)) => mac.to_vec(),
            (None, None) => name.0.clone().into_bytes(),
        };
        let hash = Sha256::new().chain_update("meshstream access point prefix v1").chain_update(source).finalize();
        let mut octets = [0; 16];
        octets[0] = 0xfd;
        octets[1..6].copy_from_slice(&hash[..5]);
        Self(Ipv6Addr::from(octets))
    }

    /// The first address, the node's own.
    pub(crate) fn first(self) -> Ipv6Addr {
        let mut octets = self.0.octets();
        octets[15] = 1;
        Ipv6Addr::from(octets)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/64", self.0)
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a prefix of 64 bits such as \"fd12:3456:789a::/64\"");
        let address: Ipv6Addr = text.strip_suffix("/64").and_then(|network| network.parse().ok()).ok_or_else(wrong)?;
        // Of unique local addresses, of Yggdrasil's and of the Internet's; never link-local or multicast.
        let usable = matches!(address.octets()[0], 0xfc | 0xfd | 0x02 | 0x03 | 0x20..=0x3f);
        if !usable || address.segments()[4..] != [0; 4] {
            return Err(wrong());
        }
        Ok(Self(address))
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The machine's own name, as Debian's installer writes it into `/etc/hosts`: without it `sudo` waits for a name server that
/// there is not. `None` where it stands there already.
pub(crate) fn hosts_edit(hosts: &str, name: &NetworkName) -> Option<(String, Edit)> {
    let named = |line: &str| line.split_whitespace().next() == Some("127.0.1.1");
    let line = hosts.split_inclusive('\n').find(|line| named(line));
    if line.is_some_and(|line| line.split_whitespace().skip(1).any(|word| word == name.0)) {
        return None;
    }
    let mut ours = format!("127.0.1.1\t{name}\n");
    let Some(before) = line else {
        if !hosts.is_empty() && !hosts.ends_with('\n') {
            ours.insert(0, '\n');
        }
        return Some((format!("{hosts}{ours}"), Edit { ours, before: String::new() }));
    };
    let (head, tail) = hosts.split_at(hosts.split_inclusive('\n').take_while(|line| !named(line)).map(str::len).sum());
    let text = format!("{head}{ours}{}", &tail[before.len()..]);
    Some((text, Edit { ours, before: before.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::machine::Device;

    fn machine(mesh: Option<&str>, mac: Option<[u8; 6]>) -> Machine {
        Machine {
            mesh_address: mesh.map(|text| text.parse().unwrap()),
            devices: vec![Device { name: "wlan0".to_owned(), mac }],
            ..Machine::default()
        }
    }

    fn name(text: &str) -> NetworkName {
        NetworkName(text.to_owned())
    }

    #[test]
    fn the_last_group_is_of_the_mesh_s_address_and_else_of_the_device() {
        let mac = Some([0xb8, 0x27, 0xeb, 0x12, 0x0f, 0x2a]);
        for (mesh, mac, expected) in [
            (Some("201:7e9d:8d4e:f287:ac43:b18d:fe01:3a"), mac, Some("003a")),
            (None, mac, Some("0f2a")),
            (None, None, None),
        ] {
            assert_eq!(last_group(&machine(mesh, mac), "wlan0").as_deref(), expected);
        }
        assert_eq!(last_group(&machine(None, mac), "wlan7"), None);
    }

    #[test]
    fn a_name_has_at_most_32_bytes() {
        assert_eq!(NetworkName::new(&"m".repeat(27), "1a2b").unwrap().0.len(), MAX_SSID);
        assert!(NetworkName::new(&"m".repeat(28), "1a2b").unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn parts_are_those_of_host_names() {
        for (text, expected) in [
            ("mesh", true),
            ("to-mesh2", true),
            ("", false),
            ("Mesh", false),
            ("-a", false),
            ("a-", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(is_part(text), expected, "{text}");
        }
    }

    #[test]
    fn a_derived_prefix_is_unique_local_and_always_the_same() {
        let machine = machine(Some("201:7e9d::1"), None);
        let prefix = Prefix::derived(&machine, "wlan0", &name("mesh-1"));
        assert_eq!(prefix, Prefix::derived(&machine, "wlan0", &name("other-1")));
        assert_eq!(prefix.to_string().parse::<Prefix>(), Ok(prefix));
        assert_eq!(prefix.first().segments()[3..], [0, 0, 0, 0, 1]);
        assert_eq!(prefix.0.octets()[0], 0xfd);
        assert_ne!(prefix, Prefix::derived(&Machine::default(), "wlan0", &name("mesh-1")));
    }

    #[test]
    fn prefixes_that_cannot_be_given_out_are_refused() {
        for text in ["fd12::/48", "fd12::1/64", "fe80::/64", "ff02::/64", "fd12::", "10.0.0.0/8", "::/64"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
        assert!("300:7e9d:1:2::/64".parse::<Prefix>().is_ok());
    }

    #[test]
    fn the_machine_s_name_takes_the_place_of_the_former_one() {
        let edit = |hosts: &str| {
            let (text, edit) = hosts_edit(hosts, &name("mesh-1"))?;
            assert_eq!(Edit::take_out(std::slice::from_ref(&edit), &text).as_deref(), Some(hosts));
            Some((edit.before, edit.ours))
        };
        let line = "127.0.1.1\tmesh-1\n".to_owned();
        assert_eq!(
            edit("# 127.0.1.1\traspberrypi\n127.0.1.1\traspberrypi\n::1 localhost\n"),
            Some(("127.0.1.1\traspberrypi\n".to_owned(), line.clone()))
        );
        assert_eq!(edit("127.0.0.1 localhost\n"), Some((String::new(), line.clone())));
        assert_eq!(edit("127.0.0.1 localhost"), Some((String::new(), format!("\n{line}"))));
        assert_eq!(edit("127.0.1.1 mesh-1 roof\n"), None);
        assert_eq!(edit(""), Some((String::new(), line)));
    }
}
