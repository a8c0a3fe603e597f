//! `/api/v1/broadcasts/{id}/timeline` and `…/segments/{segment}`: the course of a broadcast, and where a part of it is.
//! Players on pages of other origins may read both.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use stream_model::{
    BroadcastId, BroadcastTimeline, HourMark, IdError, MediaSequence, Period, PlaylistError, SegmentName, SegmentPlace,
    Span, WallTime,
};

use super::api::fresh;
use super::{allow_any_origin, json_error};
use crate::app::AppState;

/// The JSON of a time line.
#[derive(Debug, Serialize)]
struct TimelineView {
    duration_ms: u64,
    ended: bool,
    spans: Vec<SpanView>,
    hours: Vec<HourView>,
    days: Vec<DayView>,
}

#[derive(Debug, Serialize)]
struct SpanView {
    state: &'static str,
    media_sequence: MediaSequence,
    segments: u64,
    from_ms: u64,
    duration_ms: u64,
}

#[derive(Debug, Serialize)]
struct HourView {
    media_sequence: MediaSequence,
    from_ms: u64,
    period: Option<String>,
    program_date_time: Option<WallTime>,
    complete: bool,
    /// The path of its playlist on this node.
    playlist: String,
}

#[derive(Debug, Serialize)]
struct DayView {
    date: String,
    from_ms: u64,
    /// The path of its playlist on this node.
    playlist: String,
}

pub(crate) async fn timeline(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let mut response = match id.parse::<BroadcastId>() {
        Ok(id) => match state.ports.playlists.timeline(&id).await {
            Ok(timeline) => fresh(TimelineView::new(&id, &timeline)),
            Err(error) => refusal(&error, format!("nothing of a broadcast {id} is known here")),
        },
        Err(error) => no_id(error),
    };
    allow_any_origin(response.headers_mut());
    response
}

impl TimelineView {
    fn new(id: &BroadcastId, timeline: &BroadcastTimeline) -> Self {
        let slug = id.slug();
        Self {
            duration_ms: millis(timeline.duration),
            ended: timeline.ended,
            spans: timeline.spans.iter().map(SpanView::from).collect(),
            hours: timeline.hours.iter().map(|hour| HourView::new(&slug, hour)).collect(),
            days: days(&slug, &timeline.hours),
        }
    }
}

impl From<&Span> for SpanView {
    fn from(span: &Span) -> Self {
        Self {
            state: span.state.as_str(),
            media_sequence: span.first,
            segments: span.segments,
            from_ms: millis(span.from),
            duration_ms: millis(span.duration),
        }
    }
}

impl HourView {
    fn new(slug: &str, hour: &HourMark) -> Self {
        Self {
            media_sequence: hour.first,
            from_ms: millis(hour.from),
            period: hour.period.map(|period| period.to_string()),
            program_date_time: hour.program_date_time,
            complete: hour.complete,
            playlist: format!("/hls/{slug}/hour/{}.m3u8", hour.first),
        }
    }
}

/// The days of the hours that have a date, each where its first hour begins.
fn days(slug: &str, hours: &[HourMark]) -> Vec<DayView> {
    let mut days: Vec<(Period, DayView)> = Vec::new();
    for hour in hours {
        let Some(day) = hour.period.map(Period::day) else { continue };
        if days.iter().all(|(known, _)| *known != day) {
            let (date, playlist) = (day.to_string(), format!("/hls/{slug}/day/{day}.m3u8"));
            days.push((day, DayView { date, from_ms: millis(hour.from), playlist }));
        }
    }
    days.into_iter().map(|(_, day)| day).collect()
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
    let mut response = match id.parse() {
        Ok(id) => place(&state, id, &name).await,
        Err(error) => no_id(error),
    };
    allow_any_origin(response.headers_mut());
    response
}

async fn place(state: &AppState, id: BroadcastId, name: &str) -> Response {
    let number = name.parse().map(|number| SegmentName::Number(MediaSequence(number)));
    let Some(name) = number.ok().or_else(|| name.parse().ok().map(SegmentName::Content)) else {
        return json_error(StatusCode::BAD_REQUEST, "expected the media sequence number of a segment, or its CID");
    };
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
        Err(error) => refusal(&error, format!("no such segment of {id} is known here")),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn no_id(error: IdError) -> Response {
    json_error(StatusCode::BAD_REQUEST, error)
}

fn refusal(error: &PlaylistError, not_found: String) -> Response {
    match error {
        PlaylistError::NotFound => json_error(StatusCode::NOT_FOUND, not_found),
        PlaylistError::NotYet(after) => {
            let seconds = after.as_secs().max(1);
            let message = format!("what the archives say is not here yet: ask again in {seconds} s");
            let mut response = json_error(StatusCode::SERVICE_UNAVAILABLE, message);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        error => {
            tracing::warn!(%error, "the course of a broadcast could not be looked up");
            json_error(StatusCode::INTERNAL_SERVER_ERROR, "this node could not read it: its log says why")
        }
    }
}
