//! What visitors can make a node fetch from others: so much at a time however many ask, and nothing more once they are gone. Over
//! loopback, where each visitor has an address.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use player_web::Config;
use stream_model::BroadcastState;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::blobs::name_as_picture;
use crate::server::{GUARD, Running, start};
use crate::support::{FakeNode, NEVER, blob_id, broadcast_id, listing};

/// Asks from an address of this machine.
async fn ask(server: &Running, visitor: u8, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 1, visitor], 0).into()).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

/// The head of an answer, and the connection, which stays open.
async fn answer(mut stream: TcpStream) -> (String, TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (String::from_utf8(head).unwrap().to_ascii_lowercase(), stream)
}

/// Many visitors ask many times at once for what no peer delivers. So many fetches run, everybody else is told to ask again; and
/// when all have gone away, none goes on.
async fn bounded(node: &Arc<FakeNode>, path: &str, (visitors, each): (u8, usize), most: usize) {
    let server = start(node, Config::default());
    let mut open = FuturesUnordered::new();
    for visitor in 1..=visitors {
        for _ in 0..each {
            open.push(answer(ask(&server, visitor, path).await));
        }
    }
    let refused = usize::from(visitors) * each - most;
    let told = tokio::time::timeout(GUARD, async {
        let answers: Vec<_> = open.by_ref().take(refused).collect().await;
        node.fetching.are(most).await;
        answers
    });
    for (head, _) in told.await.expect("all but those that wait are answered") {
        assert!(head.starts_with("http/1.1 503") && head.contains("\r\nretry-after: "), "{head}");
    }
    drop(open);
    tokio::time::timeout(GUARD, node.fetching.are(0)).await.expect("what nobody waits for is not fetched");
    server.stop().await;
}

#[tokio::test]
async fn however_many_ask_the_gateway_fetches_sixteen_paths_and_four_of_one_address() {
    let node = FakeNode::new();
    let manifest = node.add_directory(&[]);
    node.content.lock().unwrap().clear();
    let mut entry = listing(7, "Main hall", BroadcastState::Live);
    entry.manifest = Some(manifest);
    node.listings.lock().unwrap().push(entry);
    let path = format!("/ipfs/{manifest}/index.m3u8");
    bounded(&node, &path, (1, 10), 4).await;
    bounded(&node, &path, (10, 6), 16).await;
    assert_eq!(node.fetching.most(), 16);
}

#[tokio::test]
async fn however_many_ask_sixty_four_pictures_are_looked_for_and_eight_of_one_address() {
    let node = FakeNode::new();
    let picture = blob_id(b"of a person");
    name_as_picture(&node, picture);
    node.fetching.have_no_end();
    let path = format!("/blobs/{}", picture.slug());
    bounded(&node, &path, (1, 20), 8).await;
    bounded(&node, &path, (12, 10), 64).await;
    assert_eq!(node.fetching.most(), 64);
}

#[tokio::test]
async fn one_visitor_waits_for_four_segments_and_leaves_the_rest_to_others() {
    let node = FakeNode::new();
    let slug = broadcast_id(7).slug();
    node.listings.lock().unwrap().push(listing(7, "Main hall", BroadcastState::Ended));
    let here = node.add_file(Bytes::from_static(b"media"));
    node.segments.lock().unwrap().insert((broadcast_id(7), 4), here);
    bounded(&node, &format!("/hls/{slug}/{NEVER}.m4s"), (1, 20), 4).await;
    assert_eq!(node.fetching.most(), 4);
    bounded(&node, &format!("/hls/{slug}/{NEVER}.m4s"), (3, 6), 12).await;
    assert_eq!(node.fetching.most(), 12);
    // Of this it is known only after a while that it has to be waited for.
    bounded(&node, &format!("/hls/{slug}/init-{NEVER}.mp4"), (1, 20), 4).await;

    let server = start(&node, Config::default());
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(ask(&server, 1, &format!("/hls/{slug}/{NEVER}.m4s")).await);
    }
    tokio::time::timeout(GUARD, node.fetching.are(4)).await.unwrap();
    let (head, _) = answer(ask(&server, 1, &format!("/hls/{slug}/4.m4s")).await).await;
    assert!(head.starts_with("http/1.1 200"), "what is here takes no place: {head}");
    drop(waiting);
    server.stop().await;
}
