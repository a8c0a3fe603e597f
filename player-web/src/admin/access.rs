//! How the owner gets in over the network: the admin token, one-time links, and the cookies of sessions.
//!
//! The shell around [`Sessions`]: it draws randomness, reads the monotonic clock and the headers of requests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue};
use rand::RngCore as _;
use rand::rngs::OsRng;
use stream_model::FeedId;

use super::sessions::{Flash, Fresh, SESSION_LIFETIME, Secret, SessionId, Sessions};
use crate::AdminToken;
use crate::clock::now;
use crate::cookies;
use crate::owner::{Denied, Guard};
use crate::socket::same_origin;

/// What the name of the cookie begins with.
const COOKIE: &str = "meshstream-owner";

/// How the owner acts over the network: who is in, and who may get in. Clones are the same.
#[derive(Debug, Clone)]
pub struct OwnerAccess {
    guard: Guard,
    sessions: Arc<Mutex<Sessions>>,
    /// Browsers keep cookies of all ports of a host together: each node has a name of its own.
    cookie: Arc<str>,
}

/// Nobody gets in but with a link.
impl Default for OwnerAccess {
    fn default() -> Self {
        Self { guard: Guard::default(), sessions: Arc::default(), cookie: COOKIE.into() }
    }
}

impl OwnerAccess {
    /// Of the node with this feed. Without a token the control socket and the links that it makes are the only ways in.
    pub fn new(token: Option<AdminToken>, node: FeedId) -> Self {
        let digits: String = node.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { guard: Guard::new(token), cookie: format!("{COOKIE}-{digits}").into(), ..Self::default() }
    }

    /// Decides about tokens, and counts wrong secrets of any kind.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Makes a link and returns its secret.
    pub(crate) fn new_link(&self) -> String {
        let secret = random();
        self.with(|sessions, now| sessions.add_link(&secret, now));
        secret.text()
    }

    /// Whether a link lets in.
    pub(crate) fn knows_link(&self, link: &str) -> bool {
        self.with(|sessions, now| sessions.knows_link(link, now))
    }

    /// Uses a link up, and returns the cookie of the session that begins.
    pub(crate) fn enter_by_link(&self, link: &str) -> Option<Secret> {
        let fresh = Fresh { cookie: random(), csrf: random() };
        let cookie = fresh.cookie.clone();
        self.with(|sessions, now| sessions.enter_by_link(link, fresh, now)).then_some(cookie)
    }

    /// Begins a session of somebody who has proved to be the owner, and returns its cookie.
    pub(crate) fn enter(&self) -> Secret {
        let fresh = Fresh { cookie: random(), csrf: random() };
        let cookie = fresh.cookie.clone();
        self.with(|sessions, now| sessions.enter(fresh, now));
        cookie
    }

    /// The session of the browser that sent these headers.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<SessionId> {
        let cookie = cookies::named(headers, &self.cookie).next()?;
        self.with(|sessions, now| sessions.find(cookie, now))
    }

    /// What the forms and scripts of a session send back.
    pub(crate) fn csrf(&self, session: SessionId) -> Option<String> {
        self.with(|sessions, now| sessions.csrf(session, now))
    }

    /// Whether a session may change something now.
    pub(crate) fn change(&self, session: SessionId, headers: &HeaderMap, csrf: &str) -> Result<(), Denied> {
        if !same_origin(headers) {
            return Err(Denied::Origin);
        }
        self.with(|sessions, now| sessions.change(session, csrf, now)).map_err(Denied::from)
    }

    /// Has the next page of a session tell something.
    pub(crate) fn tell(&self, session: SessionId, flash: Flash) {
        self.with(|sessions, now| sessions.tell(session, flash, now));
    }

    /// What is to be told, once.
    pub(crate) fn take_flash(&self, session: SessionId) -> Option<Flash> {
        self.with(|sessions, now| sessions.take_flash(session, now))
    }

    /// Ends a session.
    pub(crate) fn end(&self, session: SessionId) {
        self.with(|sessions, _| sessions.end(session));
    }

    /// Ends all sessions and links; how many sessions there were.
    pub(crate) fn end_all(&self) -> usize {
        self.with(Sessions::end_all)
    }

    /// Has the browser keep the cookie of its session. Scripts cannot read it, and pages of other sites not have it sent.
    pub(crate) fn set_cookie(&self, secret: &Secret, secure: bool) -> Option<HeaderValue> {
        self.cookie_header(&secret.text(), SESSION_LIFETIME.as_secs(), secure)
    }

    /// Has it forget the cookie.
    pub(crate) fn clear_cookie(&self, secure: bool) -> Option<HeaderValue> {
        self.cookie_header("", 0, secure)
    }

    fn cookie_header(&self, value: &str, max_age: u64, secure: bool) -> Option<HeaderValue> {
        let secure = if secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age}{secure}", self.cookie);
        HeaderValue::try_from(text).ok()
    }

    fn with<R>(&self, work: impl FnOnce(&mut Sessions, Instant) -> R) -> R {
        work(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner), now())
    }
}

fn random() -> Secret {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    Secret::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_and_no_other_site_gets_the_cookie() {
        let access = OwnerAccess::new(None, FeedId([0xab; 32]));
        let header = access.set_cookie(&Secret::new([0; 32]), false).unwrap();
        let text = header.to_str().unwrap();
        assert!(text.starts_with("meshstream-owner-abababab=AAAA"), "{text}");
        assert!(text.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{text}");
        let secure = access.clear_cookie(true).unwrap();
        assert_eq!(
            secure.to_str().unwrap(),
            "meshstream-owner-abababab=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure"
        );
    }
}
