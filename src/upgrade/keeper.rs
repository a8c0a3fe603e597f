//! The node's side: statements come out of feeds, packages out of the mesh, and both are kept for others.
//!
//! Comes in: what feeds announce, what the owner publishes here, and what neighbours ask for. Goes out: packages in the store, claimed, and
//! reports. Installs nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use release::{Change, NotTrusted, Package, Refused, Shelf, Statement, Trust, Version};
use stream_model::{
    Announce, AnnouncedRelease, CarBytes, CarError, CarImported, CarProgress, Cid, Claim, ContentCarrier,
    ContentFetcher, ContentReader, ContentStore, FeedId, FetchRequest, NeighbourWants, Node, RefusedRelease,
    ReleaseEntry, ReleaseError, ReleaseLog, ReleasePackage, ReleaseReport, ReleaseState, Releases, StoreError,
};
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio_util::sync::CancellationToken;

use super::kept::{KeptFile, KeptStatement};
use super::record::Folder;
use super::{architecture, installed};

/// One try; what has come is kept for the next.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// What the node of the file has besides the bytes of the leaves: it links to at most some hundred of them.
const NODE_BYTES: u64 = 128 << 10;
/// Between tries where nobody had it.
const RETRY: Duration = Duration::from_secs(60);
/// Refused releases that are remembered for the owner.
const MAX_REFUSED: usize = 16;

/// What the keeper asks and has done.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) log: Arc<dyn ReleaseLog>,
    pub(crate) fetcher: Arc<dyn ContentFetcher>,
    pub(crate) reader: Arc<dyn ContentReader>,
    pub(crate) store: Arc<dyn ContentStore>,
    pub(crate) carrier: Arc<dyn ContentCarrier>,
    pub(crate) neighbours: Arc<dyn NeighbourWants>,
}

/// Keeps releases for this machine and for others.
pub(crate) struct ReleaseKeeper {
    ports: Ports,
    /// Of this machine; `None` without dpkg.
    architecture: Option<String>,
    file: PathBuf,
    state: Mutex<State>,
    /// Held while something is published, or added: what is kept changes by one at a time.
    publishing: AsyncMutex<()>,
    /// There may be something to fetch.
    changed: Notify,
}

struct State {
    shelf: Shelf,
    /// The last statement of each feed, so that each is judged once.
    judged: HashMap<FeedId, String>,
    refused: VecDeque<RefusedRelease>,
    /// Packages that neighbours ask for.
    wanted: HashSet<Cid>,
    /// Packages whose bytes are not those that were signed.
    wrong: HashSet<Cid>,
    /// Packages that were asked for in vain.
    problems: HashMap<Cid, Problem>,
    /// Packages that are in the store by a claim.
    claimed: HashSet<Cid>,
    /// Those of them that wait for their release to be published. A restart gives them up.
    added: HashSet<Cid>,
}

struct Problem {
    said: String,
    /// How often it was tried.
    tries: u32,
}

impl ReleaseKeeper {
    /// Takes up what was kept before. `file` is where it is written.
    pub(crate) async fn open(ports: Ports, trust: Trust, file: PathBuf) -> Arc<Self> {
        let asked = tokio::task::spawn_blocking(|| (architecture(), installed())).await;
        let (architecture, installed) = asked.unwrap_or_default();
        Self::open_on(ports, trust, file, (architecture, installed)).await
    }

    pub(super) async fn open_on(
        ports: Ports,
        trust: Trust,
        file: PathBuf,
        (architecture, installed): (Option<String>, Option<Version>),
    ) -> Arc<Self> {
        let before = KeptFile::read(&file);
        let mut shelf = Shelf::new(trust, installed);
        // The newest last, as they came.
        for KeptStatement { statement, published_here } in before.releases.iter().rev() {
            let taken = if *published_here { shelf.publish(statement) } else { shelf.offer(statement) };
            if let Err(reason) = taken {
                tracing::info!(%reason, "a release is kept no longer");
            }
        }
        let state = State {
            shelf,
            judged: HashMap::new(),
            refused: VecDeque::new(),
            wanted: HashSet::new(),
            wrong: HashSet::new(),
            problems: HashMap::new(),
            claimed: before.packages.iter().filter_map(|cid| cid.parse().ok()).collect(),
            added: HashSet::new(),
        };
        let (state, publishing, changed) = (Mutex::new(state), AsyncMutex::default(), Notify::new());
        let keeper = Arc::new(Self { ports, architecture, file, state, publishing, changed });
        keeper.tidy().await;
        keeper
    }

