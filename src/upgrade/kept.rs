//! What the node keeps of releases over a restart: statements, which are judged anew when they are read.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::durable;

/// The file `releases.json` of the data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptFile {
    pub(super) releases: Vec<KeptStatement>,
    /// Packages that were added, or fetched, and may have no release any more.
    pub(super) packages: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptStatement {
    pub(super) statement: String,
    pub(super) published_here: bool,
}

impl KeptFile {
    /// Reads the file; what cannot be read is told, and as if nothing had been kept: the feeds have it still.
    pub(super) fn read(path: &Path) -> Self {
        let read = fs::read(path).and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other));
        match read {
            Ok(kept) => kept,
            Err(error) if error.kind() == ErrorKind::NotFound => Self::default(),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "what was kept of releases cannot be read");
                Self::default()
            }
        }
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// Where the disk fails.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        durable::replace(path, &serde_json::to_vec_pretty(self).map_err(io::Error::other)?)
    }
}
