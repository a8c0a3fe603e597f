//! Who may act as the node: whoever knows the admin token, reaches the control socket, or has entered with a browser.
//!
//! Programs send the token in a header, which no page of another origin can send unasked. A browser sends the cookie of its
//! session, which counts only together with that session's secret in a header of its own.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::admin::{ChangeRefused, OwnerAccess};
use crate::clock::now;
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

/// In which a script of this node's pages sends the secret of its session.
pub(crate) const CSRF_HEADER: &str = "x-meshstream-csrf";

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

/// Decides about secrets that are sent to act as the node.
#[derive(Debug, Clone, Default)]
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

/// Why a request may not act as the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// There is no token.
    NoToken,
    /// A page of another origin asks.
    Origin,
    /// Nothing was sent to prove it.
    Missing,
    /// What was sent is not it.
    Wrong,
    /// Too many wrong ones came from the address.
    TooMany,
    /// The session is over.
    Ended,
    /// It is not shown that a page of this node asks.
    Csrf,
    /// The session changes too much at a time; how long until its next change.
    TooFast(Duration),
}

impl Guard {
    pub(crate) fn new(token: Option<AdminToken>) -> Self {
        Self { token, failures: Arc::default() }
    }

    fn check(&self, headers: &HeaderMap, address: IpAddr, now: Instant) -> Result<Owner, Denied> {
        if self.token.is_none() {
            return Err(Denied::NoToken);
        }
        if !same_origin(headers) {
            return Err(Denied::Origin);
        }
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        self.check_token(sent.ok_or(Denied::Missing)?, address, now).map(|()| Owner)
    }

    /// Whether this is the token, as far as the address may try.
    pub(crate) fn check_token(&self, sent: &str, address: IpAddr, now: Instant) -> Result<(), Denied> {
        let token = self.token.as_ref().ok_or(Denied::NoToken)?;
        self.attempt(address, now, || token.is(sent))
    }

    /// Tries a secret of any kind, unless too many wrong ones came from the address.
    pub(crate) fn attempt(&self, address: IpAddr, now: Instant, is_right: impl FnOnce() -> bool) -> Result<(), Denied> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.too_many(address, now) {
            return Err(Denied::TooMany);
        }
        if is_right() {
            return Ok(());
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

impl<S: Send + Sync> FromRequestParts<S> for Owner
where
    OwnerAccess: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        if Extension::<OnControlSocket>::from_request_parts(parts, state).await.is_ok() {
            return Ok(Self);
        }
        let access = OwnerAccess::from_ref(state);
        let headers = &parts.headers;
        let decided = match access.session(headers) {
            Some(session) if !headers.contains_key(header::AUTHORIZATION) => {
                let csrf = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
                access.change(session, headers, csrf.unwrap_or_default()).map(|()| Self)
            }
            _ => access.guard().check(headers, address_of(parts), now()),
        };
        decided.map_err(Denied::response)
    }
}

/// The address whose failures count for a request.
pub(crate) fn address_of(parts: &Parts) -> IpAddr {
    serve::address_of(parts.extensions.get::<Connection>()).to_canonical()
}

impl From<ChangeRefused> for Denied {
    fn from(refused: ChangeRefused) -> Self {
        match refused {
            ChangeRefused::Ended => Self::Ended,
            ChangeRefused::Csrf => Self::Csrf,
            ChangeRefused::TooMany(wait) => Self::TooFast(wait),
        }
    }
}

impl Denied {
    /// As a label of metrics.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Origin => "origin",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::TooMany => "too_many",
            Self::Ended => "ended",
            Self::Csrf => "csrf",
            Self::TooFast(_) => "too_fast",
        }
    }

    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NoToken | Self::Origin | Self::Csrf => StatusCode::FORBIDDEN,
            Self::Missing | Self::Wrong | Self::Ended => StatusCode::UNAUTHORIZED,
            Self::TooMany | Self::TooFast(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// How long to wait before the next try, where that helps.
    pub(crate) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::TooMany => Some(FAILURE_WINDOW),
            Self::TooFast(wait) => Some(wait),
            _ => None,
        }
    }

    /// Counts it, for who watches over the node.
    pub(crate) fn count(self) {
        metrics::counter!("meshstream_web_denied_total", "reason" => self.reason()).increment(1);
    }

    fn response(self) -> Response {
        let message = match self {
            Self::NoToken => "this node takes this on its control socket only",
            Self::Origin => "only pages of this node may ask for this",
            Self::Missing => "only the owner may do this: send the node's admin token as 'Authorization: Bearer TOKEN'",
            Self::Wrong => "this is not the node's admin token: it stands in the file that web.admin_token_file names",
            Self::TooMany => "too many wrong tokens from this address: wait a minute",
            Self::Ended => "the session is over: enter again at /admin",
            Self::Csrf => {
                "only pages of this node may ask for this: send what /api/v1/session says as X-Meshstream-CSRF"
            }
            Self::TooFast(_) => "too many changes in a short time: wait a moment",
        };
        self.count();
        let mut response = json_error(self.status(), message).into_response();
        let headers = response.headers_mut();
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
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
