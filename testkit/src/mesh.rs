//! The map of the mesh, as a page that is open asks for it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::node::Node;

/// A guard against asking for ever, not a measure: nodes ask each other twice a minute.
const GUARD: Duration = Duration::from_secs(120);
/// Between two looks: nothing tells of changes.
const PAUSE: Duration = Duration::from_millis(250);

/// Looks at a node's map until it is as wanted, and returns it.
///
/// # Errors
/// Where it does not become so; the last one is in the error.
pub async fn map_until(node: &Node, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut seen = Value::Null;
    let looking = async {
        loop {
            seen = node.get_json("/api/v1/mesh").await?;
            if wanted(&seen) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let looked = tokio::time::timeout(GUARD, looking).await;
    looked
        .unwrap_or_else(|_| Err(anyhow::anyhow!("guard")))
        .with_context(|| format!("the map has not {what}: {seen}"))?;
    Ok(seen)
}

/// The link between two nodes on a map.
pub fn link<'a>(map: &'a Value, one: &Node, other: &Node) -> Option<&'a Value> {
    let ends = [one, other].map(|node| &node.status()["node"]["feed"]);
    let between = |link: &&Value| [&link["a"], &link["b"]] == ends || [&link["b"], &link["a"]] == ends;
    map["links"].as_array()?.iter().find(between)
}
