//! One node: its parts put together in the order they need, and taken apart again.

use std::io::{self, IsTerminal as _, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::FutureExt as _;
use node_router::{NodeRouter, OwnRecords};
use player_web::{GatewayChoice, OwnerAccess, ViewerCounter};
use ssb_announcer::SsbAnnouncer;
use stream_model::{
    Cameras, Directory, FeedId, FirstBoot, Listen, LocalViewers, NodeReport, NodeStatus, PeerBook, Playlists,
    StreamKeys,
};
use streamer::broadcast::SystemClock;
use streamer::camera::WorkerCommand;
use streamer::{Streamer, StreamerError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::admin_token;
use crate::cameras::{self, NodeCameras, Publishing};
use crate::community::Community;
use crate::config::{Config, Layers};
use crate::data_dir::{
    DataDir, admin_token_file, control_socket, hidden_file, record_sequence_file, releases_file, secret_file,
    streamer_database,
};
use crate::failure::Failure;
use crate::first_boot::Place;
use crate::host_lock::HostLock;
use crate::in_effect::InEffect;
use crate::log_book::Book;
use crate::moderation::HiddenList;
use crate::open_files;
use crate::output;
use crate::parts::{check, mdns, mesh_config, router_config, ssb_config, start_posts, streamer_config};
use crate::service_manager;
use crate::settings::SettingsFile;
use crate::status::{Parts, Status};
use crate::upgrade::{self, ReleaseKeeper};
use crate::web::Doors;

/// A node ends within five seconds of being asked to; what does not, is left behind.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(4_800);

/// How long the runtime waits for blocking work after that.
pub(crate) const JOIN_TIMEOUT: Duration = Duration::from_millis(200);

/// How long neighbours have to fetch the last segment of a broadcast that ends with its node: enough for 2 s segments
/// over a quick link. What they do not get becomes a gap.
const LAST_SEGMENT_LINGER: Duration = Duration::from_millis(800);

/// How long cameras may take to publish their last pictures.
const LAST_PICTURES: Duration = Duration::from_millis(1_500);

/// Runs one node until it is asked to stop.
pub(crate) async fn run(layers: Layers) -> Result<(), Failure> {
    let log_book = start_logging("info");
    check(layers.config()).map_err(Failure::Usage)?;
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    let data_dir = layers.config().node.data_dir.clone();
    let mut node = Node::start(layers, log_book).await.map_err(start_failure)?;
    let report = node.report().await;
    output::print(|out| write_ready(&report, out))?;
    service_manager::ready();
    let result = tokio::select! {
        () = stop.cancelled() => Ok(()),
        error = node.failed() => Err(error),
        () = service_manager::watch(&data_dir) => Ok(()),
    };
    service_manager::stopping();
    tracing::info!("stopping");
    node.shutdown().await;
    tracing::info!("stopped");
    Ok(result?)
}

/// Logs to standard error, and into a book: `RUST_LOG`, or from this level on.
pub(crate) fn start_logging(level: &str) -> Book {
    // rust-ipfs logs every dial that fails, which on a mesh is the normal case.
    let directives = format!("{level},libp2p=error,rust_ipfs=error,connexa=error");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives));
    let (colours, book) = (std::io::stderr().is_terminal(), Book::default());
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    // The journal knows when a line came (systemd.exec(5), JOURNAL_STREAM).
    let lines = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => lines.without_time().boxed(),
        None => lines.boxed(),
    };
    // A second call, as the demo's tests might make, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(filter).with(lines).with(book.clone()).try_init();
    book
}

/// The first SIGINT or SIGTERM asks to stop, the second leaves at once.
pub(crate) fn stop_on_signals(stop: &CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_cancelled() {
                // What a second signal asks for is what a power cut does, and nothing stored is lost by that.
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(())
}

/// Tells the person at the terminal, and whoever supervises it, that the node serves.
fn write_ready(report: &NodeReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "meshstream {}, node {}", report.node.version, report.node.name)?;
    writeln!(out, "  member   of {}", output::community(&report.community))?;
    for address in &report.listen.rtmp {
        let url = format!("rtmp://{}/live/NAME?key=KEY", reachable(address));
        writeln!(out, "  publish  {url}  ('meshstream key add NAME' makes a key)")?;
    }
    for address in &report.listen.web {
        writeln!(out, "  watch    http://{}/", reachable(address))?;
    }
    for address in &report.listen.web_tls {
        writeln!(out, "           https://{}/", reachable(address))?;
    }
    writeln!(out, "  ssb      {}", report.listen.ssb.join(" "))?;
    writeln!(out, "  ipfs     {}", report.listen.ipfs.join(" "))?;
    writeln!(out, "ready")
}

