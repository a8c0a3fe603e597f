//! What a rendition costs: CPU of the encoder's process for each second of media, by the height of the picture, beside ffmpeg with the
//! same encoder and preset on the same media in the same run. Likewise thumbnails.

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
const PICTURE: Picture = Picture { size: (1280, 720), keyframe_interval: 2, kbps: 2_500, ..Picture::SMALL };
/// Seconds of a segment.
const SEGMENT: u64 = 4;
/// Segments that are measured, after the first, with which the encoder's process begins.
const SEGMENTS: u64 = 8;
/// Lines and kbit/s.
const LADDER: [(u32, u32); 3] = [(480, 800), (360, 500), (240, 250)];

#[tokio::main]
async fn main() -> Result<()> {
    for (height, kbps) in LADDER {
        let (ours, theirs) = measure(height, kbps).await?;
        row(&format!("720p to {height}p, {kbps} kbit/s"), ours, theirs);
    }
    let (ours, theirs, share) = thumbnails().await?;
    row(&format!("thumbnails of 720p, {:.2} % of its bytes", share * 100.0), ours, theirs);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(what: &str, ours: Duration, theirs: Duration) {
    let media = (SEGMENT * SEGMENTS) as f64;
    let percent = |time: Duration| time.as_secs_f64() / media * 100.0;
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("| {what} | {:.1} % of a core | {:.1} % | {ratio:.2} |", percent(ours), percent(theirs));
}

/// A node to which [`PICTURE`] is published, its broadcast and what it tells of that, and the publisher.
async fn publish(settings: Settings) -> Result<(Node, String, Events, Ffmpeg)> {
    let node = Node::start(MESHSTREAM, settings).await?;
    let key = node.add_key("demo").await?;
    let mut events = Events::of(&node).await?;
    let publisher = Ffmpeg::publish(&node.rtmp("demo", &key), &PICTURE)?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    Ok((node, slug, events, publisher))
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
    let (node, slug, mut events, _publisher) = publish(settings).await?;
    let rendition = rendition(&node, &mut events, &slug).await?;
    let mut of_rendition = Events::of(&node).await?;
    of_rendition.subscribe(&rendition).await?;
    node.get_text(&format!("/hls/{rendition}/index.m3u8?player=mse")).await?;
    let first = of_rendition.segment(1).await?;
    let before = node.child_cpu_time("rendition-worker")?;
    of_rendition.segment(first + SEGMENTS).await?;
    let ours = node.child_cpu_time("rendition-worker")? - before;

    let scale = format!("scale=-2:{height}");
    let rate = format!("{kbps}k");
    let arguments = ["-vf", &scale, "-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-b:v", &rate];
    Ok((ours, ffmpeg(&node, &slug, first + 1, &[], &arguments).await?))
}

/// CPU time of the process that makes thumbnails, and of ffmpeg for the same media; and their bytes for each of the media.
async fn thumbnails() -> Result<(Duration, Duration, f64)> {
    let target_duration = Some(format!("{SEGMENT}s"));
    let settings = Settings { name: "publisher".to_owned(), target_duration, thumbnails: true, ..Settings::default() };
    let (node, slug, mut events, _publisher) = publish(settings).await?;
    let mut first = events.segment(1).await?;
    while node.get_text(&format!("/hls/{slug}/thumbnails.vtt")).await.is_err() {
        first = events.segment(first + 1).await?;
    }
    let before = node.child_cpu_time("rendition-worker")?;
    events.segment(first + SEGMENTS).await?;
    let ours = node.child_cpu_time("rendition-worker")? - before;
    let text = node.get_text(&format!("/hls/{slug}/thumbnails.vtt")).await?;
    let (mut images, mut media) = (0, 0);
    for path in text.lines().filter_map(|line| line.strip_prefix("..")?.split('#').next()) {
        let number = path.rsplit('/').next().and_then(|name| name.strip_suffix(".jpg")).context("no number")?;
        images += node.get_bytes(&format!("/hls{path}")).await?.len();
        media += node.get_bytes(&format!("/hls/{slug}/{number}.m4s")).await?.len();
    }
    let arguments = ["-vf", "scale=256:144", "-c:v", "mjpeg", "-fps_mode", "passthrough"];
    let theirs = ffmpeg(&node, &slug, first, &["-skip_frame", "nokey"], &arguments).await?;
    Ok((ours, theirs, images as f64 / media as f64))
}

/// CPU time of ffmpeg for [`SEGMENTS`] of a broadcast from a number on.
async fn ffmpeg(node: &Node, slug: &str, first: u64, input: &[&str], output: &[&str]) -> Result<Duration> {
    let home = tempfile::tempdir()?;
    let file = home.path().join("original.mp4");
    let mut media = node.get_bytes(&format!("/hls/{slug}/init-0.mp4")).await?;
    for sequence in first..first + SEGMENTS {
        media.extend(node.get_bytes(&format!("/hls/{slug}/{sequence}.m4s")).await?);
    }
    tokio::fs::write(&file, media).await?;
    let me = std::process::id().to_string();
    let before = cpu_time(&me, CpuOf::WaitedChildren)?;
    let status = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin"])
        .args(input)
        .arg("-i")
        .arg(&file)
        .arg("-an")
        .args(output)
        .args(["-f", "null", "-"])
        .stdin(Stdio::null())
        .status()
        .context("cannot start ffmpeg")?;
    ensure!(status.success(), "ffmpeg could not encode");
    Ok(cpu_time(&me, CpuOf::WaitedChildren)? - before)
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
