//! The playlists that this node serves, of its own broadcasts and of others'.
//!
//! A broadcast is *followed* while it is watched here or asked for by neighbours, while it is this node's own and live, or
//! while it is live and the node mirrors it. A follower reads what is announced, fetches it newest first, feeds the live playlist and
//! persists its head before anybody sees it. What is not followed is still served: from what is held, or fetched when
//! asked for. Never writes media, never announces.

mod ceiling;
mod download;
mod errand;
mod fetching;
mod followed;
mod follower;
mod held;
mod keeping;
mod kin;
mod library;
mod relay;
mod remembered;
mod runner;
mod throughput;
mod thumbnails;
mod timeline;
mod variants;
mod wants;
mod way;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stream_model::{
    Audience, BroadcastId, BroadcastState, BroadcastTimeline, Cid, ContentLookup, ContentReader, ContentStore,
    Directory, DiscontinuitySequence, FeedId, FollowGraph, Listing, MediaPlaylistKind, MediaSegment, MediaSequence,
    Multivariant, NeighbourWants, Period, PlaylistChange, PlaylistError, Playlists, SegmentName, SegmentPlace,
    Standings,
};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};
use tokio::time::Instant;

use self::followed::{Followed, MOST_FOLLOWED};
use self::held::SequenceSet;
pub(crate) use self::keeping::{MOST_SEGMENTS, Reading};
use self::library::Hour;
pub(crate) use self::library::INDEX_BYTES;
use self::remembered::Remembered;
pub use self::runner::Runner;
use self::way::Ways;
use crate::catalog::Catalog;
use crate::manifest::{MediaPlaylist, PlaylistEntry, multivariant};

/// How long a request for a live playlist waits for its first segments: below the 10 s after which hls.js gives up
/// on a first byte.
const LIVE_WAIT: Duration = Duration::from_secs(8);
/// How long a request for a segment waits while it is fetched, for the same reason.
const SEGMENT_WAIT: Duration = Duration::from_secs(8);
/// When to ask again for a segment: it is on its way.
const SEGMENT_RETRY: Duration = Duration::from_secs(2);
/// When to ask again where this node follows all it can.
const BUSY_RETRY: Duration = Duration::from_secs(30);
/// Target durations that a native player wants listed before it starts.
const NATIVE_TARGETS: u32 = 3;
/// Fetches for requests of viewers at once, apart from those of followers.
const ON_DEMAND: usize = 8;
/// Of pictures to look through broadcasts with, apart from them: a page with many of them keeps nobody waiting who watches.
const PICTURES: usize = 2;
/// Fetches at once for all broadcasts that are watched: enough to fill a link, few enough for each to be quick.
const WATCHED_FETCHES: usize = 8;
/// Fetches at once for what only neighbours ask for, apart from them: viewers here come first.
const RELAYED_FETCHES: usize = 4;
/// Fetches at once for what is only mirrored, apart from both: nobody waits for what nobody watches.
const MIRRORED_FETCHES: usize = 4;
/// Changes that a subscriber may be behind before it loses some.
const CHANGES: usize = 256;
/// Where the segments are for a playlist of an hour or a day.
const FOLDER_ABOVE: &str = "../";
/// Segments in a playlist of a whole broadcast: more than three days of 15 s segments, a text of a few megabytes.
const WHOLE: usize = 20_000;

/// Which broadcasts of others a node fetches besides those that are watched on it or asked for by its neighbours, and
/// what it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mirror {
    /// No others; and what nobody watches or asks for any more is given up.
    None,
    /// No others; what was fetched is kept until its room is needed.
    #[default]
    Watched,
    /// Those of whom the node follows: as they go on, and their archives.
    Followed,
    /// All: as they go on, and their archives.
    All,
}

/// How playlists are made.
#[derive(Debug, Clone)]
pub struct Config {
    /// The most entries in a live playlist (`segment.live_window`), at least 1.
    pub live_window: usize,
    /// Which broadcasts are fetched though nobody asks for them (`mesh.mirror`).
    pub mirror: Mirror,
}

