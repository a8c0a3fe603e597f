//! `/ws` over loopback, with a client of its own.

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use stream_model::{
    BroadcastState, DirectoryChange, MediaSequence, MessageKey, Moderation as _, PlaylistChange, Source, TimelineChange,
};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::server::{GUARD, Running, start};
use crate::support::{FakeNode, broadcast_id, listing, post};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(server: &Running, origin: Option<&str>) -> Result<Client, Error> {
    let mut request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await.map(|(client, _)| client)
}

/// The next message but statistics in JSON; null once the server has closed.
async fn next(client: &mut Client) -> Value {
    loop {
        let message = next_of_any(client).await;
        if message["type"] != "statistics" {
            return message;
        }
    }
}

/// The next statistics.
async fn statistics(client: &mut Client) -> Value {
    loop {
        let message = next_of_any(client).await;
        assert!(!message.is_null());
        if message["type"] == "statistics" {
            return message;
        }
    }
}

async fn next_of_any(client: &mut Client) -> Value {
    loop {
        match tokio::time::timeout(GUARD, client.next()).await.expect("a message in time") {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return Value::Null,
        }
    }
}

async fn greeted(server: &Running) -> Client {
    let mut client = connect(server, None).await.unwrap();
    assert_eq!(next(&mut client).await, json!({ "type": "hello", "version": 1 }));
    assert_eq!(next(&mut client).await["type"], "directory");
    let node = json!({ "name": "roof <north>", "peers": 0, "publishing": 1, "type": "node",
        "storage": { "used_percent": 10, "disk_full": false } });
    assert_eq!(next(&mut client).await, node);
    client
}

fn node() -> Arc<FakeNode> {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, "Main hall", BroadcastState::Live));
    node
}

fn change(byte: u8, sequence: u64) -> PlaylistChange {
    PlaylistChange { broadcast: broadcast_id(byte), media_sequence: Some(MediaSequence(sequence)), ended: false }
}

/// Subscribes and waits until the server has read it: an unknown message behind it is answered.
async fn subscribe(client: &mut Client, byte: u8) {
    let message = json!({ "type": "subscribe", "broadcast": broadcast_id(byte).slug() });
    client.send(Message::text(message.to_string())).await.unwrap();
    client.send(Message::text("{}")).await.unwrap();
    assert_eq!(next(client).await["type"], "error");
}