/// A listening address as a person can type it: one that stands for all addresses is reached as `localhost` here.
fn reachable(address: &str) -> String {
    match address.strip_prefix("[::]").or_else(|| address.strip_prefix("0.0.0.0")) {
        Some(port) => format!("localhost{port}"),
        None => address.to_owned(),
    }
}

/// Some values are wrong only to the part that they are for.
fn start_failure(error: anyhow::Error) -> Failure {
    match error.downcast_ref() {
        Some(node_router::StartError::Listen(_) | node_router::StartError::TooManyPeers(_)) => Failure::Usage(error),
        _ => Failure::from(error),
    }
}

/// A running node. To be ended with [`Node::shutdown`].
pub(crate) struct Node {
    status: Arc<Status>,
    router: Arc<NodeRouter>,
    ssb: Arc<SsbAnnouncer>,
    streamer: JoinHandle<Result<(), StreamerError>>,
    keys: Arc<dyn StreamKeys>,
    playlists: Arc<dyn Playlists>,
    stop_streamer: CancellationToken,
    stop_web: CancellationToken,
    web: JoinSet<()>,
    cameras: Option<Arc<NodeCameras>>,
    _data_dir: DataDir,
    _host_lock: HostLock,
}

impl Node {
    /// Starts all parts. The store comes first, then the feeds, then who uses both, and the web last: what it shows
    /// is there.
    pub(crate) async fn start(layers: Layers, log_book: Book) -> anyhow::Result<Self> {
        let config = &layers.config().clone();
        let data_dir = DataDir::lock(&config.node.data_dir)?;
        let path = data_dir.path().to_owned();
        let settings = SettingsFile::open(layers);
        let moderation = Arc::new(HiddenList::open(hidden_file(&path)));
        let community = Community::load(&path)?;
        let token_file = config.web.admin_token_file.clone().unwrap_or_else(|| admin_token_file(&path));
        let admin_token = admin_token::load_or_create(&token_file)?;
        let host_lock = HostLock::of_secret(&secret_file(&path))?;
        let router_config = router_config(config, &community, &path);
        let upload = router_config.upload;
        let router = Arc::new(NodeRouter::start(router_config).await?);
        // Its port is named in posts. Nobody is answered before the end of the start.
        let doors = Doors::open(config)?;
        let web_address = doors.address();
        let ssb = Arc::new(SsbAnnouncer::start(ssb_config(config, &community, &path, web_address)?).await?);
        let host_lock = match host_lock {
            Some(lock) => lock,
            // The identity is new.
            None => HostLock::take(ssb.id())?,
        };

        let stop_streamer = CancellationToken::new();
        let ports = streamer::Ports {
            store: router.store(),
            reader: router.reader(),
            fetcher: router.lookup(),
            announcements: ssb.announcement_log(),
            directory: ssb.directory(),
            neighbours: router.neighbour_wants(),
            follows: ssb.follow_graph(),
            standings: ssb.standings(),
            standing_log: ssb.standing_log(),
            programme_log: ssb.programme_log(),
            messages: ssb.message_carrier(),
            carrier: router.carrier(),
            peer: router.peer().clone(),
            clock: Arc::new(SystemClock),
        };
        let streamer = Streamer::start(
            streamer_config(config)?,
            &streamer_database(data_dir.path()),
            ports,
            stop_streamer.clone(),
        )?;
        let (keys, playlists, downloads) = (streamer.stream_keys(), streamer.playlists(), streamer.downloads());
        let (keeper, running_hours, choices) =
            (streamer.archive_keeper(), streamer.running_hours(), streamer.choices());

        let advice = open_files::raise_limit(config.web.max_connections);
        let viewers = ViewerCounter::default();
        let mut listen = Listen {
            rtmp: vec![streamer.rtmp_addr().to_string()],
            ssb: vec![ssb.local_address().to_string()],
            ipfs: router.listening(),
            ..Listen::default()
        };
        doors.tell(&mut listen);
        let status = Arc::new(Status::new(Parts {
            name: config.node.name.clone(),
            community: community.name(),
            location: watch::Sender::new(config.node.location),
            tell_links: config.mesh.tell_links.into(),
            listen,
            web_port: web_address.port(),
            router: router.clone(),
            records: OwnRecords::new(ssb.signer(), config.web.listen.ip(), &record_sequence_file(&path)),
            ssb: ssb.clone(),
            directory: ssb.directory(),
            publishing: streamer.reporter(),
            stopping: stop_streamer.clone(),
            advice,
            viewers: config.mesh.tell_viewers.then(|| Arc::new(viewers.clone()) as Arc<dyn LocalViewers>),
        })?);
        let cameras = cameras(config, &path, streamer.rtmp_addr(), &keys);
        let gateway = GatewayChoice::from(config.web.gateway);
        let start_posts = start_posts(config, web_address);
        let in_effect =
            InEffect::new(router.clone(), ssb.clone(), choices, status.clone(), gateway.clone(), start_posts, upload);
        let releases = upgrade::Ports {
            log: ssb.release_log(),
            fetcher: router.fetcher(),
            reader: router.reader(),
            store: router.store(),
            carrier: router.carrier(),
            neighbours: router.neighbour_wants(),
        };
        let releases = ReleaseKeeper::open(releases, config.upgrade.trust()?, releases_file(&path)).await;
        let owner_ports = player_web::OwnerPorts {
            releases: releases.clone(),
            keys: keys.clone(),
            programme: streamer.programme(),
            policies: streamer.keep_policies(),
            keeper,
            moderation: moderation.clone(),
            settings: Arc::new(settings.for_node(in_effect)),
            log_book: Arc::new(log_book),
            community: community.membership(),
            cameras: cameras.clone().map(|cameras| cameras as Arc<dyn Cameras>),
        };
        let streamer = tokio::spawn(streamer.join());

        let ports = player_web::Ports {
            directory: ssb.directory(),
            playlists: playlists.clone(),
            downloads,
            running_hours,
            content: router.reader(),
            lookup: router.lookup(),
            timeline: ssb.timeline(),
            blobs: ssb.blob_store(),
            follows: ssb.follow_graph(),
            standings: ssb.standings(),
            sources: router.sources(),
            viewers,
            elsewhere: router.remote_viewers(),
            moderation,
            status: status.clone(),
            first_boot: Some(Place::of(&path))
                .filter(Place::is_there)
                .map(|place| Arc::new(place) as Arc<dyn FirstBoot>),
        };
        let socket = control_socket(&path);
        let control = player_web::bind_control(&socket)
            .with_context(|| format!("cannot open the control socket {}", socket.display()))?;
        let stop_web = CancellationToken::new();
        let mut web = JoinSet::new();
        let web_config = doors.config(config, OwnerAccess::new(Some(admin_token), ssb.id()), gateway);
        let app = player_web::app(ports.clone(), &web_config).merge(player_web::admin_app(
            ports.clone(),
            owner_ports.clone(),
            &web_config,
        ));
        let gateway_app = player_web::gateway_app(ports.clone(), &web_config);
        let control_app = player_web::control_app(ports, keys.clone(), &web_config)
            .merge(player_web::content_app(router.carrier(), router.checker()))
            .merge(player_web::policies_app(owner_ports.policies.clone()))
            .merge(player_web::archives_app(owner_ports.keeper.clone()))
            .merge(player_web::owner_control_app(&owner_ports));
        doors.serve(app, gateway_app, &web_config, &mut web, &stop_web);
        web.spawn(player_web::serve_control(control, control_app, stop_web.clone()));
        web.spawn(releases.run(stop_web.clone()));

        router.run_mesh(
            mesh_config(config, &community, ssb.id(), mdns(config, web_address))?,
            ssb.peer_book(),
            ssb.neighbours(),
        )?;
        ssb.tell_of_meetings(router.meetings());
        Ok(Self {
            status,
            router,
            ssb,
            streamer,
            keys,
            playlists,
            stop_streamer,
            stop_web,
            web,
            cameras,
            _data_dir: data_dir,
            _host_lock: host_lock,
        })
    }

