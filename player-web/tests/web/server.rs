//! Over loopback: limits of connections, and the end of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::FakeNode;

/// Far beyond what any step takes: only against hanging for ever.
pub(crate) const GUARD: Duration = Duration::from_secs(60);

/// A server on loopback.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<()>,
}

pub(crate) fn start(node: &Arc<FakeNode>, config: player_web::Config) -> Running {
    let listener = listener::Listener::bind("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
    let address = listener.local_addr();
    let shutdown = CancellationToken::new();
    let router = player_web::app(node.ports(), &config);
    let task = tokio::spawn(player_web::serve(listener, router, player_web::Places::new(&config), shutdown.clone()));
    Running { address, shutdown, task }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(GUARD, self.task).await.expect("the server ends").unwrap();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A connection that is reset has ended too.
    let _ = tokio::time::timeout(GUARD, stream.read_to_end(&mut text)).await.expect("the connection ends");
    String::from_utf8_lossy(&text).into_owned()
}

/// One request on a connection that stays open; returns the head of the answer.
async fn request(stream: &mut TcpStream, head: &str) -> String {
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let read = tokio::time::timeout(GUARD, stream.read(&mut buffer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so_and_those_before_go_on() {
    let node = FakeNode::new();
    let config = player_web::Config { max_connections_per_address: 2, ..Default::default() };
    let server = start(&node, config);
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    assert!(request(&mut first, HEALTH).await.starts_with("HTTP/1.1 200"));
    assert!(request(&mut second, HEALTH).await.starts_with("HTTP/1.1 200"));

    let refused = read_all(&mut server.connect().await).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.ends_with("try again soon"), "{refused}");
    let (head, body) = refused.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())));

    assert!(request(&mut first, HEALTH).await.starts_with("HTTP/1.1 200"));
    drop(second);
    // The place comes back when the server has seen the end of the connection.
    let again = tokio::time::timeout(GUARD, async {
        loop {
            let mut stream = server.connect().await;
            if request(&mut stream, HEALTH).await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    });
    again.await.expect("a place comes back");
    drop(first);
    server.stop().await;
}

#[tokio::test]
async fn requests_that_are_too_large_or_no_http_end_their_connection_only() {
    let node = FakeNode::new();
    let server = start(&node, player_web::Config::default());
    for head in [
        format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(100_000)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(1000)),
        "\u{16}\u{3}\u{1}\u{2}".repeat(100),
        "GET /\0 HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let mut stream = server.connect().await;
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.shutdown().await;
        let answer = read_all(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(request(&mut server.connect().await, HEALTH).await.starts_with("HTTP/1.1 200"));
    server.stop().await;
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_the_port() {
    let node = FakeNode::new();
    let server = start(&node, player_web::Config::default());
    let mut idle = server.connect().await;
    assert!(request(&mut idle, HEALTH).await.starts_with("HTTP/1.1 200"));
    let address = server.address;
    server.stop().await;
    assert_eq!(read_all(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_control_socket_serves_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let listener = player_web::bind_control(&path).unwrap();
    let node = FakeNode::new();
    let shutdown = CancellationToken::new();
    let router = player_web::control_app(node.ports(), node.clone(), &player_web::Config::default());
    let task = tokio::spawn(player_web::serve_control(listener, router, shutdown.clone()));

    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let body = r#"{"name":"hall"}"#;
    let head = format!(
        "POST /control/keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(GUARD, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.ends_with(r#"{"name":"hall","key":"00112233445566778899aabbccddeeff"}"#), "{answer}");
    shutdown.cancel();
    tokio::time::timeout(GUARD, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn connman_finds_its_header_in_the_letters_that_it_looks_for() {
    let node = FakeNode::new();
    let config = player_web::Config { portal: player_web::Portal::Quiet, ..Default::default() };
    let server = start(&node, config);
    let probe = "GET /online/status.html HTTP/1.1\r\nHost: ipv4.connman.net\r\nUser-Agent: ConnMan/1.41 wispr\r\n\r\n";
    let answer = request(&mut server.connect().await, probe).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    assert_eq!((status, body), ("HTTP/1.1 200 OK", "<html><body>online</body></html>\n"));
    let (insisted, others): (Vec<_>, Vec<_>) = headers.split("\r\n").partition(|line| line.starts_with("X-"));
    assert_eq!(insisted, ["X-ConnMan-Status: online"]);
    let in_small_letters = |line: &&str| line.split(':').next().is_some_and(|name| name == name.to_lowercase());
    assert!(others.len() > 3 && others.iter().all(in_small_letters), "{headers}");
    server.stop().await;
}
