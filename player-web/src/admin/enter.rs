//! `/admin/enter`: how the owner gets in, with a link or the admin token, and out.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::field::Field;
use super::visitor::{Change, ENTRANCE, NoFields, answer, denied_text, local, refuse};
use crate::app::AppState;
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::clock::now;
use crate::owner::{Denied, address_of};
use crate::page::Page;
use crate::socket::same_origin;
use crate::texts::Texts;

/// The first of the owner's pages.
const HOME: &str = "/admin";

/// What an address of the entrance says, or a form that it sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entering {
    link: Option<String>,
    token: String,
    next: String,
}

#[derive(Template)]
#[template(path = "admin/enter.html")]
struct Enter {
    t: Texts,
    page: Page,
    /// A link that lets in.
    link: Option<String>,
    token: Field,
    next: String,
}

/// Looking uses no link up: programs that preview or prefetch links look, too.
pub(crate) async fn show(
    State(state): State<AppState>,
    page: Page,
    Query(asked): Query<Entering>,
    parts: Parts,
) -> Response {
    let next = local(&asked.next).unwrap_or_default().to_owned();
    let Some(link) = asked.link else {
        if state.access.session(&parts.headers).is_some() {
            return Redirect::to(if next.is_empty() { HOME } else { &next }).into_response();
        }
        return form(&page, StatusCode::OK, next, Field::default());
    };
    match state.access.guard().attempt(address_of(&parts), now(), || state.access.knows_link(&link)) {
        Ok(()) => {
            let entrance = Enter { t: page.t, page: page.clone(), link: Some(link), token: Field::default(), next };
            answer(&page, StatusCode::OK, &entrance)
        }
        Err(denied) => link_refused(&page, denied, next),
    }
}

/// Begins a session.
pub(crate) async fn enter(
    State(state): State<AppState>,
    page: Page,
    parts: Parts,
    form_sent: Result<Form<Entering>, FormRejection>,
) -> Response {
    if !same_origin(&parts.headers) {
        return refuse(&page, Denied::Origin);
    }
    let Ok(Form(Entering { link, token, next })) = form_sent else { return refuse(&page, Denied::Missing) };
    let next = local(&next).unwrap_or_default().to_owned();
    let access = &state.access;
    let (address, now) = (address_of(&parts), now());
    let cookie = match link {
        Some(link) => {
            let mut cookie = None;
            let tried = access.guard().attempt(address, now, || {
                cookie = access.enter_by_link(&link);
                cookie.is_some()
            });
            match (tried, cookie) {
                (Ok(()), Some(cookie)) => cookie,
                (Err(denied), _) => return link_refused(&page, denied, next),
                (Ok(()), None) => return link_refused(&page, Denied::Wrong, next),
            }
        }
        None => match access.guard().check_token(token.trim(), address, now) {
            Ok(()) => access.enter(),
            Err(denied) => {
                denied.count();
                return form(&page, denied.status(), next, Field::wrong("", denied_text(page.t, denied)));
            }
        },
    };
    metrics::counter!("meshstream_web_entered_total").increment(1);
    tracing::info!("the owner has entered with a browser");
    let mut response = Redirect::to(if next.is_empty() { HOME } else { &next }).into_response();
    if let Some(cookie) = access.set_cookie(&cookie, page.is_secure()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Ends the session.
pub(crate) async fn leave(Change { owner, .. }: Change<NoFields>) -> Response {
    owner.leave();
    let mut response = Redirect::to(ENTRANCE).into_response();
    if let Some(cookie) = owner.state.access.clear_cookie(owner.page.is_secure()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The token lets in where a link does not.
fn link_refused(page: &Page, denied: Denied, next: String) -> Response {
    denied.count();
    let (status, error) = match denied {
        Denied::Wrong => (StatusCode::GONE, page.t.get("owner-link-over").to_string()),
        _ => (denied.status(), denied_text(page.t, denied)),
    };
    form(page, status, next, Field::wrong("", error))
}

fn form(page: &Page, status: StatusCode, next: String, token: Field) -> Response {
    answer(page, status, &Enter { t: page.t, page: page.clone(), link: None, token, next })
}
