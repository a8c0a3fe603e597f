//! The RTMP port: accepts connections within bounds, and ends those whose key is revoked.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Config;
use super::connection::{self, Shared};
use super::connections::Connections;
use super::publishers::Publishers;
use crate::keys::KeyStore;
use crate::media::Publication;

/// Pause after a failed accept, which is when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound RTMP port.
#[derive(Debug)]
pub struct Listener {
    socket: listener::Listener,
    shared: Arc<Shared>,
}

impl Listener {
    /// Binds the port. Publishers that are let in go to `publications`; one that finds it full is refused.
    ///
    /// # Errors
    /// Where the address cannot be bound, or outside of a runtime.
    pub fn bind(config: Config, keys: KeyStore, publications: mpsc::Sender<Publication>) -> io::Result<Self> {
        let socket = listener::Listener::bind(config.listen, &config.devices)?;
        let shared = Arc::new(Shared { config, keys, publications, publishers: Publishers::default() });
        Ok(Self { socket, shared })
    }

    /// Where it listens, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// A handle to those who publish here.
    pub fn publishers(&self) -> Publishers {
        self.shared.publishers.clone()
    }

    /// Serves until `stop`, then ends every connection within the configured time. Dropping the future ends them
    /// without a word.
    pub async fn run(mut self, stop: CancellationToken) {
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
