//! `meshstream broadcast`: what broadcasts of this node are called, and their end.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde::Deserialize;
use stream_model::{ScheduleId, StreamDetails, StreamName};

use super::keep::named;
use super::show::printable;
use crate::config::Config;
use crate::control::Client;
use crate::output::print;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Give a broadcast, or the next ones of a stream name, a title and a description
    Set(Set),
    /// Show what the next broadcast of a stream name is called
    Show {
        /// The stream name
        name: StreamName,
    },
    /// End a live broadcast of this node; its publisher stays out until it has not tried for five minutes
    End {
        /// Its id, or the beginning of it, as 'meshstream streams' shows it
        // A slug may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Let the publisher of a stream name in again at once, after 'end'
    Admit {
        /// The stream name
        name: StreamName,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// A stream name that has a key, for its next broadcasts; or the id of a broadcast, or the beginning of it
    // A slug may begin with a hyphen.
    #[arg(allow_hyphen_values = true)]
    what: String,
    /// The title; empty: what the publisher's program says, else the stream name
    #[arg(long)]
    title: Option<String>,
    /// The description
    #[arg(long)]
    description: Option<String>,
    /// What is planned and begins with the next broadcast of the stream name: an id of 'meshstream schedule list', or 'none'
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    schedule: Option<String>,
}

/// The part of `/api/v1/broadcasts/{id}` that is changed.
#[derive(Debug, Deserialize)]
struct Called {
    title: String,
    description: String,
}

#[derive(Debug, Deserialize)]
struct Key {
    name: StreamName,
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    match command {
        Command::Set(set) => self::set(&client, set).await,
        Command::Show { name } => {
            let details: StreamDetails = client.get(&path(&name)).await?;
            print(|out| {
                writeln!(out, "title        {}", printable(&details.title))?;
                writeln!(out, "description  {}", printable(&details.description))?;
                let schedule = details.schedule.map_or_else(|| "none".to_owned(), |schedule| schedule.slug());
                writeln!(out, "schedule     {schedule}")
            })
        }
        Command::End { id } => {
            let (id, title) = named(&client, &id).await?;
            client.act(&format!("/control/broadcasts/{}/end", id.slug())).await?;
            print(|out| {
                writeln!(
                    out,
                    "{title} has ended. Its publisher is let in again once it has not tried for five minutes,"
                )?;
                writeln!(out, "or with 'meshstream broadcast admit NAME'.")
            })
        }
        Command::Admit { name } => {
            client.delete(&format!("/control/streams/{name}/refusal")).await?;
            print(|out| writeln!(out, "The publisher of {name} is let in."))
        }
    }
}

fn path(name: &StreamName) -> String {
    format!("/control/streams/{name}/details")
}

async fn set(client: &Client, set: Set) -> anyhow::Result<()> {
    let Set { what, title, description, schedule } = set;
    if title.is_none() && description.is_none() && schedule.is_none() {
        bail!("nothing to set: add --title, --description or --schedule");
    }
    let keys: Vec<Key> = client.get("/control/keys").await?;
    let Some(key) = keys.into_iter().find(|key| key.name.as_str() == what) else {
        if schedule.is_some() {
            bail!("there is no key for {what}: --schedule is for the next broadcast of a stream name");
        }
        return call_otherwise(client, &what, title, description).await;
    };
    let before: StreamDetails = client.get(&path(&key.name)).await?;
    let schedule = match schedule.as_deref() {
        None => before.schedule,
        Some("none") => None,
        Some(text) => Some(text.parse::<ScheduleId>().context("--schedule")?),
    };
    let details = StreamDetails {
        title: title.unwrap_or(before.title),
        description: description.unwrap_or(before.description),
        schedule,
    };
    client.put(&path(&key.name), &details).await?;
    print(|out| writeln!(out, "That is how the next broadcasts of {} are announced.", key.name))
}

async fn call_otherwise(
    client: &Client,
    broadcast: &str,
    title: Option<String>,
    description: Option<String>,
) -> anyhow::Result<()> {
    let (id, _) = named(client, broadcast).await?;
    let before: Called = client.get(&format!("/api/v1/broadcasts/{}", id.slug())).await?;
    let (title, description) = (title.unwrap_or(before.title), description.unwrap_or(before.description));
    let called = serde_json::json!({ "title": title, "description": description });
    client.put(&format!("/control/broadcasts/{}", id.slug()), &called).await?;
    print(|out| writeln!(out, "It is called {} from now on, on other nodes as they hear of it.", printable(&title)))
}