/// What playback works with.
#[derive(Clone)]
pub struct Ports {
    /// What is held here.
    pub store: Arc<dyn ContentStore>,
    /// The same, to be read.
    pub reader: Arc<dyn ContentReader>,
    /// Where the rest comes from.
    pub fetcher: Arc<dyn ContentLookup>,
    /// What is announced.
    pub directory: Arc<dyn Directory>,
    /// What neighbours ask for.
    pub neighbours: Arc<dyn NeighbourWants>,
    /// Whom this node follows.
    pub follows: Arc<dyn FollowGraph>,
    /// Who holds what is over.
    pub standings: Arc<dyn Standings>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Shared {
    config: Config,
    /// Which broadcasts are fetched though nobody asks for them.
    policy: watch::Sender<Mirror>,
    ports: Ports,
    catalog: Catalog,
    epoch: Instant,
    followed: Mutex<HashMap<BroadcastId, Arc<Followed>>>,
    /// To the runner, which starts followers.
    starts: mpsc::Sender<Arc<Followed>>,
    held: Mutex<HashMap<BroadcastId, SequenceSet>>,
    /// Broadcasts that are being given up.
    forgetting: watch::Sender<BTreeSet<BroadcastId>>,
    timelines: Mutex<Remembered<BroadcastTimeline>>,
    thumbnails: Mutex<Remembered<str>>,
    /// Since when the archives of broadcasts are waited for.
    unread: Mutex<HashMap<BroadcastId, Instant>>,
    /// Whom this node follows, where it mirrors them.
    mirrored_authors: Mutex<BTreeSet<FeedId>>,
    /// What is mirrored, whatever the policy.
    mirrored: Mutex<BTreeSet<BroadcastId>>,
    ways: Mutex<Ways>,
    changes: broadcast::Sender<PlaylistChange>,
    watched_fetches: Semaphore,
    relayed_fetches: Semaphore,
    mirrored_fetches: Semaphore,
    on_demand: Semaphore,
    pictures: Semaphore,
}

/// Serves playlists. Clones share everything.
#[derive(Debug, Clone)]
pub struct Playback {
    shared: Arc<Shared>,
}

impl Playback {
    /// Playlists, and the task that keeps them up: nothing is followed until it [runs](Runner::run).
    pub fn new(config: Config, ports: Ports, catalog: Catalog) -> (Self, Runner) {
        let (starts, started) = mpsc::channel(MOST_FOLLOWED);
        let shared = Arc::new(Shared {
            policy: watch::Sender::new(config.mirror),
            config,
            ports,
            catalog,
            epoch: Instant::now(),
            followed: Mutex::default(),
            starts,
            held: Mutex::default(),
            forgetting: watch::Sender::default(),
            timelines: Mutex::default(),
            thumbnails: Mutex::default(),
            unread: Mutex::default(),
            mirrored_authors: Mutex::default(),
            mirrored: Mutex::default(),
            ways: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES),
            watched_fetches: Semaphore::new(WATCHED_FETCHES),
            relayed_fetches: Semaphore::new(RELAYED_FETCHES),
            mirrored_fetches: Semaphore::new(MIRRORED_FETCHES),
            on_demand: Semaphore::new(ON_DEMAND),
            pictures: Semaphore::new(PICTURES),
        });
        (Self { shared: Arc::clone(&shared) }, Runner::new(shared, started))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn listing(&self, broadcast: &BroadcastId) -> Result<Listing, PlaylistError> {
        self.ports.directory.listing(broadcast).ok_or(PlaylistError::NotFound)
    }

    fn announced(&self, broadcast: &BroadcastId, sequence: MediaSequence) -> Option<MediaSegment> {
        let found = self.ports.directory.segments(broadcast, sequence, 1).into_iter().next()?;
        (found.media_sequence == sequence).then_some(found)
    }

    /// Whether a broadcast of somebody else is fetched though nobody asks for it.
    fn mirrors(&self, listing: &Listing) -> bool {
        listing.archive && (self.is_mirrored(&listing.id) || self.mirrors_by_policy(listing))
    }

    fn is_mirrored(&self, broadcast: &BroadcastId) -> bool {
        lock(&self.mirrored).contains(broadcast)
    }

    fn policy(&self) -> Mirror {
        *self.policy.borrow()
    }

    /// Renditions can be made again of what is mirrored; pictures to look through it with are small.
    fn mirrors_by_policy(&self, listing: &Listing) -> bool {
        if listing.rendition.is_some() && !listing.is_of_images() {
            return false;
        }
        match self.policy() {
            Mirror::None | Mirror::Watched => false,
            Mirror::Followed => lock(&self.mirrored_authors).contains(&listing.author),
            Mirror::All => true,
        }
    }

