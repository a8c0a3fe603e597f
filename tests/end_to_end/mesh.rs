//! Nodes in a row, each knowing the next one only: A publishes, C looks, and nobody watches at B between them.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::events::Events;
use testkit::mesh::{link, map_until};
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node, publish, viewer_of};

/// What a picture begins with.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nof the publisher";

/// A guard against asking for ever: a minute, at five seconds each.
const TRIES: usize = 12;

#[tokio::test]
async fn what_happens_at_one_end_of_a_chain_is_known_at_the_other_though_nobody_watches_between() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("picture.png");
    std::fs::write(&image, PNG)?;
    let settings = Settings {
        name: "publisher".to_owned(),
        image: Some(image),
        grace: Some("1s".to_owned()),
        ..Settings::default()
    };
    let a = Node::start(MESHSTREAM, settings).await?;
    let b = viewer_of(&a).await?;
    let c = viewer_of(&b).await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;

    let mut at_c = Events::of(&c).await?;
    let slug = at_c.live_broadcast().await?;
    let mut at_a = Events::of(&a).await?;
    at_a.subscribe(&slug).await?;
    at_a.segment(2).await?;
    publisher.kill().await?;
    let ended = |event: &Value| {
        let listed = event["broadcasts"].as_array()?.iter().find(|one| one["slug"] == slug)?;
        (listed["state"] == "ended").then(|| listed.clone())
    };
    let listed = at_c.until("the end", ended).await?;
    ensure!(
        listed["media_sequence"].as_u64() >= Some(2) && listed["manifest"].is_string(),
        "without its state: {listed}"
    );
    ensure!(b.get_json("/api/v1/storage").await?["files"] == 0, "the node between has fetched the video");
    let peers = c.get_json("/api/v1/peers").await?;
    let feed = a.status()["node"]["feed"].as_str().context("no feed")?;
    let knows_a = peers.as_array().context("no list")?.iter().any(|peer| peer["feed"] == feed);
    ensure!(!knows_a, "the ends of the chain are connected: {peers}");

    // The publisher's picture comes the same way, when it is looked at.
    let path = format!("/api/v1/feeds/{}", feed.replace('/', "%2F").replace('+', "%2B"));
    let profile = c.get_json(&path).await?;
    ensure!(profile["name"] == "publisher", "another profile: {profile}");
    let picture = profile["image"].as_str().with_context(|| format!("no picture: {profile}"))?;
    // Each request waits for a while; what comes later is there for the next.
    let mut response = reqwest::get(format!("{}{picture}", c.web())).await?;
    for _ in 0..TRIES {
        if response.status() != 404 {
            break;
        }
        response = reqwest::get(format!("{}{picture}", c.web())).await?;
    }
    let response = response.error_for_status()?;
    ensure!(response.headers()["content-type"] == "image/png", "not a picture: {:?}", response.headers());
    ensure!(response.bytes().await? == PNG, "another picture");
    Ok(())
}

#[tokio::test]
async fn a_viewer_three_hops_away_sees_the_video_though_nobody_watches_between() -> Result<()> {
    let a = node("publisher").await?;
    let b = viewer_of(&a).await?;
    let c = viewer_of(&b).await?;
    let d = viewer_of(&c).await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;

    let mut at_d = Events::of(&d).await?;
    let slug = at_d.live_broadcast().await?;
    at_d.subscribe(&slug).await?;
    // Asking for the playlist is what makes a node fetch; nobody does at B and C.
    let path = format!("/hls/{slug}/index.m3u8?player=mse");
    d.get_text(&path).await?;
    let first = at_d.segment(0).await?;
    let newest = at_d.segment(first + 3).await?;
    let playlist = d.get_text(&path).await?;
    let uri = playlist.lines().rev().find(|line| line.ends_with(".m4s")).context("no segment is listed")?;
    ensure!(!playlist.contains("#EXT-X-GAP"), "up to {newest} there are gaps: {playlist}");
    let segment = d.get_bytes(&format!("/hls/{slug}/{uri}")).await?;
    ensure!(segment == a.get_bytes(&format!("/hls/{slug}/{uri}")).await?, "another segment than the publisher's");
    for between in [&b, &c] {
        let broadcasts = between.get_json("/api/v1/broadcasts").await?;
        let held = broadcasts[0]["held_segments"].as_u64();
        ensure!(held >= Some(3), "a node between passed on without keeping: {broadcasts}");
    }
    let peers = d.get_json("/api/v1/peers").await?;
    ensure!(peers.as_array().context("no list")?.len() == 1, "told addresses of this machine were dialled: {peers}");
    Ok(())
}

#[tokio::test]
async fn the_map_at_one_end_of_a_chain_has_all_nodes_and_both_links_until_the_middle_tells_no_more() -> Result<()> {
    let a = node("far").await?;
    let location = ("MESHSTREAM_NODE__LOCATION", "{ latitude = 43.65, longitude = -79.38 }".to_owned());
    let (peers, environment) = (vec![a.web_address()], vec![location]);
    let settings = Settings { name: "middle".to_owned(), peers, environment, ..Settings::default() };
    let b = Node::start(MESHSTREAM, settings).await?;
    let c = viewer_of(&b).await?;

    let is_whole =
        |map: &Value| link(map, &a, &b).is_some() && link(map, &b, &c).is_some_and(|link| link["confirmed"] == true);
    let map = map_until(&c, "both links", is_whole).await?;
    let seen: Vec<_> = map["nodes"].as_array().context("no nodes")?.iter().collect();
    let facts: Vec<_> =
        seen.iter().map(|node| (node["name"].as_str(), node["hops"].as_u64(), node["asked"].as_bool())).collect();
    // Nobody dials an address of this machine on the word of others, so the far end is known by the word of the middle alone.
    let expected = [("viewer", 0, true), ("middle", 1, true), ("far", 2, false)];
    ensure!(facts == expected.map(|(name, hops, asked)| (Some(name), Some(hops), Some(asked))), "other nodes: {map}");
    ensure!(seen[1]["location"]["latitude"] == 43.65 && seen[0].get("location").is_none(), "other places: {map}");
    ensure!(seen[1]["url"] == format!("http://{}/", b.web_address()), "other pages: {map}");
    ensure!(link(&map, &a, &b).is_some_and(|link| link["confirmed"] == false), "one end alone tells of it: {map}");
    ensure!(map["links"].as_array().is_some_and(|links| links.len() == 2), "other links: {map}");
    let both = |map: &Value| link(map, &a, &b).is_some_and(|link| link["confirmed"] == true && link["rtt_ms"].is_u64());
    map_until(&b, "the far link by the word of both ends", both).await?;

    b.cli(&["settings", "set", "mesh.tell_links", "false"]).await?;
    ensure!(b.get_json("/nodeinfo.json").await?.get("links").is_none(), "it still tells of its links");
    let told_by_one =
        |map: &Value| link(map, &a, &b).is_none() && link(map, &b, &c).is_some_and(|link| link["confirmed"] == false);
    map_until(&c, "the link that this node itself tells of, alone", told_by_one).await?;
    Ok(())
}
