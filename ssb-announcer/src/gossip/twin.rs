//! Another node with this node's key: somebody copied the identity, and both would write one feed.
//!
//! In: addresses at which somebody claims to be this node. Out: word to the gate of the own feed where that is so. A claim
//! proves nothing, so the address is dialled: only who has the key completes the secret handshake. It may be this process
//! itself, reached by another of its addresses; its own sessions are known by their keys, which each side notes before it
//! sends anything in them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use metrics::counter;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{CONNECT_WITHIN, Shared, socket};
use crate::handshake;
use crate::handshake::box_stream::{BoxReader, BoxWriter};
use crate::handshake::state::{BoxKey, SessionKeys};
use crate::muxrpc::packet;

/// Addresses remembered: more than a host has on a mesh.
const MAX_SUSPECTS: usize = 16;
/// An address is not looked at again for this long: most are this node's own.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(300);
/// Sessions with itself that are remembered: each is over within seconds.
const MAX_SESSIONS: usize = 64;
/// How long the other side may take to say anything.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Where to look for a twin, and the sessions of this node with itself.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    addresses: BTreeMap<SocketAddr, Option<Instant>>,
    own_sessions: VecDeque<[u8; 32]>,
}

impl Suspects {
    /// Somebody is said to be this node there.
    pub(super) fn handle_claim(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) {
        for address in addresses {
            if self.addresses.len() < MAX_SUSPECTS {
                self.addresses.entry(address).or_insert(None);
            }
        }
    }

    /// Where to look now.
    pub(super) fn poll_look(&mut self, now: Instant) -> Option<SocketAddr> {
        let due = |looked: &Option<Instant>| looked.is_none_or(|at| now.duration_since(at) >= LOOK_AGAIN_AFTER);
        let (address, looked) = self.addresses.iter_mut().find(|(_, looked)| due(looked))?;
        *looked = Some(now);
        Some(*address)
    }

    /// A session that this process serves to who has this node's key, by the key in which that one sends.
    fn note_session(&mut self, key: &BoxKey) {
        if self.own_sessions.len() >= MAX_SESSIONS {
            self.own_sessions.pop_front();
        }
        self.own_sessions.push_back(name(key));
    }

    fn is_own_session(&self, key: &BoxKey) -> bool {
        self.own_sessions.contains(&name(key))
    }
}

fn name(key: &BoxKey) -> [u8; 32] {
    Sha256::digest(key.expose()).into()
}

/// Answers somebody who dialled and has this node's key: this process itself, or a twin that looks for one.
pub(super) async fn answer(shared: &Shared, stream: TcpStream, keys: SessionKeys) {
    shared.state().suspects.note_session(&keys.receive);
    let (_read, write) = stream.into_split();
    let mut writer = BoxWriter::new(write, keys.send);
    let mut goodbye = BytesMut::new();
    packet::encode_goodbye(&mut goodbye);
    writer.push(&goodbye);
    let _peer_may_be_gone = timeout(ANSWER_WITHIN, writer.close()).await;
}

/// Finds out who is at an address.
pub(super) async fn look(shared: Arc<Shared>, address: SocketAddr, cancel: CancellationToken) {
    match cancel.run_until_cancelled(is_twin(&shared, address)).await {
        Some(Ok(true)) => {
            counter!("meshstream_ssb_twins_found_total").increment(1);
            debug!(%address, "another node with this node's identity");
            shared.store.own_gate().handle_twin();
        }
        Some(Ok(false)) | None => {}
        Some(Err(error)) => debug!(%address, %error, "nobody there is this node"),
    }
}

/// Why it is not known who is there.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("no answer in time")]
    TimedOut,
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Handshake(#[from] handshake::HandshakeError),
    #[error(transparent)]
    BoxStream(#[from] handshake::box_stream::BoxStreamError),
}

async fn is_twin(shared: &Shared, address: SocketAddr) -> Result<bool, LookError> {
    let connected = timeout(CONNECT_WITHIN, TcpStream::connect(address)).await;
    let mut stream = connected.map_err(|_| LookError::TimedOut)??;
    socket::prepare(&stream)?;
    let (network, identity) = (&shared.config.network_key, &shared.identity);
    let keys = handshake::authenticate_client(&mut stream, network, identity.signing_key(), identity.id()).await?;
    let (read, _write) = stream.into_split();
    let mut reader = BoxReader::new(read, keys.receive);
    let mut plain = BytesMut::new();
    // Whatever it is, a goodbye too: it shows that the other side has noted the session. Without a word nothing is known.
    timeout(ANSWER_WITHIN, reader.read(&mut plain)).await.map_err(|_| LookError::TimedOut)??;
    Ok(!shared.state().suspects.is_own_session(&keys.send))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::FeedStore;
    use crate::gossip::{Config, Gossip, bind};
    use crate::identity::Identity;

    /// A node that listens until the token is cancelled.
    fn node(seed: u8, cancel: &CancellationToken) -> Gossip {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::in_memory(identity.id(), vec![]).unwrap();
        let config = Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::default() };
        let (gossip, listener) = bind(config, identity, store).unwrap();
        tokio::spawn(listener.run(cancel.clone()));
        gossip
    }

    #[tokio::test]
    async fn only_another_process_with_the_same_key_is_a_twin() {
        let cancel = CancellationToken::new();
        let (ours, twin, other) = (node(1, &cancel), node(1, &cancel), node(2, &cancel));
        assert!(!is_twin(&ours.shared, ours.local_address()).await.unwrap(), "itself");
        assert!(is_twin(&ours.shared, twin.local_address()).await.unwrap());
        assert!(matches!(is_twin(&ours.shared, other.local_address()).await, Err(LookError::Handshake(_))));
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        drop(silent);
        assert!(matches!(is_twin(&ours.shared, address).await, Err(LookError::Io(_))));
        cancel.cancel();
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn each_address_is_looked_at_once_in_a_while() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        suspects.handle_claim([address(1), address(2)]);
        assert_eq!([suspects.poll_look(now), suspects.poll_look(now)], [Some(address(1)), Some(address(2))]);
        suspects.handle_claim([address(1)]);
        assert_eq!(suspects.poll_look(now), None);
        assert_eq!(suspects.poll_look(now + LOOK_AGAIN_AFTER), Some(address(1)));
    }

    #[test]
    fn a_flood_of_claims_is_bounded() {
        let mut suspects = Suspects::default();
        suspects.handle_claim((0..10_000).map(address));
        assert_eq!(suspects.addresses.len(), MAX_SUSPECTS);
    }
}
