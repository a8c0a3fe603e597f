//! Files of the store as HTTP answers: entity tags, ranges, immutable caching.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cid::Cid;
use futures::StreamExt as _;
use stream_model::{ContentReader, StoreError};

use crate::range::{Selection, select};
use crate::routes::text_line;

/// What is behind a CID never changes; a year is the longest that caches honour (RFC 9111 §1.2.2).
pub(crate) const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Answers a `GET` or `HEAD` for a file of `size` bytes.
///
/// # Errors
/// Where the store fails before the first byte; later failures end the connection.
pub(crate) async fn file(
    content: &dyn ContentReader,
    (cid, size): (&Cid, u64),
    media_type: &'static str,
    (method, headers): (&Method, &HeaderMap),
) -> Result<Response, StoreError> {
    let tag = format!("\"{cid}\"");
    let mut response = if matches(headers, &header::IF_NONE_MATCH, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let selection = match headers.get(header::IF_RANGE) {
            Some(condition) if condition.as_bytes() != tag.as_bytes() => Selection::Whole,
            _ => select(headers.get(header::RANGE).and_then(|value| value.to_str().ok()), size),
        };
        bytes(content, (cid, size), selection, method).await?
    };
    let refused = response.status() == StatusCode::RANGE_NOT_SATISFIABLE;
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    if !refused {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, IMMUTABLE);
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

async fn bytes(
    content: &dyn ContentReader,
    (cid, size): (&Cid, u64),
    selection: Selection,
    method: &Method,
) -> Result<Response, StoreError> {
    let (status, range) = match selection {
        Selection::Whole => (StatusCode::OK, 0..size),
        Selection::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Selection::Unsatisfiable => {
            let mut refused = text_line(StatusCode::RANGE_NOT_SATISFIABLE, "there are no such bytes in this file");
            if let Ok(range) = HeaderValue::try_from(format!("bytes */{size}")) {
                refused.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            return Ok(refused);
        }
    };
    let length = range.end - range.start;
    let content_range = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
    let body = if method == Method::HEAD || length == 0 {
        Body::empty()
    } else {
        let cid = *cid;
        Body::from_stream(content.read(&cid, range).await?.inspect(move |read| {
            if let Err(error) = read {
                metrics::counter!("meshstream_web_content_errors_total").increment(1);
                tracing::warn!(%cid, %error, "content failed while it was being served");
            }
        }))
    };
    let mut response = (status, [(header::CONTENT_LENGTH, length)], body).into_response();
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::try_from(content_range)
    {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// Whether one of the entity tags of a header is ours, weakly compared (RFC 9110 §13.1.2).
pub(crate) fn matches(headers: &HeaderMap, name: &header::HeaderName, tag: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|one| one.trim())
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
