//! `meshstream archive keep`, `drop` and `default`: how long a broadcast stays on this node.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use stream_model::{BroadcastId, KeepPolicy, KeptBroadcast};

use super::show::printable;
use crate::control::Client;
use crate::output::print;

/// A broadcast as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Named {
    id: String,
    slug: String,
    title: String,
}

impl Named {
    pub(crate) fn slug(&self) -> &str {
        &self.slug
    }
}

/// A policy as the node takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case")]
pub(crate) enum Policy {
    Default,
    Keep,
    Drop { after_s: u64 },
}

/// A broadcast with a policy of its own.
#[derive(Debug, Deserialize)]
pub(crate) struct Kept {
    slug: String,
    #[serde(flatten)]
    policy: Policy,
    dropped_in_s: Option<u64>,
}

/// Gives a broadcast a policy.
pub(crate) async fn set(client: &Client, broadcast: &str, policy: Policy) -> anyhow::Result<()> {
    let (id, title) = named(client, broadcast).await?;
    let _: Policy = client.post(&format!("/control/policies/{}", id.slug()), &policy).await?;
    print(|out| writeln!(out, "{title}: {}", what_happens(policy)))
}

/// The broadcast that is meant by an id, a slug or the beginning of either, and its title.
pub(crate) async fn named(client: &Client, text: &str) -> anyhow::Result<(BroadcastId, String)> {
    let broadcasts: Vec<Named> = client.get("/api/v1/broadcasts").await?;
    match find(&broadcasts, text)? {
        Some(named) => {
            let id = named.slug.parse().context("the node's answer is not understood")?;
            Ok((id, printable(&named.title)))
        }
        // It may be stored though nobody announces it any more.
        None => match text.parse() {
            Ok(id) => Ok((id, text.to_owned())),
            Err(_) => bail!("no broadcast is known whose id begins with {text}: 'meshstream streams' lists them"),
        },
    }
}

/// What the node says is decided of broadcasts.
pub(crate) async fn all(client: &Client) -> anyhow::Result<Vec<Kept>> {
    client.get("/control/policies").await
}

impl From<KeptBroadcast> for Kept {
    fn from(KeptBroadcast { broadcast, policy, dropped_in }: KeptBroadcast) -> Self {
        let policy = match policy {
            KeepPolicy::Default => Policy::Default,
            KeepPolicy::Keep => Policy::Keep,
            KeepPolicy::DropAfter(age) => Policy::Drop { after_s: age.as_secs() },
        };
        Self { slug: broadcast.slug(), policy, dropped_in_s: dropped_in.map(|left| left.as_secs()) }
    }
}

/// Says of each what is decided.
pub(crate) fn write_policies(out: &mut dyn Write, kept: &[Kept], broadcasts: &[Named]) -> io::Result<()> {
    for one in kept {
        let title = broadcasts.iter().find(|named| named.slug == one.slug).map(|named| printable(&named.title));
        let state = match (one.policy, one.dropped_in_s) {
            (Policy::Drop { .. }, Some(0)) => "was dropped".to_owned(),
            (Policy::Drop { .. }, Some(left)) => {
                format!("is dropped after {} more of running", humantime::format_duration(Duration::from_secs(left)))
            }
            (policy, _) => what_happens(policy),
        };
        writeln!(out, "{}  {state}  /watch/{}", title.unwrap_or_default(), one.slug)?;
    }
    Ok(())
}

fn what_happens(policy: Policy) -> String {
    match policy {
        Policy::Default => "stays where it is of this node, and makes room where it is not".to_owned(),
        Policy::Keep => "is kept, and never makes room".to_owned(),
        Policy::Drop { after_s: 0 } => "is dropped".to_owned(),
        Policy::Drop { after_s } => format!(
            "is dropped {} after its end, counted while the node runs",
            humantime::format_duration(Duration::from_secs(after_s))
        ),
    }
}

/// The broadcast with this id or slug, or the only one whose id or slug begins so.
fn find<'a>(broadcasts: &'a [Named], text: &str) -> anyhow::Result<Option<&'a Named>> {
    if let Some(named) = broadcasts.iter().find(|named| named.id == text || named.slug == text) {
        return Ok(Some(named));
    }
    let begins = |named: &&Named| named.id.starts_with(text) || named.slug.starts_with(text);
    let mut found = broadcasts.iter().filter(begins);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => bail!("several broadcasts have an id that begins with {text}: give more of it"),
        (one, _) => Ok(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(slug: &str) -> Named {
        Named { id: format!("%{slug}=.sha256"), slug: slug.to_owned(), title: "Hall".to_owned() }
    }

    #[test]
    fn a_broadcast_is_found_by_its_id_its_slug_or_what_no_other_begins_with() {
        let broadcasts = [named("abcd"), named("abxy")];
        for (text, found) in [("abcd", 0), ("%abxy=.sha256", 1), ("abx", 1), ("%abc", 0)] {
            assert_eq!(find(&broadcasts, text).unwrap(), Some(&broadcasts[found]), "{text}");
        }
        assert!(find(&broadcasts, "ab").is_err());
        assert_eq!(find(&broadcasts, "zz").unwrap(), None);
    }

    #[test]
    fn policies_are_told_with_the_time_that_is_left() {
        let kept = |policy, dropped_in_s| Kept { slug: "abcd".to_owned(), policy, dropped_in_s };
        let mut out = Vec::new();
        let all = [kept(Policy::Keep, None), kept(Policy::Drop { after_s: 7200 }, Some(3600))];
        write_policies(&mut out, &all, &[named("abcd")]).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Hall  is kept, and never makes room  /watch/abcd\n\
             Hall  is dropped after 1h more of running  /watch/abcd\n"
        );
    }
}
