//! Whose a request is that came through a reverse proxy: what a proxy that the configuration trusts says of it counts as the
//! connection's own. What anybody else says is not looked at.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;

use crate::serve::Connection;

/// The addresses that a request passed, each added at the end by the proxy that it came to next (RFC 7239 §7.4 tells of it).
const FORWARDED_FOR: &str = "x-forwarded-for";
/// `http` or `https`: how the visitor reached the proxy.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Proxies whose word counts.
#[derive(Debug, Clone)]
pub(crate) struct Proxies(Arc<[IpAddr]>);

impl Proxies {
    pub(crate) fn new(addresses: &[IpAddr]) -> Self {
        Self(addresses.iter().map(IpAddr::to_canonical).collect())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Who is the nearest that no trusted proxy speaks for. What is before him in the header is his word alone.
    fn visitor(&self, connected: IpAddr, headers: &HeaderMap) -> IpAddr {
        let values = headers.get_all(FORWARDED_FOR).iter().rev().map(|value| value.to_str().unwrap_or_default());
        let mut nearest = connected;
        for told in values.flat_map(|value| value.rsplit(',')) {
            match told.trim().parse() {
                Ok(address) if self.trusts(nearest) => nearest = address,
                _ => break,
            }
        }
        nearest
    }

    fn apply(&self, request: &mut Request<Body>) {
        let connected = request.extensions().get::<Connection>().map(|connection| connection.address);
        let Some(proxy) = connected.filter(|address| self.trusts(*address)) else { return };
        let address = self.visitor(proxy, request.headers());
        let secure = request.headers().get(FORWARDED_PROTO).map(|scheme| scheme == "https");
        if let Some(connection) = request.extensions_mut().get_mut::<Connection>() {
            connection.address = address;
            connection.secure = secure.unwrap_or(connection.secure);
        }
    }
}

/// The middleware before all that looks at the connection.
pub(crate) async fn look_through(State(proxies): State<Proxies>, mut request: Request<Body>, next: Next) -> Response {
    proxies.apply(&mut request);
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn visitor(connected: &str, values: &[&str]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        Proxies::new(&[ip("127.0.0.1"), ip("10.0.0.2")]).visitor(ip(connected), &headers)
    }

    #[test]
    fn a_visitor_is_the_last_one_for_whom_a_trusted_proxy_speaks() {
        assert_eq!(visitor("127.0.0.1", &[]), ip("127.0.0.1"));
        assert_eq!(visitor("127.0.0.1", &["203.0.113.7"]), ip("203.0.113.7"));
        assert_eq!(visitor("::ffff:127.0.0.1", &["2001:db8::7"]), ip("2001:db8::7"));
        // What the visitor himself wrote comes first.
        assert_eq!(visitor("127.0.0.1", &["192.0.2.1, 203.0.113.7"]), ip("203.0.113.7"));
        assert_eq!(visitor("127.0.0.1", &["192.0.2.1", "203.0.113.7"]), ip("203.0.113.7"));
        assert_eq!(visitor("127.0.0.1", &["203.0.113.7, 10.0.0.2"]), ip("203.0.113.7"));
        assert_eq!(visitor("127.0.0.1", &["203.0.113.7, nonsense"]), ip("127.0.0.1"));
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(visitor("198.51.100.9", &["203.0.113.7"]), ip("198.51.100.9"));
        assert_eq!(visitor("198.51.100.9", &["127.0.0.1"]), ip("198.51.100.9"));
    }

    proptest! {
        #[test]
        fn whatever_is_told_the_visitor_is_one_who_was_told(text in "[ -~]{0,80}") {
            let told: Vec<_> = text.split(',').filter_map(|part| part.trim().parse::<IpAddr>().ok()).collect();
            let visitor = visitor("127.0.0.1", &[&text]);
            prop_assert!(visitor == ip("127.0.0.1") || told.contains(&visitor));
        }
    }
}
