//! How fast the media of each broadcast are served here. Pure: time is an argument. Bounded, and forgets by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stream_model::BroadcastId;

/// Over how long a rate is taken: a segment of the usual target duration is asked for once in it.
const WINDOW: Duration = Duration::from_secs(15);

/// Broadcasts that are measured: more than a node serves at a time. Others are not.
const MAX_BROADCASTS: usize = 64;

/// Bytes of two windows that follow each other.
#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    window: u64,
    now: u64,
    before: u64,
}

impl Meter {
    fn at(&self, window: u64) -> Self {
        match window.saturating_sub(self.window) {
            0 => *self,
            1 => Self { window, now: 0, before: self.now },
            _ => Self { window, ..Self::default() },
        }
    }
}

/// Counts bytes. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    start: Instant,
    meters: Arc<Mutex<HashMap<BroadcastId, Meter>>>,
}

impl Served {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, meters: Arc::default() }
    }

    /// An answer with this many bytes of a broadcast begins.
    pub(crate) fn count(&self, broadcast: BroadcastId, bytes: u64, now: Instant) {
        let window = self.window(now);
        let mut meters = self.meters();
        if meters.len() >= MAX_BROADCASTS && !meters.contains_key(&broadcast) {
            meters.retain(|_, meter| meter.window + 1 >= window);
            if meters.len() >= MAX_BROADCASTS {
                return;
            }
        }
        let meter = meters.entry(broadcast).or_default();
        *meter = meter.at(window);
        meter.now = meter.now.saturating_add(bytes);
    }

    /// Kilobits a second of the last whole window.
    pub(crate) fn kbps(&self, broadcast: &BroadcastId, now: Instant) -> u64 {
        let meter = self.meters().get(broadcast).map(|meter| meter.at(self.window(now)));
        meter.map_or(0, |meter| meter.before.saturating_mul(8) / 1_000 / WINDOW.as_secs())
    }

    fn window(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / WINDOW.as_secs()
    }

    fn meters(&self) -> MutexGuard<'_, HashMap<BroadcastId, Meter>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stream_model::MessageKey;

    #[test]
    fn the_rate_is_that_of_the_last_whole_window() {
        let (start, broadcast) = (Instant::now(), |number| BroadcastId(MessageKey([number; 32])));
        let at = |seconds| start + Duration::from_secs(seconds);
        let served = Served::new(start);
        served.count(broadcast(1), 1_000_000, at(1));
        served.count(broadcast(1), 875_000, at(14));
        assert_eq!(served.kbps(&broadcast(1), at(14)), 0);
        assert_eq!(served.kbps(&broadcast(1), at(15)), 1_000);
        served.count(broadcast(1), 1_875_000 / 2, at(29));
        assert_eq!(served.kbps(&broadcast(1), at(29)), 1_000);
        assert_eq!(served.kbps(&broadcast(1), at(44)), 500);
        assert_eq!(served.kbps(&broadcast(1), at(45)), 0);
        assert_eq!(served.kbps(&broadcast(2), at(45)), 0);
        for number in 0..=u8::MAX {
            served.count(broadcast(number), 1, at(45));
        }
        assert_eq!(served.meters().len(), MAX_BROADCASTS);
        served.count(broadcast(200), 1, at(90));
        assert_eq!(served.meters().len(), 1, "what is past makes room");
    }
}
