//! Private communities: their nodes share broadcasts, and everybody else gets nothing from them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use testkit::events::Events;
use testkit::kubo::Kubo;
use testkit::node::{Node, Settings};
use tokio::process::Command;

use crate::{MESHSTREAM, publish};

/// A guard against hanging, not a measure.
const GUARD: std::time::Duration = std::time::Duration::from_secs(60);

/// A node of a community, the open one without an invite.
async fn member(name: &str, invite: Option<&String>, knows: Option<&Node>) -> Result<Node> {
    let settings = Settings {
        name: name.to_owned(),
        community: invite.cloned(),
        peers: knows.iter().map(|node| node.web_address()).collect(),
        ssb_peers: knows.map(ssb_peer).transpose()?.into_iter().collect(),
        mirror_all: true,
        ..Settings::default()
    };
    Node::start(MESHSTREAM, settings).await
}

/// What `ssb invite` would print, if the node listened on more than loopback.
fn ssb_peer(node: &Node) -> Result<String> {
    let feed = node.status()["node"]["feed"].as_str().context("no feed")?;
    let key = feed.trim_start_matches('@').trim_end_matches(".ed25519");
    Ok(format!("net:{}~shs:{key}", node.ssb_address()))
}

/// Runs a command for a data directory that no node uses.
async fn command(data_dir: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(MESHSTREAM).arg("--data-dir").arg(data_dir).args(arguments).output().await?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

async fn new_invite() -> Result<String> {
    let home = tempfile::tempdir()?;
    let made: Value = serde_json::from_str(&command(home.path(), &["community", "new", "--json"]).await?)?;
    let invite = made["invite"].as_str().context("no invite")?;
    ensure!(command(home.path(), &["community", "show", "--invite"]).await?.trim() == invite, "another invite");
    Ok(invite.to_owned())
}

#[tokio::test]
async fn a_private_community_shares_a_broadcast_that_strangers_do_not_get() -> Result<()> {
    let (ours, theirs) = (new_invite().await?, new_invite().await?);
    let publisher = member("publisher", Some(&ours), None).await?;
    let viewer = member("viewer", Some(&ours), Some(&publisher)).await?;
    let strangers =
        [member("open", None, Some(&publisher)).await?, member("other", Some(&theirs), Some(&publisher)).await?];

    let key = publisher.add_key("demo").await?;
    let _encoder = publish(&publisher, &key)?;
    let mut events = Events::of(&viewer).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    let newest = events.segment(2).await?;
    let path = format!("/hls/{slug}/{newest}.m4s");
    let segment = viewer.get_bytes(&path).await?;
    ensure!(segment == publisher.get_bytes(&path).await?, "another segment than the publisher's");

    for stranger in &strangers {
        // The node at its web address says it, and the one at its SSB address hangs up.
        let errors = until_refused(stranger, &publisher).await?;
        ensure!(errors.iter().all(|error| error.contains("another community")), "refused otherwise: {errors:?}");
        let broadcasts = stranger.get_json("/api/v1/broadcasts").await?;
        ensure!(broadcasts.as_array().is_some_and(Vec::is_empty), "a stranger knows of it: {broadcasts}");
        ensure!(stranger.get_json("/api/v1/storage").await?["files"] == 0, "a stranger has fetched blocks");
        let feed = &stranger.status()["node"]["feed"];
        let peers = publisher.get_json("/api/v1/peers").await?;
        let known = peers.as_array().context("no list")?.iter().any(|peer| peer["feed"] == *feed);
        ensure!(!known, "the publisher is connected to a stranger: {peers}");
    }
    let communities = [&publisher, &viewer, &strangers[0], &strangers[1]].map(|node| &node.status()["community"]);
    let [a, b, open, other] = communities.map(|name| name.as_str().unwrap_or_default());
    ensure!(a == b && open == "open" && a != other && a.len() == 64 && other.len() == 64, "names: {communities:?}");
    ensure!(publisher.get_json("/nodeinfo.json").await?["community"] == *a, "/nodeinfo.json names another community");

    kubo_needs_the_swarm_key(&publisher, &segment, &path).await
}

/// Asks until both ways to a node have failed; the process that is waited for does the work meanwhile.
async fn until_refused(stranger: &Node, by: &Node) -> Result<Vec<String>> {
    let addresses = [by.web_address(), by.ssb_address()];
    let refused = async {
        loop {
            let peers = stranger.get_json("/api/v1/peers").await?;
            let of = |address: &String| {
                let peers = peers.as_array()?.iter();
                let at = |peer: &&Value| peer["addresses"].to_string().contains(address);
                peers.filter(at).find_map(|peer| peer["last_error"].as_str().map(ToOwned::to_owned))
            };
            if let [Some(web), Some(ssb)] = addresses.each_ref().map(of) {
                return Ok(vec![web, ssb]);
            }
        }
    };
    tokio::time::timeout(GUARD, refused).await.context("a stranger was not refused")?
}

async fn kubo_needs_the_swarm_key(node: &Node, segment: &[u8], path: &str) -> Result<()> {
    let keys = node.cli_json(&["community", "show", "--json"]).await?;
    let file = keys["ipfs"]["swarm_key"].as_str().context("no swarm key")?;
    let digits = file.strip_prefix("/key/swarm/psk/1.0.0/\n/base16/\n").context("not as Kubo reads it")?;
    ensure!(node.cli(&["community", "show"]).await?.contains(file), "the text has another swarm.key");

    let response = reqwest::get(format!("{}{path}", node.web())).await?.error_for_status()?;
    let cid = response.headers().get("etag").context("no ETag")?.to_str()?.trim_matches('"').to_owned();
    let folder = tempfile::tempdir()?;
    let got = folder.path().join("segment");
    let mut kubo = Kubo::start(Some(digits.trim())).await?;
    kubo.connect(&node.ipfs_multiaddr()).await?;
    kubo.get(&cid, &got).await?;
    ensure!(fs::read(&got)? == segment, "Kubo got other bytes");

    let mut stranger = Kubo::start(None).await?;
    ensure!(stranger.connect(&node.ipfs_multiaddr()).await.is_err(), "a Kubo without the swarm key is let in");
    Ok(())
}

#[tokio::test]
async fn a_node_changes_its_community_when_asked_and_restarted() -> Result<()> {
    let (first, second) = (new_invite().await?, new_invite().await?);
    let mut node = member("member", Some(&first), None).await?;
    let name = node.status()["community"].clone();

    match node.cli(&["community", "join", &second]).await {
        Ok(said) => bail!("it forgot a secret unasked: {said}"),
        Err(error) => ensure!(error.to_string().contains("--replace"), "refused otherwise: {error}"),
    }
    // A secret that is there already is not another one.
    node.cli(&["community", "join", &first]).await?;
    let mistyped = first.replace(':', ":A");
    match node.cli(&["community", "join", &mistyped, "--replace"]).await {
        Ok(said) => bail!("a mistyped invite is taken: {said}"),
        Err(error) => {
            let error = error.to_string();
            ensure!(error.contains("49 characters"), "refused otherwise: {error}");
        }
    }

    let joined = node.cli_json(&["community", "join", &second, "--replace", "--json"]).await?;
    ensure!(joined["restart"] == true && joined["community"] != name, "not joined: {joined}");
    ensure!(node.get_json("/nodeinfo.json").await?["community"] == name, "a running node has changed");
    node.terminate().await?;
    node.restart().await?;
    ensure!(node.status()["community"] == joined["community"], "still in the first");
    ensure!(node.cli(&["status"]).await?.contains("the private community"), "the status does not say it");

    let left = node.cli(&["community", "leave"]).await?;
    ensure!(left.contains("restarted") && left.contains("--data-dir"), "not told what to do: {left}");
    node.terminate().await?;
    node.restart().await?;
    ensure!(node.status()["community"] == "open", "still private");
    ensure!(node.cli(&["status"]).await?.contains("the open community"), "the status does not say it");
    let keys = node.cli_json(&["community", "show", "--json"]).await?;
    ensure!(keys["ipfs"]["swarm_key"].is_null(), "the open community has a swarm key: {keys}");
    ensure!(keys["ssb"]["caps"]["shs"] == "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s=", "not SSB's main key: {keys}");
    Ok(())
}
