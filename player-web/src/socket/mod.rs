//! `/ws`: pushes changes of the directory, of playlists and of the node. The shell around [`session::Session`].

mod protocol;
mod session;

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::protocol::{ServerMessage, VERSION};
use self::session::{CloseReason, Output, Session};
use crate::app::{AppState, Ports};
use crate::node_state::NodeState;
use crate::routes::text_line;
use crate::serve::{self, Connection};
use crate::slots::Slot;
use crate::view::{MAX_SHOWN, shown};

/// Most WebSockets in all, half of the connections: pages must stay reachable beside them.
pub(crate) const MAX_SOCKETS: usize = 256;

/// Most WebSockets of one address: a browser has one for each page open.
pub(crate) const MAX_SOCKETS_PER_ADDRESS: usize = 32;

/// Most bytes of a client's message; a subscription has about 100.
const MAX_MESSAGE_BYTES: usize = 4096;

/// How long one message may take to be sent before the client counts as gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// How often it is looked whether the node has changed, which is the most that a client is told of it.
const NODE_LOOK: Duration = Duration::from_secs(5);

pub(crate) async fn upgrade(
    State(state): State<AppState>,
    connection: Option<Extension<Connection>>,
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
    upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| converse(socket, state.ports, connection, slot))
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
async fn converse(socket: WebSocket, ports: Ports, connection: Option<Connection>, _slot: Slot) {
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
    let read = run(stream, &ports, outgoing, &shutdown);
    let mut write = std::pin::pin!(write);
    tokio::select! {
        () = &mut write => {}
        // What was queued last, a close frame most often, still goes out.
        () = read => write.await,
    }
}

async fn run(
    mut incoming: futures::stream::SplitStream<WebSocket>,
    ports: &Ports,
    outgoing: mpsc::Sender<Message>,
    shutdown: &CancellationToken,
) {
    let now = || tokio::time::Instant::now().into_std();
    let mut session = Session::new(now());
    // Before the first copy of the directory is taken, so that no change falls between.
    let mut directory = ports.directory.subscribe();
    let mut playlists = ports.playlists.subscribe();
    let mut posts = ports.timeline.subscribe();
    let mut look = interval(NODE_LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                permit.send(frame(output, ports));
                if last {
                    return;
                }
            }
            message = incoming.next() => match message {
                Some(Ok(Message::Text(text))) => session.handle_text(&text, now()),
                Some(Ok(Message::Binary(_))) => session.handle_binary(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => session.handle_sign_of_life(now()),
                Some(Ok(Message::Close(_))) | None => return,
                Some(Err(error)) => {
                    tracing::debug!(%error, "a WebSocket failed");
                    return;
                }
            },
            change = playlists.next() => match change {
                Some(change) => session.handle_playlist_change(change),
                None => return,
            },
            change = directory.next() => match change {
                Some(change) => session.handle_directory_change(change),
                None => return,
            },
            change = posts.next() => match change {
                Some(change) => session.handle_timeline_change(change),
                None => return,
            },
            _ = look.tick() => session.handle_node_state(NodeState::of(&*ports.status).await),
            () = sleep_until(tokio::time::Instant::from_std(session.next_timeout())), if pending.is_none() => {}
        }
    }
}

fn frame(output: Output, ports: &Ports) -> Message {
    let message = match output {
        Output::Hello => ServerMessage::Hello { version: VERSION },
        Output::Directory => ServerMessage::Directory {
            broadcasts: shown(ports.directory.listings(), &*ports.standings, &*ports.playlists, MAX_SHOWN),
        },
        Output::Playlist(change) => ServerMessage::playlist(change),
        Output::Post(post) => ServerMessage::post(*post, &*ports.directory),
        Output::Missed => ServerMessage::Missed,
        Output::Node(state) => ServerMessage::Node(state),
        Output::Error(message) => ServerMessage::Error { message: message.to_owned() },
        Output::Ping => return Message::Ping(bytes::Bytes::new()),
        Output::Close(CloseReason::Silent) => return close(close_code::AWAY, "nothing was heard for a minute"),
        Output::Close(CloseReason::Misbehaved) => {
            metrics::counter!("meshstream_web_misbehaving_sockets_total").increment(1);
            return close(close_code::POLICY, "too many messages, or not text");
        }
    };
    let text = serde_json::to_string(&message).expect("these types have no maps with keys other than strings");
    Message::Text(text.into())
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
