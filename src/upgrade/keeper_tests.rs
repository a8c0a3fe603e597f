//! The keeper on content and feeds of memory.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use release::{Package, SecretKey, Statement, Trust};
use stream_model::{
    Announce, AnnounceError, AnnouncedRelease, CarBytes, CarError, CarExport, CarImported, CarProgress, CarVersion,
    Cid, Claim, ContentCarrier, ContentStore as _, FeedId, NeighbourWant, NeighbourWants, ReleaseError, ReleaseLog,
    ReleaseReport, ReleaseState, Releases as _, StoreError,
};
use tempfile::TempDir;
use testkit::fakes::{MemoryFetcher, MemoryStore, cid_of, peer_id};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::keeper::{Ports, ReleaseKeeper};

/// What feeds announce.
#[derive(Default)]
struct Feeds {
    announced: Mutex<Vec<AnnouncedRelease>>,
    changed: Notify,
    published: Mutex<Vec<String>>,
}

#[async_trait]
impl ReleaseLog for Feeds {
    async fn announce_release(&self, statement: &str) -> Result<(), AnnounceError> {
        self.published.lock().unwrap().push(statement.to_owned());
        Ok(())
    }

    async fn announced_releases(&self) -> Result<Vec<AnnouncedRelease>, AnnounceError> {
        Ok(self.announced.lock().unwrap().clone())
    }

    async fn release_announced(&self) {
        self.changed.notified().await;
    }
}

struct Neighbours(broadcast::Sender<Cid>);

impl NeighbourWants for Neighbours {
    fn neighbour_wants(&self) -> BoxStream<'static, NeighbourWant> {
        let wants = self.0.subscribe();
        let next = |mut wants: broadcast::Receiver<Cid>| async move {
            let cid = wants.recv().await.ok()?;
            Some((NeighbourWant { peer: peer_id(1), cid }, wants))
        };
        stream::unfold(wants, next).boxed()
    }
}

/// Takes any bytes for the one file that they carry.
struct Carrier(MemoryStore);

#[async_trait]
impl ContentCarrier for Carrier {
    async fn export(&self, root: Cid, _: CarVersion) -> Result<CarExport, StoreError> {
        Err(StoreError::NotFound(root))
    }

    async fn import(
        &self,
        file: CarBytes<'_>,
        claim: &(dyn Fn(Cid) -> Claim + Send + Sync),
        _: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<CarImported, CarError> {
        let parts: Vec<Bytes> = file.try_collect().await.map_err(|error| CarError::Incomplete(error.to_string()))?;
        let claim = claim(cid_of(&parts.concat()));
        let root = self.0.add_file(parts, claim).await?;
        Ok(CarImported { roots: vec![root], progress: CarProgress::default() })
    }
}

/// A node for amd64 on which version 1 is installed, and which trusts one key.
struct Fixture {
    folder: TempDir,
    here: MemoryStore,
    there: MemoryStore,
    fetcher: MemoryFetcher,
    feeds: Arc<Feeds>,
    wants: broadcast::Sender<Cid>,
}

impl Fixture {
    fn new() -> Self {
        let (here, there) = (MemoryStore::default(), MemoryStore::default());
        let fetcher = MemoryFetcher::new(here.clone(), there.clone());
        let (folder, wants) = (tempfile::tempdir().unwrap(), broadcast::Sender::new(8));
        Self { folder, here, there, fetcher, feeds: Arc::default(), wants }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("releases.json")
    }

    /// Starts the node, which runs until the guard is dropped.
    async fn start(&self, trust: Trust) -> (Arc<ReleaseKeeper>, DropGuard) {
        let ports = Ports {
            log: self.feeds.clone(),
            fetcher: Arc::new(self.fetcher.clone()),
            reader: Arc::new(self.here.clone()),
            store: Arc::new(self.here.clone()),
            carrier: Arc::new(Carrier(self.here.clone())),
            neighbours: Arc::new(Neighbours(self.wants.clone())),
        };
        let machine = (Some("amd64".to_owned()), "1".parse().ok());
        let keeper = ReleaseKeeper::open_on(ports, trust, self.file(), machine).await;
        let cancel = CancellationToken::new();
        tokio::spawn(keeper.clone().run(cancel.clone()));
        (keeper, cancel.drop_guard())
    }

