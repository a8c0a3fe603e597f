//! Archives of a node's own broadcasts, against a store and feeds in memory, a catalog on disk and tokio's paused clock.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stream_model::{
    AnnouncementLog as _, ArchiveKind, ArchiveManifest, BroadcastEnd, BroadcastId, BroadcastStart, Cid, Claim,
    ContentStore as _, Directory as _, DiscontinuitySequence, EndReason, FeedId, MediaSegment, MediaSequence,
    RunningHours, Tracks, WallTime,
};
use streamer::archive::{Archivist, Ports};
use streamer::catalog::{BroadcastRecord, BroadcastStage, Catalog};
use streamer::manifest::parse_media_playlist;
use tempfile::TempDir;
use testkit::fakes::{Appended, MemoryFeeds, MemoryStore, StoreMood, peer_id};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const TARGET: Duration = Duration::from_secs(15);
const TRACKS: Tracks = Tracks { video: true, audio: true };
/// 2026-11-21T14:00:00Z.
const TWO: u64 = 1_795_269_600;
/// Guards against hanging.
const GUARD: Duration = Duration::from_secs(3600);

/// A publisher's node: what outlives a restart.
struct Disk {
    directory: TempDir,
    store: MemoryStore,
    feeds: MemoryFeeds,
    catalog: Catalog,
}

/// A running archivist.
struct Running {
    announced: Arc<Notify>,
    hours: Arc<dyn RunningHours>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Disk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&directory.path().join("streamer.sqlite3")).unwrap();
        Self { directory, store: MemoryStore::default(), feeds: MemoryFeeds::new(FeedId([7; 32])), catalog }
    }

    /// The same content and feeds on a node of its own, that has archived nothing.
    fn twin(&self) -> Self {
        let fresh = Self::new();
        Self { store: self.store.clone(), ..fresh }
    }

    fn start(&self) -> Running {
        let ports = Ports { store: Arc::new(self.store.clone()), announcements: Arc::new(self.feeds.clone()) };
        let (announced, stop) = (Arc::<Notify>::default(), CancellationToken::new());
        let archivist = Archivist::new(ports, self.catalog.clone(), Arc::clone(&announced));
        let hours = archivist.running_hours();
        Running { task: tokio::spawn(archivist.run(stop.clone())), announced, hours, stop }
    }

    async fn begin(&self, archive: bool) -> BroadcastId {
        let start = BroadcastStart {
            title: "demo".to_owned(),
            description: String::new(),
            peer: peer_id(1),
            target_duration: TARGET,
            tracks: TRACKS,
            archive,
            started_at: WallTime(TWO * 1000),
            schedule: None,
            rendition: None,
        };
        let id = self.feeds.start(start).await.unwrap();
        let record = BroadcastRecord {
            id,
            name: "demo".parse().unwrap(),
            stage: BroadcastStage::Live,
            tracks: TRACKS,
            target_duration: TARGET,
            archive,
            started_at: WallTime(TWO * 1000),
            next_media_sequence: MediaSequence(0),
            discontinuity_sequence: DiscontinuitySequence(0),
        };
        self.catalog.create_broadcast(record).await.unwrap();
        id
    }

    /// Stores, commits and announces a segment of 15 s.
    async fn publish(&self, id: BroadcastId, sequence: u64, date: Option<u64>) -> MediaSegment {
        let number = MediaSequence(sequence);
        let media = Bytes::from(format!("segment {sequence}"));
        let segment = self.store.add_file(vec![media], Claim::Segment(id, number)).await.unwrap();
        let init = self.store.add_file(vec![Bytes::from("init")], Claim::Init(id, number)).await.unwrap();
        let facts = MediaSegment {
            media_sequence: number,
            discontinuity_sequence: DiscontinuitySequence(0),
            duration: TARGET,
            program_date_time: date.map(|seconds| WallTime(seconds * 1000)),
            independent: true,
            segment: segment.cid,
            init: init.cid,
        };
        self.catalog.commit_segment(id, facts.clone(), segment.bytes, None).await.unwrap();
        self.feeds.live(id, &facts, segment.cid).await.unwrap();
        self.catalog.mark_announced(id, number, segment.cid).await.unwrap();
        facts
    }

    async fn end(&self, id: BroadcastId, next: u64) {
        let end = BroadcastEnd { broadcast: id, media_sequence: MediaSequence(next), reason: EndReason::PublisherLeft };
        self.feeds.end(end).await.unwrap();
        self.catalog.set_stage(id, BroadcastStage::Ended).await.unwrap();
    }

    /// Waits until so many archives are announced.
    async fn archives(&self, id: BroadcastId, count: usize) -> Vec<ArchiveManifest> {
        let mut changes = self.feeds.subscribe();
        let all = async {
            loop {
                let archives = self.feeds.archives(&id);
                if archives.len() >= count {
                    return archives;
                }
                futures::StreamExt::next(&mut changes).await;
            }
        };
        tokio::time::timeout(GUARD, all).await.expect("the archives are announced")
    }

    fn index(&self, manifest: &Cid) -> String {
        let entries = self.store.directory(manifest).unwrap();
        let index = entries.iter().find(|entry| entry.name == "index.m3u8").unwrap();
        String::from_utf8(self.store.file(&index.cid).unwrap().to_vec()).unwrap()
    }

    /// The manifests of running hours that are claimed, whether they are the newest or not.
    fn of_running_hours(&self) -> Vec<Cid> {
        let claims = self.store.claims().into_iter().filter(|claim| matches!(claim, Claim::RunningHour(..)));
        let roots = claims.flat_map(|claim| self.store.claimed(&claim));
        roots.filter(|root| self.store.directory(root).is_some()).collect()
    }

    fn names(&self, manifest: &Cid) -> Vec<String> {
        self.store.directory(manifest).unwrap().into_iter().map(|entry| entry.name).collect()
    }
}

