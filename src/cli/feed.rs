//! `meshstream feed`: whom this node follows and blocks, through the running node. Nothing is written while it does not
//! run: a node asks its peers for its own feed before it appends, so that a restored backup does not fork it.

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;
use stream_model::{FeedId, FollowEntry, Relation};

use super::{Output, print, show};
use crate::config::Config;
use crate::control::Client;

const PATH: &str = "/control/feeds";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replicate a feed, and whom it follows, as far as ssb.hops
    Follow(Target),
    /// Follow a feed no more
    Unfollow(Target),
    /// Neither fetch, serve nor show a feed; what is stored of it and of its broadcasts is deleted
    Block(Target),
    /// Block a feed no more
    Unblock(Target),
    /// List the feeds of nodes and people that are replicated, and those that are blocked
    List {
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// A feed, such as @….ed25519, or the name of one that 'feed list' shows
    feed: String,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let node = Client::require(&config.node.data_dir).await?;
    match command {
        Command::Follow(target) => relate(&node, target, Relation::Following, "followed").await,
        Command::Unfollow(target) => relate(&node, target, Relation::Neutral, "followed no more").await,
        Command::Block(target) => relate(&node, target, Relation::Blocking, "blocked").await,
        Command::Unblock(target) => relate(&node, target, Relation::Neutral, "blocked no more").await,
        Command::List { output } => {
            let entries: Vec<FollowEntry> = node.get(PATH).await?;
            if output.json { show::print_json(&entries) } else { print_list(&entries) }
        }
    }
}

async fn relate(node: &Client, target: Target, relation: Relation, done: &str) -> anyhow::Result<()> {
    let feed = resolve(&target.feed, async || node.get(PATH).await).await?;
    let answer: serde_json::Value = node.post(PATH, &json!({ "feed": feed, "relation": relation })).await?;
    if target.output.json { show::print_json(&answer) } else { print(|out| writeln!(out, "{feed} is {done}.")) }
}

/// The feed that a text names: by its id, or by the name that one known feed has.
async fn resolve(text: &str, list: impl AsyncFnOnce() -> anyhow::Result<Vec<FollowEntry>>) -> anyhow::Result<FeedId> {
    if let Ok(feed) = text.parse() {
        return Ok(feed);
    }
    if text.starts_with('@') && text.ends_with(".ed25519") {
        bail!(
            "'{text}' is not a feed: its id is cut off or mistyped; copy it whole, as 'meshstream feed list' shows ids"
        );
    }
    let wanted = text.strip_prefix('@').unwrap_or(text).to_lowercase();
    let is_wanted = |entry: &FollowEntry| entry.name.as_ref().is_some_and(|name| name.to_lowercase() == wanted);
    let found: Vec<FeedId> = list().await?.into_iter().filter(is_wanted).map(|entry| entry.feed).collect();
    match found.as_slice() {
        [feed] => Ok(*feed),
        [] => bail!(
            "'{text}' is neither a feed, such as @….ed25519, nor the name of one that 'meshstream feed list' shows"
        ),
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            bail!("'{text}' is the name of several feeds: give one of {}", ids.join(", "))
        }
    }
}

fn print_list(entries: &[FollowEntry]) -> anyhow::Result<()> {
    print(|out| {
        if entries.is_empty() {
            return writeln!(out, "No feeds yet. 'meshstream feed follow FEED' follows one.");
        }
        for entry in entries {
            let relation = match (entry.relation, entry.hops) {
                (Relation::Following, _) => "followed".to_owned(),
                (Relation::Blocking, _) => "blocked".to_owned(),
                (Relation::Neutral, Some(hops)) => format!("{hops} steps away"),
                (Relation::Neutral, None) => "met on the mesh".to_owned(),
            };
            let name = entry.name.as_deref().unwrap_or("-");
            writeln!(out, "{}\t{relation}\t{} messages\t{name}", entry.feed, entry.messages)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u8, name: Option<&str>) -> FollowEntry {
        let name = name.map(ToOwned::to_owned);
        FollowEntry { feed: FeedId([n; 32]), name, relation: Relation::Neutral, hops: None, messages: 0 }
    }

    async fn resolved(text: &str) -> Result<FeedId, String> {
        let known = vec![entry(1, Some("Ada")), entry(2, Some("Bo")), entry(3, Some("bo")), entry(4, None)];
        resolve(text, async || Ok(known)).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn feeds_are_named_by_id_or_by_a_name_that_one_of_them_has() {
        let id = FeedId([9; 32]);
        assert_eq!(resolved(&id.to_string()).await, Ok(id));
        assert_eq!(resolved("ada").await, Ok(FeedId([1; 32])));
        assert_eq!(resolved("@Ada").await, Ok(FeedId([1; 32])));
        for (text, says) in [("Bo", "several"), ("Cy", "neither"), ("@AQEB.ed25519", "cut off"), ("", "neither")] {
            let error = resolved(text).await.unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
