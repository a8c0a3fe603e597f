//! The life of a broadcast on its publisher's node.
//!
//! ```text
//! Publication ─► cutter ─► stage ─► keeper ─► catalog ─► announcer ─► AnnouncementLog
//!                segments   bounded  store,    rows       live manifests
//!                                    commit
//! ```
//!
//! One cutter and one keeper for each stream name, one announcer for the node. A segment is durable in the store and
//! committed in the catalog before it is announced; the catalog is the announcer's queue, so a restart needs no other.
//! A publisher is never slowed: what finds no room on the stage is dropped, counted, and leaves a discontinuity.

mod announcer;
mod backoff;
mod clock;
mod cutter;
mod derived;
mod ends;
mod keeper;
mod lifecycle;
mod rebroadcast;
mod recovery;
mod renditions;
mod stage;
mod status;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use stream_model::{AnnouncementLog, ContentStore, Directory, PeerId, StreamName, WallTime};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::announcer::Announcer;
use self::cutter::Cutter;
use self::keeper::Keeper;
use self::renditions::{Originals, Renditions};
pub(crate) use self::renditions::{Others, OthersPorts};
use self::stage::stage;
use crate::catalog::{BroadcastRecord, Catalog, CatalogError};
use crate::keys::KeyStore;
use crate::media::Publication;
use crate::segmenter;

pub use self::clock::{Clock, EARLIEST, SystemClock};
pub use self::ends::Ends;
pub use self::rebroadcast::Rebroadcasts;
pub use self::status::PublishingStatus;

/// Stream names at work at once. Each may hold a segment in progress and its stage: more would not fit the memory
/// of a small node.
const MAX_STREAMS: usize = 32;
/// Publications of one name that wait to be taken over from the one before; a publisher that reconnects faster than
/// that is broken.
const WAITING_PUBLICATIONS: usize = 4;
/// From the request to stop: until then the last segments may be stored.
const STOP_STORING: Duration = Duration::from_millis(2000);
/// From the request to stop: until then stored segments may be announced; afterwards only the end is.
const STOP_ANNOUNCING: Duration = Duration::from_millis(3000);
/// From the request to stop: everything is over, within the 5 s that the whole node has.
const STOP: Duration = Duration::from_millis(4000);

/// How broadcasts are made.
#[derive(Debug, Clone)]
pub struct Config {
    /// How segments are cut; its target duration is announced.
    pub segmenter: segmenter::Config,
    /// Segments in a live manifest (`segment.live_window`), at least 1.
    pub live_window: usize,
    /// How long a broadcast waits for its publisher to return (`ingest.grace`).
    pub grace: Duration,
    /// Whether broadcasts are kept once they are over (`archive.keep`); announced.
    pub archive: bool,
    /// In which other encodings there are to be broadcasts.
    pub renditions: crate::renditions::Config,
}

