//! Peers that nobody has named: other programs, older versions, and ones that do less or other than expected. Each is
//! answered as far as it can be, and disturbs nobody.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::join_all;
use serde_json::{Value, json};
use ssb_announcer::handshake::authenticate_client;
use ssb_announcer::handshake::box_stream::Sealer;
use ssb_announcer::identity::Identity;
use ssb_announcer::muxrpc::packet::{Encoding, Packet};
use ssb_announcer::muxrpc::session::MAX_OPEN;
use stream_model::{FeedId, FeedSequence, PeerBook as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::attacker::{Attacker, messages};
use crate::node::{Node, PATIENCE, network};

fn author() -> Identity {
    Identity::from_seed(&[50; 32])
}

/// The node still takes part.
async fn still_serves(node: &Node) {
    let honest = Node::start(99);
    node.append(1).await;
    honest.dial(node);
    honest.holds(node.id(), node.store.clock(&node.id()).0).await;
}

/// The next answer on a call of ours.
async fn answer(peer: &mut Attacker, request: i32) -> Packet {
    loop {
        let packet = peer.receive().await.expect("the connection stays");
        if packet.request == -request {
            return packet;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_calls_of_every_kind_end_with_an_error_and_the_rest_goes_on() {
    let node = Node::start(1);
    node.append(1).await;
    let mut peer = Attacker::replicating(&node, 66).await;
    let mut request = 1;
    for (name, known) in [
        (json!(["unheardOf"]), false),
        (json!("unheardOf"), false),
        (json!(["gossip", "unheardOf"]), false),
        (json!(["tunnel", "connect"]), false),
        (json!(["createUserStream"]), false),
        (json!([]), false),
        (json!(["blobs"]), false),
        (json!(["manifest"]), true),
    ] {
        for kind in ["async", "sync", "source", "sink", "duplex"] {
            if known && matches!(kind, "async" | "sync") {
                continue;
            }
            request += 1;
            let stream = !matches!(kind, "async" | "sync");
            peer.send(request, stream, json!({ "name": name, "args": [{}], "type": kind }).to_string()).await;
            if matches!(kind, "sink" | "duplex") {
                // What is on its way before the error has arrived.
                peer.send(request, true, r#"{"more":1}"#).await;
            }
            let refused = answer(&mut peer, request).await;
            let error: Value = serde_json::from_slice(&refused.body).unwrap();
            assert!(refused.end && refused.stream == stream, "{name} {kind}");
            let text = error["message"].as_str().unwrap();
            let expected = if known { format!("no {kind}:manifest") } else { "list of allowed methods".to_owned() };
            assert!(error["name"] == "Error" && text.contains(&expected), "{name} {kind}: {text}");
        }
    }
    peer.ebt(format!(r#"{{"{}":0}}"#, node.id())).await;
    loop {
        let packet = answer(&mut peer, 1).await;
        if serde_json::from_slice::<Value>(&packet.body).unwrap()["sequence"] == 1 {
            break;
        }
    }
}

/// Not every program ends its side of a call that was refused.
#[tokio::test(flavor = "multi_thread")]
async fn refused_calls_that_the_peer_never_ends_leave_room_for_others() {
    let node = Node::start(1);
    node.append(1).await;
    let mut peer = Attacker::replicating(&node, 66).await;
    let last = MAX_OPEN as i32 + 50;
    for request in 2..=last {
        let kind = ["source", "sink", "duplex"][request as usize % 3];
        peer.send(request, true, json!({ "name": ["unheardOf"], "args": [], "type": kind }).to_string()).await;
    }
    answer(&mut peer, last).await;
    let history = json!({ "name": ["createHistoryStream"], "args": [{ "id": node.id() }], "type": "source" });
    peer.send(last + 1, true, history.to_string()).await;
    assert!(!answer(&mut peer, last + 1).await.end);
}

/// What comes on a call of ours until the node has handled it: the numbers of messages, and the end. Uses the two request
/// numbers that follow.
async fn given(peer: &mut Attacker, request: i32) -> String {
    let mut given = Vec::new();
    // Answers are written before streams are filled, so that the second one comes after what is there now.
    for settled in [request + 1, request + 2] {
        peer.send(settled, false, r#"{"name":["whoami"],"args":[]}"#).await;
        loop {
            let packet = peer.receive().await.expect("the connection stays");
            if packet.request == -settled {
                break;
            }
            if packet.request != -request {
                continue;
            }
            let body: Value = serde_json::from_slice(&packet.body).unwrap();
            given.push(match (packet.end, &body) {
                (true, Value::Bool(true)) => "end".to_owned(),
                (true, _) => "error".to_owned(),
                (false, body) => body.get("value").unwrap_or(body)["sequence"].to_string(),
            });
        }
    }
    given.join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_are_given_to_every_way_of_asking() {
    let node = Node::start(1);
    node.append(5).await;
    let id = node.id();
    let mut peer = Attacker::connect(&node, 66).await;
    let forms = [
        (json!([{ "id": id }]), "1 2 3 4 5 end"),
        (json!([{ "id": id, "seq": 4 }]), "4 5 end"),
        (json!([{ "id": id, "sequence": 4 }]), "4 5 end"),
        (json!([{ "id": id, "seq": 2, "limit": 2 }]), "2 3 end"),
        (json!([{ "id": id, "limit": -1, "keys": true, "values": true, "old": true }]), "1 2 3 4 5 end"),
        (json!([{ "id": id, "seq": 5, "live": false, "keys": false, "reverse": false, "gt": null }]), "5 end"),
        (json!([{ "id": id, "seq": 0, "keys": false, "values": true }]), "1 2 3 4 5 end"),
        (json!([{ "id": id, "sequence": null, "limit": null, "live": null }]), "1 2 3 4 5 end"),
        (json!([{ "id": id, "seq": 9 }]), "end"),
        (json!([{ "id": id, "live": true, "limit": 2 }]), "1 2 end"),
        (json!([{ "id": id, "seq": 4, "live": true }]), "4 5"),
        (json!([{ "id": id, "old": false, "live": true }]), ""),
        (json!([id]), "1 2 3 4 5 end"),
        (json!([id, 4]), "4 5 end"),
        (json!([id, 4, true]), "4 5"),
        (json!([{ "id": FeedId([7; 32]) }]), "end"),
        (json!([{ "id": "%nobody" }]), "error"),
        (json!([]), "error"),
        (json!(null), "error"),
    ];
    for (request, (args, expected)) in (1..).step_by(3).zip(&forms) {
        let call = json!({ "name": ["createHistoryStream"], "args": args, "type": "source" });
        peer.send(request, true, call.to_string()).await;
        assert_eq!(given(&mut peer, request).await, *expected, "{args}");
    }
    node.append(1).await;
    let mut live: Vec<i32> =
        (1..).step_by(3).zip(&forms).filter(|(_, (_, given))| !given.contains('e')).map(|(n, _)| n).collect();
    assert_eq!(live.len(), 3);
    while !live.is_empty() {
        let packet = peer.receive().await.expect("the connection stays");
        live.retain(|request| packet.request != -request || packet.end);
    }
}

/// What peers answer that do not know `ebt.replicate`, or no longer care for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_refuses_ebt_in_its_own_words_is_asked_for_histories() {
    let error = |text: &str| json!({ "name": "Error", "message": text, "stack": "" }).to_string();
    let refusals = [
        (true, Encoding::Json, error("method:ebt,replicate is not in list of allowed methods")),
        (true, Encoding::Json, error("no duplex:ebt,replicate")),
        (true, Encoding::Json, error("Cannot read property 'replicate' of undefined")),
        (false, Encoding::Json, error("muxrpc: no such command: ebt.replicate")),
        (true, Encoding::Json, json!({ "message": "unhandled call" }).to_string()),
        (true, Encoding::Text, "muxrpc: no such command".to_owned()),
        (true, Encoding::Json, "\"no\"".to_owned()),
        (true, Encoding::Json, "not JSON".to_owned()),
        (true, Encoding::Json, "true".to_owned()),
        (true, Encoding::Json, "null".to_owned()),
    ];
    let message = messages(&author(), &["hello"]).await.remove(0);
    join_all(refusals.into_iter().zip(110..).map(|((stream, encoding, body), seed)| {
        let message = message.clone();
        async move {
            let node = Node::start(1);
            node.gossip.replicate(author().id());
            let mut peer = Attacker::dialled_by(&node, seed).await;
            let (request, _) = peer.is_called(json!(["ebt", "replicate"])).await;
            let refusal = Packet { request: -request, stream, end: true, encoding, body: Bytes::from(body) };
            peer.packet(&refusal).await;
            let history = peer.is_asked_for(author().id()).await;
            peer.send(-history, true, message).await;
            node.holds(author().id(), 1).await;
        }
    }))
    .await;
}

/// Manifests of all ages, and none at all: who has not called `ebt.replicate` is asked for histories.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_dials_and_only_answers_is_asked_for_histories_whatever_its_manifest() {
    let flat = json!({ "manifest": "sync", "createHistoryStream": "source", "auth": "async", "address": "sync" });
    let answers = [
        (false, flat.to_string()),
        (false, json!({ "createHistoryStream": "source", "ebt.replicate": "duplex" }).to_string()),
        (false, json!(["createHistoryStream", "whoami"]).to_string()),
        (false, json!(flat.to_string()).to_string()),
        (false, json!({ "ebt": ["replicate"] }).to_string()),
        (false, "null".to_owned()),
        (true, json!({ "name": "Error", "message": "no async:manifest", "stack": "" }).to_string()),
        (true, "true".to_owned()),
    ];
    join_all(answers.into_iter().zip(130..).map(|((end, body), seed)| async move {
        let node = Node::start(1);
        node.gossip.replicate(author().id());
        let mut peer = Attacker::connect(&node, seed).await;
        let (request, _) = peer.is_called(json!(["manifest"])).await;
        let body = Bytes::from(body);
        peer.packet(&Packet { request: -request, stream: false, end, encoding: Encoding::Json, body }).await;
        peer.is_asked_for(author().id()).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_answers_is_asked_for_everything_and_disturbs_nobody() {
    let node = Node::start(1);
    node.gossip.replicate(author().id());
    let mut silent = Attacker::dialled_by(&node, 66).await;
    silent.is_called(json!(["ebt", "replicate"])).await;
    still_serves(&node).await;
    silent.is_asked_for(author().id()).await;
    // When it begins after all, histories are given up.
    silent.send(-1, true, "{}").await;
    still_serves(&node).await;
}

/// How far a peer goes before it closes its side of the connection and reads on.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Connected,
    HalfHello,
    Hello,
    Authenticated,
    HalfHeader,
    HalfBody,
    HalfPacket,
    Replicating,
    Goodbye,
}

/// Without a goodbye nobody knows what was cut off: the node closes its side too.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_half_closes_at_any_stage_is_let_go() {
    let node = Node::start(1);
    node.append(1).await;
    let identity = Identity::from_seed(&[66; 32]);
    for stage in [
        Stage::Connected,
        Stage::HalfHello,
        Stage::Hello,
        Stage::Authenticated,
        Stage::HalfHeader,
        Stage::HalfBody,
        Stage::HalfPacket,
        Stage::Replicating,
        Stage::Goodbye,
    ] {
        let mut stream = TcpStream::connect(node.gossip.local_address()).await.unwrap();
        let mut bytes = BytesMut::new();
        match stage {
            Stage::Connected => {}
            Stage::HalfHello => bytes.extend_from_slice(&[1; 30]),
            Stage::Hello => bytes.extend_from_slice(&[1; 64]),
            _ => {
                let network = network();
                let handshake = authenticate_client(&mut stream, &network, identity.signing_key(), node.id());
                let mut sealer = Sealer::new(handshake.await.unwrap().send);
                let call = br#"{"name":["ebt","replicate"],"args":[{"version":3}],"type":"duplex"}"#;
                let body = Bytes::from_static(call);
                let call = Packet { request: 1, stream: true, end: false, encoding: Encoding::Json, body };
                let mut plain = BytesMut::new();
                call.encode(&mut plain);
                match stage {
                    Stage::HalfHeader | Stage::HalfBody | Stage::Replicating => sealer.seal(&plain, &mut bytes),
                    Stage::HalfPacket => sealer.seal(&plain[..20], &mut bytes),
                    Stage::Goodbye => sealer.seal(&[0; 9], &mut bytes),
                    _ => {}
                }
                match stage {
                    Stage::HalfHeader => bytes.truncate(20),
                    Stage::HalfBody => bytes.truncate(60),
                    _ => {}
                }
            }
        }
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "{stage:?}: the node keeps the connection open");
    }
    node.connected(identity.id(), false).await;
    still_serves(&node).await;
}

/// A tool asks, says that it will ask no more, and reads all that it asked for, at its own pace.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_a_goodbye_is_answered_in_full() {
    let node = Node::start(1);
    node.append(3_000).await;
    let mut peer = Attacker::connect(&node, 66).await;
    let history =
        json!({ "name": ["createHistoryStream"], "args": [{ "id": node.id(), "keys": false }], "type": "source" });
    peer.send(1, true, history.to_string()).await;
    peer.goodbye().await;
    let mut got = 0;
    while let Some(packet) = peer.receive().await {
        if packet.request == -1 && !packet.end {
            got += 1;
        }
    }
    assert_eq!(got, 3_000);
}

/// `go-ssb` numbers its calls in one order, and may send them in another.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_overtake_each_other_are_answered() {
    let node = Node::start(1);
    let mut peer = Attacker::connect(&node, 66).await;
    for request in [3, 1, 2] {
        peer.settled(request).await;
    }
}

/// A node whose clock was set back wrote its later messages at an earlier time, and a server that sorts by time gives them
/// first.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_in_another_order_is_taken_all_the_same() {
    let node = Node::start(1);
    let author = author();
    node.gossip.replicate(author.id());
    let texts: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let history = messages(&author, &texts).await;
    let mut peer = Attacker::connect(&node, 66).await;
    let asks =
        json!({ "name": ["createHistoryStream"], "args": [{ "id": FeedId([9; 32]), "live": true }], "type": "source" });
    peer.send(1, true, asks.to_string()).await;
    let stream = peer.is_asked_for(author.id()).await;
    for message in history[100..].iter().chain(&history[..100]) {
        peer.send(-stream, true, message.clone()).await;
    }
    node.holds(author.id(), 300).await;
    assert_eq!(node.store.clock(&author.id()), FeedSequence(300));
}

/// Between broadcasts there may be nothing to say for hours.
#[tokio::test]
async fn a_connection_on_which_nothing_is_said_for_minutes_stays() {
    let node = Node::start(1);
    let mut peer = Attacker::replicating(&node, 66).await;
    peer.ebt("{}").await;
    peer.settled(2).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(600)).await;
    tokio::time::resume();
    peer.settled(3).await;
}
