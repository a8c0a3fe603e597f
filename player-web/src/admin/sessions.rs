//! The one-time links that were made, and the browsers in which the owner has entered.
//!
//! Comes in: secrets made of randomness, what browsers send, and the monotonic time. Goes out: who is let in, and for how
//! long. Of a secret that lets in only the hash is kept, all of it in memory only: a restart of the node ends every
//! session. Does no input or output, reads no clock.

use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use stream_model::StreamKey;
use subtle::ConstantTimeEq as _;

/// How long a link lets in: the way from a terminal to a phone.
pub(crate) const LINK_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Links that wait to be used. A further one takes the place of the oldest: who makes that many has lost those before.
const MAX_LINKS: usize = 8;

/// Browsers that are in at a time. One more ends the session that was longest without use.
const MAX_SESSIONS: usize = 16;

/// How long a session lasts without being used: through an evening's show, and not until who borrowed the phone looks.
pub(crate) const IDLE_LIFETIME: Duration = Duration::from_secs(2 * 3_600);

/// How long a session lasts at most. Over plain HTTP its cookie can be heard on the radio: it is not to be of use for long.
pub(crate) const SESSION_LIFETIME: Duration = Duration::from_secs(12 * 3_600);

/// Changes that a session may make at once: whoever cleans up after a night of comments clicks fast.
const CHANGE_BURST: u32 = 30;

/// After so long it may make one more. Each may append to a feed that every node keeps for ever.
const CHANGE_PAUSE: Duration = Duration::from_secs(2);

/// 256 random bits. Prints redacted.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// Takes bytes that nobody can guess.
    pub(crate) fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// As it stands in a URL, a cookie or a form: 43 characters.
    pub(crate) fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Hash of a secret's text: names it without letting anybody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionId([u8; 32]);

impl SessionId {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Takes the same time whatever is different.
    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The secrets of a session that begins.
#[derive(Debug, Clone)]
pub(crate) struct Fresh {
    /// In the cookie.
    pub(crate) cookie: Secret,
    /// In every form, so that no other page can send one.
    pub(crate) csrf: Secret,
}

/// What the next page tells once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flash {
    /// For people, in the language of the page that asked.
    pub(crate) text: String,
    /// A stream key that was just made.
    pub(crate) key: Option<(String, StreamKey)>,
}

/// Why a change is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeRefused {
    /// The session is over.
    Ended,
    /// The form is not one of this session's.
    Csrf,
    /// Too many in a short time; how long until the next.
    TooMany(Duration),
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    links: Vec<Link>,
    open: Vec<Session>,
}

#[derive(Debug)]
struct Link {
    hash: SessionId,
    made: Instant,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    csrf: Secret,
    began: Instant,
    used: Instant,
    flash: Option<Flash>,
    changes: Allowance,
}

impl Link {
    fn lasts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.made) < LINK_LIFETIME
    }
}

impl Session {
    fn lasts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < SESSION_LIFETIME
            && now.saturating_duration_since(self.used) < IDLE_LIFETIME
    }
}

impl Sessions {
    /// Lets in whoever comes first with this secret.
    pub(crate) fn add_link(&mut self, secret: &Secret, now: Instant) {
        self.links.retain(|link| link.lasts(now));
        if self.links.len() >= MAX_LINKS {
            self.links.remove(0);
        }
        self.links.push(Link { hash: SessionId::of(&secret.text()), made: now });
    }

    /// Whether a link would let in. Looking does not use it up: programs that preview links look, too.
    pub(crate) fn knows_link(&self, text: &str, now: Instant) -> bool {
        self.find_link(text, now).is_some()
    }

    /// Uses a link up and begins a session; `false` where it does not let in.
    pub(crate) fn enter_by_link(&mut self, text: &str, fresh: Fresh, now: Instant) -> bool {
        let Some(position) = self.find_link(text, now) else { return false };
        self.links.remove(position);
        self.enter(fresh, now);
        true
    }

    fn find_link(&self, text: &str, now: Instant) -> Option<usize> {
        let hash = SessionId::of(text);
        self.links.iter().position(|link| link.hash.is(&hash) && link.lasts(now))
    }

    /// Begins a session of somebody who has proved to be the owner.
    pub(crate) fn enter(&mut self, fresh: Fresh, now: Instant) {
        self.open.retain(|session| session.lasts(now));
        if self.open.len() >= MAX_SESSIONS {
            let oldest = self.open.iter().enumerate().min_by_key(|(_, session)| session.used).map(|(index, _)| index);
            oldest.map(|index| self.open.swap_remove(index));
        }
        let id = SessionId::of(&fresh.cookie.text());
        let changes = Allowance::full(now);
        self.open.push(Session { id, csrf: fresh.csrf, began: now, used: now, flash: None, changes });
    }

    /// The session whose cookie this is, which counts as its use.
    pub(crate) fn find(&mut self, cookie: &str, now: Instant) -> Option<SessionId> {
        let id = SessionId::of(cookie);
        let session = self.session(id, now)?;
        session.used = now;
        Some(id)
    }

