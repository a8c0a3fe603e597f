//! Peers for a recovery, from whoever finds them: the mesh, the LAN, the configuration.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use stream_model::{FeedId, PeerBook, SsbPeer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::RecoverError;
use crate::address::PeerAddresses;
use crate::discovery;
use crate::feed::FeedStore;
use crate::gossip;
use crate::handshake::NetworkKey;
use crate::identity::Identity;

/// Peers that wait to be asked. Who finds more offers them again.
const WAITING: usize = 256;
/// How often it is looked who was heard on the LAN.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Takes peers that are to be asked. Clones take them to the same place.
#[derive(Debug, Clone)]
pub struct Offers {
    peers: mpsc::Sender<SsbPeer>,
}

/// Where to put peers, and where they come out.
pub fn offers() -> (Offers, mpsc::Receiver<SsbPeer>) {
    let (peers, found) = mpsc::channel(WAITING);
    (Offers { peers }, found)
}

impl Offers {
    /// Offers a configured peer.
    pub fn offer_configured(&self, peer: &PeerAddresses) {
        self.offer(discovery::to_peer(peer));
    }
}

impl PeerBook for Offers {
    fn offer(&self, peer: SsbPeer) {
        // Where there is no room it is offered again.
        let _no_room = self.peers.try_send(peer);
    }

    fn replicate(&self, _feed: FeedId) {}
}

/// Offers who is heard on the LAN, until cancelled. Nothing is announced there and nobody is answered.
///
/// # Errors
/// [`RecoverError`] where there is no socket or no memory.
pub async fn hear(
    config: discovery::Config,
    identity: Identity,
    network_key: NetworkKey,
    offers: Offers,
    cancel: CancellationToken,
) -> Result<(), RecoverError> {
    let store = FeedStore::in_memory(identity.id(), vec![])?;
    // Loopback is announced to nobody, and without its listener gossip only remembers who is heard.
    let listen = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let config_of_gossip = gossip::Config { listen, network_key: network_key.clone(), ..gossip::Config::default() };
    let (heard, _listener) = gossip::bind(config_of_gossip, identity.clone(), store)?;
    let (_discovery, listener) = discovery::bind(config, identity, network_key, heard.clone());
    let listening = tokio::spawn(listener.run(cancel.clone()));
    let mut look = tokio::time::interval(LOOK_EVERY);
    while cancel.run_until_cancelled(look.tick()).await.is_some() {
        for peer in heard.connections() {
            let addresses = peer.address.into_iter().collect();
            offers.offer(SsbPeer { feed: peer.feed, addresses });
        }
    }
    let _panicked = listening.await;
    Ok(())
}
