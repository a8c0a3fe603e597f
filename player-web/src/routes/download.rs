//! `/api/v1/broadcasts/{id}/download.mp4`: a broadcast, or a part of it, as a file.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use stream_model::calendar::parse_rfc3339;
use stream_model::{BroadcastId, Download, DownloadError, DownloadRequest, MissingMedia, Moment};

use super::json_error;
use crate::app::AppState;
use crate::attachment::attachment;
use crate::serve::{Connection, address_of};

/// Files sent at once: each reads as fast as its receiver takes it, from a disk that live viewers need too.
pub(crate) const MAX_DOWNLOADS: usize = 8;
/// Of these, to one address.
pub(crate) const MAX_DOWNLOADS_PER_ADDRESS: usize = 2;
/// When to come back where there are too many: a file takes minutes.
const BUSY_RETRY_S: u64 = 30;
/// The latest moment that can be asked for in seconds: some thirty years.
const MAX_SECONDS: f64 = 1e9;

/// What the query says, in order.
type Pairs = Query<Vec<(String, String)>>;

pub(crate) async fn download(
    State(state): State<AppState>,
    Path(id): Path<String>,
    query: Result<Pairs, QueryRejection>,
    connection: Option<Extension<Connection>>,
) -> Response {
    let broadcast: BroadcastId = match id.parse() {
        Ok(id) => id,
        Err(error) => return json_error(StatusCode::BAD_REQUEST, error),
    };
    let request = match query.map_err(|error| error.to_string()).and_then(|Query(pairs)| parse(broadcast, pairs)) {
        Ok(request) => request,
        Err(message) => return json_error(StatusCode::BAD_REQUEST, message),
    };
    let Some(listing) = state.announced.listing(&broadcast) else {
        return json_error(StatusCode::NOT_FOUND, format!("no broadcast {broadcast} is known here"));
    };
    let address = address_of(connection.as_deref());
    let Some(slot) = state.downloads.acquire(address) else {
        metrics::counter!("meshstream_downloads_refused_total").increment(1);
        let message =
            format!("this node sends {MAX_DOWNLOADS} files at a time, {MAX_DOWNLOADS_PER_ADDRESS} to one address");
        return retry(&message, BUSY_RETRY_S);
    };
    let found = match state.ports.downloads.download(request).await {
        Ok(found) => found,
        Err(error) => return refusal(&error),
    };
    let Download { from, to, rest_from, bytes, body } = found;
    let (media_type, extension) = if listing.tracks.video { ("video/mp4", "mp4") } else { ("audio/mp4", "m4a") };
    let whole = request.from.is_none() && request.to.is_none() && rest_from.is_none();
    let suffix = if whole { String::new() } else { format!(" {}-{}", clock(from), clock(to)) };
    let slot_until_sent = body.inspect(move |_| {
        let _held = &slot;
    });
    let mut response = Body::from_stream(slot_until_sent).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    if let Some(bytes) = bytes {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    if let Ok(value) = HeaderValue::try_from(attachment(&listing.title, &suffix, extension)) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    let seconds = |time: Duration| HeaderValue::try_from(format!("{:.3}", time.as_secs_f64()));
    if let (Ok(from), Ok(to)) = (seconds(from), seconds(to)) {
        headers.insert("Meshstream-From", from);
        headers.insert("Meshstream-To", to);
    }
    if let Some(rest) = rest_from {
        let url = format!("/api/v1/broadcasts/{}/download.mp4?{}", broadcast.slug(), rest_query(rest, &request));
        if let Ok(link) = HeaderValue::try_from(format!("<{url}>; rel=\"next\"")) {
            headers.insert(header::LINK, link);
        }
    }
    response
}

/// The query for what follows a file that ends early.
fn rest_query(from: Duration, request: &DownloadRequest) -> String {
    let mut query = format!("from={:.3}", from.as_secs_f64());
    match request.to {
        Some(Moment::Elapsed(to)) => query.push_str(&format!("&to={:.3}", to.as_secs_f64())),
        Some(Moment::At(to)) => query.push_str(&format!("&to=@{}", to.0)),
        None => {}
    }
    if request.missing == MissingMedia::Skip {
        query.push_str("&missing=skip");
    }
    query
}

/// What is asked for, or what is expected instead.
fn parse(broadcast: BroadcastId, pairs: Vec<(String, String)>) -> Result<DownloadRequest, String> {
    let mut request = DownloadRequest { broadcast, from: None, to: None, missing: MissingMedia::Abort };
    for (name, value) in pairs {
        match (name.as_str(), value.as_str()) {
            ("from", value) => request.from = Some(moment("from", value)?),
            ("to", value) => request.to = Some(moment("to", value)?),
            ("missing", "skip") => request.missing = MissingMedia::Skip,
            ("missing", "abort") => request.missing = MissingMedia::Abort,
            ("missing", other) => return Err(format!("missing={other}: expected skip or abort")),
            (other, _) => return Err(format!("unknown parameter {other}: there are from, to and missing")),
        }
    }
    let in_order = match (request.from, request.to) {
        (Some(Moment::Elapsed(from)), Some(Moment::Elapsed(to))) => from < to,
        (Some(Moment::At(from)), Some(Moment::At(to))) => from < to,
        _ => true,
    };
    if in_order { Ok(request) } else { Err("from is not before to: expected from < to".to_owned()) }
}

fn moment(name: &str, value: &str) -> Result<Moment, String> {
    if value.starts_with(|c: char| c.is_ascii_digit())
        && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && let Ok(seconds) = value.parse::<f64>()
        && seconds <= MAX_SECONDS
    {
        return Ok(Moment::Elapsed(Duration::from_secs_f64(seconds)));
    }
    // A `+` in a query is a space, unless who wrote it knew.
    let time = value.char_indices().map(|(at, c)| if at > 18 && c == ' ' { '+' } else { c }).collect::<String>();
    let millis = value.strip_prefix('@').and_then(|millis| millis.parse().ok()).map(stream_model::WallTime);
    millis.or_else(|| parse_rfc3339(&time)).map(Moment::At).ok_or_else(|| {
        format!("{name}={value}: expected seconds from the beginning of the broadcast as 754.5, or a time as 2026-11-21T14:03:10Z")
    })
}

/// `1.02.03`: colons are not for names of files.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}.{:02}.{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn refusal(error: &DownloadError) -> Response {
    match error {
        DownloadError::NotFound => {
            json_error(StatusCode::NOT_FOUND, format!("{error}: its playlist whole.m3u8 lists what there is"))
        }
        DownloadError::NotYet(after) => retry("what it begins with is not here yet", after.as_secs().max(1)),
        DownloadError::Unusable(_) => json_error(StatusCode::BAD_GATEWAY, error),
        error => {
            tracing::warn!(%error, "a download could not begin");
            json_error(StatusCode::INTERNAL_SERVER_ERROR, "this node could not read it: its log says why")
        }
    }
}

