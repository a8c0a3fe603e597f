//! How many answers of one visitor wait for other nodes at a time: of what has to be fetched first, nobody can take all the places
//! that there are for everybody's.
//!
//! What is here is answered at once and takes no place. Only the answer's beginning is waited for here: what is sent has limits
//! of its own.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::routes::{json_error, text_line};
use crate::serve::{self, Connection};
use crate::slots::Slots;

/// An answer that takes longer to begin waits for something that is not here: a slow card reads a segment's first bytes within it.
const AT_ONCE: Duration = Duration::from_millis(250);

/// Answers of one address that wait at a time: a player loads two or three files at once. It is half of what a node fetches at
/// once for all who ask.
const MAX_PER_ADDRESS: usize = 4;

/// Those of all addresses: each has a connection besides.
const MAX_IN_ALL: usize = 256;

/// When to ask again, in seconds: what is waited for is given up or here soon after.
const RETRY_S: u64 = 2;

/// Places to wait in; a cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Waits(Slots);

impl Waits {
    pub(crate) fn new() -> Self {
        Self(Slots::new(MAX_IN_ALL, MAX_PER_ADDRESS))
    }
}

/// The middleware.
pub(crate) async fn limit(State(waits): State<Waits>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // A whole room waits for the playlist of what begins, and all of them cost one fetch.
    if path.ends_with("/index.m3u8") {
        return next.run(request).await;
    }
    let is_api = path.starts_with("/api/");
    let address = serve::address_of(request.extensions().get::<Connection>());
    let mut answer = std::pin::pin!(next.run(request));
    if let Ok(answer) = tokio::time::timeout(AT_ONCE, answer.as_mut()).await {
        return answer;
    }
    match waits.0.acquire(address) {
        Some(_place) => answer.await,
        None => refuse(is_api),
    }
}

fn refuse(is_api: bool) -> Response {
    metrics::counter!("meshstream_web_refused_waits_total").increment(1);
    let message =
        format!("this node fetches {MAX_PER_ADDRESS} things for your address already: ask again in {RETRY_S} s");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = if is_api { json_error(status, message) } else { text_line(status, message) };
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_S));
    crate::routes::allow_any_origin(headers);
    response
}
