//! From a publisher's RTMP to segments, manifests and playlists.
//!
//! ```text
//! RTMP ─► MediaEvent ─► Part, Segment ─► ContentStore ─► Manifest ─► AnnouncementLog
//!  ingest              segmenter         broadcast (lifecycle)        (ports)
//!                                     catalog ─► archive ─► ArchiveManifest ─► AnnouncementLog
//!                      Directory ─► playback ─► MediaPlaylist ─► Playlists (port)
//! ```
//!
//! [`Streamer::start`] puts the parts together.

mod alarm;
pub mod archive;
pub mod broadcast;
pub mod camera;
pub mod catalog;
pub mod ingest;
mod init_section;
pub mod keeping;
pub mod keys;
mod loudness;
pub mod manifest;
pub mod media;
pub mod playback;
mod programme;
pub mod remux;
pub mod renditions;
pub mod retention;
pub mod segmenter;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stream_model::{
    AnnouncementLog, ArchiveKeeper, ContentCarrier, ContentLookup, ContentReader, ContentStore, Directory, Downloads,
    FollowGraph, KeepPolicies, KeyError, MessageCarrier, NeighbourWants, PeerId, Playlists, Programme, ProgrammeLog,
    Publishing, RunningHours, StandingLog, Standings, StreamKeys,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::archive::Archivist;
use crate::broadcast::{Clock, PublishingStatus};
use crate::catalog::{Catalog, CatalogError};
use crate::ingest::Publishers;
use crate::keeping::Keeping;
use crate::keys::KeyStore;
use crate::playback::{Mirror, Playback};
use crate::programme::OwnProgramme;
use crate::retention::Policies;

/// Publications between the listener and the broadcasts: taken at once, so a few are plenty.
const PUBLICATIONS: usize = 16;

/// What an owner can set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen for publishers, and for whom.
    pub ingest: ingest::Config,
    /// How segments are cut (`segment.target_duration`, `segment.part_duration`).
    pub segmenter: segmenter::Config,
    /// Segments in a live playlist and a live manifest (`segment.live_window`); at least 1.
    pub live_window: usize,
    /// How long a broadcast waits for its publisher to return (`ingest.grace`).
    pub grace: Duration,
    /// Which broadcasts are fetched though nobody asks for them (`mesh.mirror`).
    pub mirror: Mirror,
    /// Whether this node's broadcasts are kept once they are over (`archive.keep`).
    pub archive: bool,
    /// How archives of others are kept.
    pub keeping: keeping::Config,
    /// In which other encodings there are to be this node's broadcasts (`[[rendition]]`).
    pub renditions: renditions::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ingest: ingest::Config::default(),
            segmenter: segmenter::Config::default(),
            live_window: 6,
            grace: Duration::from_secs(60),
            mirror: Mirror::default(),
            archive: true,
            keeping: keeping::Config::default(),
            renditions: renditions::Config::default(),
        }
    }
}

