//! `/nodeinfo.json` for other nodes, `/healthz` and `/metrics` for who watches over this one.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use stream_model::{LINK_MEASURES_HEADER, LinkMeasures, NODE_AGES_HEADER, NodeAges, NodeInfo};

use super::text_line;
use crate::app::AppState;
use crate::content;

/// Bytes of the hash in an entity tag: nobody finds two answers with the same 128 bits.
const TAG_BYTES: usize = 16;

/// What of it is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    nodes: String,
}

/// Who has the same already, but for the ages of what it knows and what it measured, gets those alone (RFC 9110 §13.1.2).
pub(crate) async fn info(
    State(state): State<AppState>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let mut info = state.ports.status.info();
    // What is asked for in any other way gets it all.
    if asked.is_ok_and(|Query(asked)| asked.nodes == "none") {
        info.nodes = Vec::new();
    }
    let (tag, ages, measures) = tag(info.clone());
    let mut response = if content::matches(&headers, &header::IF_NONE_MATCH, &tag) {
        let changed = [(NODE_AGES_HEADER, ages.to_string()), (LINK_MEASURES_HEADER, measures.to_string())];
        (StatusCode::NOT_MODIFIED, changed).into_response()
    } else {
        Json(info).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(format!("W/{tag}")) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Of all but the ages and the order of the nodes, and what was measured of links, which change with each question: so it is a weak
/// one (RFC 9110 §8.8.1).
fn tag(mut info: NodeInfo) -> (String, NodeAges, LinkMeasures) {
    let (ages, measures) = (NodeAges::take(&mut info), LinkMeasures::take(&mut info));
    let json = serde_json::to_vec(&info).expect("identifiers, numbers and texts are JSON");
    let hash = Sha256::digest(json);
    let hex: String = hash.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    (format!("\"{hex}\""), ages, measures)
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
