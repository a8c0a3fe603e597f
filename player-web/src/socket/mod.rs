//! `/ws`: pushes changes of the directory, of playlists, of who watches, and of the node. The shell around [`session::Session`];
//! what is pushed is made by the [`hub::Hub`], once for all sockets.

mod hub;
mod protocol;
mod session;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use stream_model::BroadcastId;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

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

/// Most bytes of a client's message; a subscription has about 100.
const MAX_MESSAGE_BYTES: usize = 4096;

/// Bytes that a socket reads at once: a client's message. It keeps them in memory as long as it is open.
const READ_BYTES: usize = 2048;

/// How long one message may take to be sent before the client counts as gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// By which a client asks for this version of the protocol in the handshake (RFC 6455 §1.9).
const SUBPROTOCOL: &str = "meshstream.v1";

/// Closes a socket that asked for another version; of those for applications (RFC 6455 §7.4.2).
const CLOSE_VERSION: u16 = 4406;

/// What the query of `/ws` may say; all else is ignored.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SocketQuery {
    v: Option<String>,
}

pub(crate) async fn upgrade(
    State(state): State<AppState>,
    connection: Option<Extension<Connection>>,
    query: Result<Query<SocketQuery>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return text_line(rejection.status(), "this is a WebSocket: the player connects to it"),
    };
    if !same_origin(&headers) {
        metrics::counter!("meshstream_web_refused_sockets_total", "reason" => "origin").increment(1);
        return text_line(StatusCode::FORBIDDEN, "only pages of this node may connect here");
    }
    let connection = connection.map(|Extension(connection)| connection);
    let address = serve::address_of(connection.as_ref());
    let Some(slot) = state.sockets.acquire(address) else {
        metrics::counter!("meshstream_web_refused_sockets_total", "reason" => "too many").increment(1);
        return text_line(StatusCode::SERVICE_UNAVAILABLE, "too many sockets: the page goes on without one");
    };
    let upgrade = upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .read_buffer_size(READ_BYTES)
        // Each message is sent at once.
        .write_buffer_size(0)
        .protocols([SUBPROTOCOL]);
    let wanted = query.ok().and_then(|Query(query)| query.v);
    let named = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    if wanted.is_some_and(|wanted| wanted != VERSION.to_string()) || named && upgrade.selected_protocol().is_none() {
        metrics::counter!("meshstream_web_refused_sockets_total", "reason" => "version").increment(1);
        return upgrade.on_upgrade(move |socket| refuse_version(socket, slot));
    }
    upgrade.on_upgrade(move |socket| converse(socket, state, connection, address, slot))
}

/// Tells a client that this node does not speak as it asks. A browser sees no status of a handshake that failed, but the code of
/// the end.
async fn refuse_version(mut socket: WebSocket, _slot: Slot) {
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
async fn converse(socket: WebSocket, state: AppState, connection: Option<Connection>, address: IpAddr, _slot: Slot) {
    let shutdown = connection.as_ref().map(|connection| connection.shutdown.clone()).unwrap_or_default();
    let (mut sink, stream) = socket.split();
    // One message being sent and one waiting: all else stays in the session, where newer replaces older.
    let (outgoing, mut queue) = mpsc::channel(1);
    let write = async {
        while let Some(message) = queue.recv().await {
            if !matches!(timeout(SEND_TIMEOUT, sink.send(message)).await, Ok(Ok(()))) {
                metrics::counter!("meshstream_web_lost_sockets_total").increment(1);
                return;
            }
        }
    };
    let watches =
        Watches { hub: state.hub.clone(), counter: state.ports.viewers.clone(), address, all: HashMap::new() };
    let feed = state.hub.join(&state.ports, &state.served);
    drop(state);
    let read = run(stream, feed, watches, outgoing, &shutdown);
    let mut write = std::pin::pin!(write);
    tokio::select! {
        () = &mut write => {}
        // What was queued last, a close frame most often, still goes out.
        () = read => write.await,
    }
}

async fn run(
    mut incoming: futures::stream::SplitStream<WebSocket>,
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
                let _ = outgoing.send(close(close_code::AWAY, "the node is stopping")).await;
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
                Some(Ok(Message::Close(_))) | None => return,
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
        Event::Comment(broadcast, text) => session.handle_post(Some(&broadcast), text),
        Event::Post(text) => session.handle_post(None, text),
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
        Output::Ping => return Message::Ping(bytes::Bytes::new()),
        Output::Close(CloseReason::Silent) => return close(close_code::AWAY, "nothing was heard for a minute"),
        Output::Close(CloseReason::Misbehaved) => {
            metrics::counter!("meshstream_web_misbehaving_sockets_total").increment(1);
            return close(close_code::POLICY, "too many messages, or not text");
        }
    };
    Message::Text(message.text())
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

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
