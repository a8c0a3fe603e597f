//! A publisher's node in memory, and an encoder that sends to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use stream_model::{
    BroadcastEnd, BroadcastId, BroadcastStart, Directory, FeedId, MediaSegment, MediaSequence, StreamName, Tracks,
    WallTime,
};
use streamer::broadcast::{Clock, Config, Ends, Ports, Publisher, PublishingStatus};
use streamer::catalog::Catalog;
use streamer::keys::KeyStore;
use streamer::media::{MediaEvent, Publication, Sample, TrackKind};
use streamer::renditions::{Ladder, Rung, RungKind};
use streamer::segmenter;
use tempfile::TempDir;
use testkit::fakes::{Appended, MemoryFeeds, MemoryStore, peer_id};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TARGET: Duration = Duration::from_secs(2);
pub(crate) const GRACE: Duration = Duration::from_secs(60);
pub(crate) const WINDOW: usize = 3;
/// A guard against hanging; shorter than the grace time, so that a wait never ends a broadcast by itself.
pub(crate) const GUARD: Duration = Duration::from_secs(40);
/// A date on which the clock of a machine that builds this can be trusted.
pub(crate) const TODAY: WallTime = WallTime(1_800_000_000_000);

/// A clock that tests set.
#[derive(Debug)]
pub(crate) struct SetClock(pub(crate) AtomicU64);

impl Clock for SetClock {
    fn wall(&self) -> WallTime {
        WallTime(self.0.load(Ordering::Relaxed))
    }
}

/// What outlives a restart.
pub(crate) struct Disk {
    pub(crate) directory: TempDir,
    pub(crate) store: MemoryStore,
    pub(crate) feeds: MemoryFeeds,
    pub(crate) clock: Arc<SetClock>,
}

/// A running publisher.
pub(crate) struct Node {
    pub(crate) publications: mpsc::Sender<Publication>,
    pub(crate) status: PublishingStatus,
    pub(crate) ends: Ends,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), streamer::catalog::CatalogError>>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            store: MemoryStore::default(),
            feeds: MemoryFeeds::new(FeedId([7; 32])),
            clock: Arc::new(SetClock(AtomicU64::new(TODAY.0))),
        }
    }

    pub(crate) fn keys(&self) -> KeyStore {
        KeyStore::open(&self.directory.path().join("streamer.sqlite3")).unwrap()
    }

    pub(crate) fn start(&self) -> Node {
        self.start_with(TARGET)
    }

    pub(crate) fn start_with(&self, target_duration: Duration) -> Node {
        self.start_as(target_duration, streamer::renditions::Config::default())
    }

    /// One that makes a rendition with sound alone of each broadcast.
    pub(crate) fn start_with_sound_alone(&self) -> Node {
        let rung = Rung { name: "Sound".to_owned(), kind: RungKind::SoundOnly };
        let ladder = Ladder::new(vec![rung]).unwrap();
        self.start_as(TARGET, streamer::renditions::Config { ladder, ..streamer::renditions::Config::default() })
    }

    fn start_as(&self, target_duration: Duration, renditions: streamer::renditions::Config) -> Node {
        let config = Config {
            segmenter: segmenter::Config { target_duration, ..segmenter::Config::default() },
            live_window: WINDOW,
            grace: GRACE,
            archive: true,
            renditions,
        };
        let ports = Ports {
            store: Arc::new(self.store.clone()),
            announcements: Arc::new(self.feeds.clone()),
            directory: Arc::new(self.feeds.clone()),
            peer: peer_id(1),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            keys: self.keys(),
        };
        let catalog = Catalog::open(&self.directory.path().join("streamer.sqlite3")).unwrap();
        let publisher = Publisher::new(config, ports, catalog);
        let (status, ends) = (publisher.status(), publisher.ends());
        let (publications, taken) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let task = tokio::spawn(publisher.run(taken, stop.clone()));
        Node { publications, status, ends, stop, task }
    }

    /// Waits until what is appended fulfils a condition.
    pub(crate) async fn appended(&self, what: &str, condition: impl Fn(&[Appended]) -> bool) -> Vec<Appended> {
        let mut changes = self.feeds.subscribe();
        let waited = tokio::time::timeout(GUARD, async {
            while !condition(&self.feeds.appended()) {
                changes.next().await;
            }
        });
        let all = || self.feeds.appended().iter().map(describe).collect::<Vec<_>>();
        assert!(waited.await.is_ok(), "{what}: never came; appended were {:#?}", all());
        self.feeds.appended()
    }

    pub(crate) async fn announced(&self, count: usize) -> Vec<MediaSegment> {
        let live = |all: &[Appended]| all.iter().filter(|one| matches!(one, Appended::Live(..))).count() >= count;
        self.appended(&format!("{count} segments"), live).await;
        self.feeds.announced().into_iter().map(|(_, segment, _)| segment).collect()
    }

    pub(crate) async fn ended(&self) -> BroadcastEnd {
        let all = self.appended("an end", |all| all.iter().any(|one| matches!(one, Appended::End(_)))).await;
        all.into_iter()
            .find_map(|one| match one {
                Appended::End(end) => Some(end),
                _ => None,
            })
            .unwrap()
    }

    pub(crate) fn starts(&self) -> Vec<(BroadcastId, BroadcastStart)> {
        let start = |one| match one {
            Appended::Start(id, start) => Some((id, start)),
            _ => None,
        };
        self.feeds.appended().into_iter().filter_map(start).collect()
    }
}

