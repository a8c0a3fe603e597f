//! A node's feeds and directory, and what it says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use multihash_codetable::{Code, MultihashDigest as _};
use ssb_announcer::announcement::{Announcer, BroadcastDirectory, Carrier};
use ssb_announcer::feed::{FeedKind, FeedStore, Rejected};
use ssb_announcer::identity::Identity;
use stream_model::{
    AnnouncementLog, ArchiveKind, ArchiveManifest, BroadcastEnd, BroadcastId, BroadcastStart, CarriedMessages,
    CarriedMessagesError, Cid, DiscontinuitySequence, EndReason, FeedId, FeedSequence, MediaSegment, MediaSequence,
    MessageCarrier as _, PeerId, Republication, StandingLog as _, Tracks, WallTime,
};

/// After the end of a broadcast its feeds are dropped.
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

pub(crate) struct Node {
    pub(crate) identity: Identity,
    pub(crate) store: FeedStore,
    pub(crate) directory: Arc<BroadcastDirectory>,
    pub(crate) announcer: Announcer,
    pub(crate) carrier: Carrier,
}

impl Node {
    pub(crate) fn open(seed: u8, path: &Path) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::open(path, identity.id(), vec![]).unwrap();
        Self::with_store(identity, store)
    }

    pub(crate) fn in_memory(seed: u8) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::in_memory(identity.id(), vec![]).unwrap();
        Self::with_store(identity, store)
    }

    fn with_store(identity: Identity, store: FeedStore) -> Self {
        let directory = BroadcastDirectory::open(store.clone(), identity.id()).unwrap();
        let announcer = Announcer::new(identity.clone(), store.clone(), directory.clone());
        let carrier = Carrier::new(store.clone(), directory.clone());
        Self { identity, store, directory, announcer, carrier }
    }

    pub(crate) fn id(&self) -> FeedId {
        self.identity.id()
    }

    /// Takes from `other` what both want and this node lacks, until there is nothing more, as replication does.
    pub(crate) async fn replicate_from(&self, other: &Node) {
        loop {
            let mut got = 0;
            let (wanted, served) = (self.store.wanted().borrow().clone(), other.store.wanted().borrow().clone());
            for (feed, _) in wanted.feeds().into_iter().filter(|(_, kind)| *kind != FeedKind::Own) {
                if served.kind(&feed).is_none() {
                    continue;
                }
                let from = self.store.clock(&feed).next();
                let messages = other.store.get(feed, from, usize::MAX).await.unwrap();
                let values = messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes()));
                let answers = self.store.append_remote(values.collect()).await.unwrap();
                // What came just now may have made it needless.
                let fits = |answer: &Result<_, _>| matches!(answer, Ok(_) | Err(Rejected::Unwanted(_)));
                assert!(answers.iter().all(fits), "{answers:?}");
                got += answers.iter().flatten().count();
            }
            if got == 0 {
                return;
            }
        }
    }

    /// A broadcast whose end is not said: segments 0 to 2 on a feed, and 3 to 5 on another.
    pub(crate) async fn broadcast(&self) -> (BroadcastId, [FeedId; 2]) {
        let id = announce(&self.announcer).await;
        let exported = String::from_utf8(self.export(id).await.unwrap()).unwrap();
        let author = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["value"]["author"].clone();
        let mut feeds: Vec<FeedId> =
            exported.lines().map(|line| serde_json::from_value(author(line)).unwrap()).collect();
        feeds.dedup();
        (id, feeds[1..].try_into().unwrap())
    }

    pub(crate) async fn live(&self, broadcast: BroadcastId, sequences: std::ops::Range<u64>) {
        live(&self.announcer, broadcast, sequences).await;
    }

    pub(crate) async fn end(&self, broadcast: BroadcastId, media_sequence: u64) {
        let reason = EndReason::PublisherLeft;
        let end = BroadcastEnd { broadcast, media_sequence: MediaSequence(media_sequence), reason };
        self.announcer.end(end).await.unwrap();
    }

    pub(crate) async fn archive(&self, broadcast: BroadcastId, first: u64, last: u64) -> Cid {
        archive(&self.announcer, broadcast, first, last).await
    }

    pub(crate) async fn republish(&self, broadcast: BroadcastId, manifest: Cid) {
        self.announcer.republish(broadcast, self.republication(manifest)).await.unwrap();
    }

    pub(crate) fn republication(&self, manifest: Cid) -> Republication {
        republication(self.id(), manifest)
    }

    pub(crate) async fn export(&self, broadcast: BroadcastId) -> Result<Vec<u8>, CarriedMessagesError> {
        let pieces = self.carrier.export_messages(broadcast).await?;
        Ok(pieces.try_collect::<Vec<Bytes>>().await?.concat())
    }

    /// Imports in pieces that end in the midst of lines.
    pub(crate) async fn import(
        &self,
        broadcast: BroadcastId,
        lines: &[u8],
    ) -> Result<CarriedMessages, CarriedMessagesError> {
        let pieces: Vec<_> = lines.chunks(1_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        self.carrier.import_messages(broadcast, stream::iter(pieces).boxed()).await
    }

    /// The numbers of the last messages held of feeds.
    pub(crate) fn clocks(&self, feeds: &[FeedId]) -> Vec<u64> {
        self.store.clocks(feeds).into_iter().map(|FeedSequence(number)| number).collect()
    }

    /// The broadcast feeds that are wanted.
    pub(crate) fn broadcast_feeds(&self) -> Vec<FeedId> {
        let wanted = self.store.wanted().borrow().feeds();
        let of_broadcasts = wanted.into_iter().filter(|(feed, kind)| *kind != FeedKind::Node && *feed != self.id());
        of_broadcasts.map(|(feed, _)| feed).collect()
    }
}

