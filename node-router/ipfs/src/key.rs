//! The node's identity on disk.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rust_ipfs::Keypair;

/// Why the identity could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("cannot use the key file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is not a key.
    #[error("{path} is not a libp2p key; restore it from a backup, or remove it to get a new identity")]
    Invalid {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the key pair, or makes one and writes it. Blocks for as long as a small file takes.
pub(crate) fn load_or_create(path: &Path) -> Result<Keypair, KeyFileError> {
    let io = |error| KeyFileError::Io { path: path.to_owned(), error };
    match fs::read(path) {
        Ok(bytes) => {
            fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io)?;
            Keypair::from_protobuf_encoding(&bytes).map_err(|_| KeyFileError::Invalid { path: path.to_owned() })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = Keypair::generate_ed25519();
            let bytes = key.to_protobuf_encoding().map_err(|error| io(io::Error::other(error)))?;
            write_new(path, &bytes).map_err(io)?;
            Ok(key)
        }
        Err(error) => Err(io(error)),
    }
}

/// Writes beside the file, syncs and renames, so that a crash leaves either nothing or the whole key.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let temporary = path.with_extension("new");
    // A crash may have left one, with any mode.
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}
