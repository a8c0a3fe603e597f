//! Which renditions of a broadcast its way here carries. Pure.
//!
//! With room to spare: other things come over the same way, and a rate is an average. Small segments measure round trips: what came
//! easily for a while is a reason to measure with a segment of the next higher, less often each time.

/// What is let through may need so much of what is carried, in percent.
const KEEP_PERCENT: u64 = 85;
/// And what is let through anew.
const TAKE_PERCENT: u64 = 70;
/// Segments in a row that came easily, after which the next higher is measured, the first time.
const EASY: u32 = 3;
const MOST_EASY: u32 = 96;

/// The highest bit rate that is let through, in bit/s.
#[derive(Debug)]
pub(super) struct Ceiling {
    bandwidth: Option<u64>,
    easy: u32,
    /// How many it takes.
    enough: u32,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self { bandwidth: None, easy: 0, enough: EASY }
    }
}

impl Ceiling {
    /// `None` while nothing was measured.
    pub(super) fn bandwidth(&self) -> Option<u64> {
        self.bandwidth
    }

    /// So much is carried, in bit/s, of renditions with these rates. True where something changes.
    pub(super) fn handle_measured(&mut self, estimate: f64, ladder: &[u64]) -> bool {
        let carried = |percent: u64| {
            let fits = ladder.iter().filter(|bandwidth| **bandwidth as f64 * 100.0 <= estimate * percent as f64);
            // The least of all comes, as far as it does.
            fits.max().or_else(|| ladder.iter().min()).copied()
        };
        let (Some(keeps), Some(takes)) = (carried(KEEP_PERCENT), carried(TAKE_PERCENT)) else { return false };
        let next = match self.bandwidth {
            None => takes,
            Some(known) if known > keeps => takes,
            Some(known) => known.max(takes),
        };
        if self.bandwidth.is_some_and(|known| next > known) {
            self.enough = EASY;
        }
        self.bandwidth.replace(next) != Some(next)
    }

    /// A segment came; `easily` where in a small part of the time that it plays. The rate of the next higher, where it is time to
    /// measure with that.
    pub(super) fn handle_fetched(&mut self, easily: bool, ladder: &[u64]) -> Option<u64> {
        self.easy = if easily { self.easy + 1 } else { 0 };
        let known = self.bandwidth.filter(|_| self.easy >= self.enough)?;
        (self.easy, self.enough) = (0, (self.enough * 2).min(MOST_EASY));
        ladder.iter().filter(|bandwidth| **bandwidth > known).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: [u64; 3] = [100_000, 600_000, 2_000_000];

    #[test]
    fn what_is_carried_with_room_to_spare_is_let_through() {
        for (estimate, expected) in [(4e6, 2_000_000), (2.2e6, 600_000), (700e3, 100_000), (1.0, 100_000)] {
            let mut ceiling = Ceiling::default();
            assert!(ceiling.handle_measured(estimate, &LADDER));
            assert_eq!(ceiling.bandwidth(), Some(expected), "{estimate}");
        }
        assert!(!Ceiling::default().handle_measured(4e6, &[]), "there is nothing to choose");
    }

    #[test]
    fn a_little_more_or_less_changes_nothing() {
        let mut ceiling = Ceiling::default();
        ceiling.handle_measured(3e6, &LADDER);
        assert!(!ceiling.handle_measured(2.4e6, &LADDER));
        assert_eq!(ceiling.bandwidth(), Some(2_000_000));
        assert!(ceiling.handle_measured(2.3e6, &LADDER));
        assert_eq!(ceiling.bandwidth(), Some(600_000));
        assert!(!ceiling.handle_measured(2.4e6, &LADDER));
        assert!(ceiling.handle_measured(2.9e6, &LADDER));
        assert_eq!(ceiling.bandwidth(), Some(2_000_000));
    }

    #[test]
    fn what_came_easily_has_the_next_higher_measured_less_often_each_time() {
        let mut ceiling = Ceiling::default();
        ceiling.handle_measured(200e3, &LADDER);
        for expected in [3, 6, 12] {
            let tries: Vec<_> = (0..expected).map(|_| ceiling.handle_fetched(true, &LADDER)).collect();
            assert!(tries.iter().rev().skip(1).all(Option::is_none), "{tries:?}");
            assert_eq!(tries.last(), Some(&Some(600_000)));
            assert_eq!(ceiling.bandwidth(), Some(100_000));
        }
        ceiling.handle_measured(2e6, &LADDER);
        assert_eq!(
            (0..3).filter_map(|_| ceiling.handle_fetched(true, &LADDER)).next(),
            Some(2_000_000),
            "it begins anew"
        );
    }

    #[test]
    fn what_does_not_come_easily_all_the_time_is_no_reason_to_measure_more() {
        let mut ceiling = Ceiling::default();
        ceiling.handle_measured(200e3, &LADDER);
        assert!(!(0..30).any(|number| ceiling.handle_fetched(number % 3 != 0, &LADDER).is_some()));
    }
}
