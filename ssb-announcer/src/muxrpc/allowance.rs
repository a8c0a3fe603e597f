//! How many calls a peer may make in a time. Pure: time is an argument.

use std::time::{Duration, Instant};

/// Calls that a peer may make at once: more than the streams that it may have open, because one without EBT opens them
/// all when it has connected.
pub const BURST: u32 = 1_024;
/// A further call is allowed after this time. JavaScript peers ping twice a minute and ask for a blob now and then.
pub const ONE_MORE_AFTER: Duration = Duration::from_millis(100);

/// The calls that a peer has left.
#[derive(Debug)]
pub struct Allowance {
    left: u32,
    counted_until: Instant,
}

impl Allowance {
    /// All of them.
    pub fn new(now: Instant) -> Self {
        Self { left: BURST, counted_until: now }
    }

    /// Takes one; `false` where none is left.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted_until).as_millis() / ONE_MORE_AFTER.as_millis();
        let earned = u32::try_from(passed).unwrap_or(u32::MAX).min(BURST);
        self.counted_until = if earned == BURST { now } else { self.counted_until + ONE_MORE_AFTER * earned };
        self.left = self.left.saturating_add(earned).min(BURST);
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_at_a_time() {
        let mut now = Instant::now();
        let mut allowance = Allowance::new(now);
        assert!((0..BURST).all(|_| allowance.take(now)));
        assert!(!allowance.take(now));
        now += ONE_MORE_AFTER + ONE_MORE_AFTER / 2;
        assert!(allowance.take(now));
        assert!(!allowance.take(now));
        now += ONE_MORE_AFTER / 2;
        assert!(allowance.take(now), "what is left of the time before counts");
    }

    #[test]
    fn a_long_rest_earns_no_more_than_a_burst() {
        let mut now = Instant::now();
        let mut allowance = Allowance::new(now);
        assert!((0..BURST).all(|_| allowance.take(now)));
        now += Duration::from_secs(1 << 30);
        assert!((0..BURST).all(|_| allowance.take(now)));
        assert!(!allowance.take(now));
    }
}
