//! The RTMP port: accepts connections within bounds, and ends those whose key is revoked.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Config;
use super::connection::{self, Shared};
use super::connections::Connections;
use super::publishers::Publishers;
use crate::keys::KeyStore;
use crate::media::Publication;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Pause after a failed accept, which is when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound RTMP port.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Listener {
    /// Binds the port. Publishers that are let in go to `publications`; one that finds it full is refused.
    ///
    /// # Errors
    /// Where the address cannot be bound, or outside of a runtime.
    pub fn bind(config: Config, keys: KeyStore, publications: mpsc::Sender<Publication>) -> io::Result<Self> {
        let socket = bind(config.listen)?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared { config, keys, publications, publishers: Publishers::default() });
        Ok(Self { socket, address, shared })
    }

    /// Where it listens, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A handle to those who publish here.
    pub fn publishers(&self) -> Publishers {
        self.shared.publishers.clone()
    }

    /// Serves until `stop`, then ends every connection within the configured time. Dropping the future ends them
    /// without a word.
    pub async fn run(self, stop: CancellationToken) {
        let limits = &self.shared.config.limits;
        let mut connections = Connections::new(limits.connections, limits.connections_per_address);
        let mut revocations = self.shared.keys.revocations();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = connections.join_next() => {}
                Ok(()) = revocations.changed() => self.end_revoked().await,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, remote)) => self.admit(&mut connections, stream, remote, &stop),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept an RTMP connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.socket);
        connections.join_all(self.shared.config.limits.shutdown).await;
    }

    fn admit(&self, connections: &mut Connections, stream: TcpStream, remote: SocketAddr, stop: &CancellationToken) {
        let address = remote.ip().to_canonical();
        if !connections.has_room(address) {
            tracing::debug!(%address, "RTMP connection refused: too many");
            counter!("meshstream_ingest_refused_connections_total").increment(1);
            return;
        }
        counter!("meshstream_ingest_connections_total").increment(1);
        connections.spawn(address, connection::run(stream, address, Arc::clone(&self.shared), stop.clone()));
    }

    async fn end_revoked(&self) {
        match self.shared.keys.current().await {
            Ok(current) => self.shared.publishers.keep_only(&current),
            Err(error) => tracing::error!(%error, "cannot tell which stream keys are valid"),
        }
    }
}

/// A listening socket. An IPv6 one takes IPv4 too, whatever the system's default; where the system has no IPv6,
/// `[::]` means IPv4 alone.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match bind_to(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() => {
            // The first error is the one to report.
            bind_to((Ipv4Addr::UNSPECIFIED, address.port()).into()).map_err(|_| error)
        }
        result => result,
    }
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // As a restarted node finds its port in TIME_WAIT otherwise.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
