//! What a node fetches because its neighbours ask for it.

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
async fn what_is_not_the_newest_of_a_live_broadcast_is_fetched_for_nobody() {
    let world = World::with_show();
    let announced = world.announce(0..20).await;
    let node = start(&world).await;
    world.neighbours.ask(peer_id(7), announced[3].segment);
    for byte in 0..255 {
        world.neighbours.ask(peer_id(7), testkit::fakes::cid_of(&[byte]));
    }
    tokio::time::sleep(INTEREST).await;
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    world.neighbours.ask(peer_id(7), announced[19].segment);
    tokio::time::sleep(INTEREST).await;
    assert_eq!(node.fetcher.requests(), []);
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
