//! What an access point needs besides the node so that phones open its page and stay: settings for dnsmasq and nftables,
//! made from the node's own (`docs/operations/phones.md`).

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use player_web::THIS_NODE;

use crate::config::{Config, Tls};
use crate::local_name::label;

/// The ports that browsers take when an address names none.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

const DNS: u16 = 53;
const DNS_OVER_TLS: u16 = 853;

/// What the hosts of Android's probes resolve to. It only must not be private: many makers have set Android to take a private
/// address for the end of the Internet without asking there (AOSP's `config_force_dns_probe_private_ip_no_internet`). Of
/// RFC 5737's block for examples, which nobody has; nftables leads it to the node.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The domains that Android and its makers ask.
const ANDROID: [&str; 10] = [
    "android.com",
    "google.com",
    "googleapis.com",
    "gstatic.com",
    "hicloud.com",
    "hihonorcloud.com",
    "miui.com",
    "oppomobile.com",
    "samsung.com.cn",
    "vivo.com.cn",
];

/// The network that phones join.
#[derive(Debug)]
pub(crate) struct AccessPoint {
    pub(crate) device: String,
    /// The node's address there, of a /24.
    pub(crate) address: Ipv4Addr,
}

/// A file that another program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    Dnsmasq,
    Nftables,
}

/// One of the files.
pub(crate) fn file(config: &Config, point: &AccessPoint, part: Part) -> String {
    let AccessPoint { device, address } = point;
    format!(
        "# Made by 'meshstream portal' for the access point {device} with the address {address}. Make it again when the\n\
         # node's settings change.\n{}",
        body(config, point, part)
    )
}

/// What a file says, without who made it.
pub(crate) fn body(config: &Config, point: &AccessPoint, part: Part) -> String {
    match part {
        Part::Dnsmasq => dnsmasq(config, point),
        Part::Nftables => nftables(config, point),
    }
}

/// What of the node's settings keeps phones from it, and what to do, a line each.
pub(crate) fn obstacles(config: &Config, point: &AccessPoint) -> Vec<String> {
    let mut found = Vec::new();
    let AccessPoint { device, .. } = point;
    if !config.web.devices.is_empty() && config.web.devices.iter().all(|open| open.to_string() != *device) {
        found.push(format!("Phones cannot reach the node yet: add \"{device}\" to web.devices."));
    }
    if config.web.listen.ip().is_loopback() {
        let listen = config.web.listen;
        found.push(format!("Phones cannot reach the node yet: it listens at {listen}; set web.listen."));
    }
    found
}

/// Everything to read: the files, where they belong, and what to do next.
pub(crate) fn everything(config: &Config, point: &AccessPoint) -> String {
    let AccessPoint { device, address } = point;
    let command = format!("meshstream portal --device {device} --address {address} --only");
    format!(
        "# ---- dnsmasq 2.86 or later:\n\
         #     {command} dnsmasq > /etc/dnsmasq.d/meshstream-portal.conf\n\
         #     systemctl restart dnsmasq\n{}\n\
         # ---- nftables, and again at each start of the machine:\n\
         #     mkdir -p /etc/nftables.d\n\
         #     {command} nftables > /etc/nftables.d/meshstream-portal.nft\n\
         #     nft -f /etc/nftables.d/meshstream-portal.nft\n{}\n{}",
        dnsmasq(config, point),
        nftables(config, point),
        next(config, point),
    )
}

fn dnsmasq(config: &Config, AccessPoint { device, address }: &AccessPoint) -> String {
    let [a, b, c, _] = address.octets();
    let name = config.web.names.first().map_or(THIS_NODE, String::as_str);
    let label = label(&config.node.name);
    let android = ANDROID.join("/");
    let option = captive_portal_option(config.web.tls.as_ref(), &config.web.names);
    // With a server of its own dnsmasq would ask that for all but IPv4 addresses: phones wait for it or take its refusal for
    // the end of the matter, as musl does.
    format!(
        "interface={device}\n\
         except-interface=lo\n\
         bind-dynamic\n\
         # Leave the next two lines out where something else gives out addresses.\n\
         dhcp-range={a}.{b}.{c}.10,{a}.{b}.{c}.250,255.255.255.0,12h\n\
         dhcp-authoritative\n\
         # Every name leads to the node: {name}, {label}.local, and those that phones ask for. There is nothing else to say of them.\n\
         address=/#/{address}\n\
         no-resolv\n\
         local=/#/\n\
         # Android asks there only if the address is not a private one. nftables leads it to the node.\n\
         address=/{android}/{ELSEWHERE}\n\
         # Windows looks for exactly these before it stays.\n\
         address=/dns.msftncsi.com/131.107.255.255\n\
         address=/dns.msftncsi.com/fd3e:4f5a:5b81::1\n\
         # Firefox's DNS over HTTPS and Apple's relay give way to this network.\n\
         local=/use-application-dns.net/mask.icloud.com/mask-h2.icloud.com/\n\
         {option}"
    )
}

