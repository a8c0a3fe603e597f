//! The gateway of a node that does not watch: content that it knows by announcements only.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node, publish, viewer_of};

#[tokio::test]
async fn a_node_that_holds_nothing_serves_an_announced_manifest_from_its_peers() -> Result<()> {
    let settings = Settings { name: "publisher".to_owned(), grace: Some("1s".to_owned()), ..Settings::default() };
    let a = Node::start(MESHSTREAM, settings).await?;
    let b = viewer_of(&a).await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let mut events = Events::of(&b).await?;
    let slug = events.live_broadcast().await?;
    let mut at_publisher = Events::of(&a).await?;
    at_publisher.subscribe(&slug).await?;
    at_publisher.segment(1).await?;
    // Once the broadcast has ended, its last manifest stays the newest.
    publisher.kill().await?;
    let ended = |event: &Value| {
        let listed = event["broadcasts"].as_array()?.iter().find(|one| one["slug"] == slug)?;
        (listed["state"] == "ended").then(|| listed["manifest"].as_str().map(str::to_owned))
    };
    let manifest = events.until("the end", ended).await?.context("no manifest is announced")?;
    ensure!(b.get_json("/api/v1/storage").await?["files"] == 0, "the viewer's node holds something already");

    let playlist = b.get_text(&format!("/ipfs/{manifest}/index.m3u8")).await?;
    ensure!(playlist == a.get_text(&format!("/ipfs/{manifest}/index.m3u8")).await?, "another playlist: {playlist}");
    let segment = playlist.lines().find(|line| line.ends_with(".m4s")).context("no segment is listed")?;
    let path = format!("/ipfs/{manifest}/{segment}");
    let response = reqwest::get(format!("{}{path}", b.web())).await?.error_for_status()?;
    ensure!(response.headers()["cache-control"].to_str()?.contains("immutable"), "not cached for good");
    ensure!(response.headers()["content-security-policy"] == "sandbox; default-src 'none'", "not sandboxed");
    ensure!(response.bytes().await? == a.get_bytes(&path).await?, "the segment has other bytes");

    let listed = playlist.lines().filter(|line| line.ends_with(".m4s")).count();
    let held = b.get_json(&format!("/api/v1/broadcasts/{slug}")).await?["held_segments"].clone();
    ensure!(listed > 1 && held == 0, "the other segments were fetched too: {listed} listed, {held} held");

    // Well-formed, and nobody announced it.
    let stranger = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";
    let refused = reqwest::get(format!("{}/ipfs/{stranger}", b.web())).await?;
    ensure!(refused.status() == 404, "an unknown CID gets {}", refused.status());
    Ok(())
}

#[tokio::test]
async fn a_page_learns_that_its_node_has_found_another() -> Result<()> {
    let a = node("publisher").await?;
    let mut events = Events::of(&a).await?;
    let peers = |event: &Value| (event["type"] == "node").then(|| event["peers"].as_u64())?;
    let alone = events.until("the node's state", &peers).await?;
    ensure!(alone == 0, "{alone} peers before there are any");
    let _b = viewer_of(&a).await?;
    events.until("the other node", |event| peers(event).filter(|peers| *peers == 1)).await?;
    Ok(())
}
