//! Starts and ends followers as interest comes and goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use stream_model::{
    BroadcastId, BroadcastState, Cid, DirectoryChange, Interest as DirectoryInterest, Listing, MediaSequence, Relation,
};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::followed::{Followed, Interest};
use super::follower::Follower;
use super::relay::{RECENT, Relay};
use super::{Mirror, Shared, lock};
use crate::catalog::CatalogError;

/// How often the whole directory is looked through for broadcasts to follow, at most: a flood of announcements costs
/// no more than this.
const SURVEY: Duration = Duration::from_secs(1);

/// How often the directory is told what is followed and held, besides when that is known to change: segments are also
/// fetched for single requests. Against the hour after which announcements are dropped this is soon enough.
const TELL_INTEREST: Duration = Duration::from_secs(60);

/// Pause between two looks at what neighbours ask for of the past: a look goes through all that was announced.
const ERRANDS: Duration = Duration::from_millis(500);

/// Fetches for neighbours of what is past, waiting or at work.
const MOST_ERRANDS: usize = 64;

/// Keeps the playlists up.
#[derive(Debug)]
pub struct Runner {
    shared: Arc<Shared>,
    started: mpsc::Receiver<Arc<Followed>>,
    followers: JoinSet<()>,
    ids: HashMap<Id, BroadcastId>,
    /// When to survey the directory, where something calls for it.
    survey_at: Option<Instant>,
    /// What the directory was told.
    told: Option<DirectoryInterest>,
    relay: Relay,
    /// Fetches for neighbours, besides what is followed for them.
    errands: JoinSet<()>,
    /// When what neighbours ask for may be looked up again.
    errands_at: Instant,
}

impl Runner {
    pub(super) fn new(shared: Arc<Shared>, started: mpsc::Receiver<Arc<Followed>>) -> Self {
        Self {
            shared,
            started,
            followers: JoinSet::new(),
            ids: HashMap::new(),
            survey_at: Some(Instant::now()),
            told: None,
            relay: Relay::default(),
            errands: JoinSet::new(),
            errands_at: Instant::now(),
        }
    }

