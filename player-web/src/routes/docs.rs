//! `/docs/`: the documents, as the crate `book` has them embedded. A path is looked up in its table, and leads nowhere else.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use book::{File, Sections};
use bytes::Bytes;

use super::pages::{Asked, no_document};
use crate::assets::{LICENCES_TXT, STYLE_CSS, embedded, tagged};
use crate::page::{Framing, Page};
use crate::search::{Found, MAX_CHARS, Question, in_sections};
use crate::texts::Texts;

/// How long a browser keeps a page without asking: while somebody reads to and fro. Then its `ETag` tells whether the node has a newer one.
const KEEP: &str = "public, max-age=300";

/// Drawings have style sheets in them. Nothing else of them runs or loads.
const DRAWING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");

/// Most places that a search shows.
const MAX_FOUND: usize = 20;

#[derive(Template)]
#[template(path = "docs_search.html")]
struct Search {
    t: Texts,
    page: Page,
    question: String,
    found: Vec<Found>,
    asked: bool,
}

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

/// `/docs/search`: the node looks, so that phones need no script and no index.
pub(crate) async fn search(page: Page, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let question: String = asked.ok().map(|Query(asked)| asked.q).unwrap_or_default().chars().take(MAX_CHARS).collect();
    let parsed = Question::new(&question);
    let asked = parsed.is_some();
    // Milliseconds; tens of them on a small board, in which it is not to keep others waiting.
    let looked = tokio::task::spawn_blocking(move || {
        parsed.map_or_else(Vec::new, |question| in_sections(&question, Sections::read().iter(), MAX_FOUND))
    });
    let found = looked.await.unwrap_or_default();
    let search = Search { t: page.t, page: page.clone(), question, found, asked };
    page.answer(StatusCode::OK, &search, Framing::Nobody)
}

fn answer(file: &'static File, asked: &HeaderMap) -> Response {
    let whole = embedded(asked, file.media_type, file.gzip, || Bytes::from(file.plain()));
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
