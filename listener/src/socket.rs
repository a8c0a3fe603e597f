//! Sockets that listen.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel may hold until they are accepted.
const BACKLOG: i32 = 256;

/// Bound, and not listening yet.
pub(crate) fn bind(address: SocketAddr) -> io::Result<Socket> {
    match bind_to(address, None) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && lacks_ipv6(&error) => {
            bind_to((Ipv4Addr::UNSPECIFIED, address.port()).into(), None)
        }
        other => other,
    }
}

/// Not compiled in, or switched off.
fn lacks_ipv6(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno == Some(Errno::AFNOSUPPORT) || errno == Some(Errno::ADDRNOTAVAIL)
}

/// Bound to the device, where one is given, before it is bound to the address: so that sockets of several devices share a port.
pub(crate) fn bind_to(address: SocketAddr, device: Option<&str>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A node that restarts takes its port again although connections of the former process linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    match socket.bind(&address.into()) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && !address.ip().is_unspecified() => {
            // An overlay that starts later may bring it.
            if device.is_none() {
                tracing::warn!(%address, "listening on an address that this machine does not have yet");
            }
            match address {
                SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
                SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
            }
            socket.bind(&address.into())?;
        }
        other => other?,
    }
    Ok(socket)
}

pub(crate) fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

pub(crate) fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?.as_socket();
    address.ok_or_else(|| io::Error::other("a TCP socket without an IP address"))
}
