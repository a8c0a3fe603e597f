//! Peers that keep to the protocol: fetches, relays, reconnects.

use std::collections::{HashMap, HashSet};

use crate::support::{Node, guarded, segment};
use bytes::Bytes;
use cid::Cid;
use futures::{StreamExt, TryStreamExt};
use multihash_codetable::{Code, MultihashDigest};
use node_router_exchange::{Block, ExchangeClosed, PeerId, Session};

async fn fetch(session: &Session, cids: &[Cid]) -> Vec<Block> {
    session.wants(cids.to_vec()).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_segment_is_fetched_from_its_provider() {
    guarded(async {
        let (a, b) = (Node::start().await, Node::start().await);
        b.connect(&a).await;
        let blocks = segment(1);
        let cids: Vec<Cid> = blocks.iter().map(|block| a.put(block.clone())).collect();
        let fetched = fetch(&b.exchange.session(&[a.peer]), &cids).await;
        let fetched: HashMap<Cid, Bytes> = fetched.into_iter().map(|block| (block.cid, block.data)).collect();
        for (cid, data) in cids.iter().zip(blocks) {
            assert_eq!(fetched[cid], data);
        }
        assert_eq!(b.exchange.peers(), vec![a.peer]);
    })
    .await;
}

#[tokio::test]
async fn a_block_that_is_put_later_is_sent_then() {
    guarded(async {
        let (a, b) = (Node::start().await, Node::start().await);
        b.connect(&a).await;
        let data = Bytes::from_static(b"later");
        let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(&data));
        let session = b.exchange.session(&[a.peer]);
        let want = tokio::spawn(async move { session.want(cid).await });
        // The refusal that comes first shows in what is asked next.
        let known = a.put(Bytes::from_static(b"known"));
        b.exchange.session(&[a.peer]).want(known).await.unwrap();
        a.put(data.clone());
        assert_eq!(want.await.unwrap().unwrap().data, data);
    })
    .await;
}

#[tokio::test]
async fn wants_are_sent_to_a_provider_that_connects_later() {
    guarded(async {
        let (a, b) = (Node::start().await, Node::start().await);
        let cid = a.put(Bytes::from_static(b"block"));
        let session = b.exchange.session(&[a.peer]);
        let want = tokio::spawn(async move { session.want(cid).await });
        a.connect(&b).await;
        assert_eq!(want.await.unwrap().unwrap().from, a.peer);
    })
    .await;
}

