//! HTTPS with a certificate of the test's own, spoken by a real client.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::response::Parts;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use player_web::{Config, Places, Tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use crate::server::GUARD;
use crate::support::FakeNode;

const NAME: &str = "video.mesh";

struct Secure {
    address: SocketAddr,
    trust: Arc<ClientConfig>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn start() -> Secure {
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("c.pem"), directory.path().join("k.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::load(&certificate, &key).unwrap();

    let config = Config { names: vec![NAME.to_owned()], ..Config::default() };
    let listener = listener::Listener::bind("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
    let address = listener.local_addr();
    let shutdown = CancellationToken::new();
    let app = player_web::app(FakeNode::new().ports(), &config);
    let task = tokio::spawn(player_web::serve_tls(listener, tls, app, Places::new(&config), shutdown.clone()));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let trust = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let trust = Arc::new(trust.with_root_certificates(roots).with_no_client_auth());
    Secure { address, trust, shutdown, task }
}

impl Secure {
    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(self.trust.clone()).connect(ServerName::try_from(NAME).unwrap(), stream).await.unwrap()
    }

    async fn get(&self, path: &str) -> (Parts, String) {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(self.connect().await)).await.unwrap();
        let talking = tokio::spawn(connection);
        let request = Request::get(path).header("host", format!("{NAME}:{}", self.address.port()));
        let (parts, body) =
            sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap().into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        drop(sender);
        let _ = talking.await.unwrap();
        (parts, body)
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(GUARD, self.task).await.expect("the server ends").unwrap();
    }
}

#[tokio::test]
async fn pages_come_over_tls_and_are_not_bound_to_it() {
    let server = start();
    let (parts, html) = server.get("/").await;
    assert_eq!(parts.status, 200);
    assert!(html.contains("<h1"));
    let policy = parts.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("connect-src 'self' wss://{NAME}:{};", server.address.port())), "{policy}");
    assert_eq!(parts.headers["cross-origin-opener-policy"], "same-origin");
    // Who came once by HTTPS has to find the node by HTTP when its certificate has run out.
    assert!(!parts.headers.contains_key("strict-transport-security"));
    server.stop().await;
}

#[tokio::test]
async fn rfc_8908_says_whether_a_phone_is_captive() {
    let server = start();
    let origin = format!("https://{NAME}:{}", server.address.port());
    let ask = async || {
        let (parts, body) = server.get("/captive-portal/api").await;
        assert_eq!(parts.headers["content-type"], "application/captive+json");
        assert_eq!(parts.headers["cache-control"], "private, no-store");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()
    };
    let account = ask().await;
    assert_eq!(account["captive"], true);
    assert_eq!(account["user-portal-url"], format!("{origin}/portal"));
    assert_eq!(account["venue-info-url"], format!("{origin}/"));
    assert_eq!(account["can-extend-session"], false);

    let mut stream = server.connect().await;
    let host = format!("{NAME}:{}", server.address.port());
    let head =
        format!("POST /portal/continue HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 303"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(ask().await["captive"], false);
    server.stop().await;
}

#[tokio::test]
async fn websockets_work_over_tls() {
    let server = start();
    let host = format!("{NAME}:{}", server.address.port());
    let stream = server.connect().await;
    let (mut socket, _) = tokio_tungstenite::client_async(format!("wss://{host}/ws"), stream).await.unwrap();
    let hello = futures::StreamExt::next(&mut socket).await.unwrap().unwrap();
    assert!(hello.to_text().unwrap().contains("hello"), "{hello}");
    drop(socket);
    server.stop().await;
}

#[tokio::test]
async fn who_speaks_no_tls_is_cut_off_and_others_go_on() {
    let server = start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: video.mesh\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(GUARD, stream.read_to_end(&mut answer)).await.expect("the connection ends");
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(server.get("/healthz").await.0.status, 200);
    server.stop().await;
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (one, other) = (
        rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap(),
        rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap(),
    );
    let certificate = file("c.pem", &one.cert.pem());
    let (key, wrong_key) =
        (file("k.pem", &one.signing_key.serialize_pem()), file("w.pem", &other.signing_key.serialize_pem()));
    let (empty, missing) = (file("empty.pem", ""), directory.path().join("missing.pem"));
    for (certificate, key, named, hint) in [
        (&missing, &key, &missing, "web.tls.certificate"),
        (&empty, &key, &empty, "there is no certificate in it"),
        (&certificate, &missing, &missing, "web.tls.key"),
        (&certificate, &empty, &empty, "web.tls.key"),
        (&certificate, &wrong_key, &wrong_key, "cannot be used"),
    ] {
        let error = Tls::load(certificate, key).unwrap_err().to_string();
        assert!(error.contains(&*named.to_string_lossy()) && error.contains(hint), "{error}");
    }
    assert!(Tls::load(&certificate, &key).is_ok());
}
