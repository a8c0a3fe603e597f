//! How many answers of one visitor wait for other nodes at a time: of what has to be fetched first, nobody can take all the places
//! that there are for everybody's.
//!
//! What is here takes no place. Only the answer's beginning is waited for here: what is sent has limits of its own.

use std::net::IpAddr;
use std::time::Duration;

use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::routes::{allow_any_origin, json_error, text_line};
use crate::serve::{self, Connection};
use crate::slots::{Slot, Slots};

/// An answer other than a segment that takes longer to begin waits for something that is not here. Also what a busy node has takes
/// less.
const AT_ONCE: Duration = Duration::from_secs(1);

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

    /// A place for as long as the return lives, or what to answer where there is none.
    pub(crate) fn acquire(&self, address: IpAddr) -> Result<Slot, TooMany> {
        self.0.acquire(address).ok_or_else(|| {
            metrics::counter!("meshstream_web_refused_waits_total").increment(1);
            TooMany
        })
    }
}

/// One visitor waits for too much.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("this node fetches {MAX_PER_ADDRESS} things for your address already: ask again in {RETRY_S} s")]
pub(crate) struct TooMany;

/// The middleware, for what may have to be asked of other nodes but does not say whether it has.
pub(crate) async fn limit(Extension(waits): Extension<Waits>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // Segments take their places themselves. A whole room waits for the live playlist of what begins, and all of them cost one fetch.
    if path.ends_with(".m4s") || path.ends_with("/index.m3u8") {
        return next.run(request).await;
    }
    let is_api = path.starts_with("/api/");
    let address = serve::address_of(request.extensions().get::<Connection>());
    let mut answer = std::pin::pin!(next.run(request));
    if let Ok(answer) = tokio::time::timeout(AT_ONCE, answer.as_mut()).await {
        return answer;
    }
    match waits.acquire(address) {
        Ok(_place) => answer.await,
        Err(error) => error.answer(is_api),
    }
}

impl TooMany {
    pub(crate) fn answer(self, is_api: bool) -> Response {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = if is_api { json_error(status, self) } else { text_line(status, self) };
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_S));
        allow_any_origin(response.headers_mut());
        response
    }
}
