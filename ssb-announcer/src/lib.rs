//! Secure Scuttlebutt for Meshstream: this node's identity, the feeds it writes and replicates, and the
//! announcements in them.
//!
//! Outside, it is an [`AnnouncementLog`] to write announcements, a [`Directory`] of what others announced, and a
//! [`PeerBook`] that takes peers to connect to. It has never heard of HLS or IPFS: segments and manifests are CIDs
//! to it. [`SsbAnnouncer`] puts the parts together:
//!
//! - [`identity`] signs, [`feed`] stores and validates, [`blobs`] keeps pictures;
//! - [`announcement`] gives messages their meaning, [`social`] those that people write;
//! - [`discovery`] finds peers on a LAN, by their [`address`];
//! - [`gossip`] connects nodes by [`handshake`] and [`muxrpc`], over which [`replication`] exchanges feeds.

pub mod address;
pub mod announcement;
pub mod blobs;
mod changes;
pub mod discovery;
pub mod feed;
pub mod gossip;
pub mod graph;
pub mod handshake;
pub mod identity;
pub mod muxrpc;
mod nesting;
pub mod recovery;
pub mod releases;
pub mod replication;
pub mod social;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use stream_model::{
    AnnouncementLog, BlobError, BlobId, BlobStore, Directory, FeedId, FollowGraph, Meetings, MessageCarrier,
    Neighbours, NodeSigner, PeerBook, ProgrammeLog, ReleaseLog, StandingLog, Standings, Timeline,
};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::address::PeerAddresses;
use crate::announcement::{Announcer, BroadcastDirectory, Carrier};
use crate::blobs::Blobs;
use crate::discovery::Discovery;
use crate::feed::{Conflict, FeedStore, OwnFeed, OwnFeedError, OwnGate, RecoverReason, StoreError};
use crate::gossip::Gossip;
use crate::graph::{ContactIndex, Contacts};
use crate::identity::{Identity, IdentityError, Machine, Place, Standing};
use crate::releases::{FeedReleases, ReleaseIndex};
use crate::social::{SocialIndex, SocialTimeline, WebAddresses};

/// Where this node keeps its feeds and how it connects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The secret file of the identity; made where there is none.
    pub secret: PathBuf,
    /// The machine that this runs on: an identity that comes from another appends nothing until its owner says so.
    pub machine: Machine,
    /// The SQLite file of the feeds; made where there is none. Its directory exists, and has the folder of blobs too.
    pub database: PathBuf,
    /// The network.
    pub gossip: gossip::Config,
    /// How peers are found on a LAN; `None` where they are not.
    pub discovery: Option<discovery::Config>,
    /// Bytes of the disk that stay free: with less, nothing of others is taken.
    pub keep_free: u64,
    /// Peers to keep connected.
    pub peers: Vec<PeerAddresses>,
    /// How many steps the follow graph is followed.
    pub hops: u32,
    /// What the node calls itself, for other SSB programs: at most 100 characters.
    pub name: String,
    /// Its picture, a PNG or JPEG; `None` leaves the one of before.
    pub image: Option<Bytes>,
    /// Where the node's pages are, to tell the start of a broadcast in a post too; `None` tells it in none.
    pub start_posts: Option<WebAddresses>,
}

