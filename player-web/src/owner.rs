//! Who may act as the node: whoever knows the admin token, or reaches the control socket.
//!
//! The token comes in a header only, which no page of another origin can send unasked, and never in a cookie.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::app::AppState;
use crate::routes::json_error;
use crate::serve::{self, Connection};
use crate::socket::same_origin;

/// Fewest characters of a token: what a person makes up in earnest. Those made by the node have 64.
const MIN_TOKEN_CHARS: usize = 16;

/// Most characters of a token, well below what a request's head may have.
const MAX_TOKEN_CHARS: usize = 1_024;

/// Wrong tokens that one address may send within [`FAILURE_WINDOW`].
const MAX_FAILURES: u32 = 10;

/// The time within which they are counted.
const FAILURE_WINDOW: Duration = Duration::from_secs(60);

/// Addresses whose failures are remembered, about 64 bytes each. Whoever has more addresses than this gains guesses, which
/// the length of a token makes useless.
const MAX_ADDRESSES: usize = 1_024;

/// The secret with which the owner acts over the network. Prints redacted; only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken([u8; 32]);

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an admin token has 16 to 1024 visible ASCII characters: write one, or remove the file to have one made")]
pub struct TokenError;

impl AdminToken {
    /// Takes a token as it stands in its file.
    ///
    /// # Errors
    /// [`TokenError`] where it is too short, too long, or cannot be sent in a header.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let fits = (MIN_TOKEN_CHARS..=MAX_TOKEN_CHARS).contains(&text.len());
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits && visible { Ok(Self(Sha256::digest(text).into())) } else { Err(TokenError) }
    }

    /// Takes the same time whatever is different. Hashes are compared, so that not even the length shows.
    fn is(&self, text: &str) -> bool {
        let other: [u8; 32] = Sha256::digest(text).into();
        self.0.ct_eq(&other).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(redacted)")
    }
}

/// Decides about requests that act as the node.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    token: Option<AdminToken>,
    failures: Arc<Mutex<Failures>>,
}

/// Marks requests that came by the control socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnControlSocket;

/// The owner: a request that has this may act as the node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    NoToken,
    Origin,
    Missing,
    Wrong,
    TooMany,
}

impl Guard {
    pub(crate) fn new(token: Option<AdminToken>) -> Self {
        Self { token, failures: Arc::default() }
    }

    fn check(&self, headers: &HeaderMap, address: IpAddr, now: Instant) -> Result<Owner, Denied> {
        let token = self.token.as_ref().ok_or(Denied::NoToken)?;
        if !same_origin(headers) {
            return Err(Denied::Origin);
        }
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        let sent = sent.ok_or(Denied::Missing)?;
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.too_many(address, now) {
            return Err(Denied::TooMany);
        }
        if token.is(sent) {
            return Ok(Owner);
        }
        failures.count(address, now);
        Err(Denied::Wrong)
    }
}

/// The token of `Bearer TOKEN` (RFC 6750 §2.1; the scheme in any case, RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl FromRequestParts<AppState> for Owner {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        if Extension::<OnControlSocket>::from_request_parts(parts, state).await.is_ok() {
            return Ok(Self);
        }
        let address = serve::address_of(parts.extensions.get::<Connection>()).to_canonical();
        state.guard.check(&parts.headers, address, Instant::now()).map_err(Denied::response)
    }
}

impl Denied {
    fn response(self) -> Response {
        let (reason, status, message) = match self {
            Self::NoToken => ("no_token", StatusCode::FORBIDDEN, "this node takes this on its control socket only"),
            Self::Origin => ("origin", StatusCode::FORBIDDEN, "only pages of this node may ask for this"),
            Self::Missing => (
                "missing",
                StatusCode::UNAUTHORIZED,
                "only the owner may do this: send the node's admin token as 'Authorization: Bearer TOKEN'",
            ),
            Self::Wrong => (
                "wrong",
                StatusCode::UNAUTHORIZED,
                "this is not the node's admin token: it stands in the file that web.admin_token_file names",
            ),
            Self::TooMany => {
                ("too_many", StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens from this address: wait a minute")
            }
        };
        metrics::counter!("meshstream_web_denied_total", "reason" => reason).increment(1);
        let mut response = json_error(status, message).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(FAILURE_WINDOW.as_secs()));
        }
        response
    }
}

/// Wrong tokens of each address within a window of time.
#[derive(Debug, Default)]
struct Failures {
    counted: HashMap<IpAddr, (Instant, u32)>,
}

