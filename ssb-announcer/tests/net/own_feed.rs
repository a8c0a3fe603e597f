//! The node's own feed over real connections: restored backups, copies that run twice, and recovery from peers.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use ssb_announcer::feed::{Conflict, FeedStore, Message, OwnAppend, OwnFeedError, StoreError};
use ssb_announcer::identity::{Identity, Machine, Place, Standing};
use ssb_announcer::recovery::{self, Found, Patience, RecoverError, Recovered};
use stream_model::{FeedId, FeedSequence, PeerBook as _, SsbPeer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::attacker::{Attacker, messages};
use crate::js_peer::JavaScriptPeer;
use crate::node::{Node, PATIENCE, network};

fn any_port() -> std::net::SocketAddr {
    (std::net::Ipv6Addr::LOCALHOST, 0).into()
}

async fn all(store: &FeedStore, feed: FeedId) -> Vec<Message> {
    store.get(feed, FeedSequence(1), usize::MAX).await.unwrap()
}

/// A store of the identity with the first `count` messages of another one, as a backup has them.
async fn copy(identity: &Identity, of: &FeedStore, count: usize) -> FeedStore {
    let store = FeedStore::in_memory(identity.id(), vec![]).unwrap();
    let messages = all(of, identity.id()).await;
    let values =
        messages[..count].iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())).collect();
    assert!(store.append_remote(values).await.unwrap().iter().all(Result::is_ok));
    store
}

/// A node that starts with data from somewhere.
fn start(identity: &Identity, store: FeedStore) -> Node {
    store.own_gate().ask_first();
    Node::start_with(identity.clone(), store, any_port())
}

async fn append(store: &FeedStore, identity: &Identity, text: &str) -> Result<Message, StoreError> {
    let content_json = serde_json::json!({ "type": "test", "text": text }).to_string();
    let append = OwnAppend { identity: identity.clone(), content_json, names: None };
    store.append_own(vec![append]).await.map(|mut messages| messages.pop().unwrap())
}

