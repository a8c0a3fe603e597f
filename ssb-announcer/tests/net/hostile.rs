//! Peers that break the rules: the node refuses them, stays within its memory, and goes on serving others.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::json;
use ssb_announcer::blobs::MAX_BLOB;
use ssb_announcer::blobs::giving::MAX_GETS;
use ssb_announcer::feed::OwnAppend;
use ssb_announcer::handshake::{NetworkKey, authenticate_client};
use ssb_announcer::identity::Identity;
use ssb_announcer::muxrpc::packet;
use stream_model::{BlobStore as _, FeedId, FeedSequence, PeerBook};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::attacker::{Attacker, messages};
use crate::node::{Node, PATIENCE, network};

/// The node still takes part: another peer gets its newest message.
async fn still_serves(node: &Node) {
    let honest = Node::start(99);
    node.append(1).await;
    honest.dial(node);
    honest.holds(node.id(), node.store.clock(&node.id()).0).await;
}

async fn closed_by_node(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the node keeps the connection open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_network_is_cut_off_without_an_answer() {
    let node = Node::start(1);
    let identity = Identity::from_seed(&[66; 32]);
    let mut stream = TcpStream::connect(node.gossip.local_address()).await.unwrap();
    let other = NetworkKey::new([1; 32]);
    assert!(authenticate_client(&mut stream, &other, identity.signing_key(), node.id()).await.is_err());
    let mut rest = Vec::new();
    let _reset = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_handshake_holds_its_place_for_a_bounded_time() {
    let node = Node::start(1);
    let mut silent = TcpStream::connect(node.gossip.local_address()).await.unwrap();
    silent.write_all(&[7; 10]).await.unwrap();
    let mut gone = TcpStream::connect(node.gossip.local_address()).await.unwrap();
    gone.write_all(&[7; 63]).await.unwrap();
    drop(gone);
    still_serves(&node).await;
    closed_by_node(silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_were_not_sealed_end_the_connection() {
    let node = Node::start(1);
    let identity = Identity::from_seed(&[66; 32]);
    let mut stream = TcpStream::connect(node.gossip.local_address()).await.unwrap();
    authenticate_client(&mut stream, &network(), identity.signing_key(), node.id()).await.unwrap();
    stream.write_all(&[0x5a; 5000]).await.unwrap();
    closed_by_node(stream).await;
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_declared_four_gigabytes_ends_the_connection() {
    let node = Node::start(1);
    let mut attacker = Attacker::connect(&node, 66).await;
    attacker.raw(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1]).await;
    attacker.is_cut_off().await;
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_nested_a_thousand_deep_is_refused_unparsed() {
    let node = Node::start(1);
    let deep = |field: &str| format!(r#"{{"{field}":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let mut attacker = Attacker::replicating(&node, 66).await;
    attacker.send(2, false, deep("name")).await;
    attacker.send(3, true, deep("args")).await;
    attacker.settled(4).await;
    for _ in 0..3 {
        attacker.ebt(deep("content")).await;
    }
    attacker.is_cut_off().await;
    still_serves(&node).await;
}

/// The fields are where a message has them, so that only the depth is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn deep_messages_of_wanted_feeds_do_not_reach_a_parser() {
    let node = Node::start(1);
    let victim = Identity::from_seed(&[50; 32]);
    node.gossip.replicate(victim.id());
    let mut attacker = Attacker::replicating(&node, 66).await;
    let (open, close) = ("[".repeat(1000), "]".repeat(1000));
    for _ in 0..3 {
        let author = victim.id();
        attacker
            .ebt(format!(
                r#"{{"previous":null,"author":"{author}","sequence":1,"timestamp":1,"hash":"sha256","content":{{"type":"test","a":{open}{close}}},"signature":"{}==.sig.ed25519"}}"#,
                "A".repeat(86)
            ))
            .await;
    }
    attacker.is_cut_off().await;
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_messages_are_not_stored_and_their_sender_is_dropped() {
    let node = Node::start(1);
    let victims: Vec<Identity> = (50..53).map(|seed| Identity::from_seed(&[seed; 32])).collect();
    victims.iter().for_each(|victim| node.gossip.replicate(victim.id()));
    let mut attacker = Attacker::replicating(&node, 66).await;
    for victim in &victims {
        let genuine = &messages(victim, &["true"]).await[0];
        attacker.ebt(genuine.replace(r#""text":"true""#, r#""text":"lies""#)).await;
    }
    attacker.is_cut_off().await;
    for victim in &victims {
        assert_eq!(node.store.clock(&victim.id()), FeedSequence(0));
    }
    // The genuine messages are welcome from somebody else.
    let mut honest = Attacker::replicating(&node, 67).await;
    honest.ebt(messages(&victims[0], &["true"]).await.remove(0)).await;
    node.holds(victims[0].id(), 1).await;
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_feed_is_not_taken_from_who_brings_the_fork_and_goes_on_otherwise() {
    let node = Node::start(1);
    let author = Identity::from_seed(&[50; 32]);
    let genuine = messages(&author, &["1", "2", "3"]).await;
    let forked = messages(&author, &["1", "two", "three", "four"]).await;
    node.gossip.replicate(author.id());
    let mut honest = Attacker::replicating(&node, 67).await;
    for message in &genuine[..2] {
        honest.ebt(message.clone()).await;
    }
    node.holds(author.id(), 2).await;

    let mut attacker = Attacker::replicating(&node, 66).await;
    for message in &forked[1..] {
        attacker.ebt(message.clone()).await;
    }
    attacker.settled(2).await;
    assert_eq!(node.store.clock(&author.id()), FeedSequence(2));

    honest.ebt(genuine[2].clone()).await;
    node.holds(author.id(), 3).await;
    let stored = node.store.get(author.id(), FeedSequence(1), 9).await.unwrap();
    assert!(stored.iter().map(|message| message.value_json.as_ref()).eq(genuine.iter().map(String::as_str)));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_this_nodes_name_and_of_feeds_nobody_wants_are_not_taken() {
    let node = Node::start(1);
    let stranger = Identity::from_seed(&[50; 32]);
    let mut attacker = Attacker::replicating(&node, 66).await;
    attacker.ebt(messages(&stranger, &["hello"]).await.remove(0)).await;
    let by_node = messages(&node.identity, &["by this node"]).await.remove(0);
    attacker.ebt(by_node.replace("by this node", "not by this node")).await;
    attacker.settled(2).await;
    assert_eq!(node.store.clocks(&[stranger.id(), node.id()]), [FeedSequence(0), FeedSequence(0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_end_are_refused_beyond_a_number() {
    let node = Node::start(1);
    let mut attacker = Attacker::replicating(&node, 66).await;
    for request in 2..200 {
        attacker.send(request, true, r#"{"name":["gossip","ping"],"args":[],"type":"duplex"}"#).await;
    }
    attacker.send(200, true, r#"{"name":["gossip","ping"],"args":[],"type":"duplex"}"#).await;
    loop {
        let packet = attacker.receive().await.expect("the connection stays");
        if packet.request == -200 {
            assert!(packet.end);
            break;
        }
    }
    still_serves(&node).await;
}

/// What the node may grow by while peers read nothing: far less than what they ask for, and more than other tests running
/// beside need.
const MOST_MEGABYTES: u64 = 60;

/// As many peers as one address may have ask and then read nothing, while another that makes the call `read` gets all of it.
/// The kernels' buffers fill, and the node waits with the rest in its store, not in memory.
async fn asked_by_many_that_read_nothing(node: &Node, read: &str, asking: impl AsyncFn(&mut Attacker)) {
    let mut attackers = Vec::new();
    let before = resident_megabytes();
    for seed in 60..74 {
        let mut attacker = Attacker::replicating(node, seed).await;
        asking(&mut attacker).await;
        attackers.push(attacker);
    }
    let mut honest = Attacker::connect(node, 99).await;
    honest.send(1, true, read.to_owned()).await;
    let mut bytes = 0;
    loop {
        let packet = honest.receive().await.expect("the connection stays");
        if packet.request == -1 {
            bytes += packet.body.len();
            if packet.end {
                break;
            }
        }
    }
    assert!(bytes > 1_000_000, "{bytes}");
    let grown = resident_megabytes().saturating_sub(before);
    assert!(grown < MOST_MEGABYTES, "grew by {grown} MB");
}

fn history_of(feed: FeedId) -> String {
    json!({ "name": ["createHistoryStream"], "args": [{ "id": feed }], "type": "source" }).to_string()
}

/// A node with a feed of 8 MB.
async fn with_a_long_feed() -> Node {
    let node = Node::start(1);
    let content_json = format!(r#"{{"type":"test","text":"{}"}}"#, "x".repeat(7_000));
    let append = || OwnAppend { identity: node.identity.clone(), content_json: content_json.clone(), names: None };
    node.store.append_own((0..1_200).map(|_| append()).collect()).await.unwrap();
    node
}

/// 112 MB in all.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_ask_for_a_long_feed_and_read_nothing_cost_little_memory() {
    let node = with_a_long_feed().await;
    let notes = format!(r#"{{"{}":0}}"#, node.id());
    let read = history_of(node.id());
    asked_by_many_that_read_nothing(&node, &read, async |attacker| attacker.ebt(notes.clone()).await).await;
}

/// 4 GB in all.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_ask_for_many_histories_and_read_nothing_cost_little_memory() {
    let node = with_a_long_feed().await;
    let call = history_of(node.id());
    asked_by_many_that_read_nothing(&node, &call, async |attacker| {
        for request in 2..42 {
            attacker.send(request, true, call.clone()).await;
        }
    })
    .await;
}

/// 448 MB in all.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_ask_for_pictures_and_read_nothing_cost_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (node, blobs) = Node::start_with_blobs(1, folder.path());
    let id = blobs.add(Bytes::from(vec![7; MAX_BLOB])).await.unwrap();
    let call = json!({ "name": ["blobs", "get"], "args": [id], "type": "source" }).to_string();
    asked_by_many_that_read_nothing(&node, &call, async |attacker| {
        for request in 2..2 + MAX_GETS as i32 {
            attacker.send(request, true, call.clone()).await;
        }
    })
    .await;
}

/// Who is asked for the node's own feed could send messages that wait for others that never come.
#[tokio::test(flavor = "multi_thread")]
async fn messages_made_up_in_the_nodes_name_do_not_wait_for_others() {
    let node = Node::start(1);
    node.append(1).await;
    let mut attacker = Attacker::connect(&node, 66).await;
    let question = attacker.is_asked_for(node.id()).await;
    let stranger = Identity::from_seed(&[50; 32]);
    for message in &messages(&stranger, &["1", "2", "3", "4", "5"]).await[2..] {
        let made_up = message.replace(&stranger.id().to_string(), &node.id().to_string());
        attacker.send(-question, true, made_up).await;
    }
    attacker.is_cut_off().await;
    still_serves(&node).await;
}

/// Of a packet of which a part waits for others, the rest is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_around_messages_that_wait_costs_no_memory() {
    let node = Node::start(1);
    let author = Identity::from_seed(&[50; 32]);
    node.gossip.replicate(author.id());
    let texts: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let ahead = messages(&author, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await.split_off(1);
    let junk = "x".repeat(250_000);
    let asks =
        json!({ "name": ["createHistoryStream"], "args": [{ "id": author.id(), "live": true }], "type": "source" });
    let mut attackers = Vec::new();
    let before = resident_megabytes();
    for seed in 60..70 {
        // 72 MB in all.
        let mut attacker = Attacker::connect(&node, seed).await;
        attacker.send(1, true, asks.to_string()).await;
        let stream = attacker.is_asked_for(author.id()).await;
        for message in &ahead {
            attacker.send(-stream, true, format!(r#"{{"value":{message},"junk":"{junk}"}}"#)).await;
        }
        attacker.settled(2).await;
        attackers.push(attacker);
    }
    let grown = resident_megabytes().saturating_sub(before);
    assert!(grown < MOST_MEGABYTES, "grew by {grown} MB");
}

/// After this long without progress, the node counts as not reading.
const NOT_READ: Duration = Duration::from_secs(4);

/// It does not read the answers: the node then reads none of its questions either.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_asks_without_end_and_reads_nothing_is_not_read_either() {
    let node = Node::start(1);
    let before = resident_megabytes();
    let mut attacker = Attacker::replicating(&node, 66).await;
    attacker.send(2, true, r#"{"name":["gossip","ping"],"args":[],"type":"duplex"}"#).await;
    let mut asked = 0;
    while let Ok(true) = tokio::time::timeout(NOT_READ, attacker.send(2, true, "1".repeat(500))).await {
        asked += 1;
        assert!(asked < 100_000, "the node read 50 MB of questions");
    }
    let grown = resident_megabytes().saturating_sub(before);
    assert!(grown < MOST_MEGABYTES, "grew by {grown} MB");
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_packets_of_many_peers_stay_within_bounds() {
    let node = Node::start(1);
    let before = resident_megabytes();
    for round in 0..3 {
        let mut attackers = Vec::new();
        for seed in 0..12 {
            let mut attacker = Attacker::connect(&node, 100 + seed).await;
            let mut header = BytesMut::new();
            header.put_u8(0x0a);
            header.put_u32(packet::MAX_BODY as u32);
            header.put_i32(1);
            header.put_bytes(b'[', packet::MAX_BODY - 1 - round);
            attacker.raw(&header).await;
            attackers.push(attacker);
        }
    }
    still_serves(&node).await;
    let grown = resident_megabytes().saturating_sub(before);
    assert!(grown < 30, "grew by {grown} MB");
}

/// Resident memory of this process, of which other tests running beside have a part.
fn resident_megabytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096 / (1 << 20)
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_about_thousands_of_unknown_feeds_are_answered_within_bounds() {
    let node = Node::start(1);
    let mut attacker = Attacker::replicating(&node, 66).await;
    for round in 0u16..5 {
        let feed = |n: u16| FeedId([&round.to_be_bytes()[..], &n.to_be_bytes(), &[0; 28]].concat().try_into().unwrap());
        let notes: Vec<String> = (0..4_000).map(|n| format!(r#""{}":2"#, feed(n))).collect();
        attacker.ebt(format!("{{{}}}", notes.join(","))).await;
    }
    attacker.settled(2).await;
    still_serves(&node).await;
}
