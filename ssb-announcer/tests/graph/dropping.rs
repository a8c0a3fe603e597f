//! What goes from the store, when, and what does not come back.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ssb_announcer::announcement::index::REPLICATED_AFTER_END;
use ssb_announcer::announcement::{Announcer, BroadcastDirectory};
use ssb_announcer::feed::{Appended, ContentIndex, FeedStore, MAX_READ, OwnAppend, Rejected};
use ssb_announcer::graph::{ContactIndex, Contacts, KEPT_UNWANTED_HOURS};
use ssb_announcer::identity::Identity;
use ssb_announcer::social::{SocialIndex, SocialTimeline};
use stream_model::{
    AnnouncementLog as _, BroadcastId, BroadcastState, Directory as _, FeedId, FeedSequence, Interest, MediaSequence,
    PageRequest, Timeline as _,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::announced::{cid, end, segment, start};

/// Longer than the directory waits before it looks again.
const A_MOMENT: Duration = Duration::from_secs(30);

fn indexes() -> Vec<Arc<dyn ContentIndex>> {
    vec![Arc::new(ContactIndex), Arc::new(SocialIndex)]
}

struct Node {
    identity: Identity,
    store: FeedStore,
    directory: Arc<BroadcastDirectory>,
    announcer: Announcer,
    cancel: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    fn in_memory(seed: u8) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::in_memory(identity.id(), indexes()).unwrap();
        Self::with_store(identity, store)
    }

    fn open(seed: u8, path: &Path) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let store = FeedStore::open(path, identity.id(), indexes()).unwrap();
        Self::with_store(identity, store)
    }

    fn with_store(identity: Identity, store: FeedStore) -> Self {
        let directory = BroadcastDirectory::open(store.clone(), identity.id()).unwrap();
        let announcer = Announcer::new(identity.clone(), store.clone(), directory.clone());
        let contacts = Contacts::open(identity.clone(), store.clone(), directory.clone(), 3).unwrap();
        let (looks, cancel) = (directory.clone(), CancellationToken::new());
        let ended = cancel.clone();
        let tasks = vec![
            tokio::spawn(async move { looks.run().await }),
            tokio::spawn(async move { contacts.run(ended).await }),
        ];
        Self { identity, store, directory, announcer, cancel, tasks }
    }

    fn id(&self) -> FeedId {
        self.identity.id()
    }

    fn holds(&self, broadcasts: impl IntoIterator<Item = BroadcastId>) {
        let held: BTreeSet<BroadcastId> = broadcasts.into_iter().collect();
        self.directory.set_interest(Interest { followed: held.clone(), held });
    }

    async fn messages(&self, feed: FeedId) -> Vec<Bytes> {
        let messages = self.store.get(feed, FeedSequence(1), MAX_READ).await.unwrap();
        messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())).collect()
    }

    async fn take(&self, feed: FeedId, from: &Self) -> Vec<Result<Appended, Rejected>> {
        self.store.append_remote(from.messages(feed).await).await.unwrap()
    }

    fn broadcast_feeds(&self) -> Vec<FeedId> {
        let wanted = self.store.wanted().borrow().feeds();
        wanted.into_keys().filter(|feed| *feed != self.id()).collect()
    }

    async fn stop(self) {
        self.directory.close();
        self.cancel.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// Lets time pass, and what is due happen. Work on blocking threads does not count as idle, so no time passes in it.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A publisher with a broadcast of two segments, ended.
async fn publisher() -> (Node, BroadcastId, FeedId) {
    let publisher = Node::in_memory(1);
    let id = publisher.announcer.start(start()).await.unwrap();
    for sequence in 0..2 {
        publisher.announcer.live(id, &segment(sequence), cid("manifest")).await.unwrap();
    }
    let feed = publisher.broadcast_feeds()[0];
    publisher.announcer.end(end(id, 2)).await.unwrap();
    (publisher, id, feed)
}

fn all_ok(answers: &[Result<Appended, Rejected>]) -> bool {
    !answers.is_empty() && answers.iter().all(Result::is_ok)
}

#[tokio::test(start_paused = true)]
async fn an_hour_after_the_end_a_feed_is_dropped_and_a_partitioned_peer_does_not_bring_it_back() {
    let (publisher, id, feed) = publisher().await;
    let (viewer, away) = (Node::in_memory(2), Node::in_memory(3));
    for node in [&viewer, &away] {
        node.store.want_peer(publisher.id());
        assert!(all_ok(&node.take(publisher.id(), &publisher).await));
        assert!(all_ok(&node.take(feed, &publisher).await));
    }
    viewer.holds([]);
    away.holds([id]);
    pass(REPLICATED_AFTER_END - A_MOMENT).await;
    assert_eq!(viewer.store.clock(&feed), FeedSequence(2));
    pass(2 * A_MOMENT).await;
    assert_eq!(viewer.store.clock(&feed), FeedSequence(0));
    assert_eq!(viewer.store.wanted().borrow().kind(&feed), None);
    assert_eq!(away.store.clock(&feed), FeedSequence(2), "it vouches for segments that are held");

    let answers = viewer.take(feed, &away).await;
    assert_eq!(answers, [Err(Rejected::Dropped(feed)), Err(Rejected::Dropped(feed))]);
    let listing = viewer.directory.listing(&id).unwrap();
    assert_eq!((listing.state, listing.media_sequence), (BroadcastState::Ended, Some(MediaSequence(1))));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_feed_stays_dropped_over_a_restart_and_what_it_came_to_stays_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ssb.sqlite3");
    let (publisher, id, feed) = publisher().await;
    let comment = OwnAppend {
        identity: publisher.identity.clone(),
        content_json: format!(r#"{{"type":"post","text":"thank you all","root":"{id}"}}"#),
        names: None,
    };
    publisher.store.append_own(vec![comment]).await.unwrap();
    let viewer = Node::open(2, &path);
    viewer.store.want_peer(publisher.id());
    viewer.take(publisher.id(), &publisher).await;
    assert!(all_ok(&viewer.take(feed, &publisher).await));
    viewer.holds([]);
    pass(REPLICATED_AFTER_END + A_MOMENT).await;
    assert!(viewer.store.is_dropped(&feed));
    viewer.stop().await;

    let viewer = Node::open(2, &path);
    viewer.store.want_peer(publisher.id());
    assert_eq!(viewer.store.wanted().borrow().kind(&feed), None);
    assert_eq!(viewer.take(feed, &publisher).await[0], Err(Rejected::Dropped(feed)));
    let listing = viewer.directory.listing(&id).unwrap();
    assert_eq!(listing.media_sequence, Some(MediaSequence(1)));
    assert_eq!(listing.manifest, Some(cid("manifest")));
    let timeline = SocialTimeline::open(viewer.identity.clone(), viewer.store.clone());
    let comments = timeline.comments(id, PageRequest { before: None, limit: 9 }).await.unwrap();
    assert_eq!(comments.posts.iter().map(|post| post.text.as_str()).collect::<Vec<_>>(), ["thank you all"]);
}

#[tokio::test(start_paused = true)]
async fn an_ended_feed_that_was_never_here_leaves_no_trace() {
    let (publisher, _, feed) = publisher().await;
    let viewer = Node::in_memory(2);
    viewer.holds([]);
    viewer.store.want_peer(publisher.id());
    assert!(all_ok(&viewer.take(publisher.id(), &publisher).await));
    assert!(viewer.broadcast_feeds().contains(&feed));
    pass(REPLICATED_AFTER_END + A_MOMENT).await;
    assert!(!viewer.store.is_dropped(&feed));
    assert_eq!(viewer.take(feed, &publisher).await[0], Err(Rejected::Unwanted(feed)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_dropped_before_it_is_known_what_is_held() {
    let (publisher, id, feed) = publisher().await;
    let viewer = Node::in_memory(2);
    viewer.store.want_peer(publisher.id());
    viewer.take(publisher.id(), &publisher).await;
    viewer.take(feed, &publisher).await;
    pass(2 * REPLICATED_AFTER_END).await;
    assert_eq!(viewer.store.clock(&feed), FeedSequence(2));
    viewer.holds([id]);
    pass(A_MOMENT).await;
    assert_eq!(viewer.store.clock(&feed), FeedSequence(2));
    viewer.holds([]);
    pass(A_MOMENT).await;
    assert_eq!(viewer.store.clock(&feed), FeedSequence(0), "what it vouched for is gone");
}

#[tokio::test(start_paused = true)]
async fn an_author_keeps_its_own_feeds() {
    let (publisher, _, feed) = publisher().await;
    publisher.holds([]);
    pass(3 * REPLICATED_AFTER_END).await;
    assert_eq!(publisher.store.clock(&feed), FeedSequence(2));
}

#[tokio::test(start_paused = true)]
async fn naming_somebody_elses_feed_does_not_have_it_dropped() {
    let (publisher, _, feed) = publisher().await;
    let other = Node::in_memory(3);
    let viewer = Node::in_memory(2);
    viewer.holds([]);
    let running = publisher.announcer.start(start()).await.unwrap();
    publisher.announcer.live(running, &segment(0), cid("manifest")).await.unwrap();
    let running_feed = publisher.broadcast_feeds().into_iter().find(|one| *one != feed).unwrap();
    // An announcement of another author that names them, and its end.
    for named in [publisher.id(), running_feed] {
        let template = publisher.messages(publisher.id()).await;
        let value: serde_json::Value = serde_json::from_slice(&template[0]).unwrap();
        let mut content = value["content"].clone();
        content["feed"] = named.to_string().into();
        let append =
            |content: String| OwnAppend { identity: other.identity.clone(), content_json: content, names: None };
        let appended = other.store.append_own(vec![append(content.to_string())]).await.unwrap();
        let ended = serde_json::json!({
            "type": "meshstream-end", "broadcast": appended[0].key.to_string(), "mediaSequence": 0
        });
        other.store.append_own(vec![append(ended.to_string())]).await.unwrap();
    }
    for node in [&publisher, &other] {
        viewer.store.want_peer(node.id());
        assert!(all_ok(&viewer.take(node.id(), node).await));
    }
    assert!(all_ok(&viewer.take(running_feed, &publisher).await));
    pass(REPLICATED_AFTER_END + A_MOMENT).await;
    assert_ne!(viewer.store.clock(&publisher.id()), FeedSequence(0));
    assert_ne!(viewer.store.clock(&running_feed), FeedSequence(0));
    assert!(viewer.store.is_dropped(&feed) || viewer.store.clock(&feed) == FeedSequence(0));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_nobody_wants_any_more_goes_after_a_week_of_running() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ssb.sqlite3");
    let other = Node::in_memory(1);
    let append = OwnAppend {
        identity: other.identity.clone(),
        content_json: r#"{"type":"post","text":"hello"}"#.to_owned(),
        names: None,
    };
    other.store.append_own(vec![append]).await.unwrap();
    let node = Node::open(2, &path);
    node.store.want_peer(other.id());
    assert!(all_ok(&node.take(other.id(), &other).await));
    node.holds([]);
    let hour = Duration::from_secs(60 * 60);
    // Away from the moments at which hours are counted.
    let half = hour / 2;
    pass(hour * (KEPT_UNWANTED_HOURS + 2) + half).await;
    assert_eq!(node.store.clock(&other.id()), FeedSequence(1), "still a peer's, however silent");
    node.stop().await;

    // After a restart nobody has offered the peer again.
    let node = Node::open(2, &path);
    node.holds([]);
    pass(hour * (KEPT_UNWANTED_HOURS / 2) + half).await;
    node.stop().await;
    let node = Node::open(2, &path);
    node.holds([]);
    pass(hour * (KEPT_UNWANTED_HOURS / 2 - 1) + half).await;
    assert_eq!(node.store.clock(&other.id()), FeedSequence(1));
    pass(hour).await;
    assert_eq!(node.store.clock(&other.id()), FeedSequence(0));
    node.store.want_peer(other.id());
    assert!(all_ok(&node.take(other.id(), &other).await), "and comes anew when it is wanted again");
}

#[tokio::test]
async fn dropping_makes_the_file_smaller() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ssb.sqlite3");
    let (other, node) = (Node::in_memory(1), Node::open(2, &path));
    let text = "x".repeat(4_000);
    let append = |n| OwnAppend {
        identity: other.identity.clone(),
        content_json: format!(r#"{{"type":"post","text":"{n} {text}"}}"#),
        names: None,
    };
    for _ in 0..4 {
        other.store.append_own((0..500).map(append).collect()).await.unwrap();
    }
    node.store.want_peer(other.id());
    for from in [1, 501, 1_001, 1_501] {
        let messages = other.store.get(other.id(), FeedSequence(from), MAX_READ).await.unwrap();
        let values = messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())).collect();
        node.store.append_remote(values).await.unwrap();
    }
    assert_eq!(node.store.clock(&other.id()), FeedSequence(2_000));
    let size = |store: &FeedStore| {
        let pages =
            |name| store.query_blocking(|connection| connection.pragma_query_value(None, name, |row| row.get(0)));
        let (pages, free): (i64, i64) = (pages("page_count").unwrap(), pages("freelist_count").unwrap());
        (pages, free)
    };
    let (before, _) = size(&node.store);
    node.store.forget_feeds(vec![other.id()]).await.unwrap();
    let (after, free) = size(&node.store);
    assert!(after < before / 10 && free == 0, "{before} pages, then {after} of which {free} are free");
    assert_eq!(node.messages(other.id()).await.len(), 0);
}
