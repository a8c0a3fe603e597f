//! How long to wait before something local is tried again. Pure.

use std::time::Duration;

/// A busy database or disk is often free again at once.
const FIRST: Duration = Duration::from_millis(200);
/// A full disk is found free again within this time, and is not worn by trying.
const LONGEST: Duration = Duration::from_secs(10);

/// Doubles up to a bound. Without jitter: nobody else waits for the same disk.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// The wait before the next try.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        wait
    }

    /// Whether nothing has failed since the last success: the time to tell somebody.
    pub(super) fn is_fresh(&self) -> bool {
        self.0 == FIRST
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}