    fn session(&mut self, id: SessionId, now: Instant) -> Option<&mut Session> {
        self.open.retain(|session| session.lasts(now));
        self.open.iter_mut().find(|session| session.id.is(&id))
    }

    /// What a session's forms carry.
    pub(crate) fn csrf(&mut self, id: SessionId, now: Instant) -> Option<String> {
        self.session(id, now).map(|session| session.csrf.text())
    }

    /// Whether a session may change something now, with the secret of the form that asks.
    pub(crate) fn change(&mut self, id: SessionId, csrf: &str, now: Instant) -> Result<(), ChangeRefused> {
        let session = self.session(id, now).ok_or(ChangeRefused::Ended)?;
        if !SessionId::of(&session.csrf.text()).is(&SessionId::of(csrf)) {
            return Err(ChangeRefused::Csrf);
        }
        session.changes.take(now).map_err(ChangeRefused::TooMany)
    }

    /// Has the next page tell something.
    pub(crate) fn tell(&mut self, id: SessionId, flash: Flash, now: Instant) {
        if let Some(session) = self.session(id, now) {
            session.flash = Some(flash);
        }
    }

    /// What is to be told, once.
    pub(crate) fn take_flash(&mut self, id: SessionId, now: Instant) -> Option<Flash> {
        self.session(id, now)?.flash.take()
    }

    /// Ends a session.
    pub(crate) fn end(&mut self, id: SessionId) {
        self.open.retain(|session| !session.id.is(&id));
    }

    /// Ends all sessions and links. How many sessions there were.
    pub(crate) fn end_all(&mut self, now: Instant) -> usize {
        self.links.clear();
        let ended = self.open.iter().filter(|session| session.lasts(now)).count();
        self.open.clear();
        ended
    }
}

/// Changes that may be made: each takes one, and time gives them back.
#[derive(Debug)]
struct Allowance {
    left: u32,
    counted: Instant,
}

impl Allowance {
    fn full(now: Instant) -> Self {
        Self { left: CHANGE_BURST, counted: now }
    }

