//! What root remembers of upgrades: `/var/lib/meshstream-upgrade`, which nobody else writes.
//!
//! `record.json` may be read by everybody, so that the node can show it; `packages/` is root's alone.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use release::Version;
use serde::{Deserialize, Serialize};

use crate::durable::{self, Access};

/// Where it is on a machine.
const FOLDER: &str = "/var/lib/meshstream-upgrade";

/// Versions that are remembered to have failed.
const MAX_FAILED: usize = 32;

/// Schema versions of the node's databases, by file name.
pub(crate) type Schemas = BTreeMap<String, i64>;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The package that was installed last by this program, which is kept.
    pub(crate) current: Option<Version>,
    /// What one goes back to.
    pub(crate) former: Option<FormerVersion>,
    /// What is being installed: whether it serves was not seen yet.
    pub(crate) pending: Option<Version>,
    /// What was gone back from.
    pub(crate) failed: Vec<Version>,
}

/// A version to go back to; its package is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormerVersion {
    pub(crate) version: Version,
    /// As it left the databases: it reads none that is newer.
    pub(crate) schemas: Schemas,
}

impl Record {
    /// Remembers that a version failed.
    pub(crate) fn fail(&mut self, version: &Version) {
        self.failed.retain(|failed| failed != version);
        self.failed.push(version.clone());
        let more = self.failed.len().saturating_sub(MAX_FAILED);
        self.failed.drain(..more);
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// This machine's.
    pub(crate) fn of_machine() -> Self {
        Self { path: PathBuf::from(FOLDER) }
    }

    #[cfg(test)]
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// What is remembered; nothing where nothing was installed yet.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(crate) fn read(&self) -> anyhow::Result<Record> {
        let path = self.path.join("record.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Record::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Makes the folder where it is missing and locks it: one upgrade at a time.
    ///
    /// # Errors
    /// Where somebody else could write there, or another upgrade runs.
    pub(crate) fn lock(self) -> anyhow::Result<LockedFolder> {
        let cannot = || format!("cannot use {}", self.path.display());
        for (path, mode) in [(self.path.clone(), 0o755), (self.path.join("packages"), 0o700)] {
            DirBuilder::new().recursive(true).mode(mode).create(&path).with_context(cannot)?;
            let about = path.symlink_metadata().with_context(cannot)?;
            if !about.is_dir() || about.uid() != rustix::process::geteuid().as_raw() {
                bail!("{} is not a directory of this user's own: remove it, then try again", path.display());
            }
            fs::set_permissions(&path, Permissions::from_mode(mode)).with_context(cannot)?;
        }
        // Whoever may read the file could lock it, and upgrades out.
        let lock = self.path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock);
        let lock = lock.with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(LockedFolder { folder: self, _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!("another upgrade runs: wait for its end"),
            Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
        }
    }
}

/// The folder of the one who upgrades.
#[derive(Debug)]
pub(crate) struct LockedFolder {
    folder: Folder,
    _lock: File,
}

impl LockedFolder {
    pub(crate) fn read(&self) -> anyhow::Result<Record> {
        self.folder.read()
    }

    /// Remembers, durably.
    ///
    /// # Errors
    /// Where the disk fails.
    pub(crate) fn write(&self, record: &Record) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(record).context("cannot write what was done")?;
        let path = self.folder.path.join("record.json");
        durable::install(&path, &bytes, Access { mode: 0o644, owner: None })
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Where the package of a version is kept.
    pub(crate) fn package(&self, version: &Version) -> PathBuf {
        // A colon is fine in a file's name, but not for apt.
        let version = version.as_str().replace(':', "%3a");
        self.folder.path.join("packages").join(format!("meshstream_{version}.deb"))
    }

    /// Where a package is that was not verified yet.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.folder.path.join("packages/incoming")
    }

    /// Removes the packages of all versions but these.
    pub(crate) fn keep_only(&self, versions: &[&Version]) {
        let kept: Vec<PathBuf> = versions.iter().map(|version| self.package(version)).collect();
        let files = fs::read_dir(self.folder.path.join("packages")).into_iter().flatten().flatten();
        for file in files.map(|file| file.path()).filter(|file| !kept.contains(file)) {
            // What stays takes room, and is removed after the next upgrade.
            let _ = fs::remove_file(file);
        }
    }
}
