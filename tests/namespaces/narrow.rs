//! Links that carry only a part of a broadcast.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::link;
use testkit::netns::Network;
use testkit::node::Node;

use crate::{RADIO, mirror, node, playlist};

/// Three quarters of a broadcast at [`KBPS`], less what packets and messages cost.
const NARROW: link::Settings = link::Settings { rate: Some(1_500_000), queue: 64 * 1024, ..RADIO };
const KBPS: u32 = 2000;
/// Segments of 2 s that are watched: half a minute, several times what a segment may be late.
const WATCHED: u64 = 16;

#[tokio::test]
async fn over_a_link_that_carries_a_part_of_a_broadcast_whole_segments_of_it_come_in_time() -> Result<()> {
    let Some(network) = Network::line(&["a", "b"], NARROW).await? else { return Ok(()) };
    let (a, b) = tokio::try_join!(node(&network, "a"), mirror(&network, "b"))?;
    let _publisher = publish(&a).await?;
    let whole = listed_whole(&b).await?;
    // The link carries about ten.
    ensure!(whole.len() >= 5, "listed whole: {whole:?}");
    let (received, sent) = (metric(&b, "meshstream_fetched_bytes_total").await?, network.sent("a", "b")?.bytes);
    ensure!(received * 3 >= sent * 2, "{sent} bytes were sent for {received}");
    Ok(())
}

#[tokio::test]
async fn two_neighbours_behind_narrow_links_bring_together_what_neither_could() -> Result<()> {
    let Some(mut network) = Network::new().await? else { return Ok(()) };
    for name in ["a", "b", "c", "d"] {
        network.add(name)?;
    }
    for near in ["b", "c"] {
        network.join("a", near, RADIO)?;
        network.join(near, "d", NARROW)?;
    }
    let (a, _b, _c, d) =
        tokio::try_join!(node(&network, "a"), mirror(&network, "b"), mirror(&network, "c"), mirror(&network, "d"))?;
    let _publisher = publish(&a).await?;
    let whole = listed_whole(&d).await?;
    ensure!(whole.len() as u64 >= WATCHED / 2, "listed whole: {whole:?}");
    let received = metric(&d, "meshstream_exchange_blocks_received_total").await?;
    let unwanted = metric(&d, "meshstream_exchange_blocks_unwanted_total").await?;
    // Some of what was asked of both, or given up, comes all the same.
    ensure!(unwanted * 5 <= received, "{unwanted} blocks came unwanted beside {received}");
    Ok(())
}

async fn publish(node: &Node) -> Result<Ffmpeg> {
    let key = node.add_key("demo").await?;
    let namespace = node.namespace().context("not in a namespace")?;
    let picture = Picture { kbps: KBPS, size: (640, 360), ..Picture::default() };
    Ffmpeg::publish_from(namespace, &node.rtmp("demo", &key), &picture)
}

/// The segments that a node lists, and not as gaps, until it has listed as many numbers as are watched.
async fn listed_whole(node: &Node) -> Result<BTreeSet<String>> {
    let mut events = Events::of(node).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    let mut whole = BTreeSet::new();
    let mut newest = 0;
    while newest < WATCHED {
        newest = events.segment(newest + 1).await?;
        // Where nothing but gaps is listed the playlist is refused.
        let text = node.get_text(&playlist(&slug)).await.unwrap_or_default();
        let mut gap = false;
        for line in text.lines() {
            gap |= line == "#EXT-X-GAP";
            if line.ends_with(".m4s") && !std::mem::take(&mut gap) {
                whole.insert(line.to_owned());
            }
        }
    }
    Ok(whole)
}

/// The sum of a counter over its labels; 0 where nothing was counted.
async fn metric(node: &Node, name: &str) -> Result<u64> {
    let text = node.get_text("/metrics").await?;
    let samples = text.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
    Ok(samples.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}
