//! The stream keys of this machine's cameras, in the data directory.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use stream_model::{StreamKey, StreamName};

use crate::durable;

/// The key with which a camera of this machine publishes under a name to the node that uses a data directory.
pub(crate) fn key_file(data_dir: &Path, name: &StreamName) -> PathBuf {
    data_dir.join("cameras").join(format!("{name}.key"))
}

/// The key in a file; `None` where there is none.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn read(file: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(key) => Ok(Some(key.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps a key, for its owner alone.
///
/// # Errors
/// Where the disk fails.
pub(crate) fn keep(file: &Path, key: &StreamKey) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    durable::replace(file, format!("{}\n", key.expose()).as_bytes())
}
