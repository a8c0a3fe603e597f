//! How long whoever opens a watch page waits for a picture: on the node itself, and on a phone behind a link of 5 Mbit/s; of a
//! live broadcast and of an archive; in Chromium and in Firefox. On the built program in network namespaces, so as root
//! only. Prints a table.

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
const PICTURE: Picture =
    Picture { video: true, audio: true, size: (640, 360), keyframe_interval: 2, kbps: 1000, length: None };
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
                let url = format!("http://{address}:8080/watch/{slug}");
                let mut times = Vec::new();
                for _ in 0..TIMES {
                    times.push(first_frame(kind, namespace, &url).await?);
                }
                row(&format!("{what}, {place}, {}", kind.name()), &mut times);
            }
        }
    }
    Ok(())
}

async fn publish(node: &Node, namespace: &Namespace, name: &str, length: Option<u32>) -> Result<Ffmpeg> {
    let key = node.add_key(name).await?;
    Ffmpeg::publish_from(namespace, &node.rtmp(name, &key), &Picture { length, ..PICTURE })
}

async fn first_frame(kind: Kind, namespace: &Namespace, url: &str) -> Result<f64> {
    let settings = BrowserSettings { namespace: Some(namespace.clone()), ..kind.into() };
    let mut browser = Browser::open_with(url, &settings).await?;
    browser.eval(FIRST_FRAME).await?.as_f64().context("no time")
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(what: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[times.len() / 2] / 1000.0, times[times.len() - 1] / 1000.0);
    println!("| {what} | median {median:.2} s, worst {worst:.2} s |");
}
