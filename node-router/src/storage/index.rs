//! What is kept and why, in SQLite: claims, and reference counts of blocks. Synchronous; runs on the database's thread.
//!
//! A block has a row only when all blocks below it have one, so a row stands for a whole DAG that is on disk. A
//! block's count is the number of claims on it and of blocks that link to it; at zero the row goes, and its links
//! with it. Rows come after blocks and go before them, so a crash leaves at worst blocks without a row.

use std::collections::HashSet;

use cid::Cid;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use stream_model::{Claim, StoreError};

use super::ledger::Totals;
use crate::unixfs::Child;

/// What stands in the column `broadcast` for content that the gateway fetched; a slug is longer.
pub(super) const GATEWAY: &str = "gateway";
/// The same for what the owner carried here.
pub(super) const CARRIED: &str = "carried";
/// The same for packages of releases.
pub(super) const RELEASE: &str = "release";
/// Files that the gateway keeps at most, so that small ones do not make the index large.
const GATEWAY_FILES: u32 = 4_096;

/// Step N takes the database from `user_version` N to N + 1. A released step is never edited.
const STEPS: [&str; 2] = [
    "
    CREATE TABLE blocks (
        id INTEGER PRIMARY KEY,
        cid BLOB NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        content_bytes INTEGER NOT NULL,
        dag_bytes INTEGER NOT NULL,
        refs INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE links (
        parent INTEGER NOT NULL REFERENCES blocks (id),
        child INTEGER NOT NULL REFERENCES blocks (id),
        PRIMARY KEY (parent, child)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX links_child ON links (child);
    CREATE TABLE claims (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        claim TEXT NOT NULL,
        block INTEGER NOT NULL REFERENCES blocks (id),
        broadcast TEXT NOT NULL,
        own INTEGER NOT NULL,
        UNIQUE (claim, block)
    ) STRICT;
    CREATE INDEX claims_block ON claims (block);
    CREATE INDEX claims_broadcast ON claims (own, broadcast, sequence);
",
    // The totals change with the rows, whoever changes them.
    "
    CREATE TABLE totals (only INTEGER PRIMARY KEY CHECK (only = 1), bytes INTEGER NOT NULL, blocks INTEGER NOT NULL) STRICT;
    INSERT INTO totals SELECT 1, coalesce(sum(size), 0), count(*) FROM blocks;
    CREATE TRIGGER block_added AFTER INSERT ON blocks
        BEGIN UPDATE totals SET bytes = bytes + new.size, blocks = blocks + 1; END;
    CREATE TRIGGER block_removed AFTER DELETE ON blocks
        BEGIN UPDATE totals SET bytes = bytes - old.size, blocks = blocks - 1; END;
    CREATE TRIGGER block_resized AFTER UPDATE OF size ON blocks
        BEGIN UPDATE totals SET bytes = bytes + new.size - old.size; END;
    CREATE TABLE retention (
        broadcast TEXT PRIMARY KEY NOT NULL,
        said TEXT NOT NULL CHECK (said IN ('passing', 'mirrored', 'kept')),
        owner TEXT CHECK (owner IN ('passing', 'mirrored', 'kept'))
    ) STRICT, WITHOUT ROWID;
    ",
];

/// A block that is on disk, and what it links to.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The block as a child of others.
    pub(crate) node: Child,
    /// Bytes of the block itself.
    pub(crate) size: u64,
    /// Blocks that it links to.
    pub(crate) children: Vec<Cid>,
}

/// Whose content a claim keeps: only others' is ever evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Published on this node.
    Own,
    /// Fetched.
    Fetched,
}

pub(super) fn failed(error: rusqlite::Error) -> StoreError {
    StoreError::Failed(format!("router.sqlite3: {error}"))
}

/// Creates the tables where there are none, and brings older ones up to date.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction().map_err(failed)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let done = usize::try_from(version).ok().filter(|done| *done <= STEPS.len());
    let done = done.ok_or_else(|| {
        let known = STEPS.len();
        StoreError::Failed(format!(
            "router.sqlite3 has schema version {version}, this program knows {known}: run the newer program"
        ))
    })?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", STEPS.len()).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// The blocks that have a row.
pub(super) fn totals(connection: &Connection) -> Result<Totals, StoreError> {
    connection
        .prepare_cached("SELECT bytes, blocks FROM totals")
        .and_then(|mut select| select.query_row([], |row| Ok(Totals { bytes: row.get(0)?, blocks: row.get(1)? })))
        .map_err(failed)
}

/// Commits something that changes nothing.
pub(super) fn touch(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("UPDATE totals SET bytes = bytes", []).map(|_| ()).map_err(failed)
}

/// Whether a block, and so all that is below it, has a row.
pub(super) fn is_held(connection: &Connection, cid: &Cid) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT 1 FROM blocks WHERE cid = ?1")
        .and_then(|mut select| select.exists([cid.to_bytes()]))
        .map_err(failed)
}

