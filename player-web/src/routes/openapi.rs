//! `/api/v1/openapi.json`: what programs may ask of a node, as OpenAPI 3.1 has it.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::allow_any_origin;

/// Written by hand, and compared with what the routes answer in the tests of this crate.
const DOCUMENT: &str = include_str!("../../openapi.json");

pub(crate) async fn document() -> Response {
    let mut response = DOCUMENT.into_response();
    let headers = response.headers_mut();
    allow_any_origin(headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
