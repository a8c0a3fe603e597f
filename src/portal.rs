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

/// The network that phones join.
#[derive(Debug)]
pub(crate) struct AccessPoint {
    pub(crate) device: String,
    /// The node's address there, of a /24.
    pub(crate) address: Ipv4Addr,
}

/// One text, in parts that name the file each belongs into, and what to do next.
pub(crate) fn settings(config: &Config, point: &AccessPoint) -> String {
    let AccessPoint { device, address } = point;
    let [a, b, c, _] = address.octets();
    let name = config.web.names.first().map_or(THIS_NODE, String::as_str);
    let port = config.web.listen.port();
    let mut text = format!(
        "# Made by 'meshstream portal' for the access point {device} with the address {address}. Make it again when the\n\
         # node's settings change. Each part says where it belongs.\n\n\
         # ---- dnsmasq: /etc/dnsmasq.d/meshstream-portal.conf; then: systemctl restart dnsmasq\n\
         interface={device}\n\
         bind-dynamic\n\
         # Leave the next line out where something else gives out addresses.\n\
         dhcp-range={a}.{b}.{c}.10,{a}.{b}.{c}.250,255.255.255.0,12h\n\
         # Every name leads to the node: {name}, {label}.local, and those that phones ask for.\n\
         address=/#/{address}\n\
         # Windows looks for exactly this before it stays.\n\
         address=/dns.msftncsi.com/131.107.255.255\n",
        label = label(&config.node.name),
    );
    text.push_str(&captive_portal_option(config.web.tls.as_ref(), &config.web.names));
    let _ = write!(
        text,
        "\n# ---- nftables: /etc/nftables.d/meshstream-portal.nft; then: nft -f /etc/nftables.d/meshstream-portal.nft\n\
         table inet meshstream_portal\n\
         delete table inet meshstream_portal\n\n\
         table inet meshstream_portal {{\n\
         \tchain prerouting {{\n\
         \t\ttype nat hook prerouting priority dstnat; policy accept;\n\
         \t\t# Phones that have name servers of their own ask the node too.\n\
         \t\tiifname \"{device}\" meta l4proto {{ tcp, udp }} th dport 53 redirect to :53\n"
    );
    if port != HTTP {
        let _ = writeln!(text, "\t\tiifname \"{device}\" tcp dport {HTTP} redirect to :{port}");
    }
    if let Some(port) = config.web.tls.as_ref().map(|tls| tls.listen.port()).filter(|port| *port != HTTPS) {
        let _ = writeln!(text, "\t\tiifname \"{device}\" ip daddr {address} tcp dport {HTTPS} redirect to :{port}");
    }
    text.push_str("\t}\n}\n\n# ---- what to do next\n");
    if config.web.names.is_empty() {
        let _ = writeln!(
            text,
            "# Visitors are sent to http://{address}/. To send them to a name, add to the node's configuration:\n\
             #     [web]\n#     names = [\"{THIS_NODE}\"]"
        );
    }
    let _ = writeln!(
        text,
        "# Start the node again, join the network with a phone, and see whether its page opens by itself. Without a phone:\n\
         #     curl -sI -H 'Host: connectivitycheck.gstatic.com' http://{address}/generate_204   (302 to /portal, then 204)\n\
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
        let text = settings(&Config::default(), &point());
        for line in [
            "interface=wlan0",
            "dhcp-range=10.13.7.10,10.13.7.250,255.255.255.0,12h",
            "address=/#/10.13.7.1",
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
        let text = settings(&config, &point());
        assert!(text.contains("dhcp-option=114,https://video.example.org:8443/captive-portal/api\n"), "{text}");
        assert!(text.contains("ip daddr 10.13.7.1 tcp dport 443 redirect to :8443"), "{text}");
        assert!(!text.contains("dport 80 "), "{text}");
    }
}
