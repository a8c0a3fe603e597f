//! Mirrors, republications and withdrawals from one node's feed to another's directory.

use std::collections::BTreeSet;

use stream_model::{
    AnnounceError, AnnouncementLog as _, Directory as _, FeedSequence, Interest, MediaSequence, Mirroring,
    Republication, StandingLog as _, Standings as _,
};

use crate::node::{HOUR, Node, cid, peer};
use crate::ssb_validate::judged_by_javascript;

#[tokio::test]
async fn what_a_node_says_is_appended_once_and_seen_by_others() {
    let [author, mirror, viewer] = [1, 2, 3].map(Node::in_memory);
    mirror.store.want_peer(author.id());
    viewer.store.want_peer(mirror.id());
    let (id, _) = author.broadcast().await;
    let manifest = author.archive(id, 0, 2).await;
    mirror.replicate_from(&author).await;

    for _ in 0..2 {
        mirror.announcer.mirror(id, peer(), Some(manifest)).await.unwrap();
        mirror.republish(id, manifest).await;
    }
    assert_eq!(mirror.store.clock(&mirror.id()), FeedSequence(2));
    viewer.replicate_from(&mirror).await;
    let standing = viewer.directory.standing(&id);
    assert_eq!(standing.mirrors, [Mirroring { node: mirror.id(), peer: peer(), manifest }]);
    assert_eq!(standing.republications, [mirror.republication(manifest)]);
    assert_eq!(standing, mirror.directory.standing(&id));

    for _ in 0..2 {
        mirror.announcer.mirror(id, peer(), None).await.unwrap();
        author.announcer.withdraw(id, "the speaker asked for it".into()).await.unwrap();
    }
    assert_eq!(mirror.store.clock(&mirror.id()), FeedSequence(3));
    mirror.replicate_from(&author).await;
    viewer.replicate_from(&mirror).await;
    let standing = viewer.directory.standing(&id);
    assert_eq!((standing.mirrors, standing.republications.len()), (vec![], 1));
    assert_eq!(standing.withdrawn.as_deref(), Some("the speaker asked for it"));
}

#[tokio::test]
async fn nobody_mirrors_its_own_nor_withdraws_anothers_nor_speaks_of_what_it_does_not_know() {
    let [author, other] = [1, 2].map(Node::in_memory);
    other.store.want_peer(author.id());
    let (id, _) = author.broadcast().await;
    let manifest = author.archive(id, 0, 2).await;
    let before = author.store.clock(&author.id());
    let nobody = other.announcer.republish(id, other.republication(manifest)).await;
    assert!(matches!(nobody, Err(AnnounceError::NotKnown(_))));
    other.replicate_from(&author).await;

    assert!(matches!(author.announcer.mirror(id, peer(), Some(manifest)).await, Err(AnnounceError::Own(_))));
    let own = author.announcer.republish(id, author.republication(manifest)).await;
    assert!(matches!(own, Err(AnnounceError::Own(_))));
    assert!(matches!(other.announcer.withdraw(id, String::new()).await, Err(AnnounceError::NotOwn(_))));
    let made_up = other.announcer.mirror(id, peer(), Some(cid("another"))).await;
    assert!(matches!(made_up, Err(AnnounceError::NotAnnounced(_))));
    let long = author.announcer.withdraw(id, "x".repeat(501)).await;
    assert!(matches!(long, Err(AnnounceError::TooLong("reason"))));
    let long =
        other.announcer.republish(id, Republication { credit: "x".repeat(501), ..other.republication(manifest) });
    assert!(matches!(long.await, Err(AnnounceError::TooLong("credit"))));
    assert_eq!(author.store.clock(&author.id()), before);
    assert_eq!(other.store.clock(&other.id()), FeedSequence(0));
}

#[tokio::test]
async fn what_was_said_is_known_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let author = Node::in_memory(1);
    let (id, feeds) = author.broadcast().await;
    let manifest = author.archive(id, 0, 2).await;
    author.announcer.withdraw(id, String::new()).await.unwrap();
    let mirror = Node::open(2, &path);
    mirror.store.want_peer(author.id());
    mirror.replicate_from(&author).await;
    mirror.announcer.mirror(id, peer(), Some(manifest)).await.unwrap();
    mirror.republish(id, manifest).await;
    let standing = mirror.directory.standing(&id);
    assert_eq!((standing.mirrors.len(), standing.republications.len()), (1, 1));
    drop(mirror);

    let mirror = Node::open(2, &path);
    assert_eq!(mirror.directory.standing(&id), standing);
    // Nobody says whom to replicate: what this node mirrors does.
    assert!(mirror.store.wanted().borrow().kind(&author.id()).is_some());
    assert_eq!(mirror.broadcast_feeds(), [feeds[1]], "the archive replaces the other");
    mirror.announcer.mirror(id, peer(), Some(manifest)).await.unwrap();
    mirror.republish(id, manifest).await;
    assert_eq!(mirror.store.clock(&mirror.id()), FeedSequence(2));
}

