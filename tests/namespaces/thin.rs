//! What is watched over a link that does not carry all of a broadcast and its renditions.

use anyhow::{Context as _, Result, ensure};
use testkit::browser::{Browser, Kind, PlayerState, Settings as BrowserSettings};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::link;
use testkit::netns::Network;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, RADIO, node};

/// Carries the smaller picture of [`LADDER`] and not the original.
const NARROW: link::Settings = link::Settings { rate: Some(1_000_000), queue: 64 * 1024, ..RADIO };
/// Carries the sound alone.
const THIN: link::Settings = link::Settings { rate: Some(300_000), queue: 64 * 1024, ..RADIO };

/// Of the original, kbit/s.
const KBPS: u32 = 1500;
const SIZE: (u32, u32) = (640, 360);

const LADDER: &str = "
[[rendition]]
name = \"180p\"
height = 180
bitrate = \"350 kbit/s\"

[[rendition]]
name = \"Sound\"
audio_only = true
";

#[tokio::test]
async fn a_node_brings_what_its_link_carries_down_to_sound_alone_and_back_in_chromium() -> Result<()> {
    down_to_sound_alone_and_back(Kind::Chromium).await
}

#[tokio::test]
async fn a_node_brings_what_its_link_carries_down_to_sound_alone_and_back_in_firefox() -> Result<()> {
    down_to_sound_alone_and_back(Kind::Firefox).await
}

async fn down_to_sound_alone_and_back(kind: Kind) -> Result<()> {
    let Some(network) = Network::line(&["a", "b"], NARROW).await? else { return Ok(()) };
    let (a, b) = tokio::try_join!(publisher(&network), node(&network, "b"))?;
    let _encoder = publish(&a).await?;
    let slug = Events::of(&b).await?.live_broadcast().await?;
    all_are_known(&b, &a, &slug).await?;
    let settings = BrowserSettings { namespace: b.namespace().cloned(), kind, ..BrowserSettings::default() };
    let mut browser = Browser::open_with(&format!("{}/watch/{slug}", b.web()), &settings).await?;

    let small =
        browser.until("the smaller picture", |player| player.width() == 320 && player.state() == "playing").await?;
    browser.until("it plays on", |player| player.current_time() > small.current_time() + 8.0).await?;
    let offered = offers(&b, &slug).await?;
    ensure!(!offered.contains(&"original"), "to a player that does not hear of it all is offered: {offered:?}");

    network.set("a", "b", THIN)?;
    let is_alone =
        |player: &PlayerState| player.width() == 0 && player.caption().contains("the link brings no picture");
    let alone = browser.until("sound alone", is_alone).await?;
    browser.until("it is heard", |player| player.current_time() > alone.current_time() + 8.0).await?;
    let offered = offers(&b, &slug).await?;
    ensure!(offered == ["sound"], "a picture is offered that does not come: {offered:?}");

    network.set("a", "b", RADIO)?;
    browser.until("the picture of the original", |player| player.width() == 640 && player.state() == "playing").await?;
    Ok(())
}

async fn publisher(network: &Network) -> Result<Node> {
    let namespace = Some(network.namespace("a")?.clone());
    let settings = Settings { name: "a".to_owned(), namespace, tables: LADDER.to_owned(), ..Settings::default() };
    Node::start(MESHSTREAM, settings).await
}

async fn publish(node: &Node) -> Result<Ffmpeg> {
    let key = node.add_key("demo").await?;
    let namespace = node.namespace().context("not in a namespace")?;
    let picture = Picture { kbps: KBPS, size: SIZE, ..Picture::default() };
    Ffmpeg::publish_from(namespace, &node.rtmp("demo", &key), &picture)
}

/// Waits until a node has heard of all renditions: asks again with each segment that the publisher tells of.
async fn all_are_known(node: &Node, publisher: &Node, slug: &str) -> Result<()> {
    let mut events = Events::of(publisher).await?;
    events.subscribe(slug).await?;
    loop {
        let details = node.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
        if details["renditions"].as_array().is_some_and(|renditions| renditions.len() == 2) {
            return Ok(());
        }
        events.until("news", |_| Some(())).await?;
    }
}

/// What a player is offered that chooses by itself.
async fn offers(node: &Node, slug: &str) -> Result<Vec<&'static str>> {
    let text = node.get_text(&format!("/hls/{slug}/main.m3u8")).await?;
    let offered = text.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF:"));
    Ok(offered
        .map(|line| match line {
            line if line.contains("RESOLUTION=640x360") => "original",
            line if line.contains("RESOLUTION=") => "picture",
            _ => "sound",
        })
        .collect())
}
