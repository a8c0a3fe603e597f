//! What is published to this node now, for reports.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stream_model::{BroadcastId, Publishing, StreamName};
use tokio::time::Instant;

/// Over how long the rate of a publisher is measured: long enough to even out keyframes.
const RATE_WINDOW: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Entry {
    broadcast: Option<BroadcastId>,
    rate: Option<Rate>,
}

/// Bytes counted since the beginning of a window, and the rate of the window before.
#[derive(Debug)]
struct Rate {
    since: Instant,
    bytes: u64,
    kbps: Option<u64>,
}

/// Stream names with their broadcasts and rates. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct PublishingStatus {
    entries: Arc<Mutex<BTreeMap<StreamName, Entry>>>,
}

impl PublishingStatus {
    /// The stream names that are published to now.
    pub fn publishing(&self) -> Vec<Publishing> {
        let now = Instant::now();
        let entries = self.lock();
        let present = |(name, entry): (&StreamName, &Entry)| {
            let kbps = entry.rate.as_ref()?.kbps(now);
            Some(Publishing { name: name.clone(), broadcast: entry.broadcast, kbps })
        };
        entries.iter().filter_map(present).collect()
    }

    /// The broadcasts that go on, also while their publisher is away.
    pub fn broadcasts(&self) -> Vec<(StreamName, BroadcastId)> {
        let entries = self.lock();
        entries.iter().filter_map(|(name, entry)| Some((name.clone(), entry.broadcast?))).collect()
    }

    pub(super) fn handle_publisher(&self, name: &StreamName, present: bool) {
        let mut entries = self.lock();
        let entry = entries.entry(name.clone()).or_default();
        entry.rate = present.then(|| Rate { since: Instant::now(), bytes: 0, kbps: None });
        entries.retain(|_, entry| entry.rate.is_some() || entry.broadcast.is_some());
    }

    pub(super) fn handle_broadcast(&self, name: &StreamName, broadcast: Option<BroadcastId>) {
        let mut entries = self.lock();
        entries.entry(name.clone()).or_default().broadcast = broadcast;
        entries.retain(|_, entry| entry.rate.is_some() || entry.broadcast.is_some());
    }

    pub(super) fn handle_bytes(&self, name: &StreamName, bytes: usize) {
        if let Some(rate) = self.lock().get_mut(name).and_then(|entry| entry.rate.as_mut()) {
            rate.add(bytes as u64, Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamName, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rate {
    fn add(&mut self, bytes: u64, now: Instant) {
        if now.duration_since(self.since) >= RATE_WINDOW {
            *self = Self { since: now, bytes: 0, kbps: Some(self.measured(now)) };
        }
        self.bytes += bytes;
    }

    fn measured(&self, now: Instant) -> u64 {
        let millis = now.duration_since(self.since).as_millis().max(1);
        u64::try_from(u128::from(self.bytes) * 8 / millis).unwrap_or(u64::MAX)
    }

    fn kbps(&self, now: Instant) -> u64 {
        // A publisher that fell silent has not filled its window for long: its old rate no longer counts.
        let silent = now.duration_since(self.since) >= 2 * RATE_WINDOW;
        self.kbps.filter(|_| !silent).unwrap_or_else(|| self.measured(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_seconds() {
        let status = PublishingStatus::default();
        let name: StreamName = "demo".parse().unwrap();
        status.handle_publisher(&name, true);
        for _ in 0..20 {
            status.handle_bytes(&name, 125_000);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let kbps = status.publishing()[0].kbps;
        assert!((900..=1100).contains(&kbps), "{kbps}");
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(status.publishing()[0].kbps < 100, "silence shows");
        status.handle_publisher(&name, false);
        assert_eq!(status.publishing(), []);
    }
}
