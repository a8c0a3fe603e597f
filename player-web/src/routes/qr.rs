//! `/qr.svg`: the address of this node's pages as a QR code, as the visitor who asks reaches it.

use axum::Extension;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::text_line;
use crate::entrance::Origin;
use crate::qr::svg;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    /// A path of this node, perhaps with a query; `/` where none is named.
    #[serde(rename = "for")]
    path: Option<String>,
}

/// A code never leads to another host: whoever scans what this node shows stays on it.
pub(crate) async fn code(
    Extension(origin): Extension<Origin>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    const EXPECTED: &str =
        "expected ?for= and a path of this node, such as /watch/BROADCAST, of at most 400 characters";
    let Ok(Query(Wanted { path })) = query else { return text_line(StatusCode::BAD_REQUEST, EXPECTED) };
    let path = path.unwrap_or_else(|| "/".to_owned());
    let own = path.starts_with('/') && !path.starts_with("//");
    if !own || path.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return text_line(StatusCode::BAD_REQUEST, EXPECTED);
    }
    let Ok(svg) = svg(&format!("{origin}{path}")) else { return text_line(StatusCode::BAD_REQUEST, EXPECTED) };
    let mut response = ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response();
    // The same address under another name of the node is another code.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    response
}
