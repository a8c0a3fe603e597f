//! `meshstream hide`, `unhide` and `hidden`: what is not shown on this node.

use anyhow::Context as _;
use clap::Args;
use stream_model::{BroadcastId, Hidden};

use super::Output;
use super::keep::named;
use super::show::{print_json, when};
use crate::config::Config;
use crate::control::Client;
use crate::output::print;

#[derive(Debug, Args)]
pub(crate) struct What {
    /// The id of a broadcast or a planned one, or the key of a post or comment (%….sha256); of a broadcast its beginning does
    // A slug may begin with a hyphen.
    #[arg(allow_hyphen_values = true)]
    id: String,
}

pub(crate) async fn hide(config: &Config, what: What) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    let id = find(&client, &what.id).await?;
    client.put_nothing(&path(id)).await?;
    print(|out| {
        writeln!(
            out,
            "It is not shown on this node any more. Other nodes show it as before: 'meshstream feed block' keeps"
        )?;
        writeln!(out, "its author away, and 'meshstream unhide {}' shows it again.", id.slug())
    })
}

pub(crate) async fn unhide(config: &Config, what: What) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    let id = find(&client, &what.id).await?;
    client.delete(&path(id)).await?;
    print(|out| writeln!(out, "It is shown again."))
}

pub(crate) async fn list(config: &Config, output: Output) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    let hidden: Vec<Hidden> = client.get("/control/hidden").await?;
    if output.json {
        return print_json(&hidden);
    }
    print(|out| {
        if hidden.is_empty() {
            writeln!(out, "Nothing is hidden on this node.")?;
        }
        hidden.iter().try_for_each(|one| writeln!(out, "{}  hidden {}", one.message.slug(), when(one.since)))
    })
}

/// A whole key is what it is; what is not may be the beginning of a broadcast's.
async fn find(client: &Client, text: &str) -> anyhow::Result<BroadcastId> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => named(client, text).await.map(|(id, _)| id).context("a post is named by its whole key"),
    }
}

fn path(id: BroadcastId) -> String {
    format!("/control/hidden/{}", id.slug())
}
