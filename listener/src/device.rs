//! A listening socket on one network device, opened again for as long as the device comes and goes.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::task::{Context, Poll};

use metrics::counter;
use rustix::io::Errno;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::socket;

/// Devices of one listener: each is looked at every second.
pub const MAX_DEVICES: usize = 8;

/// The longest name of a device (`IFNAMSIZ`, with the zero at the end).
const MAX_NAME: usize = 15;

/// The name of a network device, such as `tun0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Device(String);

/// Not a name that a network device can have here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceError(String);

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not the name of a network device such as tun0: 1 to 15 letters, digits, or any of ._-@",
            self.0
        )
    }
}

impl std::error::Error for DeviceError {}

impl Device {
    /// As the system knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        // Fewer than the kernel takes: names are also written into files for other programs.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        let usable = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(plain) && text != "." && text != "..";
        usable.then(|| Self(text.to_owned())).ok_or_else(|| DeviceError(text.chars().take(40).collect()))
    }
}

/// What listens on a device.
#[derive(Debug)]
pub(crate) struct Confined {
    device: Device,
    socket: Option<TcpListener>,
    /// What was said last, so that a lasting trouble is told once.
    trouble: Option<String>,
}

impl Confined {
    /// Listens, or waits for the device.
    pub(crate) fn open(device: Device, address: SocketAddr) -> io::Result<Self> {
        let mut confined = Self { device, socket: None, trouble: None };
        match confined.listen(address) {
            Err(error) if is_missing(&error) => confined.complain(&error),
            other => other?,
        }
        Ok(confined)
    }

    /// Follows what became of the device.
    pub(crate) fn look(&mut self, address: SocketAddr) {
        if let Some(socket) = &self.socket {
            if is_on(socket, &self.device) {
                return;
            }
            tracing::warn!(device = %self.device, %address, "the device is gone, and what listened on it");
            self.socket = None;
        }
        match self.listen(address) {
            Ok(()) => {
                counter!("meshstream_listener_reopened_total").increment(1);
                tracing::info!(device = %self.device, %address, "listening on the device");
            }
            Err(error) => self.complain(&error),
        }
    }

    pub(crate) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.socket.as_ref().map_or(Poll::Pending, |socket| socket.poll_accept(context))
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = socket::bind_to(address, Some(self.device.as_str()))?;
        self.socket = Some(socket::listen(socket)?);
        self.trouble = None;
        Ok(())
    }

    fn complain(&mut self, error: &io::Error) {
        let text = error.to_string();
        if self.trouble.as_ref() != Some(&text) {
            tracing::warn!(device = %self.device, error = text, "cannot listen on a device; it is tried again until it can");
            self.trouble = Some(text);
        }
    }
}

/// Whether the device that the socket is bound to is there, by this name. A socket stays with the device that it was bound to:
/// one of the same name that is made anew is another.
fn is_on(socket: &TcpListener, device: &Device) -> bool {
    SockRef::from(socket).device().is_ok_and(|bound| bound.is_some_and(|name| name == device.as_str().as_bytes()))
}

fn is_missing(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NODEV)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_are_those_that_linux_makes() {
        for name in ["tun0", "wlan0-mesh", "br-lan.12", "veth0@if3", "a", "exactly15chars_"] {
            assert_eq!(name.parse::<Device>().unwrap().as_str(), name);
        }
        for name in ["", ".", "..", "a/b", "a b", "tun*", "a\"b", "sixteen_chars_16", "ä"] {
            assert!(name.parse::<Device>().is_err(), "{name:?}");
        }
    }
}
