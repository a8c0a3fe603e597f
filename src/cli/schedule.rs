//! `meshstream schedule`: broadcasts that are planned.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use stream_model::{Schedule, ScheduleId, StreamDetails, StreamName, WallTime};

use super::Output;
use super::show::{print_json, printable, when};
use crate::config::Config;
use crate::control::Client;
use crate::output::print;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Announce a broadcast that is planned
    Add(Add),
    /// List what is planned, here and on other nodes
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Call a planned broadcast of this node off
    Cancel {
        /// Its id, or the beginning of it, as 'list' shows it
        // A slug may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Its title
    title: String,
    /// When it starts, in UTC: 2026-11-22T18:00Z; or how long from now: 90m
    #[arg(value_parser = moment)]
    starts: Starts,
    /// More about it
    #[arg(long, default_value = "")]
    description: String,
    /// The next broadcast of this stream name is it
    #[arg(long, value_name = "NAME")]
    stream: Option<StreamName>,
    #[command(flatten)]
    output: Output,
}

/// When a broadcast starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Starts(WallTime);

/// A planned broadcast as the node lists it.
#[derive(Debug, Deserialize, Serialize)]
struct Planned {
    id: ScheduleId,
    slug: String,
    title: String,
    own: bool,
    starts_at: WallTime,
}

#[derive(Debug, Deserialize, Serialize)]
struct Announced {
    id: ScheduleId,
    slug: String,
}

/// A point of time in UTC, to the minute or the second, or a duration from now.
fn moment(text: &str) -> anyhow::Result<Starts> {
    if let Ok(from_now) = humantime::parse_duration(text) {
        return Ok(Starts(WallTime::now().after(from_now)));
    }
    let whole = match text.strip_suffix('Z').map(|text| text.matches(':').count()) {
        Some(1) => format!("{}:00Z", text.trim_end_matches('Z')),
        _ => text.to_owned(),
    };
    let time: SystemTime = humantime::parse_rfc3339(&whole).with_context(|| {
        format!("'{text}' is no time: write for example 2026-11-22T18:00Z, in UTC, or 90m for in 90 minutes")
    })?;
    let since = time.duration_since(UNIX_EPOCH).context("a broadcast cannot start before 1970")?;
    Ok(Starts(WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))))
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    match command {
        Command::Add(add) => self::add(&client, add).await,
        Command::List { output } => {
            let document: serde_json::Value = client.get("/api/v1/upcoming").await?;
            if output.json {
                return print_json(&document);
            }
            let planned: Vec<Planned> =
                serde_json::from_value(document).context("the node's answer is not understood")?;
            print_list(&planned)
        }
        Command::Cancel { id, output } => {
            let planned: Vec<Planned> = client.get("/api/v1/upcoming").await?;
            let found = find(&planned, &id)?;
            client.delete(&format!("/control/schedules/{}", found.slug)).await?;
            if output.json {
                return print_json(&serde_json::json!({ "cancelled": found.id }));
            }
            print(|out| writeln!(out, "{} is called off.", printable(&found.title)))
        }
    }
}

async fn add(client: &Client, add: Add) -> anyhow::Result<()> {
    let Add { title, starts: Starts(starts_at), description, stream, output } = add;
    // Refused before anything is announced, where there is no such stream name.
    let details = match &stream {
        Some(name) => Some(client.get::<StreamDetails>(&format!("/control/streams/{name}/details")).await?),
        None => None,
    };
    let schedule = Schedule { title: title.clone(), description, starts_at };
    let announced: Announced = client.post("/control/schedules", &schedule).await?;
    if let (Some(name), Some(details)) = (&stream, details) {
        let details = StreamDetails { schedule: Some(announced.id), ..details };
        client.put(&format!("/control/streams/{name}/details"), &details).await?;
    }
    if output.json {
        return print_json(&announced);
    }
    print(|out| {
        writeln!(out, "{} is planned for {}.", printable(&title), when(starts_at))?;
        match &stream {
            Some(name) => writeln!(out, "The next broadcast of {name} is it."),
            None => writeln!(
                out,
                "'meshstream broadcast set NAME --schedule {}' says which stream name's next broadcast is it.",
                announced.slug
            ),
        }
    })
}

/// The planned broadcast of this node that is meant by an id, a slug or the beginning of either.
fn find<'a>(planned: &'a [Planned], text: &str) -> anyhow::Result<&'a Planned> {
    let is_it = |one: &&Planned| one.slug.starts_with(text) || one.id.to_string().starts_with(text);
    let mut found = planned.iter().filter(|one| one.own).filter(is_it);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => bail!("several planned broadcasts begin with {text}: write more of the id"),
        (None, _) => bail!(
            "this node has planned nothing whose id begins with {text}: 'meshstream schedule list' shows what is planned"
        ),
    }
}

fn print_list(planned: &[Planned]) -> anyhow::Result<()> {
    print(|out| {
        if planned.is_empty() {
            writeln!(out, "Nothing is planned. 'meshstream schedule add TITLE TIME' plans a broadcast.")?;
        }
        planned.iter().try_for_each(|one| {
            let whose = if one.own { "this node" } else { "another node" };
            writeln!(out, "{}  {}  {whose}  {}", when(one.starts_at), printable(&one.title), one.slug)
        })
    })
}

#[cfg(test)]
mod tests {
    use stream_model::MessageKey;

    use super::*;

    #[test]
    fn times_are_in_utc_or_from_now() {
        let at = Starts(WallTime(1_795_370_400_000));
        assert_eq!(moment("2026-11-22T18:00Z").unwrap(), at);
        assert_eq!(moment("2026-11-22T18:00:00Z").unwrap(), at);
        let soon = moment("90m").unwrap().0;
        assert!(soon > WallTime::now() && soon <= WallTime::now().after(std::time::Duration::from_secs(90 * 60)));
        for text in ["", "tomorrow", "2026-11-22", "2026-11-22T18:00", "18:00Z"] {
            assert!(moment(text).unwrap_err().to_string().contains("2026-11-22T18:00Z"), "{text}");
        }
    }

    #[test]
    fn a_plan_is_named_by_the_beginning_of_its_id_and_is_this_nodes() {
        let plan = |byte: u8, own| {
            let id = ScheduleId(MessageKey([byte; 32]));
            Planned { id, slug: id.slug(), title: String::new(), own, starts_at: WallTime(0) }
        };
        let planned = [plan(0, true), plan(1, true), plan(2, false)];
        assert_eq!(find(&planned, "AQ").unwrap().id, planned[1].id);
        assert_eq!(find(&planned, &planned[1].id.to_string()[..6]).unwrap().id, planned[1].id);
        assert!(find(&planned, "A").unwrap_err().to_string().contains("several"));
        assert!(find(&planned, "Ag").unwrap_err().to_string().contains("schedule list"));
    }
}