    /// Until `stop` is cancelled, or the directory closes. May be cancelled.
    ///
    /// # Errors
    /// Where the catalog cannot be read at the start.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), CatalogError> {
        let mut changes = self.shared.ports.directory.subscribe();
        self.shared.catalog.prune_heads().await?;
        let held = self.shared.catalog.held_segments(|set: &mut super::SequenceSet, sequence| {
            set.insert(sequence);
        });
        *lock(&self.shared.held) = held.await?;
        let mut tell_interest = tokio::time::interval(TELL_INTEREST);
        let mut policy = self.shared.policy.subscribe();
        let mut wants = self.shared.ports.neighbours.neighbour_wants().fuse();
        loop {
            let relay_at = self.relay.next_timeout(Instant::now());
            tokio::select! {
                () = stop.cancelled() => break,
                change = changes.next() => match change {
                    Some(change) => self.handle_change(change),
                    None => break,
                },
                Some(followed) = self.started.recv() => {
                    let broadcast = followed.broadcast;
                    let task = self.followers.spawn(Follower::new(Arc::clone(&self.shared), followed).run());
                    self.ids.insert(task.id(), broadcast);
                    self.tell_interest();
                }
                Some(ended) = self.followers.join_next_with_id() => self.handle_follower_end(ended),
                _ = tell_interest.tick() => {
                    self.tell_interest();
                    // Whom the node follows may have changed.
                    self.plan_survey();
                }
                Ok(()) = policy.changed() => self.look_at_all(),
                Some(want) = wants.next() => self.relay.handle_want(want, Instant::now()),
                Some(_) = self.errands.join_next() => {}
                () = tokio::time::sleep_until(self.errands_at),
                    if relay_at.is_none() && self.relay.has_others() && self.errands.len() < MOST_ERRANDS =>
                    self.run_errands().await,
                () = tokio::time::sleep_until(relay_at.unwrap_or_else(Instant::now)), if relay_at.is_some() => self.relay(),
                () = tokio::time::sleep_until(self.survey_at.unwrap_or_else(Instant::now)),
                    if self.survey_at.is_some() => self.survey().await,
            }
        }
        self.errands.shutdown().await;
        self.followers.shutdown().await;
        Ok(())
    }

    fn handle_change(&mut self, change: DirectoryChange) {
        self.relay.handle_announced();
        match change {
            DirectoryChange::Segment(broadcast, _) => {
                if !self.wake(&broadcast) {
                    self.plan_survey();
                }
            }
            DirectoryChange::Broadcast(broadcast) => {
                self.wake(&broadcast);
                self.plan_survey();
            }
            // It has no media yet.
            DirectoryChange::Schedule(_) => {}
            DirectoryChange::Missed => self.look_at_all(),
        }
    }

    fn look_at_all(&mut self) {
        lock(&self.shared.followed).values().for_each(|followed| followed.changed.notify_one());
        self.plan_survey();
    }

    /// False where the broadcast is not followed.
    fn wake(&self, broadcast: &BroadcastId) -> bool {
        let followed = lock(&self.shared.followed);
        let found = followed.get(broadcast);
        found.inspect(|followed| followed.changed.notify_one()).is_some()
    }

    fn plan_survey(&mut self) {
        self.survey_at.get_or_insert_with(|| Instant::now() + SURVEY);
    }

    async fn survey(&mut self) {
        self.survey_at = None;
        if self.shared.policy() == Mirror::Followed {
            self.read_follows().await;
        }
        for listing in self.shared.ports.directory.listings() {
            if listing.state != BroadcastState::Live {
                continue;
            }
            if listing.own {
                self.shared.follow(listing.id, Interest::Own);
            } else if self.shared.mirrors(&listing) {
                self.shared.follow(listing.id, Interest::Mirrored);
            }
        }
    }

    async fn read_follows(&mut self) {
        match self.shared.ports.follows.list().await {
            Ok(entries) => {
                let followed = entries.iter().filter(|entry| entry.relation == Relation::Following);
                *lock(&self.shared.mirrored_authors) = followed.map(|entry| entry.feed).collect();
            }
            Err(error) => tracing::warn!(%error, "cannot read whom to mirror: it stays as it was"),
        }
    }

    /// Follows what neighbours ask for.
    fn relay(&mut self) {
        let directory = &self.shared.ports.directory;
        let listings = directory.listings().into_iter();
        let live = listings.filter(|listing| listing.state == BroadcastState::Live && !listing.own);
        let newest_roots = |listing: Listing| {
            let first = listing.media_sequence.map_or(0, |newest| newest.0.saturating_sub(RECENT - 1));
            let segments = directory.segments(&listing.id, MediaSequence(first), RECENT as usize);
            let roots: Vec<Cid> =
                segments.iter().flat_map(|one| [one.segment, one.init]).chain(listing.manifest).collect();
            (listing.id, roots)
        };
        for broadcast in self.relay.poll(live.map(newest_roots), Instant::now()) {
            self.shared.follow(broadcast, Interest::Relayed);
        }
    }

    /// Fetches what neighbours ask for of the past of broadcasts.
    async fn run_errands(&mut self) {
        self.errands_at = Instant::now() + ERRANDS;
        let wants = self.relay.take_others(MOST_ERRANDS - self.errands.len());
        for errand in self.shared.identify(wants).await {
            let shared = Arc::clone(&self.shared);
            self.errands.spawn(async move { shared.run_errand(errand).await });
        }
    }

    /// Has the directory ask for the announcements of what is followed, and keep those of what is held.
    fn tell_interest(&mut self) {
        let followed = lock(&self.shared.followed).keys().copied().collect();
        let held = lock(&self.shared.held).iter().filter(|(_, set)| set.len() > 0).map(|(id, _)| *id).collect();
        let interest = DirectoryInterest { followed, held };
        if self.told.as_ref() != Some(&interest) {
            self.shared.ports.directory.set_interest(interest.clone());
            self.told = Some(interest);
        }
    }

    fn handle_follower_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => {
                metrics::counter!("meshstream_follower_panics_total").increment(1);
                tracing::error!(%error, "a follower failed");
                error.id()
            }
        };
        let Some(broadcast) = self.ids.remove(&id) else { return };
        if ended.is_err() {
            // Its entry goes too, so that the next request starts a fresh one.
            lock(&self.shared.followed).remove(&broadcast);
        }
        tracing::debug!(%broadcast, "not followed any more");
        self.tell_interest();
        self.plan_survey();
    }
}
