//! What a mesh of emulated links carries, measured on the built program: in network namespaces, so as root only.
//!
//! Prints a table. What a link carries at best is measured by `iperf3` over the same link in the same run: the figures
//! are shares of that.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use serde_json::Value;
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::link;
use testkit::netns::Network;
use testkit::node::{Node, Settings};

const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");

const RADIO: link::Settings = link::Settings::RADIO;
/// Of one segment: 5 MB in 15 s.
const LARGE_KBPS: u32 = 2_600;
/// Segments over which figures are taken.
const SEGMENTS: u64 = 3;
/// Broadcasts that begin while their way is timed.
const BEGINNINGS: usize = 5;
/// Viewer nodes of a star, and of a chain.
const AUDIENCES: [usize; 4] = [1, 4, 8, 16];
/// Segments over which an upload is counted.
const COUNTED: u64 = 15;
/// How long idle traffic is counted.
const IDLE: Duration = Duration::from_secs(30);
/// Pause between two looks at the state of a node: no figure is finer.
const LOOK: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<()> {
    // Words name what is measured, all without any. The flags that `cargo bench` passes for Criterion's benchmarks do not
    // concern this one.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    for loss in [0.0, 0.01] {
        let settings = link::Settings { loss, ..RADIO };
        if wanted("hops") {
            hops(settings).await?;
        }
        if wanted("beginnings") {
            beginnings(settings).await?;
        }
    }
    if wanted("audiences") {
        audiences().await?;
    }
    if wanted("providers") {
        two_narrow_providers().await?;
    }
    if wanted("discovery") {
        discovery_and_idle().await?;
    }
    Ok(())
}

/// One segment of 5 MB over one, two and three hops, beside `iperf3` over one.
async fn hops(settings: link::Settings) -> Result<()> {
    let names = ["a", "b", "c", "d"];
    let Some(network) = Network::line(&names, settings).await? else { return Ok(()) };
    let best = iperf3(&network).await?;
    let loss = settings.loss * 100.0;
    row(&format!("iperf3, 20 Mbit/s, 40 ms, {loss} % loss"), &format!("{best:.1} Mbit/s"));
    let nodes = try_join_all(names.map(|name| start(&network, name, "15s"))).await?;
    let _publisher = publish(&nodes[0], LARGE_KBPS).await?;
    let mut at = Vec::new();
    for node in &nodes {
        at.push(watch(node).await?);
    }
    let slug = at[0].1.clone();
    let mut newest = 0;
    for (events, _) in &mut at {
        newest = events.segment(newest.max(1)).await?;
    }
    let mut delays = vec![Vec::new(); nodes.len()];
    let mut bytes = 0;
    for _ in 0..SEGMENTS {
        newest = at[0].0.segment(newest + 1).await?;
        let since = Instant::now();
        for hop in 1..nodes.len() {
            at[hop].0.segment(newest).await?;
            delays[hop].push(since.elapsed());
        }
        bytes = nodes[0].get_bytes(&format!("/hls/{slug}/{newest}.m4s")).await?.len();
    }
    for (hop, delays) in delays.iter_mut().enumerate().skip(1) {
        delays.sort();
        let median = delays[delays.len() / 2];
        let rate = bytes as f64 * 8.0 / 1e6 / median.as_secs_f64();
        let beyond = median.as_secs_f64() - bytes as f64 * 8.0 / 1e6 / best;
        row(
            &format!("segment of {:.1} MB over {hop} hops, {loss} % loss, until it is listed", bytes as f64 / 1e6),
            &format!(
                "{:.2} s: {:.2} of iperf3's rate, {beyond:.2} s beyond one transfer",
                median.as_secs_f64(),
                rate / best
            ),
        );
    }
    Ok(())
}

/// How soon a new broadcast is listed three hops away: media has not been fetched then. After a first one, so that the
/// nodes know each other's feeds.
async fn beginnings(settings: link::Settings) -> Result<()> {
    let names = ["a", "b", "c", "d"];
    let Some(network) = Network::line(&names, settings).await? else { return Ok(()) };
    let nodes = try_join_all(names.map(|name| start(&network, name, "2s"))).await?;
    let first = publish(&nodes[0], 500).await?;
    let [(mut near, _), (mut far, slug)] = [watch(&nodes[0]).await?, watch(&nodes[3]).await?];
    drop(first);
    let mut known = vec![slug];
    let mut delays = Vec::new();
    for number in 0..BEGINNINGS {
        let _publisher = publish_as(&nodes[0], &format!("new-{number}"), 500).await?;
        let ((slug, at_home), (_, far_away)) = tokio::try_join!(begun(&mut near, &known), begun(&mut far, &known))?;
        delays.push(far_away.saturating_duration_since(at_home));
        known.push(slug);
    }
    delays.sort();
    row(
        &format!(
            "a new broadcast, from listed at its node to listed three hops away, {} % loss",
            settings.loss * 100.0
        ),
        &format!(
            "median {:.2} s, worst {:.2} s",
            delays[BEGINNINGS / 2].as_secs_f64(),
            delays[BEGINNINGS - 1].as_secs_f64()
        ),
    );
    Ok(())
}

