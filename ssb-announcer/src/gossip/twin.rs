//! Another node with this node's key: somebody copied the identity, and both would write one feed.
//!
//! In: addresses at which somebody claims to be this node. Out: word to the gate of the own feed where that is so. A claim
//! proves nothing, so the address is dialled: only who has the key completes the secret handshake. It may be this process
//! itself, reached by another of its addresses; its own sessions are known by their keys, which each side notes before it
//! sends anything in them.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use metrics::counter;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::serving::CONNECT_WITHIN;
use super::{Shared, socket};
use crate::handshake;
use crate::handshake::box_stream::{BoxReader, BoxWriter};
use crate::handshake::state::{BoxKey, SessionKeys};
use crate::muxrpc::packet;

/// Addresses remembered: more than a host has on a mesh.
const MAX_SUSPECTS: usize = 16;
/// Of those, on the word of one sender: what one datagram names.
const MAX_OF_SOURCE: usize = 4;
/// An address is not looked at again for this long: most are this node's own.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(300);
/// An address keeps its place for this long after a look, which is over by then: so many places in that time are all that
/// this node can be made to dial.
const KEPT_AFTER_LOOK: Duration = Duration::from_secs(30);
/// An address that nobody names for this long is forgotten: who is there says so every few seconds.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Sessions with itself that are remembered: each is over within seconds.
const MAX_SESSIONS: usize = 64;
/// How long the other side may take to say anything.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Where to look for a twin, and the sessions of this node with itself.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    addresses: BTreeMap<SocketAddr, Suspect>,
    own_sessions: VecDeque<[u8; 32]>,
}

#[derive(Debug)]
struct Suspect {
    /// Who named it first, where that is known.
    source: Option<IpAddr>,
    claimed: Instant,
    looked: Option<Instant>,
}

impl Suspects {
    /// Somebody is said to be this node there, by `source` where that is known.
    pub(super) fn handle_claim(
        &mut self,
        addresses: impl IntoIterator<Item = SocketAddr>,
        source: Option<IpAddr>,
        now: Instant,
    ) {
        self.expire(now);
        for address in addresses {
            if let Some(suspect) = self.addresses.get_mut(&address) {
                suspect.claimed = now;
            } else if self.make_room(source, now) {
                self.addresses.insert(address, Suspect { source, claimed: now, looked: None });
            }
        }
    }

    /// Whether there is room for one more on the word of `source`. Where there is none, the address makes room that was
    /// looked at longest ago, in vain: nothing is looked for once a twin was found.
    fn make_room(&mut self, source: Option<IpAddr>, now: Instant) -> bool {
        let of_source = |suspect: &Suspect| source.is_some() && suspect.source == source;
        let source_is_full = self.addresses.values().filter(|suspect| of_source(suspect)).count() >= MAX_OF_SOURCE;
        if !source_is_full && self.addresses.len() < MAX_SUSPECTS {
            return true;
        }
        let candidates = self.addresses.iter().filter(|(_, suspect)| !source_is_full || of_source(suspect));
        let looked = candidates.filter_map(|(address, suspect)| Some((suspect.looked?, *address)));
        let oldest = looked.min().filter(|(at, _)| now.duration_since(*at) >= KEPT_AFTER_LOOK);
        oldest.is_some_and(|(_, address)| self.addresses.remove(&address).is_some())
    }

    fn expire(&mut self, now: Instant) {
        self.addresses.retain(|_, suspect| now.duration_since(suspect.claimed) < FORGET_AFTER);
    }

    /// Where to look now.
    pub(super) fn poll_look(&mut self, now: Instant) -> Option<SocketAddr> {
        self.expire(now);
        let due = |looked: Option<Instant>| looked.is_none_or(|at| now.duration_since(at) >= LOOK_AGAIN_AFTER);
        let (address, suspect) = self.addresses.iter_mut().find(|(_, suspect)| due(suspect.looked))?;
        suspect.looked = Some(now);
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

    /// All addresses that are to be looked at now.
    fn looks(suspects: &mut Suspects, now: Instant) -> Vec<SocketAddr> {
        std::iter::from_fn(|| suspects.poll_look(now)).collect()
    }

    fn source(number: u8) -> Option<IpAddr> {
        Some([192, 168, 0, number].into())
    }

    #[test]
    fn each_address_is_looked_at_once_in_a_while() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        suspects.handle_claim([address(1), address(2)], None, now);
        assert_eq!(looks(&mut suspects, now), [address(1), address(2)]);
        suspects.handle_claim([address(1)], None, now);
        assert_eq!(looks(&mut suspects, now), []);
        assert_eq!(looks(&mut suspects, now + LOOK_AGAIN_AFTER), [address(1), address(2)]);
    }

    #[test]
    fn a_flood_of_claims_is_bounded() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        suspects.handle_claim((0..10_000).map(address), None, now);
        assert_eq!(looks(&mut suspects, now).len(), MAX_SUSPECTS);
        let soon = now + KEPT_AFTER_LOOK / 2;
        suspects.handle_claim((10_000..20_000).map(address), None, soon);
        assert_eq!(looks(&mut suspects, soon), [], "the looks go on");
        let later = now + KEPT_AFTER_LOOK;
        suspects.handle_claim((20_000..30_000).map(address), None, later);
        assert_eq!(looks(&mut suspects, later).len(), MAX_SUSPECTS);
    }

    #[test]
    fn one_sender_takes_no_place_of_another() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        suspects.handle_claim((0..100).map(address), source(1), now);
        assert_eq!(looks(&mut suspects, now).len(), MAX_OF_SOURCE);
        suspects.handle_claim([address(1000)], source(2), now);
        assert_eq!(looks(&mut suspects, now), [address(1000)]);
        let later = now + KEPT_AFTER_LOOK;
        suspects.handle_claim((100..200).map(address), source(1), later);
        assert_eq!(looks(&mut suspects, later).len(), MAX_OF_SOURCE, "it replaces its own");
        assert!(suspects.addresses.contains_key(&address(1000)));
    }

    #[test]
    fn a_twin_is_looked_at_although_others_have_taken_all_places() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        for sender in 0..4 {
            suspects.handle_claim((0..4).map(|n| address(u16::from(sender) * 4 + n)), source(sender), now);
        }
        assert_eq!(suspects.poll_look(now), Some(address(0)));
        assert_eq!(looks(&mut suspects, now + Duration::from_secs(1)).len(), MAX_SUSPECTS - 1);
        let later = now + KEPT_AFTER_LOOK;
        suspects.handle_claim([address(1000)], source(9), later);
        assert_eq!(suspects.poll_look(later), Some(address(1000)));
        assert!(!suspects.addresses.contains_key(&address(0)), "looked at longest ago");
    }

    #[test]
    fn an_address_that_nobody_names_any_more_is_forgotten() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        suspects.handle_claim([address(1), address(2)], None, now);
        assert_eq!(looks(&mut suspects, now).len(), 2);
        suspects.handle_claim([address(2)], None, now + FORGET_AFTER / 2);
        assert_eq!(looks(&mut suspects, now + FORGET_AFTER), [address(2)]);
        assert_eq!(suspects.addresses.len(), 1);
    }
}
