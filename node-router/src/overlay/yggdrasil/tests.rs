//! The client against admin sockets that do as they are told.

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};

use super::*;

const SELF: &str = include_str!("captures/0.4.7/getSelf.json");
const PEERS: &str = include_str!("captures/0.4.7/getPeers.json");
const SELF_05: &str = include_str!("captures/0.5.12/getSelf.json");
const PEERS_05: &str = include_str!("captures/0.5.12/getPeers.json");

/// What is sent for a request, and what happens then.
#[derive(Clone)]
enum Say {
    /// All of it, then the end.
    Whole(String),
    /// One byte after the other, and no end.
    Bytewise(String),
    /// Again and again.
    Endless(String),
    /// Nothing, and no end.
    Nothing,
}

type Script = Arc<Mutex<(Say, Say)>>;

async fn serve(mut stream: impl Stream, script: Script) {
    let mut request = vec![0; 100];
    let length = stream.read(&mut request).await.unwrap_or(0);
    let request: serde_json::Value = serde_json::from_slice(&request[..length]).unwrap();
    let say = {
        let script = script.lock().unwrap();
        if request["request"] == "getself" { script.0.clone() } else { script.1.clone() }
    };
    match say {
        Say::Whole(text) => drop(stream.write_all(text.as_bytes()).await),
        Say::Bytewise(text) => {
            for byte in text.bytes() {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
            std::future::pending::<()>().await;
        }
        Say::Endless(text) => while stream.write_all(text.as_bytes()).await.is_ok() {},
        Say::Nothing => std::future::pending().await,
    }
}

fn whole(own: &str, peers: &str) -> (Say, Say) {
    (Say::Whole(own.into()), Say::Whole(peers.into()))
}

/// A daemon at a unix socket.
struct Served {
    script: Script,
    client: Client,
    _dir: TempDir,
}

impl Served {
    fn start(script: (Say, Say)) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("admin.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let script = Arc::new(Mutex::new(script));
        let shared = script.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        let client = Client::new(format!("unix://{}", path.display()).parse().unwrap());
        Self { script, client, _dir: dir }
    }

    async fn view(&mut self) -> Result<View, DaemonError> {
        self.client.view().await
    }
}

fn linked(view: &View) -> Vec<String> {
    view.linked().map(|address| address.to_string()).collect()
}

const NEIGHBOURS: [&str; 2] = ["201:9b:c41d:fd1b:80b0:b903:39aa:e15", "201:3e43:2833:21d3:b1e4:12c3:a9d3:aff"];
/// By latency.
const NEIGHBOURS_05: [&str; 2] = ["201:7a96:1662:4986:28b:85dc:8514:83d5", "201:a60f:6d57:6c9c:626c:dd89:dfb4:595b"];

#[tokio::test]
async fn both_versions_tell_the_own_address_and_each_neighbour_once() {
    for (own, peers, address, neighbours) in [
        (SELF, PEERS, "201:d98f:b215:7e95:5712:d8b8:8926:2613", NEIGHBOURS),
        (SELF_05, PEERS_05, "200:4bd2:89ef:e490:79d0:6329:b2:780a", NEIGHBOURS_05),
    ] {
        let view = Served::start(whole(own, peers)).view().await.unwrap();
        assert_eq!(view.own(), address.parse().ok());
        let (mut told, mut expected) = (linked(&view), neighbours.map(str::to_owned).to_vec());
        // 0.4 measures no latency.
        if own == SELF {
            told.sort();
            expected.sort();
        }
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn a_daemon_that_does_not_close_the_connection_is_understood() {
    let script = (Say::Bytewise(SELF_05.into()), Say::Bytewise(PEERS_05.into()));
    assert_eq!(linked(&Served::start(script).view().await.unwrap()), NEIGHBOURS_05);
}

#[tokio::test]
async fn nonsense_is_an_error_and_the_next_look_starts_anew() {
    let mut daemon = Served::start(whole(SELF, "<html>"));
    assert!(matches!(daemon.view().await, Err(DaemonError::Malformed(_))));
    for peers in ["", &PEERS[..200]] {
        *daemon.script.lock().unwrap() = whole(SELF, peers);
        assert_eq!(daemon.view().await, Err(DaemonError::Malformed("it ends half way".into())));
    }
    *daemon.script.lock().unwrap() = (Say::Endless("[".into()), Say::Nothing);
    assert!(matches!(daemon.view().await, Err(DaemonError::Malformed(_))));
    *daemon.script.lock().unwrap() = (Say::Endless(" ".repeat(1000)), Say::Nothing);
    assert_eq!(daemon.view().await, Err(DaemonError::Malformed(format!("over {MAX_ANSWER} bytes"))));
    *daemon.script.lock().unwrap() = whole(SELF, PEERS);
    assert_eq!(linked(&daemon.view().await.unwrap()).len(), 2);
}

#[tokio::test]
async fn a_silent_daemon_is_given_up() {
    let mut daemon = Served::start((Say::Whole(SELF.into()), Say::Nothing));
    daemon.client.timeout = Duration::from_millis(100);
    assert_eq!(daemon.view().await, Err(DaemonError::TimedOut));
}

#[tokio::test]
async fn a_daemon_is_asked_over_tcp_and_absent_once_it_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = Client::new(format!("tcp://{address}").parse().unwrap());
    let script = Arc::new(Mutex::new(whole(SELF, PEERS)));
    let daemon = tokio::spawn(async move {
        for _ in 0..2 {
            serve(listener.accept().await.unwrap().0, script.clone()).await;
        }
    });
    assert_eq!(linked(&client.view().await.unwrap()).len(), 2);
    daemon.await.unwrap();
    assert!(matches!(client.view().await, Err(DaemonError::Absent(_))));
    let mut client = Client::new("unix:///nowhere/yggdrasil.sock".parse().unwrap());
    assert!(matches!(client.view().await, Err(DaemonError::Absent(_))));
}

#[test]
fn addresses_of_sockets_are_read_and_others_refused() {
    for text in ["unix:///var/run/yggdrasil.sock", "tcp://127.0.0.1:9001", "tcp://[::1]:9001"] {
        assert_eq!(text.parse::<YggdrasilAdmin>().unwrap().to_string(), text);
    }
    assert_eq!(YggdrasilAdmin::default(), format!("unix://{DEFAULT_SOCKET}").parse().unwrap());
    for text in ["", "/var/run/yggdrasil.sock", "unix://", "unix://relative", "tcp://localhost:9001", "tcp://[::1]"] {
        assert!(text.parse::<YggdrasilAdmin>().is_err(), "{text}");
    }
}