/// Waits until a broadcast is live that is not known yet.
async fn begun(events: &mut Events, known: &[String]) -> Result<(String, Instant)> {
    let slug = events.until("a new broadcast", |event| {
        let broadcasts = event["broadcasts"].as_array()?;
        let live = broadcasts.iter().filter(|broadcast| broadcast["state"] == "live");
        let mut slugs = live.filter_map(|broadcast| broadcast["slug"].as_str());
        slugs.find(|slug| !known.iter().any(|one| one == slug)).map(str::to_owned)
    });
    Ok((slug.await?, Instant::now()))
}

/// What the publisher sends where more and more nodes watch: behind one link to a hub, and in a chain, and where only
/// the last node of a line of four watches.
async fn audiences() -> Result<()> {
    for audience in AUDIENCES {
        let viewers = viewers(audience);
        let viewers: Vec<&str> = viewers.iter().map(String::as_str).collect();
        let star = [&["hub", "a"], &viewers[..]].concat();
        let Some(network) = Network::star(&star, RADIO).await? else { return Ok(()) };
        let _hub = start(&network, "hub", "2s").await?;
        upload(&network, &viewers, "hub", &format!("{audience} viewer nodes behind one hub")).await?;
    }
    for audience in AUDIENCES {
        let viewers = viewers(audience);
        let viewers: Vec<&str> = viewers.iter().map(String::as_str).collect();
        let chain = [&["a"], &viewers[..]].concat();
        let Some(network) = Network::line(&chain, RADIO).await? else { return Ok(()) };
        upload(&network, &viewers, "v0", &format!("{audience} viewer nodes in a chain")).await?;
    }
    let Some(network) = Network::line(&["a", "b", "c", "d"], RADIO).await? else { return Ok(()) };
    let _between = tokio::try_join!(start(&network, "b", "2s"), start(&network, "c", "2s"))?;
    upload(&network, &["d"], "b", "a viewer node three hops away alone").await
}

fn viewers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("v{number}")).collect()
}

/// What node `a` sends to its neighbour, beside the media that it publishes, while these watch.
async fn upload(network: &Network, viewers: &[&str], neighbour: &str, audience: &str) -> Result<()> {
    let publisher = start(network, "a", "2s").await?;
    let viewers = try_join_all(viewers.iter().map(|name| start(network, name, "2s"))).await?;
    let _ffmpeg = publish(&publisher, 500).await?;
    // All at once: a WebSocket that nobody looks at for a minute is closed.
    let mut watched = try_join_all(viewers.iter().map(watch)).await?;
    let (mut at_home, slug) = watch(&publisher).await?;
    let first = at_home.segment(5).await?;
    let before = network.sent("a", neighbour)?.bytes;
    let last = first + COUNTED;
    let everywhere = try_join_all(watched.iter_mut().map(|(events, _)| events.segment(last)));
    tokio::try_join!(at_home.segment(last), everywhere)?;
    let sent = network.sent("a", neighbour)?.bytes - before;
    let mut media = 0;
    for segment in first + 1..=last {
        media += publisher.get_bytes(&format!("/hls/{slug}/{segment}.m4s")).await?.len() as u64;
    }
    row(&format!("publisher's upload with {audience}"), &format!("{:.2} of the media", sent as f64 / media as f64));
    Ok(())
}

/// Two providers behind links that each carry less than the broadcast.
async fn two_narrow_providers() -> Result<()> {
    let Some(mut network) = Network::new().await? else { return Ok(()) };
    for name in ["a", "b", "c", "d"] {
        network.add(name)?;
    }
    let narrow = link::Settings { rate: Some(1_500_000), queue: 64 * 1024, ..RADIO };
    for (one, other, settings) in [("a", "b", RADIO), ("a", "c", RADIO), ("b", "d", narrow), ("c", "d", narrow)] {
        network.join(one, other, settings)?;
    }
    let nodes = try_join_all(["a", "b", "c", "d"].map(|name| start(&network, name, "2s"))).await?;
    let _publisher = publish(&nodes[0], 2_000).await?;
    let (mut at_a, slug) = watch(&nodes[0]).await?;
    let (mut at_d, _) = watch(&nodes[3]).await?;
    at_a.segment(24).await?;
    let newest = at_d.segment(20).await?;
    let list = nodes[3].get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;
    let gaps = list.matches("#EXT-X-GAP").count();
    let received = metric(&nodes[3], "meshstream_exchange_blocks_received_total").await?;
    let unwanted = metric(&nodes[3], "meshstream_exchange_blocks_unwanted_total").await?;
    row(
        "2 Mbit/s from two providers of 1.5 Mbit/s each",
        &format!(
            "{gaps} gaps in the window at segment {newest}; {:.0} % of blocks came twice",
            100.0 * unwanted / received.max(1.0)
        ),
    );
    Ok(())
}

