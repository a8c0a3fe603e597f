//! What a broadcast has been: the whole, its hours and days, read from the archives of its publisher.

use stream_model::{ArchiveKind, ArchiveManifest, ContentLookup as _, Directory as _, FetchRequest, Period};
use streamer::manifest::{INDEX, hour_manifest, nested_manifest, parse_media_playlist};

use super::*;

/// 2026-11-21T14:00:00Z.
const TWO: u64 = 1_795_269_600;

impl World {
    /// Segments with dates as the publisher's node has them, announced to nobody.
    pub(crate) async fn recorded(&self, numbers: std::ops::Range<u64>) -> Vec<MediaSegment> {
        let mut segments = Vec::new();
        for number in numbers {
            let date = WallTime((TWO + number * TARGET.as_secs()) * 1000);
            segments.push(MediaSegment { program_date_time: Some(date), ..self.segment(SHOW, number, 0).await });
        }
        segments
    }

    async fn manifest(&self, manifest: streamer::manifest::Manifest, claim: Claim) -> Cid {
        let index = self.there.add_file(vec![Bytes::from(manifest.index)], claim).await.unwrap();
        let mut entries = manifest.entries;
        entries.push(DirectoryEntry { name: INDEX.to_owned(), cid: index.cid });
        self.there.add_directory(entries, claim).await.unwrap().cid
    }

    /// An archive of these segments, stored at the publisher's node.
    pub(crate) async fn archive(&self, kind: ArchiveKind, hours: &[Vec<MediaSegment>]) -> ArchiveManifest {
        let first = hours[0][0].media_sequence;
        let claim = Claim::Archive(kind, SHOW, first);
        let mut folders = Vec::new();
        for hour in hours {
            folders.push((hour[0].media_sequence, self.manifest(hour_manifest(TARGET, hour), claim).await));
        }
        let manifest = match kind {
            ArchiveKind::Hour => folders[0].1,
            _ => self.manifest(nested_manifest(TARGET, &folders, hours.iter().flatten()), claim).await,
        };
        ArchiveManifest {
            broadcast: SHOW,
            kind,
            period: hours[0][0].program_date_time.and_then(Period::hour_of).filter(|_| kind == ArchiveKind::Hour),
            first_media_sequence: first,
            last_media_sequence: hours[hours.len() - 1].last().unwrap().media_sequence,
            manifest,
            duration: TARGET,
            bytes: 1,
        }
    }
}

