//! Finding peers on a LAN: says where this node's SSB listener is, and hears where those of others are.
//!
//! In: datagrams of whoever is near, and neighbours to be told directly (through [`stream_model::Neighbours`]). Out:
//! datagrams, and peers for [`crate::gossip`] to dial. The wire format is JavaScript's (`docs/protocol/discovery.md`).
//! Nothing heard is believed: the secret handshake proves who a peer is, and only then is its feed replicated. Sockets
//! that cannot be opened are a warning: a node without discovery still has its configured peers.

mod announce;
mod budget;
mod filter;
mod heard;
mod interfaces;
mod packet;
mod schedule;
mod socket;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use stream_model::{FeedId, Neighbours, SsbPeer};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, trace, warn};

use crate::address::{self, PeerAddresses};
use crate::gossip::Gossip;
use crate::gossip::peers::Peers;
use crate::handshake::NetworkKey;
use crate::identity::Identity;
use announce::{Announcement, Form, GROUP, Ports};
use budget::Budget;
use heard::{Change, HeardPeers, Verdict};
use interfaces::Interfaces;
use packet::{MAX_DATAGRAM, PacketError};
use schedule::Schedule;

/// The usual UDP port of the plain form.
pub const PLAIN_PORT: u16 = 8008;
/// The usual UDP port of the sealed form.
pub const SEALED_PORT: u16 = 26830;
/// How often the interfaces are looked at without being told that they changed ([`Neighbours::links_changed`]).
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Datagrams read at one go before the others have their turn.
const BATCH: usize = 32;
/// Neighbours that are told directly.
const MAX_NEIGHBOURS: usize = 64;

/// How this node is found, and finds others.
#[derive(Debug, Clone)]
pub struct Config {
    /// Names of the interfaces to use; without any, all that are up but loopback.
    pub interfaces: Vec<String>,
    /// Whether to speak and hear the plain form too, which everybody on the link can read and forge. Programs of the
    /// open community may know only this one.
    pub plain: bool,
    /// UDP port of the plain form, here and at the others; 0 takes any free one.
    pub plain_port: u16,
    /// UDP port of the sealed form, here and at the others; 0 takes any free one.
    pub sealed_port: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self { interfaces: Vec::new(), plain: true, plain_port: PLAIN_PORT, sealed_port: SEALED_PORT }
    }
}

/// A handle to discovery. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Discovery {
    neighbours: Arc<watch::Sender<Vec<SocketAddr>>>,
    links: Arc<watch::Sender<()>>,
    plain_port: Option<u16>,
    sealed_port: Option<u16>,
}

impl Discovery {
    /// Where the plain form is heard, with the real port; `None` where it is not.
    pub fn plain_port(&self) -> Option<u16> {
        self.plain_port
    }

    /// Where the sealed form is heard, with the real port; `None` where it is not.
    pub fn sealed_port(&self) -> Option<u16> {
        self.sealed_port
    }
}

impl Neighbours for Discovery {
    fn announce_to(&self, mut neighbours: Vec<SocketAddr>) {
        neighbours.truncate(MAX_NEIGHBOURS);
        self.neighbours.send_if_modified(|current| {
            let changed = *current != neighbours;
            *current = neighbours;
            changed
        });
    }

    fn links_changed(&self) {
        self.links.send_replace(());
    }
}

/// A peer at addresses whose zones are interfaces of this host.
pub(crate) fn to_peer(addresses: &PeerAddresses) -> SsbPeer {
    let interfaces = Interfaces::read(&[]).unwrap_or_default();
    addresses.to_peer(|name| interfaces.index_of(name))
}

/// The multiserver address under which others reach the SSB listener of a node on this host, to hand to somebody; tunnels
/// are included. `None` where it listens on loopback only.
pub fn reachable(listen: SocketAddr, feed: FeedId) -> Option<PeerAddresses> {
    let interfaces = Interfaces::read(&[]).unwrap_or_default();
    let ips = interfaces.0.iter().flat_map(|link| &link.networks).map(|network| network.ip);
    // A link-local address means nothing to somebody on another link.
    let ips = ips.filter(|ip| announce::covers(listen, *ip) && !ip.is_loopback() && !interfaces::is_link_local(*ip));
    PeerAddresses::of_listeners(feed, ips.map(|ip| SocketAddr::new(ip, listen.port())))
}

