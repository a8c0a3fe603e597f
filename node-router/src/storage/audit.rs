//! What the index says of each block, for a check of it; and how it is corrected. Synchronous; runs on the database's thread.

use std::collections::{HashMap, HashSet};

use cid::Cid;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use stream_model::StoreError;

use super::index::{self, block_id, failed, ids, read_cid};

/// Most names of claims that are told for a block.
const MAX_CLAIMS: u32 = 16;

/// The blocks above one, itself included.
const ABOVE: &str =
    "WITH RECURSIVE above (id) AS (SELECT ?1 UNION SELECT parent FROM links JOIN above ON child = above.id)";

/// A block as the index has it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) cid: Cid,
    pub(super) facts: Facts,
    pub(super) refs: i64,
    /// Claims on it and links to it, counted.
    pub(super) counted: i64,
    /// What it links to, with their facts; empty for a leaf.
    pub(super) children: HashMap<Cid, Facts>,
}

/// What follows from the block itself and those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: u64,
    pub(super) content_bytes: u64,
    pub(super) dag_bytes: u64,
}

/// The first blocks after one, in the order in which they got their rows: those below others before them.
pub(super) fn page(connection: &Connection, after: i64, limit: u32) -> Result<Vec<Row>, StoreError> {
    type Raw = (i64, Vec<u8>, Facts, i64, i64);
    let rows: Vec<Raw> = connection
        .prepare_cached(
            "SELECT id, cid, size, content_bytes, dag_bytes, refs,
                 (SELECT count(*) FROM claims WHERE block = blocks.id) + (SELECT count(*) FROM links WHERE child = blocks.id)
             FROM blocks WHERE id > ?1 ORDER BY id LIMIT ?2",
        )
        .and_then(|mut select| {
            let row = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, facts(row, 2)?, row.get(5)?, row.get(6)?))
            };
            select.query_map(params![after, limit], row)?.collect()
        })
        .map_err(failed)?;
    let whole = |(id, cid, facts, refs, counted): Raw| {
        let cid = read_cid(&cid)?;
        Ok(Row { id, cid, facts, refs, counted, children: children(connection, id)? })
    };
    rows.into_iter().map(whole).collect()
}

