//! Below `/hls/{broadcast}/`: pictures to look through a broadcast with, and the one that stands for it.
//!
//! What a publisher made is a JPEG here or nothing: it is never served as anything else, nor by the paths of media.

use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::Response;
use cid::Cid;
use stream_model::{BroadcastId, MediaSequence, Node, PlaylistError};

use super::hls::{content_of, refusal, text};
use crate::app::AppState;

/// Most bytes of a picture: a page shows dozens of them on a phone.
const MAX_PICTURE_BYTES: u64 = 1 << 20;

/// How long a poster is kept without asking: a broadcast that begins anew gets another.
const KEEP_POSTER: HeaderValue = HeaderValue::from_static("public, max-age=60");

type Request<'a> = (&'a Method, &'a HeaderMap);

/// Whether a broadcast is a rendition that is made of pictures, shown or not.
pub(super) fn is_made_of_pictures(state: &AppState, broadcast: &BroadcastId) -> bool {
    state.announced.listing(broadcast).is_some_and(|listing| listing.is_of_images())
}

/// `thumbnails.vtt`.
pub(super) async fn cues(state: &AppState, broadcast: &BroadcastId) -> Response {
    if state.ports.directory.thumbnails(broadcast).is_none() {
        return refusal(&PlaylistError::NotFound);
    }
    text(state.ports.playlists.thumbnails(broadcast).await, "text/vtt")
}

/// `poster.jpg`: another one once the broadcast has a newer timeline.
pub(super) async fn poster(state: &AppState, broadcast: &BroadcastId, request: Request<'_>) -> Response {
    if state.ports.directory.thumbnails(broadcast).is_none() {
        return refusal(&PlaylistError::NotFound);
    }
    let mut response = picture(state, state.ports.playlists.poster(broadcast).await, request).await;
    let headers = response.headers_mut();
    if headers.contains_key(header::ETAG) {
        headers.insert(header::CACHE_CONTROL, KEEP_POSTER);
    }
    response
}

/// `12.jpg`, of the rendition that is made of pictures.
pub(super) async fn sprite(
    state: &AppState,
    broadcast: &BroadcastId,
    sequence: MediaSequence,
    request: Request<'_>,
) -> Response {
    if !state.ports.directory.listing(broadcast).is_some_and(|listing| listing.is_of_images()) {
        return refusal(&PlaylistError::NotFound);
    }
    picture(state, state.ports.playlists.segment(broadcast, sequence).await, request).await
}

async fn picture(state: &AppState, found: Result<Cid, PlaylistError>, request: Request<'_>) -> Response {
    if let Ok(cid) = &found
        && matches!(state.ports.content.stat(cid).await, Ok(Node::File(size)) if size > MAX_PICTURE_BYTES)
    {
        return refusal(&PlaylistError::NotFound);
    }
    content_of(&state.ports, found, "image/jpeg", request).await
}
