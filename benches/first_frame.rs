//! How long whoever opens a watch page waits for a picture: on the node itself, and on a phone behind a link of 5 Mbit/s; of a
//! live broadcast and of an archive; in Chromium and in Firefox. On the built program in network namespaces, so as root
//! only. Prints a table of when a picture is there, and when its segment is whole; of the rows alone that have all words after `--` (`live`, `archive`, `loopback`, `5 Mbit/s`, `chromium`, `firefox`).

use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::browser::{Browser, Kind, Settings as BrowserSettings};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::link;
use testkit::netns::{Namespace, Network};
use testkit::node::{Node, Settings};

const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");

/// 5 Mbit/s and 20 ms there and back: a phone at the edge of an access point's reach.
const PHONE: link::Settings = link::Settings {
    delay: Duration::from_millis(10),
    jitter: Duration::ZERO,
    loss: 0.0,
    rate: Some(5_000_000),
    queue: 256 * 1024,
};
/// Segments are 14 s long, 1.9 MB: the defaults of the program, and of an encoder with a keyframe every 2 s.
const PICTURE: Picture = Picture { size: (640, 360), keyframe_interval: 2, kbps: 1000, ..Picture::SMALL };
/// Three segments and a rest.
const ARCHIVE_SECONDS: u32 = 45;
/// Each time with a new profile: nothing is in the browser's cache.
const TIMES: usize = 5;

/// Milliseconds from the beginning of the navigation until a frame of the video is shown.
const FIRST_FRAME: &str = "new Promise((done) => { \
    const deep = (root) => root.querySelector('video') ?? [...root.querySelectorAll('*')] \
        .map(({ shadowRoot }) => shadowRoot && deep(shadowRoot)).find((video) => video) ?? null; \
    const look = () => { const video = deep(document); \
        if (video) video.requestVideoFrameCallback((now) => done(now)); else requestAnimationFrame(look); }; \
    look(); })";

/// Milliseconds from there until the first segment is whole.
const FIRST_SEGMENT: &str = "new Promise((done) => { \
    const look = () => { \
        const segment = performance.getEntriesByType('resource').find(({ name }) => name.endsWith('.m4s')); \
        if (segment) done(segment.responseEnd); else setTimeout(look, 20); }; \
    look(); })";

#[tokio::main]
async fn main() -> Result<()> {
    let Some(network) = Network::line(&["a", "phone"], PHONE).await? else { return Ok(()) };
    let here = network.namespace("a")?.clone();
    let node = Node::start(
        MESHSTREAM,
        Settings {
            name: "a".to_owned(),
            target_duration: Some("15s".to_owned()),
            grace: Some("1s".to_owned()),
            namespace: Some(here.clone()),
            ..Settings::default()
        },
    )
    .await?;
    let mut events = Events::of(&node).await?;
    let short = publish(&node, &here, "short", Some(ARCHIVE_SECONDS)).await?;
    let archive = events.live_broadcast().await?;
    short.ended().await?;
    events.archived(&node, &archive).await?;
    let _publisher = publish(&node, &here, "long", None).await?;
    let live = Events::of(&node).await?.live_broadcast().await?;
    events.subscribe(&live).await?;
    // More than a player begins behind the edge.
    events.segment(3).await?;

    let phone = (network.namespace("phone")?.clone(), network.address("a", "phone")?.to_string());
    let places = [("loopback", (here, "127.0.0.1".to_owned())), ("5 Mbit/s", phone)];
    for (place, (namespace, address)) in &places {
        for (what, slug) in [("live", &live), ("an archive", &archive)] {
            for kind in [Kind::Chromium, Kind::Firefox] {
                let label = format!("{what}, {place}, {}", kind.name());
                if !wanted(&label) {
                    continue;
                }
                let url = format!("http://{address}:8080/watch/{slug}");
                let mut times = Vec::new();
                for _ in 0..TIMES {
                    times.push(first_frame(kind, namespace, &url).await?);
                }
                row(&label, &times);
            }
        }
    }
    Ok(())
}

/// Whether a row is asked for: with all words after `--`, or all rows without any.
fn wanted(label: &str) -> bool {
    std::env::args().skip(1).filter(|word| !word.starts_with("--")).all(|word| label.contains(&word))
}

async fn publish(node: &Node, namespace: &Namespace, name: &str, length: Option<u32>) -> Result<Ffmpeg> {
    let key = node.add_key(name).await?;
    Ffmpeg::publish_from(namespace, &node.rtmp(name, &key), &Picture { length, ..PICTURE })
}

/// When a frame is shown, and when the segment that it is of is whole.
async fn first_frame(kind: Kind, namespace: &Namespace, url: &str) -> Result<[f64; 2]> {
    let settings = BrowserSettings { namespace: Some(namespace.clone()), ..kind.into() };
    let mut browser = Browser::open_with(url, &settings).await?;
    let shown = browser.eval(FIRST_FRAME).await?.as_f64().context("no time")?;
    Ok([shown, browser.eval(FIRST_SEGMENT).await?.as_f64().context("no time")?])
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(what: &str, times: &[[f64; 2]]) {
    let [frame, segment] = [0, 1].map(|which| {
        let mut times: Vec<f64> = times.iter().map(|both| both[which] / 1000.0).collect();
        times.sort_by(f64::total_cmp);
        format!("median {:.2} s, worst {:.2} s", times[times.len() / 2], times[times.len() - 1])
    });
    println!("| {what} | {frame} | {segment} |");
}
