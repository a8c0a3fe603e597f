//! Limits of the upload, over real swarms and a clock that only moves when everybody waits.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::support::{Node, guarded, segment};
use cid::Cid;
use futures::{StreamExt, TryStreamExt};
use node_router_exchange::UploadLimits;
use tokio::time::Instant;

/// A segment of [`segment`].
const SEGMENT: u64 = 16 * 40_002;

fn put_segments(node: &Node, seeds: std::ops::Range<u8>) -> Vec<Cid> {
    seeds.flat_map(segment).map(|block| node.put(block)).collect()
}

/// Fetches all; how long it took.
async fn fetch(node: &Node, from: &Node, cids: &[Cid]) -> Duration {
    let started = Instant::now();
    let blocks: Vec<_> =
        node.exchange.session(&[from.peer]).wants(cids.to_vec()).try_collect().await.expect("the swarm runs");
    assert_eq!(blocks.len(), cids.len());
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn all_peers_together_get_no_more_than_the_limit_and_each_its_share() {
    guarded(async {
        let limits = UploadLimits { total: NonZeroU64::new(SEGMENT / 4), per_peer: None };
        let a = Node::start_with(limits).await;
        let (greedy, modest) = (Node::start().await, Node::start().await);
        greedy.connect(&a).await;
        modest.connect(&a).await;
        let much = put_segments(&a, 0..8);
        let little = put_segments(&a, 8..9);
        let started = Instant::now();
        let session = greedy.exchange.session(&[a.peer]);
        let mut all = Box::pin(session.wants(much));
        all.next().await.expect("has more").expect("the swarm runs");
        let fetched = async { while all.next().await.is_some() {} };
        tokio::select! {
            () = fetched => panic!("the greedy peer is served alone"),
            took = fetch(&modest, &a, &little) => {
                // Half of the rate each, rounded up to messages. Alone, the greedy peer would take 32 s.
                assert!(took < Duration::from_secs(15), "{took:?}");
            }
        }
        // A burst and the message that goes into debt are over the limit.
        assert!(started.elapsed() > Duration::from_secs(5), "{:?}", started.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_gets_no_more_than_its_own_limit_and_two_get_it_twice() {
    guarded(async {
        let a = Node::start_with(UploadLimits { total: None, per_peer: NonZeroU64::new(SEGMENT / 8) }).await;
        let (b, c) = (Node::start().await, Node::start().await);
        b.connect(&a).await;
        c.connect(&a).await;
        let cids = put_segments(&a, 0..2);
        let (at_b, at_c) = tokio::join!(fetch(&b, &a, &cids), fetch(&c, &a, &cids));
        for took in [at_b, at_c] {
            assert!((Duration::from_secs(11)..Duration::from_secs(17)).contains(&took), "{took:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_set_lowered_and_lifted_holds_for_connections_that_are_there() {
    guarded(async {
        let (a, b) = (Node::start().await, Node::start().await);
        b.connect(&a).await;
        let segments: Vec<_> = (0..3).map(|seed| put_segments(&a, seed..seed + 1)).collect();
        assert!(fetch(&b, &a, &segments[0]).await < Duration::from_secs(1));
        a.exchange.limit(UploadLimits { total: NonZeroU64::new(SEGMENT / 8), per_peer: None });
        let took = fetch(&b, &a, &segments[1]).await;
        assert!(took > Duration::from_secs(5), "{took:?}");
        a.exchange.limit(UploadLimits::default());
        assert!(fetch(&b, &a, &segments[2]).await < Duration::from_secs(1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn presences_pass_while_blocks_are_held_back() {
    guarded(async {
        let a = Node::start_with(UploadLimits { total: NonZeroU64::new(SEGMENT / 1000), per_peer: None }).await;
        let (b, c) = (Node::start().await, Node::start().await);
        b.connect(&a).await;
        b.connect(&c).await;
        let held = put_segments(&a, 0..1);
        let session = b.exchange.session(&[a.peer]);
        let mut slow = Box::pin(session.wants(held));
        slow.next().await.expect("has more").expect("the swarm runs");
        // A debt of many minutes. Without an answer the peer would be given up after a second.
        let elsewhere = put_segments(&c, 2..3);
        assert!(fetch(&b, &a, &elsewhere).await < Duration::from_secs(1));
    })
    .await;
}
