//! A node that plays, its disk, and the mesh around it, in memory.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use stream_model::{
    Audience, BroadcastId, BroadcastState, Cid, Claim, ContentStore as _, DirectoryEntry, DiscontinuitySequence,
    FeedId, Listing, MediaSegment, MediaSequence, MessageKey, Playlists as _, Rendition, THUMBNAILS, Tiles, Tracks,
    Variant, WallTime,
};
use streamer::catalog::{Catalog, CatalogError};
use streamer::manifest::{MediaPlaylist, parse_media_playlist};
use streamer::playback::{Config, Mirror, Playback, Ports};
use tempfile::TempDir;
use testkit::fakes::{MemoryFeeds, MemoryFetcher, MemoryStore, peer_id};
use testkit::neighbourhood::{MemoryFollows, MemoryNeighbours};
use testkit::standing::MemoryStandings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TARGET: Duration = Duration::from_secs(2);
/// After which a missing segment is a gap.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);
pub(crate) const WINDOW: usize = 4;
/// A guard against hanging.
pub(crate) const GUARD: Duration = Duration::from_secs(60);
pub(crate) const AUTHOR: FeedId = FeedId([1; 32]);
pub(crate) const VIEWER: FeedId = FeedId([2; 32]);
/// Whose phone asks.
pub(crate) const PHONE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
pub(crate) const SHOW: BroadcastId = BroadcastId(MessageKey([3; 32]));

/// A node's disk, and the mesh around it.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) here: MemoryStore,
    pub(crate) there: MemoryStore,
    pub(crate) feeds: MemoryFeeds,
    pub(crate) neighbours: MemoryNeighbours,
    pub(crate) follows: MemoryFollows,
    pub(crate) standings: MemoryStandings,
}

/// A running node.
pub(crate) struct Node {
    pub(crate) playback: Playback,
    pub(crate) fetcher: MemoryFetcher,
    pub(crate) task: JoinHandle<Result<(), CatalogError>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            here: MemoryStore::default(),
            there: MemoryStore::default(),
            feeds: MemoryFeeds::new(AUTHOR),
            neighbours: MemoryNeighbours::default(),
            follows: MemoryFollows::default(),
            standings: MemoryStandings::new(VIEWER),
        }
    }

    pub(crate) fn with_show() -> Self {
        let world = Self::new();
        world.list(SHOW);
        world
    }

    pub(crate) fn list(&self, id: BroadcastId) {
        self.list_as(id, None);
    }

    /// Pictures to look through the show with, two in each JPEG.
    pub(crate) fn list_pictures(&self, id: BroadcastId) {
        let variant = Variant { bandwidth: 20_000, codecs: "jpeg".to_owned(), resolution: Some((256, 144)) };
        let (name, original, tiles) = (THUMBNAILS.to_owned(), variant.clone(), Some(Tiles { columns: 2, rows: 1 }));
        self.list_as(id, Some(Rendition { of: SHOW, name, variant, original, tiles }));
    }

    fn list_as(&self, id: BroadcastId, rendition: Option<Rendition>) {
        self.feeds.insert(Listing {
            id,
            author: AUTHOR,
            own: false,
            peer: peer_id(1),
            title: "show".to_owned(),
            description: String::new(),
            target_duration: TARGET,
            tracks: Tracks { video: true, audio: true },
            archive: true,
            started_at: WallTime(0),
            state: BroadcastState::Live,
            media_sequence: None,
            manifest: None,
            rendition,
        });
    }

    pub(crate) fn start(&self) -> Node {
        self.start_as(VIEWER, Mirror::Watched)
    }

    pub(crate) fn start_as(&self, reader: FeedId, mirror: Mirror) -> Node {
        let fetcher = MemoryFetcher::new(self.here.clone(), self.there.clone());
        let ports = Ports {
            store: Arc::new(self.here.clone()),
            reader: Arc::new(self.here.clone()),
            fetcher: Arc::new(fetcher.clone()),
            directory: Arc::new(self.feeds.read_by(reader)),
            neighbours: Arc::new(self.neighbours.clone()),
            follows: Arc::new(self.follows.clone()),
            standings: Arc::new(self.standings.clone()),
        };
        let catalog = Catalog::open(&self.directory.path().join("streamer.sqlite3")).unwrap();
        let (playback, runner) = Playback::new(Config { live_window: WINDOW, mirror }, ports, catalog);
        let task = tokio::spawn(runner.run(CancellationToken::new()));
        Node { playback, fetcher, task }
    }

    /// Content of a segment that the publisher's node has.
    pub(crate) async fn segment(&self, id: BroadcastId, number: u64, timeline: u64) -> MediaSegment {
        let sequence = MediaSequence(number);
        let init = Bytes::from(format!("init {timeline} of {id}"));
        let media = Bytes::from(format!("segment {number} of {id}"));
        let init = self.there.add_file(vec![init], Claim::Init(id, sequence)).await.unwrap();
        let media = self.there.add_file(vec![media], Claim::Segment(id, sequence)).await.unwrap();
        MediaSegment {
            media_sequence: sequence,
            discontinuity_sequence: DiscontinuitySequence(timeline),
            duration: TARGET,
            program_date_time: None,
            independent: true,
            segment: media.cid,
            init: init.cid,
        }
    }

    /// Announces segments of the show, each with a live manifest.
    pub(crate) async fn announce(&self, numbers: std::ops::Range<u64>) -> Vec<MediaSegment> {
        let mut announced = Vec::new();
        for number in numbers {
            let segment = self.segment(SHOW, number, 0).await;
            let entry = DirectoryEntry { name: segment.file_name(), cid: segment.segment };
            let claim = Claim::LiveManifest(SHOW, segment.media_sequence);
            let manifest = self.there.add_directory(vec![entry], claim).await.unwrap();
            self.feeds.insert_segment(SHOW, segment.clone(), Some(manifest.cid));
            announced.push(segment);
        }
        announced
    }

    /// The CID that a segment of the show will have.
    pub(crate) async fn cid_of(&self, number: u64) -> Cid {
        self.segment(SHOW, number, 0).await.segment
    }
}

