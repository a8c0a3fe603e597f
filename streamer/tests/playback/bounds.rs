//! What those who ask can make a node fetch: so much at a time, however many they are, and nothing once they are gone.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::future::join_all;
use stream_model::{
    Audience, BroadcastId, DownloadRequest, Downloads as _, MediaSequence, MessageKey, MissingMedia, PlaylistError,
    Playlists as _,
};
use tokio::task::JoinSet;

use crate::world::*;

/// Longer than a broadcast is followed after it was last asked for.
const LONGER_THAN_INTEREST: Duration = Duration::from_secs(150);

/// Longer than anything that is waited for here takes to begin, and shorter than any of it is waited for.
const A_WHILE: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn eight_fetches_run_for_all_who_ask_for_the_past_and_end_with_them() {
    let world = World::with_show();
    let announced = world.announce(0..100).await;
    let node = world.start();
    for segment in &announced {
        node.fetcher.lose(segment.segment);
    }
    let mut asking = JoinSet::new();
    for number in 0..90 {
        let playback = node.playback.clone();
        asking.spawn(async move { playback.segment(&SHOW, MediaSequence(number)).await });
    }
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((node.fetcher.running(), node.fetcher.most_at_once()), (8, 8));
    asking.shutdown().await;
    assert_eq!(node.fetcher.running(), 0, "all have gone away");
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_given_up_before_its_first_byte_fetches_nothing_more() {
    let world = World::with_show();
    let announced = world.announce(0..20).await;
    let node = world.start();
    for segment in &announced {
        node.fetcher.lose(segment.segment);
    }
    let request = DownloadRequest { broadcast: SHOW, from: None, to: None, missing: MissingMedia::Abort };
    assert!(
        tokio::time::timeout(A_WHILE, node.playback.download(request)).await.is_err(),
        "it waits for its beginning"
    );
    let initialization_section_and_segment = 2;
    assert_eq!(node.fetcher.requests().len(), initialization_section_and_segment);
    assert_eq!((node.fetcher.running(), node.fetcher.most_at_once()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn sixty_four_broadcasts_are_followed_for_viewers_with_eight_fetches_at_once() {
    let world = World::new();
    let ids: Vec<_> = (0..70).map(|number| BroadcastId(MessageKey([100 + number; 32]))).collect();
    let node = world.start();
    for id in &ids {
        world.list(*id);
        let segment = world.segment(*id, 0, 0).await;
        node.fetcher.lose(segment.segment);
        world.feeds.insert_segment(*id, segment, None);
    }
    let asking = ids.iter().zip(0..).map(|(id, viewer)| node.playback.live(id, Audience::MediaSource, address(viewer)));
    let answers = join_all(asking).await;
    assert_eq!(answers.iter().filter(|answer| is_followed(answer)).count(), 64, "the rest are to ask again later");
    assert_eq!(node.fetcher.most_at_once(), 8);
}

#[tokio::test(start_paused = true)]
async fn no_viewer_takes_more_places_than_it_leaves_to_others() {
    let world = World::new();
    let ids: Vec<_> = (0..120).map(|number| BroadcastId(MessageKey([100 + number; 32]))).collect();
    ids.iter().for_each(|id| world.list(*id));
    let node = world.start();
    let ask = async |ids: &[BroadcastId], viewer: IpAddr| {
        let answers = join_all(ids.iter().map(|id| node.playback.live(id, Audience::MediaSource, viewer))).await;
        answers.iter().filter(|answer| is_followed(answer)).count()
    };
    let mapped = IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
    assert_eq!(ask(&ids[..20], address(1)).await, 20);
    assert_eq!(ask(&ids[20..60], mapped).await, 12, "the same address, written in another way");
    assert_eq!(ask(&ids[60..80], address(2)).await, 16);
    assert_eq!(ask(&ids[80..100], address(3)).await, 8);
    assert_eq!(ask(&ids[..20], address(4)).await, 20, "what is followed is for everybody");
    assert_eq!(ask(&ids[100..101], address(4)).await, 1);

    tokio::time::sleep(LONGER_THAN_INTEREST).await;
    assert_eq!(ask(&ids[100..], address(1)).await, 20, "what nobody asks for any more leaves its place");
}

fn is_followed(answer: &Result<String, PlaylistError>) -> bool {
    match answer {
        Err(PlaylistError::NotYet(after)) => *after < Duration::from_secs(10),
        other => panic!("{other:?}"),
    }
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}
