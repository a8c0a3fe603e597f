//! Whether a port is free. libp2p listens with `SO_REUSEPORT`, so that a second node on the same port would start and take
//! a share of the first one's connections.

use std::io;
use std::net::{IpAddr, SocketAddr};

use connexa::prelude::{Multiaddr, Protocol};
use socket2::{Domain, Socket, Type};

/// Fails where another socket listens on the address. Port 0 and addresses without a port are free.
pub(crate) fn check_free(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    let Some(Protocol::Tcp(port)) = parts.next().filter(|part| *part != Protocol::Tcp(0)) else { return Ok(()) };
    let address = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // As libp2p sets it: connections of a node that was just stopped are no obstacle, a listener is.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}
