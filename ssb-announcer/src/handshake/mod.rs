//! The secret handshake and the box stream: two peers prove who they are, agree on keys, and encrypt what follows.
//!
//! In: a network key, our key pair, a byte stream. Out: the peer's identity and an encrypted byte stream in both
//! directions. [`state`] holds the messages without input or output, [`box_stream`] the encryption; this file drives
//! them over a socket. It never decides whether a peer is welcome: whoever knows the network key may come in.
//!
//! Source: Scuttlebutt Protocol Guide, "Handshake" and "Box stream".

pub mod box_stream;
pub(crate) mod crypto;
pub mod state;

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use rand::rngs::OsRng;
use stream_model::FeedId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use x25519_dalek::StaticSecret;

use state::{AwaitingClientHello, AwaitingServerHello, CLIENT_AUTHENTICATE, HELLO, SERVER_ACCEPT, SessionKeys};

/// How long a peer has to authenticate. The handshake is two round trips: enough for a congested mesh path of
/// several seconds, short enough that silent connections do not hold their places.
pub const TIME_TO_AUTHENTICATE: Duration = Duration::from_secs(8);

/// The 32 bytes that separate one community's network from another's ("network identifier" in the protocol guide,
/// `caps.shs` in JavaScript). Prints redacted: in a private community it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct NetworkKey([u8; 32]);

impl NetworkKey {
    /// The public main network's key (Scuttlebutt Protocol Guide, "Handshake").
    pub const MAIN: Self = Self([
        0xd4, 0xa1, 0xcb, 0x88, 0xa6, 0x6f, 0x02, 0xf8, 0xdb, 0x63, 0x5c, 0xe2, 0x64, 0x41, 0xcc, 0x5d, 0xac, 0x1b,
        0x08, 0x42, 0x0c, 0xea, 0xac, 0x23, 0x08, 0x39, 0xb7, 0x55, 0x84, 0x5a, 0x9f, 0xfb,
    ]);

    /// Takes the 32 bytes of a network key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key in base64, as JavaScript configurations write it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkKey(redacted)")
    }
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer's hello does not carry our network key's authenticator.
    #[error("the peer is in another network: compare the network keys")]
    WrongNetwork,
    /// The peer closed the connection at our hello, as a server of another network does.
    #[error("the peer hung up on this node's first word: it is of another community, or has no place for this node")]
    HungUp,
    /// A key of the peer is of low order, so that a shared secret would be known to anyone.
    #[error("the peer sent a key of low order")]
    WeakKey,
    /// The peer could not prove the identity it claims, or the one that was dialled.
    #[error("the peer could not prove its identity")]
    NotAuthentic,
    /// The peer took too long.
    #[error("the peer did not authenticate within {0:?}")]
    TimedOut(Duration),
    /// The connection broke.
    #[error("the connection broke during the handshake: {0}")]
    Io(#[from] std::io::Error),
}

/// Authenticates to the peer we dialled, whose identity must be `server`. Dropping the future drops the handshake.
///
/// # Errors
/// Where the peer is in another network, is not `server`, breaks the connection, or needs longer than
/// [`TIME_TO_AUTHENTICATE`].
pub async fn authenticate_client<S>(
    stream: &mut S,
    network: &NetworkKey,
    identity: &SigningKey,
    server: FeedId,
) -> Result<SessionKeys, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    in_time(async {
        let (hello, state) = AwaitingServerHello::new(network, identity, server, StaticSecret::random_from_rng(OsRng))?;
        send(stream, &hello).await?;
        let answer = receive::<HELLO, _>(stream).await.map_err(hung_up)?;
        let (authenticate, state) = state.handle_server_hello(&answer)?;
        send(stream, &authenticate).await?;
        state.handle_server_accept(&receive::<SERVER_ACCEPT, _>(stream).await?)
    })
    .await
}

/// Lets a peer that dialled us authenticate. Dropping the future drops the handshake.
///
/// # Errors
/// Where the peer is in another network, cannot prove an identity, breaks the connection, or needs longer than
/// [`TIME_TO_AUTHENTICATE`]. Nothing more is sent to it then.
pub async fn authenticate_server<S>(
    stream: &mut S,
    network: &NetworkKey,
    identity: &SigningKey,
) -> Result<SessionKeys, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    in_time(async {
        let state = AwaitingClientHello::new(network, identity, StaticSecret::random_from_rng(OsRng));
        let (hello, state) = state.handle_client_hello(&receive::<HELLO, _>(stream).await?)?;
        send(stream, &hello).await?;
        let (accept, keys) = state.handle_client_authenticate(&receive::<CLIENT_AUTHENTICATE, _>(stream).await?)?;
        send(stream, &accept).await?;
        Ok(keys)
    })
    .await
}

async fn in_time(
    handshake: impl Future<Output = Result<SessionKeys, HandshakeError>>,
) -> Result<SessionKeys, HandshakeError> {
    match tokio::time::timeout(TIME_TO_AUTHENTICATE, handshake).await {
        Ok(result) => result,
        Err(_) => Err(HandshakeError::TimedOut(TIME_TO_AUTHENTICATE)),
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> Result<(), HandshakeError> {
    stream.write_all(message).await?;
    Ok(stream.flush().await?)
}

async fn receive<const N: usize, S: AsyncRead + Unpin>(stream: &mut S) -> Result<[u8; N], HandshakeError> {
    let mut message = [0; N];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

fn hung_up(error: HandshakeError) -> HandshakeError {
    match error {
        HandshakeError::Io(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            HandshakeError::HungUp
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[tokio::test]
    async fn a_client_of_another_network_is_hung_up_on_and_both_know_why() {
        let (client, server) = (Identity::generate(), Identity::generate());
        let (mut here, mut there) = tokio::io::duplex(1024);
        let private = NetworkKey::new([7; 32]);
        let (dialled, accepted) =
            tokio::join!(authenticate_client(&mut here, &private, client.signing_key(), server.id()), async move {
                authenticate_server(&mut there, &NetworkKey::MAIN, server.signing_key()).await
            });
        assert!(matches!(dialled, Err(HandshakeError::HungUp)));
        assert!(matches!(accepted, Err(HandshakeError::WrongNetwork)));
    }
}
