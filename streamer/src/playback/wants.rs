//! Which announced segments of a broadcast are still to be fetched, and when: a scheduler for one link. Pure.
//!
//! The newest comes first, as long as it can be there before the playlist goes on without it; what is too late for that
//! fills what the link has to spare. On a link that carries less than the broadcast, fetches side by side would all be
//! late: there is one at a time, which is finished before the next newest is begun, so that whole segments arrive.
//! What gets no bytes is in nobody's way.

use std::collections::BTreeMap;
use std::time::Duration;

use stream_model::{FetchProgress, MediaSegment, MediaSequence};

/// Segments wanted at once of one broadcast. After an outage the oldest beyond it are left to the archive and to
/// viewers who ask for them.
const MOST: usize = 64;
/// Tries before a segment is left to viewers who ask for it.
const TRIES: u32 = 3;
/// Wait before a segment that did not come is tried again; it may have reached a nearer peer meanwhile.
const PAUSE: Duration = Duration::from_secs(10);
/// Fetches at once where the link is not what limits them: round trips and slow peers are waited for side by side.
pub(super) const SLOTS: usize = 3;
/// How many times as fast as the media the link must be for that.
const AMPLE: f64 = 3.0;
/// The share of a segment from which on it costs less to finish it than to begin anew, however late it is.
const NEARLY_DONE: f64 = 0.75;
/// A fetch of which nothing has come for this long does not use the link: several round trips of a bad one.
const FIRST_BYTES: Duration = Duration::from_secs(1);
/// Likewise where something came, but no whole block since. At least, where the pace of the link does not say more.
const STALLED: Duration = Duration::from_secs(2);
/// At most.
const LONGEST_STALL: Duration = Duration::from_secs(10);
/// While no pace is known: a block over a link of 500 kbit/s.
const FIRST_STALL: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Want {
    segment: MediaSegment,
    /// When the playlist goes on without it.
    deadline: Duration,
    tries: u32,
    not_before: Duration,
    running: Option<Running>,
    /// Some of it may be here from an earlier try.
    begun: bool,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    since: Duration,
    /// When bytes came last.
    moved_at: Option<Duration>,
    /// How much of it is here.
    share: f64,
}

/// How a segment came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Came {
    /// How long it plays.
    pub(super) media: Duration,
    pub(super) took: Duration,
}

/// What a follower should do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Fetch this one.
    Fetch(Box<MediaSegment>),
    /// Stop fetching this one for now: a newer one needs its place.
    Abandon(MediaSequence),
}

/// The wanted segments of one broadcast. Time is a monotonic [`Duration`] since some fixed point.
#[derive(Debug, Default)]
pub(super) struct Wants {
    wants: BTreeMap<MediaSequence, Want>,
    /// The number that the playlist lists next: what comes before it is too late.
    next: MediaSequence,
    pace: Pace,
}

/// How long the link takes for media.
#[derive(Debug, Default)]
struct Pace {
    /// Seconds for each second of media, while there is something to fetch.
    seconds: Option<f64>,
    finished_at: Duration,
}

impl Pace {
    fn handle_finished(&mut self, began: Duration, media: Duration, now: Duration) {
        let took = now.saturating_sub(began.max(self.finished_at)).as_secs_f64();
        self.finished_at = now;
        if !media.is_zero() {
            let seconds = took / media.as_secs_f64();
            self.seconds = Some(self.seconds.map_or(seconds, |known| (known + seconds) / 2.0));
        }
    }

    /// How long media takes; nothing where that is not known.
    fn expected(&self, media: Duration) -> Duration {
        media.mul_f64(self.seconds.unwrap_or_default())
    }

    /// How long no whole block may come of media that arrives.
    fn longest_pause(&self, media: Duration) -> Duration {
        self.seconds.map_or(FIRST_STALL, |seconds| media.mul_f64(seconds).clamp(STALLED, LONGEST_STALL))
    }

    fn is_ample(&self) -> bool {
        self.seconds.is_some_and(|seconds| seconds * AMPLE <= 1.0)
    }
}

impl Wants {
    /// A segment was announced and is not here; the playlist waits for it until `deadline`. Returns one that is given up
    /// to make room.
    pub(super) fn insert(&mut self, segment: MediaSegment, deadline: Duration) -> Option<MediaSequence> {
        let sequence = segment.media_sequence;
        let want = Want { segment, deadline, tries: 0, not_before: Duration::ZERO, running: None, begun: false };
        self.wants.entry(sequence).or_insert(want);
        if self.wants.len() <= MOST {
            return None;
        }
        self.wants.pop_first().map(|(oldest, _)| oldest)
    }

    /// The playlist has gone on to `next`.
    pub(super) fn handle_listed(&mut self, next: MediaSequence) {
        self.next = next;
    }

    /// How far a running fetch is.
    pub(super) fn handle_progress(&mut self, sequence: MediaSequence, progress: FetchProgress, now: Duration) {
        if let Some(running) = self.wants.get_mut(&sequence).and_then(|want| want.running.as_mut()) {
            running.moved_at = Some(now.saturating_sub(progress.quiet_for).max(running.since));
            running.share = (progress.bytes as f64 / progress.total_bytes.max(1) as f64).min(1.0);
        }
    }

