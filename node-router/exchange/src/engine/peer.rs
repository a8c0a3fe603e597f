//! How fast a peer delivers, and how much is asked of it at a time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cid::Cid;

/// Blocks asked of a peer that nothing is known of yet: enough for most of a segment, few enough to be moved.
const FIRST_WINDOW: f64 = 8.0;
/// Blocks asked of a peer at a time at most; with blocks of 350 KB about 22 MB.
const LARGEST_WINDOW: f64 = 64.0;
/// What the window falls to at a peer that is slow but alive, so that a round trip is not idle.
const SLOW_WINDOW: f64 = 3.0;
/// What the window falls to at a peer that timed out.
const SMALLEST_WINDOW: f64 = 2.0;
/// How far ahead a peer's link is filled: less leaves it idle, more delays what becomes urgent.
const QUEUE_GOAL: Duration = Duration::from_millis(500);
/// A block is never given up sooner.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);
/// Nor sooner than this while its peer's bytes come: a block of 340 KB over 300 kbit/s. What is known of the peer may be
/// a guess.
const SHORTEST_WHILE_SENDING: Duration = Duration::from_secs(10);
/// Nor sooner than this while the first block since it was asked for is on its way: 2 MiB, the largest, over 300 kbit/s.
const SHORTEST_WHILE_COMING: Duration = Duration::from_secs(60);
/// Another peer is not asked as well sooner than this while bytes come: a block of 340 KB over 1 Mbit/s.
const SHORTEST_PATIENCE_WHILE_SENDING: Duration = Duration::from_secs(3);
/// A peer that sends nothing for this long is replaced, whatever was expected of it, if another can take over. With
/// [`TICK`](super::TICK) it is within 2 s.
const LONGEST_SILENCE: Duration = Duration::from_millis(1500);
/// A second peer is asked for a block when it is later than what was expected of the first, and this.
pub(super) const HEDGE_AFTER: Duration = Duration::from_millis(200);
/// Guesses for a peer that has not delivered yet.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(50);
const FIRST_SERVICE_TIME: Duration = Duration::from_millis(10);
/// Each strike doubles the timeout, up to this many times.
const MOST_DOUBLINGS: u32 = 4;

/// A connected peer as the one who asks sees it.
#[derive(Debug)]
pub(super) struct Peer {
    /// Blocks asked for, and since when.
    pub(super) in_flight: HashMap<Cid, Instant>,
    window: f64,
    /// Seconds from a want to its block when the peer has nothing else to do.
    round_trip: f64,
    /// Seconds between blocks while the peer has more to do.
    service_time: f64,
    /// The longest of them, which is slowly forgotten: a small block between large ones says little of the next.
    longest_service_time: f64,
    last_progress: Instant,
    /// When the last block came.
    last_delivery: Option<Instant>,
    /// When the last bytes came, or it was asked after it had nothing to do.
    last_sign: Instant,
    /// When the last bytes came.
    last_bytes: Option<Instant>,
    /// Timeouts since the last block.
    strikes: u32,
    /// Answers that may still come for what was asked; negative when more came.
    block_allowance: i64,
    presence_allowance: i64,
}

