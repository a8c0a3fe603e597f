//! After a restored backup: what this node said on broadcast feeds of earlier runs comes back from peers.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use multihash_codetable::{Code, MultihashDigest as _};
use ssb_announcer::announcement::{Announcer, BroadcastDirectory};
use ssb_announcer::feed::{FeedKind, FeedStore};
use ssb_announcer::identity::Identity;
use stream_model::{
    AnnounceError, AnnouncementLog as _, BroadcastId, BroadcastStart, Cid, DiscontinuitySequence, FeedId, MediaSegment,
    MediaSequence, Tracks, WallTime,
};

use crate::node::Node;

/// A node with broadcasts.
struct Publisher {
    node: Node,
    _directory: Arc<BroadcastDirectory>,
    announcer: Announcer,
}

impl Publisher {
    fn start(seed: u8, folder: &Path) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::open(&folder.join("ssb.sqlite3"), identity.id(), vec![]).unwrap();
        let directory = BroadcastDirectory::open(store.clone(), identity.id()).unwrap();
        store.own_gate().ask_first();
        let announcer = Announcer::new(identity.clone(), store.clone(), directory.clone());
        let node = Node::start_with(identity, store, (std::net::Ipv6Addr::LOCALHOST, 0).into());
        Self { node, _directory: directory, announcer }
    }

    async fn announce(&self) -> BroadcastId {
        let start = BroadcastStart {
            title: "Town hall".into(),
            description: String::new(),
            peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
            target_duration: Duration::from_secs(15),
            tracks: Tracks { video: true, audio: true },
            archive: false,
            started_at: WallTime::now(),
            schedule: None,
            rendition: None,
        };
        self.announcer.start(start).await.unwrap()
    }

    async fn live(&self, broadcast: BroadcastId, sequences: std::ops::Range<u64>) {
        let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(b"content"));
        for sequence in sequences {
            let segment = MediaSegment {
                media_sequence: MediaSequence(sequence),
                discontinuity_sequence: DiscontinuitySequence(0),
                duration: Duration::from_secs(14),
                program_date_time: None,
                independent: true,
                segment: cid,
                init: cid,
            };
            self.announcer.live(broadcast, &segment, cid).await.unwrap();
        }
    }

    /// The broadcast feed that this run writes.
    fn broadcast_feed(&self) -> FeedId {
        let mut feeds = self.node.store.wanted().borrow().feeds();
        feeds.retain(|feed, kind| *feed != self.node.id() && *kind == FeedKind::Own);
        assert_eq!(feeds.len(), 1);
        *feeds.first_key_value().unwrap().0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_takes_back_what_its_broadcast_said_and_does_not_use_a_number_twice() {
    let (before, backup, of_peer) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (node, peer) = (Publisher::start(121, before.path()), Publisher::start(122, of_peer.path()));
    let broadcast = node.announce().await;
    node.live(broadcast, 0..2).await;
    for name in ["ssb.sqlite3", "ssb.sqlite3-wal"] {
        fs::copy(before.path().join(name), backup.path().join(name)).unwrap();
    }
    node.live(broadcast, 2..5).await;
    let feed = node.broadcast_feed();
    peer.node.dial(&node.node);
    peer.node.holds(feed, 5).await;
    node.node.stop().await;

    let restored = Publisher::start(121, backup.path());
    assert_eq!(restored.node.store.clock(&feed).0, 2);
    restored.node.dial(&peer.node);
    restored.node.holds(feed, 5).await;
    let resumed = restored.announcer.resume(broadcast, MediaSequence(2)).await;
    assert!(matches!(resumed, Err(AnnounceError::Superseded(_))), "{resumed:?}");
    restored.announcer.resume(broadcast, MediaSequence(5)).await.unwrap();
    restored.live(broadcast, 5..6).await;
    peer.node.holds(restored.broadcast_feed(), 1).await;
}
