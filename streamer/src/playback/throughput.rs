//! How fast segments come here, measured while they are fetched. Pure.
//!
//! What is measured is never too much: what a segment waits for (round trips, a neighbour that has yet to get it) counts as if it
//! were slow to come. So the estimate rises at once and falls by and by.

use std::collections::HashMap;
use std::time::Duration;

use stream_model::Cid;

/// How long something runs before it tells how fast it comes at most, though nothing is complete.
const SOON: Duration = Duration::from_secs(4);
/// Bytes that may be on their way unseen: a block counts once it is here.
const BLOCK: u64 = 1 << 20;

/// Time is a monotonic [`Duration`] since some fixed point.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    /// Bytes that were counted of each fetch that runs; `None` while it is not known what was here before.
    running: HashMap<Cid, Option<u64>>,
    /// Since when it is measured: something runs, without a pause.
    since: Duration,
    bytes: u64,
    /// bit/s.
    estimate: Option<f64>,
}

impl Throughput {
    /// Measured elsewhere before, in bit/s.
    pub(super) fn new(estimate: Option<f64>) -> Self {
        Self { estimate, ..Self::default() }
    }

    /// bit/s, once something was measured.
    pub(super) fn estimate(&self) -> Option<f64> {
        self.estimate
    }

    /// A fetch begins; `anew` where nothing of it is here from an earlier try.
    pub(super) fn handle_begun(&mut self, root: Cid, anew: bool, now: Duration) {
        if self.running.is_empty() {
            (self.since, self.bytes) = (now, 0);
        }
        self.running.insert(root, anew.then_some(0));
    }

    /// The fetches that run.
    pub(super) fn running(&self) -> impl Iterator<Item = &Cid> {
        self.running.keys()
    }

    /// So many bytes of it are here.
    pub(super) fn handle_progress(&mut self, root: &Cid, bytes: u64, now: Duration) {
        let Some(counted) = self.running.get_mut(root) else { return };
        self.bytes += bytes.saturating_sub(counted.replace(bytes).unwrap_or(bytes));
        let elapsed = now.saturating_sub(self.since);
        if elapsed >= SOON {
            let most = rate(self.bytes + BLOCK, elapsed);
            self.estimate = Some(self.estimate.map_or(most, |known| known.min(most)));
        }
    }

    /// It is over: all of it is here, so many bytes, or it was given up.
    pub(super) fn handle_over(&mut self, root: &Cid, whole: Option<u64>, now: Duration) {
        let Some(counted) = self.running.remove(root) else { return };
        if let (Some(whole), Some(counted)) = (whole, counted) {
            self.bytes += whole.saturating_sub(counted);
        }
        if self.bytes == 0 {
            return;
        }
        let sample = rate(self.bytes, now.saturating_sub(self.since));
        self.estimate = Some(self.estimate.map_or(sample, |known| sample.max((known + sample) / 2.0)));
        (self.since, self.bytes) = (now, 0);
    }
}

/// bit/s.
fn rate(bytes: u64, elapsed: Duration) -> f64 {
    bytes as f64 * 8.0 / elapsed.max(Duration::from_millis(1)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use testkit::fakes::cid_of;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_rises_at_once_and_falls_by_and_by() {
        let (mut throughput, root) = (Throughput::default(), cid_of(b"a"));
        let mut fetch = |bytes, began, ended| {
            throughput.handle_begun(root, true, seconds(began));
            throughput.handle_over(&root, Some(bytes), seconds(ended));
            throughput.estimate()
        };
        assert_eq!(fetch(1_000_000, 10, 18), Some(1_000_000.0));
        assert_eq!(fetch(1_000_000, 20, 22), Some(4_000_000.0));
        assert_eq!(fetch(1_000_000, 30, 38), Some(2_500_000.0));
    }

    #[test]
    fn what_comes_side_by_side_is_added_up() {
        let mut throughput = Throughput::default();
        let (one, other) = (cid_of(b"one"), cid_of(b"other"));
        throughput.handle_begun(one, true, seconds(0));
        throughput.handle_begun(other, true, seconds(0));
        throughput.handle_progress(&other, 500_000, seconds(2));
        throughput.handle_over(&one, Some(500_000), seconds(2));
        assert_eq!(throughput.estimate(), Some(4_000_000.0));
        throughput.handle_over(&other, Some(1_000_000), seconds(3));
        assert_eq!(throughput.estimate(), Some(4_000_000.0), "half a megabyte in a second more");
    }

    #[test]
    fn what_was_here_before_does_not_count() {
        let (mut throughput, root) = (Throughput::default(), cid_of(b"a"));
        throughput.handle_begun(root, false, seconds(0));
        throughput.handle_over(&root, Some(9_000_000), seconds(1));
        assert_eq!(throughput.estimate(), None);
        throughput.handle_begun(root, false, seconds(1));
        throughput.handle_progress(&root, 8_000_000, seconds(1));
        throughput.handle_over(&root, Some(9_000_000), seconds(3));
        assert_eq!(throughput.estimate(), Some(4_000_000.0));
    }

    #[test]
    fn what_is_slow_is_known_before_it_is_complete() {
        let (mut throughput, root) = (Throughput::new(Some(9e6)), cid_of(b"a"));
        throughput.handle_begun(root, true, seconds(0));
        throughput.handle_progress(&root, 0, seconds(3));
        assert_eq!(throughput.estimate(), Some(9e6));
        throughput.handle_progress(&root, 0, seconds(8));
        assert_eq!(throughput.estimate(), Some(1_048_576.0), "a block in eight seconds at most");
        throughput.handle_over(&root, None, seconds(9));
        assert_eq!(throughput.estimate(), Some(1_048_576.0));
    }
}
