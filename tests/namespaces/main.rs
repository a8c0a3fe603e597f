//! Nodes on a mesh of emulated links, each in a network namespace of its own: what a community has that switches on
//! some boxes and sets nothing. Skipped, with a word, where namespaces are not permitted, but never in CI.

mod community;
mod hops;
mod lan;
mod mdns;
mod narrow;
mod outages;
mod overlay;
mod phone;
mod thin;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::link;
use testkit::netns::Network;
use testkit::node::{Node, Settings};

/// The program under test.
const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");

/// A radio hop that is neither good nor bad.
const RADIO: link::Settings = link::Settings {
    delay: Duration::from_millis(20),
    jitter: Duration::from_millis(5),
    loss: 0.01,
    rate: Some(20_000_000),
    queue: 256 * 1024,
};

/// A node that fetches what is watched at it.
async fn node(network: &Network, name: &str) -> Result<Node> {
    start(network, name, false).await
}

/// A node that fetches everything live.
async fn mirror(network: &Network, name: &str) -> Result<Node> {
    start(network, name, true).await
}

async fn start(network: &Network, name: &str, mirror_all: bool) -> Result<Node> {
    let namespace = Some(network.namespace(name)?.clone());
    Node::start(MESHSTREAM, Settings { name: name.to_owned(), mirror_all, namespace, ..Settings::default() }).await
}

/// ffmpeg beside a node, publishing to it.
async fn publish(node: &Node) -> Result<Ffmpeg> {
    let key = node.add_key("demo").await?;
    let namespace = node.namespace().context("not in a namespace")?;
    Ffmpeg::publish_from(namespace, &node.rtmp("demo", &key), &Picture::default())
}

/// Waits until a broadcast is live at a node, and looks at it.
async fn watch(node: &Node) -> Result<(Events, String)> {
    let mut events = Events::of(node).await?;
    let slug = events.live_broadcast().await?;
    // Asking for the playlist is what makes a node fetch a broadcast that it does not mirror.
    node.get_text(&playlist(&slug)).await?;
    events.subscribe(&slug).await?;
    Ok((events, slug))
}

/// Ensures that ffmpeg, beside a node, plays the live broadcast for some seconds.
async fn ensure_plays(node: &Node, slug: &str) -> Result<()> {
    let namespace = node.namespace().context("not in a namespace")?;
    let player = Ffmpeg::play_from(namespace, &format!("{}{}", node.web(), playlist(slug)), 4)?;
    let (status, said) = player.ended().await?;
    ensure!(status.success(), "ffmpeg: {said}");
    Ok(())
}

/// Whether a node is connected with another.
async fn knows(node: &Node, other: &Node) -> Result<bool> {
    let peers = node.get_json("/api/v1/peers").await?;
    let peers = peers.as_array().context("no list")?;
    Ok(peers.iter().any(|peer| peer["feed"] == other.status()["node"]["feed"]))
}

fn playlist(slug: &str) -> String {
    format!("/hls/{slug}/index.m3u8?player=mse")
}
