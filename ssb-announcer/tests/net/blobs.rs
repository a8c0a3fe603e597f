//! Blobs with a real JavaScript peer (ssb-blobs), between our own nodes, and with peers that break the rules.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use ssb_announcer::blobs::MAX_BLOB;
use ssb_announcer::blobs::shelf::hash;
use ssb_announcer::blobs::wants::MAX_FOR_PEER;
use stream_model::{BlobError, BlobId, BlobStore, PeerBook};

use crate::attacker::Attacker;
use crate::js_peer::JavaScriptPeer;
use crate::node::{Node, PATIENCE};

/// Bytes that differ from place to place, so that a piece out of order would show.
fn picture(seed: u32, size: usize) -> Bytes {
    (0..size as u32).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_go_both_ways_with_a_javascript_peer_that_we_dial() {
    let folder = tempfile::tempdir().unwrap();
    let (node, blobs) = Node::start_with_blobs(71, folder.path());
    let (ours, theirs) = (picture(1, 300_000), picture(2, 200_000));
    let mut js = JavaScriptPeer::start().await;
    let id = blobs.add(ours.clone()).await.unwrap();
    let added = js.ask("blobAdd", json!({ "base64": STANDARD.encode(&theirs) })).await.unwrap();
    let their_id: BlobId = added.as_str().unwrap().parse().unwrap();

    node.gossip.offer(js.as_peer());
    assert_eq!(js.ask("blobWant", json!({ "blob": id })).await, Ok(json!(true)));
    assert_eq!(js.ask("blobGet", json!({ "blob": id })).await, Ok(json!(STANDARD.encode(&ours))));
    assert_eq!(blobs.fetch(&their_id, PATIENCE).await.unwrap(), theirs);

    // Wanted here before it is there.
    let later = picture(3, 70_000);
    blobs.want(hash(&later));
    js.ask("blobAdd", json!({ "base64": STANDARD.encode(&later) })).await.unwrap();
    assert_eq!(blobs.fetch(&hash(&later), PATIENCE).await.unwrap(), later);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_go_both_ways_with_a_javascript_peer_without_ebt_that_dials_us() {
    let folder = tempfile::tempdir().unwrap();
    let (node, blobs) = Node::start_with_blobs(72, folder.path());
    let mut js = JavaScriptPeer::start_with(json!({ "ebt": false })).await;
    let (ours, theirs) = (picture(1, 3), picture(2, 65_536));
    js.ask("blobAdd", json!({ "base64": STANDARD.encode(&theirs) })).await.unwrap();
    js.connect(&node).await;
    assert_eq!(blobs.fetch(&hash(&theirs), PATIENCE).await.unwrap(), theirs);
    let id = blobs.add(ours.clone()).await.unwrap();
    assert_eq!(js.ask("blobWant", json!({ "blob": id })).await, Ok(json!(true)));
    assert_eq!(js.ask("blobGet", json!({ "blob": id })).await, Ok(json!(STANDARD.encode(&ours))));
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_asks_about_blobs_and_for_parts_of_them_and_changes_none() {
    let folder = tempfile::tempdir().unwrap();
    let (node, blobs) = Node::start_with_blobs(73, folder.path());
    let bytes = picture(1, 100_000);
    let (id, unknown) = (blobs.add(bytes.clone()).await.unwrap(), BlobId([9; 32]));
    let mut js = JavaScriptPeer::start().await;
    js.connect(&node).await;
    let mut call = async |name: &str, kind: &str, args: Value| {
        js.call(&node, json!(["blobs", name]), json!({ "type": kind, "args": args })).await
    };
    assert_eq!(call("has", "async", json!([id])).await, Ok(json!(true)));
    assert_eq!(call("has", "async", json!([[unknown, id]])).await, Ok(json!([false, true])));
    assert_eq!(call("size", "async", json!([id])).await, Ok(json!(100_000)));
    assert_eq!(call("size", "async", json!([unknown])).await, Ok(json!(null)));
    let slice = call("getSlice", "source", json!([{ "hash": id, "start": 10, "end": 40 }])).await;
    assert_eq!(slice, Ok(json!([STANDARD.encode(&bytes[10..40])])));
    assert!(call("get", "source", json!([unknown])).await.unwrap_err().contains("not here"));
    assert!(call("get", "source", json!([{ "key": id, "max": 5 }])).await.is_err());
    assert!(call("has", "async", json!([7])).await.is_err());
    for (name, kind, args) in
        [("want", "async", json!([unknown])), ("rm", "async", json!([id])), ("ls", "source", json!([]))]
    {
        let refused = call(name, kind, args).await.unwrap_err();
        assert_eq!(refused, format!("method:blobs,{name} is not in list of allowed methods"));
    }
    assert_eq!(blobs.get(&id).await.unwrap(), bytes);
}

/// A—B—C, and nobody looks at the picture at B.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_crosses_a_node_where_nobody_wants_it() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let (a, blobs_a) = Node::start_with_blobs(74, folders[0].path());
    let (b, blobs_b) = Node::start_with_blobs(75, folders[1].path());
    let (c, blobs_c) = Node::start_with_blobs(76, folders[2].path());
    let bytes = picture(1, MAX_BLOB);
    let id = blobs_a.add(bytes.clone()).await.unwrap();
    b.dial(&a);
    c.dial(&b);
    assert_eq!(blobs_c.fetch(&id, PATIENCE).await.unwrap(), bytes);
    assert_eq!(blobs_b.size(&id), Some(MAX_BLOB as u64));
    drop(c);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_larger_than_pictures_are_is_neither_added_nor_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let (node, blobs) = Node::start_with_blobs(77, folder.path());
    let huge = picture(1, MAX_BLOB + 1);
    assert!(matches!(blobs.add(huge.clone()).await, Err(BlobError::TooLarge { .. })));

    let small = picture(2, 10);
    let mut js = JavaScriptPeer::start().await;
    for bytes in [&huge, &small] {
        js.ask("blobAdd", json!({ "base64": STANDARD.encode(bytes) })).await.unwrap();
    }
    blobs.want(hash(&huge));
    js.connect(&node).await;
    js.ask("follow", json!({ "feed": node.id() })).await.unwrap();
    assert_eq!(blobs.fetch(&hash(&small), PATIENCE).await.unwrap(), small);
    assert_eq!(blobs.size(&hash(&huge)), None);
}

async fn called(attacker: &mut Attacker, method: &str) -> (i32, Value) {
    attacker.is_called(json!(["blobs", method])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_what_their_name_says_are_not_kept_and_another_peer_brings_the_right_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (node, blobs) = Node::start_with_blobs(78, folder.path());
    let bytes = picture(1, 1_000);
    let id = hash(&bytes);
    blobs.want(id);
    let mut liar = Attacker::replicating(&node, 66).await;
    liar.ebt("{}").await;
    let (notices, _) = called(&mut liar, "createWants").await;
    liar.send(-notices, true, json!({ id.to_string(): 1_000 }).to_string()).await;
    let (get, asked) = called(&mut liar, "get").await;
    assert_eq!(asked["key"], json!(id));

    // While it is at work nobody else is asked; then the honest one is.
    let mut honest = Attacker::replicating(&node, 67).await;
    honest.ebt("{}").await;
    let (notices, _) = called(&mut honest, "createWants").await;
    honest.send(-notices, true, json!({ id.to_string(): 1_000 }).to_string()).await;
    honest.settled(2).await;
    liar.blob(-get, &picture(2, 1_000)).await;
    let (get, _) = called(&mut honest, "get").await;
    honest.blob(-get, &bytes).await;
    assert_eq!(blobs.fetch(&id, PATIENCE).await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_not_asked_again_for_what_it_did_not_bring() {
    let folder = tempfile::tempdir().unwrap();
    let (node, blobs) = Node::start_with_blobs(80, folder.path());
    let (first, second) = (hash(&picture(1, 1_000)), hash(&picture(2, 1_000)));
    blobs.want(first);
    let mut liar = Attacker::replicating(&node, 66).await;
    liar.ebt("{}").await;
    let (notices, _) = called(&mut liar, "createWants").await;
    liar.send(-notices, true, json!({ first.to_string(): 1_000 }).to_string()).await;
    let (get, _) = called(&mut liar, "get").await;
    liar.blob(-get, &picture(3, 1_000)).await;
    liar.settled(2).await;

    liar.send(-notices, true, json!({ first.to_string(): 1_000 }).to_string()).await;
    blobs.want(second);
    liar.send(-notices, true, json!({ second.to_string(): 1_000 }).to_string()).await;
    let (_, asked) = called(&mut liar, "get").await;
    assert_eq!(asked["key"], json!(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_looks_for_very_much_does_not_keep_the_wish_of_another_from_being_told_on() {
    let folder = tempfile::tempdir().unwrap();
    let (node, _blobs) = Node::start_with_blobs(81, folder.path());
    let wished = BlobId([9; 32]);
    let mut greedy = Attacker::replicating(&node, 66).await;
    greedy.ebt("{}").await;
    let (notices, _) = called(&mut greedy, "createWants").await;
    let made_up = |n: u8| BlobId([&[n][..], &[0; 31]].concat().try_into().unwrap()).to_string();
    let notice: serde_json::Map<String, Value> = (0..200).map(|n| (made_up(n), json!(-1))).collect();
    greedy.send(-notices, true, Value::Object(notice).to_string()).await;
    greedy.settled(2).await;
    let mut honest = Attacker::replicating(&node, 67).await;
    honest.ebt("{}").await;
    let (notices, _) = called(&mut honest, "createWants").await;
    honest.send(-notices, true, json!({ wished.to_string(): -1 }).to_string()).await;
    honest.settled(2).await;

    let mut told = Attacker::replicating(&node, 68).await;
    told.send(2, true, r#"{"name":["blobs","createWants"],"args":[],"type":"source"}"#).await;
    let notice = loop {
        let packet = told.receive().await.expect("the connection stays");
        if packet.request == -2 {
            break serde_json::from_slice::<serde_json::Map<String, Value>>(&packet.body).unwrap();
        }
    };
    assert_eq!(notice.get(&wished.to_string()), Some(&json!(-2)), "{} others", notice.len());
    assert_eq!(notice.len(), MAX_FOR_PEER + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_blobs_and_made_up_notices_do_not_fill_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let (node, blobs) = Node::start_with_blobs(79, folder.path());
    let id = BlobId([5; 32]);
    blobs.want(id);
    let mut attacker = Attacker::replicating(&node, 66).await;
    attacker.ebt("{}").await;
    let (notices, _) = called(&mut attacker, "createWants").await;
    for round in 0..20u8 {
        let made_up = |n: u16| BlobId([&[round][..], &n.to_be_bytes(), &[0; 29]].concat().try_into().unwrap());
        let notice: serde_json::Map<String, Value> =
            (0..1_000).map(|n| (made_up(n).to_string(), json!(if n % 2 == 0 { 9 } else { -1 }))).collect();
        attacker.send(-notices, true, Value::Object(notice).to_string()).await;
    }
    let mut liar = Attacker::replicating(&node, 67).await;
    liar.ebt("{}").await;
    let (notices, _) = called(&mut liar, "createWants").await;
    liar.send(-notices, true, json!({ id.to_string(): 9 }).to_string()).await;
    let (get, _) = called(&mut liar, "get").await;
    for _ in 0..MAX_BLOB / 60_000 + 2 {
        liar.piece(-get, &picture(1, 60_000)).await;
    }
    // The node ends the stream, and goes on.
    loop {
        let packet = liar.receive().await.expect("the connection stays");
        if packet.request == get && packet.end {
            break;
        }
    }
    liar.settled(2).await;
    assert_eq!(blobs.size(&id), None);
}
