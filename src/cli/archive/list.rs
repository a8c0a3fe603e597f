//! `meshstream archive list`: what is kept of broadcasts, and by whom.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context as _;
use bytesize::ByteSize;
use serde::Deserialize;
use serde_json::Value;
use stream_model::{ArchiveKind, FeedId, MediaSequence};

use super::alone;
use crate::cli::Output;
use crate::cli::keep::{self, Kept, Named};
use crate::cli::show::{print_json, printable};
use crate::config::Config;
use crate::control::{Client, Connection};
use crate::output::print;

/// The part of `/api/v1/broadcasts/{id}` that is shown.
#[derive(Debug, Deserialize)]
struct Archived {
    slug: String,
    title: String,
    state: String,
    own: bool,
    held_segments: u64,
    archives: Vec<Archive>,
    mirrors: Vec<Mirror>,
    republications: Vec<Republication>,
    withdrawn: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Mirror {
    node: FeedId,
}

#[derive(Debug, Deserialize)]
struct Republication {
    node: FeedId,
    credit: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Archive {
    kind: ArchiveKind,
    period: Option<String>,
    first_media_sequence: MediaSequence,
    last_media_sequence: MediaSequence,
    manifest: String,
    duration_ms: u64,
    bytes: u64,
    running: bool,
}

pub(super) async fn list(config: &Config, output: Output) -> anyhow::Result<()> {
    const STRANGE: &str = "the node's answer is not understood";
    let (broadcasts, kept) = match Client::connect(&config.node.data_dir).await? {
        Connection::Running(client) => (ask(&client).await?, keep::all(&client).await?),
        Connection::NotRunning => {
            let (broadcasts, kept) = alone::read(config).await?;
            (broadcasts, kept.into_iter().map(Kept::from).collect())
        }
    };
    let named: Vec<Named> = serde_json::from_value(broadcasts.clone().into()).context(STRANGE)?;
    let archived: Vec<Value> = broadcasts.into_iter().filter(is_archived).collect();
    if output.json {
        return print_json(&archived);
    }
    let archived: Vec<Archived> = serde_json::from_value(archived.into()).context(STRANGE)?;
    print(|out| {
        write_archives(out, &archived)?;
        keep::write_policies(out, &kept, &named)
    })
}

/// All that a running node knows.
async fn ask(client: &Client) -> anyhow::Result<Vec<Value>> {
    let broadcasts: Vec<Named> = client.get("/api/v1/broadcasts").await?;
    let mut known = Vec::with_capacity(broadcasts.len());
    for broadcast in broadcasts {
        known.push(client.get(&format!("/api/v1/broadcasts/{}", broadcast.slug())).await?);
    }
    Ok(known)
}

/// Whether anything is said of it as over: by its publisher or by others.
fn is_archived(broadcast: &Value) -> bool {
    let says = |field: &str| broadcast[field].as_array().is_some_and(|entries| !entries.is_empty());
    ["archives", "mirrors", "republications"].into_iter().any(says) || broadcast["withdrawn"].is_string()
}

fn write_archives(out: &mut dyn Write, broadcasts: &[Archived]) -> io::Result<()> {
    if broadcasts.is_empty() {
        return writeln!(
            out,
            "No archives known here. A broadcast gets one for each hour, each day and the whole, as they become complete."
        );
    }
    for broadcast in broadcasts {
        let publisher = if broadcast.own { "this node's" } else { "another node's" };
        let (title, state) = (printable(&broadcast.title), printable(&broadcast.state));
        writeln!(
            out,
            "{title}  ({publisher}, {state}, {} segments held)  /watch/{}",
            broadcast.held_segments, broadcast.slug
        )?;
        if let Some(reason) = &broadcast.withdrawn {
            let reason = if reason.trim().is_empty() { "no reason given".into() } else { printable(reason) };
            writeln!(out, "  withdrawn by its publisher: {reason}")?;
        }
        for mirror in &broadcast.mirrors {
            writeln!(out, "  mirrored by {}", mirror.node)?;
        }
        for Republication { node, credit } in &broadcast.republications {
            let credit = if credit.is_empty() { String::new() } else { format!(": {}", printable(credit)) };
            writeln!(out, "  republished by {node}{credit}")?;
        }
        for archive in &broadcast.archives {
            let period = archive.period.as_deref().map(printable).unwrap_or_default();
            let length = humantime::format_duration(Duration::from_secs(archive.duration_ms / 1000));
            let length = if archive.running { format!("{length} so far") } else { length.to_string() };
            writeln!(
                out,
                "  {:<9} {period:<14} {length}, {}, segments {} to {}, {}",
                archive.kind.to_string(),
                ByteSize::b(archive.bytes),
                archive.first_media_sequence,
                archive.last_media_sequence,
                printable(&archive.manifest),
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(broadcasts: &[Archived]) -> String {
        let mut out = Vec::new();
        write_archives(&mut out, broadcasts).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn archives_are_listed_below_their_broadcast_without_control_characters() {
        let hour = Archive {
            kind: ArchiveKind::Hour,
            period: Some("2026-11-21T14Z".to_owned()),
            first_media_sequence: MediaSequence(0),
            last_media_sequence: MediaSequence(239),
            manifest: "bafy".to_owned(),
            duration_ms: 3_600_000,
            bytes: 1 << 30,
            running: false,
        };
        let so_far = Archive {
            period: Some("2026-11-21T15Z".to_owned()),
            first_media_sequence: MediaSequence(240),
            last_media_sequence: MediaSequence(259),
            manifest: "bafz".to_owned(),
            duration_ms: 300_000,
            running: true,
            ..hour.clone()
        };
        let broadcast = Archived {
            slug: "BwcH".to_owned(),
            title: "Town\u{1b}[2J hall".to_owned(),
            state: "ended".to_owned(),
            own: false,
            held_segments: 7,
            archives: vec![hour, so_far],
            mirrors: vec![Mirror { node: FeedId([1; 32]) }],
            republications: vec![Republication { node: FeedId([2; 32]), credit: "The town\n".to_owned() }],
            withdrawn: Some(String::new()),
        };
        assert_eq!(
            shown(&[broadcast]),
            "Town\u{fffd}[2J hall  (another node's, ended, 7 segments held)  /watch/BwcH\n  \
             withdrawn by its publisher: no reason given\n  \
             mirrored by @AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=.ed25519\n  \
             republished by @AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=.ed25519: The town\u{fffd}\n  \
             hour      2026-11-21T14Z 1h, 1.0 GiB, segments 0 to 239, bafy\n  \
             hour      2026-11-21T15Z 5m so far, 1.0 GiB, segments 240 to 259, bafz\n"
        );
        assert!(shown(&[]).starts_with("No archives known here."));
    }
}
