//! Disks that are full, and disks that cannot be written: the node says so, serves on, and recovers by itself.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::disk::SmallDisk;
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node, publish};

const MIB: u64 = 1 << 20;
/// Against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(120);

fn disk_is(full: bool) -> impl Fn(&Value) -> Option<()> {
    move |event| (event["type"] == "node" && event["storage"]["disk_full"] == full).then_some(())
}

#[tokio::test]
async fn a_node_whose_disk_is_full_serves_on_and_publishes_again_when_there_is_room() -> Result<()> {
    let Some(disk) = SmallDisk::mount(64)? else { return Ok(()) };
    let settings = Settings {
        name: "small".to_owned(),
        volume: Some(disk.path().to_owned()),
        reserve: Some("16MiB".to_owned()),
        grace: Some("1s".to_owned()),
        ..Settings::default()
    };
    let a = Node::start(MESHSTREAM, settings).await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let mut events = Events::of(&a).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    let before = events.segment(1).await?;

    // Not a byte is left: neither segments nor messages can be written.
    disk.fill()?;
    events.until("the full disk", disk_is(true)).await?;
    let playlist = a.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    let segment = playlist.lines().find(|line| line.ends_with(".m4s")).context("no segment")?;
    a.get_bytes(&format!("/hls/{slug}/{segment}")).await?;
    let said = a.cli(&["status"]).await?;
    ensure!(said.contains("PROBLEM: the disk is full"), "{said}");

    disk.free(u64::MAX)?;
    events.until("room on the disk", disk_is(false)).await?;
    events.segment(before + 3).await?;
    let broadcasts = a.get_json("/api/v1/broadcasts").await?;
    ensure!(broadcasts.as_array().map(Vec::len) == Some(1), "another broadcast began: {broadcasts}");
    ensure!(a.get_json("/api/v1/storage").await?["full"].is_null(), "it is still said to be full");

    // Little is left: no segment is taken, and the end is told all the same.
    disk.fill()?;
    disk.free(10 * MIB)?;
    events.until("the full disk", disk_is(true)).await?;
    publisher.kill().await?;
    events.until("the end", |event| (event["type"] == "playlist" && event["ended"] == true).then_some(())).await?;
    Ok(())
}

#[tokio::test]
async fn a_node_that_cannot_write_says_so_and_publishes_again_when_it_can() -> Result<()> {
    let a = node("publisher").await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let mut events = Events::of(&a).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    let before = events.segment(1).await?;

    let (incoming, away) = (a.data_dir().join("ipfs/incoming"), a.data_dir().join("ipfs/away"));
    fs::rename(&incoming, &away)?;
    logged(&a, "the store cannot be written").await?;
    ensure!(a.get_json("/api/v1/storage").await?["failing"] == true, "not failing");
    ensure!(a.cli(&["status"]).await?.contains("PROBLEM: the store cannot be written"), "not told of");

    fs::rename(&away, &incoming)?;
    events.segment(before + 3).await?;
    ensure!(a.get_json("/api/v1/storage").await?["failing"] == false, "still failing");
    ensure!(a.log().matches("the store cannot be written").count() == 1, "said more than once");
    Ok(())
}

/// Waits until a node's log has this text.
async fn logged(node: &Node, text: &str) -> Result<()> {
    let found = async {
        while !node.log().contains(text) {
            // Each answer of the node lets it go on writing.
            node.get_json("/api/v1/node").await?;
        }
        Ok(())
    };
    tokio::time::timeout(GUARD, found).await.context(format!("no {text:?} in the log"))?
}