/// Waits until the node knows that its identity is in use elsewhere.
async fn conflict(node: &Node) -> Conflict {
    let gate = node.store.own_gate();
    let mut changes = gate.changes();
    let found = async {
        loop {
            if let Some(OwnFeedError::Conflict(conflict)) = gate.report().error {
                return conflict;
            }
            changes.changed().await.unwrap();
        }
    };
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(conflict) => conflict,
        Err(_) => panic!("no conflict was found: {:?}, {:?}", gate.report(), node.gossip.connections()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_takes_up_what_its_peers_have_before_it_appends() {
    let (node, peer) = (Node::start(71), Node::start(72));
    node.append(10).await;
    peer.dial(&node);
    peer.holds(node.id(), 10).await;
    let (identity, before) = node.stop().await;

    let restored = start(&identity, copy(&identity, &before, 5).await);
    let recovered = restored.store.own_gate().report().recovered;
    restored.dial(&peer);
    let appended = append(&restored.store, &identity, "after the restore").await.unwrap();
    assert_eq!(appended.sequence, FeedSequence(11));
    peer.holds(identity.id(), 11).await;
    let (ours, theirs) = (all(&restored.store, identity.id()).await, all(&peer.store, identity.id()).await);
    assert_eq!(ours, theirs);
    assert_eq!(ours[..10], all(&before, identity.id()).await);
    assert_eq!(restored.store.own_gate().report().recovered - recovered, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_javascript_peer_gives_a_restored_node_its_feed_back() {
    let node = Node::start(73);
    node.append(10).await;
    let mut js = JavaScriptPeer::start().await;
    js.follow(node.id()).await;
    node.gossip.offer(js.as_peer());
    js.receives(node.id(), 10).await;
    let (identity, before) = node.stop().await;
    js.event(|event| event["event"] == "disconnected").await;

    let restored = start(&identity, copy(&identity, &before, 5).await);
    restored.gossip.offer(js.as_peer());
    let appended = append(&restored.store, &identity, "after the restore").await.unwrap();
    assert_eq!(appended.sequence, FeedSequence(11));
    let seen = js.receives(identity.id(), 11).await;
    assert_eq!(seen["content"]["text"], "after the restore");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_copies_with_a_common_peer_never_both_go_on() {
    let (first, peer) = (Node::start(74), Node::start(75));
    first.append(10).await;
    first.dial(&peer);
    peer.gossip.replicate(first.id());
    peer.holds(first.id(), 10).await;

    let identity = first.identity.clone();
    let copied = start(&identity, copy(&identity, &first.store, 10).await);
    copied.dial(&peer);
    append(&copied.store, &identity, "by the copy").await.unwrap();
    assert_eq!(conflict(&first).await, Conflict::Elsewhere(FeedSequence(11)));
    let refused = append(&first.store, &identity, "by the first").await;
    assert!(matches!(refused, Err(StoreError::OwnFeed(OwnFeedError::Conflict(_)))), "{refused:?}");
    assert_eq!(all(&first.store, identity.id()).await, all(&copied.store, identity.id()).await, "no fork came of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_of_its_twin_stops() {
    let (node, twin) = (Node::start(78), Node::start(78));
    let claim = |addresses| SsbPeer { feed: node.id(), addresses };
    node.append(1).await;
    node.gossip.offer(claim(vec![twin.gossip.local_address()]));
    assert_eq!(conflict(&node).await, Conflict::Twin);
    let refused = append(&node.store, &node.identity, "more").await;
    assert!(matches!(refused, Err(StoreError::OwnFeed(OwnFeedError::Conflict(Conflict::Twin)))), "{refused:?}");
}

/// Two copies that have written apart from each other, one of which a peer knows.
async fn forked(seed: u8, known: usize, unknown: usize) -> (Node, Node) {
    let (first, peer) = (Node::start(seed), Node::start(seed + 1));
    first.append(3).await;
    let identity = first.identity.clone();
    let copied = copy(&identity, &first.store, 3).await;
    first.append(known).await;
    peer.dial(&first);
    peer.holds(first.id(), 3 + known as u64).await;
    first.stop().await;
    for n in 0..unknown {
        append(&copied, &identity, &format!("apart {n}")).await.unwrap();
    }
    (Node::start_with(identity, copied, any_port()), peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_shows_whichever_branch_is_longer() {
    for (seed, known, unknown, at) in [(80, 4, 1, 4), (82, 2, 2, 5), (84, 1, 4, 4)] {
        let (node, peer) = forked(seed, known, unknown).await;
        node.dial(&peer);
        assert_eq!(conflict(&node).await, Conflict::Forked(FeedSequence(at)), "{known} known, {unknown} not");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_knows_nothing_of_the_feed_answers_at_once() {
    let (node, peer) = (Node::start(76), Node::start(77));
    node.append(2).await;
    let (identity, before) = node.stop().await;
    let restored = start(&identity, copy(&identity, &before, 2).await);
    peer.dial(&restored);
    append(&restored.store, &identity, "more").await.unwrap();
    assert_eq!(restored.store.own_gate().report().answers, 1);
}

/// Who gave how many messages, and what stopped it.
type Told = (FeedId, FeedSequence, Option<String>);

/// A data directory with an identity and, where there are any, messages of it.
struct Files {
    directory: tempfile::TempDir,
    identity: Identity,
    place: Place,
}

impl Files {
    async fn new(identity: Identity, messages: &[Message]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("identity/secret");
        let place = Place::beside(&secret, Machine::of(["here"]));
        identity.import(&secret, &place).unwrap();
        let files = Self { directory, identity, place };
        let values = messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())).collect();
        assert!(files.open().append_remote(values).await.unwrap().iter().all(Result::is_ok));
        files
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("ssb.sqlite3")
    }

    fn open(&self) -> FeedStore {
        FeedStore::open(&self.database(), self.identity.id(), vec![]).unwrap()
    }

    async fn recover(&self, peers: &[SsbPeer]) -> (Found, Recovered, Vec<Told>) {
        let (offers, found) = recovery::offers();
        peers.iter().for_each(|peer| offers.offer(peer.clone()));
        drop(offers);
        let mut answers = Vec::new();
        let patience = Patience { quiet: PATIENCE, at_most: PATIENCE };
        let found = recovery::look(network(), self.identity.clone(), found, patience, |answer| {
            answers.push((answer.peer, answer.gave, answer.error.as_ref().map(ToString::to_string)));
        });
        let found = found.await.unwrap();
        let recovered = recovery::apply(&self.database(), self.identity.id(), &self.place, &found).await.unwrap();
        (found, recovered, answers)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_identity_gets_its_feed_back_from_peers() {
    let (node, near, far) = (Node::start(90), Node::start(91), Node::start(92));
    node.append(600).await;
    near.dial(&node);
    near.holds(node.id(), 600).await;
    far.gossip.replicate(node.id());
    far.dial(&near);
    far.holds(node.id(), 600).await;
    let (identity, before) = node.stop().await;

    let files = Files::new(identity.clone(), &[]).await;
    let (found, recovered, answers) = files.recover(&[near.as_peer(), far.as_peer()]).await;
    assert_eq!((found.asked, found.answered, found.agreeing(), found.differing()), (2, 2, 2, 0));
    assert!(answers.iter().all(|(_, gave, error)| *gave == FeedSequence(600) && error.is_none()), "{answers:?}");
    let expected = Recovered { before: FeedSequence(0), after: FeedSequence(600), taken: 600, aside: None };
    assert_eq!(recovered, expected);
    assert_eq!(all(&files.open(), identity.id()).await, all(&before, identity.id()).await);
    assert_eq!(files.place.standing().unwrap(), Standing::Home);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_contradicts_the_peers_is_moved_to_a_file() {
    let (node, peer) = forked(93, 2, 4).await;
    let (identity, apart) = node.stop().await;
    let messages = all(&apart, identity.id()).await;
    let files = Files::new(identity.clone(), &messages).await;
    let (_, recovered, _) = files.recover(&[peer.as_peer()]).await;
    let (path, count) = recovered.aside.clone().unwrap();
    assert_eq!((recovered.before, recovered.after, recovered.taken, count), (FeedSequence(7), FeedSequence(5), 2, 4));
    assert_eq!(all(&files.open(), identity.id()).await, all(&peer.store, identity.id()).await);
    let aside = std::fs::read_to_string(path).unwrap();
    assert!(aside.lines().eq(messages[3..].iter().map(|message| message.value_json.as_ref())));

    let again = files.recover(&[peer.as_peer()]).await.1;
    assert_eq!((again.before, again.after, again.aside), (FeedSequence(5), FeedSequence(5), None));
    append(&files.open(), &identity, "goes on").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_peers_lack_stay_where_they_continue_the_feed() {
    let (node, peer) = (Node::start(95), Node::start(96));
    node.append(3).await;
    peer.dial(&node);
    peer.holds(node.id(), 3).await;
    let (identity, before) = node.stop().await;
    append(&before, &identity, "not sent to anybody").await.unwrap();
    let files = Files::new(identity.clone(), &all(&before, identity.id()).await).await;
    let recovered = files.recover(&[peer.as_peer()]).await.1;
    assert_eq!((recovered.after, recovered.taken, recovered.aside), (FeedSequence(4), 0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_peers_disagree_the_longest_branch_is_taken() {
    let (apart, peer) = forked(97, 3, 1).await;
    let other = Node::start(99);
    other.dial(&apart);
    other.holds(apart.id(), 4).await;
    let (identity, _) = apart.stop().await;
    let files = Files::new(identity.clone(), &[]).await;
    let (found, recovered, _) = files.recover(&[other.as_peer(), peer.as_peer()]).await;
    assert_eq!((found.agreeing(), found.differing()), (1, 1));
    assert_eq!(recovered.after, FeedSequence(6));
    assert_eq!(all(&files.open(), identity.id()).await, all(&peer.store, identity.id()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_peers_that_know_the_feed_nothing_is_taken_for_recovered() {
    let stranger = Node::start(101);
    let nobody = SsbPeer { feed: Identity::generate().id(), addresses: vec![] };
    let files = Files::new(Identity::from_seed(&[100; 32]), &[]).await;
    let (found, _, _) = files.recover(&[stranger.as_peer(), nobody]).await;
    assert_eq!((found.asked, found.answered, found.length()), (2, 1, FeedSequence(0)));
    assert!(matches!(files.place.standing().unwrap(), Standing::Recover(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_javascript_peer_gives_an_imported_identity_its_feed_back() {
    let node = Node::start(102);
    node.append(20).await;
    let mut js = JavaScriptPeer::start().await;
    js.follow(node.id()).await;
    node.gossip.offer(js.as_peer());
    js.receives(node.id(), 20).await;
    let (identity, before) = node.stop().await;
    let files = Files::new(identity.clone(), &[]).await;
    let (_, recovered, answers) = files.recover(&[js.as_peer()]).await;
    assert_eq!(recovered.taken, 20, "{answers:?}");
    assert_eq!(all(&files.open(), identity.id()).await, all(&before, identity.id()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_found_while_others_are_asked_has_a_turn_too() {
    let identity = Identity::from_seed(&[103; 32]);
    let silent = TcpListener::bind("[::1]:0").await.unwrap();
    let peer =
        |seed| SsbPeer { feed: Identity::from_seed(&[seed; 32]).id(), addresses: vec![silent.local_addr().unwrap()] };
    let (offers, found) = mpsc::channel(1);
    let patience = Patience { quiet: PATIENCE, at_most: PATIENCE };
    let looking = tokio::spawn(recovery::look(network(), identity.clone(), found, patience, |_| {}));
    for seed in 104..110 {
        offers.send(peer(seed)).await.unwrap();
    }
    // Who is the node itself is asked nothing; that there is room for the second one shows that all before were heard.
    for _ in 0..2 {
        offers.send(SsbPeer { feed: identity.id(), addresses: vec![] }).await.unwrap();
    }
    drop(offers);
    let refusing = tokio::spawn(async move { while silent.accept().await.is_ok() {} });
    assert_eq!(looking.await.unwrap().unwrap().asked, 6);
    refusing.abort();
}

/// A peer that has given the first `count` of these messages, and a task that looks for the feed. Everything given has
/// been taken.
async fn half_way(
    identity: &Identity,
    given: &[String],
    at_most: Duration,
) -> (Attacker, i32, tokio::task::JoinHandle<(Found, Vec<Option<String>>)>) {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let giver = Identity::from_seed(&[112; 32]);
    let (offers, found) = mpsc::channel(1);
    let offer = SsbPeer { feed: giver.id(), addresses: vec![listener.local_addr().unwrap()] };
    offers.send(offer).await.unwrap();
    let node = identity.clone();
    let looking = tokio::spawn(async move {
        let mut errors = Vec::new();
        let patience = Patience { quiet: Duration::from_secs(1), at_most };
        let looked = recovery::look(network(), node, found, patience, |answer| {
            errors.push(answer.error.as_ref().map(ToString::to_string));
        });
        let found = looked.await.unwrap();
        drop(offers);
        (found, errors)
    });
    let mut peer = Attacker::accepts(&listener, &giver).await;
    let request = peer.is_asked_for(identity.id()).await;
    for message in given {
        peer.send(-request, true, message.clone()).await;
    }
    peer.settled(1).await;
    (peer, request, looking)
}

#[tokio::test]
async fn what_a_peer_gave_until_the_time_was_up_is_kept_and_is_not_taken_for_all() {
    let identity = Identity::from_seed(&[111; 32]);
    let all_messages = messages(&identity, &["1", "2", "3", "4"]).await;
    // Less than a peer may be silent.
    let at_most = Duration::from_secs(14);
    let (_peer, _, looking) = half_way(&identity, &all_messages[..3], at_most).await;
    tokio::time::pause();
    let (found, errors) = looking.await.unwrap();
    tokio::time::resume();
    assert_eq!((found.length(), found.cut_off, found.answered), (FeedSequence(3), 1, 0));
    assert_eq!(errors, [Some("the time to look was up".to_owned())]);

    let files = Files::new(identity.clone(), &[]).await;
    files.place.settle().unwrap();
    let refused = recovery::apply(&files.database(), identity.id(), &files.place, &found).await.unwrap_err();
    assert!(matches!(refused, RecoverError::StillGiving { peers: 1, messages: FeedSequence(3) }), "{refused}");
    assert!(refused.to_string().contains("longer --wait"), "{refused}");
    assert_eq!(all(&files.open(), identity.id()).await.len(), 3);
    assert!(matches!(files.place.standing().unwrap(), Standing::Recover(_)));

    let other = FeedStore::in_memory(identity.id(), vec![]).unwrap();
    append(&other, &identity, "apart").await.unwrap();
    let files = Files::new(identity.clone(), &all(&other, identity.id()).await).await;
    let refused = recovery::apply(&files.database(), identity.id(), &files.place, &found).await.unwrap_err();
    assert!(matches!(refused, RecoverError::StillGiving { messages: FeedSequence(1), .. }), "{refused}");
    assert_eq!(all(&files.open(), identity.id()).await, all(&other, identity.id()).await, "nothing was moved aside");
}

#[tokio::test]
async fn a_peer_that_repeats_itself_loses_its_turn() {
    let identity = Identity::from_seed(&[113; 32]);
    let given = messages(&identity, &["1"]).await;
    let (mut peer, request, looking) = half_way(&identity, &given, Duration::from_secs(100)).await;
    let mut call = 1;
    while peer.send(-request, true, given[0].clone()).await && peer.is_heard(call + 1).await {
        call += 1;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::time::resume();
    }
    tokio::time::pause();
    let (found, errors) = looking.await.unwrap();
    assert_eq!((found.length(), found.cut_off), (FeedSequence(1), 0));
    assert_eq!(errors, [Some("no answer within 15s".to_owned())]);
}