    /// What it says of itself.
    pub(crate) async fn report(&self) -> NodeReport {
        self.status.report().await
    }

    /// The stream keys.
    pub(crate) fn keys(&self) -> &Arc<dyn StreamKeys> {
        &self.keys
    }

    /// The broadcasts known here.
    pub(crate) fn directory(&self) -> Arc<dyn Directory> {
        self.ssb.directory()
    }

    /// The playlists served here.
    pub(crate) fn playlists(&self) -> &Arc<dyn Playlists> {
        &self.playlists
    }

    /// Waits until a part ends by itself, which none should.
    async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            ended = (&mut self.streamer).map(flatten) => ended.err().unwrap_or_else(|| anyhow!("the streamer ended")),
            () = self.ssb.stopped() => anyhow!("the SSB part of the node ended"),
            _ = self.web.join_next() => anyhow!("the web server ended"),
        }
    }

    /// Ends the node: no new publishers, last segments closed and announced, ends announced, goodbyes said, listeners
    /// closed; within five seconds.
    pub(crate) async fn shutdown(self) {
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.stop_in_order()).await.is_err() {
            tracing::warn!("not everything ended in time; what was stored is safe");
        }
    }

    async fn stop_in_order(mut self) {
        let broadcasting = !self.status.report().await.publishing.is_empty();
        if let Some(cameras) = &self.cameras {
            // What hangs in a driver is killed with this program.
            let _ = tokio::time::timeout(LAST_PICTURES, cameras.stop()).await;
        }
        self.stop_streamer.cancel();
        if !self.streamer.is_finished()
            && let Err(error) = (&mut self.streamer).map(flatten).await
        {
            tracing::warn!(%error, "the streamer did not end cleanly");
        }
        if broadcasting {
            tokio::time::sleep(LAST_SEGMENT_LINGER).await;
        }
        self.ssb.shutdown().await;
        self.stop_web.cancel();
        while self.web.join_next().await.is_some() {}
        self.router.shutdown().await;
    }
}

