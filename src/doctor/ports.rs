//! The node's ports: whether they can be had, or who has them.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::Asked;
use super::finding::Finding;
use super::machine::{Machine, last};
use crate::cameras::on_this_machine;
use crate::config::Config;

const CHECK: &str = "ports";

/// An own listener answers at once, or is stuck.
const PATIENCE: Duration = Duration::from_secs(3);

/// The state of a socket that listens, in `/proc/net/tcp` (Linux, `include/net/tcp_states.h`).
const LISTENING: &str = "0A";

pub(super) fn check(config: &Config, machine: &Machine, asked: &Asked) -> Vec<Finding> {
    match asked {
        Asked::Running { report, .. } => {
            let listen = &report.listen;
            let web = listen.web.iter().chain(&listen.web_tls).chain(&listen.gateway);
            let addresses = listen.rtmp.iter().chain(&listen.ssb).chain(web).filter_map(|text| text.parse().ok());
            answers(addresses)
        }
        Asked::NotRunning => vec![free(config, machine)],
        // It has them, and nothing tells which.
        Asked::Silent(_) => Vec::new(),
    }
}

/// Whether a running node is reached where it listens.
fn answers(addresses: impl Iterator<Item = SocketAddr>) -> Vec<Finding> {
    let mut reached = Vec::new();
    let mut findings = Vec::new();
    for address in addresses {
        match TcpStream::connect_timeout(&on_this_machine(address), PATIENCE) {
            Ok(_) => reached.push(address.port().to_string()),
            Err(error) => findings.push(Finding::failure(
                CHECK,
                format!("the node listens on {address} and cannot be reached there: {error}"),
                "see whether a firewall of this machine refuses it: 'sudo nft list ruleset'",
            )),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("the node answers on {}", reached.join(", "))));
    }
    findings
}

/// Whether a node that does not run could have its ports.
fn free(config: &Config, machine: &Machine) -> Finding {
    let mut free = BTreeSet::new();
    for (key, address) in wanted(config) {
        match TcpListener::bind(address) {
            Ok(_) => {
                free.insert(address.port());
            }
            Err(error) => return refused(key, address, &error, holder(machine, address.port()).as_deref()),
        }
    }
    let ports: Vec<_> = free.iter().map(ToString::to_string).collect();
    Finding::ok(CHECK, format!("{} are free for the node", ports.join(", ")))
}

/// What the configuration has the node listen on.
fn wanted(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let mut wanted = vec![
        ("ingest.listen", config.ingest.listen),
        ("ssb.listen", config.ssb.listen),
        ("web.listen", config.web.listen),
    ];
    wanted.extend(config.web.tls.iter().map(|tls| ("web.tls.listen", tls.listen)));
    wanted.extend(config.web.gateway_listen.map(|address| ("web.gateway_listen", address)));
    wanted.extend(config.ipfs.listen.iter().filter_map(|text| Some(("ipfs.listen", socket_address(text)?))));
    // Of several addresses with one port, IPv6's may be taken for both (ipv6(7), `IPV6_V6ONLY`).
    let mut ports = BTreeSet::new();
    wanted.retain(|(_, address)| ports.insert(address.port()));
    wanted
}

/// The address of a multiaddr such as `/ip6/::/tcp/4001`.
fn socket_address(multiaddr: &str) -> Option<SocketAddr> {
    let mut parts = multiaddr.split('/').skip(2);
    let (ip, _, port) = (parts.next()?.parse::<IpAddr>().ok()?, parts.next()?, parts.next()?.parse().ok()?);
    Some(SocketAddr::new(ip, port))
}

fn refused(key: &str, address: SocketAddr, error: &std::io::Error, holder: Option<&str>) -> Finding {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => {
            let holder = holder.unwrap_or("another program");
            let found = format!("{holder} has port {port}, which the node is to have");
            Finding::failure(CHECK, found, format!("stop it, or set {key} to another port"))
        }
        ErrorKind::PermissionDenied => Finding::failure(
            CHECK,
            format!("port {port} is for root alone"),
            format!(
                "the packaged service may have it ('sudo systemctl start meshstream'); else give the program the right with 'sudo setcap \
                 cap_net_bind_service=+ep', or set {key} to a port above 1023"
            ),
        ),
        _ => Finding::failure(
            CHECK,
            format!("{key} = {address} cannot be listened on: {error}"),
            format!("set {key} to an address of this machine"),
        ),
    }
}

/// The name of the program that listens on a port, where it is to be seen.
fn holder(machine: &Machine, port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|path| machine.text(path));
    let inode = tables.into_iter().find_map(|table| listener(&table, port))?;
    let socket = format!("socket:[{inode}]");
    let processes = machine.names("/proc").into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let process = processes.into_iter().find(|process| {
        let files = format!("/proc/{process}/fd");
        let mut names = machine.names(&files).into_iter();
        names.any(|name| {
            let link = std::fs::read_link(machine.path(&format!("{files}/{name}")));
            link.is_ok_and(|link| last(&link) == socket)
        })
    })?;
    machine.text(format!("/proc/{process}/comm")).map(|name| format!("{name} (process {process})"))
}

/// The inode of the socket that listens on a port, of `/proc/net/tcp` or `tcp6` (proc_pid_net(5)).
fn listener(table: &str, port: u16) -> Option<u64> {
    let port = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (local, state) = (fields.get(1)?, fields.get(3)?);
        (local.ends_with(&port) && *state == LISTENING).then(|| fields.get(9)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn who_has_a_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = TcpListener::bind(address).unwrap_err();
        let holder = holder(&Machine::this(), address.port()).unwrap();
        assert!(holder.ends_with(&format!("(process {})", std::process::id())), "{holder}");
        let finding = refused("web.listen", address, &error, Some("nginx (process 7)"));
        assert_eq!(finding.state, State::Failure);
        assert!(finding.found.contains("nginx (process 7) has port"), "{finding:?}");
        assert!(finding.mend.unwrap().contains("web.listen"));
    }

    #[test]
    fn each_port_of_the_configuration_is_tried_once() {
        let mut config = Config::default();
        config.web.gateway_listen = "[::]:8081".parse().ok();
        let keys: Vec<_> = wanted(&config).into_iter().map(|(key, address)| (key, address.port())).collect();
        let expected = [
            ("ingest.listen", 1935),
            ("ssb.listen", 8008),
            ("web.listen", 8080),
            ("web.gateway_listen", 8081),
            ("ipfs.listen", 4001),
        ];
        assert_eq!(keys, expected);
        assert_eq!(socket_address("/ip4/10.0.0.1/tcp/4001"), "10.0.0.1:4001".parse().ok());
        assert_eq!(socket_address("/dns/host/tcp/1"), None);
    }

    #[test]
    fn a_listener_that_is_gone_is_told_of() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(answers([address].into_iter())[0].state, State::Ok);
        drop(listener);
        assert_eq!(answers([address].into_iter())[0].state, State::Failure);
    }
}