/// Why the part of a node that speaks SSB does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No feeds.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No folder of blobs.
    #[error("cannot keep blobs: {0}")]
    Blobs(#[source] std::io::Error),
    /// No listener.
    #[error(transparent)]
    Bind(#[from] gossip::BindError),
}

/// The running parts. To be ended with [`shutdown`](Self::shutdown); dropping it cancels them without waiting.
#[derive(Debug)]
pub struct SsbAnnouncer {
    identity: Identity,
    room: FeedStore,
    /// Where the feeds are.
    folder: PathBuf,
    announcer: Arc<Announcer>,
    directory: Arc<BroadcastDirectory>,
    carrier: Arc<Carrier>,
    contacts: Arc<Contacts>,
    timeline: Arc<SocialTimeline>,
    releases: Arc<FeedReleases>,
    blobs: Blobs,
    gossip: Gossip,
    gate: Arc<OwnGate>,
    discovery: Option<Discovery>,
    tasks: TaskTracker,
    /// Asks the tasks to end.
    cancel: CancellationToken,
    /// Cancelled when one of the tasks has ended.
    stopped: CancellationToken,
}

impl SsbAnnouncer {
    /// Reads identity and feeds, rebuilds the directory, listens, and starts the tasks. It must not be called for
    /// data that another process uses: two writers fork the feed. An identity that was imported, or comes from another
    /// machine, is served and appends nothing until [`recovery`] was run.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let Config { secret, machine, database, gossip, discovery, keep_free, peers, hops, name, image, start_posts } =
            config;
        let folder = database.parent().map(Path::to_owned).unwrap_or_default();
        let of_database = folder.clone();
        let opened = spawn_blocking(move || -> Result<_, StartError> {
            let place = Place::beside(&secret, machine);
            let new = !secret.exists();
            if new {
                // Before the identity is there: it is at home where it was made.
                place.settle()?;
            }
            let identity = Identity::load_or_create(&secret)?;
            if !new && !database.exists() && !matches!(place.standing()?, Standing::Recover(_)) {
                // Where it is lost, the feed is not.
                place.require_recovery(RecoverReason::Lost)?;
            }
            let store = FeedStore::open(
                &database,
                identity.id(),
                vec![Arc::new(ContactIndex), Arc::new(SocialIndex), Arc::new(ReleaseIndex)],
            )?;
            store.keep_free(of_database, keep_free);
            guard_own_feed(&store, &place, new)?;
            let directory = BroadcastDirectory::open(store.clone(), identity.id())?;
            let contacts = Contacts::open(identity.clone(), store.clone(), directory.clone(), hops)?;
            let folder = blobs::Config::in_directory(database.with_file_name("blobs"));
            let blobs = Blobs::open(folder).map_err(StartError::Blobs)?;
            Ok((identity, store, directory, contacts, place, blobs))
        });
        let (identity, store, directory, contacts, place, blobs) =
            opened.await.map_err(|_| StoreError::Cancelled)??;
        let network = gossip.network_key.clone();
        let gossip = gossip::Config { blobs: Some(blobs.clone()), ..gossip };
        let (gossip, listener) = gossip::bind(gossip, identity.clone(), store.clone())?;
        let id = identity.id();
        info!(feed = %id, listen = %gossip.local_address(), "ssb started");
        peers.iter().for_each(|peer| gossip.offer(discovery::to_peer(peer)));
        let discovery = discovery.map(|config| discovery::bind(config, identity.clone(), network, gossip.clone()));
        let (discovery, found) = discovery.unzip();

        let gate = store.own_gate();
        let timeline = SocialTimeline::open(identity.clone(), store.clone());
        let (room, checked) = (store.clone(), store.clone());
        let carrier = Carrier::new(store.clone(), directory.clone());
        let releases = FeedReleases::open(identity.clone(), store.clone());
        let announcer = Announcer::new(identity.clone(), store, directory.clone());
        announcer.post_starts(start_posts);
        let this = Self {
            identity,
            room,
            folder,
            announcer: Arc::new(announcer),
            carrier: Arc::new(carrier),
            timeline: timeline.clone(),
            releases,
            directory: directory.clone(),
            contacts: contacts.clone(),
            blobs,
            gossip,
            gate: gate.clone(),
            discovery,
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
            stopped: CancellationToken::new(),
        };
        this.spawn(listener.run(this.cancel.clone()));
        if let Some(found) = found {
            this.spawn(found.run(this.cancel.clone()));
        }
        this.spawn(async move { directory.run().await });
        let cancel = this.cancel.clone();
        this.spawn(async move { contacts.run(cancel).await });
        let (told, cancel) = (timeline.clone(), this.cancel.clone());
        this.spawn(async move { timeline.run().await });
        let noted = this.cancel.clone();
        this.tasks.spawn(async move {
            let _cancelled = noted.run_until_cancelled(remember_fork(gate, place)).await;
        });
        let checking = this.cancel.clone();
        this.tasks.spawn(async move {
            let _cancelled = checking.run_until_cancelled(check_database(checked)).await;
        });
        // An append may wait for peers; the start does not.
        let pictures = this.blobs.clone();
        this.tasks.spawn(async move {
            let picture = keep_picture(&pictures, image).await;
            if let Err(error) = &picture {
                warn!(%error, "the node's picture cannot be kept");
            }
            // What cannot be kept now is not taken back.
            let is_ours = |blob: &BlobId| picture.is_ok() && pictures.is_own(blob);
            let introduced = told.introduce(&name, picture.as_ref().ok().copied().flatten(), is_ours);
            if let Some(Err(error)) = cancel.run_until_cancelled(introduced).await {
                warn!(%error, "the node's name could not be announced");
            }
        });
        this.tasks.close();
        Ok(this)
    }

    /// Takes nothing of others while less than `free` bytes are free of the disk that the feeds are on, from now on.
    pub fn keep_free(&self, free: u64) {
        self.room.keep_free(self.folder.clone(), free);
    }

    /// Tells the start of each broadcast from now on in a post too, with the addresses of the node's pages; `None` in none.
    pub fn post_starts(&self, pages: Option<WebAddresses>) {
        self.announcer.post_starts(pages);
    }

    /// Follows the graph so many steps from now on. What is not reached any more is dropped in its time.
    pub fn reach_for(&self, hops: u32) {
        self.contacts.reach_for(hops);
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ended = self.stopped.clone().drop_guard();
        self.tasks.spawn(async move {
            let _ended = ended;
            task.await;
        });
    }

    /// This node's feed.
    pub fn id(&self) -> FeedId {
        self.identity.id()
    }

    /// Signs what this node says of itself.
    pub fn signer(&self) -> Arc<dyn NodeSigner> {
        Arc::new(self.identity.clone())
    }

    /// Where it listens, with the real port.
    pub fn local_address(&self) -> SocketAddr {
        self.gossip.local_address()
    }

    /// To announce this node's broadcasts.
    pub fn announcement_log(&self) -> Arc<dyn AnnouncementLog> {
        self.announcer.clone()
    }

    /// All broadcasts known.
    pub fn directory(&self) -> Arc<dyn Directory> {
        self.directory.clone()
    }

    /// To say what this node does with broadcasts that are over.
    pub fn standing_log(&self) -> Arc<dyn StandingLog> {
        self.announcer.clone()
    }

    /// To say what this node plans, and what its broadcasts are called.
    pub fn programme_log(&self) -> Arc<dyn ProgrammeLog> {
        self.announcer.clone()
    }

    /// What others say of broadcasts.
    pub fn standings(&self) -> Arc<dyn Standings> {
        self.directory.clone()
    }

    /// To carry the messages of broadcasts by hand.
    pub fn message_carrier(&self) -> Arc<dyn MessageCarrier> {
        self.carrier.clone()
    }

    /// Releases of the program that feeds announce.
    pub fn release_log(&self) -> Arc<dyn ReleaseLog> {
        self.releases.clone()
    }

    /// What people say.
    pub fn timeline(&self) -> Arc<dyn Timeline> {
        self.timeline.clone()
    }

    /// Pictures of people, broadcasts and posts.
    pub fn blob_store(&self) -> Arc<dyn BlobStore> {
        Arc::new(self.blobs.clone())
    }

    /// Whom this node follows and blocks.
    pub fn follow_graph(&self) -> Arc<dyn FollowGraph> {
        self.contacts.clone()
    }

    /// Takes peers to connect to and feeds to replicate.
    pub fn peer_book(&self) -> Arc<dyn PeerBook> {
        Arc::new(self.gossip.clone())
    }

    /// Tells somebody of the peers that are connected, now and from now on. To be called once.
    pub fn tell_of_meetings(&self, meetings: Arc<dyn Meetings>) {
        self.gossip.tell_of_meetings(meetings);
    }

    /// Takes neighbours to be told of this node; `None` where it looks for none.
    pub fn neighbours(&self) -> Option<Arc<dyn Neighbours>> {
        Some(Arc::new(self.discovery.clone()?))
    }

    /// How it stands with this node's own feed.
    pub fn own_feed(&self) -> OwnFeed {
        self.gate.report()
    }

    /// Everybody who is connected or is to be dialled.
    pub fn connections(&self) -> Vec<gossip::peers::Connection> {
        self.gossip.connections()
    }

    /// Waits until one of the tasks has ended, which none does before [`shutdown`](Self::shutdown): the node cannot do
    /// its work any more. May be cancelled.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Ends the subscriptions of the directory, says goodbye to the peers within a bound, and returns when all tasks
    /// have ended. What was announced before is durable, and sent to connected peers before the goodbye; what a slow peer
    /// does not take within the bound it gets when it connects again. Calling it again is harmless.
    pub async fn shutdown(&self) {
        self.cancel.cancel();
        self.directory.close();
        self.timeline.close();
        self.tasks.wait().await;
    }
}

