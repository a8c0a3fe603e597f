//! When to read a neighbour's `/nodeinfo.json` ahead of time, because the tag in its answers to probes says that it knows other nodes
//! (`docs/protocol/probes.md`). Time and chance are arguments. The tag is the neighbour's word: whoever changes it with each probe is
//! read a few times, and then rarely.

use std::time::{Duration, Instant};

use super::peer::spread;

/// Between two readings, at most; at least half of it. As often as there is a probe.
const PAUSE: Duration = Duration::from_secs(2);
/// Readings ahead of time in a row: as many as the nodes that are met one after the other where all are switched on at once.
const BURST: u32 = 16;
/// One more reading ahead of time is allowed after each of these, up to [`BURST`].
const EARNED: Duration = Duration::from_secs(10);

/// Of one neighbour.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The tag in its last answer to a probe.
    heard: Option<u64>,
    /// What the tag was when it was asked.
    asked: Option<u64>,
    /// The tag of what was read of it last, or that of a little before.
    read: Option<u64>,
    not_before: Option<Instant>,
    /// Until when what was read ahead of time is earned.
    spent_until: Option<Instant>,
    reading: bool,
}

impl News {
    pub(super) fn handle_tag(&mut self, tag: Option<u64>) {
        self.heard = tag;
    }

    /// Whether it is read now, ahead of time. `ours` is the tag of this node: who knows the same has no news.
    pub(super) fn take(&mut self, ours: u64, now: Instant) -> bool {
        let news = self.heard.is_some_and(|tag| tag != ours && self.read != Some(tag));
        let spent_until = self.spent_until.map_or(now, |until| until.max(now)) + EARNED;
        let allowed = spent_until <= now + EARNED * BURST && self.not_before.is_none_or(|at| at <= now);
        if news && allowed {
            self.spent_until = Some(spent_until);
            self.reading = true;
        }
        news && allowed
    }

    /// Whether it is being read ahead of time.
    pub(super) fn is_reading(&self) -> bool {
        self.reading
    }

    /// It is asked, ahead of time or not.
    pub(super) fn handle_asked(&mut self) {
        self.asked = self.heard;
    }

    /// It answered, or could not be asked.
    pub(super) fn handle_answer(&mut self, answered: bool, now: Instant, jitter: f64) {
        self.reading = false;
        self.not_before = Some(now + spread(PAUSE, jitter));
        if answered {
            self.read = self.asked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: u64 = 1;

    /// Hears a tag each second, and reads where it is to be read. Returns in which seconds that was.
    fn read(news: &mut News, seconds: std::ops::Range<u64>, start: Instant, tag: impl Fn(u64) -> u64) -> Vec<u64> {
        let read = seconds.filter(|second| {
            let now = start + Duration::from_secs(*second);
            news.handle_tag(Some(tag(*second)));
            let takes = news.take(OURS, now);
            if takes {
                news.handle_asked();
                news.handle_answer(true, now, 0.5);
            }
            takes
        });
        read.collect()
    }

    #[test]
    fn what_has_changed_is_read_once_and_what_is_known_here_is_not() {
        let (mut news, start) = (News::default(), Instant::now());
        assert!(read(&mut news, 0..10, start, |_| OURS).is_empty());
        assert_eq!(read(&mut news, 10..20, start, |second| if second < 15 { 2 } else { 3 }), [10, 15]);
        assert!(read(&mut news, 20..30, start, |_| OURS).is_empty());
    }

    #[test]
    fn what_changes_while_it_is_read_is_read_again() {
        let (mut news, now) = (News::default(), Instant::now());
        news.handle_tag(Some(2));
        assert!(news.take(OURS, now));
        news.handle_asked();
        news.handle_tag(Some(3));
        news.handle_answer(true, now, 0.5);
        assert!(!news.take(OURS, now), "so soon");
        assert!(news.take(OURS, now + PAUSE));
    }

    #[test]
    fn a_neighbour_whose_tag_always_changes_is_read_rarely_before_long() {
        let (mut news, start) = (News::default(), Instant::now());
        let all = read(&mut news, 0..3_600, start, |second| second + 2);
        assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= 2), "{all:?}");
        let late = all.iter().filter(|second| **second >= 600).count() as u64;
        assert!(late <= 3_000 / EARNED.as_secs() + 1, "{late}");
        // It has earned readings again after some quiet.
        assert!(read(&mut news, 3_600..4_000, start, |_| OURS).is_empty());
        assert_eq!(read(&mut news, 4_000..4_030, start, |second| second + 2).len(), 15);
    }
}
