//! `/ws`: pushes changes of the directory, of playlists, of who watches, and of the node. The shell around [`session::Session`];
//! what is pushed is made by the [`hub::Hub`], once for all sockets.

mod handshake;
mod hub;
mod protocol;
mod session;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use serde::Deserialize;
use stream_model::BroadcastId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use self::handshake::Handshake;
pub(crate) use self::hub::Hub;
use self::hub::{Event, Feed, Subscription};
use self::protocol::{ServerMessage, VERSION};
use self::session::{CloseReason, Output, Session};
use crate::app::AppState;
use crate::clock::now;
use crate::routes::text_line;
use crate::serve::{self, Connection};
use crate::slots::Slot;
use crate::viewers::{ViewerCounter, Watching};

/// Bytes of a message that are handed to a socket at a time, as fragments of it (RFC 6455 §5.4). A socket keeps a copy of them
/// until the client has room, and the place for it as long as it is open; the message is shared by all sockets. Most
/// messages fit in one.
const FRAGMENT_BYTES: usize = 4096;

/// How long one message may take to be sent before the client counts as gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// By which a client asks for this version of the protocol in the handshake (RFC 6455 §1.9).
const SUBPROTOCOL: &str = "meshstream.v1";

/// Closes a socket that asked for another version; of those for applications (RFC 6455 §7.4.2).
const CLOSE_VERSION: CloseCode = CloseCode::Library(4406);

/// Seconds until one that found no place may ask again: one is free when a page was left.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("60");

/// What the query of `/ws` may say; all else is ignored.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SocketQuery {
    v: Option<String>,
}

pub(crate) async fn upgrade(
    State(state): State<AppState>,
    query: Result<Query<SocketQuery>, QueryRejection>,
    mut request: Request,
) -> Response {
    let handshake = match Handshake::new(&mut request, SUBPROTOCOL) {
        Ok(handshake) => handshake,
        Err(status) => return text_line(status, "this is a WebSocket: the player connects to it"),
    };
    if !same_origin(request.headers()) {
        metrics::counter!("meshstream_web_refused_sockets_total", "reason" => "origin").increment(1);
        return text_line(StatusCode::FORBIDDEN, "only pages of this node may connect here");
    }
    let connection = request.extensions().get::<Connection>().cloned();
    let address = serve::address_of(connection.as_ref());
    let Some(slot) = state.sockets.acquire(address) else {
        metrics::counter!("meshstream_web_refused_sockets_total", "reason" => "too many").increment(1);
        let mut refused = text_line(StatusCode::SERVICE_UNAVAILABLE, "too many sockets: the page goes on without one");
        refused.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        return refused;
    };
    let wanted = query.ok().and_then(|Query(query)| query.v);
    if wanted.is_some_and(|wanted| wanted != VERSION.to_string()) || handshake.is_in_vain() {
        metrics::counter!("meshstream_web_refused_sockets_total", "reason" => "version").increment(1);
        return handshake.then(move |socket| refuse_version(socket, slot));
    }
    handshake.then(move |socket| converse(socket, state, connection, address, slot))
}

/// Tells a client that this node does not speak as it asks. A browser sees no status of a handshake that failed, but the code of
/// the end.
async fn refuse_version(mut socket: WebSocketStream<handshake::Io>, _slot: Slot) {
    let said = async {
        socket.send(Message::Text(ServerMessage::unsupported().text())).await?;
        socket.send(close(CLOSE_VERSION, "this node speaks version 1")).await
    };
    // Whoever is gone by now need not be told.
    let _ = timeout(SEND_TIMEOUT, said).await;
}

/// Whether the page that connects is one of ours: browsers let any page open a WebSocket anywhere, and say whose it
/// is (RFC 6455 §10.2). Programs send no `Origin`.
pub(crate) fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    authority.is_some_and(|authority| host.is_some_and(|host| host.eq_ignore_ascii_case(authority)))
}

/// One client, from `hello` to its end. Holds its places in the limits until then.
async fn converse(
    socket: WebSocketStream<handshake::Io>,
    state: AppState,
    connection: Option<Connection>,
    address: IpAddr,
    _slot: Slot,
) {
    let shutdown = connection.as_ref().map(|connection| connection.shutdown.clone()).unwrap_or_default();
    let watches =
        Watches { hub: state.hub.clone(), counter: state.ports.viewers.clone(), address, all: HashMap::new() };
    let feed = state.hub.join(&state.ports, &state.served);
    drop(state);
    talk(socket, feed, watches, &shutdown).await;
}

/// Reads and writes until either ends.
async fn talk<T: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<T>,
    feed: Feed,
    watches: Watches,
    shutdown: &CancellationToken,
) {
    let (mut sink, stream) = socket.split();
    // One message being sent and one waiting: all else stays in the session, where newer replaces older.
    let (outgoing, mut queue) = mpsc::channel(1);
    let write = async {
        while let Some(message) = queue.recv().await {
            if !matches!(timeout(SEND_TIMEOUT, send(&mut sink, message)).await, Ok(Ok(()))) {
                metrics::counter!("meshstream_web_lost_sockets_total").increment(1);
                return;
            }
        }
    };
    let read = run(stream, feed, watches, outgoing, shutdown);
    let mut write = std::pin::pin!(write);
    tokio::select! {
        () = &mut write => {}
        // What was queued last, a close frame most often, still goes out.
        () = read => write.await,
    }
}

