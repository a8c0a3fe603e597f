//! `/hls/{broadcast}/…`: playlists, segments and initialization sections. What is made of pictures is in `thumbnails.rs`.

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

use super::{allow_any_origin, text_line, thumbnails};
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
    /// `thumbnails.vtt`: pictures to look through the broadcast with.
    Thumbnails,
    /// `poster.jpg`: the picture that stands for it.
    Poster,
    /// `12.jpg`: a segment of a rendition that is made of pictures.
    Sprite(MediaSequence),
}

impl File {
    fn is_playlist(self) -> bool {
        matches!(self, Self::Live | Self::Whole | Self::Main | Self::MainWhole)
    }

    fn is_of_pictures(self) -> bool {
        matches!(self, Self::Thumbnails | Self::Poster | Self::Sprite(_))
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "index.m3u8" => return Some(Self::Live),
            "whole.m3u8" => return Some(Self::Whole),
            "main.m3u8" => return Some(Self::Main),
            "main-whole.m3u8" => return Some(Self::MainWhole),
            "thumbnails.vtt" => return Some(Self::Thumbnails),
            "poster.jpg" => return Some(Self::Poster),
            _ => {}
        }
        if let Some(number) = name.strip_suffix(".jpg") {
            return Some(Self::Sprite(MediaSequence(canonical(number)?)));
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
        (Ok(broadcast), Some(first)) if !thumbnails::is_made_of_pictures(&state, &broadcast) => {
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
        (Ok(broadcast), Some(day @ Period::Day(_))) if !thumbnails::is_made_of_pictures(&state, &broadcast) => {
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
    let broadcast = broadcast.parse::<BroadcastId>();
    // Nothing of what is made of pictures is media.
    let file = File::parse(&name).filter(|file| {
        let of_pictures = |broadcast| thumbnails::is_made_of_pictures(&state, broadcast);
        file.is_of_pictures() || !broadcast.as_ref().is_ok_and(of_pictures)
    });
    let mut suggested = None;
    // Who looks at pictures does not watch yet.
    if let (Ok(broadcast), Some(file)) = (&broadcast, file.filter(|file| !file.is_of_pictures())) {
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
            let response = content_of(ports, found, SEGMENT_TYPE, (&method, &headers)).await;
            count_bytes(&state, broadcast, &method, &response);
            response
        }
        (Ok(broadcast), Some(File::Init(sequence))) => {
            let found = ports.playlists.init(&broadcast, sequence).await;
            content_of(ports, found, SEGMENT_TYPE, (&method, &headers)).await
        }
        (Ok(broadcast), Some(File::Thumbnails)) => thumbnails::cues(&state, &broadcast).await,
        (Ok(broadcast), Some(File::Poster)) => thumbnails::poster(&state, &broadcast, (&method, &headers)).await,
        (Ok(broadcast), Some(File::Sprite(sequence))) => {
            thumbnails::sprite(&state, &broadcast, sequence, (&method, &headers)).await
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
    text(rendered, "application/vnd.apple.mpegurl")
}

/// What is rendered anew for each who asks.
pub(super) fn text(rendered: Result<String, PlaylistError>, media_type: &'static str) -> Response {
    match rendered {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, media_type),
                (header::CACHE_CONTROL, "no-cache"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, text).into_response()
        }
        Err(error) => refusal(&error),
    }
}

/// What is behind a CID, as what it was asked for.
pub(super) async fn content_of(
    ports: &Ports,
    found: Result<Cid, PlaylistError>,
    media_type: &'static str,
    request: (&Method, &HeaderMap),
) -> Response {
    let cid = match found {
        Ok(cid) => cid,
        Err(error) => return refusal(&error),
    };
    let served = match ports.content.stat(&cid).await {
        Ok(Node::File(size)) => content::file(&*ports.content, (&cid, size), media_type, request).await,
        Ok(Node::Directory(_)) => Err(StoreError::WrongKind(cid, "file")),
        Err(error) => Err(error),
    };
    served.unwrap_or_else(|error| match error {
        // Removed between the two questions.
        StoreError::NotFound(_) => refusal(&PlaylistError::NotFound),
        error => refusal(&PlaylistError::Failed(error.to_string())),
    })
}

pub(super) fn refusal(error: &PlaylistError) -> Response {
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
        assert_eq!(File::parse("thumbnails.vtt"), Some(File::Thumbnails));
        assert_eq!(File::parse("poster.jpg"), Some(File::Poster));
        assert_eq!(File::parse("12.jpg"), Some(File::Sprite(MediaSequence(12))));
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
            "01.jpg",
            "1.jpeg",
            "poster-0.jpg",
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
