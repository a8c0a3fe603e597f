//! Asks a node who it is: `GET /nodeinfo.json` (`docs/protocol/nodeinfo.md`). Whatever answers is hostile until it has
//! been read: bounded in size and time, never followed elsewhere.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use stream_model::NodeInfo;

use super::address::PeerAddress;

/// For connecting, asking and reading all of the answer at one port.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// A full answer with 64 nodes is about 48 KB.
const MAX_BODY: usize = 64 << 10;
/// Nodes taken from one introduction: each is a feed to replicate.
pub(super) const MAX_NODES: usize = 64;
/// Characters of a name or version that are kept.
const MAX_TEXT: usize = 64;
/// Host in the URL where the address itself cannot stand there (RFC 3986 knows no zones).
const SCOPED_HOST: &str = "node.invalid";

/// Why a node did not tell who it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum NodeInfoError {
    #[error("cannot reach it: {0}")]
    Unreachable(String),
    #[error("no complete answer within {0:?}")]
    TimedOut(Duration),
    #[error("/nodeinfo.json answers with status {0}")]
    Status(StatusCode),
    #[error("/nodeinfo.json is over {MAX_BODY} bytes")]
    TooLarge,
    #[error("/nodeinfo.json is not what a meshstream node says: {0}")]
    Malformed(String),
}

/// What a node said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) info: NodeInfo,
    /// Where it was asked.
    pub(super) address: SocketAddr,
    /// About one round trip: connecting and asking take two.
    pub(super) rtt: Duration,
}

/// Asks at each port that the address may mean, until one answers as a node.
pub(super) async fn ask(address: &PeerAddress, timeout: Duration) -> Result<Answer, NodeInfoError> {
    let mut result = Err(NodeInfoError::Unreachable("no port to ask".into()));
    for port in address.ports() {
        result =
            tokio::time::timeout(timeout, ask_at(address, port)).await.unwrap_or(Err(NodeInfoError::TimedOut(timeout)));
        if result.is_ok() {
            break;
        }
    }
    result
}

