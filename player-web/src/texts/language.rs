//! Which languages there are, and which of them a request asks for. Pure.

use axum::http::{HeaderMap, header};

use crate::cookies;

/// A language that there is a catalogue for.
#[derive(Debug)]
pub(crate) struct Language {
    /// Its tag (BCP 47).
    pub(crate) code: &'static str,
    /// What it calls itself.
    pub(crate) name: &'static str,
    /// The direction of its script: `ltr` or `rtl`.
    pub(crate) dir: &'static str,
    /// Its catalogue.
    pub(super) source: &'static str,
}

/// The first is what those read who ask for none of them.
pub(crate) const LANGUAGES: [Language; 4] = [
    Language { code: "en", name: "English", dir: "ltr", source: include_str!("../../texts/en.ftl") },
    Language { code: "es", name: "Español", dir: "ltr", source: include_str!("../../texts/es.ftl") },
    Language { code: "fr", name: "Français", dir: "ltr", source: include_str!("../../texts/fr.ftl") },
    Language { code: "pt", name: "Português", dir: "ltr", source: include_str!("../../texts/pt.ftl") },
];

/// Languages that are looked at in a header. Browsers send some few.
const MAX_RANGES: usize = 32;

/// The index of a language, by its tag or one below it: `pt-BR` is read as `pt`.
fn index(tag: &str) -> Option<usize> {
    let primary = tag.split('-').next().unwrap_or_default();
    LANGUAGES.iter().position(|language| language.code.eq_ignore_ascii_case(primary))
}

/// `lang` of an address.
pub(super) fn from_query(query: &str) -> Option<usize> {
    query.split('&').find_map(|pair| index(pair.strip_prefix("lang=")?))
}

/// The cookie `lang`.
pub(super) fn from_cookie(headers: &HeaderMap) -> Option<usize> {
    cookies::named(headers, "lang").find_map(index)
}

/// `Accept-Language` (RFC 9110 §12.5.4): the one with the highest weight, the first among equals.
pub(super) fn from_accept(headers: &HeaderMap) -> Option<usize> {
    let values = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let mut best: Option<(u16, usize)> = None;
    for range in values.flat_map(|value| value.split(',')).take(MAX_RANGES) {
        let mut parts = range.split(';').map(str::trim);
        let language = parts.next().and_then(|tag| if tag == "*" { Some(0) } else { index(tag) });
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let (Some(language), Some(weight)) = (language, weight.map_or(Some(1000), thousandths)) else { continue };
        if weight > best.map_or(0, |(most, _)| most) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// A weight (RFC 9110 §12.4.2): `0.7` is 700. Nothing of what is none.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() > 3 || !digits(fraction) {
        return None;
    }
    match whole {
        "1" => Some(1000),
        "0" => format!("{fraction:0<3}").parse().ok(),
        _ => None,
    }
}
