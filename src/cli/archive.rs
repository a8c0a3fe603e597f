//! `meshstream archive`: what is kept of broadcasts.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context as _;
use bytesize::ByteSize;
use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;
use stream_model::{ArchiveKind, MediaSequence};

use super::Output;
use super::keep::{self, Policy};
use super::show::{print_json, printable};
use crate::config::Config;
use crate::control::Client;
use crate::output::print;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the archives that are known here, of this node's broadcasts and of others'
    List(Output),
    /// Keep what is stored of a broadcast: it never makes room for others
    Keep(Broadcast),
    /// Let go of what is stored of a broadcast, at once or some time after its end
    Drop {
        #[command(flatten)]
        broadcast: Broadcast,
        /// How long after its end, such as 30d; counted while the node runs
        #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration, default_value = "0s")]
        after: Duration,
    },
    /// Take back 'keep' and 'drop': own broadcasts stay, others make room
    Default(Broadcast),
}

/// Which broadcast.
#[derive(Debug, clap::Args)]
pub(crate) struct Broadcast {
    /// Its id or slug, or as much of the beginning as no other has: 'meshstream streams' lists them
    #[arg(value_name = "ID")]
    id: String,
}

/// The part of `/api/v1/broadcasts/{id}` that is shown.
#[derive(Debug, Deserialize)]
struct Archived {
    slug: String,
    title: String,
    state: String,
    own: bool,
    held_segments: u64,
    archives: Vec<Archive>,
}

#[derive(Debug, Deserialize)]
struct Archive {
    kind: ArchiveKind,
    period: Option<String>,
    first_media_sequence: MediaSequence,
    last_media_sequence: MediaSequence,
    manifest: String,
    duration_ms: u64,
    bytes: u64,
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(output) => list(config, output).await,
        Command::Keep(Broadcast { id }) => keep::set(config, &id, Policy::Keep).await,
        Command::Drop { broadcast, after } => {
            keep::set(config, &broadcast.id, Policy::Drop { after_s: after.as_secs() }).await
        }
        Command::Default(Broadcast { id }) => keep::set(config, &id, Policy::Default).await,
    }
}

async fn list(config: &Config, output: Output) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    let broadcasts: Vec<Value> = client.get("/api/v1/broadcasts").await?;
    let mut archived = Vec::new();
    for broadcast in broadcasts {
        let slug = broadcast["slug"].as_str().context("the node's answer is not understood")?;
        let broadcast: Value = client.get(&format!("/api/v1/broadcasts/{slug}")).await?;
        if broadcast["archives"].as_array().is_some_and(|archives| !archives.is_empty()) {
            archived.push(broadcast);
        }
    }
    if output.json {
        return print_json(&archived);
    }
    let archived: Vec<Archived> =
        serde_json::from_value(archived.into()).context("the node's answer is not understood")?;
    let mut policies = Vec::new();
    keep::write_all(&client, &mut policies).await?;
    print(|out| {
        write_archives(out, &archived)?;
        out.write_all(&policies)
    })
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
        for archive in &broadcast.archives {
            let period = archive.period.as_deref().map(printable).unwrap_or_default();
            let length = humantime::format_duration(Duration::from_secs(archive.duration_ms / 1000));
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
        };
        let broadcast = Archived {
            slug: "BwcH".to_owned(),
            title: "Town\u{1b}[2J hall".to_owned(),
            state: "ended".to_owned(),
            own: false,
            held_segments: 7,
            archives: vec![hour],
        };
        assert_eq!(
            shown(&[broadcast]),
            "Town\u{fffd}[2J hall  (another node's, ended, 7 segments held)  /watch/BwcH\n  \
             hour      2026-11-21T14Z 1h, 1.0 GiB, segments 0 to 239, bafy\n"
        );
        assert!(shown(&[]).starts_with("No archives known here."));
    }
}