impl Running {
    /// Waits until what is shown of the running hour goes up to a segment.
    async fn so_far(&self, id: BroadcastId, last: u64) -> ArchiveManifest {
        let hour = || self.hours.running_hour(&id).filter(|hour| hour.last_media_sequence == MediaSequence(last));
        until(|| hour().is_some()).await;
        hour().unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn summary(archives: &[ArchiveManifest]) -> Vec<(ArchiveKind, Option<String>, u64, u64)> {
    let line = |archive: &ArchiveManifest| {
        let period = archive.period.map(|period| period.to_string());
        (archive.kind, period, archive.first_media_sequence.0, archive.last_media_sequence.0)
    };
    archives.iter().map(line).collect()
}

fn hour(text: &str) -> Option<String> {
    Some(format!("2026-11-21T{text}Z"))
}

#[tokio::test(start_paused = true)]
async fn hours_are_archived_as_they_become_complete_and_the_rest_with_the_end() {
    let disk = Disk::new();
    let running = disk.start();
    let id = disk.begin(true).await;
    // From 14:58 to 16:01.
    for n in 0..252 {
        disk.publish(id, n, Some(TWO + 3480 + 15 * n)).await;
        running.announced.notify_one();
    }
    let archives = disk.archives(id, 2).await;
    assert_eq!(
        summary(&archives),
        [(ArchiveKind::Hour, hour("14"), 0, 7), (ArchiveKind::Hour, hour("15"), 8, 247)],
        "the running hour is not announced"
    );
    assert_eq!(archives[1].duration, TARGET * 240);
    let (index, names) = (disk.index(&archives[1].manifest), disk.names(&archives[1].manifest));
    assert_eq!(names.len(), 242);
    let playlist = parse_media_playlist(&index).unwrap();
    assert!(playlist.ended && playlist.entries.iter().all(|entry| !entry.gap));
    assert_eq!(playlist.entries.len(), 240);

    disk.end(id, 252).await;
    running.announced.notify_one();
    let archives = disk.archives(id, 5).await;
    assert_eq!(
        summary(&archives)[2..],
        [
            (ArchiveKind::Hour, hour("16"), 248, 251),
            (ArchiveKind::Day, Some("2026-11-21".to_owned()), 0, 251),
            (ArchiveKind::Broadcast, None, 0, 251),
        ]
    );
    let whole = &archives[4].manifest;
    assert_eq!(disk.names(whole), ["0", "248", "8", "index.m3u8"]);
    assert_eq!(archives[3].manifest, *whole, "a day that is all of it has the same content");
    let index = disk.index(whole);
    for line in ["#EXT-X-MAP:URI=\"0/init-0.mp4\"", "0/7.m4s", "8/8.m4s", "8/247.m4s", "248/251.m4s", "#EXT-X-ENDLIST"]
    {
        assert!(index.lines().any(|one| one == line), "{line}\n{index}");
    }
    running.stop().await;
    assert!(disk.catalog.unarchived_broadcasts().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_segments_make_the_same_archive_whatever_was_restarted_in_between() {
    let disk = Disk::new();
    let id = disk.begin(true).await;
    let running = disk.start();
    for n in 0..500 {
        disk.publish(id, n, Some(TWO + 15 * n)).await;
        if n == 300 {
            running.announced.notify_one();
            disk.archives(id, 1).await;
        }
    }
    running.stop().await;
    let running = disk.start();
    disk.archives(id, 2).await;
    running.stop().await;
    disk.end(id, 500).await;
    let running = disk.start();
    let restarted = disk.archives(id, 5).await;
    running.stop().await;

    let twin = disk.twin();
    let twin_id = twin.begin(true).await;
    for n in 0..500 {
        twin.publish(twin_id, n, Some(TWO + 15 * n)).await;
    }
    twin.end(twin_id, 500).await;
    let running = twin.start();
    let at_once = twin.archives(twin_id, 5).await;
    running.stop().await;
    let contents = |all: &[ArchiveManifest]| all.iter().map(|one| (one.kind, one.manifest)).collect::<Vec<_>>();
    assert_eq!(contents(&restarted), contents(&at_once));
    drop(disk.directory);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_jump_and_those_that_are_not_trusted_still_make_hours() {
    let disk = Disk::new();
    let running = disk.start();
    let id = disk.begin(true).await;
    let year = 365 * 24 * 3600;
    let mut sequence = 0;
    for start in [Some(TWO), Some(TWO + year), Some(TWO - year), None] {
        for n in 0..10 {
            disk.publish(id, sequence, start.map(|start| start + 15 * n)).await;
            sequence += 1;
        }
    }
    disk.end(id, 40).await;
    running.announced.notify_one();
    let archives = disk.archives(id, 9).await;
    let hours: Vec<_> = summary(&archives).into_iter().filter(|one| one.0 == ArchiveKind::Hour).collect();
    assert_eq!(
        hours,
        [
            (ArchiveKind::Hour, hour("14"), 0, 9),
            (ArchiveKind::Hour, Some("2027-11-21T14Z".to_owned()), 10, 19),
            (ArchiveKind::Hour, Some("2025-11-21T14Z".to_owned()), 20, 29),
            (ArchiveKind::Hour, None, 30, 39),
        ]
    );
    assert_eq!(archives.iter().filter(|one| one.kind == ArchiveKind::Day).count(), 4);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_of_thirty_hours_is_archived_beside_a_shorter_one() {
    let disk = Disk::new();
    let running = disk.start();
    let (long, short) = (disk.begin(true).await, disk.begin(true).await);
    // A segment each minute, from 14:00 to 20:00 of the next day; of the other only until 15:30.
    for n in 0..30 * 60 {
        disk.publish(long, n, Some(TWO + 60 * n)).await;
        if n < 90 {
            disk.publish(short, n, Some(TWO + 60 * n)).await;
        } else if n == 90 {
            disk.end(short, 90).await;
        }
        running.announced.notify_one();
    }
    disk.end(long, 30 * 60).await;
    running.announced.notify_one();

    let archives = disk.archives(long, 33).await;
    let of_hour = |n: u64| {
        let label = if n < 10 { format!("2026-11-21T{}Z", 14 + n) } else { format!("2026-11-22T{:02}Z", n - 10) };
        (ArchiveKind::Hour, Some(label), 60 * n, 60 * n + 59)
    };
    let days = [("2026-11-21", 0, 599), ("2026-11-22", 600, 1_799)];
    let days = days.map(|(day, first, last)| (ArchiveKind::Day, Some(day.to_owned()), first, last));
    let expected: Vec<_> = (0..30).map(of_hour).chain(days).chain([(ArchiveKind::Broadcast, None, 0, 1_799)]).collect();
    assert_eq!(summary(&archives), expected);
    let whole = &archives[32].manifest;
    assert_eq!(disk.names(whole).len(), 31, "a folder for each hour and the playlist");
    assert_eq!(disk.index(whole).lines().filter(|line| line.ends_with(".m4s")).count(), 1_800);

    assert_eq!(summary(&disk.archives(short, 4).await)[3], (ArchiveKind::Broadcast, None, 0, 89));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_of_three_seconds_and_one_without_segments_are_archived() {
    let disk = Disk::new();
    let (short, empty) = (disk.begin(true).await, disk.begin(true).await);
    disk.publish(short, 0, None).await;
    disk.end(short, 1).await;
    disk.end(empty, 0).await;
    let running = disk.start();
    assert_eq!(
        summary(&disk.archives(short, 3).await),
        [ArchiveKind::Hour, ArchiveKind::Day, ArchiveKind::Broadcast].map(|kind| (kind, None, 0, 0))
    );
    running.stop().await;
    assert!(disk.feeds.archives(&empty).is_empty());
    assert!(disk.catalog.unarchived_broadcasts().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_running_hour_grows_by_twenty_segments_until_it_is_complete() {
    let disk = Disk::new();
    let running = disk.start();
    let id = disk.begin(true).await;
    for n in 0..45 {
        disk.publish(id, n, Some(TWO + 15 * n)).await;
        running.announced.notify_one();
    }
    let hour = running.so_far(id, 39).await;
    assert_eq!((hour.first_media_sequence, hour.duration), (MediaSequence(0), TARGET * 40));
    assert_eq!(hour.period.map(|period| period.to_string()).as_deref(), Some("2026-11-21T14Z"));
    let (index, names) = (disk.index(&hour.manifest), disk.names(&hour.manifest));
    assert!(index.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && index.ends_with("39.m4s\n#EXT-X-ENDLIST\n"), "{index}");
    assert_eq!(names.len(), 42, "forty segments, an initialization section and the playlist");

    for n in 45..240 {
        disk.publish(id, n, Some(TWO + 15 * n)).await;
    }
    running.announced.notify_one();
    let whole = running.so_far(id, 239).await;
    assert!(disk.store.holds(&hour.manifest).await, "who plays an older one plays on");
    assert!(disk.feeds.archives(&id).is_empty(), "a running hour is not announced");
    disk.publish(id, 240, Some(TWO + 3_600)).await;
    running.announced.notify_one();
    let archives = disk.archives(id, 1).await;
    assert_eq!(archives[0].manifest, whole.manifest, "the complete hour is the same content");
    until(|| running.hours.running_hour(&id).is_none()).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn superseded_manifests_of_running_hours_go_and_none_is_left_after_the_end() {
    let disk = Disk::new();
    let mut running = disk.start();
    let id = disk.begin(true).await;
    let mut shown = Vec::new();
    // Three hours and a bit, with a restart in each of them.
    for n in 0..785 {
        disk.publish(id, n, Some(TWO + 15 * n)).await;
        running.announced.notify_one();
        if n % 20 == 19 {
            shown.push(running.so_far(id, n).await.manifest);
        }
        if n % 240 == 130 {
            running.stop().await;
            running = disk.start();
            let again = running.so_far(id, n - 11).await;
            assert_eq!(Some(&again.manifest), shown.last(), "made again after a restart");
        }
    }
    assert_eq!(shown.len(), 39);
    let mut kept = disk.of_running_hours();
    kept.sort();
    let mut newest = shown[26..].to_vec();
    newest.sort();
    assert_eq!(kept, newest, "the newest thirteen");
    assert!(!disk.store.holds(&shown[0]).await, "nothing keeps the oldest");
    assert_eq!(disk.archives(id, 3).await.len(), 3);

    disk.end(id, 785).await;
    running.announced.notify_one();
    disk.archives(id, 6).await;
    running.stop().await;
    assert!(disk.of_running_hours().is_empty());
    assert!(!disk.store.holds(shown.last().unwrap()).await);
}

#[tokio::test(start_paused = true)]
async fn a_running_hour_that_cannot_be_stored_is_shown_when_the_next_is_due() {
    let disk = Disk::new();
    let running = disk.start();
    let id = disk.begin(true).await;
    for n in 0..35 {
        disk.publish(id, n, Some(TWO + 15 * n)).await;
    }
    disk.store.set_mood(StoreMood::Full);
    running.announced.notify_one();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(running.hours.running_hour(&id), None);
    disk.store.set_mood(StoreMood::Willing);
    for n in 35..40 {
        disk.publish(id, n, Some(TWO + 15 * n)).await;
    }
    running.announced.notify_one();
    running.so_far(id, 39).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_delays_an_archive_and_loses_nothing() {
    let disk = Disk::new();
    let id = disk.begin(true).await;
    for n in 0..300 {
        disk.publish(id, n, Some(TWO + 15 * n)).await;
    }
    disk.end(id, 300).await;
    disk.store.set_mood(StoreMood::Full);
    let running = disk.start();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(disk.feeds.archives(&id).is_empty());
    disk.store.set_mood(StoreMood::Willing);
    assert_eq!(disk.archives(id, 4).await.len(), 4);
    let announced = disk.feeds.appended().iter().filter(|one| matches!(one, Appended::Archive(_))).count();
    assert_eq!(announced, 4, "each once");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_in_the_store_is_a_gap() {
    let disk = Disk::new();
    let id = disk.begin(true).await;
    for n in 0..5 {
        disk.publish(id, n, Some(TWO + 15 * n)).await;
    }
    disk.store.release(Claim::Segment(id, MediaSequence(2))).await.unwrap();
    disk.end(id, 5).await;
    let running = disk.start();
    let archives = disk.archives(id, 3).await;
    let index = disk.index(&archives[0].manifest);
    assert!(index.contains("#EXT-X-GAP\n#EXTINF:15.000,\n2.m4s\n"), "{index}");
    assert!(!disk.names(&archives[0].manifest).contains(&"2.m4s".to_owned()));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_kept_is_dropped_as_it_leaves_the_window_and_after_the_end() {
    let disk = Disk::new();
    let running = disk.start();
    let id = disk.begin(false).await;
    for n in 0..100 {
        disk.publish(id, n, Some(TWO + 15 * n)).await;
    }
    running.announced.notify_one();
    let segments = || disk.store.claims().iter().filter(|claim| matches!(claim, Claim::Segment(..))).count();
    until(|| segments() == 40).await;
    assert!(disk.of_running_hours().is_empty() && running.hours.running_hour(&id).is_none());
    disk.end(id, 100).await;
    running.announced.notify_one();
    until(|| disk.store.claims().is_empty()).await;
    assert!(disk.feeds.archives(&id).is_empty());
    running.stop().await;
}

/// Under the paused clock: lets everything else go on until then.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(GUARD, wait).await.expect("it comes to that");
}
