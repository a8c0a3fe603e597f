//! UDP sockets that share their port with other programs of this host: each of them gets every broadcast.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

/// Takes and sends broadcasts over IPv4.
pub(super) fn broadcast(port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_broadcast(true)?;
    bind(socket, (Ipv4Addr::UNSPECIFIED, port).into())
}

/// Takes and sends multicast over IPv6, once it has joined a group.
pub(super) fn multicast(port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(true)?;
    bind(socket, (Ipv6Addr::UNSPECIFIED, port).into())
}

/// Hears what is sent to a group on one interface.
pub(super) fn join(socket: &UdpSocket, group: Ipv6Addr, interface: u32) -> io::Result<()> {
    SockRef::from(socket).join_multicast_v6(&group, interface)
}

/// Hears nothing of that any more.
pub(super) fn leave(socket: &UdpSocket, group: Ipv6Addr, interface: u32) -> io::Result<()> {
    SockRef::from(socket).leave_multicast_v6(&group, interface)
}

fn bind(socket: Socket, address: SocketAddr) -> io::Result<UdpSocket> {
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
