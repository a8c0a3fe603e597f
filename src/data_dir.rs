//! The node's data directory, locked by the one process that uses it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// A data directory; the lock is held as long as the value lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory where it is missing (mode 0700) and locks it. Root goes on as the directory's owner.
    ///
    /// # Errors
    /// Where it cannot be created or another process holds the lock.
    pub(crate) fn lock(path: &Path) -> anyhow::Result<Self> {
        become_owner(path)?;
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
            format!("cannot create the data directory {}: choose another with --data-dir", path.display())
        })?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).with_context(|| {
            format!("cannot write to the data directory {}: check its owner and its disk", path.display())
        })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "another meshstream uses the data directory {}: stop it, or choose another with --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", lock_path.display()))
            }
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Stream keys, broadcasts, playlists.
    pub(crate) fn streamer_database(&self) -> PathBuf {
        self.path.join("streamer.sqlite3")
    }
}

/// Begins this program anew as the owner of a directory where root has begun it: what root writes there, the node could not read.
fn become_owner(path: &Path) -> anyhow::Result<()> {
    let Ok(directory) = path.metadata() else { return Ok(()) };
    if !rustix::process::geteuid().is_root() || directory.uid() == 0 {
        return Ok(());
    }
    let this = std::env::current_exe().context("cannot find this program")?;
    let error = Command::new(this).args(std::env::args_os().skip(1)).uid(directory.uid()).gid(directory.gid()).exec();
    Err(error).with_context(|| {
        format!("cannot go on as the owner of {}: run this as the user that the node runs as", path.display())
    })
}

/// The secret of the identity of the node that uses a data directory.
pub(crate) fn secret_file(data_dir: &Path) -> PathBuf {
    data_dir.join("identity/secret")
}

/// The secret of the private community of the node that uses a data directory; none for a node in the open one.
pub(crate) fn community_file(data_dir: &Path) -> PathBuf {
    data_dir.join("identity/community")
}

/// The number of the last record that the identity has signed, or a higher one.
pub(crate) fn record_sequence_file(data_dir: &Path) -> PathBuf {
    data_dir.join("identity/record-sequence")
}

/// The feeds of the node that uses a data directory.
pub(crate) fn feed_database(data_dir: &Path) -> PathBuf {
    data_dir.join("ssb.sqlite3")
}

/// The admin token of the node that uses a data directory, where no other file is named.
pub(crate) fn admin_token_file(data_dir: &Path) -> PathBuf {
    data_dir.join("admin-token")
}

/// What the owner of the node that uses a data directory has set, besides its configuration.
pub(crate) fn settings_file(data_dir: &Path) -> PathBuf {
    data_dir.join("settings.toml")
}

/// What the node that uses a data directory does not show.
pub(crate) fn hidden_file(data_dir: &Path) -> PathBuf {
    data_dir.join("hidden.json")
}

/// The control socket of the node that uses a data directory.
pub(crate) fn control_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_refused_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataDir::lock(&path).unwrap();
        let error = DataDir::lock(&path).unwrap_err().to_string();
        assert!(error.contains("--data-dir"), "{error}");
        drop(first);
        DataDir::lock(&path).unwrap();
    }
}