#[tokio::test]
async fn comments_and_posts_come_as_they_are_written_to_those_who_asked() {
    let node = node();
    let server = start(&node, player_web::Config::default());
    let mut client = greeted(&server).await;
    subscribe(&mut client, 7).await;
    let change = |byte, root: Option<u8>| {
        let post = post(byte, "*nice*", root.map(|root| MessageKey([root; 32])));
        node.timeline_changes.send(TimelineChange::Post(Box::new(post))).unwrap();
    };
    change(1, Some(8));
    change(2, None);
    change(3, Some(7));
    let comment = next(&mut client).await;
    assert_eq!((&comment["type"], &comment["broadcast"]), (&json!("comment"), &json!(broadcast_id(7).slug())));
    assert_eq!(comment["post"]["html"], "<p><em>nice</em></p>\n");
    client.send(Message::text(r#"{"type":"timeline"}"#)).await.unwrap();
    client.send(Message::text("{}")).await.unwrap();
    assert_eq!(next(&mut client).await["type"], "error");
    change(4, None);
    let post = next(&mut client).await;
    assert_eq!((&post["type"], &post["post"]["cursor"]), (&json!("post"), &json!(4)));
    node.timeline_changes.send(TimelineChange::Missed).unwrap();
    assert_eq!(next(&mut client).await, json!({ "type": "missed" }));
    server.stop().await;
}

#[tokio::test]
async fn what_the_owner_hides_is_told_to_those_who_may_show_it() {
    let node = node();
    let server = start(&node, player_web::Config::default());
    let (mut watching, mut elsewhere) = (greeted(&server).await, greeted(&server).await);
    subscribe(&mut watching, 7).await;
    let key = MessageKey([3; 32]);
    node.owner.hide(key).await.unwrap();
    // Of a hidden message, because it may have been of a broadcast.
    let mut told = vec![next(&mut watching).await, next(&mut watching).await];
    told.retain(|message| message["type"] != "directory");
    assert_eq!(told, [json!({ "type": "hidden", "key": key.to_string() })]);
    assert_eq!(next(&mut elsewhere).await["type"], "directory");
    node.owner.unhide(key).await.unwrap();
    let post = post(4, "*nice*", Some(MessageKey([7; 32])));
    node.timeline_changes.send(TimelineChange::Post(Box::new(post))).unwrap();
    let after = next(&mut watching).await;
    let after = if after["type"] == "directory" { next(&mut watching).await } else { after };
    assert_eq!(after["type"], "comment", "what is shown again is not told");
    server.stop().await;
}

#[tokio::test]
async fn the_directory_comes_at_once_and_again_when_it_changes() {
    let node = node();
    let server = start(&node, player_web::Config::default());
    let mut client = connect(&server, Some(&format!("http://{}", server.address))).await.unwrap();
    assert_eq!(next(&mut client).await["type"], "hello");
    let first = next(&mut client).await;
    assert_eq!(first["broadcasts"][0]["title"], "Main hall");
    assert_eq!(next(&mut client).await["type"], "node");

    node.listings.lock().unwrap().insert(0, listing(8, "Workshop", BroadcastState::Live));
    node.directory_changes.send(DirectoryChange::Broadcast(broadcast_id(8))).unwrap();
    let second = next(&mut client).await;
    assert_eq!(second["broadcasts"][0]["title"], "Workshop");
    assert_eq!(second["broadcasts"].as_array().unwrap().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn playlists_are_pushed_to_who_subscribed() {
    let node = node();
    let server = start(&node, player_web::Config::default());
    let mut client = greeted(&server).await;
    subscribe(&mut client, 7).await;
    node.playlist_changes.send(change(8, 1)).unwrap();
    node.playlist_changes.send(change(7, 42)).unwrap();
    let pushed = next(&mut client).await;
    let slug = broadcast_id(7).slug();
    assert_eq!(
        pushed,
        json!({ "type": "playlist", "broadcast": slug, "media_sequence": 42, "ended": false, "renditions": 0 })
    );
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_changes_and_then_gets_the_newest() {
    let node = node();
    let server = start(&node, player_web::Config::default());
    let mut client = greeted(&server).await;
    subscribe(&mut client, 7).await;
    // A stream of many changes at once: however many arrive, none is older than one before it, the last is the
    // newest, and they are not queued without bound (the port keeps 64).
    for sequence in 0..10_000 {
        let _ = node.playlist_changes.send(change(7, sequence));
    }
    let mut last = 0;
    let mut received = 0;
    while last < 9999 {
        let message = next(&mut client).await;
        let sequence = message["media_sequence"].as_u64().unwrap();
        assert!(sequence >= last);
        last = sequence;
        received += 1;
    }
    assert!(received <= 66, "{received}");
    server.stop().await;
}

#[tokio::test]
async fn a_message_too_large_ends_the_socket_and_nothing_else() {
    let node = node();
    let server = start(&node, player_web::Config::default());
    let mut hostile = greeted(&server).await;
    let mut other = greeted(&server).await;
    hostile.send(Message::text("x".repeat(5000))).await.unwrap();
    assert_eq!(next(&mut hostile).await, Value::Null);
    let mut binary = greeted(&server).await;
    binary.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(next(&mut binary).await, Value::Null);
    subscribe(&mut other, 7).await;
    node.playlist_changes.send(change(7, 1)).unwrap();
    assert_eq!(next(&mut other).await["media_sequence"], 1);
    server.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let server = start(&node(), player_web::Config::default());
    for origin in ["http://evil.example", "null"] {
        match connect(&server, Some(origin)).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403),
            other => panic!("{other:?}"),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn sockets_of_one_address_are_bounded_and_keep_their_connections_place() {
    let node = node();
    let config = player_web::Config { max_connections_per_address: 3, ..Default::default() };
    let server = start(&node, config);
    let _clients = [greeted(&server).await, greeted(&server).await, greeted(&server).await];
    assert!(connect(&server, None).await.is_err(), "an upgraded connection still counts");

    let server = start(&node, player_web::Config::default());
    let mut clients = Vec::new();
    let refused = loop {
        match connect(&server, None).await {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
    };
    let Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"60".parse().unwrap()));
    assert_eq!(clients.len(), 32);
    server.stop().await;
}

#[tokio::test]
async fn stopping_says_goodbye_to_sockets() {
    let node = node();
    let server = start(&node, player_web::Config::default());
    let mut client = greeted(&server).await;
    let (farewell, ()) = tokio::join!(tokio::time::timeout(GUARD, client.next()), server.stop());
    match farewell.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1001),
        other => panic!("{other:?}"),
    }
}

async fn ask_for(server: &Running, path: &str, subprotocol: Option<&str>) -> (Client, Option<String>) {
    let mut request = format!("ws://{}{path}", server.address).into_client_request().unwrap();
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
    }
    let (client, answer) = tokio_tungstenite::connect_async(request).await.unwrap();
    let chosen = answer.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap().to_owned());
    (client, chosen)
}

#[tokio::test]
async fn a_client_may_ask_for_a_version_and_is_told_where_it_is_not_spoken() {
    let server = start(&node(), player_web::Config::default());
    let (mut client, chosen) = ask_for(&server, "/ws?v=1", None).await;
    assert_eq!((next(&mut client).await["version"].clone(), chosen), (json!(1), None));
    let (mut client, chosen) = ask_for(&server, "/ws", Some("meshstream.v2, meshstream.v1")).await;
    assert_eq!((next(&mut client).await["version"].clone(), chosen), (json!(1), Some("meshstream.v1".to_owned())));
    let (mut client, _) = ask_for(&server, "/ws?v=2", None).await;
    let told = next(&mut client).await;
    assert_eq!((&told["type"], &told["versions"]), (&json!("error"), &json!([1])));
    match client.next().await {
        Some(Ok(Message::Close(Some(frame)))) => {
            assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4406, "this node speaks version 1"));
        }
        other => panic!("{other:?}"),
    }
    let request = |path: &str| format!("ws://{}{path}", server.address).into_client_request().unwrap();
    let mut other = request("/ws");
    other.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
    assert!(
        tokio_tungstenite::connect_async(other).await.is_err(),
        "a browser does not go on without what it asked for"
    );
    server.stop().await;
}

