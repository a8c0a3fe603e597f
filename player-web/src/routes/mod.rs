//! One module for each group of paths, and the answers that they share.

pub(crate) mod api;
pub(crate) mod archives;
pub(crate) mod blobs;
pub(crate) mod broadcast_timeline;
pub(crate) mod carry;
pub(crate) mod control;
pub(crate) mod control_admin;
pub(crate) mod control_feeds;
pub(crate) mod docs;
pub(crate) mod download;
pub(crate) mod first_boot;
pub(crate) mod gateway;
pub(crate) mod hls;
pub(crate) mod keep;
pub(crate) mod moderation;
pub(crate) mod node;
pub(crate) mod openapi;
pub(crate) mod pages;
pub(crate) mod player;
pub(crate) mod portal;
pub(crate) mod programme;
pub(crate) mod qr;
pub(crate) mod releases;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod thumbnails;
pub(crate) mod timeline;

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::json;
use stream_model::BroadcastId;

use crate::app::Ports;
use crate::view::ArchiveView;

/// The archives of a broadcast that were announced, and what there is so far of the hour that runs.
fn archives_of(ports: &Ports, broadcast: &BroadcastId) -> Vec<ArchiveView> {
    let complete = ports.directory.archives(broadcast).into_iter().map(ArchiveView::complete);
    complete.chain(ports.running_hours.running_hour(broadcast).map(ArchiveView::running)).collect()
}

/// Of an answer that no cache keeps, and that is nothing but what it says it is.
const NOT_KEPT: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// An error of the API as JSON.
pub(crate) fn json_error(status: StatusCode, message: impl std::fmt::Display) -> Response {
    (status, NOT_KEPT, axum::Json(json!({ "error": message.to_string() }))).into_response()
}

/// Why the owner's program gets nothing.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    message: String,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, message: impl Display) -> Self {
        Self { status, message: message.to_string() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        json_error(self.status, self.message)
    }
}

/// What the owner's programs send as JSON, or what to answer where it is not that.
pub(crate) fn read_json<T: DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
    expected: &str,
) -> Result<T, Refused> {
    let body = body.map_err(|rejection| Refused::new(rejection.status(), "the request is too long or was cut off"))?;
    serde_json::from_slice(&body)
        .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, format!("expected {expected}: {error}")))
}

/// An identifier of a path, or what to answer where it is none.
pub(crate) fn read_id<T: FromStr<Err: Display>>(text: &str) -> Result<T, Refused> {
    text.parse().map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))
}

/// One line of text that is not to be kept: most often an error where a player or a program expects media.
pub(crate) fn text_line(status: StatusCode, message: impl std::fmt::Display) -> Response {
    (status, NOT_KEPT, format!("{message}\n")).into_response()
}

/// Lets pages of other origins read the answer: players elsewhere may play what is served here.
pub(crate) fn allow_any_origin(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Accept-Ranges, CMSD-Dynamic, Content-Length, Content-Range, ETag, Retry-After"),
    );
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
}

/// Lets pages of other origins read what others have made, and has it never run as a page beside the owner's.
pub(crate) fn sandbox(headers: &mut HeaderMap) {
    allow_any_origin(headers);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
