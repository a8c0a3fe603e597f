//! Stream keys: made, checked, revoked. Owns the table `stream_keys` of the streamer's database; what comes in is a
//! name and a key, what goes out is whether they belong together. A key itself is never stored and never logged.
//!
//! Works the same inside a running node and on its files while none runs. Every call to SQLite goes through
//! `spawn_blocking`: a change waits for the disk, for tens of milliseconds on an SD card, and holds the connection
//! meanwhile, so that even a check in memory-speed may have to wait for one.

mod record;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rand::RngCore as _;
use rand::rngs::OsRng;
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use stream_model::{
    KeyError, MessageKey, NewStreamKey, ScheduleId, StreamDetails, StreamKey, StreamKeyEntry, StreamKeys, StreamName,
    WallTime,
};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

pub use self::record::KeyRecord;

/// 128 random bits: beyond guessing, and short enough to type.
const KEY_BYTES: usize = 16;

/// How long a call waits for another connection to the same file to finish its write: longer than a slow disk takes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// `AUTOINCREMENT` keeps an id from being used again after a key was revoked.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS stream_keys (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        name       TEXT    NOT NULL UNIQUE,
        hash       BLOB    NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
";

/// What tables that were made before lack: the choice what is kept, and what broadcasts are announced with.
const ADDED: [(&str, &str); 4] = [
    ("archive", "ALTER TABLE stream_keys ADD COLUMN archive INTEGER"),
    ("title", "ALTER TABLE stream_keys ADD COLUMN title TEXT NOT NULL DEFAULT ''"),
    ("description", "ALTER TABLE stream_keys ADD COLUMN description TEXT NOT NULL DEFAULT ''"),
    ("schedule", "ALTER TABLE stream_keys ADD COLUMN schedule BLOB"),
];

/// Which key it is: never given again, even to a new key for the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(i64);

#[cfg(test)]
impl KeyId {
    pub(crate) fn of(id: i64) -> Self {
        Self(id)
    }
}

/// Why a name and a key do not let somebody publish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no key for the name: none was added, or it was revoked.
    #[error("there is no stream key for this name: make one with 'meshstream key add NAME'")]
    NoKey,
    /// There is one, and it is another.
    #[error("the stream key is wrong")]
    WrongKey,
    /// The database failed.
    #[error("cannot use the key database: {0}")]
    Storage(String),
}

/// The keys of a node. Clones share one connection to the database.
#[derive(Debug, Clone)]
pub struct KeyStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Mutex<Connection>,
    /// Raised with each revocation.
    revocations: watch::Sender<u64>,
}