impl Failures {
    fn too_many(&self, address: IpAddr, now: Instant) -> bool {
        self.counted.get(&address).is_some_and(|(began, count)| *count >= MAX_FAILURES && is_recent(*began, now))
    }

    fn count(&mut self, address: IpAddr, now: Instant) {
        if self.counted.len() >= MAX_ADDRESSES && !self.counted.contains_key(&address) {
            self.counted.retain(|_, (began, _)| is_recent(*began, now));
            let oldest = self.counted.iter().min_by_key(|(_, (began, _))| *began).map(|(address, _)| *address);
            if let Some(oldest) = oldest.filter(|_| self.counted.len() >= MAX_ADDRESSES) {
                self.counted.remove(&oldest);
            }
        }
        let (began, count) = self.counted.entry(address).or_insert((now, 0));
        if !is_recent(*began, now) {
            (*began, *count) = (now, 0);
        }
        *count += 1;
    }
}

fn is_recent(began: Instant, now: Instant) -> bool {
    now.saturating_duration_since(began) < FAILURE_WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery";

    fn address(byte: u8) -> IpAddr {
        [10, 0, 0, byte].into()
    }

    fn guard() -> Guard {
        Guard::new(Some(AdminToken::new(TOKEN).unwrap()))
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn with(authorization: &str) -> HeaderMap {
        headers(&[(header::AUTHORIZATION, authorization)])
    }

    #[track_caller]
    fn check(guard: &Guard, headers: &HeaderMap, expected: Result<(), Denied>) {
        assert_eq!(guard.check(headers, address(1), Instant::now()).map(|Owner| ()), expected);
    }

    #[test]
    fn only_the_token_opens() {
        check(&guard(), &with(&format!("Bearer {TOKEN}")), Ok(()));
        check(&guard(), &with(&format!("bearer  {TOKEN}")), Ok(()));
        check(&guard(), &with("Bearer wrong"), Err(Denied::Wrong));
        check(&guard(), &with(&format!("Bearer {TOKEN}x")), Err(Denied::Wrong));
        check(&guard(), &with(&format!("Basic {TOKEN}")), Err(Denied::Missing));
        check(&guard(), &with(TOKEN), Err(Denied::Missing));
        check(&guard(), &HeaderMap::new(), Err(Denied::Missing));
        check(&Guard::new(None), &with(&format!("Bearer {TOKEN}")), Err(Denied::NoToken));
    }

    #[test]
    fn a_page_of_another_origin_is_refused_even_with_the_token() {
        let bearer = format!("Bearer {TOKEN}");
        let from = |origin| {
            headers(&[(header::AUTHORIZATION, bearer.as_str()), (header::HOST, "node:8080"), (header::ORIGIN, origin)])
        };
        check(&guard(), &from("http://node:8080"), Ok(()));
        check(&guard(), &from("http://evil.example"), Err(Denied::Origin));
    }

    #[test]
    fn guessing_ends_after_some_tries_and_may_go_on_a_minute_later() {
        let (guard, now) = (guard(), Instant::now());
        let (wrong, right) = (with("Bearer wrong"), with(&format!("Bearer {TOKEN}")));
        for _ in 0..MAX_FAILURES {
            assert_eq!(guard.check(&wrong, address(1), now).unwrap_err(), Denied::Wrong);
        }
        assert_eq!(guard.check(&wrong, address(1), now).unwrap_err(), Denied::TooMany);
        assert_eq!(guard.check(&right, address(1), now).unwrap_err(), Denied::TooMany, "else guessing would go on");
        assert!(guard.check(&right, address(2), now).is_ok(), "others are not held back");
        assert!(guard.check(&right, address(1), now + FAILURE_WINDOW).is_ok());
    }

    #[test]
    fn only_some_addresses_are_remembered() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for number in 0..3_000_u32 {
            failures.count(IpAddr::V4(number.into()), now + Duration::from_millis(number.into()));
            assert!(failures.counted.len() <= MAX_ADDRESSES);
        }
    }

    #[test]
    fn a_token_that_could_be_guessed_or_not_be_sent_is_refused() {
        for text in ["", "short", "fifteen-letters", "with a space in it", "mit-Umläuten-darin", &"x".repeat(1_025)] {
            assert_eq!(AdminToken::new(text), Err(TokenError), "{text}");
        }
        assert_eq!(format!("{:?}", AdminToken::new(TOKEN).unwrap()), "AdminToken(redacted)");
    }
}
