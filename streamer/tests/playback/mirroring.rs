//! What a node fetches though nobody asks for it, and what it gives up.

use stream_model::{FollowGraph as _, Relation};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_mirror_fetches_all_that_is_live_and_its_manifests() {
    let world = World::with_show();
    let node = world.start_as(VIEWER, Mirror::All);
    for number in 0..10 {
        world.announce(number..number + 1).await;
        node.holds(SHOW, number + 1).await;
        tokio::time::sleep(TARGET).await;
    }
    let claims = world.here.claims();
    let manifests: Vec<&Claim> = claims.iter().filter(|claim| matches!(claim, Claim::LiveManifest(..))).collect();
    assert_eq!(manifests.len(), WINDOW, "superseded ones are released");
    assert!(manifests.contains(&&Claim::LiveManifest(SHOW, MediaSequence(9))));
    assert!(node.lists(9).await.entries.len() >= WINDOW);
}

#[tokio::test(start_paused = true)]
async fn a_mirror_fills_the_gap_of_its_absence_newest_first() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start_as(VIEWER, Mirror::All);
    node.holds(SHOW, 2).await;
    node.kill().await;
    world.announce(2..20).await;
    let node = world.start_as(VIEWER, Mirror::All);
    node.holds(SHOW, 20).await;
    let fetched = node.fetched();
    assert_eq!(fetched[0], 19);
    assert!(fetched.is_sorted_by(|earlier, later| earlier >= later), "{fetched:?}");
}

#[tokio::test(start_paused = true)]
async fn another_policy_holds_at_once_for_what_is_live() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start_as(VIEWER, Mirror::Watched);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(node.playback.held_segments(&SHOW), 0, "nobody watches");
    node.playback.mirror(Mirror::All);
    node.holds(SHOW, 2).await;
    node.playback.mirror(Mirror::None);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(node.playback.held_segments(&SHOW), 0, "given up as nobody asks for it");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_broadcasts_is_not_a_flood_of_fetches() {
    let world = World::new();
    for number in 0..2000_u32 {
        let mut key = [5; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        let id = BroadcastId(MessageKey(key));
        world.list(id);
        // Content that nobody has.
        let segment = world.segment(SHOW, 0, 0).await;
        let nowhere = testkit::fakes::cid_of(&key);
        world.feeds.insert_segment(id, MediaSegment { segment: nowhere, init: nowhere, ..segment }, None);
    }
    let node = world.start_as(VIEWER, Mirror::All);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(node.fetcher.most_at_once() <= 12, "{} fetches at once", node.fetcher.most_at_once());

    // A viewer is still served.
    world.list(SHOW);
    world.announce(0..2).await;
    node.lists(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_mirror_of_the_followed_fetches_theirs_and_nobody_elses() {
    let world = World::with_show();
    let node = world.start_as(VIEWER, Mirror::Followed);
    world.announce(0..2).await;
    tokio::time::sleep(TARGET).await;
    assert_eq!(node.playback.held_segments(&SHOW), 0);

    world.follows.relate(AUTHOR, Relation::Following).await.unwrap();
    world.announce(2..4).await;
    node.holds(SHOW, 2).await;

    world.follows.relate(AUTHOR, Relation::Neutral).await.unwrap();
    tokio::time::sleep(2 * GUARD).await;
    world.announce(4..6).await;
    tokio::time::sleep(GUARD).await;
    assert_eq!(node.playback.held_segments(&SHOW), 2, "and none from then on");
}

#[tokio::test(start_paused = true)]
async fn what_is_mirrored_by_nobodys_wish_is_given_up_when_nobody_asks_any_more() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start_as(VIEWER, Mirror::None);
    node.lists(1).await;
    node.holds(SHOW, 2).await;
    assert!(!world.here.claims().is_empty());
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(world.here.claims(), []);
    assert_eq!(node.playback.held_segments(&SHOW), 0);
    node.kill().await;

    world.announce(2..3).await;
    let node = world.start_as(VIEWER, Mirror::None);
    assert_eq!(node.playback.held_segments(&SHOW), 0, "after a restart either");
    assert_eq!(newest(&node.lists(2).await), Some(2), "it comes back when it is watched again");
}

#[tokio::test(start_paused = true)]
async fn what_is_watched_again_while_it_is_given_up_is_not_given_up_with_it() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start_as(VIEWER, Mirror::None);
    node.lists(1).await;
    node.holds(SHOW, 2).await;
    world.here.hold_releases(true);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(node.playback.held_segments(&SHOW), 0, "it is being given up");

    world.announce(2..3).await;
    tokio::join!(node.holds(SHOW, 1), async {
        node.playback.live(&SHOW, Audience::MediaSource, PHONE).await.unwrap();
        tokio::time::sleep(TARGET).await;
        world.here.hold_releases(false);
    });
    assert!(world.here.holds(&world.cid_of(2).await).await);
    // What follows what is given up.
    tokio::time::sleep(TARGET).await;
    node.kill().await;
    let node = world.start_as(VIEWER, Mirror::None);
    node.holds(SHOW, 1).await;
}
