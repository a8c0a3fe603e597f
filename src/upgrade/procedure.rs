//! Installing a release and going back, as root: what is done in which order, and what is remembered.
//!
//! The package lies in root's own folder before it is verified, and the file that was verified is the one that is installed.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use release::{Candidate, PACKAGE_NAME, Package, Version};

use super::machine::{Direction, Machine};
use super::record::{FormerVersion, LockedFolder, Record};
use super::schemas;

/// Where Debian's own upgrades leave packages.
const APT_ARCHIVES: &str = "/var/cache/apt/archives";

/// Bytes that are read of a package at once.
const PIECE: usize = 256 << 10;

/// Where the package comes from that one goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Former {
    /// What was kept of the last upgrade, or lies in apt's cache.
    Found,
    /// A file that root names.
    File(PathBuf),
    /// From nowhere: there is no way back.
    GivenUp,
}

/// How an upgrade went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The new program serves.
    Serves,
    /// The new program did not serve, and the former does again.
    WentBack { reason: String },
}

/// Upgrades a machine.
#[derive(Debug)]
pub(crate) struct Procedure<M> {
    pub(crate) machine: M,
    pub(crate) folder: LockedFolder,
}

impl<M: Machine> Procedure<M> {
    /// Brings an upgrade to its end that a power cut, or a kill, has broken off: where the new program does not serve, it is gone back.
    ///
    /// # Errors
    /// Where neither serves.
    pub(crate) async fn settle(&self) -> anyhow::Result<Option<Outcome>> {
        let mut record = self.folder.read()?;
        let Some(pending) = record.pending.clone() else { return Ok(None) };
        self.machine.repair().await?;
        match self.machine.serves().await {
            Ok(()) if self.machine.installed()? == pending => self.succeed(record, &pending).map(Some),
            Ok(()) => {
                // It was broken off before anything was changed, or after all was taken back.
                (record.former, record.pending) = (None, None);
                self.folder.write(&record)?;
                Ok(None)
            }
            Err(reason) => self.go_back(record, &pending, format!("{reason:#}")).await.map(Some),
        }
    }

    /// Installs a release whose package is in the folder's place for what comes in.
    ///
    /// # Errors
    /// Where nothing was changed, with why; or where the new program does not serve and there is no way back.
    pub(crate) async fn install(&self, candidate: &Candidate, former: Former) -> anyhow::Result<Outcome> {
        let version = candidate.statement.version();
        let installed = self.machine.installed()?;
        ensure!(*version > installed, "version {version} is not newer than {installed}, which is installed");
        let file = self.verified(&candidate.package, version)?;
        let former = self.former(&installed, former)?;
        let mut record = self.folder.read()?;
        record.former = if former {
            Some(FormerVersion { version: installed.clone(), schemas: self.machine.schemas()? })
        } else {
            None
        };
        record.pending = Some(version.clone());
        self.folder.write(&record)?;
        tracing::info!(from = %installed, to = %version, "upgrade begun");
        if let Err(reason) = self.machine.install(&file, Direction::Forward).await {
            if self.machine.installed().ok().as_ref() == Some(&installed) && self.machine.serves().await.is_ok() {
                record.pending = None;
                self.folder.write(&record)?;
                return Err(reason.context(format!("version {version} cannot be installed here; {installed} goes on")));
            }
            return self.go_back(record, version, format!("{reason:#}")).await;
        }
        match self.machine.serves().await {
            Ok(()) => self.succeed(record, version),
            Err(reason) => self.go_back(record, version, format!("{reason:#}")).await,
        }
    }

    /// Goes back to the version before the last upgrade.
    ///
    /// # Errors
    /// Where there is none, or its program could not read the databases any more; nothing was changed then.
    pub(crate) async fn rollback(&self) -> anyhow::Result<Version> {
        let mut record = self.folder.read()?;
        let former = record.former.clone().context(
            "no former version is kept here: 'apt-get install --allow-downgrades ./FILE.deb' installs one that you have",
        )?;
        let installed = self.machine.installed()?;
        ensure!(former.version != installed, "{installed} is the former version: there is nothing to go back from");
        self.back_to(&former).await?;
        self.machine
            .serves()
            .await
            .with_context(|| format!("version {} is installed again and does not serve", former.version))?;
        record.fail(&installed);
        (record.current, record.former, record.pending) = (Some(former.version.clone()), None, None);
        self.folder.write(&record)?;
        Ok(former.version)
    }

    fn succeed(&self, mut record: Record, version: &Version) -> anyhow::Result<Outcome> {
        record.pending = None;
        record.current = Some(version.clone());
        record.failed.retain(|failed| failed != version);
        self.folder.write(&record)?;
        let former = record.former.as_ref().map(|former| &former.version);
        self.folder.keep_only(&[Some(version), former].into_iter().flatten().collect::<Vec<_>>());
        tracing::info!(%version, "upgrade done");
        Ok(Outcome::Serves)
    }

