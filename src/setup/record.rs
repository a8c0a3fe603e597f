//! What a setup has written and what was there before, kept on the machine so that it can be undone, and so that what a person
//! changed since is seen. Written before the files are: a setup that was cut off goes on, or is undone.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::plan::Edit;
use super::tree::{State, Tree};
use crate::durable::{self, Access};

/// Records are root's alone: former files may hold passwords.
const DIRECTORY: &str = "/var/lib/meshstream-setup";

/// What one of the setups has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) entries: BTreeMap<PathBuf, Entry>,
    /// Directories that were made, the outer before the inner.
    pub(crate) directories: Vec<PathBuf>,
    /// What was once chosen for this machine and stays so.
    pub(crate) chosen: BTreeMap<String, String>,
    /// Whether services have still to be started for what was written.
    pub(crate) unfinished: bool,
}

/// What was done at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Entry {
    /// The whole of it is ours.
    Whole {
        /// Digests of what may be there from us: while files are written, of what was there and what is to be.
        written: Vec<String>,
        before: Former,
    },
    /// Something was added to a file of somebody else's.
    Edited {
        edits: Vec<Edit>,
        /// Digest of the file without the edits, where it was made only for them.
        made: Option<String>,
        /// While files are written: the digest of the whole file before, and the edits in it.
        writing: Option<Writing>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Writing {
    pub(crate) digest: String,
    pub(crate) edits: Vec<Edit>,
}

/// A [`State`] as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Former {
    Absent,
    File { base64: String, mode: u32, owner: Option<(u32, u32)> },
    Link(PathBuf),
}

impl From<&State> for Former {
    fn from(state: &State) -> Self {
        match state {
            State::Absent => Self::Absent,
            State::File { bytes, access } => {
                Self::File { base64: STANDARD.encode(bytes), mode: access.mode, owner: access.owner }
            }
            State::Link(target) => Self::Link(target.clone()),
        }
    }
}

impl Former {
    /// What it was.
    ///
    /// # Errors
    /// Where the record is damaged.
    pub(crate) fn state(&self) -> anyhow::Result<State> {
        Ok(match self {
            Self::Absent => State::Absent,
            Self::File { base64, mode, owner } => State::File {
                bytes: STANDARD.decode(base64).context("the record of what was set up is damaged")?,
                access: Access { mode: *mode, owner: *owner },
            },
            Self::Link(target) => State::Link(target.clone()),
        })
    }
}

/// The place of a record, locked: one setup at a time.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    lock: Option<File>,
}

impl Kept {
    /// The record of a setup of this name.
    pub(crate) fn of(tree: &Tree, name: &str) -> Self {
        Self { path: tree.place(Path::new(DIRECTORY)).join(format!("{name}.json")), lock: None }
    }

    /// Reads it; an empty one where nothing was set up.
    ///
    /// # Errors
    /// Where it cannot be read, or is damaged: nothing can then be told from what a person changed.
    pub(crate) fn load(&self) -> anyhow::Result<Record> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Record::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}: run this as root", self.path.display()));
            }
        };
        serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} is damaged: bring it back from a backup, or move it away and remove the files by hand",
                self.path.display()
            )
        })
    }

    /// Keeps others from setting up as long as the value lives.
    ///
    /// # Errors
    /// Where another setup runs, or the place cannot be written.
    pub(crate) fn lock(&mut self) -> anyhow::Result<()> {
        let directory = self.directory();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .and_then(|()| File::open(directory))
            .with_context(|| format!("cannot write {}: run this as root", directory.display()))
            .and_then(|lock| match lock.try_lock() {
                Ok(()) => Ok(lock),
                Err(TryLockError::WouldBlock) => bail!("another 'meshstream setup' runs: wait until it has ended"),
                Err(TryLockError::Error(error)) => Err(error).context("cannot lock the record of the setup"),
            })
            .map(|lock| self.lock = Some(lock))
    }

    /// Writes it; one that says nothing is removed.
    ///
    /// # Errors
    /// Where the disk fails.
    pub(crate) fn store(&self, record: &Record) -> anyhow::Result<()> {
        let context = || format!("cannot write {}: run this as root, and check the disk", self.path.display());
        if record.entries.is_empty() && !record.unfinished {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(context),
                _ => Ok(()),
            };
        }
        let text = serde_json::to_vec_pretty(record).context("cannot encode the record of the setup")?;
        durable::replace(&self.path, &text).with_context(context)
    }

    /// A place beside it, for what undo must not lose.
    pub(crate) fn aside(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // One in which there is anything stays.
            let _ = fs::remove_dir(self.directory());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_and_an_empty_one_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("var/lib")).unwrap();
        let tree = Tree::below(dir.path()).unwrap();
        let mut kept = Kept::of(&tree, "access-point");
        assert_eq!(kept.load().unwrap(), Record::default());
        kept.lock().unwrap();
        let former = State::File { bytes: vec![0, 255], access: Access { mode: 0o640, owner: Some((0, 7)) } };
        let before = Former::from(&former);
        let record = Record {
            entries: BTreeMap::from([("/etc/a".into(), Entry::Whole { written: vec!["file:0".into()], before })]),
            ..Record::default()
        };
        kept.store(&record).unwrap();
        let read = kept.load().unwrap();
        assert_eq!(read, record);
        let Entry::Whole { before, .. } = &read.entries[Path::new("/etc/a")] else { panic!("whole") };
        assert_eq!(before.state().unwrap(), former);
        assert!(Kept::of(&tree, "mesh").lock().unwrap_err().to_string().contains("another"));
        kept.store(&Record::default()).unwrap();
        drop(kept);
        assert_eq!(fs::read_dir(dir.path().join("var/lib")).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_record_is_an_error_and_never_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::below(dir.path()).unwrap();
        let kept = Kept::of(&tree, "mesh");
        fs::create_dir_all(kept.directory()).unwrap();
        fs::write(&kept.path, "{\"entries\":").unwrap();
        assert!(kept.load().unwrap_err().to_string().contains("damaged"));
    }
}
