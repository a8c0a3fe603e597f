//! The mark beside the secret that says on which machine the identity writes its feed, and whether its owner is to look
//! for the feed first. Whoever copies a data directory copies the mark too, and it tells.
//!
//! A machine is known by what is not copied with a file system: the serial number of a board, and the machine id of the
//! system. The mark holds only a hash of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::IdentityError;
use super::secret_file::{make_private_directory, write_durably};
use crate::feed::RecoverReason;

/// Separates this hash from other uses of the machine id (machine-id(5) asks for that).
const LABEL: &str = "meshstream place v1";
/// Where Linux keeps what tells machines apart: the serial number of a Raspberry Pi and its kin first, because whole SD
/// cards are copied with the machine id on them.
const SOURCES: [&str; 2] = ["/proc/device-tree/serial-number", "/etc/machine-id"];

/// Tells one machine from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Machine(String);

impl Machine {
    /// The machine that this program runs on. Machines that tell nothing of themselves are all the same.
    pub fn this() -> Self {
        let read = |source: &&str| fs::read(source).unwrap_or_default();
        Self::of(SOURCES.iter().map(read))
    }

    /// The machine that is known by these bytes.
    pub fn of(sources: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let mut hash = Sha256::new_with_prefix(LABEL);
        for source in sources {
            let source = source.as_ref().trim_ascii();
            hash.update((source.len() as u64).to_be_bytes());
            hash.update(source);
        }
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    machine: Machine,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recover: Option<RecoverReason>,
}

/// What the mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Unmarked,
    /// The identity is at home here.
    Home,
    /// The owner is to run `meshstream ssb recover`.
    Recover(RecoverReason),
}

/// The mark of one identity, seen from one machine.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    machine: Machine,
}

impl Place {
    /// The mark beside a secret file.
    pub fn beside(secret: &Path, machine: Machine) -> Self {
        Self { path: secret.with_file_name("place"), machine }
    }

    /// Reads the mark. One that cannot be understood counts as another machine's.
    ///
    /// # Errors
    /// [`IdentityError`] where it cannot be read.
    pub fn standing(&self) -> Result<Standing, IdentityError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Unmarked),
            Err(source) => return Err(IdentityError::Io { action: "read", path: self.path.clone(), source }),
        };
        Ok(match serde_json::from_slice::<Mark>(&text) {
            Ok(Mark { recover: Some(reason), .. }) => Standing::Recover(reason),
            Ok(Mark { machine, recover: None }) if machine == self.machine => Standing::Home,
            _ => Standing::Recover(RecoverReason::Moved),
        })
    }

    /// Says that the identity is at home on this machine. Durable when it returns.
    ///
    /// # Errors
    /// [`IdentityError`] where it cannot be written.
    pub fn settle(&self) -> Result<(), IdentityError> {
        self.write(None)
    }

    /// Says that the owner is to run `meshstream ssb recover`. Durable when it returns.
    ///
    /// # Errors
    /// [`IdentityError`] where it cannot be written.
    pub fn require_recovery(&self, reason: RecoverReason) -> Result<(), IdentityError> {
        self.write(Some(reason))
    }

    fn write(&self, recover: Option<RecoverReason>) -> Result<(), IdentityError> {
        let error = |source| IdentityError::Io { action: "write", path: self.path.clone(), source };
        let mark = Mark { machine: self.machine.clone(), recover };
        let text = serde_json::to_string(&mark).expect("text and a word have a JSON form");
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            make_private_directory(directory).map_err(error)?;
        }
        write_durably(&self.path, format!("{text}\n").as_bytes()).map_err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(directory: &tempfile::TempDir, machine: &str) -> Place {
        Place::beside(&directory.path().join("identity/secret"), Machine::of([machine]))
    }

    #[test]
    fn a_settled_identity_is_at_home_until_it_is_taken_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let (here, elsewhere) = (place(&directory, "a"), place(&directory, "b"));
        assert_eq!(here.standing().unwrap(), Standing::Unmarked);
        here.settle().unwrap();
        assert_eq!(here.standing().unwrap(), Standing::Home);
        assert_eq!(elsewhere.standing().unwrap(), Standing::Recover(RecoverReason::Moved));
        elsewhere.settle().unwrap();
        assert_eq!(here.standing().unwrap(), Standing::Recover(RecoverReason::Moved));
    }

    #[test]
    fn a_recovery_that_is_due_stays_due_on_every_machine() {
        let directory = tempfile::tempdir().unwrap();
        place(&directory, "a").require_recovery(RecoverReason::Imported).unwrap();
        for machine in ["a", "b"] {
            assert_eq!(place(&directory, machine).standing().unwrap(), Standing::Recover(RecoverReason::Imported));
        }
    }

    #[test]
    fn a_damaged_mark_is_nobodys() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(&directory, "a");
        place.settle().unwrap();
        for text in ["", "{", "{}", r#"{"machine":"x","recover":"unheard of"}"#] {
            fs::write(directory.path().join("identity/place"), text).unwrap();
            assert_eq!(place.standing().unwrap(), Standing::Recover(RecoverReason::Moved), "{text}");
        }
    }

    #[test]
    fn machines_differ_by_what_they_say_and_by_where_they_say_it() {
        assert_eq!(Machine::of(["a\n", "b"]), Machine::of(["a", "b\0".trim_end_matches('\0')]));
        assert_ne!(Machine::of(["a", "b"]), Machine::of(["ab", ""]));
        assert_eq!(Machine::this(), Machine::this());
    }
}