impl Peer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            in_flight: HashMap::new(),
            window: FIRST_WINDOW,
            round_trip: FIRST_ROUND_TRIP.as_secs_f64(),
            service_time: FIRST_SERVICE_TIME.as_secs_f64(),
            longest_service_time: FIRST_SERVICE_TIME.as_secs_f64(),
            last_progress: now,
            last_delivery: None,
            last_sign: now,
            last_bytes: None,
            strikes: 0,
            block_allowance: 0,
            presence_allowance: 0,
        }
    }

    /// Whether another block may be asked for.
    pub(super) fn has_room(&self) -> bool {
        (self.in_flight.len() as f64) < self.window
    }

    /// Seconds until one more block would be here, after `more` others that are not asked for yet.
    pub(super) fn finish(&self, more: usize) -> f64 {
        self.round_trip + self.service_time * (self.in_flight.len() + more + 1) as f64
    }

    /// Whether it has nothing to send.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Whether the last thing it did was to time out.
    pub(super) fn is_suspect(&self) -> bool {
        self.strikes > 0
    }

    /// How long a block may take that was asked for then.
    pub(super) fn timeout(&self, asked: Instant, now: Instant) -> Duration {
        let expected = 4.0 * (self.round_trip + self.service_time * self.window);
        let shortest = match self.is_sending(now) {
            true if self.last_delivery.is_none_or(|at| at <= asked) => SHORTEST_WHILE_COMING,
            true => SHORTEST_WHILE_SENDING,
            false => SHORTEST_TIMEOUT,
        };
        Duration::from_secs_f64(expected).max(shortest) * (1 << self.strikes.min(MOST_DOUBLINGS))
    }

    /// A block came; `asked` is when it was asked for, if it was.
    pub(super) fn delivered(&mut self, asked: Option<Instant>, now: Instant) {
        self.strikes = 0;
        if let Some(asked) = asked {
            let took = now.saturating_duration_since(asked).as_secs_f64();
            // The shortest is the link's; it is forgotten slowly, in case the way grew longer.
            self.round_trip = match took < self.round_trip {
                true => took,
                false => self.round_trip * 0.98 + took.min(self.round_trip * 2.0) * 0.02,
            };
            let busy_since = self.last_progress.max(asked);
            let service = now.saturating_duration_since(busy_since).as_secs_f64();
            self.service_time = self.service_time * 0.8 + service * 0.2;
            self.longest_service_time = service.max(self.longest_service_time * 0.95);
            let queued = took - self.round_trip;
            if queued < QUEUE_GOAL.as_secs_f64() {
                self.window = (self.window + 1.0).min(LARGEST_WINDOW);
            } else if queued > 2.0 * QUEUE_GOAL.as_secs_f64() {
                self.window = (self.window - 0.5).max(SLOW_WINDOW);
            }
        }
        self.last_progress = now;
        self.last_delivery = Some(now);
        self.progressed(now);
    }

    /// It is asked for a block.
    pub(super) fn ask(&mut self, cid: Cid, now: Instant) {
        if self.in_flight.is_empty() {
            self.last_sign = now;
        }
        self.in_flight.insert(cid, now);
    }

    /// Bytes of a block came.
    pub(super) fn progressed(&mut self, now: Instant) {
        self.last_sign = now;
        self.last_bytes = Some(now);
    }

    /// Whether bytes of blocks came lately.
    fn is_sending(&self, now: Instant) -> bool {
        self.last_bytes.is_some_and(|at| now.saturating_duration_since(at) <= LONGEST_SILENCE)
    }

    /// How long it has for a block before another peer that has nothing else to do may be asked as well: short while
    /// nothing comes. While it does, what is asked twice mostly comes twice.
    pub(super) fn patience(&self, now: Instant) -> Duration {
        if self.is_sending(now) {
            let longest = self.round_trip + self.longest_service_time * (self.in_flight.len() + 1) as f64;
            return Duration::from_secs_f64(2.0 * longest).max(SHORTEST_PATIENCE_WHILE_SENDING);
        }
        HEDGE_AFTER + Duration::from_secs_f64(self.finish(0))
    }

    /// Whether it has blocks to send and sends nothing.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        !self.in_flight.is_empty() && now.saturating_duration_since(self.last_sign) > LONGEST_SILENCE
    }

    /// A block did not come in time.
    pub(super) fn timed_out(&mut self, now: Instant) {
        self.window = (self.window / 2.0).max(SMALLEST_WINDOW);
        // Blocks that time out together are one strike.
        if now.saturating_duration_since(self.last_progress) > SHORTEST_TIMEOUT {
            self.strikes += 1;
            self.last_progress = now;
        }
    }

    /// Something was asked, which may be answered by a block, and by several presences as the answer changes.
    pub(super) fn expect_answers(&mut self) {
        self.block_allowance += 1;
        self.presence_allowance += 4;
    }

    /// Counts blocks and presences that came; `false` once the peer has sent too much that nobody asked for.
    pub(super) fn account(&mut self, blocks: usize, presences: usize) -> bool {
        self.block_allowance -= blocks as i64;
        self.presence_allowance -= presences as i64;
        self.block_allowance > -MOST_UNASKED_BLOCKS && self.presence_allowance > -MOST_UNASKED_PRESENCES
    }
}

/// Blocks beyond what was asked for, after which a peer is disconnected. A peer that is slow to see a cancel sends some.
const MOST_UNASKED_BLOCKS: i64 = 64;
/// The same for presences, which are small; a peer may answer one want several times.
const MOST_UNASKED_PRESENCES: i64 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_while_blocks_come_quickly_and_shrinks_when_they_queue() {
        let start = Instant::now();
        let mut peer = Peer::new(start);
        for n in 1..100u64 {
            let now = start + Duration::from_millis(10 * n);
            peer.delivered(Some(now - Duration::from_millis(10)), now);
        }
        assert_eq!(peer.window, LARGEST_WINDOW);
        for n in 1..200u64 {
            let now = start + Duration::from_secs(10 + n);
            peer.delivered(Some(now - Duration::from_secs(5)), now);
        }
        assert_eq!(peer.window, SLOW_WINDOW);
    }

    #[test]
    fn a_peer_that_times_out_is_suspect_until_it_delivers_and_is_given_longer() {
        let start = Instant::now();
        let mut peer = Peer::new(start);
        let before = peer.timeout(start, start + Duration::from_secs(2));
        peer.timed_out(start + Duration::from_secs(2));
        peer.timed_out(start + Duration::from_secs(2));
        assert!(peer.is_suspect());
        assert_eq!(peer.strikes, 1, "blocks that time out together are one strike");
        assert!(peer.timeout(start, start + Duration::from_secs(2)) > before);
        peer.delivered(None, start + Duration::from_secs(3));
        assert!(!peer.is_suspect());
    }

    #[test]
    fn small_blocks_do_not_shorten_the_patience_with_a_peer_that_sends_large_ones() {
        let start = Instant::now();
        let mut peer = Peer::new(start);
        let (first, small) = (start + Duration::from_secs(4), start + Duration::from_millis(4050));
        peer.delivered(Some(start), first);
        for _ in 0..5 {
            peer.delivered(Some(first), small);
        }
        assert!(peer.patience(small) > Duration::from_secs(5));
        assert!(peer.patience(small + 2 * LONGEST_SILENCE) < Duration::from_secs(2), "it sends nothing any more");
    }

    #[test]
    fn unasked_blocks_are_borne_up_to_a_bound() {
        let mut peer = Peer::new(Instant::now());
        peer.expect_answers();
        assert!(peer.account(MOST_UNASKED_BLOCKS as usize, 0));
        assert!(!peer.account(1, 0));
        let mut peer = Peer::new(Instant::now());
        assert!(!peer.account(0, MOST_UNASKED_PRESENCES as usize));
    }
}