    async fn go_back(&self, mut record: Record, version: &Version, reason: String) -> anyhow::Result<Outcome> {
        tracing::error!(%version, reason, "the new version does not serve");
        record.fail(version);
        self.folder.write(&record)?;
        let Some(former) = record.former.clone() else {
            record.pending = None;
            self.folder.write(&record)?;
            bail!(
                "version {version} does not serve ({reason}), and no former version was kept to go back to: 'meshstream doctor' says more"
            );
        };
        if let Err(error) = self.back_to(&former).await {
            record.pending = None;
            self.folder.write(&record)?;
            return Err(error.context(format!("version {version} does not serve ({reason})")));
        }
        (record.current, record.former, record.pending) = (Some(former.version.clone()), None, None);
        self.folder.write(&record)?;
        self.machine.serves().await.with_context(|| {
            format!(
                "version {version} does not serve ({reason}), and {}, which is installed again, does not either",
                former.version
            )
        })?;
        Ok(Outcome::WentBack { reason })
    }

    /// Installs the former package, where its program can read the databases.
    async fn back_to(&self, former: &FormerVersion) -> anyhow::Result<()> {
        let file = self.folder.package(&former.version);
        self.check_fields(&file, &former.version)?;
        self.machine.stop().await?;
        let moved = self.machine.schemas().map(|now| schemas::moved(&former.schemas, &now));
        // What cannot be read is not known to have moved: the former program refuses by itself what it does not know.
        if let Ok(Some(moved)) = moved {
            self.machine.start().await?;
            bail!(
                "there is no way back to {}: {moved}. Databases are never put back, for a feed would fork; wait for a newer release, or \
                 make one",
                former.version
            );
        }
        self.machine.install(&file, Direction::Back).await?;
        self.machine.start().await
    }

    /// The package that came in, under its own name, once its bytes are those that were signed.
    fn verified(&self, package: &Package, version: &Version) -> anyhow::Result<PathBuf> {
        let incoming = self.folder.incoming();
        let cannot = || format!("cannot read {}", incoming.display());
        let mut check = package.check();
        let (mut file, mut piece) = (File::open(&incoming).with_context(cannot)?, vec![0; PIECE]);
        loop {
            let length = file.read(&mut piece).with_context(cannot)?;
            if length == 0 {
                break;
            }
            check.update(&piece[..length]);
        }
        ensure!(check.finish(), "the package is not the one that was signed: its bytes differ");
        self.check_fields(&incoming, version)?;
        let named = self.folder.package(version);
        file.sync_all().with_context(cannot)?;
        fs::rename(&incoming, &named).with_context(|| format!("cannot name {}", named.display()))?;
        Ok(named)
    }

    fn check_fields(&self, file: &Path, version: &Version) -> anyhow::Result<()> {
        let fields = self.machine.fields(file)?;
        let architecture = self.machine.architecture()?;
        ensure!(fields.name == PACKAGE_NAME, "the package is {}, not {PACKAGE_NAME}", fields.name);
        ensure!(fields.version == *version, "the package has version {}, not {version}", fields.version);
        ensure!(
            fields.architecture == architecture,
            "the package is for {}, and this machine is {architecture}",
            fields.architecture
        );
        Ok(())
    }

    /// Makes sure that there is a package to go back to; `false` where the owner gives that up.
    fn former(&self, installed: &Version, former: Former) -> anyhow::Result<bool> {
        let kept = self.folder.package(installed);
        if former == Former::GivenUp {
            return Ok(false);
        }
        if let Former::File(file) = &former {
            // The copy is what counts: others may be able to change the file.
            copy(file, &kept)?;
            return match self.check_fields(&kept, installed) {
                Ok(()) => Ok(true),
                Err(error) => {
                    fs::remove_file(&kept).with_context(|| format!("cannot remove {}", kept.display()))?;
                    Err(error.context(format!("{} is not what one could go back to", file.display())))
                }
            };
        }
        if self.check_fields(&kept, installed).is_ok() {
            return Ok(true);
        }
        let cached =
            format!("{PACKAGE_NAME}_{}_{}.deb", installed.as_str().replace(':', "%3a"), self.machine.architecture()?);
        let cached = Path::new(APT_ARCHIVES).join(cached);
        if self.check_fields(&cached, installed).is_ok() {
            copy(&cached, &kept)?;
            return Ok(true);
        }
        bail!(
            "the package of version {installed} is not here, so that there would be no way back: name its file with --former FILE, or \
             do without with --no-rollback"
        )
    }
}

/// Copies a file durably.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if from == to {
        return Ok(());
    }
    let cannot = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::copy(from, to).with_context(cannot)?;
    File::open(to).and_then(|file| file.sync_all()).with_context(cannot)
}
