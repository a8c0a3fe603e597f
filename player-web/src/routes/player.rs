//! `/player.js` and `/player.css`: the player as a web component, under names that pages of other origins can rely on.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::allow_any_origin;
use crate::assets::{Asset, PLAYER_CSS, PLAYER_JS};

/// How long a browser keeps it without asking: a visit. Then its `ETag` tells whether the node has a newer one.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(crate) async fn script(headers: HeaderMap) -> Response {
    stable(PLAYER_JS, &headers)
}

pub(crate) async fn style(headers: HeaderMap) -> Response {
    stable(PLAYER_CSS, &headers)
}

fn stable(path: &'static str, asked: &HeaderMap) -> Response {
    let Some(asset) = Asset::at(path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // The name has a hash of the content in it.
    let tag = format!("\"{}\"", asset.name());
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag);
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { asset.answer(asked) };
    let headers = response.headers_mut();
    allow_any_origin(headers);
    headers.insert(header::CACHE_CONTROL, KEEP);
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