    fn is_held(&self, broadcast: &BroadcastId, sequence: MediaSequence) -> bool {
        lock(&self.held).get(broadcast).is_some_and(|held| held.contains(sequence))
    }

    fn note_held(&self, broadcast: BroadcastId, sequence: MediaSequence) -> bool {
        lock(&self.held).entry(broadcast).or_default().insert(sequence)
    }

    /// The first announced segment with this discontinuity sequence, which never falls as media sequence rises.
    fn first_of_timeline(&self, listing: &Listing, wanted: DiscontinuitySequence) -> Option<MediaSegment> {
        let directory = &self.ports.directory;
        let (mut low, mut high) = (0, listing.media_sequence?.0);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = directory.segments(&listing.id, MediaSequence(middle), 1).into_iter().next()?;
            if found.discontinuity_sequence < wanted {
                low = found.media_sequence.0.max(middle).saturating_add(1);
            } else {
                high = middle;
            }
        }
        let found = directory.segments(&listing.id, MediaSequence(low), 1).into_iter().next()?;
        (found.discontinuity_sequence == wanted).then_some(found)
    }
}

/// The playlist of segments that are kept.
fn recording(listing: &Listing, segments: &[MediaSegment], ended: bool) -> MediaPlaylist {
    MediaPlaylist::whole(listing.target_duration, segments.iter().map(PlaylistEntry::from), ended)
}

#[async_trait]
impl Playlists for Playback {
    async fn live(&self, broadcast: &BroadcastId, audience: Audience, viewer: IpAddr) -> Result<String, PlaylistError> {
        let listing = self.shared.listing(broadcast)?;
        if listing.state == BroadcastState::Ended && listing.media_sequence.is_none() {
            return Err(PlaylistError::NotFound);
        }
        let followed = self.shared.follow_for(*broadcast, viewer).ok_or(PlaylistError::NotYet(BUSY_RETRY))?;
        let mut snapshot = followed.snapshot.subscribe();
        let ready = snapshot.wait_for(|snapshot| match audience {
            Audience::MediaSource => snapshot.playable || snapshot.full,
            Audience::Native => snapshot.full,
        });
        match tokio::time::timeout(LIVE_WAIT, ready).await {
            Ok(Ok(snapshot)) => Ok(snapshot.text.to_string()),
            Ok(Err(_)) | Err(_) => {
                metrics::counter!("meshstream_playlists_late_total").increment(1);
                Err(PlaylistError::NotYet(listing.target_duration / 2))
            }
        }
    }

    async fn whole(&self, broadcast: &BroadcastId) -> Result<String, PlaylistError> {
        let listing = self.shared.listing(broadcast)?;
        let segments = self.shared.all_segments(&listing).await?;
        let ended = listing.state == BroadcastState::Ended;
        match (segments.is_empty(), ended) {
            (true, false) => Err(PlaylistError::NotYet(listing.target_duration / 2)),
            (true, true) => Err(PlaylistError::NotFound),
            (false, _) => Ok(recording(&listing, &segments, ended).render()),
        }
    }

    fn multivariant(
        &self,
        broadcast: &BroadcastId,
        of: MediaPlaylistKind,
        audience: Audience,
    ) -> Result<Multivariant, PlaylistError> {
        let listing = self.shared.listing(broadcast)?;
        let streams = self.shared.variants(&listing, of, audience);
        if streams.is_empty() {
            return Ok(Multivariant::Alone(variants::file_of(of, audience)));
        }
        Ok(Multivariant::Playlist(multivariant(&streams)))
    }

    async fn thumbnails(&self, broadcast: &BroadcastId) -> Result<String, PlaylistError> {
        self.shared.thumbnails(broadcast).await.map(|text| text.to_string())
    }

    async fn poster(&self, broadcast: &BroadcastId) -> Result<Cid, PlaylistError> {
        self.shared.poster(broadcast).await
    }

    fn suggested_bitrate(&self, broadcast: &BroadcastId) -> Option<u64> {
        self.shared.suggested_bitrate(&self.shared.listing(broadcast).ok()?)
    }

    async fn hour(&self, broadcast: &BroadcastId, first: MediaSequence) -> Result<String, PlaylistError> {
        let listing = self.shared.listing(broadcast)?;
        let hours = self.shared.hours(&listing).await?;
        let hour = hours.into_iter().find(|hour| hour.first == first).ok_or(PlaylistError::NotFound)?;
        let segments = self.shared.recording(&listing, hour.first..=hour.last).await?;
        Ok(recording(&listing, &segments, hour.complete).render_below(|_| FOLDER_ABOVE.to_owned()))
    }

