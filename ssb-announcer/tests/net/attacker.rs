//! A peer that sends what a test tells it to, and messages for it to send.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use ssb_announcer::feed::{FeedStore, OwnAppend};
use ssb_announcer::handshake::box_stream::{BoxReader, BoxWriter};
use ssb_announcer::handshake::state::SessionKeys;
use ssb_announcer::handshake::{authenticate_client, authenticate_server};
use ssb_announcer::identity::Identity;
use ssb_announcer::muxrpc::packet::{self, Decoded, Encoding, Packet};
use stream_model::{FeedId, PeerBook as _, SsbPeer};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::node::{Node, PATIENCE, network};

/// A peer that has authenticated itself and may now send what it likes.
pub(crate) struct Attacker {
    reader: BoxReader<OwnedReadHalf>,
    /// `None` once its direction is closed.
    writer: Option<BoxWriter<OwnedWriteHalf>>,
    plain: BytesMut,
}

/// The request number with which the attacker opens replication.
const EBT: i32 = 1;

impl Attacker {
    pub(crate) async fn connect(node: &Node, seed: u8) -> Self {
        let stream = TcpStream::connect(node.gossip.local_address()).await.unwrap();
        Self::authenticated(node, seed, stream).await
    }

    /// Connects over IPv4 from an address of its own.
    pub(crate) async fn connect_from(node: &Node, seed: u8, from: [u8; 4]) -> Self {
        Self::authenticated(node, seed, stream_from(node, from).await).await
    }

    async fn authenticated(node: &Node, seed: u8, mut stream: TcpStream) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let keys = authenticate_client(&mut stream, &network(), identity.signing_key(), node.id()).await.unwrap();
        Self::over(stream, keys)
    }

    /// Waits on a port to be dialled by a node, to which it is offered.
    pub(crate) async fn dialled_by(node: &Node, seed: u8) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        node.gossip.offer(SsbPeer { feed: identity.id(), addresses: vec![listener.local_addr().unwrap()] });
        Self::accepts(&listener, &identity).await
    }

    /// Lets somebody in who dials the listener.
    pub(crate) async fn accepts(listener: &TcpListener, identity: &Identity) -> Self {
        let (mut stream, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        let keys = authenticate_server(&mut stream, &network(), identity.signing_key()).await.unwrap();
        Self::over(stream, keys)
    }

    fn over(stream: TcpStream, keys: SessionKeys) -> Self {
        let (read, write) = stream.into_split();
        Self {
            reader: BoxReader::new(read, keys.receive),
            writer: Some(BoxWriter::new(write, keys.send)),
            plain: BytesMut::new(),
        }
    }

    /// Connects and begins to replicate: the node's notes have arrived.
    pub(crate) async fn replicating(node: &Node, seed: u8) -> Self {
        let mut attacker = Self::connect(node, seed).await;
        attacker.ebt(r#"{"name":["ebt","replicate"],"args":[{"version":3,"format":"classic"}],"type":"duplex"}"#).await;
        attacker.receive().await.expect("notes of the node");
        attacker
    }

    /// Sends bytes; `false` where the node has ended the connection, which is what some tests wait for.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) -> bool {
        let writer = self.writer.as_mut().expect("a closed direction takes nothing");
        writer.push(bytes);
        writer.write().await.is_ok()
    }

    pub(crate) async fn send(&mut self, request: i32, stream: bool, body: impl Into<Bytes>) -> bool {
        let mut bytes = BytesMut::new();
        Packet { request, stream, end: false, encoding: Encoding::Json, body: body.into() }.encode(&mut bytes);
        self.raw(&bytes).await
    }

    /// Sends a packet as it is.
    pub(crate) async fn packet(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        self.raw(&bytes).await;
    }

    /// The next call that the node makes of a method: its number and its first argument.
    pub(crate) async fn is_called(&mut self, method: Value) -> (i32, Value) {
        loop {
            let packet = self.receive().await.expect("the connection stays");
            let Ok(call) = serde_json::from_slice::<Value>(&packet.body) else { continue };
            if packet.request > 0 && call["name"] == method {
                return (packet.request, call["args"][0].clone());
            }
        }
    }

    /// Waits to be asked for the history of a feed.
    pub(crate) async fn is_asked_for(&mut self, feed: FeedId) -> i32 {
        loop {
            let (request, asked) = self.is_called(json!(["createHistoryStream"])).await;
            if asked["id"] == json!(feed) {
                return request;
            }
        }
    }

    /// Says goodbye, closes its direction, and reads on.
    pub(crate) async fn goodbye(&mut self) {
        self.raw(&[0; 9]).await;
        let writer = self.writer.take().expect("said once");
        writer.close().await.unwrap();
    }

    /// Sends bytes on a stream.
    pub(crate) async fn piece(&mut self, request: i32, body: &Bytes) {
        let mut bytes = BytesMut::new();
        Packet { request, stream: true, end: false, encoding: Encoding::Binary, body: body.clone() }.encode(&mut bytes);
        self.raw(&bytes).await;
    }

    /// Sends bytes on a stream, and its end.
    pub(crate) async fn blob(&mut self, request: i32, body: &Bytes) {
        self.piece(request, body).await;
        self.end(request).await;
    }

    pub(crate) async fn end(&mut self, request: i32) {
        let mut bytes = BytesMut::new();
        let body = Bytes::from_static(b"true");
        Packet { request, stream: true, end: true, encoding: Encoding::Json, body }.encode(&mut bytes);
        self.raw(&bytes).await;
    }

    pub(crate) async fn ebt(&mut self, body: impl Into<Bytes>) {
        self.send(EBT, true, body).await;
    }

    /// The next packet; `None` where the node ended the connection.
    pub(crate) async fn receive(&mut self) -> Option<Packet> {
        let receive = async {
            loop {
                match packet::decode(&mut self.plain).unwrap() {
                    Some(Decoded::Packet(packet)) => return Some(packet),
                    Some(Decoded::Goodbye) => return None,
                    None => {}
                }
                if !matches!(self.reader.read(&mut self.plain).await, Ok(true)) {
                    return None;
                }
            }
        };
        tokio::time::timeout(PATIENCE, receive).await.expect("the node neither answers nor ends the connection")
    }

    pub(crate) async fn is_cut_off(&mut self) {
        while self.receive().await.is_some() {}
    }

    /// Waits until the node has handled everything sent so far.
    pub(crate) async fn settled(&mut self, request: i32) {
        assert!(self.is_heard(request).await, "the connection stays");
    }

    /// Waits until the node has handled everything sent so far; `false` where it ended the connection.
    pub(crate) async fn is_heard(&mut self, request: i32) -> bool {
        self.send(request, false, r#"{"name":["whoami"],"args":[]}"#).await;
        while let Some(packet) = self.receive().await {
            if packet.request == -request {
                return true;
            }
        }
        false
    }
}

/// Connects over IPv4 from an address of loopback.
pub(crate) async fn stream_from(node: &Node, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(SocketAddr::from(([127, 0, 0, 1], node.gossip.local_address().port()))).await.unwrap()
}

/// Messages of a feed as they travel.
pub(crate) async fn messages(identity: &Identity, texts: &[&str]) -> Vec<String> {
    let store = FeedStore::in_memory(identity.id(), vec![]).unwrap();
    let append = |text: &&str| OwnAppend {
        identity: identity.clone(),
        content_json: format!(r#"{{"type":"test","text":"{text}"}}"#),
        names: None,
    };
    let appended = store.append_own(texts.iter().map(append).collect()).await.unwrap();
    appended.into_iter().map(|message| message.value_json.to_string()).collect()
}
