//! `/api/v1/…`: JSON for the owner's programs and for dashboards.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stream_model::{BroadcastId, Listing};

use super::{NOT_KEPT, allow_any_origin, archives_of, json_error};
use crate::app::AppState;
use crate::audience::{SourcesView, ViewersView};
use crate::view::{BroadcastDetails, BroadcastView, PicturesView, UpcomingView, originals};

pub(crate) async fn node(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.report().await)
}

pub(crate) async fn peers(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.peers().await)
}

/// Who asks has this node look further for a while.
pub(crate) async fn mesh(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.mesh().await)
}

pub(crate) async fn storage(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.storage().await)
}

pub(crate) async fn broadcasts(State(state): State<AppState>) -> Response {
    let playlists = &*state.ports.playlists;
    let listings = originals(&*state.ports.directory);
    let here = state.ports.viewers.all();
    let view = |listing: Listing| {
        let standing = state.ports.standings.standing(&listing.id);
        let here = here.get(&listing.id).copied().unwrap_or_default();
        let viewers = ViewersView::with(here, &listing.id, &state.ports);
        let pictures = PicturesView::of(&listing.id, &*state.ports.directory);
        WatchedBroadcast { broadcast: BroadcastView::new(listing, &standing, playlists), pictures, viewers }
    };
    fresh(listings.map(view).collect::<Vec<_>>())
}

/// The JSON of a broadcast in the list of all.
#[derive(Debug, Serialize)]
struct WatchedBroadcast {
    #[serde(flatten)]
    broadcast: BroadcastView,
    #[serde(flatten)]
    pictures: PicturesView,
    viewers: ViewersView,
}

/// Who brings a broadcast here.
pub(crate) async fn sources(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let id: BroadcastId = match id.parse() {
        Ok(id) => id,
        Err(error) => return json_error(StatusCode::BAD_REQUEST, error),
    };
    match state.ports.directory.listing(&id) {
        Some(listing) => fresh(SourcesView::of(&listing, &state.ports)),
        None => json_error(StatusCode::NOT_FOUND, format!("no broadcast {id} is known here")),
    }
}

pub(crate) async fn upcoming(State(state): State<AppState>) -> Response {
    fresh(state.ports.directory.upcoming().into_iter().map(UpcomingView::from).collect::<Vec<_>>())
}

/// Players on pages of other origins may read it.
pub(crate) async fn broadcast(state: State<AppState>, id: Path<String>) -> Response {
    let mut response = one(state, id);
    allow_any_origin(response.headers_mut());
    response
}

fn one(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let id: BroadcastId = match id.parse() {
        Ok(id) => id,
        Err(error) => return json_error(StatusCode::BAD_REQUEST, error),
    };
    match state.ports.directory.listing(&id) {
        Some(listing) => {
            let standing = state.ports.standings.standing(&id);
            let (held, viewers) = (state.ports.playlists.held_segments(&id), ViewersView::of(&id, &state.ports));
            let (archives, renditions) = (archives_of(&state.ports, &id), state.ports.directory.renditions(&id));
            let pictures = PicturesView::of(&id, &*state.ports.directory);
            fresh(BroadcastDetails::new(listing, standing, held, pictures, viewers, archives, renditions))
        }
        None if state.ports.moderation.hides(&id.0) => {
            json_error(StatusCode::FORBIDDEN, "the owner of this node does not show that broadcast here")
        }
        None => json_error(StatusCode::NOT_FOUND, format!("no broadcast {id} is known here")),
    }
}

/// What is true now, not to be kept.
pub(crate) fn fresh(value: impl Serialize) -> Response {
    (NOT_KEPT, Json(value)).into_response()
}
