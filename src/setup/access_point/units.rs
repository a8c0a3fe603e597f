//! Units of systemd: what is started for an access point, in which order, and again when a radio appears late. Pure.
//!
//! Links below `*.wants` start them at boot, so that nothing has to be run for an image.

use std::fmt::Write as _;
use std::path::Path;

use super::Point;
use super::channel::{Band, Channel, Side, Width};
use super::files::{DIRECTORY, HEAD};
use super::settings::{MeshPoint, Settings};
use crate::setup::check::Checker;
use crate::setup::machine::Machine;
use crate::setup::plan::Plan;

const UNITS: &str = "/etc/systemd/system";

/// What starts without any device.
const AT_BOOT: &str = "multi-user.target";

/// A unit, and what starts it.
struct Unit {
    name: &'static str,
    text: String,
    wanted_by: String,
    /// Without it the unit cannot start now.
    device: Option<String>,
}

/// Adds them to a plan.
pub(crate) fn add(plan: &mut Plan, point: &Point<'_>, machine: &Machine) {
    let mut units = vec![address(point), hostapd(point.settings), nftables(), dnsmasq(), radvd()];
    units.extend(point.settings.mesh_point.as_ref().map(|mesh| mesh_point(point.settings, mesh)));
    for Unit { name, text, wanted_by, device } in units {
        let path = format!("{UNITS}/{name}");
        plan.link(format!("{UNITS}/{wanted_by}.wants/{name}"), Path::new("..").join(name));
        plan.own(path, text, Some(Checker::Systemd));
        if device.is_none_or(|device| machine.has_device(&device)) {
            plan.services.push(name.to_owned());
        }
    }
}

/// The addresses are there before hostapd is, and stay while it is started again.
fn address(point: &Point<'_>) -> Unit {
    let Settings { device, address, country, .. } = point.settings;
    let address6 = point.address6();
    let service = format!(
        "Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=-/usr/sbin/rfkill unblock wlan\n\
         ExecStart=-/sbin/iw reg set {country}\n\
         ExecStart=-/lib/systemd/systemd-sysctl --prefix=/net/ipv6/conf/{device}\n\
         ExecStart=/sbin/ip address replace {address}/24 dev {device}\n\
         ExecStart=-/sbin/ip address replace {address6}/64 dev {device} nodad\n\
         ExecStop=-/sbin/ip address delete {address}/24 dev {device}\n\
         ExecStop=-/sbin/ip address delete {address6}/64 dev {device}\n"
    );
    on_device("meshstream-ap-address.service", "Addresses of the access point", device.as_str(), "", &service)
}

fn hostapd(settings: &Settings) -> Unit {
    let unit = "Requires=meshstream-ap-address.service\nAfter=meshstream-ap-address.service\nStartLimitIntervalSec=0\n";
    // What blocks the radio may have come after the addresses did.
    let service = format!(
        "Type=forking\n\
         PIDFile=/run/meshstream-hostapd.pid\n\
         ExecStartPre=-/usr/sbin/rfkill unblock wlan\n\
         ExecStart=/usr/sbin/hostapd -B -P /run/meshstream-hostapd.pid {DIRECTORY}/hostapd.conf\n\
         Restart=always\n\
         RestartSec=5\n"
    );
    on_device("meshstream-ap-hostapd.service", "Access point of the node", settings.device.as_str(), unit, &service)
}

/// nftables.service of Debian removes all tables when it starts, and ours with them.
fn nftables() -> Unit {
    let unit = "After=nftables.service\nPartOf=nftables.service\nReloadPropagatedFrom=nftables.service\n";
    let service = format!(
        "Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=/usr/sbin/nft -f {DIRECTORY}/portal.nft\n\
         ExecReload=/usr/sbin/nft -f {DIRECTORY}/portal.nft\n\
         ExecStop=-/usr/sbin/nft delete table inet meshstream_portal\n"
    );
    at_boot("meshstream-ap-nftables.service", "Ways of phones to the node's page", unit, &service)
}

/// It waits for the device and its address by itself.
fn dnsmasq() -> Unit {
    let unit = "After=network.target meshstream-ap-address.service\nStartLimitIntervalSec=0\n";
    let service = format!(
        "Type=exec\n\
         ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file={DIRECTORY}/dnsmasq.conf\n\
         Restart=always\n\
         RestartSec=5\n"
    );
    at_boot("meshstream-ap-dnsmasq.service", "Names and addresses for phones on the access point", unit, &service)
}

