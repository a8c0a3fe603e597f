//! `createHistoryStream`, served and asked: with real JavaScript peers that have no EBT, and with peers that break the
//! rules.

use serde_json::{Value, json};
use ssb_announcer::identity::Identity;
use ssb_announcer::replication::history::serving::MAX_SERVED;
use stream_model::{FeedId, FeedSequence, PeerBook};

use crate::attacker::{Attacker, messages};
use crate::js_peer::JavaScriptPeer;
use crate::node::Node;

fn without_ebt() -> Value {
    json!({ "ebt": false })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_javascript_peer_without_ebt_that_dials_us_gets_our_feed_and_we_get_its() {
    let node = Node::start(21);
    node.append(20).await;
    let mut js = JavaScriptPeer::start_with(without_ebt()).await;
    node.gossip.replicate(js.feed);
    js.publish(json!({ "type": "post", "text": "before" })).await;
    js.connect(&node).await;
    js.ask("history", json!({ "from": node.id(), "feed": node.id() })).await.unwrap();
    js.receives(node.id(), 20).await;
    node.holds(js.feed, 1).await;

    node.append(1).await;
    js.receives(node.id(), 21).await;
    let written = js.publish(json!({ "type": "post", "text": "Grüße" })).await;
    node.holds(js.feed, written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_javascript_peer_without_ebt_that_we_dial_gets_our_feed_and_we_get_its() {
    let node = Node::start(22);
    node.append(3).await;
    let mut js = JavaScriptPeer::start_with(without_ebt()).await;
    js.publish(json!({ "type": "post", "text": "before" })).await;
    node.gossip.offer(js.as_peer());
    node.holds(js.feed, 1).await;
    js.ask("history", json!({ "from": node.id(), "feed": node.id() })).await.unwrap();
    js.receives(node.id(), 3).await;

    let written = js.publish(json!({ "type": "post", "text": "after" })).await;
    node.holds(js.feed, written).await;
    node.append(1).await;
    js.receives(node.id(), 4).await;
}

/// It dials and then calls nothing: its manifest says that it has no EBT.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_only_answers_is_asked_for_histories() {
    let node = Node::start(23);
    let mut js = JavaScriptPeer::start_with(without_ebt()).await;
    let written = js.publish(json!({ "type": "post", "text": "here" })).await;
    node.gossip.replicate(js.feed);
    js.connect(&node).await;
    node.holds(js.feed, written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_becomes_wanted_is_asked_of_a_peer_without_ebt() {
    let (node, author) = (Node::start(24), Node::start(25));
    author.append(3).await;
    let mut js = JavaScriptPeer::start_with(without_ebt()).await;
    js.connect(&author).await;
    js.ask("history", json!({ "from": author.id(), "feed": author.id() })).await.unwrap();
    js.receives(author.id(), 3).await;

    node.gossip.offer(js.as_peer());
    node.connected(js.feed, true).await;
    node.gossip.replicate(author.id());
    node.holds(author.id(), 3).await;
    author.append(1).await;
    node.holds(author.id(), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_reads_a_history_in_every_form() {
    let node = Node::start(26);
    node.append(5).await;
    let mut js = JavaScriptPeer::start().await;
    js.connect(&node).await;
    let mut history = async |options: Value| {
        let options = json!({ "type": "source", "args": [options] });
        js.call(&node, json!("createHistoryStream"), options).await
    };
    let stored = node.store.get(node.id(), FeedSequence(1), 9).await.unwrap();
    let values: Vec<Value> = stored.iter().map(|message| serde_json::from_str(&message.value_json).unwrap()).collect();
    let keys: Vec<Value> = stored.iter().map(|message| json!(message.key)).collect();

    let full = history(json!({ "id": node.id() })).await.unwrap();
    let full: Vec<Value> = full.as_array().unwrap().clone();
    assert_eq!(full.iter().map(|one| one["value"].clone()).collect::<Vec<_>>(), values);
    assert_eq!(full.iter().map(|one| one["key"].clone()).collect::<Vec<_>>(), keys);
    assert_eq!(history(json!({ "id": node.id(), "keys": false, "seq": 4 })).await.unwrap(), json!(values[3..]));
    assert_eq!(
        history(json!({ "id": node.id(), "values": false, "sequence": 2, "limit": 2 })).await.unwrap(),
        json!(keys[1..3])
    );
    assert_eq!(history(json!({ "id": FeedId([9; 32]) })).await.unwrap(), json!([]));
    assert_eq!(history(json!({ "id": "nobody" })).await, Err("the id is not a feed".to_owned()));
    assert_eq!(history(json!({ "id": node.id(), "seq": "one" })).await, Err("seq has a wrong type".to_owned()));
}

const HISTORY: &str =
    r#"{"name":["createHistoryStream"],"type":"source","args":[{"id":"FEED","live":true,"keys":false}]}"#;

fn history_of(feed: FeedId) -> String {
    HISTORY.replace("FEED", &feed.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_live_histories_cost_little_and_those_beyond_a_number_are_refused() {
    let node = Node::start(27);
    let mut attacker = Attacker::connect(&node, 66).await;
    for request in 1..=MAX_SERVED as i32 {
        attacker.send(request, true, history_of(node.id())).await;
    }
    attacker.send(1_000, true, history_of(node.id())).await;
    loop {
        let packet = attacker.receive().await.expect("the connection stays");
        if packet.request == -1_000 {
            assert!(packet.end);
            break;
        }
    }
    node.append(1).await;
    let mut got = std::collections::BTreeSet::new();
    while got.len() < MAX_SERVED {
        let packet = attacker.receive().await.expect("the connection stays");
        if packet.request < 0 && !packet.end {
            got.insert(packet.request);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_by_a_history_is_validated_as_by_ebt_and_its_sender_is_dropped() {
    let node = Node::start(28);
    let victims: Vec<Identity> = (50..53).map(|seed| Identity::from_seed(&[seed; 32])).collect();
    victims.iter().for_each(|victim| node.gossip.replicate(victim.id()));
    let mut attacker = Attacker::connect(&node, 66).await;
    attacker.send(1, true, history_of(FeedId([9; 32]))).await;
    let mut asked = 0;
    while asked < victims.len() {
        let packet = attacker.receive().await.expect("the connection stays");
        let Ok(call) = serde_json::from_slice::<Value>(&packet.body) else { continue };
        let Some(id) = call["args"][0]["id"].as_str() else { continue };
        let Some(victim) = victims.iter().find(|victim| victim.id().to_string() == id) else { continue };
        let genuine = &messages(victim, &["true"]).await[0];
        attacker.send(-packet.request, true, genuine.replace(r#""text":"true""#, r#""text":"lies""#)).await;
        asked += 1;
    }
    attacker.is_cut_off().await;
    for victim in &victims {
        assert_eq!(node.store.clock(&victim.id()), FeedSequence(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_wrapped_with_their_keys_are_taken_too() {
    let node = Node::start(29);
    let author = Identity::from_seed(&[50; 32]);
    node.gossip.replicate(author.id());
    let mut peer = Attacker::connect(&node, 66).await;
    peer.send(1, true, history_of(FeedId([9; 32]))).await;
    loop {
        let packet = peer.receive().await.expect("the connection stays");
        let Ok(call) = serde_json::from_slice::<Value>(&packet.body) else { continue };
        if call["args"][0]["id"] == json!(author.id()) {
            peer.send(-packet.request, true, r#"{"sync":true}"#).await;
            for message in messages(&author, &["1", "2"]).await {
                let wrapped = format!(r#"{{"key":"%x.sha256","value":{message},"timestamp":5}}"#);
                peer.send(-packet.request, true, wrapped).await;
            }
            break;
        }
    }
    node.holds(author.id(), 2).await;
}

/// A peer that has both open: what one brings the other does not bring again.
#[tokio::test(flavor = "multi_thread")]
async fn beside_ebt_a_live_history_does_not_double_what_is_sent() {
    let node = Node::start(30);
    node.append(3).await;
    let mut peer = Attacker::replicating(&node, 66).await;
    peer.ebt(format!(r#"{{"{}":0}}"#, node.id())).await;
    peer.send(2, true, history_of(node.id())).await;
    peer.settled(3).await;
    node.append(1).await;
    let mut brought = Vec::new();
    while brought.iter().filter(|request| **request == -2).count() == 0 {
        brought.push(peer.receive().await.expect("the connection stays").request);
    }
    node.append(1).await;
    while brought.iter().filter(|request| **request == -2).count() < 2 {
        brought.push(peer.receive().await.expect("the connection stays").request);
    }
    assert!(brought.len() < 4, "{brought:?}");
}
