use std::path::Path;

use super::*;
use crate::setup::machine::Device;
use crate::setup::settings_file::parse;

fn machine() -> Machine {
    let device = |name: &str, last| Device { name: name.to_owned(), mac: Some([0xb8, 0x27, 0xeb, 1, 0x3f, last]) };
    Machine { devices: vec![device("wlan0", 0x2a), device("wlan1", 0x2b)], ..Machine::default() }
}

fn settings(text: &str) -> Settings {
    parse(&format!("country = \"CA\"\n{text}")).unwrap()
}

fn planned(text: &str, machine: &Machine) -> Plan {
    let hosts = Some("127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n");
    plan(&settings(text), &Config::default(), machine, &BTreeMap::new(), hosts).unwrap().0
}

fn text_of<'a>(plan: &'a Plan, path: &str) -> &'a str {
    let item = plan.items.iter().find(|item| item.path == Path::new(path)).unwrap_or_else(|| panic!("no {path}"));
    match &item.content {
        Content::Own { text, .. } | Content::Setting { text } | Content::Edited { text, .. } => text,
        Content::Link { .. } => panic!("{path} is a link"),
    }
}

fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found.trim() == *line), "{line}\n{text}");
    }
}

#[test]
fn the_network_and_the_machine_have_one_name() {
    let plan = planned("mesh = \"tomesh\"", &machine());
    has_lines(
        text_of(&plan, "/etc/meshstream/access-point/hostapd.conf"),
        &["ssid=tomesh-3f2a", "interface=wlan0", "channel=6"],
    );
    assert_eq!(text_of(&plan, "/etc/hostname"), "tomesh-3f2a\n");
    assert_eq!(text_of(&plan, HOSTS), "127.0.0.1\tlocalhost\n127.0.1.1\ttomesh-3f2a\n");
    let plan = planned("hostname = false", &machine());
    assert!(plan.items.iter().all(|item| item.path != Path::new("/etc/hostname") && item.path != Path::new(HOSTS)));
}

#[test]
fn what_was_chosen_once_stays_whatever_address_the_machine_has_later() {
    let hosts = Some("");
    let (_, chosen) = plan(&settings(""), &Config::default(), &machine(), &BTreeMap::new(), hosts).unwrap();
    let other = Machine { mesh_address: Some("201::1".parse().unwrap()), ..machine() };
    let (plan_again, again) = plan(&settings(""), &Config::default(), &other, &chosen, hosts).unwrap();
    assert_eq!(again, chosen);
    assert_eq!(text_of(&plan_again, "/etc/hostname"), "mesh-3f2a\n");
    let (plan_set, _) = plan(&settings("suffix = \"roof\""), &Config::default(), &other, &chosen, hosts).unwrap();
    assert_eq!(text_of(&plan_set, "/etc/hostname"), "mesh-roof\n");
}

#[test]
fn a_node_that_goes_by_the_machine_s_name_has_the_new_one_in_all_files() {
    let machine = |name: &str| Machine { host_name: name.to_owned(), ..machine() };
    let files = |name: &str, node: &str| {
        let mut config = Config::default();
        config.node.name = node.to_owned();
        let (plan, _) = plan(&settings(""), &config, &machine(name), &BTreeMap::new(), Some("")).unwrap();
        text_of(&plan, "/etc/meshstream/access-point/dnsmasq.conf").to_owned()
    };
    assert_eq!(files("raspberrypi", "raspberrypi"), files("mesh-3f2a", "mesh-3f2a"));
    assert!(files("raspberrypi", "roof").contains("roof.local"));
}

#[test]
fn a_machine_without_any_address_asks_for_a_suffix() {
    let bare = Machine::default();
    let error = plan(&settings(""), &Config::default(), &bare, &BTreeMap::new(), None).unwrap_err().to_string();
    assert!(error.contains("suffix = "), "{error}");
    assert!(plan(&settings("suffix = \"1\""), &Config::default(), &bare, &BTreeMap::new(), None).is_ok());
}