/// How soon two nodes without settings work together once their link comes up, and what they say when nothing happens.
async fn discovery_and_idle() -> Result<()> {
    let Some(network) = Network::line(&["a", "b"], RADIO).await? else { return Ok(()) };
    network.cut("a", "b")?;
    let (a, b) = tokio::try_join!(start(&network, "a", "2s"), start(&network, "b", "2s"))?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    network.heal("a", "b")?;
    let healed = Instant::now();
    until(&b, &a, "connected").await?;
    row("two nodes without settings, from the link up to SSB and IPFS connected", &seconds(healed));
    let before = (network.sent("a", "b")?.bytes, network.sent("b", "a")?.bytes);
    tokio::time::sleep(IDLE).await;
    let sent = (network.sent("a", "b")?.bytes - before.0, network.sent("b", "a")?.bytes - before.1);
    let each = |bytes: u64| bytes / IDLE.as_secs();
    row("idle traffic with one neighbour, to it / from it", &format!("{} / {} B/s", each(sent.0), each(sent.1)));
    network.cut("a", "b")?;
    let cut = Instant::now();
    while state(&b, &a).await?.as_deref() == Some("connected") {
        tokio::time::sleep(LOOK).await;
    }
    row("a link that is silently dead, until it is noticed", &seconds(cut));
    Ok(())
}

async fn start(network: &Network, name: &str, target_duration: &str) -> Result<Node> {
    let namespace = Some(network.namespace(name)?.clone());
    let target_duration = Some(target_duration.to_owned());
    Node::start(MESHSTREAM, Settings { name: name.to_owned(), target_duration, namespace, ..Settings::default() }).await
}

async fn publish(node: &Node, kbps: u32) -> Result<Ffmpeg> {
    publish_as(node, "demo", kbps).await
}

async fn publish_as(node: &Node, name: &str, kbps: u32) -> Result<Ffmpeg> {
    let key = node.add_key(name).await?;
    let picture = Picture { kbps, size: (640, 360), ..Picture::default() };
    Ffmpeg::publish_from(node.namespace().context("not in a namespace")?, &node.rtmp(name, &key), &picture)
}

async fn watch(node: &Node) -> Result<(Events, String)> {
    let mut events = Events::of(node).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    // Asking for the playlist is what makes a node fetch a broadcast; it may have to wait for the first segment.
    while node.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
    Ok((events, slug))
}

/// Megabits a second that TCP carries from the first node to the second.
async fn iperf3(network: &Network) -> Result<f64> {
    let to = network.address("b", "a")?;
    let mut server = network.namespace("b")?.command("iperf3");
    let _server = server.args(["-s"]).kill_on_drop(true).stdout(Stdio::null()).spawn().context("iperf3 is missing")?;
    for _ in 0..50 {
        let mut client = network.namespace("a")?.command("iperf3");
        let output = client.args(["-J", "-t", "8", "-c", &to.to_string()]).output().await?;
        let report: Value = serde_json::from_slice(&output.stdout)?;
        if let Some(rate) = report["end"]["sum_received"]["bits_per_second"].as_f64() {
            return Ok(rate / 1e6);
        }
        tokio::time::sleep(LOOK).await;
    }
    anyhow::bail!("iperf3 does not answer")
}

async fn state(node: &Node, other: &Node) -> Result<Option<String>> {
    let peers = node.get_json("/api/v1/peers").await?;
    let peers = peers.as_array().context("no list")?;
    let found = peers.iter().find(|peer| peer["feed"] == other.status()["node"]["feed"]);
    Ok(found.and_then(|peer| peer["state"].as_str()).map(str::to_owned))
}

async fn until(node: &Node, other: &Node, wanted: &str) -> Result<()> {
    let started = Instant::now();
    while state(node, other).await?.as_deref() != Some(wanted) {
        ensure!(started.elapsed() < Duration::from_secs(120), "the nodes do not become {wanted}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn metric(node: &Node, name: &str) -> Result<f64> {
    let text = node.get_text("/metrics").await?;
    let values = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    Ok(values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}
