//! How fast bytes arrive, over the last seconds. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// Seconds that the rate is taken over: long enough for a keyframe not to show, short enough to follow a change.
const WINDOW: usize = 5;

#[derive(Debug)]
pub(super) struct Meter {
    start: Instant,
    /// Bytes of each of the latest whole seconds and of the present one, by second modulo the length.
    seconds: [u64; WINDOW + 1],
    /// The present second, counted from the start.
    present: u64,
    total: u64,
}

impl Meter {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, seconds: [0; WINDOW + 1], present: 0, total: 0 }
    }

    pub(super) fn record(&mut self, bytes: usize, now: Instant) {
        self.advance(now);
        let bytes = bytes as u64;
        self.total = self.total.saturating_add(bytes);
        let present = self.slot(self.present);
        self.seconds[present] = self.seconds[present].saturating_add(bytes);
    }

    /// Kilobits a second over the latest whole seconds; over the time since the start while that is shorter.
    pub(super) fn kbps(&mut self, now: Instant) -> u64 {
        self.advance(now);
        let elapsed = now.saturating_duration_since(self.start);
        let (bytes, over) = if self.present < WINDOW as u64 {
            (self.seconds.iter().sum(), elapsed.max(Duration::from_millis(100)))
        } else {
            let present = self.seconds[self.slot(self.present)];
            (self.seconds.iter().sum::<u64>() - present, Duration::from_secs(WINDOW as u64))
        };
        u64::try_from(u128::from(bytes) * 8 / over.as_millis()).unwrap_or(u64::MAX)
    }

    /// Bytes since the start.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    fn advance(&mut self, now: Instant) {
        let second = now.saturating_duration_since(self.start).as_secs();
        let passed = second.saturating_sub(self.present).min(self.seconds.len() as u64);
        for offset in 0..passed {
            let slot = self.slot(second - offset);
            self.seconds[slot] = 0;
        }
        self.present = self.present.max(second);
    }

    fn slot(&self, second: u64) -> usize {
        usize::try_from(second % self.seconds.len() as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_what_arrives() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut meter = Meter::new(start);
        assert_eq!(meter.kbps(at(0)), 0);
        for tick in 0..100 {
            meter.record(12_500, at(tick * 100));
        }
        assert_eq!(meter.kbps(at(10_000)), 1000);
        assert_eq!(meter.total(), 1_250_000);
        assert_eq!(meter.kbps(at(12_500)), 600);
        assert_eq!(meter.kbps(at(60_000)), 0);
        meter.record(12_500, at(61_000));
        assert_eq!(meter.kbps(at(62_000)), 20);
        assert_eq!(meter.kbps(at(1_000)), 20);
    }

    #[test]
    fn a_young_publication_has_a_rate_too() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        meter.record(125_000, start + Duration::from_millis(500));
        assert_eq!(meter.kbps(start + Duration::from_secs(1)), 1000);
    }
}
