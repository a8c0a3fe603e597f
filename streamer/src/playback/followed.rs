//! Which broadcasts are followed, and for whom.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stream_model::BroadcastId;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::{Shared, lock};

/// How long a broadcast is followed after it was last asked for: players ask every few seconds, and a phone that
/// changes rooms comes back within it.
pub(super) const INTEREST: Duration = Duration::from_secs(120);
/// Broadcasts of others followed at once. Each costs a playlist and some fetches at a time.
pub(super) const MOST_FOLLOWED: usize = 64;
/// Of these, broadcasts followed only for neighbours or as mirrors: the rest is for viewers.
const MOST_RELAYED: usize = 48;
/// Of these, broadcasts followed only as mirrors: the rest is for who is waiting.
pub(super) const MOST_MIRRORED: usize = 32;

/// The live playlist of a broadcast as it was last made.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    /// Its text; empty before anything is listed.
    pub(super) text: Arc<str>,
    /// Whether it has a segment that is no gap.
    pub(super) playable: bool,
    /// Whether a native player can start: enough is listed, or no more comes.
    pub(super) full: bool,
}

/// A broadcast that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) broadcast: BroadcastId,
    /// The viewer for whom it was begun to be followed.
    pub(super) begun_for: Option<IpAddr>,
    /// When viewers asked for it last: milliseconds since the start of this playback, 0 where none did.
    pub(super) asked_at: AtomicU64,
    /// Likewise neighbours.
    pub(super) relayed_at: AtomicU64,
    /// Something changed in the directory.
    pub(super) changed: Notify,
    pub(super) snapshot: watch::Sender<Snapshot>,
}

/// Why a broadcast is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    Watched,
    Own,
    /// Neighbours ask for it.
    Relayed,
    Mirrored,
}

impl Shared {
    /// Follows a broadcast from now on, if it is not followed and there is room.
    pub(super) fn follow(&self, broadcast: BroadcastId, interest: Interest) -> Option<Arc<Followed>> {
        self.follow_among(&mut lock(&self.followed), broadcast, interest, None)
    }

    /// Likewise for a viewer, whose address gets no more places than it leaves free: however many it asks for, others get in.
    pub(super) fn follow_for(&self, broadcast: BroadcastId, viewer: IpAddr) -> Option<Arc<Followed>> {
        let viewer = viewer.to_canonical();
        let mut followed = lock(&self.followed);
        let is_watched = |it: &Followed| self.interest_until(&it.asked_at).is_some_and(|until| until > Instant::now());
        let taken = followed.values().filter(|it| it.begun_for == Some(viewer) && is_watched(it)).count();
        let free = MOST_FOLLOWED.saturating_sub(followed.len());
        if taken >= free && !followed.contains_key(&broadcast) {
            metrics::counter!("meshstream_follows_refused_total").increment(1);
            return None;
        }
        self.follow_among(&mut followed, broadcast, Interest::Watched, Some(viewer))
    }

    fn follow_among(
        &self,
        followed: &mut HashMap<BroadcastId, Arc<Followed>>,
        broadcast: BroadcastId,
        interest: Interest,
        begun_for: Option<IpAddr>,
    ) -> Option<Arc<Followed>> {
        if let Some(there) = followed.get(&broadcast) {
            self.note_interest(there, interest);
            return Some(Arc::clone(there));
        }
        let room = match interest {
            Interest::Own => usize::MAX,
            Interest::Watched => MOST_FOLLOWED,
            Interest::Relayed => MOST_RELAYED,
            Interest::Mirrored => MOST_MIRRORED,
        };
        if followed.len() >= room {
            metrics::counter!("meshstream_follows_refused_total").increment(1);
            return None;
        }
        let fresh = Arc::new(Followed {
            broadcast,
            begun_for,
            asked_at: AtomicU64::new(0),
            relayed_at: AtomicU64::new(0),
            changed: Notify::new(),
            snapshot: watch::Sender::new(Snapshot::default()),
        });
        self.note_interest(&fresh, interest);
        self.starts.try_send(Arc::clone(&fresh)).ok()?;
        followed.insert(broadcast, Arc::clone(&fresh));
        metrics::gauge!("meshstream_followed_broadcasts").set(followed.len() as f64);
        Some(fresh)
    }

    fn note_interest(&self, followed: &Followed, interest: Interest) {
        let at = match interest {
            Interest::Watched => &followed.asked_at,
            Interest::Relayed => &followed.relayed_at,
            Interest::Own | Interest::Mirrored => return,
        };
        let now = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        at.fetch_max(now.max(1), Ordering::Relaxed);
    }

    /// What was noted there; `None` where nothing was.
    pub(super) fn noted_at(&self, at: &AtomicU64) -> Option<Instant> {
        let at = at.load(Ordering::Relaxed);
        (at > 0).then(|| self.epoch + Duration::from_millis(at))
    }

    /// When the interest ends that was noted there; `None` where nobody asked.
    pub(super) fn interest_until(&self, at: &AtomicU64) -> Option<Instant> {
        self.noted_at(at).map(|at| at + INTEREST)
    }
}
