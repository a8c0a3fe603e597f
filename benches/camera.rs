//! A camera over the node into a browser: from glass to glass, and memory over a long day. On the built program. What is asked for stands
//! after `--`: `latency` (the default), or `soak MINUTES`; or `soak MINUTES short`, which has in a minute the segments of a quarter of an
//! hour and the pictures of some minutes.
//!
//! The test pattern says in its picture when it was made; a screenshot of the browser is read, and compared with the clock.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use streamer::camera::read_stamp;
use testkit::browser::{Browser, Kind, Settings as BrowserSettings};
use testkit::camera::Camera;
use testkit::events::Events;
use testkit::node::{Node, Settings};
use testkit::source::last_picture;

const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");

/// Of the picture, and of the browser's window.
const SIZE: (u32, u32) = (640, 360);

/// Target durations, in seconds: the default, and ever shorter ones.
const TARGETS: [u64; 5] = [15, 6, 4, 2, 1];

/// Screenshots of a run.
const SHOTS: usize = 15;

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["latency"] => {
            for target in TARGETS {
                latency(target).await?;
            }
            Ok(())
        }
        ["latency", target] => latency(target.parse()?).await,
        ["soak", minutes] => soak(minutes.parse()?, 15, 25, "640x360").await,
        ["soak", minutes, "short"] => soak(minutes.parse()?, 1, 120, "320x180").await,
        _ => anyhow::bail!("latency [TARGET_SECONDS], or soak MINUTES [short]"),
    }
}

async fn node(target: u64) -> Result<Node> {
    let settings =
        Settings { name: "roof".to_owned(), target_duration: Some(format!("{target}s")), ..Settings::default() };
    Node::start(MESHSTREAM, settings).await
}

/// How old the picture in a browser is, and how often it stood still for want of more.
async fn latency(target: u64) -> Result<()> {
    let a = node(target).await?;
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let camera = Camera::start(&a, &["--test-pattern", "--size", &size, "--bitrate", "800"])?;
    let mut events = Events::of(&a).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    // More than a player begins behind the edge.
    events.segment(4).await?;

    let settings = BrowserSettings { size: SIZE, ..Kind::Chromium.into() };
    let mut browser = Browser::open_with(&format!("{}/embed/{slug}", a.web()), &settings).await?;
    browser.play().await?;
    browser.until("a picture", |player| player.width() == u64::from(SIZE.0) && player.current_time() > 0.0).await?;
    browser.eval(COUNT_STALLS).await?;
    let mut ages = Vec::new();
    let home = tempfile::tempdir()?;
    while ages.len() < SHOTS {
        ages.push(age(&mut browser, home.path()).await?.as_secs_f64());
        // Shots of one segment say the same.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let stalls = browser.eval("window.stalls").await?;
    camera.terminate().await?;
    ages.sort_by(f64::total_cmp);
    row(&format!(
        "| {target} s | {:.1} s | {:.1} to {:.1} s | {stalls} |",
        ages[ages.len() / 2],
        ages[0],
        ages[ages.len() - 1]
    ));
    Ok(())
}

/// Counts how often the video waits from now on.
const COUNT_STALLS: &str = "(() => { \
    const deep = (root) => root.querySelector('video') ?? [...root.querySelectorAll('*')] \
        .map(({ shadowRoot }) => shadowRoot && deep(shadowRoot)).find((video) => video) ?? null; \
    window.stalls = 0; window.video = deep(document); \
    window.video.controls = false; \
    window.video.addEventListener('waiting', () => { window.stalls += 1; }); return true; })()";

/// Where the picture is in the window: left, top, width and height in pixels.
const PLACE: &str = "(() => { const { x, y, width, height } = window.video.getBoundingClientRect(); \
    const scale = Math.min(width / window.video.videoWidth, height / window.video.videoHeight); \
    const [w, h] = [window.video.videoWidth * scale, window.video.videoHeight * scale]; \
    return [x + (width - w) / 2 + scrollX, y + (height - h) / 2 + scrollY, w, h].map(Math.round); })()";

/// How old the picture is that is to be seen.
async fn age(browser: &mut Browser, home: &Path) -> Result<Duration> {
    let file = home.join("shot.png");
    let place = browser.eval(PLACE).await?;
    let before = SystemTime::now().duration_since(UNIX_EPOCH)?;
    browser.screenshot(&file).await?;
    let after = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let cut = cut(&file, home, &place).await?;
    let picture = last_picture(&cut, SIZE.0, SIZE.1).await?;
    let stamp = read_stamp(&picture, SIZE.0 as usize, SIZE.1 as usize).context("no time in the screenshot")?;
    // Taken at some time between.
    Ok((before + after) / 2 - Duration::from_millis(stamp))
}

/// The picture alone.
async fn cut(shot: &Path, home: &Path, place: &Value) -> Result<std::path::PathBuf> {
    let numbers: Vec<i64> = place.as_array().context("no place")?.iter().filter_map(Value::as_i64).collect();
    let [x, y, width, height] = numbers[..] else { anyhow::bail!("no place: {place}") };
    let file = home.join("picture.png");
    let filter = format!("crop={width}:{height}:{x}:{y}");
    let status = tokio::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-i"])
        .arg(shot)
        .args(["-vf", &filter])
        .arg(&file)
        .status()
        .await?;
    ensure!(status.success(), "ffmpeg cannot cut the screenshot");
    Ok(file)
}

/// Resident memory of node and encoder while a camera publishes, at ten times, with segments of `target` seconds and `rate` pictures a
/// second.
async fn soak(minutes: u32, target: u64, rate: u32, size: &str) -> Result<()> {
    let length = Duration::from_secs(60) * minutes;
    let a = node(target).await?;
    let mut events = Events::of(&a).await?;
    let rate = rate.to_string();
    let camera =
        Camera::start(&a, &["--test-pattern", "--size", size, "--bitrate", "800", "--rate", &rate, "--clock"])?;
    events.live_broadcast().await?;
    row("| after | node | encoder |\n|---|---|---|");
    let begin = Instant::now();
    for tenth in 0..=10 {
        tokio::time::sleep_until((begin + length * tenth / 10).into()).await;
        row(&format!(
            "| {} min | {:.1} MB | {:.1} MB |",
            begin.elapsed().as_secs() / 60,
            a.resident_bytes()? as f64 / 1e6,
            camera.worker_resident_bytes()? as f64 / 1e6
        ));
    }
    let (status, said) = camera.terminate().await?;
    ensure!(status.success(), "{said}");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(text: &str) {
    println!("{text}");
}
