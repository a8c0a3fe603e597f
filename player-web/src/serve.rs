//! Accepts connections and speaks HTTP/1.1 on them, within limits, until told to stop.
//!
//! A connection keeps its place in the limits as long as anything of it lives: a WebSocket takes the place along
//! when it leaves HTTP behind. So the limits count sockets, and shutdown waits for them too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::serve::Listener;
use futures::{FutureExt as _, TryFutureExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use crate::Config;
use crate::slots::{Slot, Slots};
use crate::spelling::Spelling;
use crate::stall::StallLimit;
use crate::tls::Tls;

/// How long a request's head may take, and how long a kept connection may be idle. Longer than the pause between
/// two loads of a live playlist with the usual target duration, so that a player keeps its connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a peer may take nothing of an answer before it is cut off. A phone at the edge of the radio's range
/// may stall for many seconds and come back.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// How long open requests and sockets may take to end at shutdown; the whole node has five seconds.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Pause after a failed accept, which is when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Most bytes of a request's head: URLs here are short, and browsers send about 1 KiB of headers.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Most headers of a request; browsers send about 20.
const MAX_HEADERS: usize = 64;

/// Most connections of the owner's programs.
const MAX_CONTROL_CONNECTIONS: usize = 32;

/// Answer to a connection too many.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n\
    Content-Type: text/plain\r\nContent-Length: 50\r\n\r\nthis node has too many connections: try again soon";

/// The connection that a request came by, in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Whose it is.
    pub(crate) address: IpAddr,
    /// Where it came to; `None` where that is not known.
    pub(crate) local: Option<SocketAddr>,
    /// Whether it is TLS.
    pub(crate) secure: bool,
    /// Cancelled when the server stops.
    pub(crate) shutdown: CancellationToken,
    /// Its place in the limits.
    _slot: Arc<Slot>,
}

/// The address that limits count a request for. Requests that came by no connection count together.
pub(crate) fn address_of(connection: Option<&Connection>) -> IpAddr {
    connection.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |connection| connection.address)
}

/// How many connections there may be from the network; a cheap handle that several listeners share.
#[derive(Debug, Clone)]
pub struct Places(Slots);

impl Places {
    /// As many as the configuration allows.
    pub fn new(config: &Config) -> Self {
        Self(Slots::new(config.max_connections, config.max_connections_per_address))
    }
}

/// Serves the network until `shutdown`, then lets open requests and sockets end within two seconds. Cancelling it
/// drops all connections. Listeners that share places end together.
pub async fn serve(listener: listener::Listener, router: Router, places: Places, shutdown: CancellationToken) {
    let server = Server { router, slots: places.0, header_timeout: HEADER_TIMEOUT, secure: false, shutdown };
    server.run(Network(listener), identify, |io| std::future::ready(Some(io))).await;
}

/// The same over TLS.
pub async fn serve_tls(
    listener: listener::Listener,
    tls: Tls,
    router: Router,
    places: Places,
    shutdown: CancellationToken,
) {
    let server = Server { router, slots: places.0, header_timeout: HEADER_TIMEOUT, secure: true, shutdown };
    let open = move |io| {
        let tls = tls.clone();
        async move { tls.open(io).await }
    };
    server.run(Network(listener), identify, open).await;
}

fn identify(stream: &TcpStream, address: &SocketAddr) -> (IpAddr, Option<SocketAddr>) {
    // Answers are written whole; waiting to fill a packet would only delay them. Failure costs no more.
    let _ = stream.set_nodelay(true);
    (address.ip(), stream.local_addr().ok())
}

/// Serves the owner's unix socket in the same way.
pub async fn serve_control(listener: UnixListener, router: Router, shutdown: CancellationToken) {
    let slots = Slots::new(MAX_CONTROL_CONNECTIONS, MAX_CONTROL_CONNECTIONS);
    let identify = |_: &tokio::net::UnixStream, _: &tokio::net::unix::SocketAddr| (Ipv4Addr::LOCALHOST.into(), None);
    let server = Server { router, slots, header_timeout: HEADER_TIMEOUT, secure: false, shutdown };
    server.run(listener, identify, |io| std::future::ready(Some(io))).await;
}

/// Goes on after a failure to accept.
struct Network(listener::Listener);

impl Listener for Network {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.0.local_addr())
    }
}

struct Server {
    router: Router,
    slots: Slots,
    header_timeout: Duration,
    /// Whether what is opened is TLS.
    secure: bool,
    shutdown: CancellationToken,
}

impl Server {
    /// `open` makes of a connection what HTTP is spoken on, in the connection's own task.
    async fn run<L, T, F>(
        self,
        mut listener: L,
        identify: impl Fn(&L::Io, &L::Addr) -> (IpAddr, Option<SocketAddr>),
        open: impl Fn(L::Io) -> F,
    ) where
        L: Listener,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let mut connections = JoinSet::new();
        let spelling = Spelling::read().await;
        loop {
            let (mut io, address) = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                Some(ended) = connections.join_next() => {
                    report(ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            let (address, local) = identify(&io, &address);
            let Some(slot) = self.slots.acquire(address) else {
                metrics::counter!("meshstream_web_refused_connections_total").increment(1);
                tracing::debug!(%address, "refused a connection too many");
                // One try, as a fresh connection has room for it; waiting would itself be a connection.
                let _ = io.write_all(REFUSAL).now_or_never();
                continue;
            };
            let (secure, shutdown) = (self.secure, self.shutdown.clone());
            let connection = Connection { address, local, secure, shutdown, _slot: Arc::new(slot) };
            let (opening, router, header_timeout) = (open(io), self.router.clone(), self.header_timeout);
            let spelling = spelling.clone();
            connections.spawn(async move {
                if let Some(io) = opening.await {
                    converse(io, router, spelling, connection, header_timeout).await;
                }
            });
        }
        drop(listener);
        let ended = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
            self.slots.idle().await;
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, ended).await.is_err() {
            tracing::debug!("dropped connections that did not end in time");
        }
        connections.shutdown().await;
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        metrics::counter!("meshstream_web_panics_total").increment(1);
        tracing::error!(%error, "a connection's task panicked");
    }
}

async fn converse<T>(
    io: T,
    router: Router,
    spelling: Option<Spelling>,
    connection: Connection,
    header_timeout: Duration,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shutdown = connection.shutdown.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        let (answering, spelling) = (router.clone().call(request), spelling.clone());
        answering.map_ok(move |mut response| {
            if let Some(spelling) = spelling {
                spelling.apply(&mut response);
            }
            response
        })
    });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(StallLimit::new(io, STALL_LIMIT)), service)
        .with_upgrades();
    let mut conversation = std::pin::pin!(conversation);
    let result = tokio::select! {
        result = conversation.as_mut() => result,
        () = shutdown.cancelled() => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn a_head_that_never_ends_and_a_connection_that_says_nothing_are_closed() {
        let listener = listener::Listener::bind("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
        let address = listener.local_addr();
        let shutdown = CancellationToken::new();
        let server = Server {
            router: Router::new(),
            slots: Slots::new(8, 8),
            header_timeout: Duration::from_millis(20),
            secure: false,
            shutdown: shutdown.clone(),
        };
        let identify = |_: &TcpStream, address: &SocketAddr| (address.ip(), None);
        let plain = |io| std::future::ready(Some(io));
        let serving = tokio::spawn(server.run(Network(listener), identify, plain));
        for head in ["", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let guard = Duration::from_secs(60);
            tokio::time::timeout(guard, stream.read_to_end(&mut answer)).await.expect("it is closed").unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        }
        shutdown.cancel();
        serving.await.unwrap();
    }
}
