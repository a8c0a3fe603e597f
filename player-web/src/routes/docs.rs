//! `/docs/`: the documents, as the crate `book` has them embedded. A path is looked up in its table, and leads nowhere else.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use book::File;
use bytes::Bytes;

use super::pages::no_document;
use crate::assets::{embedded, tagged};
use crate::page::Page;

/// How long a browser keeps a page without asking: while somebody reads to and fro. Then its `ETag` tells whether the node has a newer one.
const KEEP: &str = "public, max-age=300";

/// Drawings have style sheets in them. Nothing else of them runs or loads.
const DRAWING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");

/// `/docs`, from which links would lead elsewhere.
pub(crate) async fn to_top() -> Response {
    lead("/docs/")
}

pub(crate) async fn top(page: Page, headers: HeaderMap) -> Response {
    file(Path(String::new()), page, headers).await
}

pub(crate) async fn file(Path(path): Path<String>, page: Page, headers: HeaderMap) -> Response {
    if let Some(file) = book::file(&path) {
        return answer(file, &headers);
    }
    match (book::file(&format!("{path}index.html")), book::file(&format!("{path}/index.html"))) {
        (Some(index), _) if path.is_empty() || path.ends_with('/') => answer(index, &headers),
        (_, Some(_)) if !path.is_empty() => lead(&format!("/docs/{path}/")),
        _ => no_document(page),
    }
}

fn answer(file: &'static File, asked: &HeaderMap) -> Response {
    let whole = || embedded(asked, file.media_type, file.gzip, || Bytes::from(file.plain()));
    let mut response = tagged(asked, file.tag, KEEP, whole);
    if file.media_type == "image/svg+xml" {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, DRAWING);
    }
    response
}

/// Leads to a path that the book has, so it needs no encoding.
fn lead(path: &str) -> Response {
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    if let Ok(path) = HeaderValue::try_from(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}