/// Opens the sockets; what cannot be opened is warned of. Nothing is said or heard until the [`Listener`] runs. To be
/// called within a tokio runtime.
pub fn bind(config: Config, identity: Identity, network: NetworkKey, gossip: Gossip) -> (Discovery, Listener) {
    let open = |what: &'static str, port, opened: io::Result<UdpSocket>| match opened {
        Ok(socket) => Some(socket),
        Err(error) => {
            warn!(%error, what, port, "cannot look for peers on the LAN in this way");
            None
        }
    };
    let port_of = |socket: &Option<UdpSocket>| Some(socket.as_ref()?.local_addr().ok()?.port());
    let plain = config.plain.then(|| socket::broadcast(config.plain_port));
    let plain = plain.and_then(|opened| open("plain broadcast", config.plain_port, opened));
    let sealed = open("sealed broadcast", config.sealed_port, socket::broadcast(config.sealed_port));
    let sealed_port = port_of(&sealed).unwrap_or(config.sealed_port);
    let multicast = open("IPv6 multicast", sealed_port, socket::multicast(sealed_port));

    let ports = Ports { plain: port_of(&plain), sealed: sealed_port };
    let (sender, neighbours) = watch::channel(Vec::new());
    let (links, changes) = watch::channel(());
    let open = sealed.is_some() || multicast.is_some();
    let handle = Discovery {
        neighbours: Arc::new(sender),
        links: Arc::new(links),
        plain_port: ports.plain,
        sealed_port: open.then_some(ports.sealed),
    };
    let now = Instant::now();
    let listener = Listener {
        names: config.interfaces,
        identity,
        network,
        gossip,
        plain,
        sealed,
        multicast,
        ports,
        neighbours,
        links: changes,
        interfaces: Interfaces::default(),
        joined: BTreeSet::new(),
        budget: Budget::new(now),
        heard: HeardPeers::default(),
        schedule: Schedule::new(now),
    };
    (handle, listener)
}

/// The task that speaks and hears.
pub struct Listener {
    names: Vec<String>,
    identity: Identity,
    network: NetworkKey,
    gossip: Gossip,
    plain: Option<UdpSocket>,
    sealed: Option<UdpSocket>,
    multicast: Option<UdpSocket>,
    ports: Ports,
    neighbours: watch::Receiver<Vec<SocketAddr>>,
    links: watch::Receiver<()>,
    interfaces: Interfaces,
    /// Interfaces on which the group is joined.
    joined: BTreeSet<u32>,
    budget: Budget,
    heard: HeardPeers,
    schedule: Schedule,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("ports", &self.ports).finish_non_exhaustive()
    }
}

impl Listener {
    /// Speaks and hears until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        self.look();
        let mut look_at = Instant::now() + LOOK_EVERY;
        let mut handles = true;
        loop {
            if self.schedule.next() <= Instant::now() {
                self.announce().await;
                self.schedule.handle_sent(Instant::now(), rand::random());
            }
            let wake = self.schedule.next().min(look_at);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = readable(self.plain.as_ref()) => self.receive(Form::Plain, |this| this.plain.as_ref()),
                () = readable(self.sealed.as_ref()) => self.receive(Form::Sealed, |this| this.sealed.as_ref()),
                () = readable(self.multicast.as_ref()) => self.receive(Form::Sealed, |this| this.multicast.as_ref()),
                changed = self.neighbours.changed(), if handles => {
                    handles = changed.is_ok();
                    self.schedule.handle_news(Instant::now(), 0.0);
                }
                Ok(()) = self.links.changed() => {
                    // Although the interfaces may look as before: what was sent while they were down is lost.
                    self.schedule.handle_news(Instant::now(), 0.0);
                    look_at = Instant::now();
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            if look_at <= Instant::now() {
                self.look();
                look_at = Instant::now() + LOOK_EVERY;
            }
        }
    }

    /// Looks at the interfaces, joins the group on new ones, and forgets who is silent.
    fn look(&mut self) {
        let now = Instant::now();
        match Interfaces::read(&self.names) {
            Ok(interfaces) if interfaces != self.interfaces => {
                self.interfaces = interfaces;
                self.schedule.handle_news(now, rand::random());
                self.join();
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "cannot list the network interfaces"),
        }
        self.heard.expire(now);
        self.tell();
    }

    fn join(&mut self) {
        let Some(socket) = &self.multicast else { return };
        let used: BTreeSet<u32> =
            self.interfaces.used().filter(|link| !link.point_to_point).map(|link| link.index).collect();
        self.joined.retain(|index| used.contains(index));
        for index in used.difference(&self.joined.clone()) {
            // Of an interface that went and came back the socket may still think that it is a member.
            let _none_of_it = socket::leave(socket, GROUP, *index);
            match socket::join(socket, GROUP, *index) {
                Ok(()) => {
                    self.joined.insert(*index);
                }
                Err(error) => debug!(%error, interface = index, "cannot hear IPv6 multicast on an interface"),
            }
        }
    }

    fn receive(&mut self, form: Form, socket: impl Fn(&Self) -> Option<&UdpSocket>) {
        // One byte more, to tell what is too long.
        let mut buffer = [0; MAX_DATAGRAM + 1];
        for _ in 0..BATCH {
            let Some(Ok((length, source))) = socket(self).map(|socket| socket.try_recv_from(&mut buffer)) else {
                break;
            };
            self.handle_datagram(form, &buffer[..length], source);
        }
        self.tell();
    }

