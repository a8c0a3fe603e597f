//! A file for nftables, made from the settings: the kernel then keeps the node's ports to the devices and publishers that
//! they name, those of IPFS too, whose sockets cannot be bound to a device.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;

use anyhow::bail;
use listener::Device;
use node_router::{MDNS_PORT, listening_port};
use ssb_announcer::discovery;

use crate::config::Config;
use crate::parts;

/// What is kept open on a closed device besides the node.
const SSH: u16 = 22;

/// A listener of the node as the network sees it.
struct Service<'a> {
    section: &'static str,
    ports: BTreeSet<u16>,
    devices: &'a [Device],
}

/// The file. On `closed` devices all but the node, SSH and ICMP is refused; elsewhere other programs are left alone.
pub(crate) fn nftables(config: &Config, closed: &[Device]) -> anyhow::Result<String> {
    let services = services(config)?;
    let publishers = parts::allowed(config)?;
    let is_confined = |service: &Service<'_>| !service.devices.is_empty() && !service.ports.is_empty();
    let closes_nothing = closed.is_empty() && publishers.is_empty() && !services.iter().any(is_confined);
    let hint = if closes_nothing { HINT } else { "" };
    let mut rules = vec![
        "\tchain input {".to_owned(),
        "\t\ttype filter hook input priority filter; policy accept;".to_owned(),
        "\t\tiifname \"lo\" accept".to_owned(),
    ];
    for Service { section, ports, devices } in services.iter().filter(|service| !service.ports.is_empty()) {
        let ports = set(ports);
        if !devices.is_empty() {
            // Probes come to the number of the IPFS port.
            let protocols: &[&str] = if *section == IPFS { &["tcp", "udp"] } else { &["tcp"] };
            for protocol in protocols {
                let from = format!("iifname != {}", names(devices));
                rules.push(format!("\t\t{protocol} dport {ports} {from} drop comment \"{section}.devices\""));
            }
        }
        if *section == INGEST && !publishers.is_empty() {
            rules.push(format!("\t\ttcp dport {ports} jump publishers"));
        }
    }
    if !closed.is_empty() {
        rules.push(format!("\t\tiifname {} jump closed", names(closed)));
    }
    rules.push("\t}".to_owned());

    if !publishers.is_empty() {
        rules.extend(["".to_owned(), "\tchain publishers {".to_owned()]);
        for range in publishers {
            let family = if range.network().is_ipv4() { "ip" } else { "ip6" };
            rules.push(format!("\t\t{family} saddr {}/{} return", range.network(), range.prefix()));
        }
        rules.extend(["\t\tdrop comment \"ingest.allow\"".to_owned(), "\t}".to_owned()]);
    }

    if !closed.is_empty() {
        let tcp: BTreeSet<u16> = services.iter().flat_map(|service| &service.ports).copied().chain([SSH]).collect();
        rules.extend([
            "".to_owned(),
            "\tchain closed {".to_owned(),
            "\t\tct state established,related accept".to_owned(),
            "\t\tmeta l4proto { icmp, ipv6-icmp } accept".to_owned(),
            format!("\t\ttcp dport {} accept", set(&tcp)),
        ]);
        let probes = services.iter().filter(|service| service.section == IPFS).flat_map(|service| &service.ports);
        let discovery = config.mesh.lan_discovery.then_some([discovery::PLAIN_PORT, discovery::SEALED_PORT, MDNS_PORT]);
        let udp: BTreeSet<u16> = probes.copied().chain(discovery.into_iter().flatten()).collect();
        if !udp.is_empty() {
            rules.push(format!("\t\tudp dport {} accept", set(&udp)));
        }
        rules.extend(["\t\tdrop".to_owned(), "\t}".to_owned()]);
    }
    Ok(format!("{HEAD}{hint}{TABLE}{}\n}}\n", rules.join("\n")))
}

const HEAD: &str = "\
#!/usr/sbin/nft -f
# Made by 'meshstream firewall' from the settings of the node. Make it again when they change.
# It replaces the table of this name, and touches no other.
";

/// What to do where the settings give no rule.
const HINT: &str = "\
#
# THESE SETTINGS CONFINE NOTHING, so this file closes nothing. Close a device, such as the TUN of an overlay, to all but
# the node, SSH and ICMP:
#
#     meshstream firewall --close tun0
#
# or keep listeners to devices in the configuration. For an access point wlan0 and an overlay tun0:
#
#     [ingest]
#     devices = [\"wlan0\"]
#     allow = [\"10.0.0.0/8\"]
#     [ssb]
#     devices = [\"tun0\"]
#     [ipfs]
#     devices = [\"tun0\"]
#     [web]
#     devices = [\"tun0\", \"wlan0\"]
";

const TABLE: &str = "
table inet meshstream
delete table inet meshstream

