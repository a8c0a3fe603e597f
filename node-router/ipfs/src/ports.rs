//! Which ports to listen on. libp2p listens with `SO_REUSEPORT`, so that a second node on the same port would start and
//! take a share of the first one's connections: what is configured is checked before. What is left to the system is
//! made the same for all addresses, so that one number tells others where this node listens.

use std::io;
use std::net::{IpAddr, SocketAddr};

use connexa::prelude::{Multiaddr, Protocol};
use socket2::{Domain, Socket, Type};

/// Ports that are tried to find one that is free on all addresses.
const TRIES: usize = 16;

/// Fails where another socket listens on the address. Port 0, addresses without a port, and those that the machine does not
/// have are free.
pub(crate) fn check_free(address: &Multiaddr) -> io::Result<()> {
    match socket_address(address).filter(|address| address.port() != 0).map(bind) {
        Some(Err(error)) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(()),
        Some(bound) => bound?.listen(1),
        None => Ok(()),
    }
}

/// The port, unless that is left to the system.
pub(crate) fn port(address: &Multiaddr) -> Option<u16> {
    socket_address(address).map(|address| address.port()).filter(|port| *port != 0)
}

/// Whether this machine has the address, to be listened on.
pub(crate) fn is_here(address: &Multiaddr) -> bool {
    let Some(address) = socket_address(address) else { return true };
    !matches!(bind(SocketAddr::new(address.ip(), 0)), Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable)
}

/// The address with `ip` in it, where it is that one or stands for all of its family.
pub(crate) fn at(address: &Multiaddr, ip: IpAddr) -> Option<Multiaddr> {
    let configured = socket_address(address)?.ip();
    let stands_for_it = configured.is_unspecified() && configured.is_ipv4() == ip.is_ipv4();
    (stands_for_it || configured == ip).then(|| {
        let part = |part| match part {
            Protocol::Ip4(_) | Protocol::Ip6(_) => ip.into(),
            other => other,
        };
        address.iter().map(part).collect()
    })
}

/// The addresses, with one and the same free port where several have port 0, or one `for_several`. Where none is found they keep it. Somebody
/// may take the port before it is listened on.
pub(crate) fn settle(addresses: &[Multiaddr], for_several: bool) -> Vec<Multiaddr> {
    let open: Vec<_> = addresses.iter().filter_map(socket_address).filter(|address| address.port() == 0).collect();
    let port = if open.len() < 2 && !for_several { None } else { (0..TRIES).find_map(|_| common_port(&open)) };
    let Some(port) = port else { return addresses.to_vec() };
    let settled = |address: &Multiaddr| {
        let part = |part| if part == Protocol::Tcp(0) { Protocol::Tcp(port) } else { part };
        address.iter().map(part).collect()
    };
    addresses.iter().map(settled).collect()
}

/// A port that the system chose for the first and that is free on the others.
fn common_port(addresses: &[SocketAddr]) -> Option<u16> {
    let (first, others) = addresses.split_first()?;
    // Bound, and so nobody else's, until the others are.
    let chosen = bind(*first).ok()?;
    let port = chosen.local_addr().ok()?.as_socket()?.port();
    others.iter().all(|other| bind(SocketAddr::new(other.ip(), port)).is_ok()).then_some(port)
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // As libp2p sets it: connections of a node that was just stopped are no obstacle, a listener is.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<Multiaddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        settle(&addresses, false).iter().map(Multiaddr::to_string).collect()
    }

    #[test]
    fn ports_left_to_the_system_are_one() {
        let settled = settled(&["/ip6/::1/tcp/0", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.2/tcp/4001"]);
        let port = settled[0].strip_prefix("/ip6/::1/tcp/").unwrap();
        assert_ne!(port, "0");
        assert_eq!(settled[1..], [format!("/ip4/127.0.0.1/tcp/{port}"), "/ip4/127.0.0.2/tcp/4001".to_owned()]);
    }

    #[test]
    fn what_is_configured_stays() {
        for addresses in [&["/ip4/127.0.0.1/tcp/0"][..], &["/ip6/::/tcp/4001", "/ip4/0.0.0.0/tcp/4002"], &[]] {
            assert_eq!(settled(addresses), addresses);
        }
    }

    #[test]
    fn a_port_that_is_taken_is_not_free() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(check_free(&format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()).is_err());
        check_free(&"/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    }
}