/// What a [`Publisher`] works with.
#[derive(Clone)]
pub struct Ports {
    /// Keeps segments and manifests.
    pub store: Arc<dyn ContentStore>,
    /// Tells the other nodes.
    pub announcements: Arc<dyn AnnouncementLog>,
    /// What this node has told before.
    pub directory: Arc<dyn Directory>,
    /// This node's libp2p identity.
    pub peer: PeerId,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The stream keys, which may say otherwise than the configuration what is kept, and what broadcasts are called.
    pub keys: KeyStore,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// What the tasks of a publisher share.
#[derive(Debug)]
struct Shared {
    config: Config,
    ports: Ports,
    catalog: Catalog,
    status: PublishingStatus,
    ends: Ends,
    /// What renditions are made of.
    originals: Originals,
    /// There is something new to announce in the catalog.
    announce: Notify,
    /// Something was announced that may be archived.
    archive: Arc<Notify>,
    /// How long a broadcast waits for its publisher, as the owner last said.
    grace: watch::Sender<Duration>,
    /// Whether broadcasts that start now are kept once they are over.
    keeps: Arc<AtomicBool>,
    /// Milliseconds; the newest trusted wall time seen.
    newest_wall: AtomicU64,
    /// The node stops: no more media is taken.
    stopping: CancellationToken,
    /// Storing has taken too long while stopping.
    stop_storing: CancellationToken,
    /// Announcing has taken too long while stopping.
    stop_announcing: CancellationToken,
}

impl Shared {
    fn keeps(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// The wall time, if it can be right; it is then the newest seen.
    fn trusted(&self, now: WallTime) -> Option<WallTime> {
        let newest = WallTime(self.newest_wall.load(Ordering::Relaxed));
        if !clock::is_trusted(now, Some(newest)) {
            return None;
        }
        self.newest_wall.fetch_max(now.0, Ordering::Relaxed);
        Some(now)
    }
}

/// Turns publications into broadcasts.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    streams: HashMap<StreamName, Stream>,
    tasks: JoinSet<()>,
    rebroadcasts: Rebroadcasts,
    /// Until it runs.
    renditions: Option<Renditions>,
}

/// The tasks of one stream name.
#[derive(Debug)]
struct Stream {
    publications: mpsc::Sender<Publication>,
    keeper: Id,
}

impl Publisher {
    /// Nothing runs until [`run`](Self::run).
    pub fn new(config: Config, ports: Ports, catalog: Catalog) -> Self {
        let (originals, renditions) = Originals::new(config.renditions.clone(), config.segmenter.part_duration);
        let shared = Shared {
            originals,
            keeps: Arc::new(AtomicBool::new(config.archive)),
            grace: watch::Sender::new(config.grace),
            config,
            ports,
            catalog,
            status: PublishingStatus::default(),
            ends: Ends::new(),
            announce: Notify::new(),
            archive: Arc::default(),
            newest_wall: AtomicU64::new(0),
            stopping: CancellationToken::new(),
            stop_storing: CancellationToken::new(),
            stop_announcing: CancellationToken::new(),
        };
        let shared = Arc::new(shared);
        let rebroadcasts = Rebroadcasts::new(Arc::clone(&shared));
        Self { shared, streams: HashMap::new(), tasks: JoinSet::new(), rebroadcasts, renditions: Some(renditions) }
    }

    /// What is published.
    pub fn status(&self) -> PublishingStatus {
        self.shared.status.clone()
    }

    /// To end what is published.
    pub fn ends(&self) -> Ends {
        self.shared.ends.clone()
    }

    /// Archives that are played as broadcasts of this node.
    pub fn rebroadcasts(&self) -> Rebroadcasts {
        self.rebroadcasts.clone()
    }

    /// Where it is told of what is to be encoded anew.
    pub(crate) fn originals(&self) -> Originals {
        self.shared.originals.clone()
    }

    /// Told when something new was announced: for who archives it.
    pub fn announced(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.archive)
    }

