//! Asks a Yggdrasil daemon through its admin socket: JSON over a unix socket, or over TCP.
//!
//! It tells of direct neighbours alone; nodes further away are found through these.

mod address;
mod messages;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::poll::{Daemon, DaemonError};
use super::{Overlay, View};
use messages::{AnswerError, MAX_ANSWER, OwnAnswer, PeersAnswer};

/// For connecting, asking and the whole answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Where the daemon opens its socket unless told otherwise.
const DEFAULT_SOCKET: &str = "/var/run/yggdrasil.sock";
/// Where Debian's packages open it.
const DEBIAN_SOCKET: &str = "/run/yggdrasil/yggdrasil.sock";

/// A text that is not the address of an admin socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected unix:///PATH or tcp://ADDRESS:PORT with an ip address, such as \"unix:///var/run/yggdrasil.sock\"")]
pub struct YggdrasilAdminError;

/// Where the admin socket is, `AdminListen` in `yggdrasil.conf`: `unix:///var/run/yggdrasil.sock` or
/// `tcp://127.0.0.1:9001`. The former, which is the default, also stands for the socket of Debian's service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YggdrasilAdmin(Socket);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Socket {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl FromStr for YggdrasilAdmin {
    type Err = YggdrasilAdminError;

    fn from_str(text: &str) -> Result<Self, YggdrasilAdminError> {
        if let Some(path) = text.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
            return Ok(Self(Socket::Unix(PathBuf::from(path))));
        }
        let address = text.strip_prefix("tcp://").and_then(|address| address.parse().ok());
        address.map(|address| Self(Socket::Tcp(address))).ok_or(YggdrasilAdminError)
    }
}

impl Default for YggdrasilAdmin {
    fn default() -> Self {
        Self(Socket::Unix(PathBuf::from(DEFAULT_SOCKET)))
    }
}

impl fmt::Display for YggdrasilAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Socket::Unix(path) => write!(f, "unix://{}", path.display()),
            Socket::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Asks one daemon.
pub(super) struct Client {
    socket: Socket,
    timeout: Duration,
}

impl Client {
    pub(super) fn new(admin: YggdrasilAdmin) -> Self {
        Self { socket: admin.0, timeout: ANSWER_TIMEOUT }
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match &self.socket {
            Socket::Tcp(address) => Ok(Box::new(TcpStream::connect(address).await?)),
            Socket::Unix(path) => match UnixStream::connect(path).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound && path == Path::new(DEFAULT_SOCKET) => {
                    Ok(Box::new(UnixStream::connect(DEBIAN_SOCKET).await?))
                }
                connected => Ok(Box::new(connected?)),
            },
        }
    }

    /// Asks on a connection of its own: the daemon closes it after its answer.
    async fn ask<T: DeserializeOwned>(&self, request: &[u8]) -> Result<T, DaemonError> {
        let exchange = async {
            let mut stream = self.connect().await.map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => DaemonError::Refused(
                    "the admin socket may not be opened: add this node's user to the socket's group".into(),
                ),
                _ => absent(&error),
            })?;
            stream.write_all(request).await.map_err(|error| absent(&error))?;
            let mut answer = Vec::new();
            loop {
                let read = (&mut stream).take(8 << 10).read_buf(&mut answer).await.map_err(|error| absent(&error))?;
                match messages::parse(&answer) {
                    Some(Ok(answer)) => return Ok(answer),
                    Some(Err(AnswerError::Malformed(error))) => return Err(DaemonError::Malformed(error)),
                    Some(Err(AnswerError::Refused(error))) => return Err(DaemonError::Refused(error)),
                    None if read == 0 => return Err(DaemonError::Malformed("it ends half way".into())),
                    None if answer.len() > MAX_ANSWER => {
                        return Err(DaemonError::Malformed(format!("over {MAX_ANSWER} bytes")));
                    }
                    None => {}
                }
            }
        };
        timeout(self.timeout, exchange).await.unwrap_or(Err(DaemonError::TimedOut))
    }
}

#[async_trait]
impl Daemon for Client {
    fn overlay(&self) -> Overlay {
        Overlay::Yggdrasil
    }

    async fn view(&mut self) -> Result<View, DaemonError> {
        let own: OwnAnswer = self.ask(messages::GET_SELF).await?;
        let peers: PeersAnswer = self.ask(messages::GET_PEERS).await?;
        Ok(View::new(Overlay::Yggdrasil, own.own(), peers.neighbours(), []))
    }
}

fn absent(error: &io::Error) -> DaemonError {
    DaemonError::Absent(error.to_string())
}