impl KeyStore {
    /// Opens or creates the table in the database at `path`, which others may have open too. Blocks on the disk.
    ///
    /// # Errors
    /// [`KeyError::Storage`] where the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        Self::set_up(Connection::open(path).map_err(storage)?).map_err(storage)
    }

    fn set_up(database: Connection) -> rusqlite::Result<Self> {
        database.busy_timeout(BUSY_TIMEOUT)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        database.execute_batch(SCHEMA)?;
        for (column, add) in ADDED {
            let there = "SELECT COUNT(*) FROM pragma_table_info('stream_keys') WHERE name = ?1";
            if database.query_row(there, [column], |row| row.get::<_, i64>(0))? == 0 {
                database.execute_batch(add)?;
            }
        }
        Ok(Self { inner: Arc::new(Inner { database: Mutex::new(database), revocations: watch::Sender::new(0) }) })
    }

    /// Whether `key` is the one for `name`, compared in constant time.
    ///
    /// # Errors
    /// [`Refusal`] where it is not.
    pub async fn verify(&self, name: &StreamName, key: &StreamKey) -> Result<KeyId, Refusal> {
        let (name, offered) = (name.clone(), hash(key));
        let found = self.blocking(move |database| find(database, &name)).await;
        let (id, stored) = found.map_err(|error| Refusal::Storage(error.to_string()))?.ok_or(Refusal::NoKey)?;
        if bool::from(offered.as_slice().ct_eq(&stored)) { Ok(id) } else { Err(Refusal::WrongKey) }
    }

    /// Whether what is published under a name is kept, where that was set.
    ///
    /// # Errors
    /// [`KeyError::Storage`].
    pub async fn archive(&self, name: &StreamName) -> Result<Option<bool>, KeyError> {
        let name = name.clone();
        let found = self.blocking(move |database| {
            let mut statement = database.prepare_cached("SELECT archive FROM stream_keys WHERE name = ?1")?;
            statement.query_row(params![name.as_str()], |row| row.get(0)).optional()
        });
        Ok(found.await.map_err(storage)?.flatten())
    }

    /// What broadcasts of a name are announced with; nothing where there is no key for it.
    ///
    /// # Errors
    /// [`KeyError::Storage`].
    pub async fn details(&self, name: &StreamName) -> Result<Option<StreamDetails>, KeyError> {
        let name = name.clone();
        let found = self.blocking(move |database| {
            let mut statement =
                database.prepare_cached("SELECT title, description, schedule FROM stream_keys WHERE name = ?1")?;
            let details = |row: &rusqlite::Row<'_>| {
                let schedule: Option<[u8; 32]> = row.get(2)?;
                let schedule = schedule.map(|key| ScheduleId(MessageKey(key)));
                Ok(StreamDetails { title: row.get(0)?, description: row.get(1)?, schedule })
            };
            statement.query_row(params![name.as_str()], details).optional()
        });
        found.await.map_err(storage)
    }

    /// Sets what broadcasts of a name are announced with.
    ///
    /// # Errors
    /// [`KeyError::NotFound`] where there is no key for the name, [`KeyError::Storage`].
    pub async fn set_details(&self, name: StreamName, details: StreamDetails) -> Result<(), KeyError> {
        let row = name.clone();
        let StreamDetails { title, description, schedule } = details;
        let changed = self.blocking(move |database| {
            database.execute(
                "UPDATE stream_keys SET title = ?2, description = ?3, schedule = ?4 WHERE name = ?1",
                params![row.as_str(), title, description, schedule.map(|id| id.0.0)],
            )
        });
        if changed.await.map_err(storage)? == 0 { Err(KeyError::NotFound(name)) } else { Ok(()) }
    }

    /// Notes that a broadcast of the name has begun with what was planned: the next one does not.
    ///
    /// # Errors
    /// [`KeyError::Storage`].
    pub async fn handle_begun(&self, name: &StreamName, schedule: ScheduleId) -> Result<(), KeyError> {
        let row = name.clone();
        let changed = self.blocking(move |database| {
            database.execute(
                "UPDATE stream_keys SET schedule = NULL WHERE name = ?1 AND schedule = ?2",
                params![row.as_str(), schedule.0.0],
            )
        });
        changed.await.map(drop).map_err(storage)
    }

    /// The keys that are not revoked.
    ///
    /// # Errors
    /// [`KeyError::Storage`].
    pub async fn current(&self) -> Result<HashSet<KeyId>, KeyError> {
        let ids = self.blocking(|database| {
            let mut statement = database.prepare_cached("SELECT id FROM stream_keys")?;
            let rows = statement.query_map([], |row| row.get(0).map(KeyId))?;
            rows.collect()
        });
        ids.await.map_err(storage)
    }

    /// Changes with each revocation; [`KeyStore::current`] then tells what is left.
    pub fn revocations(&self) -> watch::Receiver<u64> {
        self.inner.revocations.subscribe()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> rusqlite::Result<T> {
        let inner = Arc::clone(&self.inner);
        let done =
            tokio::task::spawn_blocking(move || work(&inner.database.lock().unwrap_or_else(PoisonError::into_inner)));
        match done.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Only a runtime that is being shut down cancels blocking work.
            Err(_) => {
                Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT), None))
            }
        }
    }
}

#[async_trait]
impl StreamKeys for KeyStore {
    async fn add(&self, name: StreamName) -> Result<NewStreamKey, KeyError> {
        let key = new_key();
        let (row, hash) = (name.clone(), hash(&key));
        let created_at = i64::try_from(WallTime::now().0).unwrap_or(i64::MAX);
        let added = self.blocking(move |database| {
            database.execute(
                "INSERT INTO stream_keys (name, hash, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![row.as_str(), hash, created_at],
            )
        });
        match added.await.map_err(storage)? {
            0 => Err(KeyError::Exists(name)),
            _ => Ok(NewStreamKey { name, key }),
        }
    }

