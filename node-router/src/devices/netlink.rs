//! The kernel's word that devices, their carriers or their addresses change (rtnetlink(7)). What it says is not read: who hears it
//! looks for himself, so that nothing is missed where more is said than a socket holds.

use std::io;

use futures::FutureExt as _;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket as _, AsyncSocketExt as _, SocketAddr, TokioSocket};

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR` of linux/rtnetlink.h.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Messages read at one go: a flood of them leaves the task time for other things.
const BATCH: usize = 64;
/// Bytes of a message that are read, and dropped.
const READ: usize = 16;

/// A socket that hears of changes.
pub(super) struct Kernel(TokioSocket);

impl Kernel {
    /// To be called within a tokio runtime.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        // That messages had no room is no news: there are others then.
        socket.socket_ref().set_no_enobufs(true)?;
        socket.socket_mut().bind(&SocketAddr::new(0, GROUPS))?;
        Ok(Self(socket))
    }

    /// Waits until something changes. Cancelled, it misses nothing.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        self.0.recv(&mut Vec::with_capacity(READ)).await?;
        for _ in 0..BATCH {
            let Some(more) = self.0.recv(&mut Vec::with_capacity(READ)).now_or_never() else { break };
            more?;
        }
        Ok(())
    }
}
