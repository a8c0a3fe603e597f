//! Stream names whose publishers stay out after their owner ended a broadcast. Pure.
//!
//! Most programs that publish try again by themselves: whoever keeps trying is not let in, whoever begins anew after a while is.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use stream_model::StreamName;

/// For how long a publisher must not have tried. ffmpeg's wrappers try every few seconds, OBS waits longer each time and reaches
/// this after some ten minutes; a person who wants to go on is let in by the owner.
pub(super) const QUIET: Duration = Duration::from_secs(5 * 60);

/// The names, each with the time from which on it is let in.
#[derive(Debug, Default)]
pub(super) struct Refused {
    until: HashMap<StreamName, Instant>,
}

impl Refused {
    pub(super) fn refuse(&mut self, name: &StreamName, now: Instant) {
        self.until.insert(name.clone(), now + QUIET);
    }

    /// Whether a publisher who tries now stays out, and from now on for as long again.
    pub(super) fn handle_try(&mut self, name: &StreamName, now: Instant) -> bool {
        self.forget(now);
        match self.until.get_mut(name) {
            Some(until) => {
                *until = now + QUIET;
                true
            }
            None => false,
        }
    }

    pub(super) fn admit(&mut self, name: &StreamName) {
        self.until.remove(name);
    }

    /// Those that stay out, by name.
    pub(super) fn names(&mut self, now: Instant) -> Vec<StreamName> {
        self.forget(now);
        let mut names: Vec<StreamName> = self.until.keys().cloned().collect();
        names.sort();
        names
    }

    fn forget(&mut self, now: Instant) {
        self.until.retain(|_, until| now < *until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_trying_stays_out_until_the_owner_or_some_quiet_lets_it_in() {
        let (hall, room): (StreamName, StreamName) = ("hall".parse().unwrap(), "room".parse().unwrap());
        let mut now = Instant::now();
        let mut refused = Refused::default();
        assert!(!refused.handle_try(&hall, now));
        refused.refuse(&hall, now);
        for _ in 0..10 {
            now += QUIET - Duration::from_secs(1);
            assert!(refused.handle_try(&hall, now));
            assert!(!refused.handle_try(&room, now), "another name");
        }
        assert_eq!(refused.names(now), std::slice::from_ref(&hall));
        assert!(refused.names(now + QUIET).is_empty());
        assert!(!refused.handle_try(&hall, now + QUIET));

        refused.refuse(&hall, now);
        refused.admit(&hall);
        assert!(!refused.handle_try(&hall, now));
    }
}