    /// Judges, fetches and listens until it is cancelled.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let work = async { tokio::join!(self.judge(), self.fetch(), self.listen()) };
        let _ = cancel.run_until_cancelled(work).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn judge(&self) {
        loop {
            match self.ports.log.announced_releases().await {
                // The latest comes first, and counts most.
                Ok(announced) => {
                    for release in announced.into_iter().rev() {
                        self.take(release).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "what feeds announce of releases cannot be read"),
            }
            self.ports.log.release_announced().await;
        }
    }

    async fn take(&self, AnnouncedRelease { author, statement }: AnnouncedRelease) {
        let _one_at_a_time = self.publishing.lock().await;
        let taken = {
            let mut state = self.state();
            if state.judged.get(&author) == Some(&statement) {
                return;
            }
            state.judged.insert(author, statement.clone());
            state.shelf.offer(&statement)
        };
        match taken {
            Ok(Change::Kept(_)) => {
                let version = Statement::parse(&statement).map(|statement| statement.version().to_string());
                tracing::info!(version = version.unwrap_or_default(), %author, "release kept");
                self.tidy().await;
                self.changed.notify_one();
            }
            Ok(Change::Known) => self.write_down(),
            // Nothing is trusted: nobody here asks for releases.
            Err(Refused::NotTrusted(NotTrusted::Off)) => {}
            Err(reason) => {
                tracing::info!(%author, %reason, "release refused");
                let mut state = self.state();
                state.refused.retain(|refused| refused.author != author);
                state.refused.push_front(RefusedRelease { author, reason: reason.to_string() });
                state.refused.truncate(MAX_REFUSED);
            }
        }
    }

    /// Gives up the packages of what is not kept any more, and writes down what is.
    async fn tidy(&self) {
        let gone: Vec<Cid> = {
            let state = self.state();
            let kept = packages(&state.shelf);
            state.claimed.iter().filter(|cid| !kept.contains_key(cid) && !state.added.contains(cid)).copied().collect()
        };
        for cid in gone {
            match self.ports.store.release(Claim::Release(cid)).await {
                Ok(()) => {
                    self.state().claimed.remove(&cid);
                }
                Err(error) => {
                    tracing::warn!(%error, %cid, "a package cannot be given up: it is tried at the next start")
                }
            }
        }
        self.write_down();
    }

    fn write_down(&self) {
        if let Err(error) = self.try_write_down() {
            tracing::warn!(%error, "what is kept of releases cannot be written down");
        }
    }

    fn try_write_down(&self) -> std::io::Result<()> {
        let kept = {
            let state = self.state();
            let releases = state
                .shelf
                .kept()
                .iter()
                .map(|kept| KeptStatement { statement: kept.statement.to_text(), published_here: kept.published_here });
            KeptFile { releases: releases.collect(), packages: state.claimed.iter().map(Cid::to_string).collect() }
        };
        // A node that never heard of a release has no file.
        if kept == KeptFile::default() && !self.file.exists() { Ok(()) } else { kept.write(&self.file) }
    }

    async fn fetch(&self) {
        loop {
            let Some(package) = self.missing().await else {
                self.changed.notified().await;
                continue;
            };
            let cid = package.cid;
            // Before the first byte: what a crash leaves is known to be ours.
            self.state().claimed.insert(cid);
            self.write_down();
            let fetched = self.obtain(&package).await;
            match fetched {
                Ok(()) => {
                    tracing::info!(%cid, architecture = package.architecture, "package of a release is here");
                    let mut state = self.state();
                    state.problems.remove(&cid);
                    state.wanted.remove(&cid);
                }
                Err(problem) => {
                    tracing::info!(%cid, problem, "package of a release is not here yet");
                    {
                        let mut state = self.state();
                        let tries = state.problems.get(&cid).map_or(0, |problem| problem.tries) + 1;
                        state.problems.insert(cid, Problem { said: problem, tries });
                    }
                    // Sooner where something has changed.
                    let _ = tokio::time::timeout(RETRY, self.changed.notified()).await;
                }
            }
            self.tidy().await;
        }
    }

    /// The next package to be fetched: the one for this machine, then what neighbours ask for; what nobody had, after the others.
    async fn missing(&self) -> Option<Package> {
        let candidates: Vec<Package> = {
            let state = self.state();
            let mine = |package: &Package| Some(&package.architecture) == self.architecture.as_ref();
            let mut all: Vec<Package> =
                state.shelf.kept().iter().flat_map(|kept| kept.statement.packages().to_vec()).collect();
            all.retain(|package| {
                (mine(package) || state.wanted.contains(&package.cid)) && !state.wrong.contains(&package.cid)
            });
            all.sort_by_key(|package| {
                (state.problems.get(&package.cid).map_or(0, |problem| problem.tries), !mine(package))
            });
            all
        };
        for package in candidates {
            if !self.ports.store.holds(&package.cid).await {
                return Some(package);
            }
        }
        None
    }

    async fn obtain(&self, package: &Package) -> Result<(), String> {
        let claim = Claim::Release(package.cid);
        let request = FetchRequest {
            root: package.cid,
            claim,
            providers: Vec::new(),
            timeout: FETCH_TIMEOUT,
            max_bytes: package.bytes + NODE_BYTES,
        };
        self.ports.fetcher.fetch(request).await.map_err(|error| error.to_string())?;
        if self.is_as_signed(package).await.map_err(|error| error.to_string())? {
            return Ok(());
        }
        self.state().wrong.insert(package.cid);
        let released = self.ports.store.release(claim).await;
        released.map_err(|error| error.to_string())?;
        Err("its bytes are not those that were signed: whoever made the release has to make it anew".to_owned())
    }

    async fn is_as_signed(&self, package: &Package) -> Result<bool, StoreError> {
        let Node::File(bytes) = self.ports.reader.stat(&package.cid).await? else { return Ok(false) };
        let mut pieces = self.ports.reader.read(&package.cid, 0..bytes).await?;
        let mut check = package.check();
        while let Some(piece) = pieces.next().await {
            check.update(&piece?);
        }
        Ok(check.finish())
    }

    /// Neighbours that ask for a package of a kept release have no other way to it, perhaps.
    async fn listen(&self) {
        let mut wants = self.ports.neighbours.neighbour_wants();
        while let Some(want) = wants.next().await {
            let mut state = self.state();
            if packages(&state.shelf).contains_key(&want.cid) && state.wanted.insert(want.cid) {
                self.changed.notify_one();
            }
        }
    }

    fn entry(&self, kept: &release::Kept, shelf: &Shelf, failed: &[Version], held: &HashSet<Cid>) -> ReleaseEntry {
        let statement = &kept.statement;
        let version = statement.version();
        let mine = self.architecture.as_deref().and_then(|architecture| statement.package(architecture));
        let state = match (shelf.installed(), mine) {
            (None, _) => ReleaseState::NotForHere,
            (Some(_), _) if kept.signers.is_empty() => ReleaseState::NotForHere,
            (Some(installed), _) if version == installed => ReleaseState::Installed,
            (Some(installed), _) if version < installed => ReleaseState::Older,
            (Some(_), None) => ReleaseState::OtherArchitectures,
            (Some(_), Some(_)) if failed.contains(version) => ReleaseState::Failed,
            (Some(_), Some(package)) if held.contains(&package.cid) => ReleaseState::Ready,
            (Some(_), Some(_)) => ReleaseState::Awaited,
        };
        let packages = statement.packages().iter().map(|package| ReleasePackage {
            architecture: package.architecture.clone(),
            cid: package.cid.to_string(),
            bytes: package.bytes,
            held: held.contains(&package.cid),
        });
        ReleaseEntry {
            version: version.to_string(),
            state,
            signers: kept.signers.iter().map(ToString::to_string).collect(),
            packages: packages.collect(),
            problem: mine
                .and_then(|package| self.state().problems.get(&package.cid).map(|problem| problem.said.clone())),
            statement: statement.to_text(),
        }
    }
}

/// The packages of what is kept, by their roots.
fn packages(shelf: &Shelf) -> HashMap<Cid, &Package> {
    shelf.kept().iter().flat_map(|kept| kept.statement.packages()).map(|package| (package.cid, package)).collect()
}

#[async_trait]
impl Releases for ReleaseKeeper {
    async fn report(&self) -> ReleaseReport {
        let (shelf, refused) = {
            let state = self.state();
            (state.shelf.clone(), state.refused.iter().cloned().collect())
        };
        let mut held = HashSet::new();
        for cid in packages(&shelf).into_keys() {
            if self.ports.store.holds(&cid).await {
                held.insert(cid);
            }
        }
        let failed = Folder::of_machine().read().map(|record| record.failed).unwrap_or_default();
        ReleaseReport {
            installed: shelf.installed().map(ToString::to_string),
            trusted_keys: shelf.trust().keys(),
            threshold: shelf.trust().threshold(),
            releases: shelf.kept().iter().map(|kept| self.entry(kept, &shelf, &failed, &held)).collect(),
            refused,
        }
    }

