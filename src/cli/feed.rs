//! `meshstream feed`: whom this node follows and blocks, through the running node. Nothing is written while it does not
//! run: a node asks its peers for its own feed before it appends, so that a restored backup does not fork it.

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;
use stream_model::{FeedId, FollowEntry, Relation};

use super::{Output, show};
use crate::config::Config;
use crate::control::Client;
use crate::output::print;

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
        Command::Follow(target) => relate(&node, target, Change::Follow).await,
        Command::Unfollow(target) => relate(&node, target, Change::Unfollow).await,
        Command::Block(target) => relate(&node, target, Change::Block).await,
        Command::Unblock(target) => relate(&node, target, Change::Unblock).await,
        Command::List { output } => {
            let entries: Vec<FollowEntry> = node.get(PATH).await?;
            if output.json { show::print_json(&entries) } else { print_list(&entries) }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Follow,
    Unfollow,
    Block,
    Unblock,
}

impl Change {
    /// What the feed is to become. An unfollow never lifts a block, nor an unblock ends a following.
    fn of(self, feed: FeedId, before: Relation) -> anyhow::Result<Relation> {
        match (self, before) {
            (Self::Follow, _) => Ok(Relation::Following),
            (Self::Block, _) => Ok(Relation::Blocking),
            (Self::Unfollow, Relation::Blocking) => {
                bail!("{feed} is blocked, not followed: 'meshstream feed unblock' lifts the block")
            }
            (Self::Unblock, Relation::Following) => {
                bail!("{feed} is followed, not blocked: 'meshstream feed unfollow' ends that")
            }
            (Self::Unfollow | Self::Unblock, _) => Ok(Relation::Neutral),
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Follow => "followed",
            Self::Unfollow => "not followed any more",
            Self::Block => "blocked",
            Self::Unblock => "not blocked any more",
        }
    }
}

async fn relate(node: &Client, target: Target, change: Change) -> anyhow::Result<()> {
    let known: Vec<FollowEntry> = node.get(PATH).await?;
    let feed = resolve(&target.feed, &known)?;
    let before = known.iter().find(|entry| entry.feed == feed).map_or(Relation::Neutral, |entry| entry.relation);
    let relation = change.of(feed, before)?;
    let answer: serde_json::Value = node.post(PATH, &json!({ "feed": feed, "relation": relation })).await?;
    if target.output.json {
        return show::print_json(&answer);
    }
    print(|out| writeln!(out, "{feed} is {}.", change.done()))
}

/// The feed that a text names: by its id, or by the name that one known feed has.
fn resolve(text: &str, known: &[FollowEntry]) -> anyhow::Result<FeedId> {
    if let Ok(feed) = text.parse() {
        return Ok(feed);
    }
    if text.starts_with('@') && text.ends_with(".ed25519") {
        bail!(
            "'{text}' is not a feed: its id is cut off or mistyped; copy it whole, as 'meshstream feed list' shows ids"
        );
    }
    let wanted = text.strip_prefix('@').unwrap_or(text).to_lowercase();
    let is_wanted = |entry: &&FollowEntry| entry.name.as_ref().is_some_and(|name| name.to_lowercase() == wanted);
    let found: Vec<FeedId> = known.iter().filter(is_wanted).map(|entry| entry.feed).collect();
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

    fn resolved(text: &str) -> Result<FeedId, String> {
        let known = [entry(1, Some("Ada")), entry(2, Some("Bo")), entry(3, Some("bo")), entry(4, None)];
        resolve(text, &known).map_err(|error| error.to_string())
    }

    #[test]
    fn feeds_are_named_by_id_or_by_a_name_that_one_of_them_has() {
        let id = FeedId([9; 32]);
        assert_eq!(resolved(&id.to_string()), Ok(id));
        assert_eq!(resolved("ada"), Ok(FeedId([1; 32])));
        assert_eq!(resolved("@Ada"), Ok(FeedId([1; 32])));
        for (text, says) in [("Bo", "several"), ("Cy", "neither"), ("@AQEB.ed25519", "cut off"), ("", "neither")] {
            let error = resolved(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn an_unfollow_does_not_unblock_and_an_unblock_does_not_unfollow() {
        let feed = FeedId([1; 32]);
        for (change, before, says) in [
            (Change::Unfollow, Relation::Blocking, "feed unblock"),
            (Change::Unblock, Relation::Following, "feed unfollow"),
        ] {
            let error = change.of(feed, before).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        for (change, before, after) in [
            (Change::Unfollow, Relation::Following, Relation::Neutral),
            (Change::Unblock, Relation::Blocking, Relation::Neutral),
            (Change::Unblock, Relation::Neutral, Relation::Neutral),
            (Change::Follow, Relation::Blocking, Relation::Following),
            (Change::Block, Relation::Following, Relation::Blocking),
        ] {
            assert_eq!(change.of(feed, before).unwrap(), after, "{change:?} {before:?}");
        }
    }
}
