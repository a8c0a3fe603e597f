//! `meshstream post`: writes as this node.

use clap::Args;
use serde::{Deserialize, Serialize};
use stream_model::{BroadcastId, MessageKey};

use crate::config::Config;
use crate::control::Client;
use crate::output::print;

#[derive(Debug, Args)]
pub(crate) struct Post {
    /// What to say, in Markdown
    text: String,

    /// Comment on this broadcast, by its id or slug
    #[arg(long, value_name = "ID", conflicts_with = "root", allow_hyphen_values = true)]
    broadcast: Option<BroadcastId>,

    /// Answer this post
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    root: Option<MessageKey>,

    #[command(flatten)]
    output: super::Output,
}

#[derive(Serialize)]
struct Request<'a> {
    text: &'a str,
    broadcast: Option<BroadcastId>,
    root: Option<MessageKey>,
}

#[derive(Deserialize)]
struct Written {
    key: MessageKey,
}

pub(crate) async fn run(config: &Config, post: Post) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    let request = Request { text: &post.text, broadcast: post.broadcast, root: post.root };
    let written: serde_json::Value = client.post("/api/v1/posts", &request).await?;
    if post.output.json {
        return super::show::print_json(&written);
    }
    let Written { key } = serde_json::from_value(written)?;
    print(|out| writeln!(out, "Posted as {key}. It cannot be unsaid."))
}
