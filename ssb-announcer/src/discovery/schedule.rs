//! When this node says where it is. Pure: time and chance are arguments.
//!
//! Every few seconds while there is news (an interface, a peer), seldom once nothing changes: a radio that is not woken
//! spares the battery.

use std::time::{Duration, Instant};

/// About how often while there is news. JavaScript forgets a peer it is not connected to after ten seconds of silence.
const EVERY: Duration = Duration::from_secs(5);
/// Without news for this long, the network counts as settled.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
/// About how often in a settled network. A newcomer does not wait for it: its own announcement is news.
const SETTLED_EVERY: Duration = Duration::from_secs(20);
/// Newcomers are answered within this, at a random moment, so that not all nodes answer at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Schedule {
    next: Instant,
    sent: Option<Instant>,
    news: Instant,
}

impl Schedule {
    /// The first announcement is due at once.
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, sent: None, news: now }
    }

    /// Something changed: whoever is new hears of this node soon. `chance` is uniform in 0..1.
    pub(super) fn handle_news(&mut self, now: Instant, chance: f64) {
        self.news = now;
        let soon = now + ANSWER_WITHIN.mul_f64(chance.clamp(0.0, 1.0));
        // However much changes, once a second is enough.
        let earliest = self.sent.map_or(now, |sent| sent + ANSWER_WITHIN);
        self.next = self.next.min(soon.max(earliest));
    }

    /// An announcement was sent. `chance` is uniform in 0..1.
    pub(super) fn handle_sent(&mut self, now: Instant, chance: f64) {
        let settled = now.saturating_duration_since(self.news) >= SETTLED_AFTER;
        let every = if settled { SETTLED_EVERY } else { EVERY };
        self.sent = Some(now);
        self.next = now + every.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0));
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_become_rare_where_nothing_changes_and_frequent_again_with_news() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        let mut sent = Vec::new();
        while schedule.next() < start + Duration::from_secs(200) {
            sent.push(schedule.next() - start);
            schedule.handle_sent(schedule.next(), 0.5);
        }
        let within = |from, to| sent.iter().filter(|at| (from..to).contains(&at.as_secs())).count();
        assert_eq!((sent[0], within(0, 60), within(60, 200)), (Duration::ZERO, 12, 7));
        let news = start + Duration::from_secs(190);
        schedule.handle_news(news, 0.5);
        assert_eq!(schedule.next(), news + Duration::from_millis(500));
        schedule.handle_sent(schedule.next(), 0.0);
        assert_eq!(schedule.next(), news + Duration::from_millis(4_500));
    }

    #[test]
    fn a_flood_of_news_is_answered_once_a_second() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        let mut sent = 0;
        for tick in 0..10_000 {
            let now = start + Duration::from_millis(tick);
            schedule.handle_news(now, 0.0);
            if schedule.next() <= now {
                schedule.handle_sent(now, 0.0);
                sent += 1;
            }
        }
        assert_eq!(sent, 10);
    }

    #[test]
    fn news_never_delays_what_is_due() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        schedule.handle_news(start, 1.0);
        assert_eq!(schedule.next(), start);
    }
}