table inet meshstream {
";

const INGEST: &str = "ingest";
const IPFS: &str = "ipfs";

fn services(config: &Config) -> anyhow::Result<[Service<'_>; 4]> {
    let tcp = |section, address: SocketAddr, devices| -> anyhow::Result<Service<'_>> {
        let port = port(section, address.port())?;
        // What listens on loopback needs no rule.
        let ports = if address.ip().is_loopback() { BTreeSet::new() } else { BTreeSet::from([port]) };
        Ok(Service { section, ports, devices })
    };
    let mut ipfs = BTreeSet::new();
    for address in &config.ipfs.listen {
        let Some(listening) = listening_port(address) else {
            bail!("configuration key ipfs.listen: '{address}' is not a tcp multiaddr such as /ip6/::/tcp/4001");
        };
        ipfs.insert(port("ipfs", listening)?);
    }
    let mut web = tcp("web", config.web.listen, &config.web.devices)?;
    let tls = config.web.tls.as_ref().map(|tls| ("web.tls", tls.listen));
    let gateway = config.web.gateway_listen.map(|listen| ("web.gateway", listen));
    for (section, listen) in tls.into_iter().chain(gateway) {
        web.ports.extend(tcp(section, listen, &[])?.ports);
    }
    Ok([
        tcp(INGEST, config.ingest.listen, &config.ingest.devices)?,
        tcp("ssb", config.ssb.listen, &config.ssb.devices)?,
        Service { section: IPFS, ports: ipfs, devices: &config.ipfs.devices },
        web,
    ])
}

fn port(section: &str, port: u16) -> anyhow::Result<u16> {
    if port == 0 {
        bail!(
            "configuration key {section}.listen: port 0 is another one at each start, and a firewall needs to know it"
        );
    }
    Ok(port)
}

fn set<T: Display>(elements: impl IntoIterator<Item = T>) -> String {
    let elements: Vec<_> = elements.into_iter().map(|element| element.to_string()).collect();
    format!("{{ {} }}", elements.join(", "))
}

fn names(devices: &[Device]) -> String {
    set(devices.iter().map(|device| format!("\"{device}\"")))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn device(name: &str) -> Device {
        name.parse().unwrap()
    }

    fn confined() -> Config {
        let mut config = Config::default();
        config.ingest.devices = vec![device("wlan0")];
        config.ingest.allow = ["10.0.0.5", "10.1.2.3/8", "fc00::/8"].map(str::to_owned).to_vec();
        config.ipfs.devices = vec![device("tun0")];
        config.ssb.devices = vec![device("tun0")];
        config.web.devices = vec![device("tun0"), device("wlan0")];
        config
    }

    /// Whether nft takes the file, without loading it; `None` where it cannot be asked.
    fn is_taken(file: &str) -> Option<bool> {
        // In a namespace of its own, where root may do anything.
        let mut nft = Command::new("unshare");
        nft.args(["--net", "nft", "--check", "--file", "-"]).stdin(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = nft.spawn().ok()?;
        let _ = child.stdin.take()?.write_all(file.as_bytes());
        Some(child.wait().ok()?.success())
    }

    #[test]
    fn the_file_names_the_ports_devices_and_publishers_of_the_settings() {
        let file = nftables(&confined(), &[device("tun0")]).unwrap();
        assert_eq!(file, include_str!("firewall.nft"));
    }

    #[test]
    fn settings_that_confine_nothing_give_a_file_that_says_what_to_set() {
        let file = nftables(&Config::default(), &[]).unwrap();
        assert!(file.contains("THESE SETTINGS CONFINE NOTHING"), "{file}");
        let example: Vec<_> = file.lines().skip_while(|line| !line.contains("[ingest]")).collect();
        let example: Vec<_> = example.iter().map_while(|line| line.strip_prefix("#     ")).collect();
        let followed: Config = toml::from_str(&example.join("\n")).unwrap();
        for (config, closed) in [(followed, vec![]), (Config::default(), vec![device("tun0")])] {
            let file = nftables(&config, &closed).unwrap();
            assert!(!file.contains("CONFINE NOTHING") && file.contains("drop"), "{file}");
        }
    }

    #[test]
    #[allow(clippy::print_stdout, reason = "says that it is skipped")]
    fn nft_takes_the_files() {
        if is_taken("table inet probe { chain c { ct state new accept; }; }\n") != Some(true) {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must be able to check files of nftables");
            println!("SKIPPED: nft is missing, or not permitted here");
            return;
        }
        for (config, closed) in [
            (confined(), vec![device("tun0"), device("br-lan.12")]),
            (confined(), vec![]),
            (Config::default(), vec![]),
            (Config::default(), vec![device("tun0")]),
        ] {
            let file = nftables(&config, &closed).unwrap();
            assert_eq!(is_taken(&file), Some(true), "{file}");
        }
        assert_eq!(is_taken("table inet meshstream { nonsense }"), Some(false));
    }

    #[test]
    fn what_listens_on_loopback_has_no_rule_and_a_port_that_changes_is_an_error() {
        let mut config = confined();
        config.web.listen = "127.0.0.1:8080".parse().unwrap();
        assert!(!nftables(&config, &[device("tun0")]).unwrap().contains("8080"));
        config.ssb.listen.set_port(0);
        assert!(nftables(&config, &[]).unwrap_err().to_string().contains("ssb.listen"));
        config.ssb.listen.set_port(8008);
        config.ipfs.listen = vec!["/ip6/::/tcp/0".to_owned()];
        assert!(nftables(&config, &[]).unwrap_err().to_string().contains("ipfs.listen"));
    }
}