    fn handle_datagram(&mut self, form: Form, datagram: &[u8], source: SocketAddr) {
        let now = Instant::now();
        let refused = |reason: &'static str| {
            counter!("meshstream_ssb_lan_datagrams_refused_total", "reason" => reason).increment(1);
        };
        counter!("meshstream_ssb_lan_datagrams_received_total").increment(1);
        if !filter::is_neighbour(source, &self.interfaces) {
            return refused("stranger");
        }
        if !self.budget.take(source.ip(), now) {
            return refused("flood");
        }
        let read = match form {
            Form::Plain if datagram.len() <= MAX_DATAGRAM => packet::read_plain(datagram),
            Form::Plain => Err(PacketError::Size),
            Form::Sealed => packet::open(datagram, &self.network),
        };
        let addresses = match read {
            Ok(addresses) if addresses.feed() == self.identity.id() => {
                if !self.interfaces.is_own(source.ip()) {
                    let addresses = filter::dialable(&addresses, source, &self.interfaces);
                    self.gossip.handle_claim(addresses, Some(source.ip()));
                }
                return;
            }
            Ok(addresses) => addresses,
            Err(error) => {
                trace!(%error, %source, ?form, "datagram refused");
                return refused("unreadable");
            }
        };
        let peer =
            SsbPeer { feed: addresses.feed(), addresses: filter::dialable(&addresses, source, &self.interfaces) };
        let signed = form == Form::Sealed;
        match self.heard.handle(peer, signed, source.ip(), now, |feed| self.gossip.standing(feed)) {
            Verdict::New => {
                debug!(feed = %addresses.feed(), %source, ?form, "SSB peer heard on the LAN");
                self.schedule.handle_news(now, rand::random());
            }
            Verdict::Known => {}
            Verdict::Full => refused("full"),
            // The signed word of the same peer counts; most say both.
            Verdict::Unsigned => {}
        }
    }

    /// Tells gossip of what changed.
    fn tell(&mut self) {
        while let Some(change) = self.heard.poll_change() {
            match change {
                Change::Heard(peer) => self.gossip.handle_heard(peer, Peers::handle_heard),
                Change::Told(peer) => self.gossip.handle_heard(peer, Peers::handle_told),
                Change::Gone(feed) => self.gossip.handle_gone(feed),
            }
        }
        gauge!("meshstream_ssb_lan_peers").set(u32::try_from(self.heard.len()).unwrap_or(u32::MAX));
    }

    async fn announce(&mut self) {
        let (feed, listen) = (self.identity.id(), self.gossip.local_address());
        let neighbours = self.neighbours.borrow_and_update().clone();
        for announcement in announce::announcements(feed, listen, &self.interfaces, &neighbours, self.ports) {
            let Announcement { form, to, addresses } = announcement;
            let socket = match (form, to) {
                (Form::Plain, _) => &self.plain,
                (Form::Sealed, SocketAddr::V4(_)) => &self.sealed,
                (Form::Sealed, SocketAddr::V6(_)) => &self.multicast,
            };
            let Some(socket) = socket else { continue };
            let datagram = match form {
                Form::Plain => addresses.to_string().into_bytes(),
                Form::Sealed => packet::seal(&addresses, &self.network, &self.identity),
            };
            match socket.send_to(&datagram, to).await {
                Ok(_) => counter!("meshstream_ssb_lan_datagrams_sent_total").increment(1),
                Err(error) => {
                    counter!("meshstream_ssb_lan_datagrams_unsent_total").increment(1);
                    debug!(%error, %to, "cannot say on the LAN where this node is");
                }
            }
        }
    }
}

/// Waits until there is something to read; for ever without a socket.
async fn readable(socket: Option<&UdpSocket>) {
    match socket {
        // An error shows when it is read.
        Some(socket) => drop(socket.readable().await),
        None => std::future::pending().await,
    }
}

/// Reads bytes of a LAN in both forms, for fuzzing and for replaying its corpus.
///
/// # Panics
/// Where reading panics, or what was read does not read back as the same: this is what fuzzing looks for.
pub fn exercise(input: &[u8]) {
    address::exercise(input);
    let network = NetworkKey::MAIN;
    if let Ok(addresses) = packet::read_plain(input) {
        let identity = Identity::from_seed(&[7; 32]);
        let listeners = addresses.iter().map(|address| SocketAddr::new(address.ip(), address.port()));
        let own = PeerAddresses::of_listeners(identity.id(), listeners).expect("there is at least one address");
        assert_eq!(packet::open(&packet::seal(&own, &network, &identity), &network), Ok(own));
        let source = SocketAddr::from(([10, 0, 0, 1], 8008));
        for address in filter::dialable(&addresses, source, &Interfaces::default()) {
            assert!(filter::is_private_or_mesh(address.ip()), "{address} is dialled on a datagram's word");
        }
    }
    let _any_answer_will_do = packet::open(input, &network);
}

#[cfg(test)]
mod tests {
    /// The corpus that fuzzing starts from.
    #[test]
    fn the_fuzzing_corpus_is_read_without_a_panic() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/ssb_address");
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            super::exercise(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs >= 14, "{inputs}");
    }
}