#[test]
fn a_passphrase_closes_the_network_and_only_root_reads_it() {
    for (security, management) in [("wpa2", "WPA-PSK"), ("wpa2+wpa3", "WPA-PSK SAE"), ("wpa3", "SAE")] {
        let plan = planned(&format!("passphrase = \"long enough\"\nsecurity = \"{security}\""), &machine());
        let path = "/etc/meshstream/access-point/hostapd.conf";
        let line = format!("wpa_key_mgmt={management}");
        has_lines(text_of(&plan, path), &["wpa=2", "wpa_passphrase=long enough", &line]);
        let item = plan.items.iter().find(|item| item.path == Path::new(path)).unwrap();
        assert!(matches!(item.content, Content::Own { mode: 0o600, .. }));
        assert!(!plan.notes.iter().any(|note| note.contains("open")));
    }
    assert!(planned("", &machine()).notes.iter().any(|note| note.contains("open")));
}

#[test]
fn a_mesh_point_forwards_nothing_and_has_a_threshold() {
    let unit = "/etc/systemd/system/meshstream-mesh-point.service";
    let plan = planned("[mesh_point]\nmesh_id = \"roofs\"\nchannel = 40\nwidth = 40", &machine());
    has_lines(
        text_of(&plan, unit),
        &["ExecStart=/sbin/iw dev wlan1 mesh join roofs freq 5200 HT40- mesh_fwding=0 mesh_rssi_threshold=-80"],
    );
    assert!(plan.services.iter().any(|service| service == "meshstream-mesh-point.service"));
    assert!(planned("", &machine()).items.iter().all(|item| item.path != Path::new(unit)));
}

#[test]
fn phones_are_kept_from_each_other_unless_they_are_to_meet() {
    for (text, line) in [("", "ap_isolate=1"), ("client_isolation = false", "ap_isolate=0")] {
        has_lines(text_of(&planned(text, &machine()), "/etc/meshstream/access-point/hostapd.conf"), &[line]);
    }
}

#[test]
fn wider_networks_are_joined_to_the_right_channels() {
    let plan = planned("channel = 40\nwidth = 80", &machine());
    has_lines(
        text_of(&plan, "/etc/meshstream/access-point/hostapd.conf"),
        &["hw_mode=a", "ht_capab=[HT40-]", "vht_oper_chwidth=1", "vht_oper_centr_freq_seg0_idx=42", "ieee80211h=1"],
    );
}

#[test]
fn names_phones_ask_and_the_prefix_lead_to_the_node() {
    let plan = planned("address = \"10.13.7.1\"\nipv6_prefix = \"fd12:3456:789a::/64\"", &machine());
    has_lines(
        text_of(&plan, "/etc/meshstream/access-point/dnsmasq.conf"),
        &["interface=wlan0", "address=/#/10.13.7.1", "host-record=mesh-3f2a,10.13.7.1,fd12:3456:789a::1"],
    );
    has_lines(
        text_of(&plan, "/etc/meshstream/access-point/radvd.conf"),
        &["interface wlan0 {", "prefix fd12:3456:789a::/64 {", "RDNSS fd12:3456:789a::1 {"],
    );
}

#[test]
fn other_programs_are_told_to_let_go_where_they_are() {
    let text = "[mesh_point]";
    assert!(planned(text, &machine()).items.iter().all(|item| !item.path.starts_with("/etc/NetworkManager")));
    let plan = planned(text, &Machine { network_manager: true, networkd: true, ..machine() });
    has_lines(
        text_of(&plan, "/etc/NetworkManager/conf.d/meshstream.conf"),
        &["unmanaged-devices+=interface-name:wlan0;interface-name:wlan1"],
    );
    has_lines(text_of(&plan, "/etc/systemd/network/05-meshstream.network"), &["Name=wlan0 wlan1", "Unmanaged=yes"]);
}

#[test]
fn what_stands_in_the_way_is_said() {
    let interfaces = "auto wlan0\niface wlan0 inet dhcp\n".to_owned();
    let machine = Machine {
        devices: vec![Device { name: "eth0".to_owned(), mac: None }],
        interfaces,
        dnsmasq_service: true,
        ..Machine::default()
    };
    let plan = planned("suffix = \"1\"", &machine);
    for said in ["no device wlan0 now", "/etc/network/interfaces", "dnsmasq.service"] {
        assert!(plan.notes.iter().any(|note| note.contains(said)), "{said}: {:?}", plan.notes);
    }
    assert!(
        !plan.services.iter().any(|service| service == "meshstream-ap-hostapd.service"),
        "it would wait for the device"
    );
}
