//! `/control/admin`: lets the owner's browsers in and out, on the owner's unix socket only.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::Serialize;

use super::api::fresh;
use crate::admin::LINK_LIFETIME;
use crate::app::AppState;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/control/admin/links", post(link)).route("/control/admin/logout", post(logout))
}

/// The JSON of a link that lets in once.
#[derive(Debug, Serialize)]
struct LinkView {
    /// To be put behind an address of the node.
    path: String,
    lasts_s: u64,
}

async fn link(State(state): State<AppState>) -> Response {
    let path = format!("/admin/enter?link={}", state.access.new_link());
    (StatusCode::CREATED, fresh(LinkView { path, lasts_s: LINK_LIFETIME.as_secs() })).into_response()
}

async fn logout(State(state): State<AppState>) -> Response {
    Json(serde_json::json!({ "ended": state.access.end_all() })).into_response()
}
