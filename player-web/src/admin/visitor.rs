//! Requests of browsers in which the owner has entered: to see a page, and to change something.

use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Extension, Form};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::sessions::{Flash, SessionId};
use crate::OwnerPorts;
use crate::app::AppState;
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::owner::Denied;
use crate::page::{Framing, Page};
use crate::texts::{Text, Texts};

/// Nothing but this node's own files loads or runs, the player in a frame among them, and forms go to this node only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Where browsers enter.
pub(crate) const ENTRANCE: &str = "/admin/enter";

/// Longest address to go to after having entered.
const MAX_NEXT_BYTES: usize = 512;

/// A browser in which the owner has entered, and what its pages are made of.
pub(crate) struct SignedIn {
    pub(crate) page: Page,
    pub(crate) state: AppState,
    pub(crate) ports: OwnerPorts,
    session: SessionId,
    csrf: String,
}

/// What a template that extends `admin/frame.html` has as its field `admin`.
#[derive(Debug)]
pub(crate) struct Frame {
    /// For every form.
    pub(crate) csrf: String,
    /// To be told on this page.
    pub(crate) flash: Option<Flash>,
    /// The part of the pages that this one belongs to.
    pub(crate) section: &'static str,
}

/// A form that its page of this node sent, of a session that may change something now.
pub(crate) struct Change<F> {
    pub(crate) owner: SignedIn,
    pub(crate) fields: F,
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub(crate) struct NoFields {}

#[derive(Debug, Deserialize)]
struct Sealed<F> {
    #[serde(default)]
    csrf: String,
    #[serde(flatten)]
    fields: F,
}

#[derive(Template)]
#[template(path = "admin/refused.html")]
struct Refused {
    t: Texts,
    page: Page,
    why: String,
    /// Entering again helps.
    enter: bool,
}

impl SignedIn {
    /// The texts in the browser's language.
    pub(crate) fn t(&self) -> Texts {
        self.page.t
    }

    /// The frame of a page; what was to be told is told with it.
    pub(crate) fn frame(&self, section: &'static str) -> Frame {
        Frame { csrf: self.csrf.clone(), flash: self.state.access.take_flash(self.session), section }
    }

    /// A page, rendered.
    pub(crate) fn answer(&self, status: StatusCode, template: &impl Template) -> Response {
        answer(&self.page, status, template)
    }

    /// Shows another page, which says what was done.
    pub(crate) fn done(&self, to: &str, text: Text) -> Response {
        self.tell(to, Flash { text: text.to_string(), key: None })
    }

    /// Shows another page, which tells something where it is one of the owner's: what visitors see shows what was done.
    pub(crate) fn tell(&self, to: &str, flash: Flash) -> Response {
        if to.starts_with("/admin") {
            self.state.access.tell(self.session, flash);
        }
        Redirect::to(to).into_response()
    }

    /// Ends the session.
    pub(crate) fn leave(&self) {
        self.state.access.end(self.session);
    }

    /// What went wrong on the side of the node, for a page; the log has it too.
    pub(crate) fn failure(&self, error: &(dyn std::error::Error + 'static)) -> String {
        tracing::error!(error, "what the owner asked for failed");
        self.t().get("owner-failed").arg("reason", error.to_string()).to_string()
    }
}

/// A page of the owner's, rendered, with the headers that all of them have.
pub(crate) fn answer(page: &Page, status: StatusCode, template: &impl Template) -> Response {
    let mut response = page.answer(status, template, Framing::Nobody);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // With `no-referrer` a browser would not say in a form's `Origin` whose page it is (Fetch, "append a request Origin header").
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// A page that says why nothing was done.
pub(crate) fn refuse(page: &Page, denied: Denied) -> Response {
    denied.count();
    let mut response = refused(page, denied.status(), denied_text(page.t, denied), denied == Denied::Ended);
    if let Some(wait) = denied.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

fn refused(page: &Page, status: StatusCode, why: String, enter: bool) -> Response {
    answer(page, status, &Refused { t: page.t, page: page.clone(), why, enter })
}

/// Why a request is denied, and what to do.
pub(crate) fn denied_text(t: Texts, denied: Denied) -> String {
    let text = match denied {
        Denied::NoToken => t.get("owner-denied-no-token"),
        Denied::Origin | Denied::Csrf => t.get("owner-denied-origin"),
        Denied::Missing | Denied::Wrong => t.get("owner-denied-wrong"),
        Denied::TooMany => t.get("owner-denied-too-many"),
        Denied::Ended => t.get("owner-denied-ended"),
        Denied::TooFast(_) => t.get("owner-denied-too-fast"),
    };
    text.to_string()
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let Ok(page) = Page::from_request_parts(parts, state).await;
        let ports = Extension::<OwnerPorts>::from_request_parts(parts, state).await;
        let Extension(ports) = ports.map_err(axum::response::IntoResponse::into_response)?;
        let found = state.access.session(&parts.headers);
        let Some((session, csrf)) = found.and_then(|session| Some((session, state.access.csrf(session)?))) else {
            return Err(if parts.method == Method::GET {
                Redirect::to(&entrance(&parts.uri)).into_response()
            } else {
                refuse(&page, Denied::Ended)
            });
        };
        Ok(Self { page, state: state.clone(), ports, session, csrf })
    }
}

impl<F: DeserializeOwned> FromRequest<AppState> for Change<F> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let owner = SignedIn::from_request_parts(&mut parts, state).await?;
        let headers = parts.headers.clone();
        let form = Form::<Sealed<F>>::from_request(Request::from_parts(parts, body), state).await;
        let Form(Sealed { csrf, fields }) = form.map_err(|rejection| {
            let why = owner.t().get("owner-denied-form").to_string();
            refused(&owner.page, rejection.into_response().status(), why, false)
        })?;
        let decided = state.access.change(owner.session, &headers, &csrf);
        decided.map_err(|denied| refuse(&owner.page, denied))?;
        Ok(Self { owner, fields })
    }
}

/// Where to enter in order to see a page of the owner's.
fn entrance(wanted: &Uri) -> String {
    match wanted.path_and_query().map(|wanted| wanted.as_str()).filter(|wanted| *wanted != "/admin") {
        Some(wanted) => format!("{ENTRANCE}?next={}", utf8_percent_encode(wanted, NON_ALPHANUMERIC)),
        None => ENTRANCE.to_owned(),
    }
}

/// An address as a path of this node, where it is one: what else a browser would take for a path leads elsewhere.
pub(crate) fn local(address: &str) -> Option<&str> {
    let path = address.len() <= MAX_NEXT_BYTES && address.starts_with('/') && !address.starts_with("//");
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (path && plain).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_node_are_gone_to() {
        for path in ["/admin", "/admin/keys?name=a", "/watch/x#comments", "/"] {
            assert_eq!(local(path), Some(path));
        }
        for other in ["", "admin", "//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/a\r\nb"] {
            assert_eq!(local(other), None, "{other:?}");
        }
        assert_eq!(local(&format!("/{}", "a".repeat(MAX_NEXT_BYTES))), None);
    }

    #[test]
    fn the_entrance_knows_the_way_on() {
        assert_eq!(entrance(&"/admin".parse().unwrap()), "/admin/enter");
        assert_eq!(entrance(&"/admin/keys?a=b&c".parse().unwrap()), "/admin/enter?next=%2Fadmin%2Fkeys%3Fa%3Db%26c");
    }
}
