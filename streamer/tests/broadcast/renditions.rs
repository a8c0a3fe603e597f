//! Renditions as broadcasts: those with sound alone, which need no encoder.

use std::collections::BTreeMap;

use super::*;

/// The segments that were announced of each broadcast.
fn announced(disk: &Disk) -> BTreeMap<BroadcastId, Vec<MediaSegment>> {
    let mut found: BTreeMap<BroadcastId, Vec<MediaSegment>> = BTreeMap::new();
    for (broadcast, segment, _) in disk.feeds.announced() {
        found.entry(broadcast).or_default().push(segment);
    }
    found
}

/// The original and its rendition.
fn both(disk: &Disk) -> (BroadcastId, BroadcastId) {
    let starts = disk.starts();
    let [(original, start), (rendition, of)] = &starts[..] else { panic!("{} broadcasts", starts.len()) };
    assert_eq!((start.rendition.as_ref(), of.rendition.as_ref().map(|one| one.of)), (None, Some(*original)));
    (*original, *rendition)
}

/// Waits until a rendition has a segment of this number.
async fn reaches(disk: &Disk, broadcast: BroadcastId, number: u64) {
    let has = |one: &Appended| matches!(one, Appended::Live(id, segment, _) if *id == broadcast && segment.media_sequence.0 >= number);
    disk.appended("a segment of the rendition", |all| all.iter().any(has)).await;
}

#[tokio::test(start_paused = true)]
async fn a_rendition_has_the_numbers_and_times_of_the_original_and_ends_with_it() {
    let disk = Disk::new();
    let node = disk.start_with_sound_alone();
    let mut encoder = node.publish_titled(BOTH, Some("Main hall")).await;
    encoder.seconds(9).await;
    disk.announced(6).await;
    let (original, rendition) = both(&disk);
    let start = disk.starts()[1].1.clone();
    let variant = start.rendition.unwrap();
    assert_eq!((start.title.as_str(), start.tracks), ("Main hall (Sound)", AUDIO));
    assert_eq!((variant.variant.codecs.as_str(), variant.variant.resolution), ("mp4a.40.2", None));
    assert_eq!(variant.original.resolution, Some((320, 240)));
    assert!(variant.original.bandwidth > variant.variant.bandwidth);

    drop(encoder);
    reaches(&disk, rendition, 3).await;
    let segments = announced(&disk);
    for (one, other) in segments[&original].iter().zip(&segments[&rendition]) {
        let times = |segment: &MediaSegment| {
            (segment.media_sequence, segment.discontinuity_sequence, segment.duration, segment.program_date_time)
        };
        assert_eq!(times(one), times(other));
        assert_ne!(one.segment, other.segment);
        assert!(disk.store.file(&other.segment).unwrap().len() < disk.store.file(&one.segment).unwrap().len());
    }
    tokio::time::sleep(GRACE).await;
    let ends = |all: &[Appended]| all.iter().filter(|one| matches!(one, Appended::End(_))).count() == 2;
    disk.appended("both ends", ends).await;
}

#[tokio::test(start_paused = true)]
async fn a_rendition_goes_on_after_a_restart_and_ends_where_its_original_does_not_come_back() {
    let disk = Disk::new();
    let node = disk.start_with_sound_alone();
    let mut encoder = node.publish(BOTH).await;
    encoder.seconds(5).await;
    disk.announced(3).await;
    let (_, rendition) = both(&disk);
    reaches(&disk, rendition, 0).await;
    node.kill().await;

    let node = disk.start_with_sound_alone();
    let before = announced(&disk)[&rendition].last().unwrap().media_sequence.0;
    let mut encoder = node.publish(BOTH).await;
    encoder.seconds(5).await;
    reaches(&disk, rendition, before + 1).await;
    assert_eq!(disk.starts().len(), 2, "no other broadcast was begun");
    node.kill().await;

    let _node = disk.start_with_sound_alone();
    tokio::time::sleep(GRACE).await;
    let ends = |all: &[Appended]| all.iter().filter(|one| matches!(one, Appended::End(_))).count() == 2;
    disk.appended("both ends", ends).await;
}

#[tokio::test(start_paused = true)]
async fn what_has_no_picture_is_its_own_rendition() {
    let disk = Disk::new();
    let node = disk.start_with_sound_alone();
    node.publish(AUDIO).await.seconds(9).await;
    disk.announced(3).await;
    node.stop().await;
    assert_eq!(disk.starts().len(), 1);
}
