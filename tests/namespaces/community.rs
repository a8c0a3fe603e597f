//! Several communities on one LAN: nodes, and ordinary SSB servers, without any setting but the secrets that they have.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::events::Events;
use testkit::netns::{Network, SWITCH};
use testkit::node::{Node, Settings};
use testkit::ssb_peer::SsbPeer;
use tokio::process::Command;

use crate::{MESHSTREAM, RADIO, ensure_plays, knows, publish, watch};

/// SSB's public network key, which programs of the open community have.
const OPEN: &str = "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=";

/// A guard against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(120);

#[tokio::test]
async fn of_the_communities_on_one_lan_each_finds_its_own_and_shares_nothing_with_the_others() -> Result<()> {
    let names = ["publisher", "viewer", "open", "other", "another", "ours", "public"];
    let Some(network) = Network::lan(&names, RADIO).await? else { return Ok(()) };
    let (ours, theirs) = (invite().await?, invite().await?);
    let (publisher, viewer, open, other, another) = tokio::try_join!(
        member(&network, "publisher", Some(&ours)),
        member(&network, "viewer", Some(&ours)),
        member(&network, "open", None),
        member(&network, "other", Some(&theirs)),
        member(&network, "another", Some(&theirs)),
    )?;
    let keys = publisher.cli_json(&["community", "show", "--json"]).await?;
    let caps = keys["ssb"]["caps"]["shs"].as_str().context("no network key")?;
    let mut inside = server(&network, "ours", caps).await?;
    let mut outside = server(&network, "public", OPEN).await?;
    let _encoder = publish(&publisher).await?;

    // Each finds its own: the nodes of both private communities, and an ordinary server in one and in the open one.
    let (mut events, slug) = watch(&viewer).await?;
    let newest = events.segment(3).await?;
    ensure_plays(&viewer, &slug).await?;
    until_met(&other, &another).await?;
    inside.connected(feed(&publisher)?).await?;
    outside.connected(feed(&open)?).await?;
    inside.follow(feed(&publisher)?).await?;
    let broadcast = inside.message(feed(&publisher)?, "meshstream-broadcast").await?;
    ensure!(broadcast["tracks"] == json!(["video", "audio"]), "not as it was published: {broadcast}");
    inside.publish(json!({ "type": "about", "about": inside.feed(), "name": "an ordinary server" })).await?;
    until_named(&viewer, inside.feed(), "an ordinary server").await?;

    // And nobody else, also where it is tried.
    let key = feed(&publisher)?.trim_start_matches('@').trim_end_matches(".ed25519");
    let address = format!("net:{}:8008~shs:{key}", network.address("publisher", SWITCH)?);
    ensure!(outside.connect(&address).await.is_err(), "a server with the public network key is let in");
    inside.connect(&address).await.context("a server with the community's is not")?;
    for stranger in [&open, &other, &another] {
        for member in [&publisher, &viewer] {
            ensure!(!knows(member, stranger).await? && !knows(stranger, member).await?, "a stranger is connected");
        }
        let broadcasts = stranger.get_json("/api/v1/broadcasts").await?;
        ensure!(broadcasts.as_array().is_some_and(Vec::is_empty), "a stranger knows of it: {broadcasts}");
        ensure!(stranger.get_json("/api/v1/storage").await?["files"] == 0, "a stranger has fetched blocks");
        let segment = format!("/hls/{slug}/{newest}.m4s");
        ensure!(stranger.get_bytes(&segment).await.is_err(), "a stranger serves it");
        ensure!(publisher.get_bytes(&segment).await.is_ok(), "the publisher does not serve it");
    }
    Ok(())
}

/// A node that would fetch whatever is live.
async fn member(network: &Network, name: &str, invite: Option<&String>) -> Result<Node> {
    let settings = Settings {
        name: name.to_owned(),
        community: invite.cloned(),
        mirror_all: true,
        namespace: Some(network.namespace(name)?.clone()),
        ..Settings::default()
    };
    Node::start(MESHSTREAM, settings).await
}

/// An ordinary server.
async fn server(network: &Network, name: &str, network_key: &str) -> Result<SsbPeer> {
    SsbPeer::start(network.namespace(name)?, network.address(name, SWITCH)?, network_key).await
}

async fn invite() -> Result<String> {
    let home = tempfile::tempdir()?;
    let mut command = Command::new(MESHSTREAM);
    let output = command.arg("--data-dir").arg(home.path()).args(["community", "new", "--json"]).output().await?;
    ensure!(output.status.success(), "no community: {}", String::from_utf8_lossy(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout)?;
    Ok(made["invite"].as_str().context("no invite")?.to_owned())
}

fn feed(node: &Node) -> Result<&str> {
    node.status()["node"]["feed"].as_str().context("no feed")
}

/// Waits until a node is connected with another one, and no third.
async fn until_met(node: &Node, other: &Node) -> Result<()> {
    let one = |event: &Value| (event["peers"].as_u64() == Some(1)).then_some(());
    Events::of(node).await?.until("a neighbour", one).await?;
    ensure!(knows(node, other).await?, "it met somebody else");
    Ok(())
}

/// Asks until a node knows the name of a feed; the processes that are waited for do the work meanwhile.
async fn until_named(node: &Node, feed: &str, name: &str) -> Result<()> {
    let encoded: String = feed.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let path = format!("/api/v1/feeds/{encoded}");
    let named = async { while node.get_json(&path).await.ok().is_none_or(|feed| feed["name"] != name) {} };
    tokio::time::timeout(GUARD, named).await.context("an ordinary server's feed did not arrive")
}
