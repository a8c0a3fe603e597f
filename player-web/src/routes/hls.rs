//! `/hls/{broadcast}/…`: playlists, segments and initialization sections.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cid::Cid;
use serde::Deserialize;
use stream_model::{
    Audience, BroadcastId, DiscontinuitySequence, MediaPlaylistKind, MediaSequence, Multivariant, Node, Period,
    PlaylistError, StoreError,
};

use super::{allow_any_origin, text_line};
use crate::app::{AppState, Ports};
use crate::clock::now;
use crate::content;
use crate::serve::{self, Connection};
use crate::waits::Waits;

/// What a server tells players of how it delivers (CTA-5006).
const CMSD_DYNAMIC: &str = "cmsd-dynamic";

/// Segments here are CMAF, also where they hold audio alone.
const SEGMENT_TYPE: &str = "video/mp4";

type Client = Option<Extension<Connection>>;

/// What the query of `index.m3u8` and `main.m3u8` may say; all else is ignored.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PlaylistQuery {
    player: Option<String>,
}

/// A file below `/hls/{broadcast}/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Live,
    Whole,
    /// `main.m3u8` and `main-whole.m3u8`: the broadcast with its renditions.
    Main,
    MainWhole,
    Segment(MediaSequence),
    Init(DiscontinuitySequence),
}

impl File {
    fn is_playlist(self) -> bool {
        matches!(self, Self::Live | Self::Whole | Self::Main | Self::MainWhole)
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "index.m3u8" => return Some(Self::Live),
            "whole.m3u8" => return Some(Self::Whole),
            "main.m3u8" => return Some(Self::Main),
            "main-whole.m3u8" => return Some(Self::MainWhole),
            _ => {}
        }
        if let Some(number) = name.strip_suffix(".m4s") {
            return Some(Self::Segment(MediaSequence(canonical(number)?)));
        }
        let number = name.strip_prefix("init-")?.strip_suffix(".mp4")?;
        Some(Self::Init(DiscontinuitySequence(canonical(number)?)))
    }
}

/// A number as we write it: one URL for each segment, so that caches hold it once.
fn canonical(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A playlist below `/hls/{broadcast}/hour/`.
pub(crate) async fn hour(
    State(state): State<AppState>,
    client: Client,
    Path((broadcast, name)): Path<(String, String)>,
) -> Response {
    let first = name.strip_suffix(".m3u8").and_then(canonical);
    let mut response = match (broadcast.parse::<BroadcastId>(), first) {
        (Ok(broadcast), Some(first)) => {
            asked(&state, broadcast, client);
            playlist(state.ports.playlists.hour(&broadcast, MediaSequence(first)).await)
        }
        _ => refusal(&PlaylistError::NotFound),
    };
    allow_any_origin(response.headers_mut());
    response
}

/// A playlist below `/hls/{broadcast}/day/`.
pub(crate) async fn day(
    State(state): State<AppState>,
    client: Client,
    Path((broadcast, name)): Path<(String, String)>,
) -> Response {
    let day = name.strip_suffix(".m3u8").and_then(|text| text.parse().ok());
    let mut response = match (broadcast.parse::<BroadcastId>(), day) {
        (Ok(broadcast), Some(day @ Period::Day(_))) => {
            asked(&state, broadcast, client);
            playlist(state.ports.playlists.day(&broadcast, day).await)
        }
        _ => refusal(&PlaylistError::NotFound),
    };
    allow_any_origin(response.headers_mut());
    response
}

pub(crate) async fn file(
    State(state): State<AppState>,
    Extension(waits): Extension<Waits>,
    client: Client,
    Path((broadcast, name)): Path<(String, String)>,
    query: Result<Query<PlaylistQuery>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let ports = &state.ports;
    let address = serve::address_of(client.as_deref());
    let (broadcast, file) = (broadcast.parse::<BroadcastId>(), File::parse(&name));
    let mut suggested = None;
    if let (Ok(broadcast), Some(file)) = (&broadcast, file) {
        asked(&state, *broadcast, client);
        suggested = ports.playlists.suggested_bitrate(broadcast).filter(|_| file.is_playlist());
    }
    let mse = query.is_ok_and(|Query(query)| query.player.as_deref() == Some("mse"));
    let audience = if mse { Audience::MediaSource } else { Audience::Native };
    let mut response = match (broadcast, file) {
        (Ok(broadcast), Some(File::Live)) => playlist(ports.playlists.live(&broadcast, audience, address).await),
        (Ok(broadcast), Some(File::Whole)) => playlist(ports.playlists.whole(&broadcast).await),
        (Ok(broadcast), Some(File::Main)) => {
            multivariant(ports.playlists.multivariant(&broadcast, MediaPlaylistKind::Live, audience))
        }
        (Ok(broadcast), Some(File::MainWhole)) => {
            multivariant(ports.playlists.multivariant(&broadcast, MediaPlaylistKind::Whole, audience))
        }
        (Ok(broadcast), Some(File::Segment(sequence))) => {
            let is_here = ports.playlists.holds_segment(&broadcast, sequence);
            let _place = match (!is_here).then(|| waits.acquire(address)).transpose() {
                Ok(place) => place,
                Err(error) => return error.answer(false),
            };
            let found = ports.playlists.segment(&broadcast, sequence).await;
            let response = media(ports, found, &method, &headers).await;
            count_bytes(&state, broadcast, &method, &response);
            response
        }
        (Ok(broadcast), Some(File::Init(sequence))) => {
            media(ports, ports.playlists.init(&broadcast, sequence).await, &method, &headers).await
        }
        _ => refusal(&PlaylistError::NotFound),
    };
    if let Some(bits_per_second) = suggested {
        suggest(response.headers_mut(), bits_per_second);
    }
    allow_any_origin(response.headers_mut());
    response
}

/// Tells a player the highest bit rate that it should choose (CTA-5006, "Max suggested bitrate"), in kbit/s.
fn suggest(headers: &mut HeaderMap, bits_per_second: u64) {
    let kbps = bits_per_second.div_ceil(1_000);
    if let Ok(value) = HeaderValue::try_from(format!("\"meshstream\";mb={kbps}")) {
        headers.insert(CMSD_DYNAMIC, value);
    }
}

/// Whoever asks for anything of a broadcast that is known watches it, in whatever encoding.
fn asked(state: &AppState, broadcast: BroadcastId, client: Client) {
    if let Some(listing) = state.ports.directory.listing(&broadcast) {
        let watched = listing.rendition.map_or(broadcast, |rendition| rendition.of);
        state.ports.viewers.asked(watched, serve::address_of(client.as_deref()));
    }
}

fn count_bytes(state: &AppState, broadcast: BroadcastId, method: &Method, response: &Response) {
    let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(bytes) = length.filter(|_| *method == Method::GET && response.status().is_success()) {
        state.served.count(broadcast, bytes, now());
    }
}

/// Answers a browser that asks whether a page of another origin may send `Range` here.
pub(crate) async fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    allow_any_origin(headers);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Range, If-Range, If-None-Match"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// Where there are no renditions, players go on with the media playlist itself, for good: they load that one anew.
fn multivariant(rendered: Result<Multivariant, PlaylistError>) -> Response {
    match rendered {
        Ok(Multivariant::Playlist(text)) => playlist(Ok(text)),
        Ok(Multivariant::Alone(uri)) => {
            let headers = [(header::LOCATION, uri), (header::CACHE_CONTROL, "no-cache")];
            (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
        }
        Err(error) => refusal(&error),
    }
}

fn playlist(rendered: Result<String, PlaylistError>) -> Response {
    match rendered {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, "application/vnd.apple.mpegurl"),
                (header::CACHE_CONTROL, "no-cache"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, text).into_response()
        }
        Err(error) => refusal(&error),
    }
}