#[tokio::test]
async fn fetches_go_on_over_ten_reconnects() {
    guarded(async {
        let (a, b) = (Node::start().await, Node::start().await);
        for round in 0..10 {
            if round % 2 == 0 {
                a.connect(&b).await
            } else {
                b.connect(&a).await
            }
            let there: Vec<Cid> = segment(round).into_iter().map(|block| a.put(block)).collect();
            let back: Vec<Cid> = segment(100 + round).into_iter().map(|block| b.put(block)).collect();
            let (from_a, from_b) = (b.exchange.session(&[a.peer]), a.exchange.session(&[b.peer]));
            let (got_there, got_back) = tokio::join!(fetch(&from_a, &there), fetch(&from_b, &back));
            assert_eq!((got_there.len(), got_back.len()), (16, 16));
            b.disconnect(&a).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_fetch_survives_a_connection_that_breaks_in_the_middle() {
    guarded(async {
        let (a, b) = (Node::start().await, Node::start().await);
        let cids: Vec<Cid> = (0..8).flat_map(segment).map(|block| a.put(block)).collect();
        b.connect(&a).await;
        let session = b.exchange.session(&[a.peer]);
        let mut blocks = Box::pin(session.wants(cids.clone()));
        for _ in 0..10 {
            blocks.next().await.unwrap().unwrap();
        }
        b.disconnect(&a).await;
        a.connect(&b).await;
        let rest: Vec<Block> = blocks.try_collect().await.unwrap();
        assert_eq!(rest.len(), cids.len() - 10);
    })
    .await;
}

#[tokio::test]
async fn a_relay_serves_while_it_fetches_and_the_origin_sends_each_block_once() {
    guarded(async {
        let (a, b, c) = (Node::start().await, Node::start().await, Node::start().await);
        b.connect(&a).await;
        c.connect(&b).await;
        let cids: Vec<Cid> = (0..4).flat_map(segment).map(|block| a.put(block)).collect();
        let session = c.exchange.session(&[a.peer]);
        let at_c = fetch(&session, &cids);
        let relay = b.exchange.session(&[a.peer]);
        let at_b = relay.wants(cids.clone()).try_for_each(|block| {
            b.put(block.data);
            async { Ok(()) }
        });
        let (at_c, at_b) = tokio::join!(at_c, at_b);
        at_b.unwrap();
        assert_eq!(at_c.len(), cids.len());
        assert!(at_c.iter().all(|block| block.from == b.peer));
        let reads = a.memory.reads.lock().unwrap();
        assert!(reads.values().all(|reads| *reads == 1), "the origin's upload does not grow with its audience");
    })
    .await;
}

#[tokio::test]
async fn two_providers_share_the_work() {
    guarded(async {
        let (a, b, c) = (Node::start().await, Node::start().await, Node::start().await);
        c.connect(&a).await;
        c.connect(&b).await;
        let cids: Vec<Cid> = (0..8)
            .flat_map(segment)
            .map(|block| {
                b.put(block.clone());
                a.put(block)
            })
            .collect();
        let fetched = fetch(&c.exchange.session(&[a.peer]), &cids).await;
        let from: HashSet<PeerId> = fetched.iter().map(|block| block.from).collect();
        assert_eq!(from, HashSet::from([a.peer, b.peer]), "also from one that was not named");
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_wants_a_hundred_thousand_blocks_does_not_keep_others_from_theirs() {
    guarded(async {
        let (a, greedy, b) = (Node::start().await, Node::start().await, Node::start().await);
        greedy.connect(&a).await;
        b.connect(&a).await;
        let nothing: Vec<Cid> =
            (0..100_000u32).map(|n| Cid::new_v1(0x55, Code::Sha2_256.digest(&n.to_be_bytes()))).collect();
        let session = greedy.exchange.session(&[a.peer]);
        let wants = tokio::spawn(async move { session.wants(nothing).next().await });
        let cids: Vec<Cid> = segment(1).into_iter().map(|block| a.put(block)).collect();
        assert_eq!(fetch(&b.exchange.session(&[a.peer]), &cids).await.len(), 16);
        let also = greedy.exchange.session(&[a.peer]);
        wants.abort();
        assert_eq!(fetch(&also, &cids).await.len(), 16, "nor itself");
    })
    .await;
}

#[tokio::test]
async fn two_connections_to_one_peer_are_as_good_as_one() {
    guarded(async {
        let (a, b) = (Node::start().await, Node::start().await);
        a.dial.send(b.address.clone()).await.unwrap();
        b.dial.send(a.address.clone()).await.unwrap();
        a.until(b.peer, true).await;
        b.until(a.peer, true).await;
        let cids: Vec<Cid> = segment(1).into_iter().map(|block| a.put(block)).collect();
        assert_eq!(fetch(&b.exchange.session(&[a.peer]), &cids).await.len(), 16);
    })
    .await;
}

#[tokio::test]
async fn wants_end_with_the_swarm() {
    guarded(async {
        let a = Node::start().await;
        let session = a.exchange.session(&[]);
        let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(b"never"));
        let want = tokio::spawn({
            let session = session.clone();
            async move { session.want(cid).await }
        });
        tokio::task::yield_now().await;
        a.swarm.abort();
        assert_eq!(want.await.unwrap().unwrap_err(), ExchangeClosed);
        assert_eq!(session.want(cid).await.unwrap_err(), ExchangeClosed);
        a.exchange.closed().await;
    })
    .await;
}

#[tokio::test]
async fn many_rounds_of_wants_cancels_stalls_and_disconnects_leave_nothing_behind() {
    guarded(async {
        let (a, b) = (Node::start().await, Node::start().await);
        for round in 0..100u8 {
            if round % 2 == 0 {
                a.connect(&b).await
            } else {
                b.connect(&a).await
            }
            let held: Vec<Cid> = segment(round).into_iter().map(|block| a.put(block)).collect();
            let stuck = a.put(Bytes::from(vec![round; 3]));
            a.memory.stuck.lock().unwrap().insert(stuck);
            let nowhere = Cid::new_v1(0x55, Code::Sha2_256.digest(&[round, 1, 2]));
            let session = b.exchange.session(&[a.peer]);
            assert_eq!(fetch(&session, &held).await.len(), 16);
            let mut never = Box::pin(session.wants([nowhere, stuck]));
            let also = b.exchange.session(&[]);
            let mut twice = Box::pin(also.wants([stuck]));
            let asked = async {
                while a.exchange.held().peer_wants < 2 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = never.next() => panic!("it came"),
                _ = twice.next() => panic!("it came"),
                () = asked => {}
            }
            assert_eq!((b.exchange.held().wants, b.exchange.held().waiters), (2, 3));
            if round % 3 == 0 {
                b.disconnect(&a).await;
            }
            drop((never, twice));
            drop((session, also));
            b.until_nothing_is_held().await;
            a.until_nothing_is_held().await;
            if round % 3 > 0 {
                b.disconnect(&a).await;
            }
        }
        assert!(a.exchange.traffic().is_empty() && b.exchange.peers().is_empty());
    })
    .await;
}
