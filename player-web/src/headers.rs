//! The headers of every answer to the network: what a page may load, who may frame it, and that nothing is taken for
//! what it is not (`docs/protocol/http.md`). Pure.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use std::net::IpAddr;

use crate::config::{Config, Embedding};
use crate::entrance::Origin;
use crate::host::{Authority, Name};
use crate::page::Framing;

/// Nothing but our own files runs or loads. `data:` is for icons, `blob:` is where Media Source Extensions put the
/// video and scripts put pictures. The scheme of WebSockets and who may frame the page follow.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; manifest-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'";

/// For what is no page.
const BARE: &str = "default-src 'none'; frame-ancestors 'none'";

/// Nothing here asks for any of these, and no page that is framed here may. `bluetooth` is missing: where Chromium has none, as on
/// Linux, it complains of the name.
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=(), \
    display-capture=(), accelerometer=(), gyroscope=(), magnetometer=(), browsing-topics=()";

/// Which headers answers get.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Who may frame the player: sources of `frame-ancestors`.
    embedders: String,
    /// The gateway's own port, where it has one.
    gateway: Option<u16>,
}

impl Policy {
    pub(crate) fn new(config: &Config) -> Self {
        let embedders = match &config.embed {
            Embedding::Anyone => "*".to_owned(),
            Embedding::Nobody => "'self'".to_owned(),
            Embedding::Origins(origins) => {
                origins.iter().fold("'self'".to_owned(), |sources, origin| format!("{sources} {origin}"))
            }
        };
        Self { embedders, gateway: config.gateway_port }
    }

    /// Adds what is missing. What a route says itself, of content that others made or of the owner's pages, stays.
    pub(crate) fn guard(&self, mut response: Response, origin: Option<&Origin>) -> Response {
        let framing = response.extensions().get().copied().unwrap_or(Framing::Nobody);
        let headers = response.headers_mut();
        let is_page = is_page(headers);
        if is_page {
            let policy = self.page(framing, origin);
            add(headers, header::CONTENT_SECURITY_POLICY, &policy);
            add(headers, HeaderName::from_static("permissions-policy"), PERMISSIONS);
            let frames = match framing {
                Framing::Nobody => Some("DENY"),
                Framing::Anybody => (self.embedders == "'self'").then_some("SAMEORIGIN"),
            };
            // For browsers that know no `frame-ancestors`.
            if let Some(frames) = frames {
                add(headers, header::X_FRAME_OPTIONS, frames);
            }
            // Browsers complain of it where the page came by plain HTTP, and ignore it there.
            if origin.is_some_and(|origin| origin.secure) {
                add(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
            }
        } else {
            add(headers, header::CONTENT_SECURITY_POLICY, BARE);
        }
        add(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        add(headers, header::REFERRER_POLICY, "no-referrer");
        // A page that others may frame is not to be refused by those who ask for this of all they frame.
        let reach = if framing == Framing::Anybody { "cross-origin" } else { "same-origin" };
        add(headers, HeaderName::from_static("cross-origin-resource-policy"), reach);
        response
    }

    fn page(&self, framing: Framing, origin: Option<&Origin>) -> String {
        let framers = if framing == Framing::Anybody { &self.embedders } else { "'none'" };
        let sockets = origin.map_or_else(|| "ws: wss:".to_owned(), sockets);
        let gateway = origin.zip(self.gateway).and_then(|(origin, port)| gateway(origin, port)).unwrap_or_default();
        format!(
            "{PAGE}; img-src 'self' data: blob:{gateway}; media-src 'self' blob:{gateway}; \
             connect-src 'self' {sockets}{gateway}; frame-ancestors {framers}"
        )
    }
}

/// Where the page's WebSocket is: older Safari does not count it to `'self'`. An IPv6 address cannot be named in a policy.
fn sockets(origin: &Origin) -> String {
    let scheme = if origin.secure { "wss" } else { "ws" };
    match origin.authority.name {
        Name::Address(IpAddr::V6(_)) => format!("{scheme}:"),
        _ => format!("{scheme}://{}", origin.authority),
    }
}

/// Where the gateway is, to which paths of `/ipfs/` lead; `None` where they do not, or where a policy cannot name it.
fn gateway(origin: &Origin, port: u16) -> Option<String> {
    let nameable = !origin.secure && !matches!(origin.authority.name, Name::Address(IpAddr::V6(_)));
    let authority = Authority { name: origin.authority.name.clone(), port: Some(port) };
    nameable.then(|| format!(" http://{authority}"))
}

fn is_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/html"))
}

/// Leaves what a route has said itself.
fn add(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let (false, Ok(value)) = (headers.contains_key(&name), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::{Html, IntoResponse as _};

    fn origin(host: &str, secure: bool) -> Origin {
        let name = host.parse().map_or_else(|_| Name::Domain(host.to_owned()), Name::Address);
        Origin { secure, authority: Authority { name, port: Some(8080) } }
    }

    fn policy(embed: &Embedding, framing: Option<Framing>, origin: &Origin) -> (String, String) {
        let mut page = Html("x").into_response();
        framing.map(|framing| page.extensions_mut().insert(framing));
        let response = Policy::new(&Config { embed: embed.clone(), ..Config::default() }).guard(page, Some(origin));
        let text = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        (text("content-security-policy"), text("x-frame-options"))
    }

    #[test]
    fn only_the_player_is_framed_and_only_by_whom_the_owner_lets() {
        let here = origin("10.0.0.1", false);
        let framed = |embed: &Embedding, framing: Option<Framing>| {
            let (policy, old) = policy(embed, framing, &here);
            (policy.rsplit_once("frame-ancestors ").unwrap().1.to_owned(), old)
        };
        let is = |sources: &str, old: &str| (sources.to_owned(), old.to_owned());
        assert_eq!(framed(&Embedding::Anyone, Some(Framing::Anybody)), is("*", ""));
        assert_eq!(framed(&Embedding::Nobody, Some(Framing::Anybody)), is("'self'", "SAMEORIGIN"));
        let some = Embedding::Origins(vec!["http://a.mesh".into(), "https://b:8443".into()]);
        assert_eq!(framed(&some, Some(Framing::Anybody)), is("'self' http://a.mesh https://b:8443", ""));
        for framing in [None, Some(Framing::Nobody)] {
            assert_eq!(framed(&Embedding::Anyone, framing), is("'none'", "DENY"));
        }
    }

    #[test]
    fn sockets_are_named_where_a_policy_can_name_them() {
        for (host, secure, expected) in [
            ("10.0.0.1", false, "connect-src 'self' ws://10.0.0.1:8080;"),
            ("node.mesh", true, "connect-src 'self' wss://node.mesh:8080;"),
            ("fc00::1", false, "connect-src 'self' ws:;"),
        ] {
            let (policy, _) = policy(&Embedding::Anyone, None, &origin(host, secure));
            assert!(policy.contains(expected) && !policy.contains("unsafe"), "{policy}");
        }
    }

    #[test]
    fn what_a_route_says_of_content_of_others_stays() {
        let mut response = "x".into_response();
        crate::routes::sandbox(response.headers_mut());
        let response = Policy::new(&Config::default()).guard(response, None);
        assert_eq!(response.headers()["content-security-policy"], "sandbox; default-src 'none'");
        assert_eq!(response.headers()["cross-origin-resource-policy"], "cross-origin");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
}
