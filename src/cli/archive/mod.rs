//! `meshstream archive`: what is kept of broadcasts, by this node and by others.

mod alone;
mod carried;
mod list;
mod mirror;

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stream_model::{BroadcastId, Republished};

use super::Output;
use super::keep::{self, Policy};
use super::show::print_json;
use super::transfer;
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
    /// Write what is held of a broadcast, with the signed messages that vouch for it, to a CAR file
    Export {
        #[command(flatten)]
        broadcast: Broadcast,
        /// The file; - for standard output
        file: PathBuf,
        /// Version of the format: 1, or 2 with an index
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
        car_version: u8,
    },
    /// Take in and mirror a broadcast out of a CAR file; where that was interrupted, go on
    Import {
        /// The file; - for standard input
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Fetch and keep another node's broadcast, and tell others; goes on while the node runs
    Mirror {
        #[command(flatten)]
        broadcast: Broadcast,
        /// Do not keep it any more
        #[arg(long)]
        stop: bool,
        /// Do not wait until all is here
        #[arg(long, conflicts_with = "stop")]
        no_wait: bool,
    },
    /// List what this node mirrors
    Mirrors(Output),
    /// Announce another node's broadcast on this node's feed, so that it is found when its publisher is gone
    Republish {
        #[command(flatten)]
        broadcast: Broadcast,
        /// To whom it is owed
        #[arg(long, default_value = "")]
        credit: String,
        #[command(flatten)]
        output: Output,
    },
    /// Take one of this node's broadcasts back
    Withdraw {
        #[command(flatten)]
        broadcast: Broadcast,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// Also remove this node's copy, for good
        #[arg(long)]
        remove: bool,
    },
    /// Play a broadcast as a new live broadcast of this node
    Rebroadcast {
        #[command(flatten)]
        broadcast: Broadcast,
        /// Title of the new broadcast
        #[arg(long, conflicts_with = "stop")]
        title: Option<String>,
        /// End it
        #[arg(long)]
        stop: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// Which broadcast.
#[derive(Debug, clap::Args)]
pub(crate) struct Broadcast {
    /// Its id or slug, or as much of the beginning as no other has: 'meshstream streams' lists them
    // A slug may begin with a hyphen.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
}

impl Broadcast {
    async fn find(&self, client: &Client) -> anyhow::Result<BroadcastId> {
        Ok(keep::named(client, &self.id).await?.0)
    }
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let node = async || Client::require(&config.node.data_dir).await;
    match command {
        Command::List(output) => list::list(config, output).await,
        Command::Keep(Broadcast { id }) => keep::set(&node().await?, &id, Policy::Keep).await,
        Command::Drop { broadcast, after } => {
            keep::set(&node().await?, &broadcast.id, Policy::Drop { after_s: after.as_secs() }).await
        }
        Command::Default(Broadcast { id }) => keep::set(&node().await?, &id, Policy::Default).await,
        Command::Export { broadcast, file, car_version } => {
            let client = node().await?;
            let path = format!("{}/export?version={car_version}", path(broadcast.find(&client).await?));
            transfer::download(&client, &path, &file).await.map(drop)
        }
        Command::Import { file, output } => carried::import(&node().await?, &file, output).await,
        Command::Mirror { broadcast, stop: true, .. } => {
            let client = node().await?;
            let id = broadcast.find(&client).await?;
            client.delete(&format!("{}/mirror", path(id))).await?;
            print(|out| writeln!(out, "Not mirrored any more; what is here stays until its room is needed."))
        }
        Command::Mirror { broadcast, no_wait, .. } => {
            let client = node().await?;
            mirror::mirror(&client, broadcast.find(&client).await?, no_wait).await
        }
        Command::Mirrors(output) => mirror::list(&node().await?, output).await,
        Command::Republish { broadcast, credit, output } => republish(&node().await?, broadcast, &credit, output).await,
        Command::Withdraw { broadcast, reason, remove } => {
            let client = node().await?;
            let id = broadcast.find(&client).await?;
            let body = json!({"reason": reason, "remove": remove});
            let _done: serde_json::Value = client.post(&format!("{}/withdraw", path(id)), &body).await?;
            print(|out| writeln!(out, "Withdrawn. Nodes that honour that give it up; what was said stays said."))
        }
        Command::Rebroadcast { broadcast, stop: true, .. } => {
            let client = node().await?;
            let id = broadcast.find(&client).await?;
            client.delete(&format!("{}/rebroadcast", path(id))).await?;
            print(|out| writeln!(out, "The rebroadcast ends."))
        }
        Command::Rebroadcast { broadcast, title, output, .. } => {
            rebroadcast(&node().await?, broadcast, title, output).await
        }
    }
}

async fn republish(client: &Client, broadcast: Broadcast, credit: &str, output: Output) -> anyhow::Result<()> {
    let id = broadcast.find(client).await?;
    let republished: Republished = client.post(&format!("{}/republish", path(id)), &json!({"credit": credit})).await?;
    if output.json {
        return print_json(&republished);
    }
    let Republished { manifest, segments, first_media_sequence: first, last_media_sequence: last } = republished;
    print(|out| writeln!(out, "Republished: {segments} segments from {first} to {last}, {manifest}"))
}

async fn rebroadcast(
    client: &Client,
    broadcast: Broadcast,
    title: Option<String>,
    output: Output,
) -> anyhow::Result<()> {
    /// The new broadcast.
    #[derive(Debug, Serialize, Deserialize)]
    struct Started {
        id: String,
        slug: String,
    }
    let id = broadcast.find(client).await?;
    let started: Started = client.post(&format!("{}/rebroadcast", path(id)), &json!({"title": title})).await?;
    if output.json {
        return print_json(&started);
    }
    print(|out| writeln!(out, "Live at /watch/{}", started.slug))
}

/// Where the node is asked to do something with a broadcast.
fn path(id: BroadcastId) -> String {
    format!("/control/archives/{}", id.slug())
}
