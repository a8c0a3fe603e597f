//! Several hops: nodes that know only their neighbours, found on the LAN that each link is.

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use testkit::events::Events;
use testkit::mesh::{link, map_until};
use testkit::netns::Network;
use testkit::node::Node;

use crate::{RADIO, ensure_plays, knows, node, publish, watch};

#[tokio::test]
async fn a_broadcast_at_one_end_of_a_line_of_four_plays_at_the_other() -> Result<()> {
    let Some(network) = Network::line(&["a", "b", "c", "d"], RADIO).await? else { return Ok(()) };
    let (a, _b, _c, d) =
        tokio::try_join!(node(&network, "a"), node(&network, "b"), node(&network, "c"), node(&network, "d"))?;
    let _publisher = publish(&a).await?;
    let (mut at_d, slug) = watch(&d).await?;
    at_d.segment(3).await?;
    ensure_plays(&d, &slug).await?;
    ensure!(!knows(&d, &a).await?, "the ends are connected");
    Ok(())
}

#[tokio::test]
async fn a_broadcast_at_one_end_of_a_line_of_ten_is_seen_at_the_other() -> Result<()> {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let Some(network) = Network::line(&names, RADIO).await? else { return Ok(()) };
    let nodes = try_join_all(names.iter().map(|name| node(&network, name))).await?;
    let _publisher = publish(&nodes[0]).await?;
    let last = nodes.last().context("a line has an end")?;
    let (mut at_last, _) = watch(last).await?;
    at_last.segment(2).await?;
    for other in &nodes[..nodes.len() - 2] {
        ensure!(!knows(last, other).await?, "it is connected with more than its neighbour");
    }
    Ok(())
}

#[tokio::test]
async fn a_broadcast_goes_on_the_other_way_round_a_ring_when_a_link_is_cut() -> Result<()> {
    let Some(network) = Network::ring(&["a", "b", "c", "d"], RADIO).await? else { return Ok(()) };
    let (a, b, c, _d) =
        tokio::try_join!(node(&network, "a"), node(&network, "b"), node(&network, "c"), node(&network, "d"))?;
    let _publisher = publish(&a).await?;
    let (mut at_c, slug) = watch(&c).await?;
    let (mut at_b, _) = watch(&b).await?;
    at_b.segment(2).await?;
    let newest = at_c.segment(2).await?;

    network.cut("a", "b")?;
    // Beyond what was announced before the cut, also where the way was through it.
    at_c.segment(newest + 4).await?;
    at_b.segment(newest + 4).await?;
    ensure_plays(&b, &slug).await
}

#[tokio::test]
async fn all_of_a_star_of_eight_play_what_its_hub_passes_on() -> Result<()> {
    let names = ["hub", "a", "b", "c", "d", "e", "f", "g"];
    let Some(network) = Network::star(&names, RADIO).await? else { return Ok(()) };
    let (_hub, a) = tokio::try_join!(node(&network, "hub"), node(&network, "a"))?;
    let viewers = try_join_all(names[2..].iter().map(|name| node(&network, name))).await?;
    let _publisher = publish(&a).await?;
    for viewer in &viewers {
        let (mut events, _) = watch(viewer).await?;
        events.segment(2).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_past_comes_through_a_node_that_never_had_it() -> Result<()> {
    let Some(network) = Network::line(&["a", "b", "c"], RADIO).await? else { return Ok(()) };
    let (mut a, b, c) = tokio::try_join!(node(&network, "a"), node(&network, "b"), node(&network, "c"))?;
    let _publisher = publish(&a).await?;
    let mut at_a = Events::of(&a).await?;
    let slug = at_a.live_broadcast().await?;
    at_a.subscribe(&slug).await?;
    at_a.segment(11).await?;
    ensure!(a.terminate().await?.success(), "the publisher's node did not end cleanly");
    a.restart().await?;

    Events::of(&c).await?.archived(&c, &slug).await?;
    let playlist = asked_again(&c, &format!("/hls/{slug}/whole.m3u8")).await?;
    let playlist = String::from_utf8(playlist)?;
    let files: Vec<&str> = playlist.lines().filter(|line| line.ends_with(".m4s")).collect();
    ensure!(files.len() > 11, "it begins late or ends early: {playlist}");
    for file in files {
        let path = format!("/hls/{slug}/{file}");
        ensure!(asked_again(&c, &path).await? == a.get_bytes(&path).await?, "{file} is another one");
    }
    let held = b.get_json(&format!("/api/v1/broadcasts/{slug}")).await?["held_segments"].take();
    ensure!(held == 0, "the node in the middle keeps {held} segments");
    Ok(())
}

/// As a player asks, which is told to come back for what is on its way.
async fn asked_again(node: &Node, path: &str) -> Result<Vec<u8>> {
    let mut answer = node.get_bytes(path).await;
    for _ in 0..5 {
        if answer.is_ok() {
            break;
        }
        answer = node.get_bytes(path).await;
    }
    answer
}

#[tokio::test]
async fn nodes_in_a_line_are_on_the_maps_of_each_other_with_the_links_between_them() -> Result<()> {
    let Some(network) = Network::line(&["a", "b", "c"], RADIO).await? else { return Ok(()) };
    let (a, b, c) = tokio::try_join!(node(&network, "a"), node(&network, "b"), node(&network, "c"))?;
    let measured = |link: Option<&serde_json::Value>| {
        link.is_some_and(|link| {
            link["rtt_ms"].as_u64() >= Some(40) && link["loss_percent"].is_u64() && link["over"] == "lan"
        })
    };
    let both = |map: &serde_json::Value| measured(link(map, &a, &b)) && measured(link(map, &b, &c));
    for (node, far) in [(&a, &c), (&c, &a)] {
        let map = map_until(node, "both links, measured", both).await?;
        let hops = |of: &Node| {
            let nodes = map["nodes"].as_array()?;
            nodes.iter().find(|node| node["feed"] == of.status()["node"]["feed"])?["hops"].as_u64()
        };
        ensure!((hops(node), hops(&b), hops(far)) == (Some(0), Some(1), Some(2)), "other hops: {map}");
        ensure!(link(&map, node, far).is_none(), "a link that is not there: {map}");
    }
    let confirmed = |map: &serde_json::Value| {
        [link(map, &a, &b), link(map, &b, &c)].iter().all(|link| link.is_some_and(|link| link["confirmed"] == true))
    };
    map_until(&b, "both links by the word of both ends", confirmed).await?;
    Ok(())
}
