//! Asks a node who it is: `GET /nodeinfo.json` (`docs/protocol/nodeinfo.md`). Whatever answers is hostile until it has
//! been read: bounded in size and time, never followed elsewhere.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use stream_model::{LINK_MEASURES_HEADER, LinkMeasures, NODE_AGES_HEADER, NodeAges, NodeInfo, bound_links};

use super::address::PeerAddress;

/// For connecting, asking and reading all of the answer at one port.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// A full answer with 64 nodes is about 48 KB.
const MAX_BODY: usize = 64 << 10;
/// Nodes taken from one introduction: each is a feed to replicate.
pub(super) const MAX_NODES: usize = 64;
/// Bytes of an entity tag that is sent back: a hash, in whatever form.
const MAX_TAG: usize = 128;
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

/// What a node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    reply: Reply,
    tag: Option<HeaderValue>,
    /// Where it was asked.
    pub(super) address: SocketAddr,
    /// About one round trip: connecting and asking take two.
    pub(super) rtt: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reply {
    Said(Box<NodeInfo>),
    /// Nothing has changed but the ages of the nodes that it knows and what it measured of its links, which it may tell.
    AsBefore(Option<NodeAges>, Option<LinkMeasures>),
}

/// What of a node's answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// What it says of itself, without the nodes that it knows: a hundredth of it, where it knows so many.
    Itself,
}

impl Wanted {
    fn path(self) -> &'static str {
        match self {
            Self::All => "/nodeinfo.json",
            Self::Itself => "/nodeinfo.json?nodes=none",
        }
    }
}

/// By what a node is asked whether it says the same as before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Before {
    address: SocketAddr,
    tag: HeaderValue,
    heard: Instant,
}

impl Answer {
    /// What the node says now, and how to ask it next time. `before` is what it said when it was asked by that [`Before`]: where it
    /// does not tell the ages of the nodes that it knows, these have gone on.
    pub(super) fn resolve(
        self,
        before: Option<(&NodeInfo, &Before)>,
        now: Instant,
    ) -> Option<(NodeInfo, Option<Before>)> {
        let Self { reply, tag, address, .. } = self;
        match reply {
            Reply::Said(info) => Some((*info, tag.map(|tag| Before { address, tag, heard: now }))),
            Reply::AsBefore(ages, measures) => {
                let (said, before) = before?;
                let mut info = said.clone();
                measures.map(|measures| measures.put(&mut info));
                if !ages.is_some_and(|ages| ages.put(&mut info)) {
                    let passed = now.saturating_duration_since(before.heard).as_secs();
                    let ages = info.nodes.iter_mut().filter_map(|node| node.age_seconds.as_mut());
                    ages.for_each(|age| *age = age.saturating_add(passed));
                }
                Some((info, Some(Before { heard: now, ..before.clone() })))
            }
        }
    }

    #[cfg(test)]
    pub(super) fn said(info: NodeInfo, tag: &'static str, address: SocketAddr) -> Self {
        Self {
            reply: Reply::Said(Box::new(info)),
            tag: Some(HeaderValue::from_static(tag)),
            address,
            rtt: Duration::ZERO,
        }
    }

    #[cfg(test)]
    pub(super) fn as_before(ages: Option<&str>, address: SocketAddr) -> Self {
        let reply = Reply::AsBefore(ages.map(|ages| ages.parse().unwrap()), None);
        Self { reply, tag: None, address, rtt: Duration::ZERO }
    }
}

/// Asks at each port that the address may mean, until one answers as a node. One that was asked there before is asked for what has
/// changed.
pub(super) async fn ask(
    address: &PeerAddress,
    before: Option<&Before>,
    timeout: Duration,
) -> Result<Answer, NodeInfoError> {
    ask_for(Wanted::All, address, before, timeout).await
}

/// [`ask`], for a part of the answer: the same part as `before`.
pub(super) async fn ask_for(
    wanted: Wanted,
    address: &PeerAddress,
    before: Option<&Before>,
    timeout: Duration,
) -> Result<Answer, NodeInfoError> {
    let mut result = Err(NodeInfoError::Unreachable("no port to ask".into()));
    for port in address.ports() {
        let asked = tokio::time::timeout(timeout, ask_at(wanted, address, port, before)).await;
        result = asked.unwrap_or(Err(NodeInfoError::TimedOut(timeout)));
        if result.is_ok() {
            break;
        }
    }
    result
}

