//! What every page has: its language, its frame of links, and who may show it in a frame.

use std::convert::Infallible;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::app::AppState;
use crate::assets::PAGE_JS;
use crate::entrance::Origin;
use crate::texts::{LANGUAGES, Language, Texts};

/// Of an address, the part that links to its translations repeat at most. What our own pages ask for is shorter.
const MAX_QUERY_BYTES: usize = 512;

/// Who may show a page in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Nobody,
    /// Whomever the owner lets (`web.embed`).
    Anybody,
}

/// What a template that extends `base.html` has as its field `page`, beside its texts as the field `t`.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The texts in the language of whoever asks.
    pub(crate) t: Texts,
    /// The node's name.
    pub(crate) node: String,
    /// Whether the owner has entered with the browser that asks.
    pub(crate) owner: bool,
    /// What the address asks for besides a language.
    query: String,
    path: String,
    /// Where whoever asks sees this node; `None` on the control socket.
    origin: Option<Origin>,
}

/// A link to the same page in another language.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(crate) language: &'static Language,
    pub(crate) href: String,
    /// The page is in this language.
    pub(crate) current: bool,
}

impl Page {
    /// The address of the script that every page has.
    pub(crate) fn script(&self) -> &'static str {
        PAGE_JS
    }

    /// Links to this page in every language.
    pub(crate) fn translations(&self) -> Vec<Translation> {
        let translation = |language: &'static Language| Translation {
            language,
            href: format!("?{}lang={}", self.query, language.code),
            current: language.code == self.t.lang(),
        };
        LANGUAGES.iter().map(translation).collect()
    }

    /// Whether this page is one of some sections of the site, or below one.
    pub(crate) fn is_in(&self, sections: impl AsRef<[&'static str]>) -> bool {
        let below = |section: &str| self.path.strip_prefix(section).is_some_and(|rest| rest.starts_with('/'));
        sections.as_ref().iter().any(|section| self.path == *section || below(section))
    }

    /// The path of this page.
    pub(crate) fn here(&self) -> &str {
        &self.path
    }

    /// The origin by which this node was reached: links that are handed on begin with it.
    pub(crate) fn origin(&self) -> Option<String> {
        self.origin.as_ref().map(Origin::to_string)
    }

    /// The name or address by which this node was reached, without a port.
    pub(crate) fn host_name(&self) -> Option<String> {
        self.origin.as_ref().map(|origin| origin.authority.name.to_string())
    }

    /// Whether this node was reached over HTTPS.
    pub(crate) fn is_secure(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.secure)
    }

    /// The page, rendered.
    pub(crate) fn answer(&self, status: StatusCode, template: &impl Template, framing: Framing) -> Response {
        answer(self.t, status, template, framing)
    }
}

impl FromRequestParts<AppState> for Page {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("lang="));
        let query: String = others.map(|pair| format!("{pair}&")).collect();
        Ok(Self {
            t: Texts::of(parts.uri.query(), &parts.headers),
            node: state.ports.status.info().name,
            owner: state.access.session(&parts.headers).is_some(),
            path: parts.uri.path().to_owned(),
            origin: parts.extensions.get::<Origin>().cloned(),
            query: if query.len() <= MAX_QUERY_BYTES { query } else { String::new() },
        })
    }
}

/// A page, rendered.
pub(crate) fn answer(t: Texts, status: StatusCode, template: &impl Template, framing: Framing) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return (StatusCode::INTERNAL_SERVER_ERROR, t.get("page-failed").to_string()).into_response();
        }
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    t.label(headers);
    // The headers that every answer gets say so to browsers.
    response.extensions_mut().insert(framing);
    response
}
