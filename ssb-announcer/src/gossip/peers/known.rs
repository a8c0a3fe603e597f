//! One peer that is remembered: on whose word, where it may be, and when it is dialled again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Ending, MAX_ADDRESSES};

/// Pause after the first failure; it doubles with each further one.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause: a neighbour that comes back is not missed for longer.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause for a peer that is known by a LAN's word alone and has never authenticated itself: it may be of
/// another community, or made up.
pub(super) const LONGEST_PAUSE_UNPROVEN: Duration = Duration::from_secs(60);
/// How much of an error is kept for people to read.
const MAX_ERROR_TEXT: usize = 200;

#[derive(Debug)]
pub(super) struct Known {
    pub(super) rank: Rank,
    /// Where the owner says that it is.
    pub(super) configured: Vec<SocketAddr>,
    /// Where it was met.
    pub(super) met: Vec<SocketAddr>,
    /// Where it is heard to be.
    pub(super) heard: Vec<SocketAddr>,
    /// It has authenticated itself.
    pub(super) proven: bool,
    pub(super) failures: u32,
    /// It broke the rules when it was connected last.
    pub(super) misbehaved: bool,
    pub(super) dial: Dial,
    pub(super) last_error: Option<String>,
    /// When its last connection ended; `None` while there is one, or where there never was.
    pub(super) left: Option<Instant>,
}

/// On whose word a peer is known, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The LAN's: forgotten when it falls silent.
    Heard,
    /// Its own, where it was met: remembered while there is room.
    Met,
    /// The owner's: never forgotten.
    Configured,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dial {
    At(Instant),
    Running,
    /// There is a connection.
    Unneeded,
}

impl Known {
    /// Where to dial it, best first.
    pub(super) fn places(&self) -> Vec<SocketAddr> {
        let met = self.met.iter().filter(|address| !self.configured.contains(address));
        let offered = self.configured.iter().chain(met);
        let is_offered = |address| self.configured.contains(address) || self.met.contains(address);
        let heard = self.heard.iter().filter(|address| !is_offered(address));
        offered.chain(heard).copied().take(MAX_ADDRESSES).collect()
    }

    /// Known by the LAN's word alone.
    pub(super) fn is_unproven(&self) -> bool {
        self.rank == Rank::Heard && !self.proven
    }

    pub(super) fn is_dialable(&self, may_try_unproven: bool) -> bool {
        !(self.configured.is_empty() && self.met.is_empty() && self.heard.is_empty())
            && (may_try_unproven || !self.is_unproven())
    }

    pub(super) fn pause(&mut self, ending: Ending, now: Instant, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        self.misbehaved = matches!(ending, Ending::Misbehaved(_));
        let longest = if self.is_unproven() { LONGEST_PAUSE_UNPROVEN } else { LONGEST_PAUSE };
        let mut pause = FIRST_PAUSE.saturating_mul(1 << (self.failures - 1).min(10)).min(longest);
        self.last_error = match ending {
            Ending::Goodbye => None,
            Ending::Failed(error) => Some(error.chars().take(MAX_ERROR_TEXT).collect()),
            Ending::Misbehaved(error) => {
                pause = longest;
                Some(error.chars().take(MAX_ERROR_TEXT).collect())
            }
        };
        // Jitter of half the pause, so that two nodes do not dial each other in step for ever.
        self.dial = Dial::At(now + pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0));
    }
}