#[tokio::test]
async fn after_a_restart_who_says_much_takes_the_place_of_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let [author, modest, loud] = [1, 2, 3].map(Node::in_memory);
    let (id, _) = author.broadcast().await;
    let viewer = Node::open(4, &path);
    for node in [&modest, &loud] {
        node.store.want_peer(author.id());
        viewer.store.want_peer(node.id());
        node.replicate_from(&author).await;
        node.republish(id, cid("of what is held")).await;
        viewer.replicate_from(node).await;
    }
    for n in 0..2_100 {
        loud.republish(id, cid(&format!("piece {n}"))).await;
    }
    viewer.replicate_from(&loud).await;
    let standing = viewer.directory.standing(&id);
    assert_eq!(standing.republications.len(), 2);
    drop(viewer);
    assert_eq!(Node::open(4, &path).directory.standing(&id), standing);
}

#[tokio::test]
async fn a_broadcast_of_a_dead_author_is_found_three_hops_away_through_who_republished_it() {
    let [author, holder, second, third] = [1, 2, 3, 4].map(Node::in_memory);
    let (id, feeds) = author.broadcast().await;
    holder.store.want_peer(author.id());
    holder.directory.set_interest(Interest { followed: [id].into(), held: [id].into() });
    holder.replicate_from(&author).await;
    let feeds = [author.id(), feeds[0], feeds[1]];
    let known = author.clocks(&feeds);
    drop(author);
    holder.republish(id, cid("of what is held")).await;

    second.store.want_peer(holder.id());
    second.replicate_from(&holder).await;
    third.store.want_met(second.id());
    third.store.want_introduced(second.id(), holder.id());
    third.replicate_from(&second).await;
    for node in [&second, &third] {
        assert_eq!(node.clocks(&feeds), known);
        assert_eq!(node.directory.listing(&id).unwrap().title, "Gemeinderat 🎥");
        assert_eq!(node.directory.segments(&id, MediaSequence(0), 9).len(), 6);
        assert_eq!(node.directory.standing(&id).republications, [holder.republication(cid("of what is held"))]);
    }
}

#[tokio::test(start_paused = true)]
async fn feeds_that_an_archive_replaces_are_dropped_and_those_that_vouch_alone_stay_and_come_back() {
    let [author, holder, viewer] = [1, 2, 3].map(Node::in_memory);
    let (id, feeds) = author.broadcast().await;
    author.end(id, 6).await;
    author.archive(id, 0, 2).await;
    for node in [&holder, &viewer] {
        node.store.want_peer(author.id());
        node.directory.set_interest(Interest { followed: [id].into(), held: BTreeSet::new() });
        node.replicate_from(&author).await;
        assert_eq!(node.clocks(&feeds), [3, 3]);
    }
    holder.directory.set_interest(Interest { followed: BTreeSet::new(), held: [id].into() });
    tokio::time::advance(HOUR).await;
    for (node, left) in [(&holder, [0, 3]), (&viewer, [0, 0])] {
        let dropped = async {
            while node.clocks(&feeds) != left {
                tokio::task::yield_now().await;
            }
            node.directory.close();
        };
        tokio::join!(node.directory.run(), dropped);
        assert_eq!(feeds.map(|feed| node.store.is_dropped(&feed)), left.map(|left| left == 0));
    }

    holder.republish(id, cid("of what is held")).await;
    viewer.store.want_peer(holder.id());
    viewer.replicate_from(&holder).await;
    assert_eq!(viewer.clocks(&feeds), [0, 3], "though it was dropped");
    assert_eq!(viewer.broadcast_feeds(), [feeds[1]]);
}

#[tokio::test]
async fn the_longest_that_is_said_fits_a_message_that_javascript_accepts() {
    let [author, holder] = [1, 2].map(Node::in_memory);
    let (id, _) = author.broadcast().await;
    for sequence in 6..70 {
        author.announcer.resume(id, MediaSequence(sequence)).await.unwrap();
        author.live(id, sequence..sequence + 1).await;
    }
    let manifest = author.archive(id, 69, 69).await;
    author.announcer.withdraw(id, "\u{1}".repeat(500)).await.unwrap();
    holder.store.want_peer(author.id());
    holder.replicate_from(&author).await;
    for credit in ["\"", "🎥"] {
        let long = Republication {
            credit: credit.repeat(500),
            last_media_sequence: MediaSequence(69),
            ..holder.republication(manifest)
        };
        holder.announcer.republish(id, long.clone()).await.unwrap();
        assert_eq!(holder.directory.standing(&id).republications, [long]);
    }
    holder.announcer.mirror(id, peer(), Some(manifest)).await.unwrap();
    let mut messages = holder.store.get(holder.id(), FeedSequence(1), 9).await.unwrap();
    assert_eq!((messages.len(), messages[0].value_json.matches(".ed25519\"").count()), (3, 2 + 64 + 1));
    messages.extend(author.store.get(author.id(), FeedSequence(1), 99).await.unwrap());
    for (message, error) in messages.iter().zip(judged_by_javascript(&messages)) {
        assert_eq!(error, None, "{}", message.value_json);
    }
}
