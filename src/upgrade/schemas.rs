//! Which schema the node's databases have: a program refuses one that is newer than it knows.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use rusqlite::{Connection, OpenFlags};

use super::record::Schemas;

/// The databases of a data directory; each crate that keeps something has its own.
const DATABASES: [&str; 3] = ["router.sqlite3", "ssb.sqlite3", "streamer.sqlite3"];

/// The schema version of each database that is there (`PRAGMA user_version`).
///
/// # Errors
/// Where one cannot be read.
pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Schemas> {
    let mut schemas = Schemas::new();
    for name in DATABASES {
        let path = data_dir.join(name);
        if !path.exists() {
            continue;
        }
        let cannot = || format!("cannot read {}", path.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(&path, flags).with_context(cannot)?;
        let version = database.pragma_query_value(None, "user_version", |row| row.get(0)).with_context(cannot)?;
        schemas.insert(name.to_owned(), version);
    }
    Ok(schemas)
}

/// The same for root, who opens no file that the node's user may have made: this program asks as the owner of the directory.
///
/// # Errors
/// Where they cannot be read.
pub(super) fn read_as_owner(data_dir: &Path) -> anyhow::Result<Schemas> {
    let owner = data_dir.metadata().with_context(|| format!("cannot look at {}", data_dir.display()))?;
    // This program, whatever lies under its name by now.
    let mut ask = Command::new("/proc/self/exe");
    ask.args(["upgrade", "schemas", "--data-dir"]).arg(data_dir).env_clear().stdin(Stdio::null());
    if rustix::process::geteuid().is_root() && owner.uid() != 0 {
        ask.uid(owner.uid()).gid(owner.gid());
    }
    let answer = ask.output().context("cannot look at the node's databases")?;
    if !answer.status.success() {
        bail!("cannot look at the node's databases: {}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    serde_json::from_slice(&answer.stdout).context("what is said of the node's databases is not understood")
}

/// What of the databases is newer than a program left it, in words; `None` where it can read all.
pub(super) fn moved(before: &Schemas, now: &Schemas) -> Option<String> {
    let moved = now.iter().filter_map(|(name, version)| {
        // What was not there then, the former program may not know, and does not open.
        let known = before.get(name)?;
        (version > known).then(|| format!("{name} has schema version {version}, and the former program knows {known}"))
    });
    let moved: Vec<String> = moved.collect();
    (!moved.is_empty()).then(|| moved.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas(of: &[(&str, i64)]) -> Schemas {
        of.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect()
    }

    #[test]
    fn the_versions_of_databases_are_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap().is_empty());
        let database = Connection::open(folder.path().join("ssb.sqlite3")).unwrap();
        database.pragma_update(None, "journal_mode", "wal").unwrap();
        database.pragma_update(None, "user_version", 4).unwrap();
        // Also while the node has it open, and before it is written back from the log.
        assert_eq!(read(folder.path()).unwrap(), schemas(&[("ssb.sqlite3", 4)]));
        drop(database);
        assert_eq!(read(folder.path()).unwrap(), schemas(&[("ssb.sqlite3", 4)]), "after the node has closed it");
        std::fs::write(folder.path().join("router.sqlite3"), "no database, but long enough to be looked at").unwrap();
        assert!(read(folder.path()).is_err());
    }

    #[test]
    fn only_a_newer_schema_keeps_from_going_back() {
        let before = schemas(&[("ssb.sqlite3", 4), ("router.sqlite3", 2)]);
        assert_eq!(moved(&before, &before), None);
        assert_eq!(moved(&before, &schemas(&[("ssb.sqlite3", 3)])), None);
        assert_eq!(moved(&before, &schemas(&[("new.sqlite3", 9)])), None);
        let why = moved(&before, &schemas(&[("ssb.sqlite3", 5), ("router.sqlite3", 2)])).unwrap();
        assert!(why.contains("ssb.sqlite3 has schema version 5") && !why.contains("router"), "{why}");
    }
}