async fn ask_at(address: &PeerAddress, port: u16) -> Result<Answer, NodeInfoError> {
    let unreachable = |error: &dyn std::error::Error| NodeInfoError::Unreachable(root_cause(error));
    let socket = address.resolve(port).await.map_err(|error| unreachable(&error))?;
    let mut client = Client::builder().redirect(Policy::none()).no_proxy();
    let url = if address.has_zone() {
        client = client.resolve(SCOPED_HOST, socket);
        format!("http://{SCOPED_HOST}:{port}/nodeinfo.json")
    } else {
        format!("http://{socket}/nodeinfo.json")
    };
    let client = client.build().map_err(|error| unreachable(&error))?;
    let asked = Instant::now();
    let mut response = client.get(url).send().await.map_err(|error| unreachable(&error))?;
    let rtt = asked.elapsed() / 2;
    if response.status() != StatusCode::OK {
        return Err(NodeInfoError::Status(response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(NodeInfoError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { info: parse(&body)?, address: socket, rtt })
}

/// The innermost cause: reqwest's own message only repeats the URL.
fn root_cause(mut error: &dyn std::error::Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string().chars().take(200).collect()
}

/// Reads an answer: identities and ports must be right, texts are shortened, of the nodes the first are kept.
pub(super) fn parse(body: &[u8]) -> Result<NodeInfo, NodeInfoError> {
    let malformed = |why: String| NodeInfoError::Malformed(why);
    let mut info: NodeInfo = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if info.ssb.port == 0 || info.ipfs.port == 0 {
        return Err(malformed("port 0".into()));
    }
    info.nodes.truncate(MAX_NODES);
    let texts = [&mut info.name, &mut info.version].into_iter();
    let identities = info.nodes.iter_mut().map(|node| &mut node.identity);
    for text in texts.chain(identities.flat_map(|node| [&mut node.name, &mut node.version])) {
        *text = text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const PEER: &str = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";

    fn json(nodes: usize, name: &str) -> String {
        let feed = stream_model::FeedId([7; 32]);
        let node = format!(r#"{{"name":"n","feed":"{feed}","peer":"{PEER}","extra":1}}"#);
        let nodes = vec![node; nodes].join(",");
        format!(
            r#"{{"name":"{name}","version":"1","community":"open","ssb":{{"feed":"{feed}","port":8008}},
                "ipfs":{{"peer":"{PEER}","port":4001}},"web":{{"port":8080}},"nodes":[{nodes}],"more":true}}"#
        )
    }

    fn ok(body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    /// A server that answers one request with `head`, then with `tail` for as long as the client reads.
    async fn server(head: Vec<u8>, tail: Option<Vec<u8>>) -> PeerAddress {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(&head).await;
            while let Some(tail) = &tail {
                if tail.is_empty() {
                    std::future::pending::<()>().await;
                }
                if socket.write_all(tail).await.is_err() {
                    break;
                }
            }
        });
        address.to_string().parse().unwrap()
    }

    #[tokio::test]
    async fn a_node_is_understood() {
        let answer = ask(&server(ok(&json(2, "hall")), None).await, TIMEOUT).await.unwrap();
        assert_eq!((answer.info.name.as_str(), answer.info.nodes.len()), ("hall", 2));
        assert_eq!(answer.address.ip().to_string(), "127.0.0.1");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let elsewhere = server(ok(&json(0, "elsewhere")), None).await;
        let head =
            format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/nodeinfo.json\r\nContent-Length: 0\r\n\r\n");
        let refused = ask(&server(head.into_bytes(), None).await, TIMEOUT).await;
        assert!(matches!(refused, Err(NodeInfoError::Status(StatusCode::FOUND))), "{refused:?}");
    }

    #[tokio::test]
    async fn an_endless_body_is_cut_off() {
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        let refused = ask(&server(head, Some(vec![b' '; 4096])).await, TIMEOUT).await;
        assert!(matches!(refused, Err(NodeInfoError::TooLarge)), "{refused:?}");
    }

    #[tokio::test]
    async fn endless_headers_are_cut_off() {
        let head = b"HTTP/1.1 200 OK\r\n".to_vec();
        let refused = ask(&server(head, Some(b"X-Header: y\r\n".repeat(100))).await, TIMEOUT).await;
        assert!(matches!(refused, Err(NodeInfoError::Unreachable(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_server_that_stops_half_way_is_given_up() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
        let address = server(head, Some(Vec::new())).await;
        let refused = ask(&address, Duration::from_millis(200)).await;
        assert!(matches!(refused, Err(NodeInfoError::TimedOut(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn no_server_is_an_error_that_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        drop(listener);
        let refused = ask(&address, TIMEOUT).await.unwrap_err();
        assert!(refused.to_string().contains("refused"), "{refused}");
    }

    #[tokio::test]
    async fn what_is_not_json_is_refused() {
        for body in ["<html></html>", "[]", "{}", &"[".repeat(60_000)] {
            let refused = ask(&server(ok(body), None).await, TIMEOUT).await;
            assert!(matches!(refused, Err(NodeInfoError::Malformed(_))), "{refused:?}");
        }
    }

    #[test]
    fn a_long_list_is_shortened_and_texts_too() {
        let info = parse(json(500, &"n".repeat(500)).as_bytes()).unwrap();
        assert_eq!((info.nodes.len(), info.name.len()), (MAX_NODES, MAX_TEXT));
    }

    #[test]
    fn wrong_identities_and_ports_are_refused() {
        let good = json(0, "x");
        assert!(parse(good.as_bytes()).is_ok());
        for (from, to) in [(PEER, "12D3KooW"), ("8008", "0"), ("4001", "70000"), (".ed25519", "")] {
            assert!(parse(good.replace(from, to).as_bytes()).is_err(), "{from} as {to}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>) {
            let _ = parse(&body);
        }
    }
}