/// Those that have a row.
pub(super) fn held_among(connection: &Connection, cids: &[Cid]) -> Result<HashSet<Cid>, StoreError> {
    let mut held = HashSet::new();
    for cid in cids {
        if is_held(connection, cid)? {
            held.insert(*cid);
        }
    }
    Ok(held)
}

/// The stored content below a root, as a child of another node.
pub(super) fn child(connection: &Connection, cid: &Cid) -> Result<Option<Child>, StoreError> {
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Child { cid: *cid, content_bytes: row.get("content_bytes")?, dag_bytes: row.get("dag_bytes")? })
    };
    let mut statement =
        connection.prepare_cached("SELECT content_bytes, dag_bytes FROM blocks WHERE cid = ?1").map_err(failed)?;
    statement.query_row([cid.to_bytes()], row).optional().map_err(failed)
}

/// Records blocks, children before those that link to them, and claims the root. Where the gateway claims it, its oldest
/// claims go until what they keep has at most `gateway_bytes`. Returns the blocks that nothing keeps any more.
///
/// # Errors
/// [`StoreError::NotFound`] for a child, or a root, that has no row and no record before it, and for a record without a
/// row whose block is among those that are `lost`.
pub(super) fn commit(
    connection: &mut Connection,
    (records, lost): (&[Record], &HashSet<Cid>),
    root: &Cid,
    (claim, origin): (&Claim, Origin),
    gateway_bytes: u64,
) -> Result<Vec<Cid>, StoreError> {
    let transaction = connection.transaction().map_err(failed)?;
    insert_all(&transaction, records, lost)?;
    self::claim(&transaction, root, (&claim.to_string(), &kept_for(claim)), origin == Origin::Own)?;
    let mut removed = Vec::new();
    if matches!(claim, Claim::Gateway(_)) {
        removed = trim_gateway(&transaction, gateway_bytes)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(removed)
}

/// Records blocks; those of them that are lost need to have a row already.
pub(super) fn insert_all(
    transaction: &Transaction<'_>,
    records: &[Record],
    lost: &HashSet<Cid>,
) -> Result<(), StoreError> {
    for record in records {
        if insert(transaction, record)? && lost.contains(&record.node.cid) {
            return Err(StoreError::NotFound(record.node.cid));
        }
    }
    Ok(())
}

/// Claims a block that has a row, under a name and with what stands in the column `broadcast`.
pub(super) fn claim(
    transaction: &Transaction<'_>,
    root: &Cid,
    (name, kept_for): (&str, &str),
    own: bool,
) -> Result<(), StoreError> {
    let id = block_id(transaction, root)?;
    let claimed = transaction
        .prepare_cached(
            "INSERT INTO claims (claim, block, broadcast, own) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut insert| insert.execute(params![name, id, kept_for, own]))
        .map_err(failed)?;
    if claimed == 1 { count_up(transaction, id) } else { Ok(()) }
}

/// The value of the column `broadcast`.
fn kept_for(claim: &Claim) -> String {
    match claim {
        Claim::Carried(_) => CARRIED.to_owned(),
        Claim::Release(_) => RELEASE.to_owned(),
        claim => claim.broadcast().map_or_else(|| GATEWAY.to_owned(), |broadcast| broadcast.slug()),
    }
}

/// Drops the gateway's oldest claims beyond its bounds; the newest stays.
fn trim_gateway(transaction: &Transaction<'_>, most_bytes: u64) -> Result<Vec<Cid>, StoreError> {
    let roots = ids(
        transaction,
        "DELETE FROM claims WHERE sequence IN (
             SELECT sequence FROM (
                 SELECT sequence, ROW_NUMBER() OVER newest AS files, SUM(dag_bytes) OVER newest AS bytes
                 FROM claims JOIN blocks ON blocks.id = claims.block
                 WHERE own = 0 AND broadcast = ?1
                 WINDOW newest AS (ORDER BY sequence DESC)
             ) WHERE files > ?2 OR (files > 1 AND bytes > ?3)
         ) RETURNING block",
        params![GATEWAY, GATEWAY_FILES, most_bytes],
    )?;
    count_down(transaction, roots)
}

/// Drops all that the gateway keeps, and tells how many blocks that were.
pub(super) fn empty_gateway(connection: &mut Connection) -> Result<usize, StoreError> {
    Ok(evict(connection, GATEWAY, u32::MAX)?.removed.len())
}

/// Records a block whose children have rows; `false` where it has one already.
fn insert(transaction: &Transaction<'_>, record: &Record) -> Result<bool, StoreError> {
    let Record { node, size, children } = record;
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO blocks (cid, size, content_bytes, dag_bytes, refs) VALUES (?1, ?2, ?3, ?4, 0)
             ON CONFLICT DO NOTHING",
        )
        .and_then(|mut insert| insert.execute(params![node.cid.to_bytes(), size, node.content_bytes, node.dag_bytes]))
        .map_err(failed)?;
    if inserted == 0 {
        return Ok(false);
    }
    let parent = transaction.last_insert_rowid();
    for child in children.iter().collect::<HashSet<_>>() {
        let child = block_id(transaction, child)?;
        transaction
            .prepare_cached("INSERT INTO links (parent, child) VALUES (?1, ?2)")
            .and_then(|mut link| link.execute([parent, child]))
            .map_err(failed)?;
        count_up(transaction, child)?;
    }
    Ok(true)
}

