//! A broadcast of a day: 5,760 segments, which nobody can wait for.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use stream_model::WallTime;
use testkit::events::Events;
use testkit::kubo::Kubo;
use testkit::node::{Node, Settings};

use crate::writer::{Recorded, Writer};
use crate::{MESHSTREAM, viewer_of};

const SEGMENTS: u64 = 5_760;
/// 117 frames of 1,024 samples at 8 kHz.
const DURATION_MS: u64 = 14_976;
const TIMESCALE: u64 = 8_000;
/// 2026-11-20T00:00:00Z.
const MIDNIGHT: u64 = 1_795_132_800_000;

/// A segment of silence, and its initialization section.
struct Silence {
    init: Bytes,
    segment: Vec<u8>,
    /// Where the segment says when it is to be played: the 64 bits of its `tfdt` (ISO/IEC 14496-12, 8.8.12).
    time_at: usize,
}

impl Silence {
    fn record() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-frames:a", "117", "-c:a", "aac"])
            .args(["-f", "hls", "-hls_time", "60", "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"])
            .args(["-hls_segment_filename"])
            .arg(folder.path().join("%d.m4s"))
            .arg(folder.path().join("index.m3u8"))
            .current_dir(folder.path())
            .status()?;
        ensure!(status.success(), "ffmpeg made no segment");
        let init = std::fs::read(folder.path().join("init.mp4"))?.into();
        let segment = std::fs::read(folder.path().join("0.m4s"))?;
        let tfdt = segment.windows(4).position(|name| name == b"tfdt").context("a segment without tfdt")?;
        ensure!(segment[tfdt + 4] == 1, "a tfdt of 32 bits");
        Ok(Self { init, segment, time_at: tfdt + 8 })
    }

    /// The segment at its place in the day.
    fn at(&self, number: u64) -> Recorded {
        let since = number * DURATION_MS;
        let mut segment = self.segment.clone();
        segment[self.time_at..self.time_at + 8].copy_from_slice(&(since * TIMESCALE / 1_000).to_be_bytes());
        let duration = Duration::from_millis(DURATION_MS);
        Recorded { parts: vec![segment.into()], duration, date: WallTime(MIDNIGHT + since) }
    }
}

/// The most memory that this process has had.
fn most_resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.split_whitespace().next().context("an empty VmHWM")?.parse()?)
}

/// A node that published for a day, and the slug of its broadcast.
#[allow(clippy::print_stdout, reason = "figures for docs/benchmarks.md")]
async fn published() -> Result<(Node, String)> {
    let settings = Settings { name: "publisher".to_owned(), ..Settings::default() };
    let mut publisher = Node::start(MESHSTREAM, settings).await?;
    publisher.terminate().await?;
    let writer = Writer::open(&publisher.data_dir()).await?;
    let silence = Silence::record()?;
    let segments = (0..SEGMENTS).map(|number| silence.at(number));
    let id = writer.broadcast("A day of silence", silence.init.clone(), segments).await?;
    let (began, before) = (Instant::now(), most_resident_kib()?);
    writer.archive(id).await?;
    // What docs/benchmarks.md tells, with --nocapture.
    println!("archived in {:?}, {} KiB more resident at most", began.elapsed(), most_resident_kib()? - before);
    writer.close().await;
    publisher.restart().await?;
    Ok((publisher, id.slug()))
}

#[tokio::test]
async fn a_day_of_5760_segments_is_listed_played_and_carried() -> Result<()> {
    let (publisher, slug) = published().await?;
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
    is_a_day_long(&copy.join("index.m3u8"))?;

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
fn is_a_day_long(playlist: &Path) -> Result<()> {
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-allowed_extensions", "ALL", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(playlist)
        .output()?;
    let length: f64 = String::from_utf8(probe.stdout)?.trim().parse()?;
    let expected = (SEGMENTS * DURATION_MS) as f64 / 1_000.0;
    ensure!((length - expected).abs() < 1.0, "{length} s long, not {expected} s");
    let decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-allowed_extensions", "ALL", "-ss", "13:37:00", "-i"])
        .arg(playlist)
        .args(["-t", "60", "-f", "null", "-"])
        .output()?;
    ensure!(decoder.status.success() && decoder.stderr.is_empty(), "{}", String::from_utf8_lossy(&decoder.stderr));
    Ok(())
}
