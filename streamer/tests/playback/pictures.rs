//! Pictures to look through a broadcast with.

use std::time::Duration;

use stream_model::{BroadcastId, MediaSequence, MessageKey, PlaylistError, Playlists as _};
use tokio::task::JoinSet;

use crate::world::*;

const PICTURES: BroadcastId = BroadcastId(MessageKey([4; 32]));

/// Announces pictures of segments with these numbers.
async fn announce(world: &World, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let pictures = world.segment(PICTURES, number, 0).await;
        world.feeds.insert_segment(PICTURES, pictures, None);
    }
}

#[tokio::test(start_paused = true)]
async fn which_picture_shows_which_moment_is_told_without_fetching_any() {
    let world = World::with_show();
    let node = world.start();
    assert!(matches!(node.playback.thumbnails(&SHOW).await, Err(PlaylistError::NotFound)));
    world.list_pictures(PICTURES);
    world.announce(0..3).await;
    assert!(matches!(node.playback.thumbnails(&SHOW).await, Err(PlaylistError::NotYet(_))), "there are none yet");
    announce(&world, [0, 2]).await;
    let text = node.playback.thumbnails(&SHOW).await.unwrap();
    let cues: Vec<_> = text.lines().filter(|line| line.contains("-->")).collect();
    let expected = [
        "00:00:00.000 --> 00:00:01.000",
        "00:00:01.000 --> 00:00:02.000",
        "00:00:04.000 --> 00:00:05.000",
        "00:00:05.000 --> 00:00:06.000",
    ];
    assert_eq!(cues, expected);
    assert!(text.ends_with(&format!("../{}/2.jpg#xywh=256,0,256,144\n", PICTURES.slug())), "{text}");
    assert_eq!(node.fetcher.requests().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_poster_is_that_of_the_newest_timeline() {
    let world = World::with_show();
    let node = world.start();
    world.list_pictures(PICTURES);
    assert!(matches!(node.playback.poster(&SHOW).await, Err(PlaylistError::NotYet(_))), "there is none yet");
    announce(&world, [0]).await;
    let newest = world.segment(PICTURES, 1, 1).await;
    world.feeds.insert_segment(PICTURES, newest.clone(), None);
    assert_eq!(node.playback.poster(&SHOW).await.unwrap(), newest.init);
    assert_eq!(node.fetcher.requests().len(), 1, "nothing but the poster");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_pictures_keeps_nobody_waiting_who_watches() {
    let world = World::with_show();
    world.list_pictures(PICTURES);
    let announced = world.announce(0..10).await;
    let node = world.start();
    for number in 0..20 {
        let pictures = world.segment(PICTURES, number, 0).await;
        node.fetcher.lose(pictures.segment);
        world.feeds.insert_segment(PICTURES, pictures, None);
    }
    let mut asking = JoinSet::new();
    for number in 0..20 {
        let playback = node.playback.clone();
        asking.spawn(async move { playback.segment(&PICTURES, MediaSequence(number)).await });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(node.fetcher.running(), 2);
    assert_eq!(node.playback.segment(&SHOW, MediaSequence(0)).await.unwrap(), announced[0].segment);
}
