//! Follows one broadcast: announcements in, fetches out, the live playlist kept, persisted and shown.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stream_model::{
    BroadcastId, BroadcastState, Cid, Claim, FetchError, Listing, MediaSegment, MediaSequence, PlaylistChange, WallTime,
};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use super::fetching::Forgetting;
use super::followed::{Followed, Interest, MOST_MIRRORED, Snapshot};
use super::held::SequenceSet;
use super::kin::Kin;
use super::wants::{Came, Order, Wants};
use super::{Mirror, NATIVE_TARGETS, Shared, lock};
use crate::alarm::sleep_until;
use crate::manifest::{Head, LivePlaylist, LivePlaylistConfig, MediaPlaylist};

/// Announced segments with which a playlist begins: hls.js starts two segments behind the edge.
const JOIN_SEGMENTS: u64 = 2;
/// Target durations that a segment may be late before it is listed as a gap: about what a player has buffered.
const PATIENCE_TARGETS: u32 = 2;
/// At least this long: over a mesh even a short segment takes some round trips and a retry.
const LEAST_PATIENCE: Duration = Duration::from_secs(6);
/// Announcements read from the directory at once.
const READ: usize = 256;
/// How often it is looked at how fast a segment comes, where there is another rendition to change to.
const LOOK: Duration = Duration::from_secs(1);
/// When to try again to persist a head; until then the playlist stands still.
const SAVE_RETRY: Duration = Duration::from_secs(2);

enum Fetched {
    /// With its bytes.
    Segment(MediaSequence, Result<u64, FetchError>),
    Manifest(MediaSequence, Result<(), FetchError>),
    /// A segment of another rendition, to measure; with its bytes.
    Sample(Cid, Option<u64>),
}

/// The newest live manifests of another's broadcast, held so that this node serves them too.
#[derive(Debug, Default)]
struct ManifestMirror {
    running: bool,
    /// The newest that was asked for.
    newest: Option<MediaSequence>,
    held: VecDeque<MediaSequence>,
}

/// What becomes of a follower.
enum Leave {
    /// Somebody is interested.
    Stay,
    /// It ends; what is held stays until its room is needed.
    Keep,
    /// It ends, and so does what is held.
    Forget(Forgetting),
}