impl Drop for SsbAnnouncer {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.directory.close();
        self.timeline.close();
    }
}

/// The node's picture, once it is durable.
async fn keep_picture(blobs: &Blobs, image: Option<Bytes>) -> Result<Option<BlobId>, BlobError> {
    match image {
        Some(image) => blobs.add(image).await.map(Some),
        None => Ok(None),
    }
}

/// Makes sure that nothing is appended to the node's own feed before peers were asked what they have of it.
fn guard_own_feed(store: &FeedStore, place: &Place, new: bool) -> Result<(), IdentityError> {
    let gate = store.own_gate();
    match place.standing()? {
        Standing::Home => {}
        Standing::Unmarked => place.settle()?,
        Standing::Recover(reason) => gate.require_recovery(reason),
    }
    // Nobody can have a feed whose key was made just now.
    if !new {
        gate.ask_first();
    }
    Ok(())
}

/// A damaged database is served from as far as it goes, and no longer written on top of.
async fn check_database(store: FeedStore) {
    match store.check_whole_file().await {
        Ok(()) => {}
        Err(error @ StoreError::Damaged(_)) => {
            error!(%error, "nothing more is announced");
            store.own_gate().handle_damage();
        }
        Err(error) => warn!(%error, "the feed database could not be checked: the next start tries again"),
    }
}

/// Once the own feed is found forked, keeps that over restarts: peers that know of it may be away then.
async fn remember_fork(gate: Arc<OwnGate>, place: Place) {
    let mut changes = gate.changes();
    while !matches!(gate.report().error, Some(OwnFeedError::Conflict(Conflict::Forked(_)))) {
        if changes.changed().await.is_err() {
            return;
        }
    }
    match spawn_blocking(move || place.require_recovery(RecoverReason::Forked)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "cannot note that the own feed is forked"),
        Err(_) => warn!("cannot note that the own feed is forked"),
    }
}
