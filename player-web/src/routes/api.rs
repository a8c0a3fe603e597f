//! `/api/v1/…`: JSON for the owner's programs and for dashboards.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stream_model::{BroadcastId, Listing, MediaSequence, PlaylistError, SegmentName, SegmentPlace, WallTime};

use super::json_error;
use crate::app::AppState;
use crate::view::{ArchiveView, BroadcastDetails, BroadcastView, MirrorView, RepublicationView};

pub(crate) async fn node(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.report().await)
}

pub(crate) async fn peers(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.peers().await)
}

pub(crate) async fn storage(State(state): State<AppState>) -> Response {
    fresh(state.ports.status.storage().await)
}

pub(crate) async fn broadcasts(State(state): State<AppState>) -> Response {
    let playlists = &*state.ports.playlists;
    let listings = state.ports.directory.listings();
    let view = |listing: Listing| {
        let standing = state.ports.standings.standing(&listing.id);
        BroadcastView::new(listing, &standing, playlists)
    };
    fresh(listings.into_iter().map(view).collect::<Vec<_>>())
}

pub(crate) async fn broadcast(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let id: BroadcastId = match id.parse() {
        Ok(id) => id,
        Err(error) => return json_error(StatusCode::BAD_REQUEST, error),
    };
    match state.ports.directory.listing(&id) {
        Some(listing) => {
            let complete = state.ports.directory.archives(&id).into_iter().map(ArchiveView::complete);
            let running = state.ports.running_hours.running_hour(&id).map(ArchiveView::running);
            let archives = complete.chain(running).collect();
            let standing = state.ports.standings.standing(&id);
            fresh(BroadcastDetails {
                broadcast: BroadcastView::new(listing, &standing, &*state.ports.playlists),
                archives,
                mirrors: standing.mirrors.into_iter().map(MirrorView::from).collect(),
                republications: standing.republications.into_iter().map(RepublicationView::from).collect(),
            })
        }
        None => json_error(StatusCode::NOT_FOUND, format!("no broadcast {id} is known here")),
    }
}

/// The JSON of a segment.
#[derive(Debug, Serialize)]
struct SegmentView {
    media_sequence: MediaSequence,
    segment: String,
    from_ms: u64,
    duration_ms: u64,
    program_date_time: Option<WallTime>,
    held: bool,
    fetching: Option<FetchView>,
}

/// How far a segment is on its way here.
#[derive(Debug, Serialize)]
struct FetchView {
    bytes: u64,
    total_bytes: u64,
    quiet_ms: u64,
}

/// `{segment}` is a media sequence number or a CID.
pub(crate) async fn segment(State(state): State<AppState>, Path((id, name)): Path<(String, String)>) -> Response {
    let id: BroadcastId = match id.parse() {
        Ok(id) => id,
        Err(error) => return json_error(StatusCode::BAD_REQUEST, error),
    };
    let number = name.parse().map(|number| SegmentName::Number(MediaSequence(number)));
    let Some(name) = number.ok().or_else(|| name.parse().ok().map(SegmentName::Content)) else {
        return json_error(StatusCode::BAD_REQUEST, "expected the media sequence number of a segment, or its CID");
    };
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match state.ports.playlists.place(&id, name).await {
        Ok(SegmentPlace { segment, from, held, progress }) => fresh(SegmentView {
            media_sequence: segment.media_sequence,
            segment: segment.segment.to_string(),
            from_ms: millis(from),
            duration_ms: millis(segment.duration),
            program_date_time: segment.program_date_time,
            held,
            fetching: progress.map(|progress| FetchView {
                bytes: progress.bytes,
                total_bytes: progress.total_bytes,
                quiet_ms: millis(progress.quiet_for),
            }),
        }),
        Err(PlaylistError::NotFound) => {
            json_error(StatusCode::NOT_FOUND, format!("no such segment of {id} is known here"))
        }
        Err(PlaylistError::NotYet(after)) => {
            let seconds = after.as_secs().max(1);
            let message = format!("what the archives say is not here yet: ask again in {seconds} s");
            let mut response = json_error(StatusCode::SERVICE_UNAVAILABLE, message);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Err(error) => {
            tracing::warn!(%error, "a segment could not be looked up");
            json_error(StatusCode::INTERNAL_SERVER_ERROR, "this node could not read it: its log says why")
        }
    }
}

/// What is true now, not to be kept.
pub(crate) fn fresh(value: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], Json(value)).into_response()
}
