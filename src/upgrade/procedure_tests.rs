//! The procedure on a machine of memory.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use anyhow::bail;
use async_trait::async_trait;
use release::{Candidate, Package, SecretKey, Statement, Version};
use tempfile::TempDir;

use super::machine::{Direction, Machine};
use super::package::Fields;
use super::procedure::{Former, Outcome, Procedure};
use super::record::{Folder, Record, Schemas};

/// A package file of these tests says its version and what its program does.
struct Fake {
    state: Mutex<State>,
}

struct State {
    installed: String,
    serves: bool,
    schema: i64,
    done: Vec<String>,
}

fn parts(file: &Path) -> anyhow::Result<(String, String)> {
    let text = fs::read_to_string(file)?;
    let (version, what) = text.split_once(' ').ok_or_else(|| anyhow::anyhow!("no package"))?;
    Ok((version.to_owned(), what.to_owned()))
}

#[async_trait]
impl Machine for Fake {
    fn installed(&self) -> anyhow::Result<Version> {
        Ok(self.state.lock().unwrap().installed.parse()?)
    }

    fn fields(&self, file: &Path) -> anyhow::Result<Fields> {
        let (version, what) = parts(file)?;
        let name = if what == "other" { "other" } else { "meshstream" };
        Ok(Fields { name: name.to_owned(), version: version.parse()?, architecture: "amd64".to_owned() })
    }

    fn architecture(&self) -> anyhow::Result<String> {
        Ok("amd64".to_owned())
    }

    async fn install(&self, file: &Path, direction: Direction) -> anyhow::Result<()> {
        let (version, what) = parts(file)?;
        let mut state = self.state.lock().unwrap();
        state.done.push(format!("{direction:?} {version}"));
        if what == "uninstallable" {
            bail!("unmet dependencies");
        }
        state.installed = version;
        state.serves = what == "good";
        if what == "migrates" {
            state.schema += 1;
        }
        Ok(())
    }

    async fn repair(&self) -> anyhow::Result<()> {
        self.state.lock().unwrap().done.push("repair".to_owned());
        Ok(())
    }

    async fn stop(&self) -> anyhow::Result<()> {
        self.state.lock().unwrap().done.push("stop".to_owned());
        Ok(())
    }

    async fn start(&self) -> anyhow::Result<()> {
        self.state.lock().unwrap().done.push("start".to_owned());
        Ok(())
    }

    fn schemas(&self) -> anyhow::Result<Schemas> {
        Ok(Schemas::from([("ssb.sqlite3".to_owned(), self.state.lock().unwrap().schema)]))
    }

    async fn serves(&self) -> anyhow::Result<()> {
        if self.state.lock().unwrap().serves { Ok(()) } else { bail!("it ends at once") }
    }
}

struct Fixture {
    folder: TempDir,
    procedure: Procedure<Fake>,
}

impl Fixture {
    /// Version 1, whose package is known.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State { installed: "1".to_owned(), serves: true, schema: 4, done: Vec::new() };
        let machine = Fake { state: Mutex::new(state) };
        let locked = Folder::at(folder.path().join("upgrade")).lock().unwrap();
        fs::write(locked.package(&version("1")), "1 good").unwrap();
        Self { folder, procedure: Procedure { machine, folder: locked } }
    }

    /// Brings a package here, and states it.
    fn incoming(&self, number: &str, what: &str) -> Candidate {
        let content = format!("{number} {what}");
        fs::write(self.procedure.folder.incoming(), &content).unwrap();
        candidate(number, content.as_bytes())
    }

    async fn install(&self, number: &str, what: &str) -> anyhow::Result<Outcome> {
        let candidate = self.incoming(number, what);
        self.procedure.install(&candidate, Former::Found).await
    }

    fn installed(&self) -> String {
        self.procedure.machine.installed().unwrap().to_string()
    }

    fn record(&self) -> Record {
        self.procedure.folder.read().unwrap()
    }

    fn done(&self) -> Vec<String> {
        self.procedure.machine.state.lock().unwrap().done.clone()
    }
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn candidate(number: &str, content: &[u8]) -> Candidate {
    use sha2::{Digest as _, Sha256};
    let package = Package {
        architecture: "amd64".to_owned(),
        bytes: content.len() as u64,
        sha256: Sha256::digest(content).into(),
        cid: "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4".parse().unwrap(),
    };
    let mut statement = Statement::new(version(number), vec![package.clone()]).unwrap();
    let key = SecretKey::from_seed(&[1; 32]);
    statement.sign(&key).unwrap();
    Candidate { signers: vec![key.public()], statement, package }
}

#[tokio::test]
async fn a_version_that_serves_stays_and_the_former_is_kept() {
    let fixture = Fixture::new();
    assert_eq!(fixture.install("2", "good").await.unwrap(), Outcome::Serves);
    assert_eq!(fixture.installed(), "2");
    let record = fixture.record();
    assert_eq!((record.pending, record.current), (None, Some(version("2"))));
    assert_eq!(record.former.unwrap().version, version("1"));
    // The package of 2 was kept: the next upgrade goes back to it.
    assert_eq!(fixture.install("3", "good").await.unwrap(), Outcome::Serves);
    assert_eq!(fixture.record().former.unwrap().version, version("2"));
    assert!(!fixture.procedure.folder.package(&version("1")).exists(), "older packages go");
    assert_eq!(fixture.procedure.rollback().await.unwrap(), version("2"));
    assert_eq!(fixture.installed(), "2");
    assert_eq!(fixture.record().failed, [version("3")]);
    assert!(fixture.procedure.rollback().await.is_err(), "it is gone back once");
}

