//! `/blobs/{blob}`: pictures of people and of posts, which are blobs of SSB.
//!
//! What a message names that is shown here is served, and fetched from peers while the browser waits: nobody can have this node
//! look for anything else, and what is named by hidden posts alone is as hidden as they are. Pictures only, known by their first bytes, and never as a page.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use stream_model::{BlobError, BlobId, TimelineError};

use super::{sandbox, text_line};
use crate::app::AppState;
use crate::serve::{self, Connection};
use crate::slots::Slot;
use crate::{content, media_type};

/// How long a browser waits for a picture that peers are asked for: one or two hops of a good link. It keeps being asked
/// for, so that the next view of the page has it.
const FETCH_WITHIN: Duration = Duration::from_secs(5);

/// Answers being waited for or sent at a time. Each may hold a whole picture, up to 1 MiB, until the browser took it.
pub(crate) const MAX_ANSWERS: usize = 64;

/// The same for one address: browsers load six files of one host at a time.
pub(crate) const MAX_ANSWERS_PER_ADDRESS: usize = 8;

/// When to ask again where too many are being answered, in seconds.
const RETRY_SOON: u64 = 5;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("expected /blobs/ and the hash of a blob, in base64url or as &….sha256 percent-encoded")]
    NotABlob,
    #[error("no message shown here names this blob")]
    NotNamed,
    #[error("no peer has brought this blob yet")]
    NotHere,
    #[error("not a picture that is shown here: PNG, JPEG, GIF and WebP are")]
    NotAPicture,
    #[error("too many pictures are being loaded: ask again in {RETRY_SOON} s")]
    Busy,
    #[error("cannot read the blob: {0}")]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Timeline(#[from] TimelineError),
}

pub(crate) async fn blob(
    State(state): State<AppState>,
    client: Option<Extension<Connection>>,
    Path(blob): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let address = serve::address_of(client.as_deref());
    let mut response =
        find(&state, address, &blob, (&method, &headers)).await.unwrap_or_else(|refusal| refuse(&refusal));
    sandbox(response.headers_mut());
    response
}

async fn find(
    state: &AppState,
    address: IpAddr,
    blob: &str,
    (method, headers): (&Method, &HeaderMap),
) -> Result<Response, Refusal> {
    let id: BlobId = blob.parse().map_err(|_| Refusal::NotABlob)?;
    let slot = state.pictures.acquire(address).ok_or(Refusal::Busy)?;
    if state.ports.timeline.naming(id, 1).await?.is_empty() {
        return Err(Refusal::NotNamed);
    }
    let bytes = match state.ports.blobs.get(&id).await {
        Err(BlobError::NotFound(_)) => fetch(state, &id).await?,
        held => held?,
    };
    let media_type = media_type::picture(&bytes).ok_or(Refusal::NotAPicture)?;
    Ok(picture(bytes, media_type, &id, slot, (method, headers)))
}

async fn fetch(state: &AppState, id: &BlobId) -> Result<Bytes, Refusal> {
    state.ports.blobs.fetch(id, FETCH_WITHIN).await.map_err(|error| match error {
        BlobError::NotFound(_) => Refusal::NotHere,
        error => error.into(),
    })
}

fn picture(
    bytes: Bytes,
    media_type: &'static str,
    id: &BlobId,
    slot: Slot,
    (method, headers): (&Method, &HeaderMap),
) -> Response {
    let tag = format!("\"{}\"", id.slug());
    let length = bytes.len();
    let mut response = if content::matches(headers, &header::IF_NONE_MATCH, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let body = if method == Method::HEAD { Body::empty() } else { keep(bytes, slot) };
        ([(header::CONTENT_LENGTH, length)], body).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, content::IMMUTABLE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A body that keeps its place until it was taken.
fn keep(bytes: Bytes, slot: Slot) -> Body {
    let pieces = stream::unfold((Some(bytes), slot), |(bytes, slot)| async move {
        bytes.map(|bytes| (Ok::<_, Infallible>(bytes), (None, slot)))
    });
    Body::from_stream(pieces)
}

fn refuse(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::NotABlob => StatusCode::BAD_REQUEST,
        Refusal::NotNamed | Refusal::NotHere => StatusCode::NOT_FOUND,
        Refusal::NotAPicture => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Blob(_) | Refusal::Timeline(_) => {
            tracing::warn!(error = %refusal, "a picture could not be served");
            return text_line(StatusCode::INTERNAL_SERVER_ERROR, "this node could not read it: its log says why");
        }
    };
    let mut response = text_line(status, refusal);
    if matches!(refusal, Refusal::Busy) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SOON));
    }
    response
}
