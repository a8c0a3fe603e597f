//! The file system that is set up: this machine's, or that of an image below a directory. Reads and writes single files.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use crate::durable::{self, Access};

/// Settings are far smaller; what is larger is no file that this program writes.
const MAX_BYTES: u64 = 1 << 20;

/// A file system. Its paths are absolute ones, as programs on the machine see them.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: PathBuf,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    File {
        bytes: Vec<u8>,
        access: Access,
    },
    /// A symbolic link, never followed.
    Link(PathBuf),
}

impl State {
    /// What names it in a record.
    pub(crate) fn digest(&self) -> String {
        let (kind, bytes): (&str, &[u8]) = match self {
            Self::Absent => return "absent".to_owned(),
            Self::File { bytes, .. } => ("file", bytes),
            Self::Link(target) => ("link", target.as_os_str().as_encoded_bytes()),
        };
        let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{kind}:{digits}")
    }

    /// Its text, where it is a file of text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::File { bytes, .. } => std::str::from_utf8(bytes).ok(),
            Self::Absent | Self::Link(_) => None,
        }
    }
}

impl Tree {
    /// This machine's.
    pub(crate) fn machine() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// An image's.
    ///
    /// # Errors
    /// Where the directory is none.
    pub(crate) fn below(root: &Path) -> anyhow::Result<Self> {
        if !root.is_dir() {
            bail!("--root {}: there is no such directory", root.display());
        }
        Ok(Self { root: root.to_owned() })
    }

    /// Where a path of this file system is for this process.
    pub(crate) fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Whether there is anything at a path, also where a link leads.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.place(Path::new(path)).exists()
    }

    /// What is at a path.
    ///
    /// # Errors
    /// Where it cannot be read, or is neither a file nor a link.
    pub(crate) fn look(&self, path: &Path) -> anyhow::Result<State> {
        let place = self.place(path);
        let found = match fs::symlink_metadata(&place) {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(State::Absent);
            }
            Err(error) => return Err(error).with_context(|| unreadable(&place)),
        };
        if found.is_symlink() {
            return Ok(State::Link(fs::read_link(&place).with_context(|| unreadable(&place))?));
        }
        if !found.is_file() || found.len() > MAX_BYTES {
            bail!("{} is not a file of settings: move it away", place.display());
        }
        let bytes = fs::read(&place).with_context(|| unreadable(&place))?;
        let access = Access { mode: found.permissions().mode() & 0o7777, owner: Some((found.uid(), found.gid())) };
        Ok(State::File { bytes, access })
    }

    /// Makes what is at a path this, durably, and the directories that it needs. Returns those that it made.
    ///
    /// # Errors
    /// Where the disk fails or permission lacks: what is at the path is then as it was.
    pub(crate) fn put(&self, path: &Path, state: &State) -> anyhow::Result<Vec<PathBuf>> {
        let place = self.place(path);
        let made = if *state == State::Absent { Vec::new() } else { self.make_directories(path)? };
        match state {
            State::Absent => match fs::remove_file(&place) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            State::File { bytes, access } => durable::install(&place, bytes, *access),
            State::Link(target) => durable::link(&place, target),
        }
        .with_context(|| unwritable(&place))?;
        Ok(made)
    }

    /// Removes a directory where it is empty.
    pub(crate) fn remove_directory(&self, path: &Path) {
        // One that is in use stays.
        let _ = fs::remove_dir(self.place(path));
    }

    /// The directories above a path that are missing, the outermost first.
    fn make_directories(&self, path: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut missing: Vec<&Path> =
            path.ancestors().skip(1).take_while(|directory| !self.place(directory).exists()).collect();
        missing.reverse();
        for directory in &missing {
            let place = self.place(directory);
            fs::create_dir(&place).with_context(|| unwritable(&place))?;
        }
        Ok(missing.into_iter().map(Path::to_owned).collect())
    }
}

/// The group of the directory of a file, which a daemon that is not root reads its settings by.
pub(crate) fn group_of_directory(tree: &Tree, path: &Path) -> io::Result<Option<(u32, u32)>> {
    match fs::metadata(tree.place(path.parent().unwrap_or(path))) {
        Ok(directory) => Ok(Some((directory.uid(), directory.gid()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn unreadable(place: &Path) -> String {
    format!("cannot read {}: run this as root", place.display())
}

fn unwritable(place: &Path) -> String {
    format!("cannot write {}: run this as root, and check the disk", place.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_what_is_seen_and_directories_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::below(dir.path()).unwrap();
        let path = Path::new("/etc/meshstream/a");
        assert_eq!(tree.look(path).unwrap(), State::Absent);
        let file = State::File { bytes: b"one".to_vec(), access: Access { mode: 0o640, owner: None } };
        assert_eq!(tree.put(path, &file).unwrap(), [Path::new("/etc"), Path::new("/etc/meshstream")]);
        let State::File { bytes, access } = tree.look(path).unwrap() else { panic!("a file") };
        assert_eq!((bytes.as_slice(), access.mode), (&b"one"[..], 0o640));
        let link = State::Link("/etc/b".into());
        assert!(tree.put(path, &link).unwrap().is_empty());
        assert_eq!(tree.look(path).unwrap(), link);
        tree.put(path, &State::Absent).unwrap();
        tree.put(path, &State::Absent).unwrap();
        assert_eq!(tree.look(path).unwrap(), State::Absent);
    }

    #[test]
    fn a_directory_or_a_huge_file_in_the_place_of_settings_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::below(dir.path()).unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("b"), vec![0; MAX_BYTES as usize + 1]).unwrap();
        for path in ["/a", "/b"] {
            assert!(tree.look(Path::new(path)).unwrap_err().to_string().contains("move it away"), "{path}");
        }
    }

    #[test]
    fn digests_tell_a_file_from_a_link_of_the_same_text() {
        let file = State::File { bytes: b"/etc/b".to_vec(), access: Access { mode: 0o644, owner: None } };
        assert_ne!(file.digest(), State::Link("/etc/b".into()).digest());
        assert_ne!(file.digest(), State::Absent.digest());
    }
}