/// Announces a broadcast whose end is not said: segments 0 to 2 on a feed, and 3 to 5 on another.
pub(crate) async fn announce(log: &dyn AnnouncementLog) -> BroadcastId {
    let id = log.start(start()).await.unwrap();
    live(log, id, 0..3).await;
    log.resume(id, MediaSequence(3)).await.unwrap();
    live(log, id, 3..6).await;
    id
}

async fn live(log: &dyn AnnouncementLog, broadcast: BroadcastId, sequences: std::ops::Range<u64>) {
    for sequence in sequences {
        log.live(broadcast, &segment(sequence), cid("live")).await.unwrap();
    }
}

/// Keeps segments `first` to `last` for good.
pub(crate) async fn archive(log: &dyn AnnouncementLog, broadcast: BroadcastId, first: u64, last: u64) -> Cid {
    let manifest = cid(&format!("archive {first} to {last}"));
    let archive = ArchiveManifest {
        broadcast,
        kind: ArchiveKind::Hour,
        period: None,
        first_media_sequence: MediaSequence(first),
        last_media_sequence: MediaSequence(last),
        manifest,
        duration: Duration::from_secs(14),
        bytes: 1_000,
    };
    log.archive(archive).await.unwrap();
    manifest
}

/// Of all segments of such a broadcast.
pub(crate) fn republication(node: FeedId, manifest: Cid) -> Republication {
    Republication {
        node,
        peer: peer(),
        manifest,
        first_media_sequence: MediaSequence(0),
        last_media_sequence: MediaSequence(5),
        credit: "Radio Klinikfunk".into(),
    }
}

pub(crate) fn peer() -> PeerId {
    "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap()
}

pub(crate) fn cid(text: &str) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(text.as_bytes()))
}

fn segment(sequence: u64) -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(sequence),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_millis(14_000),
        program_date_time: Some(WallTime(1_700_000_000_000)),
        independent: true,
        segment: cid(&sequence.to_string()),
        init: cid("init"),
    }
}

fn start() -> BroadcastStart {
    BroadcastStart {
        title: "Gemeinderat 🎥".into(),
        description: "öffentlich".into(),
        peer: peer(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime(1_700_000_000_000),
        schedule: None,
        rendition: None,
    }
}
