//! A node of this crate in the test's own process.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ssb_announcer::blobs::{self, Blobs};
use ssb_announcer::feed::{FeedStore, OwnAppend};
use ssb_announcer::gossip::peers::ConnectionState;
use ssb_announcer::gossip::{self, Config, Gossip};
use ssb_announcer::handshake::NetworkKey;
use ssb_announcer::identity::Identity;
use stream_model::{FeedId, FeedSequence, PeerBook, SsbPeer};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A guard against hanging, far above what any step takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The network of these tests.
pub(crate) fn network() -> NetworkKey {
    NetworkKey::new([42; 32])
}

pub(crate) struct Node {
    pub(crate) identity: Identity,
    pub(crate) store: FeedStore,
    pub(crate) gossip: Gossip,
    cancel: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Node {
    pub(crate) fn start(seed: u8) -> Self {
        Self::start_at(seed, SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0)))
    }

    pub(crate) fn start_at(seed: u8, listen: SocketAddr) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::in_memory(identity.id(), vec![]).unwrap();
        Self::start_with(identity, store, listen)
    }

    pub(crate) fn start_with(identity: Identity, store: FeedStore, listen: SocketAddr) -> Self {
        Self::start_configured(identity, store, Config { listen, ..Config::default() })
    }

    /// Starts one that exchanges blobs.
    pub(crate) fn start_with_blobs(seed: u8, folder: &Path) -> (Self, Blobs) {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::in_memory(identity.id(), vec![]).unwrap();
        Self::start_holding(identity, store, folder)
    }

    /// The same with a store of its own.
    pub(crate) fn start_holding(identity: Identity, store: FeedStore, folder: &Path) -> (Self, Blobs) {
        let blobs = Blobs::open(blobs::Config::in_directory(folder.to_owned())).unwrap();
        let listen = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0));
        let config = Config { listen, blobs: Some(blobs.clone()), ..Config::default() };
        (Self::start_configured(identity, store, config), blobs)
    }

    fn start_configured(identity: Identity, store: FeedStore, config: Config) -> Self {
        let config = Config { network_key: network(), ..config };
        let (gossip, listener) = gossip::bind(config, identity.clone(), store.clone()).unwrap();
        let cancel = CancellationToken::new();
        let task = Some(tokio::spawn(listener.run(cancel.clone())));
        Self { identity, store, gossip, cancel, task }
    }

    pub(crate) fn id(&self) -> FeedId {
        self.identity.id()
    }

    pub(crate) fn as_peer(&self) -> SsbPeer {
        SsbPeer { feed: self.id(), addresses: vec![self.gossip.local_address()] }
    }

    pub(crate) fn dial(&self, other: &Self) {
        self.gossip.offer(other.as_peer());
    }

    /// Appends messages to the node's own feed.
    pub(crate) async fn append(&self, count: usize) {
        let content = |n| format!(r#"{{"type":"test","n":{n},"text":"Küche"}}"#);
        let appends = (0..count)
            .map(|n| OwnAppend { identity: self.identity.clone(), content_json: content(n), names: None })
            .collect();
        self.store.append_own(appends).await.unwrap();
    }

    /// Waits until the node holds a feed up to a number.
    pub(crate) async fn holds(&self, feed: FeedId, sequence: u64) {
        let mut notices = self.store.subscribe();
        let reached = async {
            while self.store.clock(&feed) < FeedSequence(sequence) {
                let _lagging_is_fine = notices.recv().await;
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            panic!("holds {} of {feed}, not {sequence}; {:?}", self.store.clock(&feed), self.gossip.connections());
        }
    }

    /// Waits until a peer is (or is not) connected. The list of connections raises no event, so it is read again
    /// and again.
    pub(crate) async fn connected(&self, feed: FeedId, expected: bool) {
        let reached = async {
            loop {
                let connections = self.gossip.connections();
                let found = connections.iter().any(|c| c.feed == feed && c.state == ConnectionState::Connected);
                if found == expected {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            panic!("connected to {feed} should be {expected}: {:?}", self.gossip.connections());
        }
    }

    pub(crate) async fn stop(mut self) -> (Identity, FeedStore) {
        self.cancel.cancel();
        if let Some(task) = self.task.take() {
            tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
        }
        (self.identity.clone(), self.store.clone())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
