//! What a whole node costs and how quick it is, measured on the built program with real publishers.
//!
//! Prints a table; compares with ffmpeg's own remux of the same file in the same run, because absolute figures say
//! more of the machine than of the program.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use stream_model::WallTime;
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};

const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");

/// Length and bitrate of the file that is ingested: long enough that starting up does not count.
const FILE_SECONDS: u32 = 120;
const FILE_KBPS: u32 = 12_000;

/// How much faster than real time it is published: what two cores carry with room to spare.
const READ_RATE: u32 = 10;

/// Segments over which latencies are taken.
const SEGMENTS: u64 = 8;

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo bench` passes flags for Criterion's benchmarks, which do not concern this one.
    row("release binary", &format!("{:.1} MB", std::fs::metadata(MESHSTREAM)?.len() as f64 / 1e6));
    start_to_serving().await?;
    ingest_cost().await?;
    two_nodes().await
}

async fn start_to_serving() -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let node = start("idle", &[]).await?;
        times.push(started.elapsed());
        drop(node);
    }
    times.sort();
    row("start to serving, a new data directory (median of 5)", &format!("{} ms", times[2].as_millis()));
    Ok(())
}

async fn ingest_cost() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("sample.flv");
    make_file(&file)?;
    let gigabytes = std::fs::metadata(&file)?.len() as f64 / 1e9;

    let node = start("ingest", &[]).await?;
    let key = node.add_key("demo").await?;
    let before = node.cpu_time()?;
    let mut events = Events::of(&node).await?;
    let publisher = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-readrate", &READ_RATE.to_string(), "-i"])
        .arg(&file)
        .args(["-c", "copy", "-f", "flv", &node.rtmp("demo", &key)])
        .spawn()?;
    let status = tokio::task::spawn_blocking(move || {
        let mut publisher = publisher;
        publisher.wait()
    })
    .await??;
    ensure!(status.success(), "ffmpeg could not publish");
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    let expected = u64::from(FILE_SECONDS) / 15 - 2;
    events.segment(expected).await?;
    let ingest = (node.cpu_time()? - before).as_secs_f64() / gigabytes;

    let before = children_cpu_time()?;
    let status = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-i"])
        .arg(&file)
        .args(["-c", "copy", "-f", "hls", "-hls_time", "15", "-hls_segment_type", "fmp4", "-hls_list_size", "0"])
        .arg(dir.path().join("remux.m3u8"))
        .status()?;
    ensure!(status.success(), "ffmpeg could not remux");
    let remux = (children_cpu_time()? - before).as_secs_f64() / gigabytes;
    row("ingest + segment + CID + store, CPU", &format!("{ingest:.2} s/GB"));
    row("ffmpeg's remux of the same file to HLS, CPU", &format!("{remux:.2} s/GB"));
    row("ratio", &format!("{:.2}", ingest / remux));
    Ok(())
}

async fn two_nodes() -> Result<()> {
    let a = start("publisher", &[]).await?;
    let b = start("viewer", &[a.web_address()]).await?;
    row("resident, idle publisher / viewer", &resident(&a, &b)?);
    let key = a.add_key("demo").await?;
    let picture = Picture { kbps: 3000, keyframe_interval: 2, ..Picture::default() };
    let _publisher = Ffmpeg::publish(&a.rtmp("demo", &key), &picture)?;
    let mut events = Events::of(&b).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    let mut delays = Vec::new();
    for sequence in 1..=SEGMENTS {
        events.segment(sequence).await?;
        let arrived = WallTime::now();
        let playlist = b.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;
        delays.push(arrived.0.saturating_sub(end_of_newest(&playlist)?.0));
    }
    delays.sort_unstable();
    row("resident, streaming 3 Mbit/s, publisher / viewer", &resident(&a, &b)?);
    let (median, worst) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    row("end of a 15 s segment to playable on the other node", &format!("median {median} ms, worst {worst} ms"));
    Ok(())
}

/// When the newest listed segment ended at its publisher: the playlist's program date time, which the publisher
/// takes from its clock when a sample arrives, and the durations since. Both nodes share this machine's clock.
fn end_of_newest(playlist: &str) -> Result<WallTime> {
    let mut time = None;
    for line in playlist.lines() {
        if let Some(text) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            let since = humantime::parse_rfc3339(text)?.duration_since(std::time::UNIX_EPOCH)?;
            time = Some(WallTime(0).after(since));
        }
        if let Some(text) = line.strip_prefix("#EXTINF:") {
            let duration = Duration::from_secs_f64(text.trim_end_matches(',').parse()?);
            time = time.map(|time: WallTime| time.after(duration));
        }
    }
    time.context("no program date time in the playlist")
}

async fn start(name: &str, peers: &[String]) -> Result<Node> {
    let settings = Settings {
        name: name.to_owned(),
        target_duration: Some("15s".to_owned()),
        peers: peers.to_vec(),
        mirror_all: true,
        ..Settings::default()
    };
    Node::start(MESHSTREAM, settings).await
}

fn make_file(path: &Path) -> Result<()> {
    let status = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-f", "lavfi", "-i"])
        .arg("testsrc2=size=640x360:rate=25,noise=alls=60:allf=t")
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100", "-t", &FILE_SECONDS.to_string()])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p"])
        .args([
            "-b:v",
            &format!("{FILE_KBPS}k"),
            "-maxrate",
            &format!("{FILE_KBPS}k"),
            "-bufsize",
            &format!("{FILE_KBPS}k"),
        ])
        .args(["-c:a", "aac", "-f", "flv"])
        .arg(path)
        .status()
        .context("cannot run ffmpeg")?;
    ensure!(status.success(), "ffmpeg could not make the sample");
    Ok(())
}

/// CPU time of the child processes that were waited for.
fn children_cpu_time() -> Result<Duration> {
    testkit::process::cpu_time("self", testkit::process::CpuOf::WaitedChildren)
}

fn resident(a: &Node, b: &Node) -> Result<String> {
    let mb = |node: &Node| node.resident_bytes().map(|bytes| bytes as f64 / 1e6);
    Ok(format!("{:.0} / {:.0} MB", mb(a)?, mb(b)?))
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}
