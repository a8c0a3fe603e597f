//! TCP listeners that can be confined to network devices, and that outlive those.
//!
//! In: an address, and perhaps the names of devices. Out: connections. Knows no protocol. A device that does not exist yet, or
//! that goes and comes back, as the TUN of an overlay does with its daemon, is waited for as long as the listener lives.

mod device;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::Socket;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Interval, MissedTickBehavior};

pub use device::{Device, DeviceError, MAX_DEVICES};

use device::Confined;

/// How often the devices are looked at: one that came is listened on within this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A bound listener. Dropped, it closes.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    reach: Reach,
}

#[derive(Debug)]
enum Reach {
    Open(TcpListener),
    Confined {
        /// Bound and never listening: it keeps the port while there is no device.
        _place: Socket,
        devices: Vec<Confined>,
        look: Interval,
    },
}

impl Listener {
    /// Listens on an address; port 0 takes any free one. `[::]` takes IPv4 too, whatever the system's default, and falls
    /// back to `0.0.0.0` where the system has no IPv6. An address that the machine does not have yet is listened on all the
    /// same (`IPV6_FREEBIND`). With devices, only what comes in by one of them is accepted (`SO_BINDTODEVICE`), from this
    /// machine itself only with `lo` among them; those that do not exist are waited for. To be called within a tokio runtime.
    ///
    /// # Errors
    /// Where the address is in use, or the system does not let the process confine sockets, as Linux before 5.7 without
    /// `CAP_NET_RAW` does not.
    pub fn bind(address: SocketAddr, devices: &[Device]) -> io::Result<Self> {
        let place = socket::bind(address)?;
        let address = socket::local_address(&place)?;
        let reach = if devices.is_empty() {
            Reach::Open(socket::listen(place)?)
        } else {
            let devices = devices.iter().cloned().map(|device| Confined::open(device, address));
            let devices = devices.collect::<io::Result<_>>()?;
            let mut look = tokio::time::interval(LOOK_EVERY);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Reach::Confined { _place: place, devices, look }
        };
        Ok(Self { address, reach })
    }

    /// Where it listens, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next connection. Cancelled, it loses none. Devices are looked at while it is awaited.
    ///
    /// # Errors
    /// Where the system has no room for a connection, such as for want of file descriptors: pause, then go on.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        match &mut self.reach {
            Reach::Open(socket) => socket.poll_accept(context),
            Reach::Confined { devices, look, .. } => {
                while look.poll_tick(context).is_ready() {
                    devices.iter_mut().for_each(|device| device.look(self.address));
                }
                let mut accepted = devices.iter().map(|device| device.poll_accept(context));
                accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
            }
        }
    }
}
