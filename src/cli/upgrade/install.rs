//! What root does: takes a release from the node, or from files, and installs it.
//!
//! The node is asked for texts and bytes, as anybody could be: all is verified here by root's own keys.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use release::{Candidate, NoChoice, Statement, Version, Wish, choose};
use stream_model::ReleaseReport;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::make::read_release;
use crate::control::Client;
use crate::output::print;
use crate::upgrade::roots_file::RootsFile;
use crate::upgrade::{Debian, Folder, Former, Machine as _, Outcome, Procedure, Publishing};

#[derive(Debug, Args)]
pub(in crate::cli) struct Install {
    /// Which version; the newest that did not fail here where none is named
    #[arg(value_name = "VERSION")]
    wanted: Option<Version>,
    /// Where there is nothing newer, that is no failure: for timers
    #[arg(long)]
    if_newer: bool,
    /// Say nothing where there was nothing to do
    #[arg(long)]
    quiet: bool,
    /// Also while this node publishes; its broadcasts are cut off for a moment
    #[arg(long)]
    now: bool,
    /// The package of the installed version, to go back to
    #[arg(long, value_name = "PACKAGE.deb", conflicts_with = "no_rollback")]
    former: Option<PathBuf>,
    /// Do without a way back
    #[arg(long)]
    no_rollback: bool,
    /// A release that was carried here as a file, instead of those that the node knows
    #[arg(long, value_name = "FILE", requires = "package")]
    release: Option<PathBuf>,
    /// Its package for this machine
    #[arg(long, value_name = "PACKAGE.deb", requires = "release")]
    package: Option<PathBuf>,
}

/// Where a release comes from.
enum Source {
    Node(Client),
    Files { release: PathBuf, package: PathBuf },
}

/// Root's side of the machine.
struct Prepared {
    roots: RootsFile,
    procedure: Procedure<Debian>,
}

impl Prepared {
    fn new(configuration: &Path, data_dir: Option<&Path>) -> anyhow::Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "this asks for root: run it with sudo");
        let roots = RootsFile::read(configuration)?;
        let data_dir = data_dir.map_or_else(|| roots.data_dir.clone(), Path::to_owned);
        let machine = Debian { data_dir };
        machine.installed()?;
        Ok(Self { roots, procedure: Procedure { machine, folder: Folder::of_machine().lock()? } })
    }
}

pub(super) async fn run(configuration: &Path, data_dir: Option<&Path>, options: Install) -> anyhow::Result<()> {
    let Prepared { roots, procedure } = Prepared::new(configuration, data_dir)?;
    ensure!(
        !roots.trust.is_off(),
        "no release key is trusted: name those of your community in upgrade.trusted of {}",
        configuration.display()
    );
    if let Some(outcome) = procedure.settle().await? {
        tell("the upgrade that was broken off", &outcome)?;
    }
    let source = match (&options.release, &options.package) {
        (Some(release), Some(package)) => Source::Files { release: release.clone(), package: package.clone() },
        _ => Source::Node(Client::require(&procedure.machine.data_dir).await?),
    };
    let installed = procedure.machine.installed()?;
    let failed = procedure.folder.read()?.failed;
    let wish = options.wanted.as_ref().map_or(Wish::Newest { failed: &failed }, Wish::Version);
    let architecture = procedure.machine.architecture()?;
    let candidate = match choose(source.statements().await?, &roots.trust, &installed, &architecture, wish) {
        Ok(candidate) => candidate,
        Err(
            why @ (NoChoice::NoRelease | NoChoice::NotNewer { .. } | NoChoice::Failed(_) | NoChoice::Architecture(..)),
        ) if options.if_newer => {
            return if options.quiet { Ok(()) } else { print(|out| writeln!(out, "nothing is installed: {why}")) };
        }
        Err(why) => return Err(why.into()),
    };
    if let Source::Node(client) = &source
        && !options.now
        && client.get::<Publishing>("/api/v1/node").await?.is_live()
    {
        if options.if_newer && options.quiet {
            return Ok(());
        }
        bail!("this node publishes now, and an upgrade would cut its broadcast off: wait for its end, or say --now");
    }
    source.copy(&candidate, &procedure.folder.incoming()).await?;
    let former = match (options.former, options.no_rollback) {
        (Some(file), _) => Former::File(file),
        (None, true) => Former::GivenUp,
        (None, false) => Former::Found,
    };
    let version = candidate.statement.version().clone();
    print(|out| writeln!(out, "installing version {version}, signed by {}", list(&candidate)))?;
    let outcome = procedure.install(&candidate, former).await?;
    tell(&format!("version {version}"), &outcome)
}

fn list(candidate: &Candidate) -> String {
    candidate.signers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn tell(what: &str, outcome: &Outcome) -> anyhow::Result<()> {
    match outcome {
        Outcome::Serves => print(|out| writeln!(out, "{what} is installed and serves")),
        Outcome::WentBack { reason } => bail!(
            "{what} did not serve, and the former version was installed again, which does: {reason}. 'journalctl --unit meshstream' says more"
        ),
    }
}

pub(super) async fn rollback(configuration: &Path, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let Prepared { procedure, .. } = Prepared::new(configuration, data_dir)?;
    let version = procedure.rollback().await?;
    print(|out| writeln!(out, "version {version} is installed again and serves"))
}

impl Source {
    async fn statements(&self) -> anyhow::Result<Vec<Statement>> {
        match self {
            Self::Files { release, .. } => Ok(vec![read_release(release)?]),
            Self::Node(client) => {
                let report: ReleaseReport = client.get("/control/releases").await?;
                // What cannot be read does not count, whatever the node says of it.
                Ok(report.releases.iter().filter_map(|entry| Statement::parse(&entry.statement).ok()).collect())
            }
        }
    }

    /// Copies the package to a file, and no byte more than it has.
    async fn copy(&self, candidate: &Candidate, to: &Path) -> anyhow::Result<()> {
        let package = &candidate.package;
        let cannot = || format!("cannot write {}", to.display());
        let mut file = File::create(to).await.with_context(cannot)?;
        match self {
            Self::Files { package: from, .. } => {
                let opened = File::open(from).await.with_context(|| format!("cannot read {}", from.display()))?;
                tokio::io::copy(&mut opened.take(package.bytes + 1), &mut file).await.with_context(cannot)?;
            }
            Self::Node(client) => {
                let path = format!("/control/releases/packages/{}", package.cid);
                let mut answer = client
                    .open(&path)
                    .await
                    .context("the package is not here yet: 'meshstream upgrade list' says why")?;
                let mut left = package.bytes + 1;
                while let Some(piece) = answer.chunk().await.context("the node broke off: its log says why")? {
                    let taken = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    file.write_all(&piece[..taken]).await.with_context(cannot)?;
                    left -= taken as u64;
                    if left == 0 {
                        break;
                    }
                }
            }
        }
        file.sync_all().await.with_context(cannot)
    }
}