    async fn day(&self, broadcast: &BroadcastId, day: Period) -> Result<String, PlaylistError> {
        let listing = self.shared.listing(broadcast)?;
        let hours = self.shared.hours(&listing).await?;
        let is_of_day = |hour: &Hour| hour.period.map(Period::day) == Some(day);
        // A running broadcast may get another hour of its last day.
        let is_last = hours.last().is_some_and(is_of_day);
        let complete = !is_last || listing.state == BroadcastState::Ended;
        let mut segments = Vec::new();
        for hour in hours.iter().filter(|hour| is_of_day(hour)) {
            segments.extend(self.shared.recording(&listing, hour.first..=hour.last).await?);
        }
        if segments.is_empty() {
            return Err(PlaylistError::NotFound);
        }
        Ok(recording(&listing, &segments, complete).render_below(|_| FOLDER_ABOVE.to_owned()))
    }

    async fn segment(&self, broadcast: &BroadcastId, sequence: MediaSequence) -> Result<Cid, PlaylistError> {
        let listing = self.shared.listing(broadcast)?;
        let segment = self.shared.recorded(&listing, sequence).await?;
        let shared = &self.shared;
        if !listing.own && !shared.ports.store.holds(&segment.segment).await {
            shared.demand(&listing, segment.clone(), SEGMENT_WAIT).await?;
        }
        Ok(segment.segment)
    }

    async fn init(&self, broadcast: &BroadcastId, sequence: DiscontinuitySequence) -> Result<Cid, PlaylistError> {
        let listing = self.shared.listing(broadcast)?;
        let shared = &self.shared;
        let segment = match shared.first_of_timeline(&listing, sequence) {
            Some(announced) => Some(announced),
            // A player that asks for it has a playlist: the archive that names it was read.
            None => shared.catalog.first_of_timeline(*broadcast, sequence).await.map_err(library::failed)?,
        };
        let segment = segment.ok_or(PlaylistError::NotFound)?;
        if !listing.own && !shared.ports.store.holds(&segment.init).await {
            shared.demand_init(&listing, &segment, SEGMENT_WAIT).await?;
        }
        Ok(segment.init)
    }

    async fn place(&self, broadcast: &BroadcastId, name: SegmentName) -> Result<SegmentPlace, PlaylistError> {
        let shared = &self.shared;
        let listing = shared.listing(broadcast)?;
        let segments = shared.all_segments(&listing).await?;
        let is_it = |segment: &&MediaSegment| match name {
            SegmentName::Number(number) => segment.media_sequence == number,
            SegmentName::Content(cid) => segment.segment == cid,
        };
        let segment = segments.iter().find(is_it).ok_or(PlaylistError::NotFound)?.clone();
        let before = recording(&listing, &segments, true).entries.into_iter();
        let before = before.take_while(|entry| entry.media_sequence < segment.media_sequence);
        let from = before.map(|entry| entry.duration).sum();
        let held = shared.ports.store.holds(&segment.segment).await;
        let progress = shared.ports.fetcher.progress(&segment.segment).filter(|_| !held);
        Ok(SegmentPlace { segment, from, held, progress })
    }

    async fn timeline(&self, broadcast: &BroadcastId) -> Result<Arc<BroadcastTimeline>, PlaylistError> {
        self.shared.timeline(broadcast).await
    }

    fn held_segments(&self, broadcast: &BroadcastId) -> u64 {
        lock(&self.shared.held).get(broadcast).map_or(0, SequenceSet::len)
    }

    fn holds_segment(&self, broadcast: &BroadcastId, sequence: MediaSequence) -> bool {
        self.shared.is_held(broadcast, sequence) || self.shared.listing(broadcast).is_ok_and(|listing| listing.own)
    }

    fn subscribe(&self) -> BoxStream<'static, PlaylistChange> {
        let receiver = self.shared.changes.subscribe();
        futures::stream::unfold(receiver, |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(change) => return Some((change, receiver)),
                    Err(broadcast::error::RecvError::Lagged(lost)) => {
                        metrics::counter!("meshstream_playlist_changes_lost_total").increment(lost);
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}
