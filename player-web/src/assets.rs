//! Scripts and style sheets, embedded in the program. A name carries a hash of its content, so a browser keeps it
//! for good and gets another name after an upgrade.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::routes::allow_any_origin;

pub(crate) struct Asset {
    name: &'static str,
    media_type: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "no such file: load the page again\n").into_response();
    };
    let mut response = asset.answer(&headers);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    // The player on pages of other origins loads its texts from here.
    allow_any_origin(headers);
    response
}

/// `/favicon.ico`, which browsers ask for by themselves where no page names an icon, as for a picture or a text: there is none.
pub(crate) async fn no_icon() -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "public, max-age=86400")])
}

impl Asset {
    /// The one at a path that the build gave a name.
    pub(crate) fn at(path: &str) -> Option<&'static Self> {
        let name = path.strip_prefix("/assets/")?;
        ASSETS.iter().find(|asset| asset.name == name)
    }

    /// Its name, which carries a hash of its content.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Its content, without a word on how long it may be kept.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response {
        embedded(asked, self.media_type, self.gzip, || Bytes::from_static(self.plain))
    }
}

/// What is embedded with gzip, as it is for who does not take that.
pub(crate) fn embedded(
    asked: &HeaderMap,
    media_type: &'static str,
    gzip: &'static [u8],
    plain: impl FnOnce() -> Bytes,
) -> Response {
    let takes_gzip = accepts_gzip(asked);
    let mut response = if takes_gzip { Bytes::from_static(gzip) } else { plain() }.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if takes_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// An answer that a browser keeps for a while, and then asks for by its tag (RFC 9110 §13.1.2): without a body if it has that one.
pub(crate) fn tagged(asked: &HeaderMap, tag: &str, keep: &'static str, mut response: Response) -> Response {
    let tag = format!("\"{tag}\"");
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        // The media type stays: browsers put the headers in the place of those that they keep, and the policy of a page goes by it.
        response.headers_mut().remove(header::CONTENT_ENCODING);
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether gzip is among the codings accepted, and not with weight 0 (RFC 9110 §12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
                && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_accepts_it() {
        for (value, expected) in
            [("gzip, deflate, br", true), ("GZIP;q=0.5", true), ("br", false), ("gzip;q=0", false), ("", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
    }
}
