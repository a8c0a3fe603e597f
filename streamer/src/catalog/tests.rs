use std::time::Duration;

use stream_model::{DiscontinuitySequence, EndReason, MediaSegment, MediaSequence, Tracks, WallTime};
use tempfile::TempDir;

use super::*;
use crate::manifest::Head;

const ID: BroadcastId = BroadcastId(MessageKey([1; 32]));

fn open(directory: &TempDir) -> Catalog {
    Catalog::open(&directory.path().join("streamer.sqlite3")).unwrap()
}

fn record() -> BroadcastRecord {
    BroadcastRecord {
        id: ID,
        name: "demo".parse().unwrap(),
        stage: BroadcastStage::Live,
        tracks: Tracks { video: true, audio: false },
        target_duration: Duration::from_secs(15),
        archive: true,
        started_at: WallTime(5),
        next_media_sequence: MediaSequence(0),
        discontinuity_sequence: DiscontinuitySequence(0),
    }
}

fn segment(number: u64, content: &[u8]) -> MediaSegment {
    let cid = testkit::fakes::cid_of(content);
    MediaSegment {
        media_sequence: MediaSequence(number),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_millis(14_014),
        program_date_time: Some(WallTime(77)),
        independent: true,
        segment: cid,
        init: cid,
    }
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = open(&directory);
    catalog.create_broadcast(record()).await.unwrap();
    let segments = [segment(0, b"a"), segment(1, b"b"), segment(2, b"c")];
    for one in &segments {
        catalog.commit_segment(ID, one.clone(), 3, Some(WallTime(1000 - one.media_sequence.0))).await.unwrap();
    }
    catalog.mark_announced(ID, MediaSequence(0), segments[0].segment).await.unwrap();
    let head =
        Head { entries: vec![(&segments[0]).into()], next: MediaSequence(1), independent_segments: true, ended: false };
    catalog.save_head(ID, head.clone(), WallTime(0)).await.unwrap();
    drop(catalog);

    let catalog = open(&directory);
    let next = BroadcastRecord { next_media_sequence: MediaSequence(3), ..record() };
    assert_eq!(catalog.unended_broadcasts().await.unwrap(), [next]);
    assert_eq!(catalog.first_unannounced(ID).await.unwrap().as_ref(), Some(&segments[1]));
    assert_eq!(catalog.window(ID, MediaSequence(2), 2).await.unwrap(), segments[1..]);
    assert_eq!(catalog.newest_wall_time().await.unwrap(), Some(WallTime(1000)), "the newest, not the last");
    assert_eq!(catalog.head(ID).await.unwrap(), Some(head));
}

#[tokio::test]
async fn a_number_is_used_once() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = open(&directory);
    catalog.create_broadcast(record()).await.unwrap();
    catalog.commit_segment(ID, segment(0, b"a"), 1, None).await.unwrap();
    let other = catalog.commit_segment(ID, segment(0, b"other"), 1, None).await;
    assert!(matches!(other, Err(CatalogError::Damaged(_))), "{other:?}");
    catalog.commit_segment(ID, segment(0, b"a"), 1, None).await.expect("the same segment again, whose answer got lost");
    assert_eq!(catalog.unended_broadcasts().await.unwrap()[0].next_media_sequence, MediaSequence(1));

    catalog.skip_to(ID, MediaSequence(10)).await.unwrap();
    catalog.skip_to(ID, MediaSequence(5)).await.unwrap();
    assert!(catalog.commit_segment(ID, segment(9, b"b"), 1, None).await.is_err());
    catalog.commit_segment(ID, segment(10, b"b"), 1, None).await.unwrap();
}

#[tokio::test]
async fn a_broadcast_that_has_ended_takes_no_segment() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = open(&directory);
    catalog.create_broadcast(record()).await.unwrap();
    for reason in [EndReason::PublisherLeft, EndReason::Shutdown, EndReason::TracksChanged] {
        let ending = BroadcastStage::Ending(reason);
        catalog.set_stage(ID, ending).await.unwrap();
        assert_eq!(catalog.unended_broadcasts().await.unwrap()[0].stage, ending);
        let late = catalog.commit_segment(ID, segment(0, b"a"), 1, None).await;
        assert!(matches!(late, Err(CatalogError::NotLive(ID))), "{late:?}");
    }
    catalog.set_stage(ID, BroadcastStage::Ended).await.unwrap();
    assert_eq!(catalog.unended_broadcasts().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_held_is_what_was_fetched_and_what_was_announced() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = open(&directory);
    let foreign = BroadcastId(MessageKey([2; 32]));
    catalog.note_fetched(foreign, vec![MediaSequence(7)]).await.unwrap();
    catalog.note_fetched(foreign, vec![MediaSequence(7)]).await.unwrap();
    catalog.create_broadcast(record()).await.unwrap();
    catalog.commit_segment(ID, segment(0, b"a"), 1, None).await.unwrap();
    catalog.commit_segment(ID, segment(1, b"b"), 1, None).await.unwrap();
    catalog.mark_announced(ID, MediaSequence(0), testkit::fakes::cid_of(b"manifest")).await.unwrap();
    let held = catalog.held_segments(|numbers: &mut Vec<u64>, sequence| numbers.push(sequence.0)).await.unwrap();
    assert_eq!(held.len(), 2);
    assert_eq!((&held[&foreign], &held[&ID]), (&vec![7], &vec![0]));
}

#[tokio::test]
async fn heads_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = open(&directory);
    let head = Head { entries: Vec::new(), next: MediaSequence(1), independent_segments: true, ended: false };
    let id = |number: u64| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        BroadcastId(MessageKey(key))
    };
    for number in [0, 1] {
        catalog.save_head(id(number), head.clone(), WallTime(number)).await.unwrap();
    }
    let many = catalog.run(|connection| {
        connection.execute_batch(
            "WITH RECURSIVE later (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM later WHERE n < 1000)
             INSERT INTO playback_head SELECT randomblob(32), n, '' FROM later",
        )?;
        Ok(())
    });
    many.await.unwrap();
    catalog.prune_heads().await.unwrap();
    assert_eq!(catalog.head(id(0)).await.unwrap(), None, "used least recently");
    assert_eq!(catalog.head(id(1)).await.unwrap(), Some(head));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(&directory));
    let file = directory.path().join("streamer.sqlite3");
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(Catalog::open(&file), Err(CatalogError::TooNew(999))));
}

#[tokio::test]
async fn the_stream_keys_share_the_file() {
    use stream_model::StreamKeys as _;
    let directory = tempfile::tempdir().unwrap();
    let keys = crate::keys::KeyStore::open(&directory.path().join("streamer.sqlite3")).unwrap();
    let catalog = open(&directory);
    keys.add("demo".parse().unwrap()).await.unwrap();
    catalog.create_broadcast(record()).await.unwrap();
    assert_eq!(keys.list().await.unwrap().len(), 1);
}