    /// Whether broadcasts that start from now on are kept once they are over, to be set anew.
    pub(crate) fn keeps(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.keeps)
    }

    /// How long a broadcast waits for its publisher, to be set anew.
    pub(crate) fn grace(&self) -> watch::Sender<Duration> {
        self.shared.grace.clone()
    }

    /// Takes publications until `stop` is cancelled or no more can come. Then closes the last segments, stores and
    /// announces them, and announces the ends, all within four seconds. Not to be cancelled otherwise: a dropped
    /// future leaves what `kill -9` leaves.
    ///
    /// # Errors
    /// Where the catalog cannot be read at the start.
    pub async fn run(
        mut self,
        mut publications: mpsc::Receiver<Publication>,
        stop: CancellationToken,
    ) -> Result<(), CatalogError> {
        let recovered = recovery::recover(&self.shared).await?;
        self.rebroadcasts.handle_recovered();
        let quiet = CancellationToken::new();
        let announcer = Announcer::new(Arc::clone(&self.shared), recovered.unresumed);
        let mut announcer = JoinSet::from_iter([announcer.run(quiet.clone())]);
        let keepers_over = CancellationToken::new();
        let mut renditions = JoinSet::new();
        if let Some(task) = self.renditions.take() {
            renditions.spawn(task.run(Arc::clone(&self.shared), recovered.renditions, keepers_over.clone()));
        }
        for record in recovered.live {
            let name = record.name.clone();
            let stream = self.spawn(name.clone(), Some(record));
            self.streams.insert(name, stream);
        }
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.tasks.join_next_with_id() => self.handle_task_end(ended),
                publication = publications.recv() => match publication {
                    Some(publication) => self.dispatch(publication),
                    None => break,
                },
            }
        }
        let asked_at = Instant::now();
        self.stop_streams(asked_at).await;
        keepers_over.cancel();
        if tokio::time::timeout_at(asked_at + STOP_ANNOUNCING, renditions.join_next()).await.is_err() {
            tracing::warn!("stopped before all renditions had ended: the next start ends them");
        }
        if tokio::time::timeout_at(asked_at + STOP_ANNOUNCING, self.rebroadcasts.join()).await.is_err() {
            tracing::warn!("stopped before all rebroadcasts had ended: the next start ends them");
        }
        quiet.cancel();
        if tokio::time::timeout_at(asked_at + STOP_ANNOUNCING, announcer.join_next()).await.is_err() {
            self.shared.stop_announcing.cancel();
            if tokio::time::timeout_at(asked_at + STOP, announcer.join_next()).await.is_err() {
                tracing::warn!("stopped before everything was announced: the rest follows after the next start");
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, publication: Publication) {
        let name = publication.name.clone();
        let publication = match self.streams.get(&name) {
            None => publication,
            Some(stream) => match stream.publications.try_send(publication) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Closed(publication)) => publication,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    metrics::counter!("meshstream_publications_refused_total").increment(1);
                    tracing::warn!(stream = %name, "publisher reconnects too fast and is left out");
                    return;
                }
            },
        };
        if self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(&name) {
            metrics::counter!("meshstream_publications_refused_total").increment(1);
            tracing::warn!(stream = %name, limit = MAX_STREAMS, "too many streams at once: publication is left out");
            return;
        }
        let stream = self.spawn(name.clone(), None);
        if stream.publications.try_send(publication).is_err() {
            tracing::error!(stream = %name, "a fresh stream does not take its publication");
        }
        self.streams.insert(name, stream);
    }

    fn spawn(&mut self, name: StreamName, resumed: Option<BroadcastRecord>) -> Stream {
        let (publications, waiting) = mpsc::channel(WAITING_PUBLICATIONS);
        let (entrance, exit) = stage();
        let (cutter, presence, settled) =
            Cutter::new(Arc::clone(&self.shared), name.clone(), entrance, waiting, resumed.is_some());
        let keeper = Keeper::new(Arc::clone(&self.shared), name, exit, presence, settled, resumed);
        self.tasks.spawn(cutter.run());
        let keeper = self.tasks.spawn(keeper.run()).id();
        Stream { publications, keeper }
    }

    fn handle_task_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => {
                // The other half of the stream ends by itself when this one's channels close; the broadcast is
                // resumed at the next start.
                metrics::counter!("meshstream_stream_panics_total").increment(1);
                tracing::error!(%error, "a stream's task failed");
                error.id()
            }
        };
        self.streams.retain(|name, stream| {
            let over = stream.keeper == id;
            if over {
                if let Some(broadcast) = self.shared.status.broadcast(name) {
                    self.shared.ends.handle_ended(&broadcast);
                }
                self.shared.status.handle_broadcast(name, None);
            }
            !over
        });
    }

    async fn stop_streams(&mut self, asked_at: Instant) {
        self.shared.stopping.cancel();
        if tokio::time::timeout_at(asked_at + STOP_STORING, self.join_streams()).await.is_err() {
            self.shared.stop_storing.cancel();
            if tokio::time::timeout_at(asked_at + STOP_ANNOUNCING, self.join_streams()).await.is_err() {
                tracing::warn!("stopped before everything was stored: the rest is lost");
            }
        }
    }

    async fn join_streams(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.handle_task_end(ended);
        }
    }
}