    async fn add_package(
        &self,
        file: CarBytes<'_>,
        progress: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<CarImported, CarError> {
        let added = self.ports.carrier.import(file, &Claim::Release, progress).await?;
        {
            let mut state = self.state();
            state.claimed.extend(added.roots.iter().map(|root| root.cid));
            state.added.extend(added.roots.iter().map(|root| root.cid));
        }
        self.write_down();
        Ok(added)
    }

    async fn publish(&self, text: &str, announce: Announce) -> Result<(), ReleaseError> {
        let _one_at_a_time = self.publishing.lock().await;
        let refused = |reason: &dyn fmt::Display| ReleaseError::Refused(reason.to_string());
        let statement = Statement::parse(text).map_err(|reason| refused(&reason))?;
        for package in statement.packages() {
            if !self.ports.store.holds(&package.cid).await {
                return Err(ReleaseError::PackageMissing(package.architecture.clone()));
            }
            if !self.is_as_signed(package).await.map_err(|error| ReleaseError::Storage(error.to_string()))? {
                return Err(refused(&format!(
                    "the package for {} is not the one that was signed",
                    package.architecture
                )));
            }
        }
        {
            let mut state = self.state();
            state.shelf.publish(text).map_err(|reason| refused(&reason))?;
            for package in statement.packages() {
                state.added.remove(&package.cid);
            }
        }
        tracing::info!(version = %statement.version(), "release published here");
        self.try_write_down().map_err(|error| ReleaseError::Storage(error.to_string()))?;
        self.tidy().await;
        match announce {
            Announce::Feed => Ok(self.ports.log.announce_release(text).await?),
            Announce::Nobody => Ok(()),
        }
    }

    async fn package(&self, cid: &Cid) -> Result<(u64, BoxStream<'static, Result<Bytes, StoreError>>), StoreError> {
        let bytes = packages(&self.state().shelf).get(cid).map(|package| package.bytes);
        let bytes = bytes.ok_or(StoreError::NotFound(*cid))?;
        if !self.ports.store.holds(cid).await {
            return Err(StoreError::NotFound(*cid));
        }
        Ok((bytes, self.ports.reader.read(cid, 0..bytes).await?))
    }
}

impl fmt::Debug for ReleaseKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReleaseKeeper").field("architecture", &self.architecture).finish_non_exhaustive()
    }
}
