//! A broadcast of a day: 5,760 segments, which nobody can wait for.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use stream_model::WallTime;
use testkit::events::Events;
use testkit::kubo::Kubo;
use testkit::node::{Node, Settings};

use crate::clip::Clip;
use crate::writer::Writer;
use crate::{MESHSTREAM, viewer_of};

const SEGMENTS: u64 = 5_760;
/// 2026-11-20T00:00:00Z.
const MIDNIGHT: WallTime = WallTime(1_795_132_800_000);

/// The most memory that this process has had.
fn most_resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.split_whitespace().next().context("an empty VmHWM")?.parse()?)
}

/// A node that published for a day, the slug of its broadcast, and how long that is.
#[allow(clippy::print_stdout, reason = "figures for docs/benchmarks.md")]
async fn published() -> Result<(Node, String, Duration)> {
    let settings = Settings { name: "publisher".to_owned(), ..Settings::default() };
    let mut publisher = Node::start(MESHSTREAM, settings).await?;
    publisher.terminate().await?;
    let writer = Writer::open(&publisher.data_dir()).await?;
    let silence = Clip::silence()?;
    let segments = (0..SEGMENTS).map(|number| silence.at(number, MIDNIGHT));
    let id = writer.broadcast(silence.program("A day of silence", MIDNIGHT), segments).await?;
    let (began, before) = (Instant::now(), most_resident_kib()?);
    writer.archive(id).await?;
    // What docs/benchmarks.md tells, with --nocapture.
    println!("archived in {:?}, {} KiB more resident at most", began.elapsed(), most_resident_kib()? - before);
    writer.close().await;
    publisher.restart().await?;
    Ok((publisher, id.slug(), silence.duration() * u32::try_from(SEGMENTS)?))
}

#[tokio::test]
async fn a_day_of_5760_segments_is_listed_played_and_carried() -> Result<()> {
    let (publisher, slug, length) = published().await?;
    let broadcast = publisher.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
    let archives = broadcast["archives"].as_array().context("no archives")?;
    let of = |kind: &str| archives.iter().filter(move |archive| archive["kind"] == kind).collect::<Vec<_>>();
    ensure!(of("hour").len() == 24 && of("day").len() == 1 && of("broadcast").len() == 1, "{archives:#?}");
    let manifest = of("day")[0]["manifest"].as_str().context("no manifest")?.to_owned();

    let folder = tempfile::tempdir()?;
    let car = folder.path().join("day.car");
    publisher.cli(&["content", "export", &manifest, car.to_str().context("a path in UTF-8")?]).await?;
    let mut kubo = Kubo::start(None).await?;
    kubo.import(&car).await?;
    let copy = folder.path().join("day");
    kubo.get(&manifest, &copy).await?;
    let index = std::fs::read_to_string(copy.join("index.m3u8"))?;
    let listed = index.lines().filter(|line| line.ends_with(".m4s")).count() as u64;
    ensure!(listed == SEGMENTS, "{listed} segments are listed");
    is_as_long_as(length, &copy.join("index.m3u8"))?;

    // Somebody else looks at one moment of it.
    let viewer = viewer_of(&publisher).await?;
    let mut events = Events::of(&viewer).await?;
    events.listed(&slug).await?;
    let known = events.archived(&viewer, &slug).await?;
    let afternoon = known.iter().find(|archive| archive["period"] == "2026-11-20T13Z").context("no such hour")?;
    let playlist = viewer.get_text(afternoon["playlist"].as_str().context("no playlist")?).await?;
    let segment =
        playlist.lines().find_map(|line| line.strip_prefix("../")?.strip_suffix(".m4s")).context("no segment")?;
    let path = format!("/hls/{slug}/{segment}.m4s");
    ensure!(viewer.get_bytes(&path).await? == publisher.get_bytes(&path).await?, "{path} is another one at the viewer");
    let day = viewer.get_text(&format!("/hls/{slug}/day/2026-11-20.m3u8")).await?;
    let listed = day.lines().filter(|line| line.ends_with(".m4s")).count() as u64;
    ensure!(listed == SEGMENTS, "{listed} segments are listed at the viewer");
    Ok(())
}

/// ffmpeg finds the whole length, and plays from the middle without a complaint.
fn is_as_long_as(expected: Duration, playlist: &Path) -> Result<()> {
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-allowed_extensions", "ALL", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(playlist)
        .output()?;
    let length: f64 = String::from_utf8(probe.stdout)?.trim().parse()?;
    let expected = expected.as_secs_f64();
    ensure!((length - expected).abs() < 1.0, "{length} s long, not {expected} s");
    let decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-allowed_extensions", "ALL", "-ss", "13:37:00", "-i"])
        .arg(playlist)
        .args(["-t", "60", "-f", "null", "-"])
        .output()?;
    ensure!(decoder.status.success() && decoder.stderr.is_empty(), "{}", String::from_utf8_lossy(&decoder.stderr));
    Ok(())
}
