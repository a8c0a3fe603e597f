//! The follow graph, from `contact` messages to what is replicated.

use std::sync::Arc;

use bytes::Bytes;
use ssb_announcer::announcement::BroadcastDirectory;
use ssb_announcer::feed::{FeedKind, FeedStore, MAX_READ, OwnAppend};
use ssb_announcer::graph::{Contact, ContactIndex, Contacts};
use ssb_announcer::identity::Identity;
use ssb_announcer::social::SocialIndex;
use stream_model::{FeedId, FeedSequence, FollowError, FollowGraph as _, Relation};
use tokio_util::sync::CancellationToken;

use crate::announced::GUARD;

struct Node {
    identity: Identity,
    store: FeedStore,
    contacts: Arc<Contacts>,
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

fn id(seed: u8) -> FeedId {
    identity(seed).id()
}

impl Node {
    fn new(seed: u8, hops: u32) -> Self {
        let identity = identity(seed);
        let store = FeedStore::in_memory(identity.id(), vec![Arc::new(ContactIndex), Arc::new(SocialIndex)]).unwrap();
        let directory = BroadcastDirectory::open(store.clone(), identity.id()).unwrap();
        let contacts = Contacts::open(identity.clone(), store.clone(), directory, hops).unwrap();
        Self { identity, store, contacts }
    }

    async fn says(&self, relation: Relation, targets: impl IntoIterator<Item = u8>) {
        for target in targets {
            self.contacts.relate(id(target), relation).await.unwrap();
        }
    }

    /// Takes the own feed of another node.
    async fn take(&self, other: &Self) -> bool {
        let messages = other.store.get(other.identity.id(), FeedSequence(1), MAX_READ).await.unwrap();
        let values = messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())).collect();
        self.store.append_remote(values).await.unwrap().iter().all(Result::is_ok)
    }

    fn wants(&self, seed: u8) -> bool {
        self.store.wanted().borrow().kind(&id(seed)) == Some(FeedKind::Node)
    }

    async fn until_it_wants(&self, seed: u8, expected: bool) {
        let mut wanted = self.store.wanted();
        let reached = wanted.wait_for(|wanted| wanted.kind(&id(seed)).is_some() == expected);
        tokio::time::timeout(GUARD, reached).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn whom_this_node_follows_and_whom_those_follow_is_replicated_within_the_hops() {
    let (me, friend, stranger) = (Node::new(1, 2), Node::new(2, 2), Node::new(3, 2));
    let cancel = CancellationToken::new();
    let (contacts, ended) = (me.contacts.clone(), cancel.clone());
    let task = tokio::spawn(async move { contacts.run(ended).await });

    friend.says(Relation::Following, [3, 4]).await;
    stranger.says(Relation::Following, [5]).await;
    assert!(!me.wants(2));
    me.says(Relation::Following, [2]).await;
    assert!(me.wants(2));
    assert!(me.take(&friend).await);
    me.until_it_wants(3, true).await;
    assert!(me.take(&stranger).await);
    friend.says(Relation::Neutral, [4]).await;
    friend.says(Relation::Following, [6]).await;
    let news = friend.store.get(id(2), FeedSequence(3), MAX_READ).await.unwrap();
    let news = news.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())).collect();
    me.store.append_remote(news).await.unwrap();
    me.until_it_wants(6, true).await;
    assert!(!me.wants(4), "not followed any more");
    assert!(!me.wants(5), "three steps away");

    me.contacts.reach_for(1);
    me.until_it_wants(3, false).await;
    me.contacts.reach_for(3);
    me.until_it_wants(5, true).await;

    me.says(Relation::Neutral, [2]).await;
    assert!(!me.wants(2) && !me.wants(3));
    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn an_own_block_drops_what_is_stored_and_refuses_more_and_others_blocks_do_not() {
    let (me, friend, other) = (Node::new(1, 3), Node::new(2, 3), Node::new(3, 3));
    other.says(Relation::Following, [9]).await;
    friend.says(Relation::Following, [3]).await;
    friend.says(Relation::Blocking, [4]).await;
    me.says(Relation::Following, [2, 3, 4]).await;
    assert!(me.take(&friend).await && me.take(&other).await);
    assert!(me.wants(4), "what a friend blocks is the friend's");

    me.says(Relation::Blocking, [3]).await;
    assert!(me.store.is_blocked(&id(3)) && !me.wants(3));
    assert_eq!(me.store.clock(&id(3)), FeedSequence(0));
    assert!(!me.take(&other).await);
    assert!(!me.store.want_peer(id(3)) || !me.wants(3));
    assert!(!me.wants(9), "and whom it follows is not reached");

    me.says(Relation::Neutral, [3]).await;
    assert!(me.wants(3), "a friend follows it");
    assert!(me.take(&other).await);
}

#[tokio::test]
async fn a_relation_is_said_once_and_listed_with_its_distance() {
    let (me, friend) = (Node::new(1, 3), Node::new(2, 3));
    let name = format!(r#"{{"type":"about","about":"{}","name":"Ada"}}"#, id(2));
    let about = OwnAppend { identity: friend.identity.clone(), content_json: name, names: None };
    friend.store.append_own(vec![about]).await.unwrap();
    me.says(Relation::Following, [2]).await;
    me.says(Relation::Blocking, [3]).await;
    me.store.want_peer(id(4));
    assert!(me.take(&friend).await);
    let before = me.store.clock(&id(1));
    me.says(Relation::Following, [2]).await;
    me.says(Relation::Neutral, [7]).await;
    assert_eq!(me.store.clock(&id(1)), before, "nothing new was said");
    let list = me.contacts.list().await.unwrap();
    let list: Vec<_> =
        list.iter().map(|one| (one.feed, one.name.as_deref(), one.relation, one.hops, one.messages)).collect();
    assert_eq!(
        list,
        [
            (id(2), Some("Ada"), Relation::Following, Some(1), 1),
            (id(4), None, Relation::Neutral, None, 0),
            (id(3), None, Relation::Blocking, None, 0),
        ]
    );
    assert!(matches!(me.contacts.relate(id(1), Relation::Blocking).await, Err(FollowError::Own(_))));
}

#[tokio::test]
async fn contacts_are_written_as_other_clients_write_them() {
    let me = Node::new(1, 3);
    me.says(Relation::Following, [2]).await;
    let message = me.store.get(id(1), FeedSequence(1), 1).await.unwrap().remove(0);
    let value: serde_json::Value = serde_json::from_str(&message.value_json).unwrap();
    let target = id(2).to_string();
    let expected = serde_json::json!({"type": "contact", "contact": target, "following": true, "blocking": false});
    assert_eq!(value["content"], expected);
    assert_eq!(Contact::parse(&message.value_json), Some(Contact { target: id(2), relation: Relation::Following }));
}
