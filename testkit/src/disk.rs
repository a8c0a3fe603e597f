//! A small disk that can be filled: a file system in memory.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::skip::skip_but_in_ci;

/// Written at once while a disk is filled.
const PIECE: usize = 64 << 10;

/// A disk of some megabytes. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// An empty disk. `None`, with a word on standard error, where it may not be mounted.
    ///
    /// # Errors
    /// Where it may not be mounted in CI (the environment variable `CI` is `true`): there, nothing is skipped.
    pub fn mount(mib: u32) -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(folder.path())
            .output()
            .context("cannot run mount")?;
        if mounted.status.success() {
            return Ok(Some(Self { folder }));
        }
        let said = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
        skip_but_in_ci(&format!("a small disk needs root: {said}"))?;
        Ok(None)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filling(&self) -> PathBuf {
        self.path().join("filling")
    }

    /// Fills it until not a byte is free.
    ///
    /// # Errors
    /// Where something else than a full disk stops it.
    pub fn fill(&self) -> Result<()> {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filling())?;
        loop {
            match file.write(&[7; PIECE]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Makes this much of what [`Self::fill`] took free again; all of it, where that is less.
    ///
    /// # Errors
    /// Where the file cannot be changed.
    pub fn free(&self, bytes: u64) -> Result<()> {
        let file = fs::OpenOptions::new().write(true).open(self.filling())?;
        Ok(file.set_len(file.metadata()?.len().saturating_sub(bytes))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Also while a node that is being killed still has files open.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
