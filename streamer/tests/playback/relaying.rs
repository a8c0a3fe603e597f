//! What a node fetches because its neighbours ask for it.

use stream_model::ArchiveKind;

use super::*;

/// Longer than a neighbour's interest lasts.
const INTEREST: Duration = Duration::from_secs(150);

/// A node that listens to its neighbours.
async fn start(world: &World) -> Node {
    let node = world.start();
    tokio::time::sleep(TARGET).await;
    node
}

fn broadcast(number: u8) -> BroadcastId {
    BroadcastId(MessageKey([100 + number; 32]))
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_a_neighbour_asks_for_is_fetched_until_it_stops_asking() {
    let world = World::with_show();
    let node = start(&world).await;
    let announced = world.announce(0..2).await;
    tokio::time::sleep(TARGET).await;
    assert_eq!(node.fetched(), [] as [u64; 0], "nobody asks");

    world.neighbours.ask(peer_id(7), announced[1].segment);
    node.holds(SHOW, 2).await;
    for number in 2..200 {
        // The neighbour gets each segment from here, also those that came before it asked for them.
        let announced = world.announce(number..number + 1).await;
        node.holds(SHOW, number + 1).await;
        world.neighbours.ask(peer_id(7), announced[0].segment);
        tokio::time::sleep(TARGET).await;
    }
    tokio::time::sleep(INTEREST).await;
    world.announce(200..201).await;
    tokio::time::sleep(INTEREST).await;
    assert_eq!(node.playback.held_segments(&SHOW), 200);
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_may_ask_before_the_announcement_is_here() {
    let world = World::with_show();
    let node = start(&world).await;
    world.announce(0..1).await;
    let next = world.segment(SHOW, 1, 0).await;
    world.neighbours.ask(peer_id(7), next.segment);
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.announce(1..2).await;
    node.holds(SHOW, 2).await;
}

#[tokio::test(start_paused = true)]
async fn of_what_is_past_only_what_a_neighbour_asks_for_is_fetched_and_nothing_that_nobody_announced() {
    let world = World::with_show();
    let announced = world.announce(0..20).await;
    let node = start(&world).await;
    let cached = |root: Cid| (Claim::Gateway(root), root);
    world.neighbours.ask(peer_id(7), announced[3].segment);
    for byte in 0..255 {
        world.neighbours.ask(peer_id(7), testkit::fakes::cid_of(&[byte]));
    }
    tokio::time::sleep(INTEREST).await;
    assert_eq!(node.fetcher.requests(), [cached(announced[3].segment)]);
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    world.neighbours.ask(peer_id(7), announced[19].segment);
    world.neighbours.ask(peer_id(8), announced[19].init);
    world.neighbours.ask(peer_id(8), announced[3].segment);
    tokio::time::sleep(INTEREST).await;
    let mut asked = node.fetcher.requests().split_off(1);
    asked.sort_by_key(|(_, root)| root.to_bytes());
    let mut expected = [cached(announced[19].segment), cached(announced[19].init)];
    expected.sort_by_key(|(_, root)| root.to_bytes());
    assert_eq!(asked, expected);
    assert_eq!(node.playback.held_segments(&SHOW), 0, "it is a cache");
}

#[tokio::test(start_paused = true)]
async fn an_archive_is_passed_on_from_its_manifest_to_its_segments() {
    let world = World::with_show();
    let segments = world.recorded(0..4).await;
    let archive = world.archive(ArchiveKind::Hour, std::slice::from_ref(&segments)).await;
    world.feeds.insert_archive(archive.clone());
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let node = start(&world).await;
    world.neighbours.ask(peer_id(7), segments[2].segment);
    tokio::time::sleep(INTEREST).await;
    assert_eq!(node.fetcher.requests(), [], "nothing that this node knows lists it");

    world.neighbours.ask(peer_id(7), archive.manifest);
    tokio::time::sleep(TARGET).await;
    world.neighbours.ask(peer_id(7), segments[2].segment);
    tokio::time::sleep(TARGET).await;
    let fetched = node.fetcher.requests();
    assert!(matches!(fetched[0].0, Claim::ArchivePlaylist(..)), "{fetched:?}");
    assert_eq!(fetched[1..], [(Claim::Gateway(segments[2].segment), segments[2].segment)]);
}

#[tokio::test(start_paused = true)]
async fn one_neighbour_cannot_have_everything_fetched_and_leaves_room_for_others() {
    let world = World::new();
    let mut newest = Vec::new();
    for number in 0..40 {
        let id = broadcast(number);
        world.list(id);
        let segment = world.segment(id, 0, 0).await;
        world.feeds.insert_segment(id, segment.clone(), None);
        newest.push(segment.segment);
    }
    let node = start(&world).await;
    let ask = |peer: u8, first: usize| {
        for cid in &newest[first..] {
            world.neighbours.ask(peer_id(peer), *cid);
        }
    };
    let fetched = || (0..40).filter(|number| node.playback.held_segments(&broadcast(*number)) > 0).count();
    ask(7, 0);
    tokio::time::sleep(10 * TARGET).await;
    assert_eq!(fetched(), 8);
    ask(8, 20);
    tokio::time::sleep(10 * TARGET).await;
    assert_eq!(fetched(), 16);
    ask(9, 30);
    tokio::time::sleep(10 * TARGET).await;
    assert_eq!(fetched(), 16);
}
