//! What an owner can set, and what bounds a listener.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use listener::Device;

use super::AddressRange;

/// How to listen, and for whom.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen. `[::]` takes IPv4 as well; port 0 takes any.
    pub listen: SocketAddr,
    /// The network devices to listen on; all where there is none.
    pub devices: Vec<Device>,
    /// Who may publish; anybody with a key where it is empty.
    pub allow: Vec<AddressRange>,
    /// What it takes at most.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        // 1935 is the registered port of RTMP.
        let listen = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 1935));
        Self { listen, devices: Vec::new(), allow: Vec::new(), limits: Limits::default() }
    }
}

/// Bounds of a listener. The defaults are for a node that a few encoders publish to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time. Before it is let in, one takes at most about 200 KiB.
    pub connections: usize,
    /// Connections at a time from one address: several cameras may sit behind one router.
    pub connections_per_address: usize,
    /// Time from the connection to a valid `publish`. Encoders take a few round trips.
    pub authentication: Duration,
    /// Silence after which a publisher is taken for gone. Shorter than the grace in which it may return.
    pub idle: Duration,
    /// Time that an answer may take to be sent.
    pub write: Duration,
    /// Time for everything to end when the listener is stopped.
    pub shutdown: Duration,
    /// Media events that wait to be taken from a publication, in number: half a minute of video and audio.
    pub queued_events: usize,
    /// And in bytes of media: 5 s of 25 Mbit/s, 40 s of 3 Mbit/s.
    pub queued_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_address: 32,
            authentication: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(5),
            shutdown: Duration::from_secs(2),
            queued_events: 4096,
            queued_bytes: 16 * 1024 * 1024,
        }
    }
}
