//! The pages. Each works before its script loads, and says what to do next.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use stream_model::BroadcastId;

use super::json_error;
use crate::app::AppState;
use crate::assets::{HOME_JS, LICENCES_TXT, PLAYER_CSS, PLAYER_JS, STYLE_CSS, WATCH_JS};
use crate::node_state::NodeState;
use crate::page::{Framing, Page};
use crate::texts::Texts;
use crate::view::{BroadcastView, MAX_SHOWN, shown};

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    t: Texts,
    page: Page,
    node_line: String,
    live: Vec<BroadcastView>,
    ended: Vec<BroadcastView>,
}

#[derive(Template)]
#[template(path = "watch.html")]
struct Watch {
    t: Texts,
    page: Page,
    broadcast: BroadcastView,
}

#[derive(Template)]
#[template(path = "embed.html")]
struct Embed {
    t: Texts,
    broadcast: BroadcastView,
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFound {
    t: Texts,
    page: Page,
    missing: Missing,
}

/// What it is that is not there.
#[derive(Debug, Clone, Copy)]
enum Missing {
    Page,
    Broadcast,
}

pub(crate) async fn home(State(state): State<AppState>, page: Page) -> Response {
    let ports = &state.ports;
    let (live, ended) = shown(ports.directory.listings(), &*ports.standings, &*ports.playlists, MAX_SHOWN)
        .into_iter()
        .partition(|broadcast: &BroadcastView| broadcast.live());
    let node_line = NodeState::of(&*ports.status).await.line(page.t);
    let home = Home { t: page.t, page: page.clone(), node_line, live, ended };
    page.answer(StatusCode::OK, &home, Framing::Nobody)
}

pub(crate) async fn watch(State(state): State<AppState>, page: Page, Path(broadcast): Path<String>) -> Response {
    let Some(broadcast) = find(&state, &broadcast) else {
        return not_there(page, Missing::Broadcast, Framing::Nobody);
    };
    page.answer(StatusCode::OK, &Watch { t: page.t, page: page.clone(), broadcast }, Framing::Nobody)
}

pub(crate) async fn embed(State(state): State<AppState>, page: Page, Path(broadcast): Path<String>) -> Response {
    let Some(broadcast) = find(&state, &broadcast) else {
        return not_there(page, Missing::Broadcast, Framing::Anybody);
    };
    page.answer(StatusCode::OK, &Embed { t: page.t, broadcast }, Framing::Anybody)
}

pub(crate) async fn not_found(page: Page, uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return json_error(StatusCode::NOT_FOUND, format!("there is no {} here", uri.path()));
    }
    not_there(page, Missing::Page, Framing::Nobody)
}

fn find(state: &AppState, broadcast: &str) -> Option<BroadcastView> {
    let id: BroadcastId = broadcast.parse().ok()?;
    let standing = state.ports.standings.standing(&id);
    Some(BroadcastView::new(state.ports.directory.listing(&id)?, &standing, &*state.ports.playlists))
}

fn not_there(page: Page, missing: Missing, framing: Framing) -> Response {
    let template = NotFound { t: page.t, page: page.clone(), missing };
    page.answer(StatusCode::NOT_FOUND, &template, framing)
}