/// It waits for the device, too.
fn radvd() -> Unit {
    let unit = "After=network.target meshstream-ap-address.service\nStartLimitIntervalSec=0\n";
    let service = format!(
        "Type=exec\n\
         ExecStart=/usr/sbin/radvd --nodaemon --logmethod stderr_clean --pidfile /run/meshstream-radvd.pid --config \
         {DIRECTORY}/radvd.conf\n\
         Restart=always\n\
         RestartSec=5\n\
         CapabilityBoundingSet=CAP_NET_RAW\n\
         ProtectSystem=full\n\
         ProtectHome=yes\n\
         NoNewPrivileges=yes\n"
    );
    at_boot("meshstream-ap-radvd.service", "IPv6 addresses for phones on the access point", unit, &service)
}

/// Forwarding is left to the overlay, which knows ways over other links, too.
fn mesh_point(settings: &Settings, point: &MeshPoint) -> Unit {
    let (device, threshold) = (&point.device, point.rssi_threshold);
    // Checked with the settings.
    let channel = point.channel().map_or_else(|_| String::new(), frequency);
    let id = settings.mesh_id(point);
    let country = &settings.country;
    let service = format!(
        "Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=-/usr/sbin/rfkill unblock wlan\n\
         ExecStart=-/sbin/iw reg set {country}\n\
         ExecStart=/sbin/ip link set dev {device} down\n\
         ExecStart=/sbin/iw dev {device} set type mp\n\
         ExecStart=/sbin/ip link set dev {device} up\n\
         ExecStart=/sbin/iw dev {device} mesh join {id} {channel} mesh_fwding=0 mesh_rssi_threshold={threshold}\n\
         ExecStop=-/sbin/iw dev {device} mesh leave\n\
         ExecStop=-/sbin/ip link set dev {device} down\n\
         ExecStop=-/sbin/iw dev {device} set type managed\n\
         Restart=on-failure\n\
         RestartSec=10\n"
    );
    let unit = "StartLimitIntervalSec=0\n";
    on_device("meshstream-mesh-point.service", "Mesh point of the node", device.as_str(), unit, &service)
}

/// As `iw` wants it.
fn frequency(channel: Channel) -> String {
    let width = match (channel.band(), channel.width) {
        (Band::Two, _) | (Band::Five, Width::Mhz20) => "HT20",
        (Band::Five, Width::Mhz40) if channel.side() == Side::Above => "HT40+",
        (Band::Five, Width::Mhz40) => "HT40-",
        (Band::Five, Width::Mhz80) => "80MHz",
    };
    format!("freq {} {width}", channel.frequency())
}

fn at_boot(name: &'static str, description: &str, unit: &str, service: &str) -> Unit {
    Unit { name, text: text(description, unit, service, AT_BOOT), wanted_by: AT_BOOT.to_owned(), device: None }
}

/// It starts when the device appears, however late, and again when it comes back.
fn on_device(name: &'static str, description: &str, device: &str, unit: &str, service: &str) -> Unit {
    let wanted_by = device_unit(device);
    let unit = format!("BindsTo={wanted_by}\nAfter={wanted_by} systemd-rfkill.service\n{unit}");
    Unit { name, text: text(description, &unit, service, &wanted_by), wanted_by, device: Some(device.to_owned()) }
}

fn text(description: &str, unit: &str, service: &str, wanted_by: &str) -> String {
    format!(
        "{HEAD}\n[Unit]\nDescription={description} (meshstream setup)\n{unit}\n[Service]\n{service}\n[Install]\nWantedBy={wanted_by}\n"
    )
}

/// How systemd names a network device (systemd.unit(5), "String escaping").
fn device_unit(device: &str) -> String {
    let mut name = "sys-subsystem-net-devices-".to_owned();
    for byte in device.bytes() {
        match byte {
            b'_' | b'.' | b':' => name.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            _ => {
                let _ = write!(name, "\\x{byte:02x}");
            }
        }
    }
    name + ".device"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_systemd_names_them() {
        for (device, unit) in [
            ("wlan0", "sys-subsystem-net-devices-wlan0.device"),
            ("wlan-ap", "sys-subsystem-net-devices-wlan\\x2dap.device"),
            ("eth0.10", "sys-subsystem-net-devices-eth0.10.device"),
        ] {
            assert_eq!(device_unit(device), unit);
        }
    }

    #[test]
    fn iw_is_told_a_frequency_and_how_wide() {
        for (number, width, expected) in [
            (6, 20, "freq 2437 HT20"),
            (36, 20, "freq 5180 HT20"),
            (36, 40, "freq 5180 HT40+"),
            (40, 40, "freq 5200 HT40-"),
            (149, 80, "freq 5745 80MHz"),
        ] {
            assert_eq!(frequency(Channel::new(None, number, width).unwrap()), expected);
        }
    }
}
