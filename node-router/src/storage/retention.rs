//! How readily what was fetched of each broadcast makes room: what is said of it, and what goes next. Synchronous.

use rusqlite::{Connection, OptionalExtension as _, params};
use stream_model::{Retention, StoreError, StoredBroadcast};

use super::index::{CARRIED, GATEWAY, RELEASE, failed};

/// What fetched claims are for, one after the other, by seeking in the index rather than reading all of it; and how
/// readily each goes. The last row has no name.
const FETCHED: &str = "
    WITH RECURSIVE fetched (broadcast) AS (
        SELECT min(broadcast) FROM claims WHERE own = 0
        UNION ALL
        SELECT (SELECT min(broadcast) FROM claims WHERE own = 0 AND broadcast > fetched.broadcast)
        FROM fetched WHERE broadcast IS NOT NULL
    )
    SELECT broadcast, coalesce(owner, said, 'passing') AS retention,
        (SELECT max(sequence) FROM claims WHERE own = 0 AND claims.broadcast = fetched.broadcast) AS newest
    FROM fetched LEFT JOIN retention USING (broadcast) WHERE broadcast IS NOT NULL";

/// Broadcasts with something fetched that may go, those that go first before the others.
pub(super) fn evictable(connection: &Connection) -> Result<Vec<(String, Retention)>, StoreError> {
    let rows: Vec<(String, String)> = connection
        .prepare_cached(&format!(
            "SELECT broadcast, retention FROM ({FETCHED}) WHERE retention <> 'kept' AND broadcast NOT IN (?1, ?2, ?3)
             ORDER BY retention = 'mirrored', newest"
        ))
        .and_then(|mut select| {
            select.query_map([GATEWAY, CARRIED, RELEASE], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .map_err(failed)?;
    Ok(rows.into_iter().map(|(broadcast, name)| (broadcast, parse(&name))).collect())
}

/// How readily the fetched content of a broadcast goes.
pub(super) fn of(connection: &Connection, broadcast: &str) -> Result<Retention, StoreError> {
    let said: Option<String> = connection
        .prepare_cached("SELECT coalesce(owner, said) FROM retention WHERE broadcast = ?1")
        .and_then(|mut select| select.query_row([broadcast], |row| row.get(0)).optional())
        .map_err(failed)?;
    Ok(said.map_or(Retention::Passing, |name| parse(&name)))
}

/// Writes down what is said of a broadcast.
pub(super) fn retain(connection: &Connection, broadcast: &str, retention: Retention) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO retention (broadcast, said) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET said = excluded.said",
        )
        .and_then(|mut say| say.execute(params![broadcast, name(retention)]))
        .map(|_| ())
        .map_err(failed)
}

/// Writes down what the owner decides of a broadcast.
pub(super) fn overrule(
    connection: &Connection,
    broadcast: &str,
    retention: Option<Retention>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO retention (broadcast, said, owner) VALUES (?1, 'passing', ?2)
             ON CONFLICT DO UPDATE SET owner = excluded.owner",
        )
        .and_then(|mut say| say.execute(params![broadcast, retention.map(name)]))
        .map(|_| ())
        .map_err(failed)
}

/// The broadcasts that go next, at most `limit` of them.
pub(super) fn next(connection: &Connection, limit: usize) -> Result<Vec<StoredBroadcast>, StoreError> {
    let mut next = Vec::new();
    for (slug, retention) in evictable(connection)?.into_iter().take(limit) {
        let Ok(broadcast) = slug.parse() else { continue };
        // A manifest reaches the segments that are claimed beside it: the larger of the two is what goes.
        let bytes = connection
            .prepare_cached(
                "SELECT max(coalesce(sum(dag_bytes) FILTER (WHERE claim NOT LIKE '%/archive/%'
                         AND claim NOT LIKE '%/live/%'), 0),
                     coalesce(max(dag_bytes), 0))
                 FROM claims JOIN blocks ON blocks.id = claims.block WHERE own = 0 AND broadcast = ?1",
            )
            .and_then(|mut select| select.query_row([&slug], |row| row.get(0)))
            .map_err(failed)?;
        next.push(StoredBroadcast { broadcast, retention, bytes });
    }
    Ok(next)
}

fn name(retention: Retention) -> &'static str {
    match retention {
        Retention::Passing => "passing",
        Retention::Mirrored => "mirrored",
        Retention::Kept => "kept",
    }
}

fn parse(name: &str) -> Retention {
    match name {
        "mirrored" => Retention::Mirrored,
        "kept" => Retention::Kept,
        // The table lets nothing else in.
        _ => Retention::Passing,
    }
}
