//! Behind a reverse proxy.

use std::net::IpAddr;

use stream_model::BroadcastState;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::get;
use crate::server::{Running, start};
use crate::support::{FakeNode, broadcast_id, listing};

const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// The whole answer to a request for a path, with headers that a proxy adds.
async fn ask(server: &Running, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn visitors_of_a_trusted_proxy_are_told_apart_and_those_of_others_are_not() {
    for (trusted_proxies, viewers) in [(vec![PROXY], 2), (Vec::new(), 1)] {
        let node = FakeNode::new();
        node.listings.lock().unwrap().push(listing(7, "Main hall", BroadcastState::Live));
        node.live.lock().unwrap().insert(broadcast_id(7), "#EXTM3U\n".to_owned());
        let server = start(&node, player_web::Config { trusted_proxies, ..player_web::Config::default() });
        let slug = broadcast_id(7).slug();
        for visitor in ["203.0.113.7", "2001:db8::7"] {
            let forwarded = format!("X-Forwarded-For: {visitor}\r\n");
            for path in [format!("/hls/{slug}/index.m3u8"), format!("/hls/{slug}/7.m4s")] {
                ask(&server, &path, &forwarded).await;
            }
        }
        let told = get(&node, &format!("/api/v1/broadcasts/{slug}")).await.json();
        assert_eq!(told["viewers"]["here"], viewers, "{told}");
        server.stop().await;
    }
}

#[tokio::test]
async fn sockets_are_limited_for_each_visitor_of_a_trusted_proxy() {
    let node = FakeNode::new();
    let config = player_web::Config {
        trusted_proxies: vec![PROXY],
        max_sockets_per_address: 1,
        ..player_web::Config::default()
    };
    let server = start(&node, config);
    let handshake = async |visitor: &str| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Forwarded-For: {visitor}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        (stream, String::from_utf8_lossy(&status).into_owned())
    };
    let (_first, status) = handshake("203.0.113.7").await;
    assert_eq!(status, "HTTP/1.1 101");
    assert_eq!(handshake("203.0.113.7").await.1, "HTTP/1.1 503");
    assert_eq!(handshake("203.0.113.8").await.1, "HTTP/1.1 101");
    server.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_tells_whether_a_visitor_came_by_https() {
    let node = FakeNode::new();
    let server = start(&node, player_web::Config { trusted_proxies: vec![PROXY], ..player_web::Config::default() });
    assert!(ask(&server, "/", "X-Forwarded-Proto: https\r\n").await.contains("wss://localhost"));
    assert!(ask(&server, "/", "X-Forwarded-Proto: http\r\n").await.contains(" ws://localhost"));
    server.stop().await;
    let server = start(&node, player_web::Config::default());
    assert!(ask(&server, "/", "X-Forwarded-Proto: https\r\n").await.contains(" ws://localhost"));
    server.stop().await;
}