fn nftables(config: &Config, AccessPoint { device, address }: &AccessPoint) -> String {
    let port = config.web.listen.port();
    // Also where the node listens on port 80 itself: what is led there has other addresses.
    let mut text = format!(
        "table inet meshstream_portal\n\
         delete table inet meshstream_portal\n\n\
         table inet meshstream_portal {{\n\
         \tchain prerouting {{\n\
         \t\ttype nat hook prerouting priority dstnat; policy accept;\n\
         \t\t# Phones that have name servers of their own ask the node too.\n\
         \t\tiifname \"{device}\" meta l4proto {{ tcp, udp }} th dport {DNS} redirect to :{DNS}\n\
         \t\tiifname \"{device}\" tcp dport {HTTP} redirect to :{port}\n"
    );
    if let Some(port) = config.web.tls.as_ref().map(|tls| tls.listen.port()).filter(|port| *port != HTTPS) {
        let _ = writeln!(text, "\t\tiifname \"{device}\" ip daddr {address} tcp dport {HTTPS} redirect to :{port}");
    }
    let _ = write!(
        text,
        "\t}}\n\n\
         \t# Addresses of the Internet that phones remember: a no at once, where they would wait for an answer.\n\
         \tchain outside {{\n\
         \t\ttype filter hook prerouting priority filter; policy accept;\n\
         \t\tiifname != \"{device}\" accept\n\
         \t\tfib daddr type local accept\n\
         \t\tip daddr {{ 10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16 }} accept\n\
         \t\tip6 daddr {{ 200::/7, fc00::/7, fe80::/10 }} accept\n\
         \t\ttcp dport {{ {HTTPS}, {DNS_OVER_TLS} }} reject with tcp reset\n\
         \t\tudp dport {HTTPS} reject\n\
         \t}}\n}}\n"
    );
    text
}

fn next(config: &Config, point: &AccessPoint) -> String {
    let AccessPoint { device, address } = point;
    let mut text = format!("# ---- what to do next\n# {device} has to have the address {address}/24.\n");
    for obstacle in obstacles(config, point) {
        let _ = writeln!(text, "# {obstacle}");
    }
    if config.web.names.is_empty() {
        let _ = writeln!(
            text,
            "# Visitors are sent to http://{address}/. To send them to a name, add to the node's configuration:\n\
             #     [web]\n#     names = [\"{THIS_NODE}\"]\n\
             # and start the node again."
        );
    }
    let _ = writeln!(
        text,
        "# Join the network with a phone, and see whether its page opens by itself. Without a phone, on another machine there:\n\
         #     curl -sI http://connectivitycheck.gstatic.com/generate_204   (302 to /portal; 204 two minutes later)\n\
         # 'meshstream status --qr' shows a code that phones scan."
    );
    text
}

/// RFC 8910: phones are told where RFC 8908's account is, which has to be HTTPS at a name that the certificate has.
fn captive_portal_option(tls: Option<&Tls>, names: &[String]) -> String {
    match (tls, names.first()) {
        (Some(tls), Some(name)) => {
            let port = tls.listen.port();
            let port = if port == HTTPS { String::new() } else { format!(":{port}") };
            let api = format!("https://{name}{port}/captive-portal/api");
            format!(
                "# RFC 8910, for DHCP; for router advertisements: odhcpd 'option captive_portal_uri', radvd 'AdvCaptivePortalAPI'.\n\
                 dhcp-option=114,{api}\ndhcp-option=option6:103,{api}\n"
            )
        }
        _ => "# RFC 8910 (DHCP option 114) needs HTTPS: with web.tls and web.names set, it stands here.\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point() -> AccessPoint {
        AccessPoint { device: "wlan0".to_owned(), address: Ipv4Addr::new(10, 13, 7, 1) }
    }

    #[test]
    fn every_name_and_port_80_lead_to_the_node() {
        let text = everything(&Config::default(), &point());
        for line in [
            "interface=wlan0",
            "dhcp-range=10.13.7.10,10.13.7.250,255.255.255.0,12h",
            "address=/#/10.13.7.1",
            "#     meshstream portal --device wlan0 --address 10.13.7.1 --only dnsmasq > /etc/dnsmasq.d/meshstream-portal.conf",
            "address=/dns.msftncsi.com/131.107.255.255",
            "\t\tiifname \"wlan0\" tcp dport 80 redirect to :8080",
            "#     names = [\"thisnode.info\"]",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("dhcp-option=114"), "{text}");
    }

    #[test]
    fn rfc_8910_is_told_where_there_is_a_certificate_for_a_name() {
        let mut config = Config::default();
        config.web.listen.set_port(80);
        config.web.names = vec!["video.example.org".to_owned()];
        let listen = "[::]:8443".parse().unwrap();
        config.web.tls = Some(Tls { listen, certificate: "/c.pem".into(), key: "/k.pem".into() });
        let text = everything(&config, &point());
        assert!(text.contains("dhcp-option=114,https://video.example.org:8443/captive-portal/api\n"), "{text}");
        assert!(text.contains("ip daddr 10.13.7.1 tcp dport 443 redirect to :8443"), "{text}");
        assert!(text.contains("tcp dport 80 redirect to :80\n"), "{text}");
    }

    #[test]
    fn each_file_is_part_of_what_is_shown_and_nothing_else() {
        let config = Config::default();
        let shown = everything(&config, &point());
        for (part, other) in [(Part::Dnsmasq, "table inet"), (Part::Nftables, "interface=")] {
            let file = file(&config, &point(), part);
            let (_, body) = file.split_once("settings change.\n").unwrap();
            assert!(shown.contains(body) && !file.contains(other), "{file}");
        }
    }

    #[test]
    fn a_node_that_phones_cannot_reach_says_so() {
        let mut config = Config::default();
        assert!(!everything(&config, &point()).contains("cannot reach"));
        config.web.devices = vec!["tun0".parse().unwrap()];
        assert!(everything(&config, &point()).contains("add \"wlan0\" to web.devices"));
        config.web = crate::config::Web { listen: "127.0.0.1:8080".parse().unwrap(), ..Default::default() };
        assert!(everything(&config, &point()).contains("set web.listen"));
    }
}
