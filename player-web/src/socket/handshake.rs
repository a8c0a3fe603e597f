//! From a request to a WebSocket (RFC 6455 §4.2), of a client that may ask for a subprotocol.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Most bytes of a client's message; a subscription has about 100.
const MAX_MESSAGE_BYTES: usize = 4096;

/// Bytes that a socket reads at once: a client's message. It keeps them in memory as long as it is open.
const READ_BYTES: usize = 2048;

/// What is spoken on.
pub(super) type Io = TokioIo<Upgraded>;

/// A request that asks for a WebSocket as it should.
#[derive(Debug)]
pub(super) struct Handshake {
    response: Response,
    upgrade: OnUpgrade,
    asked: bool,
    chosen: bool,
}

impl Handshake {
    /// Takes what the request asks for, and of the subprotocols that it names the one that is spoken here; the status of the
    /// answer where it asks for something else.
    pub(super) fn new(request: &mut Request, subprotocol: &'static str) -> Result<Self, StatusCode> {
        let mut response = create_response_with_body(request, Body::empty).map_err(|_| StatusCode::BAD_REQUEST)?;
        let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(StatusCode::UPGRADE_REQUIRED)?;
        let named = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let (mut asked, mut chosen) = (false, false);
        for name in named.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
            asked = true;
            chosen |= name.trim_ascii() == subprotocol.as_bytes();
        }
        if chosen {
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        Ok(Self { response, upgrade, asked, chosen })
    }

    /// Whether subprotocols were named of which none is spoken here.
    pub(super) fn is_in_vain(&self) -> bool {
        self.asked && !self.chosen
    }

    /// Goes on with a conversation once the answer is sent, for as long as it takes.
    pub(super) fn then<F>(self, converse: impl FnOnce(WebSocketStream<Io>) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let upgrade = self.upgrade;
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => converse(speak(TokioIo::new(upgraded)).await).await,
                // The client went away meanwhile.
                Err(error) => tracing::debug!(%error, "a WebSocket did not come about"),
            }
        });
        self.response
    }
}

/// The server's side of a WebSocket.
pub(super) async fn speak<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(io: T) -> WebSocketStream<T> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
        .read_buffer_size(READ_BYTES)
        // Each frame is sent at once.
        .write_buffer_size(0);
    WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await
}
