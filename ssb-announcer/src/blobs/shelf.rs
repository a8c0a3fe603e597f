//! Blobs as files: `own/` and `others/`, each named by its hash in hex, and `incoming/` for those half written.
//!
//! A file is synced before it gets its name. When a blob was used is the time of its file, so that a restart knows it,
//! to the hour.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use stream_model::{BlobError, BlobId};
use tracing::warn;

use super::MAX_BLOB;
use super::ledger::{Ledger, Owner};

/// How old the time of a file may be before a use renews it: a write to the disk for each use would wear an SD card.
const RENEW_AFTER: Duration = Duration::from_secs(3_600);

/// The folder and what is known to be in it.
#[derive(Debug)]
pub struct Shelf {
    directory: PathBuf,
    ledger: Mutex<Ledger>,
    incoming: AtomicU64,
}

/// The name of bytes.
pub fn hash(bytes: &[u8]) -> BlobId {
    BlobId(Sha256::digest(bytes).into())
}

impl Shelf {
    /// Opens a folder. Files that are no blobs are left alone.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn open(directory: &Path, quota: u64) -> io::Result<Self> {
        let this = Self { directory: directory.to_owned(), ledger: Mutex::new(Ledger::new(quota)), incoming: 0.into() };
        let incoming = this.directory.join("incoming");
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir_all(&incoming)?;
        for owner in [Owner::Node, Owner::Others] {
            let folder = this.folder(owner);
            fs::create_dir_all(&folder)?;
            let mut found = Vec::new();
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let name = entry.file_name();
                if let (Some(id), Ok(metadata)) = (name.to_str().and_then(from_hex), entry.metadata()) {
                    found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), id, metadata.len()));
                }
            }
            found.sort();
            for (_, id, bytes) in found {
                let evicted = this.ledger().insert(id, bytes, owner);
                this.remove_files(&evicted);
            }
        }
        Ok(this)
    }

    /// The size of a blob that is held.
    pub fn size(&self, id: &BlobId) -> Option<u64> {
        self.ledger().get(id).map(|(bytes, _)| bytes)
    }

    /// Whether a blob that is held is this node's.
    pub fn is_own(&self, id: &BlobId) -> bool {
        matches!(self.ledger().get(id), Some((_, Owner::Node)))
    }

    /// Bytes of all blobs.
    pub fn bytes(&self) -> u64 {
        self.ledger().bytes()
    }

    /// Keeps a blob, whose hash is its name, and removes others where there is no room for all. Gives how many.
    ///
    /// # Errors
    /// Where the disk fails; nothing is kept then.
    pub fn put(&self, id: BlobId, bytes: &[u8], owner: Owner) -> io::Result<usize> {
        let held = self.ledger().get(&id).map(|(_, held)| held);
        match (held, owner) {
            (Some(Owner::Node), _) | (Some(Owner::Others), Owner::Others) => return Ok(0),
            (Some(Owner::Others), Owner::Node) | (None, _) => {}
        }
        let number = self.incoming.fetch_add(1, Ordering::Relaxed);
        let half_written = self.directory.join("incoming").join(number.to_string());
        let mut file = File::create(&half_written)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half_written, self.path(&id, owner))?;
        File::open(self.folder(owner))?.sync_all()?;
        if held.is_some() {
            fs::remove_file(self.path(&id, Owner::Others))?;
        }
        let evicted = self.ledger().insert(id, bytes.len() as u64, owner);
        self.remove_files(&evicted);
        Ok(evicted.len())
    }

    /// A whole blob, verified. One that was changed on the disk is removed.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], or where the disk fails.
    pub fn get(&self, id: &BlobId) -> Result<Bytes, BlobError> {
        let bytes = self.read(id, 0..MAX_BLOB as u64)?;
        if hash(&bytes) == *id {
            return Ok(bytes);
        }
        warn!(blob = %id, "a blob was changed on the disk: it is removed");
        let owner = self.ledger().get(id).map(|(_, owner)| owner);
        self.ledger().remove(id);
        if let Some(owner) = owner {
            fs::remove_file(self.path(id, owner))?;
        }
        Err(BlobError::NotFound(*id))
    }

    /// A piece of a blob, not verified; less than asked for at its end.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], or where the disk fails.
    pub fn read(&self, id: &BlobId, range: Range<u64>) -> Result<Bytes, BlobError> {
        let (bytes, owner) = self.ledger().get(id).ok_or(BlobError::NotFound(*id))?;
        let range = range.start.min(bytes)..range.end.min(bytes);
        let mut piece = vec![0; usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0)];
        let file = match File::open(self.path(id, owner)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.ledger().remove(id);
                return Err(BlobError::NotFound(*id));
            }
            Err(error) => return Err(error.into()),
        };
        file.read_exact_at(&mut piece, range.start)?;
        if range.start == 0 {
            self.use_now(id, &file)?;
        }
        Ok(piece.into())
    }

    fn use_now(&self, id: &BlobId, file: &File) -> io::Result<()> {
        self.ledger().touch(id);
        let now = SystemTime::now();
        // A clock that was set back makes files of the future.
        let fresh = now.duration_since(file.metadata()?.modified()?).is_ok_and(|age| age < RENEW_AFTER);
        if fresh { Ok(()) } else { file.set_modified(now) }
    }

    fn remove_files(&self, ids: &[BlobId]) {
        for id in ids {
            if let Err(error) = fs::remove_file(self.path(id, Owner::Others)) {
                warn!(blob = %id, %error, "cannot remove a blob");
            }
        }
    }

    fn folder(&self, owner: Owner) -> PathBuf {
        self.directory.join(match owner {
            Owner::Node => "own",
            Owner::Others => "others",
        })
    }

    fn path(&self, id: &BlobId, owner: Owner) -> PathBuf {
        self.folder(owner).join(to_hex(id))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Its methods do not panic half way.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn to_hex(id: &BlobId) -> String {
    id.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(name: &str) -> Option<BlobId> {
    let digits = name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut id = [0; 32];
    for (at, byte) in id.iter_mut().enumerate().take(if digits { 32 } else { 0 }) {
        *byte = u8::from_str_radix(&name[2 * at..2 * at + 2], 16).ok()?;
    }
    digits.then_some(BlobId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: u64 = 100;

    fn put(shelf: &Shelf, bytes: &[u8], owner: Owner) -> BlobId {
        let id = hash(bytes);
        shelf.put(id, bytes, owner).unwrap();
        id
    }

    #[test]
    fn blobs_are_there_after_a_restart_and_half_written_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), QUOTA).unwrap();
        let own = put(&shelf, b"ours", Owner::Node);
        let other = put(&shelf, b"theirs", Owner::Others);
        drop(shelf);
        fs::write(folder.path().join("incoming/9"), b"hal").unwrap();
        fs::write(folder.path().join("own/README"), b"a stranger").unwrap();
        let shelf = Shelf::open(folder.path(), QUOTA).unwrap();
        assert_eq!(shelf.get(&own).unwrap(), &b"ours"[..]);
        assert_eq!(shelf.get(&other).unwrap(), &b"theirs"[..]);
        assert!(shelf.is_own(&own) && !shelf.is_own(&other));
        assert_eq!(shelf.bytes(), 10);
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
    }

    #[test]
    fn others_make_room_and_ours_stay() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), QUOTA).unwrap();
        let own = put(&shelf, &[1; 300], Owner::Node);
        let first = put(&shelf, &[2; 60], Owner::Others);
        let second = put(&shelf, &[3; 60], Owner::Others);
        assert!(matches!(shelf.get(&first), Err(BlobError::NotFound(_))));
        assert!(shelf.get(&own).is_ok() && shelf.get(&second).is_ok());
        assert_eq!(fs::read_dir(folder.path().join("others")).unwrap().count(), 1);
    }

    #[test]
    fn what_becomes_ours_is_kept_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), QUOTA).unwrap();
        let id = put(&shelf, &[1; 60], Owner::Others);
        put(&shelf, &[1; 60], Owner::Node);
        put(&shelf, &[2; 60], Owner::Others);
        drop(shelf);
        assert!(Shelf::open(folder.path(), QUOTA).unwrap().get(&id).is_ok());
    }

    #[test]
    fn a_changed_file_is_not_given_out_and_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), QUOTA).unwrap();
        let id = put(&shelf, b"true", Owner::Others);
        fs::write(shelf.path(&id, Owner::Others), b"lies").unwrap();
        assert!(matches!(shelf.get(&id), Err(BlobError::NotFound(_))));
        assert_eq!(shelf.size(&id), None);
        put(&shelf, b"true", Owner::Others);
        assert_eq!(shelf.get(&id).unwrap(), &b"true"[..]);
    }

    #[test]
    fn pieces_are_cut_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), QUOTA).unwrap();
        let id = put(&shelf, b"0123456789", Owner::Node);
        for (start, end, expected) in [(0, 4, "0123"), (8, 99, "89"), (10, 20, ""), (90, 99, ""), (5, 2, "")] {
            assert_eq!(shelf.read(&id, start..end).unwrap(), expected.as_bytes());
        }
    }

    #[test]
    fn names_read_back() {
        let id = BlobId(std::array::from_fn(|n| n as u8 * 7));
        assert_eq!(from_hex(&to_hex(&id)), Some(id));
        for bad in ["", "0", &"0".repeat(63), &"G".repeat(64), &"é".repeat(32)] {
            assert_eq!(from_hex(bad), None);
        }
    }
}