impl Node {
    /// As `kill -9` does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn live(&self) -> MediaPlaylist {
        parse_media_playlist(&self.playback.live(&SHOW, Audience::MediaSource, PHONE).await.unwrap()).unwrap()
    }

    /// Asks until the live playlist fulfils a condition, following its changes as a player does.
    pub(crate) async fn live_until(&self, what: &str, condition: impl Fn(&MediaPlaylist) -> bool) -> MediaPlaylist {
        let mut changes = self.playback.subscribe();
        let waited = tokio::time::timeout(GUARD, async {
            loop {
                if let Ok(text) = self.playback.live(&SHOW, Audience::MediaSource, PHONE).await {
                    let playlist = parse_media_playlist(&text).unwrap();
                    if condition(&playlist) {
                        return playlist;
                    }
                }
                changes.next().await;
            }
        });
        match waited.await {
            Ok(playlist) => playlist,
            Err(_) => panic!("{what}: never; {:?}", self.playback.live(&SHOW, Audience::MediaSource, PHONE).await),
        }
    }

    pub(crate) async fn lists(&self, number: u64) -> MediaPlaylist {
        self.live_until(&format!("lists {number}"), |playlist| newest(playlist) >= Some(number)).await
    }

    /// Waits until so many segments of a broadcast are held.
    pub(crate) async fn holds(&self, id: BroadcastId, count: u64) {
        let waited = tokio::time::timeout(GUARD, async {
            while self.playback.held_segments(&id) < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(waited.await.is_ok(), "{} of {count} are held", self.playback.held_segments(&id));
    }

    pub(crate) fn fetched(&self) -> Vec<u64> {
        let segment = |(claim, _): (Claim, Cid)| match claim {
            Claim::Segment(_, sequence) => Some(sequence.0),
            _ => None,
        };
        self.fetcher.requests().into_iter().filter_map(segment).collect()
    }
}

pub(crate) fn newest(playlist: &MediaPlaylist) -> Option<u64> {
    playlist.entries.last().map(|entry| entry.media_sequence.0)
}

pub(crate) fn numbers(playlist: &MediaPlaylist) -> Vec<u64> {
    playlist.entries.iter().map(|entry| entry.media_sequence.0).collect()
}

pub(crate) fn gaps(playlist: &MediaPlaylist) -> Vec<u64> {
    playlist.entries.iter().filter(|entry| entry.gap).map(|entry| entry.media_sequence.0).collect()
}

/// RFC 8216 §6.2.1: a playlist grows at its end, loses its beginning, and gets its end; nothing else changes.
pub(crate) fn assert_succeeds(old: &MediaPlaylist, new: &MediaPlaylist) {
    assert_eq!(old.target_duration, new.target_duration);
    if old.ended {
        assert_eq!(old, new);
    }
    assert!(newest(new) >= newest(old), "{:?} after {:?}", numbers(new), numbers(old));
    assert!(numbers(new).first() >= numbers(old).first(), "{:?} after {:?}", numbers(new), numbers(old));
    for before in &old.entries {
        if let Some(after) = new.entries.iter().find(|entry| entry.media_sequence == before.media_sequence) {
            assert_eq!(before, after);
        }
    }
}
