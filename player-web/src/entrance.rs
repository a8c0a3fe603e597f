//! What every request from the network passes first: whom it means is read, foreign names are led to this node's own,
//! the probes of phones are answered, and each answer gets the headers that keep it harmless.
//!
//! Comes in: requests, and who has seen the portal ([`crate::visitors`]). Goes out: the router's answer, or another one. A
//! request for a foreign name never reaches what only this node's own pages may ask for, so a page that somebody's DNS
//! leads here (DNS rebinding) can neither read nor write it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::config::{Config, Portal};
use crate::headers::Policy;
use crate::host::{self, Authority, Name, Names, THIS_NODE};
use crate::probes::{self, Probe, Yes};
use crate::routes::{json_error, text_line};
use crate::serve::{Connection, address_of};
use crate::visitors::{Standing, Visitors, near};

/// Where the portal's page is.
pub(crate) const PORTAL: &str = "/portal";

/// What is the same under every name: pages of other sites may read it anyway, or other nodes and monitors ask for it by
/// whatever name they know.
const UNDER_ANY_NAME: [&str; 7] =
    ["/hls/", "/ipfs/", "/blobs/", "/assets/", "/nodeinfo.json", "/healthz", "/player.js"];

/// What is no page: it is not looked for elsewhere.
const NO_PAGES: [&str; 4] = ["/api/", "/ws", "/metrics", "/control/"];

/// The way in; a cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    names: Arc<Names>,
    policy: Arc<Policy>,
    portal: Portal,
    visitors: Arc<Mutex<Visitors>>,
}

/// Where a visitor sees this node: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) secure: bool,
    pub(crate) authority: Authority,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

/// Who asks, and by which way.
#[derive(Debug, Clone, Copy)]
struct Client {
    address: IpAddr,
    local: Option<SocketAddr>,
    secure: bool,
}

impl Client {
    fn of(request: &Request) -> Self {
        let connection = request.extensions().get::<Connection>();
        Self {
            address: address_of(connection),
            local: connection.and_then(|connection| connection.local),
            secure: connection.is_some_and(|connection| connection.secure),
        }
    }
}

impl Entrance {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            names: Arc::new(Names::new(&config.names, &config.other_names)),
            policy: Arc::new(Policy::new(config)),
            portal: config.portal,
            visitors: Arc::default(),
        }
    }

    /// Those who have seen the portal.
    pub(crate) fn visitors(&self) -> MutexGuard<'_, Visitors> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the node is seen by who asked for `authority`.
    fn origin(&self, authority: Option<&Authority>, client: Client) -> Origin {
        let authority = match authority {
            Some(authority) if self.names.own(&authority.name) => authority.clone(),
            Some(foreign) => self.names.instead(foreign, client.local),
            None => {
                let local = client.local.map(|local| (Name::Address(local.ip().to_canonical()), Some(local.port())));
                let (name, port) = local.unwrap_or_else(|| (Name::Domain(THIS_NODE.to_owned()), None));
                Authority { name, port }
            }
        };
        Origin { secure: client.secure, authority }
    }

    fn is_foreign(&self, authority: Option<&Authority>) -> bool {
        authority.is_some_and(|authority| !self.names.own(&authority.name))
    }

    /// An answer to a request for a name that is not this node's; `None` where it is the same under every name.
    fn elsewhere(&self, name: &Name, origin: &Origin, request: &Request, client: Client) -> Option<Response> {
        let path = request.uri().path();
        let reading = matches!(*request.method(), Method::GET | Method::HEAD);
        let agent = probes::user_agent(request.headers());
        let asked = Asked { name, path, agent };
        if let Name::Domain(domain) = name
            && reading
            && self.portal != Portal::Off
            && near(client.address, client.local)
            && let Some(probe) = probes::recognise(domain, path, agent)
        {
            let (answer, response) = self.answer(probe, origin, client);
            asked.count(answer);
            return Some(response);
        }
        if UNDER_ANY_NAME.iter().any(|prefix| path.starts_with(prefix)) {
            return None;
        }
        if reading && !NO_PAGES.iter().any(|prefix| path.starts_with(prefix)) {
            asked.count("led");
            // Paths of others' sites are none of ours.
            let ours = request.extensions().get::<MatchedPath>().is_some();
            let path = request.uri().path_and_query().filter(|_| ours).map_or("/", |path| path.as_str());
            return Some(lead(&format!("{origin}{path}")));
        }
        asked.count("refused");
        let message =
            format!("this node does not go by that name: ask {origin}, or have its owner add the name to web.names");
        Some(if path.starts_with("/api/") {
            json_error(StatusCode::MISDIRECTED_REQUEST, message)
        } else {
            text_line(StatusCode::MISDIRECTED_REQUEST, message)
        })
    }

    fn answer(&self, probe: Probe, origin: &Origin, client: Client) -> (&'static str, Response) {
        let portal = || ("portal", lead(&format!("{origin}{PORTAL}")));
        let Probe::Check(yes) = probe else { return portal() };
        let standing = match self.portal {
            Portal::Quiet => Standing::Through,
            _ => self.visitors().handle_probe(client.address, yes.system, Instant::now()),
        };
        match standing {
            Standing::Captive => portal(),
            Standing::Through => ("online", affirm(yes)),
        }
    }
}

/// What was asked of a foreign name: makers of phones change their probes without notice, and the log shows it.
struct Asked<'a> {
    name: &'a Name,
    path: &'a str,
    agent: &'a str,
}

impl Asked<'_> {
    fn count(&self, answer: &'static str) {
        let Self { name, path, agent } = self;
        tracing::debug!(%name, path, agent, answer, "asked by a foreign name");
        metrics::counter!("meshstream_web_foreign_names_total", "answer" => answer).increment(1);
    }
}

/// The yes that keeps a phone on the network.
fn affirm(yes: Yes) -> Response {
    let mut response = if yes.body.is_empty() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        ([(header::CONTENT_TYPE, yes.media_type)], yes.body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some((name, value)) = yes.header {
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).expect("a header of the table"),
            HeaderValue::from_static(value),
        );
    }
    response
}

fn lead(location: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A path may have come with characters that no URI has (RFC 3986 §2.1).
    match HeaderValue::try_from(utf8_percent_encode(location, CONTROLS).to_string()) {
        Ok(location) => {
            headers.insert(header::LOCATION, location);
            response
        }
        // It has none now that a header cannot hold; nothing is lost where it had.
        Err(_) => text_line(StatusCode::BAD_REQUEST, "that address cannot be sent back"),
    }
}

/// The middleware around all routes of the network.
pub(crate) async fn enter(State(entrance): State<Entrance>, mut request: Request<Body>, next: Next) -> Response {
    let client = Client::of(&request);
    let authority = match host::read(request.version(), request.uri(), request.headers()) {
        Ok(authority) => authority,
        Err(error) => {
            metrics::counter!("meshstream_web_bad_hosts_total").increment(1);
            return entrance.policy.guard(text_line(StatusCode::BAD_REQUEST, error), None);
        }
    };
    let origin = entrance.origin(authority.as_ref(), client);
    let elsewhere = match &authority {
        Some(Authority { name, .. }) if entrance.is_foreign(authority.as_ref()) => {
            entrance.elsewhere(name, &origin, &request, client)
        }
        _ => None,
    };
    let response = match elsewhere {
        Some(response) => response,
        None => {
            request.extensions_mut().insert(origin.clone());
            next.run(request).await
        }
    };
    entrance.policy.guard(response, Some(&origin))
}
