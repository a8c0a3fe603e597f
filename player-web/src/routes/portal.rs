//! `/portal`: the page that a phone opens when it joins the network of an access point, and RFC 8908's account of it.
//!
//! Made for the small browsers of the systems' sheets: no scripts, one button, and where to go on in a real browser.

use std::time::Instant;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::json;

use super::{first_boot, json_error};
use crate::app::AppState;
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::entrance::{Entrance, Origin, PORTAL};
use crate::page::{Framing, Page};
use crate::probes::{is_apples_probe, user_agent};
use crate::serve::{Connection, address_of};
use crate::texts::Texts;
use crate::visitors::Standing;

/// `application/captive+json` (RFC 8908 §5).
const CAPTIVE_JSON: HeaderValue = HeaderValue::from_static("application/captive+json");

type Client = Option<Extension<Connection>>;

#[derive(Template)]
#[template(path = "portal.html")]
struct Portal {
    t: Texts,
    page: Page,
    /// The node's pages, as the visitor reaches them.
    url: String,
    /// Whether the system has been told that all is well.
    through: bool,
}

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(PORTAL, get(page))
        .route("/portal/continue", post(go_on))
        .route("/captive-portal/api", get(account))
        .route("/qr.svg", get(super::qr::code))
}

async fn page(
    State(state): State<AppState>,
    page: Page,
    Extension(entrance): Extension<Entrance>,
    Extension(origin): Extension<Origin>,
    client: Client,
    headers: HeaderMap,
) -> Response {
    if let Some(first) = first_boot::first(&state.ports) {
        return first;
    }
    let address = address_of(client.as_deref());
    let standing = if is_apples_probe(user_agent(&headers)) {
        // Nobody has seen it yet.
        entrance.visitors().handle_question(address, Instant::now())
    } else {
        entrance.visitors().handle_page(address, Instant::now())
    };
    let through = standing == Standing::Through;
    let portal = Portal { t: page.t, page: page.clone(), url: format!("{origin}/"), through };
    let mut response = page.answer(StatusCode::OK, &portal, Framing::Nobody);
    // The same page says something else once somebody went on.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn go_on(Extension(entrance): Extension<Entrance>, client: Client) -> Response {
    entrance.visitors().handle_continue(address_of(client.as_deref()), Instant::now());
    metrics::counter!("meshstream_web_portal_passed_total").increment(1);
    (StatusCode::SEE_OTHER, [(header::LOCATION, PORTAL), (header::CACHE_CONTROL, "no-store")]).into_response()
}

/// RFC 8908 §4: over TLS only, so that nobody on the link can send people to a portal of his own.
async fn account(
    Extension(entrance): Extension<Entrance>,
    Extension(origin): Extension<Origin>,
    client: Client,
) -> Response {
    if !origin.secure {
        return json_error(
            StatusCode::NOT_FOUND,
            "RFC 8908 asks for HTTPS: give the node a certificate (web.tls), and ask there",
        );
    }
    let standing = entrance.visitors().handle_question(address_of(client.as_deref()), Instant::now());
    let body = json!({
        "captive": standing == Standing::Captive,
        "user-portal-url": format!("{origin}{PORTAL}"),
        "venue-info-url": format!("{origin}/"),
        "can-extend-session": false,
    });
    let mut response = Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CAPTIVE_JSON);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}
