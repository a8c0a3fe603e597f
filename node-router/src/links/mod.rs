//! How the links to neighbours are: probes over UDP, beside the connections (`docs/protocol/probes.md`).
//!
//! Comes in: where to probe, which nodes are known here, datagrams. Goes out: probes, answers to those of others, [`Event`]s where
//! a link dies or comes back or its node has news, and what was measured. A probe shares no queue with segments, so that it is answered in time while those fill the
//! link, and what is lost of it is not sent again by the kernel, so that loss can be seen.

mod probing;
mod rates;
mod wire;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::counter;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use probing::{Event, Quality};
pub(crate) use rates::{Exchanged, Rates};

use probing::{Probe, Probing};
use wire::Datagram;

/// Links that die or come back, waiting for the mesh's task.
const MAX_EVENTS_WAITING: usize = 64;
/// Changes of the machine's own links that wait for the task of the probes.
const MAX_CHANGES_WAITING: usize = 4;
/// Answers to probes of others, a second: what 256 neighbours send whose links are bad, in both forms, and some more.
const MAX_ANSWERS: u32 = 1536;
/// Datagrams read at one go before probes have their turn.
const BATCH: usize = 64;

/// What was measured, by where it was probed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured(Arc<Mutex<HashMap<SocketAddr, Quality>>>);

impl Measured {
    /// Of one place; `None` where none answered yet.
    pub(crate) fn at(&self, place: SocketAddr) -> Option<Quality> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place).copied()
    }

    pub(crate) fn set(&self, measured: HashMap<SocketAddr, Quality>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = measured;
    }
}

/// Tells the task of the probes where to probe, and hears from it.
#[derive(Debug)]
pub(crate) struct Links {
    places: watch::Sender<Vec<SocketAddr>>,
    cut_off: mpsc::Sender<Vec<SocketAddr>>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) measured: Measured,
    /// Which nodes are known here, for who asks.
    tag: Arc<AtomicU64>,
}

impl Links {
    /// Probes these from now on, and no others.
    pub(crate) fn probe(&self, places: Vec<SocketAddr>) {
        self.places.send_if_modified(|current| {
            let changed = *current != places;
            *current = places;
            changed
        });
    }

    /// Tells neighbours from now on that these nodes are known here: what they read of them has to be there before.
    pub(crate) fn tell(&self, tag: u64) {
        self.tag.store(tag, Ordering::Release);
    }

    /// Links of this machine are gone, and with them the way to these places, which counts as dead without an [`Event`]; the
    /// others are probed at once.
    pub(crate) fn cut_off(&self, places: Vec<SocketAddr>) {
        // Where changes come so quickly, probes find the rest.
        let _ = self.cut_off.try_send(places);
    }
}

/// The sockets, one for each family of addresses.
#[derive(Debug)]
pub(crate) struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Sockets {
    /// At this port, on loopback alone or everywhere. What cannot be opened is warned of: links of that family are not probed.
    pub(crate) fn open(port: u16, loopback: bool) -> Self {
        let (v4, v6) = match loopback {
            true => (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
            false => (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
        };
        let open = |ip: IpAddr| match bind(SocketAddr::new(ip, port)) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%ip, port, %error, "cannot open the udp port for probes: dead links are found later");
                None
            }
        };
        Self { v4: open(v4.into()), v6: open(v6.into()) }
    }

    /// None: nothing is probed.
    pub(crate) fn none() -> Self {
        Self { v4: None, v6: None }
    }

    /// Of IPv4 alone, at any free port: the same one in both families is not promised.
    #[cfg(test)]
    pub(crate) fn on_loopback() -> (Self, SocketAddr) {
        let socket = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = socket.local_addr().expect("a bound socket");
        (Self { v4: Some(socket), v6: None }, address)
    }

    async fn send(&self, datagram: Datagram, to: SocketAddr) {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        let Some(socket) = socket else { return };
        // One that cannot be sent is one that is not answered.
        if let Err(error) = socket.send_to(&datagram.to_bytes(), to).await {
            tracing::trace!(%to, %error, "cannot send a probe");
        }
    }

    async fn receive(&self) -> (Datagram, SocketAddr) {
        tokio::select! {
            received = receive(self.v4.as_ref()) => received,
            received = receive(self.v6.as_ref()) => received,
        }
    }

    fn try_receive(&self) -> Option<(Datagram, SocketAddr)> {
        [&self.v4, &self.v6].into_iter().flatten().find_map(|socket| {
            let mut buffer = [0; wire::LENGTH + 1];
            let (length, from) = socket.try_recv_from(&mut buffer).ok()?;
            Some((Datagram::from_bytes(&buffer[..length])?, from))
        })
    }
}

