use super::settings::Settings;
use super::*;
use crate::setup::settings_file::parse;

/// As `yggdrasil -genconf` of 0.4.7 writes it, without most of its comments and with peers of a person.
const YGGDRASIL: &str = "{\n  # List of connection strings\n  Peers: []\n\n  InterfacePeers: {}\n  AdminListen: unix:///var/run/yggdrasil/yggdrasil.sock\n\n  \
    MulticastInterfaces:\n  [\n    {\n      Regex: .*\n      Beacon: true\n      Listen: true\n      Port: 0\n      Priority: 0\n    }\n  ]\n\n  \
    PrivateKey: 7d63\n  IfMTU: 65535\n  NodeInfo: {}\n}\n";

/// As `cjdroute --genconf` of version 22 writes it, shortened.
const CJDNS: &str = r#"{
    // Private key: keep it
    "privateKey": "aa",
    "interfaces":
    {
        "UDPInterface":
        [
            {
                // Bind to this port.
                "bind": "0.0.0.0:21943",
                /*"dscp": 46,*/
                "connectTo":
                {
                    // Add connection credentials here to join the network
                }
            },
            {
                "bind": "[::]:21943",
                "connectTo":
                {
                }
            }
        ],
        "ETHInterface":
        [
            {
                "bind": "eth7",
                "beacon": 2
            }
        ]
    }
}
"#;

fn settings(text: &str) -> Settings {
    let settings: Settings = parse(text).unwrap();
    settings.check().unwrap();
    settings
}

fn yggdrasil(text: &str, file: &str) -> (String, Vec<Edit>) {
    let additions = for_yggdrasil(text, &settings(file).yggdrasil.unwrap()).unwrap();
    add(text, &additions).unwrap()
}

fn cjdns_peers() -> String {
    let key = "a".repeat(52);
    let peer = |address| {
        format!(
            "[[cjdns.peer]]\naddress = \"{address}\"\npublic_key = \"{key}.k\"\npassword = \"p w\"\nlogin = \"me\"\n"
        )
    };
    format!("[cjdns]\ndiscover = [\"wlan1\", \"eth7\"]\n{}{}", peer("192.0.2.7:1"), peer("[2001:db8::1]:2"))
}

#[test]
fn peers_and_devices_are_added_to_yggdrasil_and_all_else_stays() {
    let file = "[yggdrasil]\npeers = [\"tls://a:1\", \"tls://b:2\", \"tls://a:1\"]\ndiscover = [\"wlan1\"]";
    let (text, edits) = yggdrasil(YGGDRASIL, file);
    assert_eq!(container(&text, &[Step::Key("Peers")]).unwrap().entries, ["tls://a:1", "tls://b:2"]);
    assert_eq!(regexes(&text).unwrap(), ["^wlan1$", ".*"]);
    assert_eq!(Edit::take_out(&edits, &text).as_deref(), Some(YGGDRASIL));
}

#[test]
fn what_a_person_has_is_not_added_again() {
    let text = YGGDRASIL.replace("Peers: []", "Peers:\n  [\n    tls://a:1\n  ]");
    let (same, edits) = yggdrasil(&text, "[yggdrasil]\npeers = [\"tls://a:1\"]");
    assert_eq!((same, edits.len()), (text.clone(), 0));
    let (more, _) = yggdrasil(&text, "[yggdrasil]\npeers = [\"tls://a:1\", \"tls://b:2\"]");
    assert_eq!(container(&more, &[Step::Key("Peers")]).unwrap().entries, ["tls://b:2", "tls://a:1"]);
}

#[test]
fn peers_of_cjdns_go_to_the_interface_of_their_kind() {
    let additions = for_cjdns(CJDNS, &settings(&cjdns_peers()).cjdns.unwrap()).unwrap();
    let (text, edits) = add(CJDNS, &additions).unwrap();
    for (index, peer) in [(0, "192.0.2.7:1"), (1, "[2001:db8::1]:2")] {
        let path = [Step::Key("interfaces"), Step::Key("UDPInterface"), Step::Index(index), Step::Key("connectTo")];
        assert_eq!(container(&text, &path).unwrap().entries, [peer]);
        assert_eq!(
            value(&text, &[path[0], path[1], path[2], path[3], Step::Key(peer), Step::Key("password")]).unwrap(),
            "p w"
        );
    }
    assert_eq!(beacons(&text), ["wlan1", "eth7"]);
    assert_eq!(Edit::take_out(&edits, &text).as_deref(), Some(CJDNS));
}

#[test]
fn settings_without_a_place_for_a_peer_are_an_error() {
    let text = CJDNS.replace("[::]:21943", "127.0.0.1:1");
    let error = for_cjdns(&text, &settings(&cjdns_peers()).cjdns.unwrap()).unwrap_err().to_string();
    assert!(error.contains("IPv6"), "{error}");
    assert!(for_yggdrasil("{}", &Yggdrasil::default()).is_err());
}

#[test]
fn a_change_of_anything_else_is_noticed() {
    let additions = for_yggdrasil(
        YGGDRASIL,
        &settings("[yggdrasil]\npeers = [\"tls://a:1\"]\ndiscover = [\"wlan1\"]").yggdrasil.unwrap(),
    )
    .unwrap();
    let before = json!({ "Peers": ["tls://z:9"], "MulticastInterfaces": [], "PrivateKey": "7d63" });
    let interface = json!({ "Regex": "^wlan1$", "Beacon": true, "Listen": true, "Port": 0, "Priority": 0 });
    let after =
        json!({ "Peers": ["tls://a:1", "tls://z:9"], "MulticastInterfaces": [interface], "PrivateKey": "7d63" });
    assert!(only_adds(&before, &after, &additions));
    for (pointer, wrong) in
        [("/Peers", json!(["tls://a:1"])), ("/PrivateKey", json!("other")), ("/MulticastInterfaces", json!([]))]
    {
        let mut other = after.clone();
        *other.pointer_mut(pointer).unwrap() = wrong;
        assert!(!only_adds(&before, &other, &additions), "{pointer}");
    }
}
