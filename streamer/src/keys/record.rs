//! Stream keys as a backup carries them.

use std::fmt::Write as _;

use rusqlite::params;
use serde::{Deserialize, Serialize};
use stream_model::{KeyError, StreamName, WallTime};

use super::{KeyStore, storage};

/// What is kept of a key: enough to let its holder in, and nothing by which to find it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// What it is for.
    pub name: StreamName,
    /// SHA-256 of the key, in hexadecimal.
    pub sha256: String,
    /// When it was made.
    pub created_at: WallTime,
    /// Whether what is published with it is kept, where that was set.
    #[serde(default)]
    pub archive: Option<bool>,
    /// What broadcasts are announced with.
    #[serde(default)]
    pub title: String,
    /// Likewise.
    #[serde(default)]
    pub description: String,
}

impl KeyStore {
    /// All keys.
    ///
    /// # Errors
    /// [`KeyError::Storage`].
    pub async fn records(&self) -> Result<Vec<KeyRecord>, KeyError> {
        let rows = self.blocking(|database| {
            let columns = "SELECT name, hash, created_at, archive, title, description FROM stream_keys ORDER BY name";
            let mut statement = database.prepare_cached(columns)?;
            let rows = statement.query_map([], |row| {
                let (name, hash): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
                Ok((name, hash, row.get::<_, i64>(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let record = |(name, hash, created_at, archive, title, description): (String, Vec<u8>, i64, _, _, _)| {
            let (sha256, created_at) = (hex(&hash), WallTime(u64::try_from(created_at).unwrap_or_default()));
            Ok(KeyRecord { name: name.parse().map_err(storage)?, sha256, created_at, archive, title, description })
        };
        rows.await.map_err(storage)?.into_iter().map(record).collect()
    }

    /// Takes keys of a backup; a name that has a key keeps it. Returns how many were taken.
    ///
    /// # Errors
    /// [`KeyError::Storage`], also where a record is none; nothing is taken then.
    pub async fn restore(&self, records: Vec<KeyRecord>) -> Result<usize, KeyError> {
        let rows = records.into_iter().map(|record| {
            let hash = of_hex(&record.sha256).ok_or_else(|| storage("a key's hash is none"))?;
            let created_at = i64::try_from(record.created_at.0).unwrap_or(i64::MAX);
            Ok((record, hash, created_at))
        });
        let rows = rows.collect::<Result<Vec<_>, KeyError>>()?;
        let taken = self.blocking(move |database| {
            let all = database.unchecked_transaction()?;
            let mut taken = 0;
            for (record, hash, created_at) in rows {
                taken += all.execute(
                    "INSERT INTO stream_keys (name, hash, created_at, archive, title, description)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                    params![record.name.as_str(), hash, created_at, record.archive, record.title, record.description],
                )?;
            }
            all.commit()?;
            Ok(taken)
        });
        taken.await.map_err(storage)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// The 32 bytes that 64 digits stand for.
fn of_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use stream_model::StreamKeys as _;

    use super::*;

    #[tokio::test]
    async fn a_key_lets_its_holder_in_after_a_restore_and_replaces_none() {
        let dir = tempfile::tempdir().unwrap();
        let store = |name: &str| KeyStore::open(&dir.path().join(name)).unwrap();
        let (old, new) = (store("old.sqlite3"), store("new.sqlite3"));
        let hall = old.add("hall".parse().unwrap()).await.unwrap();
        old.add("room".parse().unwrap()).await.unwrap();
        old.set_archive("hall".parse().unwrap(), Some(false)).await.unwrap();
        let room = new.add("room".parse().unwrap()).await.unwrap();
        let records = old.records().await.unwrap();
        assert!(!format!("{records:?}").contains(hall.key.expose()));
        assert_eq!(new.restore(records.clone()).await.unwrap(), 1);
        assert!(new.verify(&hall.name, &hall.key).await.is_ok());
        assert!(new.verify(&room.name, &room.key).await.is_ok());
        assert_eq!(new.archive(&hall.name).await.unwrap(), Some(false));
        assert_eq!(new.records().await.unwrap()[0], records[0]);
    }

    #[tokio::test]
    async fn of_records_of_which_one_is_none_nothing_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let store = KeyStore::open(&dir.path().join("keys.sqlite3")).unwrap();
        let record = |name: &str, sha256: &str| KeyRecord {
            name: name.parse().unwrap(),
            sha256: sha256.to_owned(),
            created_at: WallTime(0),
            archive: None,
            title: String::new(),
            description: String::new(),
        };
        let good = "ab".repeat(32);
        for bad in ["", "xy", &"é".repeat(32), &"g".repeat(64)] {
            assert!(store.restore(vec![record("hall", &good), record("room", bad)]).await.is_err(), "{bad}");
        }
        assert!(store.records().await.unwrap().is_empty());
    }
}