/// One followed broadcast.
pub(super) struct Follower {
    shared: Arc<Shared>,
    followed: Arc<Followed>,
    id: BroadcastId,
    /// Made when the first announced segment is known.
    playlist: Option<LivePlaylist>,
    /// The announcements that were read.
    seen: SequenceSet,
    next_unread: MediaSequence,
    wants: Wants,
    fetches: JoinSet<Fetched>,
    running: HashMap<MediaSequence, (Cid, AbortHandle)>,
    kin: Kin,
    /// The playlist has changed since it was persisted and shown.
    unsaved: bool,
    save_at: Instant,
    manifests: ManifestMirror,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>, followed: Arc<Followed>) -> Self {
        let id = followed.broadcast;
        Self {
            kin: Kin::new(Arc::clone(&shared), id),
            shared,
            followed,
            id,
            playlist: None,
            seen: SequenceSet::default(),
            next_unread: MediaSequence(0),
            wants: Wants::default(),
            fetches: JoinSet::new(),
            running: HashMap::new(),
            unsaved: false,
            save_at: Instant::now(),
            manifests: ManifestMirror::default(),
        }
    }

    /// Until nobody is interested any more.
    pub(super) async fn run(mut self) {
        let mut saved = self.shared.catalog.head(self.id).await.unwrap_or_else(|error| {
            tracing::warn!(broadcast = %self.id, %error, "the playlist starts anew");
            None
        });
        while let Some(listing) = self.shared.ports.directory.listing(&self.id) {
            self.kin.handle_listed(&listing);
            self.begin(&listing, &mut saved);
            self.read(&listing).await;
            self.advance(&listing);
            self.order_fetches(&listing);
            self.mirror_manifest(&listing);
            self.show(&listing).await;
            match self.leave(&listing) {
                Leave::Stay => {}
                Leave::Keep => return,
                Leave::Forget(forgetting) => return self.forget(forgetting).await,
            }
            let wake_at = self.next_timeout();
            tokio::select! {
                () = self.followed.changed.notified() => {}
                Some(fetched) = self.fetches.join_next() => self.handle_fetched(fetched).await,
                () = sleep_until(wake_at) => {}
            }
        }
        lock(&self.shared.followed).remove(&self.id);
    }

    /// Makes the playlist once a segment is announced: where it was before a restart, or near the live edge.
    fn begin(&mut self, listing: &Listing, saved: &mut Option<Head>) {
        let Some(newest) = listing.media_sequence else { return };
        let config = self.playlist_config(listing);
        let head = self.playlist.as_ref().map(LivePlaylist::head).or(saved.as_ref());
        let next = head.map(|head| head.next);
        let far_behind = next.is_some_and(|next| newest.0.saturating_sub(next.0) > config.window as u64);
        if next.is_none() || far_behind {
            // What lies between would not stay in the window: go on at the live edge. Numbers only rise.
            let joined = if listing.own { config.window as u64 } else { JOIN_SEGMENTS };
            let edge = newest.0.saturating_add(1).saturating_sub(joined);
            let first = self.shared.ports.directory.segments(&self.id, MediaSequence(edge), 1).into_iter().next();
            let Some(first) = first else { return };
            if self.playlist.is_none() {
                // A mirror fetches what it missed while it was away, a viewer's node does not. One's own are here.
                let missed = next.filter(|_| self.shared.mirrors(listing));
                let unread = missed.unwrap_or(first.media_sequence);
                self.next_unread = if listing.own { MediaSequence(0) } else { unread };
            }
            self.playlist = Some(LivePlaylist::new(config, first.media_sequence));
        } else if let (None, Some(head)) = (&self.playlist, saved.take()) {
            self.next_unread = head.next;
            self.playlist = Some(LivePlaylist::restore(config, head));
            self.unsaved = true;
        }
        *saved = None;
        self.reopen(listing);
    }

    /// A broadcast that counted as ended and is heard of again goes on where its playlist ended.
    fn reopen(&mut self, listing: &Listing) {
        let config = self.playlist_config(listing);
        if listing.state == BroadcastState::Live
            && let Some(playlist) = &mut self.playlist
            && playlist.head().ended
        {
            let head = Head { ended: false, ..playlist.head().clone() };
            *playlist = LivePlaylist::restore(config, head);
            self.unsaved = true;
        }
    }

    fn playlist_config(&self, listing: &Listing) -> LivePlaylistConfig {
        LivePlaylistConfig {
            target_duration: listing.target_duration,
            window: self.shared.config.live_window,
            patience: (listing.target_duration * PATIENCE_TARGETS).max(LEAST_PATIENCE),
        }
    }

    /// Reads what is announced; again from what is to be listed next, because a message may overtake another.
    async fn read(&mut self, listing: &Listing) {
        let Some(next) = self.playlist.as_ref().map(|playlist| playlist.head().next) else { return };
        let from = self.next_unread.min(next);
        let announced = self.shared.ports.directory.segments(&self.id, from, READ);
        if announced.len() == READ {
            self.followed.changed.notify_one();
        }
        for segment in announced {
            if self.seen.insert(segment.media_sequence) {
                self.handle_announced(listing, segment).await;
            }
        }
    }

    async fn handle_announced(&mut self, listing: &Listing, segment: MediaSegment) {
        let sequence = segment.media_sequence;
        self.next_unread = self.next_unread.max(sequence.next());
        let held = self.is_here(listing, &segment).await;
        if let Some(playlist) = &mut self.playlist {
            self.unsaved |= playlist.handle_announced(&segment, held, self.shared.epoch.elapsed());
        }
        let deadline = self.shared.epoch.elapsed() + self.playlist_config(listing).patience;
        if !held && let Some(given_up) = self.wants.insert(segment, deadline) {
            metrics::counter!("meshstream_segments_given_up_total").increment(1);
            self.abort(given_up);
        }
    }

    fn abort(&mut self, sequence: MediaSequence) {
        if let Some((root, task)) = self.running.remove(&sequence) {
            task.abort();
            self.kin.handle_over(&root, None);
        }
    }

    async fn is_here(&self, listing: &Listing, segment: &MediaSegment) -> bool {
        if listing.own {
            self.shared.note_held(self.id, segment.media_sequence);
            return true;
        }
        self.shared.is_held(&self.id, segment.media_sequence) && self.shared.ports.store.holds(&segment.segment).await
    }

    /// Time, and the end.
    fn advance(&mut self, listing: &Listing) {
        let now = self.shared.epoch.elapsed();
        let Some(playlist) = &mut self.playlist else { return };
        if listing.state == BroadcastState::Ended
            && !playlist.head().ended
            && let Some(newest) = listing.media_sequence
        {
            self.unsaved |= playlist.handle_ended(newest.next(), now);
        }
        self.unsaved |= playlist.handle_timeout(now);
    }

    fn order_fetches(&mut self, listing: &Listing) {
        let now = self.shared.epoch.elapsed();
        if let Some(playlist) = &self.playlist {
            self.wants.handle_listed(playlist.head().next);
        }
        for (sequence, (root, _)) in &self.running {
            if let Some(progress) = self.shared.ports.fetcher.progress(root) {
                self.wants.handle_progress(*sequence, progress, now);
                self.kin.handle_progress(root, progress.bytes);
            }
        }
        self.kin.measure();
        if self.kin.gives_way() {
            let running: Vec<_> = self.running.keys().copied().collect();
            for sequence in running {
                self.wants.stop(sequence);
                self.abort(sequence);
            }
            return;
        }
        while let Some(order) = self.wants.poll_order(now) {
            match order {
                Order::Fetch(segment) => self.start_fetch(listing, *segment),
                Order::Abandon(sequence) => {
                    metrics::counter!("meshstream_fetches_abandoned_total").increment(1);
                    self.abort(sequence);
                }
            }
        }
    }

    fn start_fetch(&mut self, listing: &Listing, segment: MediaSegment) {
        let (shared, id, providers) = (Arc::clone(&self.shared), self.id, self.shared.providers(listing));
        let (sequence, root) = (segment.media_sequence, segment.segment);
        let interest = self.interest();
        let (way, anew) = (self.kin.way(), self.wants.is_fetched_anew(sequence));
        let task = self.fetches.spawn(async move {
            let _permit = shared.fetch_permit(interest).await;
            way.handle_begun(root, anew, shared.epoch.elapsed());
            Fetched::Segment(sequence, shared.fetch(id, &providers, &segment).await)
        });
        self.running.insert(sequence, (root, task));
    }

    async fn handle_fetched(&mut self, fetched: Result<Fetched, JoinError>) {
        match fetched {
            Ok(Fetched::Segment(sequence, Ok(bytes))) => {
                let now = self.shared.epoch.elapsed();
                if let Some((root, _)) = self.running.remove(&sequence) {
                    self.kin.handle_over(&root, Some(bytes));
                }
                let came = self.wants.handle_held(sequence, now);
                if let Some(came) = came {
                    self.sample(came);
                }
                if let Some(playlist) = &mut self.playlist {
                    self.unsaved |= playlist.handle_arrived(sequence, self.shared.epoch.elapsed());
                }
            }
            Ok(Fetched::Segment(sequence, Err(error))) => {
                let hopeless = matches!(error, FetchError::TooLarge(_) | FetchError::Malformed(_));
                tracing::debug!(broadcast = %self.id, media_sequence = sequence.0, %error, "a segment did not come");
                self.handle_failed(sequence, hopeless);
            }
            Ok(Fetched::Manifest(newest, fetched)) => self.handle_manifest(newest, fetched).await,
            Ok(Fetched::Sample(root, bytes)) => self.kin.handle_over(&root, bytes),
            Err(error) => {
                // Abandoned, or failed in itself: then it counts as a try.
                let found = self.running.iter().find(|(_, (_, task))| task.id() == error.id());
                if let Some(sequence) = found.map(|(sequence, _)| *sequence) {
                    self.handle_failed(sequence, true);
                }
            }
        }
    }

    fn handle_failed(&mut self, sequence: MediaSequence, hopeless: bool) {
        metrics::counter!("meshstream_fetch_failures_total").increment(1);
        self.abort(sequence);
        if !self.wants.handle_failed(sequence, hopeless, self.shared.epoch.elapsed()) {
            metrics::counter!("meshstream_segments_given_up_total").increment(1);
        }
    }

    /// Fetches a segment of the next higher rendition where those of this one come easily: small ones measure round trips.
    fn sample(&mut self, came: Came) {
        let Some((listing, segment)) = self.kin.sample(came).filter(|_| self.interest() == Interest::Watched) else {
            return;
        };
        let (shared, providers, root) = (Arc::clone(&self.shared), self.shared.providers(&listing), segment.segment);
        let way = self.kin.way();
        self.fetches.spawn(async move {
            let _permit = shared.fetch_permit(Interest::Watched).await;
            way.handle_begun(root, true, shared.epoch.elapsed());
            // What takes as long as it plays is too much in any case.
            let fetched = tokio::time::timeout(segment.duration, shared.fetch(listing.id, &providers, &segment)).await;
            Fetched::Sample(root, fetched.ok().and_then(Result::ok))
        });
    }

    /// Fetches the newest live manifest of another's broadcast once its segments are here, so that it costs a block.
    fn mirror_manifest(&mut self, listing: &Listing) {
        let (Some(newest), Some(manifest)) = (listing.media_sequence, listing.manifest) else { return };
        let known = self.manifests.newest.is_some_and(|known| known >= newest);
        if listing.own || known || self.manifests.running || !self.wants.is_empty() || !self.holds_window(newest) {
            return;
        }
        self.manifests.newest = Some(newest);
        self.manifests.running = true;
        let (shared, id, providers) = (Arc::clone(&self.shared), self.id, self.shared.providers(listing));
        self.fetches.spawn(async move {
            let _permit = shared.fetch_permit(Interest::Mirrored).await;
            Fetched::Manifest(newest, shared.fetch_manifest(id, &providers, newest, manifest).await)
        });
    }

    fn holds_window(&self, newest: MediaSequence) -> bool {
        let window = self.shared.config.live_window as u64;
        let first = MediaSequence((newest.0.saturating_add(1)).saturating_sub(window));
        let announced = self.shared.ports.directory.segments(&self.id, first, self.shared.config.live_window);
        announced.iter().all(|segment| self.shared.is_held(&self.id, segment.media_sequence))
    }

    async fn handle_manifest(&mut self, newest: MediaSequence, fetched: Result<(), FetchError>) {
        self.manifests.running = false;
        if let Err(error) = fetched {
            tracing::debug!(broadcast = %self.id, %error, "a live manifest did not come");
            return;
        }
        self.manifests.held.push_back(newest);
        while self.manifests.held.len() > self.shared.config.live_window {
            let Some(superseded) = self.manifests.held.pop_front() else { return };
            if let Err(error) = self.shared.ports.store.release(Claim::LiveManifest(self.id, superseded)).await {
                metrics::counter!("meshstream_release_failures_total").increment(1);
                tracing::debug!(broadcast = %self.id, %error, "cannot release a live manifest");
            }
        }
    }

    /// Persists what has changed, then shows it: what was shown once outlives a restart.
    async fn show(&mut self, listing: &Listing) {
        let Some(playlist) = &self.playlist else { return };
        if !self.unsaved || self.save_at > Instant::now() {
            return;
        }
        let head = playlist.head().clone();
        if let Err(error) = self.shared.catalog.save_head(self.id, head, WallTime::now()).await {
            tracing::warn!(broadcast = %self.id, %error, "cannot persist the playlist: it stands still");
            self.save_at = Instant::now() + SAVE_RETRY;
            return;
        }
        self.unsaved = false;
        let playlist = playlist.playlist();
        if playlist.entries.is_empty() && !playlist.ended {
            return;
        }
        let media_sequence = playlist.entries.last().map(|entry| entry.media_sequence);
        let change = PlaylistChange { broadcast: self.id, media_sequence, ended: playlist.ended };
        self.followed.snapshot.send_replace(snapshot(&playlist, listing, self.shared.config.live_window));
        // Nobody listening is fine.
        let _ = self.shared.changes.send(change);
    }

    /// Who waits for it now: viewers, else neighbours, else nobody.
    fn interest(&self) -> Interest {
        self.interest_among(&lock(&self.shared.followed))
    }

    fn interest_among(&self, followed: &HashMap<BroadcastId, Arc<Followed>>) -> Interest {
        let lasts = |at| self.shared.interest_until(at).is_some_and(|until| until > Instant::now());
        if lasts(&self.followed.asked_at) && !self.kin.is_left(followed) {
            Interest::Watched
        } else if lasts(&self.followed.relayed_at) {
            Interest::Relayed
        } else {
            Interest::Mirrored
        }
    }

    /// Whether nobody is interested any more; then it is not followed from here on. What is to be given up counts as not
    /// held at the same moment, so that whoever follows it next begins with nothing.
    fn leave(&self, listing: &Listing) -> Leave {
        let mut followed = lock(&self.shared.followed);
        if self.interest_among(&followed) != Interest::Mirrored {
            return Leave::Stay;
        }
        let mirrored = self.shared.mirrors(listing) && followed.len() <= MOST_MIRRORED;
        let unfinished = self.playlist.as_ref().is_some_and(|playlist| !playlist.head().ended) || self.unsaved;
        let stays = match listing.state {
            BroadcastState::Live => listing.own || mirrored,
            BroadcastState::Ended => {
                (listing.own && unfinished) || (mirrored && (unfinished || !self.wants.is_empty()))
            }
        };
        if stays {
            return Leave::Stay;
        }
        followed.remove(&self.id);
        let may_stay = listing.archive || listing.state == BroadcastState::Live;
        let kept = self.shared.policy() != Mirror::None || self.shared.is_mirrored(&self.id);
        if listing.own || (may_stay && kept) {
            return Leave::Keep;
        }
        Leave::Forget(Forgetting::begin(&self.shared, self.id))
    }

    /// What is kept by nobody's wish is given up.
    async fn forget(mut self, forgetting: Forgetting) {
        self.fetches.shutdown().await;
        if let Err(error) = forgetting.run().await {
            tracing::warn!(broadcast = %self.id, %error, "cannot give up what nobody asks for: it stays until its room is needed");
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let now = Instant::now();
        let since_epoch = self.shared.epoch.elapsed();
        let gap = self.playlist.as_ref().and_then(LivePlaylist::next_timeout);
        let pause = self.wants.next_timeout(since_epoch);
        let timers = [gap, pause].into_iter().flatten().map(|at| self.shared.epoch + at);
        let save = self.unsaved.then_some(self.save_at);
        let asked = [&self.followed.asked_at, &self.followed.relayed_at];
        let interests = asked.into_iter().filter_map(|at| self.shared.interest_until(at)).filter(|until| *until > now);
        let look = (!self.running.is_empty() && !self.kin.is_empty()).then(|| now + LOOK);
        timers.chain(save).chain(interests).chain(look).min()
    }
}

fn snapshot(playlist: &MediaPlaylist, listing: &Listing, window: usize) -> Snapshot {
    let listed: Duration = playlist.entries.iter().map(|entry| entry.duration).sum();
    let playable = playlist.entries.iter().any(|entry| !entry.gap);
    let enough = listed >= listing.target_duration * NATIVE_TARGETS || playlist.entries.len() >= window;
    Snapshot { text: playlist.render().into(), playable, full: playlist.ended || (playable && enough) }
}
