//! When a broadcast of a stream name starts, goes on and ends. Pure.

use std::time::Duration;

use stream_model::Tracks;
use tokio::time::Instant;

/// What to do before media with certain tracks can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// It belongs to the broadcast that goes on.
    Continue,
    /// Start a broadcast.
    Start,
    /// End the broadcast that goes on, whose tracks are others, and start the next.
    Replace,
}

/// The life of the broadcasts of one stream name, one after the other.
#[derive(Debug)]
pub(super) struct Lifecycle {
    grace: Duration,
    live: Option<Tracks>,
    absent_since: Option<Instant>,
}

impl Lifecycle {
    /// Nothing is live.
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, live: None, absent_since: None }
    }

    /// A broadcast goes on since before a restart of the node: its publisher has the grace time again.
    pub(super) fn resume(grace: Duration, tracks: Tracks, now: Instant) -> Self {
        Self { grace, live: Some(tracks), absent_since: Some(now) }
    }

    /// The owner says anew how long a publisher is waited for, also one that is away already.
    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// Media with these tracks is there, or promised.
    pub(super) fn demand(&self, tracks: Tracks) -> Demand {
        match self.live {
            None => Demand::Start,
            Some(live) if live == tracks => Demand::Continue,
            Some(_) => Demand::Replace,
        }
    }

    /// A broadcast was started.
    pub(super) fn handle_started(&mut self, tracks: Tracks) {
        self.live = Some(tracks);
    }

    /// The broadcast is over, for whatever reason.
    pub(super) fn handle_ended(&mut self) {
        self.live = None;
    }

    /// The publisher is there, or has been away since the time given.
    pub(super) fn handle_presence(&mut self, absent_since: Option<Instant>) {
        self.absent_since = absent_since;
    }

    /// When the broadcast ends because its publisher has not returned.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.live?;
        Some(self.absent_since? + self.grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Tracks = Tracks { video: true, audio: true };
    const VIDEO: Tracks = Tracks { video: true, audio: false };
    const GRACE: Duration = Duration::from_secs(60);

    #[test]
    fn the_same_tracks_continue_and_others_replace() {
        let mut lifecycle = Lifecycle::new(GRACE);
        assert_eq!(lifecycle.demand(BOTH), Demand::Start);
        lifecycle.handle_started(BOTH);
        assert_eq!(lifecycle.demand(BOTH), Demand::Continue);
        assert_eq!(lifecycle.demand(VIDEO), Demand::Replace);
        lifecycle.handle_ended();
        assert_eq!(lifecycle.demand(VIDEO), Demand::Start);
    }

    #[test]
    fn only_the_absence_of_a_live_broadcasts_publisher_runs_out() {
        let now = Instant::now();
        let mut lifecycle = Lifecycle::new(GRACE);
        lifecycle.handle_presence(Some(now));
        assert_eq!(lifecycle.next_timeout(), None, "nothing is live");
        lifecycle.handle_started(BOTH);
        assert_eq!(lifecycle.next_timeout(), Some(now + GRACE));
        lifecycle.set_grace(2 * GRACE);
        assert_eq!(lifecycle.next_timeout(), Some(now + 2 * GRACE));
        lifecycle.handle_presence(None);
        assert_eq!(lifecycle.next_timeout(), None, "it is back");
    }

    #[test]
    fn after_a_restart_the_grace_time_counts_anew() {
        let now = Instant::now();
        let lifecycle = Lifecycle::resume(GRACE, BOTH, now);
        assert_eq!(lifecycle.demand(BOTH), Demand::Continue);
        assert_eq!(lifecycle.next_timeout(), Some(now + GRACE));
    }
}