fn facts(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Facts> {
    Ok(Facts { size: row.get(first)?, content_bytes: row.get(first + 1)?, dag_bytes: row.get(first + 2)? })
}

fn children(connection: &Connection, id: i64) -> Result<HashMap<Cid, Facts>, StoreError> {
    let rows: Vec<(Vec<u8>, Facts)> = connection
        .prepare_cached(
            "SELECT cid, size, content_bytes, dag_bytes FROM links JOIN blocks ON blocks.id = child WHERE parent = ?1",
        )
        .and_then(|mut select| select.query_map([id], |row| Ok((row.get(0)?, facts(row, 1)?)))?.collect())
        .map_err(failed)?;
    rows.into_iter().map(|(cid, facts)| Ok((read_cid(&cid)?, facts))).collect()
}

/// The names of claims that need a block, segments first.
pub(super) fn claims_above(connection: &Connection, cid: &Cid) -> Result<Vec<String>, StoreError> {
    let id: Option<i64> = connection
        .query_row("SELECT id FROM blocks WHERE cid = ?1", [cid.to_bytes()], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    let Some(id) = id else { return Ok(Vec::new()) };
    connection
        .prepare_cached(&format!(
            "{ABOVE} SELECT DISTINCT claim FROM claims WHERE block IN (SELECT id FROM above)
             ORDER BY claim NOT LIKE '%/segment/%', claim LIMIT ?2"
        ))
        .and_then(|mut select| select.query_map(params![id, MAX_CLAIMS], |row| row.get(0))?.collect())
        .map_err(failed)
}

/// Writes what is right of a block. Returns the blocks that nothing keeps any more.
///
/// # Errors
/// [`StoreError::NotFound`] where a child has no row; nothing is changed then.
pub(super) fn mend(
    connection: &mut Connection,
    cid: &Cid,
    facts: Facts,
    links: &[Cid],
) -> Result<Vec<Cid>, StoreError> {
    let transaction = connection.transaction().map_err(failed)?;
    let id = block_id(&transaction, cid)?;
    let mut touched: HashSet<i64> =
        ids(&transaction, "DELETE FROM links WHERE parent = ?1 RETURNING child", [id])?.into_iter().collect();
    for link in links.iter().collect::<HashSet<_>>() {
        let child = block_id(&transaction, link)?;
        transaction.execute("INSERT INTO links (parent, child) VALUES (?1, ?2)", [id, child]).map_err(failed)?;
        touched.insert(child);
    }
    let Facts { size, content_bytes, dag_bytes } = facts;
    transaction
        .execute(
            "UPDATE blocks SET size = ?2, content_bytes = ?3, dag_bytes = ?4 WHERE id = ?1",
            params![id, size, content_bytes, dag_bytes],
        )
        .map_err(failed)?;
    touched.insert(id);
    let mut unneeded = Vec::new();
    for id in touched {
        let counted: i64 = transaction
            .prepare_cached(
                "UPDATE blocks SET refs =
                     (SELECT count(*) FROM claims WHERE block = ?1) + (SELECT count(*) FROM links WHERE child = ?1)
                 WHERE id = ?1 RETURNING refs",
            )
            .and_then(|mut update| update.query_row([id], |row| row.get(0)))
            .map_err(failed)?;
        if counted == 0 {
            index::count_up(&transaction, id)?;
            unneeded.push(id);
        }
    }
    let removed = index::count_down(&transaction, unneeded)?;
    transaction.commit().map_err(failed)?;
    Ok(removed)
}

/// Takes a block that is lost out of the index, with all that it is part of. What was kept by their claims and is still whole
/// stays under the same claims, so that only what is lost has to be fetched again. Returns the blocks without a row now.
pub(super) fn forget(connection: &mut Connection, cid: &Cid) -> Result<Vec<Cid>, StoreError> {
    let transaction = connection.transaction().map_err(failed)?;
    let lost = block_id(&transaction, cid)?;
    let above: HashSet<i64> =
        ids(&transaction, &format!("{ABOVE} SELECT id FROM above"), [lost])?.into_iter().collect();
    for broken in &above {
        move_claims_down(&transaction, *broken, &above)?;
    }
    let mut freed = Vec::new();
    for broken in &above {
        freed.extend(ids(&transaction, "DELETE FROM links WHERE parent = ?1 RETURNING child", [*broken])?);
    }
    let mut removed = Vec::with_capacity(above.len());
    for broken in &above {
        let cid: Vec<u8> = transaction
            .query_row("DELETE FROM blocks WHERE id = ?1 RETURNING cid", [broken], |row| row.get(0))
            .map_err(failed)?;
        removed.push(read_cid(&cid)?);
    }
    freed.retain(|child| !above.contains(child));
    removed.extend(index::count_down(&transaction, freed)?);
    transaction.commit().map_err(failed)?;
    Ok(removed)
}

/// The claims on a broken block become claims on the whole blocks right below the broken ones.
fn move_claims_down(transaction: &Transaction<'_>, from: i64, broken: &HashSet<i64>) -> Result<(), StoreError> {
    let claims: Vec<(String, String, bool)> = transaction
        .prepare_cached("DELETE FROM claims WHERE block = ?1 RETURNING claim, broadcast, own")
        .and_then(|mut delete| delete.query_map([from], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect())
        .map_err(failed)?;
    if claims.is_empty() {
        return Ok(());
    }
    let (mut pending, mut seen) = (vec![from], HashSet::from([from]));
    while let Some(parent) = pending.pop() {
        for child in ids(transaction, "SELECT child FROM links WHERE parent = ?1", [parent])? {
            if !seen.insert(child) {
                continue;
            }
            if broken.contains(&child) {
                pending.push(child);
                continue;
            }
            for (claim, broadcast, own) in &claims {
                let moved = transaction
                    .prepare_cached(
                        "INSERT INTO claims (claim, block, broadcast, own) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                    )
                    .and_then(|mut insert| insert.execute(params![claim, child, broadcast, own]))
                    .map_err(failed)?;
                if moved == 1 {
                    index::count_up(transaction, child)?;
                }
            }
        }
    }
    Ok(())
}
