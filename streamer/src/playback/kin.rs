//! A followed broadcast among its kin: the broadcast that it is a rendition of, and the other renditions of that. They come here
//! on the same way, make room for each other, and take over each other's viewers.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stream_model::{BroadcastId, Cid, Listing, MediaSegment};

use super::followed::Followed;
use super::variants::Member;
use super::wants::Came;
use super::way::Way;
use super::{Shared, lock};

/// Target durations after which a player that has not asked again plays something else: they ask once in each.
const SWITCHED_TARGETS: u32 = 3;
/// At least this long: a playlist may be waited for.
const LEAST_SWITCHED: Duration = Duration::from_secs(10);

/// The kin of one followed broadcast.
pub(super) struct Kin {
    shared: Arc<Shared>,
    id: BroadcastId,
    /// How this broadcast comes here, and its renditions.
    way: Arc<Way>,
    /// This broadcast and its renditions; empty where there are none.
    members: Vec<Member>,
    /// A player that has not asked for so long plays something else.
    switched: Duration,
    /// It has pictures to look through another with, which are too small to measure with.
    is_of_images: bool,
}

impl fmt::Debug for Kin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kin").field("id", &self.id).field("members", &self.members).finish_non_exhaustive()
    }
}

impl Kin {
    pub(super) fn new(shared: Arc<Shared>, id: BroadcastId) -> Self {
        let way = shared.way(&id);
        Self { shared, id, way, members: Vec::new(), switched: LEAST_SWITCHED, is_of_images: false }
    }

    /// The broadcast is listed as this now.
    pub(super) fn handle_listed(&mut self, listing: &Listing) {
        self.members = self.shared.family(listing);
        self.is_of_images = listing.is_of_images();
        self.switched = (listing.target_duration * SWITCHED_TARGETS).max(LEAST_SWITCHED);
    }

    /// Whether it has none.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The way that is common to all.
    pub(super) fn way(&self) -> Arc<Way> {
        Arc::clone(&self.way)
    }

    /// A fetch is over: all of it is here, so many bytes, or it was given up. What came meanwhile of others counts, too.
    pub(super) fn handle_over(&self, root: &Cid, whole: Option<u64>) {
        for running in self.way.running() {
            if let Some(progress) = self.shared.ports.fetcher.progress(&running) {
                self.handle_progress(&running, progress.bytes);
            }
        }
        self.way.handle_over(root, whole, self.shared.epoch.elapsed());
    }

    /// So many bytes are here of what is fetched.
    pub(super) fn handle_progress(&self, root: &Cid, bytes: u64) {
        self.way.handle_progress(root, bytes, self.shared.epoch.elapsed());
    }

    /// What is known anew of the way here, for which kin may have to make room, or get it.
    pub(super) fn measure(&self) {
        if self.is_of_images {
            return;
        }
        lock(&self.shared.ways).note_measured(&self.way);
        let Some(ceiling) = self.way.handle_measured(&self.members) else { return };
        tracing::info!(name: "way.measured", broadcast = %self.id, ceiling, "way.measured");
        let followed = lock(&self.shared.followed);
        let kin = self.members.iter().filter_map(|member| followed.get(&member.id));
        kin.for_each(|followed| followed.changed.notify_one());
    }

    /// A segment came. One of the next higher rendition that is worth fetching to measure with, with what that is listed as.
    pub(super) fn sample(&self, came: Came) -> Option<(Listing, MediaSegment)> {
        let next = self.way.handle_came(came, &self.members)?;
        let directory = &self.shared.ports.directory;
        let listing = directory.listing(&next.id)?;
        let newest = directory.segments(&next.id, listing.media_sequence?, 1).pop()?;
        (!self.shared.is_held(&next.id, newest.media_sequence)).then_some((listing, newest))
    }

    /// Whether it needs more than the way here carries, while something lighter is watched instead.
    pub(super) fn gives_way(&self) -> bool {
        let Some(ceiling) = self.way.ceiling() else { return false };
        let (carried, too_much): (Vec<&Member>, Vec<&Member>) =
            self.members.iter().partition(|member| member.bandwidth <= ceiling);
        too_much.iter().any(|member| member.id == self.id) && {
            let followed = lock(&self.shared.followed);
            carried.iter().any(|member| self.is_watched(&member.id, &followed))
        }
    }

    /// Whether its viewers went on with another rendition.
    pub(super) fn is_left(&self, followed: &HashMap<BroadcastId, Arc<Followed>>) -> bool {
        let others = || self.members.iter().filter(|member| member.id != self.id);
        !self.is_watched(&self.id, followed) && others().any(|member| self.is_watched(&member.id, followed))
    }

    /// Whether somebody watched it just now.
    fn is_watched(&self, id: &BroadcastId, followed: &HashMap<BroadcastId, Arc<Followed>>) -> bool {
        let asked_at = followed.get(id).and_then(|followed| self.shared.noted_at(&followed.asked_at));
        asked_at.is_some_and(|at| at.elapsed() < self.switched)
    }
}
