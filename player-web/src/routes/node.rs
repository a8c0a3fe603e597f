//! `/nodeinfo.json` for other nodes, `/healthz` and `/metrics` for who watches over this one.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::text_line;
use crate::app::AppState;

pub(crate) async fn info(State(state): State<AppState>) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(state.ports.status.info())).into_response()
}

pub(crate) async fn health(State(state): State<AppState>) -> Response {
    match state.ports.status.health() {
        Ok(()) => text_line(StatusCode::OK, "ok"),
        Err(problem) => text_line(StatusCode::SERVICE_UNAVAILABLE, problem),
    }
}

pub(crate) async fn metrics(State(state): State<AppState>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, state.ports.status.metrics()).into_response()
}