pub(crate) fn describe(appended: &Appended) -> String {
    match appended {
        Appended::Start(id, _) => format!("start {id}"),
        Appended::Resume(_, next) => format!("resume from {next}"),
        Appended::Live(_, segment, _) => {
            format!("live {} in {}", segment.media_sequence, segment.discontinuity_sequence)
        }
        Appended::End(end) => format!("end at {}: {}", end.media_sequence, end.reason.as_str()),
        Appended::Update(id, title, _) => format!("update {id} {title}"),
        Appended::Archive(archive) => format!("{} from {}", archive.kind, archive.first_media_sequence),
    }
}

impl Node {
    /// As `kill -9` does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) async fn publish(&self, tracks: Tracks) -> Encoder {
        self.publish_titled(tracks, None).await
    }

    pub(crate) async fn publish_titled(&self, tracks: Tracks, title: Option<&str>) -> Encoder {
        let (events, taken) = mpsc::channel(64);
        let publication = Publication { name: name(), title: title.map(str::to_owned), events: taken };
        self.publications.send(publication).await.unwrap();
        let encoder = Encoder { tracks, events, millis: 0 };
        encoder.introduce().await;
        encoder
    }
}

/// Sends media of which each second differs.
pub(crate) struct Encoder {
    pub(crate) tracks: Tracks,
    pub(crate) events: mpsc::Sender<MediaEvent>,
    pub(crate) millis: u32,
}

pub(crate) const AUDIO: Tracks = Tracks { video: false, audio: true };
pub(crate) const BOTH: Tracks = Tracks { video: true, audio: true };
/// AAC-LC, 44.1 kHz, stereo (ISO/IEC 14496-3 §1.6.2.1).
pub(crate) const AUDIO_CONFIG: &[u8] = &[0x12, 0x10];
/// Baseline, level 3, 320×240, one SPS and one PPS (ISO/IEC 14496-15 §5.3.3.1).
pub(crate) const VIDEO_CONFIG: &[u8] = &[
    0x01, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0x00, 0x08, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0x05, 0x07, 0xe4, 0x01, 0x00, 0x04,
    0x68, 0xce, 0x38, 0x80,
];

impl Encoder {
    pub(crate) async fn introduce(&self) {
        let Tracks { video, audio } = self.tracks;
        self.send(MediaEvent::Expect { video, audio }).await;
        if video {
            self.send(MediaEvent::VideoConfig(Bytes::from_static(VIDEO_CONFIG))).await;
        }
        if audio {
            self.send(MediaEvent::AudioConfig(Bytes::from_static(AUDIO_CONFIG))).await;
        }
    }

    /// As fast as a camera does, by the paused clock.
    pub(crate) async fn seconds(&mut self, seconds: u32) {
        let end = self.millis + seconds * 1000;
        while self.millis < end {
            if self.millis.is_multiple_of(1000) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            if self.tracks.video {
                let mut data = vec![0, 0, 0, 5, 0x65, 0x88, 0x84, 0, 0];
                data[7..].copy_from_slice(&((self.millis / 100) as u16).to_be_bytes());
                self.sample(TrackKind::Video, self.millis.is_multiple_of(1000), data).await;
            }
            if self.tracks.audio {
                self.sample(TrackKind::Audio, true, self.millis.to_be_bytes().to_vec()).await;
            }
            self.millis += 20;
        }
    }

    pub(crate) async fn sample(&self, track: TrackKind, keyframe: bool, data: Vec<u8>) {
        let sample = Sample { track, timestamp: self.millis, composition_offset: 0, keyframe, data: data.into() };
        self.send(MediaEvent::Sample(sample)).await;
    }

    pub(crate) async fn send(&self, event: MediaEvent) {
        let sent = tokio::time::timeout(GUARD, self.events.send(event)).await;
        sent.expect("a publisher is never slowed").expect("the publication is taken");
    }
}

pub(crate) fn name() -> StreamName {
    "demo".parse().unwrap()
}

/// Numbers rise by one from 0, and discontinuities never fall.
pub(crate) fn assert_in_order(segments: &[MediaSegment]) {
    for (number, segment) in segments.iter().enumerate() {
        assert_eq!(segment.media_sequence, MediaSequence(number as u64));
    }
    for pair in segments.windows(2) {
        assert!(pair[0].discontinuity_sequence <= pair[1].discontinuity_sequence);
    }
}

pub(crate) fn timelines(segments: &[MediaSegment]) -> Vec<u64> {
    let mut timelines: Vec<u64> = segments.iter().map(|segment| segment.discontinuity_sequence.0).collect();
    timelines.dedup();
    timelines
}
