//! The access point that phones join, where this machine has one.

use super::finding::Finding;
use super::machine::Machine;

const CHECK: &str = "access point";

/// Who gives addresses and names to phones: as 'meshstream setup' has it, or as Debian does.
const NAMES: [&str; 2] = ["meshstream-ap-dnsmasq.service", "dnsmasq.service"];

const SETUP: &str = "'sudo meshstream setup access-point' makes one";

pub(super) async fn check(machine: &Machine) -> Option<Finding> {
    let radios: Vec<_> = machine
        .names("/sys/class/net")
        .into_iter()
        .filter(|name| machine.has(format!("/sys/class/net/{name}/phy80211")))
        .collect();
    if radios.is_empty() {
        return None;
    }
    let Some(devices) = machine.says("iw", &["dev"]).await else {
        let found = format!("what {} does is not known", radios.join(", "));
        return Some(Finding::warning(CHECK, found, "install 'iw', and run this as root"));
    };
    let point = radio(&devices);
    let addresses = if_addrs::get_if_addrs().unwrap_or_default();
    let address = point.as_ref().and_then(|point| {
        addresses.iter().find(|interface| interface.name == point.device && interface.ip().is_ipv4())
    });
    // It succeeds where one of them is.
    let names = machine.says("systemctl", &["is-active", NAMES[0], NAMES[1]]).await.is_some();
    Some(judge(point.as_ref(), address.map(|interface| interface.ip().to_string()).as_deref(), names))
}

/// A radio that is an access point.
#[derive(Debug, PartialEq, Eq)]
struct Point {
    device: String,
    ssid: String,
}

/// The first access point of what `iw dev` says.
fn radio(devices: &str) -> Option<Point> {
    let mut point = Point { device: String::new(), ssid: String::new() };
    for line in devices.lines().map(str::trim) {
        if let Some(device) = line.strip_prefix("Interface ") {
            point = Point { device: device.to_owned(), ssid: String::new() };
        } else if let Some(ssid) = line.strip_prefix("ssid ") {
            ssid.clone_into(&mut point.ssid);
        } else if line == "type AP" {
            return Some(point);
        }
    }
    None
}

fn judge(point: Option<&Point>, address: Option<&str>, names: bool) -> Finding {
    let Some(Point { device, ssid }) = point else {
        return Finding::absent(CHECK, "no radio of this machine is an access point", SETUP);
    };
    let Some(address) = address else {
        let mend = format!("{SETUP}; or give {device} an address, such as 10.0.0.1/24");
        return Finding::failure(CHECK, format!("{device} has no address: phones cannot reach the node"), mend);
    };
    if !names {
        let mend =
            "'sudo systemctl status meshstream-ap-dnsmasq' says why; 'sudo meshstream setup access-point' sets it up";
        return Finding::failure(CHECK, "dnsmasq does not run: phones get no address", mend);
    }
    let name = if ssid.is_empty() { String::new() } else { format!("'{ssid}' ") };
    Finding::ok(CHECK, format!("{name}on {device}, at {address}"))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    /// As iw 5.19 prints it.
    const DEVICES: &str = "phy#1\n\tInterface wlan1\n\t\tifindex 4\n\t\twdev 0x100000001\n\t\taddr 00:c0:ca:00:00:02\n\t\ttype mesh point\n\
                           phy#0\n\tInterface wlan0\n\t\tifindex 3\n\t\twdev 0x1\n\t\taddr b8:27:eb:00:00:01\n\t\tssid tomesh-1a2b\n\t\ttype AP\n\
                           \t\tchannel 6 (2437 MHz), width: 20 MHz, center1: 2437 MHz\n";

    #[test]
    fn an_access_point_has_an_address_and_somebody_who_gives_them_out() {
        let point = radio(DEVICES).unwrap();
        assert_eq!(point, Point { device: "wlan0".to_owned(), ssid: "tomesh-1a2b".to_owned() });
        assert_eq!(judge(Some(&point), Some("10.0.0.1"), true).found, "'tomesh-1a2b' on wlan0, at 10.0.0.1");
        assert_eq!(judge(Some(&point), Some("10.0.0.1"), false).state, State::Failure);
        assert_eq!(judge(Some(&point), None, true).state, State::Failure);
    }

    #[test]
    fn a_radio_that_is_something_else_is_no_access_point() {
        assert_eq!(radio("phy#0\n\tInterface wlan0\n\t\tssid home\n\t\ttype managed\n"), None);
        assert_eq!(judge(None, None, false).state, State::Absent);
    }
}
