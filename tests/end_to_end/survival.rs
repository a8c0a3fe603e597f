//! Publishers that drop and return, nodes that are killed, nodes that are asked to stop.

use anyhow::{Context as _, Result, ensure};
use testkit::events::Events;
use testkit::node::Node;

use crate::{mirror_of, node, publish};

#[tokio::test]
async fn a_publisher_that_returns_continues_its_broadcast() -> Result<()> {
    let a = node("publisher").await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let mut events = Events::of(&a).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    let before = events.segment(1).await?;

    publisher.kill().await?;
    let _publisher = publish(&a, &key)?;
    events.segment(before + 3).await?;

    let playlist = a.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;
    ensure!(playlist.contains("#EXT-X-DISCONTINUITY\n"), "no discontinuity in {playlist}");
    ensure!(!playlist.contains("#EXT-X-ENDLIST"), "ended: {playlist}");
    ensure!(live(&a).await? == [slug], "another broadcast began");
    Ok(())
}

#[tokio::test]
async fn a_killed_publisher_node_continues_the_broadcast_and_loses_nothing() -> Result<()> {
    let mut a = node("publisher").await?;
    let b = mirror_of(&a).await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let mut at_b = Events::of(&b).await?;
    let slug = at_b.live_broadcast().await?;
    at_b.subscribe(&slug).await?;
    let newest = at_b.segment(2).await?;
    let published = a.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    let feed = a.status()["node"]["feed"].clone();

    a.kill().await?;
    drop(publisher);
    a.restart().await?;
    ensure!(a.status()["node"]["feed"] == feed, "another identity");
    let restarted = a.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    let lost: Vec<&str> = segments(&published).into_iter().filter(|uri| !segments(&restarted).contains(uri)).collect();
    ensure!(lost.is_empty(), "lost {lost:?}");
    for uri in segments(&published) {
        a.get_bytes(&format!("/hls/{slug}/{uri}")).await.with_context(|| format!("{uri} after the restart"))?;
    }

    let _publisher = publish(&a, &key)?;
    at_b.segment(newest + 3).await?;
    ensure!(live(&b).await? == [slug.clone()], "another broadcast began");
    let playlist = b.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    ensure!(playlist.contains("#EXT-X-DISCONTINUITY\n"), "no discontinuity in {playlist}");
    Ok(())
}

#[tokio::test]
async fn a_killed_viewer_node_goes_on_where_it_was() -> Result<()> {
    let a = node("publisher").await?;
    let mut b = mirror_of(&a).await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let mut at_b = Events::of(&b).await?;
    let slug = at_b.live_broadcast().await?;
    at_b.subscribe(&slug).await?;
    let newest = at_b.segment(2).await?;
    let before = b.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;

    b.kill().await?;
    b.restart().await?;
    let mut at_b = Events::of(&b).await?;
    at_b.subscribe(&slug).await?;
    at_b.segment(newest + 2).await?;
    let after = b.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;
    ensure!(media_sequence(&after)? >= media_sequence(&before)?, "went back from {before} to {after}");
    Ok(())
}

#[tokio::test]
async fn sigterm_closes_the_last_segment_and_announces_the_end() -> Result<()> {
    let mut a = node("publisher").await?;
    let b = mirror_of(&a).await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let mut at_b = Events::of(&b).await?;
    let slug = at_b.live_broadcast().await?;
    at_b.subscribe(&slug).await?;
    at_b.segment(1).await?;

    let status = a.terminate().await?;
    ensure!(status.success(), "ended with {status}");
    at_b.until("the end", |event| (event["type"] == "playlist" && event["ended"] == true).then_some(())).await?;
    let playlist = b.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;
    ensure!(playlist.trim_end().ends_with("#EXT-X-ENDLIST"), "goes on: {playlist}");
    Ok(())
}

/// Slugs of the broadcasts that are live at a node.
async fn live(node: &Node) -> Result<Vec<String>> {
    let broadcasts = node.get_json("/api/v1/broadcasts").await?;
    let broadcasts = broadcasts.as_array().context("not a list")?;
    let live = broadcasts.iter().filter(|broadcast| broadcast["state"] == "live");
    Ok(live.filter_map(|broadcast| broadcast["slug"].as_str().map(str::to_owned)).collect())
}

fn segments(playlist: &str) -> Vec<&str> {
    playlist.lines().filter(|line| line.ends_with(".m4s")).collect()
}

fn media_sequence(playlist: &str) -> Result<u64> {
    let line = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
    Ok(line.context("no media sequence")?.parse()?)
}
