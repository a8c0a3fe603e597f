//! `/api/v1/…`: JSON for the owner's programs and for dashboards.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stream_model::BroadcastId;

use super::json_error;
use crate::app::AppState;
use crate::view::{ArchiveView, BroadcastDetails, BroadcastView};

pub(crate) async fn node(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.report().await)
}

pub(crate) async fn peers(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.peers().await)
}

pub(crate) async fn storage(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.storage().await)
}

pub(crate) async fn broadcasts(State(state): State<AppState>) -> Response {
    let playlists = &*state.ports.playlists;
    let listings = state.ports.directory.listings();
    fresh(listings.into_iter().map(|listing| BroadcastView::new(listing, playlists)).collect::<Vec<_>>())
}

pub(crate) async fn broadcast(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let id: BroadcastId = match id.parse() {
        Ok(id) => id,
        Err(error) => return json_error(StatusCode::BAD_REQUEST, error),
    };
    match state.ports.directory.listing(&id) {
        Some(listing) => {
            let archives = state.ports.directory.archives(&id).into_iter().map(ArchiveView::from).collect();
            fresh(BroadcastDetails { broadcast: BroadcastView::new(listing, &*state.ports.playlists), archives })
        }
        None => json_error(StatusCode::NOT_FOUND, format!("no broadcast {id} is known here")),
    }
}

/// What is true now, not to be kept.
pub(crate) fn fresh(value: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], Json(value)).into_response()
}