    /// What to do now; again until there is nothing.
    pub(super) fn poll_order(&mut self, now: Duration) -> Option<Order> {
        let (sequence, in_time) = self.candidate(now)?;
        let running = || self.wants.values().filter_map(|want| Some((want, want.running?)));
        let moving = running().filter(|(want, running)| !self.is_stalled(want, *running, now)).count();
        let at_once = if self.pace.is_ample() { SLOTS } else { 1 };
        if running().count() < SLOTS && moving < at_once {
            let want = self.wants.get_mut(&sequence)?;
            want.running = Some(Running { since: now, moved_at: None, share: 0.0 });
            return Some(Order::Fetch(Box::new(want.segment.clone())));
        }
        if !in_time {
            return None;
        }
        let full = running().count() >= SLOTS;
        let gives_way = |(want, running): &(&Want, Running)| {
            let late = !self.is_awaited(want, now)
                && running.share < NEARLY_DONE
                && !self.has_time_for(sequence, want, running, now);
            let stuck = full && want.segment.media_sequence < sequence && self.is_stalled(want, *running, now);
            late || stuck
        };
        let oldest = running().find(gives_way)?.0.segment.media_sequence;
        self.stop(oldest);
        Some(Order::Abandon(oldest))
    }

    /// The newest that can be here in time, else the newest; and which of both it is.
    fn candidate(&self, now: Duration) -> Option<(MediaSequence, bool)> {
        let idle = || self.wants.iter().rev().filter(|(_, want)| want.running.is_none() && want.not_before <= now);
        let in_time = idle().find(|(_, want)| self.is_awaited(want, now + self.pace.expected(want.segment.duration)));
        let found = in_time.or_else(|| idle().next())?;
        Some((*found.0, in_time.is_some()))
    }

    /// Whether one that waits is here in time after what runs is finished. What is on its way of that comes in any case.
    fn has_time_for(&self, sequence: MediaSequence, want: &Want, running: &Running, now: Duration) -> bool {
        let Some(waits) = self.wants.get(&sequence) else { return true };
        let rest = self.pace.expected(want.segment.duration).mul_f64(1.0 - running.share);
        !self.is_stalled(want, *running, now)
            && self.is_awaited(waits, now + rest + self.pace.expected(waits.segment.duration))
    }

    /// Whether the playlist would still wait for it.
    fn is_awaited(&self, want: &Want, at: Duration) -> bool {
        want.segment.media_sequence >= self.next && at < want.deadline
    }

    fn is_stalled(&self, want: &Want, running: Running, now: Duration) -> bool {
        now >= self.stalls_at(want, running)
    }

    fn stalls_at(&self, want: &Want, running: Running) -> Duration {
        match running.moved_at {
            None => running.since + FIRST_BYTES,
            Some(at) => at + self.pace.longest_pause(want.segment.duration),
        }
    }

    /// Its fetch does not go on; it is to be begun again some time.
    pub(super) fn stop(&mut self, sequence: MediaSequence) {
        if let Some(want) = self.wants.get_mut(&sequence) {
            want.begun |= want.running.take().is_some();
        }
    }

    /// A fetch did not deliver; `hopeless` where another try would not either. False where it is given up.
    pub(super) fn handle_failed(&mut self, sequence: MediaSequence, hopeless: bool, now: Duration) -> bool {
        self.stop(sequence);
        let Some(want) = self.wants.get_mut(&sequence) else { return false };
        want.tries += 1;
        want.not_before = now + PAUSE;
        let again = !hopeless && want.tries < TRIES;
        if !again {
            self.wants.remove(&sequence);
        }
        again
    }

    /// It is here; how that went, where it was fetched in one go.
    pub(super) fn handle_held(&mut self, sequence: MediaSequence, now: Duration) -> Option<Came> {
        let want = self.wants.remove(&sequence)?;
        let running = want.running.filter(|_| !want.begun)?;
        let media = want.segment.duration;
        self.pace.handle_finished(running.since, media, now);
        Some(Came { media, took: now.saturating_sub(running.since) })
    }

    /// Whether nothing of it can be here from an earlier try.
    pub(super) fn is_fetched_anew(&self, sequence: MediaSequence) -> bool {
        self.wants.get(&sequence).is_some_and(|want| !want.begun)
    }

    /// When [`Self::poll_order`] may have something to do although nothing happens.
    pub(super) fn next_timeout(&self, now: Duration) -> Option<Duration> {
        let pauses = self.wants.values().filter(|want| want.running.is_none()).map(|want| want.not_before);
        let candidate = self.candidate(now).and_then(|(sequence, _)| self.wants.get(&sequence));
        let waits = candidate.is_some();
        // From then on it may not have time for another first.
        let hurries = candidate.map(|want| want.deadline.saturating_sub(2 * self.pace.expected(want.segment.duration)));
        let running = self.wants.values().filter(|_| waits).filter_map(|want| Some((want, want.running?)));
        let changes = running.flat_map(|(want, running)| [self.stalls_at(want, running), want.deadline]);
        pauses.chain(changes).chain(hurries).filter(|at| *at > now).min()
    }

    /// Whether nothing is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }
}

#[cfg(test)]
#[path = "wants_tests.rs"]
mod tests;