fn numbers(playlist: &str) -> Vec<u64> {
    let is_file = |line: &&str| !line.starts_with('#');
    let number = |line: &str| line.trim_start_matches("../").trim_end_matches(".m4s").parse().unwrap();
    playlist.lines().filter(is_file).map(number).collect()
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_whose_announcements_are_gone_is_played_from_its_archives() {
    let world = World::with_show();
    let segments = world.recorded(0..6).await;
    let hours = [segments[..4].to_vec(), segments[4..].to_vec()];
    for hour in &hours {
        let archive = world.archive(ArchiveKind::Hour, std::slice::from_ref(hour)).await;
        world.feeds.insert_archive(archive);
    }
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let node = world.start();

    let whole = node.playback.whole(&SHOW).await.unwrap();
    assert_eq!(numbers(&whole), [0, 1, 2, 3, 4, 5]);
    assert!(whole.contains("#EXT-X-PLAYLIST-TYPE:VOD") && whole.ends_with("#EXT-X-ENDLIST\n"));
    parse_media_playlist(&whole).unwrap();
    assert_eq!(node.playback.segment(&SHOW, MediaSequence(5)).await.unwrap(), segments[5].segment);
    assert!(world.here.holds(&segments[5].segment).await && !world.here.holds(&segments[4].segment).await);
    assert_eq!(node.playback.init(&SHOW, DiscontinuitySequence(0)).await.unwrap(), segments[0].init);
    assert!(matches!(node.playback.segment(&SHOW, MediaSequence(6)).await, Err(PlaylistError::NotFound)));

    let hour = node.playback.hour(&SHOW, MediaSequence(4)).await.unwrap();
    assert_eq!(numbers(&hour), [4, 5]);
    assert!(hour.contains("#EXT-X-MAP:URI=\"../init-0.mp4\"\n") && hour.ends_with("../5.m4s\n#EXT-X-ENDLIST\n"));
    assert!(matches!(node.playback.hour(&SHOW, MediaSequence(3)).await, Err(PlaylistError::NotFound)));
    let day = node.playback.day(&SHOW, "2026-11-21".parse().unwrap()).await.unwrap();
    assert_eq!(numbers(&day), [0, 1, 2, 3, 4, 5]);
    let another = node.playback.day(&SHOW, "2026-11-22".parse().unwrap()).await;
    assert!(matches!(another, Err(PlaylistError::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_known_after_a_restart_without_the_publisher() {
    let world = World::with_show();
    let segments = world.recorded(0..4).await;
    let archive = world.archive(ArchiveKind::Hour, std::slice::from_ref(&segments)).await;
    world.feeds.insert_archive(archive.clone());
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let node = world.start();
    node.playback.whole(&SHOW).await.unwrap();
    node.task.abort();

    let node = world.start();
    node.fetcher.lose(archive.manifest);
    assert_eq!(numbers(&node.playback.whole(&SHOW).await.unwrap()), [0, 1, 2, 3]);
    assert_eq!(node.fetcher.requests(), []);
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_nobody_delivers_is_not_here_yet_and_a_false_one_is_an_error() {
    let world = World::with_show();
    let segments = world.recorded(0..4).await;
    let archive = world.archive(ArchiveKind::Hour, &[segments]).await;
    world.feeds.insert_archive(archive.clone());
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let node = world.start();
    node.fetcher.lose(archive.manifest);
    assert!(matches!(node.playback.whole(&SHOW).await, Err(PlaylistError::NotYet(_))));
    node.fetcher.find(&archive.manifest);
    assert_eq!(numbers(&node.playback.whole(&SHOW).await.unwrap()), [0, 1, 2, 3]);

    let file = world.there.add_file(vec![Bytes::from("no directory")], Claim::Gateway(archive.manifest)).await.unwrap();
    let false_one = ArchiveManifest {
        manifest: file.cid,
        first_media_sequence: MediaSequence(10),
        last_media_sequence: MediaSequence(11),
        ..archive
    };
    world.feeds.insert_archive(false_one);
    assert!(matches!(node.playback.whole(&SHOW).await, Err(PlaylistError::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn without_its_archives_a_broadcast_is_listed_as_far_as_it_is_known_after_some_patience() {
    let world = World::with_show();
    let segments = world.recorded(0..4).await;
    let archive = world.archive(ArchiveKind::Hour, std::slice::from_ref(&segments)).await;
    world.feeds.insert_archive(archive.clone());
    world.feeds.insert_segment(SHOW, segments[3].clone(), None);
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let node = world.start();
    node.fetcher.lose(archive.manifest);
    assert!(matches!(node.playback.whole(&SHOW).await, Err(PlaylistError::NotYet(_))));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(numbers(&node.playback.whole(&SHOW).await.unwrap()), [3]);
    node.fetcher.find(&archive.manifest);
    assert_eq!(numbers(&node.playback.whole(&SHOW).await.unwrap()), [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn hours_that_are_not_announced_are_read_from_the_whole() {
    let world = World::with_show();
    let segments = world.recorded(0..6).await;
    let hours = [segments[..4].to_vec(), segments[4..].to_vec()];
    world.feeds.insert_archive(world.archive(ArchiveKind::Broadcast, &hours).await);
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let node = world.start();
    assert_eq!(numbers(&node.playback.whole(&SHOW).await.unwrap()), [0, 1, 2, 3, 4, 5]);
    let request = FetchRequest {
        root: segments[0].segment,
        claim: Claim::Gateway(segments[0].segment),
        providers: Vec::new(),
        timeout: TARGET,
        max_bytes: 1,
    };
    assert!(node.fetcher.look_up(request).await.is_ok(), "the publisher has it");
}

#[tokio::test(start_paused = true)]
async fn a_live_broadcast_is_rewound_to_its_beginning_and_its_hours_grow() {
    let world = World::with_show();
    let segments = world.recorded(0..10).await;
    let hours = [segments[..4].to_vec(), segments[4..8].to_vec()];
    world.feeds.insert_archive(world.archive(ArchiveKind::Hour, &hours[..1]).await);
    // Who joins late has the announcements of the newest feed only.
    for segment in &segments[6..] {
        world.feeds.insert_segment(SHOW, segment.clone(), None);
    }
    world.feeds.insert_archive(world.archive(ArchiveKind::Hour, &hours[1..]).await);
    let node = world.start();
    let whole = node.playback.whole(&SHOW).await.unwrap();
    assert_eq!(numbers(&whole), (0..10).collect::<Vec<_>>());
    assert!(whole.contains("#EXT-X-PLAYLIST-TYPE:EVENT") && !whole.contains("ENDLIST"));
    let running = node.playback.hour(&SHOW, MediaSequence(8)).await.unwrap();
    assert_eq!(numbers(&running), [8, 9]);
    assert!(!running.contains("ENDLIST"));
    let complete = node.playback.hour(&SHOW, MediaSequence(4)).await.unwrap();
    assert_eq!(numbers(&complete), [4, 5, 6, 7]);
    assert!(complete.ends_with("#EXT-X-ENDLIST\n"));
    let day = node.playback.day(&SHOW, "2026-11-21".parse().unwrap()).await.unwrap();
    assert!(!day.contains("ENDLIST"));
}

#[tokio::test(start_paused = true)]
async fn of_a_broadcast_that_is_not_kept_the_newest_segments_are_listed() {
    let world = World::with_show();
    let mut listing = world.feeds.listing(&SHOW).unwrap();
    listing.archive = false;
    world.feeds.insert(listing);
    world.announce(0..100).await;
    let node = world.start();
    assert_eq!(numbers(&node.playback.whole(&SHOW).await.unwrap()), (60..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_course_of_a_broadcast_says_what_is_here_what_is_elsewhere_and_what_nobody_knows() {
    let world = World::with_show();
    let segments = world.recorded(0..8).await;
    let archive = world.archive(ArchiveKind::Hour, std::slice::from_ref(&segments[..3].to_vec())).await;
    world.feeds.insert_archive(archive);
    for segment in &segments[5..] {
        world.feeds.insert_segment(SHOW, segment.clone(), None);
    }
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let node = world.start();
    let told = |timeline: &BroadcastTimeline| -> Vec<_> {
        let spans = timeline.spans.iter();
        spans.map(|span| (span.state.as_str(), span.first.0, span.segments, span.from.as_secs())).collect()
    };

    let timeline = node.playback.timeline(&SHOW).await.unwrap();
    assert_eq!(told(&timeline), [("elsewhere", 0, 3, 0), ("gap", 3, 2, 6), ("elsewhere", 5, 3, 10)]);
    assert_eq!((timeline.duration.as_secs(), timeline.ended), (16, true));
    let hours: Vec<_> = timeline
        .hours
        .iter()
        .map(|hour| (hour.first.0, hour.from.as_secs(), hour.period.unwrap().to_string()))
        .collect();
    assert_eq!(hours, [(0, 0, "2026-11-21T14Z".to_owned()), (5, 10, "2026-11-21T14Z".to_owned())]);
    assert!(!world.here.holds(&segments[0].segment).await, "asking fetches no media");

    node.playback.segment(&SHOW, MediaSequence(1)).await.unwrap();
    let timeline = node.playback.timeline(&SHOW).await.unwrap();
    assert_eq!(told(&timeline)[..3], [("elsewhere", 0, 1, 0), ("held", 1, 1, 2), ("elsewhere", 2, 1, 4)]);
    let again = node.playback.timeline(&SHOW).await.unwrap();
    assert!(Arc::ptr_eq(&timeline, &again), "it is worked out anew though nothing changed");
}