/// Starts the node's cameras; `None` in a program that has none.
fn cameras(config: &Config, path: &Path, rtmp: SocketAddr, keys: &Arc<dyn StreamKeys>) -> Option<Arc<NodeCameras>> {
    if !cfg!(feature = "gstreamer") {
        if !config.camera.is_empty() {
            tracing::warn!(
                "this meshstream was built without GStreamer: the cameras of the configuration are left out"
            );
        }
        return None;
    }
    let worker = WorkerCommand::this(cameras::WORKER)
        .inspect_err(|error| tracing::warn!(%error, "no cameras: this program does not find itself"));
    let publishing = Publishing {
        rtmp: cameras::on_this_machine(rtmp),
        keys: keys.clone(),
        data_dir: path.to_owned(),
        target_duration: config.segment.target_duration,
    };
    Some(Arc::new(NodeCameras::start(&config.camera, publishing, worker.ok()?)))
}

fn flatten(joined: Result<Result<(), StreamerError>, tokio::task::JoinError>) -> anyhow::Result<()> {
    Ok(joined.context("the streamer failed")??)
}

/// Finds SSB peers as a running node does, for commands that run in its place.
pub(crate) async fn find_peers(
    config: &Config,
    community: &Community,
    data_dir: &DataDir,
    feed: FeedId,
    book: Arc<dyn PeerBook>,
) -> anyhow::Result<NodeRouter> {
    let router = NodeRouter::start(router_config(config, community, data_dir.path())).await?;
    router.run_mesh(mesh_config(config, community, feed, None)?, book, None)?;
    Ok(router)
}

/// The store of a node that does not run: nobody but this machine can reach it.
pub(crate) async fn storage_alone(
    config: &Config,
    community: &Community,
    data_dir: &DataDir,
) -> anyhow::Result<NodeRouter> {
    let ipfs_listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    let config = router_config(config, community, data_dir.path());
    Ok(NodeRouter::start(node_router::Config { ipfs_listen, ipfs_devices: Vec::new(), ..config }).await?)
}