fn retry(message: &str, seconds: u64) -> Response {
    let mut response = json_error(StatusCode::SERVICE_UNAVAILABLE, format!("{message}: ask again in {seconds} s"));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests {
    use stream_model::{MessageKey, WallTime};

    use super::*;

    const SHOW: BroadcastId = BroadcastId(MessageKey([1; 32]));

    fn read(query: &str) -> Result<DownloadRequest, String> {
        let Query(pairs) = Pairs::try_from_uri(&format!("/?{query}").parse().unwrap()).unwrap();
        parse(SHOW, pairs)
    }

    #[test]
    fn ranges_are_read() {
        let seconds = |seconds| Some(Moment::Elapsed(Duration::from_secs_f64(seconds)));
        let at = |millis| Some(Moment::At(WallTime(millis)));
        for (query, from, to) in [
            ("", None, None),
            ("from=0", seconds(0.0), None),
            ("to=754.5", None, seconds(754.5)),
            ("from=1.25&to=2", seconds(1.25), seconds(2.0)),
            ("from=2026-11-21T14:00:00Z", at(1_795_269_600_000), None),
            ("from=2026-11-21T15:00:00%2B01:00", at(1_795_269_600_000), None),
            ("from=2026-11-21T15:00:00+01:00", at(1_795_269_600_000), None),
            ("from=@17&to=60", at(17), seconds(60.0)),
        ] {
            let request = read(query).unwrap();
            assert_eq!((request.from, request.to), (from, to), "{query}");
        }
        assert_eq!(read("missing=skip").unwrap().missing, MissingMedia::Skip);
    }

    #[test]
    fn what_is_no_range_is_refused_with_what_is_expected() {
        for query in [
            "from=",
            "from=-1",
            "from=1e3",
            "from=NaN",
            "to=1.2.3",
            "from=5&to=5",
            "to=tomorrow",
            "form=1",
            "missing=maybe",
            "from=2000000000",
            "from=2026-11-21",
            "from=@-1",
        ] {
            let message = read(query).unwrap_err();
            assert!(message.contains("expected") || message.contains("there are"), "{query}: {message}");
        }
    }
}
