//! Links and nodes that go and come back. A link that is cut says nothing: it loses everything.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::events::Events;
use testkit::netns::Network;
use testkit::node::Node;

use crate::{RADIO, mirror, node, publish, watch};

/// Segments of 2 s that an outage lasts: a minute. Longer than a TCP connection of SSB or a ping of IPFS may stay
/// unanswered, than a segment may be late, and than the live window is.
const OUTAGE: u64 = 30;

#[tokio::test]
async fn what_was_missed_in_a_partition_arrives_when_it_heals() -> Result<()> {
    let Some(network) = Network::line(&["a", "b"], RADIO).await? else { return Ok(()) };
    let (mut a, b) = tokio::try_join!(node(&network, "a"), mirror(&network, "b"))?;
    let _publisher = publish(&a).await?;
    let (mut at_b, slug) = watch(&b).await?;
    let (mut at_a, _) = watch(&a).await?;
    let last = at_b.segment(2).await?;

    network.cut("a", "b")?;
    let cut = at_a.segment(last + 1).await?;
    let missed = at_a.segment(cut + OUTAGE).await?;
    // What was begun before the cut may be complete.
    for number in cut + 2..=missed {
        let path = format!("/hls/{slug}/{number}.m4s");
        ensure!(a.get_bytes(&path).await.is_ok(), "segment {number} is not at its publisher");
        ensure!(b.get_bytes(&path).await.is_err(), "segment {number} came through a cut link");
    }
    network.heal("a", "b")?;
    // A WebSocket that nobody looks at for so long is closed.
    let (mut at_b, _) = watch(&b).await?;
    at_b.segment(missed + 1).await?;
    ensure_whole(&a, &b, &mut at_b, &slug, missed).await?;

    ensure!(a.terminate().await?.success(), "the publisher's node did not end cleanly");
    a.restart().await?;
    Events::of(&b).await?.archived(&b, &slug).await?;
    let archive = format!("/hls/{slug}/whole.m3u8");
    ensure!(b.get_text(&archive).await? == a.get_text(&archive).await?, "another archive than the publisher's");
    // Its last segments may have come too late for the live playlist, and are asked for now.
    let playlist = b.get_text(&archive).await?;
    let files: Vec<&str> = playlist.lines().filter(|line| line.ends_with(".m4s")).collect();
    ensure!(files.len() as u64 > missed && !playlist.contains("#EXT-X-GAP"), "it is not whole: {playlist}");
    for file in files {
        b.get_bytes(&format!("/hls/{slug}/{file}")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_idle_link_that_is_cut_is_known_to_be_dead_and_used_again_when_it_heals() -> Result<()> {
    let Some(network) = Network::line(&["a", "b"], RADIO).await? else { return Ok(()) };
    let (a, _b) = tokio::try_join!(node(&network, "a"), node(&network, "b"))?;
    let mut events = Events::of(&a).await?;
    let peers = |wanted: u64| move |event: &Value| (event["peers"].as_u64() == Some(wanted)).then_some(());
    events.until("a neighbour", peers(1)).await?;
    network.cut("a", "b")?;
    events.until("the end of the link", peers(0)).await?;
    network.heal("a", "b")?;
    events.until("the neighbour again", peers(1)).await
}

#[tokio::test]
async fn a_node_that_is_unplugged_knows_it_and_is_connected_again_when_it_is_plugged_in() -> Result<()> {
    let Some(network) = Network::line(&["a", "b"], RADIO).await? else { return Ok(()) };
    let (a, b) = tokio::try_join!(node(&network, "a"), node(&network, "b"))?;
    let (mut at_a, mut at_b) = (Events::of(&a).await?, Events::of(&b).await?);
    let peers = |wanted: u64| move |event: &Value| (event["peers"].as_u64() == Some(wanted)).then_some(());
    at_a.until("a neighbour", peers(1)).await?;
    at_b.until("a neighbour", peers(1)).await?;
    for _ in 0..2 {
        network.unplug("a", "b")?;
        at_a.until("the end of its link", peers(0)).await?;
        at_b.until("the end of the link", peers(0)).await?;
        network.plug("a", "b")?;
        at_a.until("the neighbour again", peers(1)).await?;
        at_b.until("the neighbour again", peers(1)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_node_that_was_switched_off_passes_on_again_when_it_is_back() -> Result<()> {
    let Some(network) = Network::line(&["a", "b", "c"], RADIO).await? else { return Ok(()) };
    let (a, mut b, c) = tokio::try_join!(node(&network, "a"), node(&network, "b"), node(&network, "c"))?;
    let _publisher = publish(&a).await?;
    let (mut at_a, _) = watch(&a).await?;
    let (mut at_c, _) = watch(&c).await?;
    let newest = at_c.segment(2).await?;

    // With the power its links go, so that nobody hears of the end of its connections.
    network.cut("a", "b")?;
    network.cut("b", "c")?;
    b.kill().await?;
    let newest = at_a.segment(newest + 3).await?;
    network.heal("a", "b")?;
    network.heal("b", "c")?;
    b.restart().await?;
    at_c.segment(newest + 1).await?;
    Ok(())
}

/// Waits until a node knows every segment up to this number that the publisher's archive lists, and takes them from it.
async fn ensure_whole(publisher: &Node, node: &Node, events: &mut Events, slug: &str, last: u64) -> Result<()> {
    let path = format!("/hls/{slug}/whole.m3u8");
    let published = publisher.get_text(&path).await?;
    let mut newest = last;
    loop {
        let here = node.get_text(&path).await?;
        let missing: Vec<&str> = segments(&published).filter(|uri| !segments(&here).any(|one| one == *uri)).collect();
        if missing.is_empty() {
            break;
        }
        newest = events.segment(newest + 1).await.with_context(|| format!("still missing: {missing:?}"))?;
    }
    ensure!(segments(&published).count() as u64 >= last, "the publisher's archive lacks segments: {published}");
    for uri in segments(&published) {
        let path = format!("/hls/{slug}/{uri}");
        let there = publisher.get_bytes(&path).await?;
        let here = node.get_bytes(&path).await.with_context(|| format!("{uri} did not arrive"))?;
        ensure!(here == there, "{uri} is another one");
    }
    Ok(())
}

fn segments(playlist: &str) -> impl Iterator<Item = &str> {
    playlist.lines().filter(|line| line.ends_with(".m4s"))
}
