//! `/api/v1/session`: whether the browser that asks is the owner's, for scripts of this node's pages.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use super::api::fresh;
use crate::app::AppState;

/// The JSON of a session.
#[derive(Debug, Serialize)]
struct SessionView {
    owner: bool,
    /// To be sent as `X-Meshstream-CSRF` with what changes something.
    csrf: Option<String>,
}

/// Scripts of other origins cannot read it, as nothing allows them to.
pub(crate) async fn session(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let csrf = state.access.session(&headers).and_then(|session| state.access.csrf(session));
    fresh(SessionView { owner: csrf.is_some(), csrf })
}