/// Says that a broadcast is subscribed to, and whether it plays.
async fn play(client: &mut Client, byte: u8, playing: bool) {
    let message = json!({ "type": "subscribe", "broadcast": broadcast_id(byte).slug(), "playing": playing });
    client.send(Message::text(message.to_string())).await.unwrap();
}

#[tokio::test]
async fn statistics_say_who_watches_and_come_again_when_that_has_changed() {
    let node = node();
    let peer = listing(7, "", BroadcastState::Live).peer;
    let source = Source { peer, feed: None, name: "hall".to_owned(), hops: Some(1), blocks: 1, bytes: 9 };
    node.sources.lock().unwrap().insert(broadcast_id(7), vec![source]);
    node.elsewhere.lock().unwrap().insert(broadcast_id(7), 40);
    let server = start(&node, player_web::Config::default());
    let (mut page, mut other) = (greeted(&server).await, greeted(&server).await);
    play(&mut page, 7, false).await;
    let first = statistics(&mut page).await;
    assert_eq!(first["viewers"], json!({ "here": 0, "all": 40 }));
    assert_eq!((&first["sources"][0]["percent"], &first["sources"][0]["publisher"]), (&json!(100), &json!(true)));
    assert_eq!(
        (&first["own"], &first["served_kbps"], &first["behind_live_ms"]),
        (&json!(false), &json!(0), &json!(null))
    );
    play(&mut page, 7, true).await;
    play(&mut other, 7, true).await;
    let mut viewers = json!(null);
    while viewers != json!({ "here": 2, "all": 42 }) {
        viewers = statistics(&mut page).await["viewers"].clone();
    }
    drop(other);
    while viewers != json!({ "here": 1, "all": 41 }) {
        viewers = statistics(&mut page).await["viewers"].clone();
    }
    node.playlist_changes.send(change(7, 2)).unwrap();
    let mut behind = json!(null);
    while behind != json!(15_000) {
        behind = statistics(&mut page).await["behind_live_ms"].clone();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_socket_that_comes_later_is_told_of_what_is_now() {
    let node = node();
    let server = start(&node, player_web::Config::default());
    let mut first = greeted(&server).await;
    play(&mut first, 7, true).await;
    assert_eq!(statistics(&mut first).await["viewers"]["here"], 1);
    let mut second = greeted(&server).await;
    play(&mut second, 7, false).await;
    assert_eq!(statistics(&mut second).await["viewers"]["here"], 1);
    drop((first, second));
    node.listings.lock().unwrap().insert(0, listing(8, "Workshop", BroadcastState::Live));
    node.directory_changes.send(DirectoryChange::Broadcast(broadcast_id(8))).unwrap();
    let mut third = connect(&server, None).await.unwrap();
    assert_eq!(next(&mut third).await["type"], "hello");
    let mut directory = next(&mut third).await;
    while directory["broadcasts"][0]["title"] != "Workshop" {
        directory = next(&mut third).await;
    }
    server.stop().await;
}

/// A socket from another address of this machine.
async fn connect_from(server: &Running, last: u8) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let request = format!("ws://{}/ws?v=1", server.address).into_client_request().unwrap();
    tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(stream)).await.unwrap().0
}

#[tokio::test]
async fn some_hundred_sockets_of_several_addresses_hear_the_same_and_one_beyond_the_bound_is_refused() {
    let node = node();
    let config = player_web::Config { max_sockets: 256, ..player_web::Config::default() };
    let server = start(&node, config);
    let mut clients = Vec::new();
    for number in 0..256_u16 {
        let mut client = connect_from(&server, u8::try_from(10 + number / 32).unwrap()).await;
        client
            .send(Message::text(json!({ "type": "subscribe", "broadcast": broadcast_id(7).slug() }).to_string()))
            .await
            .unwrap();
        clients.push(client);
    }
    let refused = connect(&server, None).await;
    assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 503));
    for client in &mut clients {
        statistics(client).await;
    }
    node.playlist_changes.send(change(7, 42)).unwrap();
    for client in &mut clients {
        // What a socket is greeted with may come before or after what it asked for.
        loop {
            let message = next(client).await;
            assert!(!message.is_null());
            if message["media_sequence"] == 42 {
                break;
            }
        }
    }
    server.stop().await;
}
