//! What is known of the machine that is set up: its devices and addresses, and which programs it has.

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use node_router::overlay_of;

use super::tree::Tree;

/// Facts about a machine. Those of an image know nothing of devices and addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Its name now, by which a node goes that has no other.
    pub(crate) host_name: String,
    /// Its address in cjdns or Yggdrasil, while the daemon runs.
    pub(crate) mesh_address: Option<Ipv6Addr>,
    /// Network devices and their hardware addresses.
    pub(crate) devices: Vec<Device>,
    pub(crate) network_manager: bool,
    pub(crate) networkd: bool,
    /// Debian's dnsmasq.service starts at boot.
    pub(crate) dnsmasq_service: bool,
    /// What `/etc/network/interfaces` says.
    pub(crate) interfaces: String,
}

/// A network device of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) mac: Option<[u8; 6]>,
}

impl Machine {
    /// What the files of a machine tell.
    pub(crate) fn of_files(tree: &Tree) -> Self {
        let wanted = |unit: &str| tree.look(&wants(unit)).is_ok_and(|state| state != super::tree::State::Absent);
        let host_name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            host_name: host_name.trim().to_owned(),
            network_manager: tree.has("/usr/sbin/NetworkManager"),
            networkd: wanted("systemd-networkd.service"),
            dnsmasq_service: wanted("dnsmasq.service"),
            interfaces: std::fs::read_to_string(tree.place(Path::new("/etc/network/interfaces"))).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// What can be seen of the machine that this runs on.
    pub(crate) fn this_one(tree: &Tree) -> Self {
        let addresses = if_addrs::get_if_addrs().unwrap_or_default();
        let mut overlay: Vec<Ipv6Addr> = addresses.iter().filter_map(|found| mesh_address(found.ip())).collect();
        // Of Yggdrasil rather than of cjdns, where both run: any order will do that is always the same.
        overlay.sort();
        Self { mesh_address: overlay.first().copied(), devices: devices(), ..Self::of_files(tree) }
    }

    /// The hardware address of a device.
    pub(crate) fn mac(&self, device: &str) -> Option<[u8; 6]> {
        self.devices.iter().find(|known| known.name == device)?.mac
    }

    /// Whether a device is there now.
    pub(crate) fn has_device(&self, device: &str) -> bool {
        self.devices.iter().any(|known| known.name == device)
    }
}

/// The link by which a unit starts at boot.
pub(crate) fn wants(unit: &str) -> PathBuf {
    Path::new("/etc/systemd/system/multi-user.target.wants").join(unit)
}

fn mesh_address(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(v6) if overlay_of(address).is_some() => Some(v6),
        _ => None,
    }
}

fn devices() -> Vec<Device> {
    let Ok(entries) = std::fs::read_dir("/sys/class/net") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.map(|name| Device { mac: read_mac(&name), name }).collect()
}

fn read_mac(device: &str) -> Option<[u8; 6]> {
    parse_mac(&std::fs::read_to_string(format!("/sys/class/net/{device}/address")).ok()?)
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect::<Option<_>>()?;
    bytes.try_into().ok()
}

/// A program that is needed, or a file by its whole path, and the package of Debian that has it.
pub(crate) type Needed = (&'static str, &'static str);

/// Packages that are missing in a file system.
pub(crate) fn missing(tree: &Tree, needed: &[Needed]) -> Vec<&'static str> {
    let has = |program: &str| {
        let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin", "/usr/local/sbin"];
        // Joined to a directory a whole path stays what it is.
        places.iter().any(|place| tree.has(&Path::new(place).join(program).to_string_lossy()))
    };
    needed.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_six_bytes() {
        assert_eq!(parse_mac("b8:27:eb:12:3f:2a\n"), Some([0xb8, 0x27, 0xeb, 0x12, 0x3f, 0x2a]));
        for text in ["", "b8:27", "b8:27:eb:12:3f:2a:00", "xx:27:eb:12:3f:2a"] {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }

    #[test]
    fn only_addresses_of_an_overlay_are_the_mesh_s() {
        assert!(mesh_address("201:7e9d::1".parse().unwrap()).is_some());
        assert!(mesh_address("fc12::1".parse().unwrap()).is_some());
        for text in ["fd12::1", "fe80::1", "10.0.0.1", "2001:db8::1"] {
            assert_eq!(mesh_address(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn packages_are_missing_whose_programs_are_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("usr/sbin")).unwrap();
        std::fs::write(dir.path().join("usr/sbin/nft"), "").unwrap();
        let tree = Tree::below(dir.path()).unwrap();
        assert_eq!(missing(&tree, &[("nft", "nftables"), ("dnsmasq", "dnsmasq-base")]), ["dnsmasq-base"]);
        let file = [("/usr/sbin/nft", "nftables"), ("/lib/firmware/regulatory.db-debian", "wireless-regdb")];
        assert_eq!(missing(&tree, &file), ["wireless-regdb"]);
    }
}
