//! The same over real connections: what a node keeps of an author who is gone travels to nodes that never met either.

use std::path::Path;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use ssb_announcer::identity::Machine;
use ssb_announcer::{Config, SsbAnnouncer, gossip};
use stream_model::{BroadcastId, Interest, MediaSequence, Relation, SsbPeer};

use crate::node::{Node, announce, archive, cid, peer, republication};

/// No test waits for anything but work on this machine.
const GUARD: Duration = Duration::from_secs(60);

async fn start_node(data_dir: &Path) -> SsbAnnouncer {
    let config = Config {
        secret: data_dir.join("identity/secret"),
        database: data_dir.join("ssb.sqlite3"),
        gossip: gossip::Config { listen: "[::1]:0".parse().unwrap(), ..gossip::Config::default() },
        name: "Townhall".to_owned(),
        machine: Machine::of(["here"]),
        hops: 3,
        image: None,
        start_posts: None,
        discovery: None,
        keep_free: 0,
        peers: vec![],
    };
    SsbAnnouncer::start(config).await.unwrap()
}

/// Waits until a node's directory is as expected.
async fn until(node: &SsbAnnouncer, mut reached: impl FnMut(&SsbAnnouncer) -> bool) {
    let mut changes = node.directory().subscribe();
    let wait = async {
        while !reached(node) {
            changes.next().await.unwrap();
        }
    };
    tokio::time::timeout(GUARD, wait).await.unwrap();
}

fn meet(node: &SsbAnnouncer, other: &SsbAnnouncer) {
    node.peer_book().offer(SsbPeer { feed: other.id(), addresses: vec![other.local_address()] });
}

/// What a node exports of a broadcast.
async fn lines_of(node: &SsbAnnouncer, broadcast: BroadcastId) -> Vec<u8> {
    let pieces = node.message_carrier().export_messages(broadcast).await.unwrap();
    pieces.try_collect::<Vec<_>>().await.unwrap().concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_republishes_reaches_those_who_never_met_the_author_until_they_block_it() {
    let directories = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let author = start_node(directories[0].path()).await;
    let holder = start_node(directories[1].path()).await;
    meet(&holder, &author);
    let id = announce(author.announcement_log().as_ref()).await;
    let manifest = archive(author.announcement_log().as_ref(), id, 5, 5).await;
    let has_all = |node: &SsbAnnouncer| {
        node.directory().segments(&id, MediaSequence(0), 9).len() == 6 && !node.directory().archives(&id).is_empty()
    };
    until(&holder, |node| node.directory().listing(&id).is_some()).await;
    holder.directory().set_interest(Interest { followed: [].into(), held: [id].into() });
    until(&holder, has_all).await;
    let gone = author.id();
    author.shutdown().await;
    drop(author);

    let word = republication(holder.id(), cid("of what is held"));
    holder.standing_log().republish(id, word.clone()).await.unwrap();
    let second = start_node(directories[2].path()).await;
    let third = start_node(directories[3].path()).await;
    meet(&second, &holder);
    meet(&holder, &second);
    meet(&third, &second);
    third.follow_graph().relate(holder.id(), Relation::Following).await.unwrap();
    for node in [&second, &third] {
        until(node, has_all).await;
        assert_eq!(node.directory().listing(&id).unwrap().author, gone);
        assert_eq!(node.standings().standing(&id).republications, std::slice::from_ref(&word));
    }

    third.follow_graph().relate(holder.id(), Relation::Blocking).await.unwrap();
    assert_eq!(third.standings().standing(&id).republications, []);
    second.standing_log().mirror(id, peer(), Some(manifest)).await.unwrap();
    until(&holder, |node| node.standings().standing(&id).mirrors.len() == 1).await;
    second.follow_graph().relate(gone, Relation::Blocking).await.unwrap();
    assert!(second.directory().listing(&id).is_none());
    second.standing_log().mirror(id, peer(), None).await.unwrap();
    until(&holder, |node| node.standings().standing(&id).mirrors.is_empty()).await;
    let carried = lines_of(&holder, id).await;
    let lines = futures::stream::iter([Ok(carried.into())]).boxed();
    let refused = second.message_carrier().import_messages(id, lines).await.unwrap_err().to_string();
    assert!(refused.contains("blocked here"), "{refused}");
    for node in [second, third, holder] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_carried_by_hand_is_found_by_the_peers_of_who_imported_it() {
    let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let author = Node::in_memory(1);
    let (id, _) = author.broadcast().await;
    let carried = author.export(id).await.unwrap();
    let importer = start_node(directories[0].path()).await;
    let neighbour = start_node(directories[1].path()).await;
    let lines = futures::stream::iter([Ok(carried.clone().into())]).boxed();
    importer.message_carrier().import_messages(id, lines).await.unwrap();
    importer.directory().set_interest(Interest { followed: [].into(), held: [id].into() });
    importer.standing_log().republish(id, republication(importer.id(), cid("of what is held"))).await.unwrap();

    meet(&neighbour, &importer);
    until(&neighbour, |node| node.directory().segments(&id, MediaSequence(0), 9).len() == 6).await;
    assert_eq!(lines_of(&neighbour, id).await, carried);
    for node in [importer, neighbour] {
        node.shutdown().await;
    }
}
