//! The pages. Each works before its script loads, and says what to do next.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use stream_model::BroadcastId;

use super::json_error;
use crate::app::AppState;
use crate::assets::{HOME_JS, LICENCES_TXT, STYLE_CSS, WATCH_JS};
use crate::node_state::NodeState;
use crate::view::{BroadcastView, MAX_SHOWN, shown};

/// Nothing but our own files runs or loads. `blob:` is where Media Source Extensions put the video; `ws:` is named
/// because older Safari does not count it to `'self'`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    media-src 'self' blob:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors ";

/// Who may show a page in a frame.
#[derive(Debug, Clone, Copy)]
enum Framing {
    Nobody,
    Anybody,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    node: String,
    node_line: String,
    live: Vec<BroadcastView>,
    ended: Vec<BroadcastView>,
}

#[derive(Template)]
#[template(path = "watch.html")]
struct Watch {
    node: String,
    broadcast: BroadcastView,
}

#[derive(Template)]
#[template(path = "embed.html")]
struct Embed {
    broadcast: BroadcastView,
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFound {
    node: String,
    what: &'static str,
}

pub(crate) async fn home(State(state): State<AppState>) -> Response {
    let ports = &state.ports;
    let (live, ended) = shown(ports.directory.listings(), &*ports.standings, &*ports.playlists, MAX_SHOWN)
        .into_iter()
        .partition(|broadcast: &BroadcastView| broadcast.live());
    let state = NodeState::of(&*ports.status).await;
    let home = Home { node_line: state.line(), node: state.name, live, ended };
    page(StatusCode::OK, &home, Framing::Nobody)
}

pub(crate) async fn watch(State(state): State<AppState>, Path(broadcast): Path<String>) -> Response {
    match find(&state, &broadcast) {
        Some(broadcast) => {
            page(StatusCode::OK, &Watch { node: state.ports.status.info().name, broadcast }, Framing::Nobody)
        }
        None => unknown(&state, "This node does not know that broadcast.", Framing::Nobody),
    }
}

pub(crate) async fn embed(State(state): State<AppState>, Path(broadcast): Path<String>) -> Response {
    match find(&state, &broadcast) {
        Some(broadcast) => page(StatusCode::OK, &Embed { broadcast }, Framing::Anybody),
        None => unknown(&state, "This node does not know that broadcast.", Framing::Anybody),
    }
}

pub(crate) async fn not_found(State(state): State<AppState>, uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return json_error(StatusCode::NOT_FOUND, format!("there is no {} here", uri.path()));
    }
    unknown(&state, "There is no such page on this node.", Framing::Nobody)
}

fn find(state: &AppState, broadcast: &str) -> Option<BroadcastView> {
    let id: BroadcastId = broadcast.parse().ok()?;
    let standing = state.ports.standings.standing(&id);
    Some(BroadcastView::new(state.ports.directory.listing(&id)?, &standing, &*state.ports.playlists))
}

fn unknown(state: &AppState, what: &'static str, framing: Framing) -> Response {
    page(StatusCode::NOT_FOUND, &NotFound { node: state.ports.status.info().name, what }, framing)
}

fn page(status: StatusCode, template: &impl Template, framing: Framing) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    let ancestors = match framing {
        Framing::Nobody => "'none'",
        Framing::Anybody => "*",
    };
    if let Ok(policy) = HeaderValue::try_from(format!("{POLICY}{ancestors}")) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