    /// Somewhere in the mesh there is a package.
    async fn upload(&self, bytes: &'static str) -> Cid {
        self.there.add_file(vec![bytes.into()], Claim::Release(cid_of(bytes.as_bytes()))).await.unwrap().cid
    }

    fn announce(&self, author: u8, statement: &Statement) {
        let announced = AnnouncedRelease { author: FeedId([author; 32]), statement: statement.to_text() };
        self.feeds.announced.lock().unwrap().insert(0, announced);
        self.feeds.changed.notify_one();
    }
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_seed(&[byte; 32])
}

fn trust(byte: u8) -> Trust {
    Trust::new(vec![key(byte).public()], 1).unwrap()
}

fn package(architecture: &str, bytes: &str) -> Package {
    use sha2::{Digest as _, Sha256};
    Package {
        architecture: architecture.to_owned(),
        bytes: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
        cid: cid_of(bytes.as_bytes()),
    }
}

fn signed(signer: u8, version: &str, packages: Vec<Package>) -> Statement {
    let mut statement = Statement::new(version.parse().unwrap(), packages).unwrap();
    statement.sign(&key(signer)).unwrap();
    statement
}

/// Waits until the node says so. Time is the test's own, and a day of it the guard against hanging.
async fn until(keeper: &ReleaseKeeper, wanted: impl Fn(&ReleaseReport) -> bool) -> ReleaseReport {
    let watched = async {
        loop {
            let report = keeper.report().await;
            if wanted(&report) {
                return report;
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(24 * 3600), watched).await.unwrap()
}

/// What the newest release is to this machine.
fn newest(report: &ReleaseReport) -> Option<ReleaseState> {
    report.releases.first().map(|release| release.state)
}

#[tokio::test(start_paused = true)]
async fn a_package_for_this_machine_is_fetched_and_known_after_a_restart() {
    let fixture = Fixture::new();
    let cid = fixture.upload("two").await;
    let (keeper, running) = fixture.start(trust(1)).await;
    fixture.announce(9, &signed(1, "2", vec![package("amd64", "two"), package("arm64", "two for arm64")]));
    let report = until(&keeper, |report| report.ready().is_some()).await;
    assert_eq!((report.releases[0].version.as_str(), report.installed.as_deref()), ("2", Some("1")));
    assert_eq!(fixture.fetcher.requests(), [(Claim::Release(cid), cid)], "the other is fetched for nobody");
    let (bytes, content) = keeper.package(&cid).await.unwrap();
    let parts: Vec<Bytes> = content.try_collect().await.unwrap();
    assert_eq!((bytes, parts.concat().as_slice()), (3, b"two".as_slice()));

    drop(running);
    fixture.feeds.announced.lock().unwrap().clear();
    let (keeper, _running) = fixture.start(trust(1)).await;
    assert_eq!(newest(&keeper.report().await), Some(ReleaseState::Ready));
    // Whoever does not trust the key any more keeps nothing that it signed.
    let (keeper, _running) = fixture.start(trust(2)).await;
    assert!(keeper.report().await.releases.is_empty());
    assert!(fixture.here.claims().is_empty() && !fixture.here.holds(&cid).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_trusted_is_refused_and_not_fetched() {
    let fixture = Fixture::new();
    fixture.upload("two").await;
    let (keeper, _running) = fixture.start(trust(1)).await;
    fixture.announce(9, &signed(2, "2", vec![package("amd64", "two")]));
    fixture.announce(8, &signed(1, "0.9", vec![package("amd64", "two")]));
    let report = until(&keeper, |report| report.refused.len() == 2).await;
    assert!(report.releases.is_empty() && fixture.fetcher.requests().is_empty());
    let of = |author: u8| {
        let refused = report.refused.iter().find(|refused| refused.author == FeedId([author; 32]));
        refused.unwrap().reason.clone()
    };
    assert!(of(8).contains("older than 1"), "{}", of(8));
    assert!(!of(9).is_empty());
    assert!(!fixture.file().exists(), "there is nothing to write down");
}

#[tokio::test(start_paused = true)]
async fn other_bytes_than_those_that_were_signed_are_given_up_and_not_asked_for_again() {
    let fixture = Fixture::new();
    let cid = fixture.upload("evil").await;
    let (keeper, _running) = fixture.start(trust(1)).await;
    let statement = signed(1, "2", vec![Package { cid, ..package("amd64", "good") }]);
    fixture.announce(9, &statement);
    let report =
        until(&keeper, |report| report.releases.first().is_some_and(|release| release.problem.is_some())).await;
    let problem = report.releases[0].problem.clone().unwrap();
    assert!(problem.contains("not those that were signed"), "{problem}");
    assert_eq!(newest(&report), Some(ReleaseState::Awaited));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(fixture.fetcher.requests().len(), 1);
    assert!(!fixture.here.holds(&cid).await);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_does_not_keep_back_what_neighbours_ask_for() {
    let fixture = Fixture::new();
    let (mine, theirs) = (fixture.upload("two").await, fixture.upload("two for arm64").await);
    fixture.fetcher.lose(mine);
    let (keeper, _running) = fixture.start(trust(1)).await;
    fixture.announce(9, &signed(1, "2", vec![package("amd64", "two"), package("arm64", "two for arm64")]));
    until(&keeper, |report| report.releases.first().is_some_and(|release| release.problem.is_some())).await;
    assert!(!fixture.here.holds(&theirs).await, "nobody asks for it");

    fixture.wants.send(theirs).unwrap();
    fixture.wants.send(cid_of(b"of no release")).unwrap();
    until(&keeper, |report| report.releases[0].packages.iter().any(|package| package.held)).await;
    assert!(fixture.here.holds(&theirs).await);
    fixture.fetcher.find(&mine);
    until(&keeper, |report| report.ready().is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_release_takes_the_place_of_the_former() {
    let fixture = Fixture::new();
    let (second, third) = (fixture.upload("two").await, fixture.upload("three").await);
    let (keeper, _running) = fixture.start(trust(1)).await;
    fixture.announce(9, &signed(1, "2", vec![package("amd64", "two")]));
    until(&keeper, |report| report.ready().is_some()).await;
    fixture.announce(9, &signed(1, "3", vec![package("amd64", "three")]));
    let report = until(&keeper, |report| report.ready().is_some_and(|release| release.version == "3")).await;
    assert_eq!(report.releases.len(), 1);
    assert_eq!(fixture.here.claims(), [Claim::Release(third)]);
    assert!(!fixture.here.holds(&second).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_published_here_is_checked_kept_and_announced() {
    let fixture = Fixture::new();
    // Nothing is trusted: the node that publishes need not install.
    let (keeper, _running) = fixture.start(Trust::default()).await;
    let text = signed(1, "2", vec![package("amd64", "two"), package("arm64", "two for arm64")]).to_text();
    let add = async |bytes: &'static str| {
        let file = stream::iter([Ok(Bytes::from(bytes))]).boxed();
        keeper.add_package(file, &|_| ()).await.unwrap();
    };
    add("two").await;
    let missing = keeper.publish(&text, Announce::Feed).await.unwrap_err();
    assert!(matches!(missing, ReleaseError::PackageMissing(architecture) if architecture == "arm64"));
    add("two for arm64").await;
    keeper.publish(&text, Announce::Nobody).await.unwrap();
    assert!(fixture.feeds.published.lock().unwrap().is_empty(), "it was for nobody");
    keeper.publish(&text, Announce::Feed).await.unwrap();
    assert_eq!(*fixture.feeds.published.lock().unwrap(), [text]);
    let report = keeper.report().await;
    assert_eq!(newest(&report), Some(ReleaseState::NotForHere));
    assert!(report.releases[0].packages.iter().all(|package| package.held));

    let cid = cid_of(b"two");
    let other = signed(1, "3", vec![Package { cid, ..package("amd64", "another") }]).to_text();
    let refused = keeper.publish(&other, Announce::Feed).await.unwrap_err().to_string();
    assert!(refused.contains("not the one that was signed"), "{refused}");
    assert!(keeper.package(&cid_of(b"of no release")).await.is_err());
}
