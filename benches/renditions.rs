//! What a rendition costs: CPU of the encoder's process for each second of media, by the height of the picture, beside ffmpeg with the
//! same encoder and preset on the same media in the same run.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};
use testkit::process::{CpuOf, cpu_time};

const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");

/// What is published: 720p with 25 pictures a second.
const PICTURE: Picture =
    Picture { video: true, audio: true, size: (1280, 720), keyframe_interval: 2, kbps: 2_500, length: None };
/// Seconds of a segment.
const SEGMENT: u64 = 4;
/// Segments that are measured, after the first, with which the encoder's process begins.
const SEGMENTS: u64 = 8;
/// Lines and kbit/s.
const LADDER: [(u32, u32); 3] = [(480, 800), (360, 500), (240, 250)];

#[tokio::main]
async fn main() -> Result<()> {
    for (height, kbps) in LADDER {
        let media = Duration::from_secs(SEGMENT * SEGMENTS);
        let (ours, theirs) = measure(height, kbps).await?;
        let percent = |time: Duration| time.as_secs_f64() / media.as_secs_f64() * 100.0;
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        row(&format!("720p to {height}p, {kbps} kbit/s"), percent(ours), percent(theirs), ratio);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(what: &str, ours: f64, theirs: f64, ratio: f64) {
    println!("| {what} | {ours:.0} % of a core | {theirs:.0} % | {ratio:.2} |");
}

/// CPU time of the encoder's process and of ffmpeg for the same media.
async fn measure(height: u32, kbps: u32) -> Result<(Duration, Duration)> {
    let tables = format!("[[rendition]]\nname = \"small\"\nheight = {height}\nbitrate = \"{kbps} kbit/s\"\n");
    let settings = Settings {
        name: "publisher".to_owned(),
        target_duration: Some(format!("{SEGMENT}s")),
        tables,
        ..Settings::default()
    };
    let node = Node::start(MESHSTREAM, settings).await?;
    let key = node.add_key("demo").await?;
    let mut events = Events::of(&node).await?;
    let _publisher = Ffmpeg::publish(&node.rtmp("demo", &key), &PICTURE)?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    let rendition = rendition(&node, &mut events, &slug).await?;
    let mut of_rendition = Events::of(&node).await?;
    of_rendition.subscribe(&rendition).await?;
    node.get_text(&format!("/hls/{rendition}/index.m3u8?player=mse")).await?;
    let first = of_rendition.segment(1).await?;
    let before = node.child_cpu_time("rendition-worker")?;
    of_rendition.segment(first + SEGMENTS).await?;
    let ours = node.child_cpu_time("rendition-worker")? - before;

    // The same segments of the original.
    let home = tempfile::tempdir()?;
    let file = home.path().join("original.mp4");
    let mut media = node.get_bytes(&format!("/hls/{slug}/init-0.mp4")).await?;
    for sequence in first + 1..=first + SEGMENTS {
        media.extend(node.get_bytes(&format!("/hls/{slug}/{sequence}.m4s")).await?);
    }
    tokio::fs::write(&file, media).await?;
    let me = std::process::id().to_string();
    let before = cpu_time(&me, CpuOf::WaitedChildren)?;
    let status = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-i"])
        .arg(&file)
        .args(["-an", "-vf", &format!("scale=-2:{height}"), "-c:v", "libx264", "-preset", "veryfast", "-bf", "0"])
        .args(["-b:v", &format!("{kbps}k"), "-f", "null", "-"])
        .stdin(Stdio::null())
        .status()
        .context("cannot start ffmpeg")?;
    ensure!(status.success(), "ffmpeg could not encode");
    Ok((ours, cpu_time(&me, CpuOf::WaitedChildren)? - before))
}

/// Waits until the rendition is announced.
async fn rendition(node: &Node, events: &mut Events, slug: &str) -> Result<String> {
    let mut segment = 0;
    loop {
        segment = events.segment(segment + 1).await?;
        let details: Value = node.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
        if let Some(slug) = details["renditions"][0]["slug"].as_str() {
            return Ok(slug.to_owned());
        }
        ensure!(segment < 30, "no rendition after {segment} segments");
    }
}