pub(super) fn block_id(transaction: &Transaction<'_>, cid: &Cid) -> Result<i64, StoreError> {
    transaction
        .prepare_cached("SELECT id FROM blocks WHERE cid = ?1")
        .and_then(|mut select| select.query_row([cid.to_bytes()], |row| row.get(0)).optional())
        .map_err(failed)?
        .ok_or(StoreError::NotFound(*cid))
}

pub(super) fn count_up(transaction: &Transaction<'_>, id: i64) -> Result<(), StoreError> {
    transaction
        .prepare_cached("UPDATE blocks SET refs = refs + 1 WHERE id = ?1")
        .and_then(|mut update| update.execute([id]))
        .map(|_| ())
        .map_err(failed)
}

/// Drops at most `limit` claims of a broadcast (its slug).
pub(super) fn release_broadcast(
    connection: &mut Connection,
    broadcast: &str,
    limit: u32,
) -> Result<Evicted, StoreError> {
    // Both values of `own`, so that the index is of use.
    let some = "DELETE FROM claims WHERE sequence IN (
         SELECT sequence FROM claims WHERE own IN (0, 1) AND broadcast = ?1 LIMIT ?2
     ) RETURNING block";
    drop_claims(connection, some, params![broadcast, limit])
}

fn drop_claims(
    connection: &mut Connection,
    delete: &str,
    params: impl rusqlite::Params,
) -> Result<Evicted, StoreError> {
    let transaction = connection.transaction().map_err(failed)?;
    let roots = ids(&transaction, delete, params)?;
    let claims = roots.len();
    let removed = count_down(&transaction, roots)?;
    transaction.commit().map_err(failed)?;
    Ok(Evicted { claims, removed })
}

/// Drops a claim on at most `limit` of its roots, by its name.
pub(super) fn release_some(connection: &mut Connection, claim: &str, limit: u32) -> Result<Evicted, StoreError> {
    let some =
        "DELETE FROM claims WHERE sequence IN (SELECT sequence FROM claims WHERE claim = ?1 LIMIT ?2) RETURNING block";
    drop_claims(connection, some, params![claim, limit])
}

/// What an eviction or a release did.
#[derive(Debug)]
pub(super) struct Evicted {
    /// Claims that were dropped.
    pub(super) claims: usize,
    /// The blocks that nothing keeps any more.
    pub(super) removed: Vec<Cid>,
}

/// Drops the oldest claims, at most `limit`, on what was fetched of one broadcast.
pub(super) fn evict(connection: &mut Connection, broadcast: &str, limit: u32) -> Result<Evicted, StoreError> {
    let oldest = "DELETE FROM claims WHERE sequence IN (
         SELECT sequence FROM claims WHERE own = 0 AND broadcast = ?1 ORDER BY sequence LIMIT ?2
     ) RETURNING block";
    drop_claims(connection, oldest, params![broadcast, limit])
}

pub(super) fn ids(
    transaction: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<i64>, StoreError> {
    transaction
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map(params, |row| row.get(0))?.collect())
        .map_err(failed)
}

pub(super) fn count_down(transaction: &Transaction<'_>, mut ids_to_count: Vec<i64>) -> Result<Vec<Cid>, StoreError> {
    let mut removed = Vec::new();
    while let Some(id) = ids_to_count.pop() {
        let refs: i64 = transaction
            .prepare_cached("UPDATE blocks SET refs = refs - 1 WHERE id = ?1 RETURNING refs")
            .and_then(|mut update| update.query_row([id], |row| row.get(0)))
            .map_err(failed)?;
        if refs > 0 {
            continue;
        }
        ids_to_count.extend(ids(transaction, "DELETE FROM links WHERE parent = ?1 RETURNING child", params![id])?);
        let cid: Vec<u8> = transaction
            .prepare_cached("DELETE FROM blocks WHERE id = ?1 RETURNING cid")
            .and_then(|mut delete| delete.query_row([id], |row| row.get(0)))
            .map_err(failed)?;
        removed.push(read_cid(&cid)?);
    }
    Ok(removed)
}

pub(super) fn read_cid(bytes: &[u8]) -> Result<Cid, StoreError> {
    Cid::try_from(bytes).map_err(|error| StoreError::Failed(format!("router.sqlite3 holds a bad cid: {error}")))
}
