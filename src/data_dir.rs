//! The node's data directory, locked by the one process that uses it.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, lchown};
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
        Self::lock_as_is(path)
    }

    /// The same for root who goes on as root, to read or write files elsewhere; [`give_to_owner`] is to follow.
    ///
    /// # Errors
    /// As those of [`DataDir::lock`].
    pub(crate) fn lock_as_is(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
            format!("cannot create the data directory {}: choose another with --data-dir", path.display())
        })?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).with_context(|| {
            format!("cannot write to the data directory {}: check its owner and its disk", path.display())
        })?;
        give_one(&lock_path, &path.metadata().with_context(|| format!("cannot look at {}", path.display()))?)?;
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

/// What the store makes itself, and root's commands never do: very many files.
const STORES: [&str; 2] = ["ipfs", "blobs"];

/// Gives all that root has made in a data directory to the directory's owner, but for what is stored.
///
/// # Errors
/// Where the disk fails.
pub(crate) fn give_to_owner(path: &Path) -> anyhow::Result<()> {
    let owner = path.metadata().with_context(|| format!("cannot look at {}", path.display()))?;
    if owner.uid() == 0 { Ok(()) } else { give(path, &owner) }
}

fn give(directory: &Path, owner: &Metadata) -> anyhow::Result<()> {
    for entry in directory.read_dir().with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        give_one(&path, owner)?;
        if path.is_dir() && !path.is_symlink() && !STORES.iter().any(|store| path.ends_with(store)) {
            give(&path, owner)?;
        }
    }
    Ok(())
}

/// Gives what root has made to the owner of a directory.
fn give_one(path: &Path, owner: &Metadata) -> anyhow::Result<()> {
    let about = path.symlink_metadata().with_context(|| format!("cannot look at {}", path.display()))?;
    if about.uid() == 0 && owner.uid() != 0 {
        lchown(path, Some(owner.uid()), Some(owner.gid()))
            .with_context(|| format!("cannot give {} to its owner", path.display()))?;
    }
    Ok(())
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

/// Stream keys, broadcasts and playlists of the node that uses a data directory.
pub(crate) fn streamer_database(data_dir: &Path) -> PathBuf {
    data_dir.join("streamer.sqlite3")
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

/// The releases that the node that uses a data directory keeps.
pub(crate) fn releases_file(data_dir: &Path) -> PathBuf {
    data_dir.join("releases.json")
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