async fn ask_at(
    wanted: Wanted,
    address: &PeerAddress,
    port: u16,
    before: Option<&Before>,
) -> Result<Answer, NodeInfoError> {
    let unreachable = |error: &dyn std::error::Error| NodeInfoError::Unreachable(root_cause(error));
    let socket = address.resolve(port).await.map_err(|error| unreachable(&error))?;
    let mut client = Client::builder().redirect(Policy::none()).no_proxy();
    let path = wanted.path();
    let url = if address.has_zone() {
        client = client.resolve(SCOPED_HOST, socket);
        format!("http://{SCOPED_HOST}:{port}{path}")
    } else {
        format!("http://{socket}{path}")
    };
    let mut request = client.build().map_err(|error| unreachable(&error))?.get(url);
    let before = before.filter(|before| before.address == socket);
    if let Some(before) = before {
        request = request.header(IF_NONE_MATCH, &before.tag);
    }
    let asked = Instant::now();
    let mut response = request.send().await.map_err(|error| unreachable(&error))?;
    let rtt = asked.elapsed() / 2;
    if response.status() == StatusCode::NOT_MODIFIED && before.is_some() {
        let told = |header| response.headers().get(header).and_then(|value| value.to_str().ok());
        let ages = told(NODE_AGES_HEADER).and_then(|ages| ages.parse().ok());
        let measures = told(LINK_MEASURES_HEADER).and_then(|measures| measures.parse().ok());
        return Ok(Answer { reply: Reply::AsBefore(ages, measures), tag: None, address: socket, rtt });
    }
    if response.status() != StatusCode::OK {
        return Err(NodeInfoError::Status(response.status()));
    }
    let tag = tag(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(NodeInfoError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { reply: Reply::Said(Box::new(parse(&body)?)), tag, address: socket, rtt })
}

/// An entity tag that may be sent back (RFC 9110 §8.8.3).
fn tag(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers.get(ETAG)?;
    let text = tag.to_str().ok()?;
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (text.len() <= MAX_TAG && !opaque.contains(['"', ' '])).then(|| tag.clone())
}

/// The innermost cause: reqwest's own message only repeats the URL.
fn root_cause(mut error: &dyn std::error::Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string().chars().take(200).collect()
}

/// Reads an answer: identities and ports must be right, texts are shortened, of the nodes and links the first are kept.
pub(super) fn parse(body: &[u8]) -> Result<NodeInfo, NodeInfoError> {
    let malformed = |why: String| NodeInfoError::Malformed(why);
    let mut info: NodeInfo = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if info.ssb.port == 0 || info.ipfs.port == 0 {
        return Err(malformed("port 0".into()));
    }
    info.nodes.truncate(MAX_NODES);
    bound_links(info.ssb.feed, &mut info.links);
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
    use stream_model::Location;
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
        let answer = ask(&server(ok(&json(2, "hall")), None).await, None, TIMEOUT).await.unwrap();
        let Reply::Said(info) = &answer.reply else { panic!("{answer:?}") };
        assert_eq!((info.name.as_str(), info.nodes.len()), ("hall", 2));
        assert_eq!(answer.address.ip().to_string(), "127.0.0.1");
    }

    /// A node that answers 304 to whom it gave its tag, and to everybody where it is `stubborn`; it tells what it was asked.
    async fn tagging(tag: String, stubborn: bool) -> (PeerAddress, tokio::sync::mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let (asked, questions) = tokio::sync::mpsc::channel(8);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let length = socket.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let answer = if stubborn || request.contains(&format!("if-none-match: {tag}\r\n")) {
                    "HTTP/1.1 304 Not Modified\r\nMeshstream-Node-Ages: 5,70\r\nMeshstream-Link-Measures: 12/0\r\nConnection: close\r\n\r\n".to_owned()
                } else {
                    let (body, head) = (json(2, "hall"), format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\n"));
                    format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
                };
                asked.send(request).await.unwrap();
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        (address, questions)
    }

    #[tokio::test]
    async fn who_says_the_same_as_before_says_so_and_tells_the_ages() {
        let (address, _questions) = tagging("W/\"abc\"".into(), false).await;
        let first = ask(&address, None, TIMEOUT).await.unwrap();
        let now = Instant::now();
        let (said, before) = first.resolve(None, now).unwrap();
        let second = ask(&address, before.as_ref(), TIMEOUT).await.unwrap();
        let measures = Some("12/0".parse().unwrap());
        assert_eq!(second.reply, Reply::AsBefore(Some("5,70".parse().unwrap()), measures));
        let (info, again) = second.resolve(Some((&said, &before.clone().unwrap())), now).unwrap();
        assert_eq!(info.nodes.iter().map(|node| node.age_seconds).collect::<Vec<_>>(), [Some(5), Some(70)]);
        assert_eq!((info.name, again), (said.name, before), "it can be asked so again");
    }

    #[tokio::test]
    async fn who_was_not_asked_for_changes_cannot_say_that_there_are_none() {
        let (address, _questions) = tagging("W/\"abc\"".into(), true).await;
        let refused = ask(&address, None, TIMEOUT).await;
        assert!(matches!(refused, Err(NodeInfoError::Status(StatusCode::NOT_MODIFIED))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_tag_is_sent_back_only_to_where_it_came_from() {
        let (one, _questions) = tagging("\"abc\"".into(), false).await;
        let (_, before) = ask(&one, None, TIMEOUT).await.unwrap().resolve(None, Instant::now()).unwrap();
        let (other, mut questions) = tagging("\"abc\"".into(), false).await;
        ask(&other, before.as_ref(), TIMEOUT).await.unwrap();
        assert!(!questions.recv().await.unwrap().contains("if-none-match"));
    }

    #[test]
    fn ages_that_are_not_told_go_on_by_the_clock() {
        let info = parse(json(2, "hall").replace("\"extra\":1", "\"age_seconds\":10").as_bytes()).unwrap();
        let (start, address) = (Instant::now(), "10.0.0.1:8080".parse().unwrap());
        let (said, before) = Answer::said(info, "\"abc\"", address).resolve(None, start).unwrap();
        let before = before.unwrap();
        // Not as many as there are nodes.
        for ages in [None, Some("5")] {
            let later = start + Duration::from_secs(31);
            let (info, before) = Answer::as_before(ages, address).resolve(Some((&said, &before)), later).unwrap();
            assert!(info.nodes.iter().all(|node| node.age_seconds == Some(41)));
            let later = later + Duration::from_secs(9);
            let (info, _) = Answer::as_before(ages, address).resolve(Some((&info, &before.unwrap())), later).unwrap();
            assert!(info.nodes.iter().all(|node| node.age_seconds == Some(50)));
        }
        assert_eq!(Answer::as_before(None, address).resolve(None, start), None);
    }

    #[test]
    fn measures_of_links_are_new_where_they_are_told_and_else_as_before() {
        let feed = stream_model::FeedId([8; 32]);
        let links = format!(r#""links":[{{"feed":"{feed}","over":"lan","rtt_ms":5,"loss_percent":1}}]"#);
        let info = parse(json(0, "hall").replace("\"more\":true", &links).as_bytes()).unwrap();
        let (now, address) = (Instant::now(), "10.0.0.1:8080".parse().unwrap());
        let (said, before) = Answer::said(info, "\"abc\"", address).resolve(None, now).unwrap();
        let before = before.unwrap();
        for (told, expected) in
            [(Some("90/"), (Some(90), None)), (Some("1/1,2/2"), (Some(5), Some(1))), (None, (Some(5), Some(1)))]
        {
            let reply = Reply::AsBefore(None, told.map(|told| told.parse().unwrap()));
            let answer = Answer { reply, tag: None, address, rtt: Duration::ZERO };
            let (info, _) = answer.resolve(Some((&said, &before)), now).unwrap();
            assert_eq!((info.links[0].rtt_ms, info.links[0].loss_percent), expected, "{told:?}");
        }
    }

    #[test]
    fn only_what_is_an_entity_tag_is_sent_back() {
        let kept = |text: &str| {
            let headers = [(ETAG, HeaderValue::from_str(text).unwrap())].into_iter().collect();
            tag(&headers).is_some()
        };
        assert!(kept("\"\"") && kept("W/\"abc\"") && kept(&format!("\"{}\"", "a".repeat(MAX_TAG - 2))));
        let long = format!("\"{}\"", "a".repeat(MAX_TAG - 1));
        for text in ["", "*", "abc", "\"", "w/\"abc\"", "\"a\", \"b\"", "\"a b\"", &long] {
            assert!(!kept(text), "{text}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let elsewhere = server(ok(&json(0, "elsewhere")), None).await;
        let head =
            format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/nodeinfo.json\r\nContent-Length: 0\r\n\r\n");
        let refused = ask(&server(head.into_bytes(), None).await, None, TIMEOUT).await;
        assert!(matches!(refused, Err(NodeInfoError::Status(StatusCode::FOUND))), "{refused:?}");
    }

    #[tokio::test]
    async fn an_endless_body_is_cut_off() {
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        let refused = ask(&server(head, Some(vec![b' '; 4096])).await, None, TIMEOUT).await;
        assert!(matches!(refused, Err(NodeInfoError::TooLarge)), "{refused:?}");
    }

    #[tokio::test]
    async fn endless_headers_are_cut_off() {
        let head = b"HTTP/1.1 200 OK\r\n".to_vec();
        let refused = ask(&server(head, Some(b"X-Header: y\r\n".repeat(100))).await, None, TIMEOUT).await;
        assert!(matches!(refused, Err(NodeInfoError::Unreachable(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_server_that_stops_half_way_is_given_up() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
        let address = server(head, Some(Vec::new())).await;
        let refused = ask(&address, None, Duration::from_millis(200)).await;
        assert!(matches!(refused, Err(NodeInfoError::TimedOut(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn no_server_is_an_error_that_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        drop(listener);
        let refused = ask(&address, None, TIMEOUT).await.unwrap_err();
        assert!(refused.to_string().contains("refused"), "{refused}");
    }

    #[tokio::test]
    async fn what_is_not_json_is_refused() {
        for body in ["<html></html>", "[]", "{}", &"[".repeat(60_000)] {
            let refused = ask(&server(ok(body), None).await, None, TIMEOUT).await;
            assert!(matches!(refused, Err(NodeInfoError::Malformed(_))), "{refused:?}");
        }
    }

    #[test]
    fn a_long_list_is_shortened_and_texts_too() {
        let info = parse(json(500, &"n".repeat(500)).as_bytes()).unwrap();
        assert_eq!((info.nodes.len(), info.name.len()), (MAX_NODES, MAX_TEXT));
    }

    #[test]
    fn a_location_that_cannot_be_costs_nothing_else() {
        let located = |location: &str| {
            let json = json(0, "hall").replace("\"more\":true", &format!("\"location\":{location}"));
            parse(json.as_bytes()).unwrap().location
        };
        let toronto = Location::new(43.65, -79.38, Some(76)).unwrap();
        assert_eq!(located(r#"{"latitude":43.65,"longitude":-79.38,"altitude_m":76,"more":1}"#), Some(toronto));
        for nowhere in ["null", "\"home\"", "{}", r#"{"latitude":91,"longitude":0}"#, "[[[7]]]"] {
            assert_eq!(located(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn links_that_cannot_be_cost_nothing_else() {
        let linked = |links: &str| {
            let json = json(0, "hall").replace("\"more\":true", &format!("\"links\":{links}"));
            parse(json.as_bytes()).unwrap().links
        };
        let link = |byte: u8| {
            let feed = stream_model::FeedId([byte; 32]);
            format!(r#"{{"feed":"{feed}","over":"lan","rtt_ms":18446744073709551615,"loss_percent":200}}"#)
        };
        for none in ["null", "7", "{}", r#"[[],"x",{"feed":1}]"#, &format!("[{}]", link(7))] {
            assert_eq!(linked(none), [], "{none}: 7 is the node itself");
        }
        let many: Vec<_> = (0..=255).map(link).collect();
        let links = linked(&format!("[{}]", many.join(",")));
        assert!(links.len() <= stream_model::MAX_TOLD_LINKS && links.len() > 30, "{}", links.len());
        assert!(links.iter().all(|link| link.rtt_ms.is_none() && link.loss_percent.is_none()));
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
