//! Playlists of others' broadcasts and of one's own, against a store, a fetcher and a directory in memory and tokio's
//! paused clock.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod bounds;
mod mirroring;
mod pictures;
mod recording;
mod relaying;
mod world;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use stream_model::{
    Audience, BroadcastId, BroadcastState, BroadcastTimeline, Cid, Claim, ContentStore as _, DirectoryEntry,
    DiscontinuitySequence, MediaSegment, MediaSequence, MessageKey, PlaylistChange, PlaylistError, Playlists as _,
    WallTime,
};
use streamer::manifest::{MediaPlaylist, parse_media_playlist};
use streamer::playback::Mirror;
use testkit::fakes::peer_id;
use tokio::time::Instant;

use world::*;

#[tokio::test(start_paused = true)]
async fn a_viewer_joins_near_the_live_edge() {
    let world = World::with_show();
    world.announce(0..20).await;
    let node = world.start();
    let playlist = node.lists(19).await;
    assert_eq!(numbers(&playlist), [18, 19]);
    assert_eq!(gaps(&playlist), [] as [u64; 0]);
    let mut fetched = node.fetched();
    fetched.sort_unstable();
    assert_eq!(fetched, [18, 19], "nothing else is fetched for a viewer");
    world.announce(20..21).await;
    assert_eq!(numbers(&node.lists(20).await), [18, 19, 20]);
    assert_eq!(node.playback.held_segments(&SHOW), 3);
    assert!(!world.here.claimed(&Claim::Segment(SHOW, MediaSequence(20))).is_empty());
    assert!(!world.here.claimed(&Claim::Init(SHOW, MediaSequence(20))).is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_that_nobody_asks_for() {
    let world = World::with_show();
    let node = world.start();
    world.announce(0..5).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(node.fetched(), [] as [u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_segment_is_a_gap_after_its_deadline_and_for_good() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start();
    node.lists(1).await;
    let lost = world.cid_of(2).await;
    node.fetcher.lose(lost);
    world.announce(2..4).await;
    let announced_at = Instant::now();
    assert_eq!(newest(&node.live().await), Some(1), "it is waited for");
    let playlist = node.lists(3).await;
    assert!(announced_at.elapsed() >= PATIENCE);
    assert_eq!(gaps(&playlist), [2]);

    node.fetcher.find(&lost);
    node.holds(SHOW, 4).await;
    world.announce(4..5).await;
    let later = node.lists(4).await;
    assert_eq!(gaps(&later), [2], "it came, too late for this playlist");
    assert_succeeds(&playlist, &later);
}

#[tokio::test(start_paused = true)]
async fn segments_that_never_come_do_not_hold_up_the_newest() {
    let world = World::with_show();
    world.announce(0..1).await;
    let node = world.start();
    node.lists(0).await;
    for number in 1..9 {
        let cid = world.cid_of(number).await;
        node.fetcher.lose(cid);
    }
    for number in 1..10 {
        world.announce(number..number + 1).await;
        tokio::time::sleep(TARGET).await;
    }
    let held = world.cid_of(9).await;
    let waited = tokio::time::timeout(Duration::from_secs(1), async {
        while !world.here.holds(&held).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("the newest takes the place of an older one");
}

#[tokio::test(start_paused = true)]
async fn a_restart_continues_the_playlist() {
    let world = World::with_show();
    world.announce(0..5).await;
    let node = world.start();
    let before = node.lists(4).await;
    node.kill().await;

    world.announce(5..7).await;
    let node = world.start();
    let shown = node.live().await;
    assert_succeeds(&before, &shown);
    let after = node.lists(6).await;
    assert_succeeds(&before, &after);
    assert_eq!(numbers(&after), [3, 4, 5, 6], "as if nothing had happened");
    assert_eq!(node.playback.held_segments(&SHOW), 4, "what was held is known to be");
}

#[tokio::test(start_paused = true)]
async fn after_a_long_absence_the_playlist_goes_on_at_the_live_edge() {
    let world = World::with_show();
    world.announce(0..3).await;
    let node = world.start();
    let before = node.lists(2).await;
    node.kill().await;
    world.announce(3..500).await;
    let node = world.start();
    let after = node.lists(499).await;
    assert_succeeds(&before, &after);
    assert_eq!(numbers(&after), [498, 499]);
    assert_eq!(node.fetched().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn every_playlist_is_a_successor_of_the_one_before() {
    for seed in 0..8_u64 {
        let world = World::with_show();
        world.announce(0..2).await;
        let mut node = world.start();
        let mut shown = vec![node.lists(1).await];
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = 2;
        for _ in 0..60 {
            // xorshift (Marsaglia 2003): any sequence does, as long as it is the same each time.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            match random % 8 {
                0..=2 => {
                    world.announce(next..next + 1).await;
                    next += 1;
                }
                3 => {
                    let lost = world.cid_of(next).await;
                    node.fetcher.lose(lost);
                }
                4 => {
                    let found = world.cid_of(next.saturating_sub(1 + random / 8 % 4)).await;
                    node.fetcher.find(&found);
                }
                5 if random / 8 % 4 == 0 => {
                    node.kill().await;
                    node = world.start();
                }
                _ => tokio::time::sleep(Duration::from_millis(random / 8 % 5000)).await,
            }
            if let Ok(text) = node.playback.live(&SHOW, Audience::MediaSource, PHONE).await {
                shown.push(parse_media_playlist(&text).unwrap());
            }
        }
        for pair in shown.windows(2) {
            assert_succeeds(&pair[0], &pair[1]);
        }
        assert!(next > 8 && newest(shown.last().unwrap()) > Some(5), "seed {seed} went somewhere");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ended_broadcast_gets_its_end_once_everything_is_listed() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start();
    let before = node.lists(1).await;
    let lost = world.cid_of(2).await;
    node.fetcher.lose(lost);
    world.announce(2..4).await;
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let after = node.live_until("ends", |playlist| playlist.ended).await;
    assert_succeeds(&before, &after);
    assert_eq!((newest(&after), gaps(&after)), (Some(3), vec![2]));
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_ended_before_can_still_be_asked_for() {
    let world = World::with_show();
    world.announce(0..9).await;
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let node = world.start();
    let playlist = node.live_until("ends", |playlist| playlist.ended).await;
    assert_eq!(numbers(&playlist), [7, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_is_heard_of_again_goes_on_where_it_was() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start();
    node.lists(1).await;
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let ended = node.live_until("ends", |playlist| playlist.ended).await;
    world.feeds.set_state(SHOW, BroadcastState::Live);
    world.announce(2..3).await;
    let again = node.lists(2).await;
    assert!(!again.ended);
    assert_succeeds(&MediaPlaylist { ended: false, ..ended }, &again);
}

#[tokio::test(start_paused = true)]
async fn interest_ends_two_minutes_after_the_last_request() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start();
    node.lists(1).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    world.announce(2..3).await;
    node.holds(SHOW, 3).await;
    // Nobody asked since: the node waits without asking either.
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.announce(3..4).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(node.playback.held_segments(&SHOW), 3);
    assert_eq!(newest(&node.lists(3).await), Some(3), "and begins again with the next request");
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_is_too_large_is_a_gap_and_not_tried_again() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start();
    node.lists(1).await;
    let huge = Bytes::from(vec![0; 70 << 10]);
    let huge = world.there.add_file(vec![huge], Claim::Init(SHOW, MediaSequence(2))).await.unwrap();
    let segment = world.segment(SHOW, 2, 0).await;
    world.feeds.insert_segment(SHOW, MediaSegment { init: huge.cid, ..segment }, None);
    let playlist = node.lists(2).await;
    assert_eq!(gaps(&playlist), [2]);
    tokio::time::sleep(GUARD).await;
    let tries = node.fetcher.requests().into_iter().filter(|(_, root)| *root == huge.cid).count();
    assert_eq!(tries, 1);
    assert_eq!(world.here.file(&huge.cid), None);
}

#[tokio::test(start_paused = true)]
async fn own_broadcasts_are_followed_without_fetching() {
    let world = World::with_show();
    let node = world.start_as(AUTHOR, Mirror::Watched);
    let mut changes = node.playback.subscribe();
    world.announce(0..3).await;
    let listed = |change: PlaylistChange| std::future::ready(change.media_sequence == Some(MediaSequence(2)));
    let seen = tokio::time::timeout(GUARD, changes.by_ref().any(listed)).await;
    assert_eq!(seen.ok(), Some(true), "without anybody asking");
    assert_eq!(node.fetched(), [] as [u64; 0]);
    assert_eq!(node.playback.held_segments(&SHOW), 3);
    assert_eq!(node.playback.segment(&SHOW, MediaSequence(1)).await.unwrap(), world.cid_of(1).await);

    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let ended = tokio::time::timeout(GUARD, changes.any(|change| std::future::ready(change.ended))).await;
    assert_eq!(ended.ok(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_native_player_waits_for_three_target_durations() {
    let world = World::with_show();
    world.announce(0..2).await;
    let node = world.start();
    node.lists(1).await;
    let asked_at = Instant::now();
    let early = node.playback.live(&SHOW, Audience::Native, PHONE).await;
    assert!(matches!(early, Err(PlaylistError::NotYet(_))), "{early:?}");
    assert!(asked_at.elapsed() < Duration::from_secs(10), "before a player gives up on the first byte");
    world.announce(2..3).await;
    let text = node.playback.live(&SHOW, Audience::Native, PHONE).await.unwrap();
    assert_eq!(numbers(&parse_media_playlist(&text).unwrap()), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_said_so() {
    let world = World::with_show();
    let node = world.start();
    let unknown = BroadcastId(MessageKey([99; 32]));
    let playback = &node.playback;
    assert!(matches!(playback.live(&unknown, Audience::MediaSource, PHONE).await, Err(PlaylistError::NotFound)));
    assert!(matches!(playback.whole(&unknown).await, Err(PlaylistError::NotFound)));
    assert!(matches!(playback.live(&SHOW, Audience::MediaSource, PHONE).await, Err(PlaylistError::NotYet(_))));
    assert!(matches!(playback.whole(&SHOW).await, Err(PlaylistError::NotYet(_))));
    assert!(matches!(playback.segment(&SHOW, MediaSequence(0)).await, Err(PlaylistError::NotFound)));
    assert!(matches!(playback.init(&SHOW, DiscontinuitySequence(0)).await, Err(PlaylistError::NotFound)));
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    assert!(matches!(playback.live(&SHOW, Audience::MediaSource, PHONE).await, Err(PlaylistError::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn any_announced_segment_is_fetched_when_asked_for() {
    let world = World::with_show();
    let announced = world.announce(0..10).await;
    let node = world.start();
    assert_eq!(node.playback.segment(&SHOW, MediaSequence(3)).await.unwrap(), announced[3].segment);
    assert!(world.here.holds(&announced[3].segment).await);
    assert_eq!(node.playback.held_segments(&SHOW), 1);

    node.fetcher.lose(announced[4].segment);
    let asked_at = Instant::now();
    let late = node.playback.segment(&SHOW, MediaSequence(4)).await;
    assert!(matches!(late, Err(PlaylistError::NotYet(_))), "{late:?}");
    assert!(asked_at.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn initialization_sections_are_found_by_their_discontinuity() {
    let world = World::with_show();
    let mut inits = Vec::new();
    for (number, timeline) in [0, 0, 0, 1, 1, 4, 4, 4, 4, 5].into_iter().enumerate() {
        let segment = world.segment(SHOW, number as u64, timeline).await;
        inits.push((timeline, segment.init));
        world.feeds.insert_segment(SHOW, segment, None);
    }
    let node = world.start();
    for (timeline, init) in inits {
        assert_eq!(node.playback.init(&SHOW, DiscontinuitySequence(timeline)).await.unwrap(), init);
    }
    for missing in [2, 3, 6] {
        let found = node.playback.init(&SHOW, DiscontinuitySequence(missing)).await;
        assert!(matches!(found, Err(PlaylistError::NotFound)), "{missing}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_broadcast_is_a_playlist_of_its_own() {
    let world = World::with_show();
    world.announce(0..10).await;
    let node = world.start();
    let text = node.playback.whole(&SHOW).await.unwrap();
    let playlist = parse_media_playlist(&text).unwrap();
    assert_eq!(numbers(&playlist), (0..10).collect::<Vec<_>>());
    assert!(!playlist.ended);
    world.feeds.set_state(SHOW, BroadcastState::Ended);
    let text = node.playback.whole(&SHOW).await.unwrap();
    assert!(text.contains("#EXT-X-ENDLIST"));
    assert_eq!(node.fetched(), [] as [u64; 0], "its segments are fetched when they are played");
}