    /// How long to wait where there is none left.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.counted);
        let gained = u32::try_from(passed.as_millis() / CHANGE_PAUSE.as_millis()).unwrap_or(u32::MAX);
        if gained >= CHANGE_BURST - self.left {
            (self.left, self.counted) = (CHANGE_BURST, now);
        } else {
            self.left += gained;
            self.counted += CHANGE_PAUSE * gained;
        }
        if self.left == 0 {
            return Err(CHANGE_PAUSE.saturating_sub(now.saturating_duration_since(self.counted)));
        }
        self.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::new([byte; 32])
    }

    fn fresh(byte: u8) -> Fresh {
        Fresh { cookie: secret(byte), csrf: secret(byte.wrapping_add(100)) }
    }

    /// One session, of the cookie 1 with the form secret 101.
    fn entered(now: Instant) -> (Sessions, SessionId) {
        let mut sessions = Sessions::default();
        sessions.enter(fresh(1), now);
        let id = sessions.find(&secret(1).text(), now).unwrap();
        (sessions, id)
    }

    #[test]
    fn a_link_lets_in_once() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        sessions.add_link(&secret(9), now);
        assert!(sessions.knows_link(&secret(9).text(), now));
        assert!(sessions.knows_link(&secret(9).text(), now), "a look does not use it up");
        assert!(!sessions.enter_by_link(&secret(8).text(), fresh(1), now));
        assert!(sessions.find(&secret(1).text(), now).is_none());
        assert!(sessions.enter_by_link(&secret(9).text(), fresh(1), now));
        assert!(sessions.find(&secret(1).text(), now).is_some());
        assert!(!sessions.enter_by_link(&secret(9).text(), fresh(2), now));
        assert!(sessions.find(&secret(2).text(), now).is_none());
    }

    #[test]
    fn a_link_ends_after_ten_minutes() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        sessions.add_link(&secret(9), now);
        let last = now + LINK_LIFETIME - Duration::from_millis(1);
        assert!(sessions.knows_link(&secret(9).text(), last));
        assert!(!sessions.knows_link(&secret(9).text(), now + LINK_LIFETIME));
        assert!(!sessions.enter_by_link(&secret(9).text(), fresh(1), now + LINK_LIFETIME));
    }

    #[test]
    fn the_oldest_link_makes_room_for_a_further_one() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        for byte in 0..=u8::try_from(MAX_LINKS).unwrap() {
            sessions.add_link(&secret(byte), now);
        }
        assert!(!sessions.knows_link(&secret(0).text(), now));
        assert!((1..=MAX_LINKS).all(|byte| sessions.knows_link(&secret(u8::try_from(byte).unwrap()).text(), now)));
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_when_it_is_old() {
        let now = Instant::now();
        let cookie = secret(1).text();
        let (mut sessions, _) = entered(now);
        assert!(sessions.find(&cookie, now + IDLE_LIFETIME).is_none());

        let (mut sessions, _) = entered(now);
        let step = IDLE_LIFETIME - Duration::from_secs(1);
        let mut time = now;
        while time + step < now + SESSION_LIFETIME {
            time += step;
            assert!(sessions.find(&cookie, time).is_some(), "use prolongs it");
        }
        assert!(sessions.find(&cookie, now + SESSION_LIFETIME).is_none(), "but not for ever");
    }

    #[test]
    fn the_session_that_was_longest_without_use_makes_room() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let second = |count: usize| now + Duration::from_secs(count as u64);
        for byte in 0..MAX_SESSIONS {
            sessions.enter(fresh(u8::try_from(byte).unwrap()), second(byte));
        }
        assert!(sessions.find(&secret(0).text(), second(MAX_SESSIONS)).is_some());
        sessions.enter(fresh(99), second(MAX_SESSIONS + 1));
        let time = second(MAX_SESSIONS + 2);
        assert!(sessions.find(&secret(1).text(), time).is_none());
        assert!(sessions.find(&secret(0).text(), time).is_some(), "it was used after that");
        assert!(sessions.find(&secret(99).text(), time).is_some());
    }

    #[test]
    fn only_the_form_of_the_same_session_changes_something() {
        let now = Instant::now();
        let (mut sessions, id) = entered(now);
        sessions.enter(fresh(2), now);
        assert_eq!(sessions.csrf(id, now), Some(secret(101).text()));
        assert_eq!(sessions.change(id, &secret(101).text(), now), Ok(()));
        for wrong in ["", &secret(102).text(), &secret(1).text()] {
            assert_eq!(sessions.change(id, wrong, now), Err(ChangeRefused::Csrf));
        }
        sessions.end(id);
        assert_eq!(sessions.change(id, &secret(101).text(), now), Err(ChangeRefused::Ended));
        assert!(sessions.find(&secret(2).text(), now).is_some(), "others stay");
    }

    #[test]
    fn changes_are_limited_and_time_allows_more() {
        let now = Instant::now();
        let (mut sessions, id) = entered(now);
        let csrf = secret(101).text();
        for _ in 0..CHANGE_BURST {
            assert_eq!(sessions.change(id, &csrf, now), Ok(()));
        }
        assert_eq!(sessions.change(id, &csrf, now), Err(ChangeRefused::TooMany(CHANGE_PAUSE)));
        assert_eq!(sessions.change(id, "wrong", now), Err(ChangeRefused::Csrf));
        let soon = now + CHANGE_PAUSE - Duration::from_millis(500);
        assert_eq!(sessions.change(id, &csrf, soon), Err(ChangeRefused::TooMany(Duration::from_millis(500))));
        assert_eq!(sessions.change(id, &csrf, now + CHANGE_PAUSE), Ok(()));
        assert!(sessions.change(id, &csrf, now + CHANGE_PAUSE).is_err());
    }

    #[test]
    fn what_is_to_be_told_is_told_once_and_to_nobody_else() {
        let now = Instant::now();
        let (mut sessions, id) = entered(now);
        sessions.enter(fresh(2), now);
        let other = sessions.find(&secret(2).text(), now).unwrap();
        let flash = Flash { text: "done".to_owned(), key: None };
        sessions.tell(id, flash.clone(), now);
        assert_eq!(sessions.take_flash(other, now), None);
        assert_eq!(sessions.take_flash(id, now), Some(flash));
        assert_eq!(sessions.take_flash(id, now), None);
    }

    #[test]
    fn all_are_ended_at_once() {
        let now = Instant::now();
        let (mut sessions, id) = entered(now);
        sessions.enter(fresh(2), now);
        sessions.add_link(&secret(9), now);
        assert_eq!(sessions.end_all(now), 2);
        assert_eq!(sessions.csrf(id, now), None);
        assert!(!sessions.knows_link(&secret(9).text(), now));
        assert_eq!(sessions.end_all(now), 0);
    }

    #[test]
    fn secrets_print_redacted() {
        let (sessions, _) = entered(Instant::now());
        assert!(!format!("{sessions:?}").contains(&secret(101).text()));
        assert_eq!(secret(0).text().len(), 43);
    }

    proptest! {
        #[test]
        fn the_allowance_never_gives_more_than_the_burst_and_what_time_adds(
            steps in proptest::collection::vec(0_u64..5_000, 1..200),
        ) {
            let start = Instant::now();
            let (mut allowance, mut now, mut taken) = (Allowance::full(start), start, 0_u128);
            for step in steps {
                now += Duration::from_millis(step);
                taken += u128::from(allowance.take(now).is_ok());
                let earned = now.duration_since(start).as_millis() / CHANGE_PAUSE.as_millis();
                prop_assert!(taken <= u128::from(CHANGE_BURST) + earned);
            }
        }
    }
}