#[tokio::test]
async fn a_version_that_does_not_serve_is_gone_back_from_and_remembered() {
    let fixture = Fixture::new();
    let outcome = fixture.install("2", "broken").await.unwrap();
    assert_eq!(outcome, Outcome::WentBack { reason: "it ends at once".to_owned() });
    assert_eq!(fixture.installed(), "1");
    assert_eq!(fixture.done(), ["Forward 2", "stop", "Back 1", "start"]);
    assert_eq!((fixture.record().failed, fixture.record().pending), (vec![version("2")], None));
    // A later one that serves is installed.
    assert_eq!(fixture.install("2.1", "good").await.unwrap(), Outcome::Serves);
}

#[tokio::test]
async fn other_bytes_than_those_that_were_signed_are_never_installed() {
    let fixture = Fixture::new();
    for (content, signed) in
        [("2 good ", "2 good"), ("2 evil", "2 good"), ("", "2 good"), ("3 good", "3 good"), ("2 other", "2 other")]
    {
        fs::write(fixture.procedure.folder.incoming(), content).unwrap();
        // What is signed says of itself that it is version 2.
        let candidate = candidate("2", signed.as_bytes());
        assert!(fixture.procedure.install(&candidate, Former::Found).await.is_err(), "{content}");
    }
    let old = fixture.incoming("0.9", "good");
    assert!(fixture.procedure.install(&old, Former::Found).await.unwrap_err().to_string().contains("not newer"));
    assert!(fixture.done().is_empty());
}

#[tokio::test]
async fn without_a_way_back_it_is_not_begun_unless_that_is_wanted() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.procedure.folder.package(&version("1"))).unwrap();
    let error = fixture.install("2", "good").await.unwrap_err().to_string();
    assert!(error.contains("--former") && fixture.done().is_empty(), "{error}");

    let named = fixture.folder.path().join("wrong.deb");
    fs::write(&named, "0.5 good").unwrap();
    let candidate = fixture.incoming("2", "broken");
    assert!(fixture.procedure.install(&candidate, Former::File(named.clone())).await.is_err());
    fs::write(&named, "1 good").unwrap();
    let candidate = fixture.incoming("2", "broken");
    let outcome = fixture.procedure.install(&candidate, Former::File(named)).await.unwrap();
    assert!(matches!(outcome, Outcome::WentBack { .. }));

    fs::remove_file(fixture.procedure.folder.package(&version("1"))).unwrap();
    let candidate = fixture.incoming("2", "broken");
    let error = fixture.procedure.install(&candidate, Former::GivenUp).await.unwrap_err().to_string();
    assert!(error.contains("no former version was kept") && fixture.installed() == "2", "{error}");
}

#[tokio::test]
async fn databases_that_have_moved_on_keep_from_going_back_and_are_left_alone() {
    let fixture = Fixture::new();
    let error = format!("{:#}", fixture.install("2", "migrates").await.unwrap_err());
    assert!(error.contains("schema version 5") && error.contains("fork"), "{error}");
    assert_eq!(fixture.installed(), "2");
    assert_eq!(fixture.done(), ["Forward 2", "stop", "start"], "the newer program goes on");
    let record = fixture.record();
    assert_eq!((record.pending, record.failed), (None, vec![version("2")]));
}

#[tokio::test]
async fn what_cannot_be_installed_changes_nothing() {
    let fixture = Fixture::new();
    let error = format!("{:#}", fixture.install("2", "uninstallable").await.unwrap_err());
    assert!(error.contains("unmet dependencies") && error.contains("1 goes on"), "{error}");
    assert_eq!((fixture.installed().as_str(), fixture.record().pending), ("1", None));
    assert!(fixture.record().failed.is_empty());
}

#[tokio::test]
async fn what_a_power_cut_broke_off_is_brought_to_its_end() {
    // Installed, and not yet seen to serve.
    for (what, installed) in [("good", "2"), ("broken", "1")] {
        let fixture = Fixture::new();
        fixture.install("2", "good").await.unwrap();
        let mut record = fixture.record();
        record.pending = Some(version("2"));
        fixture.procedure.folder.write(&record).unwrap();
        fixture.procedure.machine.state.lock().unwrap().serves = what == "good";
        let outcome = fixture.procedure.settle().await.unwrap();
        assert_eq!(outcome == Some(Outcome::Serves), what == "good");
        assert_eq!((fixture.installed().as_str(), fixture.record().pending), (installed, None));
    }
    // Before anything was changed.
    let fixture = Fixture::new();
    fixture.install("2", "broken").await.unwrap();
    let former = super::record::FormerVersion { version: version("1"), schemas: Schemas::new() };
    let record = Record { pending: Some(version("2")), former: Some(former), ..fixture.record() };
    fixture.procedure.folder.write(&record).unwrap();
    assert_eq!(fixture.procedure.settle().await.unwrap(), None);
    assert_eq!(fixture.record().pending, None);
    assert_eq!(fixture.procedure.settle().await.unwrap(), None, "there is nothing to settle");
}

#[test]
fn one_upgrade_runs_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Folder::at(folder.path()).lock().unwrap();
    assert!(Folder::at(folder.path()).lock().unwrap_err().to_string().contains("another upgrade"));
    drop(first);
    Folder::at(folder.path()).lock().unwrap();
}