/// The next datagram that is one of ours.
async fn receive(socket: Option<&UdpSocket>) -> (Datagram, SocketAddr) {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        // Longer ones are cut to a length that is not ours.
        let mut buffer = [0; wire::LENGTH + 1];
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => match Datagram::from_bytes(&buffer[..length]) {
                Some(datagram) => return (datagram, from),
                None => counter!("meshstream_mesh_probes_malformed_total").increment(1),
            },
            // Such as a neighbour's word that nobody listens there, about an earlier one.
            Err(error) => tracing::trace!(%error, "cannot receive a probe"),
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// The task that probes, and its handle.
pub(crate) fn start(sockets: Sockets) -> (Links, Task) {
    let (places, wanted) = watch::channel(Vec::new());
    let (sender, events) = mpsc::channel(MAX_EVENTS_WAITING);
    let (cut_off, gone) = mpsc::channel(MAX_CHANGES_WAITING);
    let measured = Measured::default();
    let tag = Arc::new(AtomicU64::new(0));
    let task = Task { sockets, wanted, gone, events: sender, measured: measured.clone(), tag: tag.clone() };
    (Links { places, cut_off, events, measured, tag }, task)
}

/// To be run.
#[derive(Debug)]
pub(crate) struct Task {
    sockets: Sockets,
    wanted: watch::Receiver<Vec<SocketAddr>>,
    gone: mpsc::Receiver<Vec<SocketAddr>>,
    events: mpsc::Sender<Event>,
    measured: Measured,
    tag: Arc<AtomicU64>,
}

impl Task {
    /// Probes and answers until cancelled, or until nobody wants to know any more.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let Self { sockets, mut wanted, mut gone, events, measured, tag } = self;
        let mut probing = Probing::default();
        let (mut answers, mut second) = (0, Instant::now());
        loop {
            let now = Instant::now();
            while let Some(Probe { nonce, to, also_plain }) = probing.poll_probe(now, rand::random()) {
                // The answer to this one comes first, as a rule, and is the one that counts then.
                sockets.send(Datagram::Question(nonce), to).await;
                if also_plain {
                    sockets.send(Datagram::Probe(nonce), to).await;
                }
            }
            // Whoever hears of an event finds what was measured.
            measured.set(probing.measured());
            while let Some(event) = probing.poll_event() {
                let _ = events.send(event).await;
            }
            let wait = probing.next_timeout().map_or(Duration::MAX, |at| at.saturating_duration_since(now));
            let first = tokio::select! {
                () = cancel.cancelled() => return,
                changed = wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    probing.set_places(&wanted.borrow_and_update(), Instant::now());
                    None
                }
                Some(places) = gone.recv() => {
                    probing.handle_cut_off(&places, Instant::now());
                    None
                }
                received = sockets.receive() => Some(received),
                () = tokio::time::sleep(wait) => None,
            };
            // Whatever has come is read before anything counts as unanswered: this task may have waited for its turn.
            let more = std::iter::from_fn(|| sockets.try_receive()).take(BATCH);
            for (datagram, from) in first.into_iter().chain(more).collect::<Vec<_>>() {
                let answer = match datagram {
                    Datagram::Answer(nonce) => {
                        probing.handle_answer(nonce, None, Instant::now());
                        continue;
                    }
                    Datagram::Told(nonce, tag) => {
                        probing.handle_answer(nonce, Some(tag), Instant::now());
                        continue;
                    }
                    Datagram::Probe(nonce) => Datagram::Answer(nonce),
                    Datagram::Question(nonce) => Datagram::Told(nonce, tag.load(Ordering::Acquire)),
                };
                if second.elapsed() >= Duration::from_secs(1) {
                    (answers, second) = (0, Instant::now());
                }
                answers += 1;
                if answers <= MAX_ANSWERS {
                    sockets.send(answer, from).await;
                } else {
                    counter!("meshstream_mesh_probes_refused_total").increment(1);
                }
            }
            probing.handle_time(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_neighbour_that_answers_is_measured_and_its_end_and_return_are_told() {
        let ((sockets, _), (theirs, place)) = (Sockets::on_loopback(), Sockets::on_loopback());
        let cancel = CancellationToken::new();
        let (mut links, task) = start(sockets);
        let running = tokio::spawn(task.run(cancel.clone()));
        links.probe(vec![place]);
        let answering = |sockets| {
            let (unused, task) = start(sockets);
            let cancel = CancellationToken::new();
            (unused, cancel.clone(), tokio::spawn(task.run(cancel)))
        };
        let (kept, stop, neighbour) = answering(theirs);
        let heard = async |links: &mut Links| tokio::time::timeout(GUARD, links.events.recv()).await.unwrap().unwrap();
        assert_eq!(heard(&mut links).await, Event::Up(place));
        assert_eq!(heard(&mut links).await, Event::News(place));
        let quality = links.measured.at(place).unwrap();
        assert_eq!((quality.loss_percent, quality.tag), (0, Some(0)));
        kept.tell(7);
        assert_eq!(heard(&mut links).await, Event::News(place));
        assert_eq!(links.measured.at(place).unwrap().tag, Some(7));

        stop.cancel();
        neighbour.await.unwrap();
        assert_eq!(heard(&mut links).await, Event::Down(place));
        let socket = bind(place).unwrap();
        let (_kept, _stop, _neighbour) = answering(Sockets { v4: Some(socket), v6: None });
        assert_eq!(heard(&mut links).await, Event::Up(place));
        cancel.cancel();
        running.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_probe_is_not_answered() {
        let (sockets, place) = Sockets::on_loopback();
        let (_links, task) = start(sockets);
        tokio::spawn(task.run(CancellationToken::new()));
        let stranger = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let probe = Datagram::Probe(7).to_bytes();
        let longer = [&probe[..], b"x"].concat();
        let told = Datagram::Told(7, 1).to_bytes();
        for datagram in [&b""[..], b"hello", &probe[1..], &longer, &Datagram::Answer(7).to_bytes(), &told, &probe] {
            stranger.send_to(datagram, place).await.unwrap();
        }
        let mut buffer = [0; 64];
        let (length, _) = tokio::time::timeout(GUARD, stranger.recv_from(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(Datagram::from_bytes(&buffer[..length]), Some(Datagram::Answer(7)));
        assert!(stranger.try_recv_from(&mut buffer).is_err(), "one answer alone");
    }
}