    async fn list(&self) -> Result<Vec<StreamKeyEntry>, KeyError> {
        let rows = self.blocking(|database| {
            let mut statement =
                database.prepare_cached("SELECT name, created_at, archive FROM stream_keys ORDER BY name")?;
            let rows =
                statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get(2)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let entry = |(name, created_at, archive): (String, i64, Option<bool>)| {
            let created_at = WallTime(u64::try_from(created_at).unwrap_or_default());
            name.parse().map(|name| StreamKeyEntry { name, created_at, archive }).map_err(storage)
        };
        rows.await.map_err(storage)?.into_iter().map(entry).collect()
    }

    async fn set_archive(&self, name: StreamName, archive: Option<bool>) -> Result<(), KeyError> {
        let row = name.clone();
        let changed = self.blocking(move |database| {
            database.execute("UPDATE stream_keys SET archive = ?2 WHERE name = ?1", params![row.as_str(), archive])
        });
        if changed.await.map_err(storage)? == 0 { Err(KeyError::NotFound(name)) } else { Ok(()) }
    }

    async fn revoke(&self, name: StreamName) -> Result<(), KeyError> {
        let row = name.clone();
        let removed = self.blocking(move |database| {
            database.execute("DELETE FROM stream_keys WHERE name = ?1", params![row.as_str()])
        });
        if removed.await.map_err(storage)? == 0 {
            return Err(KeyError::NotFound(name));
        }
        self.inner.revocations.send_modify(|count| *count += 1);
        Ok(())
    }
}

fn find(database: &Connection, name: &StreamName) -> rusqlite::Result<Option<(KeyId, Vec<u8>)>> {
    let mut statement = database.prepare_cached("SELECT id, hash FROM stream_keys WHERE name = ?1")?;
    statement.query_row(params![name.as_str()], |row| Ok((KeyId(row.get(0)?), row.get(1)?))).optional()
}

/// A fresh key, in hexadecimal so that a double click selects all of it.
fn new_key() -> StreamKey {
    let mut bytes = [0; KEY_BYTES];
    OsRng.fill_bytes(&mut bytes);
    let mut text = String::with_capacity(2 * KEY_BYTES);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    StreamKey::new(text)
}

/// The random bits make a salt and a slow hash needless: there is nothing to guess.
fn hash(key: &StreamKey) -> [u8; 32] {
    Sha256::digest(key.expose()).into()
}

fn storage(error: impl std::fmt::Display) -> KeyError {
    KeyError::Storage(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StreamName {
        text.parse().unwrap()
    }

    fn store() -> (tempfile::TempDir, KeyStore) {
        let directory = tempfile::tempdir().unwrap();
        let store = KeyStore::open(&directory.path().join("streamer.sqlite3")).unwrap();
        (directory, store)
    }

    #[tokio::test]
    async fn a_key_is_for_its_name_alone() {
        let (_directory, store) = store();
        let hall = store.add(name("hall")).await.unwrap();
        let room = store.add(name("room")).await.unwrap();
        assert_ne!(hall.key, room.key);
        assert!(store.verify(&name("hall"), &hall.key).await.is_ok());
        assert_eq!(store.verify(&name("hall"), &room.key).await, Err(Refusal::WrongKey));
        assert_eq!(store.verify(&name("hall"), &StreamKey::new("")).await, Err(Refusal::WrongKey));
        assert_eq!(store.verify(&name("other"), &hall.key).await, Err(Refusal::NoKey));
        let names: Vec<String> = store.list().await.unwrap().into_iter().map(|entry| entry.name.to_string()).collect();
        assert_eq!(names, ["hall", "room"]);
    }

    #[tokio::test]
    async fn a_revoked_key_is_refused_and_its_id_is_not_used_again() {
        let (_directory, store) = store();
        let mut revocations = store.revocations();
        let first = store.add(name("hall")).await.unwrap();
        let first_id = store.verify(&name("hall"), &first.key).await.unwrap();
        assert!(matches!(store.add(name("hall")).await, Err(KeyError::Exists(_))));
        store.revoke(name("hall")).await.unwrap();
        assert!(revocations.has_changed().unwrap());
        revocations.mark_unchanged();
        assert_eq!(store.verify(&name("hall"), &first.key).await, Err(Refusal::NoKey));
        assert!(matches!(store.revoke(name("hall")).await, Err(KeyError::NotFound(_))));
        assert!(!revocations.has_changed().unwrap());

        let second = store.add(name("hall")).await.unwrap();
        assert_eq!(store.verify(&name("hall"), &first.key).await, Err(Refusal::WrongKey));
        let second_id = store.verify(&name("hall"), &second.key).await.unwrap();
        assert_ne!(first_id, second_id);
        assert_eq!(store.current().await.unwrap(), HashSet::from([second_id]));
    }

    #[tokio::test]
    async fn what_is_published_with_a_key_is_kept_as_was_set() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("streamer.sqlite3");
        // As it was before there was a choice.
        Connection::open(&path).unwrap().execute_batch(SCHEMA).unwrap();
        let store = KeyStore::open(&path).unwrap();
        store.add(name("hall")).await.unwrap();
        assert_eq!(store.archive(&name("hall")).await.unwrap(), None);
        store.set_archive(name("hall"), Some(false)).await.unwrap();
        let again = KeyStore::open(&path).unwrap();
        assert_eq!(again.archive(&name("hall")).await.unwrap(), Some(false));
        assert_eq!(again.list().await.unwrap()[0].archive, Some(false));
        assert_eq!(again.archive(&name("room")).await.unwrap(), None);
        assert!(matches!(store.set_archive(name("room"), None).await, Err(KeyError::NotFound(_))));
    }

    #[tokio::test]
    async fn what_a_name_is_announced_with_outlives_the_process_and_a_plan_is_for_one_broadcast() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("streamer.sqlite3");
        // As it was before there were details.
        let before = Connection::open(&path).unwrap();
        before.execute_batch(SCHEMA).unwrap();
        before.execute_batch(ADDED[0].1).unwrap();
        let store = KeyStore::open(&path).unwrap();
        store.add(name("hall")).await.unwrap();
        assert_eq!(store.details(&name("hall")).await.unwrap(), Some(StreamDetails::default()));
        let plan = ScheduleId(MessageKey([7; 32]));
        let details = StreamDetails { title: "Talk".into(), description: "of\ntwo".into(), schedule: Some(plan) };
        store.set_details(name("hall"), details.clone()).await.unwrap();
        let again = KeyStore::open(&path).unwrap();
        assert_eq!(again.details(&name("hall")).await.unwrap(), Some(details.clone()));
        again.handle_begun(&name("hall"), ScheduleId(MessageKey([8; 32]))).await.unwrap();
        assert_eq!(again.details(&name("hall")).await.unwrap(), Some(details.clone()));
        again.handle_begun(&name("hall"), plan).await.unwrap();
        let after = StreamDetails { schedule: None, ..details.clone() };
        assert_eq!(again.details(&name("hall")).await.unwrap(), Some(after));
        assert_eq!(again.details(&name("room")).await.unwrap(), None);
        assert!(matches!(again.set_details(name("room"), details).await, Err(KeyError::NotFound(_))));
    }

    #[tokio::test]
    async fn keys_outlive_the_process_and_are_not_in_the_file() {
        let (directory, store) = store();
        let path = directory.path().join("streamer.sqlite3");
        let made = store.add(name("hall")).await.unwrap();
        let other = KeyStore::open(&path).unwrap();
        assert!(other.verify(&name("hall"), &made.key).await.is_ok());
        drop((store, other));
        assert_eq!(made.key.expose().len(), 2 * KEY_BYTES);
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let key = made.key.expose().as_bytes();
            assert!(!bytes.windows(key.len()).any(|window| window == key));
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("streamer.sqlite3");
        std::fs::write(&path, [7; 4096]).unwrap();
        assert!(matches!(KeyStore::open(&path), Err(KeyError::Storage(_))));
    }
}