/// Sends a text in fragments, so that a client that takes nothing costs one of them.
async fn send(sink: &mut (impl Sink<Message, Error = Error> + Unpin), message: Message) -> Result<(), Error> {
    let Message::Text(text) = message else { return sink.send(message).await };
    let mut rest = Bytes::from(text);
    let mut kind = Data::Text;
    loop {
        let fragment = rest.split_to(rest.len().min(FRAGMENT_BYTES));
        let is_last = rest.is_empty();
        sink.send(Message::Frame(Frame::message(fragment, OpCode::Data(kind), is_last))).await?;
        if is_last {
            return Ok(());
        }
        kind = Data::Continue;
    }
}

async fn run(
    mut incoming: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut feed: Feed,
    mut watches: Watches,
    outgoing: mpsc::Sender<Message>,
    shutdown: &CancellationToken,
) {
    let mut session = Session::new(now());
    feed.directory.mark_changed();
    feed.node.mark_changed();
    let mut pending: Option<Output> = None;
    loop {
        if pending.is_none() {
            pending = session.poll_output(now());
        }
        metrics::counter!("meshstream_web_superseded_events_total").increment(session.take_superseded());
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {
                let _ = outgoing.send(close(CloseCode::Away, "the node is stopping")).await;
                return;
            }
            permit = outgoing.reserve(), if pending.is_some() => {
                let (Ok(permit), Some(output)) = (permit, pending.take()) else { return };
                let last = matches!(output, Output::Close(_));
                permit.send(frame(output));
                if last {
                    return;
                }
            }
            message = incoming.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    session.handle_text(&text, now());
                    watches.follow(&mut session);
                }
                Some(Ok(Message::Binary(_))) => session.handle_binary(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => session.handle_sign_of_life(now()),
                // A stream gives whole messages, never bare frames.
                Some(Ok(Message::Close(_) | Message::Frame(_))) | None => return,
                Some(Err(error)) => {
                    tracing::debug!(%error, "a WebSocket failed");
                    return;
                }
            },
            event = feed.events.recv() => match event {
                Ok(event) => handle(&mut session, event),
                Err(RecvError::Lagged(lost)) => session.handle_lost(lost),
                Err(RecvError::Closed) => return,
            },
            changed = feed.directory.changed() => {
                let text = feed.directory.borrow_and_update().clone();
                if changed.is_err() {
                    return;
                }
                session.handle_directory(text);
            }
            changed = feed.node.changed() => {
                let text = feed.node.borrow_and_update().clone();
                if changed.is_err() {
                    return;
                }
                session.handle_node(text);
            }
            () = sleep_until(tokio::time::Instant::from_std(session.next_timeout())), if pending.is_none() => {}
        }
    }
}

fn handle(session: &mut Session, event: Event) {
    match event {
        Event::Playlist(broadcast, text) => session.handle_playlist(&broadcast, text),
        Event::Statistics(broadcast, text) => session.handle_statistics(&broadcast, text),
        Event::Comment(broadcast, key, text) => session.handle_post(Some(&broadcast), key, text),
        Event::Post(key, text) => session.handle_post(None, key, text),
        Event::Hidden(key, text) => session.handle_hidden(key, text),
        Event::Missed => session.handle_missed(),
    }
}

/// What a socket is counted for: its subscriptions, and what it plays.
struct Watches {
    hub: Hub,
    counter: ViewerCounter,
    address: IpAddr,
    all: HashMap<BroadcastId, (Subscription, Option<Watching>)>,
}

impl Watches {
    /// Does as the session says, which bounds it.
    fn follow(&mut self, session: &mut Session) {
        let mut fresh = Vec::new();
        self.all.retain(|broadcast, _| session.is_subscribed(broadcast));
        for (broadcast, playing) in session.subscriptions() {
            let (_, watching) = self.all.entry(broadcast).or_insert_with(|| {
                let subscription = self.hub.subscribe(broadcast);
                fresh.extend(subscription.statistics().map(|text| (broadcast, text)));
                (subscription, None)
            });
            if let Some(playing) = playing {
                let watch = || self.counter.watch(broadcast, self.address);
                watching.get_or_insert_with(watch).set_playing(playing);
            }
        }
        for (broadcast, text) in fresh {
            session.handle_statistics(&broadcast, text);
        }
    }
}

fn frame(output: Output) -> Message {
    let message = match output {
        Output::Text(text) => return Message::Text(text),
        Output::Hello => ServerMessage::Hello { version: VERSION },
        Output::Missed => ServerMessage::Missed,
        Output::Error(message) => ServerMessage::error(message),
        Output::Ping => return Message::Ping(Bytes::new()),
        Output::Close(CloseReason::Silent) => return close(CloseCode::Away, "nothing was heard for a minute"),
        Output::Close(CloseReason::Misbehaved) => {
            metrics::counter!("meshstream_web_misbehaving_sockets_total").increment(1);
            return close(CloseCode::Policy, "too many messages, or not text");
        }
    };
    Message::Text(message.text())
}

fn close(code: CloseCode, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod talk_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn pages_of_other_origins_are_told_from_ours() {
        let check = |origin: Option<&'static str>, host: &'static str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(same_origin(&headers), expected, "{origin:?} at {host}");
        };
        check(None, "node:8080", true);
        check(Some("http://node:8080"), "node:8080", true);
        check(Some("https://Node"), "node", true);
        check(Some("http://[fc00::1]:8080"), "[fc00::1]:8080", true);
        check(Some("http://evil.example"), "node:8080", false);
        check(Some("http://node:8081"), "node:8080", false);
        check(Some("null"), "node:8080", false);
    }
}
