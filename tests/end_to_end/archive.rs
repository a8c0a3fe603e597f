//! What stays of a broadcast: its archives, on the publisher's node, on another one, and at a Kubo.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use testkit::events::Events;
use testkit::kubo::Kubo;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node, publish, viewer_of};

#[tokio::test]
async fn an_ended_broadcast_is_an_archive_that_plays_here_there_and_from_a_folder() -> Result<()> {
    let mut a = node("publisher").await?;
    let b = viewer_of(&a).await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let mut at_b = Events::of(&b).await?;
    let slug = at_b.live_broadcast().await?;
    let mut at_a = Events::of(&a).await?;
    at_a.subscribe(&slug).await?;
    at_a.segment(3).await?;
    ensure!(a.terminate().await?.success(), "the publisher's node did not end cleanly");
    a.restart().await?;

    let whole = at_b.archived(&b, &slug).await?;
    let kinds = |kind: &str| whole.iter().filter(|archive| archive["kind"] == kind).count();
    ensure!(kinds("hour") >= 1 && kinds("day") >= 1 && kinds("broadcast") == 1, "{whole:#?}");

    // Nobody has watched it at the viewer: all of it comes from the publisher now.
    let hour = whole.iter().find(|archive| archive["kind"] == "hour").context("no hour")?;
    let path = hour["playlist"].as_str().context("no playlist")?;
    let playlist = b.get_text(path).await?;
    ensure!(playlist == a.get_text(path).await?, "the hour is another one at the viewer");
    ensure!(playlist.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    let everything = b.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    for uri in segments(&everything) {
        let here = b.get_bytes(&format!("/hls/{slug}/{uri}")).await?;
        ensure!(here == a.get_bytes(&format!("/hls/{slug}/{uri}")).await?, "{uri} has other bytes at the viewer");
    }
    let day = whole.iter().find(|archive| archive["kind"] == "day").context("no day")?;
    let path = day["playlist"].as_str().context("no playlist")?;
    ensure!(segments(&b.get_text(path).await?).iter().all(|uri| uri.starts_with("../")), "not below the broadcast");

    // A stock IPFS node makes a folder of the whole that any player plays.
    let manifest = whole.iter().find(|archive| archive["kind"] == "broadcast").context("no whole")?["manifest"].clone();
    let mut kubo = Kubo::start(None).await?;
    kubo.connect(&a.ipfs_multiaddr()).await?;
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("broadcast");
    kubo.get(manifest.as_str().context("no manifest")?, &copy).await?;
    plays(&copy.join("index.m3u8")).await
}

#[tokio::test]
async fn what_there_is_of_the_running_hour_plays_from_the_gateway_and_at_a_kubo() -> Result<()> {
    let settings =
        Settings { name: "publisher".to_owned(), target_duration: Some("1s".to_owned()), ..Settings::default() };
    let a = Node::start(MESHSTREAM, settings).await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let mut at_a = Events::of(&a).await?;
    let slug = at_a.live_broadcast().await?;
    at_a.subscribe(&slug).await?;
    let hour = running_hour(&a, &mut at_a, &slug).await?;

    let manifest = hour["manifest"].as_str().context("no manifest")?;
    let playlist = a.get_text(&format!("/ipfs/{manifest}/index.m3u8")).await?;
    ensure!(playlist.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    let listed = segments(&playlist);
    ensure!(listed.len() >= 20, "{playlist}");
    for uri in listed {
        let here = a.get_bytes(&format!("/ipfs/{manifest}/{uri}")).await?;
        ensure!(here == a.get_bytes(&format!("/hls/{slug}/{uri}")).await?, "{uri} has other bytes in the manifest");
    }
    let shown = a.cli(&["archive", "list"]).await?;
    ensure!(shown.lines().any(|line| line.contains("s so far, ")), "{shown}");

    let mut kubo = Kubo::start(None).await?;
    kubo.connect(&a.ipfs_multiaddr()).await?;
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("hour");
    kubo.get(manifest, &copy).await?;
    plays(&copy.join("index.m3u8")).await
}

/// Waits until a node shows what there is of the hour that runs. Where the hour of the clock ends meanwhile, another one
/// begins: sixty segments are enough for both.
async fn running_hour(node: &Node, events: &mut Events, slug: &str) -> Result<Value> {
    for at_least in 19..60 {
        events.segment(at_least).await?;
        let broadcast = node.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
        let archives = broadcast["archives"].as_array().context("no list of archives")?;
        if let Some(hour) = archives.iter().find(|archive| archive["running"] == true) {
            return Ok(hour.clone());
        }
    }
    bail!("no running hour is shown")
}

/// ffmpeg decodes all of it without a complaint.
async fn plays(playlist: &Path) -> Result<()> {
    let mut decoder = tokio::process::Command::new("ffmpeg");
    decoder.args(["-v", "error", "-allowed_extensions", "ALL", "-i"]).arg(playlist).args(["-f", "null", "-"]);
    let output = decoder.output().await?;
    ensure!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn segments(playlist: &str) -> Vec<&str> {
    playlist.lines().filter(|line| line.ends_with(".m4s")).collect()
}
