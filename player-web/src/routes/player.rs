//! `/player.js` and `/player.css`: the player as a web component, under names that pages of other origins can rely on.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::allow_any_origin;
use crate::assets::{Asset, PLAYER_CSS, PLAYER_JS, tagged};

/// How long a browser keeps it without asking: a visit. Then its `ETag` tells whether the node has a newer one.
const KEEP: &str = "public, max-age=300";

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
    let mut response = tagged(asked, asset.name(), KEEP, asset.answer(asked));
    allow_any_origin(response.headers_mut());
    response
}
