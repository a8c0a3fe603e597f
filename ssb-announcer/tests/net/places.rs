//! Who gets in where strangers have taken what they could.

use std::net::SocketAddr;

use ssb_announcer::identity::Identity;
use stream_model::{PeerBook as _, SsbPeer};

use crate::attacker::{Attacker, stream_from};
use crate::node::{Node, PATIENCE};

/// A node that is reached over IPv4 and IPv6, and has something to tell.
async fn reachable_node() -> Node {
    let node = Node::start_at(1, SocketAddr::from(([0u16; 8], 0)));
    node.append(1).await;
    node
}

/// Another node, with something to tell too.
async fn honest_node() -> Node {
    let honest = Node::start(2);
    honest.append(1).await;
    honest
}

/// Makes a node dial another over IPv6, from where no stranger is.
fn dial(honest: &Node, node: &Node) {
    let address = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], node.gossip.local_address().port()));
    honest.gossip.offer(SsbPeer { feed: node.id(), addresses: vec![address] });
}

/// Connects peers that the node has met before, all from one prefix.
async fn connect_known(node: &Node, count: u8) -> Vec<Attacker> {
    let mut known = Vec::new();
    for seed in 190..190 + count {
        assert!(node.store.want_met(Identity::from_seed(&[seed; 32]).id()));
        let mut peer = Attacker::connect_from(node, seed, [127, 0, 0, 1]).await;
        peer.settled(1).await;
        known.push(peer);
    }
    known
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_peer_gets_in_and_replicates_where_strangers_hold_all_places() {
    let node = reachable_node().await;
    let known = connect_known(&node, 16).await;
    let mut strangers = Vec::new();
    for n in 0..64 {
        let mut stranger = Attacker::connect_from(&node, 100 + n, [127, 0, 1 + n % 4, 1 + n / 4]).await;
        if stranger.is_heard(1).await {
            strangers.push(stranger);
        }
    }
    assert_eq!(strangers.len(), 48, "the rest is refused");
    let honest = honest_node().await;
    node.gossip.offer(SsbPeer { feed: honest.id(), addresses: vec![] });
    dial(&honest, &node);
    honest.holds(node.id(), 1).await;
    node.holds(honest.id(), 1).await;
    let mut strangers = strangers.into_iter();
    strangers.next().unwrap().is_cut_off().await;
    for mut other in strangers.chain(known) {
        other.settled(2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_peer_gets_in_and_replicates_where_peers_that_were_only_met_hold_all_places() {
    let node = reachable_node().await;
    let mut known = connect_known(&node, 64).await.into_iter();
    let honest = honest_node().await;
    node.gossip.offer(SsbPeer { feed: honest.id(), addresses: vec![] });
    dial(&honest, &node);
    honest.holds(node.id(), 1).await;
    node.holds(honest.id(), 1).await;
    known.next().unwrap().is_cut_off().await;
    for mut other in known {
        other.settled(2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_of_many_addresses_keep_nobody_out() {
    let node = reachable_node().await;
    let mut silent = Vec::new();
    for n in 0..100 {
        silent.push(stream_from(&node, [127, 0, n % 4, 1 + n / 4]).await);
    }
    let honest = honest_node().await;
    dial(&honest, &node);
    honest.holds(node.id(), 1).await;
    let (last, first) = (silent.pop().unwrap(), silent.swap_remove(0));
    let race = async {
        tokio::select! {
            biased;
            _ended = last.readable() => false,
            _ended = first.readable() => true,
        }
    };
    assert!(tokio::time::timeout(PATIENCE, race).await.unwrap(), "the oldest goes, not the newest");
}
