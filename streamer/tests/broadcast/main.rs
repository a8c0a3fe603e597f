//! The life of a broadcast, against a store and feeds in memory and tokio's paused clock.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod node;
mod programme;
mod renditions;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stream_model::StreamKeys as _;
use stream_model::{
    Audience, BroadcastId, BroadcastState, Claim, Directory, DiscontinuitySequence, EndReason, FeedId, Listing,
    MediaSegment, MediaSequence, MessageKey,
};
use streamer::Streamer;
use streamer::broadcast::SystemClock;
use streamer::media::Publication;
use testkit::fakes::{Appended, MemoryFetcher, MemoryStore, StoreMood, peer_id};
use testkit::neighbourhood::{MemoryFollows, MemoryNeighbours};
use testkit::standing::{MemoryCarrier, MemoryStandings};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use node::*;

#[tokio::test(start_paused = true)]
async fn a_publication_becomes_stored_and_announced_segments() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish_titled(BOTH, Some("Main hall")).await;
    encoder.seconds(9).await;
    let segments = disk.announced(4).await;
    assert_in_order(&segments);
    assert_eq!(timelines(&segments), [0]);

    let (id, start) = disk.starts().remove(0);
    assert_eq!((start.title.as_str(), start.tracks, start.target_duration), ("Main hall", BOTH, TARGET));
    assert_eq!(node.status.broadcast(&name()), Some(id));
    for (broadcast, segment, manifest) in disk.feeds.announced() {
        assert_eq!(broadcast, id);
        assert_eq!(segment.duration, TARGET);
        let bytes = disk.store.file(&segment.segment).expect("stored before it was announced");
        assert_eq!(&bytes[4..8], b"moof");
        assert_eq!(disk.store.claimed(&Claim::Segment(id, segment.media_sequence)), [segment.segment]);
        let newest = disk.feeds.listing(&id).unwrap().media_sequence.unwrap();
        if newest.0 - segment.media_sequence.0 < WINDOW as u64 {
            let names: Vec<String> =
                disk.store.directory(&manifest).unwrap().into_iter().map(|entry| entry.name).collect();
            assert!(names.contains(&"index.m3u8".to_owned()), "{names:?}");
            assert!(names.contains(&segment.file_name()), "{names:?}");
            assert!(names.contains(&segment.init_name()), "{names:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_key_says_of_keeping_is_announced() {
    let disk = Disk::new();
    disk.keys().add(name()).await.unwrap();
    disk.keys().set_archive(name(), Some(false)).await.unwrap();
    let node = disk.start();
    node.publish(AUDIO).await.seconds(5).await;
    disk.announced(1).await;
    assert!(!disk.starts()[0].1.archive);
    let other = Disk::new();
    let node = other.start();
    node.publish(AUDIO).await.seconds(5).await;
    other.announced(1).await;
    assert!(other.starts()[0].1.archive);
}

#[tokio::test(start_paused = true)]
async fn only_the_live_manifests_of_the_window_are_kept() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(21).await;
    let count = disk.announced(9).await.len();
    node.stop().await;
    let claims = disk.store.claims();
    let manifests = claims.iter().filter(|claim| matches!(claim, Claim::LiveManifest(..))).count();
    assert_eq!(manifests, WINDOW, "of {count} announced");
    assert!(!claims.iter().any(|claim| matches!(claim, Claim::LivePlaylist(..))), "the directory reaches its index");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_returns_in_time_continues_its_broadcast() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    drop(encoder);
    disk.announced(3).await;
    tokio::time::sleep(GRACE - Duration::from_secs(1)).await;
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let segments = disk.announced(5).await;
    assert_eq!(disk.starts().len(), 1);
    assert_in_order(&segments);
    assert_eq!(timelines(&segments), [0, 1]);
    tokio::time::sleep(GRACE * 2).await;
    assert_eq!(node.status.broadcasts().len(), 1, "the old absence does not end it");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_stays_away_ends_its_broadcast_and_starts_the_next() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    drop(encoder);
    let count = disk.announced(3).await.len();
    tokio::time::sleep(GRACE).await;
    let end = disk.ended().await;
    assert_eq!(end.reason, EndReason::PublisherLeft);
    assert_eq!(end.media_sequence, MediaSequence(count as u64));
    assert_eq!(node.status.broadcast(&name()), None);

    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    disk.announced(count + 2).await;
    let second = disk.starts()[1].0;
    let (broadcast, first, _) = disk.feeds.announced().swap_remove(count);
    assert_eq!((broadcast, first.media_sequence, first.discontinuity_sequence.0), (second, MediaSequence(0), 0));
}

#[tokio::test(start_paused = true)]
async fn other_tracks_end_the_broadcast_and_start_another() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    drop(encoder);
    let mut encoder = node.publish(BOTH).await;
    encoder.seconds(5).await;
    let end = disk.ended().await;
    let starts =
        disk.appended("two starts", |all| all.iter().filter(|one| matches!(one, Appended::Start(..))).count() == 2);
    starts.await;
    let starts = disk.starts();
    assert_eq!((end.broadcast, end.reason), (starts[0].0, EndReason::TracksChanged));
    assert_eq!([starts[0].1.tracks, starts[1].1.tracks], [AUDIO, BOTH]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_session_of_the_same_name_takes_over() {
    let disk = Disk::new();
    let node = disk.start();
    let mut stale = node.publish(AUDIO).await;
    stale.seconds(3).await;
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let segments = disk.announced(4).await;
    assert!(stale.events.is_closed());
    assert_eq!(disk.starts().len(), 1);
    assert_in_order(&segments);
    assert_eq!(timelines(&segments), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn stopping_stores_announces_and_ends() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(3).await;
    disk.announced(1).await;
    let began = tokio::time::Instant::now();
    node.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let segments = disk.announced(2).await;
    let total: Duration = segments.iter().map(|segment| segment.duration).sum();
    assert!(total >= Duration::from_millis(2900), "the last segment is closed early, not lost: {total:?}");
    let end = disk.ended().await;
    assert_eq!((end.reason, end.media_sequence), (EndReason::Shutdown, MediaSequence(segments.len() as u64)));
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_in_time_though_the_store_is_stuck() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let before = disk.announced(2).await.len();
    disk.store.set_mood(StoreMood::Stuck);
    encoder.seconds(5).await;
    let began = tokio::time::Instant::now();
    node.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    disk.store.set_mood(StoreMood::Willing);
    let end = disk.ended().await;
    assert_eq!(end.reason, EndReason::Shutdown);
    assert!(end.media_sequence >= MediaSequence(before as u64));
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_announces_its_backlog_and_goes_on() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let announced = disk.announced(2).await.len();
    disk.feeds.set_mood(StoreMood::Full);
    encoder.seconds(6).await;
    let id = disk.starts()[0].0;
    let backlog = stored(&disk, &id, announced + 3).await;
    node.kill().await;
    disk.feeds.set_mood(StoreMood::Willing);

    let node = disk.start();
    disk.announced(backlog).await;
    tokio::time::sleep(GRACE - Duration::from_secs(1)).await;
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let segments = disk.announced(backlog + 2).await;
    assert_eq!(disk.starts().len(), 1, "it is the same broadcast");
    assert_in_order(&segments);
    assert_eq!(timelines(&segments), [0, 1]);
    let resumes: Vec<String> =
        disk.feeds.appended().iter().filter(|one| matches!(one, Appended::Resume(..))).map(describe).collect();
    assert_eq!(resumes, [format!("resume from {announced}")], "before its first segment, once");
}

/// Waits until the store has this many segments of a broadcast, and returns how many.
async fn stored(disk: &Disk, id: &BroadcastId, at_least: usize) -> usize {
    let count = || {
        let segment = |claim: &Claim| matches!(claim, Claim::Segment(broadcast, _) if broadcast == id);
        disk.store.claims().iter().filter(|claim| segment(claim)).count()
    };
    let waited = tokio::time::timeout(GUARD, async {
        while count() < at_least {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The commit follows the store: whoever waits for the catalog's next answer waits for it.
        tokio::time::sleep(Duration::from_millis(1)).await;
    });
    waited.await.expect("the segments are stored");
    count()
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_the_publisher_has_the_grace_time_again_and_no_more() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let count = disk.announced(2).await.len();
    node.kill().await;
    let _node = disk.start();
    tokio::time::sleep(GRACE + Duration::from_secs(1)).await;
    let end = disk.ended().await;
    assert_eq!((end.reason, end.media_sequence), (EndReason::PublisherLeft, MediaSequence(count as u64)));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_could_not_be_announced_follows_after_the_next_start() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    disk.announced(2).await;
    disk.feeds.set_mood(StoreMood::Full);
    node.stop().await;
    assert!(!disk.feeds.appended().iter().any(|one| matches!(one, Appended::End(_))));
    disk.feeds.set_mood(StoreMood::Willing);
    let _node = disk.start();
    assert_eq!(disk.ended().await.reason, EndReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn numbers_that_a_restored_backup_forgot_are_not_used_again() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let segments = disk.announced(2).await;
    node.kill().await;
    // Announced by the life that the backup does not know.
    let id = disk.starts()[0].0;
    let forgotten = MediaSegment { media_sequence: MediaSequence(40), ..segments[0].clone() };
    disk.feeds.insert_segment(id, forgotten, None);

    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let after = disk.announced(segments.len() + 2).await.split_off(segments.len());
    assert_eq!(after[0].media_sequence, MediaSequence(41));
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_peers_know_more_of_than_a_restored_backup_ends_and_another_begins() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let segments = disk.announced(2).await;
    node.kill().await;

    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(1).await;
    // Peers give back what the backup does not know, the number that comes next among it.
    let id = disk.starts()[0].0;
    let next = segments.len() as u64;
    for sequence in next..next + 2 {
        let segment = stream_model::Cid::new_v1(0x55, segments[0].segment.hash().to_owned());
        let init = segments[0].segment;
        let forgotten = MediaSegment { media_sequence: MediaSequence(sequence), segment, init, ..segments[0].clone() };
        disk.feeds.insert_segment(id, forgotten, None);
    }
    encoder.seconds(9).await;
    disk.appended("two starts", |all| all.iter().filter(|one| matches!(one, Appended::Start(..))).count() == 2).await;
    let end = disk.ended().await;
    assert_eq!((end.broadcast, end.media_sequence), (id, MediaSequence(next + 2)));
    let all = disk.announced(segments.len() + 1).await;
    assert_eq!(all[segments.len()].media_sequence, MediaSequence(0), "the second broadcast begins by itself");
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_was_announced_but_not_written_down_is_ended() {
    let disk = Disk::new();
    let orphan = BroadcastId(MessageKey([9; 32]));
    disk.feeds.insert(Listing {
        id: orphan,
        author: FeedId([7; 32]),
        own: true,
        peer: peer_id(1),
        title: String::new(),
        description: String::new(),
        target_duration: TARGET,
        tracks: AUDIO,
        archive: true,
        started_at: TODAY,
        state: BroadcastState::Live,
        media_sequence: None,
        manifest: None,
        rendition: None,
    });
    let _node = disk.start();
    assert_eq!(disk.ended().await.broadcast, orphan);
}

#[tokio::test(start_paused = true)]
async fn another_target_duration_starts_another_broadcast() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    disk.announced(2).await;
    node.kill().await;
    let node = disk.start_with(TARGET * 2);
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(9).await;
    disk.appended("two starts", |all| all.iter().filter(|one| matches!(one, Appended::Start(..))).count() == 2).await;
    assert_eq!(disk.ended().await.broadcast, disk.starts()[0].0);
    assert_eq!(disk.starts()[1].1.target_duration, TARGET * 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_that_recovers_costs_nothing_that_the_stage_holds() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let before = disk.announced(2).await.len();
    disk.store.set_mood(StoreMood::Full);
    encoder.seconds(4).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    disk.store.set_mood(StoreMood::Willing);
    encoder.seconds(4).await;
    let segments = disk.announced(before + 3).await;
    assert_in_order(&segments);
    assert_eq!(timelines(&segments), [0], "nothing is missing");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_full_does_not_keep_a_broadcast_alive_whose_publisher_left() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let before = disk.announced(2).await.len();
    disk.store.set_mood(StoreMood::Full);
    encoder.seconds(20).await;
    drop(encoder);
    tokio::time::sleep(GRACE).await;
    let end = disk.ended().await;
    assert_eq!((end.reason, end.media_sequence), (EndReason::PublisherLeft, MediaSequence(before as u64)));
    assert_eq!(node.status.broadcast(&name()), None);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_store_never_slows_the_publisher_and_leaves_a_discontinuity() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    let before = disk.announced(2).await.len();
    disk.store.set_mood(StoreMood::Stuck);
    // Each event is sent with a bound on the time that it may take.
    encoder.seconds(120).await;
    disk.store.set_mood(StoreMood::Willing);
    let staged = disk.announced(before + 4).await.len();
    encoder.seconds(5).await;
    let segments = disk.announced(staged + 2).await;
    assert!(segments.len() < 20, "most of 60 segments did not fit: {}", segments.len());
    assert_in_order(&segments);
    assert_eq!(timelines(&segments), [0, 1], "one hole, where the stage was full");
}

#[tokio::test(start_paused = true)]
async fn an_untrusted_clock_dates_nothing_and_a_trusted_one_only_moves_at_a_discontinuity() {
    let disk = Disk::new();
    disk.clock.0.store(0, Ordering::Relaxed);
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    disk.announced(2).await;
    disk.clock.0.store(TODAY.0, Ordering::Relaxed);
    encoder.seconds(4).await;
    drop(encoder);
    let undated = disk.announced(5).await;
    assert!(undated.iter().all(|segment| segment.program_date_time.is_none()));

    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(3).await;
    disk.announced(undated.len() + 1).await;
    // The clock is set while the timeline goes on: nothing moves.
    disk.clock.0.store(TODAY.0 + 86_400_000, Ordering::Relaxed);
    encoder.seconds(4).await;
    let dated = disk.announced(undated.len() + 3).await.split_off(undated.len());
    let times: Vec<u64> = dated.iter().map(|segment| segment.program_date_time.unwrap().0).collect();
    let lengths: Vec<u64> = dated.iter().map(|segment| segment.duration.as_millis() as u64).collect();
    assert_eq!(times[0], TODAY.0 - lengths[0], "its first sample came before it was complete");
    for (pair, length) in times.windows(2).zip(lengths) {
        assert!((pair[1] - pair[0]).abs_diff(length) <= 1, "dates follow the media: {times:?}");
    }
    assert_eq!(dated[0].discontinuity_sequence, DiscontinuitySequence(1));
}

#[tokio::test(start_paused = true)]
async fn several_names_are_broadcast_at_once() {
    let disk = Disk::new();
    let node = disk.start();
    let mut first = node.publish(AUDIO).await;
    let (events, taken) = mpsc::channel(64);
    let other = Publication { name: "other".parse().unwrap(), title: None, events: taken };
    node.publications.send(other).await.unwrap();
    let mut second = Encoder { tracks: AUDIO, events, millis: 0 };
    second.introduce().await;
    for _ in 0..5 {
        first.seconds(1).await;
        second.seconds(1).await;
    }
    disk.announced(4).await;
    let broadcasts = node.status.broadcasts();
    assert_eq!(broadcasts.len(), 2);
    for (_, id) in broadcasts {
        let of_it = disk.feeds.announced().into_iter().filter(|(broadcast, ..)| *broadcast == id);
        assert_in_order(&of_it.map(|(_, segment, _)| segment).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn the_whole_streamer_listens_reports_and_stops() {
    let disk = Disk::new();
    let mut config = streamer::Config::default();
    config.ingest.listen = "127.0.0.1:0".parse().unwrap();
    let standings = MemoryStandings::new(FeedId([7; 32]));
    let ports = streamer::Ports {
        store: Arc::new(disk.store.clone()),
        reader: Arc::new(disk.store.clone()),
        fetcher: Arc::new(MemoryFetcher::new(disk.store.clone(), MemoryStore::default())),
        announcements: Arc::new(disk.feeds.clone()),
        directory: Arc::new(disk.feeds.clone()),
        neighbours: Arc::new(MemoryNeighbours::default()),
        follows: Arc::new(MemoryFollows::default()),
        standings: Arc::new(standings.clone()),
        standing_log: Arc::new(standings.clone()),
        messages: Arc::new(standings),
        programme_log: Arc::new(disk.feeds.clone()),
        carrier: Arc::new(MemoryCarrier::new(disk.store.clone(), MemoryStore::default())),
        peer: peer_id(1),
        clock: Arc::new(SystemClock),
    };
    let stop = CancellationToken::new();
    let database = disk.directory.path().join("streamer.sqlite3");
    let node = Streamer::start(config, &database, ports, stop.clone()).unwrap();
    tokio::net::TcpStream::connect(node.rtmp_addr()).await.expect("it listens");
    node.stream_keys().add(name()).await.unwrap();
    assert_eq!(node.reporter().publishing(), []);
    let unknown = BroadcastId(MessageKey([0; 32]));
    assert!(node.playlists().live(&unknown, Audience::MediaSource, Ipv4Addr::LOCALHOST.into()).await.is_err());
    stop.cancel();
    tokio::time::timeout(GUARD, node.join()).await.expect("it ends").unwrap();
}