async fn media(ports: &Ports, found: Result<Cid, PlaylistError>, method: &Method, headers: &HeaderMap) -> Response {
    let cid = match found {
        Ok(cid) => cid,
        Err(error) => return refusal(&error),
    };
    let served = match ports.content.stat(&cid).await {
        Ok(Node::File(size)) => content::file(&*ports.content, (&cid, size), SEGMENT_TYPE, (method, headers)).await,
        Ok(Node::Directory(_)) => Err(StoreError::WrongKind(cid, "file")),
        Err(error) => Err(error),
    };
    served.unwrap_or_else(|error| match error {
        // Removed between the two questions.
        StoreError::NotFound(_) => refusal(&PlaylistError::NotFound),
        error => refusal(&PlaylistError::Failed(error.to_string())),
    })
}

fn refusal(error: &PlaylistError) -> Response {
    match error {
        PlaylistError::NotFound => {
            text_line(StatusCode::NOT_FOUND, "no such broadcast or segment: the node's home page lists what there is")
        }
        PlaylistError::NotYet(after) => {
            let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1);
            let mut response =
                text_line(StatusCode::SERVICE_UNAVAILABLE, format!("not here yet: ask again in {seconds} s"));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        error => {
            tracing::warn!(%error, "a playlist or a segment could not be served");
            text_line(StatusCode::INTERNAL_SERVER_ERROR, "this node could not read it: its log says why")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_file_has_one_name() {
        assert_eq!(File::parse("index.m3u8"), Some(File::Live));
        assert_eq!(File::parse("whole.m3u8"), Some(File::Whole));
        assert_eq!(File::parse("main.m3u8"), Some(File::Main));
        assert_eq!(File::parse("main-whole.m3u8"), Some(File::MainWhole));
        assert_eq!(File::parse("0.m4s"), Some(File::Segment(MediaSequence(0))));
        assert_eq!(File::parse("18446744073709551615.m4s"), Some(File::Segment(MediaSequence(u64::MAX))));
        assert_eq!(File::parse("init-3.mp4"), Some(File::Init(DiscontinuitySequence(3))));
        for other in [
            "",
            ".m4s",
            "01.m4s",
            "+1.m4s",
            "-1.m4s",
            "18446744073709551616.m4s",
            "1.mp4",
            "init-.mp4",
            "init-1.m4s",
            "INDEX.m3u8",
            "..",
            "1.m4s/",
        ] {
            assert_eq!(File::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_segments_name_reads_back(number: u64) {
            prop_assert_eq!(File::parse(&format!("{number}.m4s")), Some(File::Segment(MediaSequence(number))));
        }
    }
}