/// What the streamer needs of the rest of the node.
#[derive(Clone)]
pub struct Ports {
    /// Keeps content.
    pub store: Arc<dyn ContentStore>,
    /// Reads what is kept.
    pub reader: Arc<dyn ContentReader>,
    /// Fetches content of others.
    pub fetcher: Arc<dyn ContentLookup>,
    /// Announces this node's broadcasts.
    pub announcements: Arc<dyn AnnouncementLog>,
    /// Knows all broadcasts.
    pub directory: Arc<dyn Directory>,
    /// Tells what neighbours ask for.
    pub neighbours: Arc<dyn NeighbourWants>,
    /// Knows whom this node follows.
    pub follows: Arc<dyn FollowGraph>,
    /// Knows who holds what is over.
    pub standings: Arc<dyn Standings>,
    /// Says what this node holds, republishes and takes back.
    pub standing_log: Arc<dyn StandingLog>,
    /// Says what is planned, and what this node's broadcasts are called.
    pub programme_log: Arc<dyn ProgrammeLog>,
    /// Carries signed messages.
    pub messages: Arc<dyn MessageCarrier>,
    /// Carries content.
    pub carrier: Arc<dyn ContentCarrier>,
    /// This node's libp2p identity.
    pub peer: PeerId,
    /// The wall clock: [`broadcast::SystemClock`].
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Why a streamer does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamerError {
    /// The RTMP port cannot be used.
    #[error("cannot listen for publishers on {0}: {1}; set ingest.listen to an address and port that are free")]
    Listen(SocketAddr, io::Error),
    /// The stream keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The catalog cannot be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A part ended although nobody asked it to.
    #[error("the streamer's {0} ended unexpectedly")]
    Ended(&'static str),
}

/// A running streamer: ingest, broadcasts, playlists. Dropping it leaves what `kill -9` leaves.
#[derive(Debug)]
pub struct Streamer {
    rtmp: SocketAddr,
    keys: KeyStore,
    publishers: Publishers,
    status: PublishingStatus,
    playback: Playback,
    policies: Policies,
    keeping: Keeping,
    programme: OwnProgramme,
    running_hours: Arc<dyn RunningHours>,
    keeps: Arc<AtomicBool>,
    grace: watch::Sender<Duration>,
    stop: CancellationToken,
    parts: JoinSet<Result<&'static str, StreamerError>>,
}

impl Streamer {
    /// Opens the database file, binds the RTMP port, resumes the broadcasts that were live and starts all tasks.
    /// Blocks shortly on the disk. `stop` ends it: last segments stored, announced and ended within four seconds.
    ///
    /// # Errors
    /// Where the database or the port cannot be used.
    pub fn start(
        config: Config,
        database: &Path,
        ports: Ports,
        stop: CancellationToken,
    ) -> Result<Self, StreamerError> {
        let catalog = Catalog::open(database)?;
        let keys = KeyStore::open(database)?;
        let keeping_ports = keeping::Ports {
            store: Arc::clone(&ports.store),
            reader: Arc::clone(&ports.reader),
            fetcher: Arc::clone(&ports.fetcher),
            carrier: ports.carrier,
            directory: Arc::clone(&ports.directory),
            standings: Arc::clone(&ports.standings),
            standing_log: ports.standing_log,
            messages: ports.messages,
            peer: ports.peer.clone(),
        };
        let programme_log = Arc::clone(&ports.programme_log);
        let Ports {
            store, reader, fetcher, announcements, directory, neighbours, follows, standings, peer, clock, ..
        } = ports;
        let live_window = config.live_window.max(1);

        let (publications, published) = mpsc::channel(PUBLICATIONS);
        let listen = config.ingest.listen;
        let listener = ingest::Listener::bind(config.ingest, keys.clone(), publications)
            .map_err(|error| StreamerError::Listen(listen, error))?;
        let (rtmp, publishers) = (listener.local_addr(), listener.publishers());

        let playback_config = playback::Config { live_window, mirror: config.mirror };
        let playback_ports = playback::Ports {
            store: Arc::clone(&store),
            reader: Arc::clone(&reader),
            fetcher,
            directory: Arc::clone(&directory),
            neighbours,
            follows: Arc::clone(&follows),
            standings,
        };
        let (playback, runner) = Playback::new(playback_config, playback_ports, catalog.clone());

        let serving = playback.clone();
        let dropped = Arc::new(move |broadcast: &_| serving.note_dropped(broadcast));
        let policies = Policies::new(catalog.clone(), Arc::clone(&store), Arc::clone(&directory), dropped);
        let archive_ports = archive::Ports { store: Arc::clone(&store), announcements: Arc::clone(&announcements) };
        let transcodes_others = config.renditions.of_others;
        let broadcast_config = broadcast::Config {
            segmenter: config.segmenter,
            live_window,
            grace: config.grace,
            archive: config.archive,
            renditions: config.renditions,
        };
        let known = Arc::clone(&directory);
        let broadcast_ports = broadcast::Ports { store, announcements, directory, peer, clock, keys: keys.clone() };
        let publisher = broadcast::Publisher::new(broadcast_config, broadcast_ports, catalog.clone());
        let of_others = broadcast::OthersPorts {
            playlists: Arc::new(playback.clone()),
            reader,
            directory: Arc::clone(&known),
            follows,
        };
        let others = broadcast::Others::new(of_others, publisher.originals(), transcodes_others);
        let archivist = Archivist::new(archive_ports, catalog.clone(), publisher.announced());
        let running_hours = archivist.running_hours();
        let (keeping, mirrors) =
            Keeping::new(config.keeping, keeping_ports, catalog, playback.clone(), publisher.rebroadcasts());
        let (status, keeps, grace) = (publisher.status(), publisher.keeps(), publisher.grace());
        let programme = OwnProgramme {
            log: programme_log,
            directory: known,
            keys: keys.clone(),
            publishers: publishers.clone(),
            status: status.clone(),
            ends: publisher.ends(),
            rebroadcasts: publisher.rebroadcasts(),
        };

        let mut parts = JoinSet::new();
        let (ingest_stop, broadcasts_stop) = (stop.clone(), stop.clone());
        // Playlists go on until the ends are announced, so that viewers see them.
        let playback_stop = CancellationToken::new();
        let broadcasts_over = playback_stop.clone().drop_guard();
        parts.spawn(async move {
            listener.run(ingest_stop).await;
            Ok("listener")
        });
        parts.spawn(async move {
            let _broadcasts_over = broadcasts_over;
            publisher.run(published, broadcasts_stop).await?;
            Ok("broadcasts")
        });
        let others_stop = stop.clone();
        parts.spawn(async move {
            others.run(others_stop.clone()).await;
            others_stop.cancelled().await;
            Ok("renditions of others")
        });
        let archive_stop = playback_stop.clone();
        parts.spawn(async move {
            archivist.run(archive_stop).await;
            Ok("archivist")
        });
        let (counting, counting_stop) = (policies.clone(), playback_stop.clone());
        parts.spawn(async move {
            counting.run(counting_stop).await;
            Ok("policies")
        });
        let mirrors_stop = stop.clone();
        parts.spawn(async move {
            mirrors.run(mirrors_stop).await?;
            Ok("mirrors")
        });
        parts.spawn(async move {
            runner.run(playback_stop).await?;
            Ok("playlists")
        });
        Ok(Self {
            rtmp,
            keys,
            publishers,
            status,
            playback,
            policies,
            keeping,
            programme,
            running_hours,
            keeps,
            grace,
            stop,
            parts,
        })
    }

    /// Where it listens for publishers, with the real port.
    pub fn rtmp_addr(&self) -> SocketAddr {
        self.rtmp
    }

    /// The playlists that this node serves.
    pub fn playlists(&self) -> Arc<dyn Playlists> {
        Arc::new(self.playback.clone())
    }

    /// Broadcasts as files.
    pub fn downloads(&self) -> Arc<dyn Downloads> {
        Arc::new(self.playback.clone())
    }

    /// What the owner can have done with archives.
    pub fn archive_keeper(&self) -> Arc<dyn ArchiveKeeper> {
        Arc::new(self.keeping.clone())
    }

    /// What the owner can have done with this node's broadcasts.
    pub fn programme(&self) -> Arc<dyn Programme> {
        Arc::new(self.programme.clone())
    }

    /// The hours of this node's broadcasts that are not complete.
    pub fn running_hours(&self) -> Arc<dyn RunningHours> {
        Arc::clone(&self.running_hours)
    }

    /// The stream keys; a revocation disconnects its publisher.
    pub fn stream_keys(&self) -> Arc<dyn StreamKeys> {
        Arc::new(self.keys.clone())
    }

    /// What the owner wants of single broadcasts.
    pub fn keep_policies(&self) -> Arc<dyn KeepPolicies> {
        Arc::new(self.policies.clone())
    }

    /// A handle that tells who publishes now.
    pub fn reporter(&self) -> PublishingReporter {
        PublishingReporter { publishers: self.publishers.clone(), status: self.status.clone() }
    }

    /// What the owner may choose anew while it runs.
    pub fn choices(&self) -> Choices {
        let (keeps, grace) = (Arc::clone(&self.keeps), self.grace.clone());
        Choices { keeps, grace, keeping: self.keeping.clone(), playback: self.playback.clone() }
    }

    /// Until every part has ended, which is after `stop` is cancelled. A part that ends before cancels `stop`.
    ///
    /// # Errors
    /// The first part's failure.
    pub async fn join(mut self) -> Result<(), StreamerError> {
        let mut result = Ok(());
        while let Some(ended) = self.parts.join_next().await {
            let failure = match ended {
                Ok(Ok(_)) if self.stop.is_cancelled() => continue,
                Ok(Ok(part)) => StreamerError::Ended(part),
                Ok(Err(error)) => error,
                Err(error) => {
                    tracing::error!(%error, "a part of the streamer failed");
                    StreamerError::Ended("task")
                }
            };
            self.stop.cancel();
            result = result.and(Err(failure));
        }
        result
    }
}

/// What the owner may choose anew while a streamer runs: effective at once, and gone with it.
#[derive(Debug, Clone)]
pub struct Choices {
    keeps: Arc<AtomicBool>,
    grace: watch::Sender<Duration>,
    keeping: Keeping,
    playback: Playback,
}

impl Choices {
    /// Whether broadcasts that start from now on are kept once they are over (`archive.keep`).
    pub fn keep_archives(&self, keep: bool) {
        self.keeps.store(keep, Ordering::Relaxed);
    }

    /// How long a broadcast waits for its publisher to return, also one that waits already (`ingest.grace`).
    pub fn wait_for_publishers(&self, grace: Duration) {
        self.grace.send_replace(grace);
    }

    /// Whether what its publisher withdraws is given up (`archive.honour_withdrawals`).
    pub fn honour_withdrawals(&self, honour: bool) {
        self.keeping.honour_withdrawals(honour);
    }

    /// Which broadcasts are fetched though nobody asks for them (`mesh.mirror`).
    pub fn mirror(&self, policy: Mirror) {
        self.playback.mirror(policy);
    }
}

/// Tells who publishes now.
#[derive(Debug, Clone)]
pub struct PublishingReporter {
    publishers: Publishers,
    status: PublishingStatus,
}

impl PublishingReporter {
    /// Those who publish now, by name, with their broadcasts once announced.
    pub fn publishing(&self) -> Vec<Publishing> {
        let with_broadcast = |publisher: ingest::Publisher| Publishing {
            broadcast: self.status.broadcast(&publisher.name),
            sound: self.status.sound(&publisher.name),
            name: publisher.name,
            kbps: publisher.kbps,
        };
        self.publishers.list().into_iter().map(with_broadcast).collect()
    }
}
